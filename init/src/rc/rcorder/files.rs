//! The files, and which word leads from one to another.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{File, OpenOptions},
    hash::{BuildHasherDefault, Hasher},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    rc::Rc,
};

use jobs::formats::rcd::{Header, header};
use nix::{fcntl::OFlag, libc, sys::stat::fstat};

use crate::rc::call::reason;

/// How much of a file is read at first: nearly every header is in it.
const FIRST: usize = 4096;
/// How much of a file without header is looked through.
const MOST: u64 = 64 << 20;

/// A number of a file or word.
pub type Number = u32;

/// Which files are printed, by their KEYWORDs.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Words of which a file must have one; none means all files.
    pub keep: Vec<Vec<u8>>,
    /// Words of which a file may have none.
    pub skip: Vec<Vec<u8>>,
}

impl Filter {
    fn admits(&self, header: &Header<'_>) -> bool {
        let has = |word: &Vec<u8>| header.keywords.iter().any(|known| known.text.as_bytes() == word);
        !self.skip.iter().any(has) && (self.keep.is_empty() || self.keep.iter().any(has))
    }
}

/// A file.
#[derive(Debug)]
pub struct Script<'w> {
    /// As it was given.
    pub path: &'w OsStr,
    /// The words that it provides.
    pub provides: Vec<Number>,
    /// The words that must come before it, in the order in which they are looked at.
    pub requires: Vec<Number>,
    /// Whether it is printed. What is not still has its place in the order.
    pub is_printed: bool,
}

/// A word.
#[derive(Debug)]
pub struct Word {
    /// Its text.
    pub text: Rc<str>,
    /// The files that provide it, the last one first.
    pub providers: Vec<Number>,
    /// Whether it stands for a BEFORE.
    pub is_before: bool,
}

/// All files.
#[derive(Debug, Default)]
pub struct Graph<'w> {
    /// By the order of the arguments.
    pub files: Vec<Script<'w>>,
    /// All words that PROVIDE or REQUIRE has, and what stands for a BEFORE.
    pub words: Vec<Word>,
    numbers: HashMap<Rc<str>, Number, BuildHasherDefault<Quick>>,
    /// Each BEFORE: the file, and the word behind it.
    before: Vec<(Number, Rc<str>)>,
    buffer: Vec<u8>,
}

impl<'w> Graph<'w> {
    /// One with room for so many files.
    pub fn with_capacity(count: usize) -> Self {
        let numbers = HashMap::with_capacity_and_hasher(count, BuildHasherDefault::default());
        let (files, words) = (Vec::with_capacity(count), Vec::with_capacity(count));
        Self { files, words, numbers, ..Self::default() }
    }

    /// Adds a file; an error is a warning, and the file is left out.
    pub fn read(&mut self, path: &'w OsStr, filter: &Filter) -> Result<(), String> {
        let fault =
            |what: &str, error: &io::Error| format!("could not {what} {}: {}", path.display(), reason(error));
        // One that is a pipe must not be waited for.
        let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)
            .map_err(|error| fault("open", &error))?;
        // A good deal cheaper than what the standard library asks.
        let status = fstat(&file).map_err(|error| fault("stat", &error.into()))?;
        if status.st_mode & libc::S_IFMT != libc::S_IFREG {
            return Ok(());
        }
        let size = u64::try_from(status.st_size).unwrap_or(0);
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.take(path, &mut file, size, &mut buffer, filter);
        self.buffer = buffer;
        result.map_err(|error| fault("read", &error))
    }

    fn take(
        &mut self,
        path: &'w OsStr,
        file: &mut File,
        size: u64,
        buffer: &mut Vec<u8>,
        filter: &Filter,
    ) -> io::Result<()> {
        // What the last file left in it stays: clearing it would be a quarter of all work.
        buffer.resize(FIRST, 0);
        let mut count = file.read(buffer)?;
        let is_whole = u64::try_from(count).is_ok_and(|count| count >= size);
        if !is_whole {
            // The last line may be cut, and is left for later.
            let start = buffer.get(..count).unwrap_or_default();
            let end = start.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
            let start = text_of(start.get(..end).unwrap_or_default());
            let found = header(&start);
            // Behind the block stands a line that ends it.
            if found.block.as_ref().is_some_and(|block| block.end < start.len()) {
                self.add(path, &found, filter);
                return Ok(());
            }
            drop(start);
            buffer.truncate(count);
            file.take(MOST).read_to_end(buffer)?;
            count = buffer.len();
        }
        let text = text_of(buffer.get(..count).unwrap_or_default());
        self.add(path, &header(&text), filter);
        Ok(())
    }

    /// Adds a file with this header.
    pub fn add(&mut self, path: &'w OsStr, header: &Header<'_>, filter: &Filter) {
        let file = Number::try_from(self.files.len()).unwrap_or(Number::MAX);
        let mut script = Script {
            path,
            provides: Vec::with_capacity(header.provides.len()),
            requires: Vec::with_capacity(header.requires.len()),
            is_printed: filter.admits(header),
        };
        for word in &header.provides {
            let number = self.number(&word.text);
            if let Some(word) = self.words.get_mut(number as usize) {
                word.providers.push(file);
            }
            script.provides.push(number);
        }
        script.requires.extend(header.requires.iter().rev().map(|word| self.number(&word.text)));
        self.before.extend(header.before.iter().map(|word| (file, Rc::from(&*word.text))));
        self.files.push(script);
    }

    fn number(&mut self, text: &str) -> Number {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let text: Rc<str> = text.into();
        let number = self.push(Rc::clone(&text), false);
        self.numbers.insert(text, number);
        number
    }

    fn push(&mut self, text: Rc<str>, is_before: bool) -> Number {
        self.words.push(Word { text, providers: Vec::new(), is_before });
        Number::try_from(self.words.len().saturating_sub(1)).unwrap_or(Number::MAX)
    }

    /// Makes requirements of the BEFOREs: each is a word that its file provides and the providers of the word behind it
    /// require. Gives the warnings.
    pub fn link(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        let before = std::mem::take(&mut self.before);
        let mut requires: Vec<Vec<Number>> = Vec::new();
        requires.resize_with(self.files.len(), Vec::new);
        // From the last to the first.
        for (count, (file, text)) in before.into_iter().rev().enumerate() {
            let stand_in = self.push(format!("fake_prov_{count:08}").into(), true);
            if let (Some(word), Some(script)) =
                (self.words.get_mut(stand_in as usize), self.files.get_mut(file as usize))
            {
                word.providers.push(file);
                script.provides.push(stand_in);
            }
            if !self.numbers.contains_key(&text) {
                let path = self.files.get(file as usize).map_or(OsStr::new(""), |script| script.path);
                warnings.push(format!("file `{}' is before unknown provision `{text}'", path.display()));
            }
            let word = self.number(&text);
            for provider in self.words.get(word as usize).map_or(&[][..], |word| &word.providers) {
                if let Some(requires) = requires.get_mut(*provider as usize) {
                    requires.push(stand_in);
                }
            }
        }
        for word in &mut self.words {
            word.providers.reverse();
        }
        for (script, mut first) in self.files.iter_mut().zip(requires) {
            if !first.is_empty() {
                first.reverse();
                first.append(&mut script.requires);
                script.requires = first;
            }
        }
        warnings
    }
}

/// A hash of words: a few instructions for each byte. Who can write files for root can do worse than make them collide.
#[derive(Debug)]
struct Quick(u64);

impl Default for Quick {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        self.0 =
            bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The text of a file. Bytes that are no UTF-8 become one character each, so that words that differ still do.
fn text_of(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
    }
}
