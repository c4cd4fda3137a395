//! When a boot has settled: all has happened that can happen by itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use events::{Name, Time};
use jobs::{
    Input, Job, Origin,
    formats::{Source, native},
    simulate::{Simulation, World},
};

fn check(files: &[(&str, &str)], after: u64, settled: bool) {
    let read = |(name, text): &(&str, &str)| {
        let source = Source { path: format!("{name}.ron"), text: (*text).into(), executable: false };
        let reading = native::read(&Name::new(name).unwrap(), &source, &[], 0);
        Arc::new(reading.described.unwrap().job)
    };
    let jobs: Vec<Arc<Job>> = files.iter().map(read).collect();
    let mut world = World::default();
    world.say("slow: ready never").unwrap();
    let mut simulation = Simulation::new(jobs, world);
    simulation.give(Input::Event { event: "startup".parse().unwrap(), origin: Origin::World, reply: None });
    simulation.run_until(Time(after));
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
