//! One line of a log file.
//!
//! ```text
//! 2026-11-21T07:48:14.123Z what the job wrote
//! 2026-11-21T07:48:14.123Z> the first part of a line that goes on in the next record
//! ```
//!
//! The text is what the job wrote, byte for byte, with its `<N>` if it has one; only its newline ends the record.

use std::io::Write as _;

use super::{
    level::Level,
    stamp::{STAMP, Stamp},
};

/// One line of a log, as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'b> {
    /// When the log keeper had it.
    pub time: Stamp,
    /// Whether it goes on in the next record.
    pub unfinished: bool,
    /// What was said of it by a `<N>` at its start.
    pub level: Option<Level>,
    /// What was written, without the `<N>`.
    pub text: &'b [u8],
}

impl<'b> Record<'b> {
    /// Reads a line, without its newline; `None` if no log keeper wrote it.
    #[must_use]
    pub fn parse(line: &'b [u8]) -> Option<Self> {
        let time = Stamp::parse_line(line)?;
        let rest = line.get(STAMP..)?;
        let (unfinished, rest) = match rest.strip_prefix(b"> ") {
            Some(rest) => (true, rest),
            None => (false, rest.strip_prefix(b" ")?),
        };
        let (level, text) = Level::split(rest);
        Some(Self { time, unfinished, level, text })
    }
}

/// Puts a record at the end of `file`. Its text has no newline in it.
pub fn append(file: &mut Vec<u8>, time: &str, unfinished: bool, text: &[u8]) {
    file.extend_from_slice(time.as_bytes());
    file.extend_from_slice(if unfinished { b"> " } else { b" " });
    file.extend_from_slice(text);
    file.push(b'\n');
}

/// A record that the log keeper writes of itself.
#[must_use]
pub fn remark(level: Level, text: &str) -> Vec<u8> {
    let mut record = Vec::new();
    // Writing to a vector does not fail.
    let _ = writeln!(record, "{} <{}>onset: {text}", Stamp::now(), level.number());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let time = Stamp(1_795_247_294_123);
        for (unfinished, text) in
            [(false, &b"hello"[..]), (true, b"> x"), (false, b""), (false, b"\0\xff\x1b[0m"), (false, b"> x")]
        {
            let mut file = Vec::new();
            append(&mut file, &time.to_string(), unfinished, text);
            let line = file.strip_suffix(b"\n").unwrap();
            assert_eq!(Record::parse(line), Some(Record { time, unfinished, level: None, text }));
        }
    }

    #[test]
    fn what_nobody_wrote_is_no_record() {
        for line in [
            "",
            "hello",
            "2026-11-21T07:48:14.123Z",
            "2026-11-21T07:48:14.123Zx",
            "2026-11-21 07:48:14.123Z x",
        ] {
            assert_eq!(Record::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_remark_is_a_record() {
        let line = remark(Level::Warning, "3 bytes lost");
        let record = Record::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!((record.level, record.text), (Some(Level::Warning), &b"onset: 3 bytes lost"[..]));
    }
}
