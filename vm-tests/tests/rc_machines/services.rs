//! Services: supervised by `daemon`, needed by others, and told by every file of rc.conf whether they run.

use vm_tests::namespace::{Machine, Options};

use super::{machine, says, sh};

/// A script in the style of packages: a supervisor that restarts what does not detach itself.
const SHOP: &str = "#!/bin/sh
# PROVIDE: shop
# KEYWORD: shutdown
. /etc/rc.subr
name=shop
rcvar=shop_enable
pidfile=/run/shop.pid
command=/usr/sbin/daemon
command_args=\"-f -r -R 1 -P $pidfile -p /run/shop.child -u nobody sleep 100000\"
load_rc_config shop
run_rc_command \"$1\"
";

#[test]
fn a_script_that_is_supervised_by_daemon_stops_as_a_whole() {
    let mut machine = machine(&[("etc/rc.d/shop", SHOP), ("etc/rc.conf", "shop_enable=YES\n")]);
    machine.until_sh("onsetctl status shop | grep -q start/running").unwrap();
    // Up is what the job is as soon as its script has made a daemon; that one then becomes another user.
    machine.until_sh("test $(stat -c %u /proc/$(cat /run/shop.child)) = 65534").unwrap();
    let pid = sh(&machine, "cat /run/shop.pid").1;
    let expected = format!("shop is running as pid {pid}.\n");
    assert_eq!(sh(&machine, "/etc/rc.d/shop status"), (0, expected.clone()));
    let told = machine.sh("/usr/lib/onset/rc/bin/service shop status").unwrap();
    assert!(told.status == 0 && told.out.contains(expected.trim_end()), "{told:?}");
    // A command that dies is started again, and the job is up all the while.
    machine.sh("cat /run/shop.child >/tmp/first; kill $(cat /run/shop.child)").unwrap();
    machine.until_sh("test -s /run/shop.child && ! cmp -s /run/shop.child /tmp/first && kill -0 $(cat /run/shop.child)").unwrap();
    assert_eq!(sh(&machine, "onsetctl status shop | grep -c start/running").0, 0);
    // Both stop, and nobody starts it again.
    machine.sh("cat /run/shop.child >/tmp/second").unwrap();
    let ran = machine.ctl(&["stop", "shop"]).unwrap();
    assert_eq!(ran.status, 0, "{} {}", ran.out, ran.err);
    let gone = format!("! kill -0 {pid} 2>/dev/null && ! kill -0 $(cat /tmp/second) 2>/dev/null");
    let log = machine.ctl(&["log", "shop"]).unwrap().out;
    assert_eq!(sh(&machine, &gone), (0, String::new()), "{} {log}", ran.out);
    assert!(machine.sh("onsetctl status shop").unwrap().out.contains("stop/waiting"));
    // What the script's own verb writes is what the command reads.
    let ran = machine.sh("service shop disable; cat /etc/rc.conf").unwrap();
    assert_eq!(ran.out, "shop disabled in /etc/rc.conf\nshop_enable=\"NO\"\n");
    assert_eq!(sh(&machine, "/usr/lib/onset/rc/bin/checkyesno shop_enable").0, 1);
}

/// Waits for another life of the supervised command than the one whose pid is in `/tmp/first`.
const ANOTHER: &str =
    "test -s /run/shop.child && ! cmp -s /run/shop.child /tmp/first && kill -0 $(cat /run/shop.child)";

#[test]
fn who_supervises_is_known_by_its_script_through_every_restart() {
    let mut machine = machine(&[("etc/rc.d/shop", SHOP), ("etc/rc.conf", "shop_enable=YES\n")]);
    machine.until_sh("onsetctl status shop | grep -q start/running && test -s /run/shop.child").unwrap();
    // Somebody asks all the while.
    let asks = "while [ ! -e /tmp/enough ]; do \
                /etc/rc.d/shop status >/dev/null || echo down >>/tmp/wrong; \
                test -s /run/shop.child || echo empty >>/tmp/wrong; echo >>/tmp/asked; done; echo >/tmp/over";
    machine.sh(&format!("({asks}) >/dev/null 2>&1 &")).unwrap();
    for _ in 0..4 {
        machine.sh("cp /run/shop.child /tmp/first; kill $(cat /tmp/first)").unwrap();
        machine.until_sh(ANOTHER).unwrap();
    }
    machine.until_sh("test $(wc -l </tmp/asked) -gt 8").unwrap();
    machine.sh(">/tmp/enough").unwrap();
    machine.until_sh("test -e /tmp/over").unwrap();
    assert_eq!(sh(&machine, "cat /tmp/wrong 2>/dev/null").1, "");
    // A stop right behind a restart, and one in the pause before it, find who is to be stopped; nobody comes back.
    for moment in [ANOTHER, "! kill -0 $(cat /tmp/first) 2>/dev/null"] {
        machine
            .sh("cp /run/shop.pid /tmp/own; cp /run/shop.child /tmp/first; kill $(cat /tmp/first)")
            .unwrap();
        machine.until_sh(moment).unwrap();
        let ran = machine.ctl(&["stop", "shop"]).unwrap();
        assert_eq!(ran.status, 0, "{} {}", ran.out, ran.err);
        assert!(ran.out.contains("Stopping shop.") && !ran.out.contains("not running"), "{}", ran.out);
        let left = "kill -0 $(cat /tmp/own) 2>/dev/null || ls /run/shop.pid /run/shop.child 2>/dev/null || \
                    ps | grep -v grep | grep 'sleep 100000'";
        assert_eq!(sh(&machine, left), (1, String::new()), "{moment}");
        let ran = machine.ctl(&["start", "shop"]).unwrap();
        assert_eq!(ran.status, 0, "{} {}", ran.out, ran.err);
        machine.until_sh("test -s /run/shop.child").unwrap();
    }
}

/// What others need: off in rc.conf, and it takes its time to come up.
const NEEDED: &str = "#!/bin/sh
# PROVIDE: needed
. /etc/rc.subr
name=needed
rcvar=needed_enable
start_cmd=needed_start
status_cmd='[ -e /run/needed ]'
needed_start()
{
	echo start >>/tmp/starts
	read -r _word </tmp/go
	echo >/run/needed
}
load_rc_config needed
run_rc_command \"$1\"
";

/// One that needs it.
const USER: &str = "#!/bin/sh
# PROVIDE: NAME
. /etc/rc.subr
name=NAME
start_precmd='force_depend needed'
start_cmd='echo NAME >>/tmp/up'
load_rc_config NAME
run_rc_command \"$1\"
";

#[test]
fn a_start_under_way_is_waited_for_and_not_made_twice() {
    let (one, other) = (USER.replace("NAME", "one"), USER.replace("NAME", "other"));
    let mut machine = machine(&[
        ("etc/rc.d/needed", NEEDED),
        ("etc/rc.d/one", &one),
        ("etc/rc.d/other", &other),
        ("etc/rc.conf", "needed_enable=NO\n"),
        (
            "etc/onset/jobs/before.ron",
            "(start_on: \"startup\", before: [\"one\", \"other\"], task: true, exec: [\"mkfifo\", \"/tmp/go\"])",
        ),
    ]);
    machine.until_sh("test -s /tmp/starts").unwrap();
    // Both have begun: one of them has asked for it, and the other finds that somebody has.
    let both = "for it in one other needed; do onsetctl status $it | grep -q start/spawned || exit 1; done";
    machine.until_sh(both).unwrap();
    machine.sh("echo >/tmp/go").unwrap();
    machine.until_sh("test $(wc -l </tmp/up) = 2").unwrap();
    assert_eq!(sh(&machine, "cat /tmp/starts").1, "start\n");
    assert!(sh(&machine, "onsetctl status needed").1.contains("start/running"));
    // Up is up: nobody starts it once more.
    assert_eq!(
        sh(&machine, "/etc/rc.d/one start && sort /tmp/up && cat /tmp/starts").1,
        "one\none\nother\nstart\n"
    );
}

/// A script whose name no variable can have.
const DASHED: &str = "#!/bin/sh
# PROVIDE: dashed
. /etc/rc.subr
name=my-svc
rcvar=${name}_enable
start_cmd='echo NAME $my_svc_flags >>/tmp/up'
load_rc_config $name
run_rc_command \"$1\"
";

#[test]
fn every_file_of_rc_conf_counts_for_onset_as_for_the_script() {
    let toy = DASHED.replace("my-svc", "toy").replace("my_svc", "toy");
    let far = toy.replace("toy", "far");
    let mut machine = machine(&[
        ("etc/rc.d/dashed", &DASHED.replace("NAME", "dashed")),
        ("etc/rc.d/toy", &toy.replace("NAME", "toy")),
        ("usr/local/etc/rc.d/far", &far.replace("NAME", "far")),
        (
            "etc/rc.conf",
            "toy_enable=NO\nrc_conf_files=\"$rc_conf_files /etc/rc.conf.site\"\nfar_flags=main\n",
        ),
        ("etc/defaults/rc.conf", "rc_conf_files=\"/etc/rc.conf /etc/rc.conf.local\"\n"),
        ("etc/rc.conf.local", "toy_flags=local\nmy_svc_enable=NO\n"),
        ("etc/rc.conf.site", "my_svc_enable=YES\nfar_enable=NO\n"),
        ("usr/local/etc/rc.conf.d/my-svc", "my_svc_flags=package\n"),
        ("etc/rc.conf.d/toy/on", "toy_enable=YES\n"),
        ("usr/local/etc/rc.conf.d/far/on", "far_enable=YES\n"),
    ]);
    machine.until_sh("test $(wc -l </tmp/up) = 3").unwrap();
    assert_eq!(sh(&machine, "sort /tmp/up").1, "dashed package\nfar main\ntoy local\n");
    // The same files, asked by hand.
    for script in ["/etc/rc.d/dashed", "/etc/rc.d/toy", "/usr/local/etc/rc.d/far"] {
        assert_eq!(sh(&machine, &format!("{script} enabled")).0, 0, "{script}");
    }
}

/// A script that enables another and has rc.conf read again, and that other one.
const EARLY: &str = "#!/bin/sh
# PROVIDE: early
. /etc/rc.subr
name=early
start_cmd=early_start
early_start()
{
	echo late_enable=YES >>/etc/rc.conf
	kill -ALRM $RC_PID
}
load_rc_config $name
run_rc_command \"$1\"
";
const LATE: &str = "#!/bin/sh
# PROVIDE: late
# REQUIRE: early
. /etc/rc.subr
name=late
rcvar=late_enable
start_cmd='echo late >>/tmp/late'
load_rc_config $name
run_rc_command \"$1\"
";

#[test]
fn a_script_that_another_one_enables_starts_in_the_same_boot() {
    let mut machine =
        machine(&[("etc/rc.d/early", EARLY), ("etc/rc.d/late", LATE), ("etc/rc.conf", "late_enable=NO\n")]);
    machine.until_sh("onsetctl status late | grep start/running").unwrap();
    says(&machine, "cat /tmp/late", "late\n");
}

#[test]
fn a_first_boot_may_ask_for_another_one() {
    let stock = vm_tests::programs::workspace().join("init/stock/jobs/rc-firstboot.ron");
    let once = "#!/bin/sh\n# PROVIDE: once\n# KEYWORD: firstboot\necho the first boot: $1 >/dev/console\n";
    let files = [
        ("firstboot", "\n"),
        ("firstboot-reboot", "\n"),
        ("etc/rc.d/once", once),
        ("etc/onset/jobs/rc-firstboot.ron", &std::fs::read_to_string(stock).unwrap()),
    ];
    let files = files.into_iter().map(|(path, text)| (path.into(), text.into())).collect();
    // A container would end with a status.
    let environment = vec![("container".into(), String::new())];
    let options = Options { files, environment, wait: false, ..Options::default() };
    let mut machine = Machine::start(&[], &options).unwrap();
    // What reboot(2) makes of PID 1 of a name space: HUP.
    assert_eq!(machine.until_end().unwrap(), 129);
    assert!(machine.console().contains("the first boot: start"), "{}", machine.console());
}
