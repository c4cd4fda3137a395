//! Something that bytes come from: read when there is something, never waited for here.

use std::{
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::failure::{Doing, Result};

/// A stream, and what of it nobody has taken yet.
#[derive(Debug)]
pub struct Stream<R> {
    source: R,
    /// What has come and was not taken.
    bytes: Vec<u8>,
    /// Whether it has ended.
    ended: bool,
}

impl<R: Read + AsFd> Stream<R> {
    /// Reads from `source` from now on.
    pub fn new(source: R) -> Result<Self> {
        let flags = fcntl(&source, FcntlArg::F_GETFL).doing("F_GETFL")?;
        let flags = OFlag::from_bits_truncate(flags) | OFlag::O_NONBLOCK;
        fcntl(&source, FcntlArg::F_SETFL(flags)).doing("F_SETFL")?;
        Ok(Self { source, bytes: Vec::new(), ended: false })
    }

    /// Takes in all that has come.
    pub fn fill(&mut self) {
        let mut buffer = [0; 1 << 14];
        while !self.ended {
            match self.source.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => self.bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.ended = error.kind() != io::ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    /// The next whole line, without its end.
    pub fn line(&mut self) -> Option<String> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let rest = self.bytes.split_off(end.saturating_add(1));
        let line = std::mem::replace(&mut self.bytes, rest);
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    /// All that has come, lines or not.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Whether nothing more comes.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// What it reads from, to write to it.
    pub const fn source(&mut self) -> &mut R {
        &mut self.source
    }
}

impl<R: AsFd> AsFd for Stream<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

/// Waits until one of these has something to read, or has ended, for so long at most. Says which.
pub fn wait(sources: &[BorrowedFd<'_>], left: Duration) -> Result<Vec<bool>> {
    let mut sources: Vec<PollFd<'_>> = sources.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    // Rounded up, so that the last wait before a limit is not a busy one.
    let left = left.saturating_add(Duration::from_millis(1));
    match poll(&mut sources, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
        Ok(_) => Ok(sources.iter().map(|source| source.any().unwrap_or(false)).collect()),
        Err(nix::errno::Errno::EINTR) => Ok(vec![false; sources.len()]),
        Err(error) => Err(error).doing("poll"),
    }
}
