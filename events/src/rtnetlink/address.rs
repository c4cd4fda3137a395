//! An address of a link.

use core::{fmt, net::IpAddr};

use super::{
    Attributes, Family,
    attributes::{address, number},
};

/// How long the fixed part of a message about an address is.
const HEAD: usize = 8;

const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const FLAGS: u16 = 8;

/// It may be used while it is still looked whether anybody else has it.
const OPTIMISTIC: u32 = 4;
/// Somebody else has it.
const REFUSED: u32 = 8;
/// It is still looked whether anybody else has it.
const TENTATIVE: u32 = 0x40;

/// How far an address is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(pub u8);

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("global"),
            200 => f.write_str("site"),
            253 => f.write_str("link"),
            254 => f.write_str("host"),
            other => write!(f, "{other}"),
        }
    }
}

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The number of the link.
    pub index: u32,
    /// Its family.
    pub family: Family,
    /// The address.
    pub local: IpAddr,
    /// The other end's, where there is one.
    pub peer: Option<IpAddr>,
    /// How many of its bits are the net's.
    pub prefix: u8,
    /// How far it is known.
    pub scope: Scope,
    flags: u32,
}

impl Address {
    /// An address from the body of a message.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let [family, prefix, flags, scope, a, b, c, d] = *body.first_chunk::<HEAD>()?;
        let (mut flags, mut one, mut local) = (u32::from(flags), None, None);
        for (kind, value) in Attributes(body.get(HEAD..)?) {
            match kind {
                ADDRESS => one = address(value),
                LOCAL => local = address(value),
                FLAGS => flags = number(value)?,
                _ => {}
            }
        }
        let family = Family::of(family)?;
        let own = local.or(one).filter(|own| own.is_ipv4() == (family == Family::Inet))?;
        let index = u32::from_ne_bytes([a, b, c, d]);
        let peer = one.filter(|one| *one != own);
        Some(Self { index, family, local: own, peer, prefix, scope: Scope(scope), flags })
    }

    /// Whether it can be used: it is known that nobody else has it, or it need not be.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.flags & REFUSED == 0 && self.flags & (TENTATIVE | OPTIMISTIC) != TENTATIVE
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString as _, vec::Vec};

    use super::{super::samples::attribute, *};

    fn body(family: u8, flags: u8, scope: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = Vec::from([family, 24, flags, scope]);
        body.extend(5_u32.to_ne_bytes());
        body.extend(attributes.concat());
        body
    }

    #[test]
    fn an_address_is_read() {
        let both = [attribute(ADDRESS, &[10, 0, 0, 2]), attribute(LOCAL, &[10, 0, 0, 1])];
        let read = Address::read(&body(2, 0x80, 0, &both)).unwrap();
        assert_eq!((read.index, read.family, read.prefix), (5, Family::Inet, 24));
        assert_eq!(
            (read.local.to_string(), read.peer.unwrap().to_string()),
            ("10.0.0.1".into(), "10.0.0.2".into())
        );
        assert_eq!((read.scope.to_string(), read.is_usable()), ("global".into(), true));
        let same = [attribute(ADDRESS, &[10, 0, 0, 1]), attribute(LOCAL, &[10, 0, 0, 1])];
        assert_eq!(Address::read(&body(2, 0, 253, &same)).unwrap().peer, None);
    }

    #[test]
    fn a_tentative_address_is_not_usable_yet() {
        let one = attribute(ADDRESS, &[0xfe; 16]);
        for (flags, usable) in
            [(0, true), (0x40, false), (0x44, true), (0x08, false), (0x4c, false), (0x80, true)]
        {
            let read = Address::read(&body(10, flags, 253, core::slice::from_ref(&one))).unwrap();
            assert_eq!(read.is_usable(), usable, "{flags:x}");
        }
        // The wider field counts, where there is one.
        let wide = [one, attribute(FLAGS, &0x40_u32.to_ne_bytes())];
        assert!(!Address::read(&body(10, 0, 0, &wide)).unwrap().is_usable());
    }

    #[test]
    fn what_is_of_no_family_is_no_address() {
        let one = attribute(ADDRESS, &[1; 16]);
        assert_eq!(Address::read(&body(2, 0, 0, core::slice::from_ref(&one))), None);
        assert_eq!(Address::read(&body(7, 0, 0, &[one])), None);
        assert_eq!(Address::read(&body(2, 0, 0, &[])), None);
        assert_eq!(Scope(99).to_string(), "99");
    }
}
