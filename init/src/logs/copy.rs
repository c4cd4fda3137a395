//! In a container, lines also go to the standard output that PID 1 was given, which the container's log shows.
//!
//! Whoever reads there may be slow or gone: then lines are left out and counted, and the files have them.

use std::{fs::File, os::fd::AsFd as _};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    poll::{PollFd, PollFlags, poll},
    sys::stat::Mode,
    unistd::write,
};

use super::{level::Level, message::Settings, name::Stem};

/// How long a slow reader is waited for, in milliseconds, before a bundle of lines is left out.
const PATIENCE: u16 = 200;

/// Lines on their way to standard output.
#[derive(Debug, Default)]
pub struct Copies {
    out: Option<File>,
    shown: u8,
    lines: Vec<u8>,
    left_out: u64,
}

impl Copies {
    /// Goes by the settings.
    pub fn set(&mut self, settings: &Settings) {
        // Opened again, so that it does not wait for its reader and others that have it open still do. A socket
        // cannot be opened: then each write is asked not to take longer than there is room.
        let again = || {
            open(
                "/proc/self/fd/1",
                OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC,
                Mode::empty(),
            )
        };
        let out =
            settings.copies.then(|| again().or_else(|_| std::io::stdout().as_fd().try_clone_to_owned()).ok());
        self.out = out.flatten().map(File::from);
        self.shown = settings.shown;
    }

    /// A line of a job.
    pub fn line(&mut self, stem: &Stem, text: &[u8]) {
        if self.out.is_none() {
            return;
        }
        let (level, text) = Level::split(text);
        if stem.as_str() == "onset" && level.is_some_and(|level| level.number() > self.shown) {
            return;
        }
        self.lines.extend_from_slice(stem.as_str().as_bytes());
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(text);
        self.lines.push(b'\n');
    }

    /// Writes the lines so far.
    pub fn flush(&mut self) {
        let Some(out) = &self.out else { return };
        if self.left_out > 0 {
            let said = format!("onset: {} bytes are left out here\n", self.left_out);
            self.lines.splice(..0, said.into_bytes());
        }
        let mut rest = self.lines.as_slice();
        while !rest.is_empty() {
            // What a pipe has room for at once.
            let some = rest.get(..4_096).unwrap_or(rest);
            let mut ready = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
            let done = match poll(&mut ready, PATIENCE) {
                Ok(0) => break,
                Ok(_) => write(out, some),
                Err(error) => Err(error),
            };
            match done {
                Ok(done) => rest = rest.get(done..).unwrap_or_default(),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(_) => break,
            }
        }
        self.left_out = rest.len() as u64;
        self.lines.clear();
        self.lines.shrink_to(1 << 16);
    }
}
