//! A boot with the stock set, with scripts of other kinds beside it, as it is played.

use std::{fs, path::Path};

use super::root::{Root, onsetctl, text};

/// A script of a package, as Debian has them.
fn script(provides: &str, start: &str, levels: &str) -> String {
    format!(
        "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: {provides}\n# Required-Start: {start}\n# Required-Stop:\n\
         # Default-Start: {levels}\n# Default-Stop: 0 6\n### END INIT INFO\n"
    )
}

/// A machine with a bit of everything.
fn machine() -> Root {
    Root::with_stock(&[
        ("etc/init.d/keyboard", &script("keyboard", "mountkernfs", "S")),
        ("etc/init.d/networking", &script("networking", "mountkernfs $local_fs", "S")),
        ("etc/init.d/rsyslog", &script("rsyslog", "$remote_fs $time", "2 3 4 5")),
        ("etc/init.d/ssh", &script("sshd", "$remote_fs $syslog $network", "2 3 4 5")),
        ("etc/init.d/udev", &script("udev", "mountkernfs", "S")),
        ("etc/init/legacy.conf", "start on filesystem and runlevel [2345]\nexec /usr/bin/legacy\n"),
        ("etc/rc.d/pf", "#!/bin/sh\n# PROVIDE: pf\n# REQUIRE: FILESYSTEMS\n"),
        (
            "etc/onset/jobs/web.ron",
            "( start_on: \"runlevel [2345]\", needs: [\"sshd\"], exec: \"/usr/bin/web\" )",
        ),
    ])
}

/// What happens to jobs, without what every job has: one line each, without times.
fn played(root: &Root, words: &[&str]) -> String {
    let words: Vec<&str> = ["simulate", root.path()].into_iter().chain(words.iter().copied()).collect();
    let output = onsetctl(&words);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let all = text(&output.stdout);
    let lines = all.lines().filter_map(|line| {
        let what = line.split_once(" > ").or_else(|| line.split_once(" < "))?.1;
        let what = what.split(" with ").next().unwrap_or(what);
        let is_own = ["starting", "stopping", "stopped"]
            .iter()
            .any(|name| what.starts_with(&format!("event {name} ")));
        (!is_own).then(|| format!("{what}\n"))
    });
    lines.collect()
}

/// From power on to a reboot.
const EVENTS: [&str; 12] = [
    "--event",
    "startup",
    "--do",
    "0s fact console TTY=ttyS0",
    "--event",
    "1s filesystem",
    "--event",
    "2s runlevel RUNLEVEL=2 PREVLEVEL=N",
    "--do",
    "9s shutdown reboot",
    "--until",
    "1m",
];

#[test]
fn a_boot_has_an_order_that_makes_sense() {
    let root = machine();
    let found = played(&root, &EVENTS);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stock-boot.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(found == expected, "UPDATE=1 writes it anew, and the difference is to be read:\n{found}");
}

/// `first` comes before `then`, and both are there.
#[track_caller]
fn before(played: &str, first: &str, then: &str) {
    let place = |what: &str| {
        played.lines().position(|line| line == what).unwrap_or_else(|| panic!("no {what}:\n{played}"))
    };
    assert!(place(first) < place(then), "{then} before {first}:\n{played}");
}

#[test]
fn scripts_find_what_they_take_for_granted() {
    let played = played(
        &machine(),
        &[
            "--event",
            "startup",
            "--event",
            "2s runlevel RUNLEVEL=2 PREVLEVEL=N",
            "--do",
            "0s fact console TTY=ttyS0",
        ],
    );
    for (first, then) in [
        ("event started JOB=remount INSTANCE=", "spawn keyboard main"),
        ("event started JOB=fstab INSTANCE=", "spawn networking main"),
        ("event started JOB=tmpfiles INSTANCE=", "spawn networking main"),
        ("event started JOB=tmpfiles INSTANCE=", "event started JOB=pf INSTANCE="),
        ("event started JOB=udev INSTANCE=", "spawn fstab main"),
        ("event started JOB=networking INSTANCE=", "spawn runlevel main"),
        ("event started JOB=keyboard INSTANCE=", "spawn runlevel main"),
        ("event started JOB=ssh INSTANCE=", "spawn web main"),
        ("event started JOB=runlevel INSTANCE=", "spawn getty (ttyS0) main"),
    ] {
        before(&played, first, then);
    }
}

#[test]
fn the_shell_for_one_person_has_the_console_to_itself() {
    let root = Root::with_stock(&[]);
    let words = [
        "--event",
        "startup",
        "--do",
        "0s fact console TTY=ttyS0",
        "--event",
        "1s runlevel RUNLEVEL=S PREVLEVEL=N",
        "--say",
        "single: runs 8s, exit 0",
    ];
    let played = played(&root, &words);
    before(&played, "event started JOB=single INSTANCE=", "signal getty (ttyS0) HUP");
    before(&played, "signal getty (ttyS0) HUP", "spawn single post-stop");
    let prompts = played.lines().filter(|line| *line == "spawn getty (ttyS0) main").count();
    assert_eq!(prompts, 2, "it comes back when the shell has ended:\n{played}");
}
