//! What entering a phase does: events, processes, limits. Every phase is entered here and nowhere else.

use alloc::sync::Arc;
use core::time::Duration;

use events::{Args, Event, Name, Text, Value};

use super::{
    Engine, Todo,
    clock::{KILL_AGAIN, Limit, STARVED_RETRY, STOP_HOOK},
    goals::{key_of, take_waiters, with_events},
    model::{Emitter, End, EventId, Instance, Last, set},
};
use crate::{
    Action, CauseId, Cue, Ending, Exit, Failure, Format, Goal, Happening, Hook, Job, JobId, Life, Main, Next,
    Notice, Outcome, Phase, ProcessKind, Refusal, State, Verb,
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
                self.act(place, |life| Action::KillAll { life });
                self.limit(place, Limit::Kill, KILL_AGAIN);
            }
        }
    }

    /// Takes a state that is not a new phase, and does what follows from main's end in `killed`.
    fn stay(&mut self, place: u32, state: State) {
        let Some(instance) = self.instance_mut(place) else { return };
        let before = core::mem::replace(&mut instance.state, state);
        let State::Killed(Main::Ended { left: true, .. }, Ending::Signal) = state else { return };
        if before == state {
            return;
        }
        if instance.job.kill.leave {
            self.act(place, |life| Action::Leave { life });
            self.enter(place, Phase::PostStop, Main::None);
        } else {
            // Main took what it could with it; the rest gets the signal too.
            let signal = instance.job.kill.signal;
            self.act(place, |life| Action::Signal { life, signal });
        }
    }

    fn act(&mut self, place: u32, action: impl FnOnce(Life) -> Action) {
        if let Some(life) = self.instance(place).map(|instance| instance.life(place)) {
            self.out.push(action(life));
        }
    }

    /// Enters a phase. A phase for which the job has no process is passed through.
    fn enter(&mut self, place: u32, phase: Phase, main: Main) {
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
    fn process_or(&mut self, place: u32, phase: Phase, then: (Phase, Main)) -> Option<(Phase, Main)> {
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
    fn hook_is_over(&mut self, place: u32, process: ProcessKind) {
        self.unlimit(place, Limit::Hook);
        self.unlimit(place, Limit::Starved);
        if process == ProcessKind::Stop {
            self.unlimit(place, Limit::Kill);
        }
    }

    fn spawn(&mut self, place: u32, process: ProcessKind) {
        let Some(instance) = self.instance(place) else { return };
        let env = match process {
            ProcessKind::PreStop | ProcessKind::Stop | ProcessKind::PostStop => {
                stop_environment(instance, process)
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
    fn enter_held(&mut self, place: u32, before: State) {
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
        if before != State::Waiting {
            // Who waited for the life before to be down waits no longer.
            self.wake_for(place);
        }
        self.recheck(place);
    }

    /// Whoever emitted events inside the life is gone with it; the answer finds its way, but the instance
    /// waits for them no longer.
    fn leave_emits(&mut self, place: u32) {
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
    fn begin_again(&mut self, place: u32, untold: bool) {
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
            rare.pending.take()
        });
        if restart {
            instance.settled = false;
            let settle = instance.job.settle;
            self.limit(place, Limit::Settle, settle);
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

    fn take_request(&mut self, place: u32, request: super::model::Request) {
        let super::model::Request { env, events, cause, reply, .. } = request;
        let Some(instance) = self.instance_mut(place) else { return };
        instance.env = Arc::new(with_events(env, &events, "UPSTART_EVENTS"));
        instance.waiters.extend(reply.map(|reply| (reply, Verb::Start)));
        let started = Happening::Started(instance.job.name.clone(), instance.key.clone());
        let own = self.saved.causes.add(self.saved.now, started, cause);
        self.saved.causes.release(cause);
        let old = self.instance_mut(place).map(|instance| core::mem::replace(&mut instance.cause, own));
        self.saved.causes.release(old.unwrap_or(CauseId::NONE));
    }

    fn enter_starting(&mut self, place: u32) -> Option<(Phase, Main)> {
        self.saved.counters.starts = self.saved.counters.starts.saturating_add(1);
        let timeout = self.instance(place)?.job.start_timeout;
        if let Some(timeout) = timeout {
            self.limit(place, Limit::Start, timeout);
        }
        self.emit_hook(place, "starting");
        None
    }

    fn enter_running(&mut self, place: u32, before: Phase) -> Option<(Phase, Main)> {
        if before == Phase::PreStop {
            // The stop was called off: as if nothing had been.
            self.reached_goal(place);
            return None;
        }
        self.unlimit(place, Limit::Start);
        self.emit_own(place, "started");
        let now = self.saved.now;
        let instance = self.instance_mut(place)?;
        instance.reached = true;
        // A task's start has ended when the task has.
        let task = instance.job.task;
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

    fn enter_stopping(&mut self, place: u32) -> Option<(Phase, Main)> {
        self.unlimit(place, Limit::Start);
        self.unlimit(place, Limit::Starved);
        self.unlimit(place, Limit::Coalesce);
        let goal = self.instance(place)?.goal;
        if goal != Goal::Start {
            self.set_up(place, false);
            self.settle(place);
        }
        self.emit_hook(place, "stopping");
        None
    }

    fn enter_killed(&mut self, place: u32, main: Main) -> Option<(Phase, Main)> {
        let instance = self.instance_mut(place)?;
        let job = instance.job.clone();
        let left = matches!(main, Main::Ended { left: true, .. });
        let stops_itself = job.processes.has(ProcessKind::Stop) && (instance.reached || main.is_alive());
        if stops_itself && self.calls_stop_verb(&job) {
            let instance = self.instance_mut(place)?;
            instance.state = State::Killed(main, Ending::Verb(Hook::Asked));
            self.spawn(place, ProcessKind::Stop);
        } else if !main.is_alive() {
            return Some((Phase::PostStop, Main::None));
        } else if left && job.kill.leave {
            self.act(place, |life| Action::Leave { life });
            return Some((Phase::PostStop, Main::None));
        } else {
            self.act(place, |life| Action::Signal { life, signal: job.kill.signal });
        }
        self.limit(place, Limit::Kill, job.kill.timeout);
        None
    }

    /// At shutdown, rc(8) calls those scripts only that have the keyword for it; the others' processes are ended.
    fn calls_stop_verb(&self, job: &Job) -> bool {
        let has_keyword = || job.keywords.iter().any(|keyword| *keyword == "shutdown");
        job.format != Format::Rcd || self.saved.shutdown.is_none() || has_keyword()
    }

    /// Main is gone by itself: it comes back, or the life is over.
    fn main_ended(&mut self, place: u32, main: Main, exit: Option<Exit>) {
        let Some(instance) = self.instance(place) else { return };
        let (job, was_up, reached) = (instance.job.clone(), instance.up, instance.reached);
        let normal = exit.is_some_and(|exit| job.normal_exit.contains(&exit));
        let good = normal || exit.is_none_or(Exit::is_success);
        if instance.goal == Goal::Start {
            let wants_respawn =
                job.respawn.is_some() && !normal && !(job.task && good) && self.saved.shutdown.is_none();
            if wants_respawn && self.may_respawn(place) {
                self.settle_for_others(place);
                // Who requires it goes on at its first end; who waits until it is up has the settle limit yet.
                if was_up && !reached {
                    // Its first respawn has failed: nobody looks through the second.
                    self.no_longer_up(place);
                } else if was_up {
                    self.limit(place, Limit::Settle, job.settle);
                    self.bounce_dependants(place);
                }
            } else if wants_respawn {
                self.fail(place, Failure::Respawn, Phase::Stopping);
            } else if let (false, Some(exit)) = (good, exit) {
                self.fail(place, Failure::Ended(ProcessKind::Main, exit), Phase::Stopping);
            } else {
                self.ended_well(place);
            }
        }
        self.enter(place, Phase::Stopping, main);
    }

    fn ended_well(&mut self, place: u32) {
        let Some(instance) = self.instance_mut(place) else { return };
        instance.goal = Goal::Stop;
        let task = instance.job.task;
        self.settle(place);
        if !task {
            self.unblock(place, false);
            self.stop_dependants(place);
        }
    }

    /// Main ended while post-start runs: if that is a failure, whoever waits is told at once.
    fn ended_meanwhile(&mut self, place: u32, exit: Exit) {
        let Some(instance) = self.instance(place) else { return };
        let job = &instance.job;
        let bad = !exit.is_success() && !job.normal_exit.contains(&exit) && job.respawn.is_none();
        if bad && instance.goal == Goal::Start {
            let timeout = job.kill.timeout;
            self.fail(place, Failure::Ended(ProcessKind::Main, exit), Phase::Stopping);
            // The step under way has a limited time, as after a stop.
            self.limit(place, Limit::Hook, timeout);
        }
    }

    /// Whether it may come back, and when.
    fn may_respawn(&mut self, place: u32) -> bool {
        let now = self.saved.now;
        let Some(instance) = self.instance_mut(place) else { return false };
        let Some(respawn) = instance.job.respawn.clone() else { return false };
        let healthy = instance.up && now.since(instance.up_since) >= respawn.within.max(respawn.backoff_max);
        let rare = instance.rare_mut();
        let (since, count) = match rare.respawns {
            Some((since, count)) if now.since(since) < respawn.within => (since, count.saturating_add(1)),
            _ => (now, 1),
        };
        rare.respawns = Some((since, count));
        if respawn.limit > 0 && count > respawn.limit {
            return false;
        }
        if healthy {
            rare.backoff = 0;
        }
        let factor = 1_u32.checked_shl(rare.backoff.min(16)).unwrap_or(1);
        let wait = respawn.backoff.saturating_mul(factor).min(respawn.backoff_max);
        rare.backoff = rare.backoff.saturating_add(1);
        rare.not_before = (!wait.is_zero()).then(|| now.after(wait));
        true
    }

    /// Something went wrong: the goal is stop from now on, and whoever waits for the start is told.
    fn fail(&mut self, place: u32, failure: Failure, then: Phase) {
        let Some(instance) = self.instance_mut(place) else { return };
        let first = instance.result.is_none();
        instance.result.get_or_insert(failure);
        let (slot, key, up) = (instance.slot, instance.key.clone(), instance.up);
        if first {
            self.note(slot, key, Notice::Failed(failure));
        }
        if then == Phase::Held {
            return;
        }
        let Some(instance) = self.instance_mut(place) else { return };
        instance.goal = Goal::Stop;
        let waiters = take_waiters(&mut instance.waiters, |verb| verb != Verb::Stop);
        let pending = instance.rare.as_mut().and_then(|rare| rare.pending.take());
        self.drop_request(pending);
        self.settle(place);
        self.unblock(place, true);
        for reply in waiters {
            self.reply(Some(reply), Outcome::Failed(failure));
        }
        if up {
            self.stop_dependants(place);
        }
    }

    /// Something that it needs is not to be had.
    pub(super) fn fail_for_needs(&mut self, place: u32, why: alloc::string::String) {
        let Some(instance) = self.instance_mut(place) else { return };
        instance.result = Some(Failure::Needs);
        instance.goal = Goal::Stop;
        instance.rare_mut().lacks = Some(why.as_str().into());
        let (slot, key) = (instance.slot, instance.key.clone());
        let waiters = take_waiters(&mut instance.waiters, |verb| verb != Verb::Stop);
        let untold = matches!(instance.state, State::Held { untold: true });
        for reply in waiters {
            self.reply(Some(reply), Outcome::Refused(Refusal::Needs(why.clone())));
        }
        self.unblock(place, true);
        self.note(slot, key, Notice::Refused(Refusal::Needs(why)));
        self.down(place, untold);
    }

    fn kill_hook(&mut self, place: u32, state: State, failure: Option<Failure>) {
        self.stay(place, state);
        if let Some(failure) = failure {
            self.fail(place, failure, Phase::Stopping);
        }
        let Some((process, _)) = state.hook() else { return };
        if self.is_limited(place, Limit::Starved) {
            return self.give_up(place, process);
        }
        self.act(place, |life| Action::KillHook { life, process });
        self.limit(place, Limit::Hook, KILL_AGAIN);
    }

    /// Not wanted: gone as if nothing had been, but for `why`.
    fn skip(&mut self, place: u32) {
        let Some(instance) = self.instance(place) else { return };
        let (slot, key) = (instance.slot, instance.key.clone());
        self.note(slot, key, Notice::Skipped);
        if let Some(instance) = self.instance_mut(place) {
            let waiters = take_waiters(&mut instance.waiters, |_| true);
            instance.skipped = true;
            for reply in waiters {
                self.reply(Some(reply), Outcome::Refused(Refusal::Skipped));
            }
        }
        self.down(place, false);
    }

    /// An instance is down: what it was is told and kept, and its place is free.
    fn down(&mut self, place: u32, tell: bool) {
        if tell {
            self.emit_own(place, "stopped");
        }
        self.set_up(place, false);
        self.unblock(place, false);
        self.settle(place);
        self.act(place, |life| Action::Forget { life });
        self.end_own_facts(place);
        self.leave_emits(place);
        let Some(instance) = self.saved.instances.get_mut(place as usize).and_then(Option::take) else {
            return;
        };
        self.saved.free_instances.push(place);
        self.saved.living = self.saved.living.saturating_sub(1);
        self.graph.remove_gate(crate::Gate::Stop(place));
        self.release_tree(&instance.tree);
        for (_, timer) in &instance.timers {
            self.disarm(*timer);
        }
        let lacks = instance.rare().and_then(|rare| rare.lacks.clone());
        let well = instance.job.task && instance.goes_well() && tell;
        let outcome = instance.result.map_or(Outcome::Done, Outcome::Failed);
        for (reply, verb) in instance.waiters {
            self.reply(Some(reply), if verb == Verb::Stop { Outcome::Done } else { outcome.clone() });
        }
        let end = match (instance.skipped, lacks, instance.result) {
            (true, _, _) => End::Refused(Refusal::Skipped),
            (false, Some(lacks), _) => End::Refused(Refusal::Needs(lacks.as_str().into())),
            (false, None, Some(failure)) => End::Failed(failure),
            (false, None, None) => End::Well,
        };
        let cause = if instance.stop_cause == CauseId::NONE { instance.cause } else { instance.stop_cause };
        self.remember(instance.slot, instance.key.clone(), end, cause);
        let rare = instance.rare.map(|rare| *rare).unwrap_or_default();
        self.drop_request(rare.pending);
        if let Some(slot) = self.slot_mut(instance.slot) {
            slot.instances.retain(|(_, known)| *known != place);
            slot.ended_well = well;
        }
        if instance.job.task {
            self.tell_provided(&instance.job, cause);
        }
        self.saved.causes.release(instance.cause);
        self.saved.causes.release(instance.stop_cause);
        self.wake(instance.slot);
        self.forget_slot_if_gone(instance.slot);
        self.rise_under_new_names(instance.slot, &instance.job);
        for queued in rare.queue {
            // The first becomes the next life, and the others line up behind it again.
            let _ = self.start(instance.slot, queued, &[]);
        }
    }

    fn remember(&mut self, id: JobId, instance: Text, end: End, cause: CauseId) {
        let cause = self.saved.causes.keep(cause);
        let time = self.saved.now;
        let Some(slot) = self.slot_mut(id) else { return self.saved.causes.release(cause) };
        // That it may not start again says more than that it has ended.
        let refused = matches!(slot.last.as_deref(), Some(Last { end: End::Refused(Refusal::Ring(_)), time: at, .. }) if *at == time);
        if refused && end == End::Well {
            return self.saved.causes.release(cause);
        }
        if let Some(old) = slot.last.replace(Last { time, instance, end, cause }.into()) {
            self.saved.causes.release(old.cause);
        }
    }

    /// Its start has ended, in whatever way: who waited for that goes on.
    pub(super) fn settle(&mut self, place: u32) {
        self.unlimit(place, Limit::Settle);
        self.settle_for_others(place);
    }

    fn settle_for_others(&mut self, place: u32) {
        let Some(instance) = self.instance_mut(place) else { return };
        instance.settled = true;
        let slot = instance.slot;
        self.wake(slot);
    }

    /// Everybody who waits for something about a job looks again.
    pub(super) fn wake(&mut self, id: JobId) {
        let Some(slot) = self.slot_mut(id) else { return };
        let mut waiting = core::mem::take(&mut slot.waiting);
        self.sort_by_name(&mut waiting);
        self.saved.todo.extend(waiting.into_iter().map(Todo::Recheck));
    }

    /// It has died and does not come back, or not soon enough for those who need it.
    fn no_longer_up(&mut self, place: u32) {
        self.set_up(place, false);
        self.stop_dependants(place);
    }

    /// Everybody who waits for something about this instance's job looks again.
    pub(super) fn wake_for(&mut self, place: u32) {
        if let Some(slot) = self.instance(place).map(|instance| instance.slot) {
            self.wake(slot);
        }
    }

    pub(super) fn start_timed_out(&mut self, place: u32) {
        let Some(instance) = self.instance_mut(place) else { return };
        instance.timed_out = true;
        if instance.settled && instance.up {
            self.no_longer_up(place);
        }
        let Some(instance) = self.instance_mut(place) else { return };
        let (slot, key) = (instance.slot, instance.key.clone());
        self.settle(place);
        self.note(slot, key, Notice::StartTimedOut);
        // Also who waits for an event that it was started by.
        self.unblock(place, false);
    }

    pub(super) fn starved(&mut self, life: Life, process: ProcessKind, what: &str) {
        let Some(instance) = self.instance_mut(life.place).filter(|it| it.number == life.number) else {
            return;
        };
        let (slot, key) = (instance.slot, instance.key.clone());
        if !instance.state.asked_for(process) {
            // A reload, or what nobody waits for any more: it is not asked for again.
            return self.note(slot, key, Notice::Starved(what.into()));
        }
        let rare = instance.rare_mut();
        let tries = rare.starved.as_ref().map_or(0, |(_, _, tries)| tries.saturating_add(1));
        rare.starved = Some((process, what.into(), tries));
        let delay = STARVED_RETRY.saturating_mul(1_u32.checked_shl(tries.min(3)).unwrap_or(8));
        self.limit(life.place, Limit::Starved, delay);
        if tries == 0 {
            self.note(slot, key, Notice::Starved(what.into()));
        }
    }

    /// There was room for a process.
    /// Asks once more for the process that the system had no room for, if it is still wanted.
    pub(super) fn ask_again(&mut self, place: u32) {
        let Some(instance) = self.instance(place) else { return };
        let Some((process, _, _)) = instance.rare().and_then(|rare| rare.starved.clone()) else { return };
        let wanted = instance.state.asked_for(process);
        let for_start = !matches!(process, ProcessKind::PreStop | ProcessKind::Stop | ProcessKind::PostStop);
        if wanted && for_start && instance.goal != Goal::Start {
            self.give_up(place, process);
        } else if wanted {
            self.spawn(place, process);
        }
    }

    /// A process that the system has no room for is not asked for again: its time is over, or nobody wants it.
    fn give_up(&mut self, place: u32, process: ProcessKind) {
        self.unlimit(place, Limit::Starved);
        if let Some(number) = self.instance(place).map(|instance| instance.number) {
            self.cue(place, number, Cue::Unspawned(process));
        }
    }

    /// A process was executed: what it had to wait for is over.
    pub(super) fn spawned(&mut self, life: Life, process: ProcessKind, pid: crate::Pid) {
        let instance = self.instance_mut(life.place).filter(|it| it.number == life.number);
        if let Some(rare) = instance.and_then(|instance| instance.rare.as_mut())
            && rare.starved.as_ref().is_some_and(|(starved, _, _)| *starved == process)
        {
            rare.starved = None;
        }
        self.report(life, Cue::Spawned(process, pid));
    }

    pub(super) fn unspawned(&mut self, life: Life, process: ProcessKind, why: &str) {
        let Some(instance) = self.instance(life.place).filter(|it| it.number == life.number) else { return };
        self.note(instance.slot, instance.key.clone(), Notice::Unspawned(process, why.into()));
        self.cue(life.place, life.number, Cue::Unspawned(process));
    }

    /// Emits one of the four events of a life, and waits until it has been worked off.
    fn emit_hook(&mut self, place: u32, name: &str) {
        let Some(instance) = self.instance(place) else { return };
        let (emitter, number) = (Emitter::Hook(place, instance.number), instance.number);
        let hook = self.life_event(place, name, emitter);
        match (hook, self.instance_mut(place)) {
            (Some(_), Some(instance)) => instance.hook = hook,
            // No name for it, nothing to wait for.
            _ => self.saved.todo.push_back(Todo::Cue(place, number, Cue::HookDone)),
        }
    }

    fn emit_own(&mut self, place: u32, name: &str) {
        let _ = self.life_event(place, name, Emitter::Nobody);
    }

    fn life_event(&mut self, place: u32, name: &str, emitter: Emitter) -> Option<EventId> {
        let instance = self.instance(place)?;
        let mut args = Args::new();
        set(&mut args, "JOB", &instance.job.name);
        set(&mut args, "INSTANCE", &instance.key);
        if matches!(name, "stopping" | "stopped") {
            add_result(&mut args, instance.result);
        }
        for key in &instance.job.export {
            if args.get(key).is_none()
                && let Some(value) = instance.value_of(key).and_then(|value| Value::new(value).ok())
            {
                args.push(key.clone(), value);
            }
        }
        let stopping = instance.goal != Goal::Start && instance.stop_cause != CauseId::NONE;
        let parent = if stopping { instance.stop_cause } else { instance.cause };
        let name = Name::new(name).ok()?;
        self.emit(Event { name, args }, parent, emitter)
    }

    pub(super) fn hook_over(&mut self, place: u32, number: u64, id: EventId) {
        if let Some(instance) = self.instance_mut(place)
            && instance.number == number
            && instance.hook == Some(id)
        {
            instance.hook = None;
            self.saved.todo.push_back(Todo::Cue(place, number, Cue::HookDone));
        }
    }

    pub(super) fn note(&mut self, id: JobId, instance: Text, what: Notice) {
        if let Some(job) = self.slot(id).map(|slot| slot.job.name.clone()) {
            self.out.push(Action::Note(crate::Note { job: Some(job), instance, what }));
        }
    }

    pub(super) fn note_machine(&mut self, what: Notice) {
        self.out.push(Action::Note(crate::Note { job: None, instance: Text::default(), what }));
    }

    pub(super) fn command_reload(&mut self, slot: JobId, args: &Args) -> Option<Outcome> {
        let place = match self.place_for(slot, args) {
            Ok(place) => place,
            Err(outcome) => return Some(outcome),
        };
        let Some(instance) = self.instance(place) else { return Some(Outcome::UnknownJob) };
        let (signal, verb) = (instance.job.reload_signal, instance.job.processes.has(ProcessKind::Reload));
        let alive = instance.state.main().is_alive();
        if verb {
            self.spawn(place, ProcessKind::Reload);
        } else if alive {
            self.act(place, |life| Action::Signal { life, signal });
        } else {
            return Some(Outcome::Refused(Refusal::NothingToReload));
        }
        Some(Outcome::Done)
    }
}

/// `RESULT` and, where something went wrong, where and how.
fn add_result(args: &mut Args, result: Option<Failure>) {
    let Some(failure) = result else { return set(args, "RESULT", "ok") };
    set(args, "RESULT", "failed");
    let (process, exit) = match failure {
        Failure::Ended(process, exit) => (process.name(), Some(exit)),
        Failure::Unspawned(process) | Failure::HookTimeout(process) => (process.name(), None),
        Failure::EndedEarly => (ProcessKind::Main.name(), Some(Exit::Code(0))),
        Failure::Respawn => ("respawn", None),
        Failure::StartTimeout => (ProcessKind::Main.name(), None),
        Failure::Needs => ("needs", None),
    };
    set(args, "PROCESS", process);
    match exit {
        Some(Exit::Code(code)) => set(args, "EXIT_STATUS", &alloc::format!("{code}")),
        Some(Exit::Signal(signal)) => set(args, "EXIT_SIGNAL", &alloc::format!("{signal}")),
        None => {}
    }
}

/// The variables of a stop hook: those of the start, those of the stop, and, after the end, how it ended.
fn stop_environment(instance: &Instance, process: ProcessKind) -> Arc<Args> {
    let mut env = Args::clone(&instance.env);
    for (key, value) in instance.stop_env.iter() {
        env.push(key.clone(), value.clone());
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
