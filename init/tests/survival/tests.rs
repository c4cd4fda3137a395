//! The tests, and a small runner for them: a test runner's own would bring threads into PID 1.

use std::panic::catch_unwind;

use init::store::faults::Kind;

use super::driver::Machine;

/// A name that is a sentence, and the test.
type Test = (&'static str, fn());

macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}

const TESTS: &[Test] = tests![
    it_survives_every_kind_of_death,
    the_poisonous_input_is_left_out_and_the_others_are_not,
    the_fourth_death_in_ten_seconds_is_safe_mode_and_a_planned_exec_ends_it,
    a_death_while_performing_does_nothing_twice_and_leaves_nothing_out,
    an_action_that_kills_is_given_up,
];

/// Runs those whose names hold one of the arguments, and gives the exit code.
pub fn run() -> i32 {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return 0;
    }
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_meant = |name: &str| filters.is_empty() || filters.iter().any(|it| name.contains(it.as_str()));
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| is_meant(name)) {
        let outcome = catch_unwind(test);
        println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        failed += i32::from(outcome.is_err());
    }
    println!("test result: {failed} failed");
    i32::from(failed > 0)
}

/// The line holds all of these.
#[track_caller]
fn holds(line: &str, words: &[&str]) {
    assert!(words.iter().all(|word| line.contains(word)), "{line:?} should hold {words:?}");
}

fn it_survives_every_kind_of_death() {
    for kind in Kind::deadly() {
        let (mut machine, pids) = Machine::with_five();
        let line = machine.ask(&format!("fault {kind}"));
        let expected = match kind {
            "panic" => "a fault on purpose",
            "segv" | "overflow" => "SIGSEGV",
            "bus" => "SIGBUS",
            "ill" => "SIGILL",
            "fpe" => "SIGFPE",
            "abort" | "oom" => "SIGABRT",
            other => panic!("{other}"),
        };
        holds(&line, &["on: ", expected, "between turns"]);
        assert_eq!(machine.ask("pids"), pids, "{kind}");
        assert_eq!(machine.ask("alive"), "5");
    }
}

fn the_poisonous_input_is_left_out_and_the_others_are_not() {
    let (mut machine, pids) = Machine::with_five();
    let line = machine.ask("events more N=1, onset-fault KIND=segv, more N=2");
    holds(&line, &["on: SIGSEGV", "at input 2", "left out onset-fault"]);
    let more = machine.ask("pids");
    assert!(pids.split(' ').all(|pid| more.contains(pid)), "{pids} and {more}");
    assert_eq!(more.split(' ').count(), 7, "{more}");
    // It is not met again by the next image, either.
    holds(&machine.ask("fault panic"), &["on: ", "between turns"]);
    assert_eq!(machine.ask("pids"), more);
}

fn the_fourth_death_in_ten_seconds_is_safe_mode_and_a_planned_exec_ends_it() {
    let (mut machine, pids) = Machine::with_five();
    for _ in 0..3 {
        holds(&machine.ask("fault segv"), &["on: "]);
    }
    holds(&machine.ask("fault panic"), &["safe: TooOften"]);
    holds(&machine.ask("fault panic"), &["safe: TooOften"]);
    holds(&machine.ask("reexec"), &["on: executed itself as asked"]);
    assert_eq!(machine.ask("pids"), pids);
}

fn a_death_while_performing_does_nothing_twice_and_leaves_nothing_out() {
    for pass in 1..20 {
        let mut machine = Machine::new();
        machine.ask(&format!("arm segv@perform:{pass}"));
        let line = machine.ask("event go");
        let pids = machine.ask("pids");
        assert_eq!(pids.split(' ').count(), 5, "{pass}: {line}: {pids}");
        assert_eq!(machine.ask("alive"), "5", "{pass}: {line}");
        if line == "done" {
            assert!(pass > 5);
            return;
        }
        holds(&line, &["on: SIGSEGV", "at action"]);
    }
    panic!("there are fewer actions than that");
}

fn an_action_that_kills_is_given_up() {
    let mut machine = Machine::new();
    machine.ask("arm panic@perform:1x2");
    let line = machine.ask("event more N=1");
    holds(&line, &["on: ", "a fault on purpose"]);
}
