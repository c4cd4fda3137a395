//! How processes are ended, and what is known of those that nobody asked for.

use std::sync::Arc;

use jobs::{Exit, Input, Job, ProcessKind, Ready, Signal};

use crate::machine::{ALL, Machine, Test, USUAL, WITH_CGROUPS, is_alive, job, work};

pub const TESTS: &[Test] = &[
    Test {
        name: "a_signal_reaches_the_whole_process_group",
        ways: ALL,
        run: a_signal_reaches_the_whole_process_group,
    },
    Test { name: "a_stubborn_tree_is_killed", ways: ALL, run: a_stubborn_tree_is_killed },
    Test {
        name: "nobody_escapes_by_a_session_of_its_own",
        ways: ALL,
        run: nobody_escapes_by_a_session_of_its_own,
    },
    Test {
        name: "what_main_leaves_behind_is_told_when_it_is_gone",
        ways: ALL,
        run: what_main_leaves_behind_is_told_when_it_is_gone,
    },
    Test {
        name: "the_rest_gets_the_signal_when_main_is_gone",
        ways: ALL,
        run: the_rest_gets_the_signal_when_main_is_gone,
    },
    Test { name: "nothing_at_all_is_empty_at_once", ways: ALL, run: nothing_at_all_is_empty_at_once },
    Test { name: "a_stopped_process_is_ended", ways: ALL, run: a_stopped_process_is_ended },
    Test { name: "a_frozen_group_is_killed", ways: WITH_CGROUPS, run: a_frozen_group_is_killed },
    Test {
        name: "a_job_with_groups_of_its_own_is_ended_with_them",
        ways: WITH_CGROUPS,
        run: a_job_with_groups_of_its_own_is_ended_with_them,
    },
    Test { name: "what_is_left_alone_goes_on", ways: WITH_CGROUPS, run: what_is_left_alone_goes_on },
    Test {
        name: "who_is_to_be_left_alone_gets_no_signal_that_was_mains",
        ways: ALL,
        run: who_is_to_be_left_alone_gets_no_signal_that_was_mains,
    },
    Test {
        name: "a_life_that_is_forgotten_leaves_nothing",
        ways: ALL,
        run: a_life_that_is_forgotten_leaves_nothing,
    },
    Test { name: "orphans_are_reaped", ways: USUAL, run: orphans_are_reaped },
    Test {
        name: "a_thousand_jobs_at_once_all_end",
        ways: &["", "clone3"],
        run: a_thousand_jobs_at_once_all_end,
    },
    Test { name: "a_process_killed_in_line_is_told_of", ways: ALL, run: a_process_killed_in_line_is_told_of },
];

fn a_signal_reaches_the_whole_process_group(machine: &mut Machine) {
    let script = "sleep 1000 & echo $! > $F/pid; wait".replace("$F", &machine.folder);
    let life = machine.run(Ready::Spawned, &script);
    let child: i32 = machine.await_line("pid").parse().unwrap();
    machine.signal(life, "TERM");
    assert_eq!(machine.main_exited(life).0, Exit::Signal(Signal::TERM));
    machine.until_so("the child is dead", || !is_alive(child));
}

fn a_stubborn_tree_is_killed(machine: &mut Machine) {
    let script = "trap '' TERM; for i in 1 2 3; do (trap '' TERM; sleep 1000 & sleep 1000 & wait) & done; \
                      echo up > $F/up; wait; sleep 1000"
        .replace("$F", &machine.folder);
    let life = machine.run(Ready::Spawned, &script);
    machine.await_line("up");
    machine.signal(life, "TERM");
    machine.kill_all(life);
    let inputs = machine.emptied(life);
    // Ends are told before emptiness.
    assert!(inputs.iter().any(|input| matches!(input, Input::Exited { process: ProcessKind::Main, .. })));
    machine.until_so("all are reaped", || crate::machine::others() == 0);
    machine.forget(life);
    assert_eq!(machine.groups(), [""; 0]);
}

fn nobody_escapes_by_a_session_of_its_own(machine: &mut Machine) {
    let script = "setsid sh -c 'sh -c \"sleep 1000\" & echo up > $F/up; sleep 1000' & sleep 1000"
        .replace("$F", &machine.folder);
    let life = machine.run(Ready::Spawned, &script);
    machine.await_line("up");
    machine.signal(life, "TERM");
    assert_eq!(machine.main_exited(life), (Exit::Signal(Signal::TERM), true));
    machine.kill_all(life);
    machine.emptied(life);
    machine.until_so("all are reaped", || crate::machine::others() == 0);
}

fn what_main_leaves_behind_is_told_when_it_is_gone(machine: &mut Machine) {
    let script = "cd $F; mkfifo go; sh -c 'read x < go' & exit 4".replace("$F", &machine.folder);
    let life = machine.run(Ready::Spawned, &script);
    assert_eq!(machine.main_exited(life), (Exit::Code(4), true));
    std::fs::write(format!("{}/go", machine.folder), "\n").unwrap();
    machine.emptied(life);
    machine.forget(life);
    assert_eq!(machine.groups(), [""; 0]);
}

fn the_rest_gets_the_signal_when_main_is_gone(machine: &mut Machine) {
    let life = machine.run(Ready::Spawned, "sleep 1000 & setsid sleep 1000 & exit 0");
    assert_eq!(machine.main_exited(life), (Exit::Code(0), true));
    machine.signal(life, "TERM");
    machine.emptied(life);
}

fn nothing_at_all_is_empty_at_once(machine: &mut Machine) {
    let life = machine.life();
    machine.kill_all(life);
    machine.emptied(life);
}

fn a_stopped_process_is_ended(machine: &mut Machine) {
    let life = machine.run(Ready::Spawned, "kill -STOP $$; exec sleep 1000");
    let pid = machine.spawned(life);
    let stopped = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ");
    machine.until_so("it is stopped", stopped);
    machine.until_so("that is known", || true);
    machine.signal(life, "TERM");
    assert_eq!(machine.main_exited(life), (Exit::Signal(Signal::TERM), false));
}

fn a_frozen_group_is_killed(machine: &mut Machine) {
    let life = machine.run(Ready::Spawned, "exec sleep 1000");
    machine.spawned(life);
    let group = format!("{}/cgroup/job/{}", machine.folder, machine.groups()[0]);
    std::fs::write(format!("{group}/cgroup.freeze"), "1").unwrap();
    let events = || std::fs::read_to_string(format!("{group}/cgroup.events")).unwrap();
    machine.until_so("it is frozen", || events().contains("frozen 1"));
    machine.signal(life, "TERM");
    machine.kill_all(life);
    machine.emptied(life);
}

fn a_job_with_groups_of_its_own_is_ended_with_them(machine: &mut Machine) {
    let script = "g=$F/cgroup/job/test.1; mkdir -p $g/a/b; sh -c \"echo 0 > $g/a/b/cgroup.procs; \
                      echo up > $F/up; exec sleep 1000\" & exec sleep 1000"
        .replace("$F", &machine.folder);
    let life = machine.run(Ready::Spawned, &script);
    machine.await_line("up");
    machine.signal(life, "TERM");
    // The other is in the same process group, so it gets the signal, too.
    let (_, left) = machine.main_exited(life);
    if left {
        machine.emptied(life);
    }
    machine.forget(life);
    machine.until_so("its groups are gone", || crate::machine::others() == 0);
    machine.with(|executor, shell| executor.tick(shell));
    assert_eq!(machine.groups(), [""; 0]);
}

fn what_is_left_alone_goes_on(machine: &mut Machine) {
    let script =
        "setsid sh -c 'echo $$ > $F/pid; exec sleep 1000' & exec sleep 1000".replace("$F", &machine.folder);
    let life = machine.run(Ready::Spawned, &script);
    let child: i32 = machine.await_line("pid").parse().unwrap();
    machine.signal(life, "TERM");
    assert_eq!(machine.main_exited(life), (Exit::Signal(Signal::TERM), true));
    machine.with(|executor, shell| executor.leave(shell, life));
    machine.forget(life);
    assert!(is_alive(child));
    assert_eq!(machine.groups(), [""; 0]);
    let left = std::fs::read_to_string(format!("{}/cgroup/left/test/cgroup.procs", machine.folder));
    assert_eq!(left.unwrap().trim(), child.to_string());
}

/// A stop verb ends main, and its own end is heard first: main then gets the signal, as far as is known.
fn who_is_to_be_left_alone_gets_no_signal_that_was_mains(machine: &mut Machine) {
    let script =
        "setsid sh -c 'echo $$ > $F/pid; exec sleep 1000' & exec sleep 1000".replace("$F", &machine.folder);
    let mut leaves = Job::clone(&job(Ready::Spawned));
    leaves.kill.leave = true;
    let life = machine.start(&Arc::new(leaves), &work(&script));
    let child: i32 = machine.await_line("pid").parse().unwrap();
    machine.signal(life, "KILL");
    assert_eq!(machine.main_exited(life), (Exit::Signal(Signal::KILL), true));
    machine.signal(life, "TERM");
    let status = || std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    let pending = |line: &str| line.starts_with("SigPnd") || line.starts_with("ShdPnd");
    assert!(status().lines().filter(|line| pending(line)).all(|line| line.ends_with("0000000000000000")));
    machine.until_so("a turn is over", || true);
    assert!(is_alive(child));
    machine.kill_all(life);
    machine.emptied(life);
}

fn a_life_that_is_forgotten_leaves_nothing(machine: &mut Machine) {
    let script =
        "setsid sleep 1000 & sleep 1000 & echo up > $F/up; exec sleep 1000".replace("$F", &machine.folder);
    let life = machine.run(Ready::Spawned, &script);
    machine.await_line("up");
    machine.forget(life);
    machine.until_so("all are gone", || crate::machine::others() == 0);
    machine.with(|executor, shell| executor.tick(shell));
    assert_eq!(machine.groups(), [""; 0]);
}

fn orphans_are_reaped(machine: &mut Machine) {
    let script = "i=0; while [ $i -lt 500 ]; do (sh -c 'exit 3' &) ; i=$((i+1)); done; exit 7";
    let life = machine.run(Ready::Spawned, script);
    let (exit, _) = machine.main_exited(life);
    assert_eq!(exit, Exit::Code(7));
    machine.until_so("none is left", || crate::machine::others() == 0);
}

fn a_thousand_jobs_at_once_all_end(machine: &mut Machine) {
    let lives: Vec<_> = (0..1_000).map(|_| machine.start(&job(Ready::Spawned), &work(":"))).collect();
    for life in lives {
        let seen = machine.main_exited(life);
        assert_eq!(seen, (Exit::Code(0), false));
        machine.forget(life);
    }
    assert_eq!(machine.groups(), [""; 0]);
}

fn a_process_killed_in_line_is_told_of(machine: &mut Machine) {
    let lives: Vec<_> = (0..100).map(|_| machine.run(Ready::Spawned, "exec sleep 1000")).collect();
    for life in &lives {
        machine.kill_all(*life);
    }
    for life in lives {
        machine.emptied(life);
        machine.forget(life);
    }
    machine.until_so("none is left", || crate::machine::others() == 0);
    assert_eq!(machine.groups(), [""; 0]);
}
