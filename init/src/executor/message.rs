//! What a job says through `NOTIFY_SOCKET`: lines of `KEY=VALUE`, of which those that mean nothing to us are let pass.

use std::time::Duration;

use events::Value;

/// The longest message that is looked at, in bytes.
pub const LONGEST: usize = 4_096;
/// The longest status that is kept, in bytes.
const LONGEST_STATUS: usize = 256;

/// A line of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// This process is main.
    MainPid(i32),
    /// It reads its configuration again; `READY=1` is to follow.
    Reloading,
    /// It goes down.
    Stopping,
    /// It is up.
    Ready,
    /// How it is, in words.
    Status(Value),
    /// It lives.
    Alive,
    /// It knows itself that it is out of order.
    Trigger,
    /// From now on it says so often that it lives.
    Every(Duration),
    /// It needs so much more time for what it is doing.
    Extend(Duration),
}

/// The lines of a message that mean something, main first: what follows is said by it.
#[must_use]
pub fn lines(message: &[u8]) -> Vec<Line> {
    let mut lines: Vec<Line> = message.split(|byte| *byte == b'\n').filter_map(line).collect();
    lines.sort_by_key(|line| !matches!(line, Line::MainPid(_)));
    lines
}

fn line(line: &[u8]) -> Option<Line> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let (key, value) = line.split_at_checked(at)?;
    let value = value.get(1..)?;
    let number = || std::str::from_utf8(value).ok()?.parse::<u64>().ok();
    // A day is as good as for ever.
    let time = || Some(Duration::from_micros(number()?.min(86_400_000_000)));
    match (key, value) {
        (b"READY", b"1") => Some(Line::Ready),
        (b"RELOADING", b"1") => Some(Line::Reloading),
        (b"STOPPING", b"1") => Some(Line::Stopping),
        (b"WATCHDOG", b"1") => Some(Line::Alive),
        (b"WATCHDOG", b"trigger") => Some(Line::Trigger),
        (b"STATUS", text) => Some(Line::Status(status(text))),
        (b"MAINPID", _) => i32::try_from(number()?).ok().filter(|pid| *pid > 1).map(Line::MainPid),
        (b"WATCHDOG_USEC", _) => time().filter(|every| !every.is_zero()).map(Line::Every),
        (b"EXTEND_TIMEOUT_USEC", _) => time().map(Line::Extend),
        // `BARRIER=1` among them: who sent it waits until its descriptor is closed, and it has been.
        _ => None,
    }
}

fn status(text: &[u8]) -> Value {
    Value::escaped(text.get(..LONGEST_STATUS).unwrap_or(text)).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: &[Line]) {
        assert_eq!(lines(message.as_bytes()), expected, "{message:?}");
    }

    #[test]
    fn a_message_is_read_line_by_line() {
        check("READY=1\nSTATUS=so far\n", &[Line::Ready, Line::Status(Value::new("so far").unwrap())]);
        check("READY=1\nMAINPID=412", &[Line::MainPid(412), Line::Ready]);
        check("RELOADING=1\nMONOTONIC_USEC=4", &[Line::Reloading]);
        check("STOPPING=1", &[Line::Stopping]);
        check("WATCHDOG=1\nWATCHDOG=trigger", &[Line::Alive, Line::Trigger]);
        check("WATCHDOG_USEC=1500000", &[Line::Every(Duration::from_millis(1_500))]);
        check("EXTEND_TIMEOUT_USEC=99999999999999999", &[Line::Extend(Duration::from_secs(86_400))]);
        check("STATUS=a\u{7}b", &[Line::Status(Value::new("a\\x07b").unwrap())]);
    }

    #[test]
    fn what_means_nothing_is_let_pass() {
        for message in [
            "",
            "\n\n",
            "=",
            "READY",
            "READY=0",
            "READY=1 ",
            "MAINPID=1",
            "MAINPID=0",
            "MAINPID=-1",
            "MAINPID=99999999999",
            "MAINPID=x",
            "WATCHDOG_USEC=0",
            "BARRIER=1",
            "FDSTORE=1",
            "X=\u{0}",
        ] {
            check(message, &[]);
        }
        assert_eq!(lines(&[0xFF; 5_000]), []);
    }
}
