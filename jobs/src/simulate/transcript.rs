//! What happened, line by line: `<` came in, `=` is what the machine did, `>` is what the engine wanted.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use events::{Time, format_delay};

use crate::{Action, Input, Life, Notice, Origin, Outcome};

/// A line of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub time: Time,
    /// From where.
    pub mark: Mark,
    /// What.
    pub text: String,
}

/// Where a line of a transcript comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It was told to the engine by whoever plays.
    In,
    /// The simulated machine did it.
    World,
    /// The engine wanted it.
    Out,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::In => '<',
            Mark::World => '=',
            Mark::Out => '>',
        };
        write!(f, "{:>7} {mark} {}", self.time.0, self.text)
    }
}

/// A job's instance, as it is written.
pub fn who(job: &str, instance: &str) -> String {
    if instance.is_empty() { String::from(job) } else { format!("{job} ({instance})") }
}

pub fn input_text(input: &Input) -> String {
    match input {
        Input::Event { event, origin, .. } => match origin {
            Origin::Job(_) => format!("event {event} (from inside a job)"),
            Origin::World | Origin::Person(_) => format!("event {event}"),
        },
        Input::Began { fact, .. } => format!("fact {fact}"),
        Input::Ended { name, identity } => format!("gone {name} {}", identity.0),
        Input::Command { verb, job, args, force, .. } => {
            let force = if *force { " --force" } else { "" };
            let args = if args.is_empty() { String::new() } else { format!(" {args}") };
            format!("{} {job}{args}{force}", verb.name())
        }
        Input::Mode { mode, .. } => format!("mode {mode}"),
        Input::Reload { jobs, refused } if refused.is_empty() => format!("reload, {} jobs", jobs.len()),
        Input::Reload { jobs, refused } => format!("reload, {} jobs, {} refused", jobs.len(), refused.len()),
        Input::Shutdown { kind, .. } => format!("shutdown {}", kind.name()),
        Input::Spawned { .. }
        | Input::Unspawned { .. }
        | Input::Starved { .. }
        | Input::Exited { .. }
        | Input::Ready { .. }
        | Input::Extended { .. }
        | Input::Emptied { .. } => String::from("report"),
    }
}

pub fn report_text(input: &Input, who: &dyn Fn(Life) -> String) -> Option<String> {
    Some(match input {
        Input::Spawned { life, process, pid } => format!("spawned {} {process} {}", who(*life), pid.0),
        Input::Unspawned { life, process, why } => format!("cannot spawn {} {process}: {why}", who(*life)),
        Input::Starved { life, process, what } => format!("no {what} for {} {process}", who(*life)),
        Input::Exited { life, process, exit, left } => {
            let left = if *left { ", others left" } else { "" };
            format!("exited {} {process} {exit}{left}", who(*life))
        }
        Input::Ready { life, .. } => format!("ready {}", who(*life)),
        Input::Emptied { life } => format!("emptied {}", who(*life)),
        Input::Extended { life, by } => format!("extended {} by {}", who(*life), by.as_millis()),
        Input::Event { .. }
        | Input::Began { .. }
        | Input::Ended { .. }
        | Input::Command { .. }
        | Input::Mode { .. }
        | Input::Reload { .. }
        | Input::Shutdown { .. } => return None,
    })
}

/// What an action is called; `None` for those that only the machine cares for.
pub fn action_text(action: &Action, whose: &dyn Fn(Life) -> String) -> Option<String> {
    Some(match action {
        Action::Spawn { job, instance, process, env, .. } => {
            let env = if env.is_empty() { String::new() } else { format!(" with {env}") };
            format!("spawn {} {process}{env}", who(&job.name, instance))
        }
        Action::Signal { life, signal } => format!("signal {} {signal}", whose(*life)),
        Action::SignalMain { life, signal } => format!("signal {} main {signal}", whose(*life)),
        Action::KillHook { life, process } => format!("kill {} {process}", whose(*life)),
        Action::KillAll { life } => format!("kill {}", whose(*life)),
        Action::Leave { life } => format!("leave {}", whose(*life)),
        Action::Reply(reply, outcome) => format!("reply {} {}", reply.0, outcome_text(outcome)),
        Action::Tell(event) => format!("event {event}"),
        Action::Note(note) => {
            let about =
                note.job.as_ref().map(|job| format!("{}: ", who(job, &note.instance))).unwrap_or_default();
            format!("note {about}{}", notice_text(&note.what))
        }
        Action::Watch(pattern) => format!("watch {pattern}"),
        Action::Unwatch(pattern) => format!("unwatch {pattern}"),
        Action::Down(kind) => format!("down {}", kind.name()),
        Action::Again => String::from("again"),
        Action::Forget { .. } | Action::Wake(_) => return None,
    })
}

/// An answer, in words.
pub fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::UnknownJob => "unknown job".into(),
        Outcome::UnknownInstance(key) if key.is_empty() => "it does not run".into(),
        Outcome::UnknownInstance(key) => format!("unknown instance: {key}"),
        Outcome::AlreadyRunning => "already running".into(),
        Outcome::AlreadyStopped => "already stopped".into(),
        Outcome::MissingVariable(name) => format!("missing variable: {name}"),
        Outcome::Refused(refusal) => format!("refused: {}", crate::refusal_text(refusal)),
        Outcome::Failed(failure) => format!("failed: {}", crate::failure_text(*failure)),
        Outcome::EventFailed(failed) => {
            let names: Vec<String> = failed.iter().map(|one| who(&one.job, &one.instance)).collect();
            format!("event failed: {}", names.join(", "))
        }
        Outcome::Stopped => "stopped before it was up".into(),
        Outcome::LetGo => "let go: it would have waited for itself".into(),
    }
}

/// A notice, in words.
pub fn notice_text(notice: &Notice) -> String {
    match notice {
        Notice::Failed(failure) => format!("failed: {}", crate::failure_text(*failure)),
        Notice::Unspawned(process, why) => format!("{process} cannot be executed: {why}"),
        Notice::ComesBack(delay) => format!("has ended, and comes back in {}", format_delay(*delay)),
        Notice::StartTimedOut => "start timed out; those who wait for it go on".into(),
        Notice::LeftAlone => "its stop verb is over; what is left of it is left alone".into(),
        Notice::StopTimedOut => "did not stop in time; what is left of it is killed".into(),
        Notice::Refused(refusal) => format!("not started: {}", crate::refusal_text(refusal)),
        Notice::RingCut(ring) => format!("waits formed a ring, and one was let go: {ring}"),
        Notice::LetGo(event) => {
            format!("`{event}` is no longer held up by the rest of a condition; it is remembered")
        }
        Notice::Starved(what) => format!("waiting for {what}"),
        Notice::FileChanged { path, restarts: false } => format!("reloads: {path} has changed"),
        Notice::FileChanged { path, restarts: true } => format!("restarts: {path} has changed"),
        Notice::Skipped => "not started: its check says that it is not wanted".into(),
    }
}
