//! Who stands to whom in the order: what the graph says, seen through jobs that are switched off.

use alloc::vec::Vec;

use super::Engine;
use crate::{Format, GraphEdge as Edge, Job, JobId, StartMode};

/// The reserved provision that means everything else.
pub const ALL: &str = "$all";

/// How long a chain of `starting X` jobs is followed to see whether one is coming.
pub const MAX_HOOK_CHAIN: usize = 16;

impl Engine {
    /// All jobs that an instance's job comes after, by what it was started with.
    ///
    /// Order goes through a job that is switched off: who requires it comes after those that it requires.
    pub(super) fn predecessors(&self, id: JobId, job: &Job) -> Vec<JobId> {
        self.through_disabled(id, job, |engine, id, job| engine.direct_predecessors(id, job))
    }

    /// All jobs that come after a job, also through jobs that are switched off.
    pub(super) fn successors(&self, id: JobId, job: &Job) -> Vec<JobId> {
        self.through_disabled(id, job, |engine, id, job| engine.direct_successors(id, job))
    }

    pub(super) fn through_disabled(
        &self,
        id: JobId,
        job: &Job,
        next: impl Fn(&Self, JobId, &Job) -> Vec<JobId>,
    ) -> Vec<JobId> {
        let mut found = next(self, id, job);
        found.retain(|other| *other != id);
        found.sort_unstable();
        found.dedup();
        let is_off =
            |id: &JobId| self.slot(*id).is_some_and(|slot| matches!(slot.job.start, StartMode::Disabled(_)));
        if !found.iter().any(is_off) {
            return found;
        }
        let mut seen: hashbrown::HashSet<JobId> = found.iter().copied().chain([id]).collect();
        let mut open: Vec<JobId> = found.iter().copied().filter(is_off).collect();
        while let Some(off) = open.pop() {
            let Some(job) = self.slot(off).map(|slot| slot.job.clone()) else { continue };
            for other in next(self, off, &job).into_iter().filter(|other| seen.insert(*other)) {
                found.push(other);
                open.extend(Some(other).filter(is_off));
            }
        }
        found.retain(|id| !is_off(id));
        found.sort_unstable();
        found
    }

    pub(super) fn direct_predecessors(&self, id: JobId, job: &Job) -> Vec<JobId> {
        let mut found: Vec<JobId> = Vec::new();
        for require in &job.requires {
            if require.name == ALL && is_script(job) {
                found.extend(self.all_others(id));
            } else {
                self.add_meant(job, &require.name, &mut found);
            }
        }
        self.add_who_means(id, job, Edge::Before, &mut found);
        // Those who take turns ask for nothing else.
        let takes_turns = |other: &JobId| {
            job.turn.is_some() && self.slot(*other).is_some_and(|slot| slot.job.turn == job.turn)
        };
        found.retain(|&other| !self.ignores(other, id) && !takes_turns(&other));
        found
    }

    pub(super) fn direct_successors(&self, id: JobId, job: &Job) -> Vec<JobId> {
        let mut found: Vec<JobId> = Vec::new();
        self.add_who_means(id, job, Edge::Requires, &mut found);
        self.add_who_means(id, job, Edge::Needs, &mut found);
        for name in &job.before {
            self.add_meant(job, name, &mut found);
        }
        if !job.requires.iter().any(|require| require.name == ALL) {
            let same_format = |id: &JobId| self.slot(*id).is_some_and(|slot| slot.job.format == job.format);
            found.extend(self.graph.related(ALL, Edge::Requires).filter(same_format));
        }
        found.retain(|&other| !self.ignores(id, other));
        found
    }

    /// Who provides a name, or else bears it, by name.
    pub(super) fn providers(&self, name: &str) -> Vec<JobId> {
        let mut found: Vec<JobId> = self.graph.related(name, Edge::Provides).collect();
        if found.is_empty() {
            found.extend(self.named(name));
        }
        found.sort_by_key(|id| self.slot(*id).map(|slot| &slot.job.name));
        found
    }

    /// Whom a name in a job's file means, by name: a script's header knows provisions only.
    pub(super) fn providers_for(&self, job: &Job, name: &str) -> Vec<JobId> {
        let mut found = Vec::new();
        self.add_meant(job, name, &mut found);
        found.sort_by_key(|id| self.slot(*id).map(|slot| &slot.job.name));
        found
    }

    /// Adds whom a name in a job's file means.
    fn add_meant(&self, job: &Job, name: &str, found: &mut Vec<JobId>) {
        let known = found.len();
        found.extend(self.graph.related(name, Edge::Provides));
        if found.len() == known && !is_script(job) {
            found.extend(self.named(name));
        }
    }

    /// Adds the jobs that stand to a job as `edge` says, by a name in their files that means it.
    fn add_who_means(&self, id: JobId, job: &Job, edge: Edge, found: &mut Vec<JobId>) {
        for name in job.provided_names().chain([&job.name]) {
            let mut others = self.graph.related(name, edge).peekable();
            if others.peek().is_none() {
                continue;
            }
            let mut providers = self.graph.related(name, Edge::Provides).peekable();
            if providers.peek().is_none() {
                let by_job_name = |other: &JobId| self.slot(*other).is_some_and(|slot| !is_script(&slot.job));
                found.extend(others.filter(|_| self.named(name) == Some(id)).filter(by_job_name));
            } else if providers.any(|provider| provider == id) {
                found.extend(others);
            }
        }
    }

    pub(super) fn all_others(&self, id: JobId) -> Vec<JobId> {
        let Some(format) = self.slot(id).map(|slot| slot.job.format) else { return Vec::new() };
        let slots = self.saved.slots.iter().enumerate();
        slots
            .filter_map(|(place, slot)| Some((JobId(u32::try_from(place).ok()?), slot.as_ref()?)))
            .filter(|(_, slot)| slot.job.format == format && !comes_after_all(&slot.job))
            .map(|(id, _)| id)
            .collect()
    }

    /// All jobs that can give what an instance needs.
    pub(super) fn all_needed(&self, place: u32) -> Vec<JobId> {
        let Some(instance) = self.instance(place) else { return Vec::new() };
        instance.job.needs.iter().flat_map(|need| self.providers_for(&instance.job, &need.name)).collect()
    }

    /// A job, and if it is a hook, the job whose, and so on: it is for these to say whether it is coming.
    pub(super) fn hook_chain(&self, id: JobId) -> Vec<JobId> {
        let next = |id: &JobId| self.named(hook_of(&self.slot(*id)?.job)?);
        core::iter::successors(Some(id), next).take(MAX_HOOK_CHAIN).collect()
    }
}

/// Whether a job may say that it comes after everything else of its format.
const fn is_script(job: &Job) -> bool {
    matches!(job.format, Format::Lsb | Format::Rcd)
}

/// Whether a script starts after everything else.
pub fn comes_after_all(job: &Job) -> bool {
    is_script(job) && job.requires.iter().any(|require| require.name == ALL)
}

/// The job that a job is a hook of: its whole start condition is `starting X`.
pub fn hook_of(job: &Job) -> Option<&str> {
    let pattern = job.start_on.as_ref()?.single()?;
    let first = pattern.matches.first().filter(|_| pattern.name == "starting")?;
    match (&first.key, &first.want) {
        (events::MatchKey::Position(0), events::Want::Literal(name)) => Some(name),
        (events::MatchKey::Named(key), events::Want::Literal(name)) if *key == "JOB" && !first.negated => {
            Some(name)
        }
        _ => None,
    }
}
