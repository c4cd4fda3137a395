//! A small model of the world that knows which processes are really there, and every point that a life in it can come to.
//!
//! What entering a phase does is told again here in few lines; that the engine does the same is what `schedules.rs` shows.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use events::Name;
use jobs::{
    Cue, Ending, Exit, Format, Goal, Hook, Job, Main, Next, Phase, Pid, ProcessKind, Ready, Respawn, Signal,
    State,
};

pub const MAIN: Pid = Pid(1);
pub const BESIDE: Pid = Pid(2);
pub const NAMED: Pid = Pid(3);
pub const GOOD: Exit = Exit::Code(0);
pub const BAD: Exit = Exit::Code(1);

/// What is really there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct World {
    pub main: Process,
    /// Whether processes that main started are there without it.
    pub left: bool,
    pub beside: Option<(ProcessKind, Process)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Process {
    #[default]
    Absent,
    Asked,
    Alive,
}

/// A life, and what is there of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point {
    pub state: State,
    pub goal: Goal,
    pub reached: bool,
    pub world: World,
}

pub const BIRTH: Point = Point {
    state: State::Waiting,
    goal: Goal::Start,
    reached: false,
    world: World { main: Process::Absent, left: false, beside: None },
};

fn job(format: Format, processes: &[ProcessKind], change: impl FnOnce(&mut Job)) -> Job {
    let mut job = Job::new(Name::new("j").unwrap(), format);
    job.processes = processes.iter().copied().collect();
    change(&mut job);
    job
}

pub fn shapes() -> Vec<(&'static str, Job)> {
    use ProcessKind::{Check, Configure, Main, PostStart, PostStop, PreStart, PreStop, Stop};
    let all = [Check, Configure, PreStart, Main, PostStart, PreStop, PostStop];
    let with_verb = [Check, Configure, PreStart, Main, PostStart, PreStop, Stop, PostStop];
    let native = Format::Native;
    let respawn = |job: &mut Job| job.respawn = Some(Respawn::default());
    vec![
        ("service", job(native, &[Main], |_| {})),
        ("respawn", job(native, &[Main], respawn)),
        ("task", job(native, &[Main], |job| job.task = true)),
        ("nothing", job(native, &[], |_| {})),
        ("nothing-task", job(native, &[], |job| job.task = true)),
        ("hooks", job(native, &all, |job| job.start_timeout = Some(Duration::from_secs(9)))),
        ("hooks-task", job(native, &all, |job| job.task = true)),
        ("hooks-respawn", job(native, &all, respawn)),
        ("hooks-only", job(native, &[PreStart, PostStart, PreStop, PostStop], |_| {})),
        ("forked", job(native, &all, |job| job.ready = Ready::Forked)),
        ("pidfile", job(native, &all, |job| job.ready = Ready::Pidfile("/run/j.pid".into()))),
        (
            "notify",
            job(native, &with_verb, |job| {
                job.ready = Ready::Notify;
                job.start_timeout = Some(Duration::from_secs(9));
            }),
        ),
        (
            "stopped",
            job(Format::Upstart, &all, |job| {
                job.ready = Ready::Stopped;
                respawn(job);
            }),
        ),
        ("verb", job(native, &with_verb, respawn)),
        ("script", job(Format::Rcd, &[Main, Stop], |job| job.ready = Ready::Forked)),
        (
            "leave",
            job(native, &all, |job| {
                job.ready = Ready::Forked;
                job.kill.leave = true;
            }),
        ),
    ]
}

/// What may happen next: the cue, the goal that it comes with, and the world after it.
fn possible(job: &Job, at: &Point) -> Vec<(Cue, Goal, World)> {
    let mut found = wishes(at);
    let mut add = |cue, world| found.push((cue, at.goal, world));
    let world = at.world;
    let phase = at.state.phase();
    match phase {
        Phase::Held | Phase::Running => add(Cue::Freed, world),
        Phase::Starting | Phase::Stopping => add(Cue::HookDone, world),
        Phase::Killed => add(Cue::KillTimeout, world),
        Phase::Check
        | Phase::Configure
        | Phase::PreStart
        | Phase::PostStart
        | Phase::PreStop
        | Phase::PostStop => {
            add(Cue::HookTimeout, world);
        }
        Phase::Waiting | Phase::Spawned => {}
    }
    let coming_up = matches!(
        phase,
        Phase::Starting | Phase::Configure | Phase::PreStart | Phase::Spawned | Phase::PostStart
    );
    if coming_up && job.start_timeout.is_some() {
        add(Cue::StartTimeout, world);
    }
    match world.main {
        Process::Absent => {}
        Process::Asked => {
            add(Cue::Spawned(ProcessKind::Main, MAIN), World { main: Process::Alive, ..world });
            add(Cue::Unspawned(ProcessKind::Main), World { main: Process::Absent, ..world });
        }
        Process::Alive => {
            for exit in [GOOD, BAD, Exit::Signal(Signal::TERM)] {
                for left in [false, true] {
                    let after = World { main: Process::Absent, left, ..world };
                    add(Cue::Exited(ProcessKind::Main, exit, left), after);
                }
            }
        }
    }
    let killed = matches!(at.state, State::Killed(_, Ending::Kill));
    if killed {
        add(Cue::Emptied, World::default());
    } else if world.left && world.main == Process::Absent {
        add(Cue::Emptied, World { left: false, ..world });
    }
    let says_so = !matches!(job.ready, Ready::Spawned | Ready::Socket | Ready::Forked);
    if says_so && world.main == Process::Alive {
        add(Cue::Ready(None), world);
    }
    if says_so && (world.main == Process::Alive || world.left) {
        // The one who is named is main from now on.
        add(Cue::Ready(Some(NAMED)), World { main: Process::Alive, left: false, ..world });
    }
    if let Some((kind, process)) = world.beside {
        let gone = World { beside: None, ..world };
        if process == Process::Asked {
            add(Cue::Spawned(kind, BESIDE), World { beside: Some((kind, Process::Alive)), ..world });
            add(Cue::Unspawned(kind), gone);
        } else {
            let left = world.main == Process::Alive || world.left;
            add(Cue::Exited(kind, GOOD, left), gone);
            add(Cue::Exited(kind, BAD, left), gone);
        }
    }
    found
}

/// What people and events may wish.
fn wishes(at: &Point) -> Vec<(Cue, Goal, World)> {
    let wish = |cue, goal| (cue, goal, at.world);
    match (at.state, at.goal) {
        (State::Waiting, _) => vec![wish(Cue::Start, Goal::Start)],
        (_, Goal::Start) => vec![wish(Cue::Stop, Goal::Stop), wish(Cue::Stop, Goal::Restart)],
        (_, Goal::Restart) => vec![wish(Cue::Stop, Goal::Stop)],
        (_, Goal::Stop) => vec![wish(Cue::Start, Goal::Start), wish(Cue::Start, Goal::Restart)],
    }
}

/// All points to which a cue can lead: the engine decides by more than the state whether a job comes back.
fn follow(job: &Job, at: &Point, cue: Cue, goal: Goal, world: World) -> Vec<Point> {
    let told = Point { goal, world, ..*at };
    let with = |goal| Point { goal, ..told };
    match at.state.next(cue, job, goal) {
        Next::Stay(state) | Next::Hurry(state) | Next::KillHook(state, None) => vec![stay(job, told, state)],
        Next::KillAll(state) => {
            // What was only asked for is dropped with the rest.
            let beside = world.beside.filter(|(_, process)| *process == Process::Alive);
            vec![Point { state, world: World { beside, ..world }, ..told }]
        }
        Next::KillHook(state, Some(_)) | Next::Doom(state, _) => vec![stay(job, with(Goal::Stop), state)],
        Next::Drain => vec![told],
        Next::Go(phase, main) => vec![enter(job, told, phase, main)],
        Next::MainEnded(main, _) => {
            let stops = enter(job, with(Goal::Stop), Phase::Stopping, main);
            match (goal, job.respawn.is_some()) {
                (Goal::Start, false) => vec![stops],
                (Goal::Start, true) => vec![stops, enter(job, told, Phase::Stopping, main)],
                (Goal::Stop | Goal::Restart, _) => vec![enter(job, told, Phase::Stopping, main)],
            }
        }
        Next::MainEndedMeanwhile(state, _) => {
            vec![stay(job, told, state), stay(job, with(Goal::Stop), state)]
        }
        Next::Fail(Phase::Held, main, _) => vec![enter(job, told, Phase::Held, main)],
        Next::Fail(Phase::Waiting, ..) | Next::Skip | Next::Down(_) => vec![down(told)],
        Next::Fail(phase, main, _) => vec![enter(job, with(Goal::Stop), phase, main)],
    }
}

fn stay(job: &Job, at: Point, state: State) -> Point {
    let there = Point { state, ..at };
    let rest_is_told = matches!(state, State::Killed(Main::Ended { left: true, .. }, Ending::Signal));
    if rest_is_told && at.state != state && job.kill.leave {
        return enter(job, leave(there), Phase::PostStop, Main::None);
    }
    there
}

/// What is left belongs to nobody from now on.
fn leave(at: Point) -> Point {
    Point { world: World { left: false, ..at.world }, ..at }
}

/// The life is over: then nothing of it may be left.
fn down(at: Point) -> Point {
    assert_eq!(at.world, World::default(), "a life is over, and this of it is still there: {at:?}");
    Point { reached: false, ..BIRTH }
}

fn enter(job: &Job, mut at: Point, mut phase: Phase, mut main: Main) -> Point {
    loop {
        at.state = State::entering(phase, main);
        let then = match phase {
            Phase::Waiting => return down(at),
            Phase::Held => {
                if at.goal == Goal::Start || at.goal == Goal::Restart {
                    // A life after another begins where nothing of it is left.
                    assert_eq!(at.world, World::default(), "a further life begins beside this: {at:?}");
                }
                return Point { goal: Goal::Start, reached: false, ..at };
            }
            Phase::Starting | Phase::Stopping => return at,
            Phase::Running => {
                at.reached = true;
                if !(job.task && main == Main::None) {
                    return at;
                }
                at.goal = Goal::Stop;
                Phase::Stopping
            }
            Phase::Killed => match enter_killed(job, &mut at, main) {
                true => return at,
                false => Phase::PostStop,
            },
            Phase::Check
            | Phase::Configure
            | Phase::PreStart
            | Phase::Spawned
            | Phase::PostStart
            | Phase::PreStop
            | Phase::PostStop => {
                let process = phase.process().unwrap();
                if job.processes.has(process) {
                    spawn(&mut at, process);
                    return at;
                }
                after(phase, at.goal)
            }
        };
        if !matches!(then, Phase::Running | Phase::Stopping | Phase::Killed) || phase == Phase::Spawned {
            main = Main::None;
        }
        phase = then;
    }
}

/// What comes after a phase for which the job has no process.
fn after(phase: Phase, goal: Goal) -> Phase {
    match phase {
        Phase::Check => Phase::Starting,
        Phase::Configure => Phase::PreStart,
        Phase::PreStart => Phase::Spawned,
        Phase::Spawned => Phase::PostStart,
        Phase::PostStart => Phase::Running,
        Phase::PreStop => Phase::Stopping,
        Phase::PostStop if goal == Goal::Stop => Phase::Waiting,
        Phase::PostStop => Phase::Held,
        Phase::Waiting | Phase::Held | Phase::Starting | Phase::Running | Phase::Stopping | Phase::Killed => {
            unreachable!("{phase:?} has no process")
        }
    }
}

/// Whether anything is to be ended.
fn enter_killed(job: &Job, at: &mut Point, main: Main) -> bool {
    if job.processes.has(ProcessKind::Stop) && (at.reached || main.is_alive()) {
        at.state = State::Killed(main, Ending::Verb(Hook::Asked));
        spawn(at, ProcessKind::Stop);
        return true;
    }
    if matches!(main, Main::Ended { left: true, .. }) && job.kill.leave {
        *at = leave(*at);
        return false;
    }
    main.is_alive()
}

fn spawn(at: &mut Point, process: ProcessKind) {
    if process == ProcessKind::Main {
        let there = at.world.main != Process::Absent || at.world.left;
        assert!(!there, "a second main is asked for: {at:?}");
        at.world.main = Process::Asked;
    } else {
        assert_eq!(at.world.beside, None, "{process} is asked for beside another process: {at:?}");
        at.world.beside = Some((process, Process::Asked));
    }
}

/// What the table says must be what is there.
fn agree(shape: &str, at: &Point) {
    let beside = at.state.hook().map(|(kind, hook)| match hook {
        Hook::Asked => (kind, Process::Asked),
        Hook::Alive(_) => (kind, Process::Alive),
    });
    assert_eq!(beside, at.world.beside, "{shape}: the process beside main, in {at:?}");
    let (main, left) = match at.state.main() {
        Main::None | Main::Ended { left: false, .. } => (Process::Absent, false),
        Main::Asked => (Process::Asked, false),
        Main::Alive(_) => (Process::Alive, at.world.left),
        Main::Group | Main::Ended { left: true, .. } => (Process::Absent, true),
    };
    assert_eq!((main, left), (at.world.main, at.world.left), "{shape}: main, in {at:?}");
}

/// Every point that a job of this shape can come to, and where each cue leads.
pub fn explore(shape: &str, job: &Job) -> HashMap<Point, Vec<(Cue, Point)>> {
    let mut known: HashMap<Point, Vec<(Cue, Point)>> = HashMap::new();
    let mut line = VecDeque::from([BIRTH]);
    while let Some(at) = line.pop_front() {
        if known.contains_key(&at) {
            continue;
        }
        agree(shape, &at);
        let mut ways = Vec::new();
        for (cue, goal, world) in possible(job, &at) {
            ways.extend(follow(job, &at, cue, goal, world).into_iter().map(|next| (cue, next)));
        }
        line.extend(ways.iter().map(|(_, next)| *next));
        known.insert(at, ways);
    }
    known
}
