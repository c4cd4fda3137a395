//! The journal: every turn of the engine in order, as bytes that tell when they are damaged.
//!
//! A record is a length, a checksum (both four bytes, low byte first) and a turn in postcard's encoding. What
//! is read back and given to an engine that was saved before makes it act the same: a crash is replayed so,
//! and so is a machine's boot on somebody's laptop.

use alloc::vec::Vec;

use events::Time;
use serde::{Deserialize, Serialize};

use crate::Input;

/// The longest record, in bytes; anything longer is damage.
pub const MAX_RECORD: usize = 16 << 20;

const HEAD: usize = 8;

/// What went into one call of [`Engine::step`](crate::Engine::step).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When it was.
    pub now: Time,
    /// What came in.
    pub batch: Vec<Input>,
}

/// Where a journal stops being readable, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JournalFault {
    /// The last record is not whole: whoever wrote it was interrupted.
    #[error("the record at byte {0} is not whole")]
    CutOff(usize),
    /// A record is not what was written.
    #[error("the record at byte {0} is damaged")]
    Damaged(usize),
    /// A turn that is too large for a record.
    #[error("a turn of {0} bytes is larger than a record may be")]
    TooLarge(usize),
}

/// Turns, read one by one from bytes. It ends at the first fault, which it gives once.
#[derive(Debug, Clone)]
pub struct Journal<'b> {
    bytes: &'b [u8],
    at: usize,
    over: bool,
}

impl Turn {
    /// Adds this turn as a record at the end of `bytes`.
    pub fn append_to(&self, bytes: &mut Vec<u8>) -> Result<(), JournalFault> {
        let body = postcard::to_allocvec(self).map_err(|_| JournalFault::TooLarge(usize::MAX))?;
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_RECORD);
        let length = length.ok_or(JournalFault::TooLarge(body.len()))?;
        bytes.extend(length.to_le_bytes());
        bytes.extend(checksum(&body).to_le_bytes());
        bytes.extend(body);
        Ok(())
    }
}

impl<'b> Journal<'b> {
    /// The turns in these bytes.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, over: false }
    }

    fn record(&mut self) -> Result<Turn, JournalFault> {
        let at = self.at;
        let rest = self.bytes.get(at..).unwrap_or_default();
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(JournalFault::CutOff(at))?;
        let (sum, rest) = rest.split_first_chunk::<4>().ok_or(JournalFault::CutOff(at))?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_RECORD {
            return Err(JournalFault::Damaged(at));
        }
        let body = rest.get(..length).ok_or(JournalFault::CutOff(at))?;
        if checksum(body) != u32::from_le_bytes(*sum) {
            return Err(JournalFault::Damaged(at));
        }
        self.at = at.saturating_add(HEAD).saturating_add(length);
        postcard::from_bytes(body).map_err(|_| JournalFault::Damaged(at))
    }
}

impl Iterator for Journal<'_> {
    type Item = Result<Turn, JournalFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over || self.at >= self.bytes.len() {
            return None;
        }
        let record = self.record();
        self.over = record.is_err();
        Some(record)
    }
}

/// CRC-32 as in zip and Ethernet, bit by bit: records are small, and a table would be resident in PID 1.
fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Origin};

    fn turn(now: u64, event: &str) -> Turn {
        let event = event.parse().unwrap();
        Turn {
            now: Time(now),
            batch: Vec::from([Input::Event { event, origin: Origin::World, reply: None }]),
        }
    }

    #[test]
    fn the_checksum_is_crc_32() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn turns_come_back_as_they_were_and_act_the_same() {
        let turns = [turn(0, "startup"), turn(5, "net-up IFACE=eth0"), turn(9, "x")];
        let mut bytes = Vec::new();
        turns.iter().for_each(|turn| turn.append_to(&mut bytes).unwrap());
        let back: Vec<Turn> = Journal::new(&bytes).collect::<Result<_, _>>().unwrap();
        assert_eq!(back, turns);
        let (mut one, mut other) = (Engine::new(), Engine::new());
        for (a, b) in turns.into_iter().zip(back) {
            assert_eq!(one.step(a.batch, a.now), other.step(b.batch, b.now));
        }
    }

    #[test]
    fn damage_is_seen_and_what_stands_before_it_counts() {
        let mut bytes = Vec::new();
        turn(0, "a").append_to(&mut bytes).unwrap();
        let first = bytes.len();
        turn(1, "b").append_to(&mut bytes).unwrap();
        let cut: Vec<_> = Journal::new(&bytes[..bytes.len() - 1]).collect();
        assert_eq!(cut, [Ok(turn(0, "a")), Err(JournalFault::CutOff(first))]);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(Journal::new(&damaged).any(|record| record.is_err()), "byte {at}");
        }
    }
}
