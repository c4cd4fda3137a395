//! The system's log: by the socket of whoever keeps it, else in the kernel's log.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::net::UnixDatagram,
};

/// Where the keeper of the log listens.
const SOCKET: &str = "/dev/log";
/// Where lines go if nobody does.
const KERNEL: &str = "/dev/kmsg";
/// The longest line that is written at once; the kernel's log takes little more.
const LONGEST: usize = 900;

const FACILITIES: &[(&str, u8)] = &[
    ("auth", 4),
    ("authpriv", 10),
    ("cron", 9),
    ("daemon", 3),
    ("ftp", 11),
    ("kern", 0),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
    ("lpr", 6),
    ("mail", 2),
    ("news", 7),
    // What FreeBSD has besides, by what comes nearest.
    ("console", 3),
    ("ntp", 3),
    ("security", 4),
    ("syslog", 5),
    ("user", 1),
    ("uucp", 8),
];

const LEVELS: &[(&str, u8)] = &[
    ("alert", 1),
    ("crit", 2),
    ("debug", 7),
    ("emerg", 0),
    ("err", 3),
    ("error", 3),
    ("info", 6),
    ("notice", 5),
    ("panic", 0),
    ("warn", 4),
    ("warning", 4),
];

/// The number of a facility.
pub fn facility(name: &str) -> Option<u8> {
    FACILITIES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The number of a level.
pub fn level(name: &str) -> Option<u8> {
    LEVELS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// Who writes, and how important it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// What stands before each line.
    pub tag: String,
    /// Facility.
    pub facility: u8,
    /// Level.
    pub level: u8,
}

impl Log {
    /// Writes a line. An empty one is none.
    pub fn write(&self, line: &[u8]) -> io::Result<()> {
        for part in line.chunks(LONGEST) {
            let mut text = format!(
                "<{}>{}: ",
                u16::from(self.facility).saturating_mul(8).saturating_add(self.level.into()),
                self.tag
            )
            .into_bytes();
            text.extend(
                part.iter().map(|byte| if byte.is_ascii_control() && *byte != b'\t' { b' ' } else { *byte }),
            );
            send(&text)?;
        }
        Ok(())
    }
}

fn send(text: &[u8]) -> io::Result<()> {
    // The keeper may have been started again since the last line, so each line looks for it.
    let sent = UnixDatagram::unbound().and_then(|socket| {
        socket.connect(SOCKET)?;
        socket.set_write_timeout(Some(core::time::Duration::from_secs(1)))?;
        socket.send(text)
    });
    match sent {
        Ok(_) => Ok(()),
        Err(_) => OpenOptions::new().write(true).open(KERNEL)?.write_all(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_log_are_known() {
        assert_eq!((facility("daemon"), facility("local7"), facility("nope")), (Some(3), Some(23), None));
        assert_eq!((level("notice"), level("err"), level("")), (Some(5), Some(3), None));
    }
}
