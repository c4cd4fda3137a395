//! How the processes of a job are made: the part that only the executor reads.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use events::{Name, Text};
use serde::{Deserialize, Serialize};

use crate::{OnConnection, ProcessKind, Socket};

/// How the processes of a job are made, and what it says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// What each of its processes runs.
    pub processes: Vec<(ProcessKind, Command)>,
    /// Verbs of its own (`onsetctl VERB JOB`).
    pub commands: Vec<(Name, Command)>,
    /// One line on what it is.
    pub description: Option<Text>,
    /// Who wrote the file.
    pub author: Option<Text>,
    /// The file's version.
    pub version: Option<Text>,
    /// How to start it by hand.
    pub usage: Option<Text>,
    /// Events that it emits, with globs: what `check` needs to know.
    pub emits: Vec<Text>,
    /// Where its output goes.
    pub console: Console,
    /// File mode creation mask; 022 if nothing is said.
    pub umask: Option<u16>,
    /// Scheduling priority, -20 to 19.
    pub nice: Option<i8>,
    /// I/O priority.
    pub ionice: Option<IoNice>,
    /// -1000 (never killed for lack of memory) to 1000.
    pub oom_score: Option<i16>,
    /// Resource limits.
    pub limits: Vec<(Resource, Limit)>,
    /// Directory that becomes its root.
    pub chroot: Option<Text>,
    /// Directory it starts in.
    pub chdir: Option<Text>,
    /// User it runs as.
    pub user: Option<Text>,
    /// Group it runs as.
    pub group: Option<Text>,
    /// Further groups.
    pub groups: Vec<Text>,
    /// Capabilities it keeps; `None` for all.
    pub capabilities: Option<Vec<Text>>,
    /// Whether it can never gain rights by executing a file.
    pub no_new_privileges: bool,
    /// Files of its cgroup and what is written to them (`memory.max`, `pids.max`).
    pub cgroup: Vec<(Text, Text)>,
    /// Sockets that are opened for it.
    pub sockets: Vec<Socket>,
    /// What a connection to one of them does.
    pub on_connection: OnConnection,
    /// How often it must say WATCHDOG=1.
    pub watchdog: Option<Duration>,
    /// AppArmor profile to load, and the one to change to.
    pub apparmor: Option<AppArmor>,
    /// Variables that come from whoever starts it (Chrome OS's `import`).
    pub imports: Vec<Text>,
    /// tmpfiles.d files applied before it starts (Chrome OS's `tmpfiles`).
    pub tmpfiles: Vec<Text>,
    /// How many values of its event a hook is given as words; all, if nothing is said.
    pub arguments: Option<u8>,
    /// Whether a hook neither waits for those before it nor is waited for by those behind it.
    pub parallel: bool,
}

/// The number of a [`Work`], made from what it says: equal works have equal numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkId(pub u64);

impl WorkId {
    /// The number of a work that is written down as these bytes (FNV-1a).
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        Self(bytes.iter().fold(0xCBF2_9CE4_8422_2325, step))
    }
}

/// What a process runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A command line: split at blanks, or given to `/bin/sh` if it has characters a shell acts on.
    Exec(String),
    /// Lines for `/bin/sh -e`.
    Script(String),
    /// These very words.
    Argv(Vec<String>),
    /// A program, and the words that it is given, of which the first is the name that it is called by.
    Program(String, Vec<String>),
}

/// Characters that make a command line go through a shell, as in Upstart.
const SHELL_CHARACTERS: &[char] = &[
    '~', '`', '!', '$', '^', '&', '*', '(', ')', '=', '|', '\\', '{', '}', '[', ']', ';', '"', '\'', '<',
    '>', '?',
];

impl Command {
    /// Whether a shell runs it.
    #[must_use]
    pub fn needs_shell(&self) -> bool {
        match self {
            Self::Exec(line) => line.contains(SHELL_CHARACTERS),
            Self::Script(_) => true,
            Self::Argv(_) | Self::Program(..) => false,
        }
    }

    /// The words to execute. A script of more than one line is not among them: it is given on descriptor 9.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let shell =
            |rest: &[&str]| ["/bin/sh", "-e"].iter().chain(rest).map(|&word| String::from(word)).collect();
        match self {
            Self::Exec(line) if self.needs_shell() => shell(&["-c", &alloc::format!("exec {line}")]),
            Self::Exec(line) => line.split_whitespace().map(String::from).collect(),
            Self::Script(text) if text.trim_end_matches('\n').contains('\n') => shell(&["/proc/self/fd/9"]),
            Self::Script(text) => shell(&["-c", text.trim_end_matches('\n')]),
            Self::Argv(words) | Self::Program(_, words) => words.clone(),
        }
    }

    /// The program to execute, if it is not the first of the words.
    #[must_use]
    pub fn program(&self) -> Option<&str> {
        match self {
            Self::Program(program, _) => Some(program),
            Self::Exec(_) | Self::Script(_) | Self::Argv(_) => None,
        }
    }
}

/// Where a job's output goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Console {
    /// Nowhere.
    None,
    /// To the log.
    #[default]
    Log,
    /// To the console.
    Output,
    /// To the console, which is its controlling terminal.
    Owner,
}

/// I/O priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IoNice {
    /// Only when nobody else wants the disk.
    Idle,
    /// In fair turns; 0 (first) to 7.
    Best(u8),
    /// Before everybody else; 0 (first) to 7.
    Realtime(u8),
}

/// What a limit limits (`setrlimit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are setrlimit's own")]
pub enum Resource {
    As,
    Core,
    Cpu,
    Data,
    Fsize,
    Memlock,
    Msgqueue,
    Nice,
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Sigpending,
    Stack,
}

impl Resource {
    /// All of them, by the names that job files of every format use.
    pub const NAMES: [(&'static str, Self); 14] = [
        ("as", Self::As),
        ("core", Self::Core),
        ("cpu", Self::Cpu),
        ("data", Self::Data),
        ("fsize", Self::Fsize),
        ("memlock", Self::Memlock),
        ("msgqueue", Self::Msgqueue),
        ("nice", Self::Nice),
        ("nofile", Self::Nofile),
        ("nproc", Self::Nproc),
        ("rss", Self::Rss),
        ("rtprio", Self::Rtprio),
        ("sigpending", Self::Sigpending),
        ("stack", Self::Stack),
    ];
}

/// A soft and a hard limit; `None` for unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What is in force.
    pub soft: Option<u64>,
    /// How far the process may raise it.
    pub hard: Option<u64>,
}

/// AppArmor profiles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppArmor {
    /// File to load before the start.
    pub load: Option<Text>,
    /// Profile that main changes to.
    pub switch: Option<Text>,
}
