//! Attributes: what stands behind the fixed part of a message, each with its kind and length.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How long an attribute's head is.
const HEAD: usize = 4;
/// The kind without its marks (nested, in the net's byte order).
const KIND: u16 = 0x3fff;

/// The attributes in these bytes, in order. Where one is none, none follows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes<'b>(pub &'b [u8]);

impl<'b> Iterator for Attributes<'b> {
    type Item = (u16, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [a, b, c, d] = *self.0.first_chunk::<HEAD>()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = self.0.get(HEAD..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([c, d]) & KIND, value))
    }
}

/// A number of 32 bits.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}

/// An address of either family.
pub(super) fn address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    <[u8; 16]>::try_from(value).ok().map(|bytes| Ipv6Addr::from(bytes).into())
}

/// A text up to its zero byte.
pub(super) fn text(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{super::samples::attribute, *};

    #[test]
    fn attributes_are_read_until_one_is_none() {
        let bytes = [attribute(1, b"abc"), attribute(0x8002, b""), Vec::from([2, 0, 0, 0, 9])].concat();
        let read: Vec<_> = Attributes(&bytes).collect();
        assert_eq!(read, [(1, &b"abc"[..]), (2, &b""[..])]);
    }

    #[test]
    fn values_have_their_length() {
        assert_eq!(number(&[1, 0, 0]), None);
        assert_eq!(address(&[127, 0, 0, 1]), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(address(&[0; 16]), Some(Ipv6Addr::UNSPECIFIED.into()));
        assert_eq!(address(&[0; 5]), None);
        assert_eq!(text(b"eth0\0junk"), b"eth0");
    }
}
