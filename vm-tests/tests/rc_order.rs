//! `rcorder`, as scripts call it: every row of what is known of the real one, on real files.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{fs, os::unix::fs::symlink, process::Command};

use vm_tests::{folder::Folder, programs};

/// A folder with files in it, and what `rcorder` makes of them.
struct Files(Folder);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Folder::new("rcorder").unwrap();
        for (name, bytes) in files {
            fs::write(folder.join(name), bytes).unwrap();
        }
        Self(folder)
    }

    /// What is printed, what is said, and the status.
    fn run(&self, words: &[&str]) -> (String, String, i32) {
        let output = Command::new(programs::program("onset-rc").unwrap())
            .arg("rcorder")
            .args(words)
            .current_dir(self.0.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code().unwrap())
    }
}

/// Runs `rcorder` on the files of `names`, which are all that there are if none is given.
#[track_caller]
fn check(files: &[(&str, &[u8])], expected: &str, said: &[&str], status: i32) {
    let folder = Files::new(files);
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let (out, err, code) = folder.run(&names);
    let said: String = said.iter().map(|line| format!("rcorder: {line}\n")).collect();
    assert_eq!(
        (out.split_whitespace().collect::<Vec<_>>().join(" "), err, code),
        (expected.into(), said, status)
    );
}

/// The file `late` provides `late`; what `header` says of the file `early`, which comes first without it, decides whether
/// that comes after.
#[track_caller]
fn requires_late(header: &[u8], does: bool) {
    let files = Files::new(&[("late", b"# PROVIDE: late\n"), ("early", header)]);
    let (out, _, _) = files.run(&["late", "early"]);
    assert_eq!(out, if does { "late\nearly\n" } else { "early\nlate\n" }, "{}", header.escape_ascii());
}

#[test]
fn a_header_line_is_one_to_the_letter() {
    for header in [
        "# REQUIRE: late\n",
        "# REQUIRES: late\n",
        "# REQUIRE:late\n",
        "# REQUIRE:\t\tlate\t\n",
        "# REQUIRE: late",
        "# PROVIDE: early\n# REQUIRE: late\n# KEYWORD: shutdown\n",
        "# KEYWORDS: a\n# PROVIDES: early\n# REQUIRE: late\n",
        "#!/bin/sh\n\n# a comment\n\nx=1\n# REQUIRE: late\n",
        "cat <<EOF\n# REQUIRE: late\nEOF\n",
        "# REQUIRE: \\\n late\n",
        "# REQUIRE: \\\\\\\n late\n# KEYWORD: x\n",
        "\u{feff}#!/bin/sh\n# REQUIRE: late\n",
        "# REQUIRE: late # because\n",
    ] {
        requires_late(header.as_bytes(), true);
    }
    for header in [
        "#REQUIRE: late\n",
        "#  REQUIRE: late\n",
        "#\tREQUIRE: late\n",
        " # REQUIRE: late\n",
        "# REQUIRE : late\n",
        "# require: late\n",
        "# AFTER: late\n",
        "# PROVIDE: early\n\n# REQUIRE: late\n",
        "# PROVIDE: early\n#\n# REQUIRE: late\n",
        "# PROVIDE: early\n# a comment\n# REQUIRE: late\n",
        "# PROVIDE: early \\\n# REQUIRE: late\n",
        "# REQUIRE: late,later\n",
        "# REQUIRE: late\r\n",
        "\u{feff}# REQUIRE: late\n",
        "# REQUIRE: Late\n",
    ] {
        requires_late(header.as_bytes(), false);
    }
}

#[test]
fn what_a_reader_did_not_mean_is_taken_as_it_stands() {
    // The line behind the backslash is part of the one before: its words are provisions.
    check(&[("b", b"# PROVIDE: p \\\n# REQUIRE: x\n"), ("a", b"# REQUIRE: REQUIRE: x\n")], "b a", &[], 0);
    // A file that requires `#` and provides it.
    let files: &[(&str, &[u8])] =
        &[("t", b"# PROVIDE: t # the service\n# REQUIRE: l # why\n"), ("l", b"# PROVIDE: l\n")];
    check(
        files,
        "l t",
        &[
            // Once on the way there, and once on the way round.
            "requirement `why' in file `t' has no providers.",
            "requirement `why' in file `t' has no providers.",
            "Circular dependency on provision `#': t -> t -> t.",
            "`t' was seen in circular dependencies for 1 times.",
        ],
        1,
    );
    // Bytes that are no UTF-8 are as good as others.
    check(
        &[("b", b"# PROVIDE: \xfc\n"), ("c", b"# PROVIDE: \xe4\n"), ("a", b"# REQUIRE: \xfc\n")],
        "b c a",
        &[],
        0,
    );
}

#[test]
fn trouble_is_told_and_leaves_nothing_out() {
    check(&[("m", b"# REQUIRE: nope\n")], "m", &["requirement `nope' in file `m' has no providers."], 1);
    check(&[("bu", b"# BEFORE: nothere\n")], "bu", &["file `bu' is before unknown provision `nothere'"], 0);
    check(
        &[("x", b"# PROVIDE: x\n# REQUIRE: y\n"), ("y", b"# PROVIDE: y\n# REQUIRE: x\n")],
        "x y",
        &[
            "Circular dependency on provision `x': x -> y -> x.",
            "`x' was seen in circular dependencies for 1 times.",
            "`y' was seen in circular dependencies for 1 times.",
        ],
        1,
    );
    check(
        &[("s", b"# PROVIDE: s\n# BEFORE: s\n")],
        "s",
        &[
            "Circular dependency on provision `fake_prov_00000000': s -> s -> s.",
            "`s' was seen in circular dependencies for 1 times.",
        ],
        1,
    );
    check(&[("empty", b""), ("none", b"echo\n")], "none empty", &[], 0);
}

#[test]
fn what_is_no_file_is_passed_over() {
    let files = Files::new(&[("a", b"# PROVIDE: a\n")]);
    fs::create_dir(files.0.join("folder")).unwrap();
    symlink("a", files.0.join("link")).unwrap();
    symlink("nowhere", files.0.join("dangling")).unwrap();
    Command::new("mkfifo").arg(files.0.join("pipe")).status().unwrap();
    let (out, err, code) = files.run(&["folder", "a", "link", "/dev/zero", "pipe", "dangling", "a"]);
    assert_eq!((out.as_str(), code), ("a\nlink\na\n", 0));
    assert_eq!(err, "rcorder: could not open dangling: No such file or directory\n");
    assert_eq!(files.run(&[]), (String::new(), String::new(), 0));
}

#[test]
fn options_are_those_of_the_real_one() {
    let files = Files::new(&[
        ("a", b"# PROVIDE: a\n# REQUIRE: m\n# KEYWORD: shutdown\n"),
        ("m", b"# PROVIDE: m\n# REQUIRE: z\n# KEYWORD: nostart\n"),
        ("y", b"# PROVIDE: y\n# BEFORE: m\n"),
        ("z", b"# PROVIDE: z\n"),
        ("crlf", b"# KEYWORD: shutdown\r\n"),
    ]);
    let all = ["a", "m", "y", "z", "crlf"];
    let run = |options: &[&str]| {
        let words: Vec<&str> = options.iter().chain(&all).copied().collect();
        files.run(&words)
    };
    assert_eq!(run(&["-s", "nostart"]).0, "crlf\nz\ny\na\n");
    assert_eq!(run(&["-k", "shutdown"]).0, "a\n");
    assert_eq!(run(&["-k", "shutdown", "-k", "nostart"]).0, "m\na\n");
    assert_eq!(run(&["-k", "shutdown", "-s", "shutdown"]).0, "");
    assert_eq!(run(&["-s", "nostart,shutdown"]).0, "crlf\nz\ny\nm\na\n");
    assert_eq!(run(&["-p"]).0, "crlf z y\nm\na\n");
    assert_eq!(run(&["-c"]).0, "crlf\nz\ny\nm\na\n");
    assert_eq!(run(&["-Z"]), (run(&[]).0, "rcorder: illegal option -- Z\n".into(), 0));
    let graph = run(&["-g"]).0;
    assert!(graph.starts_with("digraph") && graph.contains("\"a\" -> \"m\";"), "{graph}");
    assert!(graph.contains("\"m\" -> \"y\" [style=dashed];"), "{graph}");
}

#[test]
fn a_chain_of_sixty_thousand_files_is_no_trouble() {
    let files = Files::new(&[]);
    let count = 60_000_u32;
    let names: Vec<String> = (0..count).map(|at| format!("{at:05}")).collect();
    for (at, name) in names.iter().enumerate() {
        fs::write(files.0.join(name), format!("# PROVIDE: p{at}\n# REQUIRE: p{}\n", at.saturating_add(1)))
            .unwrap();
    }
    // The last one would go round.
    fs::write(files.0.join("59999"), "# PROVIDE: p59999\n").unwrap();
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let (out, err, code) = files.run(&words);
    assert_eq!((err.as_str(), code), ("", 0));
    assert!(out.lines().eq(names.iter().rev()));
}
