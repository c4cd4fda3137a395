//! `sysrc`, as people and scripts call it: on real files, with all that may be in them and around them.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    process::{Child, Command, Stdio},
};

use vm_tests::{
    folder::Folder,
    namespace::{Machine, Options, Ran},
    programs,
};

/// A folder with an rc.conf.
struct Conf(Folder);

impl Conf {
    fn new(text: &str) -> Self {
        let folder = Folder::new("sysrc").unwrap();
        fs::write(folder.join("rc.conf"), text).unwrap();
        Self(folder)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(programs::program("onset-rc").unwrap());
        command.args(["sysrc", "-f", "rc.conf"]).args(words).current_dir(self.0.path());
        command.env("RC_DEFAULTS", self.0.join("defaults")).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        let output = self.command(words).output().unwrap();
        Ran {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn text(&self) -> String {
        fs::read_to_string(self.0.join("rc.conf")).unwrap()
    }

    /// What a shell that reads the file finds in a variable.
    fn in_shell(&self, name: &str) -> String {
        let script = format!(". ./rc.conf; printf %s \"${name}\"");
        let output = Command::new("sh").args(["-c", &script]).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[track_caller]
fn check(before: &str, words: &[&str], out: &str, after: &str) {
    let conf = Conf::new(before);
    let ran = conf.run(words);
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.status), (out, "", 0));
    assert_eq!(conf.text(), after);
}

#[test]
fn variables_are_shown_in_every_form() {
    let text = "# comment\na=\"1 2\"\nb='x' # why\nc=$a\nd=\"$(printf dynamic)\"\n";
    check(text, &["a"], "a: 1 2\n", text);
    check(text, &["-n", "a", "b"], "1 2\nx\n", text);
    check(text, &["-e", "c"], "c=\"1 2\"\n", text);
    check(text, &["-N", "a"], "a\n", text);
    check(text, &["-v", "a"], "rc.conf: a: 1 2\n", text);
    check(text, &["-F", "a"], "a: rc.conf\n", text);
    check(text, &["d"], "d: dynamic\n", text);
    check(text, &["-a"], "a: 1 2\nb: x\nc: 1 2\nd: dynamic\n", text);
    check(text, &["-l"], "rc.conf\n", text);
    check(text, &["-c", "a=1 2"], "", text);
    check(text, &["-i", "a"], "a: 1 2\n", text);
}

#[test]
fn a_change_is_told_and_leaves_the_rest_alone() {
    let text = "# head\na=NO\t# why\n\nb=1\n";
    check(text, &["a=YES"], "a: NO -> YES\n", "# head\na=\"YES\"\t# why\n\nb=1\n");
    check(text, &["c=5"], "c:  -> 5\n", "# head\na=NO\t# why\n\nb=1\nc=\"5\"\n");
    check(text, &["-n", "b=2"], "1 -> 2\n", "# head\na=NO\t# why\n\nb=\"2\"\n");
    check(text, &["-v", "b=2"], "rc.conf: b: 1 -> 2\n", "# head\na=NO\t# why\n\nb=\"2\"\n");
    check(text, &["-e", "b=2"], "b=\"1\" # -> \"2\"\n", "# head\na=NO\t# why\n\nb=\"2\"\n");
    check(
        "x=\"a b\"",
        &["x+=c", "x-=a", "x+=c"],
        "x: a b -> a b c\nx: a b c -> b c\nx: b c -> b c\n",
        "x=\"b c\"",
    );
    check(text, &["-x", "a"], "", "# head\n\nb=1\n");
    check("a=1\na=2\nb=3\n", &["-x", "a"], "", "b=3\n");
    check("a=1", &["a="], "a: 1 -> \n", "a=\"\"");
}

#[test]
fn what_cannot_be_done_is_told_and_changes_nothing() {
    let text = "a=1\nif true; then\n    b=2\nfi\n";
    let conf = Conf::new(text);
    for (words, status, said) in [
        (&["nope"][..], 1, "sysrc: unknown variable 'nope'\n"),
        (&["-q", "nope"], 1, ""),
        (&["-x", "nope"], 1, "sysrc: unknown variable 'nope'\n"),
        (&["-x", "b"], 1, "sysrc: rc.conf:3: `b' is set under a condition: take it out by hand\n"),
        (&["-c", "a=2"], 1, ""),
        (&["bad-name=1"], 1, "sysrc: bad-name: name contains characters not allowed in shell\n"),
        (&["$(touch x)=1"], 1, "sysrc: $(touch x): name contains characters not allowed in shell\n"),
        (&["-j", "1", "a"], 1, "sysrc: there are no jails on Linux; `-R dir' works in another root\n"),
    ] {
        let ran = conf.run(words);
        assert_eq!((ran.status, ran.err.as_str(), ran.out.as_str()), (status, said, ""), "{words:?}");
    }
    let ran = conf.run(&["-Z"]);
    assert!(
        ran.status == 1 && ran.err.starts_with("sysrc: illegal option -- Z\nUsage: sysrc"),
        "{}",
        ran.err
    );
    assert_eq!(conf.text(), text);
    assert_eq!(fs::read_dir(conf.0.path()).unwrap().count(), 1);
    // A quote that is not closed: whatever were written behind it would be part of it.
    let conf = Conf::new("a=\"1\nb=2\n");
    let ran = conf.run(&["b=3"]);
    assert!(ran.status == 1 && ran.err.contains("Exiting due to previous syntax errors"), "{}", ran.err);
    assert_eq!(conf.text(), "a=\"1\nb=2\n");
}

#[test]
fn a_value_is_never_more_than_a_value() {
    for value in [
        "$(touch pwned)",
        "`touch pwned`",
        "\"; touch pwned; \"",
        "'; touch pwned; '",
        "$HOME ${x:-y}",
        "a\nb=2\ntouch pwned",
        "\\",
        "\\\"",
        "\"\"",
        "#",
        "a\tb  c",
        "\u{fc}\u{20ac}",
        "-n",
        "!",
        " ",
        "a\\\nb",
    ] {
        let conf = Conf::new("b=1\n");
        let ran = conf.run(&[&format!("a={value}")]);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{value:?}");
        assert_eq!(conf.run(&["-n", "a"]).out, format!("{value}\n"));
        assert_eq!(conf.in_shell("a"), value);
        assert_eq!(conf.in_shell("b"), "1");
        // And once more, over itself.
        assert_eq!(conf.run(&["-n", &format!("a={value}")]).out, format!("{value} -> {value}\n"));
        assert_eq!(conf.in_shell("a"), value);
        assert!(!conf.0.join("pwned").exists(), "{value:?}");
    }
}

#[test]
fn what_is_shown_can_be_read_by_a_shell() {
    let conf = Conf::new("");
    conf.run(&["a=$(touch pwned)"]);
    let shown = conf.run(&["-e", "a"]).out;
    let output = Command::new("sh").args(["-c", &format!("{shown}printf %s \"$a\"")]).output().unwrap();
    assert_eq!(output.stdout, b"$(touch pwned)");
}

#[test]
fn links_are_followed_and_stay() {
    let conf = Conf::new("");
    fs::remove_file(conf.0.join("rc.conf")).unwrap();
    fs::create_dir(conf.0.join("real")).unwrap();
    symlink("real/file", conf.0.join("link")).unwrap();
    symlink("link", conf.0.join("rc.conf")).unwrap();
    // It leads to a file that is not there yet.
    assert_eq!(conf.run(&["a=1"]).out, "a:  -> 1\n");
    assert_eq!(conf.run(&["a=2"]).out, "a: 1 -> 2\n");
    assert!(fs::symlink_metadata(conf.0.join("rc.conf")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(conf.0.join("real/file")).unwrap(), "a=\"2\"\n");
    fs::remove_file(conf.0.join("link")).unwrap();
    symlink("rc.conf", conf.0.join("link")).unwrap();
    let ran = conf.run(&["a=1"]);
    assert_eq!((ran.status, ran.err.as_str()), (1, "sysrc: rc.conf: Too many symbolic links encountered\n"));
}

#[test]
fn a_missing_file_is_made_and_a_missing_folder_is_not() {
    let conf = Conf::new("");
    fs::remove_file(conf.0.join("rc.conf")).unwrap();
    assert_eq!(conf.run(&["a=1"]).out, "a:  -> 1\n");
    assert_eq!(fs::metadata(conf.0.join("rc.conf")).unwrap().permissions().mode() & 0o777, 0o644);
    let ran = conf.run(&["-f", "no/where", "-c", "a=1"]);
    assert_eq!(ran.status, 0);
    let output = Command::new(programs::program("onset-rc").unwrap())
        .args(["sysrc", "-f", "no/where", "a=1"])
        .current_dir(conf.0.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"sysrc: no/where: No such file or directory\n");
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    let conf = Conf::new("");
    fs::write(conf.0.join("rc.conf"), b"# \xe4\xf6\na=1 # \xfc\n").unwrap();
    assert_eq!(conf.run(&["a=2"]).out, "a: 1 -> 2\n");
    assert_eq!(fs::read(conf.0.join("rc.conf")).unwrap(), b"# \xe4\xf6\na=\"2\" # \xfc\n");
}

#[test]
fn those_who_write_at_once_lose_nothing() {
    let conf = Conf::new("# head\n");
    let names: Vec<String> = (0..24).map(|number| format!("v{number}")).collect();
    let mut running: Vec<Child> = names
        .iter()
        .map(|name| conf.command(&["-q", &format!("{name}=1")]).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    for child in &mut running {
        assert!(child.wait().unwrap().success());
    }
    let text = conf.text();
    assert!(names.iter().all(|name| text.contains(&format!("{name}=\"1\"\n"))), "{text}");
    assert_eq!(text.lines().count(), 25);
}

const INIT: &str = "#!/bin/sh
while :; do sleep 1000 & wait $!; done
";

fn machine(files: &[(&str, &str)]) -> Machine {
    let files = files.iter().map(|(path, text)| ((*path).into(), (*text).into()));
    let options = Options {
        files: files.chain([("sbin/test-init".into(), INIT.into())]).collect(),
        wait: false,
        ..Options::default()
    };
    Machine::start_init(&["/sbin/test-init"], &[], &options).unwrap()
}

#[test]
fn mode_and_owner_stay_and_who_may_not_write_does_not() {
    let machine = machine(&[("etc/rc.conf", "a=1\n"), ("mnt/keep", "")]);
    let run = |command: &str| {
        let ran = machine.sh(&format!("PATH=$PATH:/usr/lib/onset/rc/bin; {command}")).unwrap();
        (ran.status, ran.out, ran.err)
    };
    run("chown 65534:5 /etc/rc.conf; chmod 640 /etc/rc.conf");
    assert_eq!(run("sysrc a=2").1, "a: 1 -> 2\n");
    assert_eq!(run("stat -c '%u:%g %a' /etc/rc.conf").1, "65534:5 640\n");
    // It is the user's file, but not the user's folder.
    let (status, _, err) = run(
        "daemon -u nobody -o /tmp/said sysrc a=3; until [ -s /tmp/said ]; do :; done; cat /tmp/said >&2; exit 1",
    );
    assert_eq!((status, err.as_str()), (1, "sysrc: /etc/rc.conf: Permission denied\n"));
    run("chown 0:0 /etc/rc.conf; chmod 644 /etc/rc.conf; : >/tmp/said");
    run("daemon -u nobody -o /tmp/said sysrc a=3; until [ -s /tmp/said ]; do :; done");
    assert_eq!(run("cat /tmp/said").1, "sysrc: /etc/rc.conf: Permission denied\n");
    // A file system that cannot be written to.
    run("mount -t tmpfs tmpfs /mnt; echo a=1 >/mnt/rc.conf; mount -o remount,ro /mnt");
    let told = run("sysrc -f /mnt/rc.conf a=2");
    assert_eq!((told.0, told.2.as_str()), (1, "sysrc: /mnt/rc.conf: Read-only file system\n"));
    // Another root.
    run("mkdir -p /tmp/root/etc; echo z=1 >/tmp/root/etc/rc.conf");
    assert_eq!(run("sysrc -R /tmp/root z=2").1, "z: 1 -> 2\n");
    assert_eq!(run("cat /tmp/root/etc/rc.conf").1, "z=\"2\"\n");
    assert_eq!(run("sysrc a").1, "a: 2\n");
}

#[test]
fn the_files_of_a_machine_are_read_in_their_order() {
    let machine = machine(&[
        ("etc/defaults/rc.conf", "x_enable=\"NO\"  # Run x\n\t\t# or not.\ny=1\n"),
        ("etc/rc.conf", "x_enable=YES\nlocal=1\n"),
        ("etc/rc.conf.local", "local=2\n"),
        ("etc/rc.conf.d/x", "x_enable=maybe\n"),
    ]);
    let run = |command: &str| {
        let ran = machine.sh(&format!("PATH=$PATH:/usr/lib/onset/rc/bin; {command}")).unwrap();
        assert_eq!(ran.err, "");
        (ran.status, ran.out)
    };
    assert_eq!(
        run("sysrc -v x_enable local y").1,
        "/etc/rc.conf: x_enable: YES\n/etc/rc.conf.local: local: 2\n/etc/defaults/rc.conf: y: 1\n"
    );
    assert_eq!(run("sysrc -s x -v x_enable").1, "/etc/rc.conf.d/x: x_enable: maybe\n");
    assert_eq!(run("sysrc -D x_enable").1, "x_enable: NO\n");
    assert_eq!(run("sysrc -d x_enable").1, "x_enable: Run x or not.\n");
    assert_eq!(run("sysrc -a").1, "local: 2\nx_enable: YES\n");
    assert_eq!(run("sysrc -A").1, "local: 2\nx_enable: YES\ny: 1\n");
    assert_eq!(run("sysrc -l").1, "/etc/rc.conf /etc/rc.conf.local\n");
    assert_eq!(run("sysrc -vs x x_enable=NO").1, "/etc/rc.conf.d/x: x_enable: maybe -> NO\n");
    assert_eq!(run("sysrc local=3; cat /etc/rc.conf.local").1, "local: 2 -> 3\nlocal=\"3\"\n");
    assert_eq!(run("sysrc y=2; tail -n 1 /etc/rc.conf").1, "y: 1 -> 2\ny=\"2\"\n");
    assert_eq!(run("checkyesno x_enable").0, 0);
    assert_eq!(run("checkyesno -s x x_enable").0, 1);
    assert!(fs::metadata(machine.path("/etc/rc.conf")).unwrap().uid() < u32::MAX);
}
