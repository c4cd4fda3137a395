//! How PID 1 survives itself: what the engine was told is written down before it is worked off, and whoever is
//! executed in PID 1's place after a fault goes on from there, with the same processes.
//!
//! # What is kept, and where
//!
//! All of it is memory without a name, held by descriptors that pass through an exec ([`kept`]):
//! - the [page]: one mapped page, the "root", whose number is the new image's first argument. It says which
//!   descriptors the rest is behind, and what PID 1 is doing at this moment;
//! - the [journal]: turns since the last snapshot. It is written with `pwrite` and never mapped, so lacking memory
//!   is an error and not a signal;
//! - two [snapshots](snapshot) of the whole state, taken in turn.
//!
//! # The order of things in a turn
//!
//! [`Store::begin_turn`], [`Engine::step`] over [`Store::watched`], [`Store::stepped`], for each action
//! [`Store::performing`] and [`Store::performed`], [`Store::end_turn`], and, if [`Store::wants_snapshot`],
//! [`Store::snapshot`]. Bytes from outside are decoded between [`Store::decoding`] and [`Store::decoded`].
//!
//! # What cannot be survived
//!
//! See [`crate::sys::fault`]; beside that, a new image (an upgrade) that is a program, but not Onset, or that dies
//! before it has installed its handlers. [`Store::execute`] looks for Onset's mark in the file to prevent the first.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
    time::Duration,
};

use events::Time;
use jobs::{Engine, Input, Turn};
use serde::Serialize;

pub mod checksum;
pub mod encoding;
pub mod faults;
pub mod journal;
pub mod kept;
pub mod mark;
pub mod page;
pub mod past;
mod replay;
mod resume;
pub mod snapshot;
pub mod watchdog;
mod watched;

pub use kept::{Kept, Label};
pub use past::{Cause, During, Past, Reverted};
pub use resume::{Interrupted, Progress, Restored, Resumption, Skipped, State, Unsafe};
pub use snapshot::FORMAT;
pub use watchdog::Watchdog;
pub use watched::Watched;

use crate::sys::{
    exec::Image,
    fault::{self, Road},
    memory::{self, WORDS, Words},
};
use faults::Point;
use journal::Journal;
use page::{CAUSE_NONE, CAUSE_PLANNED, Page, Phase, Word};

/// After how many deaths in its bytes nothing is read any more of a source and user.
pub const CLOSED_AFTER: u64 = 2;
/// How long after a snapshot that failed the next one is tried.
const RETRY: Duration = Duration::from_secs(1);

/// What PID 1 writes down so that it can go on after a fault.
#[derive(Debug)]
pub struct Store {
    page: Page<'static>,
    words: &'static Words,
    root: File,
    journal: Journal,
    snapshots: [File; 2],
    image: Option<Image>,
    old_image: Option<Image>,
    retry: Time,
    /// In safe mode nothing is written down: what stands there is what the next planned exec goes on from.
    is_safe: bool,
}

impl Store {
    /// An empty store, for a PID 1 that begins. It needs nothing of the file system but a way to its own image:
    /// without one it keeps its records, and cannot execute itself.
    pub fn create() -> io::Result<Self> {
        let root = memory::fixed_memfd(c"onset-root", WORDS.saturating_mul(8))?;
        let words = memory::map_page(&root)?;
        let size = usize::try_from(journal::HALF.saturating_mul(2)).map_err(io::Error::other)?;
        let journal = Journal::new(memory::fixed_memfd(c"onset-journal", size)?, journal::HALF);
        let snapshots = [memory::memfd(c"onset-state-a")?, memory::memfd(c"onset-state-b")?];
        kept::use_table(kept::new_table()?);
        let image = Image::own().ok();
        let page = Page::new(words);
        page.begin();
        faults::use_page(page);
        let (old_image, retry, is_safe) = (None, Time::default(), false);
        let store = Self { page, words, root, journal, snapshots, image, old_image, retry, is_safe };
        store.note_descriptors();
        Ok(store)
    }

    /// From now on a panic or fault is followed by an exec that goes on from this store.
    pub fn arm(&self) {
        fault::arm(Road { words: self.words, root: self.root.as_raw_fd(), note, images });
    }

    /// Writes into the page where everything is, and lets it pass through an exec.
    fn note_descriptors(&self) {
        let [a, b] = &self.snapshots;
        let places = [
            (Word::JOURNAL, Some(self.journal.file().as_raw_fd())),
            (Word::SNAPSHOTS[0], Some(a.as_raw_fd())),
            (Word::SNAPSHOTS[1], Some(b.as_raw_fd())),
            (Word::TABLE, kept::table()),
            (Word::IMAGE, self.image.as_ref().map(|image| image.as_fd().as_raw_fd())),
            (Word::OLD_IMAGE, self.old_image.as_ref().map(|image| image.as_fd().as_raw_fd())),
        ];
        fault::keep(self.root.as_raw_fd(), true);
        for (word, fd) in places {
            self.page.set(word, fd.map_or(0, number_of));
            if let Some(fd) = fd {
                fault::keep(fd, true);
            }
        }
    }

    fn current(&self) -> usize {
        usize::from(self.page.get(Word::CURRENT) & 1 == 1)
    }

    /// Writes down what the engine will be given now. This never fails: a turn that cannot be written down is one
    /// that is missing, and asks for a snapshot.
    pub fn begin_turn(&mut self, turn: &Turn) {
        if self.is_safe {
            return;
        }
        let half = self.current();
        let number = self.page.get(Word::TURN).saturating_add(1);
        let written = self.write(half, number, turn);
        self.page.set(Word::INPUT, 0);
        self.page.set(Word::BEGUN, 0);
        self.page.set(Word::DONE, 0);
        match written {
            Some(length) => set(self.page, Word::LENGTHS, half, length),
            None => set(self.page, Word::GAPS, half, 1),
        }
        self.page.set(Word::TURN, number);
        self.page.set_phase(Phase::Step);
        faults::point(Point::Journal);
    }

    /// The half's new length; none if the turn is not in it.
    fn write(&mut self, half: usize, number: u64, turn: &Turn) -> Option<u64> {
        let is_too_large = |input: &Input| matches!(input, Input::Reload { .. });
        if get(self.page, Word::GAPS, half) != 0 || turn.batch.iter().any(is_too_large) {
            return None;
        }
        let length = get(self.page, Word::LENGTHS, half);
        self.journal.append(half, length, number, turn).ok().flatten()
    }

    /// The inputs of the turn, for the engine's step: each is noted when it is begun.
    pub fn watched<I: IntoIterator<Item = Input>>(&self, batch: I) -> Watched<I::IntoIter> {
        Watched::new((!self.is_safe).then_some(self.page), batch.into_iter())
    }

    /// The step is over, and actions will be performed.
    pub fn stepped(&self) {
        self.set_phase(Phase::Perform);
    }

    /// Action `number` of the turn, counted from 0, is begun.
    pub fn performing(&self, number: usize) {
        if !self.is_safe {
            self.page.set(Word::BEGUN, (number as u64).saturating_add(1));
        }
        faults::point(Point::Perform);
    }

    /// Action `number` is done.
    pub fn performed(&self, number: usize) {
        if !self.is_safe {
            self.page.set(Word::DONE, (number as u64).saturating_add(1));
        }
    }

    /// All actions of the turn are done.
    pub fn end_turn(&self) {
        self.set_phase(Phase::Idle);
    }

    fn set_phase(&self, phase: Phase) {
        if !self.is_safe {
            self.page.set_phase(phase);
        }
    }

    /// What `uid` sent to `source` is decoded now. A death before [`Self::decoded`] is put to their account.
    pub fn decoding(&self, source: u32, uid: u32) {
        self.page.set(Word::UID, u64::from(uid));
        self.page.set(Word::SOURCE, u64::from(source).saturating_add(1));
        faults::point(Point::Decode);
    }

    /// Decoding is over.
    pub fn decoded(&self) {
        self.page.set(Word::SOURCE, 0);
    }

    /// Whether nothing may be read any more of what `uid` sends to `source`, because it has brought us down. This
    /// never holds for root, who must be able to mend things.
    #[must_use]
    pub fn is_closed(&self, source: u32, uid: u32) -> bool {
        let source = u64::from(source).saturating_add(1);
        uid != 0 && self.page.blamed(source, u64::from(uid)) >= CLOSED_AFTER
    }

    /// Whether a snapshot should be taken after this turn.
    #[must_use]
    pub fn wants_snapshot(&self, now: Time) -> bool {
        let half = self.current();
        let length = get(self.page, Word::LENGTHS, half);
        let is_full = length.saturating_mul(4) > self.journal.half().saturating_mul(3);
        let has_gap = get(self.page, Word::GAPS, half) != 0;
        (is_full || has_gap || get(self.page, Word::SIZES, half) == 0) && now >= self.retry && !self.is_safe
    }

    /// Takes a snapshot, between turns: the journal starts anew. If there is no memory for it, everything stays as
    /// it is, and the next try is a second away. In safe mode it does nothing.
    pub fn snapshot<R: Serialize>(&mut self, now: Time, engine: &Engine, rest: &R) -> io::Result<()> {
        if self.is_safe {
            return Ok(());
        }
        self.end_turn();
        let from = self.current();
        let to = from ^ 1;
        set(self.page, Word::SIZES, to, 0);
        let [a, b] = &self.snapshots;
        let file = if to == 0 { a } else { b };
        let put = |pieces: &mut encoding::Pieces<'_>| {
            jobs::encoding::put_engine(engine, &mut |piece| pieces.extend(piece).is_ok())?;
            pieces.put(rest)
        };
        let size = snapshot::write(file, put).inspect_err(|_| self.retry = now.after(RETRY))?;
        faults::point(Point::Snapshot);
        set(self.page, Word::LENGTHS, to, 0);
        set(self.page, Word::GAPS, to, 0);
        set(self.page, Word::STARTS, to, self.page.get(Word::TURN));
        set(self.page, Word::SIZES, to, size);
        self.page.set(Word::CURRENT, to as u64);
        let start = get(self.page, Word::STARTS, from);
        let skips: Vec<_> = self.page.skips().filter(|(turn, _)| *turn > start).collect();
        self.page.set_skips(&skips);
        Ok(())
    }

    /// Executes `image` in our place, between turns and after a snapshot. It comes back only if that fails, and
    /// then everything is as it was. Until the new image calls [`Self::settled`], its death brings back ours.
    pub fn execute(&mut self, image: Image) -> io::Error {
        if let Err(error) = self.check(&image) {
            return error;
        }
        let is_trial = self.image.is_some();
        self.old_image = self.image.replace(image);
        self.page.set(Word::TRIAL, u64::from(is_trial));
        let error = self.go();
        self.page.set(Word::TRIAL, 0);
        if let Some(new) = self.image.take() {
            fault::keep(new.as_fd().as_raw_fd(), false);
        }
        self.image = self.old_image.take();
        self.note_descriptors();
        error
    }

    /// Whether an image is one that can go on from here. The file that runs now is not looked at again.
    fn check(&self, image: &Image) -> io::Result<()> {
        if self.image.as_ref().is_some_and(|own| own.is_same(image)) {
            return Ok(());
        }
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        let ours = mark::own_format();
        match mark::format_of(image.readable()?)? {
            Some(format) if format == ours => Ok(()),
            Some(other) => refuse(format!("it reads states in format {other}, and ours is in format {ours}")),
            None => refuse("it is not Onset".into()),
        }
    }

    /// Executes the image that runs now once more, between turns and after a snapshot. It comes back only if that
    /// fails.
    pub fn execute_again(&mut self) -> io::Error {
        self.go()
    }

    fn go(&self) -> io::Error {
        self.note_descriptors();
        self.page.set(Word::CAUSE, CAUSE_PLANNED);
        let image = self.image.as_ref().map_or(-1, |image| image.as_fd().as_raw_fd());
        let error = fault::pass_to(image, self.root.as_raw_fd());
        self.page.set(Word::CAUSE, CAUSE_NONE);
        io::Error::from_raw_os_error(error)
    }

    /// This image has proved itself: there is no way back to the one before, and its file is let go.
    pub fn settled(&mut self) {
        self.page.set(Word::TRIAL, 0);
        if let Some(old) = self.old_image.take() {
            self.page.set(Word::OLD_IMAGE, 0);
            fault::keep(old.as_fd().as_raw_fd(), false);
        }
    }

    /// The image that runs.
    #[must_use]
    pub const fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }
}

fn note(words: &Words, death: &fault::Death<'_>) {
    Page::new(words).note(death);
}

fn images(words: &Words) -> [RawFd; 2] {
    [Word::IMAGE, Word::OLD_IMAGE].map(|word| descriptor(Page::new(words).get(word)))
}

/// A descriptor as it stands in the page: 0 is none.
fn number_of(fd: RawFd) -> u64 {
    u64::from(fd.unsigned_abs()).saturating_add(1)
}

fn descriptor(number: u64) -> RawFd {
    number.checked_sub(1).and_then(|fd| RawFd::try_from(fd).ok()).unwrap_or(-1)
}

fn get(page: Page<'_>, [a, b]: [Word; 2], half: usize) -> u64 {
    page.get(if half == 0 { a } else { b })
}

fn set(page: Page<'_>, [a, b]: [Word; 2], half: usize, to: u64) {
    page.set(if half == 0 { a } else { b }, to);
}

#[cfg(test)]
mod tests;
