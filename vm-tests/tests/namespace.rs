//! What carries the tests in name spaces: PID 1 is a script here.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use vm_tests::namespace::{Machine, Options};

const INIT: &str = "#!/bin/sh
trap 'echo power >/tmp/power' PWR
trap 'exit 7' TERM
echo up with $# $1
while :; do sleep 1000 & wait $!; done
";

fn machine() -> Machine {
    let options = Options {
        arguments: vec!["single".into()],
        command_line: "quiet onset.settle=1s".into(),
        files: vec![("sbin/test-init".into(), INIT.into())],
        removed: vec!["etc/fstab".into()],
        wait: false,
        ..Options::default()
    };
    Machine::start_init(&["/sbin/test-init"], &[("a", "()")], &options).unwrap()
}

#[test]
fn a_machine_has_what_is_its_own_and_nothing_else() {
    let mut machine = machine();
    machine
        .until("it says so", |machine| Ok(machine.console().contains("up with 1 single").then_some(())))
        .unwrap();
    let ran =
        machine.sh("cat /proc/cmdline /etc/onset/jobs/a.ron; cat /proc/swaps; test -e /etc/fstab").unwrap();
    assert_eq!((ran.status, ran.out.as_str()), (1, "quiet onset.settle=1s\n()"));
    assert_eq!(machine.sh("readlink /proc/1/exe; echo $PPID").unwrap().out, "/bin/busybox\n0\n");
    assert_eq!(machine.sh("cat /sys/fs/cgroup/cgroup.procs | sort -n | head -n 1").unwrap().out, "1\n");
    let mounts = machine.sh("cut -d ' ' -f 3 /proc/mounts | sort -u").unwrap().out;
    for kind in mounts.lines() {
        assert!(["cgroup2", "devpts", "devtmpfs", "proc", "sysfs", "tmpfs"].contains(&kind), "{mounts}");
    }
    assert_eq!(machine.run(&["/bin/false"]).unwrap().status, 1);
}

#[test]
fn signals_reach_pid_1_and_its_end_is_seen() {
    let mut machine = machine();
    machine.until("it says so", |machine| Ok(machine.console().contains("up").then_some(()))).unwrap();
    machine.signal_init("PWR").unwrap();
    machine.until_sh("test -s /tmp/power").unwrap();
    machine.signal_init("TERM").unwrap();
    assert_eq!(machine.until_end().unwrap(), 7);
}
