//! A whole state in a file of memory: a head that says what it is, and the state in postcard's encoding.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use serde::de::DeserializeOwned;

use super::{
    checksum::Checksum,
    encoding::{self, Pieces},
    mark::own_format,
};

/// Which version of the state's encoding is here. It counts up with every change of what the engine or a part of
/// PID 1 saves; a test holds the encoding of a small state against it.
pub const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"onset\0st";
const HEAD: usize = 16;

/// Why a snapshot is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is none, or it was never finished.
    Absent,
    /// It is not what was written.
    Damaged,
    /// Another version of Onset wrote it, in this format.
    Foreign(u32),
}

/// Has a state written into `file` in place of what is there, and gives how many bytes the file has then.
pub fn write(file: &File, put: impl FnOnce(&mut Pieces<'_>) -> postcard::Result<()>) -> io::Result<u64> {
    file.set_len(0)?;
    let (length, sum) = encoding::write(file, HEAD as u64, put).inspect_err(|_| {
        // What was written of it is memory that others need now. That it may stay is all that can go wrong.
        let _ = file.set_len(0);
    })?;
    let fields = MAGIC.into_iter().chain(own_format().to_le_bytes()).chain(sum.to_le_bytes());
    let head: Vec<u8> = fields.collect();
    file.write_all_at(&head, 0)?;
    Ok(length.saturating_add(HEAD as u64))
}

/// The state in the first `length` bytes of `file`.
pub fn read<T: DeserializeOwned>(file: &File, length: u64) -> Result<T, Fault> {
    let there = file.metadata().map_err(|_| Fault::Absent)?.len();
    if length < HEAD as u64 || there < length {
        return Err(Fault::Absent);
    }
    let length = usize::try_from(length).map_err(|_| Fault::Damaged)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Fault::Absent)?;
    bytes.resize(length, 0);
    file.read_exact_at(&mut bytes, 0).map_err(|_| Fault::Damaged)?;
    decode(&bytes)
}

/// The state in these bytes.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(Fault::Damaged)?;
    let (format, rest) = rest.split_first_chunk::<4>().ok_or(Fault::Damaged)?;
    let (sum, body) = rest.split_first_chunk::<4>().ok_or(Fault::Damaged)?;
    let format = u32::from_le_bytes(*format);
    if format != own_format() {
        return Err(Fault::Foreign(format));
    }
    if Checksum::of(body) != u32::from_le_bytes(*sum) {
        return Err(Fault::Damaged);
    }
    encoding::read(body).ok_or(Fault::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::memfd;

    #[test]
    fn damage_at_any_byte_is_seen() {
        let file = memfd(c"test").unwrap();
        let state = (String::from("state"), vec![1_u32, 2, 3]);
        type State = (String, Vec<u32>);
        let length = write(&file, |pieces| pieces.put(&state)).unwrap();
        assert_eq!(read::<State>(&file, length), Ok(state));
        let mut whole = vec![0; length as usize];
        file.read_exact_at(&mut whole, 0).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x40;
            assert!(decode::<State>(&damaged).is_err(), "{at}");
            assert!(decode::<State>(&whole[..at]).is_err(), "{at}");
        }
        assert_eq!(read::<State>(&file, length + 1), Err(Fault::Absent));
        assert_eq!(read::<State>(&file, 0), Err(Fault::Absent));
    }

    #[test]
    fn another_format_is_named() {
        let file = memfd(c"test").unwrap();
        let length = write(&file, |pieces| pieces.put(&7_u8)).unwrap();
        file.write_all_at(&99_u32.to_le_bytes(), 8).unwrap();
        assert_eq!(read::<u8>(&file, length), Err(Fault::Foreign(99)));
    }

    #[test]
    fn what_was_shorter_leaves_nothing_of_what_was_longer() {
        let file = memfd(c"test").unwrap();
        write(&file, |pieces| pieces.put(&"long".repeat(10_000))).unwrap();
        let length = write(&file, |pieces| pieces.put(&"short")).unwrap();
        assert_eq!(file.metadata().unwrap().len(), length);
        assert_eq!(read::<String>(&file, length), Ok("short".into()));
    }
}
