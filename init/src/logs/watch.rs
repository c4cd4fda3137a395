//! Whether the log keeper is awake.
//!
//! It may be stopped, or hang on a disk that does not answer, and then jobs would wait for it for ever. So when
//! something is in a pipe that the keeper has, it is asked for a sign of life. While nothing is written nobody
//! wakes up for this: an epoll instance with all those pipes in it stands for them in the loop's own.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use events::Time;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::{
    pid1::{shell::Shell, token::Token},
    sys::poll::{Interest, Registration},
};

/// How long the keeper may take for an answer, in milliseconds. A machine may have much else to do, and a keeper
/// that is killed for being slow is no faster the next time.
const PATIENCE: u64 = 5_000;
/// The same for its first answer: its program has to be read from the disk before that.
const FIRST: u64 = 30_000;
/// How long it is believed to be awake after one.
const TRUST: u64 = 5_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is in the pipes, or was when we looked: the next that comes is told.
    Quiet,
    /// It was asked at this time.
    Asked(Time),
    /// It has answered, and is believed until this time.
    Trusted(Time),
}

/// Watches over the log keeper.
#[derive(Debug)]
pub struct Watch {
    epoll: Epoll,
    at: Registration,
    state: State,
    has_answered: bool,
}

impl Watch {
    /// Watches from now on.
    pub fn new(shell: &mut Shell<'_>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let at = shell.poll.add(&epoll.0, Interest::Read, Token::Keeper)?;
        Ok(Self { epoll, at, state: State::Quiet, has_answered: false })
    }

    /// Watches no longer.
    pub fn end(self, shell: &mut Shell<'_>) {
        shell.poll.remove(&self.epoll.0, self.at);
    }

    /// A pipe that the keeper has got.
    pub fn add(&self, pipe: BorrowedFd<'_>) {
        // One that is not watched is kept all the same; it only does not tell of a keeper that sleeps.
        let _ = self.epoll.add(pipe, EpollEvent::new(EpollFlags::EPOLLIN, 0));
    }

    /// A pipe that is about to be closed.
    pub fn remove(&self, pipe: BorrowedFd<'_>) {
        // It fails only for a pipe that is not in there.
        let _ = self.epoll.delete(pipe);
    }

    /// Something is in a pipe; whether the keeper must be asked now.
    #[must_use]
    pub fn stir(&mut self, shell: &mut Shell<'_>) -> bool {
        let is_stirred = {
            let mut events = [EpollEvent::empty()];
            self.epoll.wait(&mut events, 0_u8).is_ok_and(|count| count > 0)
        };
        if self.state != State::Quiet || !is_stirred {
            return false;
        }
        self.state = State::Asked(shell.now);
        self.wait_for(Interest::Nothing, shell);
        true
    }

    /// The question could be asked only now.
    pub fn asked(&mut self, now: Time) {
        self.state = State::Asked(now);
    }

    /// The keeper has answered.
    pub fn answered(&mut self, now: Time) {
        self.has_answered = true;
        if matches!(self.state, State::Asked(_)) {
            self.state = State::Trusted(Time(now.0.saturating_add(TRUST)));
        }
    }

    /// When [`Watch::tick`] wants to be called, if at all.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Quiet => None,
            State::Asked(at) => {
                let patience = if self.has_answered { PATIENCE } else { FIRST };
                Some(Time(at.0.saturating_add(patience)))
            }
            State::Trusted(until) => Some(until),
        }
    }

    /// Goes on with the time; since when the keeper has not answered, if that is too long.
    #[must_use]
    pub fn tick(&mut self, shell: &mut Shell<'_>) -> Option<Time> {
        if self.deadline().is_none_or(|due| shell.now < due) {
            return None;
        }
        match self.state {
            State::Asked(at) => Some(at),
            State::Quiet | State::Trusted(_) => {
                self.state = State::Quiet;
                self.wait_for(Interest::Read, shell);
                None
            }
        }
    }

    fn wait_for(&self, interest: Interest, shell: &mut Shell<'_>) {
        // It is in there, so this does not fail.
        let _ = shell.poll.change(self.epoll.0.as_fd(), &self.at, interest);
    }
}
