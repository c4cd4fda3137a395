//! Schedules: random jobs, a random world, random inputs and reports in any order, and what must hold in all
//! of them.
//!
//! A schedule is a list of jobs and a list of numbers, one for each move; what a move does depends on its
//! number alone and on what is possible then. So jobs and moves can be left out one by one as long as the
//! fault stays, and what is shown is small. `ONSET_SEEDS=100000` plays so many; `ONSET_SEED=17` plays one and
//! shows every step.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail"
)]

mod machine;
mod play;
mod random;

use play::{Schedule, play};

/// How many schedules a plain test run plays.
const PLAYED: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_schedule_keeps_the_rules() {
    let seeds = match number("ONSET_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("ONSET_FROM").unwrap_or(0);
            first..first + number("ONSET_SEEDS").unwrap_or(PLAYED)
        }
    };
    let go_on = std::env::var_os("ONSET_GO_ON").is_some();
    let mut faults = std::collections::BTreeMap::<String, Vec<u64>>::new();
    for seed in seeds {
        let schedule = Schedule::random(seed);
        let Err(fault) = play(&schedule, false) else { continue };
        if go_on {
            faults.entry(play::kind_of(&fault)).or_default().push(seed);
            continue;
        }
        // What never ends takes too long to be played again and again.
        let small = if fault.starts_with("endless") { schedule } else { schedule.shrunk(&fault) };
        println!("{small}");
        let fault = play(&small, true).expect_err("what failed fails again");
        panic!("seed {seed}: {fault}");
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
