//! What PID 1 and the log keeper say to each other, each message a packet.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The longest packet, in bytes.
pub const PACKET: usize = 16_384;

/// Where logs are kept, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The folder that outlives the machine's run, used once it can be written to.
    pub lasting: PathBuf,
    /// The folder for what is written before, or while the other one is full.
    pub early: PathBuf,
    /// How long a file in the lasting folder becomes, in bytes.
    pub size: u64,
    /// How many files there are for each log, the one that is written to among them.
    pub files: u32,
    /// Whether all lines are also copied to the keeper's standard output, as a container's log.
    pub copies: bool,
    /// The highest level number of Onset's own lines that are copied.
    pub shown: u8,
}

impl Settings {
    /// The usual settings below a root.
    #[must_use]
    pub fn below(root: &str) -> Self {
        let root = PathBuf::from(if root.is_empty() { "/" } else { root });
        Self {
            lasting: root.join("var/log/onset"),
            early: root.join("run/onset/log"),
            size: 1 << 20,
            files: 4,
            copies: false,
            shown: 6,
        }
    }
}

/// What PID 1 says to the log keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToKeeper {
    /// How to work: always the first message.
    Settings(Settings),
    /// A pipe, whose reading end comes with it.
    Take {
        /// PID 1's number for it.
        number: u32,
        /// Which log its lines belong to.
        stem: String,
        /// How many bytes were thrown away before this, since nobody was there to keep them.
        lost: u64,
    },
    /// PID 1 has executed itself again: forget all pipes, those that matter come once more.
    Anew,
    /// The lasting folder may be writable from now on.
    Writable,
    /// Nothing must be written to the lasting folder any more: its file system goes away.
    LeaveLasting,
    /// Answer, if you can.
    Ping,
    /// Keep what there is, and end.
    Finish,
}

/// What the log keeper says to PID 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToPid1 {
    /// All that came through a pipe is kept, and nobody holds its other end.
    Done {
        /// PID 1's number for it.
        number: u32,
    },
    /// A pipe could not be taken: there are too many.
    Refused {
        /// PID 1's number for it.
        number: u32,
    },
    /// The lasting folder is left.
    LeftLasting,
    /// The answer to a ping.
    Pong,
}
