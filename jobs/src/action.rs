//! What must be done in the world, as plain data.

use alloc::{string::String, sync::Arc, vec::Vec};

use core::time::Duration;

use events::{Args, Event, Name, Pattern, Text, Time};
use serde::{Deserialize, Serialize};

use crate::{CauseId, Failure, Job, Life, ProcessKind, ReplyId, Shutdown, Signal};

/// What must be done in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a process.
    Spawn {
        /// For which life.
        life: Life,
        /// The job as this life knows it.
        job: Arc<Job>,
        /// The instance's name; empty if the job has only one.
        instance: Text,
        /// Which of its processes.
        process: ProcessKind,
        /// The variables that came with the start (and, for stop hooks, with the stop); later ones win.
        env: Arc<Args>,
        /// What it comes from.
        because: CauseId,
    },
    /// Send a signal to main's process group or, if main is not known, to all processes of the life.
    Signal {
        /// Of which life.
        life: Life,
        /// Which signal.
        signal: Signal,
    },
    /// Send main, and nobody beside it, the signal at which it reads its configuration again; if main is not known,
    /// all processes of the life.
    SignalMain {
        /// Of which life.
        life: Life,
        /// Which signal.
        signal: Signal,
    },
    /// Kill one process beside main, with all that it started.
    KillHook {
        /// Of which life.
        life: Life,
        /// Which process.
        process: ProcessKind,
    },
    /// Kill every process of a life, also those beside main and those that were asked for before. When none
    /// is left, at once if none was there, [`Input::Emptied`](crate::Input::Emptied) is owed.
    KillAll {
        /// Which life.
        life: Life,
    },
    /// Move what is left of a life aside and leave it alone.
    Leave {
        /// Which life.
        life: Life,
    },
    /// A life is over: nothing that is named after it is needed any more.
    Forget {
        /// Which life.
        life: Life,
    },
    /// Watch what a pattern names (`file`, `socket`, `calendar`, `path`).
    Watch(Pattern),
    /// Watch it no longer.
    Unwatch(Pattern),
    /// Call again at this time, or, if there is none, when something happens.
    Wake(Option<Time>),
    /// Call again at once: there is more to do than one turn may take.
    Again,
    /// Answer somebody who waits.
    Reply(ReplyId, Outcome),
    /// An event is being worked off: for those who look on.
    Tell(Arc<Event>),
    /// Something that people should know.
    Note(Note),
    /// All jobs are down: end what is left, and the machine.
    Down(Shutdown),
}

/// How it went, for somebody who waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// As wished.
    Done,
    /// There is no such job.
    UnknownJob,
    /// There is no such instance of it.
    UnknownInstance(Text),
    /// It is up already.
    AlreadyRunning,
    /// It is down already.
    AlreadyStopped,
    /// A variable that its instance's name has was not given.
    MissingVariable(Text),
    /// It was not done, and why.
    Refused(Refusal),
    /// The job failed.
    Failed(Failure),
    /// Jobs that the event concerned failed.
    EventFailed(Vec<Failing>),
    /// Somebody stopped it before it was up.
    Stopped,
    /// The one who waited would have waited for itself.
    LetGo,
}

/// A job that failed at what an event asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// The job.
    pub job: Name,
    /// Which instance of it.
    pub instance: Text,
    /// How.
    pub failure: Failure,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The machine goes down.
    ShuttingDown,
    /// The job is switched off; why.
    Disabled(Text),
    /// A variable that its instance's name has did not come with the event.
    Variable(Text),
    /// It does not run in this mode.
    Mode(Text),
    /// Its `while` does not hold; the leaf that is missing.
    While(String),
    /// It starts itself again and again; the ring.
    Ring(String),
    /// Instances live that an earlier version of its file named in another way.
    OldInstances,
    /// It has as many instances as it may have.
    TooManyInstances,
    /// It has no reload signal to send to, since nothing of it runs.
    NothingToReload,
    /// What it needs is not to be had.
    Needs(String),
    /// Its check says that it is not wanted.
    Skipped,
}

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Which job; none if it is about the machine as a whole.
    pub job: Option<Name>,
    /// Which instance of it.
    pub instance: Text,
    /// What.
    pub what: Notice,
}

/// What people should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It ended badly.
    Failed(Failure),
    /// A process could not be executed.
    Unspawned(ProcessKind, String),
    /// It has ended by itself and comes back after this time.
    ComesBack(Duration),
    /// Those who wait for it go on without it.
    StartTimedOut,
    /// It did not stop in its time, and what is left of it is killed.
    StopTimedOut,
    /// Its stop verb is over, and what is left of it is left alone, though some of it may be the daemon itself.
    LeftAlone,
    /// Its start was refused.
    Refused(Refusal),
    /// Waits formed a ring, and this one was let go.
    RingCut(String),
    /// An event waited too long for the rest of its condition, and was let go.
    LetGo(String),
    /// The system has no room for its process.
    Starved(String),
    /// A file that it lives by has changed: it reads that again, or is started anew.
    FileChanged {
        /// Which.
        path: String,
        /// Whether it is started anew.
        restarts: bool,
    },
    /// Its check says that it is not wanted.
    Skipped,
}
