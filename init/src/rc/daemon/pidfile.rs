//! A pidfile that is locked for as long as who wrote it lives: the lock says whether it is true, not the number in it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag},
};

/// How often a file is opened anew because somebody has put another in its place.
const TRIES: usize = 100;

/// A pidfile that is ours.
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
    lock: Flock<File>,
}

/// Why there is none.
#[derive(Debug)]
pub enum Trouble {
    /// Somebody holds it; with the pid that is in it.
    Running(Option<u32>),
    /// It cannot be had.
    Failed(PathBuf, io::Error),
}

impl Pidfile {
    /// Takes the file at `path`. What is in it counts for nothing: a lock does. A link is not followed, nor is a file
    /// taken that has another name as well, since its folder may be somebody else's.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        let failed = |error: io::Error| Trouble::Failed(path.into(), error);
        for _ in 0..TRIES {
            let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .mode(0o600)
                .custom_flags(flags.bits())
                .open(path)
                .map_err(failed)?;
            let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((file, Errno::EWOULDBLOCK)) => return Err(Trouble::Running(pid_in(&file))),
                Err((_, error)) => return Err(failed(error.into())),
            };
            let metadata = lock.metadata().map_err(failed)?;
            if !metadata.is_file() || metadata.nlink() > 1 {
                return Err(failed(io::Error::other("not a file of its own")));
            }
            let pidfile = Self { path: path.into(), lock };
            if pidfile.is_there() {
                pidfile.lock.set_len(0).map_err(failed)?;
                return Ok(pidfile);
            }
        }
        Err(failed(Errno::EBUSY.into()))
    }

    /// Whether the path still leads to it.
    fn is_there(&self) -> bool {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        match (fs::symlink_metadata(&self.path), self.lock.metadata()) {
            (Ok(found), Ok(own)) => identity(found) == identity(own),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    /// Writes a pid. Whoever reads meanwhile finds the old one or the new one on the first line, never nothing: a script
    /// would take that for a service that is down.
    pub fn write(&self, pid: i32) -> io::Result<()> {
        let pid = pid.to_string();
        self.lock.write_all_at(format!("{pid}\n").as_bytes(), 0)?;
        self.lock.set_len(pid.len() as u64)
    }

    /// Takes it away, unless another file has its name by now.
    pub fn remove(self) {
        if self.is_there() {
            // What stays behind is not locked, and so says nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The pid in a file; nothing if who holds it has not written it yet.
fn pid_in(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.by_ref().take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
