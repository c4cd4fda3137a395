//! What a process is given, and what is said of one that could not be made.

use std::sync::Arc;

use events::{Key, Text, Value};
use jobs::{Command, Exit, Format, IoNice, Job, Limit, ProcessKind, Ready, Resource, Signal, Work};

use crate::machine::{ALL, Machine, Test, USUAL, exec, is_alive, job, work};

pub const TESTS: &[Test] = &[
    Test {
        name: "a_program_is_executed_and_its_end_told",
        ways: ALL,
        run: a_program_is_executed_and_its_end_told,
    },
    Test {
        name: "the_kernel_finds_nothing_of_pid_1_in_a_process",
        ways: ALL,
        run: the_kernel_finds_nothing_of_pid_1_in_a_process,
    },
    Test {
        name: "a_pipe_ends_as_it_does_for_everybody",
        ways: USUAL,
        run: a_pipe_ends_as_it_does_for_everybody,
    },
    Test {
        name: "the_environment_is_made_from_nothing",
        ways: USUAL,
        run: the_environment_is_made_from_nothing,
    },
    Test { name: "the_path_of_the_job_counts", ways: USUAL, run: the_path_of_the_job_counts },
    Test {
        name: "a_long_script_is_read_on_descriptor_9",
        ways: USUAL,
        run: a_long_script_is_read_on_descriptor_9,
    },
    Test {
        name: "a_hook_gets_the_values_of_its_event",
        ways: USUAL,
        run: a_hook_gets_the_values_of_its_event,
    },
    Test { name: "what_the_job_says_of_itself_is_so", ways: USUAL, run: what_the_job_says_of_itself_is_so },
    Test {
        name: "without_a_limit_of_its_own_a_job_has_the_one_that_pid_1_was_born_with",
        ways: USUAL,
        run: without_a_limit_of_its_own_a_job_has_the_one_that_pid_1_was_born_with,
    },
    Test {
        name: "capabilities_are_kept_also_without_being_root",
        ways: USUAL,
        run: capabilities_are_kept_also_without_being_root,
    },
    Test {
        name: "a_task_that_goes_on_is_told_of_while_it_runs",
        ways: USUAL,
        run: a_task_that_goes_on_is_told_of_while_it_runs,
    },
    Test {
        name: "a_task_that_cannot_be_executed_is_told_of",
        ways: USUAL,
        run: a_task_that_cannot_be_executed_is_told_of,
    },
    Test { name: "a_fault_names_its_step", ways: ALL, run: a_fault_names_its_step },
    Test {
        name: "a_child_that_hangs_in_its_set_up_holds_nobody",
        ways: USUAL,
        run: a_child_that_hangs_in_its_set_up_holds_nobody,
    },
];

fn a_program_is_executed_and_its_end_told(machine: &mut Machine) {
    let life = machine.start(&job(Ready::Spawned), &exec(&["/bin/sh", "-c", "exit 3"]));
    let pid = machine.spawned(life);
    assert!(pid > 1);
    assert_eq!(machine.main_exited(life), (Exit::Code(3), false));
    machine.forget(life);
    assert_eq!(machine.groups(), [""; 0]);
    assert_eq!(machine.others(), 0);
}

/// Nobody waits for its being executed, so it may be heard of a moment later.
fn a_task_that_goes_on_is_told_of_while_it_runs(machine: &mut Machine) {
    let life = machine.start(&task(), &exec(&["/bin/sleep", "1000"]));
    let pid = machine.spawned(life);
    assert!(is_alive(pid));
    machine.kill_all(life);
    assert_eq!(machine.main_exited(life).0, Exit::Signal(Signal::KILL));
    machine.emptied(life);
    machine.forget(life);
}

fn a_task_that_cannot_be_executed_is_told_of(machine: &mut Machine) {
    let life = machine.start(&task(), &exec(&["/nowhere/program"]));
    assert_eq!(machine.unspawned(life), "exec: no such file: /nowhere/program");
    machine.forget(life);
    assert_eq!(machine.groups(), [""; 0]);
}

fn task() -> Arc<Job> {
    let mut task = Job::clone(&job(Ready::Spawned));
    task.task = true;
    task.into()
}

fn the_kernel_finds_nothing_of_pid_1_in_a_process(machine: &mut Machine) {
    let said = machine.said(&job(Ready::Spawned), &exec(&["/bin/cat", "/proc/self/status"]));
    for field in ["SigIgn", "SigBlk", "SigCgt"] {
        let line = said.lines().find(|line| line.starts_with(field)).unwrap();
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    let said = machine.said(&job(Ready::Spawned), &work("ls /proc/self/fd; readlink /proc/self/fd/0"));
    let fds: Vec<&str> = said.split_whitespace().collect();
    // The third is that of the directory which is being listed.
    assert_eq!(fds, ["0", "1", "2", "3", "/dev/null"]);
    let said =
        machine.said(&job(Ready::Spawned), &work("umask; pwd; cut -d' ' -f1,5,6 /proc/$$/stat; echo $$"));
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(&words[..2], ["0022", "/"]);
    assert!(words[2..].iter().all(|word| *word == words[2]), "{words:?}");
}

fn a_pipe_ends_as_it_does_for_everybody(machine: &mut Machine) {
    // With SIGPIPE ignored, `yes` would complain and go on.
    assert_eq!(machine.said(&job(Ready::Spawned), &work("yes | head -1")), "y\n");
}

fn the_environment_is_made_from_nothing(machine: &mut Machine) {
    let mut job = Job::clone(&job(Ready::Spawned));
    let pair = |key, value: &str| (Key::new(key).unwrap(), Some(Value::new(value).unwrap()));
    job.env = [pair("A", "1"), pair("NOTIFY_SOCKET", "/x"), pair("LISTEN_FDS", "3")].into();
    let said = machine.said(&Arc::new(job), &exec(&["env"]));
    let mut lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("TERM=")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "A=1",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin",
            "UPSTART_INSTANCE=",
            "UPSTART_JOB=test"
        ]
    );
}

fn the_path_of_the_job_counts(machine: &mut Machine) {
    let tool = format!("{}/tool", machine.folder);
    std::fs::write(&tool, "echo from a script without a first line: $1\n").unwrap();
    std::process::Command::new("chmod").args(["755", &tool]).status().unwrap();
    let mut job = Job::clone(&job(Ready::Spawned));
    let path = format!("/nowhere:{}:/bin", machine.folder);
    job.env = [(Key::new("PATH").unwrap(), Some(Value::new(&path).unwrap()))].into();
    let said = machine.said(&Arc::new(job), &exec(&["tool", "word"]));
    assert_eq!(said, "from a script without a first line: word\n");
}

fn a_long_script_is_read_on_descriptor_9(machine: &mut Machine) {
    let script = |text: String| Work {
        processes: vec![(ProcessKind::Main, Command::Script(text))],
        ..Work::default()
    };
    let said = machine.said(&job(Ready::Spawned), &script("x=$0\necho \"$x $-\"\n".into()));
    assert_eq!(said, "/proc/self/fd/9 e\n");
    // Longer than any pipe.
    let long = format!("{}echo at last\n", ": nothing is done here\n".repeat(60_000));
    assert_eq!(machine.said(&job(Ready::Spawned), &script(long)), "at last\n");
    let one = script("echo \"$0 $-\"\n".into());
    assert_eq!(machine.said(&job(Ready::Spawned), &one), "/bin/sh e\n");
    // Another user can read it, too.
    let mut work = script("id -u\n:\n".into());
    work.user = Some("uid:54321".into());
    work.group = Some("gid:54321".into());
    assert_eq!(machine.said(&job(Ready::Spawned), &work), "54321\n");
}

fn a_hook_gets_the_values_of_its_event(machine: &mut Machine) {
    let mut job = Job::clone(&job(Ready::Spawned));
    job.format = Format::Hook;
    let tool = format!("{}/hook", machine.folder);
    std::fs::write(&tool, "#!/bin/sh\necho \"$# $1 $2 $IFACE\"\n").unwrap();
    std::process::Command::new("chmod").args(["755", &tool]).status().unwrap();
    let life = machine.life();
    let env = "IFACE=eth0 ADDRESS=::1 UPSTART_EVENTS=newip";
    machine.spawn(life, ProcessKind::Main, &Arc::new(job), &exec(&[&tool]), env);
    machine.main_exited(life);
    assert_eq!(machine.read("out"), "2 eth0 ::1 eth0\n");
}

fn what_the_job_says_of_itself_is_so(machine: &mut Machine) {
    let script = "umask; nice; pwd; cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hc; ionice; \
                      grep NoNewPrivs /proc/self/status";
    let mut work = work(script);
    work.umask = Some(0o027);
    work.nice = Some(5);
    work.chdir = Some("/usr".into());
    work.oom_score = Some(300);
    work.limits = vec![
        (Resource::Nofile, Limit { soft: Some(100), hard: Some(200) }),
        (Resource::Core, Limit { soft: Some(0), hard: None }),
    ];
    work.ionice = Some(IoNice::Best(6));
    work.no_new_privileges = true;
    let said = machine.said(&job(Ready::Spawned), &work);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        ["0027", "5", "/usr", "300", "100", "unlimited", "best-effort: prio 6", "NoNewPrivs:\t1"]
    );
}

fn without_a_limit_of_its_own_a_job_has_the_one_that_pid_1_was_born_with(machine: &mut Machine) {
    let own = std::fs::read_to_string("/proc/1/limits").unwrap();
    let said = machine.said(&job(Ready::Spawned), &exec(&["/bin/cat", "/proc/self/limits"]));
    let line = |text: &str| text.lines().find(|line| line.starts_with("Max open files")).unwrap().to_string();
    assert_ne!(line(&own), line(&said));
    let soft: u64 = line(&said).split_whitespace().nth(3).unwrap().parse().unwrap();
    let raised: u64 = line(&own).split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(soft < raised, "{soft} {raised}");
}

fn capabilities_are_kept_also_without_being_root(machine: &mut Machine) {
    let mut work = exec(&["/bin/grep", "Cap", "/proc/self/status"]);
    let with = |machine: &mut Machine, work: &Work| {
        let said = machine.said(&job(Ready::Spawned), work);
        said.lines().map(|line| line.split_whitespace().nth(1).unwrap().to_string()).collect::<Vec<_>>()
    };
    work.capabilities = Some(vec!["CAP_NET_BIND_SERVICE".into(), "CAP_KILL".into()]);
    let both = "0000000000000420";
    assert_eq!(with(machine, &work), [both; 5]);
    work.user = Some("uid:54321".into());
    work.group = Some("gid:54321".into());
    assert_eq!(with(machine, &work), [both; 5]);
    work.capabilities = Some(Vec::new());
    assert_eq!(with(machine, &work), ["0000000000000000"; 5]);
}

fn a_fault_names_its_step(machine: &mut Machine) {
    let folder = machine.folder.clone();
    let file = |name: &str, text: &str, mode: &str| {
        let path = format!("{folder}/{name}");
        std::fs::write(&path, text).unwrap();
        std::process::Command::new("chmod").args([mode, &path]).status().unwrap();
        path
    };
    let plain = file("plain", "x\n", "644");
    let mark = file("mark", "\u{feff}#!/bin/sh\necho\n", "755");
    let carriage = file("carriage", "#!/bin/sh\r\necho\r\n", "755");
    let lost = file("lost", "#!/no/such/shell\n", "755");
    let with = |change: &dyn Fn(&mut Work)| {
        let mut work = exec(&["/bin/true"]);
        change(&mut work);
        work
    };
    let cases = [
        (exec(&["/x"]), "exec: no such file: /x".to_string()),
        (exec(&["no-such-tool"]), "exec: no such file: no-such-tool".into()),
        (exec(&[&plain]), format!("exec: {plain}: permission denied")),
        (exec(&["/etc"]), "exec: /etc: permission denied".into()),
        (exec(&[&mark]), format!("exec: {mark} begins with a byte order mark before its `#!`")),
        (exec(&[&carriage]), format!("exec: the first line of {carriage} ends in a carriage return")),
        (exec(&[&lost]), format!("exec: {lost}: its interpreter is not there")),
        (exec(&[]), "exec: there is no command".into()),
        (with(&|work| work.user = Some("nonesuch".into())), "setuid: no user `nonesuch`".into()),
        (with(&|work| work.group = Some("nonesuch".into())), "setgid: no group `nonesuch`".into()),
        (
            with(&|work| work.groups = vec!["root".into(), "nonesuch".into()]),
            "setgid: no group `nonesuch`".into(),
        ),
        (
            with(&|work| work.user = Some("uid:54321".into())),
            "setuid: `uid:54321` stands in no passwd file, so its group must be given".into(),
        ),
        (with(&|work| work.chdir = Some("/x".into())), "chdir: /x: no such file or directory".into()),
        (with(&|work| work.chroot = Some("/x".into())), "chroot: /x: no such file or directory".into()),
        (
            with(&|work| {
                work.limits = vec![(Resource::Nofile, Limit { soft: Some(5), hard: Some(3) })];
            }),
            "limit: nofile: invalid argument".into(),
        ),
        (
            with(&|work| work.capabilities = Some(vec![Text::from("CAP_FLY")])),
            "capabilities: there is no `CAP_FLY`".into(),
        ),
    ];
    for (work, why) in cases {
        let life = machine.start(&job(Ready::Spawned), &work);
        assert_eq!(machine.unspawned(life), why);
        machine.kill_all(life);
        machine.emptied(life);
        machine.forget(life);
        assert_eq!(machine.groups(), [""; 0], "{why}");
    }
    let life = machine.life();
    machine.spawn(life, ProcessKind::PreStart, &job(Ready::Spawned), &exec(&["/bin/true"]), "");
    assert_eq!(machine.unspawned(life), "the job has no pre-start");
}

fn a_child_that_hangs_in_its_set_up_holds_nobody(machine: &mut Machine) {
    // A pipe in the place of a file: whoever opens it waits for somebody to write.
    let root = format!("{}/root", machine.folder);
    std::fs::create_dir_all(format!("{root}/etc")).unwrap();
    std::process::Command::new("mkfifo").arg(format!("{root}/etc/passwd")).status().unwrap();
    let mut work = exec(&["/bin/true"]);
    work.chroot = Some(root.as_str().into());
    work.user = Some("www".into());
    let stuck: Vec<_> = (0..70).map(|_| machine.start(&job(Ready::Spawned), &work)).collect();
    let life = machine.start(&job(Ready::Spawned), &exec(&["/bin/true"]));
    machine.main_exited(life);
    for life in stuck {
        machine.kill_all(life);
        let inputs = machine.emptied(life);
        let why = inputs.iter().find_map(|input| match input {
            jobs::Input::Unspawned { life: of, why, .. } if *of == life => Some(why.to_string()),
            _ => None,
        });
        let why = why.unwrap();
        assert!(why == "setuid: killed by KILL" || why == "killed before it was made", "{why}");
    }
    assert_eq!(machine.others(), 0);
}
