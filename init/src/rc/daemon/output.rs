//! Where a command's output goes: a pipe to who watches over it, who appends it to a file, and writes its lines to the log.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
    path::PathBuf,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::{pipe2, read},
};

use super::{child::place, words::Wish};
use crate::rc::syslog::Log;

/// The longest line that is kept together for the log.
const LONGEST_LINE: usize = 900;

/// The output of a command.
#[derive(Debug)]
pub struct Output {
    /// The file, and its path.
    file: Option<(File, PathBuf)>,
    log: Option<Log>,
    mask: (bool, bool),
    pipe: Option<Pipe>,
    /// What came of a line that is not whole yet.
    line: Vec<u8>,
}

#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    /// The command's end; kept only while there may be another command.
    write: Option<OwnedFd>,
}

impl Output {
    /// Opens what is asked for.
    pub fn open(wish: &Wish) -> Result<Self, (PathBuf, io::Error)> {
        let file = match &wish.output {
            Some(path) => {
                let file = append(path).map_err(|error| (path.clone(), error))?;
                Some((file, path.clone()))
            }
            None => None,
        };
        Ok(Self { file, log: wish.log.clone(), mask: wish.mask, pipe: None, line: Vec::new() })
    }

    /// Makes the pipe, if somebody wants what comes out of it and there is none yet.
    pub fn make_pipe(&mut self) -> io::Result<()> {
        let is_wanted = self.file.is_some() || self.log.is_some();
        if is_wanted && self.pipe.is_none() {
            let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
            fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            self.pipe = Some(Pipe { read, write: Some(write) });
        }
        Ok(())
    }

    /// In the command's process: puts the pipe where its output goes.
    pub fn place(&self) -> io::Result<()> {
        let Some(write) = self.pipe.as_ref().and_then(|pipe| pipe.write.as_ref()) else { return Ok(()) };
        if self.mask.0 {
            place(write, 1)?;
        }
        if self.mask.1 {
            place(write, 2)?;
        }
        Ok(())
    }

    /// There will be no other command: the pipe ends when nobody has it any more.
    pub fn let_end(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            pipe.write = None;
        }
    }

    /// What is to be read.
    pub fn source(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(|pipe| pipe.read.as_fd())
    }

    /// Hands on what has come; at its end there is no [`Output::source`] any more.
    pub fn hand_on(&mut self) {
        let mut buffer = [0; 4096];
        // As much as a pipe holds: who writes without end must not keep us from everything else.
        for _ in 0..16 {
            let Some(pipe) = &self.pipe else { return };
            match read(&pipe.read, &mut buffer) {
                Ok(0) => {
                    self.pipe = None;
                    self.end_line();
                }
                Ok(count) => self.take(buffer.get(..count).unwrap_or_default()),
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some((file, _)) = &mut self.file {
            // A full disk must not stop the command; it may be empty again later.
            let _ = file.write_all(bytes);
        }
        if self.log.is_none() {
            return;
        }
        for byte in bytes {
            if *byte == b'\n' || self.line.len() >= LONGEST_LINE {
                self.end_line();
            }
            if *byte != b'\n' {
                self.line.push(*byte);
            }
        }
    }

    /// Writes what there is of a line to the log.
    pub fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let Some(log) = self.log.as_ref().filter(|_| !line.is_empty()) {
            // If nobody keeps a log there is nobody to tell it.
            let _ = log.write(&line);
        }
    }

    /// Opens the file anew: it may have been moved.
    pub fn open_anew(&mut self) {
        if let Some((file, path)) = &mut self.file
            && let Ok(new) = append(path)
        {
            *file = new;
        }
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    let flags = (OFlag::O_CLOEXEC | OFlag::O_NOCTTY).bits();
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)
}
