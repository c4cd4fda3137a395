//! One pipe, as the log keeper reads it.
//!
//! What is in the pipe is copied (`tee(2)`), written, and only then taken out: whoever dies in between leaves
//! it there for the next keeper, and a line may come twice, but never not at all. For the same reason a line
//! that has not ended yet stays in the pipe, unless its rest does not come.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, SpliceFFlags, tee},
    unistd::{pipe2, read},
};

use super::{
    copy::Copies,
    lines::{End, first},
    name::Stem,
    record,
    shelf::Shelf,
    stamp::Stamp,
};
use crate::sys::pass::waiting;

/// How much is looked at in one turn of a pipe.
const TURN: usize = 64 << 10;
/// After how many milliseconds without anything new the beginning of a line is written all the same.
const STALE: u64 = 2_000;
/// After how many milliseconds it is written although more comes, bit by bit.
const LONG: u64 = 30_000;

/// What is needed while a pipe is worked on: there is one for all.
#[derive(Debug)]
pub struct Bench {
    copy: (OwnedFd, OwnedFd),
    output: Vec<u8>,
    taken: Vec<u8>,
    records: Vec<u8>,
}

/// How a turn has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is more in the pipe.
    More,
    /// There is nothing in the pipe, or only the beginning of a line.
    Idle,
    /// Nothing more will come.
    Over,
}

/// The beginning of a line, which waits in the pipe for its end.
#[derive(Debug, Clone, Copy)]
struct Begun {
    length: usize,
    since: u64,
    grown: u64,
}

impl Begun {
    /// When nothing new has come for long enough.
    const fn stale(self) -> u64 {
        self.grown.saturating_add(STALE)
    }

    /// When it has been there for long enough, whatever comes.
    const fn long(self) -> u64 {
        self.since.saturating_add(LONG)
    }
}

/// What a look has shown.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// There is no more in the pipe.
    all: bool,
    /// More was there before the look than it has shown.
    hides: bool,
    /// The beginning of a line has waited for long enough.
    due: bool,
}

/// One pipe.
#[derive(Debug)]
pub struct Tap {
    pipe: OwnedFd,
    stem: Stem,
    begun: Option<Begun>,
    /// Whether nobody holds the other end.
    hung_up: bool,
}

/// What a turn works with.
pub struct Work<'w> {
    /// Where records go.
    pub shelf: &'w mut Shelf,
    /// Where lines are copied to.
    pub copies: &'w mut Copies,
    /// Milliseconds that only grow.
    pub now: u64,
}

impl Bench {
    /// A pipe of our own, and room.
    pub fn new() -> io::Result<Self> {
        let copy = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok(Self { copy, output: vec![0; TURN], taken: vec![0; TURN], records: Vec::new() })
    }

    /// Copies what is at the front of a pipe, as far as there is room; how much.
    fn look(&mut self, pipe: BorrowedFd<'_>) -> Result<usize, Errno> {
        let count = tee(pipe, &self.copy.1, TURN, SpliceFFlags::SPLICE_F_NONBLOCK)?;
        let mut done = 0;
        while let Some(room) = self.output.get_mut(done..count).filter(|room| !room.is_empty()) {
            match read(&self.copy.0, room) {
                Ok(0) => break,
                Ok(more) => done = done.saturating_add(more),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Takes so many bytes out of a pipe.
    fn take(&mut self, pipe: BorrowedFd<'_>, mut count: usize) -> Result<(), Errno> {
        while let Some(room) = self.taken.get_mut(..count.min(TURN)).filter(|room| !room.is_empty()) {
            match read(pipe, room) {
                Ok(0) => break,
                Ok(done) => count = count.saturating_sub(done),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Tap {
    /// The pipe of a log.
    #[must_use]
    pub const fn new(pipe: OwnedFd, stem: Stem) -> Self {
        Self { pipe, stem, begun: None, hung_up: false }
    }

    /// Which log it writes into.
    #[must_use]
    pub const fn stem(&self) -> &Stem {
        &self.stem
    }

    /// Nobody holds the other end any more.
    pub fn hang_up(&mut self) {
        self.hung_up = true;
    }

    /// When the beginning of a line has waited for long enough.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.begun.map(|begun| begun.stale().min(begun.long()))
    }

    /// Keeps what is in the pipe, as far as one turn goes.
    pub fn turn(&mut self, bench: &mut Bench, work: &mut Work<'_>) -> io::Result<Turn> {
        let before = self.begun.map_or(0, |_| waiting(&self.pipe));
        let count = match bench.look(self.pipe.as_fd()) {
            Ok(0) => return Ok(Turn::Over),
            Ok(count) => count,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Turn::Idle),
            Err(error) => return Err(error.into()),
        };
        let sees_all = waiting(&self.pipe) <= count;
        // What is new shows that the rest is on its way, however late we look.
        let due = self.begun.is_some_and(|begun| {
            begun.long() <= work.now || (count <= begun.length && begun.stale() <= work.now)
        });
        let output = std::mem::take(&mut bench.output);
        let seen = Seen { all: sees_all, hides: before > count, due };
        let result = self.keep(output.get(..count).unwrap_or_default(), seen, bench, work);
        bench.output = output;
        let left = result?;
        self.wait_for_end(left, work.now);
        let more = waiting(&self.pipe) > left || (self.hung_up && left > 0);
        Ok(match (more, self.hung_up) {
            (true, true | false) => Turn::More,
            (false, true) => Turn::Over,
            (false, false) => Turn::Idle,
        })
    }

    /// Writes the lines of some output and takes them out of the pipe; how much stays there.
    fn keep(
        &self,
        output: &[u8],
        seen: Seen,
        bench: &mut Bench,
        work: &mut Work<'_>,
    ) -> Result<usize, Errno> {
        let time = Stamp::now().to_string();
        let mut rest = output;
        let mut kept = 0;
        while let Some(piece) = first(rest) {
            let unfinished = piece.end == End::Split;
            record::append(&mut bench.records, &time, unfinished, piece.text);
            work.copies.line(&self.stem, piece.text);
            rest = piece.rest;
            // A newline becomes a whole record, so what is written may be much longer than what was read.
            if bench.records.len() >= TURN {
                kept = self.settle(output.len().saturating_sub(rest.len()), kept, bench, work)?;
            }
        }
        // A line's beginning is written if it is its end, if the rest has not come for long, or if so much of the
        // pipe's room is taken up by it that the rest cannot be seen: a second look has shown no more of it, although
        // more was there before.
        let over = seen.all && self.hung_up;
        let stuck = self.begun.is_some_and(|begun| begun.length == output.len());
        let cut = seen.hides && stuck && rest.len() == output.len();
        if !rest.is_empty() && (over || cut || seen.due) {
            record::append(&mut bench.records, &time, !over, rest);
            work.copies.line(&self.stem, rest);
            rest = &[];
        }
        self.settle(output.len().saturating_sub(rest.len()), kept, bench, work)?;
        Ok(rest.len())
    }

    /// Writes the records on the bench, and takes what they were made from out of the pipe.
    fn settle(
        &self,
        done: usize,
        before: usize,
        bench: &mut Bench,
        work: &mut Work<'_>,
    ) -> Result<usize, Errno> {
        if !bench.records.is_empty() {
            work.shelf.write(&self.stem, &bench.records, work.now);
            bench.records.clear();
            bench.records.shrink_to(TURN.saturating_mul(2));
            work.copies.flush();
        }
        bench.take(self.pipe.as_fd(), done.saturating_sub(before))?;
        Ok(done)
    }

    fn wait_for_end(&mut self, left: usize, now: u64) {
        self.begun = match self.begun {
            _ if left == 0 => None,
            Some(begun) if begun.length == left => Some(begun),
            // A shorter one is another line.
            Some(begun) if begun.length < left => Some(Begun { length: left, grown: now, ..begun }),
            Some(_) | None => Some(Begun { length: left, since: now, grown: now }),
        };
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
