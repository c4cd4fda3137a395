//! All that a child needs, made before the fork: words, environment, descriptors and numbers.
//!
//! So the child only reads: it allocates nothing and decides nothing, and what cannot be made at all is known
//! before there is a process.

use std::{
    ffi::CString,
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
};

use events::{Args, Text};
use jobs::{Format, IoNice, Job, ProcessKind, Ready, Resource, Work};
use nix::fcntl::{FcntlArg, fcntl};

use super::{
    capabilities,
    step::{Names, Unmade},
    users::Room,
};
use crate::{
    pid1::works::Piece,
    sources::sockets::Given,
    sys::{steps::sealed, words::Words},
};

/// The descriptor on which a script of more than one line is read.
const SCRIPT: RawFd = 9;
/// The first descriptor of a socket that is handed over.
const FIRST_SOCKET: RawFd = 3;
/// Variables that nobody but the executor sets: a value that came from elsewhere would be believed.
const OURS: [&str; 8] = [
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "UPSTART_FDS",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "ONSET_LIFE",
];
/// The variable with what a script is told in place of `start`.
const VERB: &str = "RC_VERB";
/// Room for a pid that only the child knows.
const DIGITS: &str = "0000000000";

pub use crate::logs::Output;

/// What of the console a child takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// To write to, if there is one.
    Output,
    /// As its controlling terminal.
    Owner,
    /// The same, unless it is somebody's.
    Offered,
}

/// What the executor adds to what the job says.
#[derive(Debug, Default)]
pub struct Extra {
    /// The address of its notify socket.
    pub notify: Option<String>,
    /// Its sockets.
    pub given: Given,
    /// The descriptor that it is ready by: which one, and its number in the child.
    pub ready: Option<(OwnedFd, RawFd)>,
    /// How often it must say that it lives.
    pub watchdog: Option<std::time::Duration>,
    /// What its processes are known by where there are no cgroups.
    pub marker: Option<String>,
}

/// What the executor itself has, that every child needs.
#[derive(Debug)]
pub struct Base {
    /// Variables that every process gets, each once.
    pub environment: Vec<(String, String)>,
    /// The same for Upstart's jobs, which find Onset's commands by their names.
    pub upstart: Vec<(String, String)>,
    /// The same for rc.d scripts, which find the commands that they count on.
    pub scripts: Vec<(String, String)>,
    /// Those of them that nobody has set: PATH and TERM.
    pub own: Vec<(String, String)>,
    /// `/dev/null`.
    pub null: OwnedFd,
    /// The limit of descriptors that we were born with, if we have raised our own.
    pub nofile: Option<(u64, u64)>,
    /// The signals that we ignore, as bits.
    pub ignored: u64,
    /// Whether we have an `oom_score_adj` of our own, which children must not inherit.
    pub has_oom_score: bool,
    /// Whether the machine is booting.
    pub boots: bool,
}

/// All that a child needs.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) words: Words,
    pub(super) environment: Words,
    pub(super) programs: Vec<CString>,
    pub(super) places: Vec<(RawFd, RawFd)>,
    /// Whether what it writes to is a pipe of the job's own.
    pub(super) owns_output: bool,
    /// Descriptors to be closed, from one to another.
    pub(super) gaps: Vec<(RawFd, RawFd)>,
    pub(super) terminal: Option<Terminal>,
    pub(super) limits: Vec<(u32, Option<u64>, Option<u64>)>,
    pub(super) umask: u16,
    pub(super) nice: Option<i8>,
    pub(super) ionice: Option<(u8, u8)>,
    pub(super) oom: Option<i16>,
    pub(super) apparmor: Option<Text>,
    pub(super) chroot: Option<CString>,
    /// Where it begins, if that is not the root.
    pub(super) chdir: Option<CString>,
    pub(super) user: Option<Text>,
    pub(super) group: Option<Text>,
    pub(super) groups: Vec<Text>,
    pub(super) room: Option<Box<Room>>,
    pub(super) capabilities: Option<u64>,
    pub(super) no_new_privileges: bool,
    pub(super) signals: u64,
    pub(super) wants_pid: bool,
    /// Whether somebody may wait for its being executed: of what is over only with its end, nobody does.
    pub(super) is_awaited: bool,
    /// Descriptors that are the child's: closed here when it has been made.
    owned: Vec<OwnedFd>,
    /// What a fault is put into words with.
    pub(super) names: Names,
    /// Files of its cgroup and what is written to them.
    pub(super) cgroup: Vec<(Text, Text)>,
}

impl Plan {
    /// Whether the child may share our memory: it looks nobody up, opens nothing, and changes nothing that the kernel
    /// keeps for a memory as a whole. One with limits of its cgroup may not: whom the kernel kills for want of memory,
    /// it kills with everybody who shares his.
    #[must_use]
    pub const fn may_share(&self) -> bool {
        let is_plain = self.room.is_none() && self.terminal.is_none() && self.apparmor.is_none();
        is_plain && self.oom.is_none() && self.cgroup.is_empty()
    }

    /// Closes what was opened for the child: it has its own of each by now.
    pub(super) fn close(&mut self) {
        self.owned.clear();
    }

    /// The plan for a process of `job`; or why there can be none.
    pub fn new(
        (job, piece): (&Job, &Piece),
        instance: &Text,
        process: ProcessKind,
        env: &Args,
        output: Output,
        extra: Extra,
        base: &Base,
    ) -> Result<Self, Unmade> {
        let work = &piece.work;
        let command = work.processes.iter().find(|(kind, _)| *kind == process);
        let Some((_, command)) = command else {
            return Err(Unmade::Fault(format!("the job has no {process}")));
        };
        let mut argv = command.argv();
        match job.format {
            Format::Hook => {
                argv.extend(event_values(env).take(work.arguments.map_or(usize::MAX, usize::from)))
            }
            Format::Rcd | Format::Lsb => say_instead(&mut argv, process, env),
            Format::Native | Format::Upstart | Format::Inetd => {}
        }
        let first = command.program().or(argv.first().map(String::as_str));
        let Some(program) = first.filter(|program| !program.is_empty()).map(String::from) else {
            return Err(Unmade::Fault("exec: there is no command".into()));
        };
        let (environment, path) = environment((job, process), instance, env, &extra, base);
        let mut plan = Self {
            words: Words::new(argv.iter().map(String::as_bytes)),
            environment: Words::new(environment.iter().map(String::as_bytes)),
            programs: programs(&program, &path)?,
            places: Vec::with_capacity(4),
            owns_output: matches!(output, Output::Pipe(_)),
            gaps: Vec::with_capacity(6),
            terminal: None,
            limits: limits(work, base),
            umask: work.umask.unwrap_or(0o022),
            nice: work.nice,
            ionice: work.ionice.map(|priority| match priority {
                IoNice::Realtime(level) => (1, level),
                IoNice::Best(level) => (2, level),
                IoNice::Idle => (3, 0),
            }),
            oom: work.oom_score.or(base.has_oom_score.then_some(0)),
            apparmor: work.apparmor.as_ref().and_then(|it| it.switch.clone()),
            chroot: work.chroot.as_deref().map(c_text).transpose()?,
            chdir: work.chdir.as_deref().map(c_text).transpose()?,
            user: work.user.clone(),
            group: work.group.clone(),
            groups: work.groups.clone(),
            room: needs_room(work).then(Box::default),
            capabilities: None,
            no_new_privileges: work.no_new_privileges,
            signals: base.ignored,
            wants_pid: extra.watchdog.is_some() || !extra.given.listeners.is_empty(),
            is_awaited: process == ProcessKind::Main && !(job.task && job.ready == Ready::Spawned),
            owned: Vec::new(),
            names: Names::of(work, &program),
            cgroup: work.cgroup.clone(),
        };
        if let Some(names) = &work.capabilities {
            let set = capabilities::set(names);
            plan.capabilities =
                Some(set.map_err(|name| Unmade::Fault(format!("capabilities: there is no `{name}`")))?);
        }
        plan.place_all(command, output, extra, base)?;
        Ok(plan)
    }

    /// Says which descriptor goes where in the child.
    fn place_all(
        &mut self,
        command: &jobs::Command,
        output: Output,
        extra: Extra,
        base: &Base,
    ) -> Result<(), Unmade> {
        let null = base.null.as_raw_fd();
        let Given { listeners, standard, takes_errors } = extra.given;
        let standard = standard.map(|standard| self.own(standard));
        self.places.push((standard.unwrap_or(null), 0));
        let written = match output {
            Output::Null => null,
            Output::Pipe(pipe) => self.own(pipe),
            Output::Console => {
                self.terminal = Some(Terminal::Output);
                null
            }
            Output::Owner => {
                self.terminal = Some(Terminal::Owner);
                null
            }
            Output::Offered(pipe) => {
                self.terminal = Some(Terminal::Offered);
                self.own(pipe)
            }
        };
        let errors = standard.filter(|_| takes_errors).unwrap_or(written);
        self.places.extend([(standard.unwrap_or(written), 1), (errors, 2)]);
        for ((socket, _), target) in listeners.iter().zip(FIRST_SOCKET..) {
            self.places.push((*socket, target));
        }
        if let jobs::Command::Script(text) = command
            && text.trim_end_matches('\n').contains('\n')
        {
            let script = sealed(text.as_bytes()).map_err(|error| Unmade::by("script", &error))?;
            let script = self.own(script);
            self.places.push((script, SCRIPT));
        }
        if let Some((ready, target)) = extra.ready {
            let ready = self.own(ready);
            self.places.push((ready, target));
        }
        let mut targets: Vec<RawFd> = self.places.iter().map(|(_, target)| *target).collect();
        targets.sort_unstable();
        if let Some([twice, _]) = targets.array_windows().find(|[a, b]| a == b) {
            return Err(Unmade::Fault(format!("descriptors: {twice} is given out twice")));
        }
        self.lift(targets.last().copied().unwrap_or(2))
    }

    /// Sees to it that no descriptor stands where another is to go.
    fn lift(&mut self, last: RawFd) -> Result<(), Unmade> {
        let mut lifted: Vec<(RawFd, RawFd)> = Vec::new();
        for place in 0..self.places.len() {
            let Some(&(source, _)) = self.places.get(place).filter(|(source, _)| *source <= last) else {
                continue;
            };
            let above = match lifted.iter().find(|(low, _)| *low == source) {
                Some((_, above)) => *above,
                None => {
                    let above = lift(source, last).map_err(|error| Unmade::by("descriptors", &error))?;
                    let above = self.own(above);
                    lifted.push((source, above));
                    above
                }
            };
            if let Some((source, _)) = self.places.get_mut(place) {
                *source = above;
            }
        }
        Ok(())
    }

    fn own(&mut self, fd: OwnedFd) -> RawFd {
        let raw = fd.as_raw_fd();
        self.owned.push(fd);
        raw
    }

    /// Notes which descriptors are not the child's: all but those in their places and `kept`.
    pub(super) fn close_all_but(&mut self, kept: &[RawFd]) {
        let mut open: Vec<RawFd> =
            self.places.iter().map(|(_, target)| *target).chain(kept.iter().copied()).collect();
        open.sort_unstable();
        let mut next = 0;
        for fd in open {
            if fd > next {
                self.gaps.push((next, fd.saturating_sub(1)));
            }
            next = fd.saturating_add(1);
        }
        self.gaps.push((next, RawFd::MAX));
    }

    /// The highest descriptor that the child will have.
    pub(super) fn last_place(&self) -> RawFd {
        self.places.iter().map(|(_, target)| *target).max().unwrap_or(2)
    }
}

/// A duplicate of a descriptor at a number above `last`.
pub fn lift(fd: RawFd, last: RawFd) -> std::io::Result<OwnedFd> {
    let borrowed = crate::sys::spawn::borrowed(fd);
    let above = fcntl(borrowed, FcntlArg::F_DUPFD_CLOEXEC(last.saturating_add(1)))?;
    Ok(crate::sys::spawn::owned(above))
}

/// The values of an event's arguments, for a hook: not what says which events there were.
fn event_values(env: &Args) -> impl Iterator<Item = String> {
    let values = env.iter().filter(|(key, _)| key.as_str() != "UPSTART_EVENTS");
    values.map(|(_, value)| value.to_string())
}

/// The environment as `KEY=VALUE`, and where it says that programs are.
fn environment(
    (job, process): (&Job, ProcessKind),
    instance: &Text,
    env: &Args,
    extra: &Extra,
    base: &Base,
) -> (Vec<String>, String) {
    let own = |key: &str| std::env::var(key).ok();
    let common = match job.format {
        Format::Upstart => &base.upstart,
        Format::Rcd => &base.scripts,
        Format::Native | Format::Lsb | Format::Hook | Format::Inetd => &base.environment,
    };
    let mut variables = jobs::environment(job, instance, env, common, &own);
    variables.retain(|(key, _)| !OURS.contains(&key.as_str()));
    let path = variables.iter().find(|(key, _)| key == "PATH").map(|(_, path)| path.clone());
    let mut words: Vec<String> = variables.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    if job.format == Format::Rcd {
        // Who wants rc.conf to be read again, or the boot to be stopped, sends this process a signal.
        words.push(format!("RC_PID={}", std::process::id()));
        if base.boots && process == ProcessKind::Main {
            words.push("autoboot=yes".into());
        }
    }
    words.extend(extra.notify.iter().map(|address| format!("NOTIFY_SOCKET={address}")));
    words.extend(extra.marker.iter().map(|marker| format!("ONSET_LIFE={marker}")));
    if let Some(every) = extra.watchdog {
        words.push(format!("WATCHDOG_USEC={}", every.as_micros()));
        words.push(format!("WATCHDOG_PID={DIGITS}"));
    }
    let listeners = &extra.given.listeners;
    if !listeners.is_empty() {
        let names: Vec<&str> = listeners.iter().map(|(_, name)| name.as_str()).collect();
        words.push(format!("LISTEN_FDS={}", listeners.len()));
        words.push(format!("LISTEN_PID={DIGITS}"));
        words.push(format!("LISTEN_FDNAMES={}", names.join(":")));
        if job.format == Format::Upstart {
            let places: Vec<String> =
                (FIRST_SOCKET..).take(listeners.len()).map(|fd| fd.to_string()).collect();
            words.push(format!("UPSTART_FDS={}", places.join(" ")));
        }
    }
    (words, path.unwrap_or_default())
}

/// The words that a script is given in place of its usual verb, if who starts it has said some.
fn say_instead(argv: &mut Vec<String>, process: ProcessKind, env: &Args) {
    let usual = match process {
        ProcessKind::Main => "start",
        ProcessKind::Stop => "stop",
        ProcessKind::Check
        | ProcessKind::Configure
        | ProcessKind::PreStart
        | ProcessKind::PostStart
        | ProcessKind::PreStop
        | ProcessKind::PostStop
        | ProcessKind::Reload
        | ProcessKind::Status => return,
    };
    // The last that was said counts: that for the stop comes behind that for the start.
    let said = env.iter().filter(|(key, _)| key.as_str() == VERB).map(|(_, value)| value.as_str()).last();
    let words = said.filter(|words| words.split(' ').next().is_some_and(|verb| verb.ends_with(usual)));
    // A script that looks at no verb is given none.
    if let Some(words) = words.filter(|_| argv.len() == 2) {
        argv.truncate(1);
        argv.extend(words.split_whitespace().map(String::from));
    }
}

/// The files that a program may be: itself if it is a path, otherwise one in each directory of PATH.
fn programs(program: &str, path: &str) -> Result<Vec<CString>, Unmade> {
    if program.contains('/') {
        return Ok(vec![c_text(program)?]);
    }
    let folders = path.split(':').map(|folder| if folder.is_empty() { "." } else { folder });
    folders.map(|folder| c_text(&format!("{folder}/{program}"))).collect()
}

fn limits(work: &Work, base: &Base) -> Vec<(u32, Option<u64>, Option<u64>)> {
    let said = work.limits.iter().map(|(resource, limit)| (number(*resource), limit.soft, limit.hard));
    let has_own = work.limits.iter().any(|(resource, _)| *resource == Resource::Nofile);
    let born = base.nofile.filter(|_| !has_own);
    let born = born.map(|(soft, hard)| (number(Resource::Nofile), Some(soft), Some(hard)));
    said.chain(born).collect()
}

fn number(resource: Resource) -> u32 {
    match resource {
        Resource::As => libc::RLIMIT_AS,
        Resource::Core => libc::RLIMIT_CORE,
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::Fsize => libc::RLIMIT_FSIZE,
        Resource::Memlock => libc::RLIMIT_MEMLOCK,
        Resource::Msgqueue => libc::RLIMIT_MSGQUEUE,
        Resource::Nice => libc::RLIMIT_NICE,
        Resource::Nofile => libc::RLIMIT_NOFILE,
        Resource::Nproc => libc::RLIMIT_NPROC,
        Resource::Rss => libc::RLIMIT_RSS,
        Resource::Rtprio => libc::RLIMIT_RTPRIO,
        Resource::Sigpending => libc::RLIMIT_SIGPENDING,
        Resource::Stack => libc::RLIMIT_STACK,
    }
}

const fn needs_room(work: &Work) -> bool {
    work.user.is_some() || work.group.is_some() || !work.groups.is_empty()
}

fn c_text(text: &str) -> Result<CString, Unmade> {
    CString::new(text).map_err(|_| Unmade::Fault(format!("exec: a zero byte in `{}`", text.escape_debug())))
}

/// Which descriptor a job is ready by.
#[must_use]
pub fn ready_descriptor(job: &Job) -> Option<RawFd> {
    match job.ready {
        Ready::Fd(number) => Some(number.into()),
        Ready::Spawned
        | Ready::Forked
        | Ready::Stopped
        | Ready::Notify
        | Ready::Pidfile(_)
        | Ready::Path(_)
        | Ready::Socket => None,
    }
}
