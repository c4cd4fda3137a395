//! The graph after any number of changes is the graph that is built afresh, and its index finds what looking
//! at every pattern finds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail"
)]

#[path = "schedules/random.rs"]
#[allow(dead_code, reason = "only a part of it is used here")]
mod random;

use std::{collections::BTreeMap, sync::Arc};

use events::{Args, Condition, Dialect, Event, Key, Leaf, Value};
use jobs::{Engine, Gate, Graph, GraphEdge as Edge, GraphNode, Input, Job, JobId, Sort};
use random::{NAMES, Random};

/// A node by name: numbers of jobs differ from one engine to the other.
fn node_name(graph: &Graph, engine: &Engine, node: &GraphNode) -> String {
    let _ = graph;
    let job = |id: &JobId| engine.job(*id).map(|job| job.name.to_string()).unwrap_or("?".into());
    match node {
        GraphNode::Leaf(sort, pattern) => format!("leaf {sort:?} {pattern}"),
        GraphNode::Gate(Gate::Start(id)) => format!("start of {}", job(id)),
        GraphNode::Gate(Gate::Changed(id)) => format!("files of {}", job(id)),
        GraphNode::Gate(Gate::While(id)) => format!("while of {}", job(id)),
        GraphNode::Gate(Gate::OldWhile(id)) => format!("old while of {}", job(id)),
        GraphNode::Gate(Gate::Stop(place)) => format!("stop of instance {place}"),
        GraphNode::Job(id) => format!("job {}", job(id)),
        GraphNode::Provision(name) => format!("provision {name}"),
    }
}

/// All nodes and edges by name, and how often each is there.
fn canonical(engine: &Engine) -> BTreeMap<String, usize> {
    let graph = engine.graph();
    let inner = graph.inner();
    let mut all = BTreeMap::new();
    let name = |index| inner.node_weight(index).map(|node| node_name(graph, engine, node)).unwrap();
    for index in inner.node_indices() {
        *all.entry(name(index)).or_default() += 1;
    }
    for edge in inner.edge_indices() {
        let (from, to) = inner.edge_endpoints(edge).unwrap();
        let kind: &Edge = inner.edge_weight(edge).unwrap();
        *all.entry(format!("{} --{kind:?}--> {}", name(from), name(to))).or_default() += 1;
    }
    all
}

fn reload(engine: &mut Engine, jobs: &[Job]) {
    let jobs = jobs.iter().cloned().map(Arc::new).collect();
    let _ = engine.step([Input::Reload { jobs, refused: Vec::new() }], events::Time(0));
}

/// Who is meant, by name.
fn hits(engine: &Engine, sort: Sort, event: &Event) -> Vec<String> {
    let mut hits = Vec::new();
    engine.graph().hits(sort, &event.name, &event.args, &mut hits);
    let name = |gate: Gate| node_name(engine.graph(), engine, &GraphNode::Gate(gate));
    let mut names: Vec<String> = hits.iter().map(|hit| format!("{} {}", name(hit.gate), hit.leaf)).collect();
    names.sort();
    names
}

/// An event that some pattern could mean: of jobs as well as of the world.
fn some_event(random: &mut Random) -> Event {
    if random.chance(50) {
        return random::event(random);
    }
    let name = random::name(random.pick(&["starting", "started", "stopping", "stopped", "running", "mode"]));
    let mut args = Args::new();
    args.push(Key::new("JOB").unwrap(), Value::new(random.pick(&NAMES)).unwrap());
    if random.chance(50) {
        args.push(Key::new("INSTANCE").unwrap(), Value::new(random.pick(&["", "x"])).unwrap());
    }
    Event { name, args }
}

#[test]
fn a_graph_that_was_changed_is_the_graph_built_afresh() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let mut changed = Engine::new();
        let mut jobs: Vec<Job> = Vec::new();
        for round in 0..12 {
            for _ in 0..1 + random.below(4) {
                let number = random.below(NAMES.len());
                jobs.retain(|job| job.name != NAMES[number]);
                if random.chance(65) {
                    // Nothing starts here, so that there is nothing but what the files say.
                    let job = random::job(&mut random, number, NAMES.len());
                    jobs.push(Job { start: jobs::StartMode::Disabled("".into()), ..job });
                }
            }
            reload(&mut changed, &jobs);
            let mut afresh = Engine::new();
            reload(&mut afresh, &jobs);
            assert_eq!(canonical(&changed), canonical(&afresh), "seed {seed}, round {round}");
            for _ in 0..10 {
                let event = some_event(&mut random);
                for sort in [Sort::Event, Sort::Fact] {
                    let (one, other) = (hits(&changed, sort, &event), hits(&afresh, sort, &event));
                    assert_eq!(one, other, "seed {seed}, round {round}: {sort:?} {event}");
                }
            }
        }
        reload(&mut changed, &[]);
        assert_eq!(changed.graph().inner().node_count(), 0, "seed {seed}");
        assert_eq!(changed.graph().inner().edge_count(), 0, "seed {seed}");
    }
}

const KEYS: [&str; 3] = ["A", "B", "C"];
const WANTS: [&str; 8] = ["x", "y", "xy", "x*", "*y", "?", "[xy]", "$V"];
const VALUES: [&str; 6] = ["x", "y", "xy", "", "xyx", "z"];

/// A condition of up to five patterns, each with up to three arguments.
fn condition(random: &mut Random) -> Condition {
    let leaves = 1 + random.below(5);
    let text: Vec<String> = (0..leaves).map(|_| pattern(random)).collect();
    Condition::parse(&text.join(" or "), Dialect::Edges).unwrap()
}

fn pattern(random: &mut Random) -> String {
    let mut text = String::from(random.pick(&["p", "q"]));
    for _ in 0..random.below(3) {
        text.push_str(&format!(" {}", random.pick(&WANTS)));
    }
    for _ in 0..random.below(3) {
        let sign = random.pick(&["=", "=", "!="]);
        text.push_str(&format!(" {}{sign}{}", random.pick(&KEYS), random.pick(&WANTS)));
    }
    text
}

fn event_with_any_arguments(random: &mut Random) -> Event {
    let mut args = Args::new();
    for _ in 0..random.below(5) {
        args.push(Key::new(random.pick(&KEYS)).unwrap(), Value::new(random.pick(&VALUES)).unwrap());
    }
    Event { name: random::name(random.pick(&["p", "q"])), args }
}

#[test]
fn the_index_finds_what_looking_at_every_pattern_finds() {
    let mut found = 0;
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut graph = Graph::default();
        let mut conditions: BTreeMap<u32, Condition> = BTreeMap::new();
        for _ in 0..40 {
            let place = random.below(20) as u32;
            graph.remove_gate(Gate::Stop(place));
            conditions.remove(&place);
            if random.chance(75) {
                let condition = condition(&mut random);
                let patterns = condition.leaves().map(|leaf| Some(leaf.pattern.clone()));
                graph.add_gate(Gate::Stop(place), Sort::Event, patterns);
                conditions.insert(place, condition);
            }
            let event = event_with_any_arguments(&mut random);
            let mut hits = Vec::new();
            graph.hits(Sort::Event, &event.name, &event.args, &mut hits);
            let mut indexed: Vec<(u32, u8)> = hits
                .iter()
                .map(|hit| match hit.gate {
                    Gate::Stop(place) => (place, hit.leaf),
                    other @ (Gate::Start(_) | Gate::Changed(_) | Gate::While(_) | Gate::OldWhile(_)) => {
                        panic!("nobody added {other:?}")
                    }
                })
                .collect();
            indexed.sort_unstable();
            let meant = |(_, leaf): &(usize, &Leaf)| leaf.pattern.matches(&event, &|_| None);
            let naive: Vec<(u32, u8)> = conditions
                .iter()
                .flat_map(|(place, condition)| {
                    condition.leaves().enumerate().filter(meant).map(|(number, _)| (*place, number as u8))
                })
                .collect();
            found += naive.len();
            assert_eq!(indexed, naive, "seed {seed}: {event}");
        }
    }
    assert!(found > 10_000, "only {found} patterns matched at all");
}
