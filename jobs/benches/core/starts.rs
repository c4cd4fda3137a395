//! Through the engine: an event, and the start that it causes.

use std::{sync::Arc, time::Duration};

use events::{Condition, Dialect, Event, Name, Time};
use jobs::{Action, Engine, Exit, Input, Job, Life, Origin, Pid, ProcessKind, Signal, Verb};

use crate::{
    Order, Sample,
    fleet::{self, Conditions},
    heap::Heap,
    timed,
};

/// An engine that has read these jobs.
pub fn engine(jobs: Vec<Arc<Job>>) -> Engine {
    let mut engine = Engine::new();
    drop(engine.step([Input::Reload { jobs, refused: Vec::new() }], Time(0)));
    engine
}

fn outside(event: Event) -> Input {
    Input::Event { event, origin: Origin::World, reply: None }
}

/// The lives whose main process is asked for.
fn spawned(actions: &[Action]) -> impl Iterator<Item = Life> {
    actions.iter().filter_map(|action| {
        if let Action::Spawn { life, process: ProcessKind::Main, .. } = action { Some(*life) } else { None }
    })
}

fn is_spawned(life: Life) -> Input {
    Input::Spawned { life, process: ProcessKind::Main, pid: Pid(life.place + 1000) }
}

fn has_ended(life: Life) -> Input {
    let exit = Exit::Signal(Signal::TERM);
    Input::Exited { life, process: ProcessKind::Main, exit, left: false }
}

/// Each job's event, up to the action that makes its main process. What follows is not timed: it comes up at
/// once; when all are up, each is stopped and goes.
pub fn starts(count: usize, order: Order, rounds: usize) -> Sample {
    let mut run = Run::new(count, order);
    let mut time = Duration::ZERO;
    // The first round makes room, and is not counted.
    for round in 0..=rounds {
        let mut lives: Vec<Life> = Vec::with_capacity(count);
        for input in run.inputs() {
            let (life, taken) = timed_if(round > 0, || run.start(input));
            run.come_up(life);
            lives.push(life);
            time += taken;
        }
        lives.iter().zip(run.names.clone()).for_each(|(life, name)| run.end(*life, name));
    }
    Sample { done: count * rounds, time }
}

/// Each job's event and its whole life after it: it is up, somebody stops it, it goes, it is forgotten.
pub fn whole_lives(count: usize, order: Order, rounds: usize) -> Sample {
    let mut run = Run::new(count, order);
    let mut time = Duration::ZERO;
    for round in 0..=rounds {
        let inputs: Vec<(Input, Name)> = run.inputs().into_iter().zip(run.names.clone()).collect();
        let ((), taken) = timed_if(round > 0, || {
            for (input, name) in inputs {
                let life = run.start(input);
                run.come_up(life);
                run.end(life, name);
            }
        });
        time += taken;
    }
    assert!(run.engine.is_settled());
    Sample { done: count * rounds, time }
}

/// How often a start asks for memory.
pub fn allocations(count: usize) -> f64 {
    let mut run = Run::new(count, Order::InTurn);
    let mut calls = 0;
    for input in run.inputs() {
        let before = Heap::now().calls;
        let life = run.start(input);
        calls += Heap::now().calls - before;
        run.come_up(life);
    }
    calls as f64 / count as f64
}

/// An engine with a fleet, and what it is given.
struct Run {
    engine: Engine,
    events: Vec<Event>,
    names: Vec<Name>,
    now: u64,
}

impl Run {
    fn new(count: usize, order: Order) -> Self {
        let jobs = fleet::fleet(count, Conditions::Gates);
        let names = order.of(count).into_iter().map(|number| jobs[number].name.clone()).collect();
        let events = fleet::events(count, Conditions::Gates, order);
        Self { engine: engine(jobs), events, names, now: 0 }
    }

    fn inputs(&self) -> Vec<Input> {
        self.events.iter().cloned().map(outside).collect()
    }

    fn start(&mut self, input: Input) -> Life {
        self.now += 1;
        let actions = self.engine.step([input], Time(self.now));
        spawned(&actions).next().expect("every event must start a job")
    }

    fn come_up(&mut self, life: Life) {
        drop(self.engine.step([is_spawned(life)], Time(self.now)));
    }

    fn end(&mut self, life: Life, job: Name) {
        let (args, origin) = (events::Args::new(), Origin::Person(0));
        let stop = Input::Command { verb: Verb::Stop, job, args, force: false, origin, reply: None };
        drop(self.engine.step([stop], Time(self.now)));
        drop(self.engine.step([has_ended(life)], Time(self.now)));
    }
}

fn timed_if<R>(wanted: bool, work: impl FnOnce() -> R) -> (R, Duration) {
    if wanted { timed(work) } else { (work(), Duration::ZERO) }
}

/// Jobs of which each starts when the one before it is up.
fn chain(count: usize) -> Vec<Arc<Job>> {
    let start_on = |number: usize| match number {
        0 => "startup".to_owned(),
        _ => format!("started link-{}", number - 1),
    };
    let link = |number| {
        let mut job = fleet::plain(&format!("link-{number}"));
        job.start_on = Some(Condition::parse(&start_on(number), Dialect::Edges).unwrap());
        Arc::new(job)
    };
    (0..count).map(link).collect()
}

/// Boots a chain of jobs to its end, `rounds` times, with an executor that makes each process at once. With
/// `reading`, the new engine takes the jobs in within the time.
pub fn boots(count: usize, reading: bool, rounds: usize) -> Sample {
    let jobs = chain(count);
    let mut time = Duration::ZERO;
    for _ in 0..rounds {
        let (mut engine, read) = timed_if(reading, || engine(jobs.clone()));
        let (up, booted) = timed(|| boot(&mut engine));
        assert_eq!(up, count, "every job must come up");
        time += read + booted;
    }
    Sample { done: rounds, time }
}

fn boot(engine: &mut Engine) -> usize {
    let startup = Event::new(Name::new("startup").unwrap());
    let mut inputs = vec![outside(startup)];
    let mut up = 0;
    while !inputs.is_empty() {
        let actions = engine.step(inputs.drain(..), Time(1));
        inputs.extend(spawned(&actions).map(is_spawned));
        up += inputs.len();
    }
    up
}

/// Bytes and blocks per job of an engine that has read `count` jobs, with the jobs themselves.
pub fn heap_per_job(count: usize, conditions: Conditions) -> (f64, f64) {
    let before = Heap::now();
    let engine = engine(fleet::fleet(count, conditions));
    let after = Heap::now();
    let of = |after: usize, before: usize| (after - before) as f64 / count as f64;
    let heap = (of(after.bytes, before.bytes), of(after.blocks, before.blocks));
    drop(engine);
    heap
}

/// Bytes and blocks that an instance takes besides, when its job is up.
pub fn heap_per_instance(count: usize) -> (f64, f64) {
    let mut engine = engine(fleet::fleet(count, Conditions::Gates));
    let before = Heap::now();
    for number in 0..count {
        let event = fleet::event(number, Conditions::Gates);
        let actions = engine.step([outside(event)], Time(1));
        let inputs: Vec<Input> = spawned(&actions).map(is_spawned).collect();
        drop(actions);
        drop(engine.step(inputs, Time(1)));
    }
    let after = Heap::now();
    let of = |after: usize, before: usize| (after - before) as f64 / count as f64;
    (of(after.bytes, before.bytes), of(after.blocks, before.blocks))
}
