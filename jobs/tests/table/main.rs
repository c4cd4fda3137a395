//! The table of a life, looked at as a whole: every cue that the world can give, in every state that a life
//! can come to, for every shape of job.
//!
//! The table is played together with a small model of the world that knows which processes are really there.
//! So it is seen when the table forgets a process, names one that is not there, or waits for a report that
//! nobody owes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail"
)]

mod model;
mod printed;

use std::collections::{HashMap, HashSet};

use jobs::{Cue, Goal, Main, Next, Phase, State};
use model::{BIRTH, Point, explore, shapes};

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
