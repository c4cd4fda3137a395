//! Becoming the command that stands behind the options.

use std::{
    ffi::{CString, OsString},
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
};

use nix::{
    errno::Errno,
    unistd::{execvp, execvpe},
};

use super::call::{Call, reason};

/// The variables of a process, in the order in which they were set.
#[derive(Debug, Clone, Default)]
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// Those of this process.
    pub fn own() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Sets one of them.
    pub fn set(&mut self, key: impl Into<OsString>, value: impl Into<OsString>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    fn words(&self) -> Vec<CString> {
        let word = |(key, value): &(OsString, OsString)| {
            let mut word = key.clone().into_vec();
            word.push(b'=');
            word.extend_from_slice(value.as_bytes());
            CString::new(word).ok()
        };
        self.0.iter().filter_map(word).collect()
    }
}

/// Executes the program that the first of `words` names, looked for in `PATH`. It comes back only with a failure.
pub fn execute(words: &[OsString], environment: Option<&Environment>) -> io::Error {
    let words: Result<Vec<CString>, _> = words.iter().map(|word| CString::new(word.as_bytes())).collect();
    let Ok(words) = words else { return Errno::EINVAL.into() };
    let Some(program) = words.first() else { return Errno::ENOENT.into() };
    let result = match environment {
        None => execvp(program, &words),
        Some(environment) => execvpe(program, &words, &environment.words()),
    };
    match result {
        Ok(never) => match never {},
        Err(error) => error.into(),
    }
}

/// The same for a command that ends with it: says why it could not, and gives the status that a shell would.
pub fn become_command(call: &Call, words: &[OsString]) -> u8 {
    let error = execute(words, None);
    failed(call, words, &error)
}

/// What is said of a program that could not be executed, and the status that goes with it.
pub fn failed(call: &Call, words: &[OsString], error: &io::Error) -> u8 {
    let name = words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    let code = if error.raw_os_error() == Some(Errno::ENOENT as i32) { 127 } else { 126 };
    call.fail(code, &format!("{name}: {}", reason(error)))
}
