//! `onsetctl` as people meet it: what it prints, and how it ends.

use super::Server;

const JOBS: &[(&str, &str)] = &[
    ("db", "exec db\n"),
    ("shop", "start on started db\nexec shop\n"),
    ("inst", "instance $W\nusage \"inst W=name\"\nexec inst\n"),
    ("task", "task\nexec false\n"),
    ("slow", "start on go\npre-start exec sleep 4\nexec slow\n"),
];

/// A line with each number that is a pid replaced.
fn without_pids(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let is_pid = words.last().is_some_and(|before| before == "process");
        let end = word.trim_start_matches(|c: char| c.is_ascii_digit());
        words.push(if is_pid { format!("PID{end}") } else { word.into() });
    }
    words.join(" ")
}

#[track_caller]
fn check(server: &Server, words: &[&str], code: i32, out: &str, err: &str) {
    let (found, stdout, stderr) = server.run(words);
    assert_eq!((without_pids(&stdout).as_str(), stderr.as_str(), found), (out, err, code), "{words:?}");
}

#[test]
fn jobs_are_steered_and_each_end_has_its_status() {
    let server = Server::new(JOBS);
    check(&server, &["start", "db"], 0, "db start/running, process PID\n", "");
    check(&server, &["start", "db"], 0, "", "onsetctl: db is up already\n");
    check(&server, &["status", "db"], 0, "db start/running, process PID\n", "");
    check(&server, &["restart", "db"], 0, "db start/running, process PID\n", "");
    check(&server, &["reload", "db"], 0, "db start/running, process PID\n", "");
    check(&server, &["stop", "db", "shop"], 0, "db stop/waiting\nshop stop/waiting\n", "");
    check(&server, &["stop", "db"], 0, "", "onsetctl: db is down already\n");
    check(&server, &["start", "task"], 1, "", "onsetctl: task failed: main ended with status 1\n");
    check(&server, &["start", "dbb"], 3, "", "onsetctl: there is no job `dbb`; did you mean `db`?\n");
    let refused = "onsetctl: there is no job `broken`: its file was refused\n  \
                   error[unknown-stanza]: /etc/init/broken.conf:2: there is no stanza `exce`\n";
    for verb in ["start", "status", "why"] {
        check(&server, &[verb, "broken"], 3, "", refused);
    }
    check(
        &server,
        &["start", "inst"],
        2,
        "",
        "onsetctl: inst: give W=VALUE: its instance's name has it\nusage: inst W=name\n",
    );
    check(&server, &["start", "inst", "W=a"], 0, "inst (a) start/running, process PID\n", "");
    check(&server, &["emit", "x", "A=b"], 0, "", "");
    check(
        &server,
        &["emit", "x", "9=A"],
        2,
        "",
        "onsetctl: parameter `args`: argument name `9`: begins with a digit\n",
    );
}

#[test]
fn an_onset_that_is_not_there_is_told() {
    let server = Server::new(&[]);
    let (code, out, err) = server.run(&["--socket", "/nowhere/control", "list"]);
    assert_eq!((code, out.as_str()), (5, ""));
    assert_eq!(err, "onsetctl: cannot reach Onset at /nowhere/control: it does not run here\n");
}

#[test]
fn every_command_that_reads_speaks_json() {
    let server = Server::new(JOBS);
    assert_eq!(server.run(&["start", "db", "--json"]).0, 0);
    server.run(&["set", "online", "VIA=eth0"]);
    for (line, field) in [
        ("status db", "status"),
        ("status", "jobs"),
        ("list", "jobs"),
        ("tree", "jobs"),
        ("why shop", "chain"),
        ("show db", "job"),
        ("facts", "facts"),
        ("limits", "limits"),
        ("version", "version"),
        ("mode", "mode"),
        ("log-level", "level"),
        ("reload-configuration", "reports"),
        ("stop db", "status"),
    ] {
        let words: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        let (code, out, err) = server.run(&words);
        let answer: serde_json::Value =
            serde_json::from_str(&out).unwrap_or_else(|_| panic!("{line}: {out}"));
        assert!(answer.get(field).is_some(), "{line}: {out}");
        assert_eq!((code, err.as_str()), (0, ""), "{line}");
    }
    let (code, out, _) = server.run(&["settled", "--json"]);
    assert_eq!((code, out.contains("\"settled\":false")), (1, true));
}

#[test]
fn what_is_not_done_in_time_goes_on() {
    let server = Server::new(JOBS);
    check(
        &server,
        &["start", "slow", "--timeout", "50ms"],
        6,
        "",
        "onsetctl: slow: not done after 50ms; it goes on\n",
    );
    check(&server, &["status", "slow"], 0, "slow start/pre-start, process PID\n", "");
    check(&server, &["stop", "slow", "--no-wait"], 0, "slow stop/pre-start, process PID\n", "");
}

#[test]
fn whether_an_event_was_worked_off_is_not_known_after_a_restart() {
    let server = Server::new(JOBS);
    let emit =
        server.command("onsetctl", &["emit", "go"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut talk = server.connect();
    let status = serde_json::json!({"job": "slow"});
    while talk.call("Status", status.clone())["parameters"]["status"]["goal"] != "start" {}
    drop(talk);
    server.crash();
    server.orders();
    let output = emit.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "onsetctl: Onset has restarted, and whether it was done is not known\n"
    );
}

#[test]
fn what_happens_is_printed_as_it_happens() {
    let server = Server::new(JOBS);
    let events = |words: &[&str]| {
        server.command("onsetctl", words).stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let mut people = events(&["events", "started", "-n", "1"]);
    let mut programs = events(&["events", "--json", "-n", "2"]);
    // It happens again and again, until both have looked on.
    let mut talk = server.connect();
    talk.call("Start", serde_json::json!({"job": "db"}));
    while people.try_wait().unwrap().is_none() || programs.try_wait().unwrap().is_none() {
        talk.call("Restart", serde_json::json!({"job": "db"}));
    }
    let people = String::from_utf8(people.wait_with_output().unwrap().stdout).unwrap();
    let (time, line) = people.trim_start().split_once(' ').unwrap();
    assert!(time.parse::<f64>().is_ok() && people.lines().count() == 1, "{people}");
    let me = nix::unistd::geteuid();
    let wanted = [
        format!("event started JOB=db INSTANCE=  <- command start by user {me}\n"),
        format!("event started JOB=db INSTANCE=  <- command restart by user {me}\n"),
        "event started JOB=shop INSTANCE=  <- event `started JOB=db INSTANCE=`\n".into(),
    ];
    assert!(wanted.iter().any(|wanted| wanted == line), "{people}");
    let programs = String::from_utf8(programs.wait_with_output().unwrap().stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        programs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let what: Vec<&str> = lines.iter().map(|line| line["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["watching", "event", "event"]);
}
