//! The logs as a whole: pipes that PID 1 keeps, a log keeper that is a real process and is killed, and files.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod machine;

use std::{fs, io::Write as _, process::Stdio};

use init::logs::Level;
use machine::Machine;

/// This is no test: it is what the tests start as the log keeper.
#[test]
fn this_program_can_be_the_keeper() {
    if std::env::var_os("ONSET_TEST_KEEPER").is_some() {
        let _ = init::logs::keeper::run();
    }
}

#[test]
fn what_a_job_writes_is_kept_and_its_pipe_closed() {
    let mut machine = Machine::new(true);
    machine.start_keeper(Stdio::null());
    machine.with(|logs, shell| logs.writable(shell));
    let (life, mut child) =
        machine.start("web", &["/bin/sh", "-c", "echo out; echo '<3>err' >&2; printf end"]);
    child.wait().unwrap();
    machine.forget(life);
    machine.until("all is kept", |machine| machine.lines("web").len() == 3);
    assert_eq!(machine.lines("web"), ["out", "<3>err", "end"]);
    machine.until("the pipe is closed", |machine| machine.logs.pipes() == 1);
    assert!(machine.lasting().join("web.log").is_file());
}

#[test]
fn a_job_that_writes_nothing_never_reaches_the_keeper() {
    let mut machine = Machine::new(true);
    let life = machine.life();
    let pipe = machine.output(life, "quiet", "");
    assert_eq!(machine.logs.pipes(), 2);
    assert!(!machine.logs.keeper_wanted());
    drop(pipe);
    machine.forget(life);
    assert_eq!(machine.logs.pipes(), 1);
    assert!(!machine.logs.keeper_wanted());
    assert_eq!(machine.logs.deadline(), None);
}

#[test]
fn early_output_moves_to_the_lasting_folder() {
    let mut machine = Machine::new(false);
    machine.start_keeper(Stdio::null());
    let life = machine.life();
    let mut pipe = fs::File::from(machine.output(life, "web", "one"));
    pipe.write_all(b"early\n").unwrap();
    machine.until("it is kept early", |machine| machine.log("web").contains("early"));
    assert!(machine.early().join("web@one.log").is_file());
    fs::create_dir_all(machine.root.join("var/log")).unwrap();
    machine.with(|logs, shell| logs.writable(shell));
    pipe.write_all(b"late\n").unwrap();
    machine.until("it has moved", |machine| machine::log_in(&machine.lasting(), "web").contains("late"));
    assert_eq!(machine.lines("web"), ["early", "late"]);
    assert_eq!(fs::read_dir(machine.early()).unwrap().count(), 0);
}

#[test]
fn onset_has_a_log_of_its_own() {
    let mut machine = Machine::new(true);
    machine.logs.say(machine::now(), Level::Notice, "hello\nthere");
    machine.until("a keeper is wanted", |machine| machine.logs.keeper_wanted());
    machine.start_keeper(Stdio::null());
    machine.until("it is kept", |machine| machine.lines("onset").len() == 2);
    assert_eq!(machine.lines("onset"), ["<5>hello", "<5>there"]);
}

#[test]
fn no_line_is_missing_however_often_the_keeper_is_killed() {
    let mut machine = Machine::new(true);
    machine.logs.settings().size = 1 << 30;
    machine.with(|logs, shell| logs.writable(shell));
    let last = 300_000;
    let (life, mut child) = machine.start("count", &["/usr/bin/seq", "1", &last.to_string()]);
    let mut size = 0;
    let mut kills = 0;
    while child.try_wait().unwrap().is_none() {
        machine.start_keeper(Stdio::null());
        let before = size;
        machine.until("something is kept", |machine| {
            size = fs::metadata(machine.lasting().join("count.log")).map_or(0, |found| found.len());
            size > before || child.try_wait().unwrap().is_some()
        });
        machine.kill_keeper();
        kills += 1;
    }
    machine.forget(life);
    machine.start_keeper(Stdio::null());
    machine.until("the pipe is closed", |machine| machine.logs.pipes() == 1);
    assert!(kills > 3, "{kills}");
    let mut next = 1;
    for line in machine.lines("count") {
        let number: u32 = line.parse().unwrap();
        assert!(number <= next, "{next} is missing before {number}");
        next = next.max(number + 1);
    }
    assert_eq!(next, last + 1);
}

#[test]
fn last_words_are_kept() {
    let mut machine = Machine::new(true);
    machine.start_keeper(Stdio::null());
    for number in 0..1_000 {
        let (life, mut child) =
            machine.start(&format!("job{number}"), &["/bin/echo", &format!("I was {number}")]);
        child.wait().unwrap();
        machine.forget(life);
        if number % 100 == 50 {
            machine.turn();
        }
        if number == 500 {
            machine.kill_keeper();
            machine.start_keeper(Stdio::null());
        }
    }
    machine.until("all pipes are closed", |machine| machine.logs.pipes() == 1);
    for number in 0..1_000 {
        let lines = machine.lines(&format!("job{number}"));
        assert_eq!(lines.last(), Some(&format!("I was {number}")));
    }
}
