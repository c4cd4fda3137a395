//! What people may ask: how a job is, and why.

use alloc::{format, string::String, string::ToString as _, vec::Vec};

use events::{Args, Text, Time};
use serde::Serialize;

use super::{
    Counters, Engine,
    model::{End, Instance, Slot},
    rings::Wait,
};
use crate::{
    CauseId, Facts, Failure, Goal, Graph, Happening, Job, JobId, Main, Origin, Phase, Pid, ProcessKind,
    Refusal, State,
};

/// How an instance, or a job without one, is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The job.
    pub job: Text,
    /// The instance; empty if the job has only one.
    pub instance: Text,
    /// `start` or `stop`.
    pub goal: &'static str,
    /// What it is doing.
    pub state: &'static str,
    /// Its processes: which, and their ids.
    pub processes: Vec<(&'static str, u32)>,
    /// Whether it counts as up.
    pub up: bool,
    /// Whether those who waited for its start have gone on without it.
    pub timed_out: bool,
    /// What it waits for.
    pub waits: Vec<String>,
    /// How its last life or refused start went, if it is down.
    pub last: Option<String>,
}

/// Why something is as it is: the latest cause first, back to the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The instance.
    pub status: Status,
    /// When and what, latest first.
    pub chain: Vec<(Time, String)>,
    /// Start events that did nothing.
    pub dropped: u32,
    /// Leaves of its start condition that are true, and those that are not yet.
    pub condition: Vec<(String, bool)>,
}

impl core::fmt::Display for Status {
    /// The line that Upstart's `status` prints.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.job)?;
        if !self.instance.is_empty() {
            write!(f, " ({})", self.instance)?;
        }
        write!(f, " {}/{}", self.goal, self.state)?;
        for (number, (kind, pid)) in self.processes.iter().enumerate() {
            match number {
                0 => write!(f, ", process {pid}")?,
                _ => write!(f, "\n\t{kind} process {pid}")?,
            }
        }
        Ok(())
    }
}

impl Engine {
    /// Every job and instance, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Status> {
        let mut slots: Vec<_> = self.saved.slots.iter().flatten().collect();
        slots.sort_by(|a, b| a.job.name.cmp(&b.job.name));
        let mut list = Vec::new();
        for slot in slots {
            if slot.instances.is_empty() {
                list.push(self.idle(slot));
            }
            list.extend(slot.instances.iter().filter_map(|(_, place)| self.status_at(*place)));
        }
        list
    }

    /// A job and its instances, by name.
    #[must_use]
    pub fn list_of(&self, job: &str) -> Vec<Status> {
        let Some(slot) = self.named(job).and_then(|id| self.slot(id)) else { return Vec::new() };
        slot.instances.iter().filter_map(|(_, place)| self.status_at(*place)).collect()
    }

    /// When its last life, or its last start that was refused, ended, and how. `None` if there was none.
    #[must_use]
    pub fn result_of(&self, job: &str) -> Option<(Time, String)> {
        let last = self.slot(self.named(job)?)?.last.as_ref()?;
        let how = match &last.end {
            End::Well => "ended well".into(),
            End::Failed(failure) => with_why(*failure, last.unspawned.as_ref()),
            End::Refused(refusal) => refusal_text(refusal),
        };
        Some((last.time, how))
    }

    /// How a job's instance is. `None` if there is no such job.
    #[must_use]
    pub fn status(&self, job: &str, instance: &str) -> Option<Status> {
        let slot = self.slot(self.find_job(job)?)?;
        match slot.place_of(instance) {
            Some(place) => self.status_at(place),
            None => Some(self.idle(slot)),
        }
    }

    /// A job without an instance: how its last life went, and which fact it waits for.
    fn idle(&self, slot: &Slot) -> Status {
        let job = &slot.job;
        let level = self.named(&job.name).and_then(|id| self.levels.get(&id));
        let missing = level.filter(|_| slot.levels.is_empty() && job.instance.is_none());
        let missing =
            missing.and_then(|level| level.missing(&Args::new(), &self.saved.facts, self.saved.now));
        let waits = missing.map(|(leaf, not)| format!("`{}{leaf}`", if not { "not " } else { "" }));
        Status {
            job: job.name.as_str().into(),
            instance: Text::default(),
            goal: Goal::Stop.name(),
            state: Phase::Waiting.name(),
            processes: Vec::new(),
            up: false,
            timed_out: false,
            waits: waits.into_iter().collect(),
            last: slot.last.as_ref().and_then(|last| match &last.end {
                End::Well => None,
                End::Failed(failure) => Some(with_why(*failure, last.unspawned.as_ref())),
                End::Refused(refusal) => Some(refusal_text(refusal)),
            }),
        }
    }

    /// A failure of an instance in words, with what was in the way if a process could not be executed.
    #[must_use]
    pub fn failure_of(&self, job: &str, instance: &str, failure: Failure) -> String {
        let slot = self.find_job(job).and_then(|id| self.slot(id));
        let living = slot.and_then(|slot| slot.place_of(instance)).and_then(|place| self.instance(place));
        let why = match living {
            Some(living) => living.rare().and_then(|rare| rare.unspawned.as_ref()),
            None => slot.and_then(|slot| slot.last.as_ref()?.unspawned.as_ref()),
        };
        with_why(failure, why.filter(|_| matches!(failure, Failure::Unspawned(_))))
    }

    fn status_at(&self, place: u32) -> Option<Status> {
        let instance = self.instance(place)?;
        Some(Status {
            job: instance.job.name.as_str().into(),
            instance: instance.key.clone(),
            goal: instance.goal.name(),
            state: instance.state.phase().name(),
            processes: processes(instance.state),
            up: instance.up,
            timed_out: instance.timed_out,
            waits: self
                .waits(place)
                .into_iter()
                .map(|wait| self.wait_text(place, wait))
                .chain(self.other_waits(instance))
                .collect(),
            last: None,
        })
    }

    fn other_waits(&self, instance: &Instance) -> Vec<String> {
        let mut waits = Vec::new();
        if let Some((_, what, _)) = instance.rare().and_then(|rare| rare.starved.as_ref()) {
            waits.push(what.to_string());
        }
        if instance.is_unkillable() {
            waits.push("the kernel to let go of a process that outlives KILL".into());
        }
        if instance.state.phase() != Phase::Held {
            return waits;
        }
        if self.is_kept_by_mode(instance) {
            let modes: Vec<&str> = instance.job.modes.iter().map(|mode| mode.as_str()).collect();
            waits.push(format!("mode {}", modes.join(" or ")));
        }
        if let Some(time) =
            instance.rare().and_then(|rare| rare.not_before).filter(|time| *time > self.saved.now)
        {
            waits.push(format!("its next try, in {} ms", time.since(self.saved.now).as_millis()));
        }
        waits
    }

    fn wait_text(&self, place: u32, wait: Wait) -> String {
        let job = |id: JobId| self.slot(id).map(|slot| slot.job.name.to_string()).unwrap_or_default();
        let event = |id| self.event(id).map(|live| live.event.to_string()).unwrap_or_default();
        let blockers = |id| {
            let places = self.event(id).map(|live| live.blockers.clone()).unwrap_or_default();
            let names =
                places.into_iter().filter_map(|place| self.instance(place)).map(|it| it.job.name.to_string());
            names.collect::<Vec<_>>().join(", ")
        };
        // With the instance, if it is one that is on its way.
        let needed = |id| match self.needed_instance(place, id) {
            Some(key) if !key.is_empty() => format!("{} ({key})", job(id)),
            Some(_) | None => job(id),
        };
        match wait {
            Wait::Stop(place) => {
                format!("{} to be down", self.instance(place).map(|it| it.job.name.as_str()).unwrap_or("?"))
            }
            Wait::Order(id) => format!("{} to have settled", job(id)),
            Wait::Emit(id) => format!("its event `{}`, worked off by {}", event(id), blockers(id)),
            Wait::Hook(id) => format!("`{}`, worked off by {}", event(id), blockers(id)),
            Wait::Need(id) if self.slot(id).is_some_and(|slot| slot.job.task) => {
                format!("{} to have ended well", needed(id))
            }
            Wait::Need(id) => format!("{} to be up", needed(id)),
        }
    }

    /// The instance of a job that the one at `place` needs and that is not up.
    fn needed_instance(&self, place: u32, id: JobId) -> Option<&Text> {
        let instance = self.instance(place)?;
        let slot = self.slot(id)?;
        let down = slot.instances.iter().filter_map(|(_, place)| self.instance(*place)).filter(|it| !it.up);
        let down: Vec<&Instance> = down.collect();
        let needs = instance.job.needs.iter();
        let needs = needs.filter(|need| slot.job.provided_names().any(|name| *name == need.name));
        let mut args = needs.map(|need| super::needs::need_args(need, instance));
        args.find_map(|args| {
            let fits =
                |it: &&&Instance| args.iter().all(|(key, value)| it.value_of(key) == Some(value.as_str()));
            down.iter().find(fits).map(|it| &it.key)
        })
    }

    /// Why a job is as it is, or why it did not start.
    #[must_use]
    pub fn why(&self, job: &str, instance: &str) -> Option<Why> {
        let slot = self.slot(self.find_job(job)?)?;
        let living = slot.place_of(instance).and_then(|place| self.instance(place));
        let cause = match living {
            Some(it) if it.goal != Goal::Start && it.stop_cause != CauseId::NONE => it.stop_cause,
            Some(it) => it.cause,
            None => slot.last.as_ref().map_or(CauseId::NONE, |last| last.cause),
        };
        let chain = self.saved.causes.chain(cause).map(|cause| (cause.time, happening_text(&cause.what)));
        let condition = slot.job.start_on.as_ref().map(|condition| {
            let seen = |leaf: usize| slot.tree.events.iter().any(|seen| usize::from(seen.leaf) == leaf);
            condition.leaves().enumerate().map(|(number, leaf)| (leaf.to_string(), seen(number))).collect()
        });
        Some(Why {
            status: self.status(job, instance)?,
            chain: chain.collect(),
            dropped: slot.dropped,
            condition: condition.unwrap_or_default(),
        })
    }

    /// The chain of causes from `cause` back, for people.
    #[must_use]
    pub fn chain(&self, cause: CauseId) -> Vec<(Time, String)> {
        self.saved.causes.chain(cause).map(|cause| (cause.time, happening_text(&cause.what))).collect()
    }

    /// How the processes of all jobs are made, in force or still lived by; some may come twice.
    pub fn works(&self) -> impl Iterator<Item = crate::WorkId> {
        let slots = self.saved.slots.iter().flatten().map(|slot| slot.job.work);
        slots.chain(self.saved.instances.iter().flatten().map(|instance| instance.job.work))
    }

    /// All that holds now.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.saved.facts
    }

    /// The graph, for drawing and comparing.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The job at a place of the graph.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.slot(id).map(|slot| slot.job.as_ref())
    }

    /// How often things happened.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.saved.counters
    }

    /// How many causes, events and timers are kept: for tests, and for `limits`.
    #[must_use]
    pub fn kept(&self) -> (usize, usize, usize) {
        (self.saved.causes.len(), self.saved.events.iter().flatten().count(), self.saved.timers.len())
    }

    /// A ring of waits, if there is one; there never is between two steps.
    #[must_use]
    pub fn ring_of_waits(&self) -> Option<String> {
        (0..self.saved.instances.len())
            .filter_map(|place| u32::try_from(place).ok())
            .find_map(|place| self.find_ring(place))
            .map(|ring| format!("{ring:?}"))
    }

    /// The truth of each part of a job's start condition, in postfix order.
    #[must_use]
    pub fn start_truths(&self, job: &str) -> Option<Vec<bool>> {
        let slot = self.slot(self.named(job)?)?;
        Some(slot.job.start_on.as_ref()?.truths(slot.tree.seen))
    }

    /// The truth of each part of an instance's stop condition, in postfix order.
    #[must_use]
    pub fn stop_truths(&self, job: &str, instance: &str) -> Option<Vec<bool>> {
        let slot = self.slot(self.named(job)?)?;
        let instance = self.instance(slot.place_of(instance)?)?;
        Some(instance.job.stop_on.as_ref()?.truths(instance.tree.seen))
    }
}

/// The processes of a state, main first.
fn processes(state: State) -> Vec<(&'static str, u32)> {
    let mut found = Vec::new();
    if let Main::Alive(Pid(pid)) = state.main() {
        found.push((ProcessKind::Main.name(), pid));
    }
    if let Some((kind, crate::Hook::Alive(Pid(pid)))) = state.hook() {
        found.push((kind.name(), pid));
    }
    found
}

/// A failure, in words.
pub fn failure_text(failure: Failure) -> String {
    match failure {
        Failure::Ended(process, crate::Exit::Code(code)) => format!("{process} ended with status {code}"),
        Failure::Ended(process, crate::Exit::Signal(signal)) => {
            format!("{process} was ended by signal {signal}")
        }
        Failure::Unspawned(process) => format!("{process} could not be executed"),
        Failure::EndedEarly => "main ended before it was ready".into(),
        Failure::Respawn => "it came back too often".into(),
        Failure::StartTimeout => "it was not up, or not done, in time".into(),
        Failure::HookTimeout(process) => format!("{process} did not end in time"),
        Failure::Needs => "what it needs is not to be had".into(),
        Failure::Unkillable => "a process of it outlives KILL".into(),
    }
}

fn with_why(failure: Failure, why: Option<&Text>) -> String {
    let text = failure_text(failure);
    match why {
        Some(why) => format!("{text}: {why}"),
        None => text,
    }
}

/// A refusal, in words.
pub fn refusal_text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::ShuttingDown => "the machine goes down".into(),
        Refusal::Disabled(why) => why.to_string(),
        Refusal::Variable(name) => {
            format!("`${name}` did not come with the event, and its instance's name has it")
        }
        Refusal::Mode(mode) => format!("it does not run in mode {mode}"),
        Refusal::While(leaf) if leaf.is_empty() => "its `while` does not hold".into(),
        Refusal::While(leaf) => format!("its `while` does not hold: `{leaf}` is missing"),
        Refusal::Ring(ring) => format!("it starts itself again and again: {ring}"),
        Refusal::TooManyInstances => {
            format!("it has {} instances, and more are not allowed", super::MAX_INSTANCES)
        }
        Refusal::OldInstances => "instances live that were named by an earlier version of its file".into(),
        Refusal::NothingToReload => "nothing of it runs".into(),
        Refusal::Needs(why) => format!("it needs {why}"),
        Refusal::Skipped => "its check says that it is not wanted".into(),
    }
}

fn happening_text(what: &Happening) -> String {
    let by = |origin: &Origin| match origin {
        Origin::World => "the machine".into(),
        Origin::Person(uid) => format!("user {uid}"),
        Origin::Job(_) => "a process of a job".into(),
    };
    let instance = |name: &events::Name, key: &Text| {
        if key.is_empty() { name.to_string() } else { format!("{name} ({key})") }
    };
    match what {
        Happening::Event(event, origin) => format!("event `{event}` from {}", by(origin)),
        Happening::Own(event) => format!("event `{event}`"),
        Happening::Rose(fact) => format!("`{fact}` holds"),
        Happening::Fell(fact) => format!("`{fact}` holds no longer"),
        Happening::Command(verb, origin) => format!("command {} by {}", verb.name(), by(origin)),
        Happening::Started(job, key) => format!("{} was started", instance(job, key)),
        Happening::Stopped(job, key) => format!("{} was stopped", instance(job, key)),
        Happening::NeededBy(job) => format!("{job} needs it"),
        Happening::Lost(job) => format!("{job}, which it needs, went away"),
        Happening::Reload => "new job files".into(),
        Happening::Shutdown(origin) => format!("shutdown by {}", by(origin)),
        Happening::Mode(mode) => format!("mode {mode}"),
    }
}
