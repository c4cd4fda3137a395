//! Conditions over facts rise and fall, and instances with them.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::time::Duration;

use events::{Args, Fact, Hold, Identity, Name, Text};

use super::{
    Engine, MAX_INSTANCES,
    clock::Timer,
    goals::{StopWish, key_of},
    model::{By, Request, set},
};
use crate::{CauseId, Gate, Goal, Happening, Hit, Job, JobId, Level, Notice, Origin, Refusal, Sort};

/// Kinds of facts that the engine itself keeps.
const OWN: [&str; 3] = ["running", "provided", "mode"];

impl Engine {
    pub(super) fn fact_began(&mut self, fact: Arc<Fact>, origin: Origin) {
        if OWN.contains(&fact.name.as_str()) {
            return;
        }
        let inside = self.inside(origin);
        if let Some(instance) = inside.and_then(|place| self.instance_mut(place)) {
            instance.rare_mut().facts.push((fact.name.clone(), fact.identity.clone()));
        }
        let parent =
            inside.and_then(|place| self.instance(place)).map_or(CauseId::NONE, |instance| instance.cause);
        self.begin_fact(fact, origin, parent);
    }

    pub(super) fn fact_ended(&mut self, name: &Name, identity: &Identity) {
        if !OWN.contains(&name.as_str()) {
            self.end_fact(name, identity, CauseId::NONE);
        }
    }

    /// A fact holds, or holds with other arguments.
    pub(super) fn begin_fact(&mut self, fact: Arc<Fact>, by: Origin, parent: CauseId) {
        let known = self.saved.facts.get(&fact.name, &fact.identity).cloned();
        let mut hits = Vec::new();
        self.graph.hits(Sort::Fact, &fact.name, &fact.args, &mut hits);
        // Order among equals is by name, also of timers for one moment.
        self.sort_by_job(&mut hits);
        let rises: Vec<(JobId, Duration)> = self.holds_of(&hits).map(|(id, hold)| (id, hold.rise)).collect();
        let came = hits.len();
        if let Some(before) = &known {
            self.graph.hits(Sort::Fact, &before.name, &before.args, &mut hits);
        }
        self.sort_by_job(hits.get_mut(came..).unwrap_or_default());
        let falls: Vec<(JobId, Duration)> =
            self.holds_of(hits.get(came..).unwrap_or_default()).map(|(id, hold)| (id, hold.fall)).collect();
        let damped = self.holds_of(&hits).any(|(_, hold)| !hold.rise.is_zero() || !hold.fall.is_zero());
        let Some(before) = self.saved.facts.begin(fact.clone(), by, self.saved.now, damped) else { return };
        for (id, delay) in rises.into_iter().chain(falls) {
            if !delay.is_zero() {
                self.arm(delay, Timer::Level(id));
            }
        }
        let cause = self.saved.causes.add(self.saved.now, Happening::Rose(fact.clone()), parent);
        let versions: Vec<&Arc<Fact>> = before.iter().chain([&fact]).collect();
        self.look_at(&hits, &versions, cause);
        self.saved.causes.release(cause);
    }

    pub(super) fn end_fact(&mut self, name: &Name, identity: &Identity, parent: CauseId) {
        let Some(fact) = self.saved.facts.get(name, identity).cloned() else { return };
        let mut hits = Vec::new();
        self.graph.hits(Sort::Fact, name, &fact.args, &mut hits);
        self.sort_by_job(&mut hits);
        let looks: Vec<(JobId, Duration)> = self.holds_of(&hits).map(|(id, hold)| (id, hold.fall)).collect();
        let linger = looks.iter().map(|(_, fall)| *fall).max().unwrap_or_default();
        self.saved.facts.end(name, identity, self.saved.now, !linger.is_zero());
        for (id, fall) in looks {
            if !fall.is_zero() {
                self.arm(fall, Timer::Level(id));
            }
        }
        if !linger.is_zero() {
            self.arm(linger, Timer::Forget(Box::new((name.clone(), identity.clone(), self.saved.now))));
        }
        let cause = self.saved.causes.add(self.saved.now, Happening::Fell(fact.clone()), parent);
        self.look_at(&hits, &[&fact], cause);
        self.saved.causes.release(cause);
    }

    /// How the leaves are damped that a fact concerns.
    fn holds_of<'e>(&'e self, hits: &'e [Hit]) -> impl Iterator<Item = (JobId, Hold)> + 'e {
        hits.iter().filter_map(|hit| {
            let Gate::While(id) = hit.gate else { return None };
            Some((id, self.levels.get(&id)?.hold(usize::from(hit.leaf))))
        })
    }

    /// Asks the conditions that a fact concerns, for the keys that it concerns if it tells them.
    fn look_at(&mut self, hits: &[Hit], versions: &[&Arc<Fact>], cause: CauseId) {
        let mut jobs: Vec<JobId> = Vec::new();
        for hit in hits {
            if let Gate::While(id) | Gate::OldWhile(id) = hit.gate {
                jobs.push(id);
            }
        }
        jobs.sort_by_key(|id| self.slot(*id).map(|slot| slot.job.name.clone()));
        jobs.dedup();
        for id in jobs {
            let Some(level) = self.levels.get(&id).cloned() else {
                self.recheck_old(id, cause);
                continue;
            };
            let mine = hits.iter().filter(|hit| hit.gate == Gate::While(id));
            let bindings: Option<Vec<Args>> = mine
                .flat_map(|hit| versions.iter().map(|fact| level.binding_of(usize::from(hit.leaf), fact)))
                .collect();
            match bindings {
                Some(mut bindings) => {
                    bindings.sort();
                    bindings.dedup();
                    for binding in bindings {
                        self.recheck_key(id, &level, &binding, cause);
                    }
                }
                None => self.recheck_level(id, cause),
            }
            self.recheck_old(id, cause);
        }
    }

    /// Asks a condition for all keys.
    pub(super) fn recheck_level(&mut self, id: JobId, cause: CauseId) {
        let Some(level) = self.levels.get(&id).cloned() else { return };
        let solutions = level.solutions(&self.saved.facts, self.saved.now, MAX_INSTANCES.saturating_add(1));
        if solutions.len() > MAX_INSTANCES {
            self.note(id, Text::default(), Notice::Refused(Refusal::TooManyInstances));
        }
        let mut holds: Vec<(Text, Args)> = solutions
            .into_iter()
            .take(MAX_INSTANCES)
            .filter_map(|binding| Some((Text::from(level.key(&binding)?), binding)))
            .collect();
        holds.sort();
        let Some(slot) = self.slot(id) else { return };
        let fallen: Vec<Text> =
            slot.levels.iter().filter(|key| holds.iter().all(|(held, _)| held != *key)).cloned().collect();
        for key in fallen {
            self.fall(id, &key, cause);
        }
        for (key, binding) in holds {
            self.rise(id, key, binding, cause);
        }
    }

    fn recheck_key(&mut self, id: JobId, level: &Arc<Level>, binding: &Args, cause: CauseId) {
        let Some(key) = level.key(binding).map(Text::from) else { return };
        if level.holds(binding, &self.saved.facts, self.saved.now) {
            self.rise(id, key, binding.clone(), cause);
        } else {
            self.fall(id, &key, cause);
        }
    }

    /// Instances that were started with a `while` that their file has no more live by the one they have.
    fn recheck_old(&mut self, id: JobId, cause: CauseId) {
        let Some(slot) = self.slot(id) else { return };
        let new = slot.job.clone();
        // Each with whether the new condition holds for it, so that it comes up again by that one.
        let mut fallen: Vec<(u32, bool)> = Vec::new();
        for (key, place) in &slot.instances {
            let Some(instance) = self.instance(*place).filter(|instance| !same_level(&instance.job, &new))
            else {
                continue;
            };
            let Some(level) = instance
                .job
                .holds_while
                .as_ref()
                .and_then(|it| Level::new(it, instance.job.instance.as_ref()))
            else {
                continue;
            };
            if instance.goal == Goal::Start && !level.holds(&instance.env, &self.saved.facts, self.saved.now)
            {
                fallen.push((*place, slot.levels.binary_search(key).is_ok()));
            }
        }
        for (place, again) in fallen {
            let cause = self.saved.causes.keep(cause);
            let wish = StopWish {
                env: Args::new(),
                events: Vec::new(),
                blocks: Vec::new(),
                cause,
                reply: None,
                again,
            };
            self.stop(place, wish);
        }
    }

    fn rise(&mut self, id: JobId, key: Text, binding: Args, cause: CauseId) {
        let Some(slot) = self.slot_mut(id) else { return };
        let Err(at) = slot.levels.binary_search(&key) else { return };
        if slot.levels.len() >= MAX_INSTANCES {
            return self.note(id, key, Notice::Refused(Refusal::TooManyInstances));
        }
        slot.levels.insert(at, key.clone());
        let on_events = slot.job.start_on.is_some();
        let kept = slot.kept.get(&key).cloned();
        // Whoever needs it may start it now.
        self.wake(id);
        let request = match (on_events, kept) {
            // It waits for its event, which has not come.
            (true, None) => return,
            (true, Some(kept)) => {
                Request { cause: self.saved.causes.keep(kept.cause), by: By::Level, ..kept }
            }
            (false, _) => {
                let cause = self.saved.causes.keep(cause);
                Request {
                    env: binding,
                    events: Vec::new(),
                    blocks: Vec::new(),
                    cause,
                    reply: None,
                    force: false,
                    by: By::Level,
                }
            }
        };
        // What is refused is noted for `why`; nobody waits.
        let _ = self.start(id, request, &[]);
    }

    /// After a reload that changed how instances are named, none starts under a new name while one of the old
    /// lives. When the last of them is down, the new ones may come.
    pub(super) fn rise_under_new_names(&mut self, id: JobId, ended: &Job) {
        let Some(slot) = self.slot_mut(id) else { return };
        if slot.job.instance == ended.instance || slot.job.holds_while.is_none() || !slot.instances.is_empty()
        {
            return;
        }
        slot.levels.clear();
        self.recheck_level(id, CauseId::NONE);
    }

    fn fall(&mut self, id: JobId, key: &Text, cause: CauseId) {
        let Some(slot) = self.slot_mut(id) else { return };
        let Ok(at) = slot.levels.binary_search(key) else { return };
        slot.levels.remove(at);
        let job = slot.job.clone();
        let Some(place) = slot.place_of(key) else { return };
        // One that was started with another condition lives by that one.
        if self.instance(place).is_none_or(|instance| !same_level(&instance.job, &job)) {
            return;
        }
        let cause = self.saved.causes.keep(cause);
        let wish = StopWish::because(cause, false);
        self.stop(place, wish);
    }

    /// Keeps a start event until the job's `while` holds; its emitter does not wait.
    pub(super) fn keep_for_level(&mut self, id: JobId, job: &Arc<Job>, request: Request) {
        let Ok(key) = key_of(job, &request.env) else { return self.drop_request(Some(request)) };
        let Some(slot) = self.slot_mut(id) else { return };
        if slot.kept.len() >= MAX_INSTANCES && !slot.kept.contains_key(&key) {
            return self.drop_request(Some(request));
        }
        let old = slot.kept.insert(key, Request { blocks: Vec::new(), reply: None, ..request });
        self.drop_request(old);
    }

    /// The leaf that keeps a job's `while` from holding, in words.
    pub(super) fn missing_leaf(&self, id: JobId, env: &Args) -> alloc::string::String {
        let missing = self.levels.get(&id).and_then(|level| {
            let (leaf, under_not) = level.missing(env, &self.saved.facts, self.saved.now)?;
            Some(if under_not { alloc::format!("not {leaf}") } else { alloc::format!("{leaf}") })
        });
        missing.unwrap_or_default()
    }

    /// Whether an instance counts as up, for `running`, `provided` and those who need it.
    pub(super) fn set_up(&mut self, place: u32, up: bool) {
        let Some(instance) = self.instance_mut(place) else { return };
        if core::mem::replace(&mut instance.up, up) == up {
            return;
        }
        let parent = if up { instance.cause } else { instance.stop_cause };
        self.tell_up(place, up, parent);
    }

    fn tell_up(&mut self, place: u32, up: bool, parent: CauseId) {
        if self.graph.watches_fact("running")
            && let Some(instance) = self.instance(place)
        {
            let mut args = Args::new();
            set(&mut args, "JOB", &instance.job.name);
            set(&mut args, "INSTANCE", &instance.key);
            self.own_fact("running", args, up, parent);
        }
        if let Some(job) = self.instance(place).map(|instance| instance.job.clone()) {
            self.tell_provided(&job, parent);
        }
    }

    /// Makes the facts `provided` right for all names of a job.
    pub(super) fn tell_provided(&mut self, job: &Job, parent: CauseId) {
        if !self.graph.watches_fact("provided") {
            return;
        }
        for name in job.provided_names() {
            let holds = self.providers(name).into_iter().any(|id| self.is_up(id));
            let mut args = Args::new();
            set(&mut args, "NAME", name);
            self.own_fact("provided", args, holds, parent);
        }
    }

    pub(super) fn own_fact(&mut self, name: &str, args: Args, holds: bool, parent: CauseId) {
        let Ok(name) = Name::new(name) else { return };
        let fact = Fact::named(name, args);
        if holds {
            self.begin_fact(Arc::new(fact), Origin::World, parent);
        } else {
            self.end_fact(&fact.name, &fact.identity, parent);
        }
    }

    /// Facts that were set from inside a life end with it.
    pub(super) fn end_own_facts(&mut self, place: u32) {
        let Some(rare) = self.instance_mut(place).and_then(|instance| instance.rare.as_mut()) else { return };
        for (name, identity) in core::mem::take(&mut rare.facts) {
            self.end_fact(&name, &identity, CauseId::NONE);
        }
    }

    /// Makes the facts `running` and `provided` right, after conditions began to look at them.
    pub(super) fn tell_all_up(&mut self) {
        for place in 0..self.saved.instances.len() {
            let Ok(place) = u32::try_from(place) else { return };
            if let Some(cause) =
                self.instance(place).filter(|instance| instance.up).map(|instance| instance.cause)
            {
                self.tell_up(place, true, cause);
            }
        }
    }

    pub(super) fn add_level(&mut self, id: JobId, job: &Job) {
        let level =
            job.holds_while.as_ref().and_then(|condition| Level::new(condition, job.instance.as_ref()));
        match level {
            Some(level) => self.levels.insert(id, Arc::new(level)),
            None => self.levels.remove(&id),
        };
    }
}

/// Whether two versions of a job run along with the same facts.
fn same_level(a: &Job, b: &Job) -> bool {
    a.holds_while == b.holds_while && a.instance == b.instance
}
