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
    model::{By, Emitter, End, EventId, Request},
};
use crate::{
    Action, CauseId, Cue, Edge, Format, Goal, Happening, Job, JobId, Need, Notice, Outcome, Phase, StartMode,
    State,
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

/// How it stands with something that is needed.
enum Supply {
    Up,
    Coming(JobId),
    Startable(JobId),
    Never(String),
}

impl Engine {
    /// Looks whether an instance still waits.
    pub(super) fn recheck(&mut self, place: u32) {
        let Some(instance) = self.instance(place) else { return };
        match (instance.state.phase(), instance.goal) {
            (Phase::Held, _) => self.recheck_held(place),
            (Phase::Running, Goal::Stop | Goal::Restart) => self.recheck_drain(place),
            _ => {}
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
        if !self.admits_mode(&instance.job) {
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
    pub(super) fn predecessors(&self, id: JobId, job: &Job) -> Vec<JobId> {
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
        found.retain(|&other| other != id && !self.ignores(other, id));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// All jobs that come after a job.
    fn successors(&self, id: JobId, job: &Job) -> Vec<JobId> {
        let mut found: Vec<JobId> = Vec::new();
        for name in job.provided_names().chain([&job.name]) {
            let after = self.graph.related(name, Edge::Requires).chain(self.graph.related(name, Edge::Needs));
            found.extend(after.filter(|other| self.means(*other, name, id)));
        }
        for name in &job.before {
            found.extend(self.providers_for(job, name));
        }
        found.retain(|&other| other != id && !self.ignores(id, other));
        found.sort_unstable();
        found.dedup();
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
        if instance.rare().is_some_and(|rare| rare.forced) {
            return None;
        }
        let yielded = instance.rare().map(|rare| rare.yielded.as_slice()).unwrap_or_default();
        let expected = |id: JobId| self.expects(&instance.job, id);
        self.predecessors(instance.slot, &instance.job)
            .into_iter()
            .find(|id| !yielded.contains(id) && (self.is_coming(*id, instance.slot) || expected(*id)))
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
        let others = self.predecessors(instance.slot, &instance.job);
        let others = others.into_iter().flat_map(|id| self.hook_chain(id));
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
            loop {
                match self.supply(place, need) {
                    Supply::Up => break,
                    Supply::Coming(id) => return Ok(Some(id)),
                    // Each is asked once; what came of it is seen by asking anew.
                    Supply::Startable(id) => self.start_needed(place, need, id),
                    Supply::Never(why) => return Err(why),
                }
            }
        }
        Ok(None)
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
        if providers.iter().any(|id| self.is_up(*id, &args)) {
            return Supply::Up;
        }
        if let Some(id) =
            providers.iter().find(|id| self.is_coming(**id, instance.slot) || self.is_on_its_way(**id))
        {
            return Supply::Coming(*id);
        }
        let rare = instance.rare();
        if rare.is_some_and(|rare| rare.lost) {
            return providers.first().map_or(Supply::Up, |id| Supply::Coming(*id));
        }
        let asked = rare.map(|rare| rare.asked.as_slice()).unwrap_or_default();
        if let Some(id) = providers.iter().find(|id| !asked.contains(id) && !self.is_kept_down(**id)) {
            return Supply::Startable(*id);
        }
        // What its own `while` keeps down is waited for: it is started when that holds.
        match providers.iter().find(|id| self.is_kept_down(**id)) {
            Some(id) => Supply::Coming(*id),
            None => Supply::Never(self.why_not(&need.name, &providers)),
        }
    }

    /// Whether only its `while` keeps the job from starting.
    fn is_kept_down(&self, id: JobId) -> bool {
        self.slot(id).is_some_and(|slot| {
            let may_start = !slot.gone && slot.job.start == StartMode::Automatic;
            may_start && slot.job.holds_while.is_some() && slot.levels.is_empty()
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
        let Some(instance) = self.instance_mut(place) else { return };
        instance.rare_mut().asked.push(id);
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

    /// Whether an instance of the job that fits is up, or the job is a task that ended well.
    pub(super) fn is_up(&self, id: JobId, args: &Args) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let fits = |place: u32| {
            self.instance(place).is_some_and(|instance| {
                instance.up
                    && !instance.job.task
                    && args.iter().all(|(key, value)| instance.value_of(key) == Some(value.as_str()))
            })
        };
        slot.ended_well || slot.instances.iter().any(|(_, place)| fits(*place))
    }

    /// Whether an instance of the job shall be up and is not yet, however long that takes; of a task, whether
    /// it has not ended yet.
    fn is_on_its_way(&self, id: JobId) -> bool {
        let on_its_way = |place: u32| {
            self.instance(place).is_some_and(|it| match it.goal {
                Goal::Start | Goal::Restart => !it.up || it.job.task,
                Goal::Stop => it.job.task && it.goes_well(),
            })
        };
        self.slot(id).is_some_and(|slot| slot.instances.iter().any(|(_, place)| on_its_way(*place)))
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
        lost.sort_unstable();
        lost.dedup();
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
        match instance.state.phase() {
            Phase::Held => {
                let yielded = instance.rare().map(|rare| rare.yielded.as_slice()).unwrap_or_default();
                let unsettled = self.predecessors(instance.slot, &instance.job).into_iter();
                let unsettled = unsettled.filter(|id| {
                    !yielded.contains(id)
                        && (self.is_coming(*id, instance.slot) || self.expects(&instance.job, *id))
                });
                waits.extend(unsettled.map(Wait::Order));
                for need in &instance.job.needs {
                    if let Supply::Coming(id) | Supply::Startable(id) = self.supply(place, need) {
                        waits.push(Wait::Need(id));
                    }
                }
            }
            Phase::Running if instance.goal != Goal::Start => {
                waits.extend(self.to_stop_first(place).into_iter().map(Wait::Stop));
            }
            _ => {}
        }
        waits
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
            let Some(&(place, wait)) = ring.iter().min_by_key(|(place, wait)| (rank(*wait), *place)) else {
                return;
            };
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
        // For each instance on the way: its steps that are still to be tried, and the one taken.
        let mut way: Vec<(u32, Vec<(Wait, u32)>, Option<Wait>)> = Vec::from([(from, self.steps(from), None)]);
        while let Some((_, steps, taken)) = way.last_mut() {
            let Some((wait, next)) = steps.pop() else {
                way.pop();
                continue;
            };
            *taken = Some(wait);
            if next == from {
                return Some(way.iter().filter_map(|(place, _, wait)| Some((*place, (*wait)?))).collect());
            }
            if seen.insert(next) {
                let steps = self.steps(next);
                way.push((next, steps, None));
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
                let reply = self.event(id).and_then(|live| match live.emitter {
                    Emitter::Inside(reply, _) => Some(reply),
                    _ => None,
                });
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
fn need_args(need: &Need, instance: &super::model::Instance) -> Args {
    let expand = |(key, template): &(events::Key, events::Template)| {
        let text = template.expand(&|name| instance.value_of(name))?;
        Some((key.clone(), Value::new(&text).ok()?))
    };
    need.args.iter().filter_map(expand).collect()
}
