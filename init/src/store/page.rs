//! The page that outlives PID 1: what it was doing, and why it died.
//!
//! It is a file's page that is mapped, so to note something costs a store to memory. The words may be written by a
//! signal handler between any two instructions; each says something on its own.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::{
    fault::{Death, MESSAGE},
    memory::{WORDS, Words},
};

/// Which version of this layout is here.
pub const PAGE_FORMAT: u64 = 1;
const MAGIC: u64 = u64::from_le_bytes(*b"onset\0pg");

/// How many deaths are remembered, and how many within [`WITHIN`] are too many.
pub const DEATHS: usize = 4;
/// The time within which [`DEATHS`] deaths are too many, in milliseconds.
pub const WITHIN: u64 = 10_000;
/// How many inputs are left out at most until the next snapshot.
pub const SKIPS: usize = 8;
/// How many pairs of source and user that brought us down are remembered.
pub const SOURCES: usize = 32;

/// A place in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word(usize);

#[expect(missing_docs, reason = "each is said where it is used, and in the table of this list")]
impl Word {
    // The first five never change their place: every version of Onset reads them in a page of any other.
    const MAGIC: Self = Self(0);
    const FORMAT: Self = Self(1);
    /// The image that runs, by descriptor and one.
    pub const IMAGE: Self = Self(2);
    /// The image to go back to.
    pub const OLD_IMAGE: Self = Self(3);
    /// Whether the image that runs has not yet proved itself.
    pub const TRIAL: Self = Self(4);
    /// Descriptors, each and one.
    pub const JOURNAL: Self = Self(5);
    pub const SNAPSHOTS: [Self; 2] = [Self(6), Self(7)];
    pub const TABLE: Self = Self(8);
    /// Which snapshot and half of the journal are in use: 0 or 1.
    pub const CURRENT: Self = Self(9);
    /// How many bytes of each half of the journal count.
    pub const LENGTHS: [Self; 2] = [Self(10), Self(11)];
    /// How long each snapshot is; 0 for none.
    pub const SIZES: [Self; 2] = [Self(12), Self(13)];
    /// Whether turns are missing in each half.
    pub const GAPS: [Self; 2] = [Self(14), Self(15)];
    /// The number of the turn that was begun last.
    pub const TURN: Self = Self(16);
    pub const PHASE: Self = Self(17);
    /// How many inputs of the turn were begun.
    pub const INPUT: Self = Self(18);
    /// How many actions were begun, and done.
    pub const BEGUN: Self = Self(19);
    pub const DONE: Self = Self(20);
    /// The source and user whose bytes are being decoded.
    pub const SOURCE: Self = Self(21);
    pub const UID: Self = Self(22);
    /// From which snapshot and one the state is being restored.
    pub const RESTORING: Self = Self(23);
    /// Why this image was executed.
    pub const CAUSE: Self = Self(24);
    pub const CODE: Self = Self(25);
    pub const ADDRESS: Self = Self(26);
    pub const INSTRUCTION: Self = Self(27);
    pub const SENDER: Self = Self(28);
    pub const TIME: Self = Self(29);
    /// When it died of late, by `COUNT` modulo their number.
    pub const COUNT: Self = Self(30);
    const TIMES: Self = Self(31);
    /// Where it died last, and how often in a row.
    pub const SPOT: Self = Self(36);
    pub const AGAIN: Self = Self(37);
    /// Whether it is in safe mode.
    pub const SAFE: Self = Self(38);
    /// The fault that is to be made on purpose.
    pub const FAULT: Self = Self(39);
    /// How long the message of a panic is.
    pub const TEXT_LENGTH: Self = Self(40);
    /// From which snapshots on turns were begun: the number of the last turn before each.
    pub const STARTS: [Self; 2] = [Self(41), Self(42)];
    /// What a new image was given up for.
    pub const REVERTED: Self = Self(43);
    /// Whether a plan of faults was ever begun.
    pub const ARMED: Self = Self(44);
    const SKIPPED: Self = Self(64);
    const CLOSED: Self = Self(96);
    const TEXT: Self = Self(WORDS - MESSAGE / 8 - 1);

    const fn offset(self, by: usize) -> Self {
        Self(self.0.saturating_add(by))
    }
}

/// What PID 1 is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Between turns.
    Idle,
    /// The engine works off a batch.
    Step,
    /// Actions are performed.
    Perform,
}

impl Phase {
    const fn number(self) -> u64 {
        match self {
            Self::Idle => 0,
            Self::Step => 1,
            Self::Perform => 2,
        }
    }

    const fn of(number: u64) -> Self {
        match number {
            1 => Self::Step,
            2 => Self::Perform,
            _ => Self::Idle,
        }
    }
}

/// [`Word::CAUSE`]: nothing was noted.
pub const CAUSE_NONE: u64 = 0;
/// [`Word::CAUSE`]: PID 1 executed itself because it was asked to.
pub const CAUSE_PLANNED: u64 = 1;
/// [`Word::CAUSE`]: a panic.
pub const CAUSE_PANIC: u64 = 2;
/// [`Word::CAUSE`]: this and the signal's number.
pub const CAUSE_SIGNAL: u64 = 0x100;

/// [`Word::REVERTED`]: the new image died before it had proved itself.
pub const REVERTED_DEATH: u64 = 1;
/// [`Word::REVERTED`]: the new image could not read our state.
pub const REVERTED_FORMAT: u64 = 2;

/// The page.
#[derive(Debug, Clone, Copy)]
pub struct Page<'p>(&'p Words);

impl<'p> Page<'p> {
    /// The page in these words.
    #[must_use]
    pub const fn new(words: &'p Words) -> Self {
        Self(words)
    }

    /// Makes a new page of it.
    pub fn begin(self) {
        self.set(Word::FORMAT, PAGE_FORMAT);
        self.set(Word::MAGIC, MAGIC);
    }

    /// Whether it is a page of Onset's, and of which layout.
    #[must_use]
    pub fn format(self) -> Option<u64> {
        (self.get(Word::MAGIC) == MAGIC).then(|| self.get(Word::FORMAT))
    }

    fn word(self, at: Word) -> Option<&'p AtomicU64> {
        self.0.get(at.0)
    }

    /// What stands there.
    #[must_use]
    pub fn get(self, at: Word) -> u64 {
        self.word(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Writes it there.
    pub fn set(self, at: Word, to: u64) {
        if let Some(word) = self.word(at) {
            word.store(to, Ordering::Release);
        }
    }

    /// What PID 1 is, or was, doing.
    #[must_use]
    pub fn phase(self) -> Phase {
        Phase::of(self.get(Word::PHASE))
    }

    /// Notes what PID 1 does from now on.
    pub fn set_phase(self, phase: Phase) {
        self.set(Word::PHASE, phase.number());
    }

    /// Writes down why PID 1 dies. Fit for a signal handler.
    pub fn note(self, death: &Death<'_>) {
        self.note_time(death.time);
        self.set(Word::TIME, death.time);
        self.set(Word::CODE, u64::from(death.code.cast_unsigned()));
        self.set(Word::ADDRESS, death.address);
        self.set(Word::INSTRUCTION, death.instruction);
        let sender = death.sender.map_or(0, |sender| u64::from(sender.unsigned_abs()).saturating_add(1));
        self.set(Word::SENDER, sender);
        self.set_text(death.text);
        let cause = match death.signal {
            0 => CAUSE_PANIC,
            signal => CAUSE_SIGNAL | u64::from(signal.cast_unsigned()),
        };
        self.set(Word::CAUSE, cause);
        if self.get(Word::TRIAL) != 0 {
            self.revert(REVERTED_DEATH);
        }
    }

    /// Counts a death.
    pub fn note_time(self, time: u64) {
        let count = self.get(Word::COUNT);
        self.set(Self::time_of(count), time);
        self.set(Word::COUNT, count.wrapping_add(1));
    }

    /// Goes back to the old image, whatever the new one is.
    pub fn revert(self, why: u64) {
        self.set(Word::TRIAL, 0);
        self.set(Word::REVERTED, why);
        let new = self.get(Word::IMAGE);
        self.set(Word::IMAGE, self.get(Word::OLD_IMAGE));
        self.set(Word::OLD_IMAGE, new);
    }

    const fn time_of(count: u64) -> Word {
        // Their number is a power of two.
        Word::TIMES.offset((count & (DEATHS as u64).saturating_sub(1)) as usize)
    }

    /// Forgets the last death: somebody else is to blame, and it counts there.
    pub fn forget_last(self) {
        let count = self.get(Word::COUNT).saturating_sub(1);
        self.set(Word::COUNT, count);
        self.set(Self::time_of(count), 0);
    }

    /// Whether the last deaths came too fast one after another.
    #[must_use]
    pub fn is_too_often(self) -> bool {
        let count = self.get(Word::COUNT);
        let last = self.get(Self::time_of(count.wrapping_sub(1)));
        count >= DEATHS as u64 && last.saturating_sub(self.get(Self::time_of(count))) < WITHIN
    }

    fn set_text(self, text: &str) {
        let bytes = text.as_bytes().get(..text.len().min(MESSAGE)).unwrap_or_default();
        for (place, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.set(Word::TEXT.offset(place), u64::from_le_bytes(word));
        }
        self.set(Word::TEXT_LENGTH, bytes.len() as u64);
    }

    /// What the last panic said.
    #[must_use]
    pub fn text(self) -> String {
        let length = usize::try_from(self.get(Word::TEXT_LENGTH)).unwrap_or(0).min(MESSAGE);
        let words = (0..MESSAGE / 8).map(|place| self.get(Word::TEXT.offset(place)));
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).take(length).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The inputs that are left out: turn, and place within it.
    pub fn skips(self) -> impl Iterator<Item = (u64, u64)> + 'p {
        let pair = move |place: usize| {
            let at = Word::SKIPPED.offset(place.wrapping_mul(2));
            (self.get(at), self.get(at.offset(1)))
        };
        (0..SKIPS).map(pair).filter(|(turn, _)| *turn != 0)
    }

    /// Whether this input is left out, itself or with its whole turn.
    #[must_use]
    pub fn is_skipped(self, turn: u64, input: u64) -> bool {
        self.skips().any(|(at, place)| at == turn && (place == input || place == u64::MAX))
    }

    /// Leaves this input out from now on. With no room left the oldest is forgotten.
    pub fn skip(self, turn: u64, input: u64) {
        if self.skips().any(|skip| skip == (turn, input)) {
            return;
        }
        let mut all: Vec<(u64, u64)> = self.skips().collect();
        all.push((turn, input));
        let late = all.len().saturating_sub(SKIPS);
        self.set_skips(all.get(late..).unwrap_or_default());
    }

    /// Replaces the list of inputs that are left out.
    pub fn set_skips(self, skips: &[(u64, u64)]) {
        for place in 0..SKIPS {
            let (turn, input) = skips.get(place).copied().unwrap_or_default();
            let at = Word::SKIPPED.offset(place.wrapping_mul(2));
            self.set(at, turn);
            self.set(at.offset(1), input);
        }
    }

    /// Counts a death in the bytes of this source and user, and gives how many there were.
    pub fn blame(self, source: u64, uid: u64) -> u64 {
        let key = source << 32 | uid & u64::from(u32::MAX);
        let place = self.source(key).or_else(|| self.source(0));
        let Some(at) = place else { return u64::MAX };
        let count = self.get(at.offset(1)).saturating_add(1);
        self.set(at, key);
        self.set(at.offset(1), count);
        count
    }

    /// How often the bytes of this source and user brought us down.
    #[must_use]
    pub fn blamed(self, source: u64, uid: u64) -> u64 {
        let key = source << 32 | uid & u64::from(u32::MAX);
        self.source(key).map_or(0, |at| self.get(at.offset(1)))
    }

    fn source(self, key: u64) -> Option<Word> {
        let places = (0..SOURCES).map(|place| Word::CLOSED.offset(place.wrapping_mul(2)));
        places.into_iter().find(|at| self.get(*at) == key)
    }

    /// Forgets all that sources were blamed for.
    pub fn forgive(self) {
        for place in 0..SOURCES {
            let at = Word::CLOSED.offset(place.wrapping_mul(2));
            self.set(at, 0);
            self.set(at.offset(1), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        [const { AtomicU64::new(0) }; WORDS]
    }

    fn death(time: u64, text: &str) -> Death<'_> {
        Death { signal: 0, code: 0, address: 0, instruction: 0, sender: None, time, text }
    }

    #[test]
    fn the_fourth_death_within_ten_seconds_is_too_often() {
        let check = |times: &[u64], expected: bool| {
            let words = words();
            let page = Page::new(&words);
            times.iter().for_each(|time| page.note(&death(*time, "")));
            assert_eq!(page.is_too_often(), expected, "{times:?}");
        };
        check(&[1, 2, 3], false);
        check(&[1, 2, 3, 4], true);
        check(&[1, 2, 3, 10_000], true);
        check(&[1, 2, 3, 10_001], false);
        check(&[1, 20_000, 20_001, 20_002], false);
        check(&[1, 20_000, 20_001, 20_002, 20_003], true);
        check(&[], false);
    }

    #[test]
    fn a_message_comes_back_and_a_long_one_is_cut() {
        let words = words();
        let page = Page::new(&words);
        for text in ["", "short", "12345678", "über", &"x".repeat(1_000)] {
            page.note(&death(0, text));
            assert_eq!(page.text(), text[..text.len().min(MESSAGE)]);
        }
        assert!(words[511].load(Ordering::Relaxed) == 0);
    }

    #[test]
    fn skips_and_blame_are_bounded() {
        let words = words();
        let page = Page::new(&words);
        for input in 1..=20 {
            page.skip(7, input);
            page.skip(7, input);
        }
        assert_eq!(page.skips().count(), SKIPS);
        assert!(page.skips().any(|skip| skip == (7, 20)));
        assert_eq!((page.blame(1, 1_000), page.blame(1, 1_000), page.blamed(1, 1_001)), (1, 2, 0));
        for uid in 0..SOURCES as u64 {
            page.blame(2, uid);
        }
        assert_eq!(page.blame(3, 0), u64::MAX);
        page.forgive();
        assert_eq!(page.blame(3, 0), 1);
    }
}
