//! One file: found through its links, opened only if it is a regular one, read up to a bound.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use jobs::{Report, formats::Source, load::Content};
use nix::{
    fcntl::{OFlag, open, openat},
    sys::stat::Mode,
};

use crate::sys::stat;

/// The longest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 20;
/// How many links are followed one after the other.
const MAX_LINKS: usize = 16;
/// How much is read of a file at first, and of a program at all.
const PAGE: usize = 4096;

/// How much of rc.d scripts is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All of it.
    Whole,
    /// The header only, where it can be seen that it is whole: enough for an order.
    Header,
}

/// A path without links at its end.
pub(super) struct Place {
    pub path: PathBuf,
    pub metadata: fs::Metadata,
    pub is_null: bool,
}

impl Place {
    /// Which file it is, whatever its name.
    pub fn identity(&self) -> (u64, u64) {
        (self.metadata.dev(), self.metadata.ino())
    }

    /// Follows links at the end of `path`; an absolute one begins at `root`.
    pub fn resolve(root: &Path, path: &Path) -> io::Result<Self> {
        let mut path = path.to_path_buf();
        for _ in 0..MAX_LINKS {
            let metadata = fs::symlink_metadata(&path)?;
            if !metadata.is_symlink() {
                return Ok(Self { path, metadata, is_null: false });
            }
            let target = fs::read_link(&path)?;
            if target == Path::new("/dev/null") {
                return Ok(Self { path, metadata, is_null: true });
            }
            path = match target.strip_prefix("/") {
                Ok(below) => root.join(below),
                Err(_) => path.parent().unwrap_or(root).join(target),
            };
        }
        Err(io::Error::other("too many links"))
    }
}

/// Finds places below a root. What lies on the way to many of them is looked at once.
pub(super) struct Finder<'r> {
    root: &'r Path,
    /// Where the ways lead that were looked at; `None` for those that are not there.
    known: HashMap<&'static str, Option<PathBuf>>,
}

impl<'r> Finder<'r> {
    pub fn new(root: &'r Path) -> io::Result<Self> {
        let place = Place::resolve(root, root)?;
        Ok(Self { root, known: HashMap::from([("", Some(place.path))]) })
    }

    /// Follows the links in a path below the root, at its end and on the way there.
    pub fn find(&mut self, path: &'static str) -> io::Result<Place> {
        let Some((way, name)) = path.rsplit_once('/') else { return self.step("", path) };
        let ends = way.match_indices('/').map(|(end, _)| end).chain([way.len()]);
        for part in ends.filter_map(|end| way.get(..end)) {
            if !self.known.contains_key(part) {
                let (above, name) = part.rsplit_once('/').unwrap_or(("", part));
                let found = self.step(above, name);
                if found.is_ok() || is_missing(&found) {
                    self.known.insert(part, found.as_ref().ok().map(|place| place.path.clone()));
                }
                found?;
            }
        }
        self.step(way, name)
    }

    /// From a way that was looked at to a name there.
    fn step(&self, way: &str, name: &str) -> io::Result<Place> {
        match self.known.get(way) {
            Some(Some(above)) => Place::resolve(self.root, &above.join(name)),
            Some(None) | None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn is_missing(found: &io::Result<Place>) -> bool {
    found.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Whether it is regular for certain, and need not be looked at before it is opened.
    pub is_regular: bool,
    /// How much of it.
    pub reach: Reach,
    /// Whether somebody asks if it may be executed; otherwise it is said that it may not.
    pub mode: bool,
    /// Whether it is a script, in whose comments any bytes may stand: its shell decides what is text.
    pub is_script: bool,
}

/// Opens and reads one file after the other. The folder of the last one stays open: its neighbours are found from
/// there, without the whole way.
#[derive(Debug)]
pub(super) struct Reader {
    /// Its path, with the `/` at the end.
    folder: Option<(Vec<u8>, OwnedFd)>,
    /// What is read first of each file: all of nearly each.
    page: [u8; PAGE],
}

impl Default for Reader {
    fn default() -> Self {
        Self { folder: None, page: [0; PAGE] }
    }
}

impl Reader {
    /// What stands in the file at `path`, which is shown as `shown`.
    pub fn read(&mut self, root: &Path, path: &Path, shown: String, wanted: Wanted) -> Content {
        let place = if wanted.is_regular { None } else { Some(Place::resolve(root, path)) };
        let read = match &place {
            None => self.contents(path, wanted),
            Some(Ok(place)) if place.is_null => return Content::Masked,
            Some(Ok(place)) if place.metadata.is_file() => self.contents(&place.path, wanted),
            Some(Ok(_)) => Err(Fault::NotAFile),
            Some(Err(error)) => Err(Fault::Io(io::Error::new(error.kind(), error.to_string()))),
        };
        match read {
            Ok((text, executable)) => Content::Text(Source { path: shown, text, executable }),
            Err(fault) => Content::Unreadable(fault.report(&shown)),
        }
    }

    /// The text of a regular file, and whether it may be executed.
    fn contents(&mut self, path: &Path, wanted: Wanted) -> Result<(String, bool), Fault> {
        let mut file = self.open(path)?;
        let count = read_once(&mut file, &mut self.page)?;
        let start = self.page.get(..count).unwrap_or_default();
        if wanted.reach == Reach::Header
            && let Some(header) = header_end(start).and_then(|end| start.get(..end))
        {
            // Whether it may be executed does not matter to its place in the order.
            return Ok((text(header, wanted)?, true));
        }
        let mut executable = false;
        if wanted.mode || !wanted.is_regular {
            let mode = stat::mode(&file)?;
            if mode & libc::S_IFMT != libc::S_IFREG {
                return Err(Fault::NotAFile);
            }
            executable = mode & 0o111 != 0;
        }
        // Less than a page, though a page was asked for, is all that there is of a regular file.
        if count < PAGE {
            return Ok((text(start, wanted)?, executable));
        }
        let mut bytes = start.to_vec();
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(Fault::TooLong);
        }
        Ok((text(&bytes, wanted)?, executable))
    }

    /// Opens a file. `O_NONBLOCK`: should it have become a FIFO since it was looked at, this does not wait.
    fn open(&mut self, path: &Path) -> io::Result<File> {
        let path = path.as_os_str().as_bytes();
        let cut = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at.saturating_add(1));
        let (folder, name) = path.split_at_checked(cut).unwrap_or((&[], path));
        let found = match self.folder.take().filter(|(known, _)| known == folder) {
            Some(found) => found,
            None => {
                let way = if folder.is_empty() { b"." } else { folder };
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                (folder.to_vec(), open(way, flags, Mode::empty())?)
            }
        };
        let (_, folder) = self.folder.insert(found);
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        Ok(openat(folder, name, flags, Mode::empty())?.into())
    }
}

/// Reads as much as fits, once.
fn read_once(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn text(bytes: &[u8], wanted: Wanted) -> Result<String, Fault> {
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        // One for one, so that what is said of a place in it is right.
        Err(_) if wanted.is_script => Ok(bytes
            .utf8_chunks()
            .fold(String::new(), |text, chunk| text + chunk.valid() + &"?".repeat(chunk.invalid().len()))),
        Err(error) => {
            let before = bytes.iter().take(error.valid_up_to());
            Err(Fault::NotText { line: before.filter(|byte| **byte == b'\n').count().saturating_add(1) })
        }
    }
}

/// A program that is executed and not read, be it a script or not: its beginning, for those who look whether
/// the kernel takes it.
pub(super) fn program(root: &Path, path: &Path) -> Content {
    let shown = path.to_string_lossy().into_owned();
    match beginning(root, path) {
        Ok(None) => Content::Masked,
        Ok(Some((text, executable))) => Content::Text(Source { path: shown, text, executable }),
        Err(fault) => Content::Unreadable(fault.report(&shown)),
    }
}

/// The first bytes of a program, and whether it may be executed; `None` for a link to `/dev/null`.
fn beginning(root: &Path, path: &Path) -> Result<Option<(String, bool)>, Fault> {
    let place = Place::resolve(root, path)?;
    if place.is_null {
        return Ok(None);
    }
    if !place.metadata.is_file() {
        return Err(Fault::NotAFile);
    }
    let mut start = [0; PAGE];
    let count = match Reader::default().open(&place.path) {
        Ok(mut file) => file.read(&mut start)?,
        // Who may execute it need not be allowed to read it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => 0,
        Err(error) => return Err(error.into()),
    };
    let text = String::from_utf8_lossy(start.get(..count).unwrap_or_default()).into_owned();
    Ok(Some((text, place.metadata.mode() & 0o111 != 0)))
}

/// What is said of a file or folder that cannot be opened.
pub(super) fn unreadable(what: &str, cause: &io::Error) -> Report {
    let report = Report::error("unreadable", format!("{what} cannot be read: {cause}"));
    let denied = cause.kind() == io::ErrorKind::PermissionDenied;
    if denied { report.help("run as a user who may read it") } else { report }
}

/// Why a file cannot be read.
enum Fault {
    Io(io::Error),
    NotAFile,
    TooLong,
    NotText { line: usize },
}

impl Fault {
    fn report(self, path: &str) -> Report {
        let error = |code, message: String| Report::error(code, message).in_file(path);
        match self {
            Self::Io(cause) => unreadable("file", &cause).in_file(path),
            Self::NotAFile => error("not-a-file", "not a regular file, so it is not opened".into()),
            Self::TooLong => error("too-long", format!("file is longer than {MAX_FILE} bytes"))
                .help("a job is a short file: let it call a program"),
            Self::NotText { line } => {
                error("not-utf8", format!("file is not UTF-8 text: see line {line}")).help("save it as UTF-8")
            }
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Where the header of an rc.d script has ended for certain: at the first blank line behind its first line.
/// `None` if that cannot be seen, or if there is an LSB header before it.
fn header_end(start: &[u8]) -> Option<usize> {
    let within = |text: &[u8], needle: &[u8]| text.windows(needle.len()).position(|part| part == needle);
    let find = |needle: &[u8], from: usize| within(start.get(from..)?, needle)?.checked_add(from);
    let mut first = find(b"\n# ", 0)?;
    let starts: [&[u8]; 4] = [b"\n# PROVIDE", b"\n# REQUIRE", b"\n# BEFORE:", b"\n# KEYWORD"];
    while !starts.iter().any(|verb| start.get(first..).is_some_and(|rest| rest.starts_with(verb))) {
        first = find(b"\n# ", first.saturating_add(1))?;
    }
    // Looked for no further than here: the rest of a script is long.
    if within(start.get(..first)?, b"\n### BEGIN").is_some() {
        return None;
    }
    // A line that only looks like one (`# PROVIDER:`) does not begin the header.
    let line = start.get(first..)?.split(|byte| *byte == b'\n').nth(1)?;
    let verb = line.get(2..)?.split(|byte| *byte == b':').next()?;
    let known: [&[u8]; 7] =
        [b"PROVIDE", b"PROVIDES", b"REQUIRE", b"REQUIRES", b"BEFORE", b"KEYWORD", b"KEYWORDS"];
    if !known.contains(&verb) || line.len() <= verb.len().saturating_add(2) {
        return None;
    }
    let mut end = find(b"\n\n", first.saturating_add(1))?;
    // A backslash joins the blank line to the one before it.
    while start.get(end.checked_sub(1)?) == Some(&b'\\') {
        end = find(b"\n\n", end.saturating_add(1))?;
    }
    end.checked_add(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("onset-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_is_read_whole_whatever_its_length() {
        let folder = folder("lengths");
        let mut reader = Reader::default();
        let longest = usize::try_from(MAX_FILE).unwrap();
        for length in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, longest, longest + 1] {
            let path = folder.join(length.to_string());
            fs::write(&path, "x".repeat(length)).unwrap();
            for (is_regular, reach) in [(true, Reach::Whole), (false, Reach::Whole), (true, Reach::Header)] {
                let wanted = Wanted { is_regular, reach, mode: !is_regular, is_script: false };
                let content = reader.read(Path::new("/"), &path, "shown".into(), wanted);
                match content {
                    Content::Text(source) => assert_eq!(source.text.len(), length),
                    Content::Unreadable(report) => {
                        assert_eq!((report.code, length), ("too-long", longest + 1));
                    }
                    Content::Masked => panic!("{length}"),
                }
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_place_is_found_through_links_on_the_way() {
        let root = folder("places");
        fs::create_dir_all(root.join("real/jobs")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        std::os::unix::fs::symlink("/real", root.join("etc/onset")).unwrap();
        let mut finder = Finder::new(&root).unwrap();
        for (path, found) in [
            ("etc/onset/jobs", Some("real/jobs")),
            ("etc/onset/hooks", None),
            ("etc/onset", Some("real")),
            ("usr/lib/onset/jobs", None),
            ("usr/lib/onset/hooks", None),
            ("etc/onset/jobs/deep", None),
        ] {
            let place = finder.find(path).map(|place| place.path).ok();
            assert_eq!(place, found.map(|found| root.join(found)), "{path}");
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_header_ends_at_a_blank_line() {
        for (text, end) in [
            ("#!/bin/sh\n# PROVIDE: a\n# REQUIRE: b\n\n. /etc/rc.subr\n", Some("\n\n")),
            ("#!/bin/sh\n\n# PROVIDE: a\n\nx", Some("a\n\n")),
            ("#!/bin/sh\n# PROVIDE: a \\\n\n# REQUIRE: b\n\n", Some("b\n\n")),
            ("#!/bin/sh\n# PROVIDER: a\n\n# PROVIDE: b", None),
            ("#!/bin/sh\n# PROVIDE: a\n", None),
            ("#!/bin/sh\n\necho\n", None),
            ("#!/bin/sh\n### BEGIN INIT INFO\n# PROVIDE: a\n\nx", None),
            ("#!/bin/sh\n# PROVIDE: a\n\nx\n### BEGIN INIT INFO\n", Some("a\n\n")),
        ] {
            let found = header_end(text.as_bytes());
            assert_eq!(found.is_some(), end.is_some(), "{text:?}");
            if let (Some(found), Some(end)) = (found, end) {
                assert!(text[..found].ends_with(end), "{text:?} {found}");
            }
        }
    }
}
