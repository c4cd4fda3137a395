//! How fast the core is, and how much memory it takes: `make bench-core`.
//!
//! ```text
//! core [--only WORD]          times, as a table
//! core --instructions         instructions per operation, counted by valgrind: the same on every machine load
//! ```
//!
//! `ONSETCTL` names the `onsetctl` that is timed on files; without it these rows are left out, and it says so.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a program that measures takes the time, and ends at once if what it measures is wrong"
)]

mod fleet;
mod heap;
mod matching;
mod orders;
mod starts;

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use fleet::Conditions;

/// How often each reading is taken. The machine may have other work; the best tells most.
const SAMPLES: usize = 5;

/// In which order jobs are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they were made.
    InTurn,
    /// At random, each once.
    AtRandom,
}

impl Order {
    /// The numbers below `count` in this order.
    pub fn of(self, count: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..count).collect();
        if self == Self::AtRandom {
            let mut random = Random::from_start();
            for last in (1..count).rev() {
                numbers.swap(last, random.below(last + 1));
            }
        }
        numbers
    }

    const fn name(self) -> &'static str {
        match self {
            Self::InTurn => "in turn",
            Self::AtRandom => "at random",
        }
    }
}

/// Numbers that look random and are the same each time (xorshift).
pub struct Random(u64);

impl Random {
    /// From the start.
    pub const fn from_start() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// What was done, and how long it took.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// How many operations.
    pub done: usize,
    /// In all this time.
    pub time: Duration,
}

impl Sample {
    fn per_second(self) -> f64 {
        self.done as f64 / self.time.as_secs_f64()
    }
}

/// Does some work and measures it. Instructions are counted in here and nowhere else.
#[inline(never)]
pub fn timed<R>(work: impl FnOnce() -> R) -> (R, Duration) {
    let before = Instant::now();
    let result = work();
    (result, before.elapsed())
}

/// Something to be measured.
struct Reading {
    what: String,
    size: usize,
    unit: Unit,
    aim: Option<f64>,
    /// Takes a sample; the argument is how often the work is to be done in it.
    sample: Box<dyn Fn(usize) -> Option<Sample>>,
    rounds: usize,
    /// Whether its instructions can be counted here.
    counted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    PerSecond,
    Milliseconds,
}

fn readings() -> Vec<Reading> {
    let mut readings = Vec::new();
    let sizes = [(100, 1000), (10_000, 20), (100_000, 2)];
    for (conditions, name) in [(Conditions::Single, "one leaf"), (Conditions::Gates, "2 to 6 leaves")] {
        for order in [Order::InTurn, Order::AtRandom] {
            for (size, rounds) in sizes {
                let sample = move |rounds| Some(matching::matching(size, conditions, order, rounds));
                let what = format!("matching, {name}, {}", order.name());
                readings.push(per_second(what, size, 1e7, rounds * 5, sample));
            }
        }
    }
    for order in [Order::InTurn, Order::AtRandom] {
        for (size, rounds) in sizes {
            let sample = move |rounds| Some(starts::starts(size, order, rounds));
            readings.push(per_second(format!("start, {}", order.name()), size, 5e5, rounds / 2, sample));
        }
    }
    for (size, rounds) in sizes {
        let sample = move |rounds| Some(starts::whole_lives(size, Order::AtRandom, rounds));
        readings.push(per_second("whole life, at random".into(), size, 0.0, rounds / 2, sample));
    }
    for (reading, name, aim) in
        [(false, "boot of a chain", 1000.0), (true, "reading and boot of a chain", 0.0)]
    {
        let sample = move |rounds| Some(starts::boots(1000, reading, rounds));
        readings.push(per_second(name.into(), 1000, aim, 50, sample));
    }
    for (size, rounds, aim) in [(168, 20, 1.0), (2000, 10, 5.0), (20_000, 3, 60.0)] {
        let program: Option<PathBuf> = std::env::var_os("ONSETCTL").map(Into::into);
        let disk = move |rounds| orders::from_disk(program.as_deref(), size, rounds);
        readings.push(milliseconds("`onsetctl order` of rc.d scripts", size, aim, rounds, false, disk));
        let memory = move |rounds| Some(orders::from_memory(size, rounds));
        readings.push(milliseconds("the order alone", size, 0.0, rounds, true, memory));
    }
    let chain = |rounds| Some(orders::chain(120_000, rounds));
    readings.push(milliseconds("the order of a straight chain", 120_000, 0.0, 1, true, chain));
    readings
}

fn per_second(
    what: String,
    size: usize,
    aim: f64,
    rounds: usize,
    sample: impl Fn(usize) -> Option<Sample> + 'static,
) -> Reading {
    let aim = (aim > 0.0).then_some(aim);
    // Under valgrind a larger one takes too long, and tells nothing more: the caches are not in it.
    let counted = size <= 10_000;
    Reading { what, size, unit: Unit::PerSecond, aim, sample: Box::new(sample), rounds, counted }
}

fn milliseconds(
    what: &str,
    size: usize,
    aim: f64,
    rounds: usize,
    counted: bool,
    sample: impl Fn(usize) -> Option<Sample> + 'static,
) -> Reading {
    let (what, aim) = (what.to_owned(), (aim > 0.0).then_some(aim));
    Reading { what, size, unit: Unit::Milliseconds, aim, sample: Box::new(sample), rounds, counted }
}

impl Reading {
    fn name(&self) -> String {
        format!("{}, {}", self.what, self.size)
    }

    /// A line of the table; the best value, for comparing sizes.
    fn measure(&self) -> Option<f64> {
        let mut values: Vec<f64> = Vec::new();
        for _ in 0..SAMPLES {
            let Some(sample) = (self.sample)(self.rounds) else {
                println!("| {} | {} | not measured: ONSETCTL is not set | | | |", self.what, self.size);
                return None;
            };
            values.push(match self.unit {
                Unit::PerSecond => sample.per_second(),
                Unit::Milliseconds => -sample.time.as_secs_f64() * 1e3,
            });
        }
        values.sort_by(f64::total_cmp);
        let (best, median) = (values[SAMPLES - 1], values[SAMPLES / 2]);
        let (met, aim) = match (self.aim, self.unit) {
            (None, _) => ("", String::new()),
            (Some(aim), Unit::PerSecond) => (met(best >= aim), format!("{}/s", number(aim))),
            (Some(aim), Unit::Milliseconds) => (met(-best <= aim), format!("{aim} ms")),
        };
        let shown = |value: f64| match self.unit {
            Unit::PerSecond => format!("{}/s", number(value)),
            Unit::Milliseconds => format!("{:.2} ms", -value),
        };
        println!("| {} | {} | {} | {} | {aim} | {met} |", self.what, self.size, shown(best), shown(median));
        Some(best)
    }
}

const fn met(met: bool) -> &'static str {
    if met { "yes" } else { "**no**" }
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2} million", value / 1e6),
        value if value >= 1e4 => format!("{:.0},000", value / 1e3),
        value => format!("{value:.0}"),
    }
}

fn times(only: &str) {
    println!("| reading | size | best of {SAMPLES} | median | aim | met |");
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    let mut flat: Vec<(String, f64, f64)> = Vec::new();
    for reading in readings().iter().filter(|reading| reading.name().contains(only)) {
        let Some(best) = reading.measure().filter(|_| reading.unit == Unit::PerSecond) else { continue };
        match flat.iter_mut().find(|(what, ..)| *what == reading.what) {
            Some((_, _, last)) => *last = best,
            None => flat.push((reading.what.clone(), best, best)),
        }
    }
    println!("\n| reading | largest size against smallest | aim | met |\n| --- | ---: | ---: | --- |");
    for (what, first, last) in flat.iter().filter(|(_, first, last)| first != last) {
        println!("| {what} | {:.2} | 0.7 | {} |", last / first, met(last / first >= 0.7));
    }
}

fn memory() {
    println!("\n| heap, as asked for | at | bytes each | blocks each | aim | met |");
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    for size in [100, 10_000, 100_000] {
        let (bytes, blocks) = starts::heap_per_job(size, Conditions::Mixed);
        println!(
            "| a job of a mixed machine | {size} | {bytes:.0} | {blocks:.1} | 1500 | {} |",
            met(bytes < 1500.0)
        );
    }
    for (conditions, name) in [(Conditions::Single, "one leaf"), (Conditions::Gates, "2 to 6 leaves")] {
        let (bytes, blocks) = starts::heap_per_job(10_000, conditions);
        println!("| a job with {name} | 10000 | {bytes:.0} | {blocks:.1} | | |");
    }
    let (bytes, blocks) = starts::heap_per_instance(10_000);
    println!("| an instance that is up, besides | 10000 | {bytes:.0} | {blocks:.1} | | |");
    println!("\nMemory is asked for {:.1} times in a start (10,000 jobs).", starts::allocations(10_000));
}

/// Counts instructions: each reading is done once by this program under valgrind.
fn instructions(only: &str) {
    println!("| reading | size | instructions each |\n| --- | ---: | ---: |");
    let program = std::env::current_exe().unwrap();
    for reading in readings().iter().filter(|reading| reading.counted && reading.name().contains(only)) {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=core::timed*"])
            .arg(&program)
            .args(["--once", &reading.name()])
            .output()
            .expect("valgrind must be installed");
        let (done, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let collected = log.lines().find_map(|line| line.split_once("Collected : ")).expect(&log).1;
        let (done, collected): (f64, f64) = (done.trim().parse().unwrap(), collected.trim().parse().unwrap());
        println!("| {} | {} | {:.0} |", reading.what, reading.size, collected / done);
    }
}

fn once(name: &str) {
    let readings = readings();
    let reading = readings.iter().find(|reading| reading.name() == name).expect("no such reading");
    println!("{}", (reading.sample)(1).unwrap().done);
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => {
            times("");
            memory();
        }
        ["--memory"] => memory(),
        ["--only", only] => times(only),
        ["--instructions"] => instructions(""),
        ["--instructions", only] => instructions(only),
        ["--once", name] => once(name),
        _ => panic!("usage: core [--only WORD | --memory | --instructions [WORD]]"),
    }
}
