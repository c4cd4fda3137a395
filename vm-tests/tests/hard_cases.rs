//! Counterexamples to things that sound right and are not, on Onset as PID 1 of name spaces. What needs only the
//! executor, the log keeper or a crash is in init/tests; what needs a kernel of its own is in vm-tests/scenarios.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail where it stands")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
};

use vm_tests::namespace::{Machine, Options, Ran};

/// A machine with these files besides a job that does nothing.
fn machine(files: &[(&str, &str)]) -> Machine {
    let files = files.iter().map(|(path, text)| (String::from(*path), String::from(*text))).collect();
    let options = Options { files, environment: not_a_container(), ..Options::default() };
    settled(Machine::start(&[("idle", "(exec: \"/bin/true\", manual: true)")], &options).unwrap())
}

fn not_a_container() -> Vec<(String, String)> {
    vec![("container".into(), String::new())]
}

fn settled(machine: Machine) -> Machine {
    let ran = machine.ctl(&["settled", "--wait", "--timeout", "50s"]).unwrap();
    assert_eq!(ran.status, 0, "{ran:?}\n{}", machine.console());
    machine
}

fn start(machine: &Machine, job: &str) -> Ran {
    machine.ctl(&["start", job]).unwrap()
}

/// The main process of a job.
fn main_of(machine: &Machine, job: &str) -> Option<String> {
    let status = machine.ctl(&["status", job]).unwrap().out;
    Some(status.lines().next()?.split_once(", process ")?.1.trim().into())
}

/// The log of a job, without times.
fn log(machine: &Machine, job: &str) -> String {
    let lines = machine.sh(&format!("cat /var/log/onset/{job}.log")).unwrap().out;
    lines.lines().filter_map(|line| line.split_once(' ')).map(|(_, text)| format!("{text}\n")).collect()
}

#[test]
fn a_worker_in_the_background_of_a_script_gets_the_stop_signal() {
    let script = "script\n  sh -c 'trap \"echo saved >/tmp/saved; exit 0\" TERM; touch /tmp/up; while :; do sleep 1000 & wait $!; done' &\n  wait\nend script\n";
    let mut machine = machine(&[("etc/init/work.conf", script)]);
    assert_eq!(start(&machine, "work").status, 0);
    machine.until_sh("test -e /tmp/up").unwrap();
    assert_eq!(machine.ctl(&["stop", "work"]).unwrap().status, 0);
    assert_eq!(machine.sh("cat /tmp/saved").unwrap().out, "saved\n");
}

#[test]
fn a_master_that_is_killed_comes_back_though_its_workers_live() {
    let script = "respawn\nscript\n  setsid sleep 4321 &\n  echo $$ >>/tmp/masters\n  wait\nend script\n";
    let mut machine = machine(&[("etc/init/master.conf", script)]);
    assert_eq!(start(&machine, "master").status, 0);
    machine.until_sh("ps -o args | grep '^sleep 4321'").unwrap();
    let first = main_of(&machine, "master").unwrap();
    machine.sh(&format!("kill -KILL {first}")).unwrap();
    machine.until_sh("test $(wc -l </tmp/masters) -eq 2").unwrap();
    machine.until_sh("test $(ps -o args | grep -c '^sleep 4321') -eq 1").unwrap();
    assert_eq!(machine.ctl(&["stop", "master"]).unwrap().status, 0);
    assert_ne!(machine.sh("ps -o args | grep '^sleep 4321'").unwrap().status, 0);
}

#[test]
fn a_daemon_that_has_let_go_of_its_parent_gets_the_stop_signal() {
    let script = "expect fork\nscript\n  sh -c 'trap \"echo saved >/tmp/saved; exit 0\" TERM; touch /tmp/up; while :; do sleep 1000 & wait $!; done' &\n  exit 0\nend script\n";
    let mut machine = machine(&[("etc/init/daemon.conf", script)]);
    assert_eq!(start(&machine, "daemon").status, 0);
    machine.until_sh("test -e /tmp/up").unwrap();
    assert_eq!(machine.ctl(&["stop", "daemon"]).unwrap().status, 0);
    assert_eq!(machine.sh("cat /tmp/saved").unwrap().out, "saved\n");
}

#[test]
fn a_hook_that_runs_long_does_not_keep_a_dead_job_up() {
    let conf = "kill timeout 1\nexec sh -c 'sleep 4321 & exit 3'\npost-stop exec sh -c 'touch /tmp/post; while ! test -e /tmp/go; do sleep 0.1; done'\n";
    let mut machine = machine(&[("etc/init/t.conf", conf)]);
    start(&machine, "t");
    machine.until_sh("test -e /tmp/post").unwrap();
    let status = machine.ctl(&["status", "t"]).unwrap().out;
    assert!(status.starts_with("t stop/post-stop"), "{status}");
    assert_ne!(
        machine.sh("ps -o args | grep '^sleep 4321'").unwrap().status,
        0,
        "what main left is gone before post-stop"
    );
    machine.sh("touch /tmp/go").unwrap();
    machine.until_sh("onsetctl status t | grep -q '^t stop/waiting'").unwrap();
}

#[test]
fn no_name_of_an_instance_leads_out_of_the_cgroups() {
    let machine = machine(&[("etc/init/i.conf", "instance $W\nexec sleep 1000\n")]);
    let long = "x".repeat(4_000);
    for (number, name) in ["../../left", "..", ".", "a/b/c", "50% off", long.as_str()].into_iter().enumerate()
    {
        let ran = machine.ctl(&["start", "i", &format!("W={name}")]).unwrap();
        assert_eq!(ran.status, 0, "{number}: {ran:?}");
    }
    let groups = machine.sh("find /sys/fs/cgroup/job -mindepth 1 -type d").unwrap().out;
    assert_eq!(groups.lines().count(), 6, "{groups}");
    assert!(
        groups.lines().all(|group| group.trim_start_matches("/sys/fs/cgroup/job/").len() < 256),
        "{groups}"
    );
    let own = machine.sh("grep ^0: /proc/1/cgroup").unwrap().out;
    assert_eq!(own, "0::/onset\n");
    assert_eq!(machine.sh("cat /sys/fs/cgroup/onset/cgroup.procs | head -n 1").unwrap().out, "1\n");
}

#[test]
fn a_job_whose_limit_cannot_be_had_runs_without_it_and_that_is_said_once() {
    let job = "(exec: \"sleep 1000\", cgroup: (pids_max: 100))";
    let machine = machine(&[("etc/onset/jobs/one.ron", job), ("etc/onset/jobs/two.ron", job)]);
    for name in ["one", "two"] {
        let ran = start(&machine, name);
        assert_eq!(ran.status, 0, "{ran:?}\n{}", machine.console());
        assert!(main_of(&machine, name).is_some());
    }
    let has_controllers = machine.sh("grep -q pids /sys/fs/cgroup/cgroup.controllers").unwrap().status == 0;
    let console = machine.console();
    assert_eq!(console.matches("limits of cgroups").count(), usize::from(!has_controllers), "{console}");
}

#[test]
fn death_within_the_set_up_is_no_start() {
    // The kernel kills what it has no room to execute.
    let machine = machine(&[
        ("etc/init/small.conf", "limit as 4096 4096\nexec sleep 1000\n"),
        ("etc/init/nobodys.conf", "setuid no-such-user\nexec sleep 1000\n"),
    ]);
    start(&machine, "small");
    let status = machine.ctl(&["status", "small"]).unwrap().out;
    assert!(status.contains("last: "), "{status}");
    assert_eq!(main_of(&machine, "small"), None);
    let ran = start(&machine, "nobodys");
    assert!(ran.status == 1 && ran.err.contains("setuid: no user `no-such-user`"), "{ran:?}");
    let status = machine.ctl(&["status", "nobodys"]).unwrap().out;
    assert!(status.contains("no-such-user"), "{status}");
}

#[test]
fn a_limit_of_the_job_itself_is_its_own_fault_and_holds_nobody() {
    let files = [
        ("etc/init/full.conf", "start on startup\nsetuid nobody\nlimit nproc 0 0\nexec sleep 1000\n"),
        ("etc/onset/jobs/after.ron", "(start_on: \"startup\", requires: [\"full\"], exec: \"sleep 1000\")"),
    ];
    let machine = machine(&files);
    let status = machine.ctl(&["status", "after"]).unwrap().out;
    assert!(status.starts_with("after start/running"), "{status}");
}

#[test]
fn readiness_that_is_told_just_before_the_end_counts() {
    let job = "(exec: [\"sh\", \"-c\", \"echo >&3; exit 0\"], ready: fd(3))";
    let machine = machine(&[("etc/onset/jobs/brief.ron", job)]);
    for _ in 0..20 {
        let ran = start(&machine, "brief");
        assert_eq!(ran.status, 0, "{ran:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_keeps_no_other_from_working() {
    let deep = format!("(env: {})", "[".repeat(200_000));
    let init = "#!/bin/sh\nmkfifo /etc/onset/jobs/pipe.ron /etc/init/pipe.conf\nln -s /dev/zero /etc/init/zero.conf\nexec /sbin/init\n";
    let files = vec![
        ("etc/onset/jobs/deep.ron".into(), deep),
        ("etc/onset/jobs/good.ron".into(), "(start_on: \"startup\", exec: \"sleep 1000\")".into()),
        ("sbin/with-pipes".into(), init.into()),
    ];
    let options = Options { files, environment: not_a_container(), ..Options::default() };
    let machine = settled(Machine::start_init(&["/sbin/with-pipes"], &[], &options).unwrap());
    let status = machine.ctl(&["status", "good"]).unwrap().out;
    assert!(status.starts_with("good start/running"), "{status}\n{}", machine.console());
    assert!(machine.console().contains("deep.ron"), "{}", machine.console());
}

#[test]
fn no_variable_of_an_event_decides_how_a_program_is_loaded() {
    let job = "(start_on: \"go\", task: true, exec: \"/usr/bin/env >/run/said\")";
    let machine = machine(&[("etc/onset/jobs/shows.ron", job)]);
    let hostile = "IFACE='$(reboot)' LD_PRELOAD=/tmp/x.so PATH=/tmp IFS=x ENV=/tmp/x BASH_ENV=/tmp/x NOTIFY_SOCKET=/tmp/x";
    assert_eq!(machine.sh(&format!("onsetctl emit go {hostile}")).unwrap().status, 0);
    let said = machine.sh("cat /run/said").unwrap().out;
    assert!(said.lines().any(|line| line == "IFACE=$(reboot)"), "{said}");
    for name in ["LD_PRELOAD", "IFS", "ENV", "BASH_ENV"] {
        assert!(!said.lines().any(|line| line.starts_with(&format!("{name}="))), "{name}: {said}");
    }
    assert!(!said.contains("/tmp"), "{said}");
}

#[test]
fn a_folder_that_is_swapped_while_it_is_read_ends_as_it_is() {
    let make = "cd /etc/onset; mkdir new; for n in 1 2 3 4 5 6 7 8 9; do echo '(manual: true, exec: \"true\")' \
        >jobs/old$n.ron; echo '(manual: true, exec: \"true\")' >new/new$n.ron; done";
    // An odd number of times, so that the other one is there in the end. Nobody waits for a load to end.
    let swap = "cd /etc/onset; for n in $(seq 11); do onsetctl reload-configuration >/dev/null 2>&1 & mv jobs other; \
        mv new jobs; mv other new; done; wait";
    let mut machine = machine(&[]);
    assert_eq!(machine.sh(make).unwrap().status, 0);
    machine.until_sh("onsetctl list | grep -c '^old' | grep -x 9").unwrap();
    assert_eq!(machine.sh(swap).unwrap().status, 0);
    // By what is watched alone.
    machine.until_sh("onsetctl list | grep -c '^new' | grep -x 9").unwrap();
    machine.until_sh("! onsetctl list | grep '^old'").unwrap();
}

#[test]
fn a_process_without_rights_can_open_its_own_output() {
    let job = "setuid nobody\ntask\nexec sh -c 'echo out >/proc/self/fd/1; echo err >/proc/self/fd/2'\n";
    let mut machine = machine(&[("etc/init/quiet.conf", job)]);
    assert_eq!(start(&machine, "quiet").status, 0);
    machine.until_sh("test $(wc -l </var/log/onset/quiet.log) -eq 2").unwrap();
    assert_eq!(log(&machine, "quiet"), "out\nerr\n");
}

#[test]
fn a_container_ends_as_the_command_that_it_is_there_for() {
    let run = |command: &str| {
        let arguments = ["--", "/bin/sh", "-c", command].map(String::from).to_vec();
        Machine::start(&[], &Options { arguments, wait: false, ..Options::default() }).unwrap()
    };
    assert_eq!(run("exit 7").until_end().unwrap(), 7);
    assert_eq!(run("exec /no/such/program").until_end().unwrap(), 127);
    assert_eq!(run("kill -KILL $$").until_end().unwrap(), 137);
    for signal in ["TERM", "INT", "RTMIN+3"] {
        let mut machine =
            run("trap 'exit 3' TERM; echo up >/dev/console; while :; do sleep 1000 & wait $!; done");
        machine.until("it is up", |machine| Ok(machine.console().contains("up\n").then_some(()))).unwrap();
        machine.signal_init(signal).unwrap();
        assert_eq!(machine.until_end().unwrap(), 3, "{signal}");
    }
}

#[test]
fn only_whole_lines_name_users() {
    let users = format!(
        "root::0:0:root:/root:/bin/sh\nevil:x:0\nbad:x:-1:0::/:/bin/sh\n+@all::::::\n{}:x:0:0::/:/bin/sh\nwww:x:1234:1234::/:/bin/sh\n",
        "l".repeat(70_000)
    );
    let mut files = vec![("etc/passwd".into(), users)];
    for (name, user) in
        [("www", "www"), ("evil", "evil"), ("bad", "bad"), ("all", "+@all"), ("number", "uid:4321")]
    {
        let group = if name == "number" { "group: \"gid:99\", " } else { "" };
        let job = format!("(task: true, user: \"{user}\", {group}exec: \"sh -c 'id -u 2>/dev/null'\")");
        files.push((format!("etc/onset/jobs/{name}.ron"), job));
    }
    let options = Options { files, environment: not_a_container(), ..Options::default() };
    let mut machine = settled(Machine::start(&[], &options).unwrap());
    for (job, user) in [("www", Some("1234\n")), ("number", Some("4321\n")), ("evil", None), ("bad", None)] {
        let ran = start(&machine, job);
        assert_eq!(ran.status == 0, user.is_some(), "{job}: {ran:?}");
        if let Some(user) = user {
            machine.until_sh(&format!("test -s /var/log/onset/{job}.log")).unwrap();
            assert_eq!(log(&machine, job), user);
        }
    }
}

#[test]
fn a_machine_without_any_job_settles_and_boots_when_there_is_one() {
    let options = Options { environment: not_a_container(), ..Options::default() };
    let mut machine = settled(Machine::start(&[], &options).unwrap());
    assert!(machine.console().contains("no job file was found"), "{}", machine.console());
    let job = "(start_on: \"startup\", task: true, exec: \"touch /tmp/came\")";
    machine.sh(&format!("echo '{job}' >/etc/onset/jobs/one.ron; onsetctl reload-configuration")).unwrap();
    machine.until_sh("test -e /tmp/came").unwrap();
    settled(machine);
}

#[test]
fn a_boot_settles_with_a_job_that_comes_back_again_and_again() {
    let files = [
        ("etc/init/flaps.conf", "start on startup\nrespawn\nrespawn limit unlimited\nexec /bin/false\n"),
        (
            "etc/onset/jobs/backs-off.ron",
            "(start_on: \"startup\", exec: \"/bin/false\", respawn: (limit: unlimited, backoff: \"1h\"))",
        ),
    ];
    machine(&files);
}

#[test]
fn why_says_what_did_not_start_a_job() {
    let machine = machine(&[
        ("etc/init/half.conf", "start on first and second\nexec sleep 1000\n"),
        ("etc/onset/jobs/up.ron", "(start_on: \"again\", exec: \"sleep 1000\")"),
        ("etc/onset/jobs/moded.ron", "(start_on: \"again\", modes: [\"rescue\"], exec: \"sleep 1000\")"),
        (
            "etc/onset/jobs/whiled.ron",
            "(start_on: \"again\", while: \"link IFACE=eth7\", exec: \"sleep 1000\")",
        ),
        ("etc/init/manual.conf", "start on again\nmanual\nexec sleep 1000\n"),
    ]);
    let why = |job: &str| machine.ctl(&["why", job]).unwrap().out;
    machine.ctl(&["emit", "--no-wait", "first"]).unwrap();
    machine.ctl(&["emit", "again"]).unwrap();
    machine.ctl(&["emit", "again"]).unwrap();
    for (job, words) in [
        ("half", &["`first`: came", "`second`: has not come"][..]),
        ("up", &["1 start event did nothing"]),
        ("moded", &["mode"]),
        ("whiled", &["link IFACE=eth7"]),
        ("manual", &["manual"]),
    ] {
        let told = why(job);
        for word in words {
            assert!(told.contains(word), "{job}: {word:?} is not in {told:?}");
        }
    }
}

/// What Onset answers to a call that has come in before a job's main process ended, while it heard of neither.
fn answer_of_one_who_was_stopped(machine: &mut Machine, method: &str, job: &str) -> String {
    let main = main_of(machine, job).unwrap();
    machine.signal_init("STOP").unwrap();
    let stat = format!("/proc/{}/stat", machine.pid());
    machine
        .until("PID 1 stands still", |_| {
            Ok(std::fs::read_to_string(&stat).ok().filter(|it| it.contains(") T ")))
        })
        .unwrap();
    let mut people = UnixStream::connect(machine.path("/run/onset/control")).unwrap();
    let call = format!(r#"{{"method":"org.onset.Manager.{method}","parameters":{{"job":"{job}"}}}}"#);
    people.write_all(format!("{call}\0").as_bytes()).unwrap();
    machine.sh(&format!("kill -KILL {main}")).unwrap();
    machine.until_sh(&format!("grep '^State:.Z' /proc/{main}/status")).unwrap();
    machine.signal_init("CONT").unwrap();
    let mut answer = Vec::new();
    BufReader::new(people).read_until(0, &mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn the_end_of_a_process_is_heard_before_people() {
    let mut machine = machine(&[("etc/onset/jobs/db.ron", "(exec: \"/bin/sleep 1000000\")")]);
    assert_eq!(start(&machine, "db").status, 0);
    let status = answer_of_one_who_was_stopped(&mut machine, "Status", "db");
    assert!(status.contains(r#""goal":"stop""#) && !status.contains("running"), "{status}");
    // Who starts it then starts it, and is not told that it is up.
    machine.until_sh("onsetctl status db | grep '^db stop/waiting'").unwrap();
    assert_eq!(start(&machine, "db").status, 0);
    let started = answer_of_one_who_was_stopped(&mut machine, "Start", "db");
    assert!(started.contains(r#""state":"running""#), "{started}");
    assert!(main_of(&machine, "db").is_some());
}
