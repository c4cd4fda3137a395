//! Whether there is a udevd, and what it has still to say.
//!
//! It is there as long as somebody listens at its control socket. That it comes is noticed by the socket, that it goes
//! by its process. What the kernel says while it is there is kept until udevd has said the same: if it goes before
//! that, nothing of it is lost.

use std::{
    collections::BTreeMap,
    fs,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use events::{Time, Uevent};
use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt::PeerCredentials,
    },
};

use super::super::Part;
use crate::{
    pid1::{shell::Shell, token::Token},
    sys::{
        pidfd,
        poll::{Interest, Registration},
    },
};

/// Where udevd listens.
const CONTROL: &str = "/run/udev/control";
/// How many messages of the kernel's are kept. When there are more, all devices are looked at in their place.
pub const MOST_OWED: usize = 1024;
/// How often it is looked whether a udevd is still there whose process is not known, while it has something to say.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of udevd.
#[derive(Debug)]
pub struct Udevd {
    control: PathBuf,
    alive: Option<Alive>,
    /// The control socket that nobody listened at when it was tried last.
    dead: Option<(u64, i64, i64)>,
    owed: BTreeMap<u64, Uevent>,
}

/// A udevd that is there.
#[derive(Debug)]
struct Alive {
    /// Its process, if that can be watched.
    process: Option<(OwnedFd, Registration)>,
    /// When to look whether it is still there, if not.
    look_at: Option<Time>,
}

impl Default for Udevd {
    fn default() -> Self {
        Self { control: CONTROL.into(), alive: None, dead: None, owed: BTreeMap::new() }
    }
}

impl Udevd {
    /// Takes one for there.
    #[cfg(test)]
    pub fn pretend(&mut self) {
        self.alive = Some(Alive { process: None, look_at: None });
    }

    /// Whether it is there, as far as is known.
    pub const fn is_there(&self) -> bool {
        self.alive.is_some()
    }

    /// Looks whether one has come; it costs little where none was ever there.
    pub fn has_come(&mut self, shell: &mut Shell<'_>) -> bool {
        if self.alive.is_some() {
            return false;
        }
        let Ok(at) = fs::symlink_metadata(&self.control) else { return false };
        let at = (at.ino(), at.ctime(), at.ctime_nsec());
        if self.dead == Some(at) {
            return false;
        }
        let Some(pid) = listener(&self.control) else {
            self.dead = Some(at);
            return false;
        };
        // Who has handed it its socket is not udevd.
        let process = Some(pid).filter(|pid| *pid > 1).and_then(|pid| pidfd::open(pid).ok());
        let process = process.and_then(|process| {
            let at = shell.poll.add(&process, Interest::Read, Token::Source(Part::Udevd)).ok()?;
            Some((process, at))
        });
        self.alive = Some(Alive { process, look_at: None });
        true
    }

    /// Its process has ended, or it is time to look: says whether it is gone.
    pub fn has_gone(&mut self, shell: &mut Shell<'_>) -> bool {
        let Some(alive) = &mut self.alive else { return false };
        if alive.process.is_none() && listener(&self.control).is_some() {
            alive.look_at = Some(shell.now.after(PATIENCE));
            return false;
        }
        if let Some((process, at)) = self.alive.take().and_then(|alive| alive.process) {
            shell.poll.remove(&process, at);
        }
        self.dead = None;
        true
    }

    /// The kernel has said something that udevd will say, too. `false` if it can be kept no more.
    pub fn owes(&mut self, message: Uevent, now: Time) -> bool {
        let Some(number) = message.number() else { return true };
        if self.owed.len() >= MOST_OWED {
            return false;
        }
        self.owed.insert(number, message);
        if let Some(alive) = self.alive.as_mut().filter(|alive| alive.process.is_none()) {
            alive.look_at.get_or_insert(now.after(PATIENCE));
        }
        true
    }

    /// It has said this.
    pub fn has_said(&mut self, message: &Uevent) {
        if let Some(number) = message.number() {
            self.owed.remove(&number);
        }
        if let Some(alive) = self.alive.as_mut().filter(|_| self.owed.is_empty()) {
            alive.look_at = None;
        }
    }

    /// What it has not said, in order.
    pub fn take_owed(&mut self) -> impl Iterator<Item = Uevent> + use<> {
        std::mem::take(&mut self.owed).into_values()
    }

    /// How much it has not said.
    pub fn owed(&self) -> usize {
        self.owed.len()
    }

    /// When to look whether it is still there.
    pub fn deadline(&self) -> Option<Time> {
        self.alive.as_ref().and_then(|alive| alive.look_at)
    }
}

/// The process that listens at a socket; `None` if nobody does.
fn listener(path: &Path) -> Option<i32> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).ok()?;
    match connect(fd.as_raw_fd(), &UnixAddr::new(path).ok()?) {
        Ok(()) => Some(getsockopt(&fd, PeerCredentials).map_or(0, |peer| peer.pid())),
        // Others are in line to talk to it.
        Err(Errno::EAGAIN) => Some(0),
        Err(_) => None,
    }
}
