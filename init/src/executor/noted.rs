//! What stands in the ledger: reports that may be lost on their way to the engine when PID 1 dies.

use jobs::{Exit, ProcessKind, Signal};

/// Something that was found out about a process of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The life's number, as far as it has room.
    pub life: u64,
    /// The process; 0 if none is meant.
    pub pid: i32,
    /// What.
    pub what: What,
}

/// What was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was executed, as this of its life's processes.
    Spawned(ProcessKind),
    /// It ended.
    Ended(Exit),
    /// The life is up, and this is main if it is another than the one that was made.
    Ready,
}

const LIFE_BITS: u32 = 26;
const PID_BITS: u32 = 22;

/// The bits of a life's number that an entry has room for.
const fn short(life: u64) -> u64 {
    life & ((1 << LIFE_BITS) - 1)
}

impl Noted {
    /// Whether it is about this life.
    #[must_use]
    pub const fn is_of(&self, life: u64) -> bool {
        self.life == short(life)
    }

    /// As a word of the ledger, never zero.
    #[must_use]
    pub fn word(self) -> u64 {
        let (tag, value) = match self.what {
            What::Spawned(kind) => (1_u64, kind as u64),
            What::Ended(Exit::Code(code)) => (2, code.into()),
            What::Ended(Exit::Signal(signal)) => (3, signal.number().into()),
            What::Ready => (4, 0),
        };
        let pid = u64::from(self.pid.unsigned_abs()) & ((1 << PID_BITS) - 1);
        short(self.life) << 38 | pid << 16 | value << 8 | tag
    }

    /// What a word of the ledger says.
    #[must_use]
    pub fn read(word: u64) -> Option<Self> {
        let [tag, value, ..] = word.to_le_bytes();
        let what = match tag {
            1 => What::Spawned(*ProcessKind::ALL.get(usize::from(value))?),
            2 => What::Ended(Exit::Code(value)),
            3 => What::Ended(Exit::Signal(Signal::try_from(value).ok()?)),
            4 => What::Ready,
            _ => return None,
        };
        let pid = word >> 16 & ((1 << PID_BITS) - 1);
        Some(Self { life: word >> 38, pid: i32::try_from(pid).ok()?, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let all = [
            What::Spawned(ProcessKind::Status),
            What::Ended(Exit::Code(255)),
            What::Ended(Exit::Signal(Signal::KILL)),
            What::Ready,
        ];
        for what in all {
            let noted = Noted { life: 1 << 25 | 5, pid: 4_194_303, what };
            assert_eq!(Noted::read(noted.word()), Some(noted));
            assert!(noted.is_of(1 << 26 | noted.life) && !noted.is_of(5));
        }
        assert_eq!(Noted::read(0), None);
        for (number, kind) in ProcessKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
