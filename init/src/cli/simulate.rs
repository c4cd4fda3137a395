//! `onsetctl simulate`: plays a boot on a machine that is not there, and tells what happens.

mod ending;
mod play;
mod remarks;
mod wall;

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use events::{Time, calendar::moment, parse_delay};
use jobs::{
    Job, Severity,
    simulate::{Order, World, parse_order},
};
use play::Play;
use wall::Wall;

use super::{CLEAN, FAULTS, Loaded, Outcome, Paths, USAGE, colours, count};
use crate::tree::Reach;

/// How long the machine is watched if nobody says how long.
const UNTIL: &str = "5m";

/// Plays a boot on a machine that is not there, and tells what happens.
///
/// Reads the job files like `check`, and plays what they say on a virtual clock: no process is started and
/// nothing is waited for. Every process does what one would expect: a service runs until it is told to stop, a
/// task or hook ends well at once. Say with --say what they do instead.
///
/// In the transcript, `<` is what comes in, `=` what the machine does, and `>` what Onset does about it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl simulate ./jobs
  onsetctl simulate / --event startup --event '5s net-device-up IFACE=eth0'
  onsetctl simulate ./jobs --say 'db: takes 300ms, runs 5s, exit 1' --until 1m
  onsetctl simulate ./jobs --do '0s fact link IFACE=eth0' --do '9s shutdown poweroff'
  onsetctl simulate ./jobs --at 2026-11-22T00:00:00Z --until 1d

Exit status:
  0  it was played
  1  files have errors (what is refused was left out)
  2  the command is wrong, or a line tells of something that cannot be")]
pub struct Simulate {
    #[command(flatten)]
    paths: Paths,
    /// An event, with the time from boot if it does not come at once: `startup`, `5s net-device-up IFACE=eth0`;
    /// may be given several times. Without --event, --do and --script, `startup` happens
    #[arg(long, value_name = "[TIME] EVENT")]
    event: Vec<String>,
    /// Anything that may happen: event, fact, gone, start, stop, restart, reload JOB, exit, mode, shutdown,
    /// inside JOB, wait, status, why; may be given several times
    #[arg(long = "do", value_name = "[TIME] WHAT")]
    doing: Vec<String>,
    /// A file with such lines, `TIME WHAT` each; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// What a job's process does: `db: takes 5ms, runs 5s, exit 1`, `db pre-start: fails no such file`,
    /// `db: ignores signals, ready never`; may be given several times
    #[arg(long, value_name = "JOB [PROCESS]: WHAT, ...")]
    say: Vec<String>,
    /// A file with such lines
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// How far time goes on behind the last thing that was told to happen: what is due by itself after that, as
    /// the end of a process, is not played
    #[arg(long, value_name = "TIME", default_value = UNTIL)]
    until: String,
    /// What the clock on the wall shows when the machine boots, as 2026-11-22T02:59:00Z: times of the calendar come by it,
    /// in the zones of this machine. Without it none does
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

/// Something that shall happen.
struct Told {
    /// Where it was said.
    place: String,
    time: Time,
    /// What was said.
    text: String,
    order: Order,
}

impl Simulate {
    pub(super) fn run(&self) -> Result<Outcome, String> {
        let script = self.script()?;
        let until = parse_delay(&self.until).map_err(|fault| format!("--until: {fault}"))?;
        let wall = match &self.at {
            Some(at) => {
                let moment =
                    moment(at).ok_or_else(|| format!("--at: `{at}` is not as 2026-11-22T02:59:00Z"))?;
                Some(Wall::new(moment))
            }
            None => None,
        };
        let mut loaded = Loaded::read(&self.paths, Reach::Whole)?;
        let across = jobs::check(&loaded.generation, &loaded.order());
        loaded.generation.reports.extend(across);
        let generation = &loaded.generation;
        let list: Vec<Arc<Job>> = generation.jobs.iter().map(|it| Arc::new(it.job.clone())).collect();
        let world = self.world(&list)?;
        let errors = generation.reports.iter().filter(|report| report.severity == Severity::Error);
        let mut remarks = loaded.text(errors, colours(&std::io::stderr()));
        if !(self.event.is_empty() && self.doing.is_empty() && self.script.is_none()) {
            remarks.push_str(&remarks::on_events(&list, &script, self.event.is_empty()));
        }
        let refused = generation.refused.iter().map(|refused| refused.name.clone()).collect();
        let mut play = Play::new(list, refused, world, wall);
        let played = play.all(&script, until);
        remarks.push_str(&play.remarks);
        let code = if count(&generation.reports, Severity::Error) > 0 { FAULTS } else { CLEAN };
        match played {
            Ok(()) => Ok(Outcome { text: play.text(self.json, true), remarks, code }),
            Err(fault) => {
                // What was played until then helps to see why; the fault comes last.
                Outcome { text: play.text(self.json, false), remarks, code: USAGE }.print();
                Err(fault)
            }
        }
    }

    /// All that shall happen, by time.
    fn script(&self) -> Result<Vec<Told>, String> {
        let mut script = Vec::new();
        for line in &self.event {
            script.push(told("--event".into(), line, Some("event"))?);
        }
        for line in &self.doing {
            script.push(told("--do".into(), line, None)?);
        }
        if let Some(path) = &self.script {
            let text = read(path)?;
            for (number, line) in text.lines().enumerate() {
                let line = without_comment(line, true).trim();
                if !line.is_empty() {
                    script.push(told(place(path, number), line, None)?);
                }
            }
        }
        if self.event.is_empty() && self.doing.is_empty() && self.script.is_none() {
            script.push(told("--event".into(), "startup", Some("event"))?);
        }
        // What is said without a time happens first, and all else in the order in which it was said.
        script.sort_by_key(|told| told.time);
        Ok(script)
    }

    fn world(&self, jobs: &[Arc<Job>]) -> Result<World, String> {
        let mut world = World::default();
        let mut say = |line: &str| world.say(line).and_then(|()| remarks::meant(jobs, &world));
        for line in &self.say {
            say(line).map_err(|fault| format!("--say '{line}': {fault}"))?;
        }
        if let Some(path) = &self.world {
            let text = read(path)?;
            for (number, line) in text.lines().enumerate() {
                let line = without_comment(line, false).trim();
                if !line.is_empty() {
                    say(line).map_err(|fault| format!("{}: {fault}", place(path, number)))?;
                }
            }
        }
        Ok(world)
    }
}

/// What a line tells; `word` stands before it, behind the time.
fn told(place: String, line: &str, word: Option<&str>) -> Result<Told, String> {
    let (time, what) = split_time(line).map_err(|fault| format!("{place}: {fault}"))?;
    let text = word.map_or_else(|| what.to_string(), |word| format!("{word} {what}"));
    let order = parse_order(&text).map_err(|fault| format!("{place}: `{line}`: {fault}"))?;
    Ok(Told { place, time, text, order })
}

fn read(path: &std::path::Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn place(path: &std::path::Path, number: usize) -> String {
    format!("{}:{}", path.display(), number.saturating_add(1))
}

/// The line up to a `#` that begins a word, outside of quotes if there are any in this language.
fn without_comment(line: &str, quotes: bool) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before.is_whitespace() => return line.get(..at).unwrap_or(line),
            (Some(open), c) if c == open && before != '\\' => quote = None,
            (None, '"' | '\'') if quotes && before != '\\' => quote = Some(c),
            (None | Some(_), _) => {}
        }
        before = c;
    }
    line
}

/// The time at which a line happens, and what then happens. A bare number is milliseconds, as in a transcript,
/// where `<` stands behind it.
fn split_time(line: &str) -> Result<(Time, &str), String> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let time = first.parse().map(Time).ok();
    let Some(time) = time.or_else(|| Some(Time(0).after(parse_delay(first).ok()?))) else {
        return Ok((Time(0), line));
    };
    let rest = rest.trim();
    let rest = rest.strip_prefix("< ").unwrap_or(rest).trim_start();
    if rest.is_empty() { Err(format!("nothing stands behind the time `{first}`")) } else { Ok((time, rest)) }
}
