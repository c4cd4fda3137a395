//! What the kernel is asked for: all links, all addresses, all routes.

use alloc::vec::Vec;

use super::HEAD;

/// Of what everything is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dump {
    /// Links.
    Links,
    /// Addresses of both families.
    Addresses,
    /// Routes of both families.
    Routes,
}

/// It is a request, for all that there is.
const ALL: u16 = 0x301;
/// What follows behind the fixed part of a request for links: leave out what is counted of each packet.
const WITHOUT_COUNTS: [u8; 8] = {
    let [a, b] = 8_u16.to_ne_bytes();
    let [c, d] = 29_u16.to_ne_bytes();
    let [e, f, g, h] = 8_u32.to_ne_bytes();
    [a, b, c, d, e, f, g, h]
};

/// The request for all of a kind; its answers bear this number.
#[must_use]
pub fn request(dump: Dump, sequence: u32) -> Vec<u8> {
    // The fixed part may be all zero: of every family, and nothing in particular.
    let (kind, fixed, more) = match dump {
        Dump::Links => (18_u16, 16, &WITHOUT_COUNTS[..]),
        Dump::Addresses => (22, 8, &[][..]),
        Dump::Routes => (26, 12, &[][..]),
    };
    let length = HEAD.saturating_add(fixed).saturating_add(more.len());
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(u32::try_from(length).unwrap_or_default().to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(ALL.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.resize(HEAD.saturating_add(fixed), 0);
    bytes.extend(more);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_how_long_it_is() {
        for (dump, length) in [(Dump::Links, 40), (Dump::Addresses, 24), (Dump::Routes, 28)] {
            let bytes = request(dump, 9);
            assert_eq!((bytes.len(), bytes[0], bytes[8]), (length, u8::try_from(length).unwrap(), 9));
        }
    }
}
