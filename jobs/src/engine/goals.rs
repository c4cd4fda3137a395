//! Goals: who may start and stop, and what that asks of others. A goal is set here; nothing moves here.

use alloc::{sync::Arc, vec::Vec};

use events::{Args, Key, Name, Text, Value};

use super::{
    Engine, MAX_INSTANCES, MAX_QUEUE, Todo,
    clock::Limit,
    model::{By, End, EventId, Instance, Last, Request, Slot, last_value},
};
use crate::{
    Again, CauseId, Cue, Format, Goal, Happening, Job, JobId, Notice, Outcome, Phase, Refusal, ReplyId,
    StartMode, State, Verb,
};

/// The variable that tells a job's processes what started it.
pub const UPSTART_EVENTS: Key = Key::constant("UPSTART_EVENTS");
/// The variable that tells a job's processes what stopped it.
const UPSTART_STOP_EVENTS: Key = Key::constant("UPSTART_STOP_EVENTS");

/// A wish that an instance be down.
pub struct StopWish {
    pub env: Args,
    pub events: Vec<Name>,
    pub blocks: Vec<EventId>,
    /// Owned.
    pub cause: CauseId,
    pub reply: Option<ReplyId>,
    /// Whether it shall come up again when it may.
    pub again: bool,
}

impl StopWish {
    /// A wish that nobody waits for, with no variables. The cause is owned.
    pub const fn because(cause: CauseId, again: bool) -> Self {
        Self { env: Args::new(), events: Vec::new(), blocks: Vec::new(), cause, reply: None, again }
    }
}

impl Engine {
    /// Whether the job may start at all now. Conditions that an instance has of its own are looked at later.
    pub(super) fn refusal(&self, job: &Job, cause: CauseId, force: bool) -> Option<Refusal> {
        if force {
            return None;
        }
        let from_shutdown =
            |cause| self.saved.causes.chain(cause).any(|it| matches!(it.what, Happening::Shutdown(_)));
        if self.saved.shutdown.is_some() && !from_shutdown(cause) {
            return Some(Refusal::ShuttingDown);
        }
        if let StartMode::Disabled(why) = &job.start {
            return Some(Refusal::Disabled(why.clone()));
        }
        if !self.admits_mode(job) {
            return Some(Refusal::Mode(
                self.saved.mode.as_ref().map(|mode| Text::from(mode.as_str())).unwrap_or_default(),
            ));
        }
        None
    }

    pub(super) fn admits_mode(&self, job: &Job) -> bool {
        let mode = self.saved.mode.as_ref();
        job.modes.is_empty() || mode.is_none_or(|mode| job.modes.contains(mode))
    }

    /// Wishes that a job be up. What it refuses is noted for `why`.
    pub(super) fn start(&mut self, id: JobId, request: Request, fresh_stops: &[u32]) -> Result<(), Outcome> {
        let Some(slot) = self.slot(id).filter(|slot| !slot.gone) else {
            self.drop_request(Some(request));
            return Err(Outcome::UnknownJob);
        };
        let job = slot.job.clone();
        match self.admission(id, &job, &request) {
            Ok(key) => {
                self.start_admitted(id, &job, key, request, fresh_stops);
                Ok(())
            }
            Err(Outcome::Refused(Refusal::While(_))) if request.by == By::Event => {
                self.keep_for_level(id, &job, request);
                Ok(())
            }
            Err(outcome) => {
                if let Outcome::Refused(refusal) = &outcome {
                    self.note_refusal(id, &request, refusal.clone());
                } else if let (Outcome::MissingVariable(name), By::Event) = (&outcome, request.by) {
                    // Nobody hears the answer to an event.
                    self.note_refusal(id, &request, Refusal::Variable(name.clone()));
                }
                self.drop_request(Some(request));
                // Whoever needs it and has waited for it need not wait for this start.
                self.wake(id);
                Err(outcome)
            }
        }
    }

    /// The key of the instance that may start, or why none may.
    pub(super) fn admission(
        &mut self,
        id: JobId,
        job: &Arc<Job>,
        request: &Request,
    ) -> Result<Text, Outcome> {
        if let Some(refusal) = self.refusal(job, request.cause, request.force) {
            return Err(Outcome::Refused(refusal));
        }
        if job.start == StartMode::Manual && matches!(request.by, By::Event | By::Level) {
            return Err(Outcome::Refused(Refusal::Disabled("it is started by hand only".into())));
        }
        let key = key_of(job, &request.env)?;
        let Some(slot) = self.slot(id) else { return Err(Outcome::UnknownJob) };
        let renamed = |place: u32| self.instance(place).is_some_and(|it| it.job.instance != job.instance);
        if slot.instances.iter().any(|(_, place)| renamed(*place)) {
            return Err(Outcome::Refused(Refusal::OldInstances));
        }
        let holds = job.holds_while.is_none() || slot.levels.binary_search(&key).is_ok();
        if !holds && !request.force {
            return Err(Outcome::Refused(Refusal::While(self.missing_leaf(id, &request.env))));
        }
        let existing = slot.place_of(&key).and_then(|place| self.instance(place));
        if let Some(instance) = existing
            && instance.goal == Goal::Start
            && request.by == By::Command
        {
            return Err(Outcome::AlreadyRunning);
        }
        if existing.is_none() && slot.instances.len() >= MAX_INSTANCES {
            return Err(Outcome::Refused(Refusal::TooManyInstances));
        }
        if request.by == By::Command {
            // Who starts it by hand begins the count anew.
            let now = self.saved.now;
            if let Some(slot) = self.slot_mut(id) {
                slot.ring = (now, 0);
            }
        } else if let Some(ring) = self.ring(id, request.cause) {
            return Err(Outcome::Refused(Refusal::Ring(ring)));
        }
        Ok(key)
    }

    pub(super) fn start_admitted(
        &mut self,
        id: JobId,
        job: &Arc<Job>,
        key: Text,
        mut request: Request,
        fresh_stops: &[u32],
    ) {
        if job.holds_while.is_some() && request.by == By::Event {
            // A fall keeps the event, and the next rise starts the job by it.
            let copy = Request {
                blocks: Vec::new(),
                reply: None,
                cause: self.saved.causes.keep(request.cause),
                ..request.clone()
            };
            let old = self.slot_mut(id).and_then(|slot| slot.kept.insert(key.clone(), copy));
            self.drop_request(old);
        }
        let Some(place) = self.slot(id).and_then(|slot| slot.place_of(&key)) else {
            return self.create(id, job, key, request);
        };
        let Some(instance) = self.instance_mut(place) else { return };
        let (goal, phase) = (instance.goal, instance.state.phase());
        match goal {
            Goal::Start | Goal::Restart if request.by == By::Event => self.start_again(place, request),
            Goal::Start => self.drop_request(Some(request)),
            Goal::Restart => {
                // It comes up again anyhow: with this request, and whoever waits waits for that.
                instance.waiters.extend(request.reply.take().map(|reply| (reply, Verb::Start)));
                let old = instance.rare_mut().pending.replace(request);
                self.drop_request(old);
            }
            Goal::Stop => {
                // What has not begun can begin with the new request; what has, goes on with the old one.
                let anew = fresh_stops.contains(&place) || phase == Phase::Held;
                instance.goal = if anew { Goal::Restart } else { Goal::Start };
                let calls_off =
                    matches!(phase, Phase::Running | Phase::PreStop) && instance.goal == Goal::Start;
                instance.waiters.extend(request.reply.take().map(|reply| (reply, Verb::Start)));
                let number = instance.number;
                let stop_waiters = take_waiters(&mut instance.waiters, |verb| verb == Verb::Stop);
                let blocks = core::mem::take(&mut request.blocks);
                if !fresh_stops.contains(&place) {
                    self.unblock(place, false);
                }
                for reply in stop_waiters {
                    self.reply(Some(reply), Outcome::Done);
                }
                for event in blocks {
                    self.block(event, place);
                }
                if calls_off {
                    self.drop_request(Some(request));
                    if phase == Phase::Running {
                        self.reached_goal(place);
                    }
                } else if let Some(instance) = self.instance_mut(place) {
                    let old = instance.rare_mut().pending.replace(request);
                    self.drop_request(old);
                }
                self.comes_again(place);
                // Nobody need wait any more for it to be down.
                self.wake_for(place);
                self.saved.todo.push_back(Todo::Cue(place, number, Cue::Start));
            }
        }
    }

    /// A start event for an instance that is up or coming.
    pub(super) fn start_again(&mut self, place: u32, mut request: Request) {
        let Some(instance) = self.instance_mut(place) else { return };
        let number = instance.number;
        match instance.job.again {
            Again::Ignore => {
                let slot = instance.slot;
                self.dropped(slot);
                self.drop_request(Some(request));
            }
            Again::Queue => {
                request.blocks.clear();
                let slot = instance.slot;
                let rare = instance.rare_mut();
                let same = |queued: &Request| queued.env == request.env && queued.events == request.events;
                if rare.queue.len() >= MAX_QUEUE || rare.queue.iter().any(same) {
                    self.dropped(slot);
                    self.drop_request(Some(request));
                } else {
                    rare.queue.push_back(request);
                }
            }
            Again::Restart => {
                let blocks = core::mem::take(&mut request.blocks);
                instance.goal = Goal::Restart;
                let old = instance.rare_mut().pending.replace(request);
                self.drop_request(old);
                for event in blocks {
                    self.block(event, place);
                }
                self.comes_again(place);
                self.saved.todo.push_back(Todo::Cue(place, number, Cue::Stop));
            }
            Again::Coalesce(delay) => {
                request.blocks.clear();
                let old = instance.rare_mut().pending.replace(request);
                self.drop_request(old);
                self.limit(place, Limit::Coalesce, delay);
            }
        }
    }

    /// No further event has come: the instance is started anew with the last one.
    pub(super) fn coalesced(&mut self, place: u32) {
        let Some(instance) = self.instance_mut(place).filter(|instance| instance.goal == Goal::Start) else {
            return;
        };
        instance.goal = Goal::Restart;
        let number = instance.number;
        self.comes_again(place);
        self.saved.todo.push_back(Todo::Cue(place, number, Cue::Stop));
    }

    pub(super) fn dropped(&mut self, id: JobId) {
        self.saved.counters.dropped = self.saved.counters.dropped.saturating_add(1);
        if let Some(slot) = self.slot_mut(id) {
            slot.dropped = slot.dropped.saturating_add(1);
        }
    }

    pub(super) fn create(&mut self, id: JobId, job: &Arc<Job>, key: Text, request: Request) {
        self.saved.number = self.saved.number.saturating_add(1);
        let Request { env, events, blocks, cause, reply, force, .. } = request;
        let started = Happening::Started(job.name.clone(), key.clone());
        let own = self.saved.causes.add(self.saved.now, started, cause);
        self.saved.causes.release(cause);
        let instance = Instance {
            job: job.clone(),
            slot: id,
            key: key.clone(),
            number: self.saved.number,
            goal: Goal::Start,
            state: State::Waiting,
            env: Arc::new(with_events(env, &events, UPSTART_EVENTS)),
            stop_env: Args::new(),
            cause: own,
            stop_cause: CauseId::NONE,
            result: None,
            settled: false,
            up: false,
            up_since: self.saved.now,
            reached: false,
            timed_out: false,
            skipped: false,
            hook: None,
            blocks: Vec::new(),
            waiters: reply.map(|reply| (reply, Verb::Start)).into_iter().collect(),
            tree: super::model::Tree::default(),
            timers: Vec::new(),
            rare: None,
            emits: Vec::new(),
        };
        let number = instance.number;
        let place = self.place(instance);
        if let Some(slot) = self.slot_mut(id) {
            slot.add_instance(key, place);
            slot.started = true;
        }
        if force && let Some(instance) = self.instance_mut(place) {
            instance.rare_mut().forced = true;
        }
        self.saved.living = self.saved.living.saturating_add(1);
        self.stop_own_alarms(job);
        self.add_stop_gate(place);
        for event in blocks {
            self.block(event, place);
        }
        self.saved.todo.push_back(Todo::Cue(place, number, Cue::Start));
    }

    pub(super) fn place(&mut self, instance: Instance) -> u32 {
        if let Some(place) = self.saved.free_instances.pop()
            && let Some(free) = self.saved.instances.get_mut(place as usize)
        {
            *free = Some(instance);
            return place;
        }
        let place = u32::try_from(self.saved.instances.len()).unwrap_or(u32::MAX);
        self.saved.instances.push(Some(instance));
        place
    }

    /// Wishes that an instance be down; `false` if it is on its way there already.
    pub(super) fn stop(&mut self, place: u32, wish: StopWish) -> bool {
        let goal = if wish.again { Goal::Restart } else { Goal::Stop };
        let Some(instance) = self.instance_mut(place) else { return false };
        if instance.goal == goal || (instance.goal == Goal::Stop && wish.again) {
            self.saved.causes.release(wish.cause);
            return false;
        }
        let turned = instance.goal == Goal::Start;
        instance.goal = goal;
        let (number, slot) = (instance.number, instance.slot);
        instance.stop_env = with_events(wish.env, &wish.events, UPSTART_STOP_EVENTS);
        let start_waiters = match goal {
            Goal::Stop => take_waiters(&mut instance.waiters, |verb| verb != Verb::Stop),
            Goal::Start | Goal::Restart => Vec::new(),
        };
        // A task that its own stop condition ends has done what it was there for: it waited for that.
        let done = instance.job.task && instance.reached && !wish.events.is_empty();
        instance.waiters.extend(wish.reply.map(|reply| (reply, Verb::Stop)));
        let stopped = Happening::Stopped(instance.job.name.clone(), instance.key.clone());
        let old_cause = instance.stop_cause;
        let (pending, queue) = match (goal, instance.rare.as_mut()) {
            (Goal::Stop, Some(rare)) => (rare.pending.take(), core::mem::take(&mut rare.queue)),
            _ => Default::default(),
        };
        let own = self.saved.causes.add(self.saved.now, stopped, wish.cause);
        self.saved.causes.release(wish.cause);
        self.saved.causes.release(old_cause);
        if let Some(instance) = self.instance_mut(place) {
            instance.stop_cause = own;
        }
        for dropped in pending.into_iter().chain(queue) {
            // Who stops a job also means the events that were kept for it: they have done nothing.
            if dropped.by == By::Event {
                self.dropped(slot);
            }
            self.drop_request(Some(dropped));
        }
        if turned {
            self.unblock(place, false);
            self.stop_dependants(place);
        }
        if goal == Goal::Stop {
            // It is not coming any more: whoever waits for that looks again.
            self.wake_for(place);
        }
        for reply in start_waiters {
            self.reply(Some(reply), if done { Outcome::Done } else { Outcome::Stopped });
        }
        for event in wish.blocks {
            self.block(event, place);
        }
        if goal == Goal::Restart {
            self.comes_again(place);
        }
        self.saved.todo.push_back(Todo::Cue(place, number, Cue::Stop));
        true
    }

    pub(super) fn note_refusal(&mut self, id: JobId, request: &Request, refusal: Refusal) {
        let cause = self.saved.causes.keep(request.cause);
        let time = self.saved.now;
        let Some(slot) = self.slot_mut(id) else { return self.saved.causes.release(cause) };
        let end = End::Refused(refusal.clone());
        let last = Last { time, instance: Text::default(), end, unspawned: None, cause };
        let old = slot.last.replace(last.into());
        if let Some(old) = old {
            self.saved.causes.release(old.cause);
        }
        // What was switched off by somebody is as it should be, and may be hundreds of jobs at each boot.
        let is_as_wanted = matches!(refusal, Refusal::Disabled(_) | Refusal::Mode(_));
        if request.by != By::Event || !is_as_wanted {
            self.note(id, Text::default(), Notice::Refused(refusal));
        }
    }

    /// Forgets a request that comes to nothing.
    pub(super) fn drop_request(&mut self, request: Option<Request>) {
        if let Some(request) = request {
            self.saved.causes.release(request.cause);
        }
    }
}

/// The instance's name that variables make of a job's pattern.
pub fn key_of(job: &Job, env: &Args) -> Result<Text, Outcome> {
    let Some(template) = &job.instance else { return Ok(Text::default()) };
    let value_of = |name: &str| last_value(env, name).or_else(|| Slot::class_value(job, name));
    if let Some(key) = template.expand(&value_of) {
        return Ok(key.into());
    }
    let missing =
        template.variables().into_iter().find(|(name, optional)| !optional && value_of(name).is_none());
    Err(Outcome::MissingVariable(missing.map(|(name, _)| name.into()).unwrap_or_default()))
}

pub fn take_waiters(waiters: &mut Vec<(ReplyId, Verb)>, which: impl Fn(Verb) -> bool) -> Vec<ReplyId> {
    let (taken, left): (Vec<_>, Vec<_>) =
        core::mem::take(waiters).into_iter().partition(|(_, verb)| which(*verb));
    *waiters = left;
    taken.into_iter().map(|(reply, _)| reply).collect()
}

/// Variables, and in one of them the names of the events that they came with. What a loader or shell would
/// act on cannot come from an event or a person's argument, and is left out.
pub fn with_events(mut env: Args, events: &[Name], key: Key) -> Args {
    if env.iter().any(|(key, _)| key.is_reserved()) {
        env = env
            .iter()
            .filter(|(key, _)| !key.is_reserved())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
    }
    let names = match events {
        [] => return env,
        [name] => Ok(Value::from(name)),
        [..] => Value::new(&events.iter().map(Name::as_str).collect::<Vec<&str>>().join(" ")),
    };
    if let Ok(names) = names {
        env.push(key, names);
    }
    env
}

impl Job {
    /// Whether its restart takes the file that it was started from, as Upstart does.
    pub(super) const fn restarts_old(&self) -> bool {
        matches!(self.format, Format::Upstart)
    }
}
