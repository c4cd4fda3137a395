//! The first thing that a new image does: find out why it is there, and get the state back.

use std::{fs::File, io, os::fd::RawFd};

use events::Time;
use jobs::{Action, Engine, Input};
use serde::de::DeserializeOwned;

use super::{
    Store, descriptor, faults,
    journal::{HALF, Journal},
    kept::{self, Kept},
    page::{CAUSE_NONE, CAUSE_PLANNED, PAGE_FORMAT, Page, Phase, REVERTED_FORMAT, Word},
    past::{Cause, During, Past},
    replay::{Played, step_again},
    snapshot::Fault,
};
use crate::sys::{exec::Image, fault, memory};

/// What a new image finds.
#[derive(Debug)]
pub struct Resumption<R> {
    /// The store, ready to be used, and armed.
    pub store: Store,
    /// Why the image before ended.
    pub past: Past,
    /// The descriptors that it kept. Those that nobody wants are closed by being dropped.
    pub kept: Vec<Kept>,
    /// How to go on.
    pub state: State<R>,
}

/// How to go on.
#[derive(Debug)]
pub enum State<R> {
    /// As before.
    On(Box<Restored<R>>),
    /// From the beginning: the image before died before it had saved anything.
    Anew,
    /// In safe mode: reap, listen, give people a shell, and start nothing. A planned exec tries once more.
    Safe(Unsafe),
}

/// Why it is not safe to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsafe {
    /// PID 1 died too often within a short time.
    TooOften,
    /// Neither snapshot can be read.
    Unreadable,
}

/// The state as it was.
#[derive(Debug)]
pub struct Restored<R> {
    /// The engine, after every turn that was begun.
    pub engine: Engine,
    /// What the caller saved with it, as it was at the snapshot.
    pub rest: R,
    /// How many turns were played since the snapshot, and how many actions of theirs were not done again.
    pub replayed: (u64, u64),
    /// Whether turns are missing: then the world must be asked for everything.
    pub lost: bool,
    /// The turn that was under way. It still is: what is left of it must be performed and noted, and
    /// [`Store::end_turn`] called, before anything else is done.
    pub interrupted: Option<Interrupted>,
    /// What was left out, because the engine died of it.
    pub skipped: Option<Skipped>,
}

/// A turn that was under way.
#[derive(Debug)]
pub struct Interrupted {
    /// Its number.
    pub turn: u64,
    /// When it was.
    pub now: Time,
    /// Its actions in order. Their places are the numbers for [`Store::performing`].
    pub actions: Vec<(Action, Progress)>,
}

/// How far an action had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was done.
    Performed,
    /// It was begun, and whether it was done must be looked at. [`Past::again`] says whether it is the action itself
    /// that we die of.
    InDoubt,
    /// It was not begun.
    NotBegun,
}

/// An input that was left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Skipped {
    /// The turn that it came in.
    pub turn: u64,
    /// The input; none if all of the turn was left out.
    pub input: Option<Input>,
}

impl Store {
    /// Goes on from the page behind descriptor `root`, which is what [`crate::sys::exec::resume_descriptor`] gives.
    /// To be called once. It fails only if there is no page, and then nothing is known of the image before.
    ///
    /// If this image is a new one that cannot read what is there, it does not come back: the old image goes on.
    pub fn resume<R: DeserializeOwned>(root: RawFd) -> io::Result<Resumption<R>> {
        let root = File::from(memory::take_descriptor(root)?);
        let words = memory::map_page(&root)?;
        let page = Page::new(words);
        let format = page.format().ok_or(io::ErrorKind::InvalidData)?;
        if format != PAGE_FORMAT {
            return Err(go_back_blind(page, &root));
        }
        let take = |word| memory::take_descriptor(descriptor(page.get(word)));
        let [a, b] = Word::SNAPSHOTS;
        let snapshots = [File::from(take(a)?), File::from(take(b)?)];
        // Only a test has a table already; then what is in it belongs to others.
        let is_fresh = kept::table().is_none();
        if is_fresh {
            kept::use_table(File::from(take(Word::TABLE)?));
        }
        let mut store = Self {
            page,
            words,
            journal: Journal::new(File::from(take(Word::JOURNAL)?), HALF),
            snapshots,
            image: take(Word::IMAGE).ok().map(Image::held),
            old_image: take(Word::OLD_IMAGE).ok().map(Image::held),
            retry: Time::default(),
            is_safe: false,
            root,
        };
        faults::use_page(page);
        store.note_descriptors();
        store.arm();
        let kept = if is_fresh { kept::take_all().unwrap_or_default() } else { Vec::new() };
        let past = store.account();
        let state = store.state(&past);
        Ok(Resumption { store, past, kept, state })
    }

    /// Finds out why the image before ended, and puts it to somebody's account.
    fn account(&mut self) -> Past {
        let page = self.page;
        let mut past = Past::read(page);
        page.set(Word::CAUSE, CAUSE_NONE);
        page.set(Word::REVERTED, 0);
        page.set(Word::SOURCE, 0);
        if past.reverted.is_some() {
            self.settled();
        }
        match past.cause {
            Cause::Planned => {
                page.set(Word::COUNT, 0);
                page.set(Word::SAFE, 0);
                page.set(Word::SPOT, 0);
                page.set(Word::RESTORING, 0);
                page.forgive();
                return past;
            }
            Cause::Unknown => page.note_time(fault::now()),
            Cause::Panic(_) | Cause::Signal { .. } => (),
        }
        if !past.is_own_fault() {
            return past;
        }
        let spot = past.during.spot();
        past.again = if page.get(Word::SPOT) == spot { page.get(Word::AGAIN).saturating_add(1) } else { 1 };
        page.set(Word::SPOT, spot);
        page.set(Word::AGAIN, past.again);
        match past.during {
            During::Decoding { source, uid } => self.blame(source, uid),
            During::Step { turn, inputs } => self.leave_out(turn, inputs, past.again),
            During::Nothing | During::Perform { .. } | During::Restoring => (),
        }
        past
    }

    /// A death in somebody's bytes does not bring safe mode nearer, unless nobody can be shut out for it.
    fn blame(&self, source: u32, uid: u32) {
        let count = self.page.blame(u64::from(source).saturating_add(1), u64::from(uid));
        if count <= 1 || uid != 0 && count <= super::CLOSED_AFTER {
            self.page.forget_last();
        }
    }

    /// Leaves out the input that the engine died of. If it was none of them, the turn gets a second chance, and
    /// then is left out as a whole.
    fn leave_out(&self, turn: u64, inputs: Option<u64>, again: u64) {
        match inputs.and_then(|inputs| inputs.checked_sub(1)) {
            Some(input) => self.page.skip(turn, input),
            None if again > 1 => self.page.skip(turn, u64::MAX),
            None => (),
        }
    }

    fn state<R: DeserializeOwned>(&mut self, past: &Past) -> State<R> {
        let page = self.page;
        if page.get(Word::SAFE) != 0 || page.is_too_often() {
            return self.be_safe(Unsafe::TooOften);
        }
        let current = self.current();
        let other = current ^ 1;
        // Who died while restoring from one snapshot tries the other.
        let died = past.during == During::Restoring
            && page.get(Word::RESTORING) == (current as u64).saturating_add(1);
        let ways: [&[usize]; 2] =
            if died { [&[other, current], &[current]] } else { [&[current], &[other, current]] };
        let mut all_absent = true;
        for way in ways {
            let first = way.first().copied().unwrap_or(0) as u64;
            page.set(Word::RESTORING, first.saturating_add(1));
            match self.play(way) {
                Ok(played) => return State::On(Box::new(self.finish(played, past))),
                Err(Fault::Foreign(_)) => {
                    all_absent = false;
                    self.go_back();
                }
                Err(Fault::Damaged) => all_absent = false,
                Err(Fault::Absent) => (),
            }
        }
        page.set(Word::RESTORING, 0);
        if all_absent {
            page.set_phase(Phase::Idle);
            return State::Anew;
        }
        self.be_safe(Unsafe::Unreadable)
    }

    fn be_safe<R>(&mut self, why: Unsafe) -> State<R> {
        self.page.set(Word::SAFE, 1);
        self.is_safe = true;
        State::Safe(why)
    }

    /// The older image goes on, if there is one: nothing has been done yet that it does not know.
    fn go_back(&mut self) {
        if self.page.get(Word::TRIAL) == 0 || self.old_image.is_none() {
            return;
        }
        std::mem::swap(&mut self.image, &mut self.old_image);
        self.page.revert(REVERTED_FORMAT);
        self.page.set(Word::RESTORING, 0);
        // It comes back only if it failed, and then we do what can be done without a state.
        let _ = self.go();
    }

    /// Works off what is left of the turn that was under way.
    fn finish<R>(&self, mut played: Played<R>, past: &Past) -> Restored<R> {
        let page = self.page;
        let skipped = played.open.as_ref().and_then(|(number, turn)| {
            let During::Step { turn: at, inputs } = past.during else { return None };
            if at != *number || !past.is_own_fault() {
                return None;
            }
            let input = match inputs.and_then(|inputs| inputs.checked_sub(1)) {
                Some(input) => Some(turn.batch.get(usize::try_from(input).ok()?)?.clone()),
                None if past.again > 1 => None,
                None => return None,
            };
            Some(Skipped { turn: at, input })
        });
        let interrupted = played.open.take().map(|(number, turn)| {
            let now = turn.now;
            let actions = if page.phase() == Phase::Perform && page.get(Word::TURN) == number {
                step_again(page, &mut played.engine, number, turn)
            } else {
                for word in [Word::INPUT, Word::BEGUN, Word::DONE, Word::RESTORING] {
                    page.set(word, 0);
                }
                page.set(Word::TURN, number);
                page.set_phase(Phase::Step);
                let actions = played.engine.step(self.watched(turn.batch), now);
                self.stepped();
                actions
            };
            let progress = |place: u64| match place {
                place if place < page.get(Word::DONE) => Progress::Performed,
                place if place < page.get(Word::BEGUN) => Progress::InDoubt,
                _ => Progress::NotBegun,
            };
            let actions = (0..).zip(actions).map(|(place, action)| (action, progress(place))).collect();
            Interrupted { turn: number, now, actions }
        });
        page.set(Word::RESTORING, 0);
        if interrupted.is_none() {
            page.set_phase(Phase::Idle);
        }
        Restored {
            engine: played.engine,
            rest: played.rest,
            replayed: (played.turns, played.actions),
            lost: played.lost,
            interrupted,
            skipped,
        }
    }
}

/// Goes back to the older image from a page of a layout that we do not know.
fn go_back_blind(page: Page<'_>, root: &File) -> io::Error {
    use std::os::fd::AsRawFd as _;
    let foreign = io::Error::from(io::ErrorKind::InvalidData);
    let old = page.get(Word::OLD_IMAGE);
    if page.get(Word::TRIAL) == 0 || old == 0 {
        return foreign;
    }
    page.revert(REVERTED_FORMAT);
    page.set(Word::CAUSE, CAUSE_PLANNED);
    // We have not made anything that is closed on exec yet, so everything passes.
    fault::pass_all_to(descriptor(old), root.as_raw_fd());
    foreign
}
