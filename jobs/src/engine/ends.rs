//! How lives end: well, badly, to come again or not, and who is told.

use alloc::vec::Vec;

use events::Text;

use super::{
    Engine, Todo,
    clock::{KILL_AGAIN, Limit, UNKILLABLE},
    goals::take_waiters,
    model::{By, End, Last, Request},
    told::STOPPED,
};
use crate::{
    Action, Again, CauseId, Exit, Failure, Goal, JobId, Main, Notice, Outcome, Phase, ProcessKind, Refusal,
    State, Verb,
};

impl Engine {
    /// Main is gone by itself: it comes back, or the life is over.
    pub(super) fn main_ended(&mut self, place: u32, main: Main, exit: Option<Exit>) {
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

    pub(super) fn ended_well(&mut self, place: u32) {
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
    pub(super) fn ended_meanwhile(&mut self, place: u32, exit: Exit) {
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
    pub(super) fn may_respawn(&mut self, place: u32) -> bool {
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
        let (slot, key) = (instance.slot, instance.key.clone());
        if !wait.is_zero() {
            self.note(slot, key, Notice::ComesBack(wait));
        }
        true
    }

    /// Something went wrong: the goal is stop from now on, and whoever waits for the start is told.
    pub(super) fn fail(&mut self, place: u32, failure: Failure, then: Phase) {
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

    /// A process has outlived KILL once more: the kernel holds it, for a disk or a server that does not answer.
    /// From some time on its stop counts as failed, and nobody waits for it any longer, but it is not down.
    pub(super) fn outlives_kill(&mut self, place: u32) {
        let Some(instance) = self.instance_mut(place) else { return };
        let rare = instance.rare_mut();
        rare.outlived = rare.outlived.saturating_add(1);
        if !instance.is_unkillable() {
            return;
        }
        let failure = Failure::Unkillable;
        let is_new = instance.rare().is_some_and(|rare| rare.outlived == UNKILLABLE);
        instance.result.get_or_insert(failure);
        let (slot, key) = (instance.slot, instance.key.clone());
        // Also those who have come to wait since the last time.
        let waiters = take_waiters(&mut instance.waiters, |_| true);
        if is_new {
            self.note(slot, key, Notice::Failed(failure));
        }
        self.settle(place);
        self.unblock(place, true);
        for reply in waiters {
            self.reply(Some(reply), Outcome::Failed(failure));
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

    pub(super) fn kill_hook(&mut self, place: u32, state: State, failure: Option<Failure>) {
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
    pub(super) fn skip(&mut self, place: u32) {
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
    pub(super) fn down(&mut self, place: u32, tell: bool) {
        if tell {
            self.emit_own(place, STOPPED);
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
        let rare = instance.rare.map(|rare| *rare).unwrap_or_default();
        let unspawned = rare.unspawned.filter(|_| matches!(end, End::Failed(Failure::Unspawned(_))));
        self.remember(instance.slot, instance.key.clone(), end, unspawned, cause);
        // What was still being waited for to coalesce begins the next life, as if it had come now.
        let coalesced = matches!(instance.job.again, Again::Coalesce(_));
        let (next, over): (Vec<Request>, Vec<Request>) =
            rare.pending.into_iter().partition(|it| coalesced && it.by == By::Event);
        over.into_iter().for_each(|request| self.drop_request(Some(request)));
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
        self.begin_own_alarms(instance.slot);
        self.forget_slot_if_gone(instance.slot);
        self.rise_under_new_names(instance.slot, &instance.job);
        for queued in next.into_iter().chain(rare.queue) {
            // The first becomes the next life, and the others line up behind it again.
            let _ = self.start(instance.slot, queued, &[]);
        }
    }

    pub(super) fn remember(
        &mut self,
        id: JobId,
        instance: Text,
        end: End,
        unspawned: Option<Text>,
        cause: CauseId,
    ) {
        let cause = self.saved.causes.keep(cause);
        let time = self.saved.now;
        let Some(slot) = self.slot_mut(id) else { return self.saved.causes.release(cause) };
        // That it may not start again says more than that it has ended.
        let refused = matches!(slot.last.as_deref(), Some(Last { end: End::Refused(Refusal::Ring(_)), time: at, .. }) if *at == time);
        if refused && end == End::Well {
            return self.saved.causes.release(cause);
        }
        if let Some(old) = slot.last.replace(Last { time, instance, end, unspawned, cause }.into()) {
            self.saved.causes.release(old.cause);
        }
    }

    /// Its start has ended, in whatever way: who waited for that goes on.
    pub(super) fn settle(&mut self, place: u32) {
        self.unlimit(place, Limit::Settle);
        self.settle_for_others(place);
    }

    pub(super) fn settle_for_others(&mut self, place: u32) {
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
    pub(super) fn no_longer_up(&mut self, place: u32) {
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
}
