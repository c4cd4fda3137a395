//! `onsetctl` as people and programs meet it: what it prints, and its exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod check;
mod files;

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
