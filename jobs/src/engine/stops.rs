//! Who must be down before an instance stops: the reverse of the start, or what stop headers say.

use alloc::vec::Vec;

use super::{Engine, Todo};
use crate::{Cue, Goal, GraphEdge as Edge, Job, JobId, State};

impl Engine {
    pub(super) fn recheck_drain(&mut self, place: u32) {
        let Some(number) = self.instance(place).map(|instance| instance.number) else { return };
        match self.first_to_stop(place) {
            None => self.saved.todo.push_back(Todo::Cue(place, number, Cue::Freed)),
            Some(other) => {
                let Some(slot) = self.instance(other).map(|instance| instance.slot) else { return };
                if let Some(slot) = self.slot_mut(slot) {
                    slot.waiting.push(place);
                }
                self.cut_rings(place);
            }
        }
    }

    /// The instances that must be down before this one stops.
    pub(super) fn to_stop_first(&self, place: u32) -> Vec<u32> {
        let Some(instance) = self.instance(place) else { return Vec::new() };
        let (id, job) = (instance.slot, &instance.job);
        let yielded = instance.rare().map(|rare| rare.yielded.as_slice()).unwrap_or_default();
        let mut jobs = self.successors(id, job);
        // A format with stop headers says itself what must stay up until it is down.
        jobs.retain(|&other| self.slot(other).is_some_and(|slot| slot.job.stop_order.is_none()));
        jobs.extend(self.stop_ordered(job));
        jobs.retain(|other| *other != id && !yielded.contains(other));
        let stopping = |place: &u32| {
            self.instance(*place).is_some_and(|it| {
                // One that comes up again must be down before it does.
                (it.goal != Goal::Start || it.comes_back())
                    && !it.is_unkillable()
                    && !matches!(it.state, State::Waiting | State::Held { .. })
            })
        };
        let slots = jobs.into_iter().filter_map(|id| self.slot(id));
        slots.flat_map(|slot| slot.instances.iter().map(|(_, place)| *place)).filter(stopping).collect()
    }

    pub(super) fn stop_ordered(&self, job: &Job) -> Vec<JobId> {
        let mut jobs: Vec<JobId> = Vec::new();
        if let Some(order) = &job.stop_order {
            jobs.extend(order.after.iter().flat_map(|name| self.providers(name)));
        }
        for name in job.provided_names().chain([&job.name]) {
            jobs.extend(self.graph.related(name, Edge::Outlives));
        }
        jobs.sort_unstable();
        jobs.dedup();
        jobs
    }

    pub(super) fn first_to_stop(&self, place: u32) -> Option<u32> {
        self.to_stop_first(place).into_iter().next()
    }
}
