//! What has a bound stays within it, and says so.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use events::{Name, Time};
use jobs::{
    Input, Origin,
    formats::{Source, native},
    simulate::{Order, Simulation, World, parse_order},
};

#[test]
fn a_job_has_1_024_instances_at_most_and_one_more_is_named() {
    let text = "(exec: \"/bin/dhcp\", while: \"device INTERFACE=*\", instance: \"$INTERFACE\")";
    let source = Source { path: "dhcp.ron".into(), text: text.into(), executable: false };
    let reading = native::read(&Name::new("dhcp").unwrap(), &source, &[], 0);
    let job = Arc::new(reading.described.unwrap().job);
    let mut simulation = Simulation::new(vec![job], World::default());
    let fact = |number: usize| {
        let order = parse_order(&format!("fact device INTERFACE=eth{number}")).unwrap();
        let Order::Fact(fact) = order else { panic!("{order:?}") };
        fact
    };
    let up = |simulation: &Simulation| simulation.engine.list().len();
    for number in 0..1_024 {
        simulation.give(Input::Began { fact: fact(number), origin: Origin::World });
    }
    simulation.run_until(Time(1_000));
    assert_eq!(up(&simulation), 1_024);
    simulation.take_transcript();
    simulation.give(Input::Began { fact: fact(5_000), origin: Origin::World });
    simulation.run_until(Time(2_000));
    assert_eq!(up(&simulation), 1_024);
    let told: Vec<String> = simulation.take_transcript().iter().map(|line| line.text.clone()).collect();
    assert!(told.iter().any(|line| line.contains("1024 instances")), "{told:?}");
    // As every start that was refused, this one comes when its fact has ended and begun again.
    let end = |simulation: &mut Simulation, number: usize| {
        let gone = fact(number);
        simulation.give(Input::Ended { name: gone.name.clone(), identity: gone.identity.clone() });
        simulation.run_until(Time(3_000));
    };
    end(&mut simulation, 7);
    assert_eq!(up(&simulation), 1_023);
    end(&mut simulation, 5_000);
    simulation.give(Input::Began { fact: fact(5_000), origin: Origin::World });
    simulation.run_until(Time(4_000));
    assert_eq!(up(&simulation), 1_024);
}
