//! A new generation of jobs, applied whole.
//!
//! What lives keeps the job it was started with: its processes, its stop condition, its `while`, its order at
//! stop. Only a new start sees the new one. A file that is gone lets its instances live on; a file that could
//! not be read leaves the job as it was.

use alloc::{sync::Arc, vec::Vec};

use events::{Name, Pattern, calendar::Timer};
use hashbrown::HashSet;

use super::{
    Engine,
    model::{Slot, Tree},
};
use crate::{
    Action, CauseId, Gate, Happening, Job, JobId, Sort,
    asked::{asked, asked_by, asks},
};

impl Engine {
    pub(super) fn reload(&mut self, mut jobs: Vec<Arc<Job>>, refused: &[Name]) {
        jobs.sort_by(|a, b| a.name.cmp(&b.name));
        let watched_before = self.watched();
        for id in self.ids() {
            let Some(slot) = self.slot(id).filter(|slot| !slot.gone) else { continue };
            let name = &slot.job.name;
            let is_there = jobs.binary_search_by(|job| job.name.cmp(name)).is_ok();
            if !is_there && !refused.contains(name) {
                self.retire(id);
            }
        }
        let new = jobs.len().saturating_sub(self.saved.slots.len());
        self.graph.reserve(new);
        self.reserve_names(new);
        self.saved.slots.reserve_exact(new);
        let mut changed: Vec<JobId> = Vec::new();
        for job in jobs {
            let id = self.put(job);
            changed.extend(id.filter(|id| self.levels.contains_key(id)));
        }
        self.graph.shrink();
        self.saved.slots.shrink_to_fit();
        self.find_turns();
        self.find_expected();
        self.find_cycles();
        self.tell_watches(&watched_before);
        self.set_alarms();
        self.tell_all_up();
        let cause = self.saved.causes.add(self.saved.now, Happening::Reload, CauseId::NONE);
        changed.sort_by_cached_key(|id| self.slot(*id).map(|slot| slot.job.name.clone()));
        for id in changed {
            self.recheck_level(id, cause);
        }
        self.saved.causes.release(cause);
        self.look_at_held();
    }

    /// Notes which jobs take turns, also those that only live on.
    pub(super) fn find_turns(&mut self) {
        self.turns.clear();
        for id in self.ids() {
            let Some(slot) = self.slot(id) else { continue };
            let lives = slot.instances.iter().filter_map(|(_, place)| self.instance(*place));
            let jobs = lives.map(|instance| &*instance.job).chain([&*slot.job]);
            let mut turns: Vec<Name> = jobs.filter_map(|job| job.turn.clone()).collect();
            turns.dedup();
            for turn in turns {
                self.turns.entry(turn).or_default().push(id);
            }
        }
    }

    /// Notes whether any job is to be expected, which few are: then nobody need look for how long.
    pub(super) fn find_expected(&mut self) {
        let mut jobs = self.saved.slots.iter().flatten().map(|slot| &slot.job);
        self.has_expected = jobs.any(|job| job.provides.iter().any(|provide| provide.expected.is_some()));
    }

    pub(super) fn ids(&self) -> Vec<JobId> {
        (0..self.saved.slots.len()).filter_map(|place| u32::try_from(place).ok()).map(JobId).collect()
    }

    /// Its file is gone.
    fn retire(&mut self, id: JobId) {
        self.graph.remove_job(id);
        self.levels.remove(&id);
        let Some(slot) = self.slot_mut(id) else { return };
        slot.gone = true;
        let mixed = !slot.instances.is_empty();
        let (tree, kept) = (core::mem::take(&mut slot.tree), core::mem::take(&mut slot.kept));
        slot.levels.clear();
        self.saved.mixed |= mixed;
        self.release_tree(&tree);
        kept.into_values().for_each(|request| self.drop_request(Some(request)));
        self.watch_old_levels(id);
        self.wake(id);
        self.forget_slot_if_gone(id);
    }

    /// Takes a job in, in place of the one of its name; `None` if nothing is new.
    fn put(&mut self, job: Arc<Job>) -> Option<JobId> {
        let Some(id) = self.named(&job.name) else {
            let id = self.add_slot(Slot::new(job.clone()));
            self.add_name(id);
            self.graph.add_job(id, &job);
            self.add_level(id, &job);
            return Some(id);
        };
        let slot = self.slot_mut(id)?;
        if slot.job == job && !slot.gone {
            return None;
        }
        let old = core::mem::replace(&mut slot.job, job.clone());
        slot.gone = false;
        let mixed = !slot.instances.is_empty();
        let tree =
            if old.start_on == job.start_on { Tree::default() } else { core::mem::take(&mut slot.tree) };
        let same_level = old.holds_while == job.holds_while && old.instance == job.instance;
        let kept = if same_level && old.start_on == job.start_on {
            Default::default()
        } else {
            core::mem::take(&mut slot.kept)
        };
        self.saved.mixed |= mixed;
        self.release_tree(&tree);
        kept.into_values().for_each(|request| self.drop_request(Some(request)));
        self.graph.remove_job(id);
        self.graph.add_job(id, &job);
        self.add_level(id, &job);
        self.watch_old_levels(id);
        self.wake(id);
        Some(id)
    }

    fn add_slot(&mut self, slot: Slot) -> JobId {
        if let Some(place) = self.saved.free_slots.pop()
            && let Some(free) = self.saved.slots.get_mut(place as usize)
        {
            *free = Some(slot);
            return JobId(place);
        }
        let place = u32::try_from(self.saved.slots.len()).unwrap_or(u32::MAX);
        self.saved.slots.push(Some(slot));
        JobId(place)
    }

    /// Forgets a job whose file and instances are gone.
    pub(super) fn forget_slot_if_gone(&mut self, id: JobId) {
        let Some(gone) = self.slot(id).filter(|slot| slot.instances.is_empty()).map(|slot| slot.gone) else {
            return;
        };
        self.graph.remove_gate(Gate::OldWhile(id));
        if !gone {
            return;
        }
        self.forget_name(id);
        let Some(slot) = self.saved.slots.get_mut(id.0 as usize).and_then(Option::take) else { return };
        self.saved.free_slots.push(id.0);
        if let Some(last) = slot.last {
            self.saved.causes.release(last.cause);
        }
    }

    /// Has the facts watched that instances of earlier versions run along with.
    pub(super) fn watch_old_levels(&mut self, id: JobId) {
        self.graph.remove_gate(Gate::OldWhile(id));
        let Some(slot) = self.slot(id) else { return };
        let living = slot.instances.iter().filter_map(|(_, place)| self.instance(*place));
        let conditions: Vec<_> = living
            .filter(|it| {
                slot.gone
                    || it.job.holds_while != slot.job.holds_while
                    || it.job.instance != slot.job.instance
            })
            .filter_map(|it| it.job.holds_while.clone())
            .collect();
        for condition in conditions {
            self.graph.add_level_gate(Gate::OldWhile(id), &condition);
        }
    }

    /// Has the stop condition of an instance looked at, with its variables replaced.
    pub(super) fn add_stop_gate(&mut self, place: u32) {
        self.graph.remove_gate(Gate::Stop(place));
        let Some(instance) = self.saved.instances.get(place as usize).and_then(Option::as_ref) else {
            return;
        };
        let Some(condition) = &instance.job.stop_on else { return };
        let value_of = |name: &str| instance.value_of(name);
        let leaves = condition.leaves().map(|leaf| match asks(&leaf.pattern) {
            true => asked(&leaf.pattern, &instance.job)
                .or_else(|| leaf.pattern.expanded(&value_of).map(|it| it.into_owned())),
            false => leaf.pattern.expanded(&value_of).map(|it| it.into_owned()),
        });
        self.graph.add_gate(Gate::Stop(place), Sort::Event, leaves);
    }

    /// Finds the edges that loops make void.
    pub(super) fn find_cycles(&mut self) {
        let ids: Vec<JobId> = self.ids().into_iter().filter(|id| self.slot(*id).is_some()).collect();
        let jobs: Vec<Arc<Job>> =
            ids.iter().filter_map(|id| self.slot(*id)).map(|slot| slot.job.clone()).collect();
        let jobs: Vec<&Job> = jobs.iter().map(AsRef::as_ref).collect();
        self.order.clear();
        if !jobs.iter().any(|job| crate::order::says_order(job)) {
            return;
        }
        let order = crate::order(&jobs);
        // Who comes after everything does not come after those that come after it.
        let everything = jobs.iter().any(|job| super::relations::comes_after_all(job));
        if order.ignored.is_empty() && order.tangled.is_empty() && !everything {
            return;
        }
        self.order.resize(self.saved.slots.len(), u32::MAX);
        for (index, id) in ids.iter().enumerate() {
            if let (Some(place), Some(position)) = (self.order.get_mut(id.0 as usize), order.position(index))
            {
                *place = u32::try_from(position).unwrap_or(u32::MAX);
            }
        }
    }

    /// Whether an edge is void, because a loop would be closed by it.
    pub(super) fn ignores(&self, first: JobId, then: JobId) -> bool {
        match (self.order.get(first.0 as usize), self.order.get(then.0 as usize)) {
            (Some(first), Some(then)) => first > then,
            (None, _) | (_, None) => false,
        }
    }

    /// What conditions wait for that nobody tells who is not asked to ([`Action::Watch`]).
    #[must_use]
    pub fn watched(&self) -> HashSet<Pattern> {
        let jobs = self.saved.slots.iter().flatten().filter(|slot| !slot.gone).map(|slot| &slot.job);
        let patterns = jobs.flat_map(|job| watched_by(job));
        // Timers are the engine's own.
        patterns.filter(|pattern| pattern.name != Timer::EVENT).collect()
    }

    /// The jobs on whose behalf a pattern is watched, by name.
    #[must_use]
    pub fn who_waits_for(&self, pattern: &Pattern) -> Vec<Name> {
        let jobs = self.saved.slots.iter().flatten().filter(|slot| !slot.gone).map(|slot| &slot.job);
        let mut names: Vec<Name> = jobs
            .filter(|job| watched_by(job).any(|watched| watched == *pattern))
            .map(|job| job.name.clone())
            .collect();
        names.sort();
        names
    }

    fn tell_watches(&mut self, before: &HashSet<Pattern>) {
        let after = self.watched();
        let text = |pattern: &&Pattern| alloc::format!("{pattern}");
        let mut gone: Vec<&Pattern> = before.difference(&after).collect();
        let mut new: Vec<&Pattern> = after.difference(before).collect();
        gone.sort_by_key(text);
        new.sort_by_key(text);
        self.out.extend(gone.into_iter().cloned().map(Action::Unwatch));
        self.out.extend(new.into_iter().cloned().map(Action::Watch));
    }
}

/// What a source is asked to watch on behalf of a job.
fn watched_by(job: &Job) -> impl Iterator<Item = Pattern> {
    let facts = job.holds_while.iter().flat_map(|condition| condition.leaves());
    let facts = facts.map(|leaf| &leaf.pattern).filter(|pattern| asks(pattern));
    // An instance has values for variables that its job has none for: the source looks for whatever they may be.
    let stops = job.stop_on.iter().flat_map(|condition| condition.leaves()).map(|leaf| &leaf.pattern);
    let stops = stops.filter(|pattern| pattern.name == "file" && asked(pattern, job).is_none());
    asked_by(job).chain(facts.cloned()).chain(stops.cloned()).chain(job.changes())
}
