//! The files of the logs that are wanted, read from the oldest to the newest.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::PathBuf,
};

use jobs::WorkId;

use super::line::Line;
use crate::logs::{Entry, Folder, Settings, Stamp, Stem};

/// How many lines of the early folder are known again when they have moved on.
const KNOWN: usize = 16_384;

/// Whose logs are wanted: all, if no job is named.
#[derive(Debug)]
pub(super) struct Wanted {
    pub job: Option<String>,
    pub instance: Option<String>,
}

impl Wanted {
    fn has(&self, stem: &Stem) -> bool {
        self.job.as_ref().is_none_or(|job| *job == stem.job())
            && self.instance.as_ref().is_none_or(|instance| *instance == stem.instance())
    }
}

/// The logs that are wanted, in both folders.
#[derive(Debug)]
pub(super) struct Logs {
    wanted: Wanted,
    places: Settings,
    /// All logs that there were at first.
    known: BTreeSet<Stem>,
    /// How far each log has been read.
    marks: BTreeMap<(Place, Stem), Mark>,
    /// What was read of logs in the early folder: it may move to the other one.
    early: BTreeMap<Stem, VecDeque<WorkId>>,
}

/// Which of the two folders; in this order lines have been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Lasting,
    Early,
}

/// How far a log has been read: all before this file, and of it so many bytes.
#[derive(Debug)]
struct Mark {
    file: File,
    offset: u64,
    time: Stamp,
}

/// How many rotations are waited for that happen while files are opened.
const ROTATIONS: usize = 100;

/// A file, and from where on it is to be read.
struct Part {
    file: File,
    offset: u64,
}

impl Logs {
    /// Looks into both folders.
    pub(super) fn open(places: Settings, wanted: Wanted) -> io::Result<Self> {
        let mut logs =
            Self { wanted, places, known: BTreeSet::new(), marks: BTreeMap::new(), early: BTreeMap::new() };
        let mut missing = 0_usize;
        for place in [Place::Lasting, Place::Early] {
            match logs.folder(place).and_then(|folder| folder.entries()) {
                Ok(entries) => logs.known.extend(entries.into_iter().map(|entry| entry.stem)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing = missing.saturating_add(1),
                Err(error) => {
                    let text = format!("cannot read {}: {error}", logs.path(place).display());
                    return Err(io::Error::new(error.kind(), text));
                }
            }
        }
        if missing == 2 {
            let [lasting, early] =
                [Place::Lasting, Place::Early].map(|place| logs.path(place).display().to_string());
            let text = format!("there are no logs: neither {lasting} nor {early} is there");
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(logs)
    }

    pub(super) fn path(&self, place: Place) -> PathBuf {
        match place {
            Place::Lasting => self.places.lasting.clone(),
            Place::Early => self.places.early.clone(),
        }
    }

    fn folder(&self, place: Place) -> io::Result<Folder> {
        Folder::existing(&self.path(place))
    }

    /// Whether there is any log that is wanted.
    pub(super) fn has_any(&self) -> bool {
        self.known.iter().any(|stem| self.wanted.has(stem))
    }

    /// Whether there are several.
    pub(super) fn has_several(&self) -> bool {
        self.known.iter().filter(|stem| self.wanted.has(stem)).count() > 1
    }

    /// Whether any is of an instance with a name.
    pub(super) fn has_instances(&self) -> bool {
        self.known.iter().any(|stem| self.wanted.has(stem) && !stem.instance().is_empty())
    }

    /// The jobs of which there are logs.
    pub(super) fn jobs(&self) -> BTreeSet<String> {
        self.known.iter().map(Stem::job).collect()
    }

    /// The instances of a job of which there are logs.
    pub(super) fn instances(&self, job: &str) -> BTreeSet<String> {
        self.known.iter().filter(|stem| stem.job() == job).map(Stem::instance).collect()
    }

    /// Reads what has been written since the last call, the oldest first.
    pub(super) fn read(&mut self, mut each: impl FnMut(Line)) -> io::Result<()> {
        let mut sources = Vec::new();
        for place in [Place::Lasting, Place::Early] {
            let Ok(folder) = self.folder(place) else { continue };
            let entries = folder.entries()?;
            for files in entries.chunk_by(|a, b| a.stem == b.stem) {
                let Some(stem) = files.first().map(|entry| &entry.stem).filter(|stem| self.wanted.has(stem))
                else {
                    continue;
                };
                sources.push(self.source(place, stem, files, &folder));
            }
        }
        // Lines of one log stay in their order, also where the clock was set back.
        sources.sort_by(|a, b| a.stem.cmp(&b.stem).then(a.place.cmp(&b.place)));
        let mut merged = Merged::of(sources);
        while let Some((line, place)) = merged.next()? {
            if self.is_new(place, &line) {
                each(line);
            }
        }
        for source in merged.sources {
            if let Some(mark) = source.mark {
                self.marks.insert((source.place, source.stem), mark);
            }
        }
        Ok(())
    }

    /// The parts of a log in one folder that have not been read.
    fn source(&mut self, place: Place, stem: &Stem, files: &[Entry], folder: &Folder) -> Source {
        let mark = self.marks.remove(&(place, stem.clone()));
        let before = mark.as_ref().map_or(Stamp(0), |mark| mark.time);
        let mut parts = VecDeque::new();
        let opened = open_all(folder, stem, files);
        let at = mark.as_ref().and_then(|mark| opened.iter().position(|file| is_same(file, &mark.file)));
        if let (Some(mark), None) = (&mark, at)
            && let Ok(file) = mark.file.try_clone()
        {
            // It is the oldest no more, but gone; what was written into it until then is still there.
            parts.push_back(Part { file, offset: mark.offset });
        }
        for (number, file) in opened.into_iter().enumerate().skip(at.unwrap_or(0)) {
            let is_marked = at == Some(number);
            let offset = mark.as_ref().filter(|_| is_marked).map_or(0, |mark| mark.offset);
            parts.push_back(Part { file, offset });
        }
        Source { place, stem: stem.clone(), parts, reader: None, before, mark: None, next: None }
    }

    /// Whether a line has not been shown, as one that was still in the early folder.
    fn is_new(&mut self, place: Place, line: &Line) -> bool {
        let number = WorkId::of(&[line.time.to_string().as_bytes(), &line.text].concat());
        let known = self.early.entry(line.stem.clone()).or_default();
        match place {
            Place::Early => {
                known.push_back(number);
                if known.len() > KNOWN {
                    known.pop_front();
                }
                true
            }
            Place::Lasting if known.front() == Some(&number) => {
                known.pop_front();
                false
            }
            Place::Lasting => true,
        }
    }
}

/// Opens the files of a log, the oldest first. A rotation meanwhile gives each the name of another, and one may be missed
/// or opened twice: so it is done until twice in a row the same files are found.
fn open_all(folder: &Folder, stem: &Stem, listed: &[Entry]) -> Vec<File> {
    let mut opened: Vec<File> = listed.iter().filter_map(|entry| folder.read(entry).ok()).collect();
    for _ in 0..ROTATIONS {
        let Ok(entries) = folder.entries() else { break };
        let entries = entries.iter().filter(|entry| entry.stem == *stem);
        let again: Vec<File> = entries.filter_map(|entry| folder.read(entry).ok()).collect();
        let is_settled =
            again.len() == opened.len() && again.iter().zip(&opened).all(|(one, other)| is_same(one, other));
        opened = again;
        if is_settled {
            break;
        }
    }
    opened
}

fn is_same(one: &File, other: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |file: &File| file.metadata().ok().map(|found| (found.dev(), found.ino()));
    identity(one).is_some() && identity(one) == identity(other)
}

/// What is read of one log in one folder.
struct Source {
    place: Place,
    stem: Stem,
    parts: VecDeque<Part>,
    reader: Option<(BufReader<File>, u64)>,
    before: Stamp,
    mark: Option<Mark>,
    next: Option<Line>,
}

impl Source {
    /// The next whole line.
    fn advance(&mut self) -> io::Result<()> {
        use std::io::{Seek as _, SeekFrom};
        self.next = None;
        loop {
            let Some((reader, offset)) = &mut self.reader else {
                let Some(mut part) = self.parts.pop_front() else { return Ok(()) };
                // One that was cut is read from where it ends now.
                let offset = part.offset.min(part.file.metadata()?.len());
                part.file.seek(SeekFrom::Start(offset))?;
                self.reader = Some((BufReader::new(part.file), offset));
                continue;
            };
            let mut line = Vec::new();
            let count = reader.read_until(b'\n', &mut line)?;
            if let Some(text) = line.strip_suffix(b"\n") {
                *offset = offset.saturating_add(count as u64);
                let line = Line::of(&self.stem, self.before, text);
                self.before = line.time;
                self.next = Some(line);
                return Ok(());
            }
            // A line that is just being written is read when it is whole.
            let (file, offset) = match self.reader.take() {
                Some((reader, offset)) => (reader.into_inner(), offset),
                None => return Ok(()),
            };
            self.mark = Some(Mark { file, offset, time: self.before });
        }
    }
}

/// The lines of several logs in the order of their times.
struct Merged {
    sources: Vec<Source>,
    has_begun: bool,
}

impl Merged {
    const fn of(sources: Vec<Source>) -> Self {
        Self { sources, has_begun: false }
    }

    fn next(&mut self) -> io::Result<Option<(Line, Place)>> {
        if !self.has_begun {
            self.has_begun = true;
            self.sources.iter_mut().try_for_each(Source::advance)?;
        }
        // Of one log, all of the lasting folder comes first: the early one goes on where that has ended.
        let ready = self.sources.iter().enumerate().filter(|(at, source)| {
            let before = at.checked_sub(1).and_then(|at| self.sources.get(at));
            source.next.is_some()
                && before.is_none_or(|before| before.stem != source.stem || before.next.is_none())
        });
        let first =
            ready.min_by_key(|(_, source)| source.next.as_ref().map(|line| line.time)).map(|(at, _)| at);
        let Some(source) = first.and_then(|at| self.sources.get_mut(at)) else { return Ok(None) };
        let line = source.next.take();
        source.advance()?;
        Ok(line.map(|line| (line, source.place)))
    }
}
