//! A small PID 1: five jobs, an engine, a store. It reads a line, does what it says, and answers with a line.

use std::{
    fs,
    io::{self, Write as _},
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use events::Time;
use init::{
    store::{Kept, Label, Progress, Resumption, State, Store, faults},
    sys::{
        alloc,
        exec::{self, Image},
        fault,
    },
};
use jobs::{
    Action, Engine, Exit, Input, Life, Origin, Pid, ProcessKind, Turn,
    formats::Source,
    load::{Content, FileKind, Tree, TreeFile},
};
use serde::{Deserialize, Serialize};

/// What the loop saves beside the engine.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Rest {
    processes: Vec<(u32, Life, ProcessKind)>,
}

struct Toy {
    engine: Engine,
    rest: Rest,
    store: Store,
    kept: Vec<Kept>,
    queue: Vec<Input>,
    /// How many actions the store says were done by an image before.
    replayed: u64,
}

/// Never comes back.
pub fn run() {
    fault::install();
    let mut toy = match exec::resume_descriptor() {
        None => begin(),
        Some(root) => go_on(root),
    };
    while let Some(line) = read_line() {
        let answer = toy.obey(&line);
        say(&answer);
    }
    std::process::exit(0);
}

fn now() -> Time {
    Time(fault::now())
}

fn begin() -> Toy {
    let store = Store::create().unwrap();
    store.arm();
    let toy = from(store);
    say("begun");
    toy
}

/// A toy that has its jobs, and nothing else.
fn from(store: Store) -> Toy {
    if let Some(plan) = exec::words().get(1) {
        faults::begin(plan.to_str().unwrap().parse().unwrap());
    }
    let mut toy = Toy {
        engine: Engine::new(),
        rest: Rest::default(),
        store,
        kept: Vec::new(),
        queue: Vec::new(),
        replayed: 0,
    };
    toy.turns(vec![Input::Reload { jobs: five_jobs(), refused: Vec::new() }]);
    toy
}

fn go_on(root: i32) -> Toy {
    let Resumption { store, past, kept, state } = Store::resume::<Rest>(root).unwrap();
    if matches!(state, State::Anew) {
        let toy = from(store);
        say(&format!("anew: {past}"));
        return toy;
    }
    let (engine, rest, queue) = (Engine::new(), Rest::default(), Vec::new());
    let mut toy = Toy { engine, rest, store, kept, queue, replayed: 0 };
    match state {
        State::On(restored) => {
            toy.engine = restored.engine;
            toy.rest = restored.rest;
            toy.replayed = restored.replayed.1;
            let skipped = match &restored.skipped {
                Some(skipped) => match &skipped.input {
                    Some(Input::Event { event, .. }) => format!("; left out {event}"),
                    Some(input) => format!("; left out {input:?}"),
                    None => format!("; left out turn {}", skipped.turn),
                },
                None => String::new(),
            };
            toy.take_stock();
            if let Some(open) = restored.interrupted {
                for (number, (action, progress)) in open.actions.into_iter().enumerate() {
                    toy.settle(number, action, progress, past.again);
                }
                toy.store.end_turn();
            }
            toy.store.snapshot(now(), &toy.engine, &toy.rest).unwrap();
            toy.turns(Vec::new());
            say(&format!("on: {past}{skipped}{}", if restored.lost { "; lost turns" } else { "" }));
        }
        State::Anew => (),
        State::Safe(why) => say(&format!("safe: {why:?}: {past}")),
    }
    toy
}

fn five_jobs() -> Vec<std::sync::Arc<jobs::Job>> {
    let file = |name: &str, text: &str| TreeFile {
        kind: FileKind::Native,
        layer: 0,
        rel: format!("{name}.ron"),
        path: format!("/{name}.ron"),
        content: Content::Text(Source { path: format!("/{name}.ron"), text: text.into(), executable: false }),
    };
    let text = "(start_on: \"go\", exec: \"sleep 1000\")";
    let mut files: Vec<TreeFile> =
        ["one", "two", "three", "four", "five"].map(|name| file(name, text)).into();
    files.push(file("deadly", "(start_on: \"doom\", exec: \"sleep 1000\")"));
    files.push(file("many", "(start_on: \"more\", instance: \"$N\", exec: \"sleep 1000\")"));
    let generation = jobs::load::load(&Tree::new(files), &Default::default());
    assert!(generation.refused.is_empty(), "{:?}", generation.reports);
    generation.jobs.into_iter().map(|described| std::sync::Arc::new(described.job)).collect()
}

impl Toy {
    fn obey(&mut self, line: &str) -> String {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "event" => {
                let event = rest.parse().unwrap();
                self.turns(vec![Input::Event { event, origin: Origin::World, reply: None }]);
                "done".into()
            }
            "events" => {
                let events = rest.split(", ").map(|event| Input::Event {
                    event: event.parse().unwrap(),
                    origin: Origin::World,
                    reply: None,
                });
                self.turns(events.collect());
                "done".into()
            }
            "pids" => {
                let mut pids: Vec<(String, u32)> = Vec::new();
                for status in self.engine.list() {
                    pids.extend(status.processes.iter().map(|(_, pid)| (status.job.to_string(), *pid)));
                }
                pids.iter().map(|(job, pid)| format!("{job}={pid}")).collect::<Vec<_>>().join(" ")
            }
            "alive" => {
                let alive = living();
                alive.len().to_string()
            }
            "replayed" => self.replayed.to_string(),
            "fault" => {
                faults::trigger(rest.parse().unwrap());
                "nothing happened".into()
            }
            "arm" => {
                faults::arm(rest.parse().unwrap());
                "armed".into()
            }
            "decode" => {
                let uid: u32 = rest.parse().unwrap();
                if self.store.is_closed(0, uid) {
                    return "closed".into();
                }
                self.store.decoding(0, uid);
                self.store.decoded();
                "decoded".into()
            }
            "keep" => {
                let fd = OwnedFd::from(fs::File::open(rest).unwrap());
                let place = self.kept.len() as u32;
                self.kept.push(Kept::new(fd, Label { role: 7, place, number: u64::MAX }));
                "kept".into()
            }
            "kept" => {
                let name = |kept: &Kept| {
                    use std::os::fd::{AsFd as _, AsRawFd as _};
                    let link = format!("/proc/self/fd/{}", kept.as_fd().as_raw_fd());
                    format!("{} {}", kept.label().place, fs::read_link(link).unwrap().display())
                };
                let mut names: Vec<String> = self.kept.iter().map(name).collect();
                names.sort();
                names.join(", ")
            }
            "open" => {
                let links = fs::read_dir("/proc/self/fd").unwrap();
                let name = |link: fs::DirEntry| fs::read_link(link.path()).unwrap().display().to_string();
                let mut names: Vec<String> = links.map(|link| name(link.unwrap())).collect();
                names.sort();
                names.join(", ")
            }
            "snapshot" => match self.store.snapshot(now(), &self.engine, &self.rest) {
                Ok(()) => "done".into(),
                Err(error) => error.to_string(),
            },
            "reexec" => {
                self.store.snapshot(now(), &self.engine, &self.rest).unwrap();
                self.store.execute_again().to_string()
            }
            "upgrade" => {
                self.store.snapshot(now(), &self.engine, &self.rest).unwrap();
                let path = std::ffi::CString::new(rest).unwrap();
                let image = match Image::at(&path) {
                    Ok(image) => image,
                    Err(error) => return error.to_string(),
                };
                self.store.execute(image).to_string()
            }
            "copy" => {
                self.store.snapshot(now(), &self.engine, &self.rest).unwrap();
                let copy = self.store.image().unwrap().copy().unwrap();
                self.store.execute(copy).to_string()
            }
            "image" => fs::read_link("/proc/self/exe").unwrap().display().to_string(),
            "settled" => {
                self.store.settled();
                "done".into()
            }
            "status" => fs::read_to_string("/proc/self/status").unwrap().lines().next().unwrap().into(),
            "short" => {
                alloc::deny(true);
                let taken = vec![1_u8; 10_000];
                let was_short = alloc::is_short();
                alloc::deny(false);
                drop(taken);
                format!("{was_short} {}", alloc::is_relieved())
            }
            "damage" => {
                damage(rest);
                "damaged".into()
            }
            "limit" => {
                limit_memory();
                while !alloc::is_short() {
                    vec![1_u8; 1_000].leak();
                }
                format!("short, and relieved: {}", alloc::is_relieved())
            }
            "gobble" => loop {
                vec![1_u8; 1_000].leak();
            },
            "kill" => {
                use nix::sys::signal::{Signal, kill};
                kill(nix::unistd::Pid::from_raw(rest.parse().unwrap()), Signal::SIGKILL).unwrap();
                "killed".into()
            }
            "send" => {
                use nix::sys::signal::{SigSet, Signal, raise};
                let signal = rest.parse::<Signal>().unwrap();
                SigSet::from(signal).thread_block().unwrap();
                raise(signal).unwrap();
                "sent".into()
            }
            "pending" => {
                let status = fs::read_to_string("/proc/self/status").unwrap();
                status.lines().find_map(|line| line.strip_prefix("SigPnd:\t")).unwrap().into()
            }
            "child" => child(rest),
            "words" => {
                let words = exec::words().iter().skip(1).map(|word| word.to_str().unwrap());
                words.collect::<Vec<_>>().join(" ")
            }
            "reap" => {
                self.reap();
                self.turns(Vec::new());
                "done".into()
            }
            other => format!("what is {other}?"),
        }
    }

    /// Turns until nothing is left to do.
    fn turns(&mut self, batch: Vec<Input>) {
        self.queue.extend(batch);
        while !self.queue.is_empty() {
            let turn = Turn { now: now(), batch: std::mem::take(&mut self.queue) };
            self.store.begin_turn(&turn);
            let actions = self.engine.step(self.store.watched(turn.batch), turn.now);
            self.store.stepped();
            for (number, action) in actions.into_iter().enumerate() {
                self.store.performing(number);
                self.perform(action);
                self.store.performed(number);
            }
            self.store.end_turn();
            if self.store.wants_snapshot(now()) {
                // The next try is the store's business.
                let _ = self.store.snapshot(now(), &self.engine, &self.rest);
            }
        }
    }

    fn perform(&mut self, action: Action) {
        if let Action::Spawn { life, process, job, .. } = action {
            if job.name.as_str() == "deadly" {
                faults::trigger(faults::Kind::Segv);
            }
            let child = Command::new("sleep")
                .arg("1000")
                .env("ONSET_LIFE", mark(life))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // The kernel closes what is closed on exec, which is what `spawn` waits for, before there is an
            // environment to be seen.
            while fs::read(format!("/proc/{}/environ", child.id())).is_ok_and(|bytes| bytes.is_empty()) {
                std::thread::yield_now();
            }
            self.spawned(child.id(), life, process);
        } else if let Action::KillAll { life } = action {
            self.queue.push(Input::Emptied { life });
        }
    }

    fn spawned(&mut self, pid: u32, life: Life, process: ProcessKind) {
        self.rest.processes.push((pid, life, process));
        self.queue.push(Input::Spawned { life, process, pid: Pid(pid) });
    }

    /// After a re-exec, an action of the turn that was under way.
    fn settle(&mut self, number: usize, action: Action, progress: Progress, again: u64) {
        match progress {
            Progress::Performed => {
                if let Action::Spawn { life, process, .. } = action {
                    let pid = find(life).unwrap();
                    self.spawned(pid, life, process);
                }
                return;
            }
            Progress::InDoubt => {
                if let Action::Spawn { life, process, .. } = &action {
                    if let Some(pid) = find(*life) {
                        self.spawned(pid, *life, *process);
                        self.store.performed(number);
                        return;
                    }
                    if again > 1 {
                        let why = "PID 1 died of it".into();
                        self.queue.push(Input::Unspawned { life: *life, process: *process, why });
                        self.store.performed(number);
                        return;
                    }
                }
            }
            Progress::NotBegun => (),
        }
        self.store.performing(number);
        self.perform(action);
        self.store.performed(number);
    }

    /// Which processes there are is asked of the world, and those that have ended were saved.
    fn take_stock(&mut self) {
        for (pid, life) in living() {
            if !self.rest.processes.iter().any(|(it, ..)| *it == pid) {
                self.rest.processes.push((pid, life, ProcessKind::Main));
            }
        }
    }

    fn reap(&mut self) {
        use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            let (pid, exit) = match status {
                WaitStatus::Exited(pid, code) => (pid, Exit::Code(code as u8)),
                WaitStatus::Signaled(pid, signal, _) => {
                    (pid, Exit::Signal(jobs::Signal::try_from(signal as i32 as u8).unwrap()))
                }
                WaitStatus::StillAlive
                | WaitStatus::Stopped(..)
                | WaitStatus::Continued(_)
                | WaitStatus::PtraceEvent(..)
                | WaitStatus::PtraceSyscall(_) => break,
            };
            let known = self.rest.processes.iter().position(|(it, ..)| *it == pid.as_raw() as u32);
            if let Some(place) = known {
                let (_, life, process) = self.rest.processes.remove(place);
                self.queue.push(Input::Exited { life, process, exit, left: false });
            }
        }
    }
}

/// A forked child dies; how that looks.
fn child(how: &str) -> String {
    use nix::sys::wait::{WaitStatus, waitpid};
    let (kind, is_marked) = match how.strip_prefix("marked ") {
        Some(kind) => (kind, true),
        None => (how, false),
    };
    // SAFETY: this process has one thread.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
            WaitStatus::Exited(_, code) => format!("exit {code}"),
            WaitStatus::Signaled(_, signal, _) => signal.to_string(),
            other => format!("{other:?}"),
        },
        nix::unistd::ForkResult::Child => {
            init::sys::spawn::IN_CHILD.store(is_marked, std::sync::atomic::Ordering::Relaxed);
            faults::trigger(kind.parse().unwrap());
            std::process::exit(0);
        }
    }
}

/// The second half of one of the store's files is not what it was.
fn damage(name: &str) {
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        if fs::read_link(&path).is_ok_and(|to| to.to_string_lossy().contains(name)) {
            let bytes = fs::read(&path).unwrap();
            let damaged: Vec<u8> = bytes[bytes.len() / 2..].iter().map(|byte| !byte).collect();
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &damaged, bytes.len() as u64 / 2).unwrap();
            return;
        }
    }
    panic!("there is no {name}");
}

/// No memory from now on, beyond what we have.
fn limit_memory() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let pages: u64 =
        fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
    let (_, most) = getrlimit(Resource::RLIMIT_AS).unwrap();
    setrlimit(Resource::RLIMIT_AS, pages * 4_096, most).unwrap();
}

fn mark(life: Life) -> String {
    format!("{}.{}", life.place, life.number)
}

/// The processes that were started for a life and have not ended.
fn living() -> Vec<(u32, Life)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let life = environ.split(|byte| *byte == 0).find_map(|it| it.strip_prefix(b"ONSET_LIFE="));
        if let Some(life) = life {
            let text = String::from_utf8_lossy(life).into_owned();
            let (place, number) = text.split_once('.').unwrap();
            let life = Life { place: place.parse().unwrap(), number: number.parse().unwrap() };
            all.push((pid, life));
        }
    }
    all
}

/// The process that was started for this life.
fn find(life: Life) -> Option<u32> {
    let expected = format!("ONSET_LIFE={}", mark(life)).into_bytes();
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.into_iter().find(|pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|it| it == expected)
    })
}

/// Byte by byte, so that nothing is lost in a buffer when we execute ourselves.
fn read_line() -> Option<String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match nix::unistd::read(io::stdin(), &mut byte) {
            Ok(0) => return None,
            Ok(_) if byte[0] == b'\n' => return Some(String::from_utf8(line).unwrap()),
            Ok(_) => line.push(byte[0]),
            Err(nix::errno::Errno::EINTR) => (),
            Err(error) => panic!("{error}"),
        }
    }
}

fn say(line: &str) {
    io::stdout().write_all(format!("{}\n", line.replace('\n', " ")).as_bytes()).unwrap();
}
