//! What is probably not meant: names that nothing has or waits for.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use events::Name;
use jobs::{
    Job, ProcessKind, did_you_mean,
    simulate::{Order, World},
};

use super::Told;

/// Remarks on the events of a script: those that nothing waits for, and that none is `startup`.
pub fn on_events(jobs: &[Arc<Job>], script: &[Told], no_event: bool) -> String {
    let leaves = |conditions: fn(&Job) -> Vec<&events::Condition>| -> BTreeSet<&str> {
        let conditions = jobs.iter().flat_map(|job| conditions(job));
        conditions.flat_map(|condition| condition.leaves()).map(|leaf| leaf.pattern.name.as_str()).collect()
    };
    let awaited = leaves(|job| job.start_on.iter().chain(&job.stop_on).collect());
    let facts = leaves(|job| job.holds_while.iter().collect());
    let mut text = String::new();
    let mut remarked = BTreeSet::new();
    let events = || {
        script.iter().filter_map(|told| match &told.order {
            Order::Event(event) | Order::EventFrom(_, event) => Some(event),
            Order::Fact(_)
            | Order::FactFrom(..)
            | Order::Gone(_)
            | Order::Command(..)
            | Order::CommandFrom(..)
            | Order::Exit(..)
            | Order::Mode(_)
            | Order::Shutdown(_)
            | Order::Reload(_)
            | Order::Wait
            | Order::Restore
            | Order::Status
            | Order::Why(_) => None,
        })
    };
    for event in events().filter(|event| !awaited.contains(event.name.as_str())) {
        if remarked.insert(&event.name) {
            let help = if facts.contains(event.name.as_str()) {
                format!("; `while` looks for a fact: --do 'fact {event}'")
            } else {
                meant_help(&event.name, awaited.iter().copied())
            };
            // Writing into a string cannot fail.
            let _ = writeln!(text, "onsetctl: nothing waits for `{}`{help}", event.name);
        }
    }
    let starts = jobs.iter().filter_map(|job| job.start_on.as_ref()).flat_map(|condition| condition.leaves());
    let starts = starts.map(|leaf| leaf.pattern.name.as_str()).any(|name| name == "startup");
    if no_event && starts && !events().any(|event| event.name.as_str() == "startup") {
        text.push_str("onsetctl: no `startup` was told to happen; add --event startup\n");
    }
    text
}

/// Whether the process exists of which something was said last.
pub fn meant(jobs: &[Arc<Job>], world: &World) -> Result<(), String> {
    let Some((who, process)) = world.meant().last() else { return Ok(()) };
    let named = |name: &str| jobs.iter().find(|job| job.name.as_str() == name);
    let job = named(who).or_else(|| named(who.split_once('/')?.0));
    let job = job.ok_or_else(|| no_job(who, jobs.iter().map(|job| &job.name)))?;
    if job.processes.has(process) {
        return Ok(());
    }
    let has = ProcessKind::ALL.into_iter().filter(|kind| job.processes.has(*kind));
    let has: Vec<&str> = has.map(ProcessKind::name).collect();
    let has = if has.is_empty() { "no process".into() } else { has.join(", ") };
    Err(format!("job `{}` has no {process}; it has {has}", job.name))
}

/// That there is no such job, and which one is probably meant.
pub fn no_job<'j>(name: &str, jobs: impl IntoIterator<Item = &'j Name>) -> String {
    format!("there is no job `{name}`{}", meant_help(name, jobs.into_iter().map(Name::as_str)))
}

fn meant_help<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    did_you_mean(word, known).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}
