//! Who waits for whom.
//!
//! An instance waits in three ways: `held`, for what it requires and needs; in `starting` and `stopping`, for
//! the jobs that its event started and stopped; and, told to stop while it runs, for those that must stop
//! before it. Nothing is written down but "look at me again when something about that job changes"; whether
//! somebody must still wait is asked anew each time.
//!
//! Order by itself cannot form a ring: edges that close one are ignored from the start. A ring needs somebody
//! who waits for an event. So when an event begins to wait for an instance, or somebody begins to wait while an
//! event waits, the waits are followed; a ring is cut at its weakest wait and named.

use alloc::{format, string::String, vec::Vec};

use events::{Args, Name, Value};

use super::{
    Engine, Todo,
    clock::Limit,
    goals::StopWish,
    model::{By, Emitter, End, EventId, Instance, Request},
};
use crate::{
    Action, CauseId, Cue, Format, Goal, GraphEdge as Edge, Happening, Job, JobId, Need, Notice, Outcome,
    Phase, Refusal, StartMode, State,
};

/// The reserved provision that means everything else.
pub const ALL: &str = "$all";
/// How long a chain of `starting X` jobs is followed to see whether one is coming.
const MAX_HOOK_CHAIN: usize = 16;

/// What an instance waits for, from the weakest to the strongest: in a ring the weakest yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// That this instance is down first.
    Stop(u32),
    /// That this job has settled.
    Order(JobId),
    /// That this event, emitted from inside, has been worked off.
    Emit(EventId),
    /// That its `starting` or `stopping` event has been worked off.
    Hook(EventId),
    /// That this job is up.
    Need(JobId),
}

/// An instance on a way along waits: the steps that are still to be tried, and the one taken.
struct Step {
    place: u32,
    untried: Vec<(Wait, u32)>,
    taken: Option<Wait>,
}

/// How it stands with something that is needed.
enum Supply {
    Up,
    Coming(JobId),
    /// On its way down: what to do is known when it is down.
    Leaving(JobId),
    Startable(JobId),
    Never(String),
}

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

    fn recheck_held(&mut self, place: u32) {
        let Some(instance) = self.instance(place).filter(|instance| instance.goal == Goal::Start) else {
            return;
        };
        let number = instance.number;
        if let Some(time) =
            instance.rare().and_then(|rare| rare.not_before).filter(|time| *time > self.saved.now)
        {
            return self.limit(place, Limit::Again, time.since(self.saved.now));
        }
        let forced = instance.rare().is_some_and(|rare| rare.forced);
        if !forced && !self.admits_mode(&instance.job) {
            // A mode that keeps it is no part of a start: others do not wait for it.
            return self.settle_quietly(place);
        }
        if let Some(job) = self.first_unsettled(place) {
            return self.wait_for(place, &[job]);
        }
        match self.first_need(place) {
            Ok(None) => self.free(place, number),
            // Whichever provider is up first will do.
            Ok(Some(_)) => self.wait_for(place, &self.all_needed(place)),
            Err(why) => self.fail_for_needs(place, why),
        }
    }

    fn settle_quietly(&mut self, place: u32) {
        if self.instance(place).is_some_and(|instance| !instance.settled) {
            self.settle(place);
        }
    }

    fn free(&mut self, place: u32, number: u64) {
        if let Some(rare) = self.instance_mut(place).and_then(|instance| instance.rare.as_mut()) {
            rare.not_before = None;
            rare.lost = false;
        }
        self.saved.todo.push_back(Todo::Cue(place, number, Cue::Freed));
    }

    /// All jobs that can give what an instance needs.
    fn all_needed(&self, place: u32) -> Vec<JobId> {
        let Some(instance) = self.instance(place) else { return Vec::new() };
        instance.job.needs.iter().flat_map(|need| self.providers_for(&instance.job, &need.name)).collect()
    }

    /// A job, and if it is a hook, the job whose, and so on: it is for these to say whether it is coming.
    fn hook_chain(&self, id: JobId) -> Vec<JobId> {
        let next = |id: &JobId| self.saved.names.get(hook_of(&self.slot(*id)?.job)?).copied();
        core::iter::successors(Some(id), next).take(MAX_HOOK_CHAIN).collect()
    }

    /// Has an instance looked at again when something about one of the jobs changes.
    fn wait_for(&mut self, place: u32, jobs: &[JobId]) {
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
        if self.saved.live_waits > 0 || self.saved.mixed {
            self.cut_rings(place);
        }
    }

    /// All jobs that an instance's job comes after, by what it was started with.
    ///
    /// Order goes through a job that is switched off: who requires it comes after those that it requires.
    pub(super) fn predecessors(&self, id: JobId, job: &Job) -> Vec<JobId> {
        self.through_disabled(id, job, |engine, id, job| engine.direct_predecessors(id, job))
    }

    /// All jobs that come after a job, also through jobs that are switched off.
    fn successors(&self, id: JobId, job: &Job) -> Vec<JobId> {
        self.through_disabled(id, job, |engine, id, job| engine.direct_successors(id, job))
    }

    fn through_disabled(
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

    fn direct_predecessors(&self, id: JobId, job: &Job) -> Vec<JobId> {
        let mut found: Vec<JobId> = Vec::new();
        for require in &job.requires {
            if require.name == ALL && job.format == Format::Lsb {
                found.extend(self.all_others(id));
            } else {
                found.extend(self.providers_for(job, &require.name));
            }
        }
        for name in job.provided_names().chain([&job.name]) {
            let before = self.graph.related(name, Edge::Before);
            found.extend(before.filter(|other| self.means(*other, name, id)));
        }
        found.retain(|&other| !self.ignores(other, id));
        found
    }

    fn direct_successors(&self, id: JobId, job: &Job) -> Vec<JobId> {
        let mut found: Vec<JobId> = Vec::new();
        for name in job.provided_names().chain([&job.name]) {
            let after = self.graph.related(name, Edge::Requires).chain(self.graph.related(name, Edge::Needs));
            found.extend(after.filter(|other| self.means(*other, name, id)));
        }
        for name in &job.before {
            found.extend(self.providers_for(job, name));
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
            found.extend(self.saved.names.get(name));
        }
        found.sort_by_key(|id| self.slot(*id).map(|slot| &slot.job.name));
        found
    }

    /// Whom a name in a job's file means: a script's header knows provisions only.
    pub(super) fn providers_for(&self, job: &Job, name: &str) -> Vec<JobId> {
        let mut found = self.providers(name);
        if matches!(job.format, Format::Rcd | Format::Lsb) {
            found.retain(|id| self.graph.related(name, Edge::Provides).any(|provider| provider == *id));
        }
        found
    }

    /// Whether a name in the file of `whose` means `id`.
    fn means(&self, whose: JobId, name: &str, id: JobId) -> bool {
        self.slot(whose).is_some_and(|slot| self.providers_for(&slot.job, name).contains(&id))
    }

    fn all_others(&self, id: JobId) -> Vec<JobId> {
        let Some(format) = self.slot(id).map(|slot| slot.job.format) else { return Vec::new() };
        let slots = self.saved.slots.iter().enumerate();
        slots
            .filter_map(|(place, slot)| Some((JobId(u32::try_from(place).ok()?), slot.as_ref()?)))
            .filter(|(_, slot)| slot.job.format == format && !comes_after_all(&slot.job))
            .map(|(id, _)| id)
            .collect()
    }

    fn first_unsettled(&self, place: u32) -> Option<JobId> {
        let instance = self.instance(place)?;
        self.unsettled(instance).next()
    }

    /// The jobs that must settle before an instance may start, and have not.
    fn unsettled<'e>(&'e self, instance: &'e Instance) -> impl Iterator<Item = JobId> + 'e {
        let rare = instance.rare();
        let yielded = rare.map(|rare| rare.yielded.as_slice()).unwrap_or_default();
        let before = match rare {
            // Who forces a start does not want to wait.
            Some(rare) if rare.forced => Vec::new(),
            Some(_) | None => self.predecessors(instance.slot, &instance.job),
        };
        before.into_iter().filter(move |id| {
            !yielded.contains(id) && (self.is_coming(*id, instance.slot) || self.expects(&instance.job, *id))
        })
    }

    /// Whether a start of the job is under way, or as good as under way. For `whom`: a hook of its own is
    /// coming, but within its start, and cannot come before it.
    fn is_coming(&self, id: JobId, whom: JobId) -> bool {
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
            match hook_of(&slot.job).and_then(|name| self.saved.names.get(name)) {
                Some(&next) if next != at && next != whom && slot.instances.is_empty() => at = next,
                _ => return false,
            }
        }
        false
    }

    fn is_expected(&self, job: &Job) -> bool {
        job.provides
            .iter()
            .filter_map(|provide| provide.expected)
            .any(|expected| self.saved.now.0 < expected.as_millis() as u64)
    }

    /// Whether the one who requires says that the other is still to be expected.
    fn expects(&self, job: &Job, id: JobId) -> bool {
        let Some(slot) = self.slot(id).filter(|slot| !slot.started) else { return false };
        job.requires.iter().any(|require| {
            require.expected.is_some_and(|expected| self.saved.now.0 < expected.as_millis() as u64)
                && (slot.job.name == require.name
                    || slot.job.provided_names().any(|name| *name == require.name))
        })
    }

    /// When the first expectation ends that an instance waits for.
    fn expectation_ends(&self, place: u32) -> Option<events::Time> {
        let instance = self.instance(place)?;
        let own = instance.job.requires.iter().filter_map(|require| require.expected);
        let others =
            self.predecessors(instance.slot, &instance.job).into_iter().chain(self.all_needed(place));
        let others = others.flat_map(|id| self.hook_chain(id));
        let theirs = others.filter_map(|id| self.slot(id)).filter(|slot| !slot.started);
        let theirs = theirs.flat_map(|slot| slot.job.provides.iter().filter_map(|provide| provide.expected));
        own.chain(theirs)
            .map(|delay| events::Time(0).after(delay))
            .filter(|time| *time > self.saved.now)
            .min()
    }

    /// The job that an instance must wait for before all it needs is up; what is not coming is started.
    fn first_need(&mut self, place: u32) -> Result<Option<JobId>, String> {
        let Some(job) = self.instance(place).map(|instance| instance.job.clone()) else { return Ok(None) };
        for need in &job.needs {
            // Each turn asks one more provider, so this ends; what came of it is seen by looking anew.
            loop {
                match self.supply(place, need) {
                    Supply::Up => break,
                    Supply::Coming(id) => {
                        // If it fails, that was its try: it is not started once more for us.
                        if self.slot(id).is_some_and(|slot| !slot.instances.is_empty()) {
                            self.note_asked(place, id);
                        }
                        return Ok(Some(id));
                    }
                    Supply::Leaving(id) => return Ok(Some(id)),
                    Supply::Startable(id) => self.start_needed(place, need, id),
                    Supply::Never(why) => return Err(why),
                }
            }
        }
        Ok(None)
    }

    fn note_asked(&mut self, place: u32, id: JobId) {
        if let Some(instance) = self.instance_mut(place)
            && instance.rare().is_none_or(|rare| !rare.asked.contains(&id))
        {
            instance.rare_mut().asked.push(id);
        }
    }

    fn supply(&self, place: u32, need: &Need) -> Supply {
        let Some(instance) = self.instance(place) else { return Supply::Up };
        let named = self.providers_for(&instance.job, &need.name);
        let providers: Vec<JobId> = named
            .iter()
            .copied()
            .filter(|id| *id != instance.slot && !self.ignores(*id, instance.slot))
            .collect();
        if providers.is_empty() {
            let known = !named.is_empty();
            return if known {
                Supply::Up
            } else {
                Supply::Never(format!("`{}`, which no job provides", need.name))
            };
        }
        let args = need_args(need, instance);
        if providers.iter().any(|id| self.is_there(*id, &args)) {
            return Supply::Up;
        }
        if let Some(id) = providers.iter().find(|id| self.is_on_its_way(**id, &args, instance.slot)) {
            return Supply::Coming(*id);
        }
        if let Some(id) = providers.iter().find(|id| self.has_instance(**id, &args, |_| true)) {
            return Supply::Leaving(*id);
        }
        let rare = instance.rare();
        if rare.is_some_and(|rare| rare.lost) {
            return providers.first().map_or(Supply::Up, |id| Supply::Coming(*id));
        }
        let asked = rare.map(|rare| rare.asked.as_slice()).unwrap_or_default();
        if let Some(id) = providers.iter().find(|id| !asked.contains(id) && !self.awaits_its_facts(**id)) {
            return Supply::Startable(*id);
        }
        // What somebody, its `while` or the mode keeps down may come yet.
        match providers.iter().find(|id| self.awaits_its_facts(**id) || self.is_kept_down(**id)) {
            Some(id) => Supply::Coming(*id),
            None => Supply::Never(self.why_not(&need.name, &providers)),
        }
    }

    /// Whether only its `while` keeps the job from starting: it starts when that holds.
    fn awaits_its_facts(&self, id: JobId) -> bool {
        self.slot(id).is_some_and(|slot| {
            let may_start = !slot.gone && slot.job.start == StartMode::Automatic;
            may_start && slot.job.holds_while.is_some() && slot.levels.is_empty()
        })
    }

    /// Whether a job is down although nothing is wrong with it.
    fn is_kept_down(&self, id: JobId) -> bool {
        self.slot(id).is_some_and(|slot| match slot.last.as_ref().map(|last| &last.end) {
            Some(End::Refused(Refusal::While(_) | Refusal::Mode(_))) => true,
            Some(End::Well) => !slot.job.task,
            Some(End::Failed(_) | End::Refused(_)) | None => false,
        })
    }

    /// Why none of the providers is up, in words.
    fn why_not(&self, name: &Name, providers: &[JobId]) -> String {
        let last = providers
            .iter()
            .filter_map(|id| self.slot(*id))
            .find_map(|slot| Some((slot, slot.last.as_ref()?)));
        match last.map(|(slot, last)| (&slot.job.name, &last.end)) {
            Some((job, End::Failed(failure))) => {
                format!("`{name}`: {job} failed: {}", super::view::failure_text(*failure))
            }
            Some((job, End::Refused(refusal))) => {
                format!("`{name}`: {job} did not start: {}", super::view::refusal_text(refusal))
            }
            Some((job, End::Well)) => format!("`{name}`: {job} has ended"),
            None => format!("`{name}`, which did not start"),
        }
    }

    /// Starts what an instance needs.
    fn start_needed(&mut self, place: u32, need: &Need, id: JobId) {
        self.note_asked(place, id);
        let Some(instance) = self.instance(place) else { return };
        let (name, parent) = (instance.job.name.clone(), instance.cause);
        let env = self.instance(place).map(|instance| need_args(need, instance)).unwrap_or_default();
        let cause = self.saved.causes.add(self.saved.now, Happening::NeededBy(name), parent);
        let request = Request {
            env,
            events: Vec::new(),
            blocks: Vec::new(),
            cause,
            reply: None,
            force: false,
            by: By::Need,
        };
        // What was refused is noted for `why`.
        let _ = self.start(id, request, &[]);
    }

    /// Whether an instance of the job counts as up, or the job is a task that ended well: what facts say.
    pub(super) fn is_up(&self, id: JobId) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let up = |place: u32| self.instance(place).is_some_and(|it| it.up && !it.job.task);
        slot.ended_well || slot.instances.iter().any(|(_, place)| up(*place))
    }

    /// Whether an instance of the job that fits is there for one that starts now.
    fn is_there(&self, id: JobId, args: &Args) -> bool {
        let there = |instance: &Instance| {
            !instance.job.task && instance.goal == Goal::Start && instance.state.phase() == Phase::Running
        };
        self.slot(id).is_some_and(|slot| slot.ended_well) || self.has_instance(id, args, there)
    }

    /// Whether an instance of the job that fits shall be up and is not yet, however long that takes; of a
    /// task, whether it has not ended yet. `whom` is the job that asks.
    fn is_on_its_way(&self, id: JobId, args: &Args, whom: JobId) -> bool {
        let on_its_way = |instance: &Instance| match instance.goal {
            Goal::Start | Goal::Restart => true,
            Goal::Stop => instance.job.task && instance.goes_well(),
        };
        self.has_instance(id, args, on_its_way) || self.is_coming(id, whom)
    }

    fn has_instance(&self, id: JobId, args: &Args, which: impl Fn(&Instance) -> bool) -> bool {
        let fits = |instance: &Instance| {
            args.iter().all(|(key, value)| instance.value_of(key) == Some(value.as_str()))
        };
        self.slot(id).is_some_and(|slot| {
            slot.instances
                .iter()
                .filter_map(|(_, place)| self.instance(*place))
                .any(|instance| which(instance) && fits(instance))
        })
    }

    /// Something that others need is on its way down: they stop first, and come back when it does.
    pub(super) fn stop_dependants(&mut self, place: u32) {
        self.lose(place, false);
    }

    /// Something that others need has died and comes back: those who asked for it stop at once.
    pub(super) fn bounce_dependants(&mut self, place: u32) {
        self.lose(place, true);
    }

    fn lose(&mut self, place: u32, bounce_only: bool) {
        let Some(instance) = self.instance(place) else { return };
        let (id, job) = (instance.slot, instance.job.clone());
        let mut lost: Vec<u32> = Vec::new();
        for name in job.provided_names().chain([&job.name]) {
            for other in self.graph.related(name, Edge::Needs) {
                let Some(slot) = self.slot(other).filter(|_| other != id) else { continue };
                lost.extend(
                    slot.instances
                        .iter()
                        .map(|(_, place)| *place)
                        .filter(|dependant| self.depends(*dependant, place, name, bounce_only)),
                );
            }
        }
        self.sort_by_name(&mut lost);
        for dependant in lost {
            let cause = self.instance(place).map_or(CauseId::NONE, |it| it.stop_cause);
            let cause = self.saved.causes.add(self.saved.now, Happening::Lost(job.name.clone()), cause);
            let wish = StopWish {
                env: Args::new(),
                events: Vec::new(),
                blocks: Vec::new(),
                cause,
                reply: None,
                again: true,
            };
            if let Some(instance) = self.instance_mut(dependant) {
                instance.rare_mut().lost = true;
            }
            self.stop(dependant, wish);
        }
    }

    /// Whether `dependant` lives on `place` for the need called `name`, and on nobody else.
    fn depends(&self, dependant: u32, place: u32, name: &Name, bounce_only: bool) -> bool {
        let (Some(instance), Some(lost)) = (self.instance(dependant), self.instance(place)) else {
            return false;
        };
        if instance.goal != Goal::Start || matches!(instance.state, State::Waiting | State::Held { .. }) {
            return false;
        }
        // A task goes away by ending; who needed it has had what it needed.
        if lost.job.task {
            return false;
        }
        instance.job.needs.iter().filter(|need| need.name == *name && (need.bounce || !bounce_only)).any(
            |need| {
                let args = need_args(need, instance);
                let meant = args.iter().all(|(key, value)| lost.value_of(key) == Some(value.as_str()));
                let other_up = self.providers(name).into_iter().any(|id| {
                    let Some(slot) = self.slot(id) else { return false };
                    slot.instances.iter().any(|(_, other)| {
                        *other != place
                            && self.instance(*other).is_some_and(|it| {
                                it.up
                                    && it.goal == Goal::Start
                                    && args
                                        .iter()
                                        .all(|(key, value)| it.value_of(key) == Some(value.as_str()))
                            })
                    })
                });
                meant && !other_up
            },
        )
    }

    fn recheck_drain(&mut self, place: u32) {
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
    fn to_stop_first(&self, place: u32) -> Vec<u32> {
        let Some(instance) = self.instance(place) else { return Vec::new() };
        let (id, job) = (instance.slot, &instance.job);
        let yielded = instance.rare().map(|rare| rare.yielded.as_slice()).unwrap_or_default();
        let mut jobs = self.successors(id, job);
        // A format with stop headers says itself what must stay up until it is down.
        jobs.retain(|&other| self.slot(other).is_some_and(|slot| slot.job.stop_order.is_none()));
        jobs.extend(self.stop_ordered(id, job));
        jobs.retain(|other| *other != id && !yielded.contains(other));
        let stopping = |place: &u32| {
            self.instance(*place).is_some_and(|it| {
                // One that comes up again must be down before it does.
                (it.goal != Goal::Start || it.comes_back())
                    && !matches!(it.state, State::Waiting | State::Held { .. })
            })
        };
        let slots = jobs.into_iter().filter_map(|id| self.slot(id));
        slots.flat_map(|slot| slot.instances.iter().map(|(_, place)| *place)).filter(stopping).collect()
    }

    fn stop_ordered(&self, id: JobId, job: &Job) -> Vec<JobId> {
        let mut jobs: Vec<JobId> = Vec::new();
        if let Some(order) = &job.stop_order {
            jobs.extend(order.after.iter().flat_map(|name| self.providers(name)));
        }
        for (place, slot) in self.saved.slots.iter().enumerate() {
            let Some((slot, place)) = slot.as_ref().zip(u32::try_from(place).ok()) else { continue };
            if slot.instances.is_empty() || JobId(place) == id {
                continue;
            }
            let before = slot.job.stop_order.as_ref().is_some_and(|order| {
                order
                    .before
                    .iter()
                    .any(|name| *name == job.name || job.provided_names().any(|own| own == name))
            });
            if before {
                jobs.push(JobId(place));
            }
        }
        jobs
    }

    fn first_to_stop(&self, place: u32) -> Option<u32> {
        self.to_stop_first(place).into_iter().next()
    }

    /// Everything that an instance waits for now.
    pub(super) fn waits(&self, place: u32) -> Vec<Wait> {
        let Some(instance) = self.instance(place) else { return Vec::new() };
        let mut waits: Vec<Wait> = instance.emits.iter().map(|id| Wait::Emit(*id)).collect();
        waits.extend(instance.hook.map(Wait::Hook));
        let phase = instance.state.phase();
        if phase == Phase::Held && self.is_kept(instance) {
            // It waits for the clock or the mode, and asks for nobody until that is over.
        } else if phase == Phase::Held {
            waits.extend(self.unsettled(instance).map(Wait::Order));
            for need in &instance.job.needs {
                match self.supply(place, need) {
                    Supply::Coming(id) | Supply::Leaving(id) => waits.push(Wait::Need(id)),
                    // Something is to be done about these at once.
                    Supply::Startable(_) | Supply::Up | Supply::Never(_) => {}
                }
            }
        } else if phase == Phase::Running && instance.goal != Goal::Start {
            waits.extend(self.to_stop_first(place).into_iter().map(Wait::Stop));
        }
        waits
    }

    /// Whether a backoff or the mode keeps an instance from looking whom it must wait for.
    fn is_kept(&self, instance: &Instance) -> bool {
        let rare = instance.rare();
        let later = rare.and_then(|rare| rare.not_before).is_some_and(|time| time > self.saved.now);
        let forced = rare.is_some_and(|rare| rare.forced);
        later || (!forced && !self.admits_mode(&instance.job))
    }

    /// The instances that a wait is for.
    fn awaited(&self, wait: Wait) -> Vec<u32> {
        match wait {
            Wait::Stop(place) => Vec::from([place]),
            Wait::Emit(id) | Wait::Hook(id) => {
                self.event(id).map(|live| live.blockers.clone()).unwrap_or_default()
            }
            Wait::Order(id) | Wait::Need(id) => {
                let places = self.slot(id).map(|slot| slot.instances.as_slice()).unwrap_or_default();
                places
                    .iter()
                    .map(|(_, place)| *place)
                    .filter(|place| {
                        self.instance(*place)
                            .is_some_and(|it| !it.settled || it.is_coming() || matches!(wait, Wait::Need(_)))
                    })
                    .collect()
            }
        }
    }

    /// An instance shall come up again: others wait for that from now on.
    pub(super) fn comes_again(&mut self, place: u32) {
        if self.saved.live_waits > 0 || self.saved.mixed {
            self.cut_rings(place);
        }
    }

    /// Cuts every ring of waits that goes through an instance, each at its weakest wait.
    pub(super) fn cut_rings(&mut self, from: u32) {
        // Each cut takes a wait away, so this ends; the bound is for the reader.
        for _ in 0..64 {
            let Some(ring) = self.find_ring(from) else { return };
            let name = |place: u32| self.instance(place).map(|it| (&it.job.name, &it.key));
            let weakest = ring.iter().min_by_key(|(place, wait)| (rank(*wait), name(*place)));
            let Some(&(place, wait)) = weakest else { return };
            self.saved.counters.rings = self.saved.counters.rings.saturating_add(1);
            let text = self.ring_text(&ring);
            if let Some((slot, key)) = self.instance(place).map(|it| (it.slot, it.key.clone())) {
                self.note(slot, key, Notice::RingCut(text));
            }
            self.cut(place, wait);
        }
    }

    /// A way along waits from an instance back to itself. Iterative: the stack is the way.
    pub(super) fn find_ring(&self, from: u32) -> Option<Vec<(u32, Wait)>> {
        let mut seen: hashbrown::HashSet<u32> = hashbrown::HashSet::new();
        let mut way: Vec<Step> = Vec::from([Step { place: from, untried: self.steps(from), taken: None }]);
        while let Some(step) = way.last_mut() {
            let Some((wait, next)) = step.untried.pop() else {
                way.pop();
                continue;
            };
            step.taken = Some(wait);
            if next == from {
                return Some(way.iter().filter_map(|step| Some((step.place, step.taken?))).collect());
            }
            if seen.insert(next) {
                way.push(Step { place: next, untried: self.steps(next), taken: None });
            }
        }
        None
    }

    fn steps(&self, place: u32) -> Vec<(Wait, u32)> {
        let waits = self.waits(place).into_iter();
        waits.flat_map(|wait| self.awaited(wait).into_iter().map(move |next| (wait, next))).collect()
    }

    fn cut(&mut self, place: u32, wait: Wait) {
        match wait {
            Wait::Stop(other) => {
                let job = self.instance(other).map(|instance| instance.slot);
                self.yield_wait(place, job);
            }
            Wait::Order(job) => self.yield_wait(place, Some(job)),
            Wait::Emit(id) => {
                let emitter = self.event(id).map(|live| live.emitter);
                let reply = if let Some(Emitter::Inside(reply, _)) = emitter { Some(reply) } else { None };
                if let Some(live) = self.event_mut(id) {
                    live.emitter = Emitter::Nobody;
                }
                if let Some(instance) = self.instance_mut(place) {
                    instance.emits.retain(|emitted| *emitted != id);
                }
                if let Some(reply) = reply {
                    self.saved.live_waits = self.saved.live_waits.saturating_sub(1);
                    self.out.push(Action::Reply(reply, Outcome::LetGo));
                }
            }
            Wait::Hook(id) => {
                let blockers = self.event(id).map(|live| live.blockers.clone()).unwrap_or_default();
                for blocker in blockers {
                    self.unblock_one(id, blocker);
                }
            }
            Wait::Need(_) => self.fail_for_needs(place, String::from("what waits for it in turn")),
        }
    }

    fn yield_wait(&mut self, place: u32, job: Option<JobId>) {
        if let Some(instance) = self.instance_mut(place) {
            instance.rare_mut().yielded.extend(job);
        }
        self.saved.todo.push_back(Todo::Recheck(place));
    }

    fn ring_text(&self, ring: &[(u32, Wait)]) -> String {
        let name = |place: u32| self.instance(place).map(|it| it.job.name.as_str()).unwrap_or("?");
        let mut text = String::new();
        for (place, wait) in ring {
            let how = match wait {
                Wait::Stop(_) => "stops after",
                Wait::Order(_) => "requires",
                Wait::Emit(_) => "emitted an event for",
                Wait::Hook(_) => "starts or stops with",
                Wait::Need(_) => "needs",
            };
            text.push_str(name(*place));
            text.push(' ');
            text.push_str(how);
            text.push(' ');
        }
        text.push_str(ring.first().map_or("?", |(place, _)| name(*place)));
        text
    }
}

/// Whether a script starts after everything else.
pub fn comes_after_all(job: &Job) -> bool {
    job.format == Format::Lsb && job.requires.iter().any(|require| require.name == ALL)
}

/// The order in which waits yield.
const fn rank(wait: Wait) -> u8 {
    match wait {
        Wait::Stop(_) => 0,
        Wait::Order(_) => 1,
        Wait::Emit(_) => 2,
        Wait::Hook(_) => 3,
        Wait::Need(_) => 4,
    }
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

/// The arguments that name the instance that is needed.
fn need_args(need: &Need, instance: &Instance) -> Args {
    let expand = |(key, template): &(events::Key, events::Template)| {
        let text = template.expand(&|name| instance.value_of(name))?;
        Some((key.clone(), Value::new(&text).ok()?))
    };
    need.args.iter().filter_map(expand).collect()
}
