//! `onsetctl` as people meet it: what it prints, and how it ends.

use super::Server;

const JOBS: &[(&str, &str)] = &[
    ("db", "exec db\n"),
    ("shop", "start on started db\nexec shop\n"),
    ("inst", "instance $W\nusage \"inst W=name\"\nexec inst\n"),
    ("task", "task\nexec false\n"),
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
        &["emit", "x", "A"],
        2,
        "",
        "onsetctl: parameter `args`: argument `A` is not of the form KEY=VALUE\n",
    );
}

#[test]
fn an_onset_that_is_not_there_is_told() {
    let server = Server::new(&[]);
    let (code, out, err) = server.run(&["--socket", "/nowhere/control", "list"]);
    assert_eq!((code, out.as_str()), (5, ""));
    assert_eq!(err, "onsetctl: cannot reach Onset at /nowhere/control: it does not run here\n");
}
