//! The logs as a whole: pipes that PID 1 keeps, a log keeper that is a real process and is killed, and files.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod full;
mod machine;
mod reader;

use std::{fs, io::Write as _, process::Stdio};

use init::logs::Level;
use machine::Machine;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

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
    assert!(!machine.logs.keeper_wanted(machine::now()));
    drop(pipe);
    machine.forget(life);
    assert_eq!(machine.logs.pipes(), 1);
    assert!(!machine.logs.keeper_wanted(machine::now()));
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
    machine.until("a keeper is wanted", |machine| machine.logs.keeper_wanted(machine::now()));
    machine.start_keeper(Stdio::null());
    machine.until("it is kept", |machine| machine.lines("onset").len() == 2);
    assert_eq!(machine.lines("onset"), ["<5>hello", "<5>there"]);
}

#[test]
fn no_line_is_missing_however_often_the_keeper_is_killed() {
    let mut machine = Machine::new(true);
    machine.logs.settings().size = 1 << 30;
    machine.with(|logs, shell| logs.writable(shell));
    let life = machine.life();
    let pipe = machine.output(life, "count", "");
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let (mut size, mut last) = (0, 0);
    for _ in 0..25 {
        machine.start_keeper(Stdio::null());
        let before = size;
        machine.until("something is kept", |machine| {
            // The pipe is full, or nearly so, whenever the keeper is killed.
            for _ in 0..10_000 {
                if nix::unistd::write(&pipe, format!("{}\n", last + 1).as_bytes()).is_err() {
                    break;
                }
                last += 1;
            }
            size = fs::metadata(machine.lasting().join("count.log")).map_or(0, |found| found.len());
            size > before
        });
        machine.kill_keeper();
    }
    drop(pipe);
    machine.forget(life);
    machine.start_keeper(Stdio::null());
    machine.until("the pipe is closed", |machine| machine.logs.pipes() == 1);
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

#[test]
fn no_job_waits_for_a_keeper_that_is_away() {
    let mut machine = Machine::new(true);
    let (life, mut child) = machine.start("loud", &["/bin/sh", "-c", "head -c 5000000 /dev/zero; echo end"]);
    machine.until("all is written", |_| child.try_wait().unwrap().is_some());
    machine.forget(life);
    machine.start_keeper(Stdio::null());
    machine.until("the pipe is closed", |machine| machine.logs.pipes() == 1);
    let first = &machine.lines("loud")[0];
    assert!(
        first.starts_with("<4>onset: ")
            && first.ends_with(" bytes of output are lost here: there was no room for them")
    );
    let said = machine.lines("onset").join("\n");
    assert!(
        said.contains("what loud writes is thrown away") && said.contains("bytes of output were thrown away"),
        "{said}"
    );
}

#[test]
fn no_job_waits_for_a_keeper_that_hangs() {
    let mut machine = Machine::new(true);
    machine.start_keeper(Stdio::null());
    let go = machine.root.join("go");
    nix::unistd::mkfifo(&go, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!("echo begin; read go < {}; head -c 1000000 /dev/zero", go.display());
    let (life, mut child) = machine.start("loud", &["/bin/sh", "-c", &script]);
    machine.until("it is kept", |machine| machine.log("loud").contains("begin"));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(machine.keeper_pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    fs::write(&go, "go\n").unwrap();
    machine.until("all is written", |_| child.try_wait().unwrap().is_some());
    machine.forget(life);
    machine.await_keeper();
    machine.start_keeper(Stdio::null());
    machine.until("the pipe is closed", |machine| machine.logs.pipes() == 1);
    assert!(machine.lines("onset").iter().any(|line| line.contains("does not answer")));
}

#[test]
fn files_rotate_and_no_line_is_lost_in_between() {
    let mut machine = Machine::new(true);
    machine.logs.settings().size = 100_000;
    machine.logs.settings().files = 5;
    machine.start_keeper(Stdio::null());
    machine.with(|logs, shell| logs.writable(shell));
    let (life, mut child) = machine.start("count", &["/usr/bin/seq", "1", "100000"]);
    machine.until("all is written", |_| child.try_wait().unwrap().is_some());
    machine.forget(life);
    machine.until("the pipe is closed", |machine| machine.logs.pipes() == 1);
    let sizes: Vec<u64> = fs::read_dir(machine.lasting())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    assert_eq!(sizes.len(), 5, "{}", machine.log("onset"));
    assert!(sizes.iter().all(|size| *size <= 100_000), "{sizes:?}");
    let lines = machine.lines("count");
    assert!(lines.len() > 5_000);
    for (line, number) in lines.iter().rev().zip((1..=100_000).rev()) {
        assert_eq!(line, &number.to_string());
    }
}

#[test]
fn the_beginning_of_a_line_is_shown_when_its_end_does_not_come() {
    let mut machine = Machine::new(true);
    machine.start_keeper(Stdio::null());
    let life = machine.life();
    let mut pipe = fs::File::from(machine.output(life, "ask", ""));
    pipe.write_all(b"checking...").unwrap();
    machine.until("it is kept", |machine| !machine.log("ask").is_empty());
    pipe.write_all(b" done\n").unwrap();
    machine.until("the rest is kept", |machine| machine.log("ask").contains("done"));
    let log = machine.log("ask");
    let parts: Vec<&str> = log.lines().map(|line| &line[24..]).collect();
    assert_eq!(parts, ["> checking...", "  done"]);
}

#[test]
fn many_small_packets_do_not_stop_a_job() {
    let mut machine = Machine::new(true);
    machine.start_keeper(Stdio::null());
    let life = machine.life();
    let pipe = machine.output(life, "bits", "");
    // Each write takes a place of its own in the pipe, of which there are 16.
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_DIRECT | OFlag::O_NONBLOCK)).unwrap();
    let mut left = 40;
    machine.until("all is written", |_| {
        while left > 0 && nix::unistd::write(&pipe, b"x").is_ok() {
            left -= 1;
        }
        left == 0
    });
    drop(pipe);
    machine.forget(life);
    machine.until("all is kept", |machine| machine.logs.pipes() == 1);
    let text: String = machine.log("bits").lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(text, "x".repeat(40));
}

#[test]
fn a_container_shows_all_lines() {
    let mut machine = Machine::new(true);
    machine = Machine::at(machine.root.clone(), true);
    fs::create_dir_all(machine.root.join("run")).unwrap();
    let shown = machine.root.join("shown");
    machine.start_keeper(Stdio::from(fs::File::create(&shown).unwrap()));
    machine.with(|logs, _| logs.say(machine::now(), Level::Debug, "too much"));
    let (life, mut child) = machine.start("web", &["/bin/echo", "<6>hello"]);
    child.wait().unwrap();
    machine.forget(life);
    machine.until("it is shown", |_| fs::read_to_string(&shown).unwrap().contains("web: hello\n"));
    machine.until("all is kept", |machine| machine.log("onset").contains("too much"));
    assert!(!fs::read_to_string(&shown).unwrap().contains("too much"));
}

#[test]
fn the_keeper_leaves_a_file_system_and_ends_when_it_is_told_to() {
    let mut machine = Machine::new(true);
    machine.start_keeper(Stdio::null());
    machine.with(|logs, shell| logs.writable(shell));
    let life = machine.life();
    let mut pipe = fs::File::from(machine.output(life, "web", ""));
    pipe.write_all(b"one\n").unwrap();
    machine.until("it is kept", |machine| machine.log("web").contains("one"));
    let open = format!("/proc/{}/fd", machine.keeper_pid());
    let lasting = machine.lasting();
    let holds = || {
        let links =
            fs::read_dir(&open).unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        links.filter(|link| link.starts_with(&lasting)).count()
    };
    assert!(holds() > 0);
    machine.with(|logs, shell| logs.leave_lasting(shell));
    machine.until("it is left", |machine| machine.logs.has_left());
    assert_eq!(holds(), 0);
    pipe.write_all(b"two\nhalf").unwrap();
    machine.with(|logs, shell| logs.finish(shell));
    machine.await_keeper();
    assert_eq!(machine.lines("web"), ["one", "two", "half"]);
    assert!(!machine.logs.keeper_wanted(machine::now()));
}
