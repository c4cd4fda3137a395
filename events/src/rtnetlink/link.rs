//! A link: a network card, or what stands for one.

use alloc::string::String;
use core::fmt::Write as _;

use super::{
    Attributes,
    attributes::{number, text},
};
use crate::Value;

/// What the head of a message about a link as such has in the place of a family. Bridges tell of their ports with
/// their own.
pub(super) const ALL_FAMILIES: u8 = 0;

/// How long the fixed part of a message about a link is.
const HEAD: usize = 16;

const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const MASTER: u16 = 10;
const WIRELESS: u16 = 11;
const INFO: u16 = 18;
/// Within `INFO`: which driver makes it.
const KIND: u16 = 1;

/// It is switched on.
const UP: u32 = 1;
/// Whoever watches over it says that it can be used.
const RUNNING: u32 = 1 << 6;
/// There is a cable, or what stands for it.
const LOWER_UP: u32 = 1 << 16;

/// A link as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number, which it keeps when its name changes.
    pub index: u32,
    /// Its name.
    pub name: Value,
    flags: u32,
    /// What it is: the driver of one that was made (`bridge`, `vlan`, `veth`), else `loopback`, `ether` or such.
    pub kind: Value,
    /// Its hardware's address, in hexadecimal; empty if it has none.
    pub hardware: Value,
    /// How long a packet may be.
    pub mtu: u32,
    /// The link that it is a port of.
    pub master: Option<u32>,
}

pub(super) struct Head {
    pub family: u8,
    hardware: u16,
    pub index: u32,
    flags: u32,
}

pub(super) fn head(body: &[u8]) -> Option<Head> {
    let [family, _, a, b, c, d, e, f, g, h, i, j, ..] = *body.first_chunk::<HEAD>()?;
    Some(Head {
        family,
        hardware: u16::from_ne_bytes([a, b]),
        index: u32::from_ne_bytes([c, d, e, f]),
        flags: u32::from_ne_bytes([g, h, i, j]),
    })
}

impl Link {
    /// A link from the body of a message. `None` if the message is about something else that happened on one.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let head = head(body).filter(|head| head.family == ALL_FAMILIES)?;
        let mut link = Self {
            index: head.index,
            name: Value::empty(),
            flags: head.flags,
            kind: Value::escaped(hardware_name(head.hardware).as_bytes()).0,
            hardware: Value::empty(),
            mtu: 0,
            master: None,
        };
        for (kind, value) in Attributes(body.get(HEAD..)?) {
            match kind {
                ADDRESS => link.hardware = hexadecimal(value),
                NAME => link.name = Value::escaped(text(value)).0,
                MTU => link.mtu = number(value)?,
                MASTER => link.master = Some(number(value)?).filter(|master| *master != 0),
                // A driver's remark about the air, in which all else is missing.
                WIRELESS => return None,
                INFO => {
                    if let Some((_, made)) = Attributes(value).find(|(kind, _)| *kind == KIND) {
                        link.kind = Value::escaped(text(made)).0;
                    }
                }
                _ => {}
            }
        }
        Some(link).filter(|link| !link.name.is_empty())
    }

    /// Whether it is switched on.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.flags & UP != 0
    }

    /// Whether packets can pass: it is switched on, there is a cable or what stands for it, and whoever watches over
    /// it (as with 802.1X, or a bond) says so.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        const ALL: u32 = UP | RUNNING | LOWER_UP;
        self.flags & ALL == ALL
    }
}

/// What hardware of this type is called.
const fn hardware_name(number: u16) -> &'static str {
    match number {
        1 => "ether",
        32 => "infiniband",
        280 => "can",
        512 => "ppp",
        772 => "loopback",
        // The kernel's own words for "no address" and for tunnels.
        768 | 769 | 776 | 778 | 823 => "tunnel",
        65534 => "none",
        _ => "other",
    }
}

/// The longest address of hardware that there is.
const LONGEST: usize = 32;

fn hexadecimal(bytes: &[u8]) -> Value {
    let mut text = String::new();
    for (place, byte) in bytes.iter().take(LONGEST).enumerate() {
        // Writing into a string cannot fail.
        let _ = write!(text, "{}{byte:02x}", if place == 0 { "" } else { ":" });
    }
    Value::escaped(text.as_bytes()).0
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{
        super::{
            News, messages,
            samples::{attribute, message},
        },
        *,
    };

    fn body(family: u8, hardware: u16, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = Vec::from([family, 0]);
        body.extend(hardware.to_ne_bytes());
        body.extend(3_u32.to_ne_bytes());
        body.extend(flags.to_ne_bytes());
        body.extend([0; 4]);
        body.extend(attributes.concat());
        body
    }

    #[test]
    fn a_link_is_read() {
        let info = attribute(INFO, &attribute(KIND, b"veth\0"));
        let attributes = [
            attribute(NAME, b"eth0\0"),
            attribute(ADDRESS, &[0x52, 0x54, 0, 0x12, 0x34, 0x56]),
            attribute(MTU, &1500_u32.to_ne_bytes()),
            attribute(MASTER, &9_u32.to_ne_bytes()),
            info,
        ];
        let link = Link::read(&body(0, 1, UP | RUNNING | LOWER_UP, &attributes)).unwrap();
        assert_eq!((link.index, &*link.name, &*link.kind), (3, "eth0", "veth"));
        assert_eq!((&*link.hardware, link.mtu, link.master), ("52:54:00:12:34:56", 1500, Some(9)));
        assert!(link.is_up() && link.is_on());
    }

    #[test]
    fn up_is_on_and_carrier_and_running() {
        let name = [attribute(NAME, b"lo\0")];
        for (flags, up) in [(UP | RUNNING | LOWER_UP, true), (UP | LOWER_UP, false), (UP | RUNNING, false)] {
            let link = Link::read(&body(0, 772, flags, &name)).unwrap();
            assert_eq!((link.is_up(), link.is_on(), &*link.kind), (up, true, "loopback"), "{flags:x}");
        }
    }

    #[test]
    fn what_a_bridge_or_the_air_says_of_a_link_is_not_about_the_link() {
        let name = attribute(NAME, b"eth0\0");
        let port = body(7, 1, UP, core::slice::from_ref(&name));
        let air = body(0, 1, UP, &[name, attribute(WIRELESS, b"x")]);
        let nameless = body(0, 1, UP, &[]);
        for (kind, body) in [(16, &port), (17, &port), (16, &air), (16, &nameless)] {
            let read: Vec<_> = messages(&message(kind, 0, body)).map(|message| message.news).collect();
            assert_eq!(read, [News::Other]);
        }
        let gone = messages(&message(17, 0, &body(0, 1, 0, &[]))).map(|message| message.news).next();
        assert_eq!(gone, Some(News::LinkGone(3)));
    }

    #[test]
    fn a_hostile_name_is_escaped() {
        let link = Link::read(&body(0, 1, 0, &[attribute(NAME, b"a\n$(x)\xff\0")])).unwrap();
        assert_eq!(&*link.name, "a\\x0a$(x)\\xff");
    }
}
