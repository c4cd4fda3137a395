//! The life of an instance, as one total table of states and cues.
//!
//! ```text
//! waiting -> held -> [check] -> starting -> [configure] -> pre-start -> spawned -> post-start -> running
//! running -> pre-stop -> stopping -> killed -> post-stop -> waiting (or held again: respawn, restart)
//! ```
//!
//! A state carries what holds in it and nothing else: which process is under way, what is known of main.
//! [`State::next`] says what a cue does; it starts no process, arms no timer and emits no event. That is
//! done on entering a phase, by the engine, in one place. Two rules are behind most lines:
//!
//! - A step that has begun is waited for. A goal that changes meanwhile counts when the step ends; where
//!   the step is a process, it then has a limited time to end.
//! - Main may end at any time. If something else is under way, that main has ended is kept, and counts
//!   when the step ends.

mod table;

use serde::{Deserialize, Serialize};

use crate::{Exit, ProcessKind};

/// A process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pid(pub u32);

/// Where an instance shall go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Goal {
    /// Up, and to stay up.
    Start,
    /// Down.
    Stop,
    /// Down, and then up again.
    Restart,
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Nothing.
    Waiting,
    /// Waiting for what must come first. `untold` if an earlier life's end has not been told (`stopped`).
    Held {
        /// Whether `stopped` is still owed for the life before.
        untold: bool,
    },
    /// Its check looks whether it is wanted.
    Check(Hook),
    /// Its `starting` event is worked off.
    Starting,
    /// Its configuration is rendered.
    Configure(Hook),
    /// Its pre-start process runs.
    PreStart(Hook),
    /// Its main process was asked for and is not ready.
    Spawned(Main),
    /// Its post-start process runs.
    PostStart(Main, Hook),
    /// It is up.
    Running(Main),
    /// Its pre-stop process runs.
    PreStop(Main, Hook),
    /// Its `stopping` event is worked off.
    Stopping(Main),
    /// Its processes are being ended.
    Killed(Main, Ending),
    /// Its post-stop process runs.
    PostStop(Hook),
}

/// A process beside main.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Hook {
    /// Asked for.
    Asked,
    /// Running.
    Alive(Pid),
}

/// What is known of main.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Main {
    /// There is none, and nothing of it is left.
    None,
    /// Asked for.
    Asked,
    /// Running.
    Alive(Pid),
    /// Processes of it are there, and which of them is main is not known.
    Group,
    /// Ended; `left` if processes that it started are still there.
    Ended {
        /// How; `None` if nobody could see it.
        exit: Option<Exit>,
        /// Whether processes that it started are still there.
        left: bool,
    },
}

/// How processes are being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ending {
    /// By the job's own stop verb.
    Verb(Hook),
    /// By the stop signal.
    Signal,
    /// By KILL.
    Kill,
}

/// A state without what it carries: what `status` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in State")]
pub enum Phase {
    Waiting,
    Held,
    Check,
    Starting,
    Configure,
    PreStart,
    Spawned,
    PostStart,
    Running,
    PreStop,
    Stopping,
    Killed,
    PostStop,
}

/// What may happen to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cue {
    /// Its goal is start now.
    Start,
    /// Its goal is stop (or restart) now.
    Stop,
    /// Nothing holds it any more.
    Freed,
    /// Its `starting` or `stopping` event has been worked off.
    HookDone,
    /// A process of it was executed.
    Spawned(ProcessKind, Pid),
    /// A process of it could not be executed, by the job's own fault.
    Unspawned(ProcessKind),
    /// A process of it ended; the flag says whether others are left.
    Exited(ProcessKind, Exit, bool),
    /// It said that it is ready, or which process is main.
    Ready(Option<Pid>),
    /// No process of it is left.
    Emptied,
    /// A process beside main has had its time.
    HookTimeout,
    /// The stop signal or verb has had its time.
    KillTimeout,
    /// The start has had its time.
    StartTimeout,
}

/// Why a life did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Failure {
    /// A process ended badly.
    Ended(ProcessKind, Exit),
    /// A process could not be executed.
    Unspawned(ProcessKind),
    /// Main ended well, but before it was ready.
    EndedEarly,
    /// It came back too often.
    Respawn,
    /// It was not ready in time.
    StartTimeout,
    /// A process beside main did not end in time.
    HookTimeout(ProcessKind),
    /// Something that it needs is not to be had.
    Needs,
    /// A process of it outlives KILL: the kernel holds it.
    Unkillable,
}

/// What a cue does.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing more than this.
    Stay(State),
    /// On to this phase, with main as it is.
    Go(Phase, Main),
    /// On to `stopping`, because main is gone by itself. The engine says whether it comes back.
    MainEnded(Main, Option<Exit>),
    /// Main is gone by itself while another step is under way.
    MainEndedMeanwhile(State, Exit),
    /// On to this phase, because something failed; the goal is stop from now on.
    Fail(Phase, Main, Failure),
    /// Not wanted: back to waiting without any event.
    Skip,
    /// Down; the flag says whether `stopped` is to be told.
    Down(bool),
    /// Wait for those who must stop first, then [`Cue::Freed`].
    Drain,
    /// The process under way gets this state's time to end, and is then killed.
    Hurry(State),
    /// Something failed and the goal is stop from now on, but the process that was asked for is waited for:
    /// what is not there yet cannot be ended.
    Doom(State, Failure),
    /// The process beside main is killed.
    KillHook(State, Option<Failure>),
    /// All processes are killed.
    KillAll(State),
}

use Hook::Asked;
use Main as M;
use ProcessKind as P;
use State as S;

impl State {
    /// The state without what it carries.
    #[must_use]
    pub const fn phase(self) -> Phase {
        match self {
            S::Waiting => Phase::Waiting,
            S::Held { .. } => Phase::Held,
            S::Check(_) => Phase::Check,
            S::Starting => Phase::Starting,
            S::Configure(_) => Phase::Configure,
            S::PreStart(_) => Phase::PreStart,
            S::Spawned(_) => Phase::Spawned,
            S::PostStart(..) => Phase::PostStart,
            S::Running(_) => Phase::Running,
            S::PreStop(..) => Phase::PreStop,
            S::Stopping(_) => Phase::Stopping,
            S::Killed(..) => Phase::Killed,
            S::PostStop(_) => Phase::PostStop,
        }
    }

    /// What is known of main.
    #[must_use]
    pub const fn main(self) -> Main {
        match self {
            S::Spawned(main)
            | S::PostStart(main, _)
            | S::Running(main)
            | S::PreStop(main, _)
            | S::Stopping(main)
            | S::Killed(main, _) => main,
            S::Waiting
            | S::Held { .. }
            | S::Check(_)
            | S::Starting
            | S::Configure(_)
            | S::PreStart(_)
            | S::PostStop(_) => M::None,
        }
    }

    /// The process beside main, and which it is.
    #[must_use]
    pub const fn hook(self) -> Option<(ProcessKind, Hook)> {
        match self {
            S::Check(hook) => Some((P::Check, hook)),
            S::Configure(hook) => Some((P::Configure, hook)),
            S::PreStart(hook) => Some((P::PreStart, hook)),
            S::PostStart(_, hook) => Some((P::PostStart, hook)),
            S::PreStop(_, hook) => Some((P::PreStop, hook)),
            S::Killed(_, Ending::Verb(hook)) => Some((P::Stop, hook)),
            S::PostStop(hook) => Some((P::PostStop, hook)),
            S::Waiting
            | S::Held { .. }
            | S::Starting
            | S::Spawned(_)
            | S::Running(_)
            | S::Stopping(_)
            | S::Killed(_, Ending::Signal | Ending::Kill) => None,
        }
    }

    /// Whether this process was asked for, and nothing was heard of it yet.
    #[must_use]
    pub fn asked_for(self, process: ProcessKind) -> bool {
        (self == S::Spawned(M::Asked) && process == P::Main) || self.hook() == Some((process, Asked))
    }

    /// The state in which a phase begins.
    #[must_use]
    pub const fn entering(phase: Phase, main: Main) -> Self {
        match phase {
            Phase::Waiting => S::Waiting,
            Phase::Held => S::Held { untold: false },
            Phase::Check => S::Check(Asked),
            Phase::Starting => S::Starting,
            Phase::Configure => S::Configure(Asked),
            Phase::PreStart => S::PreStart(Asked),
            Phase::Spawned => S::Spawned(M::Asked),
            Phase::PostStart => S::PostStart(main, Asked),
            Phase::Running => S::Running(main),
            Phase::PreStop => S::PreStop(main, Asked),
            Phase::Stopping => S::Stopping(main),
            Phase::Killed => S::Killed(main, Ending::Signal),
            Phase::PostStop => S::PostStop(Asked),
        }
    }
}

impl Main {
    /// Whether a process of it may be alive.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        match self {
            M::Alive(_) | M::Group | M::Ended { left: true, .. } => true,
            M::None | M::Asked | M::Ended { left: false, .. } => false,
        }
    }

    /// Its pid, if it is known.
    #[must_use]
    pub const fn pid(self) -> Option<Pid> {
        match self {
            M::Alive(pid) => Some(pid),
            M::None | M::Asked | M::Group | M::Ended { .. } => None,
        }
    }

    /// The same when its pid has become known.
    const fn named(self, pid: Option<Pid>) -> Self {
        match (self, pid) {
            (M::Asked | M::Alive(_) | M::Group | M::None, Some(pid)) => M::Alive(pid),
            (M::Ended { left: true, .. }, Some(pid)) => M::Alive(pid),
            (main, _) => main,
        }
    }

    /// The same when nothing is left of it.
    const fn emptied(self) -> Self {
        match self {
            M::Ended { exit, .. } => M::Ended { exit, left: false },
            M::Group => M::Ended { exit: None, left: false },
            M::None | M::Asked | M::Alive(_) => self,
        }
    }
}

impl Goal {
    /// `start` or `stop`, as in `start/running`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop | Self::Restart => "stop",
        }
    }
}

impl Phase {
    /// Its name, as `status` prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Check => "check",
            Self::Starting => "starting",
            Self::Configure => "configure",
            Self::PreStart => "pre-start",
            Self::Spawned => "spawned",
            Self::PostStart => "post-start",
            Self::Running => "running",
            Self::PreStop => "pre-stop",
            Self::Stopping => "stopping",
            Self::Killed => "killed",
            Self::PostStop => "post-stop",
        }
    }

    /// The process that belongs to the phase.
    #[must_use]
    pub const fn process(self) -> Option<ProcessKind> {
        match self {
            Self::Check => Some(P::Check),
            Self::Configure => Some(P::Configure),
            Self::PreStart => Some(P::PreStart),
            Self::Spawned => Some(P::Main),
            Self::PostStart => Some(P::PostStart),
            Self::PreStop => Some(P::PreStop),
            Self::PostStop => Some(P::PostStop),
            Self::Waiting | Self::Held | Self::Starting | Self::Running | Self::Stopping | Self::Killed => {
                None
            }
        }
    }
}
