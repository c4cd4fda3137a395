//! A machine's worth of PID 1 for its logs: the loop, a root of its own, and a log keeper that is a real process.

use std::{
    fs,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use events::{Bus, Time};
use init::{
    logs::{Folder, Logs, Output},
    pid1::{options::Options, shell::Shell, token::Token},
    sys::poll::Poll,
};
use jobs::{Input, Life};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    time::{ClockId, clock_gettime},
};

/// How long something that must happen may take, in milliseconds, on a machine that has much else to do.
const PATIENCE: u64 = 120_000;

pub fn now() -> Time {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap();
    Time(u64::try_from(now.tv_sec() * 1_000 + now.tv_nsec() / 1_000_000).unwrap())
}

pub struct Machine {
    pub root: PathBuf,
    pub logs: Logs,
    poll: Poll<Token>,
    bus: Bus<Input>,
    options: Options,
    keeper: Option<Child>,
    lives: u64,
    _runtime: tokio::runtime::Runtime,
}

impl Machine {
    /// A machine with an empty root that has /run, and /var/log if wished.
    pub fn new(has_var: bool) -> Self {
        static ROOTS: AtomicU32 = AtomicU32::new(0);
        let number = ROOTS.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("onset-logs-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("run")).unwrap();
        if has_var {
            fs::create_dir_all(root.join("var/log")).unwrap();
        }
        Self::at(root, false)
    }

    pub fn at(root: PathBuf, container: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let entered = runtime.enter();
        let mut poll = Poll::new().unwrap();
        drop(entered);
        let mut bus = Bus::new(64);
        let options =
            Options { root: root.display().to_string(), container, quiet: true, ..Options::default() };
        let logs = Logs::new(&mut Shell { poll: &mut poll, bus: &mut bus, now: now(), options: &options });
        Self { root, logs, poll, bus, options, keeper: None, lives: 0, _runtime: runtime }
    }

    /// Does something with the logs and what they need.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut Logs, &mut Shell<'_>) -> T) -> T {
        let shell =
            &mut Shell { poll: &mut self.poll, bus: &mut self.bus, now: now(), options: &self.options };
        act(&mut self.logs, shell)
    }

    /// Starts a log keeper: this very program, which then does nothing else.
    pub fn start_keeper(&mut self, stdout: Stdio) {
        let (ours, theirs) = Logs::channel().unwrap();
        // As it was called: in a mount namespace of one's own the kernel may not know the path any more.
        let child = Command::new(std::env::args_os().next().unwrap())
            .args(["--exact", "this_program_can_be_the_keeper", "--nocapture"])
            .env("ONSET_TEST_KEEPER", "1")
            .stdin(Stdio::from(theirs))
            .stdout(stdout)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        self.keeper = Some(child);
        self.with(|logs, shell| logs.keeper_started(shell, ours, pid));
    }

    pub fn keeper_pid(&self) -> u32 {
        self.keeper.as_ref().unwrap().id()
    }

    /// Kills the keeper with SIGKILL, as nobody can help.
    pub fn kill_keeper(&mut self) {
        let mut keeper = self.keeper.take().unwrap();
        keeper.kill().unwrap();
        keeper.wait().unwrap();
        self.with(|logs, shell| logs.keeper_died(shell));
    }

    /// Waits for the end of a keeper that ends by itself.
    pub fn await_keeper(&mut self) {
        self.until("the keeper ends", |machine| {
            machine.keeper.as_mut().unwrap().try_wait().unwrap().is_some()
        });
        self.keeper = None;
        self.with(|logs, shell| logs.keeper_died(shell));
    }

    /// One turn of the loop, or a short wait for one.
    pub fn turn(&mut self) {
        let due = self.logs.deadline().map_or(20, |due| due.0.saturating_sub(now().0).min(20));
        let mut ready = [PollFd::new(self.poll.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::try_from(due).unwrap()).unwrap();
        for (token, ready) in self.poll.look() {
            self.with(|logs, shell| logs.ready(shell, token, ready));
        }
        if self.logs.deadline().is_some_and(|due| due <= now()) {
            self.with(Logs::tick);
        }
        self.logs.pass_on(now());
    }

    /// Turns until something is so.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let start = now();
        while !holds(self) {
            assert!(now().0 - start.0 < PATIENCE, "it does not come to this: {what}");
            self.turn();
        }
    }

    pub fn life(&mut self) -> Life {
        self.lives += 1;
        Life { place: 0, number: self.lives }
    }

    pub fn output(&mut self, life: Life, job: &str, instance: &str) -> OwnedFd {
        match self.with(|logs, shell| logs.output_for(shell, life, job, instance)) {
            Output::Pipe(pipe) => pipe,
            other @ (Output::Null | Output::Console | Output::Owner | Output::Offered(_)) => {
                panic!("{other:?}")
            }
        }
    }

    /// Starts a process of a new life.
    pub fn start(&mut self, job: &str, argv: &[&str]) -> (Life, Child) {
        let life = self.life();
        let pipe = self.output(life, job, "");
        let child = Command::new(argv[0])
            .args(&argv[1..])
            .stdin(Stdio::null())
            .stderr(pipe.try_clone().unwrap())
            .stdout(pipe)
            .spawn()
            .unwrap();
        (life, child)
    }

    pub fn forget(&mut self, life: Life) {
        self.with(|logs, shell| logs.forget(shell, life));
    }

    pub fn lasting(&self) -> PathBuf {
        self.root.join("var/log/onset")
    }

    pub fn early(&self) -> PathBuf {
        self.root.join("run/onset/log")
    }

    /// All of a job's log, in both folders, the oldest first.
    pub fn log(&self, job: &str) -> String {
        // A file may move on while we look: then it is seen twice, and not never.
        let early = log_in(&self.early(), job);
        log_in(&self.lasting(), job) + &early
    }

    /// What a job wrote: its log without times.
    pub fn lines(&self, job: &str) -> Vec<String> {
        self.log(job).lines().map(|line| String::from(line.split_once(' ').unwrap().1)).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            let _ = keeper.kill();
            let _ = keeper.wait();
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

pub fn log_in(folder: &Path, job: &str) -> String {
    if !folder.is_dir() {
        return String::new();
    }
    let folder_of_logs = Folder::existing(folder).unwrap();
    let entries = folder_of_logs.entries().unwrap_or_default();
    let of_job = entries.iter().filter(|entry| entry.stem.job() == job);
    // A file may move on while we look.
    let texts = of_job.filter_map(|entry| fs::read(folder.join(entry.stem.file(entry.age))).ok());
    texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect()
}
