//! Numbers that look like chance and are the same for the same seed, and jobs made of them.

use std::time::Duration;

use events::{Args, Condition, Dialect, Event, Fact, Key, Name, Template};
use jobs::{
    Again, Exit, Format, Job, Need, ProcessKind, Provide, Ready, Require, Respawn, Signal, StartMode,
    StopOrder,
};

/// splitmix64.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

pub const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const EVENTS: [&str; 3] = ["e0", "e1", "e2"];
const FACTS: [&str; 3] = ["f0", "f1", "f2"];
const VALUES: [&str; 3] = ["x", "y", "z"];
const MODES: [&str; 2] = ["normal", "rescue"];
const PROVISIONS: [&str; 2] = ["P", "Q"];

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn event(random: &mut Random) -> Event {
    let args = if random.chance(70) { args(random) } else { Args::new() };
    Event { name: name(random.pick(&EVENTS)), args }
}

pub fn args(random: &mut Random) -> Args {
    Args::parse([format!("K={}", random.pick(&VALUES)).as_str()]).unwrap()
}

pub fn fact(random: &mut Random) -> Fact {
    let args = args(random);
    Fact::named(name(random.pick(&FACTS)), args)
}

pub fn mode(random: &mut Random) -> Name {
    name(random.pick(&MODES))
}

/// A pattern over events, among them what other jobs do.
fn edge(random: &mut Random, count: usize) -> String {
    if random.chance(45) {
        let what = random.pick(&["starting", "started", "stopping", "stopped"]);
        let whose = NAMES[random.below(count)];
        return format!("{what} {whose}");
    }
    let what = random.pick(&EVENTS);
    match random.below(6) {
        0 => format!("{what} K={}", random.pick(&VALUES)),
        1 => format!("{what} K!={}", random.pick(&VALUES)),
        2 => format!("{what} K=$K"),
        _ => what.into(),
    }
}

pub fn edges(random: &mut Random, count: usize) -> Condition {
    let mut text = edge(random, count);
    while random.chance(35) {
        let sign = random.pick(&["and", "or"]);
        text = match random.chance(30) {
            true => format!("{text} {sign} ({} or {})", edge(random, count), edge(random, count)),
            false => format!("{text} {sign} {}", edge(random, count)),
        };
    }
    Condition::parse(&text, Dialect::Edges).unwrap()
}

fn level(random: &mut Random, count: usize) -> String {
    match random.below(10) {
        0 => format!("running {}", NAMES[random.below(count)]),
        1 => format!("provided {}", random.pick(&PROVISIONS)),
        2 => format!("{} K={}", random.pick(&FACTS), random.pick(&VALUES)),
        3 => format!("{} for 2s", random.pick(&FACTS)),
        4 => format!("{} until gone 2s", random.pick(&FACTS)),
        5 => format!("mode {}", random.pick(&MODES)),
        _ => random.pick(&FACTS).into(),
    }
}

fn levels(random: &mut Random, count: usize, keyed: bool) -> Condition {
    let mut text = if keyed { random.pick(&FACTS).to_string() } else { level(random, count) };
    if random.chance(35) {
        text = format!("{text} and {}", level(random, count));
    } else if random.chance(20) && !keyed {
        text = format!("{text} or {}", level(random, count));
    }
    if random.chance(20) {
        text = format!("{text} and not {} K={}", random.pick(&FACTS), random.pick(&VALUES));
    }
    Condition::parse(&text, Dialect::Levels).unwrap()
}

/// Somebody else's name: a job, a provision or nobody's.
fn other(random: &mut Random, count: usize) -> Name {
    name(match random.below(12) {
        0 => "nobody",
        1 | 2 => random.pick(&PROVISIONS),
        _ => NAMES[random.below(count)],
    })
}

/// A job that could have been written, if by a strange person.
pub fn job(random: &mut Random, number: usize, count: usize) -> Job {
    let format = match random.below(12) {
        0..8 => Format::Native,
        8..10 => Format::Upstart,
        10 => Format::Lsb,
        _ => Format::Rcd,
    };
    let mut job = Job::new(name(NAMES[number]), format);
    conditions(&mut job, random, count);
    order(&mut job, random, count);
    life(&mut job, random);
    job
}

fn conditions(job: &mut Job, random: &mut Random, count: usize) {
    let keyed = random.chance(20);
    if keyed {
        job.instance = Some(Template::parse("$K").unwrap());
    }
    if random.chance(75) {
        job.start_on = Some(edges(random, count));
    }
    if random.chance(50) {
        job.stop_on = Some(edges(random, count));
    }
    if job.format == Format::Native && random.chance(30) {
        job.holds_while = Some(levels(random, count, keyed));
    }
    job.start = match random.below(20) {
        0 => StartMode::Manual,
        1 => StartMode::Disabled("off".into()),
        _ => StartMode::Automatic,
    };
    job.again = match random.below(6) {
        0 => Again::Queue,
        1 => Again::Restart,
        2 => Again::Coalesce(Duration::from_millis(500)),
        _ => Again::Ignore,
    };
    if random.chance(15) {
        job.modes = Box::new([mode(random)]);
    }
    if random.chance(20) {
        job.export = Box::new([Key::new("K").unwrap()]);
    }
}

fn order(job: &mut Job, random: &mut Random, count: usize) {
    if random.chance(20) {
        let expected = random.chance(30).then(|| Duration::from_secs(20));
        job.provides = Box::new([Provide { name: name(random.pick(&PROVISIONS)), expected }]);
    }
    if random.chance(35) {
        let expected = random.chance(20).then(|| Duration::from_secs(30));
        job.requires = Box::new([Require { name: other(random, count), expected, optional: false }]);
    }
    if job.format == Format::Lsb && random.chance(40) {
        job.requires = Box::new([Require { name: name("$all"), expected: None, optional: true }]);
    }
    if random.chance(20) {
        job.before = Box::new([other(random, count)]);
    }
    if random.chance(30) {
        let args = match random.chance(15) {
            true => Box::new([(Key::new("K").unwrap(), Template::parse("$K").unwrap())]) as Box<[_]>,
            false => Box::default(),
        };
        let need = |name| Need { name, args: args.clone(), bounce: false };
        let mut needs = vec![need(other(random, count))];
        if random.chance(25) {
            needs.push(Need { bounce: true, ..need(other(random, count)) });
        }
        job.needs = needs.into();
    }
    if random.chance(8) {
        let (before, after) = (Box::new([other(random, count)]), Box::new([other(random, count)]));
        job.stop_order = Some(Box::new(StopOrder { before, after }));
    }
}

fn life(job: &mut Job, random: &mut Random) {
    let beside = [
        ProcessKind::Check,
        ProcessKind::Configure,
        ProcessKind::PreStart,
        ProcessKind::PostStart,
        ProcessKind::PreStop,
        ProcessKind::Stop,
        ProcessKind::PostStop,
        ProcessKind::Reload,
    ];
    let likely = if random.chance(30) { 60 } else { 10 };
    job.processes = beside.into_iter().filter(|_| random.chance(likely)).collect();
    if random.chance(90) {
        job.processes = job.processes.with(ProcessKind::Main);
    }
    job.task = random.chance(30);
    job.ready = match random.below(8) {
        0 => Ready::Forked,
        1 => Ready::Notify,
        2 => Ready::Pidfile("/run/x.pid".into()),
        3 => Ready::Stopped,
        _ => Ready::Spawned,
    };
    if random.chance(30) {
        job.respawn = Some(Respawn {
            limit: random.below(4) as u32 * 2,
            within: Duration::from_secs(random.below(3) as u64 * 5),
            backoff: Duration::from_millis(random.below(3) as u64 * 100),
            backoff_max: Duration::from_secs(1),
        });
    }
    if random.chance(20) {
        job.normal_exit = Box::new([Exit::Code(1), Exit::Signal(Signal::TERM)]);
    }
    job.kill.timeout = Duration::from_millis(500 + 500 * random.below(10) as u64);
    job.kill.leave = random.chance(10);
    job.settle = Duration::from_secs(1 + random.below(20) as u64);
    job.start_timeout = random.chance(20).then(|| Duration::from_secs(3));
}
