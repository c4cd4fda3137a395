//! What entering a phase does: events, processes, limits. Every phase is entered here and nowhere else.

use alloc::{string::ToString as _, sync::Arc};
use core::time::Duration;

use events::Args;

use super::{
    Engine,
    clock::{KILL_AGAIN, Limit, STOP_HOOK},
    goals::{UPSTART_EVENTS, key_of, take_waiters, with_events},
    model::{Emitter, Instance, set},
    told::{STARTED, STARTING, STOPPED, STOPPING, add_result},
};
use crate::{
    Action, CauseId, Cue, Ending, Format, Goal, Happening, Hook, Job, Life, Main, Next, Notice, Outcome,
    Phase, ProcessKind, Shutdown, State, Verb,
};

impl Engine {
    /// Gives a cue to an instance; one that was meant for an earlier life is dropped.
    pub(super) fn cue(&mut self, place: u32, number: u64, cue: Cue) {
        let Some(instance) = self.instance(place).filter(|instance| instance.number == number) else {
            return;
        };
        let before = instance.state;
        match before.next(cue, &instance.job, instance.goal) {
            Next::Stay(state) => self.stay(place, state),
            Next::Go(phase, main) => self.enter(place, phase, main),
            Next::MainEnded(main, exit) => self.main_ended(place, main, exit),
            Next::MainEndedMeanwhile(state, exit) => {
                self.stay(place, state);
                self.ended_meanwhile(place, exit);
            }
            Next::Fail(phase, main, failure) => {
                self.fail(place, failure, phase);
                if phase == Phase::Waiting {
                    self.down(place, before.phase() == Phase::PostStop);
                } else {
                    self.enter(place, phase, main);
                }
            }
            Next::Skip => self.skip(place),
            Next::Down(tell) => self.down(place, tell),
            Next::Drain => self.recheck(place),
            Next::Hurry(state) => {
                self.stay(place, state);
                let timeout =
                    self.instance(place).map_or(Duration::ZERO, |instance| instance.job.kill.timeout);
                self.limit(place, Limit::Hook, timeout);
            }
            Next::Doom(state, failure) => {
                self.stay(place, state);
                self.fail(place, failure, Phase::Stopping);
            }
            Next::KillHook(state, failure) => self.kill_hook(place, state, failure),
            Next::KillAll(state) => {
                self.stay(place, state);
                if matches!(before, State::Killed(_, Ending::Kill)) {
                    self.outlives_kill(place);
                }
                self.act(place, |life| Action::KillAll { life });
                self.limit(place, Limit::Kill, KILL_AGAIN);
            }
        }
    }

    /// Takes a state that is not a new phase, and does what follows from main's end in `killed`.
    pub(super) fn stay(&mut self, place: u32, state: State) {
        let Some(instance) = self.instance_mut(place) else { return };
        let before = core::mem::replace(&mut instance.state, state);
        let (leave, signal) = (instance.job.kill.leave, instance.job.kill.signal);
        let outlives_verb = matches!(
            (before, state),
            (State::Killed(_, Ending::Verb(_)), State::Killed(Main::Alive(_), Ending::Signal))
        );
        // Main took what it could with it; the rest gets the signal too, unless it is to be left alone.
        let outlives_main =
            matches!(state, State::Killed(Main::Ended { left: true, .. }, Ending::Signal)) && before != state;
        if outlives_main && leave {
            // Where main is known, the signal has ended it before. Else nobody can tell it from what shall be left.
            if let (State::Killed(Main::Ended { exit: None, .. }, _), Some(instance)) =
                (state, self.instance(place))
            {
                let (slot, key) = (instance.slot, instance.key.clone());
                self.note(slot, key, Notice::LeftAlone);
            }
            self.act(place, |life| Action::Leave { life });
            self.enter(place, Phase::PostStop, Main::None);
        } else if outlives_main || outlives_verb {
            self.act(place, |life| Action::Signal { life, signal });
        }
    }

    pub(super) fn act(&mut self, place: u32, action: impl FnOnce(Life) -> Action) {
        if let Some(life) = self.instance(place).map(|instance| instance.life(place)) {
            self.out.push(action(life));
        }
    }

    /// Enters a phase. A phase for which the job has no process is passed through.
    pub(super) fn enter(&mut self, place: u32, phase: Phase, main: Main) {
        let mut next = Some((phase, main));
        while let Some((phase, main)) = next {
            let Some(instance) = self.instance_mut(place) else { return };
            let before = core::mem::replace(&mut instance.state, State::entering(phase, main));
            if let Some((process, _)) = before.hook() {
                self.hook_is_over(place, process);
            }
            if before.phase() == Phase::Starting {
                // Hooks that were to come have come by now.
                self.wake_for(place);
            }
            next = match phase {
                Phase::Waiting => return self.down(place, true),
                Phase::Held => return self.enter_held(place, before),
                Phase::Check => self.process_or(place, phase, (Phase::Starting, Main::None)),
                Phase::Starting => self.enter_starting(place),
                Phase::Configure => self.process_or(place, phase, (Phase::PreStart, Main::None)),
                Phase::PreStart => self.process_or(place, phase, (Phase::Spawned, Main::None)),
                Phase::Spawned => self.process_or(place, phase, (Phase::PostStart, Main::None)),
                Phase::PostStart => self.process_or(place, phase, (Phase::Running, main)),
                Phase::Running => self.enter_running(place, before.phase()),
                Phase::PreStop => self.process_or(place, phase, (Phase::Stopping, main)),
                Phase::Stopping => self.enter_stopping(place),
                Phase::Killed => self.enter_killed(place, main),
                Phase::PostStop => {
                    self.unlimit(place, Limit::Kill);
                    let then = match self.instance(place).map(|instance| instance.goal) {
                        Some(Goal::Start | Goal::Restart) => Phase::Held,
                        Some(Goal::Stop) | None => Phase::Waiting,
                    };
                    self.process_or(place, phase, (then, Main::None))
                }
            };
        }
    }

    /// Makes the process of a phase, or says what comes instead.
    pub(super) fn process_or(
        &mut self,
        place: u32,
        phase: Phase,
        then: (Phase, Main),
    ) -> Option<(Phase, Main)> {
        let process = phase.process()?;
        if !self.instance(place)?.job.processes.has(process) {
            return Some(then);
        }
        self.spawn(place, process);
        if matches!(process, ProcessKind::PreStop | ProcessKind::PostStop) {
            self.limit(place, Limit::Hook, STOP_HOOK);
        }
        None
    }

    /// A process beside main is over: its limit with it.
    pub(super) fn hook_is_over(&mut self, place: u32, process: ProcessKind) {
        self.unlimit(place, Limit::Hook);
        self.unlimit(place, Limit::Starved);
        if process == ProcessKind::Stop {
            self.unlimit(place, Limit::Kill);
        }
    }

    pub(super) fn spawn(&mut self, place: u32, process: ProcessKind) {
        let Some(instance) = self.instance(place) else { return };
        let env = match process {
            ProcessKind::PreStop | ProcessKind::Stop | ProcessKind::PostStop => {
                stop_environment(instance, process, self.going_down())
            }
            ProcessKind::Check
            | ProcessKind::Configure
            | ProcessKind::PreStart
            | ProcessKind::Main
            | ProcessKind::PostStart
            | ProcessKind::Reload
            | ProcessKind::Status => instance.env.clone(),
        };
        let because = if instance.goal == Goal::Start { instance.cause } else { instance.stop_cause };
        self.out.push(Action::Spawn {
            life: instance.life(place),
            job: instance.job.clone(),
            instance: instance.key.clone(),
            process,
            env,
            because,
        });
    }

    /// A new life begins, or the first: it may have to wait for others.
    pub(super) fn enter_held(&mut self, place: u32, before: State) {
        match before {
            State::Waiting => {}
            State::Held { untold } => self.begin_again(place, untold),
            // Nobody was told that it had begun.
            State::Check(_) => self.begin_again(place, false),
            State::Starting
            | State::Configure(_)
            | State::PreStart(_)
            | State::Spawned(_)
            | State::PostStart(..)
            | State::Running(_)
            | State::PreStop(..)
            | State::Stopping(_)
            | State::Killed(..)
            | State::PostStop(_) => self.begin_again(place, true),
        }
        self.recheck(place);
    }

    /// Whoever emitted events inside the life is gone with it; the answer finds its way, but the instance
    /// waits for them no longer.
    pub(super) fn leave_emits(&mut self, place: u32) {
        let emits = self.instance_mut(place).map(|instance| core::mem::take(&mut instance.emits));
        for id in emits.unwrap_or_default() {
            let Some(live) = self.event_mut(id) else { continue };
            if let Emitter::Inside(reply, _) = live.emitter {
                live.emitter = Emitter::Client(reply);
                let waited = usize::from(!live.blockers.is_empty());
                self.saved.live_waits = self.saved.live_waits.saturating_sub(waited);
            }
        }
    }

    /// The life before is over, and another follows it.
    pub(super) fn begin_again(&mut self, place: u32, untold: bool) {
        let untold = untold && !self.told_that_it_stays_down(place);
        self.leave_emits(place);
        self.end_own_facts(place);
        self.act(place, |life| Action::Forget { life });
        self.saved.number = self.saved.number.saturating_add(1);
        let number = self.saved.number;
        let Some(instance) = self.instance_mut(place) else { return };
        let restart =
            instance.goal == Goal::Restart || instance.rare().is_some_and(|rare| rare.pending.is_some());
        let slot = instance.slot;
        instance.number = number;
        instance.goal = Goal::Start;
        instance.state = State::Held { untold };
        instance.timed_out = false;
        instance.result = None;
        instance.reached = false;
        instance.stop_env = Args::new();
        let stop_cause = core::mem::replace(&mut instance.stop_cause, CauseId::NONE);
        let pending = instance.rare.as_mut().and_then(|rare| {
            rare.asked.clear();
            rare.yielded.clear();
            rare.outlived = 0;
            rare.pending.take()
        });
        if restart {
            instance.settled = false;
            self.unlimit(place, Limit::Settle);
        }
        self.saved.causes.release(stop_cause);
        if let Some(request) = pending {
            self.take_request(place, request);
        }
        let newer = self.slot(slot).filter(|slot| !slot.gone).map(|slot| slot.job.clone());
        if restart
            && let (Some(instance), Some(job)) = (self.instance_mut(place), newer)
            && !instance.job.restarts_old()
            // One that is named otherwise now is another instance.
            && key_of(&job, &instance.env).as_ref() == Ok(&instance.key)
        {
            instance.job = job;
        }
        self.add_stop_gate(place);
        // Who waits until this life is down waits no longer.
        self.wake(slot);
    }

    /// Tells `stopped` of a life after which none follows soon: what it needs went away, or the mode keeps it.
    pub(super) fn told_that_it_stays_down(&mut self, place: u32) -> bool {
        let Some(instance) = self.instance(place) else { return false };
        let lost = instance.rare().is_some_and(|rare| rare.lost);
        let stays = lost || !self.admits_mode(&instance.job);
        if stays {
            self.emit_own(place, STOPPED);
        }
        stays
    }

    pub(super) fn take_request(&mut self, place: u32, request: super::model::Request) {
        let super::model::Request { env, events, cause, reply, .. } = request;
        let Some(instance) = self.instance_mut(place) else { return };
        instance.env = Arc::new(with_events(env, &events, UPSTART_EVENTS));
        instance.waiters.extend(reply.map(|reply| (reply, Verb::Start)));
        let started = Happening::Started(instance.job.name.clone(), instance.key.clone());
        let own = self.saved.causes.add(self.saved.now, started, cause);
        self.saved.causes.release(cause);
        let old = self.instance_mut(place).map(|instance| core::mem::replace(&mut instance.cause, own));
        self.saved.causes.release(old.unwrap_or(CauseId::NONE));
    }

    pub(super) fn enter_starting(&mut self, place: u32) -> Option<(Phase, Main)> {
        self.saved.counters.starts = self.saved.counters.starts.saturating_add(1);
        let timeout = self.instance(place)?.job.start_timeout;
        if let Some(timeout) = timeout {
            self.limit(place, Limit::Start, timeout);
        }
        self.emit_hook(place, STARTING);
        None
    }

    pub(super) fn enter_running(&mut self, place: u32, before: Phase) -> Option<(Phase, Main)> {
        if before == Phase::PreStop {
            // The stop was called off: as if nothing had been.
            self.reached_goal(place);
            return None;
        }
        // A task's start has ended when the task has.
        let task = self.instance(place)?.job.task;
        if !task {
            self.unlimit(place, Limit::Start);
        }
        self.emit_own(place, STARTED);
        let now = self.saved.now;
        let instance = self.instance_mut(place)?;
        instance.reached = true;
        self.set_up(place, true);
        if !task {
            self.settle(place);
        }
        let instance = self.instance_mut(place)?;
        instance.up_since = now;
        if instance.job.task {
            // A task without a process is done as soon as it is up.
            if instance.state.main() == Main::None {
                instance.goal = Goal::Stop;
                return Some((Phase::Stopping, Main::None));
            }
            return None;
        }
        self.reached_goal(place);
        self.catch_up_with_files(place);
        None
    }

    /// A service is up: whoever waited for that goes on.
    pub(super) fn reached_goal(&mut self, place: u32) {
        self.unblock(place, false);
        let Some(instance) = self.instance_mut(place) else { return };
        let waiters = take_waiters(&mut instance.waiters, |verb| verb != Verb::Stop);
        for reply in waiters {
            self.reply(Some(reply), Outcome::Done);
        }
    }

    pub(super) fn enter_stopping(&mut self, place: u32) -> Option<(Phase, Main)> {
        self.unlimit(place, Limit::Start);
        self.unlimit(place, Limit::Starved);
        self.unlimit(place, Limit::Coalesce);
        let goal = self.instance(place)?.goal;
        if goal != Goal::Start {
            self.set_up(place, false);
            self.settle(place);
        }
        self.emit_hook(place, STOPPING);
        None
    }

    pub(super) fn enter_killed(&mut self, place: u32, main: Main) -> Option<(Phase, Main)> {
        let instance = self.instance_mut(place)?;
        let job = instance.job.clone();
        let left = matches!(main, Main::Ended { left: true, .. });
        let stops_itself = job.processes.has(ProcessKind::Stop) && (instance.reached || main.is_alive());
        if let Some(time) = self.time_for_verb(&job).filter(|_| stops_itself) {
            let instance = self.instance_mut(place)?;
            instance.state = State::Killed(main, Ending::Verb(Hook::Asked));
            self.spawn(place, ProcessKind::Stop);
            self.limit(place, Limit::Kill, time);
            return None;
        }
        if !main.is_alive() {
            return Some((Phase::PostStop, Main::None));
        } else if left && job.kill.leave {
            self.act(place, |life| Action::Leave { life });
            return Some((Phase::PostStop, Main::None));
        } else {
            self.act(place, |life| Action::Signal { life, signal: job.kill.signal });
        }
        self.limit(place, Limit::Kill, self.time_to_end(&job));
        None
    }
}

/// The variables of a stop hook: those of the start, those of the stop, and, after the end, how it ended. At shutdown
/// rc.d scripts get a verb that says so, and what rc.shutdown(8) tells them; those of init.d the run level.
fn stop_environment(instance: &Instance, process: ProcessKind, down: Option<Shutdown>) -> Arc<Args> {
    let mut env = Args::clone(&instance.env);
    for (key, value) in instance.stop_env.iter() {
        env.push(key.clone(), value.clone());
    }
    if let Some(down) = down {
        tell_of_shutdown(&mut env, &instance.job, down);
    }
    if process == ProcessKind::PostStop {
        let mut result = Args::new();
        add_result(&mut result, instance.result);
        for (key, value) in result.iter() {
            env.push(key.clone(), value.clone());
        }
    }
    Arc::new(env)
}

fn tell_of_shutdown(env: &mut Args, job: &Job, down: Shutdown) {
    match job.format {
        Format::Rcd => {
            if !job.is_old_script() {
                set(env, "RC_VERB", "faststop");
            }
            set(env, "rc_shutdown", "reboot");
        }
        Format::Lsb => {
            let last = |wanted: &str| env.iter().filter(|(key, _)| key.as_str() == wanted).last();
            let is_of_boot = || last(&UPSTART_EVENTS).is_some_and(|(_, events)| events.as_str() == "startup");
            // The level that it was started in.
            let before = match last("RUNLEVEL") {
                Some((_, level)) => level.to_string(),
                None => if is_of_boot() { "S" } else { "N" }.into(),
            };
            set(env, "RUNLEVEL", down.level());
            set(env, "PREVLEVEL", &before);
        }
        Format::Native | Format::Upstart | Format::Hook | Format::Inetd => {}
    }
}
