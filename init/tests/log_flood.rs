//! A flood without newlines, in a program of its own: memory is measured.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may fail where it stands"
)]
#![allow(dead_code, reason = "not all of the machine is needed")]

#[path = "logs/machine.rs"]
mod machine;

use std::{fs, process::Stdio};

use machine::Machine;

/// This is no test: it is what the test starts as the log keeper.
#[test]
fn this_program_can_be_the_keeper() {
    if std::env::var_os("ONSET_TEST_KEEPER").is_some() {
        let _ = init::logs::keeper::run();
    }
}

/// In bytes.
const FLOOD: usize = 1_000_000_000;

#[test]
fn a_flood_without_newlines_is_split_and_grows_nobody() {
    let mut machine = Machine::new(true);
    machine.start_keeper(Stdio::null());
    machine.with(|logs, shell| logs.writable(shell));
    // What a flood writes before there is a keeper may be thrown away.
    let (first, mut child) = machine.start("first", &["/bin/echo", "first"]);
    machine.until("the keeper is at work", |machine| !machine.log("first").is_empty());
    child.wait().unwrap();
    machine.forget(first);
    let script = format!("head -c {FLOOD} /dev/zero | tr '\\0' x");
    let before = peak(std::process::id());
    let (life, mut child) = machine.start("flood", &["/bin/sh", "-c", &script]);
    machine.until("all is written", |_| child.try_wait().unwrap().is_some());
    machine.forget(life);
    machine.until("the pipe is closed", |machine| machine.logs.pipes() == 1);
    // A whole test program is around both.
    assert!(peak(machine.keeper_pid()) < 24 << 10, "{} kB", peak(machine.keeper_pid()));
    // The kernel counts in parts, which it adds up at times: so the most may seem to shrink.
    assert!(peak(std::process::id()).saturating_sub(before) < 1 << 10);
    let log = machine.log("flood");
    let lines: Vec<&str> = log.lines().collect();
    assert!(log.len() < 5 << 20 && lines.len() > 100);
    let (last, parts) = lines.split_last().unwrap();
    for line in parts {
        assert!(line.len() == 26 + 8_192 && &line[24..27] == "> x", "{line}");
    }
    assert_eq!((&last[24..26], last.len()), (" x", 25 + FLOOD % 8_192));
}

/// The most memory that a process ever had, in kB.
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
