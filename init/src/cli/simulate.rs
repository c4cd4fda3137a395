//! `onsetctl simulate`: plays a boot on a machine that is not there, and tells what happens.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, sync::Arc};

use clap::Args;
use events::{Time, parse_delay};
use jobs::{
    Input, Job, Origin, Severity, Status,
    simulate::{Line, Mark, Order, Simulation, World, parse_order},
};

use super::{CLEAN, FAULTS, Loaded, Outcome, Paths, colours, count, counted};
use crate::tree::Reach;

/// How long the machine is watched if nobody says how long.
const UNTIL: &str = "5m";
/// The longest that a machine may be watched: what wakes itself every few seconds has to end some time.
const MAX_LINES: usize = 200_000;

/// Play a boot on a machine that is not there, and tell what happens
///
/// Reads the job files like `check`, and plays what they say on a virtual clock: no process is started and
/// nothing is waited for. Every process does what one would expect: a service runs until it is told to stop, a
/// task or hook ends well at once. Say with --say what they do instead.
///
/// In the transcript, `<` is what comes in, `=` what the machine does, and `>` what Onset does about it.
///
/// Exit codes: 0 played; 1 files have errors (the others were played); 2 wrong usage.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl simulate ./jobs
  onsetctl simulate / --event startup --event '5s net-device-up IFACE=eth0'
  onsetctl simulate ./jobs --say 'db: takes 300ms, runs 5s, exit 1' --until 1m
  onsetctl simulate ./jobs --do '0s fact link IFACE=eth0' --do '9s shutdown poweroff'")]
pub struct Simulate {
    #[command(flatten)]
    paths: Paths,
    /// An event, with the time from boot if it does not come at once: `startup`, `5s net-up IFACE=eth0`.
    /// Without --event, --do and --script, `startup` happens
    #[arg(long, value_name = "[TIME] EVENT")]
    event: Vec<String>,
    /// Anything that may happen: event, fact, gone, start, stop, restart, reload JOB, exit, mode, shutdown,
    /// status, why
    #[arg(long = "do", value_name = "[TIME] WHAT")]
    doing: Vec<String>,
    /// A file with such lines, `TIME WHAT` each; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// What a job's process does: `db: takes 5ms, runs 5s, exit 1`, `db pre-start: fails no such file`,
    /// `db: ignores signals, ready never`
    #[arg(long, value_name = "JOB [PROCESS]: WHAT, ...")]
    say: Vec<String>,
    /// A file with such lines
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// How long the machine is watched after the last thing that was told to happen
    #[arg(long, value_name = "TIME", default_value = UNTIL)]
    until: String,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

impl Simulate {
    pub(super) fn run(&self) -> Result<Outcome, String> {
        let loaded = Loaded::read(&self.paths, Reach::Whole)?;
        let script = self.script()?;
        let until = parse_delay(&self.until).map_err(|fault| format!("--until: {fault}"))?;
        let list: Vec<Arc<Job>> = loaded.generation.jobs.iter().map(|it| Arc::new(it.job.clone())).collect();
        let mut play = Play::new(list, self.world()?);
        for (time, text, order) in &script {
            play.obey(*time, text, order)?;
        }
        play.rest(play.simulation.now().after(until));
        let refused = count(&loaded.generation.reports, Severity::Error);
        let errors = loaded.generation.reports.iter().filter(|report| report.severity == Severity::Error);
        let remarks = loaded.text(errors, colours(&std::io::stderr()));
        let text = if self.json { play.json() } else { play.text() };
        Ok(Outcome { text, remarks, code: if refused > 0 { FAULTS } else { CLEAN } })
    }

    /// All that shall happen, by time.
    fn script(&self) -> Result<Vec<(Time, String, Order)>, String> {
        let mut lines: Vec<(String, String)> = Vec::new();
        lines.extend(self.event.iter().map(|line| ("--event".into(), with_word(line, "event"))));
        lines.extend(self.doing.iter().map(|line| ("--do".into(), line.clone())));
        if let Some(path) = &self.script {
            let text = read(path)?;
            let numbered = text.lines().enumerate().filter(|(_, line)| !is_comment(line));
            lines.extend(numbered.map(|(number, line)| (place(path, number), line.replacen(" < ", " ", 1))));
        }
        if lines.is_empty() {
            lines.push(("--event".into(), "event startup".into()));
        }
        let mut script = Vec::new();
        for (place, line) in lines {
            let (time, what) = split_time(&line);
            let order = parse_order(what).map_err(|fault| format!("{place}: {fault}"))?;
            script.push((time, what.to_string(), order));
        }
        // What is said without a time happens first, and all else in the order in which it was said.
        script.sort_by_key(|(time, _, _)| *time);
        Ok(script)
    }

    fn world(&self) -> Result<World, String> {
        let mut world = World::default();
        for line in &self.say {
            world.say(line).map_err(|fault| format!("--say '{line}': {fault}"))?;
        }
        if let Some(path) = &self.world {
            let text = read(path)?;
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
                world.say(line).map_err(|fault| format!("{}: {fault}", place(path, number)))?;
            }
        }
        Ok(world)
    }
}

/// A boot being played.
struct Play {
    simulation: Simulation,
    lines: Vec<Line>,
    cut: bool,
}

impl Play {
    fn new(jobs: Vec<Arc<Job>>, world: World) -> Self {
        let mut play = Self { simulation: Simulation::new(jobs, world), lines: Vec::new(), cut: false };
        play.collect();
        play
    }

    fn collect(&mut self) {
        self.lines.extend(self.simulation.take_transcript());
    }

    /// Lets time go on until `until`, or until so much has happened that nobody reads it.
    fn rest(&mut self, until: Time) {
        while let Some(next) = self.simulation.next().filter(|next| *next <= until) {
            self.simulation.run_until(next);
            self.collect();
            if self.lines.len() > MAX_LINES {
                self.cut = true;
                return;
            }
        }
        // What is still to come after that is not played: the clock stops where the last thing happened.
    }

    fn obey(&mut self, time: Time, text: &str, order: &Order) -> Result<(), String> {
        let now = self.simulation.now();
        self.rest(Time(time.0.saturating_sub(1)).max(now));
        self.simulation.run_until(time.max(now));
        self.collect();
        let origin = Origin::Person(0);
        let inside = |job: &events::Name| {
            let life = self
                .simulation
                .life_of(job)
                .ok_or_else(|| format!("`{text}`: no process of {job} runs then"))?;
            Ok::<_, String>(Origin::Job(life))
        };
        let input = match order {
            Order::Event(event) => Input::Event { event: event.clone(), origin: Origin::World, reply: None },
            Order::EventFrom(job, event) => {
                let (origin, reply) = (inside(job)?, Some(self.simulation.ask()));
                Input::Event { event: event.clone(), origin, reply }
            }
            Order::Fact(fact) => Input::Began { fact: fact.clone(), origin: Origin::World },
            Order::FactFrom(job, fact) => Input::Began { fact: fact.clone(), origin: inside(job)? },
            Order::Gone(fact) => Input::Ended { name: fact.name.clone(), identity: fact.identity.clone() },
            Order::Command(verb, job, args, force) => {
                let reply = Some(self.simulation.ask());
                Input::Command {
                    verb: *verb,
                    job: job.clone(),
                    args: args.clone(),
                    force: *force,
                    origin,
                    reply,
                }
            }
            Order::CommandFrom(from, verb, job, args) => {
                let (origin, reply) = (inside(from)?, Some(self.simulation.ask()));
                Input::Command {
                    verb: *verb,
                    job: job.clone(),
                    args: args.clone(),
                    force: false,
                    origin,
                    reply,
                }
            }
            Order::Mode(mode) => Input::Mode { mode: mode.clone(), origin },
            Order::Shutdown(kind) => Input::Shutdown { kind: *kind, origin },
            Order::Exit(job, instance, process, exit) => {
                self.say(Mark::In, text.into());
                if !self.simulation.end_process(job, instance, *process, *exit) {
                    return Err(format!("`{text}`: no such process runs at {} ms", time.0));
                }
                self.collect();
                return Ok(());
            }
            Order::Status => {
                self.say(Mark::In, text.into());
                let list = self.simulation.engine.list();
                list.iter().for_each(|status| self.say_status(status));
                return Ok(());
            }
            Order::Why(job) => {
                self.say(Mark::In, text.into());
                return self.why(job);
            }
            Order::Wait => return Ok(()),
            Order::Reload(_) | Order::Restore => {
                return Err(format!("`{text}` is for the project's own tests"));
            }
        };
        self.simulation.give(input);
        self.collect();
        Ok(())
    }

    fn say(&mut self, mark: Mark, text: String) {
        self.lines.push(Line { time: self.simulation.now(), mark, text });
    }

    fn say_status(&mut self, status: &Status) {
        self.say(Mark::Out, format!("  {}", status.to_string().replace('\n', ", ").replace('\t', "")));
        for wait in &status.waits {
            self.say(Mark::Out, format!("    waits for {wait}"));
        }
        if let Some(last) = &status.last {
            self.say(Mark::Out, format!("    {last}"));
        }
    }

    fn why(&mut self, job: &str) -> Result<(), String> {
        let why = self
            .simulation
            .engine
            .why(job, "")
            .ok_or_else(|| format!("`why {job}`: there is no such job"))?;
        self.say_status(&why.status);
        for (time, what) in why.chain {
            self.say(Mark::Out, format!("    at {} ms: {what}", time.0));
        }
        let missing = why.condition.iter().filter(|(_, seen)| !seen);
        let missing: Vec<&str> = missing.map(|(leaf, _)| leaf.as_str()).collect();
        if why.status.state == "waiting" && !missing.is_empty() {
            self.say(Mark::Out, format!("    start_on still misses: {}", missing.join(", ")));
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
        if self.cut {
            let _ = writeln!(text, "... and so on: more than {MAX_LINES} lines");
        }
        text + &self.summary()
    }

    /// How the machine stands in the end.
    fn summary(&self) -> String {
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for status in self.simulation.engine.list() {
            let name = if status.instance.is_empty() {
                status.job.to_string()
            } else {
                format!("{} ({})", status.job, status.instance)
            };
            let (group, name) = match (status.state, &status.last) {
                ("running", _) => ("1 up", name),
                ("waiting", Some(last)) => ("3 failed or refused", format!("{name}: {last}")),
                ("waiting", None) => ("4 down", name),
                (state, _) => ("2 on the way", format!("{name} ({}/{state})", status.goal)),
            };
            groups.entry(group).or_default().push(name);
        }
        let mut text = format!("\nAfter {} ms", self.simulation.now().0);
        if let Some(kind) = self.simulation.down() {
            let _ = write!(text, ", the machine is down ({})", kind.name());
        }
        text.push_str(":\n");
        for (group, names) in groups {
            let (_, group) = group.split_at(2);
            let (sign, shown) = if group == "up" || group == "down" { (", ", 12) } else { ("\n    ", 100) };
            let more = names.len().saturating_sub(shown);
            let list: Vec<&str> = names.iter().take(shown).map(String::as_str).collect();
            let more = if more > 0 { format!("{sign}and {more} more") } else { String::new() };
            let gap = if sign == ", " { " " } else { "\n    " };
            let _ =
                writeln!(text, "  {} {group}:{gap}{}{more}", counted(names.len(), "job"), list.join(sign));
        }
        text
    }

    fn json(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let from = match line.mark {
                Mark::In => "in",
                Mark::World => "machine",
                Mark::Out => "onset",
            };
            let _ =
                writeln!(text, "{}", serde_json::json!({"ms": line.time.0, "from": from, "text": line.text}));
        }
        for status in self.simulation.engine.list() {
            let _ =
                writeln!(text, "{}", serde_json::json!({"ms": self.simulation.now().0, "status": status}));
        }
        text
    }
}

fn read(path: &std::path::Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn place(path: &std::path::Path, number: usize) -> String {
    format!("{}:{}", path.display(), number.saturating_add(1))
}

fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The line with `word` before what is said, behind the time if there is one.
fn with_word(line: &str, word: &str) -> String {
    match line.trim().split_once(' ') {
        Some((time, rest)) if parse_delay(time).is_ok() => format!("{time} {word} {rest}"),
        _ => format!("{word} {}", line.trim()),
    }
}

/// The time at which a line happens, and what then happens. A bare number is milliseconds, as in a transcript.
fn split_time(line: &str) -> (Time, &str) {
    let line = line.trim();
    let Some((first, rest)) = line.split_once(char::is_whitespace) else { return (Time(0), line) };
    if let Ok(ms) = first.parse() {
        return (Time(ms), rest.trim());
    }
    match parse_delay(first) {
        Ok(delay) => (Time(0).after(delay), rest.trim()),
        Err(_) => (Time(0), line),
    }
}
