//! A change of one file: worked out on its text, tried, and then put in its place as a whole.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use core::ops::Range;

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag},
    unistd::{AccessFlags, Gid, Uid, access, fchown},
};

use crate::rc::{
    call::reason,
    rc_conf::{Values, behind_links, text_of},
};

/// How often a file is opened anew because somebody else has put another in its place.
const TRIES: usize = 100;
/// The largest file that is edited.
const LARGEST: u64 = 4 << 20;

/// Sets a variable in the file at `path`. `values` is what all files together say.
pub fn set(path: &Path, name: &str, value: &str, values: &Values) -> Result<(), String> {
    if value.contains('\0') {
        return Err(format!("{name}: a value cannot hold a zero byte"));
    }
    let document = Document::open(path).map_err(|error| fault(path, &error))?;
    let text = document.with_value(name, value, values, path);
    // Nobody else has written to it since, as long as the lock is held.
    let tried = values.with(path, &text);
    if !tried.is_plainly(name, value) {
        return Err(format!(
            "{}: `{name}' cannot be set there: what the file says besides decides over it. Nothing was changed",
            path.display()
        ));
    }
    document.replace(&text).map_err(|error| fault(path, &error))
}

/// Takes a variable out of the file at `path`, wherever it is set; whether it was there.
pub fn delete(path: &Path, name: &str) -> Result<bool, String> {
    if !path.is_file() {
        return Ok(false);
    }
    let document = Document::open(path).map_err(|error| fault(path, &error))?;
    let mut text = document.text.clone();
    let mut found = false;
    while let Some((span, is_conditional)) = last_place(path, &text, name) {
        if is_conditional || found && span.is_empty() {
            let line = text.get(..span.start).unwrap_or_default().matches('\n').count().saturating_add(1);
            let path = path.display();
            return Err(format!("{path}:{line}: `{name}' is set under a condition: take it out by hand"));
        }
        text.replace_range(whole_line(&text, &span), "");
        found = true;
    }
    if found {
        document.replace(&text).map_err(|error| fault(path, &error))?;
    }
    Ok(found)
}

fn fault(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), reason(error))
}

/// Where a text sets a variable for the last time, and whether only under a condition.
fn last_place(path: &Path, text: &str, name: &str) -> Option<(Range<usize>, bool)> {
    let alone = Values::of_text(path, text);
    let (_, span) = alone.place(name)?;
    let is_conditional = alone.reports.iter().any(|report| {
        report.code == "rc-conf-condition"
            && report.places.iter().any(|place| place.span.as_ref() == Some(&span))
    });
    let is_assignment = text
        .get(span.clone())
        .and_then(|word| word.strip_prefix(name))
        .is_some_and(|rest| rest.starts_with('='));
    Some((span, is_conditional || !is_assignment))
}

/// The line of an assignment that stands alone on it, with its comment; else the assignment.
fn whole_line(text: &str, span: &Range<usize>) -> Range<usize> {
    let start =
        text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at.saturating_add(1));
    let rest = text.get(span.end..).unwrap_or_default();
    let end = rest.find('\n').map_or(text.len(), |at| span.end.saturating_add(at).saturating_add(1));
    let before = text.get(start..span.start).unwrap_or_default().trim();
    let behind = text.get(span.end..end).unwrap_or_default().trim().trim_start_matches(';').trim_start();
    let is_alone = matches!(before, "" | "export") && (behind.is_empty() || behind.starts_with('#'));
    if is_alone {
        return start..end;
    }
    // With the sign that would have nothing before it.
    let sign = rest.trim_start_matches([' ', '\t']).strip_prefix(';').filter(|rest| !rest.starts_with(';'));
    let behind = sign.map_or(rest, |rest| rest.trim_start_matches([' ', '\t']));
    span.start..text.len().saturating_sub(behind.len())
}

/// A value as a shell reads it back, whatever is in it.
pub fn quoted(value: &str) -> String {
    let mut text = String::from('"');
    for letter in value.chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
    text
}

/// A file that is locked while it is worked on.
struct Document {
    /// Behind all links.
    path: PathBuf,
    text: String,
    /// Whether its bytes are one character each.
    is_bytes: bool,
    lock: Option<Flock<File>>,
}

impl Document {
    /// The file at `path`, or an empty one that is not there yet.
    fn open(path: &Path) -> io::Result<Self> {
        let path = behind_links(path)?;
        for _ in 0..TRIES {
            let flags = (OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits();
            let file = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Self { path, text: String::new(), is_bytes: false, lock: None });
                }
                Err(error) => return Err(error),
            };
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::other("not a file"));
            }
            if metadata.len() > LARGEST {
                return Err(Errno::EFBIG.into());
            }
            // A file that may not be written to is not to be changed, whoever owns its folder.
            access(&path, AccessFlags::W_OK)?;
            let mut lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
            let is_same = fs::metadata(&path)
                .is_ok_and(|now| (now.dev(), now.ino()) == (metadata.dev(), metadata.ino()));
            if is_same {
                let mut bytes = Vec::new();
                lock.read_to_end(&mut bytes)?;
                let is_bytes = str::from_utf8(&bytes).is_err();
                return Ok(Self { path, text: text_of(&bytes), is_bytes, lock: Some(lock) });
            }
        }
        Err(Errno::EBUSY.into())
    }

    /// The text with a variable set: in the place where it was set, else in a new line.
    fn with_value(&self, name: &str, value: &str, values: &Values, path: &Path) -> String {
        let line = format!("{name}={}", quoted(value));
        if let Some((span, false)) = last_place(path, &self.text, name) {
            let mut text = self.text.clone();
            text.replace_range(span, &line);
            if values.with(path, &text).is_plainly(name, value) {
                return text;
            }
        }
        let mut text = self.text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&line);
        text.push('\n');
        text
    }

    /// Puts a file with this text in the place of the one that there is.
    fn replace(&self, text: &str) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut name = OsString::from(".");
        name.push(self.path.file_name().ok_or(Errno::EISDIR)?);
        name.push(format!(".{}.new", std::process::id()));
        let temporary = folder.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = self.fill(&mut file, text).and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            // What went wrong before is what is told.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        // Where the folder cannot be written out the name is there all the same, until the power goes.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    fn fill(&self, file: &mut File, text: &str) -> io::Result<()> {
        if self.is_bytes {
            let mut bytes = Vec::with_capacity(text.len());
            for letter in text.chars() {
                match u8::try_from(letter) {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            file.write_all(&bytes)?;
        } else {
            file.write_all(text.as_bytes())?;
        }
        let mode = match &self.lock {
            Some(lock) => {
                let metadata = lock.metadata()?;
                let (uid, gid) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
                if (uid, gid) != (Uid::effective(), Gid::effective()) {
                    fchown(&*file, Some(uid), Some(gid))?;
                }
                metadata.permissions().mode() & 0o7777
            }
            None => 0o644,
        };
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests;
