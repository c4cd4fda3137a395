//! `onsetctl simulate` as people use it, and the pages that come from the table of commands.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A folder that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("simulate-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn onsetctl(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onsetctl")).args(words).env("NO_COLOR", "1").output().unwrap()
}

/// What the command prints, and its exit code.
fn check(words: &[&str], code: i32, expected: &[&str]) {
    let output = onsetctl(words);
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    for line in expected {
        assert!(text.contains(line), "{words:?} does not say {line:?} but:\n{text}");
    }
    assert_eq!(output.status.code(), Some(code), "{words:?} says:\n{text}");
}

const DB: (&str, &str) = ("db.ron", "(exec: \"/bin/db\", start_on: \"startup\", ready: notify)");
const WEB: (&str, &str) = ("web.conf", "start on started db\nstop on stopping db\nexec /bin/web\n");

#[test]
fn a_boot_is_played_to_its_end() {
    let folder = Folder::new("boot", &[DB, WEB]);
    let path = folder.0.to_str().unwrap();
    let lines =
        ["      0 > spawn db main with UPSTART_EVENTS=startup", "    300 = ready db", "2 jobs up: db, web"];
    check(&["simulate", path, "--say", "db: ready 300ms"], 0, &lines);
    let lines = ["   5000 < shutdown poweroff", "   5000 > down poweroff", "the machine is down (poweroff)"];
    check(&["simulate", path, "--event", "startup", "--do", "5s shutdown poweroff"], 0, &lines);
    let lines = ["1 job failed or refused:", "db: main ended with status 3", "why db", "event `startup`"];
    check(
        &["simulate", path, "--event", "startup", "--do", "9s why db", "--say", "db: runs 5s, exit 3"],
        0,
        &lines,
    );
}

#[test]
fn a_script_and_a_world_come_from_files() {
    let script = ("script", "# a comment\n0 < event startup # here\n2s stop db\n");
    let world = ("world", "db: ready 100ms\n\ndb: stops in 1s\n");
    let folder = Folder::new("files", &[DB, WEB, script, world]);
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_string();
    let words = ["simulate", &path("db.ron"), "--script", &path("script"), "--world", &path("world")];
    check(&words, 0, &["   2000 > signal db TERM", "   3000 = exited db main 0", "1 job down: db"]);
}

#[test]
fn json_is_one_object_a_line() {
    let folder = Folder::new("json", &[DB]);
    let output = onsetctl(&["simulate", folder.0.to_str().unwrap(), "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.iter().any(
            |line| line["from"] == "onset" && line["text"] == "spawn db main with UPSTART_EVENTS=startup"
        )
    );
    assert_eq!(lines.last().unwrap()["status"]["state"], "running");
}

#[test]
fn what_is_wrong_is_said_and_the_rest_is_played() {
    let folder = Folder::new("wrong", &[DB, ("bad.ron", "(exec: 5)")]);
    let path = folder.0.to_str().unwrap();
    check(&["simulate", path], 1, &["bad.ron:1:8", "1 job up: db"]);
    check(&["simulate", path, "--event", "a=b c"], 2, &["argument `c` is not of the form KEY=VALUE"]);
    check(&["simulate", path, "--do", "fly"], 2, &["`fly` is nothing that can happen"]);
    check(&["simulate", path, "--say", "db: explodes"], 2, &["`explodes` is nothing a process does"]);
    check(&["simulate", path, "--until", "5 parsecs"], 2, &["--until"]);
    check(&["simulate", path, "--do", "exit db 1"], 2, &["no such process runs at 0 ms"]);
    check(&["simulate", path, "--do", "5s"], 2, &["nothing stands behind the time `5s`"]);
    check(&["simulate", path, "--event", "runlevel 2"], 2, &["`runlevel RUNLEVEL=2`"]);
    check(&["simulate", path, "--say", "bd: exit 1"], 2, &["there is no job `bd`; did you mean `db`?"]);
    check(&["simulate", path, "--say", "db pre-stop: exit 1"], 2, &["job `db` has no pre-stop; it has main"]);
    check(&["simulate", path, "--event", "statrup"], 1, &["nothing waits for `statrup`; did you mean"]);
    check(&["simulate", path, "--do", "gone link"], 1, &["it does not hold", "no `startup` was told to"]);
    check(&["simulate", "/no/such/place"], 2, &["/no/such/place"]);
    check(&["simulate", path, "--script", "/no/such/file"], 2, &["cannot read /no/such/file"]);
}

#[test]
fn a_line_that_cannot_be_ends_the_play_where_it_stands() {
    let folder = Folder::new("cannot", &[DB]);
    let path = folder.0.to_str().unwrap();
    for line in ["start bd", "exit bd 1", "why bd", "inside bd event x", "stop bd"] {
        let told = format!("--do: `{line}`: there is no job `bd`; did you mean `db`?");
        let doing = format!("9s {line}");
        check(
            &["simulate", path, "--event", "startup", "--do", &doing],
            2,
            &["      0 = spawned db main", &told],
        );
    }
}

#[test]
fn why_tells_what_a_job_waits_for() {
    let dhcp = ("dhcp.ron", "(exec: \"/bin/dhcp\", instance: \"$IFACE\", ready: notify)");
    let shop = ("shop.ron", "(exec: \"/bin/shop\", start_on: \"go\", needs: [\"dhcp IFACE=eth0\"])");
    let folder = Folder::new("why", &[DB, dhcp, shop]);
    let path = folder.0.to_str().unwrap();
    let words = ["simulate", path, "--event", "go", "--say", "dhcp: ready never", "--do", "5s why shop"];
    check(&words, 0, &["waits for dhcp (eth0) to be up", "event `go` from user 0"]);
    let words = ["simulate", path, "--event", "startup", "--say", "db: exit 3", "--do", "5s why db"];
    check(&words, 0, &["waits for the next: startup"]);
    check(&["simulate", path, "--do", "why db"], 0, &["start_on still misses: startup"]);
}

#[test]
fn errors_across_files_count() {
    let shop = ("shop.ron", "(exec: \"/bin/shop\", needs: [\"databse\"])");
    let folder = Folder::new("across", &[DB, shop]);
    check(&["simulate", folder.0.to_str().unwrap()], 1, &["databse", "1 job up: db"]);
}

#[test]
fn a_machine_that_is_down_stays_down() {
    let folder = Folder::new("down", &[DB]);
    let path = folder.0.to_str().unwrap();
    let words =
        ["simulate", path, "--event", "startup", "--do", "1s shutdown halt", "--do", "200s start db # late"];
    let output = onsetctl(&words[..6]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("> down halt\n\nAfter 1000 ms, the machine is down (halt)"), "{text}");
    check(&["simulate", path, "--do", "0 shutdown halt", "--do", "9s wait"], 0, &["not played: `wait`"]);
}

#[test]
fn the_summary_tells_what_was_skipped_and_not_played() {
    let late = ("late.ron", "(exec: \"/bin/late\", start_on: \"calendar AT=03:00\")");
    let picky = ("picky.ron", "(exec: \"/bin/picky\", start_on: \"startup\", check: \"/bin/has-disks\")");
    let folder = Folder::new("summary", &[DB, late, picky]);
    let path = folder.0.to_str().unwrap();
    let line = "not played: `calendar AT=03:00` (use --event 'calendar AT=03:00')";
    check(&["simulate", path, "--say", "picky check: exit 1"], 0, &[line, "1 job skipped: picky"]);
    let output = onsetctl(&["simulate", path, "--event", "calendar AT=03:00"]);
    assert!(!String::from_utf8(output.stdout).unwrap().contains("not played"));
    let folder = Folder::new("empty", &[]);
    check(&["simulate", folder.0.to_str().unwrap()], 0, &["After 0 ms:\n  no jobs"]);
}

#[test]
fn times_of_the_calendar_come_by_the_clock_on_the_wall() {
    let nightly = (
        "nightly.ron",
        "(exec: \"/bin/nightly\", task: true, start_on: \"calendar AT='Mon..Fri 03:00' TZ=CET-1CEST,M3.5.0,M10.5.0/3\")",
    );
    let quarter =
        ("quarter.ron", "(exec: \"/bin/quarter\", task: true, start_on: \"calendar AT=*:0/15 TZ=UTC\")");
    let folder = Folder::new("wall", &[nightly, quarter]);
    let path = folder.0.to_str().unwrap();
    // A Sunday: the next working day begins an hour before it does in UTC.
    let words = ["simulate", path, "--at", "2026-11-22T01:50:00Z", "--until", "1d10m"];
    let output = onsetctl(&words);
    let text = String::from_utf8(output.stdout).unwrap();
    let came = |what: &str| text.lines().filter(|line| line.contains(what) && line.contains(" < ")).count();
    assert_eq!((came("TIME=2026-11-23T03:00:00+01:00"), came("Mon..Fri")), (1, 1), "{text}");
    assert_eq!(came("AT=*:0/15"), 97, "{text}");
    assert!(text.contains("600000 < event calendar AT=*:0/15 TZ=UTC TIME=2026-11-22T02:00:00Z"), "{text}");
    assert!(!text.contains("not played"), "{text}");
    check(&["simulate", path, "--at", "tomorrow"], 2, &["--at: `tomorrow` is not as 2026-11-22T02:59:00Z"]);
    check(&["simulate", path], 0, &["not played: `calendar AT=*:0/15"]);
}

#[test]
fn the_manual_names_every_word() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/onsetctl.md");
    let manual = fs::read_to_string(manual).unwrap();
    for (_, form) in jobs::simulate::ORDERS {
        assert!(manual.contains(&format!("`{form}`")), "`{form}` is not in docs/onsetctl.md");
    }
    for word in jobs::simulate::WORDS {
        assert!(manual.contains(&format!("`{word}`")), "`{word}` is not in docs/onsetctl.md");
    }
}

#[test]
fn jobs_that_wake_each_other_for_ever_come_to_an_end() {
    let ping = ("ping.conf", "start on startup or stopped pong\ntask\nexec /bin/true\n");
    let pong = ("pong.conf", "start on stopped ping\ntask\nexec /bin/true\n");
    let folder = Folder::new("ring", &[ping, pong]);
    check(&["simulate", folder.0.to_str().unwrap()], 0, &["it starts itself again and again: "]);
}

#[test]
fn man_pages_and_completions_come_from_the_table() {
    check(&["completions", "bash"], 0, &["_onsetctl()", "simulate"]);
    check(&["completions", "tcsh"], 2, &["possible values"]);
    check(&["man"], 0, &[".TH onsetctl 1", "simulate"]);
    check(&["man", "check"], 0, &[".TH onsetctl-check 1", ".SH EXAMPLES", ".SH EXIT STATUS"]);
    check(&["man", "chekc"], 2, &["there is no command `chekc`; did you mean `check`?"]);
    check(&["man", "--dir", "/no/such/folder"], 2, &["cannot make /no/such/folder"]);
    let folder = Folder::new("man", &[]);
    check(&["man", "--dir", folder.0.to_str().unwrap()], 0, &[]);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man");
    if std::env::var_os("UPDATE").is_some() {
        check(&["man", "--dir", committed.to_str().unwrap()], 0, &[]);
    }
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(
        names(&folder.0),
        names(&committed),
        "UPDATE=1 cargo test -p init --test simulate writes docs/man"
    );
    for name in names(&folder.0) {
        let [new, old] = [&folder.0, &committed].map(|dir| fs::read_to_string(dir.join(&name)).unwrap());
        assert_eq!(new, old, "{} is old: UPDATE=1 cargo test -p init --test simulate", name.display());
    }
}
