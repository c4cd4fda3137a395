//! Upstart's behaviour, case by case: the groups operator, lifecycle, environment and defect of the data, on
//! the engine and a simulated machine. What a case's processes do is read from their command lines.
//!
//! A case that is not run, or comes out differently on purpose, stands in a list below with its reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{Case, cases};

/// Cases that need a real process, file or program: they are kept for the tests of the whole system.
const NEED_A_PROCESS: &[(&str, &str)] = &[
    ("lc-030", "the order of what the scripts wrote is read from a file; its events are checked here"),
    ("lc-094", "whether main fails depends on a file that its first run makes"),
    ("env-032", "the shell's own splitting is looked at, in the output"),
    ("env-033", "`$0` of the shell is looked at"),
    ("env-034", "`$0` of the shell is looked at"),
    ("env-035", "session and process group are looked at"),
    ("env-036", "file descriptors are looked at"),
    ("env-038", "log files are looked at"),
    ("env-039", "log files are looked at"),
    ("env-041", "umask, nice and directory of a process are looked at"),
    ("env-042", "oom_score_adj of a process is looked at"),
    ("env-045", "umask of a process is looked at"),
    ("df-005", "whether a child that left its session survives is a matter of cgroups"),
    ("df-017", "a unix socket is connected to"),
    ("df-020", "a matter of the reader: `a_broken_override_is_all_or_nothing` in tests/upstart_parse"),
    ("df-024", "variables of post-stop: checked by `post_stop_knows_how_the_job_ended` below"),
    ("df-025", "a re-exec: clients that wait are the control socket's"),
    ("df-026", "a file with a long name is made"),
];

/// Quirks that we do not copy. Each has its reason in docs/decisions.md.
const DIFFERENT: &[(&str, &str)] = &[
    ("lc-102", "a broken file leaves the last good version in force (df-021)"),
    ("lc-113", "a start that was stopped before it was up says so (df-023), and a stop always ends"),
    ("lc-115", "a daemon is known by its cgroup: it is not lost"),
    ("lc-117", "a daemon that ends before it is ready has failed"),
    ("env-018", "post-stop is told why the job ended (df-024)"),
    ("env-020", "a restart keeps what the job was started with"),
];

fn run(group: &str, check: fn(&Case) -> Result<(), String>) {
    let listed = |list: &[(&str, &str)], id: &str| list.iter().any(|(known, _)| *known == id);
    let (mut ran, mut wrong) = (0, Vec::new());
    for case in cases(group) {
        if listed(NEED_A_PROCESS, &case.id) {
            continue;
        }
        let result = std::panic::catch_unwind(|| check(&case)).unwrap_or_else(|_| Err("panicked".into()));
        match (result, listed(DIFFERENT, &case.id)) {
            (Ok(()), false) => ran += 1,
            (Err(_), true) => {}
            (Ok(()), true) => wrong.push(format!("{}: listed as different, and is as in Upstart", case.id)),
            (Err(why), false) => wrong.push(format!("{} ({}): {why}", case.id, case.title)),
        }
    }
    println!("{group}: {ran} cases as in Upstart");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn conditions_come_true_as_in_upstart() {
    run("operator", common::check_operator);
}

#[test]
fn jobs_live_as_in_upstart() {
    run("lifecycle", common::check_lifecycle);
}

#[test]
fn processes_get_the_variables_that_upstart_gives_them() {
    run("environment", common::check_environment);
}

#[test]
fn upstarts_defects_are_mended() {
    run("defect", common::check_defect);
}

#[test]
fn every_listed_case_is_in_the_data() {
    let known: Vec<String> = ["operator", "lifecycle", "environment", "defect"]
        .into_iter()
        .flat_map(|group| cases(group).into_iter().map(|case| case.id))
        .collect();
    for (id, _) in NEED_A_PROCESS.iter().chain(DIFFERENT) {
        assert!(known.iter().any(|case| case == id), "{id} is not in the data");
    }
}

#[test]
fn post_stop_knows_how_the_job_ended() {
    let case = cases("defect").into_iter().find(|case| case.id == "df-024").unwrap();
    let seen = common::variables_of(&case, "t", jobs::ProcessKind::PostStop);
    for (key, value) in [("RESULT", "failed"), ("PROCESS", "main"), ("EXIT_STATUS", "3")] {
        assert_eq!(seen.get(key).map(String::as_str), Some(value), "{key}");
    }
}
