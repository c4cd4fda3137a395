//! When a boot has settled: all has happened that can happen by itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use events::{Name, Time};
use jobs::{
    Input, Job, Origin,
    formats::{Source, native},
    simulate::{Simulation, World},
};

/// A boot, this long after it began.
fn boot(files: &[(&str, &str)], after: u64) -> Simulation {
    let read = |(name, text): &(&str, &str)| {
        let source = Source { path: format!("{name}.ron"), text: (*text).into(), executable: false };
        let reading = native::read(&Name::new(name).unwrap(), &source, &[], 0);
        Arc::new(reading.described.unwrap().job)
    };
    let jobs: Vec<Arc<Job>> = files.iter().map(read).collect();
    let mut world = World::default();
    world.say("slow: ready never").unwrap();
    world.say("long: runs 1m").unwrap();
    world.say("frail: runs 1s, exit 1").unwrap();
    world.say("unwanted check: exit 1").unwrap();
    let mut simulation = Simulation::new(jobs, world);
    simulation.give(Input::Event { event: "startup".parse().unwrap(), origin: Origin::World, reply: None });
    simulation.run_until(Time(after));
    simulation
}

fn check(files: &[(&str, &str)], after: u64, settled: bool) {
    let simulation = boot(files, after);
    assert_eq!(simulation.engine.is_settled(), settled, "{files:?} after {after} ms");
}

const DHCP: (&str, &str) = (
    "dhcp",
    r#"(exec: "/bin/d", while: "device INTERFACE=eth0", provides: [(name: "NET", expected: "30s")])"#,
);

#[test]
fn what_waits_only_for_what_is_expected_does_not_hold_a_boot() {
    let shop = ("shop", r#"(exec: "/bin/shop", start_on: "startup", requires: ["NET"])"#);
    let seller = ("seller", r#"(exec: "/bin/seller", start_on: "startup", requires: ["shop"])"#);
    check(&[DHCP, shop], 100, true);
    check(&[DHCP, shop, seller], 100, true);
}

#[test]
fn what_waits_for_one_that_comes_holds_it() {
    let slow = ("slow", r#"(exec: "/bin/slow", start_on: "startup", ready: notify)"#);
    let shop = ("shop", r#"(exec: "/bin/shop", start_on: "startup", requires: ["NET", "slow"])"#);
    check(&[DHCP, slow, shop], 100, false);
    check(&[DHCP, shop], 100, true);
}

/// Whether what these provide as `UDEV` is still to come, at each of these times.
fn check_awaited(files: &[(&str, &str)], expected: &[(u64, bool)]) {
    for (after, awaited) in expected {
        let simulation = boot(files, *after);
        assert_eq!(simulation.engine.is_awaited("UDEV"), *awaited, "{files:?} after {after} ms");
    }
}

const LONG: (&str, &str) = ("long", r#"(exec: "/bin/long", start_on: "startup", task: true)"#);

#[test]
fn what_nobody_provides_or_nothing_starts_is_not_awaited() {
    check_awaited(&[LONG], &[(0, false), (100, false)]);
    let manual = ("d", r#"(exec: "/bin/d", start_on: "startup", manual: true, provides: ["UDEV"])"#);
    check_awaited(&[LONG, manual], &[(0, false), (100, false)]);
}

#[test]
fn a_start_that_is_under_way_is_awaited_until_its_time_is_over() {
    let slow = |rest: &str| {
        format!(r#"(exec: "/bin/d", start_on: "startup", ready: notify, provides: ["UDEV"]{rest})"#)
    };
    check_awaited(&[("slow", &slow(""))], &[(0, true), (29_000, true)]);
    check_awaited(&[("slow", &slow(r#", settle: "10s""#))], &[(9_000, true), (11_000, false)]);
    let up = ("d", r#"(exec: "/bin/d", start_on: "startup", provides: ["UDEV"])"#);
    check_awaited(&[up], &[(100, false)]);
}

#[test]
fn what_the_boot_has_not_come_to_is_awaited_until_it_settles() {
    let behind = ("d", r#"(exec: "/bin/d", start_on: "stopped long", provides: ["UDEV"])"#);
    check_awaited(&[LONG, behind], &[(100, true), (59_000, true), (61_000, false)]);
    // It was tried, and is not wanted here.
    let unwanted = ("unwanted", r#"(exec: "/bin/d", check: "c", start_on: "startup", provides: ["UDEV"])"#);
    check_awaited(&[LONG, unwanted], &[(100, false)]);
    // What never comes holds nothing up once all else has.
    let never = ("d", r#"(exec: "/bin/d", start_on: "never", provides: ["UDEV"])"#);
    check_awaited(&[LONG, never], &[(100, true), (61_000, false)]);
}

#[test]
fn what_died_is_awaited_while_it_is_on_its_way_back_at_once() {
    let frail = |respawn: &str| {
        format!(
            r#"(exec: "/bin/d", start_on: "startup", provides: ["UDEV"], respawn: {respawn},
                pre_start: "p")"#
        )
    };
    let mut simulation = boot(&[("frail", &frail("true"))], 900);
    simulation.world.say("frail pre-start: runs 5s").unwrap();
    assert!(!simulation.engine.is_awaited("UDEV"), "it is up");
    for at in [1_010, 1_500] {
        simulation.run_until(Time(at));
        assert!(simulation.engine.is_awaited("UDEV"), "it comes back: {at}");
    }
    simulation.run_until(Time(6_200));
    assert!(!simulation.engine.is_awaited("UDEV"), "it is up again");
    // One that has to wait for its next try is not waited for.
    let later = frail(r#"(backoff: "20s..30s")"#);
    check_awaited(&[("frail", &later)], &[(900, false), (10_000, false)]);
}
