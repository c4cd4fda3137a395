//! A PID 1 that has an executor and nothing else, in namespaces of its own: each test is run again there, once
//! for each way in which the kernel may be used.

use std::{collections::BTreeMap, os::fd::AsFd as _, path::Path, process::Command as Program, sync::Arc};

use events::{Args, Bus, Name, Text, Time};
use init::{
    executor::{Executor, Output, REAP_QUOTA, Start},
    pid1::{options::Options, options::Without, shell::Shell, token::Token, works::Piece},
    sources::sockets::Sockets,
    sys::poll::{Interest, Poll},
};
use jobs::{Command, Engine, Exit, Format, Input, Job, Life, Pid, ProcessKind, Ready, Signal, Work};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout},
    sys::{
        signal::{SigSet, Signal as NixSignal},
        signalfd::{SfdFlags, SignalFd},
    },
    time::{ClockId, clock_gettime},
};

/// How long something may take before the test is called failed.
const BOUND: u64 = 30_000;

/// Every way in which the kernel may be used.
pub const ALL: &[&str] = &["", "clone3", "cgroup2", "pidfd"];
/// Those with cgroups.
pub const WITH_CGROUPS: &[&str] = &["", "clone3"];
/// The usual one.
pub const USUAL: &[&str] = &[""];

/// A test: played as PID 1 of namespaces of its own, once for each of `ways`, by what of the kernel is not used.
pub struct Test {
    pub name: &'static str,
    pub ways: &'static [&'static str],
    pub run: fn(&mut Machine),
}

impl Test {
    /// Plays it here. We are PID 1.
    pub fn play(&self, without: &str) {
        let without = Without {
            clone3: without.contains("clone3"),
            cgroup2: without.contains("cgroup2"),
            pidfd: without.contains("pidfd"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async { (self.run)(&mut Machine::new(without)) });
    }

    /// Has it played, in every way; what went wrong.
    pub fn order(&self) -> Result<(), String> {
        for way in self.ways {
            let own = std::env::current_exe().unwrap();
            let output = Program::new("sh")
                .args(["-c", include_str!("namespace.sh"), "sh", own.to_str().unwrap(), self.name, way])
                .output()
                .unwrap();
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
                return Err(format!("without `{way}`: {}\n{said}", output.status));
            }
        }
        Ok(())
    }
}

/// PID 1, as far as it makes processes.
pub struct Machine {
    poll: Poll<Token>,
    bus: Bus<Input>,
    options: Options,
    children: SignalFd,
    executor: Option<Executor>,
    pub sockets: Sockets,
    pub seen: Vec<Input>,
    lives: u64,
    /// How processes are made, by life.
    pieces: BTreeMap<(u64, ProcessKind), Piece>,
    /// What a job has written, and a place for files.
    pub folder: String,
}

impl Machine {
    fn new(without: Without) -> Self {
        let mask = SigSet::from_iter([NixSignal::SIGCHLD]);
        mask.thread_block().unwrap();
        let children = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).unwrap();
        let mut poll = Poll::new().unwrap();
        let _ = poll.add(children.as_fd(), Interest::Read, Token::Signals).unwrap();
        let folder = std::env::var("TEST_FOLDER").unwrap();
        let options = Options { without, ..Options::default() };
        let mut machine = Self {
            poll,
            bus: Bus::new(100_000),
            options,
            children,
            executor: None,
            sockets: Sockets::default(),
            seen: Vec::new(),
            lives: 0,
            pieces: BTreeMap::new(),
            folder,
        };
        let cgroups = format!("{}/cgroup", machine.folder);
        let executor = Executor::new(&mut machine.shell(), Path::new(&cgroups)).unwrap();
        machine.executor = Some(executor);
        machine
    }

    pub fn now() -> Time {
        let time = clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap();
        Time(time.tv_sec() as u64 * 1000 + time.tv_nsec() as u64 / 1_000_000)
    }

    fn shell(&mut self) -> Shell<'_> {
        Shell { poll: &mut self.poll, bus: &mut self.bus, now: Self::now(), options: &self.options }
    }

    /// The next image of PID 1 goes on: what was on its way to the engine is lost.
    pub fn again(&mut self, engine: &Engine) {
        let old = self.executor.take().unwrap();
        let records = postcard::to_allocvec(&old.records()).unwrap();
        let kept = old.into_kept();
        assert!(kept.iter().all(|kept| Executor::wants(kept.label())));
        self.poll = Poll::new().unwrap();
        let _ = self.poll.add(self.children.as_fd(), Interest::Read, Token::Signals).unwrap();
        self.bus.take(usize::MAX);
        self.seen.clear();
        let cgroups = format!("{}/cgroup", self.folder);
        let records = postcard::from_bytes(&records).unwrap();
        let executor = Executor::resume(&mut self.shell(), Path::new(&cgroups), records, kept, engine);
        self.executor = Some(executor.unwrap());
        // As the loop does: the signal may be gone, the children are not.
        while self.with(|executor, shell| executor.reap(shell, REAP_QUOTA)) {}
    }

    /// Something done by the executor.
    pub fn with<R>(&mut self, act: impl FnOnce(&mut Executor, &mut Shell<'_>) -> R) -> R {
        let mut executor = self.executor.take().unwrap();
        let result = act(&mut executor, &mut self.shell());
        self.executor = Some(executor);
        result
    }

    pub fn executor(&self) -> &Executor {
        self.executor.as_ref().unwrap()
    }

    /// A life of a job that has not had one yet.
    pub fn life(&mut self) -> Life {
        self.lives += 1;
        Life { place: 7, number: self.lives }
    }

    /// Makes a process, with its output in `out` in the folder.
    pub fn spawn(&mut self, life: Life, process: ProcessKind, job: &Arc<Job>, work: &Work, env: &str) {
        let piece = Piece { work: work.clone(), path: "/etc/onset/jobs/test.ron".into() };
        let env = Arc::new(Args::parse(env.split_whitespace()).unwrap());
        let start = Start { life, process, job: job.clone(), instance: Text::from(""), env };
        self.pieces.insert((life.number, process), piece);
        self.with(|executor, _| executor.spawn(start));
        self.make_processes();
    }

    fn make_processes(&mut self) {
        while let Some(start) = self.with(|executor, _| executor.next(Self::now())) {
            let piece = self.pieces[&(start.life.number, start.process)].clone();
            let out = format!("{}/out", self.folder);
            let out = std::fs::File::options().append(true).create(true).open(out).unwrap();
            let output = Output::Pipe(out.into());
            let mut sockets = std::mem::take(&mut self.sockets);
            self.with(|executor, shell| {
                let Start { job, instance, process, .. } = &start;
                let given = sockets.give(shell, job, instance, &piece.work, *process);
                executor.make(shell, &start, &piece, output, given)
            });
            self.sockets = sockets;
        }
    }

    /// Starts main of a new life.
    pub fn start(&mut self, job: &Arc<Job>, work: &Work) -> Life {
        let life = self.life();
        self.spawn(life, ProcessKind::Main, job, work, "");
        life
    }

    /// Starts `script` as main of a new life that is ready by `ready`.
    pub fn run(&mut self, ready: Ready, script: &str) -> Life {
        self.start(&job(ready), &work(script))
    }

    /// One turn of the loop: waits until something is ready, and hears it in the order of tokens.
    pub fn turn(&mut self, until: Time) {
        let now = Self::now();
        let deadline = self.executor().deadline().unwrap_or(until).min(until);
        let wait = deadline.since(now).as_millis() as u16;
        let mut fds = [PollFd::new(self.poll.as_fd(), PollFlags::POLLIN)];
        nix::poll::poll(&mut fds, PollTimeout::from(wait)).unwrap();
        let mut ready = self.poll.look();
        ready.sort_by_key(|(token, _)| *token);
        for (token, what) in ready {
            if token == Token::Signals {
                while self.children.read_signal().unwrap().is_some() {}
                while self.with(|executor, shell| executor.reap(shell, REAP_QUOTA)) {}
            } else {
                self.with(|executor, shell| executor.ready(shell, token, what));
            }
        }
        if self.executor().deadline().is_some_and(|deadline| deadline <= Self::now()) {
            self.with(|executor, shell| executor.tick(shell));
        }
        self.make_processes();
        self.seen.extend(self.bus.take(usize::MAX));
    }

    /// Lets the loop go on until an input about a life comes that is meant, and takes it with all before it.
    #[track_caller]
    pub fn until(&mut self, what: &str, life: Life, is_meant: impl Fn(&Input) -> bool) -> Vec<Input> {
        let end = Self::now().after(std::time::Duration::from_millis(BOUND));
        loop {
            self.seen.extend(self.bus.take(usize::MAX));
            let is_of = |input: &Input| life_of(input) == Some(life);
            if let Some(at) = self.seen.iter().position(|input| is_of(input) && is_meant(input)) {
                let (of, rest) = self.seen.drain(..=at).partition(is_of);
                let after = std::mem::replace(&mut self.seen, rest);
                self.seen.extend(after);
                return of;
            }
            assert!(Self::now() < end, "{what} does not come; seen: {:#?}", self.seen);
            self.turn(end);
        }
    }

    /// Waits until something holds, and hears nothing meanwhile.
    #[track_caller]
    pub fn until_so_alone(&mut self, what: &str, is_so: impl Fn() -> bool) {
        let end = Self::now().after(std::time::Duration::from_millis(BOUND));
        while !is_so() {
            assert!(Self::now() < end, "it never is so that {what}");
            nix::poll::poll(&mut [], PollTimeout::from(10_u16)).unwrap();
        }
    }

    /// Lets the loop go on until something holds.
    #[track_caller]
    pub fn until_so(&mut self, what: &str, is_so: impl Fn() -> bool) {
        let end = Self::now().after(std::time::Duration::from_millis(BOUND));
        while !is_so() {
            assert!(Self::now() < end, "it never is so that {what}; seen: {:#?}", self.seen);
            let soon = Self::now().after(std::time::Duration::from_millis(10));
            self.turn(soon.min(end));
        }
    }

    #[track_caller]
    pub fn spawned(&mut self, life: Life) -> i32 {
        let inputs = self
            .until("spawned", life, |input| matches!(input, Input::Spawned { .. } | Input::Unspawned { .. }));
        match inputs.last().unwrap() {
            Input::Spawned { pid: Pid(pid), .. } => *pid as i32,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn unspawned(&mut self, life: Life) -> String {
        let inputs = self.until("unspawned", life, |input| {
            matches!(input, Input::Spawned { .. } | Input::Unspawned { .. })
        });
        match inputs.last().unwrap() {
            Input::Unspawned { why, .. } => why.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// How a process of a life ended, and whether others are left.
    #[track_caller]
    pub fn exited(&mut self, life: Life, kind: ProcessKind) -> (Exit, bool) {
        let inputs = self.until(
            "exited",
            life,
            |input| matches!(input, Input::Exited { process, .. } if *process == kind),
        );
        match inputs.last().unwrap() {
            Input::Exited { exit, left, .. } => (*exit, *left),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn main_exited(&mut self, life: Life) -> (Exit, bool) {
        self.exited(life, ProcessKind::Main)
    }

    #[track_caller]
    pub fn emptied(&mut self, life: Life) -> Vec<Input> {
        self.until("emptied", life, |input| matches!(input, Input::Emptied { .. }))
    }

    /// Which process is main, as the life says when it is ready.
    #[track_caller]
    pub fn is_ready(&mut self, life: Life) -> Option<i32> {
        let inputs = self.until("ready", life, |input| matches!(input, Input::Ready { .. }));
        match inputs.last().unwrap() {
            Input::Ready { main, .. } => main.map(|Pid(pid)| pid as i32),
            other => panic!("{other:?}"),
        }
    }

    pub fn signal(&mut self, life: Life, signal: &str) {
        let signal: Signal = signal.parse().unwrap();
        self.with(|executor, shell| executor.signal(shell, life, signal));
    }

    pub fn kill_all(&mut self, life: Life) {
        self.with(|executor, shell| executor.kill_all(shell, life));
    }

    pub fn forget(&mut self, life: Life) {
        self.with(|executor, shell| executor.forget(shell, life));
    }

    /// Runs a script to its end, which must be a good one, and gives what it wrote.
    #[track_caller]
    pub fn said(&mut self, job: &Arc<Job>, work: &Work) -> String {
        let out = format!("{}/out", self.folder);
        let _ = std::fs::remove_file(&out);
        let life = self.start(job, work);
        assert_eq!(self.main_exited(life), (Exit::Code(0), false));
        self.forget(life);
        std::fs::read_to_string(out).unwrap()
    }

    /// A file of the folder; empty if it is not there.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(format!("{}/{name}", self.folder)).unwrap_or_default()
    }

    /// Whether a file is there and complete.
    #[track_caller]
    pub fn await_line(&mut self, name: &str) -> String {
        let path = format!("{}/{name}", self.folder);
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        self.until_so(name, || read().ends_with('\n'));
        read().trim().into()
    }

    /// How many processes there are beside us.
    pub fn others(&self) -> usize {
        others()
    }

    /// Every cgroup of a life.
    pub fn groups(&self) -> Vec<String> {
        let entries =
            std::fs::read_dir(format!("{}/cgroup/job", self.folder)).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.path().is_dir());
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }
}

/// The life that a report is about.
pub fn life_of(input: &Input) -> Option<Life> {
    match input {
        Input::Spawned { life, .. }
        | Input::Unspawned { life, .. }
        | Input::Starved { life, .. }
        | Input::Exited { life, .. }
        | Input::Ready { life, .. }
        | Input::Emptied { life } => Some(*life),
        _ => None,
    }
}

/// How many processes there are beside us.
pub fn others() -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != 1).count()
}

pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

pub fn job(ready: Ready) -> Arc<Job> {
    named("test", ready)
}

pub fn named(name: &str, ready: Ready) -> Arc<Job> {
    let mut job = Job::new(Name::new(name).unwrap(), Format::Native);
    job.ready = ready;
    Arc::new(job)
}

/// What says something through the notify socket, as words of a shell.
pub fn say(message: &str) -> String {
    format!("{} say '{message}'", std::env::current_exe().unwrap().display())
}

/// A work whose main runs this line with `/bin/sh -c`.
pub fn work(script: &str) -> Work {
    let words = ["/bin/sh", "-c", script].map(String::from).into();
    Work { processes: vec![(ProcessKind::Main, Command::Argv(words))], ..Work::default() }
}

/// A work whose main executes these words.
pub fn exec(words: &[&str]) -> Work {
    let words = words.iter().map(|&word| word.into()).collect();
    Work { processes: vec![(ProcessKind::Main, Command::Argv(words))], ..Work::default() }
}
