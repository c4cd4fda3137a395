//! One file: found through its links, opened only if it is a regular one, read up to a bound.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jobs::{Report, formats::Source, load::Content};

/// The longest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 20;
/// How many links are followed one after the other.
const MAX_LINKS: usize = 16;
/// How much of a script is read at first, if its header may be enough.
const HEADER: usize = 4096;

/// `O_NONBLOCK`: should a file become a FIFO between the look and the opening, the opening does not wait.
const O_NONBLOCK: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 0x80 } else { 0o4000 };

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

/// What stands in the file at `path`, which `is_regular` for certain or must be looked at first.
pub(super) fn read(root: &Path, path: &Path, is_regular: bool, reach: Reach) -> Content {
    let shown = path.to_string_lossy().into_owned();
    let place = if is_regular { None } else { Some(Place::resolve(root, path)) };
    let read = match &place {
        None => contents(path, reach),
        Some(Ok(place)) if place.is_null => return Content::Masked,
        Some(Ok(place)) if place.metadata.is_file() => contents(&place.path, reach),
        Some(Ok(_)) => Err(Fault::NotAFile),
        Some(Err(error)) => Err(Fault::Io(io::Error::new(error.kind(), error.to_string()))),
    };
    let error = |code, message: String| Report::error(code, message).in_file(&shown);
    let fault = match read {
        Ok((bytes, executable)) => match String::from_utf8(bytes) {
            Ok(text) => return Content::Text(Source { path: shown, text, executable }),
            Err(error) => Fault::NotText(error),
        },
        Err(fault) => fault,
    };
    Content::Unreadable(match fault {
        Fault::Io(cause) => error("unreadable", format!("file cannot be read: {cause}")),
        Fault::NotAFile => error("not-a-file", "not a regular file, so it is not opened".into()),
        Fault::TooLong => error("too-long", format!("file is longer than {MAX_FILE} bytes"))
            .help("a job is a short file: let it call a program"),
        Fault::NotText(cause) => {
            let before = cause.as_bytes().iter().take(cause.utf8_error().valid_up_to());
            let line = before.filter(|byte| **byte == b'\n').count().saturating_add(1);
            error("not-utf8", format!("file is not UTF-8 text: see line {line}")).help("save it as UTF-8")
        }
    })
}

/// Why a file cannot be read.
enum Fault {
    Io(io::Error),
    NotAFile,
    TooLong,
    NotText(std::string::FromUtf8Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The bytes of a regular file, and whether it may be executed.
fn contents(path: &Path, reach: Reach) -> Result<(Vec<u8>, bool), Fault> {
    let mut file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Fault::NotAFile);
    }
    let executable = metadata.mode() & 0o111 != 0;
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    let first = if reach == Reach::Header { length.min(HEADER) } else { length };
    if u64::try_from(first).map_or(true, |first| first > MAX_FILE) {
        return Err(Fault::TooLong);
    }
    // One byte more than there should be: so the end is seen with the first read.
    let mut bytes = vec![0; first.saturating_add(1)];
    let count = file.read(&mut bytes)?;
    bytes.truncate(count);
    if reach == Reach::Header
        && let Some(end) = header_end(&bytes)
    {
        bytes.truncate(end);
    } else if count != length {
        rest(&mut file, &mut bytes)?;
    }
    Ok((bytes, executable))
}

/// The rest of a file that has been read in part.
fn rest(file: &mut File, bytes: &mut Vec<u8>) -> Result<(), Fault> {
    file.take(MAX_FILE).read_to_end(bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= MAX_FILE => Ok(()),
        Ok(_) | Err(_) => Err(Fault::TooLong),
    }
}

/// Where the header of an rc.d script has ended for certain: at the first blank line behind its first line.
fn header_end(start: &[u8]) -> Option<usize> {
    let find = |needle: &[u8], from: usize| {
        let rest = start.get(from..)?;
        rest.windows(needle.len()).position(|part| part == needle).and_then(|at| at.checked_add(from))
    };
    let verbs: [&[u8]; 4] = [b"\n# PROVIDE", b"\n# REQUIRE", b"\n# BEFORE:", b"\n# KEYWORD"];
    let first = verbs.iter().filter_map(|verb| find(verb, 0)).min()?;
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

    #[test]
    fn a_header_ends_at_a_blank_line() {
        for (text, end) in [
            ("#!/bin/sh\n# PROVIDE: a\n# REQUIRE: b\n\n. /etc/rc.subr\n", Some("\n\n")),
            ("#!/bin/sh\n\n# PROVIDE: a\n\nx", Some("a\n\n")),
            ("#!/bin/sh\n# PROVIDE: a \\\n\n# REQUIRE: b\n\n", Some("b\n\n")),
            ("#!/bin/sh\n# PROVIDER: a\n\n# PROVIDE: b", None),
            ("#!/bin/sh\n# PROVIDE: a\n", None),
            ("#!/bin/sh\n\necho\n", None),
        ] {
            let found = header_end(text.as_bytes());
            assert_eq!(found.is_some(), end.is_some(), "{text:?}");
            if let (Some(found), Some(end)) = (found, end) {
                assert!(text[..found].ends_with(end), "{text:?} {found}");
            }
        }
    }
}
