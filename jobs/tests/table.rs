//! The table of a life, looked at as a whole: every cue that the world can give, in every state that a life
//! can come to, for every shape of job.
//!
//! The table is played together with a small model of the world that knows which processes are really there.
//! So it is seen when the table forgets a process, names one that is not there, or waits for a report that
//! nobody owes. What entering a phase does is told again here in few lines; that the engine does the same is
//! what `schedules.rs` shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail"
)]

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt::Write as _,
    fs,
    path::Path,
    time::Duration,
};

use events::Name;
use jobs::{
    Cue, Ending, Exit, Format, Goal, Hook, Job, Main, Next, Phase, Pid, ProcessKind, Ready, Respawn, Signal,
    State,
};

const MAIN: Pid = Pid(1);
const BESIDE: Pid = Pid(2);
const NAMED: Pid = Pid(3);
const GOOD: Exit = Exit::Code(0);
const BAD: Exit = Exit::Code(1);

/// What is really there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct World {
    main: Process,
    /// Whether processes that main started are there without it.
    left: bool,
    beside: Option<(ProcessKind, Process)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Process {
    #[default]
    Absent,
    Asked,
    Alive,
}

/// A life, and what is there of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Point {
    state: State,
    goal: Goal,
    reached: bool,
    world: World,
}

const BIRTH: Point = Point {
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

fn shapes() -> Vec<(&'static str, Job)> {
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
fn explore(shape: &str, job: &Job) -> HashMap<Point, Vec<(Cue, Point)>> {
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

#[test]
fn what_the_table_says_of_processes_is_what_is_there() {
    let mut points = 0;
    for (shape, job) in shapes() {
        points += explore(shape, &job).len();
    }
    assert!(points > 1_000, "only {points} points were found");
}

#[test]
fn from_everywhere_there_is_a_way_down_by_what_the_world_owes() {
    for (shape, job) in shapes() {
        let known = explore(shape, &job);
        // Backward from the end, over points whose goal is stop and cues that are no wish.
        let mut back: HashMap<Point, Vec<Point>> = HashMap::new();
        for (at, ways) in &known {
            for (cue, next) in ways {
                if !matches!(cue, Cue::Start | Cue::Stop) {
                    back.entry(*next).or_default().push(*at);
                }
            }
        }
        let mut ends: HashSet<Point> = HashSet::from([BIRTH]);
        let mut line = vec![BIRTH];
        while let Some(at) = line.pop() {
            for before in back.get(&at).into_iter().flatten() {
                if ends.insert(*before) {
                    line.push(*before);
                }
            }
        }
        for (at, ways) in known.iter().filter(|(at, _)| at.state != State::Waiting) {
            let stopped = |next: &Point| next.goal == Goal::Stop && ends.contains(next);
            let leads_down = match at.goal {
                Goal::Stop => ends.contains(at),
                Goal::Start | Goal::Restart => {
                    ways.iter().any(|(cue, next)| *cue == Cue::Stop && (stopped(next) || *next == BIRTH))
                }
            };
            assert!(leads_down, "{shape}: told to stop, there is no way down from {at:?}");
        }
    }
}

#[test]
fn nothing_waits_but_for_a_report_or_a_limit() {
    for (shape, job) in shapes() {
        for (at, ways) in explore(shape, &job) {
            let by_itself = |(cue, next): &&(Cue, Point)| {
                !matches!(cue, Cue::Start | Cue::Stop | Cue::HookTimeout) && *next != at
            };
            let may_wait = matches!(at.state, State::Waiting | State::Held { .. })
                || matches!(at.state, State::Running(Main::None));
            assert!(
                may_wait || ways.iter().any(|way| by_itself(&way)),
                "{shape}: nothing that the world owes leads on from {at:?}"
            );
        }
    }
}

#[test]
fn what_is_being_ended_is_killed_again_and_again() {
    for (shape, job) in shapes() {
        for at in explore(shape, &job).into_keys().filter(|at| at.state.phase() == Phase::Killed) {
            let next = at.state.next(Cue::KillTimeout, &job, at.goal);
            assert!(matches!(next, Next::KillAll(State::Killed(..))), "{shape}: {next:?} in {at:?}");
        }
    }
}

/// Every state, also those that no life comes to.
fn all_states() -> Vec<State> {
    let mains = [
        Main::None,
        Main::Asked,
        Main::Alive(MAIN),
        Main::Group,
        Main::Ended { exit: Some(GOOD), left: false },
        Main::Ended { exit: Some(GOOD), left: true },
    ];
    let hooks = [Hook::Asked, Hook::Alive(BESIDE)];
    let mut states =
        vec![State::Waiting, State::Held { untold: false }, State::Held { untold: true }, State::Starting];
    for hook in hooks {
        states.extend([
            State::Check(hook),
            State::Configure(hook),
            State::PreStart(hook),
            State::PostStop(hook),
        ]);
    }
    for main in mains {
        states.extend([State::Spawned(main), State::Running(main), State::Stopping(main)]);
        states.extend([State::Killed(main, Ending::Signal), State::Killed(main, Ending::Kill)]);
        for hook in hooks {
            states.extend([State::PostStart(main, hook), State::PreStop(main, hook)]);
            states.push(State::Killed(main, Ending::Verb(hook)));
        }
    }
    states.sort_by_key(|state| state.phase());
    states
}

fn all_cues() -> Vec<Cue> {
    let mut cues = vec![
        Cue::Start,
        Cue::Stop,
        Cue::Freed,
        Cue::HookDone,
        Cue::Ready(None),
        Cue::Ready(Some(NAMED)),
        Cue::Emptied,
        Cue::HookTimeout,
        Cue::KillTimeout,
        Cue::StartTimeout,
    ];
    for kind in ProcessKind::ALL {
        let pid = if kind == ProcessKind::Main { MAIN } else { BESIDE };
        cues.extend([Cue::Spawned(kind, pid), Cue::Unspawned(kind)]);
        for (exit, left) in [(GOOD, false), (GOOD, true), (BAD, false), (BAD, true)] {
            cues.push(Cue::Exited(kind, exit, left));
        }
    }
    cues
}

/// The whole table for one job, without the cues that do nothing.
fn printed(job: &Job) -> String {
    let mut text = String::new();
    for state in all_states() {
        let mut lines: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (number, cue) in all_cues().into_iter().enumerate() {
            for goal in [Goal::Start, Goal::Stop] {
                let next = state.next(cue, job, goal);
                let told = if next == Next::Stay(state) { "-".into() } else { format!("{next:?}") };
                lines.entry(number).or_default().push(told);
            }
        }
        let _ = writeln!(text, "{state:?}");
        for (number, told) in lines {
            let cue = all_cues()[number];
            match told.as_slice() {
                [up, down] if up == "-" && down == "-" => {}
                [up, down] if up == down => {
                    let _ = writeln!(text, "    {cue:?}: {up}");
                }
                [up, down] => {
                    let _ = writeln!(text, "    {cue:?}: {up} | {down}");
                }
                _ => unreachable!("two goals"),
            }
        }
    }
    text
}

#[test]
fn the_table_is_as_it_was_reviewed() {
    let mut text = String::from(
        "# What each cue does in each state, of a service with all processes that is ready when executed. Cues\n\
         # that do nothing are left out. Where two things stand, the first is for goal start, the second for\n\
         # stop; `-` is nothing. `UPDATE=1 cargo test -p jobs --test table` writes it anew.\n\n",
    );
    let (_, job) = shapes().into_iter().find(|(shape, _)| *shape == "verb").unwrap();
    text.push_str(&printed(&job).replace("Exited(", "Ended(").replace("Signal(Signal(15))", "TERM"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/table.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let reviewed = fs::read_to_string(&path).unwrap_or_default();
    let differs = text.lines().zip(reviewed.lines()).find(|(new, old)| new != old);
    assert!(text == reviewed, "the table has changed, first at {differs:?}");
}
