//! rc.d scripts under Onset, in machines that are name spaces.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod processes;
mod services;

use vm_tests::namespace::{Machine, Options};

/// A machine with rc.subr and these files.
fn machine(files: &[(&str, &str)]) -> Machine {
    let subr =
        std::fs::read_to_string(vm_tests::programs::workspace().join("init/stock/rc/rc.subr")).unwrap();
    let subr = [("etc/rc.subr", subr.as_str())];
    let files = subr.iter().chain(files).map(|(path, text)| ((*path).into(), (*text).into())).collect();
    Machine::start(&[], &Options { files, ..Options::default() }).unwrap()
}

/// The status of a shell command and what it prints.
fn sh(machine: &Machine, command: &str) -> (i32, String) {
    let ran = machine.sh(command).unwrap();
    (ran.status, ran.out)
}

/// Looks what a command prints.
#[track_caller]
fn says(machine: &Machine, command: &str, expected: &str) {
    assert_eq!(sh(machine, command).1, expected, "{command}");
}
