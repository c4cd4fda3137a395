//! A page on which is noted what has been found out and cannot be found out again: it outlives an `exec`.
//!
//! An end can be heard of only once. Between that and the moment at which the engine has been told, PID 1 may
//! die; then its next image reads here what was on its way. Old entries make room for new ones.

use std::{
    fs::File,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    sync::atomic::Ordering,
};

use super::memory::{self, WORDS, Words};

/// The last entries, oldest first when they are read.
#[derive(Debug)]
pub struct Ledger(&'static Words);

/// How many entries there are.
const ENTRIES: usize = WORDS.saturating_sub(1);

impl Ledger {
    /// An empty ledger, and the descriptor that the next image finds it by.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        let file = memory::fixed_memfd(c"onset-ledger", WORDS.saturating_mul(size_of::<u64>()))?;
        let words = memory::map_page(&file)?;
        Ok((Self(words), file.into()))
    }

    /// The ledger of the image before.
    pub fn resume(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let file = File::from(fd.try_clone_to_owned()?);
        memory::map_page(&file).map(Self)
    }

    /// Notes something. Zero is nothing.
    pub fn note(&self, entry: u64) {
        let Some(count) = self.0.first() else { return };
        let at = count.load(Ordering::Relaxed);
        let place = usize::try_from(at).unwrap_or(0).checked_rem(ENTRIES).unwrap_or(0);
        if let Some(word) = self.0.get(place.saturating_add(1)) {
            word.store(entry, Ordering::Release);
            count.store(at.wrapping_add(1), Ordering::Release);
        }
    }

    /// All entries that are left, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<u64> {
        let Some((count, words)) = self.0.split_first() else { return Vec::new() };
        let at = usize::try_from(count.load(Ordering::Acquire)).unwrap_or(0).checked_rem(ENTRIES);
        let (newer, older) = words.split_at_checked(at.unwrap_or(0)).unwrap_or((words, &[]));
        let all = older.iter().chain(newer).map(|word| word.load(Ordering::Acquire));
        all.filter(|entry| *entry != 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn the_last_entries_are_read_by_the_next_image() {
        let (ledger, fd) = Ledger::new().unwrap();
        assert_eq!(ledger.entries(), [0_u64; 0]);
        ledger.note(7);
        ledger.note(8);
        assert_eq!(Ledger::resume(fd.as_fd()).unwrap().entries(), [7, 8]);
        (0..600).for_each(|entry| ledger.note(entry + 10));
        let entries = Ledger::resume(fd.as_fd()).unwrap().entries();
        assert_eq!((entries.len(), entries[0], entries[510]), (511, 99, 609));
    }
}
