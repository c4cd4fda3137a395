//! The engine: jobs, graph, facts and instances. Inputs in, actions out; nothing else is known here.
//!
//! # How a step goes
//!
//! [`Engine::step`] takes a batch and works it off input by input. An input changes goals, states or facts,
//! and may put two kinds of things in line: what instances must look at again (`todo`), and events that the
//! engine itself causes (`pending`). Both are worked off, `todo` first, before the next input is taken. So
//! all goals that one event sets are set before any instance moves, and the order of everything is a function
//! of the inputs.
//!
//! A step has a bound. Jobs that wake each other for ever are cut off there, [`Action::Again`] asks for
//! another turn, and meanwhile the outside world gets its word in.
//!
//! # Where things are
//!
//! | file | holds |
//! | --- | --- |
//! | `model` | what the engine keeps: slots (a job and what is known of it), instances, events |
//! | `matching` | an event meets conditions |
//! | `changes` | files that jobs live by have changed |
//! | `commands` | what people and programs say that jobs shall do |
//! | `goals` | who may start and stop, and what that asks of others |
//! | `lives` | what entering a phase does |
//! | `ends` | how lives end, and who is told |
//! | `told` | what an instance tells: its four events, notes |
//! | `starvation` | processes that could not be made |
//! | `relations` | who comes before whom |
//! | `holds` | who is held until others have settled |
//! | `needs` | what an instance cannot be up without |
//! | `stops` | who must be down before others stop |
//! | `rings` | all that is waited for, and rings of waits |
//! | `facts` | conditions over facts rise and fall |
//! | `clock` | timers |
//! | `alarms` | times that jobs ask for |
//! | `reload` | a new generation of jobs |
//! | `names` | from a job's name to its place |
//! | `machine` | modes and shutdown |
//! | `view` | what people may ask |
//! | `who` | from names, arguments and lives to instances |

use alloc::{collections::BTreeMap, collections::VecDeque, sync::Arc, vec::Vec};

use events::{Event, Name, Text, Time};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::{
    Action, CauseId, Cue, Facts, Graph, Happening, Hit, Input, JobId, Life, Origin, Outcome, cause::Causes,
};

mod alarms;
mod changes;
mod clock;
mod commands;
mod ends;
mod facts;
mod goals;
mod holds;
mod lives;
mod machine;
mod matching;
mod model;
mod names;
mod needs;
mod relations;
mod reload;
mod rings;
mod settled;
mod starvation;
mod stops;
mod told;
mod view;
mod who;

pub use alarms::{Asked, MAX_ALARMS};
use clock::{Timer, TimerId};
use model::{Emitter, EventId, Instance, LiveEvent, Slot};
pub use view::{Status, Why, failure_text, refusal_text};

/// How many events and moves of its own the engine works off in one step.
pub const STEP_BOUND: usize = 20_000;
/// The most instances that one job may have.
pub const MAX_INSTANCES: usize = 1_024;
/// The most start events that wait for an instance to be down (`again: queue`).
pub const MAX_QUEUE: usize = 64;

/// Jobs, graph, facts and instances.
///
/// It can be written down at any point between two steps, and what is read back goes on the same.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Saved")]
pub struct Engine {
    saved: Saved,
    graph: Graph,
    /// The place of each job in the start order, if loops make some edges void: these go backward in it.
    order: Vec<u32>,
    levels: HashMap<JobId, Arc<crate::Level>>,
    names: names::Names,
    /// The jobs of each turn.
    turns: BTreeMap<Name, Vec<JobId>>,
    /// Whether any job says how long others are to expect it.
    has_expected: bool,
    out: Vec<Action>,
    hits: Vec<Hit>,
}

/// All of an engine that cannot be computed from the rest of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Saved {
    now: Time,
    slots: Vec<Option<Slot>>,
    free_slots: Vec<u32>,
    instances: Vec<Option<Instance>>,
    free_instances: Vec<u32>,
    living: usize,
    /// The number of the last life.
    number: u64,
    events: Vec<Option<LiveEvent>>,
    free_events: Vec<u32>,
    pending: VecDeque<EventId>,
    todo: VecDeque<Todo>,
    causes: Causes,
    facts: Facts,
    #[serde(with = "clock::listed")]
    timers: BTreeMap<TimerId, Timer>,
    timer_number: u64,
    /// Times that jobs ask for, by the words that ask for them.
    alarms: BTreeMap<Text, alarms::Alarm>,
    /// When the first jobs were loaded.
    began: Option<Time>,
    /// What the outside was last asked to call at.
    woken: Option<Time>,
    mode: Option<Name>,
    shutdown: Option<machine::GoingDown>,
    /// How many instances wait for an event, an `emit` or a stop: only then can waits form a ring.
    live_waits: usize,
    /// Whether instances may live by files that others have taken the place of: their order is not that of
    /// the files, and may form a ring, too.
    mixed: bool,
    counters: Counters,
}

/// How often things happened that people ask about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Events worked off.
    pub events: u64,
    /// Starts of lives.
    pub starts: u64,
    /// Start events that did nothing.
    pub dropped: u64,
    /// Rings of waits that were cut.
    pub rings: u64,
    /// Steps that came to their bound.
    pub bounds: u64,
}

/// Something that an instance must look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Todo {
    Cue(u32, u64, Cue),
    /// Whether it is still held, or still waits for others to stop.
    Recheck(u32),
}

impl Serialize for Engine {
    /// Written by hand because `into = "Saved"` would copy the whole engine first.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.saved.serialize(serializer)
    }
}

impl From<Saved> for Engine {
    fn from(saved: Saved) -> Self {
        let mut engine = Self { saved, ..Self::default() };
        engine.rebuild();
        engine
    }
}

impl Clone for Engine {
    fn clone(&self) -> Self {
        Self::from(self.saved.clone())
    }
}

impl Engine {
    /// An engine without jobs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Works off a batch of inputs at a time, and says what must be done. `now` never goes back.
    #[must_use]
    pub fn step(&mut self, batch: impl IntoIterator<Item = Input>, now: Time) -> Vec<Action> {
        self.saved.now = self.saved.now.max(now);
        let mut budget = STEP_BOUND;
        self.drain(&mut budget);
        while budget > 0 && self.fire_timer() {
            self.drain(&mut budget);
        }
        for input in batch {
            self.take(input);
            self.drain(&mut budget);
        }
        while budget > 0 && self.stop_late_starts() {
            self.drain(&mut budget);
        }
        self.look_whether_down();
        if budget == 0 {
            self.saved.counters.bounds = self.saved.counters.bounds.saturating_add(1);
            self.out.push(Action::Again);
        }
        self.ask_for_wake();
        core::mem::take(&mut self.out)
    }

    /// Works off what is in line, until nothing is or the budget is spent.
    fn drain(&mut self, budget: &mut usize) {
        while *budget > 0 {
            if let Some(todo) = self.saved.todo.pop_front() {
                match todo {
                    Todo::Cue(place, number, cue) => self.cue(place, number, cue),
                    Todo::Recheck(place) => self.recheck(place),
                }
            } else if let Some(event) = self.saved.pending.pop_front() {
                self.handle(event);
            } else {
                return;
            }
            *budget = budget.saturating_sub(1);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Event { event, origin, reply } => self.outside_event(event, origin, reply),
            Input::Began { fact, origin } => self.fact_began(Arc::new(fact), origin),
            Input::Ended { name, identity } => self.fact_ended(&name, &identity),
            Input::Command { verb, job, args, force, origin, reply } => {
                let answer = self.command(verb, &job, args, force, origin, reply);
                if let (Some(outcome), Some(reply)) = (answer, reply) {
                    self.out.push(Action::Reply(reply, outcome));
                }
            }
            Input::Spawned { life, process, pid } => self.spawned(life, process, pid),
            Input::Unspawned { life, process, why } => self.unspawned(life, process, &why),
            Input::Starved { life, process, what } => self.starved(life, process, &what),
            Input::Exited { life, process, exit, left } => {
                self.report(life, Cue::Exited(process, exit, left))
            }
            Input::Ready { life, main } => self.report(life, Cue::Ready(main)),
            Input::Emptied { life } => self.report(life, Cue::Emptied),
            Input::Mode { mode, origin } => self.change_mode(mode, origin),
            Input::Reload { jobs, refused } => self.reload(jobs, &refused),
            Input::Shutdown { kind, origin } => self.go_down(kind, origin),
            Input::Extended { life, by } => self.extended(life, by),
        }
    }

    /// A report about a life. One about a life that is over is dropped here.
    fn report(&mut self, life: Life, cue: Cue) {
        if self.instance(life.place).is_some_and(|instance| instance.number == life.number) {
            self.cue(life.place, life.number, cue);
        }
    }

    fn outside_event(&mut self, event: Event, origin: Origin, reply: Option<crate::ReplyId>) {
        let inside = self.inside(origin);
        let parent =
            inside.and_then(|place| self.instance(place)).map_or(CauseId::NONE, |instance| instance.cause);
        if origin == Origin::World {
            self.remember_calendar(&event);
        }
        let event = Arc::new(event);
        let cause = self.saved.causes.add(self.saved.now, Happening::Event(event.clone(), origin), parent);
        let emitter = match (reply, inside) {
            (Some(reply), Some(place)) => Emitter::Inside(reply, place),
            (Some(reply), None) => Emitter::Client(reply),
            (None, _) => Emitter::Nobody,
        };
        let id = self.add_event(event, cause, emitter);
        if let (Emitter::Inside(_, place), Some(id)) = (emitter, id)
            && let Some(instance) = self.instance_mut(place)
        {
            instance.emits.push(id);
        }
    }

    /// The living instance that an input came out of.
    fn inside(&self, origin: Origin) -> Option<u32> {
        match origin {
            Origin::Job(life) => {
                self.instance(life.place).filter(|it| it.number == life.number).map(|_| life.place)
            }
            Origin::World | Origin::Person(_) => None,
        }
    }

    /// Puts a new event in line.
    fn add_event(&mut self, event: Arc<Event>, cause: CauseId, emitter: Emitter) -> Option<EventId> {
        let live = LiveEvent::new(event, cause, emitter);
        let id = match self.saved.free_events.pop() {
            Some(place) => {
                *self.saved.events.get_mut(place as usize)? = Some(live);
                EventId(place)
            }
            None => {
                let place = u32::try_from(self.saved.events.len()).ok()?;
                self.saved.events.push(Some(live));
                EventId(place)
            }
        };
        self.saved.pending.push_back(id);
        Some(id)
    }

    fn instance(&self, place: u32) -> Option<&Instance> {
        self.saved.instances.get(place as usize)?.as_ref()
    }

    fn instance_mut(&mut self, place: u32) -> Option<&mut Instance> {
        self.saved.instances.get_mut(place as usize)?.as_mut()
    }

    fn slot(&self, id: JobId) -> Option<&Slot> {
        self.saved.slots.get(id.0 as usize)?.as_ref()
    }

    fn slot_mut(&mut self, id: JobId) -> Option<&mut Slot> {
        self.saved.slots.get_mut(id.0 as usize)?.as_mut()
    }

    fn event(&self, id: EventId) -> Option<&LiveEvent> {
        self.saved.events.get(id.0 as usize)?.as_ref()
    }

    fn event_mut(&mut self, id: EventId) -> Option<&mut LiveEvent> {
        self.saved.events.get_mut(id.0 as usize)?.as_mut()
    }

    fn reply(&mut self, reply: Option<crate::ReplyId>, outcome: Outcome) {
        if let Some(reply) = reply {
            self.out.push(Action::Reply(reply, outcome));
        }
    }

    /// A job that was written down with each of its instances becomes one again.
    fn share_jobs(&mut self) {
        let Saved { slots, instances, .. } = &mut self.saved;
        for instance in instances.iter_mut().flatten() {
            if let Some(Some(slot)) = slots.get(instance.slot.0 as usize)
                && slot.job == instance.job
            {
                instance.job = slot.job.clone();
            }
        }
    }

    /// Everything that can be computed from what was saved.
    fn rebuild(&mut self) {
        self.share_jobs();
        self.graph = Graph::default();
        self.levels = HashMap::new();
        self.names = names::Names::default();
        for place in 0..self.saved.slots.len() {
            let id = JobId(u32::try_from(place).unwrap_or(u32::MAX));
            if self.slot(id).is_some() {
                self.add_name(id);
            }
            if let Some(job) = self.slot(id).filter(|slot| !slot.gone).map(|slot| slot.job.clone()) {
                self.graph.add_job(id, &job);
                self.add_level(id, &job);
            }
        }
        self.find_turns();
        self.find_expected();
        for place in 0..self.saved.slots.len() {
            self.watch_old_levels(JobId(u32::try_from(place).unwrap_or(u32::MAX)));
        }
        for place in 0..self.saved.instances.len() {
            self.add_stop_gate(u32::try_from(place).unwrap_or(u32::MAX));
        }
        self.find_cycles();
    }
}
