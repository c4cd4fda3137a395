//! rc.d scripts under our own rc.subr: each case is a few scripts in a root of its own, and what every verb of them prints,
//! on which stream, with which status, under dash, busybox ash and bash.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test may fail where it stands"
)]

mod case;
mod root;

use std::{collections::BTreeSet, fs};

use case::Case;

/// Plays a case under each shell, and compares.
#[track_caller]
fn play(name: &str) {
    let case = Case::read(name);
    if case.needs_root() && !nix::unistd::geteuid().is_root() {
        eprintln!("{name}: skipped, since only root can become another user");
        return;
    }
    let mut wrong = String::new();
    for shell in root::SHELLS {
        let came = root::play(&case, shell).unwrap();
        if std::env::var_os("UPDATE").is_some() {
            case.update(&came);
            return;
        }
        for (step, ran) in case.steps.iter().zip(&came).filter(|(step, ran)| step.expected != **ran) {
            wrong += &format!("{shell}$ {}\nexpected\n{}came\n{}", step.command, step.expected.text(), ran.text());
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{wrong}");
}

/// A test for each case, and the list of them.
macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test] fn $name() { play(stringify!($name)); })*
        const CASES: &[&str] = &[$(stringify!($name)),*];
    };
}

cases! {
    a_plain_command_starts_tells_and_stops
}

#[test]
fn every_case_is_played() {
    let files = fs::read_dir(Case::folder()).unwrap();
    let files: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap().trim_end_matches(".txt").to_owned())
        .collect();
    assert_eq!(files, CASES.iter().map(|name| (*name).to_owned()).collect());
}
