//! What one file describes, whatever its format: the part that the engine decides by.
//!
//! How the processes are made (argv, limits, users) is [`Work`](crate::Work), which nothing here looks at.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use events::{Condition, Key, Match, MatchKey, Name, Pattern, Template, Text, Value, Want};
use serde::{Deserialize, Serialize};

use crate::{Exit, ProcessSet, Signal, WorkId};

/// How long after its start began those who wait for a job go on without it, if the job says nothing else.
pub const SETTLE: Duration = Duration::from_secs(90);
/// How long a job has between its stop signal and KILL, if it says nothing else.
pub const KILL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the stop verb of an rc.d or LSB script may take.
pub const STOP_VERB_LIMIT: Duration = Duration::from_secs(90);

/// The event that tells of a change of a file that a job lives by.
const FILE_CHANGED: Name = Name::constant("file-changed");
/// Its argument that says which.
const FILE: Key = Key::constant("FILE");
/// The most files that `reload_on` and `restart_on` may name together.
pub const MAX_CHANGES: usize = 64;

/// A job: when it starts and stops, whom it waits for, how it lives. One file describes one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name, unique among all formats.
    pub name: Name,
    /// The language of the file it came from.
    pub format: Format,
    /// What sort of thing it is, for people.
    pub kind: Kind,
    /// How high its file's folder is: of two, the higher counts.
    pub layer: u8,
    /// Names that others may require. A native or Upstart job provides its own name besides.
    pub provides: Box<[Provide]>,
    /// Names that must have settled before it starts: order only.
    pub requires: Box<[Require]>,
    /// Names whose providers wait until this job has settled.
    pub before: Box<[Name]>,
    /// The order at stop, where the format has one of its own; otherwise it is the reverse of the start.
    pub stop_order: Option<Box<StopOrder>>,
    /// What must be up while it runs.
    pub needs: Box<[Need]>,
    /// rc.d's KEYWORDs and the like.
    pub keywords: Box<[Name]>,
    /// The modes in which it may run; none means all.
    pub modes: Box<[Name]>,
    /// The events that start it.
    pub start_on: Option<Condition>,
    /// The events that stop it.
    pub stop_on: Option<Condition>,
    /// The facts that it runs along with (`while`).
    pub holds_while: Option<Condition>,
    /// Whether it starts by itself.
    pub start: StartMode,
    /// The name of an instance; a job without one has at most one instance.
    pub instance: Option<Template>,
    /// What a start event does to an instance that is up already.
    pub again: Again,
    /// Variables of all its processes; without a value, init's own is taken.
    pub env: Box<[(Key, Option<Value>)]>,
    /// Variables that its four events carry.
    pub export: Box<[Key]>,
    /// Which processes it has.
    pub processes: ProcessSet,
    /// Whether it is done when its main process has ended.
    pub task: bool,
    /// What tells that it is up.
    pub ready: Ready,
    /// How it comes back when it ends by itself.
    pub respawn: Option<Respawn>,
    /// Ends that count as good besides status 0.
    pub normal_exit: Box<[Exit]>,
    /// How it is ended.
    pub kill: Kill,
    /// The signal that makes it read its configuration again, if it has no reload command.
    pub reload_signal: Signal,
    /// Files whose change makes it read its configuration again.
    pub reload_on: Box<[Text]>,
    /// Files whose change has it started anew.
    pub restart_on: Box<[Text]>,
    /// How long others wait for its start, from when it is held no longer.
    pub settle: Duration,
    /// When a start that has not come to its end is given up; `None` for never. That of a task ends with the task.
    pub start_timeout: Option<Duration>,
    /// Whether its end is the end of the container that it is the purpose of.
    pub is_purpose: bool,
    /// Of all jobs that name the same turn one goes at a time, in the order in which they were started.
    pub turn: Option<Name>,
    /// What happens when it starts, and is waited for before it is up.
    pub announces: Option<Box<Announcement>>,
    /// Where to find how its processes are made. A job whose commands change is another job.
    pub work: WorkId,
}

/// The language that a job was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Format {
    /// Onset's own, RON.
    Native,
    /// Upstart's `.conf`.
    Upstart,
    /// A script of FreeBSD's or NetBSD's rc.d.
    Rcd,
    /// A script with an LSB header in init.d.
    Lsb,
    /// A program in a hook directory.
    Hook,
    /// A line of inetd.conf.
    Inetd,
}

/// What sort of thing a job is, for people and lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    System,
    Network,
    #[default]
    Service,
    User,
    Helper,
}

/// A name that others may require.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provide {
    /// The name.
    pub name: Name,
    /// How long after boot it counts as coming although nothing has started it yet.
    pub expected: Option<Duration>,
}

/// A name that must have settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Require {
    /// The name of a provision or job.
    pub name: Name,
    /// How long after boot it counts as coming although nothing has started it yet.
    pub expected: Option<Duration>,
    /// Whether it goes without saying that nobody may provide it (LSB's Should-Start, `+name`).
    pub optional: bool,
}

/// Something that must be up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The name of a job or provision.
    pub name: Name,
    /// Which instance of the job.
    pub args: Box<[(Key, Template)]>,
    /// Whether we stop at once when it dies, instead of when it is not back at its first respawn.
    pub bounce: bool,
}

/// An event of a job's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The event.
    pub name: Name,
    /// Its arguments, with variables of the job.
    pub args: Box<[(Key, Template)]>,
}

impl core::fmt::Display for Announcement {
    /// As it is written in a file.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.name)?;
        self.args.iter().try_for_each(|(key, value)| write!(f, " {key}={}", value.as_str()))
    }
}

/// An order at stop that is not the reverse of the start (LSB's stop headers).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopOrder {
    /// What must stay up until this job is down (Required-Stop, Should-Stop).
    pub before: Box<[Name]>,
    /// What must be down before this job stops (X-Stop-After).
    pub after: Box<[Name]>,
}

/// Whether a job starts by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartMode {
    /// Yes, on its events and facts.
    #[default]
    Automatic,
    /// Only when a person, or a job that needs it, says so.
    Manual,
    /// Not at all; why (an rcvar that is off, a keyword, a mask).
    Disabled(Text),
}

/// What a start event does to an instance that is up already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Again {
    /// Nothing.
    #[default]
    Ignore,
    /// Starts it once more when it is down.
    Queue,
    /// Stops it and starts it with the new event.
    Restart,
    /// Stops it and starts it when no further event has come for so long.
    Coalesce(Duration),
}

/// What tells that a job is up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// Its program has been executed.
    #[default]
    Spawned,
    /// The process that was spawned has ended and left a daemon behind.
    Forked,
    /// It has stopped itself with SIGSTOP.
    Stopped,
    /// It has said READY=1 to `NOTIFY_SOCKET`.
    Notify,
    /// It has written a newline to this descriptor.
    Fd(u8),
    /// A pid is in this file.
    Pidfile(Text),
    /// This path exists.
    Path(Text),
    /// Its sockets are listened to, so it is up from the first on.
    Socket,
}

/// How a job comes back when it ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Respawn {
    /// How often within `within`; 0 for without end.
    pub limit: u32,
    /// The window, from its first respawn on; 0 for without end.
    pub within: Duration,
    /// How long to wait before the first respawn; doubled for each further one.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

/// How a job is ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// The first signal.
    pub signal: Signal,
    /// How long until KILL.
    pub timeout: Duration,
    /// Whether only main is ended and what it started is left alone (ssh, cron, getty).
    pub leave: bool,
    /// How long all jobs that say so may take together when the machine goes down: rc.d's scripts.
    pub together: Option<Duration>,
}

impl Default for Kill {
    fn default() -> Self {
        Self { signal: Signal::TERM, timeout: KILL_TIMEOUT, leave: false, together: None }
    }
}

impl Default for Respawn {
    fn default() -> Self {
        Self {
            limit: 10,
            within: Duration::from_secs(5),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
        }
    }
}

impl Job {
    /// A job that does nothing yet: to be filled by whoever reads a file.
    #[must_use]
    pub fn new(name: Name, format: Format) -> Self {
        Self {
            name,
            format,
            kind: Kind::default(),
            layer: 0,
            provides: Box::default(),
            requires: Box::default(),
            before: Box::default(),
            stop_order: None,
            needs: Box::default(),
            keywords: Box::default(),
            modes: Box::default(),
            start_on: None,
            stop_on: None,
            holds_while: None,
            start: StartMode::default(),
            instance: None,
            again: Again::default(),
            env: Box::default(),
            export: Box::default(),
            processes: ProcessSet::default(),
            task: false,
            ready: Ready::default(),
            respawn: None,
            normal_exit: Box::default(),
            kill: Kill::default(),
            reload_signal: Signal::HUP,
            reload_on: Box::default(),
            restart_on: Box::default(),
            settle: SETTLE,
            start_timeout: None,
            is_purpose: false,
            turn: None,
            announces: None,
            work: WorkId::default(),
        }
    }

    /// The changes of files that it lives by: those of `reload_on`, and then those of `restart_on`.
    pub fn changes(&self) -> impl Iterator<Item = Pattern> {
        self.reload_on.iter().chain(&self.restart_on).map(|path| {
            let file =
                Match { key: MatchKey::Named(FILE), negated: false, want: Want::Literal(path.clone()) };
            Pattern::new(FILE_CHANGED, Vec::from([file]))
        })
    }

    /// Whether it is a script that is older than rc.d's verbs, and knows `start` and `stop` alone.
    #[must_use]
    pub fn is_old_script(&self) -> bool {
        use crate::formats::rcd::old;
        let stands_for_it = || self.provides.iter().any(|provide| provide.name == old::LOCALPKG);
        self.format == Format::Rcd && old::is_old_name(&self.name) && stands_for_it()
    }

    /// All names under which others may require it: what it says it provides, and, unless it is a script
    /// whose header alone counts, its own name.
    pub fn provided_names(&self) -> impl Iterator<Item = &Name> {
        let own = matches!(self.format, Format::Native | Format::Upstart | Format::Hook | Format::Inetd);
        let own = own && self.provides.iter().all(|provide| provide.name != self.name);
        self.provides.iter().map(|provide| &provide.name).chain(own.then_some(&self.name))
    }
}
