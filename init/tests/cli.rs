//! `onsetctl` as people and programs meet it: what it prints, and its exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder of this test's own, gone with it.
struct Tree(PathBuf);

impl Tree {
    /// With these files; one whose text begins with `#!` may be executed.
    fn new(files: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let tree = Self(std::env::temp_dir().join(format!("onsetctl-{}-{number}", std::process::id())));
        fs::create_dir_all(&tree.0).unwrap();
        for (path, text) in files {
            tree.write(path, text.as_bytes());
        }
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::write(&path, bytes).unwrap();
        let mode = if bytes.starts_with(b"#!") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Exit status, standard output and standard error of `onsetctl` in this folder.
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        run(&self.0, words)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onsetctl"));
    let output = command.current_dir(folder).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// `onsetctl check .` on these files must print this and end so.
#[track_caller]
fn check(files: &[(&str, &str)], expected: &str, status: i32) {
    let (found, out, err) = Tree::new(files).run(&["check", "."]);
    assert_eq!((out.as_str(), err.as_str()), (expected, ""));
    assert_eq!(found, status);
}

const SHOP: &str = "(
    description: \"the shop\",
    start_on: \"startup\",
    needs: [\"databse\"],
    exec: \"/usr/bin/shop\",
)
";
const POSTGRESQL: &str = "#!/bin/sh
# PROVIDE: postgresql database
# REQUIRE: LOGIN

. /etc/rc.subr
name=postgresql
run_rc_command \"$1\"
";

#[test]
fn a_name_that_nobody_provides_is_cited_with_a_guess() {
    check(
        &[("etc/onset/jobs/shop.ron", SHOP), ("etc/rc.d/postgresql", POSTGRESQL)],
        "\
error[need-unknown]: job `shop` needs `databse`, which no job provides
 --> ./etc/onset/jobs/shop.ron:4:14
  |
4 |     needs: [\"databse\"],
  |              ^^^^^^^ needed here
  |
  = help: did you mean `database`, provided by ./etc/rc.d/postgresql?

warning[no-provider]: job `postgresql` requires `LOGIN`, which no job provides
 --> ./etc/rc.d/postgresql:3:12
  |
3 | # REQUIRE: LOGIN
  |            ^^^^^ required here
  |
  = help: the job starts without it

2 jobs, 1 error, 1 warning
",
        1,
    );
}

#[test]
fn a_misspelt_field_is_cited_with_a_guess() {
    check(
        &[("web.ron", "(\n    start_om: \"startup\",\n    exec: \"/bin/web\",\n)\n")],
        "\
error[unknown-field]: there is no field `start_om`
 --> ./web.ron:2:5
  |
2 |     start_om: \"startup\",
  |     ^^^^^^^^ unknown
  |
  = help: did you mean `start_on`?

0 jobs, 1 error, 0 warnings; refused: web
",
        1,
    );
}

#[test]
fn a_loop_is_shown_whole_with_each_line() {
    check(
        &[
            (
                "net.ron",
                "(\n    start_on: \"startup\",\n    requires: [\"pf\"],\n    exec: \"/bin/net\",\n)\n",
            ),
            ("pf", "#!/bin/sh\n# PROVIDE: pf\n# REQUIRE: net\n\necho\n"),
        ],
        "\
warning[loop]: jobs wait for each other: net -> pf -> net
 --> ./net.ron:3:17
  |
3 |     requires: [\"pf\"],
  |                 ^^ `net` requires `pf` (ignored)
  |
 ::: ./pf:3:12
  |
3 | # REQUIRE: net
  |            --- `pf` requires `net`
  |
  = help: all of them start, and `net` does not wait for `pf`: take one of the names out

2 jobs, 0 errors, 1 warning
",
        1,
    );
}

#[test]
fn a_job_that_can_never_start_is_told() {
    check(
        &[
            ("x.conf", "start on started wbe\nexec /bin/x\n"),
            ("web.conf", "start on startup\nexec /bin/web\n"),
        ],
        "\
warning[never-starts]: there is no job `wbe` for `started`, so job `x` can never start
 --> ./x.conf:1:18
  |
1 | start on started wbe
  |                  ^^^ no such job
  |
  = help: did you mean `web`?

2 jobs, 0 errors, 1 warning
",
        0,
    );
}

#[test]
fn jobs_that_deny_each_other_are_an_error() {
    check(
        &[
            ("a.ron", "(while: \"not running b\", exec: \"/bin/a\")\n"),
            ("b.ron", "(while: \"not running a\", exec: \"/bin/b\")\n"),
        ],
        "\
error[while-loop]: jobs run only while others of them do not: a, b
 --> ./a.ron:1:14
  |
1 | (while: \"not running b\", exec: \"/bin/a\")
  |              ^^^^^^^ `a` runs while not `running b`
  |
 ::: ./b.ron:1:14
  |
1 | (while: \"not running a\", exec: \"/bin/b\")
  |              ------- `b` runs while not `running a`
  |
  = help: each would start and stop the others for ever: take one of the `not`s out

2 jobs, 1 error, 0 warnings
",
        1,
    );
}

#[test]
fn what_is_no_regular_file_is_never_opened() {
    let tree = Tree::new(&[("etc/onset/jobs/a.ron", "(start_on: \"startup\", exec: \"/bin/a\")")]);
    let fifo = tree.path("etc/onset/jobs/fifo.ron");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    symlink("/dev/null", tree.path("etc/onset/jobs/masked.ron")).unwrap();
    symlink("/dev/zero", tree.path("etc/onset/jobs/zero.ron")).unwrap();
    symlink("nowhere", tree.path("etc/onset/jobs/dangling.ron")).unwrap();
    symlink("round.ron", tree.path("etc/onset/jobs/round.ron")).unwrap();
    let (status, out, _) = tree.run(&["check", "."]);
    assert_eq!(status, 1);
    assert!(
        out.contains(
            "error[not-a-file]: not a regular file, so it is not opened\n--> ./etc/onset/jobs/fifo.ron"
        ),
        "{out}"
    );
    assert!(
        out.ends_with("1 job, 4 errors, 0 warnings; refused: dangling, fifo, round, zero; masked: masked\n"),
        "{out}"
    );
}

/// `onsetctl` as somebody who may not read everything: exit status, standard output and standard error.
fn run_as_nobody(tree: &Tree, words: &[&str]) -> (i32, String, String) {
    // Where the program was built need not be a place that everybody may enter.
    let program = tree.0.join("onsetctl");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_onsetctl"), &program).unwrap();
    }
    let mut command = Command::new(&program);
    if fs::metadata(&tree.0).unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    let output = command.current_dir(tree.0.join("at")).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_may_not_be_read_is_said_once_by_every_command() {
    let tree = Tree::new(&[
        ("at/root/etc/onset/jobs/a.ron", "(start_on: \"startup\", exec: \"/bin/a\")"),
        ("at/root/etc/init/x.conf", "exec /bin/x"),
        ("at/loose/a.ron", "(start_on: \"startup\", exec: \"/bin/a\")"),
        ("at/closed/etc/init/x.conf", "exec /bin/x"),
    ]);
    let lock = |path: &str| {
        fs::set_permissions(tree.0.join(path), fs::Permissions::from_mode(0o000)).unwrap();
    };
    ["at/root/etc/init", "at/loose/a.ron", "at/closed/etc"].into_iter().for_each(lock);
    for command in ["check", "order", "graph", "simulate"] {
        for (path, what) in [("root", "folder"), ("loose", "file"), ("closed", "folder")] {
            let direct = path == "loose";
            let (status, out, err) = run_as_nobody(&tree, &[command, path]);
            let said = if command == "check" { &out } else { &err };
            let line = format!("error[unreadable]: {what} cannot be read: Permission denied");
            assert_eq!((status, said.matches(&line).count()), (1, 1), "{command} {path}: {out}{err}");
            assert!(said.contains("= help: run as a user who may read it"), "{said}");
            if direct {
                let (status, out, err) = run_as_nobody(&tree, &[command, "loose/a.ron"]);
                assert_eq!((status, out.as_str()), (2, ""));
                assert!(err.ends_with("run as a user who may read it\n"), "{err}");
            }
        }
        let (status, _, err) = run_as_nobody(&tree, &[command, "root/etc/init"]);
        assert_eq!(status, 2, "{err}");
    }
    for path in ["at/root/etc/init", "at/closed/etc"] {
        fs::set_permissions(tree.0.join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_folder_with_the_name_of_a_job_is_told() {
    let text = "(start_on: \"startup\", exec: \"/bin/a\")";
    for folder in ["", "jobs/"] {
        let tree = Tree::new(&[(&format!("{folder}a.ron"), text), (&format!("{folder}d.ron/b.ron"), text)]);
        let (status, out, _) = tree.run(&["check", "."]);
        assert_eq!(status, 1, "{out}");
        assert!(out.contains("error[not-a-file]: a folder with the name of a job file"), "{out}");
        assert!(out.ends_with("1 job, 1 error, 0 warnings\n"), "{out}");
    }
}

#[test]
fn a_file_that_is_given_twice_is_taken_once() {
    let tree = Tree::new(&[("jobs/a.ron", "(start_on: \"startup\", exec: \"/bin/a\")")]);
    for words in [["jobs/a.ron", "jobs/a.ron"], ["jobs", "./jobs/../jobs/a.ron"], [".", "jobs"]] {
        let (status, out, _) = tree.run(&[&["check"][..], &words].concat());
        assert_eq!((status, out.as_str()), (0, "1 job, 0 errors, 0 warnings\n"), "{words:?}");
    }
}

#[test]
fn files_that_are_no_jobs_are_counted() {
    let tree = Tree::new(&[
        ("a.ron", "(start_on: \"startup\", exec: \"/bin/a\")"),
        ("b.Ron", "()"),
        ("c.ron.bak", "()"),
        // Not a folder of a machine: it makes this no root.
        ("etc", "etcetera"),
        ("foo.service", "[Unit]"),
    ]);
    let (status, out, _) = tree.run(&["check", "."]);
    let expected = "1 job, 0 errors, 0 warnings; 4 files not read: b.Ron, c.ron.bak, etc, foo.service\n";
    assert_eq!((status, out.as_str()), (0, expected));
    let (_, out, _) = tree.run(&["check", "--json", "."]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["unread"], serde_json::json!(["b.Ron", "c.ron.bak", "etc", "foo.service"]));
    assert!(tree.run(&["check", "a.ron", "foo.service"]).1.ends_with("; 1 file not read: foo.service\n"));
}

#[test]
fn a_link_leads_to_where_it_leads_on_the_machine() {
    let tree = Tree::new(&[("usr/share/a.ron", "(start_on: \"startup\", exec: \"/bin/a\")")]);
    symlink("/usr/share/a.ron", tree.path("etc/onset/jobs/absolute.ron")).unwrap();
    symlink("../../../usr/share/a.ron", tree.path("etc/onset/jobs/relative.ron")).unwrap();
    assert_eq!(tree.run(&["order", "."]), (0, "absolute\nrelative\n".into(), String::new()));
}

const OPENVPN: &str = "#!/bin/sh\n# PROVIDE: vpn\n\nname=${0##*/}\n. /etc/rc.subr\n";

#[test]
fn a_script_under_several_names_is_started_once() {
    let tree = Tree::new(&[("etc/rc.d/web", POSTGRESQL), ("usr/local/etc/rc.d/vpn", OPENVPN)]);
    symlink("web", tree.path("etc/rc.d/a-link")).unwrap();
    symlink("/etc/rc.d/web", tree.path("usr/local/etc/rc.d/web")).unwrap();
    symlink("vpn", tree.path("usr/local/etc/rc.d/vpn-office")).unwrap();
    symlink("/usr/share/z", tree.path("etc/rc.d/y")).unwrap();
    symlink("/usr/share/z", tree.path("etc/rc.d/z")).unwrap();
    tree.write("usr/share/z", b"#!/bin/sh\n# PROVIDE: z\n\necho\n");
    assert_eq!(tree.run(&["order", "."]).1, "vpn\nvpn-office\nweb\ny\n");
    let (_, out, _) = tree.run(&["check", "."]);
    assert_eq!(out.matches("warning[same-script]").count(), 3, "{out}");
    assert!(!out.contains("shadowed-job"), "{out}");
}

#[test]
fn a_folder_that_is_a_link_is_looked_into_once_and_within_the_tree() {
    let tree = Tree::new(&[("etc/rc.d/a", SCRIPTS[0].1), ("opt/local/etc/rc.d/b", SCRIPTS[1].1)]);
    fs::create_dir_all(tree.path("usr")).unwrap();
    symlink("/opt/local", tree.path("usr/local")).unwrap();
    assert_eq!(tree.run(&["order", "."]).1, "b\na\n");
    fs::remove_dir_all(tree.path("opt/local/etc/rc.d")).unwrap();
    symlink("/etc/rc.d", tree.path("opt/local/etc/rc.d")).unwrap();
    assert_eq!(tree.run(&["order", "."]).1, "a\n");
    assert!(!tree.run(&["check", "."]).1.contains("shadowed-job"));
}

#[test]
fn a_hook_may_be_any_program() {
    let tree = Tree::new(&[]);
    tree.write("etc/onset/hooks/startup/10-program", b"#!\xff\xfe");
    tree.write("etc/onset/hooks/startup/20-large", &[b"#!/bin/x\n".as_slice(), &vec![0; 2 << 20]].concat());
    let (status, out, _) = tree.run(&["check", "."]);
    assert_eq!((status, out.as_str()), (0, "2 jobs, 0 errors, 0 warnings\n"));
}

#[test]
fn what_cannot_be_text_is_refused_and_not_fatal() {
    let tree = Tree::new(&[("etc/rc.d/good", "#!/bin/sh\n# PROVIDE: good\n\necho\n")]);
    tree.write("etc/onset/jobs/latin.ron", b"(\n  exec: \"\xe4\",\n)");
    tree.write("etc/onset/jobs/long.ron", &vec![b' '; (1 << 20) + 1]);
    fs::write(tree.path("etc/rc.d/x").with_file_name(OsStr::from_bytes(b"b\xffd")), "x").unwrap();
    let (status, out, _) = tree.run(&["check", "."]);
    assert_eq!(status, 1);
    for line in
        ["error[not-utf8]: file is not UTF-8 text: see line 2", "error[too-long]", "warning[bad-file-name]"]
    {
        assert!(out.contains(line), "{out}");
    }
    assert!(out.ends_with("refused: latin, long\n"), "{out}");
}

#[test]
fn a_script_may_have_any_bytes_in_its_comments() {
    let tree = Tree::new(&[]);
    tree.write("etc/init.d/smart", b"#!/bin/sh\n# by J\xf6rg\n### BEGIN INIT INFO\n# Provides: smart\n# Requierd-Start: x\n### END INIT INFO\n");
    let (_, out, _) = tree.run(&["check", "."]);
    assert!(out.contains("5 | # Requierd-Start: x\n  |   ^^^^^^^^^^^^^^ no such key"), "{out}");
    assert!(out.contains("1 job, 0 errors"), "{out}");
}

#[test]
fn what_is_no_text_to_look_at_is_not_shown() {
    let tree = Tree::new(&[]);
    tree.write("binary.ron", b"(\n  exec: \"a\0b\",\n)");
    tree.write("huge.ron", &vec![b' '; 300 * 1024]);
    let (status, out, _) = tree.run(&["check", "."]);
    assert_eq!(status, 1);
    assert!(out.contains("--> ./binary.ron:2\n"), "{out}");
    assert!(out.contains("--> ./huge.ron\n"), "{out}");
    assert!(!out.contains('\0') && !out.contains("|\n"), "{out}");
}

#[test]
fn warnings_fail_only_if_asked_to() {
    let tree = Tree::new(&[("a", "#!/bin/sh\n# PROVIDE: a\n# REQUIRE: nope\n\necho\n")]);
    assert_eq!(tree.run(&["check", "."]).0, 0);
    assert_eq!(tree.run(&["check", "--strict", "."]).0, 1);
}

#[test]
fn a_wrong_command_ends_with_2() {
    let tree = Tree::new(&[]);
    for words in [&["chekc"][..], &["check", "--nope"], &["check", "nowhere"], &[], &["order", "-k"]] {
        let (status, out, err) = tree.run(words);
        assert_eq!((status, out.as_str()), (2, ""), "{words:?}");
        assert!(!err.is_empty(), "{words:?}");
    }
    let (status, out, _) = tree.run(&["check", "--help"]);
    assert_eq!(status, 0);
    assert!(out.contains("Examples:") && out.contains("Exit status:"));
}

#[test]
fn json_has_the_place_of_everything() {
    let tree = Tree::new(&[("etc/onset/jobs/shop.ron", SHOP), ("etc/rc.d/postgresql", POSTGRESQL)]);
    let (status, out, _) = tree.run(&["check", "--json", "."]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &answer["jobs"], &answer["errors"]), (1, &2.into(), &1.into()));
    let report = &answer["reports"][0];
    assert_eq!(report["code"], "need-unknown");
    let place = &report["places"][0];
    assert_eq!(
        (&place["line"], &place["column"], &place["text"]),
        (&4.into(), &14.into(), &"databse".into())
    );
    let (_, out, _) = tree.run(&["order", "--json", "."]);
    let lines: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&lines[0]["name"], &lines[0]["level"]), (&"postgresql".into(), &1.into()));
}

const SCRIPTS: [(&str, &str); 4] = [
    ("etc/rc.d/a", "#!/bin/sh\n# PROVIDE: a\n# REQUIRE: b\n# KEYWORD: shutdown\n\n"),
    ("etc/rc.d/b", "#!/bin/sh\n# PROVIDE: b\n# REQUIRE: c\n# KEYWORD: nostart\n\n"),
    ("etc/rc.d/c", "#!/bin/sh\n# PROVIDE: c\n# KEYWORD: shutdown nojail\n\n"),
    ("etc/rc.d/d", "#!/bin/sh\n# PROVIDE: d\n\n"),
];

#[test]
fn order_prints_filters_and_turns_round() {
    let tree = Tree::new(&SCRIPTS);
    for (words, expected) in [
        (&[][..], "c\nd\nb\na\n"),
        (&["--levels"], "c d\nb\na\n"),
        (&["--reverse"], "a\nb\nd\nc\n"),
        (&["-s", "nostart"], "c\nd\na\n"),
        (&["-k", "shutdown"], "c\na\n"),
        (&["-k", "shutdown", "-s", "nojail", "--reverse"], "a\n"),
        (&["--files", "-k", "nostart"], "./etc/rc.d/b\n"),
    ] {
        let (status, out, err) = tree.run(&[&["order", "."][..], words].concat());
        assert_eq!((status, out.as_str(), err.as_str()), (0, expected, ""), "{words:?}");
    }
}

#[test]
fn order_goes_on_in_spite_of_loops_and_says_so() {
    let tree = Tree::new(&[
        ("a", "#!/bin/sh\n# PROVIDE: a\n# REQUIRE: b nope\n\n"),
        ("b", "#!/bin/sh\n# PROVIDE: b\n# REQUIRE: a\n\n"),
    ]);
    let (status, out, err) = tree.run(&["order", "."]);
    assert_eq!((status, out.as_str()), (1, "a\nb\n"));
    assert!(err.contains("warning[loop]"), "{err}");
    assert!(err.ends_with("onsetctl: nobody provides nope: see `onsetctl check`\n"), "{err}");
}

#[test]
fn a_header_deep_in_a_long_script_is_found() {
    let long = format!("#!/bin/sh\n{}\n# PROVIDE: a\n# REQUIRE: z\n\necho\n", "echo x\n".repeat(2_000));
    let tree = Tree::new(&[("etc/rc.d/a", &long), ("etc/rc.d/z", "#!/bin/sh\n# PROVIDE: z\n\n")]);
    assert_eq!(tree.run(&["order", "."]).1, "z\na\n");
}

#[test]
fn a_graph_is_drawn_in_both_languages() {
    let tree = Tree::new(&SCRIPTS);
    let (status, dot, _) = tree.run(&["graph", "."]);
    assert_eq!(status, 0);
    assert!(dot.starts_with("digraph jobs {") && dot.contains("label=\"a\"") && dot.contains(" -> "));
    let (status, svg, _) = tree.run(&["graph", "--svg", "."]);
    assert_eq!(status, 0);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<g>").count(), 5, "four jobs and one event");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let tree = Tree::new(&SCRIPTS);
    for n in 0..3_000 {
        tree.write(&format!("etc/rc.d/s{n}"), format!("#!/bin/sh\n# PROVIDE: s{n}\n\n").as_bytes());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_onsetctl"));
    command.current_dir(&tree.0).args(["graph", "--svg", "."]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &[][..]));
}

#[test]
fn colours_are_for_terminals_only() {
    let tree = Tree::new(&[("etc/onset/jobs/shop.ron", SHOP)]);
    assert!(!tree.run(&["check", "."]).1.contains('\u{1b}'));
}
