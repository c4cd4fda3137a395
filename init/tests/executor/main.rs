//! The executor with real processes, as PID 1 of namespaces of its own.
//!
//! The program is both: started by a test runner it plays the tests, each against itself; started by `unshare` as
//! PID 1 it is the test. It has one thread, as PID 1 has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail where it stands"
)]

mod again;
mod ends;
mod machine;
mod notify;
mod readiness;
mod set_up;

use std::process::ExitCode;

fn main() -> ExitCode {
    let tests =
        || [set_up::TESTS, readiness::TESTS, notify::TESTS, ends::TESTS, again::TESTS].into_iter().flatten();
    let words: Vec<String> = std::env::args().skip(1).collect();
    if std::process::id() == 1 {
        let test = tests().find(|test| test.name == words[0]).unwrap();
        test.play(&words[1]);
        return ExitCode::SUCCESS;
    }
    if words.first().is_some_and(|word| word == "say") {
        return notify::say(&words[1..]);
    }
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_meant = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(*filter));
    let mut failed = 0;
    for test in tests().filter(|test| is_meant(test.name)) {
        if words.iter().any(|word| word == "--list") {
            println!("{}: test", test.name);
            continue;
        }
        match test.order() {
            Ok(()) => println!("test {} ... ok", test.name),
            Err(why) => {
                println!("test {} ... FAILED\n{why}", test.name);
                failed += 1;
            }
        }
    }
    println!("{failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
