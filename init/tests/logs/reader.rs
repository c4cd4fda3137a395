//! `onsetctl log`, on what a log keeper has written.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::machine::Machine;

fn onsetctl(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onsetctl"));
    command.arg("log").args(arguments).arg("--root").arg(root).env_remove("NO_COLOR");
    command
}

/// What is printed, without times.
fn printed(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| String::from(line.get(25..).unwrap_or(line))).collect()
}

/// A root with logs: the older files of web, and an instance of it in the early folder.
fn root(name: &str) -> std::path::PathBuf {
    let root = std::env::temp_dir().join(format!("onset-reader-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    let (lasting, early) = (root.join("var/log/onset"), root.join("run/onset/log"));
    fs::create_dir_all(&lasting).unwrap();
    fs::create_dir_all(&early).unwrap();
    let line = |minute: u32, text: &str| format!("2026-11-21T07:{minute:02}:00.000Z {text}\n");
    fs::write(lasting.join("web.log.2"), line(1, "one")).unwrap();
    fs::write(lasting.join("web.log.1"), line(2, "<3>two") + &line(4, "three")).unwrap();
    fs::write(lasting.join("web.log"), line(6, "four") + "2026-11-21T07:07").unwrap();
    fs::write(early.join("web.log"), line(8, "five")).unwrap();
    fs::write(lasting.join("web@a%2Fb.log"), line(3, "instance")).unwrap();
    fs::write(lasting.join("mail.log"), line(5, "mail\x1b[31m")).unwrap();
    fs::write(lasting.join("web.log.gz"), "no log").unwrap();
    root
}

#[test]
fn logs_are_read_from_the_oldest_to_the_newest() {
    let root = root("order");
    let web = ["one", "[error] two", "three", "four", "five"];
    for (arguments, lines) in [
        (&["web", "--instance", ""][..], web.to_vec()),
        (&["web", "-n", "2", "--instance", ""], vec!["four", "five"]),
        (&["web", "--since", "2026-11-21T07:04", "-n", "1"], vec!["web: five"]),
        (&["web", "--instance", "a/b"], vec!["instance"]),
        (&["mail"], vec!["mail\x1b[31m"]),
        (
            &["--all", "--since", "2026-11-21T07:02"],
            vec![
                "web: [error] two",
                "web (a/b): instance",
                "web: three",
                "mail: mail\x1b[31m",
                "web: four",
                "web: five",
            ],
        ),
    ] {
        let output = onsetctl(&root, arguments).output().unwrap();
        assert_eq!(printed(&output), lines, "{arguments:?}");
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    }
    let output = onsetctl(&root, &["web", "--json", "-n", "1", "--instance", "a/b"]).output().unwrap();
    let json = "{\"time\":\"2026-11-21T07:03:00.000Z\",\"job\":\"web\",\"instance\":\"a/b\",\"text\":\"instance\"}\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), json);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_log_that_is_not_there_is_said() {
    let root = root("missing");
    for (arguments, code, said) in [
        (&["wbe"][..], 3, "there is no log of `wbe`; did you mean `web`?"),
        (&["database"], 3, "it has written nothing, or there is no such job"),
        (&["web", "--instance", "c"], 3, "there is no log of `c` of `web`, but of ``, `a/b`"),
        (&["web", "--since", "soon"], 2, "write 90s, 2h, 07:30"),
        (&[], 2, "<JOB>"),
    ] {
        let output = onsetctl(&root, arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
    fs::remove_dir_all(&root).unwrap();
    let output = onsetctl(&root, &["web"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there are no logs: neither"));
}

#[test]
fn a_log_is_followed_over_rotation_and_from_folder_to_folder() {
    let mut machine = Machine::new(false);
    machine.logs.settings().size = 20_000;
    // As many files as it takes that a reader who is slow misses none.
    machine.logs.settings().files = 1_000;
    machine.start_keeper(Stdio::null());
    let (life, mut child) = machine.start("count", &["/usr/bin/seq", "1", "1000"]);
    child.wait().unwrap();
    machine.forget(life);
    machine.until("it is kept early", |machine| machine.lines("count").len() == 1_000);
    let mut reader = onsetctl(&machine.root, &["count", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(reader.stdout.take().unwrap()).lines();
    let mut expect = |numbers: std::ops::RangeInclusive<u32>| {
        for number in numbers {
            let line = shown.next().unwrap().unwrap();
            assert_eq!(line.get(25..), Some(number.to_string().as_str()));
        }
    };
    expect(1..=1_000);
    fs::create_dir_all(machine.root.join("var/log")).unwrap();
    machine.with(|logs, shell| logs.writable(shell));
    let (life, mut child) = machine.start("count", &["/usr/bin/seq", "1001", "20000"]);
    machine.until("all is written", |_| child.try_wait().unwrap().is_some());
    machine.forget(life);
    machine.until("the pipe is closed", |machine| machine.logs.pipes() == 1);
    expect(1_001..=20_000);
    let life = machine.life();
    let mut pipe = fs::File::from(machine.output(life, "count", ""));
    pipe.write_all(b"20001\n").unwrap();
    machine.until("it is kept", |machine| machine.log("count").ends_with(" 20001\n"));
    expect(20_001..=20_001);
    reader.kill().unwrap();
    reader.wait().unwrap();
}
