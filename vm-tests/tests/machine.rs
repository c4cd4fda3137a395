//! What carries the scenarios: a kernel boots, commands go in and come back, things are plugged in and pulled
//! out, a panic and the power button are seen. There is no Onset in it.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use vm_tests::{
    guest,
    kernel::Kernel,
    limit::Limit,
    qemu::{Clock, Machine, Plan},
    session::Session,
};

fn plan(append: &str) -> Plan {
    let kernel = Kernel::find().unwrap();
    let tree = guest::machine(&kernel).unwrap();
    Plan {
        initrd: guest::keep(&tree, "machine").unwrap(),
        kernel: kernel.image,
        disk: None,
        is_kept: false,
        port: true,
        append: format!("rdinit=/sbin/no-init quiet {append}"),
        memory: 256,
        processors: 1,
        clock: Clock::Host,
    }
}

#[test]
fn a_machine_does_what_it_is_told() {
    let mut machine = Machine::start(&plan("unknown_nmi_panic")).unwrap();
    let limit = || Limit::seconds(60);
    let mut session = Session::open(&mut machine, Limit::seconds(120)).unwrap();
    machine.until_console("no init: up", limit()).unwrap();

    let ran = session.run(&mut machine, "echo ä; uname -s >&2; exit 7", limit()).unwrap();
    assert_eq!((ran.status, ran.output.as_str()), (7, "ä\nLinux\n"));

    machine.plug_card("card").unwrap();
    let wait = |path: &str| format!("until test {path}; do :; done");
    session.run(&mut machine, &wait("-e /sys/class/net/eth0"), limit()).unwrap();
    machine.unplug("card").unwrap();
    session.run(&mut machine, &wait("! -e /sys/class/net/eth0"), limit()).unwrap();
    machine.plug_disk("DISK0", None).unwrap();
    session.run(&mut machine, &wait("-e /sys/block/vda"), limit()).unwrap();
    let ran = session.run(&mut machine, "cat /sys/block/vda/serial", limit()).unwrap();
    assert_eq!(ran.output, "DISK0");

    // The device is open before the button is pushed: what came earlier is told to nobody.
    let listen = "exec 3</dev/input/event0; dd bs=24 count=1 <&3 >/tmp/pushed 2>/dev/null &";
    session.run(&mut machine, listen, limit()).unwrap();
    machine.push_power().unwrap();
    session.run(&mut machine, &wait("-s /tmp/pushed"), limit()).unwrap();

    machine.raise_nmi().unwrap();
    machine.until_panic(limit()).unwrap();
}

#[test]
fn a_machine_that_goes_down_is_seen_to_go() {
    let mut machine = Machine::start(&plan("")).unwrap();
    let mut session = Session::open(&mut machine, Limit::seconds(120)).unwrap();
    session.run(&mut machine, "poweroff -f", Limit::seconds(60)).unwrap_err();
    assert_eq!(machine.until_end(Limit::seconds(60)).unwrap(), "guest-shutdown");
}

#[test]
fn a_panic_ends_every_wait() {
    let mut machine = Machine::start(&plan("")).unwrap();
    let mut session = Session::open(&mut machine, Limit::seconds(120)).unwrap();
    let failure = session.run(&mut machine, "echo c >/proc/sysrq-trigger", Limit::seconds(60)).unwrap_err();
    assert!(failure.0.contains("the kernel has panicked"), "{failure}");
    assert!(failure.0.contains("sysrq triggered crash"), "{failure}");
}
