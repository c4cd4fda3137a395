//! The tests, and a small runner for them: a test runner's own would bring threads into PID 1.

use std::panic::catch_unwind;

use init::store::faults::Kind;

use super::driver::{Machine, Scratch};

/// A name that is a sentence, and the test.
type Test = (&'static str, fn());

macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}

const TESTS: &[Test] = tests![
    it_survives_every_kind_of_death,
    it_survives_a_death_at_every_point,
    a_signal_from_outside_is_nobodys_fault,
    the_poisonous_input_is_left_out_and_the_others_are_not,
    a_death_before_the_first_input_leaves_nothing_out,
    the_fourth_death_in_ten_seconds_is_safe_mode_and_a_planned_exec_ends_it,
    a_death_before_anything_was_saved_begins_anew,
    a_death_while_performing_does_nothing_twice_and_leaves_nothing_out,
    an_action_that_kills_is_given_up,
    who_kills_us_twice_by_what_they_send_is_not_listened_to,
    a_hundred_planned_execs_keep_everything,
    a_damaged_snapshot_costs_nothing_and_two_cost_the_state,
    a_lack_of_memory_is_met_from_the_reserve_and_then_survived,
    a_new_image_goes_on_and_one_that_dies_at_once_is_given_up,
    what_is_not_this_version_of_onset_is_refused,
    an_image_that_cannot_read_the_state_goes_back,
    a_copy_in_memory_lets_the_file_go,
    a_child_that_dies_is_never_pid_1,
    it_keeps_the_words_it_was_started_with,
    what_ends_meanwhile_is_reaped_by_the_next_image,
    a_signal_that_waits_is_still_there,
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
    machine.ask("arm panic@perform:2");
    holds(&machine.ask("event more N=1"), &["safe: TooOften", "at action 2"]);
    // What is done in safe mode is not written over what was there before.
    machine.ask("event go");
    holds(&machine.ask("fault panic"), &["safe: TooOften", "between turns"]);
    machine.ask("event go");
    assert_eq!(machine.ask("snapshot"), "done");
    holds(&machine.ask("reexec"), &["on: executed itself as asked"]);
    let more = machine.ask("pids");
    assert!(pids.split(' ').all(|pid| more.contains(pid)), "{pids} and {more}");
    assert_eq!((more.split(' ').count(), machine.ask("alive").as_str()), (6, "6"));
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
    holds(&machine.ask("event doom"), &["on: SIGSEGV", "at action"]);
    assert_eq!(machine.ask("alive"), "0");
    holds(&machine.ask("event go"), &["done"]);
    assert_eq!(machine.ask("alive"), "5");
}

fn it_survives_a_death_at_every_point() {
    let (mut machine, pids) = Machine::with_five();
    for (round, point) in ["step", "journal", "perform", "snapshot"].iter().enumerate() {
        // An image that was asked for forgets how often others died.
        holds(&machine.ask("reexec"), &["on: "]);
        machine.ask(&format!("arm segv@{point}"));
        machine.ask(&format!("event more N={round}"));
        if *point == "snapshot" {
            holds(&machine.ask("snapshot"), &["on: SIGSEGV", "between turns"]);
        }
        let now = machine.ask("pids");
        assert!(pids.split(' ').all(|pid| now.contains(pid)), "{point}: {pids} and {now}");
        // The input that a step dies of is the only one that is lost.
        let alive = machine.ask("alive");
        assert_eq!(now.split(' ').count().to_string(), alive, "{point}");
        assert_eq!(alive, (5 + round).to_string(), "{point}");
    }
}

fn a_child_that_dies_is_never_pid_1() {
    let (mut machine, pids) = Machine::with_five();
    for (how, expected) in [
        ("marked panic", "exit 127"),
        ("marked segv", "exit 127"),
        ("marked overflow", "exit 127"),
        ("marked abort", "exit 127"),
        ("segv", "SIGSEGV"),
        ("overflow", "SIGSEGV"),
        ("abort", "SIGABRT"),
    ] {
        assert_eq!(machine.ask(&format!("child {how}")), expected, "{how}");
    }
    assert_eq!(machine.ask("pids"), pids);
}

fn it_keeps_the_words_it_was_started_with() {
    let mut machine = Machine::bare("panic@snapshot");
    holds(&machine.hear(), &["anew: "]);
    assert_eq!(machine.ask("words"), "panic@snapshot");
    holds(&machine.ask("reexec"), &["on: "]);
    assert_eq!(machine.ask("words"), "panic@snapshot");
}

fn what_ends_meanwhile_is_reaped_by_the_next_image() {
    let (mut machine, pids) = Machine::with_five();
    let first = pids.split(' ').next().unwrap();
    // A process that has ended has no environment any more that it could be known by.
    machine.ask("snapshot");
    machine.ask(&format!("kill {}", first.split_once('=').unwrap().1));
    holds(&machine.ask("fault overflow"), &["on: SIGSEGV"]);
    assert_eq!(machine.ask("pids"), pids);
    machine.ask("reap");
    assert_eq!(machine.ask("pids"), pids.split_once(' ').unwrap().1);
    assert_eq!(machine.ask("alive"), "4");
}

fn a_signal_that_waits_is_still_there() {
    let (mut machine, _) = Machine::with_five();
    assert_eq!(machine.ask("send SIGTERM"), "sent");
    let pending = machine.ask("pending");
    assert_eq!(pending, "0000000000004000");
    holds(&machine.ask("fault segv"), &["on: SIGSEGV"]);
    assert_eq!(machine.ask("pending"), pending);
    holds(&machine.ask("reexec"), &["on: "]);
    assert_eq!(machine.ask("pending"), pending);
}

fn a_signal_from_outside_is_nobodys_fault() {
    let (mut machine, pids) = Machine::with_five();
    let pid = nix::unistd::Pid::from_raw(machine.pid());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSEGV).unwrap();
    holds(&machine.hear(), &["on: SIGSEGV sent from outside between turns"]);
    assert_eq!(machine.ask("pids"), pids);
}

fn a_death_before_the_first_input_leaves_nothing_out() {
    let (mut machine, pids) = Machine::with_five();
    machine.ask("arm panic@journal");
    let line = machine.ask("event more N=1");
    holds(&line, &["on: ", "at input 0"]);
    assert!(!line.contains("left out"), "{line}");
    let now = machine.ask("pids");
    assert!(pids.split(' ').all(|pid| now.contains(pid)), "{pids} and {now}");
    assert_eq!(now.split(' ').count(), 6);
}

fn a_death_before_anything_was_saved_begins_anew() {
    let mut machine = Machine::bare("panic@journal");
    holds(&machine.hear(), &["anew: ", "a fault on purpose"]);
    machine.ask("event go");
    let pids = machine.ask("pids");
    assert_eq!(pids.split(' ').count(), 5);
    holds(&machine.ask("fault bus"), &["on: SIGBUS"]);
    assert_eq!(machine.ask("pids"), pids);
}

fn who_kills_us_twice_by_what_they_send_is_not_listened_to() {
    let (mut machine, pids) = Machine::with_five();
    machine.ask("arm panic@decode:1x2");
    holds(&machine.ask("decode 1000"), &["on: ", "while decoding what user 1000 sent to source 0"]);
    holds(&machine.ask("decode 1000"), &["on: "]);
    assert_eq!(machine.ask("decode 1000"), "closed");
    assert_eq!(machine.ask("decode 1001"), "decoded");
    // Three more that count, and still no safe mode.
    for _ in 0..3 {
        holds(&machine.ask("fault panic"), &["on: "]);
    }
    assert_eq!(machine.ask("pids"), pids);
    holds(&machine.ask("reexec"), &["on: "]);
    assert_eq!(machine.ask("decode 1000"), "decoded");
}

fn a_hundred_planned_execs_keep_everything() {
    let (mut machine, pids) = Machine::with_five();
    for file in ["/dev/null", "/dev/zero"] {
        assert_eq!(machine.ask(&format!("keep {file}")), "kept");
    }
    let kept = machine.ask("kept");
    assert_eq!(kept, "0 /dev/null, 1 /dev/zero");
    let status = machine.ask("status");
    // The first lets go what the test runner has left us.
    holds(&machine.ask("reexec"), &["on: executed itself as asked"]);
    let open = machine.ask("open");
    for round in 0..100 {
        assert_eq!(machine.ask("reexec"), "on: executed itself as asked between turns");
        if round % 10 == 0 {
            machine.ask(&format!("event more N={round}"));
        }
    }
    let now = machine.ask("pids");
    assert!(pids.split(' ').all(|pid| now.contains(pid)), "{pids} and {now}");
    assert_eq!(machine.ask("kept"), kept);
    assert_eq!(machine.ask("open"), open, "no descriptor is lost or left over");
    assert_eq!(machine.ask("status"), status, "it has its name again");
    assert_eq!(machine.ask("alive"), "15");
}

fn a_damaged_snapshot_costs_nothing_and_two_cost_the_state() {
    let (mut machine, pids) = Machine::with_five();
    // The snapshot after the jobs were loaded is b, and the next is a.
    assert_eq!(machine.ask("snapshot"), "done");
    machine.ask("event more N=1");
    machine.ask("damage onset-state-a");
    let more = machine.ask("pids");
    let line = machine.ask("fault segv");
    holds(&line, &["on: SIGSEGV"]);
    assert!(!line.contains("lost"), "{line}");
    assert_eq!(machine.ask("pids"), more);
    assert!(pids.split(' ').all(|pid| more.contains(pid)), "{pids} and {more}");
    machine.ask("snapshot");
    machine.ask("damage onset-state-a");
    machine.ask("damage onset-state-b");
    holds(&machine.ask("fault segv"), &["safe: Unreadable"]);
}

fn a_lack_of_memory_is_met_from_the_reserve_and_then_survived() {
    let (mut machine, pids) = Machine::with_five();
    assert_eq!(machine.ask("short"), "true true");
    assert_eq!(machine.ask("limit"), "short, and relieved: false");
    // There is still enough for a turn.
    assert_eq!(machine.ask("pids"), pids);
    holds(&machine.ask("gobble"), &["on: SIGABRT"]);
    assert_eq!(machine.ask("pids"), pids);
    // The new image has no limit any more.
    machine.ask("event more N=1");
    assert_eq!(machine.ask("alive"), "6");
}

/// The bytes of this program.
fn own() -> Vec<u8> {
    std::fs::read("/proc/self/exe").unwrap()
}

fn place(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

/// Where the mark says which format the program reads.
fn mark(bytes: &[u8]) -> usize {
    place(bytes, &[&[0x7F][..], b"Onset", b" state format", &[0x7F]].concat())
}

fn a_new_image_goes_on_and_one_that_dies_at_once_is_given_up() {
    let (mut machine, pids) = Machine::with_five();
    let new = Scratch::program("new", &own());
    // The snapshot before is the first, and the one that the new image takes is the second.
    machine.ask("arm segv@snapshot:2");
    let line = machine.ask(&format!("upgrade {}", new.0));
    holds(&line, &["on: the new image was given up: SIGSEGV"]);
    assert_ne!(machine.ask("image"), new.0);
    assert_eq!(machine.ask("pids"), pids);
    holds(&machine.ask(&format!("upgrade {}", new.0)), &["on: executed itself as asked"]);
    assert_eq!(machine.ask("image"), new.0);
    assert_eq!(machine.ask("settled"), "done");
    // Once it has settled, it is what is executed.
    holds(&machine.ask("fault panic"), &["on: "]);
    assert_eq!(machine.ask("image"), new.0);
    assert_eq!(machine.ask("pids"), pids);
}

fn what_is_not_this_version_of_onset_is_refused() {
    let (mut machine, pids) = Machine::with_five();
    assert_eq!(machine.ask("upgrade /bin/sh"), "it is not Onset");
    holds(&machine.ask("upgrade /nowhere"), &["No such file"]);
    let mut bytes = own();
    let at = mark(&bytes) + 20;
    bytes[at] = 99;
    let other = Scratch::program("other", &bytes);
    assert_eq!(
        machine.ask(&format!("upgrade {}", other.0)),
        "it reads states in format 99, and ours is in format 1"
    );
    let broken = Scratch::program("broken", &[&b"garbage"[..], &own()].concat());
    holds(&machine.ask(&format!("upgrade {}", broken.0)), &["Exec format error"]);
    assert_eq!(machine.ask("pids"), pids);
    holds(&machine.ask("reexec"), &["on: executed itself as asked"]);
    holds(&machine.ask("fault panic"), &["on: "]);
    assert_eq!(machine.ask("pids"), pids);
}

fn an_image_that_cannot_read_the_state_goes_back() {
    let (mut machine, pids) = Machine::with_five();
    let mut bytes = own();
    // A mark of ours stands before its own, in the place of a note that nobody reads when it runs.
    let at = mark(&bytes);
    let ours = bytes[at..at + 24].to_vec();
    bytes[at + 20] = 99;
    let note = place(&bytes, b"GNU\0");
    let note = note + place(&bytes[note + 4..], b"GNU\0") + 4;
    assert!(note < at);
    bytes[note..note + 24].copy_from_slice(&ours);
    let foreign = Scratch::program("foreign", &bytes);
    let line = machine.ask(&format!("upgrade {}", foreign.0));
    assert_eq!(line, "on: the new image cannot read the state of this one, so this one goes on");
    assert_ne!(machine.ask("image"), foreign.0);
    assert_eq!(machine.ask("pids"), pids);
    holds(&machine.ask("fault segv"), &["on: SIGSEGV"]);
    assert_eq!(machine.ask("pids"), pids);
}

fn a_copy_in_memory_lets_the_file_go() {
    let file = Scratch::program("file", &own());
    let mut machine = Machine::of(&file.0);
    machine.ask("event go");
    let pids = machine.ask("pids");
    std::fs::remove_file(&file.0).unwrap();
    holds(&machine.ask("copy"), &["on: executed itself as asked"]);
    machine.ask("settled");
    holds(&machine.ask("image"), &["/memfd:onset"]);
    let pid = machine.pid();
    for fd in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let to = std::fs::read_link(fd.unwrap().path()).unwrap();
        assert!(!to.to_str().unwrap().contains(&file.0), "{to:?}");
    }
    holds(&machine.ask("fault overflow"), &["on: SIGSEGV"]);
    assert_eq!(machine.ask("pids"), pids);
}
