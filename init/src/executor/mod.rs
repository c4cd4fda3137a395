//! Makes processes, watches over them and ends them: does the engine's actions, and reports back as inputs.
//!
//! # A process, from the wish to its end
//!
//! 1. [`Executor::spawn`] puts it in line, where it waits until fewer than [`AT_ONCE`] children are being set up.
//! 2. [`Executor::make`] makes a [`Plan`]: all that the child needs, before there is one. Nothing is opened for it
//!    before that: each child is given, and closes, a copy of every descriptor that PID 1 has.
//! 3. `launch` makes its group and the copy. The child sets itself up (`child`) and executes its program.
//! 4. The end of the status pipe says how that went: `Spawned`, or `Unspawned` with the step at fault.
//! 5. `ready` hears when main says that it is up, in whatever way the job has chosen.
//! 6. `reap` takes note of ends. What cannot be attributed is an orphan, and only reaped.
//!
//! # What is true of a life
//!
//! - Its processes are those in its groups; a group is removed as soon as it is empty.
//! - Reports about it come in order: of a process, `Spawned` before `Exited`; `Emptied` last.
//! - `Exited` with `left` is followed by `Emptied` when nothing is left, and so is every `KillAll`.
//! - A child is ours to reap, so that its number is its own until we have done so. Only a main process that
//!   is not our child needs a pidfd to be known by.

pub mod capabilities;
pub mod child;
mod found;
mod groups;
mod launch;
mod life;
mod message;
mod noted;
mod notify;
mod oom;
pub mod plan;
mod ready;
mod reap;
mod records;
pub mod remarks;
pub mod sessions;
mod slab;
pub mod step;
mod stop;
pub mod tree;
pub mod users;

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    os::fd::OwnedFd,
    path::Path,
};

use events::{Args, Time};
use jobs::{Exit, Input, Life, ProcessKind};
use nix::{
    fcntl::{FcntlArg, OFlag, fcntl, open},
    sys::{
        inotify::{InitFlags, Inotify, WatchDescriptor},
        resource::{Resource, getrlimit, setrlimit},
        stat::Mode,
    },
};

use crate::{
    pid1::{shell::Shell, token::Token, works::Piece},
    sources::sockets::Given,
    store::{Kept, Label},
    sys::{
        child::ignored_signals,
        ledger::Ledger,
        poll::{Interest, Ready, Registration},
        steps::Steps,
        twin::{self, Room},
    },
};
use groups::Group;
use launch::SetUp;
pub use launch::Start;
use life::Body;
use noted::{Noted, What};
pub use plan::Output;
use plan::{Base, Plan};
pub use records::Records;
use slab::Slab;
use step::Unmade;
use tree::Tree;

/// How many children are set up at once. One that takes longer than a second does not count any more.
///
/// It must be enough that a slow disk always has something to read. More of them cost time: each child is given, and
/// closes, what PID 1 has open for all others.
pub const AT_ONCE: usize = 32;
/// How many ends are taken note of in one turn.
pub const REAP_QUOTA: usize = 256;
/// How many descriptors are held back for when there are no more.
const RESERVE: usize = 16;
/// How many of them one process may need.
const LENT: usize = 8;

/// Makes processes, watches over them and ends them.
#[derive(Debug)]
pub struct Executor {
    tree: Option<Tree>,
    clone3: bool,
    /// Whether children may share our memory until they execute.
    shares: bool,
    /// What such children work on.
    errands: BTreeMap<i32, Box<child::Errand>>,
    rooms: Vec<Room>,
    pidfd: bool,
    base: Base,
    /// How far set-ups have come. The next image finds it by the descriptor.
    steps: (Steps, Kept),
    /// What has been found out, for the case that it is lost on its way.
    ledger: Ledger,
    ledger_kept: Kept,
    inotify: Option<(Inotify, Registration)>,
    /// By their number.
    lives: BTreeMap<u64, Body>,
    /// Which life a process of ours belongs to.
    pids: BTreeMap<i32, u64>,
    /// Processes in line.
    queue: VecDeque<Start>,
    /// Children whose set-up is under way; their place is also that of their step.
    set_ups: Slab<SetUp>,
    /// Lives by the place of the descriptor that their main is ready by.
    ready_fds: Slab<u64>,
    /// Lives that have a socket for messages, by its place.
    voices: Slab<u64>,
    /// Lives whose main is not our child, by the place of its pidfd.
    strangers: Slab<u64>,
    /// Lives that want to be looked at, and when.
    due: BTreeMap<u64, Time>,
    /// Lives by what inotify calls a watch for them.
    watches: BTreeMap<WatchDescriptor, u64>,
    /// Groups of lives that are over, which are not empty yet.
    dying: VecDeque<Group>,
    reserve: Vec<OwnedFd>,
    /// Whether a process could not be made for want of descriptors since as many as should be were held back.
    is_short: bool,
    warnings: Vec<String>,
    /// What was said already, and need not be again.
    warned: Vec<String>,
    /// Ends of processes that belong to no job.
    others: Vec<(i32, Exit)>,
    /// Groups that an earlier image has left, until the life is looked at that they belong to.
    found_groups: Vec<(u64, Group)>,
    /// Processes that the engine had asked for and that were there after all.
    found: Vec<(u64, ProcessKind)>,
    /// Those that were not there.
    asked: Vec<(Life, ProcessKind)>,
    /// How many processes the kernel has killed for want of memory, when it was last looked.
    oom_kills: u64,
}

impl Executor {
    /// An executor without processes, which has looked what the kernel can do and moved PID 1 to its place below
    /// `cgroups`, where cgroup v2 is mounted.
    pub fn new(shell: &mut Shell<'_>, cgroups: &Path) -> std::io::Result<Self> {
        let without = shell.options.without;
        let mut warnings = Vec::new();
        // Where children begin.
        nix::unistd::chdir("/")?;
        let tree = if without.cgroup2 {
            None
        } else {
            Tree::new(cgroups).map_err(|e| warnings.push(format!("no cgroups: {e}"))).ok()
        };
        let (steps, steps_fd) = Steps::new()?;
        let (ledger, ledger_fd) = Ledger::new()?;
        let label = |role| Label { role, place: 0, number: 0 };
        let inotify = watch_files(shell).map_err(|error| warnings.push(format!("inotify: {error}"))).ok();
        let mut executor = Self {
            tree,
            clone3: !without.clone3,
            shares: twin::prepare(),
            errands: BTreeMap::new(),
            rooms: Vec::new(),
            pidfd: !without.pidfd,
            base: base()?,
            steps: (steps, Kept::new(steps_fd, label(records::STEPS))),
            ledger,
            ledger_kept: Kept::new(ledger_fd, label(records::LEDGER)),
            inotify,
            lives: BTreeMap::new(),
            pids: BTreeMap::new(),
            queue: VecDeque::new(),
            set_ups: Slab::default(),
            ready_fds: Slab::default(),
            voices: Slab::default(),
            strangers: Slab::default(),
            due: BTreeMap::new(),
            watches: BTreeMap::new(),
            dying: VecDeque::new(),
            reserve: Vec::new(),
            is_short: false,
            warnings,
            warned: Vec::new(),
            others: Vec::new(),
            found_groups: Vec::new(),
            found: Vec::new(),
            asked: Vec::new(),
            oom_kills: 0,
        };
        executor.oom_kills = oom::all_kills();
        executor.hold_back();
        Ok(executor)
    }

    /// Puts a process in line. What becomes of it is reported: `Spawned`, `Unspawned` or `Starved`.
    pub fn spawn(&mut self, start: Start) {
        let body = || Body::new(start.life, &start.job, &start.instance);
        let body = self.lives.entry(start.life.number).or_insert_with(body);
        body.in_line = body.in_line.saturating_add(1);
        self.queue.push_back(start);
    }

    /// Whether somebody is in line, and one more may be set up now: what makes room need not be what is waited for.
    #[must_use]
    pub fn has_next(&self, now: Time) -> bool {
        !self.queue.is_empty() && self.has_room(now)
    }

    /// The next one in line, if one more may be set up now: the caller sees to it that it is made.
    #[must_use]
    pub fn next(&mut self, now: Time) -> Option<Start> {
        if self.queue.is_empty() {
            self.drop_spare_rooms();
        }
        let start = if self.has_next(now) { self.queue.pop_front() } else { None }?;
        if let Some(body) = self.lives.get_mut(&start.life.number) {
            body.in_line = body.in_line.saturating_sub(1);
        }
        Some(start)
    }

    /// Makes a process whose turn it is, with the sockets that it is given; `false` if that must be tried again, since
    /// the system has too little of something.
    pub fn make(
        &mut self,
        shell: &mut Shell<'_>,
        start: &Start,
        piece: &Piece,
        output: Output,
        given: Result<Given, Unmade>,
    ) -> bool {
        let Start { life, process, ref job, ref instance, ref env } = *start;
        if let Some(body) = self.lives.get_mut(&life.number) {
            body.again(job, &piece.work, process);
        }
        let plan = self
            .extra(shell, life, job, given, process)
            .and_then(|extra| Plan::new((job, piece), instance, process, env, output, extra, &self.base));
        let is_made = match plan {
            Ok(mut plan) => self.launch_or_tell(shell, life, process, &mut plan),
            Err(unmade) => self.unmade(shell, life, process, unmade),
        };
        self.hold_back();
        is_made
    }

    /// Something that the executor waits for is ready.
    pub fn ready(&mut self, shell: &mut Shell<'_>, token: Token, ready: Ready) {
        let _ = ready;
        // Only these are ours.
        if let Token::Notify(place) = token {
            self.notified(shell, place);
        } else if let Token::Status(place) = token {
            self.status(shell, place);
        } else if let Token::ReadyFd(place) = token {
            self.ready_fd(shell, place);
        } else if let Token::PidFd(place) = token {
            self.stranger_ended(shell, place);
        } else if token == Token::Inotify {
            self.files_changed(shell);
        }
    }

    /// When [`Executor::tick`] wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let stuck = if self.queue.is_empty() { None } else { self.next_stuck() };
        let lost = self.asked.first().map(|_| Time::default());
        let unheard = self.next_unheard();
        self.due.values().copied().chain(stuck).chain(lost).chain(unheard).min()
    }

    /// Does what is due.
    pub fn tick(&mut self, shell: &mut Shell<'_>) {
        self.ask_for_lost(shell);
        self.hear_late(shell);
        self.hold_back();
        let now = shell.now;
        let due: Vec<u64> =
            self.due.iter().filter(|(_, time)| **time <= now).map(|(life, _)| *life).collect();
        for number in due {
            self.due.remove(&number);
            self.look_at(shell, number);
        }
        self.bury();
    }

    /// The life that a process belongs to, by its group.
    #[must_use]
    pub fn life_of_pid(&self, pid: i32) -> Option<Life> {
        let number = match &self.tree {
            Some(tree) => tree.life_of(pid).map(|(number, _)| number),
            None => self.life_of_marked(pid),
        };
        self.lives.get(&number?).map(|body| body.life)
    }

    /// Ends of processes that belong to no job, since the last call.
    pub fn take_others(&mut self) -> Vec<(i32, Exit)> {
        std::mem::take(&mut self.others)
    }

    /// How many processes wait to be made.
    #[must_use]
    pub fn in_line(&self) -> usize {
        self.queue.len()
    }

    /// What people should know and no job is to blame for, since the last call.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Holds descriptors back, as many as can be had.
    fn hold_back(&mut self) {
        if self.reserve.len() >= RESERVE {
            return;
        }
        while self.reserve.len() < RESERVE {
            let Ok(fd) = self.base.null.try_clone() else { return };
            self.reserve.push(fd);
        }
        self.is_short = false;
    }

    /// Gives some of what is held back for the process that is to be made, if there was a lack of descriptors: a
    /// job that is to come back must not wait for clients to go.
    pub fn make_room(&mut self) {
        if self.is_short {
            self.reserve.truncate(self.reserve.len().saturating_sub(LENT));
        }
    }

    /// Notes what cannot be found out again.
    fn note(&self, life: u64, pid: i32, what: What) {
        self.ledger.note(Noted { life, pid, what }.word());
    }

    /// Whether the machine is booting, so that scripts are told.
    pub const fn set_booting(&mut self, boots: bool) {
        self.base.boots = boots;
    }

    /// Which variables every process gets from now on besides PATH and TERM; those that were set before and are not
    /// among these are given no longer.
    pub fn set_variables(&mut self, set: &Args) {
        let set = set.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let set: Vec<(String, String)> = set.collect();
        let own = self.base.own.iter().filter(|(key, _)| set.iter().all(|(other, _)| other != key));
        self.base.environment = own.cloned().chain(set.iter().cloned()).collect();
        self.base.upstart = with_names(&self.base.environment);
        self.base.scripts = with_commands(&self.base.environment);
    }

    /// Tells why there is no process; `false` if there may be one in a while.
    fn unmade(&mut self, shell: &mut Shell<'_>, life: Life, process: ProcessKind, unmade: Unmade) -> bool {
        let is_final = matches!(unmade, Unmade::Fault(_));
        self.is_short |= unmade == Unmade::Starved("descriptors");
        let input = match unmade {
            Unmade::Starved(what) => Input::Starved { life, process, what: what.into() },
            Unmade::Fault(why) => Input::Unspawned { life, process, why: why.into() },
        };
        shell.report(input);
        is_final
    }
}

/// Where programs are looked for, if nobody says otherwise.
pub const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin";
/// Where the commands that other inits have, too, are Onset's.
const NAMES: &str = "/usr/lib/onset/bin";

/// The same variables for Upstart's jobs, whose scripts call `start`, `initctl` and their like: beside another init
/// these must be ours. Who sets PATH means it.
fn with_names(variables: &[(String, String)]) -> Vec<(String, String)> {
    let mut variables = variables.to_vec();
    if Path::new(NAMES).is_dir()
        && let Some((_, path)) = variables.iter_mut().find(|(key, path)| key == "PATH" && path == SEARCH)
    {
        *path = format!("{NAMES}:{SEARCH}");
    }
    variables
}

/// Where the commands are that rc.d scripts count on, and Linux does not have.
pub const COMMANDS: &str = "/usr/lib/onset/rc/bin";

/// The same variables for rc.d scripts, which find these commands behind those of the system.
fn with_commands(variables: &[(String, String)]) -> Vec<(String, String)> {
    let mut variables = variables.to_vec();
    if let Some((_, path)) = variables.iter_mut().find(|(key, path)| key == "PATH" && path == SEARCH) {
        *path = format!("{SEARCH}:{COMMANDS}");
    }
    variables
}

/// What every child needs of us.
fn base() -> std::io::Result<Base> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    // Out of the way of what children are given.
    let null = fcntl(&null, FcntlArg::F_DUPFD_CLOEXEC(32)).map_or(null, crate::sys::spawn::owned);
    let terminal = std::env::var("TERM").unwrap_or_else(|_| "linux".into());
    let score = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    let own: Vec<(String, String)> = vec![("PATH".into(), SEARCH.into()), ("TERM".into(), terminal)];
    Ok(Base {
        upstart: with_names(&own),
        scripts: with_commands(&own),
        environment: own.clone(),
        own,
        null,
        nofile: raise_own_limit(),
        // SIGPIPE in any case: the standard library may have it ignored at any time.
        ignored: ignored_signals() | 1 << 12,
        has_oom_score: !matches!(score.trim(), "" | "0"),
        boots: false,
    })
}

/// Lets us have as many descriptors as there may be; what the limit was before is what children get.
fn raise_own_limit() -> Option<(u64, u64)> {
    let born = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let most = fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    let most = most.unwrap_or(born.1).max(born.1);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, most, most)
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, born.1, born.1));
    raised.is_ok().then_some(born)
}

fn watch_files(shell: &mut Shell<'_>) -> std::io::Result<(Inotify, Registration)> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let registration = shell.poll.add(&inotify, Interest::Read, Token::Inotify)?;
    Ok((inotify, registration))
}

/// Sends a signal to a process, or with a negative number to a group. One that is gone needs none.
fn kill(pid: i32, signal: u8) {
    if pid != 0 && pid != -1 {
        crate::sys::wait::kill(pid, signal);
    }
}
