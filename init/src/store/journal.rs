//! The turns since a snapshot, in a file of memory that is all there from the start.
//!
//! It has two halves, one for each of the two snapshots that are kept. A record is its length, a checksum, the
//! turn's number and the turn in postcard's encoding. How many bytes of a half count is not written here but in
//! the [page](super::page), so a record is there whole or not at all.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use jobs::Turn;

use super::{checksum::Checksum, encoding};

/// How many bytes each half has room for.
pub const HALF: u64 = 256 << 10;
const HEAD: usize = 16;
/// A buffer that has grown beyond this is not kept.
const LARGE: usize = 16 << 10;

/// The file, and a buffer that is used again for each turn.
#[derive(Debug)]
pub struct Journal {
    file: File,
    half: u64,
    buffer: Vec<u8>,
}

impl Journal {
    /// The journal in this file, with halves of so many bytes.
    #[must_use]
    pub const fn new(file: File, half: u64) -> Self {
        Self { file, half, buffer: Vec::new() }
    }

    /// How many bytes each half has room for.
    #[must_use]
    pub const fn half(&self) -> u64 {
        self.half
    }

    /// Writes this turn after the first `length` bytes of a half, and gives the half's new length; none if there
    /// is no room for it.
    pub fn append(&mut self, half: usize, length: u64, number: u64, turn: &Turn) -> io::Result<Option<u64>> {
        self.buffer.clear();
        self.buffer.extend([0; HEAD]);
        encoding::append(turn, &mut self.buffer)?;
        let body = self.buffer.get(HEAD..).unwrap_or_default();
        let size = u32::try_from(body.len()).map_err(io::Error::other)?;
        let mut sum = Checksum::default();
        sum.add(&number.to_le_bytes());
        sum.add(body);
        let fields = u128::from(size) | u128::from(sum.sum()) << 32 | u128::from(number) << 64;
        if let Some(head) = self.buffer.first_chunk_mut::<HEAD>() {
            *head = fields.to_le_bytes();
        }
        let end = length.saturating_add(self.buffer.len() as u64);
        let fits = end <= self.half;
        if fits {
            self.file.write_all_at(&self.buffer, self.start(half).saturating_add(length))?;
        }
        if self.buffer.capacity() > LARGE {
            self.buffer = Vec::new();
        }
        Ok(fits.then_some(end))
    }

    const fn start(&self, half: usize) -> u64 {
        if half == 0 { 0 } else { self.half }
    }

    /// The first `length` bytes of a half.
    pub fn read(&self, half: usize, length: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length.min(self.half)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.start(half))?;
        Ok(bytes)
    }

    /// The file, for whoever keeps it.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }
}

/// Turns, each with its number, read one by one from bytes. It ends at the first that is damaged.
#[derive(Debug, Clone)]
pub struct Turns<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Turns<'b> {
    /// The turns in these bytes.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether a record stands next that is not what was written.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        self.at < self.bytes.len()
    }
}

impl Iterator for Turns<'_> {
    type Item = (u64, Turn);

    fn next(&mut self) -> Option<Self::Item> {
        let (number, turn, size) = record(self.bytes.get(self.at..)?)?;
        self.at = self.at.saturating_add(HEAD).saturating_add(size);
        Some((number, turn))
    }
}

fn record(bytes: &[u8]) -> Option<(u64, Turn, usize)> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<4>()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let body = rest.get(..size)?;
    let mut sum = Checksum::default();
    sum.add(number);
    sum.add(body);
    if sum.sum() != u32::from_le_bytes(*expected) {
        return None;
    }
    Some((u64::from_le_bytes(*number), encoding::read(body)?, size))
}

#[cfg(test)]
mod tests {
    use events::Time;
    use jobs::{Input, Origin};

    use super::*;
    use crate::sys::memory::{fixed_memfd, memfd};

    fn read(bytes: &[u8]) -> (Vec<(u64, Turn)>, bool) {
        let mut turns = Turns::new(bytes);
        (turns.by_ref().collect(), turns.is_damaged())
    }

    fn turn(now: u64, event: &str) -> Turn {
        let event = event.parse().unwrap();
        Turn { now: Time(now), batch: vec![Input::Event { event, origin: Origin::World, reply: None }] }
    }

    #[test]
    fn turns_come_back_and_a_full_half_takes_no_more() {
        let mut journal = Journal::new(fixed_memfd(c"test", 1_024).unwrap(), 512);
        for half in [0, 1] {
            let (mut length, mut written) = (0, Vec::new());
            while let Some(end) =
                journal.append(half, length, length + 1, &turn(length, "net-up IFACE=eth0")).unwrap()
            {
                written.push((length + 1, turn(length, "net-up IFACE=eth0")));
                length = end;
            }
            assert!(length <= 512 && written.len() > 3);
            assert_eq!(read(&journal.read(half, length).unwrap()), (written, false));
        }
    }

    #[test]
    fn damage_at_any_byte_is_seen_and_what_stands_before_it_counts() {
        let mut journal = Journal::new(memfd(c"test").unwrap(), 4_096);
        let first = journal.append(0, 0, 1, &turn(1, "a")).unwrap().unwrap();
        let second = journal.append(0, first, 2, &turn(2, "b K=v")).unwrap().unwrap();
        let bytes = journal.read(0, second).unwrap();
        for cut in 0..bytes.len() {
            let (found, damage) = read(&bytes[..cut]);
            let whole = usize::from(cut >= first as usize);
            assert_eq!(found.len(), whole, "{cut}");
            assert_eq!(damage, cut != 0 && cut != first as usize, "{cut}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let (found, damage) = read(&damaged);
            assert!(damage, "{at}");
            assert_eq!(found.len(), usize::from(at >= first as usize), "{at}");
        }
    }
}
