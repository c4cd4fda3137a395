//! PID 1's side of the loader: starts it, waits for it, and runs it again without a file that is too much for it.

use std::{
    ffi::CString,
    fs::{File, OpenOptions},
    io,
    os::{
        fd::AsFd as _,
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
    time::Duration,
};

use events::Time;
use jobs::Exit;
use nix::{sys::signal::Signal, unistd::Pid};

use super::{
    generation::{Generation, read},
    process::CONTAINER,
};
use crate::sys::{
    memory::memfd,
    own::{Image, Program, Start, start},
};

/// How long the loader may be at one file; it gets this time twice.
pub const ONE_FILE: Duration = Duration::from_secs(5);
/// How long it may take until it is at the first one: no file is to blame for a machine that is slow.
pub const BEGINNING: Duration = Duration::from_secs(60);
/// How often it is run again without a file.
pub const MOST_TRIES: usize = 16;
/// The most memory it may have.
pub const MEMORY: u64 = 1 << 30;

/// What came of a load.
#[derive(Debug)]
pub enum Loaded {
    /// It goes on, perhaps without a file.
    NotYet,
    /// A generation, and the files it had to do without.
    Generation(Box<Generation>, Vec<String>),
    /// None could be had, and why.
    Nothing(String),
}

/// The loader, at work or not.
#[derive(Debug)]
pub struct Loader {
    root: String,
    is_container: bool,
    run: Option<Run>,
    /// Whether files changed while it was at work.
    again: bool,
    /// The file at which it was too slow once: a machine that has much to do, or a disk that awakes, is no fault of it.
    slow: Option<String>,
}

/// One run of it.
#[derive(Debug)]
struct Run {
    pid: Pid,
    result: File,
    beacon: File,
    left_out: Vec<String>,
    /// What the beacon's counter was, and since when.
    seen: u32,
    since: Time,
    /// When to look again.
    look: Time,
    was_slow: bool,
}

impl Run {
    /// When it has been at one thing for too long.
    fn late(&self) -> Time {
        self.since.after(if self.seen == 0 { BEGINNING } else { ONE_FILE })
    }
}

impl Loader {
    /// A loader for the jobs below `root`, on a machine or in a container.
    #[must_use]
    pub const fn new(root: String, is_container: bool) -> Self {
        Self { root, is_container, run: None, again: false, slow: None }
    }

    /// Starts it. If it is at work already, it will run once more.
    pub fn start(&mut self, image: &Image, now: Time) -> io::Result<()> {
        if self.run.is_some() {
            self.again = true;
            return Ok(());
        }
        self.again = false;
        self.run = Some(self.run_without(Vec::new(), image, now)?);
        Ok(())
    }

    /// Whether it is at work.
    #[must_use]
    pub const fn is_at_work(&self) -> bool {
        self.run.is_some()
    }

    /// Its process, if this is it.
    #[must_use]
    pub fn is(&self, pid: Pid) -> bool {
        self.run.as_ref().is_some_and(|run| run.pid == pid)
    }

    /// When to look whether it still moves.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.run.as_ref().map(|run| run.look)
    }

    /// Looks whether it still moves, and kills it if it does not. Its end then says the rest.
    pub fn tick(&mut self, now: Time) {
        let Some(run) = &mut self.run else { return };
        if now < run.look {
            return;
        }
        run.look = now.after(ONE_FILE);
        let (count, _) = beacon(&run.beacon);
        if count != run.seen {
            (run.seen, run.since) = (count, now);
        } else if now >= run.late() {
            (run.since, run.was_slow) = (now, true);
            // It may be at its end already; then that is told.
            let _ = nix::sys::signal::kill(run.pid, Signal::SIGKILL);
        }
    }

    /// Its process has ended.
    pub fn ended(&mut self, exit: Exit, image: &Image, now: Time) -> Loaded {
        let Some(run) = self.run.take() else { return Loaded::NotYet };
        let (_, path) = beacon(&run.beacon);
        let mut left_out = run.left_out;
        if exit.is_success() {
            self.slow = None;
            let loaded = match read(run.result) {
                Ok(generation) => Loaded::Generation(Box::new(generation), left_out),
                Err(error) => Loaded::Nothing(error.to_string()),
            };
            if self.again {
                // What was just read may be old already, but is better than nothing until then.
                let _ = self.start(image, now);
            }
            return loaded;
        }
        if path.is_empty() || left_out.contains(&path) || left_out.len() >= MOST_TRIES {
            return Loaded::Nothing(format!("the loader ended with {exit}"));
        }
        if run.was_slow && self.slow.as_ref() != Some(&path) {
            self.slow = Some(path);
        } else {
            left_out.push(path);
        }
        match self.run_without(left_out, image, now) {
            Ok(run) => {
                self.run = Some(run);
                Loaded::NotYet
            }
            Err(error) => Loaded::Nothing(error.to_string()),
        }
    }

    fn run_without(&self, left_out: Vec<String>, image: &Image, now: Time) -> io::Result<Run> {
        let result = memfd(c"generation")?;
        let beacon = memfd(c"beacon")?;
        beacon.set_len(4096)?;
        let null = OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC).open("/dev/null");
        let null = null.or_else(|_| memfd(c"null"))?;
        let words = ["onset-load", &self.root].into_iter().chain(left_out.iter().map(String::as_str));
        let argv = words.filter_map(|word| CString::new(word).ok()).collect();
        let fds = [&null, &null, &null, &result, &beacon].map(|file| file.as_fd()).to_vec();
        let program = Program::Own(image);
        let container = CString::new(format!("{CONTAINER}=onset"));
        let envp = container.into_iter().filter(|_| self.is_container).collect();
        let start_it = Start { program, argv, envp, fds, owns_terminal: false, memory: Some(MEMORY) };
        let pid = start(&start_it)?;
        let look = now.after(ONE_FILE);
        Ok(Run { pid, result, beacon, left_out, seen: 0, since: now, look, was_slow: false })
    }
}

/// How many files it has begun, and the last of them.
fn beacon(file: &File) -> (u32, String) {
    let mut page = [0; 4096];
    // What cannot be read names no file.
    let _ = file.read_at(&mut page, 0);
    let (count, rest) = page.split_at(4);
    let count = count.try_into().map(u32::from_le_bytes).unwrap_or(0);
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(0);
    (count, String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned())
}
