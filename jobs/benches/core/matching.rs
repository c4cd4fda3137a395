//! Matching alone: an event, and the places in conditions that look for it.

use events::Event;
use jobs::{Graph, Hit, JobId};

use crate::{
    Order, Sample,
    fleet::{self, Conditions, SORT},
    timed,
};

/// Shows each job's event to the graph, `rounds` times over.
pub fn matching(count: usize, conditions: Conditions, order: Order, rounds: usize) -> Sample {
    let mut graph = Graph::default();
    for (number, job) in fleet::fleet(count, conditions).iter().enumerate() {
        graph.add_job(JobId(u32::try_from(number).unwrap()), job);
    }
    let events = fleet::events(count, conditions, order);
    let found = show(&graph, &events);
    assert_eq!(found, count, "an event must concern one job");
    let (found, time) = timed(|| (0..rounds).map(|_| show(&graph, &events)).sum::<usize>());
    Sample { done: found, time }
}

fn show(graph: &Graph, events: &[Event]) -> usize {
    let mut hits: Vec<Hit> = Vec::new();
    let mut found = 0;
    for event in events {
        hits.clear();
        graph.hits(SORT, &event.name, &event.args, &mut hits);
        found += hits.len();
    }
    found
}
