//! Who waits for whom.
//!
//! An instance waits in three ways: `held`, for what it requires and needs; in `starting` and `stopping`, for
//! the jobs that its event started and stopped; and, told to stop while it runs, for those that must stop
//! before it. Nothing is written down but "look at me again when something about that job changes"; whether
//! somebody must still wait is asked anew each time.
//!
//! A start's settle limit counts from when it is held no longer. Whom it is held for has a limit of its own, so each
//! wait along a chain ends, one after the other; only who is held for what nobody is bringing has its limit at once.
//!
//! Order by itself cannot form a ring: edges that close one are ignored from the start. A ring needs somebody
//! who waits for an event. So when an event begins to wait for an instance, or somebody begins to wait while an
//! event waits, the waits are followed; a ring is cut at its weakest wait and named.

use alloc::vec::Vec;

use super::{
    Engine, Todo,
    clock::Limit,
    model::Instance,
    relations::{MAX_HOOK_CHAIN, hook_of},
};
use crate::{Cue, Goal, Job, JobId, Phase};

impl Engine {
    /// Looks whether an instance still waits.
    pub(super) fn recheck(&mut self, place: u32) {
        let Some(instance) = self.instance(place) else { return };
        let phase = instance.state.phase();
        if phase == Phase::Held {
            self.recheck_held(place);
        } else if phase == Phase::Running && instance.goal != Goal::Start {
            self.recheck_drain(place);
        }
    }

    pub(super) fn recheck_held(&mut self, place: u32) {
        let Some(instance) = self.instance(place).filter(|instance| instance.goal == Goal::Start) else {
            return;
        };
        let number = instance.number;
        if let Some(time) =
            instance.rare().and_then(|rare| rare.not_before).filter(|time| *time > self.saved.now)
        {
            return self.limit(place, Limit::Again, time.since(self.saved.now));
        }
        if self.is_kept_by_mode(instance) {
            // A mode that keeps it is no part of a start: neither jobs nor emitters wait for it.
            return self.settle_quietly(place);
        }
        if let Some(job) = self.first_unsettled(place) {
            return self.wait_for(place, &[job]);
        }
        match self.first_need(place) {
            Ok(None) => self.free(place, number),
            // Whichever provider is up first will do.
            Ok(Some(_)) => {
                let needed = self.all_needed(place);
                self.limit_if_nothing_comes(place, &needed);
                self.wait_for(place, &needed);
            }
            Err(why) => self.fail_for_needs(place, why),
        }
    }

    /// Whether only the mode of the machine keeps an instance from starting.
    pub(super) fn is_kept_by_mode(&self, instance: &Instance) -> bool {
        let forced = instance.rare().is_some_and(|rare| rare.forced);
        instance.state.phase() == Phase::Held && !forced && !self.admits_mode(&instance.job)
    }

    /// Who is held for jobs of which none is on its way has nobody with a limit before it: others wait for it no
    /// longer than for a start, whatever becomes of those jobs meanwhile.
    fn limit_if_nothing_comes(&mut self, place: u32, needed: &[JobId]) {
        let Some(instance) = self.instance(place).filter(|instance| !instance.settled) else { return };
        let (whom, settle) = (instance.slot, instance.job.settle);
        if !self.is_limited(place, Limit::Settle) && !needed.iter().any(|id| self.is_coming(*id, whom)) {
            self.limit(place, Limit::Settle, settle);
        }
    }

    pub(super) fn settle_quietly(&mut self, place: u32) {
        if self.instance(place).is_some_and(|instance| !instance.settled) {
            self.settle(place);
            self.unblock(place, false);
        }
    }

    pub(super) fn free(&mut self, place: u32, number: u64) {
        if let Some(rare) = self.instance_mut(place).and_then(|instance| instance.rare.as_mut()) {
            rare.not_before = None;
            rare.lost = false;
        }
        // Its own time begins; for who is on its way back up it has begun with the death.
        if let Some(instance) = self.instance(place).filter(|instance| !instance.settled) {
            let settle = instance.job.settle;
            self.limit(place, Limit::Settle, settle);
        }
        self.saved.todo.push_back(Todo::Cue(place, number, Cue::Freed));
    }

    /// Has an instance looked at again when something about one of the jobs changes.
    pub(super) fn wait_for(&mut self, place: u32, jobs: &[JobId]) {
        for &job in jobs {
            for id in self.hook_chain(job) {
                if let Some(slot) = self.slot_mut(id).filter(|slot| !slot.waiting.contains(&place)) {
                    slot.waiting.push(place);
                }
            }
        }
        if let Some(time) = self.expectation_ends(place) {
            self.limit(place, Limit::Again, time.since(self.saved.now));
        }
        // Turns are as people start jobs, and may cross what the jobs require.
        let takes_turns = self.instance(place).is_some_and(|instance| instance.job.turn.is_some());
        if self.saved.live_waits > 0 || self.saved.mixed || takes_turns {
            self.cut_rings(place);
        }
    }

    pub(super) fn first_unsettled(&self, place: u32) -> Option<JobId> {
        let instance = self.instance(place)?;
        self.unsettled(instance).next()
    }

    /// The jobs that must settle before an instance may start, and have not.
    pub(super) fn unsettled<'e>(&'e self, instance: &'e Instance) -> impl Iterator<Item = JobId> + 'e {
        let rare = instance.rare();
        let yielded = rare.map(|rare| rare.yielded.as_slice()).unwrap_or_default();
        let before = match rare {
            // Who forces a start does not want to wait.
            Some(rare) if rare.forced => Vec::new(),
            Some(_) | None => self.predecessors(instance.slot, &instance.job),
        };
        let before = before
            .into_iter()
            .filter(|id| self.is_coming(*id, instance.slot) || self.expects(&instance.job, *id));
        before.chain(self.turns_before(instance)).filter(|id| !yielded.contains(id))
    }

    /// The job whose turn it is before it comes to an instance: the one that was started last before it.
    fn turns_before(&self, instance: &Instance) -> Option<JobId> {
        let turn = instance.job.turn.as_ref()?;
        if instance.rare().is_some_and(|rare| rare.forced) {
            return None;
        }
        let ids = self.turns.get(turn).map(Vec::as_slice).unwrap_or_default();
        let lives = ids.iter().filter_map(|id| Some((id, self.slot(*id)?)));
        let lives = lives.flat_map(|(id, slot)| slot.instances.iter().map(move |(_, place)| (id, *place)));
        let before = lives.filter_map(|(id, place)| {
            let other = self.instance(place).filter(|other| other.number < instance.number)?;
            // A service that is up has had its turn, and so has who takes longer than others wait for it.
            let over = other.timed_out || other.is_unkillable() || (!other.job.task && other.reached);
            (!over && !self.is_kept_by_mode(other)).then_some((other.number, *id))
        });
        before.max().map(|(_, id)| id)
    }

    /// Whether a start of the job is under way, or as good as under way. For `whom`: a hook of its own is
    /// coming, but within its start, and cannot come before it.
    pub(super) fn is_coming(&self, id: JobId, whom: JobId) -> bool {
        let mut at = id;
        for hop in 0..MAX_HOOK_CHAIN {
            let Some(slot) = self.slot(at) else { return false };
            let unsettled = |place: u32| {
                self.instance(place).is_some_and(|instance| {
                    // A hook has begun, or will begin, as long as its job has not gone past `starting`.
                    let early = matches!(
                        instance.state.phase(),
                        Phase::Waiting | Phase::Held | Phase::Check | Phase::Starting
                    );
                    match hop {
                        0 => instance.is_coming(),
                        _ => early && !instance.settled && instance.goal != Goal::Stop,
                    }
                })
            };
            if slot.instances.iter().any(|(_, place)| unsettled(*place)) {
                return true;
            }
            if self.is_expected(&slot.job) && !slot.started {
                return true;
            }
            match hook_of(&slot.job).and_then(|name| self.named(name)) {
                Some(next) if next != at && next != whom && slot.instances.is_empty() => at = next,
                _ => return false,
            }
        }
        false
    }

    pub(super) fn is_expected(&self, job: &Job) -> bool {
        job.provides
            .iter()
            .filter_map(|provide| provide.expected)
            .any(|expected| self.saved.now.0 < expected.as_millis() as u64)
    }

    /// Whether the one who requires says that the other is still to be expected.
    pub(super) fn expects(&self, job: &Job, id: JobId) -> bool {
        let Some(slot) = self.slot(id).filter(|slot| !slot.started) else { return false };
        job.requires.iter().any(|require| {
            require.expected.is_some_and(|expected| self.saved.now.0 < expected.as_millis() as u64)
                && (slot.job.name == require.name
                    || slot.job.provided_names().any(|name| *name == require.name))
        })
    }

    /// When the first expectation ends that an instance waits for.
    pub(super) fn expectation_ends(&self, place: u32) -> Option<events::Time> {
        let instance = self.instance(place)?;
        let own = instance.job.requires.iter().filter_map(|require| require.expected);
        let others = self.has_expected.then(|| {
            self.predecessors(instance.slot, &instance.job).into_iter().chain(self.all_needed(place))
        });
        let others = others.into_iter().flatten().flat_map(|id| self.hook_chain(id));
        let theirs = others.filter_map(|id| self.slot(id)).filter(|slot| !slot.started);
        let theirs = theirs.flat_map(|slot| slot.job.provides.iter().filter_map(|provide| provide.expected));
        own.chain(theirs)
            .map(|delay| events::Time(0).after(delay))
            .filter(|time| *time > self.saved.now)
            .min()
    }
}
