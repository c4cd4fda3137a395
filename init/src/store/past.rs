//! Why the last image of PID 1 ended, and in the middle of what.

use std::fmt;

use nix::sys::signal::Signal;

use super::page::{
    CAUSE_NONE, CAUSE_PANIC, CAUSE_PLANNED, CAUSE_SIGNAL, Page, Phase, REVERTED_DEATH, REVERTED_FORMAT, Word,
};

/// Why the last image of PID 1 ended, and in the middle of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Why.
    pub cause: Cause,
    /// What it was doing.
    pub during: During,
    /// Whether we are the older image, come back because a newer one did not do.
    pub reverted: Option<Reverted>,
    /// How often in a row it died at this very spot.
    pub again: u64,
}

/// Why an image ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It was asked to.
    Planned,
    /// A panic; what it said.
    Panic(String),
    /// A signal.
    Signal {
        /// Which.
        signal: i32,
        /// The address that was touched.
        address: u64,
        /// The instruction that did it; 0 where it is not known.
        instruction: u64,
        /// The process that sent it, if one did; 0 if it is outside our pid namespace.
        sender: Option<u64>,
    },
    /// It did not come to write it down.
    Unknown,
}

/// What an image was doing when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum During {
    /// Nothing that is noted.
    Nothing,
    /// Decoding what came from a source and user.
    Decoding {
        /// The source, as its part numbers it.
        source: u32,
        /// The user.
        uid: u32,
    },
    /// A turn's step; how many of its inputs were begun, and none once all were.
    Step {
        /// The turn.
        turn: u64,
        /// How many inputs.
        inputs: Option<u64>,
    },
    /// An action.
    Perform {
        /// The turn.
        turn: u64,
        /// How many of its actions were done.
        done: u64,
    },
    /// Restoring the state.
    Restoring,
}

/// Why a newer image was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reverted {
    /// It died before it had proved itself.
    Died,
    /// It cannot read our state.
    Foreign,
}

impl Past {
    /// Whether it is our own fault that it ended: not what was asked for or sent by somebody.
    #[must_use]
    pub const fn is_own_fault(&self) -> bool {
        match &self.cause {
            Cause::Planned => false,
            Cause::Panic(_) | Cause::Unknown => true,
            Cause::Signal { sender, .. } => sender.is_none(),
        }
    }

    /// What the page says of it.
    pub(super) fn read(page: Page<'_>) -> Self {
        Self {
            cause: Cause::read(page),
            during: During::read(page),
            reverted: match page.get(Word::REVERTED) {
                REVERTED_DEATH => Some(Reverted::Died),
                REVERTED_FORMAT => Some(Reverted::Foreign),
                _ => None,
            },
            again: 0,
        }
    }
}

impl Cause {
    fn read(page: Page<'_>) -> Self {
        let sender = page.get(Word::SENDER);
        match page.get(Word::CAUSE) {
            CAUSE_NONE => Self::Unknown,
            CAUSE_PLANNED => Self::Planned,
            CAUSE_PANIC => Self::Panic(page.text()),
            number => Self::Signal {
                signal: i32::try_from(number & !CAUSE_SIGNAL).unwrap_or(0),
                address: page.get(Word::ADDRESS),
                instruction: page.get(Word::INSTRUCTION),
                sender: sender.checked_sub(1),
            },
        }
    }
}

impl During {
    fn read(page: Page<'_>) -> Self {
        let turn = page.get(Word::TURN);
        let inputs = page.get(Word::INPUT);
        let number = |at| u32::try_from(page.get(at)).unwrap_or(u32::MAX);
        if page.get(Word::RESTORING) != 0 && page.get(Word::SAFE) == 0 {
            return Self::Restoring;
        }
        if page.get(Word::SOURCE) != 0 {
            let source = number(Word::SOURCE).saturating_sub(1);
            return Self::Decoding { source, uid: number(Word::UID) };
        }
        // What stands there is of the image that died before safe mode began.
        let phase = if page.get(Word::SAFE) == 0 { page.phase() } else { Phase::Idle };
        match phase {
            Phase::Idle => Self::Nothing,
            Phase::Step => Self::Step { turn, inputs: (inputs != u64::MAX).then_some(inputs) },
            Phase::Perform => Self::Perform { turn, done: page.get(Word::DONE) },
        }
    }

    /// A number that is the same for the same spot.
    pub(super) const fn spot(self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Decoding { source, uid } => 1 << 62 | (source as u64) << 32 | uid as u64,
            Self::Step { turn, inputs } => match inputs {
                Some(inputs) => 2 << 62 | turn << 16 | inputs & 0xFFFF,
                None => 2 << 62 | turn << 16 | 0xFFFF,
            },
            Self::Perform { turn, done } => 3 << 62 | turn << 16 | done & 0xFFFF,
            Self::Restoring => 1,
        }
    }
}

impl fmt::Display for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reverted {
            Some(Reverted::Died) => f.write_str("the new image was given up: ")?,
            Some(Reverted::Foreign) => {
                return f.write_str("the new image cannot read the state of this one, so this one goes on");
            }
            None => (),
        }
        write!(f, "{} {}", self.cause, self.during)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned => f.write_str("executed itself as asked"),
            Self::Panic(text) => f.write_str(text),
            Self::Signal { signal, address, instruction, sender } => {
                match Signal::try_from(*signal) {
                    Ok(signal) => f.write_str(signal.as_str())?,
                    Err(_) => write!(f, "signal {signal}")?,
                }
                match sender {
                    Some(0) => f.write_str(" sent from outside"),
                    Some(sender) => write!(f, " sent by process {sender}"),
                    None => write!(f, " at {instruction:#x}, touching {address:#x},"),
                }
            }
            Self::Unknown => f.write_str("died of something that it could not write down"),
        }
    }
}

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("between turns"),
            Self::Decoding { source, uid } => {
                write!(f, "while decoding what user {uid} sent to source {source}")
            }
            Self::Step { turn, inputs: Some(inputs) } => write!(f, "in turn {turn} at input {inputs}"),
            Self::Step { turn, inputs: None } => write!(f, "in turn {turn} behind its last input"),
            Self::Perform { turn, done } => {
                write!(f, "in turn {turn} at action {}", done.saturating_add(1))
            }
            Self::Restoring => f.write_str("while restoring the state"),
        }
    }
}
