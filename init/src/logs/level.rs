//! How much a line matters: the kernel's levels, as in `<3>` at the start of a line.

use serde::{Deserialize, Serialize};

/// How much a line matters, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing works.
    Emergency,
    /// Somebody must do something at once.
    Alert,
    /// A part that much depends on is broken.
    Critical,
    /// Something failed.
    Error,
    /// Something may not be as it was meant.
    Warning,
    /// As it should be, and worth knowing.
    Notice,
    /// What goes on.
    Info,
    /// For those who look for a fault.
    Debug,
}

impl Level {
    /// All of them, by number.
    const ALL: [(Self, &str); 8] = [
        (Self::Emergency, "emergency"),
        (Self::Alert, "alert"),
        (Self::Critical, "critical"),
        (Self::Error, "error"),
        (Self::Warning, "warning"),
        (Self::Notice, "notice"),
        (Self::Info, "info"),
        (Self::Debug, "debug"),
    ];

    /// The kernel's number for it: 0 is the worst.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.get(usize::from(self.number())).map_or("debug", |(_, word)| word)
    }

    /// The level of a number as it stands in `<N>`; what is above the lowest three bits is syslog's facility.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number & 7)).map_or(Self::Debug, |(level, _)| *level)
    }

    /// A line without the `<N>` at its start, and the level that was said there.
    #[must_use]
    pub fn split(line: &[u8]) -> (Option<Self>, &[u8]) {
        let said = || {
            let rest = line.strip_prefix(b"<")?;
            let end = rest.iter().take(4).position(|byte| *byte == b'>')?;
            let (digits, rest) = rest.split_at_checked(end)?;
            let number: u8 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            let plain = digits.iter().all(u8::is_ascii_digit);
            (plain && number < 192).then_some((Some(Self::from_number(number)), rest.get(1..)?))
        };
        said().unwrap_or((None, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_stands_at_the_start_of_a_line() {
        for (line, level, rest) in [
            ("<3>disk", Some(Level::Error), "disk"),
            ("<30>daemon", Some(Level::Info), "daemon"),
            ("<0>", Some(Level::Emergency), ""),
            ("<191>x", Some(Level::Debug), "x"),
            ("<192>x", None, "<192>x"),
            ("<b>x", None, "<b>x"),
            ("<>x", None, "<>x"),
            ("<+3>x", None, "<+3>x"),
            (" <3>x", None, " <3>x"),
            ("<3", None, "<3"),
            ("", None, ""),
        ] {
            assert_eq!(Level::split(line.as_bytes()), (level, rest.as_bytes()), "{line}");
        }
    }

    #[test]
    fn every_level_has_its_number() {
        for number in 0..8 {
            assert_eq!(Level::from_number(number).number(), number);
        }
        assert_eq!(Level::Warning.word(), "warning");
    }
}
