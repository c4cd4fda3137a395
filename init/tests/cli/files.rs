//! Which files `onsetctl` looks at, and what it says of those that it cannot or need not read.

use super::*;

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
fn a_header_deep_in_a_long_script_is_found() {
    let long = format!("#!/bin/sh\n{}\n# PROVIDE: a\n# REQUIRE: z\n\necho\n", "echo x\n".repeat(2_000));
    let tree = Tree::new(&[("etc/rc.d/a", &long), ("etc/rc.d/z", "#!/bin/sh\n# PROVIDE: z\n\n")]);
    assert_eq!(tree.run(&["order", "."]).1, "z\na\n");
}
