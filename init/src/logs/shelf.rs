//! All logs: in which folder they are kept just now, and what happens when there is no room.
//!
//! Lines go to the lasting folder (/var/log/onset) if that can be written to, else to the early one
//! (/run/onset/log), which is small, and from which they move on as soon as they can. If neither takes them they
//! stay in memory, and of these the oldest go first; what is lost is counted and said where it is missing.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
};

use super::{
    folder::{Entry, Folder, LogFile},
    level::Level,
    message::Settings,
    name::Stem,
    record::remark,
};

/// How long a file in the early folder becomes. There are two for each log.
const EARLY_FILE: u64 = 128 << 10;
/// How much is kept in the early folder in all.
const EARLY: u64 = 8 << 20;
/// How much of it is left when it was too much.
const EARLY_LEFT: u64 = 7 << 20;
/// How much of one log stays in memory.
const MEMORY_OF_ONE: usize = 64 << 10;
/// How much stays in memory in all.
const MEMORY: usize = 1 << 20;
/// How much room the lasting folder must have beside what moves there, so that not every move fails at once.
const ROOM: u64 = 64 << 10;
/// How many files are open at once.
const OPEN: usize = 512;
/// After how many milliseconds the lasting folder is looked at again; twice as long each time, up to the second.
const PAUSE: (u64, u64) = (5_000, 600_000);

/// Where lines go.
#[derive(Debug)]
enum Place {
    Lasting(Folder),
    Early(Folder),
    Memory,
}

/// One log.
#[derive(Debug, Default)]
struct Book {
    file: Option<LogFile>,
    /// How many pipes write into it.
    writers: u32,
    /// Records that could not be written yet.
    kept: Vec<u8>,
    /// How many bytes have been thrown away since the last record.
    lost: u64,
}

/// All logs.
#[derive(Debug)]
pub struct Shelf {
    settings: Settings,
    place: Place,
    books: BTreeMap<Stem, Book>,
    /// How much is in the early folder, at most.
    early: u64,
    /// How much is in memory.
    memory: usize,
    /// How many files are open, at most.
    open: usize,
    /// When to look at the lasting folder again, and how long after that.
    retry: Option<(u64, u64)>,
    /// Whether the lasting folder must be left alone.
    left: bool,
}

impl Shelf {
    /// No logs yet. Times are milliseconds that only grow.
    #[must_use]
    pub fn new(settings: Settings, now: u64) -> Self {
        let mut shelf = Self {
            settings,
            place: Place::Memory,
            books: BTreeMap::new(),
            early: EARLY,
            memory: 0,
            open: 0,
            retry: None,
            left: false,
        };
        shelf.go_early();
        // What an earlier keeper has left in the early folder goes on its way.
        if let Place::Early(folder) = &shelf.place
            && folder.entries().is_ok_and(|entries| !entries.is_empty())
        {
            shelf.retry_at(now);
        }
        shelf
    }

    /// When [`Shelf::look`] wants to be called, if at all.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        self.retry.map(|(at, _)| at)
    }

    /// A pipe begins to write into a log.
    pub fn open(&mut self, stem: &Stem, now: u64) {
        if matches!(&self.place, Place::Lasting(folder) if !folder.is_current()) {
            self.may_last(now);
        }
        let book = self.books.entry(stem.clone()).or_default();
        book.writers = book.writers.saturating_add(1);
    }

    /// A pipe has ended.
    pub fn close(&mut self, stem: &Stem) {
        let Some(book) = self.books.get_mut(stem) else { return };
        book.writers = book.writers.saturating_sub(1);
        if book.writers == 0 && book.kept.is_empty() && book.lost == 0 {
            self.books.remove(stem);
        }
    }

    /// Output of a log was lost before it came here.
    pub fn lost(&mut self, stem: &Stem, bytes: u64, now: u64) {
        let book = self.books.entry(stem.clone()).or_default();
        book.lost = book.lost.saturating_add(bytes);
        self.write(stem, &[], now);
    }

    /// Keeps whole records of a log: on a disk, or, at worst, in memory.
    pub fn write(&mut self, stem: &Stem, records: &[u8], now: u64) {
        if !matches!(self.place, Place::Lasting(_)) {
            self.retry_at(now);
        }
        if self.books.get(stem).is_some_and(|book| !book.kept.is_empty()) {
            self.keep(stem, records);
            self.empty(stem);
            return;
        }
        let Err(error) = self.put(stem, records) else { return };
        if matches!(self.place, Place::Lasting(_)) {
            self.fall(&error, now);
            if self.put(stem, records).is_ok() {
                return;
            }
        }
        self.retry_at(now);
        self.keep(stem, records);
    }

    /// The lasting folder may be writable now, whatever it was before.
    pub fn may_last(&mut self, now: u64) {
        self.left = false;
        self.retry = Some((now, PAUSE.0));
        self.look(now);
    }

    /// Leaves the lasting folder: its file system goes away.
    pub fn leave_lasting(&mut self) {
        self.left = true;
        self.retry = None;
        self.sync();
        self.go_early();
    }

    /// Puts all that is written on the disk.
    pub fn sync(&self) {
        match &self.place {
            Place::Lasting(folder) => folder.sync(),
            // Memory that has the shape of a disk.
            Place::Early(_) | Place::Memory => {}
        }
    }

    /// Goes to the best folder that can be written to, and takes there what is elsewhere.
    pub fn look(&mut self, now: u64) {
        let Some((at, pause)) = self.retry else { return };
        if now < at {
            return;
        }
        if !self.left {
            // Why it is not possible is seen in the folder that is in use instead.
            let _ = self.go_lasting();
        }
        if matches!(self.place, Place::Memory) {
            self.go_early();
        }
        let stems: Vec<Stem> = self.books.keys().cloned().collect();
        for stem in &stems {
            self.empty(stem);
        }
        let settled = self.memory == 0 && matches!(self.place, Place::Lasting(_));
        let again = pause.saturating_mul(2).min(PAUSE.1);
        self.retry = (!settled && !self.left).then(|| (now.saturating_add(pause), again));
    }

    fn retry_at(&mut self, now: u64) {
        if self.retry.is_none() && !self.left {
            self.retry = Some((now.saturating_add(PAUSE.0), PAUSE.0.saturating_mul(2)));
        }
    }

    /// Writes into the folder in use.
    fn put(&mut self, stem: &Stem, records: &[u8]) -> io::Result<()> {
        let (folder, is_early) = match &self.place {
            Place::Lasting(folder) => (folder, false),
            Place::Early(folder) => (folder, true),
            Place::Memory => return Err(io::ErrorKind::NotFound.into()),
        };
        let book = self.books.entry(stem.clone()).or_default();
        let said = lost_remark(book.lost);
        let length = records.len().saturating_add(said.len());
        if let Some(file) = book.file.take_if(|file| folder.is_full(file.size(), length) || file.is_gone()) {
            self.open = self.open.saturating_sub(1);
            if !file.is_gone() {
                folder.rotate(stem)?;
            }
        }
        let file = match &mut book.file {
            Some(file) => file,
            None => {
                let mut file = folder.file(stem)?;
                if folder.is_full(file.size(), length) {
                    folder.rotate(stem)?;
                    file = folder.file(stem)?;
                }
                self.open = self.open.saturating_add(1);
                book.file.insert(file)
            }
        };
        if !said.is_empty() {
            file.append(&said)?;
            book.lost = 0;
        }
        file.append(records)?;
        if is_early {
            self.early = self.early.saturating_add(length as u64);
        }
        if self.early > EARLY {
            self.thin();
        }
        if self.open > OPEN {
            self.close_files();
        }
        Ok(())
    }

    /// Removes the largest files of the early folder until there is room.
    fn thin(&mut self) {
        let Place::Early(folder) = &self.place else { return };
        let mut entries = folder.entries().unwrap_or_default();
        let mut sum: u64 = entries.iter().map(|entry| entry.size).sum();
        if sum > EARLY {
            entries.sort_by_key(|entry| std::cmp::Reverse(entry.size));
            for entry in &entries {
                if sum <= EARLY_LEFT {
                    break;
                }
                if folder.remove(entry).is_ok() {
                    sum = sum.saturating_sub(entry.size);
                    let book = self.books.entry(entry.stem.clone()).or_default();
                    book.lost = book.lost.saturating_add(entry.size);
                }
            }
        }
        self.early = sum;
    }

    fn close_files(&mut self) {
        self.books.values_mut().for_each(|book| book.file = None);
        self.open = 0;
    }

    /// Keeps records in memory; the oldest go where there are too many.
    fn keep(&mut self, stem: &Stem, records: &[u8]) {
        let book = self.books.entry(stem.clone()).or_default();
        let before = book.kept.len();
        book.kept.extend_from_slice(records);
        let others = self.memory.saturating_sub(before);
        let most = MEMORY_OF_ONE.min(MEMORY.saturating_sub(others));
        if book.kept.len() > most {
            let surplus = book.kept.len().saturating_sub(most);
            let tail = book.kept.get(surplus..).unwrap_or_default();
            let cut = tail
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(book.kept.len(), |at| surplus.saturating_add(at).saturating_add(1));
            book.kept.drain(..cut.min(book.kept.len()));
            book.lost = book.lost.saturating_add(cut as u64);
        }
        self.memory = others.saturating_add(book.kept.len());
    }

    /// Writes what is in memory, if that is possible now.
    fn empty(&mut self, stem: &Stem) {
        let Some(book) = self.books.get_mut(stem) else { return };
        let kept = std::mem::take(&mut book.kept);
        let written = kept.is_empty() || self.put(stem, &kept).is_ok();
        let Some(book) = self.books.get_mut(stem) else { return };
        if !written {
            book.kept = kept;
            return;
        }
        self.memory = self.memory.saturating_sub(kept.len());
        if book.writers == 0 && book.lost == 0 {
            self.books.remove(stem);
        }
    }

    /// The lasting folder does not take any more.
    fn fall(&mut self, error: &io::Error, now: u64) {
        let text = format!("cannot write in {}: {error}", self.settings.lasting.display());
        self.go_early();
        self.retry_at(now);
        let onset = Stem::new("onset", "");
        let record = remark(Level::Warning, &text);
        if self.put(&onset, &record).is_err() {
            self.keep(&onset, &record);
        }
    }

    fn go_early(&mut self) {
        self.close_files();
        let folder = Folder::open(&self.settings.early, 2, EARLY_FILE, 2);
        self.place = folder.map_or(Place::Memory, Place::Early);
        self.early = EARLY;
        self.thin();
    }

    /// Goes to the lasting folder, and takes along what is elsewhere.
    fn go_lasting(&mut self) -> io::Result<()> {
        if matches!(&self.place, Place::Lasting(folder) if folder.is_current()) {
            return Ok(());
        }
        let to = Folder::open(&self.settings.lasting, 1, self.settings.size, self.settings.files)?;
        let entries = match &self.place {
            Place::Memory => Vec::new(),
            Place::Early(from) => from.entries()?,
            // Another file system lies over the folder: what we wrote there would not be seen any more.
            Place::Lasting(from) => {
                let mut entries = from.entries()?;
                entries.retain(|entry| entry.age == 0 && self.books.contains_key(&entry.stem));
                entries
            }
        };
        let sum: u64 = entries.iter().map(|entry| entry.size).sum();
        if !to.has_room(sum.saturating_add(ROOM)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.close_files();
        if let Place::Early(from) | Place::Lasting(from) = &self.place {
            for entry in &entries {
                carry(from, &to, entry)?;
            }
        }
        self.place = Place::Lasting(to);
        Ok(())
    }
}

/// Takes a file's records from one folder to the end of the same log in another: all of them, or none.
fn carry(from: &Folder, to: &Folder, entry: &Entry) -> io::Result<()> {
    let mut records = Vec::new();
    from.read(entry)?.take(entry.size).read_to_end(&mut records)?;
    let end = records.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
    records.truncate(end);
    if !records.is_empty() {
        let mut file = to.file(&entry.stem)?;
        if to.is_full(file.size(), records.len()) {
            to.rotate(&entry.stem)?;
            file = to.file(&entry.stem)?;
        }
        file.append(&records)?;
    }
    from.remove(entry)
}

fn lost_remark(lost: u64) -> Vec<u8> {
    match lost {
        0 => Vec::new(),
        lost => remark(
            Level::Warning,
            &format!("{lost} bytes of output are lost here: there was no room for them"),
        ),
    }
}
