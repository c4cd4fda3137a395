//! One schedule: how it is made, played, looked at after every step, and made smaller.

use std::{fmt, sync::Arc, time::Duration};

use events::{Args, Time};
use jobs::{Action, Engine, Input, Job, Origin, Shutdown, Verb};

use crate::{
    machine::{Machine, demand},
    random::{self, NAMES, Random},
};

/// How much virtual time the world has to answer and the timers to run out, at the end.
const END: Duration = Duration::from_secs(1_200);
/// How many times in a row a step may ask for another.
const TURNS: usize = 50;

#[derive(Debug, Clone)]
pub struct Schedule {
    pub seed: u64,
    pub jobs: Vec<Job>,
    pub moves: Vec<u64>,
    /// Whether it ends with a shutdown, or with a stop of each job.
    pub shutdown: bool,
}

impl Schedule {
    pub fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let count = 2 + random.below(7);
        let jobs = (0..count).map(|number| random::job(&mut random, number, count)).collect();
        let moves = (0..20 + random.below(100)).map(|_| random.next()).collect();
        Self { seed, jobs, moves, shutdown: random.chance(50) }
    }

    /// The same fault with as little as possible.
    pub fn shrunk(&self, fault: &str) -> Self {
        let kind = kind_of(fault);
        let fails = |schedule: &Self| play(schedule, false).is_err_and(|other| kind_of(&other) == kind);
        let mut best = self.clone();
        for _ in 0..3 {
            best = best.without_moves(&fails);
            best = best.without_jobs(&fails);
        }
        best
    }

    fn without_moves(&self, fails: &dyn Fn(&Self) -> bool) -> Self {
        let mut best = self.clone();
        let mut size = best.moves.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < best.moves.len() {
                let mut smaller = best.clone();
                smaller.moves.drain(at..(at + size).min(best.moves.len()));
                if fails(&smaller) {
                    best = smaller;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        best
    }

    fn without_jobs(&self, fails: &dyn Fn(&Self) -> bool) -> Self {
        let mut best = self.clone();
        for at in (0..best.jobs.len()).rev() {
            let mut smaller = best.clone();
            smaller.jobs.remove(at);
            if fails(&smaller) {
                best = smaller;
            }
        }
        let plain: [fn(&mut Job); 18] = [
            |job| job.start_on = None,
            |job| job.stop_on = None,
            |job| job.holds_while = None,
            |job| job.instance = None,
            |job| job.requires = Box::default(),
            |job| job.before = Box::default(),
            |job| job.needs = Box::default(),
            |job| job.provides = Box::default(),
            |job| job.stop_order = None,
            |job| job.respawn = None,
            |job| job.task = false,
            |job| job.again = jobs::Again::Ignore,
            |job| job.modes = Box::default(),
            |job| job.export = Box::default(),
            |job| job.ready = jobs::Ready::Spawned,
            |job| job.normal_exit = Box::default(),
            |job| job.start_timeout = None,
            |job| job.processes = [jobs::ProcessKind::Main].into_iter().collect(),
        ];
        for at in 0..best.jobs.len() {
            for change in plain {
                let mut smaller = best.clone();
                change(&mut smaller.jobs[at]);
                if fails(&smaller) {
                    best = smaller;
                }
            }
        }
        best
    }
}

/// What a fault is, without the numbers and names in it.
pub fn kind_of(fault: &str) -> String {
    fault.split(':').next().unwrap_or_default().into()
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} moves, shutdown {}", self.seed, self.moves.len(), self.shutdown)?;
        for job in &self.jobs {
            writeln!(f, "{}", describe(job))?;
        }
        Ok(())
    }
}

/// A job, without what is as usual.
fn describe(job: &Job) -> String {
    let usual = Job::new(job.name.clone(), job.format);
    let (text, usual) = (format!("{job:#?}"), format!("{usual:#?}"));
    let usual: std::collections::HashSet<&str> = usual.lines().collect();
    let mut told = format!("job {} {:?}:", job.name, job.format);
    if let Some(condition) = &job.start_on {
        told.push_str(&format!(" start_on `{condition}`"));
    }
    if let Some(condition) = &job.stop_on {
        told.push_str(&format!(" stop_on `{condition}`"));
    }
    if let Some(condition) = &job.holds_while {
        told.push_str(&format!(" while `{condition}`"));
    }
    let processes = jobs::ProcessKind::ALL.into_iter().filter(|kind| job.processes.has(*kind));
    told.push_str(&format!(" processes {:?}", processes.collect::<Vec<_>>()));
    let bare = Job { start_on: None, stop_on: None, holds_while: None, ..job.clone() };
    let bare = format!("{bare:#?}");
    for line in bare.lines().filter(|line| !usual.contains(line) && text.contains(*line)) {
        told.push(' ');
        told.push_str(line.trim());
    }
    told
}

struct Play {
    engine: Engine,
    /// One that was read back from what was written down, and one that was there from the beginning.
    twins: Vec<(&'static str, Engine)>,
    machine: Machine,
    jobs: Vec<Job>,
    now: Time,
    show: bool,
    random: Random,
}

/// Plays a schedule to its end. The fault begins with what rule was broken, and a colon.
pub fn play(schedule: &Schedule, show: bool) -> Result<(), String> {
    let mut play = Play {
        engine: Engine::new(),
        twins: vec![("same inputs", Engine::new())],
        machine: Machine::default(),
        jobs: schedule.jobs.clone(),
        now: Time(0),
        show,
        random: Random(schedule.seed ^ 0xfeed),
    };
    play.reload()?;
    for &number in &schedule.moves {
        play.make_move(&mut Random(number))?;
    }
    play.end(schedule)
}

impl Play {
    fn make_move(&mut self, random: &mut Random) -> Result<(), String> {
        // What chance decides inside the machine is this move's own, too.
        self.random = Random(random.next());
        match random.below(100) {
            0..30 => self.something_happens(random, false).map(|_| ()),
            30..60 => self.deliver(random).map(|_| ()),
            60..83 => {
                let input = self.input(random);
                self.step(vec![input])
            }
            83..97 => self.let_time_go(random),
            _ => self.write_down(),
        }
    }

    /// Something happens in a life; `false` if nothing can.
    fn something_happens(&mut self, random: &mut Random, calm: bool) -> Result<bool, String> {
        let lives = self.machine.lives(|body| !body.happenings(calm).is_empty());
        if lives.is_empty() {
            return Ok(false);
        }
        let life = lives[random.below(lives.len())];
        let Some(body) = self.machine.bodies.get_mut(&life) else { return Ok(false) };
        let happenings = body.happenings(calm);
        let what = happenings[random.below(happenings.len())];
        if self.show {
            println!("{:>7} happens {} {what:?}", self.now.0, body.job.name);
        }
        body.happen(life, what, random);
        Ok(true)
    }

    /// Some reports reach the engine, in one batch.
    fn deliver(&mut self, random: &mut Random) -> Result<bool, String> {
        let mut batch = Vec::new();
        for _ in 0..1 + random.below(3) {
            let lives = self.machine.lives(|body| !body.reports.is_empty());
            if lives.is_empty() {
                break;
            }
            let life = lives[random.below(lives.len())];
            batch.extend(self.machine.report(life).map(|report| (life, report)));
        }
        if batch.is_empty() {
            return Ok(false);
        }
        self.perform(batch.iter().map(|(_, report)| report.clone()).collect())?;
        for (life, report) in &batch {
            self.machine.learn(*life, report);
        }
        self.look().map(|()| true)
    }

    fn let_time_go(&mut self, random: &mut Random) -> Result<(), String> {
        self.now = match (random.below(3), self.machine.wake) {
            (0, Some(wake)) => self.now.max(wake),
            (1, _) => self.now.after(Duration::from_secs(random.below(10) as u64)),
            _ => self.now.after(Duration::from_millis(random.below(200) as u64)),
        };
        self.step(Vec::new())
    }

    /// A twin that is read back from what was written down takes the place of the last one.
    fn write_down(&mut self) -> Result<(), String> {
        let bytes = postcard::to_allocvec(&self.engine).map_err(|it| format!("not postcard: {it}"))?;
        let twin = postcard::from_bytes(&bytes).map_err(|it| format!("not read back from postcard: {it}"))?;
        self.twins.truncate(1);
        self.twins.push(("read back", twin));
        Ok(())
    }

    fn origin(&self, random: &mut Random) -> Origin {
        let lives = self.machine.lives(|_| true);
        match random.below(4) {
            0 if !lives.is_empty() => Origin::Job(lives[random.below(lives.len())]),
            1 => Origin::World,
            _ => Origin::Person(0),
        }
    }

    fn input(&mut self, random: &mut Random) -> Input {
        let origin = self.origin(random);
        let reply = random.chance(60).then(|| self.machine.ask());
        match random.below(100) {
            0..35 => Input::Event { event: random::event(random), origin, reply },
            35..50 => Input::Began { fact: random::fact(random), origin },
            50..60 => {
                let fact = random::fact(random);
                Input::Ended { name: fact.name, identity: fact.identity }
            }
            60..90 => {
                let verbs = [Verb::Start, Verb::Start, Verb::Stop, Verb::Stop, Verb::Restart, Verb::Reload];
                Input::Command {
                    verb: verbs[random.below(verbs.len())],
                    job: random::name(NAMES[random.below(self.jobs.len() + 1) % NAMES.len()]),
                    args: if random.chance(60) { random::args(random) } else { Args::new() },
                    force: random.chance(15),
                    origin,
                    reply,
                }
            }
            90..94 => Input::Mode { mode: random::mode(random), origin },
            94..99 => self.change_jobs(random),
            _ => Input::Shutdown { kind: Shutdown::Reboot, origin },
        }
        .unasked(self, reply)
    }

    fn change_jobs(&mut self, random: &mut Random) -> Input {
        let count = NAMES.len();
        for _ in 0..1 + random.below(2) {
            let at = random.below(self.jobs.len() + 1);
            if at < self.jobs.len() && random.chance(30) {
                self.jobs.remove(at);
            } else {
                let number = random.below(count);
                let new = random::job(random, number, count);
                self.jobs.retain(|job| job.name != new.name);
                self.jobs.push(new);
            }
        }
        let refused = self.jobs.iter().filter(|_| random.chance(5)).map(|job| job.name.clone());
        let refused: Vec<_> = refused.collect();
        let jobs = self.jobs.iter().filter(|job| !refused.contains(&job.name)).cloned().map(Arc::new);
        Input::Reload { jobs: jobs.collect(), refused }
    }

    fn reload(&mut self) -> Result<(), String> {
        let jobs = self.jobs.iter().cloned().map(Arc::new).collect();
        self.step(vec![Input::Reload { jobs, refused: Vec::new() }])
    }

    fn step(&mut self, batch: Vec<Input>) -> Result<(), String> {
        self.perform(batch)?;
        self.look()
    }

    /// Gives the engine and its twins a batch, and does what comes out.
    fn perform(&mut self, batch: Vec<Input>) -> Result<(), String> {
        if self.show {
            for input in &batch {
                let Input::Reload { jobs, refused } = input else {
                    println!("{:>7} < {input:?}", self.now.0);
                    continue;
                };
                println!("{:>7} < reload, refused {refused:?}", self.now.0);
                jobs.iter().for_each(|job| println!("            {}", describe(job)));
            }
        }
        let mut batch = Some(batch);
        for _ in 0..TURNS {
            let given = batch.take().unwrap_or_default();
            let actions = self.engine.step(given.clone(), self.now);
            for (whose, twin) in &mut self.twins {
                let same = twin.step(given.clone(), self.now);
                if same != actions {
                    let differ = same.iter().zip(&actions).find(|(a, b)| a != b);
                    let differ = differ.map(|(a, b)| format!("twin {}, engine {}", brief(a), brief(b)));
                    return Err(format!(
                        "a twin acts otherwise ({whose}): {differ:?}, {} and {} actions",
                        same.len(),
                        actions.len()
                    ));
                }
            }
            for action in &actions {
                if self.show {
                    println!("{:>7} > {}", self.now.0, brief(action));
                }
                self.machine.perform(action, &mut self.random).map_err(|it| format!("wrong action: {it}"))?;
            }
            if !actions.contains(&Action::Again) {
                return Ok(());
            }
        }
        let starts = self.engine.counters();
        Err(format!("endless: the engine asks for turn after turn, {starts:?}"))
    }

    /// What holds after every step.
    fn look(&self) -> Result<(), String> {
        if let Some(ring) = self.engine.ring_of_waits() {
            return Err(format!("a ring of waits: {ring}"));
        }
        for status in self.engine.list() {
            let at_rest = status.state == "waiting" || (status.state == "running" && status.goal == "start");
            // What runs as a task, or waits until others have stopped, is owed something, too.
            let reason =
                at_rest || !status.waits.is_empty() || self.machine.owes(&status.job, &status.instance);
            demand(reason, || format!("waits for nothing: {status}, {status:?}"))?;
        }
        Ok(())
    }

    /// All goes down, and nothing is kept.
    fn end(&mut self, schedule: &Schedule) -> Result<(), String> {
        let mut random = Random(schedule.seed ^ 0xdead);
        self.random = random.clone();
        if schedule.shutdown {
            self.step(vec![Input::Shutdown { kind: Shutdown::Poweroff, origin: Origin::Person(0) }])?;
            self.settle(&mut random)?;
            demand(self.machine.down == 1, || {
                format!("shutdown: down was said {} times", self.machine.down)
            })?;
        }
        self.stop_all(&mut random)?;
        let down = self.engine.list().iter().all(|status| status.state == "waiting");
        demand(down, || format!("not stopped: {:#?}", self.living()))?;
        let open = self.machine.asked.iter().find(|(_, answer)| answer.is_none());
        demand(open.is_none(), || format!("no answer: {open:?}"))?;
        self.nothing_is_kept(&mut random)
    }

    fn living(&self) -> Vec<String> {
        let living = self.engine.list().into_iter().filter(|status| status.state != "waiting");
        living.map(|status| format!("{status}, waits for {:?}", status.waits)).collect()
    }

    /// Stops all by command, again and again, since the end of one may start another; in the end nothing
    /// can start any more, and all must go down.
    fn stop_all(&mut self, random: &mut Random) -> Result<(), String> {
        for round in 0..4 {
            if round == 3 {
                self.jobs.clear();
                self.reload()?;
            }
            for status in self.engine.list().into_iter().filter(|status| status.state != "waiting") {
                let keyed = (!status.instance.is_empty()).then(|| format!("K={}", status.instance));
                let args = Args::parse(keyed.as_deref()).map_err(|it| format!("bad key: {it}"))?;
                let reply = Some(self.machine.ask());
                let (job, origin) = (random::name(&status.job), Origin::Person(0));
                let verb = Verb::Stop;
                self.step(vec![Input::Command { verb, job, args, force: false, origin, reply }])?;
            }
            self.settle(random)?;
            if self.engine.list().iter().all(|status| status.state == "waiting") {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Lets the world answer and the timers run out, until nothing happens by itself any more.
    fn settle(&mut self, random: &mut Random) -> Result<(), String> {
        let until = self.now.after(END);
        for _ in 0..100_000 {
            self.random = Random(random.next());
            let first = random.chance(50);
            let moved = match first {
                true => self.deliver(random)? || self.something_happens(random, true)?,
                false => self.something_happens(random, true)? || self.deliver(random)?,
            };
            if moved {
                continue;
            }
            match self.machine.wake.filter(|wake| *wake <= until) {
                Some(wake) => {
                    demand(wake >= self.now, || format!("wake: {wake:?} is past at {:?}", self.now))?;
                    self.now = wake;
                    self.step(Vec::new())?;
                }
                None => return Ok(()),
            }
        }
        Err(format!("restless: {:#?}", self.living()))
    }

    /// When all jobs and facts are gone, nothing of them is left in the engine.
    fn nothing_is_kept(&mut self, random: &mut Random) -> Result<(), String> {
        self.jobs.clear();
        self.reload()?;
        let facts: Vec<_> = self.engine.facts().iter().map(|known| known.fact.clone()).collect();
        for fact in facts {
            let (name, identity) = (fact.name.clone(), fact.identity.clone());
            self.step(vec![Input::Ended { name, identity }])?;
        }
        self.settle(random)?;
        let kept = self.engine.kept();
        // The shutdown remembers what it came from.
        let causes = usize::from(self.engine.going_down().is_some());
        demand(kept == (causes, 0, 0), || format!("kept: {kept:?} causes, events, timers"))?;
        demand(self.engine.graph().inner().node_count() == 0, || "the graph is not empty: at the end".into())
    }
}

/// An action without the job in it.
fn brief(action: &Action) -> String {
    let Action::Spawn { life, job, instance, process, env, .. } = action else {
        return format!("{action:?}");
    };
    format!("spawn {} ({instance}) {process} {life:?} with {env}", job.name)
}

trait Unasked {
    fn unasked(self, play: &mut Play, reply: Option<jobs::ReplyId>) -> Self;
}

impl Unasked for Input {
    /// An input that nobody can wait for takes its question back.
    fn unasked(self, play: &mut Play, reply: Option<jobs::ReplyId>) -> Self {
        if let Some(reply) = reply
            && !matches!(self, Self::Event { .. } | Self::Command { .. })
        {
            play.machine.asked.insert(reply, Some(jobs::Outcome::Done));
        }
        self
    }
}
