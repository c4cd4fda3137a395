//! What tells that a job is up.

use jobs::{Exit, ProcessKind, Ready, Signal};

use crate::machine::{ALL, Machine, Test, WITH_CGROUPS, is_alive, job, work};

pub const TESTS: &[Test] = &[
    Test { name: "a_daemon_that_forks_twice_is_found", ways: ALL, run: a_daemon_that_forks_twice_is_found },
    Test { name: "a_daemon_is_told_of_when_it_dies", ways: ALL, run: a_daemon_is_told_of_when_it_dies },
    Test {
        name: "a_start_that_leaves_nothing_is_told_so",
        ways: ALL,
        run: a_start_that_leaves_nothing_is_told_so,
    },
    Test {
        name: "a_job_that_stops_itself_is_ready_and_goes_on",
        ways: ALL,
        run: a_job_that_stops_itself_is_ready_and_goes_on,
    },
    Test { name: "a_newline_makes_ready", ways: ALL, run: a_newline_makes_ready },
    Test { name: "a_path_makes_ready", ways: ALL, run: a_path_makes_ready },
    Test { name: "a_pidfile_is_a_hint_only", ways: ALL, run: a_pidfile_is_a_hint_only },
    Test { name: "a_hook_has_a_group_of_its_own", ways: WITH_CGROUPS, run: a_hook_has_a_group_of_its_own },
];

fn a_daemon_that_forks_twice_is_found(machine: &mut Machine) {
    // The first child goes on only when the one that forked it has been seen to end.
    let script = "cd $F; mkfifo go; (read x < go; (echo $$ > forked; exec sleep 1000) & ) & exit 0"
        .replace("$F", &machine.folder);
    let life = machine.run(Ready::Forked, &script);
    assert_eq!(machine.main_exited(life), (Exit::Code(0), true));
    let first = machine.is_ready(life).unwrap();
    std::fs::write(format!("{}/go", machine.folder), "\n").unwrap();
    let second = machine.is_ready(life).unwrap();
    assert_ne!(first, second);
    machine.signal(life, "TERM");
    assert_eq!(machine.main_exited(life), (Exit::Signal(Signal::TERM), false));
    machine.forget(life);
    assert_eq!(machine.others(), 0);
}

fn a_daemon_is_told_of_when_it_dies(machine: &mut Machine) {
    let life = machine.run(Ready::Forked, "setsid sleep 1000 & exit 0");
    machine.main_exited(life);
    let main = machine.is_ready(life).unwrap();
    init::sys::wait::kill(main, 9);
    assert_eq!(machine.main_exited(life), (Exit::Signal(Signal::KILL), false));
}

fn a_start_that_leaves_nothing_is_told_so(machine: &mut Machine) {
    let life = machine.run(Ready::Forked, "exit 0");
    assert_eq!(machine.main_exited(life), (Exit::Code(0), false));
}

fn a_job_that_stops_itself_is_ready_and_goes_on(machine: &mut Machine) {
    let script = "kill -STOP $$; echo on > $F/on; exec sleep 1000".replace("$F", &machine.folder);
    let life = machine.run(Ready::Stopped, &script);
    let pid = machine.spawned(life);
    machine.is_ready(life);
    assert_eq!(machine.await_line("on"), "on");
    assert!(is_alive(pid));
    machine.kill_all(life);
    machine.emptied(life);
}

fn a_newline_makes_ready(machine: &mut Machine) {
    let life = machine.run(Ready::Fd(5), "printf 'x'>&5; echo >&5; exec sleep 1000");
    machine.is_ready(life);
    // Also when it is the last word.
    let life = machine.run(Ready::Fd(3), "echo >&3");
    let inputs = machine.until("exited", life, |input| matches!(input, jobs::Input::Exited { .. }));
    assert!(inputs.iter().any(|input| matches!(input, jobs::Input::Ready { .. })));
}

fn a_path_makes_ready(machine: &mut Machine) {
    let path = format!("{}/deep/folder/here", machine.folder);
    let script = format!("mkdir -p {0}/deep/folder; : > {path}; exec sleep 1000", machine.folder);
    let life = machine.run(Ready::Path(path.as_str().into()), &script);
    assert_eq!(machine.is_ready(life), None);
}

fn a_pidfile_is_a_hint_only(machine: &mut Machine) {
    let file = format!("{}/pid", machine.folder);
    // First PID 1, then a process of another job, then one of its own.
    let other = machine.run(Ready::Spawned, "exec sleep 1000");
    let foreign = machine.spawned(other);
    let script = format!(
        "cd {}; mkfifo a b; echo 1 > pid; echo > a; read x < b; echo {foreign} > pid; echo > a; read x < b; \
             sleep 1000 & echo $! > pid; exec sleep 1000",
        machine.folder
    );
    let life = machine.run(Ready::Pidfile(file.as_str().into()), &script);
    machine.spawned(life);
    for _ in 0..2 {
        machine.until_so("the fifo is there", || std::fs::metadata(file.replace("pid", "a")).is_ok());
        std::fs::read_to_string(file.replace("pid", "a")).unwrap();
        machine.with(|executor, shell| executor.tick(shell));
        std::fs::write(file.replace("pid", "b"), "\n").unwrap();
    }
    let main = machine.is_ready(life).unwrap();
    assert_eq!(machine.read("pid").trim(), main.to_string());
    assert!(main != 1 && main != foreign);
    // Its end is main's, although it is not our child.
    init::sys::wait::kill(main, 9);
    let (_, left) = machine.main_exited(life);
    assert!(left);
    machine.kill_all(life);
    machine.emptied(life);
}

fn a_hook_has_a_group_of_its_own(machine: &mut Machine) {
    let mut work = work("exec sleep 1000");
    let hook = ["/bin/sh", "-c", "sleep 1000 & exec sleep 1000"].map(String::from).into();
    work.processes.push((ProcessKind::PostStart, jobs::Command::Argv(hook)));
    let life = machine.start(&job(Ready::Spawned), &work);
    machine.spawned(life);
    machine.spawn(life, ProcessKind::PostStart, &job(Ready::Spawned), &work, "");
    machine.spawned(life);
    assert_eq!(machine.groups().len(), 2);
    machine.with(|executor, shell| executor.kill_hook(shell, life, ProcessKind::PostStart));
    assert_eq!(machine.exited(life, ProcessKind::PostStart).0, Exit::Signal(Signal::KILL));
    machine.until_so("only main is left", || crate::machine::others() == 1);
    machine.signal(life, "TERM");
    assert_eq!(machine.main_exited(life), (Exit::Signal(Signal::TERM), false));
    machine.forget(life);
}
