//! Upstart's behaviour, case by case, on Onset as PID 1: real processes, log files and sockets, signals to PID 1, and the
//! commands of Upstart's names. The same data is played in microseconds by jobs/tests/conformance.rs; here they
//! are played with all that a simulated machine does not have.
//!
//! A case that comes out differently on purpose, or cannot be played yet, stands in a list below with its reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "a test may fail where it stands"
)]

mod checks;
mod defects;
mod play;

use play::{Case, PATIENCE, cases};

/// What we do differently. Each has its reason in docs/decisions.md.
const DIFFERENT: &[(&str, &str)] = &[
    ("lc-102", "a broken file leaves the last good version in force (df-021)"),
    ("lc-113", "a start that was stopped before it was up says so (df-023), and a stop always ends"),
    ("lc-115", "a daemon is known by its cgroup: it is not lost"),
    ("lc-117", "a daemon that ends before it is ready has failed"),
    ("env-018", "post-stop is told why the job ended (df-024)"),
    ("env-020", "a restart keeps what the job was started with"),
    ("env-038", "two jobs never share a log file: what stands in a name for `/` is not `_`"),
    ("pid1-021", "a unix socket works, in Upstart's documented spelling, too (df-017)"),
    ("pid1-012", "a command that waits outlives a re-execution (df-025)"),
];

/// Events of sources that do not exist: the socket for messages of programs.
const LATER: &[(&str, &str)] = &[("pid1-026", "a socket for events of programs: `onset-emit` tells them")];

/// Cases whose limit is too long to wait for: they are played on a virtual clock by jobs/tests/conformance.rs.
const ON_A_VIRTUAL_CLOCK: &[(&str, &str)] = &[("df-012", "a stop hook may take 90 s")];

fn is_in(list: &[(&str, &str)], id: &str) -> bool {
    list.iter().any(|(known, _)| *known == id)
}

fn run(cases: impl IntoIterator<Item = Case>, check: fn(&Case, u64) -> Result<(), String>) {
    let only = std::env::var("CASE").ok();
    let (mut ran, mut wrong) = (0, Vec::new());
    for case in cases {
        if is_in(LATER, &case.id)
            || is_in(ON_A_VIRTUAL_CLOCK, &case.id)
            || only.as_ref().is_some_and(|only| *only != case.id)
        {
            continue;
        }
        let different = is_in(DIFFERENT, &case.id);
        // What is not to come about is not waited for as long.
        let patience = if different { 2 } else { PATIENCE };
        let result =
            std::panic::catch_unwind(|| check(&case, patience)).unwrap_or_else(|_| Err("panicked".into()));
        match (result, different) {
            (Ok(()), false) => ran += 1,
            (Err(_), true) => {}
            (Ok(()), true) => wrong.push(format!("{}: listed as different, and is as in Upstart", case.id)),
            (Err(why), false) => wrong.push(format!("{} ({}): {why}", case.id, case.title)),
        }
    }
    println!("{ran} cases as in Upstart");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn processes_get_the_variables_files_and_limits_that_upstart_gives_them() {
    run(cases("environment"), checks::environment);
}

#[test]
fn jobs_live_as_in_upstart() {
    run(cases("lifecycle"), checks::lifecycle);
}

#[test]
fn initctl_says_what_upstarts_says() {
    run(cases("control"), checks::control);
}

#[test]
fn pid_1_does_what_upstart_does() {
    run(cases("pid1"), checks::pid1);
}

#[test]
fn upstarts_defects_are_mended() {
    run(cases("defect"), defects::check);
}

#[test]
fn a_listed_case_is_one_of_the_data_and_its_reason_stands_in_the_decisions() {
    let groups = ["lifecycle", "environment", "control", "pid1", "defect"];
    let known: Vec<String> = groups.into_iter().flat_map(cases).map(|case| case.id).collect();
    let decisions = include_str!("../../../docs/decisions.md");
    for (id, _) in DIFFERENT.iter().chain(LATER).chain(ON_A_VIRTUAL_CLOCK) {
        assert!(known.iter().any(|case| case == id), "{id} is not in the data");
        assert!(decisions.contains(&format!("`{id}`")), "{id} is not in docs/decisions.md");
    }
}
