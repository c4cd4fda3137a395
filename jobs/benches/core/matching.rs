//! Matching alone: an event, and the places in conditions that look for it.
//!
//! Each event is made shortly before it is shown, as one is that has just come in; the jobs are wherever
//! their last use has left them.

use std::time::Duration;

use events::Event;
use jobs::{Graph, Hit, JobId};

use crate::{
    Order, Sample,
    fleet::{self, Conditions, SORT},
    timed,
};

/// How many events come in at once.
const BATCH: usize = 100;

/// Shows each job's event to the graph, `rounds` times over.
pub fn matching(count: usize, conditions: Conditions, order: Order, rounds: usize) -> Sample {
    let mut graph = Graph::default();
    for (number, job) in fleet::fleet(count, conditions).iter().enumerate() {
        graph.add_job(JobId(u32::try_from(number).unwrap()), job);
    }
    let events = fleet::events(count, conditions, order);
    let mut hits: Vec<Hit> = Vec::new();
    let found = show(&graph, &events, &mut hits);
    assert_eq!(found, count, "an event must concern one job");
    let (mut done, mut time) = (0, Duration::ZERO);
    for batch in (0..rounds).flat_map(|_| events.chunks(BATCH)) {
        let batch = batch.to_vec();
        let (found, taken) = timed(|| show(&graph, &batch, &mut hits));
        done += found;
        time += taken;
    }
    Sample { done, time }
}

fn show(graph: &Graph, events: &[Event], hits: &mut Vec<Hit>) -> usize {
    let mut found = 0;
    for event in events {
        hits.clear();
        graph.hits(SORT, &event.name, &event.args, hits);
        found += hits.len();
    }
    found
}
