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

use serde::{Deserialize, Serialize};

use crate::{Exit, Format, Job, ProcessKind, Ready};

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
    /// The process beside main is killed, if there is one; something may have failed.
    KillHook(State, Option<Failure>),
    /// All processes are killed.
    KillAll(State),
}

use Cue as C;
use Hook::{Alive, Asked};
use Main as M;
use Next::{
    Doom, Down, Drain, Fail, Go, Hurry, KillAll, KillHook, MainEnded, MainEndedMeanwhile, Skip, Stay,
};
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
        let main = self == S::Spawned(M::Asked) && process == P::Main;
        main || self.hook() == Some((process, Asked))
    }

    /// What `cue` does to an instance of `job` in this state whose goal is `goal` (already changed, if the
    /// cue is a change of goal).
    pub fn next(self, cue: Cue, job: &Job, goal: Goal) -> Next {
        let up = goal == Goal::Start;
        match (self, cue) {
            (S::Waiting, C::Start) => Go(Phase::Held, M::None),

            (S::Held { .. }, C::Freed) => Go(Phase::Check, M::None),
            (S::Held { untold }, C::Stop) => match goal {
                Goal::Start => Stay(self),
                Goal::Stop => Down(untold),
                Goal::Restart => Go(Phase::Held, M::None),
            },

            (S::Check(_), C::Exited(P::Check, exit, _)) => match up {
                true if exit.is_success() => Go(Phase::Starting, M::None),
                true => Skip,
                false if goal == Goal::Restart => Go(Phase::Held, M::None),
                false => Down(false),
            },
            (S::Check(_), C::Unspawned(P::Check)) if goal == Goal::Restart => Go(Phase::Held, M::None),
            (S::Check(_), C::Unspawned(P::Check)) if !up => Down(false),
            (S::Check(_), C::Unspawned(P::Check)) => {
                Fail(Phase::Waiting, M::None, Failure::Unspawned(P::Check))
            }

            (S::Starting, C::HookDone) if up => Go(Phase::Configure, M::None),
            (S::Starting, C::HookDone) => Go(Phase::Stopping, M::None),

            (S::Configure(_), C::Exited(P::Configure, exit, _)) => {
                hook_ended(P::Configure, exit, up, Phase::PreStart)
            }
            (S::PreStart(_), C::Exited(P::PreStart, exit, _)) => {
                hook_ended(P::PreStart, exit, up, Phase::Spawned)
            }
            // When a stop was asked for meanwhile, it is no failure.
            (S::Configure(_), C::Unspawned(P::Configure))
            | (S::PreStart(_), C::Unspawned(P::PreStart))
            | (S::Spawned(_), C::Unspawned(P::Main))
                if !up =>
            {
                Go(Phase::Stopping, M::None)
            }
            (S::Configure(_), C::Unspawned(P::Configure)) => {
                Fail(Phase::Stopping, M::None, Failure::Unspawned(P::Configure))
            }
            (S::PreStart(_), C::Unspawned(P::PreStart)) => {
                Fail(Phase::Stopping, M::None, Failure::Unspawned(P::PreStart))
            }

            (S::Spawned(_), C::Spawned(P::Main, pid)) => match (&job.ready, up) {
                (_, false) => Go(Phase::Stopping, M::Alive(pid)),
                (Ready::Spawned | Ready::Socket, true) => Go(Phase::PostStart, M::Alive(pid)),
                (
                    Ready::Forked
                    | Ready::Stopped
                    | Ready::Notify
                    | Ready::Fd(_)
                    | Ready::Pidfile(_)
                    | Ready::Path(_),
                    true,
                ) => Stay(S::Spawned(M::Alive(pid))),
            },
            (S::Spawned(_), C::Unspawned(P::Main)) if !up => Go(Phase::Stopping, M::None),
            (S::Spawned(_), C::Unspawned(P::Main)) => {
                Fail(Phase::Stopping, M::None, Failure::Unspawned(P::Main))
            }
            (S::Spawned(main), C::Ready(pid)) => Go(Phase::PostStart, main.named(pid)),
            (S::Spawned(_), C::Exited(P::Main, exit, left)) => ended_before_ready(job, exit, left),
            // Nothing can be ended that is not there yet: it is when it has been executed.
            (S::Spawned(M::Asked), C::Stop) => Stay(self),
            (S::Spawned(main), C::Stop) => Go(Phase::Stopping, main),
            (S::Spawned(main), C::Emptied) => match main {
                M::Asked | M::Alive(_) => Stay(self),
                M::None | M::Group | M::Ended { .. } => Fail(Phase::Stopping, M::None, Failure::EndedEarly),
            },

            (S::PostStart(main, _), C::Exited(P::PostStart, ..) | C::Unspawned(P::PostStart)) => match main {
                M::Ended { exit, .. } => MainEnded(main, exit),
                M::None | M::Asked | M::Alive(_) | M::Group if up => Go(Phase::Running, main),
                M::None | M::Asked | M::Alive(_) | M::Group => Go(Phase::Stopping, main),
            },
            (S::PostStart(M::Alive(_) | M::Group, hook), C::Exited(P::Main, exit, left)) => {
                MainEndedMeanwhile(S::PostStart(M::Ended { exit: Some(exit), left }, hook), exit)
            }
            (S::PostStart(M::Group, hook), C::Emptied) => {
                Stay(S::PostStart(M::Ended { exit: None, left: false }, hook))
            }
            (S::PostStart(main, hook), C::Emptied) => Stay(S::PostStart(main.emptied(), hook)),
            (S::PostStart(main, hook), C::Ready(pid)) => Stay(S::PostStart(main.named(pid), hook)),

            (S::Running(M::Alive(_) | M::Group), C::Exited(P::Main, exit, left)) => {
                MainEnded(M::Ended { exit: Some(exit), left }, Some(exit))
            }
            (S::Running(M::Group), C::Emptied) => MainEnded(M::Ended { exit: None, left: false }, None),
            (S::Running(main), C::Ready(pid)) => Stay(S::Running(main.named(pid))),
            (S::Running(_), C::Stop) => Drain,
            (S::Running(main), C::Freed) => match (up, main) {
                (true, _) => Stay(self),
                // Without a main process there is nothing a pre-stop could speak to.
                (false, M::None | M::Ended { .. }) => Go(Phase::Stopping, main),
                (false, M::Asked | M::Alive(_) | M::Group) => Go(Phase::PreStop, main),
            },

            (S::PreStop(main, _), C::Exited(P::PreStop, ..) | C::Unspawned(P::PreStop)) => match main {
                M::None | M::Asked | M::Alive(_) | M::Group if up => Go(Phase::Running, main),
                M::None | M::Asked | M::Alive(_) | M::Group | M::Ended { .. } => Go(Phase::Stopping, main),
            },
            (S::PreStop(M::Alive(_) | M::Group, hook), C::Exited(P::Main, exit, left)) => {
                Stay(S::PreStop(M::Ended { exit: Some(exit), left }, hook))
            }
            (S::PreStop(M::Group, hook), C::Emptied) => {
                Stay(S::PreStop(M::Ended { exit: None, left: false }, hook))
            }
            (S::PreStop(main, hook), C::Emptied) => Stay(S::PreStop(main.emptied(), hook)),
            (S::PreStop(main, hook), C::Ready(pid)) => Stay(S::PreStop(main.named(pid), hook)),

            (S::Stopping(main), C::HookDone) => Go(Phase::Killed, main),
            (S::Stopping(M::Alive(_) | M::Group), C::Exited(P::Main, exit, left)) => {
                Stay(S::Stopping(M::Ended { exit: Some(exit), left }))
            }
            (S::Stopping(main), C::Emptied) => Stay(S::Stopping(main.emptied())),
            (S::Stopping(main), C::Ready(pid)) => Stay(S::Stopping(main.named(pid))),

            (S::Killed(main, ending), C::Exited(P::Main, exit, left)) => match (main, ending, left) {
                (M::Ended { .. } | M::None, ..) => Stay(self),
                // The verb is waited for: what it does after main is gone belongs to the stop.
                (_, Ending::Verb(_), _) | (_, _, true) => {
                    Stay(S::Killed(M::Ended { exit: Some(exit), left }, ending))
                }
                (_, Ending::Signal | Ending::Kill, false) => Go(Phase::PostStop, M::None),
            },
            (S::Killed(main, ending), C::Emptied) => match ending {
                Ending::Verb(_) => Stay(S::Killed(main.emptied(), ending)),
                Ending::Signal | Ending::Kill => Go(Phase::PostStop, M::None),
            },
            (S::Killed(main, Ending::Verb(_)), C::Exited(P::Stop, ..) | C::Unspawned(P::Stop)) => {
                verb_ended(main)
            }
            // A verb that runs is killed with the rest, and its end still waited for.
            (S::Killed(_, Ending::Verb(Alive(_))), C::KillTimeout) => KillAll(self),
            (S::Killed(main, Ending::Verb(Asked) | Ending::Signal | Ending::Kill), C::KillTimeout) => {
                KillAll(S::Killed(main, Ending::Kill))
            }
            (S::Killed(main, ending), C::Ready(pid)) => Stay(S::Killed(main.named(pid), ending)),

            (S::PostStop(_), C::Exited(P::PostStop, exit, _)) if exit.is_success() => after_stop(goal),
            (S::PostStop(_), C::Exited(P::PostStop, exit, _)) => {
                Fail(after_stop_phase(goal), M::None, Failure::Ended(P::PostStop, exit))
            }
            (S::PostStop(_), C::Unspawned(P::PostStop)) => {
                Fail(after_stop_phase(goal), M::None, Failure::Unspawned(P::PostStop))
            }

            // A process beside main has been executed.
            (S::Check(_), C::Spawned(P::Check, pid)) => Stay(S::Check(Alive(pid))),
            (S::Configure(_), C::Spawned(P::Configure, pid)) => Stay(S::Configure(Alive(pid))),
            (S::PreStart(_), C::Spawned(P::PreStart, pid)) => Stay(S::PreStart(Alive(pid))),
            (S::PostStart(main, _), C::Spawned(P::PostStart, pid)) => Stay(S::PostStart(main, Alive(pid))),
            (S::PreStop(main, _), C::Spawned(P::PreStop, pid)) => Stay(S::PreStop(main, Alive(pid))),
            (S::Killed(main, Ending::Verb(_)), C::Spawned(P::Stop, pid)) => {
                Stay(S::Killed(main, Ending::Verb(Alive(pid))))
            }
            (S::PostStop(_), C::Spawned(P::PostStop, pid)) => Stay(S::PostStop(Alive(pid))),

            // A stop gives the process under way the kill timeout to end by itself.
            (S::Check(_) | S::Configure(_) | S::PreStart(_) | S::PostStart(..), C::Stop) => Hurry(self),
            (S::Check(_) | S::Configure(_) | S::PreStart(_) | S::PostStart(..), C::HookTimeout) => {
                match self.hook() {
                    Some((kind, _)) if up => KillHook(self, Some(Failure::HookTimeout(kind))),
                    Some(_) | None => KillHook(self, None),
                }
            }
            (S::PreStop(..), C::HookTimeout) => KillHook(self, None),
            (S::PostStop(_), C::HookTimeout) => KillHook(self, Some(Failure::HookTimeout(P::PostStop))),
            // A native service that is not up in time is stopped.
            (S::Spawned(M::Asked), C::StartTimeout) if up => Doom(self, Failure::StartTimeout),
            (S::Spawned(M::Asked), C::StartTimeout) => Stay(self),
            (S::Spawned(main), C::StartTimeout) => Fail(Phase::Stopping, main, Failure::StartTimeout),
            (S::Configure(_) | S::PreStart(_) | S::PostStart(..), C::StartTimeout) => {
                KillHook(self, Some(Failure::StartTimeout))
            }

            // Nothing to do. Named by state, so that a new state must find its place; a cue that means
            // something new is found by the test that plays every cue in every state.
            (
                S::Waiting
                | S::Held { .. }
                | S::Check(_)
                | S::Starting
                | S::Configure(_)
                | S::PreStart(_)
                | S::Spawned(_)
                | S::PostStart(..)
                | S::Running(_)
                | S::PreStop(..)
                | S::Stopping(_)
                | S::Killed(..)
                | S::PostStop(_),
                C::Start
                | C::Stop
                | C::Freed
                | C::HookDone
                | C::Spawned(..)
                | C::Unspawned(_)
                | C::Exited(..)
                | C::Ready(_)
                | C::Emptied
                | C::HookTimeout
                | C::KillTimeout
                | C::StartTimeout,
            ) => Stay(self),
        }
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

/// What follows `configure` or `pre-start`. When a stop was asked for meanwhile, how it ended is no failure.
fn hook_ended(kind: ProcessKind, exit: Exit, up: bool, then: Phase) -> Next {
    match (up, exit.is_success()) {
        (false, _) => Go(Phase::Stopping, M::None),
        (true, true) => Go(then, M::None),
        (true, false) => Fail(Phase::Stopping, M::None, Failure::Ended(kind, exit)),
    }
}

/// Main ended before it was ready. For a daemon that forks, that is how it becomes ready.
fn ended_before_ready(job: &Job, exit: Exit, left: bool) -> Next {
    let script = matches!(job.format, Format::Rcd | Format::Lsb);
    let ended = M::Ended { exit: Some(exit), left };
    match (&job.ready, exit.is_success(), left) {
        (Ready::Forked, true, true) => Go(Phase::PostStart, M::Group),
        // A start verb that leaves nothing behind did what it was there for.
        (Ready::Forked, true, false) if script => Go(Phase::PostStart, M::None),
        (Ready::Pidfile(_) | Ready::Notify, true, true) => Stay(S::Spawned(M::Group)),
        (_, true, _) if job.respawn.is_none() => Fail(Phase::Stopping, ended, Failure::EndedEarly),
        _ => MainEnded(ended, Some(exit)),
    }
}

/// The stop verb has ended: what is left is killed.
fn verb_ended(main: Main) -> Next {
    match main {
        M::None | M::Ended { left: false, .. } => Go(Phase::PostStop, M::None),
        M::Asked | M::Alive(_) | M::Group | M::Ended { left: true, .. } => {
            KillAll(S::Killed(main, Ending::Kill))
        }
    }
}

const fn after_stop_phase(goal: Goal) -> Phase {
    match goal {
        Goal::Stop => Phase::Waiting,
        Goal::Start | Goal::Restart => Phase::Held,
    }
}

const fn after_stop(goal: Goal) -> Next {
    match goal {
        Goal::Stop => Down(true),
        Goal::Start | Goal::Restart => Go(Phase::Held, M::None),
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
