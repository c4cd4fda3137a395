//! What the engine keeps of jobs, instances and events.

use alloc::{boxed::Box, collections::BTreeMap, collections::VecDeque, sync::Arc, vec::Vec};

use events::{Args, Event, Identity, Key, Name, Text, Time, Value};
use serde::{Deserialize, Serialize};

use super::clock::{Limit, TimerId, UNKILLABLE};
use crate::encoding::differences;
use crate::{CauseId, Failing, Failure, Goal, Job, JobId, Life, Phase, Refusal, ReplyId, State, Verb};

/// An event's place in the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(pub u32);

/// An event that is not finished: in line, or waited for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LiveEvent {
    pub event: Arc<Event>,
    pub cause: CauseId,
    pub emitter: Emitter,
    /// Whether all conditions have seen it.
    pub handled: bool,
    /// Jobs that it concerned and that failed, the first so many.
    pub failed: Vec<Failing>,
    /// Instances whose goal it changed and that have not come there.
    pub blockers: Vec<u32>,
    /// Half-true Upstart conditions that keep it.
    pub holds: u32,
    /// When it is let go, whatever keeps it.
    pub let_go: Option<TimerId>,
}

/// Who waits for an event to be worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Emitter {
    Nobody,
    /// An instance, in `starting` or `stopping`.
    Hook(u32, u64),
    Client(ReplyId),
    /// A process inside the instance at this place.
    Inside(ReplyId, u32),
    /// The shutdown.
    Machine,
}

impl LiveEvent {
    pub const fn new(event: Arc<Event>, cause: CauseId, emitter: Emitter) -> Self {
        Self {
            event,
            cause,
            emitter,
            handled: false,
            failed: Vec::new(),
            blockers: Vec::new(),
            holds: 0,
            let_go: None,
        }
    }
}

/// A condition's memory: which leaves are true, and by which events.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tree {
    pub seen: u64,
    pub events: Vec<Seen>,
}

/// A leaf that is true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub leaf: u8,
    pub event: Arc<Event>,
    /// The event itself, if this leaf holds its emitter.
    pub held: Option<EventId>,
}

/// A job, and what is known of it across all its lives.
#[derive(Debug, Clone)]
pub struct Slot {
    pub job: Arc<Job>,
    /// Whether its file is gone: what lives lives on, nothing starts.
    pub gone: bool,
    /// Its start condition's memory.
    pub tree: Tree,
    /// Its instances by key, in order.
    pub instances: Vec<(Text, u32)>,
    /// Keys for which its `while` holds.
    pub levels: Vec<Text>,
    /// Start events kept for a `while` that does not hold, by key.
    pub kept: BTreeMap<Text, Request>,
    /// Instances to be looked at when something about this job changes.
    pub waiting: Vec<u32>,
    /// Whether it was ever started.
    pub started: bool,
    /// Whether its last life was a task that ended well.
    pub ended_well: bool,
    /// How often it started itself, since when.
    pub ring: (Time, u32),
    /// How its last life or last refused start went.
    pub last: Option<Box<Last>>,
    /// How many start events did nothing.
    pub dropped: u32,
}

// Most jobs of a machine have not started yet.
differences! {
    Slot,
    always(job),
    usual(Slot::new),
    fields(gone, tree, instances, levels, kept, waiting, started, ended_well, ring, last, dropped)
}

/// How a life, or a start that was refused, went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Last {
    pub time: Time,
    pub instance: Text,
    pub end: End,
    /// Why a process of it could not be executed, if that is how it ended.
    pub unspawned: Option<Text>,
    pub cause: CauseId,
}

/// How a life ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    Well,
    Failed(Failure),
    Refused(Refusal),
}

/// A wish that an instance be up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The variables that come with it.
    pub env: Args,
    /// The events' names, in the order of the condition.
    pub events: Vec<Name>,
    /// Events that wait until it is up.
    pub blocks: Vec<EventId>,
    /// What it comes from; owned.
    pub cause: CauseId,
    pub reply: Option<ReplyId>,
    pub force: bool,
    pub by: By,
}

/// Who wishes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    Event,
    Command,
    Level,
    Need,
}

/// One life after another of a job under one key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instance {
    pub job: Arc<Job>,
    pub slot: JobId,
    pub key: Text,
    /// The number of its present life.
    pub number: u64,
    pub goal: Goal,
    pub state: State,
    /// Variables that came with its start.
    pub env: Arc<Args>,
    /// Variables that came with its stop.
    pub stop_env: Args,
    /// What it was started by; owned.
    pub cause: CauseId,
    /// What it was stopped by; owned.
    pub stop_cause: CauseId,
    /// The first thing that went wrong in this life.
    pub result: Option<Failure>,
    /// Whether those who wait for its start have been let go.
    pub settled: bool,
    /// Whether it counts as up for others: also during its first respawn.
    pub up: bool,
    /// Since when it was up last.
    pub up_since: Time,
    /// Whether this life was up.
    pub reached: bool,
    /// Whether its start took longer than its settle limit.
    pub timed_out: bool,
    /// Whether its check said that it is not wanted.
    pub skipped: bool,
    /// The event it emitted and waits for.
    pub hook: Option<EventId>,
    /// Events that wait until it has reached its goal.
    pub blocks: Vec<EventId>,
    /// People who wait for it.
    pub waiters: Vec<(ReplyId, Verb)>,
    /// Its stop condition's memory.
    pub tree: Tree,
    pub timers: Vec<(Limit, TimerId)>,
    /// What is seldom there.
    pub rare: Option<Box<Rare>>,
    /// Events that its processes emitted and wait for.
    pub emits: Vec<EventId>,
}

/// What only few instances have.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Rare {
    /// The start that follows this life.
    pub pending: Option<Request>,
    /// Starts that follow further lives.
    pub queue: VecDeque<Request>,
    /// Since when, and how often, it came back.
    pub respawns: Option<(Time, u32)>,
    /// How long it waits before it comes back next.
    pub backoff: u32,
    /// Not before this time.
    pub not_before: Option<Time>,
    /// What the system has no room for.
    pub starved: Option<(crate::ProcessKind, Text, u32)>,
    /// Jobs that were started because this one needs them.
    pub asked: Vec<JobId>,
    /// Whether it was stopped because something that it needs went away.
    pub lost: bool,
    /// Waits that were given up to cut a ring.
    pub yielded: Vec<JobId>,
    /// Facts that its processes set.
    pub facts: Vec<(Name, Identity)>,
    /// Whether a person forced it.
    pub forced: bool,
    /// What it needs and cannot have.
    pub lacks: Option<Text>,
    /// Why a process of it could not be executed.
    pub unspawned: Option<Text>,
    /// How often this life has outlived KILL.
    pub outlived: u32,
    /// A file that has changed while it came up.
    pub changed: Option<super::changes::Changed>,
}

impl Slot {
    pub fn new(job: Arc<Job>) -> Self {
        Self {
            job,
            gone: false,
            tree: Tree::default(),
            instances: Vec::new(),
            levels: Vec::new(),
            kept: BTreeMap::new(),
            waiting: Vec::new(),
            started: false,
            ended_well: false,
            ring: (Time(0), 0),
            last: None,
            dropped: 0,
        }
    }

    pub fn place_of(&self, key: &str) -> Option<u32> {
        self.instances
            .binary_search_by(|(known, _)| known.as_str().cmp(key))
            .ok()
            .and_then(|at| self.instances.get(at))
            .map(|found| found.1)
    }

    pub fn add_instance(&mut self, key: Text, place: u32) {
        let at = self.instances.partition_point(|(known, _)| *known < key);
        self.instances.insert(at, (key, place));
    }

    /// The value of a variable in the job's own environment.
    pub fn class_value<'s>(job: &'s Job, name: &str) -> Option<&'s str> {
        job.env
            .iter()
            .rev()
            .find(|(key, _)| key.as_str() == name)
            .and_then(|(_, value)| value.as_ref())
            .map(Value::as_str)
    }
}

impl Instance {
    pub const fn life(&self, place: u32) -> Life {
        Life { place, number: self.number }
    }

    /// The value of a variable as the instance's processes will see it.
    pub fn value_of(&self, name: &str) -> Option<&str> {
        match name {
            "UPSTART_JOB" => Some(self.job.name.as_str()),
            "UPSTART_INSTANCE" => Some(self.key.as_str()),
            _ => last_value(&self.env, name).or_else(|| Slot::class_value(&self.job, name)),
        }
    }

    /// Whether a start of it is under way, or follows the stop that is.
    pub fn is_coming(&self) -> bool {
        match self.goal {
            Goal::Stop => false,
            Goal::Restart => !self.is_unkillable(),
            Goal::Start => !self.settled || self.comes_back(),
        }
    }

    /// Whether it is on its way down, and a start follows.
    pub fn comes_back(&self) -> bool {
        matches!(self.state.phase(), Phase::Stopping | Phase::Killed | Phase::PostStop)
            && self.rare().is_some_and(|rare| rare.pending.is_some())
    }

    /// Whether nothing has gone wrong in this life, and nobody has ended it early.
    pub fn goes_well(&self) -> bool {
        self.result.is_none() && !self.skipped && self.stop_cause == CauseId::NONE
    }

    /// Whether a process of this life outlives KILL: nobody can end it, so nobody waits for its end.
    pub fn is_unkillable(&self) -> bool {
        self.rare().is_some_and(|rare| rare.outlived >= UNKILLABLE)
    }

    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub fn rare(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }
}

/// Of two variables with one name the later counts in an environment.
pub fn last_value<'a>(env: &'a Args, name: &str) -> Option<&'a str> {
    env.iter().filter(|(key, _)| key.as_str() == name).last().map(|(_, value)| value.as_str())
}

/// Sets a variable that the engine itself knows the name of.
pub fn set(args: &mut Args, key: &str, value: &str) {
    if let (Ok(key), Ok(value)) = (Key::new(key), Value::new(value)) {
        args.push(key, value);
    }
}
