//! The table: what each cue does in each state.

use super::{Cue, Ending, Failure, Goal, Hook, Main, Next, Phase, State};
use crate::{Exit, Format, Job, ProcessKind, Ready};

use Cue as C;
use Hook::{Alive, Asked};
use Main as M;
use Next::{
    Doom, Down, Drain, Fail, Go, Hurry, KillAll, KillHook, MainEnded, MainEndedMeanwhile, Skip, Stay,
};
use ProcessKind as P;
use State as S;

impl State {
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
            (S::Killed(main, Ending::Verb(_)), C::Exited(P::Stop, ..)) => verb_ended(main, job.kill.leave),
            (S::Killed(main, Ending::Verb(_)), C::Unspawned(P::Stop)) => verb_ended(main, false),
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
            // Only a task can be late when it runs.
            (S::Running(main), C::StartTimeout) if up && job.task => {
                Fail(Phase::Stopping, main, Failure::StartTimeout)
            }
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

/// The stop verb has ended: what is left is killed, unless it shall be left alone. Then only main must go, if it is known
/// and still there.
fn verb_ended(main: Main, leave: bool) -> Next {
    match main {
        M::None | M::Ended { left: false, .. } => Go(Phase::PostStop, M::None),
        M::Group if leave => Stay(S::Killed(M::Ended { exit: None, left: true }, Ending::Signal)),
        M::Alive(_) | M::Ended { left: true, .. } if leave => Stay(S::Killed(main, Ending::Signal)),
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
