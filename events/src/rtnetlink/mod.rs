//! The kernel's messages about links, addresses and routes (rtnetlink), as values.
//!
//! Only what is told on is read: of links what they are and whether they are up, of addresses all, of routes the
//! default ones of the main table. The bytes are hostile: whatever they are, there is an answer, and it comes soon.
//! Nothing here remembers anything; a message is told by itself.

mod address;
mod attributes;
mod link;
mod request;
mod route;

use core::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    address::{Address, Scope},
    link::Link,
    request::{Dump, request},
    route::{Hop, Route},
};
use self::{attributes::Attributes, link::ALL_FAMILIES};

/// A protocol of the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// The fourth version.
    Inet,
    /// The sixth version.
    Inet6,
}

impl Family {
    /// Its name, as `ip` and Upstart's files have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Inet6 => "inet6",
        }
    }

    const fn of(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::Inet),
            10 => Some(Self::Inet6),
            _ => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// There is this link, and this is how it is now.
    Link(Link),
    /// The link of this number is gone.
    LinkGone(u32),
    /// There is this address.
    Address(Address),
    /// There is this address no longer.
    AddressGone(Address),
    /// There is this default route.
    Route(Route),
    /// There is this default route no longer.
    RouteGone(Route),
    /// All that was asked for has been told.
    Done,
    /// What was asked for is refused, with this error number; 0 says that it was done.
    Refused(i32),
    /// Something that is not told on.
    Other,
}

/// A message of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The number of the request that it answers, if it answers one.
    pub sequence: u32,
    flags: u16,
    /// What it says.
    pub news: News,
}

/// Something changed while the answer was made: it may lack what was there all the time.
const INTERRUPTED: u16 = 0x10;
/// What is told takes the place of another of its kind.
const REPLACES: u16 = 0x100;

impl Message {
    /// Whether something changed while the answer was made that this message is of.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        self.flags & INTERRUPTED != 0
    }

    /// Whether what it tells has taken the place of another with the same key.
    #[must_use]
    pub const fn replaces(&self) -> bool {
        self.flags & REPLACES != 0
    }
}

/// How long a message's head is.
const HEAD: usize = 16;

/// The messages in what was read at once, in order. Where one is no message, none follows it.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Message> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (head, _) = rest.split_first_chunk::<HEAD>()?;
        let [a, b, c, d, kind @ .., _, _, _, _, _, _, _, _, _, _] = *head;
        let [_, _, _, _, _, _, flags @ .., _, _, _, _, _, _, _, _] = *head;
        let [_, _, _, _, _, _, _, _, sequence @ .., _, _, _, _] = *head;
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?;
        let body = rest.get(HEAD..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            sequence: u32::from_ne_bytes(sequence),
            flags: u16::from_ne_bytes(flags),
            news: news(u16::from_ne_bytes(kind), body).unwrap_or(News::Other),
        })
    })
}

/// What a message of this type with this body says.
fn news(kind: u16, body: &[u8]) -> Option<News> {
    Some(match kind {
        2 => News::Refused(first(body)?.wrapping_neg()),
        // An answer that ends in the middle says so at its end.
        3 => match first(body) {
            Some(error) if error < 0 => News::Refused(error.wrapping_neg()),
            Some(_) | None => News::Done,
        },
        16 => News::Link(Link::read(body)?),
        17 => News::LinkGone(link::head(body).filter(|head| head.family == ALL_FAMILIES)?.index),
        20 => News::Address(Address::read(body)?),
        21 => News::AddressGone(Address::read(body)?),
        24 => News::Route(Route::read(body)?),
        25 => News::RouteGone(Route::read(body)?),
        _ => return None,
    })
}

fn first(body: &[u8]) -> Option<i32> {
    body.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))
}

#[cfg(test)]
pub(crate) mod samples {
    use alloc::vec::Vec;

    /// A message with this body.
    pub fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = u32::try_from(body.len() + super::HEAD).unwrap();
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    /// An attribute.
    pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{samples::message, *};

    fn read(bytes: &[u8]) -> Vec<News> {
        messages(bytes).map(|message| message.news).collect()
    }

    #[test]
    fn several_messages_are_read_one_after_the_other() {
        let done = message(3, 2, &0_i32.to_ne_bytes());
        let other = message(99, 0, b"odd");
        let refused = message(2, 0, &(-16_i32).to_ne_bytes());
        let bytes = [&*other, &*refused, &*done].concat();
        assert_eq!(read(&bytes), [News::Other, News::Refused(16), News::Done]);
    }

    #[test]
    fn what_is_cut_off_is_no_message() {
        let done = message(3, 2, &0_i32.to_ne_bytes());
        for length in 0..done.len() {
            assert_eq!(read(&done[..length]), [], "{length}");
        }
        let mut too_short = done;
        too_short[0] = 15;
        assert_eq!(read(&too_short), []);
    }

    #[test]
    fn flags_are_of_the_message() {
        let done = message(3, INTERRUPTED, &0_i32.to_ne_bytes());
        let read: Vec<Message> = messages(&done).collect();
        assert!(read[0].is_interrupted() && !read[0].replaces());
        assert_eq!(read[0].sequence, 7);
        let failed = message(3, 0, &(-105_i32).to_ne_bytes());
        assert_eq!(self::read(&failed), [News::Refused(105)]);
    }
}
