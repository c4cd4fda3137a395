//! One run of a verb: where it works, and what went wrong so far.

use std::{
    fmt::Display,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Something could not be done.
const FAULTS: u8 = 1;
/// The words of the command are wrong.
pub const USAGE: u8 = 2;

/// One run of a verb.
#[derive(Debug)]
pub struct Task {
    root: PathBuf,
    code: u8,
}

impl Task {
    /// One that works on the files below `root`.
    pub fn new(root: &str) -> Self {
        Self { root: root.into(), code: 0 }
    }

    /// Where `path` of the machine is to be found.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The folder that the machine's paths begin at.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the files are those of the machine that we run on.
    pub fn is_at_home(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The text of a file of the machine; `None`, with a fault, if it is there and cannot be read.
    pub fn read(&mut self, path: &str) -> Option<String> {
        let path = self.path(path);
        match std::fs::read(&path) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.fault(format!("cannot read {}: {}", path.display(), reason(&error)));
                None
            }
        }
    }

    /// Says what could not be done; the rest goes on.
    pub fn fault(&mut self, what: impl Display) {
        self.code = self.code.max(FAULTS);
        say(what);
    }

    /// Says that the command's words are wrong.
    pub fn misused(&mut self, what: impl Display) {
        self.code = USAGE;
        say(what);
    }

    /// Ends with this status, whatever else there was.
    pub fn end_with(&mut self, code: u8) {
        self.code = code;
    }

    /// The status to end with.
    pub const fn code(&self) -> u8 {
        self.code
    }
}

/// A line for whoever reads the log.
pub fn say(what: impl Display) {
    // There is nowhere else to say it.
    let _ = writeln!(io::stderr(), "{what}");
}

/// What an error says, without the number that the standard library adds.
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().into(),
        None => error.to_string(),
    }
}
