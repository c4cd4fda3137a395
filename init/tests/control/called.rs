//! The other names: `service`, `telinit`, `runlevel`, `shutdown`, `halt`, `poweroff`, `reboot`, and initctl's own.

use std::process::Command;

use super::Server;

const JOBS: &[(&str, &str)] = &[
    ("db", "exec db\n"),
    ("inst", "instance $W\nexec inst\n"),
    ("own", "pre-start exec sleep 4\nexec own\n"),
    ("task", "task\nexec false\n"),
];

#[track_caller]
fn check(server: &Server, line: &str, code: i32, out: &str, err: &str) {
    let mut words = line.split(' ');
    let (found, stdout, stderr) = server.called(words.next().unwrap(), &words.collect::<Vec<_>>());
    assert_eq!((stdout.as_str(), stderr.as_str(), found), (out, err, code), "{line}");
}

#[test]
fn names_of_commands_are_those_of_initctl() {
    let server = Server::new(JOBS);
    check(&server, "start db", 0, "db start/running, process 101\n", "");
    check(&server, "start db", 1, "", "start: Job is already running: db\n");
    check(&server, "status db", 0, "db start/running, process 101\n", "");
    check(&server, "reload db", 0, "", "");
    check(&server, "/sbin/stop db", 0, "db stop/waiting\n", "");
    check(&server, "stop db", 1, "", "stop: Unknown instance: \n");
    check(&server, "stop nope", 1, "", "stop: Unknown job: nope\n");
    check(&server, "stop", 1, "", "stop: missing job name\nTry `stop --help' for more information.\n");
    check(&server, "start task", 1, "", "start: Job failed to start: main ended with status 1\n");
    check(
        &server,
        "initctl fly",
        1,
        "",
        "initctl: invalid command: fly\nTry `initctl --help' for more information.\n",
    );
    check(&server, "initctl emit x A=1", 0, "", "");
    check(&server, "initctl show-config own", 0, "own\n", "");
}

#[test]
fn a_process_of_a_job_means_its_own_and_never_waits() {
    let server = Server::new(JOBS);
    assert_eq!(server.called("start", &["--no-wait", "own"]).0, 0);
    let mut stop = server.command("stop", &[]);
    stop.env("UPSTART_JOB", "own").env("UPSTART_INSTANCE", "");
    let output = stop.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("own stop/"));
}

#[test]
fn services_have_the_exit_statuses_of_the_lsb() {
    let server = Server::new(JOBS);
    check(&server, "service db status", 3, "db stop/waiting\n", "");
    check(&server, "service db start", 0, "db start/running, process 101\n", "");
    check(&server, "service db start", 0, "", "");
    check(&server, "service db status", 0, "db start/running, process 101\n", "");
    check(&server, "service db try-restart", 0, "db start/running, process 102\n", "");
    check(&server, "service db stop", 0, "db stop/waiting\n", "");
    check(&server, "service db stop", 0, "", "");
    check(&server, "service db fly", 3, "", "service: db has no verb `fly`; it has no verbs of its own\n");
    check(&server, "service no-such-thing start", 5, "", "service: no-such-thing: unrecognized service\n");
    check(&server, "service no-such-thing status", 4, "", "service: no-such-thing: unrecognized service\n");
    check(&server, "service inst start W=a", 0, "inst (a) start/running, process 103\n", "");
    check(
        &server,
        "service --status-all",
        0,
        " [ - ]  db\n [ + ]  inst (a)\n [ - ]  own\n [ - ]  task\n",
        "",
    );
}

#[test]
fn run_levels_are_events_and_the_way_down() {
    let server = Server::new(JOBS);
    check(&server, "runlevel", 1, "unknown\n", "");
    check(&server, "telinit 2", 0, "", "");
    check(&server, "runlevel", 0, "N 2\n", "");
    check(&server, "init 3", 0, "", "");
    check(&server, "runlevel", 0, "2 3\n", "");
    check(&server, "telinit q", 0, "", "");
    check(
        &server,
        "telinit 9",
        1,
        "",
        "telinit: illegal runlevel: 9\nTry `telinit --help' for more information.\n",
    );
    check(&server, "telinit 6", 0, "", "");
    let orders = server.orders();
    assert!(orders[1].starts_with("Shutdown { kind: Reboot"), "{orders:?}");
}

#[test]
fn the_machine_goes_down_by_every_name() {
    let server = Server::new(JOBS);
    for (line, kind) in [
        ("poweroff", "Poweroff"),
        ("halt", "Halt"),
        ("halt -p", "Poweroff"),
        ("reboot", "Reboot"),
        ("onsetctl kexec", "Kexec"),
        ("onsetctl reboot --force", "Reboot, fast: true"),
    ] {
        check(&server, line, 0, "", "");
        let last = server.orders().pop().unwrap();
        assert!(last.starts_with(&format!("Shutdown {{ kind: {kind}")), "{line}: {last}");
    }
}

#[test]
fn help_never_acts_and_neither_does_a_slip() {
    let server = Server::new(JOBS);
    for name in [
        "shutdown", "poweroff", "halt", "reboot", "telinit", "runlevel", "initctl", "start", "stop",
        "service",
    ] {
        for words in [&["--help"][..], &["-f", "--help"], &["now", "--help"], &["--hlep"], &["-Z", "now"]] {
            // A run level and a job of this name are looked for, and there are none.
            if name == "runlevel" && !words.contains(&"--help") {
                continue;
            }
            let (code, out, _) = server.called(name, words);
            let helps = words == ["--help"];
            assert_eq!(helps && code == 0, helps && out.starts_with("Usage: "), "{name} {words:?}: {out}");
        }
    }
    for words in [&["poweroff", "--help"][..], &["reboot", "--hlep"], &["halt", "extra"], &["switch-root"]] {
        server.run(words);
    }
    assert_eq!(server.orders(), Vec::<String>::new());
}

#[test]
fn onset_that_restarts_is_asked_again() {
    let server = Server::new(JOBS);
    let waiting = |words: &[&str]| {
        let mut command: Command = server.command("onsetctl", words);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let start = waiting(&["start", "own"]);
    let emit = waiting(&["emit", "x"]);
    assert!(emit.wait_with_output().unwrap().status.success());
    let mut talk = server.connect();
    while talk.call("Status", serde_json::json!({"job": "own"}))["parameters"]["status"]["goal"] != "start" {}
    drop(talk);
    server.crash();
    server.orders();
    server.pass(5_000);
    let output = start.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "onsetctl: Onset has restarted; looking how far it is\n"
    );
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("own start/running, process "));
    let (code, _, _) = server.run(&["reexec"]);
    assert_eq!(code, 0);
}
