//! An event for a job in each state of its life, under each policy: none is lost without being counted.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, reason = "tests")]

use std::{collections::BTreeSet, sync::Arc};

use events::{Event, Name, Time};
use jobs::{
    Input, Job, Origin, Verb,
    formats::{Source, native},
    simulate::{Simulation, World},
};

fn job(name: &str, text: &str) -> Arc<Job> {
    let source = Source { path: format!("{name}.ron"), text: text.into(), executable: false };
    let reading = native::read(&Name::new(name).unwrap(), &source, &[], 0);
    Arc::new(reading.described.unwrap_or_else(|| panic!("{:?}", reading.reports)).job)
}

/// A job each part of whose life takes a second, and one that its hooks start.
fn machine(policy: &str, kind: &str) -> Simulation {
    let web = format!(
        "(start_on: \"go\", {kind} again: {policy}, exec: \"/m\", check: \"/c\", pre_start: \"/a\", post_start: \"/b\", \
         pre_stop: \"/d\", post_stop: \"/e\")"
    );
    let hook = "(start_on: \"starting web or stopping web\", task: true, exec: \"/h\")";
    let mut world = World::default();
    for process in ["check", "pre-start", "post-start", "pre-stop", "post-stop"] {
        world.say(&format!("web {process}: runs 1s")).unwrap();
    }
    world.say("web main: stops in 1s").unwrap();
    if !kind.is_empty() {
        world.say("web main: runs 3s").unwrap();
    }
    world.say("hook: runs 1s").unwrap();
    Simulation::new(vec![job("web", &web), job("hook", hook)], world)
}

fn go(number: u32) -> Input {
    let event: Event = format!("go N={number}").parse().unwrap();
    Input::Event { event, origin: Origin::World, reply: None }
}

/// The numbers of the events that `web` was executed for, and in which states it was when they came.
struct Played {
    started: Vec<u32>,
    state: String,
    dropped: u64,
    is_up: bool,
}

/// When a service is stopped by hand, and comes to its end within ten seconds.
const STOP: u64 = 30_000;

/// The first event at once, a stop at half a minute unless it is a task, and the second event at this time.
fn play(policy: &str, kind: &str, at: u64) -> Played {
    let mut simulation = machine(policy, kind);
    simulation.give(go(1));
    let mut state = String::new();
    let stop = Input::Command {
        verb: Verb::Stop,
        job: Name::new("web").unwrap(),
        args: events::Args::new(),
        force: false,
        origin: Origin::Person(0),
        reply: None,
    };
    let mut steps = vec![(at, None)];
    if kind.is_empty() {
        steps.push((STOP, Some(stop)));
    }
    steps.sort_by_key(|(time, input)| (*time, input.is_none()));
    for (time, input) in steps {
        simulation.run_until(Time(time));
        if input.is_none() {
            state = simulation.engine.status("web", "").unwrap().to_string();
        }
        simulation.give(input.unwrap_or_else(|| go(2)));
    }
    simulation.run_until(Time(90_000));
    let lines = simulation.take_transcript();
    let spawned = lines.iter().filter_map(|line| line.text.strip_prefix("spawn web main with "));
    let number = |words: &str| words.split(' ').find_map(|word| word.strip_prefix("N=")?.parse().ok());
    let status = simulation.engine.status("web", "").unwrap();
    Played {
        started: spawned.map(|words| number(words).unwrap()).collect(),
        state: state.split(", process").next().unwrap().to_owned(),
        dropped: simulation.engine.counters().dropped,
        is_up: status.up,
    }
}

/// Plays it for each quarter of a second of the life, and gives the states that it has come in.
fn check(policy: &str, kind: &str, is_right: impl Fn(u64, &Played) -> bool) {
    let mut states = BTreeSet::new();
    for at in (0..40).chain(120..160).map(|quarter| quarter * 250) {
        let played = play(policy, kind, at);
        let Played { started, state, dropped, is_up } = &played;
        let seen =
            format!("{policy} {kind} at {at} in {state}: started {started:?}, dropped {dropped}, up {is_up}");
        // Each event has started the job, has called off its stop, or is counted.
        assert!(
            started.contains(&2) || *dropped > 0 || state.ends_with("/pre-stop") && *is_up,
            "lost: {seen}"
        );
        assert!(is_right(at, &played), "{seen}");
        states.insert(played.state);
    }
    assert!(states.len() >= 7, "{states:?}");
}

#[test]
fn ignored_while_it_is_up_and_started_afterwards_while_it_stops() {
    check("ignore", "", |at, played| match at {
        // It is on its way up, or up: what has come is counted.
        0..STOP => played.started == [1] && played.dropped == 1,
        // What is before its stop is not over yet, and is called off.
        _ if played.state.ends_with("/pre-stop") => played.started == [1] && played.is_up,
        // It stops, or is down: it comes up again with what is new.
        _ => played.started == [1, 2] && played.is_up && played.dropped == 0,
    });
}

#[test]
fn queued_whatever_it_is_doing() {
    check("queue", "", |at, played| match at {
        // A person's stop is newer than what has queued before it; that is counted.
        0..STOP => played.started == [1] && played.dropped == 1,
        _ if played.state.ends_with("/pre-stop") => played.is_up,
        _ => played.started == [1, 2] && played.is_up,
    });
    check("queue", "task: true,", |_, played| played.started == [1, 2] && played.dropped == 0);
}

#[test]
fn restarted_whatever_it_is_doing() {
    check("restart", "", |at, played| {
        let called_off = played.state.ends_with("/pre-stop");
        (called_off || played.started.last() == Some(&2)) && (at < STOP || played.is_up)
    });
}

#[test]
fn coalesced_whatever_it_is_doing() {
    let policy = "coalesce(\"2s\")";
    check(policy, "", |at, played| {
        let called_off = played.state.ends_with("/pre-stop");
        (called_off || played.started.last() == Some(&2)) && (at < STOP || played.is_up)
    });
    // Also when it ends while it is waited for more of them.
    check(policy, "task: true,", |_, played| played.started.last() == Some(&2) && played.dropped == 0);
}
