//! What simulated processes do.

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};
use core::time::Duration;

use events::parse_delay;

use crate::{Exit, Job, ProcessKind, Ready, Signal};

/// What may be said about a process, each with an example.
pub const WORDS: [&str; 14] = [
    "takes 5ms",
    "runs 5s",
    "runs on",
    "ready 1s",
    "ready never",
    "exit 1",
    "signal SEGV",
    "fails WHY",
    "ignores signals",
    "stops in 2s",
    "dies in 8s",
    "leaves a daemon",
    "leaves nothing",
    "starved pids 3",
];

/// What a simulated process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// How long it takes until it is executed.
    pub delay: Duration,
    /// Why it cannot be executed, if it cannot.
    pub fails: Option<String>,
    /// How long it then runs; `None` until it is told to stop.
    pub runs: Option<Duration>,
    /// How it ends by itself.
    pub exit: Exit,
    /// How long it takes until it says that it is ready; `None` for never.
    pub ready: Option<Duration>,
    /// What it does when it gets its stop signal.
    pub on_signal: OnSignal,
    /// Whether it leaves a daemon behind, however it ends.
    pub leaves: bool,
    /// Whether it leaves a daemon behind when it ends by itself.
    pub forks: bool,
    /// How long it takes to die of KILL, as one that waits for a disk does.
    pub dies: Duration,
    /// What the system has no room for, and how often it is asked in vain.
    pub starved: Option<(String, u32)>,
}

/// What a process does when it gets a signal that it may refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnSignal {
    /// Ends after a time.
    Ends(Duration),
    /// Goes on.
    Ignores,
}

/// What is said about the processes of jobs. Of two sayings the later counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World(Vec<Saying>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Saying {
    job: String,
    process: Option<ProcessKind>,
    words: Vec<String>,
}

impl World {
    /// Takes in a line such as `db main: ready 300ms, runs 5s, exit 1` or `db: ignores signals`.
    pub fn say(&mut self, line: &str) -> Result<(), String> {
        let (who, what) =
            line.split_once(':').ok_or_else(|| String::from("expected `JOB [PROCESS]: what it does`"))?;
        let mut who = who.split_whitespace();
        let job =
            who.next().ok_or_else(|| String::from("expected the name of a job before `:`"))?.to_string();
        let process = match who.next() {
            None => None,
            Some(word) => {
                let known = ProcessKind::ALL.into_iter().find(|kind| kind.name() == word);
                Some(known.ok_or_else(|| {
                    let known = ProcessKind::ALL.map(ProcessKind::name);
                    alloc::format!("`{word}` is no process of a job; known are: {}", known.join(", "))
                })?)
            }
        };
        let words: Vec<String> =
            what.split(',').map(|word| word.trim().to_string()).filter(|word| !word.is_empty()).collect();
        let mut trial = plain(ProcessKind::Main, false, true);
        words.iter().try_for_each(|word| apply(&mut trial, word))?;
        self.0.push(Saying { job, process, words });
        Ok(())
    }

    /// Whose processes something is said about: the job, with `/INSTANCE` if only that one is meant, and the
    /// process.
    pub fn meant(&self) -> impl Iterator<Item = (&str, ProcessKind)> {
        self.0.iter().map(|saying| (saying.job.as_str(), saying.process.unwrap_or(ProcessKind::Main)))
    }

    /// What a process of a job does.
    #[must_use]
    pub fn of(&self, job: &Job, instance: &str, process: ProcessKind) -> Behaviour {
        let mut behaviour = plain(process, job.ready == Ready::Forked, !job.task);
        for saying in &self.0 {
            let (name, key) = saying
                .job
                .split_once('/')
                .map_or((saying.job.as_str(), None), |(name, key)| (name, Some(key)));
            let meant = job.name == *saying.job || (job.name == name && key == Some(instance));
            if meant && saying.process.unwrap_or(ProcessKind::Main) == process {
                for word in &saying.words {
                    // Looked at when it was said.
                    let _ = apply(&mut behaviour, word);
                }
            }
        }
        behaviour
    }
}

/// What one would expect of a process that nothing is said about.
fn plain(process: ProcessKind, forks: bool, service: bool) -> Behaviour {
    let stays = process == ProcessKind::Main && service && !forks;
    Behaviour {
        delay: Duration::ZERO,
        fails: None,
        runs: (!stays).then_some(Duration::ZERO),
        exit: Exit::Code(0),
        ready: Some(Duration::ZERO),
        on_signal: OnSignal::Ends(Duration::ZERO),
        leaves: false,
        forks: process == ProcessKind::Main && forks,
        dies: Duration::ZERO,
        starved: None,
    }
}

fn apply(behaviour: &mut Behaviour, word: &str) -> Result<(), String> {
    let (verb, rest) = word.split_once(' ').unwrap_or((word, ""));
    let rest = rest.trim();
    let delay = || parse_delay(rest).map_err(|fault| fault.to_string());
    match (verb, rest) {
        ("takes", _) => behaviour.delay = delay()?,
        ("runs", "on") => behaviour.runs = None,
        ("runs", _) => behaviour.runs = Some(delay()?),
        ("ready", "never") => behaviour.ready = None,
        ("ready", _) => behaviour.ready = Some(delay()?),
        ("exit", _) => {
            let code = rest.parse().map_err(|_| alloc::format!("`{rest}` is no exit status"))?;
            behaviour.exit = Exit::Code(code);
            behaviour.runs.get_or_insert(Duration::ZERO);
        }
        ("signal", _) => {
            let signal: Signal = rest.parse().map_err(|_| alloc::format!("`{rest}` is no signal"))?;
            behaviour.exit = Exit::Signal(signal);
            behaviour.runs.get_or_insert(Duration::ZERO);
        }
        ("fails", why) => {
            behaviour.fails = Some(if why.is_empty() { "no such file".into() } else { why.into() })
        }
        ("ignores", "signals") => behaviour.on_signal = OnSignal::Ignores,
        ("stops", _) => {
            behaviour.on_signal = OnSignal::Ends(
                parse_delay(rest.trim_start_matches("in ")).map_err(|fault| fault.to_string())?,
            )
        }
        ("dies", _) => {
            behaviour.dies =
                parse_delay(rest.trim_start_matches("in ")).map_err(|fault| fault.to_string())?;
        }
        ("starved", _) => {
            let (what, times) = rest.split_once(' ').ok_or("expected `starved WHAT TIMES`")?;
            let times = times.parse().map_err(|_| alloc::format!("`{times}` is no number"))?;
            behaviour.starved = Some((what.into(), times));
        }
        ("leaves", "a daemon") => behaviour.leaves = true,
        ("leaves", "nothing") => (behaviour.leaves, behaviour.forks) = (false, false),
        _ => {
            let known = WORDS.join(", ");
            return Err(alloc::format!("`{word}` is nothing a process does; known are: {known}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_is_named_is_known() {
        for word in WORDS {
            let said = World::default().say(&alloc::format!("db: {word}"));
            assert_eq!(said, Ok(()), "{word}");
        }
    }
}
