//! Values as bytes: postcard's encoding, into memory or piece by piece into a file.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use postcard::ser_flavors::Flavor;
use serde::{Serialize, de::DeserializeOwned};

use super::checksum::Checksum;

/// How much is collected before it is written.
const PIECE: usize = 16 << 10;

/// Adds `value` at the end of `bytes`.
pub fn append(value: &impl Serialize, bytes: &mut Vec<u8>) -> io::Result<()> {
    jobs::encoding::put(value, bytes).map_err(io::Error::other)
}

/// The value in these bytes, if they hold nothing else.
#[must_use]
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

/// Has a value written into `file` from byte `at` on, and gives how many bytes it is and their checksum. At no time is
/// more than a small piece of it in memory.
pub fn write(
    file: &File,
    at: u64,
    put: impl FnOnce(&mut Pieces<'_>) -> postcard::Result<()>,
) -> io::Result<(u64, u32)> {
    let mut pieces = Pieces {
        file,
        at,
        written: 0,
        sum: Checksum::default(),
        buffer: Vec::with_capacity(PIECE),
        failure: None,
    };
    let outcome = put(&mut pieces).and_then(|()| pieces.flush());
    match (pieces.failure.take(), outcome) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(io::Error::other(error)),
        (None, Ok(())) => Ok((pieces.written, pieces.sum.sum())),
    }
}

/// A file that is written piece by piece.
#[derive(Debug)]
pub struct Pieces<'f> {
    file: &'f File,
    at: u64,
    written: u64,
    sum: Checksum,
    buffer: Vec<u8>,
    failure: Option<io::Error>,
}

impl Pieces<'_> {
    /// Adds a value.
    pub fn put(&mut self, value: &impl Serialize) -> postcard::Result<()> {
        postcard::serialize_with_flavor(value, self)
    }

    /// Adds bytes that somebody has made of a value.
    pub fn extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        for piece in bytes.chunks(PIECE) {
            if self.buffer.len().saturating_add(piece.len()) > PIECE {
                self.flush()?;
            }
            self.buffer.extend_from_slice(piece);
        }
        Ok(())
    }

    fn flush(&mut self) -> postcard::Result<()> {
        self.sum.add(&self.buffer);
        if let Err(error) = self.file.write_all_at(&self.buffer, self.at.saturating_add(self.written)) {
            self.failure = Some(error);
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.written = self.written.saturating_add(self.buffer.len() as u64);
        self.buffer.clear();
        Ok(())
    }
}

impl Flavor for &mut Pieces<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.extend(data)
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        self.buffer.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::memfd;

    #[test]
    fn a_value_in_pieces_is_the_same_value() {
        for length in [0, 1, 127, PIECE - 3, PIECE - 2, PIECE, 3 * PIECE + 1] {
            let value = (7_u8, "x".repeat(length), vec![Some(1_u64), None]);
            let file = memfd(c"test").unwrap();
            let (written, sum) = write(&file, 24, |pieces| pieces.put(&value)).unwrap();
            let mut bytes = vec![0; written as usize];
            file.read_exact_at(&mut bytes, 24).unwrap();
            let mut whole = Vec::new();
            append(&value, &mut whole).unwrap();
            assert!(bytes == whole, "{length}");
            assert_eq!(sum, Checksum::of(&bytes));
            assert_eq!(read(&bytes), Some(value));
            bytes.push(0);
            assert_eq!(read::<(u8, String, Vec<Option<u64>>)>(&bytes), None);
        }
    }
}
