//! Processes of a job and how they end.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A signal that exists: 1 to 64, by number or by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Signal(u8);

/// There is no such signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such signal")]
pub struct NoSuchSignal;

const SIGNAL_NAMES: [(&str, u8); 36] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("IOT", 6),
    ("CLD", 17),
    ("POLL", 29),
    ("RTMIN", 34),
    ("RTMAX", 64),
];

impl Signal {
    /// SIGHUP.
    pub const HUP: Self = Self(1);
    /// SIGKILL.
    pub const KILL: Self = Self(9);
    /// SIGTERM.
    pub const TERM: Self = Self(15);
    /// SIGCONT.
    pub const CONT: Self = Self(18);

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// All names that [`Signal::from_str`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SIGNAL_NAMES.iter().map(|(name, _)| *name)
    }
}

impl TryFrom<u8> for Signal {
    type Error = NoSuchSignal;
    fn try_from(number: u8) -> Result<Self, NoSuchSignal> {
        if (1..=64).contains(&number) { Ok(Self(number)) } else { Err(NoSuchSignal) }
    }
}

impl From<Signal> for u8 {
    fn from(signal: Signal) -> Self {
        signal.0
    }
}

impl FromStr for Signal {
    type Err = NoSuchSignal;
    fn from_str(text: &str) -> Result<Self, NoSuchSignal> {
        if let Ok(number) = text.parse::<u8>() {
            return Self::try_from(number);
        }
        let text = text.strip_prefix("SIG").unwrap_or(text);
        let (base, offset) = match text.split_once(['+', '-']) {
            Some((base, offset)) => (base, Some(offset.parse::<u8>().map_err(|_| NoSuchSignal)?)),
            None => (text, None),
        };
        let number = SIGNAL_NAMES.iter().find(|(name, _)| *name == base).map(|(_, number)| *number);
        let number = number.ok_or(NoSuchSignal)?;
        match (base, offset) {
            (_, None) => Self::try_from(number),
            ("RTMIN", Some(offset)) if offset <= 30 => Self::try_from(number.saturating_add(offset)),
            ("RTMAX", Some(offset)) if offset <= 30 => Self::try_from(number.saturating_sub(offset)),
            _ => Err(NoSuchSignal),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIGNAL_NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None if self.0 > 34 => write!(f, "RTMIN+{}", self.0.saturating_sub(34)),
            None => write!(f, "{}", self.0),
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this status.
    Code(u8),
    /// By this signal.
    Signal(Signal),
}

impl Exit {
    /// Whether it ended with status 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Signal(signal) => write!(f, "{signal}"),
        }
    }
}

/// Which of its job's processes one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ProcessKind {
    /// Looks whether the job is wanted at all.
    Check,
    /// Renders its configuration.
    Configure,
    /// Runs before main.
    PreStart,
    /// What the job is there for.
    Main,
    /// Runs when main is ready.
    PostStart,
    /// Runs before main is stopped; may call the stop off.
    PreStop,
    /// Stops it, in place of a signal (an rc.d script's `stop`).
    Stop,
    /// Runs when main is gone.
    PostStop,
    /// Makes it read its configuration again.
    Reload,
    /// Tells how it is.
    Status,
}

impl ProcessKind {
    /// All of them, in the order in which a life has them.
    pub const ALL: [Self; 10] = [
        Self::Check,
        Self::Configure,
        Self::PreStart,
        Self::Main,
        Self::PostStart,
        Self::PreStop,
        Self::Stop,
        Self::PostStop,
        Self::Reload,
        Self::Status,
    ];

    /// Its name as users write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Configure => "configure",
            Self::PreStart => "pre-start",
            Self::Main => "main",
            Self::PostStart => "post-start",
            Self::PreStop => "pre-stop",
            Self::Stop => "stop",
            Self::PostStop => "post-stop",
            Self::Reload => "reload",
            Self::Status => "status",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for ProcessKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which processes a job has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessSet(u16);

impl ProcessSet {
    /// Whether `kind` is among them.
    #[must_use]
    pub const fn has(self, kind: ProcessKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// The same with `kind`.
    #[must_use]
    pub const fn with(self, kind: ProcessKind) -> Self {
        Self(self.0 | kind.bit())
    }
}

impl FromIterator<ProcessKind> for ProcessSet {
    fn from_iter<I: IntoIterator<Item = ProcessKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn signals_are_known_by_name_and_number() {
        for (text, number) in
            [("TERM", 15), ("SIGHUP", 1), ("9", 9), ("RTMIN+3", 37), ("RTMAX-1", 63), ("64", 64)]
        {
            assert_eq!(text.parse::<Signal>().unwrap().number(), number, "{text}");
        }
        for bad in ["0", "65", "99", "256", "TREM", "RTMIN+31", "TERM+1", ""] {
            assert_eq!(bad.parse::<Signal>(), Err(NoSuchSignal), "{bad}");
        }
        for number in 1..=64 {
            let signal = Signal::try_from(number).unwrap();
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
    }
}
