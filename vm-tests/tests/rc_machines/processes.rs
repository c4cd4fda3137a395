//! What belongs to a script: its processes are known by their cgroup, whatever a file with a number in it says, however
//! they were started, and whether they detach themselves or not.

use vm_tests::namespace::Machine;

use super::{says, sh};

/// A daemon that leaves who started it, and writes its pidfile only when it is told to.
const DAEMON: &str = "#!/bin/sh
name=${1}
( (
	trap 'echo $name closed >>/tmp/said; exit' TERM
	[ ! -p /tmp/write ] || read -r _word </tmp/write
	{ IFS=' ' read -r pid _rest </proc/self/stat; } && echo $pid >/run/$name.pid
	while :; do sleep 100000 & wait $!; done
) </dev/null >/dev/null 2>&1 & )
";

/// A machine with the daemon and these files.
fn machine(files: &[(&str, &str)]) -> Machine {
    super::machine(&[&[("sbin/toyd", DAEMON)], files].concat())
}

/// The processes of all of them.
const TOYD: &str = "for it in /proc/[0-9]*; do ! grep -qs '[t]oyd' $it/cmdline || echo ${it#/proc/}; done";

/// A script for it.
fn script(name: &str) -> String {
    format!(
        "#!/bin/sh
# PROVIDE: {name}
# KEYWORD: shutdown
. /etc/rc.subr
name={name}
rcvar={name}_enable
pidfile=/run/{name}.pid
command=/sbin/toyd
command_interpreter=/bin/sh
command_args={name}
load_rc_config {name}
run_rc_command \"$1\"
"
    )
}

#[test]
fn a_daemon_is_known_before_it_has_its_pidfile_and_without_one() {
    let one = script("one");
    let mut machine = machine(&[("etc/rc.d/one", &one), ("etc/rc.conf", "one_enable=NO\n")]);
    machine.sh("mkfifo /tmp/write").unwrap();
    assert_eq!(sh(&machine, "onsetctl onestart one").0, 0);
    // Nobody has told it to write its pidfile, and the script alone knows nothing of it.
    says(&machine, "ls /run/one.pid 2>/dev/null; /etc/rc.d/one onestatus", "one is not running.\n");
    let pids = sh(&machine, TOYD).1;
    let told = sh(&machine, "service one status").1;
    assert!(!pids.is_empty() && told.contains("one is running as pid"), "{pids}: {told}");
    machine.sh("echo >/tmp/write; rm /tmp/write").unwrap();
    machine.until_sh("test -s /run/one.pid").unwrap();
    let is_up = format!("one is running as pid {}.\n", sh(&machine, "cat /run/one.pid").1.trim());
    says(&machine, "/etc/rc.d/one onestatus", &is_up);
    // Whatever becomes of the file: it is up, is stopped in good order, and comes back as another.
    for fate in ["rm /run/one.pid", ">/run/one.pid", "echo nonsense >/run/one.pid", "echo 1 >/run/one.pid"] {
        machine.sh(&format!("rm -f /tmp/said; cp /run/one.pid /tmp/before; {fate}")).unwrap();
        assert!(sh(&machine, "service one status").1.contains("one is running as pid"), "{fate}");
        let ran = machine.ctl(&["onerestart", "one"]).unwrap();
        assert!(ran.status == 0 && ran.out.contains("Stopping one."), "{fate}: {} {}", ran.out, ran.err);
        says(&machine, "cat /tmp/said", "one closed\n");
        machine.until_sh("test -s /run/one.pid && kill -0 $(cat /run/one.pid)").unwrap();
        assert_eq!(sh(&machine, "kill -0 $(cat /tmp/before) 2>/dev/null").0, 1, "{fate}");
    }
    machine.sh("rm /run/one.pid").unwrap();
    assert_eq!(machine.ctl(&["stop", "one"]).unwrap().status, 0);
    says(&machine, TOYD, "");
}

#[test]
fn a_number_of_another_jobs_process_confuses_nobody() {
    let (one, other) = (script("one"), script("other"));
    let conf = "one_enable=YES\nother_enable=YES\n";
    let mut machine = machine(&[("etc/rc.d/one", &one), ("etc/rc.d/other", &other), ("etc/rc.conf", conf)]);
    machine.until_sh("test -s /run/one.pid && test -s /run/other.pid").unwrap();
    machine.until_sh("onsetctl status one other | grep -c start/running | grep 2").unwrap();
    // The same program runs as another job, and has the number that stands in this one's file.
    machine.sh("cp /run/other.pid /run/one.pid").unwrap();
    assert_eq!(machine.ctl(&["stop", "one"]).unwrap().status, 0);
    says(&machine, "cat /tmp/said", "one closed\n");
    assert_eq!(sh(&machine, "kill -0 $(cat /run/other.pid)").0, 0);
    assert!(sh(&machine, "onsetctl status other").1.contains("start/running"));
    says(&machine, "/etc/rc.d/one status", "one is not running.\n");
    assert_eq!(sh(&machine, "service other status >/dev/null").0, 0);
    assert_eq!(sh(&machine, "service one status >/dev/null").0, 1);
}

/// One that stays in the foreground, one whose work is done when it has ended, and one that follows the first.
const STAYS: &str = "#!/bin/sh
# PROVIDE: stays
. /etc/rc.subr
name=stays
start_cmd='sleep 100000'
run_rc_command \"$1\"
";
const ONCE: &str = "#!/bin/sh
# PROVIDE: once
. /etc/rc.subr
name=once
start_cmd='echo start >>/tmp/once'
stop_cmd='echo stop >>/tmp/once'
run_rc_command \"$1\"
";
const FOLLOWS: &str = "#!/bin/sh
# PROVIDE: follows
# REQUIRE: stays
. /etc/rc.subr
name=follows
start_cmd='echo follows >/tmp/follows'
run_rc_command \"$1\"
";

#[test]
fn a_start_that_stays_in_the_foreground_holds_up_nobody_for_ever() {
    let settle = "( settle: \"1s\" )";
    let mut machine = machine(&[
        ("etc/rc.d/stays", STAYS),
        ("etc/rc.d/follows", FOLLOWS),
        ("etc/onset/jobs/stays.override.ron", settle),
    ]);
    machine.until_sh("test -e /tmp/follows").unwrap();
    let log = sh(&machine, "onsetctl log --all").1;
    assert!(log.contains("stays: start timed out"), "{log}");
    let status = sh(&machine, "onsetctl status stays").1;
    assert!(status.contains("\tstart timed out: what waited for it goes on\n"), "{status}");
    assert!(!sh(&machine, "onsetctl status follows").1.contains("timed out"));
    // Nothing was killed by that, and it can be stopped.
    says(&machine, "ps | grep -c '[s]leep 100000'", "1\n");
    assert_eq!(machine.ctl(&["stop", "stays"]).unwrap().status, 0);
    says(&machine, "ps | grep -c '[s]leep 100000'", "0\n");
}

#[test]
fn what_is_done_when_it_has_ended_is_stopped_by_its_own_command() {
    let mut machine = machine(&[("etc/rc.d/once", ONCE)]);
    machine.until_sh("onsetctl status once | grep start/running").unwrap();
    assert_eq!(machine.ctl(&["stop", "once"]).unwrap().status, 0);
    says(&machine, "cat /tmp/once", "start\nstop\n");
}

/// A daemon that begins what is not its own when it gets USR1, and a script that knows it by its pidfile alone.
const KEEPER: &str = "#!/bin/sh
( setsid /bin/sh -c '
	trap \"echo $0 closed >>/tmp/said; exit\" TERM
	long=20000
	trap \"setsid sleep ${long}0 &\" USR1
	echo $$ >/run/$0.pid
	while :; do sleep 100000 & wait $!; done
' $1 </dev/null >/dev/null 2>&1 & )
";
const KEEPS: &str = "#!/bin/sh
### BEGIN INIT INFO
# Provides: keeps
# Default-Start: 2
### END INIT INFO
case $1 in
start) for name in $(cat /etc/keepers); do /sbin/keeper $name; done ;;
stop) kill $(cat /run/*.pid) 2>/dev/null; exit 0 ;;
esac
";

/// A machine in which it runs for each of `keepers`, has begun something, and has lost its pidfile.
fn without_pidfiles(keepers: &str) -> Machine {
    let files = [
        ("sbin/keeper", KEEPER),
        ("etc/init.d/keeps", KEEPS),
        ("etc/keepers", keepers),
        ("etc/onset/jobs/keeps.override.ron", "( kill: (leave: all) )"),
    ];
    let mut machine = machine(&files);
    assert_eq!(machine.ctl(&["start", "keeps"]).unwrap().status, 0);
    machine.until_sh("for name in $(cat /etc/keepers); do test -s /run/$name.pid || exit 1; done").unwrap();
    machine.sh("kill -USR1 $(cat /run/*.pid)").unwrap();
    machine.until_sh("test $(ps | grep -c '[s]leep 200000') = $(wc -w </etc/keepers)").unwrap();
    machine.sh("rm /run/*.pid").unwrap();
    assert_eq!(machine.ctl(&["stop", "keeps"]).unwrap().status, 0);
    machine
}

#[test]
fn a_daemon_whose_stop_verb_misses_it_is_ended_and_what_it_shall_leave_is_left() {
    let machine = without_pidfiles("one");
    says(&machine, "cat /tmp/said", "one closed\n");
    says(&machine, "ps | grep -c '[s]leep 200000'", "1\n");
    let log = sh(&machine, "onsetctl log --all").1;
    assert!(!log.contains("runs on"), "{log}");
}

#[test]
fn of_several_daemons_whose_stop_verb_misses_them_it_is_said_that_they_run_on() {
    let mut machine = without_pidfiles("one other");
    says(&machine, "cat /tmp/said 2>/dev/null", "");
    says(&machine, "ps | grep -c '[s]leep 200000'", "2\n");
    machine
        .until_sh("onsetctl log --all | grep 'keeps: its stop verb is over; what it has left runs on'")
        .unwrap();
}

/// A stop that does nothing, for a daemon that hears nothing.
const DEAF: &str = "#!/bin/sh
# PROVIDE: deaf
. /etc/rc.subr
name=deaf
start_cmd='deaf_start'
stop_cmd='echo waits; sleep 100000'
deaf_start()
{
	sh -c 'trap \"\" TERM; while :; do sleep 100000; done' &
}
run_rc_command \"$1\"
";

#[test]
fn a_stop_that_hangs_is_killed_with_what_is_left_and_told() {
    let limit = "( kill: (timeout: \"1s\") )";
    let mut machine = machine(&[("etc/rc.d/deaf", DEAF), ("etc/onset/jobs/deaf.override.ron", limit)]);
    machine.until_sh("onsetctl status deaf | grep start/running").unwrap();
    assert_eq!(machine.ctl(&["stop", "deaf"]).unwrap().status, 0);
    says(&machine, "ps | grep -c '[1]00000'", "0\n");
    let log = sh(&machine, "onsetctl log --all").1;
    assert!(log.contains("waits") && log.contains("deaf: did not stop in time"), "{log}");
}

#[test]
fn what_is_started_by_hand_is_known_to_its_script_and_is_stopped_by_both() {
    let one = script("one");
    let mut machine = machine(&[("usr/local/etc/rc.d/one", &one), ("etc/rc.conf", "one_enable=NO\n")]);
    says(&machine, "/usr/local/etc/rc.d/one onestart", "Starting one.\n");
    machine.until_sh("test -s /run/one.pid").unwrap();
    let is_up = format!("one is running as pid {}.\n", sh(&machine, "cat /run/one.pid").1.trim());
    says(&machine, "/usr/local/etc/rc.d/one onestatus", &is_up);
    // Onset has not started it, and yet says what its script says.
    assert!(sh(&machine, "service one onestatus").1.contains(is_up.trim_end()));
    let stopped = sh(&machine, "service one onestop");
    assert!(stopped.0 == 0 && stopped.1.starts_with("Stopping one."), "{stopped:?}");
    says(&machine, TOYD, "");
}

#[test]
fn lines_of_scripts_that_start_together_do_not_mix() {
    let writes = |name: &str| {
        format!(
            "#!/bin/sh
# PROVIDE: {name}
. /etc/rc.subr
name={name}
start_cmd={name}_start
{name}_start()
{{
	echo >/tmp/{name}; until [ -e /tmp/one ] && [ -e /tmp/other ]; do sleep 0.01; done
	for _n in 1 2 3 4 5 6 7 8 9 10; do printf '{name}-'; sleep 0.01; printf 'half\\n'; done
}}
run_rc_command \"$1\"
"
        )
    };
    let (one, other) = (writes("one"), writes("other"));
    let mut machine = machine(&[("etc/rc.d/one", &one), ("etc/rc.d/other", &other)]);
    for name in ["one", "other"] {
        machine.until_sh(&format!("onsetctl log {name} | grep -c half | grep 10")).unwrap();
        says(&machine, &format!("onsetctl log {name} | grep half | grep -cv '{name}-half$'"), "0\n");
    }
    let shown = |machine: &Machine| {
        let console = machine.console();
        let lines = console.lines().filter(|line| line.contains("half")).map(str::trim_end);
        lines.map(String::from).collect::<Vec<_>>()
    };
    let lines = machine
        .until("all lines", |machine| Ok(Some(shown(machine)).filter(|lines| lines.len() >= 20)))
        .unwrap();
    assert!(lines.iter().all(|line| line == "one: one-half" || line == "other: other-half"), "{lines:?}");
}

#[test]
fn what_rc_conf_does_not_want_costs_no_process() {
    const SCRIPTS: usize = 200;
    let script = |number: usize| {
        let text = script(&format!("s{number}"));
        (format!("etc/rc.d/s{number}"), text)
    };
    let scripts: Vec<(String, String)> = (0..SCRIPTS).map(script).collect();
    let off: String = (0..SCRIPTS).map(|number| format!("s{number}_enable=NO\n")).collect();
    let mut files: Vec<(&str, &str)> =
        scripts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("etc/rc.conf", &off));
    // One that comes behind all of them; without them it comes at once.
    let names: Vec<String> = (0..SCRIPTS).map(|number| format!("s{number}")).collect();
    let last = format!("#!/bin/sh\n# PROVIDE: last\n# REQUIRE: {}\n\necho $$ >/tmp/last\n", names.join(" "));
    // A process that starts then has the number of all that were made before.
    let made = |files: &[(&str, &str)]| -> usize {
        let mut files = files.to_vec();
        files.push(("etc/rc.d/last", &last));
        let mut machine = machine(&files);
        machine.until_sh("test -s /tmp/last").unwrap();
        sh(&machine, "cat /tmp/last").1.trim().parse().unwrap()
    };
    let (without, with) = (made(&[]), made(&files));
    assert!(with < without + SCRIPTS / 2, "{without} without them, {with} with them");
}
