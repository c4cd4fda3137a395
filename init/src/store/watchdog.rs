//! The hardware's watchdog: it resets the machine when the loop has not come round for too long.
//!
//! It is fed between turns, so nothing but a loop that comes round feeds it. It is kept when PID 1 executes itself,
//! because closing it and opening it again might stop it, or not be allowed.

use std::{
    fs::OpenOptions,
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use events::Time;

use super::kept::{Kept, Label};
use crate::sys::watchdog::set_timeout;

/// Where the device is.
pub const DEVICE: &str = "/dev/watchdog";
/// What a device wants to read before it is closed, if it shall stop.
const STOP: &[u8] = b"V";
const FOOD: &[u8] = b"\0";

/// The hardware's watchdog, open.
#[derive(Debug)]
pub struct Watchdog {
    device: Kept,
    every: Duration,
    next: Time,
}

impl Watchdog {
    /// Starts the watchdog behind `device`: without food for `seconds` it resets the machine. A device that has a
    /// limit of its own keeps it, and is fed often enough for most (every other second at least).
    pub fn start(device: &Path, seconds: u32, label: Label, now: Time) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK).open(device)?;
        let seconds = set_timeout(&file, seconds).unwrap_or_else(|_| seconds.min(4));
        let mut watchdog = Self::go_on(Kept::new(OwnedFd::from(file), label), seconds, now);
        watchdog.feed(now)?;
        Ok(watchdog)
    }

    /// Goes on with one that an earlier image has kept.
    #[must_use]
    pub fn go_on(device: Kept, seconds: u32, now: Time) -> Self {
        let half = Duration::from_secs(u64::from(seconds)).checked_div(2).unwrap_or_default();
        Self { device, every: half.max(Duration::from_millis(500)), next: now }
    }

    /// When it must be fed next: the loop has to come round by then.
    #[must_use]
    pub const fn deadline(&self) -> Time {
        self.next
    }

    /// Feeds it, if it is time.
    pub fn feed(&mut self, now: Time) -> io::Result<()> {
        if now < self.next {
            return Ok(());
        }
        self.next = now.after(self.every);
        self.write(FOOD)
    }

    /// Stops it: the machine is going down in good order. Some devices cannot be stopped, and then the machine has
    /// as long as the limit is.
    pub fn stop(self) -> io::Result<()> {
        self.write(STOP)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        nix::unistd::write(&self.device, bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fed_in_half_its_time_and_told_to_stop() {
        let path = std::env::temp_dir().join(format!("onset-watchdog-{}", std::process::id()));
        std::fs::File::create(&path).unwrap();
        let label = Label { role: 1, place: 0, number: 0 };
        let fed = |expected: &[u8]| assert_eq!(std::fs::read(&path).unwrap(), expected);
        // A file knows no limit, so it counts as 4 seconds.
        let mut watchdog = Watchdog::start(&path, 60, label, Time(10)).unwrap();
        fed(b"\0");
        assert_eq!(watchdog.deadline(), Time(2_010));
        watchdog.feed(Time(2_009)).unwrap();
        fed(b"\0");
        watchdog.feed(Time(2_010)).unwrap();
        fed(b"\0\0");
        watchdog.stop().unwrap();
        fed(b"\0\0V");
        std::fs::remove_file(&path).unwrap();
        assert!(Watchdog::start(&path, 60, label, Time(0)).is_err());
    }
}
