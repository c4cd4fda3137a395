//! The commands that rc.d scripts count on, in a machine of their own: `daemon` first of all, and what stands behind the
//! others.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use vm_tests::namespace::{Machine, Options};

const INIT: &str = "#!/bin/sh
while :; do sleep 1000 & wait $!; done
";

/// A command that ends when it is told to, and says so.
const POLITE: &str = "#!/bin/sh
trap 'echo bye >>/tmp/said; exit 0' TERM
echo here >>/tmp/said
while :; do sleep 1000 & wait $!; done
";

struct Tools(Machine);

impl Tools {
    fn new(files: &[(&str, &str)]) -> Self {
        let mut all = vec![("sbin/test-init".into(), INIT.into()), ("sbin/polite".into(), POLITE.into())];
        all.extend(files.iter().map(|(path, text)| ((*path).into(), (*text).into())));
        let options = Options { files: all, wait: false, ..Options::default() };
        Self(Machine::start_init(&["/sbin/test-init"], &[], &options).unwrap())
    }

    /// Status, output and errors of a shell command.
    fn run(&self, command: &str) -> (i32, String, String) {
        let search = "PATH=/usr/lib/onset/rc/bin:/sbin:/bin:/usr/sbin:/usr/bin; export PATH";
        let ran = self.0.sh(&format!("{search}; cd /tmp; {command}")).unwrap();
        (ran.status, ran.out, ran.err)
    }

    #[track_caller]
    fn check(&self, command: &str, status: i32, out: &str, err: &str) {
        assert_eq!(self.run(command), (status, out.into(), err.into()), "{command}");
    }

    /// Waits until a command goes well.
    fn until(&mut self, command: &str) {
        let search = "PATH=/usr/lib/onset/rc/bin:/sbin:/bin:/usr/sbin:/usr/bin; cd /tmp";
        self.0.until_sh(&format!("{search}; {command}")).unwrap();
    }
}

#[test]
fn a_daemon_is_there_when_its_starter_has_ended() {
    let tools = Tools::new(&[]);
    tools.check("daemon -f -P own.pid -p child.pid sleep 1000", 0, "", "");
    // At once, without waiting for anything.
    tools.check("tr '\\0' ' ' </proc/$(cat child.pid)/cmdline", 0, "sleep 1000 ", "");
    tools.check(
        "test \"$(tr -d '\\0' </proc/$(cat own.pid)/cmdline)\" = \"daemon: sleep[$(cat child.pid)]\"",
        0,
        "",
        "",
    );
    tools.check("stat -c %a own.pid child.pid", 0, "600\n600\n", "");
    // The command stops with who watches over it, and the files are gone then.
    tools.check(
        "child=$(cat child.pid); own=$(cat own.pid); kill $own; pwait $own $child 2>/dev/null; ls *.pid",
        1,
        "",
        "ls: *.pid: No such file or directory\n",
    );
}

#[test]
fn a_command_gets_sigterm_and_its_time() {
    let tools = Tools::new(&[]);
    tools.check("daemon -f -p child.pid -P own.pid polite; until [ -s said ]; do :; done", 0, "", "");
    tools.check("own=$(cat own.pid); kill $own; pwait $own 2>/dev/null; cat said", 0, "here\nbye\n", "");
}

#[test]
fn a_pidfile_that_is_held_is_nobody_elses() {
    let tools = Tools::new(&[]);
    tools.check("daemon -f -p a.pid -P b.pid sleep 1000", 0, "", "");
    let pid = tools.run("cat a.pid").1;
    let running = format!("daemon: process already running, pid: {pid}\n");
    tools.check("daemon -p a.pid true", 3, "", &running);
    tools.check("daemon -P a.pid true", 3, "", &running);
    // Neither has it been changed, nor is the other one left behind.
    tools.check("daemon -p c.pid -P a.pid true; ls; cat a.pid", 0, &format!("a.pid\nb.pid\n{pid}"), &running);
    // Who is killed holds nothing any more: what is left is only a number.
    tools.check("own=$(cat b.pid); kill -KILL $own; pwait $own 2>/dev/null; ls", 0, "a.pid\nb.pid\n", "");
    tools.check("daemon -f -p a.pid -P b.pid sleep 1000", 0, "", "");
    assert_ne!(tools.run("cat a.pid").1, pid);
}

#[test]
fn what_is_forged_is_not_believed_and_not_followed() {
    let tools = Tools::new(&[]);
    // A number that somebody has written says nothing.
    tools.check("echo 1 >a.pid; daemon -f -p a.pid sleep 1000; test $(cat a.pid) -gt 1", 0, "", "");
    tools.check(
        "echo precious >victim; ln -s victim b.pid; daemon -p b.pid true; echo $?; cat victim",
        0,
        "2\nprecious\n",
        "daemon: pidfile `/tmp/b.pid': Too many symbolic links encountered\n",
    );
    tools.check(
        "ln victim c.pid; daemon -p c.pid true; echo $?; cat victim",
        0,
        "2\nprecious\n",
        "daemon: pidfile `/tmp/c.pid': not a file of its own\n",
    );
    tools.check("mkdir d.pid; daemon -p d.pid true", 2, "", "daemon: pidfile `/tmp/d.pid': Is a directory\n");
    assert_eq!(tools.run("mkfifo e.pid; daemon -p e.pid true").0, 2);
    tools.check(
        "daemon -p no/f.pid true",
        2,
        "",
        "daemon: pidfile `/tmp/no/f.pid': No such file or directory\n",
    );
    // One that was taken away and made anew belongs to whoever made it.
    tools.check("daemon -f -P g.pid sleep 1000; own=$(cat g.pid); rm g.pid; echo mine >g.pid; kill $own; pwait $own 2>/dev/null; cat g.pid", 0, "mine\n", "");
}

#[test]
fn a_command_that_ends_is_started_again() {
    let mut tools = Tools::new(&[]);
    tools.check(
        "daemon -f -r -P own.pid -p child.pid sleep 1000; cat child.pid >first; kill $(cat child.pid)",
        0,
        "",
        "",
    );
    tools.until("test -s child.pid && test $(cat child.pid) != $(cat first) && kill -0 $(cat child.pid)");
    tools.check(
        "child=$(cat child.pid); own=$(cat own.pid); kill $own; pwait $own $child 2>/dev/null; ls *.pid 2>&-",
        1,
        "",
        "",
    );
    // So often, and no more.
    tools.check(
        "daemon -C 2 -R 1 -P own.pid sh -c 'echo run >>runs'; pwait $(cat own.pid) 2>/dev/null; cat runs",
        0,
        "run\nrun\nrun\n",
        "",
    );
}

#[test]
fn a_pause_before_a_restart_ends_with_sigterm() {
    let mut tools = Tools::new(&[]);
    tools.check("daemon -f -R 100000 -P own.pid -p child.pid true", 0, "", "");
    tools.until("! kill -0 $(cat child.pid) 2>/dev/null");
    tools.until("test \"$(tr -d '\\0' </proc/$(cat own.pid)/cmdline)\" = 'daemon: true'");
    tools.check("own=$(cat own.pid); kill $own; pwait $own 2>/dev/null; ls *.pid 2>&-", 1, "", "");
}

#[test]
fn output_goes_where_it_is_asked_for() {
    let mut tools = Tools::new(&[]);
    let both = "sh -c 'echo out; echo err >&2'";
    tools.check(
        &format!(
            "daemon -P p -o both {both}; until [ $(wc -l <both) = 2 ]; do :; done; sort both; stat -c %a both"
        ),
        0,
        "err\nout\n600\n",
        "",
    );
    tools.check(
        &format!("daemon -m 1 -o out {both}; until [ -s out ]; do :; done; cat out"),
        0,
        "out\n",
        "err\n",
    );
    tools.check(
        &format!("daemon -m 2 -o err {both}; until [ -s err ]; do :; done; cat err"),
        0,
        "out\nerr\n",
        "",
    );
    tools.check("daemon -o no/where true", 7, "", "daemon: /tmp/no/where: No such file or directory\n");
    // What a command leaves behind may go on writing.
    tools.check("mkfifo go; daemon -o left -P left.pid sh -c '(read x <go; echo late) &'; own=$(cat left.pid); echo >go; pwait $own 2>/dev/null; cat left", 0, "late\n", "");
    // A file that was moved is opened anew.
    let writer = "sh -c 'while :; do read line <go && echo $line; done'";
    tools.check(&format!("daemon -f -H -P own.pid -o log {writer}; echo one >go; until [ -s log ]; do :; done; mv log old; kill -HUP $(cat own.pid)"), 0, "", "");
    tools.until("test -e log");
    tools.check("echo two >go; until [ -s log ]; do :; done; cat old log", 0, "one\ntwo\n", "");
}

#[test]
fn lines_go_to_the_log() {
    let mut tools = Tools::new(&[]);
    tools.check("syslogd -O /tmp/messages; until [ -S /dev/log ]; do :; done", 0, "", "");
    tools.check("daemon -T mine -l local3 -s err sh -c 'echo hello; printf half'", 0, "", "");
    tools.until("grep -q 'local3.err mine: hello' messages && grep -q 'local3.err mine: half' messages");
    tools.check("daemon -S echo plain", 0, "", "");
    tools.until("grep -q 'daemon.notice daemon: plain' messages");
    tools.check(
        "log=/usr/lib/onset/rc/bin/logger; $log -t tag -p user.info a b; printf 'c\\nd\\n' | $log -t tag",
        0,
        "",
        "",
    );
    tools.until("grep -q 'user.info tag: a b' messages && grep -q 'user.notice tag: d' messages");
    tools.check("/usr/lib/onset/rc/bin/logger -p no.info x", 64, "", "logger: unknown facility name: no\n");
}

#[test]
fn a_user_comes_with_its_groups() {
    let tools = Tools::new(&[
        ("etc/passwd", "root::0:0:root:/root:/bin/sh\nwww:x:80:81:w:/srv:/bin/false\n"),
        ("etc/group", "root:x:0:\nwww:x:81:\nlogs:x:90:other,www\nnone:x:91:wwww\n"),
    ]);
    let shown = "id -u; id -G; echo $USER $HOME $SHELL";
    tools.check(
        &format!("daemon -P own.pid -o log -u www sh -c '{shown}; echo end'; until grep -q end log; do :; done; cat log; stat -c %u log"),
        0,
        "80\n81 90\nwww /srv /bin/false\nend\n0\n",
        "",
    );
    tools.check("daemon -u nosuch true", 1, "", "daemon: unknown user: nosuch\n");
    // Who is not root becomes nobody else.
    tools.check(
        "chmod 777 .; daemon -u www -o said sh -c 'daemon -u root true; echo $?'; until grep -q '^[0-9]' said; do :; done; cat said",
        0,
        "daemon: failed to become root: Operation not permitted\n1\n",
        "",
    );
}

#[test]
fn a_command_is_detached_and_has_a_clean_start() {
    let mut tools = Tools::new(&[]);
    let shown = "pwd; readlink /proc/self/fd/0; grep SigBlk /proc/self/status";
    tools.check(
        &format!(
            "daemon -c -f -o /tmp/log sh -c '{shown}; echo end'; until grep -q end log; do :; done; cat log"
        ),
        0,
        "/\n/dev/null\nSigBlk:\t0000000000000000\nend\n",
        "",
    );
    // Nothing of who watches is left open in it.
    let count = "ls /proc/self/fd | wc -l >fds; mv fds";
    tools.check(
        &format!("sh -c '{count} before'; daemon -f -P own.pid -p child.pid -S sh -c '{count} after'"),
        0,
        "",
        "",
    );
    tools.until("test -e after && cmp before after");
    // Nobody stays to watch over it: it is executed in the place of who was called.
    tools.check("daemon -f polite", 0, "", "");
    tools.until("grep -qx polite /proc/[0-9]*/comm 2>/dev/null");
    tools.until("! grep -qx daemon /proc/[0-9]*/comm 2>/dev/null");
    let session = "set -- $(grep -l '(polite)' /proc/[0-9]*/stat 2>/dev/null); pid=${1#/proc/}; pid=${pid%/stat}; \
        set -- $(cat /proc/$pid/stat); test $6 = $pid && readlink /proc/$pid/fd/1";
    tools.check(session, 0, "/dev/null\n", "");
}

#[test]
fn what_cannot_be_executed_is_told() {
    let mut tools = Tools::new(&[]);
    tools.check(
        "daemon -p a.pid /no/such; echo $?; ls",
        0,
        "1\n",
        "daemon: /no/such: No such file or directory\n",
    );
    tools.check("daemon /no/such", 1, "", "daemon: /no/such: No such file or directory\n");
    tools.check("daemon -f /no/such", 1, "", "");
    // It may be there the next time.
    tools.check("daemon -f -R 1 -P own.pid /tmp/later", 0, "", "");
    tools.check("printf '#!/bin/sh\\nwhile :; do sleep 1000; done\\n' >later; chmod +x later", 0, "", "");
    tools.until("grep -qx later /proc/[0-9]*/comm 2>/dev/null && test -s own.pid");
    let (status, _, err) = tools.run("daemon -c");
    assert!(status == 1 && err.starts_with("usage: daemon"), "{err}");
    tools.check("daemon -s loud true", 4, "", "daemon: unrecognized syslog priority: loud\n");
    tools.check("daemon -l nope true", 5, "", "daemon: unrecognized syslog facility: nope\n");
    tools.check("daemon -m 9 true", 6, "", "daemon: invalid listening mask: 9\n");
    tools.check("daemon -R 0 true", 6, "", "daemon: invalid restart delay: 0\n");
}

#[test]
fn limits_reach_the_command() {
    let tools = Tools::new(&[]);
    tools.check("limits -C daemon -n 77 -c 0 A=1 sh -c 'ulimit -n; ulimit -c; echo $A'", 0, "77\n0\n1\n", "");
    tools.check(
        "limits -S -n 50 sh -c 'ulimit -Sn; ulimit -Hn | grep -vx 50 >/dev/null && echo more'",
        0,
        "50\nmore\n",
        "",
    );
    tools.check("limits -E A=1 /bin/busybox env", 0, "A=1\n", "");
    tools.check("eval $(limits -e -n 60); ulimit -n", 0, "60\n", "");
    tools.check("limits -C www -b 5 echo on", 0, "on\n", "limits: class `www`: there are no login classes on Linux, so it changes nothing\nlimits: sbsize: not on Linux\n");
    tools.check("limits -n 9 | tail -n 1", 0, "  openfiles                   9\n", "");
    tools.check("limits -n x true", 1, "", "limits: invalid value `x' for -n\n");
    tools.check("limits /no/such", 127, "", "limits: /no/such: No such file or directory\n");
    tools.check("limits sh -c 'exit 5'", 5, "", "");
}

#[test]
fn what_linux_does_not_have_is_told_once_and_holds_nothing_up() {
    let tools = Tools::new(&[]);
    tools.check("setfib 0 echo on", 0, "on\n", "");
    let (status, out, err) = tools.run("setfib -F 3 echo on");
    assert_eq!((status, out.as_str(), err.lines().count()), (0, "on\n", 1));
    assert!(err.starts_with("setfib: routing table 3: not on Linux"), "{err}");
    tools.check("setfib -3 sh -c 'exit 4' 2>&-", 4, "", "");
    tools.check("setfib 1", 64, "", "usage: setfib [-F] value command\n");
    tools.check("cpuset -l 0 sh -c 'cpuset -g -p $$ | sed \"s/pid [0-9]*/pid/\"'", 0, "pid mask: 0\n", "");
    tools.check("cpuset -l 4000000 true", 1, "", "cpuset: list item 4000000 is too large\n");
    tools.check("cpuset -l 0 /no/such", 127, "", "cpuset: /no/such: No such file or directory\n");
    tools.check("kenv -q nothing.there", 1, "", "");
    tools.check("kenv nothing.there", 1, "", "kenv: unable to get nothing.there\n");
    tools.check("kldstat -q -m tmpfs; echo $?; kldload -n nullfs; echo $?", 0, "0\n0\n", "");
    tools.check("kldload pf", 1, "", "kldload: can't load pf: there is nothing like it on Linux\n");
    tools.check(
        "/usr/lib/onset/rc/bin/sysctl -n kern.ostype security.jail.jailed net.fibs",
        0,
        "Linux\n1\n1\n",
        "",
    );
    tools.check(
        "/usr/lib/onset/rc/bin/sysctl kern.nothing",
        1,
        "",
        "sysctl: unknown oid 'kern.nothing': not on Linux\n",
    );
    tools.check("/usr/lib/onset/rc/bin/sysctl -qi kern.nothing", 0, "", "");
    tools.check("/usr/lib/onset/rc/bin/sysctl net.inet.ip.ttl", 0, "net.inet.ip.ttl: 64\n", "");
    tools.check("pwait 1x", 0, "", "pwait: 1x: bad process id\n");
    tools.check("sleep 1000 & pwait -t 0.01 $!; echo $?; kill $!", 0, "124\n", "");
}

#[test]
fn a_protected_command_is_spared() {
    let tools = Tools::new(&[]);
    let (status, out, err) = tools.run("protect cat /proc/self/oom_score_adj");
    // Without the right to do so it says so, and nothing runs unprotected.
    let is_told =
        (status, out.as_str(), err.as_str()) == (1, "", "protect: cannot protect cat: Permission denied\n");
    assert!((status, out.as_str()) == (0, "-1000\n") || is_told, "{status} {out} {err}");
    assert_eq!(tools.run("protect").0, 1);
    assert_eq!(tools.run("protect -c -p 999999").0, 1);
}

const SCRIPTS: &[(&str, &str)] = &[
    ("etc/rc.conf", "one_enable=YES\nthree_enable=YES\nasked_enable=$(echo YES)\n"),
    ("etc/rc.d/FILESYSTEMS", "#!/bin/sh\n# PROVIDE: FILESYSTEMS\n"),
    (
        "etc/rc.d/one",
        "#!/bin/sh\n# PROVIDE: one\n# REQUIRE: FILESYSTEMS\nname=one\nrcvar=one_enable\necho one $1 $2 $HOME $PWD ${HIDDEN-none}\n",
    ),
    ("etc/rc.d/two", "#!/bin/sh\n# PROVIDE: two\n# BEFORE: one\nname=two\nrcvar=two_enable\n"),
    ("etc/rc.d/never", "#!/bin/sh\n# KEYWORD: nostart\nname=never\nrcvar=one_enable\n"),
    ("etc/rc.d/left.bak", "#!/bin/sh\n"),
    ("etc/rc.d/plain", "# not executable\n"),
    (
        "usr/local/etc/rc.d/three",
        "#!/bin/sh\n# PROVIDE: three\n# REQUIRE: one\nname=three\nrcvar=three_enable\necho three $1 >>/tmp/told\n",
    ),
];

#[test]
fn services_are_listed_and_told() {
    let tools = Tools::new(SCRIPTS);
    tools.check("service -e", 0, "/etc/rc.d/one\n/usr/local/etc/rc.d/three\n", "");
    tools.check("service -l", 0, "FILESYSTEMS\nnever\none\ntwo\nthree\n", "");
    tools.check(
        "service -r",
        0,
        "/etc/rc.d/two\n/etc/rc.d/FILESYSTEMS\n/etc/rc.d/one\n/usr/local/etc/rc.d/three\n",
        "",
    );
    assert!(
        tools
            .run("service -rv")
            .1
            .starts_with("/etc/rc.d/two\n/etc/rc.d/FILESYSTEMS\n- Early/Late Divider -\n")
    );
    tools.check("HIDDEN=1 service one onestart more", 0, "one onestart more / / none\n", "");
    tools.check("service -E HIDDEN=2 one start", 0, "one start / / 2\n", "");
    tools.check("service -R; cat /tmp/told", 0, "three stop\nthree start\n", "");
    tools.check("service ../one start 2>&-; echo $?; service plain start 2>&-; echo $?", 0, "1\n1\n", "");
    let (status, _, err) = tools.run("service nothing start");
    assert!(status != 0 && err.contains("nothing"), "{err}");
    assert_eq!(tools.run("service").0, 1);
}

#[test]
fn scripts_find_them_behind_those_of_the_system() {
    let script = "#!/bin/sh\n. /etc/rc.subr\nname=x\nrcvar=\nstart_cmd=show\nshow() { command -v daemon; command -v sysrc; echo $SYSCTL; }\nload_rc_config x\nrun_rc_command \"$1\"\n";
    let subr =
        std::fs::read_to_string(vm_tests::programs::workspace().join("init/stock/rc/rc.subr")).unwrap();
    let tools = Tools::new(&[("etc/rc.subr", &subr), ("etc/rc.d/x", script)]);
    let (status, out, err) = tools.run("/bin/busybox env -i PATH=/bin:/sbin /etc/rc.d/x start");
    assert_eq!((status, err.as_str()), (0, ""));
    let bin = "/usr/lib/onset/rc/bin";
    assert!(out.ends_with(&format!("{bin}/daemon\n{bin}/sysrc\n{bin}/sysctl\n")), "{out}");
    // What the system has is what a script gets.
    let (_, out, _) =
        tools.run("ln -s /bin/busybox /tmp/limits; PATH=/tmp:/bin; . /etc/rc.subr; command -v limits");
    assert_eq!(out, "/tmp/limits\n");
}
