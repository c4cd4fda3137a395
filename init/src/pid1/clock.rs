//! The two clocks: one that only goes forward, also asleep, and the one on the wall.

use std::{io, os::fd::AsFd, time::Duration};

use events::Time;
use nix::{
    sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
    time::clock_gettime,
};

/// Milliseconds since boot.
#[must_use]
pub fn now() -> Time {
    let since = clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map(Duration::from);
    // A kernel without this clock (before 2.6.39) runs nothing of ours.
    Time(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

/// What the clock on the wall shows, in milliseconds since 1970.
#[must_use]
pub fn wall() -> i64 {
    let since = clock_gettime(nix::time::ClockId::CLOCK_REALTIME).map(Duration::from);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

/// Calls the loop when the next thing is due, in place of tokio's timers, which stand still while the machine sleeps.
#[derive(Debug)]
pub struct Deadline {
    timer: TimerFd,
    set: Option<Time>,
}

impl Deadline {
    /// One that is not set.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        Ok(Self { timer: TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?, set: None })
    }

    /// Calls at `at`; never, if it is `None`.
    pub fn set(&mut self, at: Option<Time>) -> io::Result<()> {
        if at == self.set {
            return Ok(());
        }
        match at {
            // Zero would switch it off.
            Some(at) => {
                let at = TimeSpec::from(Duration::from_millis(at.0.max(1)));
                self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
            None => self.timer.unset()?,
        }
        self.set = at;
        Ok(())
    }

    /// It has called: it is set no longer.
    pub fn clear(&mut self) {
        self.set = None;
        let mut count = [0; 8];
        // That it has not called after all is no matter.
        let _ = nix::unistd::read(self.timer.as_fd(), &mut count);
    }
}

impl AsFd for Deadline {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
