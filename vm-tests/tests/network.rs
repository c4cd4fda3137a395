//! The network as events and facts, in name spaces: real links, and a kernel that tells of them.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

use std::{collections::BTreeSet, process::Child};

use vm_tests::namespace::{Machine, Options};

/// Something has to be there, or nothing would be booted.
const WITNESS: (&str, &str) = ("witness", "( start_on: \"startup\", exec: \"sleep 1000000\" )");

/// A machine that writes down every event.
struct Net {
    machine: Machine,
    listener: Child,
}

impl Net {
    fn new(jobs: &[(&str, &str)], arguments: &[&str]) -> Self {
        let jobs = [&[WITNESS], jobs].concat();
        let arguments = arguments.iter().map(|&word| word.into()).collect();
        let options = Options { arguments, ..Options::default() };
        let mut machine = Machine::start(&jobs, &options).unwrap();
        machine.until_sh("onsetctl status witness | grep running").unwrap();
        let listener = machine.command(&["sh", "-c", "onsetctl events >/run/told"]).spawn().unwrap();
        machine.until_sh("onsetctl emit listening; grep -q listening /run/told").unwrap();
        Self { machine, listener }
    }

    fn sh(&self, command: &str) -> String {
        let ran = self.machine.sh(command).unwrap();
        assert_eq!(ran.status, 0, "{command}: {} {}", ran.out, ran.err);
        ran.out
    }

    fn until(&mut self, command: &str) {
        self.machine.until_sh(command).unwrap();
    }

    /// What was told of the network since the last time, each with its name and its first `most` arguments. An event
    /// of ours is the end of it.
    fn told(&mut self, most: usize) -> Vec<String> {
        self.sh("onsetctl emit that-is-it");
        self.until("grep -q that-is-it /run/told");
        let told = self.sh("cat /run/told; >/run/told");
        let words = |line: &str| {
            let at = line.find("net-").or_else(|| line.find("link-"))?;
            let words: Vec<&str> = line[at..].split(' ').collect();
            Some(words[..words.len().min(most + 1)].join(" "))
        };
        told.lines().filter_map(words).collect()
    }

    /// What facts say of addresses, and what `ip` says.
    fn addresses(&self) -> [BTreeSet<String>; 2] {
        let facts = self.sh("onsetctl facts address");
        let value = |line: &str, key: &str| {
            let word = line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            word.unwrap_or_default().to_owned()
        };
        let ours = facts.lines().map(|line| {
            format!("{} {}/{}", value(line, "IFACE"), value(line, "ADDRESS"), value(line, "PREFIX"))
        });
        let theirs = self.sh("ip -o addr | grep -v tentative");
        let theirs = theirs.lines().filter(|line| line.contains(" inet")).map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let address = words[3].to_owned();
            let address = if address.contains('/') { address } else { format!("{address}/32") };
            format!("{} {address}", words[1].split('@').next().unwrap())
        });
        [ours.collect(), theirs.collect()]
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // It ends with the machine anyhow.
        let _ = self.listener.kill();
        let _ = self.listener.wait();
    }
}

#[test]
fn a_link_is_up_when_both_ends_are() {
    let mut net = Net::new(&[], &[]);
    net.sh("vm-guest link add v0 veth v1");
    net.sh("ip link set v0 up");
    assert_eq!(net.told(1), ["net-device-added KERNEL=v1", "net-device-added KERNEL=v0"]);
    net.sh("ip link set v1 up");
    net.until("onsetctl facts link | grep 'IFACE=v0 .*KIND=veth' && onsetctl facts link | grep IFACE=v1");
    let told = net.told(4);
    for event in [
        "link-up IFACE=v0",
        "link-up IFACE=v1",
        "net-device-up IFACE=v0 LOGICAL=v0 ADDRFAM=inet METHOD=manual",
    ] {
        assert!(told.iter().any(|line| line.starts_with(event)), "{event}: {told:?}");
    }
    net.sh("vm-guest link delete v0");
    net.until("! onsetctl facts | grep v[01]");
    let told = net.told(1);
    for event in ["net-device-down IFACE=v0", "net-device-down IFACE=v1", "net-device-removed KERNEL=v1"] {
        assert!(told.iter().any(|line| line == event), "{event}: {told:?}");
    }
}

#[test]
fn an_address_is_told_when_it_can_be_used() {
    let mut net = Net::new(&[], &[]);
    net.sh("vm-guest link add v0 veth v1 && ip link set v0 up && ip addr add 10.0.0.1/24 dev v0");
    net.until("onsetctl facts address | grep 'IFACE=v0 FAMILY=inet ADDRESS=10.0.0.1 PREFIX=24 SCOPE=global'");
    // Without the other end it cannot be found out whether anybody else has an address of the sixth version.
    net.sh("ip addr add fd00::1/64 dev v0 && ip addr | grep 'fd00::1/64 .*tentative'");
    net.sh("ip addr add 10.0.0.9/24 dev v0");
    net.until("onsetctl facts address | grep 10.0.0.9");
    net.sh("! onsetctl facts address | grep fd00::1");
    assert!(net.told(3).iter().all(|line| !line.contains("fd00::1")));
    net.sh("ip link set v1 up");
    net.until("onsetctl facts address | grep 'IFACE=v0 FAMILY=inet6 ADDRESS=fd00::1 PREFIX=64 SCOPE=global'");
    net.sh("! ip addr | grep 'fd00::1/64 .*tentative'");
    assert!(net.told(3).contains(&"net-address-added IFACE=v0 FAMILY=inet6 ADDRESS=fd00::1".into()));
    net.sh("ip addr del 10.0.0.1/24 dev v0");
    net.until("! onsetctl facts address | grep 10.0.0.1");
    let told = net.told(3);
    assert!(told.contains(&"net-address-removed IFACE=v0 FAMILY=inet ADDRESS=10.0.0.1".into()), "{told:?}");
}

#[test]
fn a_default_route_is_told_and_nothing_of_other_routes() {
    let mut net = Net::new(&[], &[]);
    net.sh("vm-guest link add v0 veth v1 && ip link set v0 up && ip link set v1 up");
    net.sh("ip addr add 10.0.0.1/24 dev v0 && ip route add 10.9.0.0/16 via 10.0.0.2");
    net.sh("ip route add default via 10.0.0.2");
    net.until("onsetctl facts route | grep 'FAMILY=inet IFACE=v0 GATEWAY=10.0.0.2 METRIC=0'");
    net.sh("test $(onsetctl facts route | wc -l) = 1");
    assert!(net.told(3).contains(&"net-default-route-up FAMILY=inet IFACE=v0 GATEWAY=10.0.0.2".into()));
    // The one that takes its place is there before it is gone.
    net.sh("ip route replace default via 10.0.0.3");
    net.until("onsetctl facts route | grep 10.0.0.3 && ! onsetctl facts route | grep 10.0.0.2");
    assert_eq!(
        net.told(3),
        [
            "net-default-route-up FAMILY=inet IFACE=v0 GATEWAY=10.0.0.3",
            "net-default-route-down FAMILY=inet IFACE=v0 GATEWAY=10.0.0.2"
        ]
    );
    // Of several the kernel does not say which was replaced.
    net.sh("ip route append default via 10.0.0.4 && ip route replace default via 10.0.0.5");
    net.until("onsetctl facts route | grep 10.0.0.5 && test $(onsetctl facts route | wc -l) = 2");
    let theirs = net.sh("ip route | sed -n 's/default via \\([^ ]*\\) .*/\\1/p' | sort");
    let ours = net.sh("onsetctl facts route | sed 's/.*GATEWAY=\\([^ ]*\\) .*/\\1/' | sort");
    assert_eq!(ours, theirs);
    // With the link, or its last address, the kernel takes them away without a word.
    net.sh("ip link set v0 down && ! ip route | grep default");
    net.until("! onsetctl facts route | grep v0");
    net.sh("ip link set v0 up && ip route add default via 10.0.0.2");
    net.until("onsetctl facts route | grep 10.0.0.2");
    net.sh("ip addr del 10.0.0.1/24 dev v0 && ! ip route | grep default");
    net.until("! onsetctl facts route | grep v0");
}

#[test]
fn a_link_with_another_name_is_another_to_conditions() {
    let jobs = [("card", "( while: \"link IFACE=*\", instance: \"$IFACE\", exec: \"sleep 1000000\" )")];
    let mut net = Net::new(&jobs, &[]);
    net.sh("vm-guest link add v0 veth v1 && ip link set v1 up && ip link set v0 up");
    net.sh("ip addr add 10.0.0.1/24 dev v0 && ip route add default via 10.0.0.2");
    net.until("onsetctl list | grep 'card (v0).*running' && onsetctl facts route | grep v0");
    net.told(0);
    net.sh("ip link set v0 down && ip link set v0 name wan0 && ip link set wan0 up");
    net.until("onsetctl list | grep 'card (wan0).*running' && ! onsetctl list | grep 'card (v0)'");
    net.sh("ip route add default via 10.0.0.2");
    net.until("onsetctl facts route | grep wan0 && onsetctl facts address | grep 'wan0.*10.0.0.1'");
    net.sh("! onsetctl facts | grep -e '=v0 '");
    let told = net.told(1);
    for event in [
        "net-device-down IFACE=v0",
        "net-device-move KERNEL=wan0",
        "net-address-removed IFACE=v0",
        "net-address-added IFACE=wan0",
        "net-device-up IFACE=wan0",
    ] {
        assert!(told.iter().any(|line| line == event), "{event}: {told:?}");
    }
}

#[test]
fn a_link_that_moves_to_another_name_space_is_gone_and_comes_back() {
    let mut net = Net::new(&[], &[]);
    net.sh("vm-guest link add v0 veth v1 && ip link set v0 up && ip link set v1 up");
    net.sh("ip addr add 10.0.0.1/24 dev v0");
    net.until("onsetctl facts address | grep 10.0.0.1");
    net.sh("unshare --net sh -c 'echo $$ >/run/other; exec sleep 1000000' >/dev/null 2>&1 &");
    net.until("test -s /run/other && ! cmp -s /proc/$(cat /run/other)/ns/net /proc/1/ns/net && ip link set v0 netns $(cat /run/other)");
    net.until("! onsetctl facts | grep -e v0");
    net.sh("nsenter -n -t $(cat /run/other) ip link set v0 netns 1");
    net.until("onsetctl facts device | grep v0");
    net.sh("ip link set v0 up");
    net.until("onsetctl facts link | grep IFACE=v0");
    net.sh("! onsetctl facts address | grep 10.0.0.1");
}

#[test]
fn a_port_names_its_bridge() {
    let mut net = Net::new(&[], &[]);
    net.sh("vm-guest link add v0 veth v1 && ip link set v0 up && ip link set v1 up && ip link set lo up");
    if net.machine.sh("vm-guest link add br0 bridge").unwrap().status != 0 {
        println!("skipped: this kernel has no bridges");
        return;
    }
    net.sh("ip link set br0 up && ip link set v0 master br0");
    net.until("onsetctl facts link | grep 'IFACE=v0 .*MASTER=br0' && onsetctl facts link | grep IFACE=br0");
    net.sh("ip link set v0 nomaster");
    net.until("! onsetctl facts link | grep MASTER");
    // A port that leaves its bridge is no link that is gone.
    net.sh("onsetctl facts link | grep IFACE=v0");
    net.sh("vm-guest link delete br0");
    net.until("! onsetctl facts | grep br0");
}

#[test]
fn what_flaps_is_damped() {
    let jobs = [
        ("steady", "( while: \"link IFACE=v0 for 1s until gone 60s\", exec: \"sleep 1000000\" )"),
        ("plain", "( while: \"link IFACE=v0\", exec: \"sleep 1000000\" )"),
        (
            "sync",
            "( start_on: \"link-up IFACE=v0\", again: coalesce(\"3s\"), exec: \"sh -c 'echo sync >>/run/syncs; exec sleep 1000000'\" )",
        ),
    ];
    let mut net = Net::new(&jobs, &[]);
    net.sh("vm-guest link add v0 veth v1 && ip link set v0 up && ip link set v1 up");
    net.until(
        "onsetctl status steady | grep running && onsetctl status plain | grep running && test -s /run/syncs",
    );
    let pid = net.sh("onsetctl status steady");
    let plain = net.sh("onsetctl status plain");
    net.sh(">/run/syncs; vm-guest link storm v0 20");
    net.until("test -s /run/syncs");
    net.until("onsetctl status plain | grep running");
    // Twenty times down and up: what waits for the link alone was stopped, what waits for it to stay was not, and
    // what is to be done once is done once.
    assert_eq!(net.sh("onsetctl status steady"), pid);
    assert_ne!(net.sh("onsetctl status plain"), plain);
    assert_eq!(net.sh("cat /run/syncs"), "sync\n");
}

#[test]
fn nothing_is_wrong_after_messages_were_lost() {
    let mut net = Net::new(&[], &["onset.buffer=2K"]);
    net.sh("vm-guest link add v0 veth v1 && ip link set v0 up && ip link set v1 up");
    net.sh("vm-guest link storm v0 4000 && ip link set v1 down && ip route add default dev v0");
    net.until("onsetctl limits --json | tr '{' '\\n' | grep network-overruns | grep -v 'used\":0'");
    net.until("! onsetctl facts link | grep v0 && onsetctl facts route | grep v0");
    net.until("test $(onsetctl facts address | grep -c inet\\ ) = $(ip -o addr | grep -c 'inet ')");
    let [ours, theirs] = net.addresses();
    assert_eq!(ours, theirs);
    assert!(theirs.len() >= 500, "{}", theirs.len());
}

#[test]
fn a_router_with_many_routes_does_not_wake_us() {
    let mut net = Net::new(&[], &["onset.buffer=2K"]);
    net.sh("vm-guest link add v0 veth v1 && ip link set v0 up && ip link set v1 up");
    net.sh("ip addr add 10.0.0.1/24 dev v0");
    net.until("onsetctl facts address | grep 10.0.0.1 && onsetctl facts link | grep v0");
    net.until(
        "! ip addr | grep tentative && test $(onsetctl facts address | wc -l) = $(ip -o addr | grep -c inet)",
    );
    let overruns = "onsetctl limits --json | tr '{' '\\n' | grep network-overruns";
    let before = net.sh(overruns);
    net.sh("vm-guest link routes v0 5000 && ip route add default via 10.0.0.2");
    net.until("onsetctl facts route | grep 10.0.0.2");
    // There is room for two or three messages.
    assert_eq!(net.sh(overruns), before);
    net.sh("test $(ip route | wc -l) -gt 5000 && test $(onsetctl facts route | wc -l) = 1");
}

#[test]
fn after_an_exec_only_what_differs_is_told() {
    let mut net = Net::new(&[], &[]);
    net.sh("vm-guest link add v0 veth v1 && ip link set v0 up && ip link set v1 up");
    net.sh("ip addr add 10.0.0.1/24 dev v0 && ip route add default via 10.0.0.2");
    net.until("onsetctl facts route | grep 10.0.0.2");
    net.until("ip addr | grep -q tentative && exit 1 || test $(onsetctl facts address | grep -c inet6) = $(ip -o addr | grep -c inet6)");
    net.told(0);
    let before = net.sh("onsetctl facts");
    net.sh("onsetctl reexec");
    net.until("onsetctl version");
    net.sh("ip addr add 10.0.0.5/24 dev v0");
    net.until("onsetctl facts address | grep 10.0.0.5");
    let told = net.told(3);
    assert_eq!(told, ["net-address-added IFACE=v0 FAMILY=inet ADDRESS=10.0.0.5"]);
    let after = net.sh("onsetctl facts | grep -v 10.0.0.5");
    assert_eq!(before, after);
}
