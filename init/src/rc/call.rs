//! One call of a command: its name, the words behind it, and where it says what.

use std::{
    ffi::{OsStr, OsString},
    fmt::Display,
    io::{self, Write as _},
};

use super::options::{Found, Options};
use crate::cli::exit::clean;

/// A call of a command.
#[derive(Debug)]
pub struct Call {
    /// The command's name, which stands before all that it says.
    pub name: &'static str,
    /// The words behind it.
    pub words: Vec<OsString>,
}

impl Call {
    /// The command `name` with these words.
    pub fn new(name: &'static str, words: Vec<OsString>) -> Self {
        Self { name, words }
    }

    /// Says something on standard error, with the command's name before it.
    pub fn warn(&self, what: &impl Display) {
        // There is nowhere else to say it.
        let _ = writeln!(io::stderr(), "{}: {}", self.name, clean(&what.to_string()));
    }

    /// The same, with the exit status that goes with it.
    pub fn fail(&self, code: u8, what: &impl Display) -> u8 {
        self.warn(what);
        code
    }

    /// The options that its words begin with, and the other words. If they are wrong, that is said, and this is the status.
    pub fn options(
        &self,
        letters: &'static str,
        code: u8,
        usage: &str,
    ) -> Result<(Vec<Found<'_>>, &[OsString]), u8> {
        let mut options = Options::new(letters, &self.words);
        let mut found = Vec::new();
        while let Some(option) = options.next() {
            found.push(option.map_err(|wrong| {
                self.warn(&wrong.0);
                self.misuse(code, usage)
            })?);
        }
        Ok((found, options.rest()))
    }

    /// Says how the command is called, because its words are wrong.
    pub fn misuse(&self, code: u8, usage: &str) -> u8 {
        let _ = write!(io::stderr(), "{usage}");
        code
    }

    /// Prints bytes, and gives the status of a command that went well; a failure to print is one of the command.
    pub fn show(&self, text: &[u8]) -> u8 {
        let mut out = io::stdout();
        match out.write_all(text).and_then(|()| out.flush()) {
            Ok(()) => 0,
            Err(error) => self.fail(1, &format!("standard output: {}", reason(&error))),
        }
    }

    /// Whether the only word asks for help; then it is shown.
    pub fn helps(&self, usage: &str) -> bool {
        let asks = matches!(self.words.as_slice(), [word] if word == OsStr::new("--help"));
        if asks {
            self.show(usage.as_bytes());
        }
        asks
    }
}

/// What an error says, without the number that the standard library adds.
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().into(),
        None => error.to_string(),
    }
}
