//! The pipes that jobs write into, as PID 1 keeps them.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use jobs::Life;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::{pipe2, read},
};

use super::name::Stem;
use crate::{
    pid1::{shell::Shell, token::Token},
    store::{Kept, Label},
    sys::{
        pass::waiting,
        poll::{Interest, Registration},
    },
};

/// How many bytes are thrown away at once.
const GULP: usize = 16 << 10;
/// How often in one turn.
const GULPS: usize = 8;
/// From how many bytes on a pipe counts as full whose writers cannot be asked.
const MUCH: usize = 32 << 10;

/// What becomes of what is in a pipe.
#[derive(Debug)]
pub enum Stage {
    /// Nothing has been written.
    Silent(Registration),
    /// Something is in there, and no keeper has it.
    Waiting,
    /// The keeper has a duplicate.
    Handed,
    /// Nobody keeps it: it is thrown away as it comes.
    Emptied(Registration),
}

/// A job's pipe.
#[derive(Debug)]
pub struct Pipe {
    /// Which log it belongs to.
    pub stem: Stem,
    /// The end that is read.
    pub reading: Kept,
    /// The end that is written, as long as there may be further processes that get it.
    pub writing: Option<OwnedFd>,
    /// What becomes of what is in it.
    pub stage: Stage,
    /// How many bytes were thrown away and not yet told to a keeper.
    pub lost: u64,
}

/// All pipes, by number.
#[derive(Debug, Default)]
pub struct Pipes {
    slots: Vec<Option<Pipe>>,
    free: Vec<u32>,
    lives: BTreeMap<Life, u32>,
    /// How many have something in them that no keeper has.
    unkept: usize,
    /// Those that a keeper must get, the oldest first. Some may have been closed meanwhile.
    queue: VecDeque<u32>,
}

impl Stage {
    const fn is_unkept(&self) -> bool {
        match self {
            Self::Waiting | Self::Emptied(_) => true,
            Self::Silent(_) | Self::Handed => false,
        }
    }
}

impl Pipe {
    /// A new pipe, of which neither end is inherited and the reading end never waits.
    pub fn new(stem: Stem, label: Label) -> Result<Self, Errno> {
        let (reading, writing) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&reading, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let reading = Kept::new(reading, label);
        Ok(Self { stem, reading, writing: Some(writing), stage: Stage::Waiting, lost: 0 })
    }

    /// What `poll(2)` says of the reading end: whether something is in there, and whether nobody can write any more.
    pub fn look(&self) -> (bool, bool) {
        let mut ready = [PollFd::new(self.reading.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ready, PollTimeout::ZERO);
        let flags = ready.iter().find_map(PollFd::revents).unwrap_or(PollFlags::empty());
        (flags.contains(PollFlags::POLLIN), flags.contains(PollFlags::POLLHUP))
    }

    /// Whether whoever writes must wait.
    pub fn is_full(&self) -> bool {
        let Some(writing) = &self.writing else { return waiting(&self.reading) >= MUCH };
        let mut ready = [PollFd::new(writing.as_fd(), PollFlags::POLLOUT)];
        matches!(poll(&mut ready, PollTimeout::ZERO), Ok(0))
    }

    /// Throws away what is in it, but not for ever; whether there was anything.
    pub fn empty(&mut self) -> bool {
        let mut gulp = [0; GULP];
        let mut any = false;
        for _ in 0..GULPS {
            match read(&self.reading, &mut gulp) {
                Ok(count) if count > 0 => {
                    any = true;
                    self.lost = self.lost.saturating_add(count as u64);
                }
                Ok(_) | Err(_) => break,
            }
        }
        any
    }
}

impl Pipes {
    /// Puts a pipe in: its number.
    pub fn insert(&mut self, pipe: Pipe) -> Option<u32> {
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.slots.push(None);
                u32::try_from(self.slots.len().saturating_sub(1)).ok()?
            }
        };
        let is_unkept = pipe.stage.is_unkept();
        *self.slots.get_mut(number as usize)? = Some(pipe);
        self.count(false, is_unkept);
        Some(number)
    }

    /// The pipe of this number.
    pub fn get(&self, number: u32) -> Option<&Pipe> {
        self.slots.get(number as usize)?.as_ref()
    }

    /// The pipe of this number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Pipe> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    /// All pipes with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Pipe)> {
        let pipes = self.slots.iter().enumerate();
        pipes.filter_map(|(number, slot)| Some((u32::try_from(number).ok()?, slot.as_ref()?)))
    }

    /// The number of a life's pipe, if further processes can write into it.
    pub fn of(&self, life: Life) -> Option<u32> {
        let number = self.lives.get(&life).copied();
        number.filter(|number| self.get(*number).is_some_and(|pipe| pipe.writing.is_some()))
    }

    /// A life's pipe has this number.
    pub fn set_life(&mut self, life: Life, number: u32) {
        self.lives.insert(life, number);
    }

    /// A life is over: the number of its pipe.
    pub fn end(&mut self, life: Life) -> Option<u32> {
        self.lives.remove(&life)
    }

    /// Takes a pipe out and closes it.
    pub fn close(&mut self, number: u32, shell: &mut Shell<'_>) {
        let Some(pipe) = self.slots.get_mut(number as usize).and_then(Option::take) else { return };
        self.free.push(number);
        self.count(pipe.stage.is_unkept(), false);
        match pipe.stage {
            Stage::Silent(at) | Stage::Emptied(at) => shell.poll.remove(&pipe.reading, at),
            Stage::Waiting | Stage::Handed => {}
        }
    }

    /// A pipe that the keeper must get.
    pub fn enqueue(&mut self, number: u32, shell: &mut Shell<'_>) {
        let Some(pipe) = self.get_mut(number) else { return };
        let was_unkept = pipe.stage.is_unkept();
        match std::mem::replace(&mut pipe.stage, Stage::Waiting) {
            Stage::Silent(at) | Stage::Emptied(at) => shell.poll.remove(&pipe.reading, at),
            Stage::Handed => {}
            Stage::Waiting => return,
        }
        self.count(was_unkept, true);
        self.queue.push_back(number);
    }

    /// A pipe that somebody has left us: whether it has something in it shows what becomes of it.
    pub fn adopt(&mut self, number: u32, shell: &mut Shell<'_>) {
        let Some(pipe) = self.get(number) else { return };
        if pipe.look().0 || self.register(number, shell, Stage::Silent).is_err() {
            self.queue.push_back(number);
        }
    }

    /// The first that the keeper must get.
    pub fn first(&mut self) -> Option<u32> {
        while let Some(&number) = self.queue.front() {
            if self.get(number).is_some_and(|pipe| matches!(pipe.stage, Stage::Waiting)) {
                return Some(number);
            }
            self.queue.pop_front();
        }
        None
    }

    /// The first has been handed over.
    pub fn handed(&mut self) {
        if let Some(pipe) = self.queue.pop_front().and_then(|number| self.get_mut(number)) {
            pipe.stage = Stage::Handed;
            pipe.lost = 0;
            self.count(true, false);
        }
    }

    /// How many pipes a keeper must get.
    pub const fn unkept(&self) -> usize {
        self.unkept
    }

    /// A pipe's stage has changed.
    fn count(&mut self, was_unkept: bool, is_unkept: bool) {
        self.unkept =
            self.unkept.saturating_add(usize::from(is_unkept)).saturating_sub(usize::from(was_unkept));
    }

    /// Waits for what is written into a pipe.
    pub fn register(
        &mut self,
        number: u32,
        shell: &mut Shell<'_>,
        stage: fn(Registration) -> Stage,
    ) -> io::Result<()> {
        let Some(pipe) = self.get_mut(number) else { return Ok(()) };
        let at = shell.poll.add(&pipe.reading, Interest::Read, Token::Output(number))?;
        let was_unkept = pipe.stage.is_unkept();
        pipe.stage = stage(at);
        let is_unkept = pipe.stage.is_unkept();
        self.count(was_unkept, is_unkept);
        Ok(())
    }
}

#[cfg(test)]
impl Pipes {
    /// All reading ends, as an exec leaves them.
    pub fn into_kept(self) -> Vec<Kept> {
        self.slots.into_iter().flatten().map(|pipe| pipe.reading).collect()
    }
}
