//! `while` conditions that deny themselves: a job that runs while another does not, and the other way round.
//!
//! Each time one comes up the other must go down, for ever. So `not` over `running` or `provided` in a loop
//! is an error.

use alloc::{collections::VecDeque, format, vec, vec::Vec};

use events::{Condition, Node, Pattern};
use petgraph::{
    algo::kosaraju_scc,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef as _,
};

use super::{View, place_of, report};
use crate::{Report, Severity, formats::Role, job_named};

/// From a job to one that it looks at; the weight says where, and whether a `not` stands above it.
type Looks<'g> = DiGraph<(), Look<'g>>;

#[derive(Clone, Copy)]
struct Look<'g> {
    pattern: &'g Pattern,
    denied: bool,
}

pub(super) fn check(view: &View<'_>, reports: &mut Vec<Report>) {
    let graph = looks(view);
    let mut part = vec![0_usize; graph.node_count()];
    for (number, nodes) in kosaraju_scc(&graph).into_iter().enumerate() {
        for node in nodes {
            if let Some(part) = part.get_mut(node.index()) {
                *part = number;
            }
        }
    }
    let mut told = vec![false; graph.node_count()];
    for edge in graph.edge_references().filter(|edge| edge.weight().denied) {
        let (from, to) = (edge.source().index(), edge.target().index());
        if part.get(from) != part.get(to) {
            continue;
        }
        // One report for each set of jobs.
        let Some(told @ false) = part.get(from).and_then(|&part| told.get_mut(part)) else { continue };
        *told = true;
        reports.extend(denial(view, &graph, edge.source(), edge.target(), *edge.weight()));
    }
}

fn looks<'g>(view: &View<'g>) -> Looks<'g> {
    let mut graph = Looks::new();
    for _ in view.jobs() {
        graph.add_node(());
    }
    for (index, described) in view.jobs().enumerate() {
        let Some(condition) = &described.job.holds_while else { continue };
        for (pattern, denied) in leaves(condition) {
            let Some(name) = pattern.matches.iter().find_map(job_named) else { continue };
            let targets: Vec<usize> = match pattern.name.as_str() {
                "running" => view.known.jobs.get(name).copied().into_iter().collect(),
                "provided" => view.known.providers.get(name).cloned().unwrap_or_default(),
                _ => Vec::new(),
            };
            for target in targets {
                graph.add_edge(NodeIndex::new(index), NodeIndex::new(target), Look { pattern, denied });
            }
        }
    }
    graph
}

/// The leaves of a condition, and whether each stands below an odd number of `not`s.
pub(super) fn leaves(condition: &Condition) -> Vec<(&Pattern, bool)> {
    let mut leaves: Vec<(&Pattern, bool)> = Vec::new();
    // For each part on the stack, where its leaves begin.
    let mut starts: Vec<usize> = Vec::new();
    for node in condition.nodes() {
        match node {
            Node::Leaf(leaf) => {
                starts.push(leaves.len());
                leaves.push((&leaf.pattern, false));
            }
            Node::And | Node::Or => {
                starts.pop();
            }
            Node::Not => {
                let start = starts.last().copied().unwrap_or_default();
                leaves.iter_mut().skip(start).for_each(|(_, denied)| *denied = !*denied);
            }
        }
    }
    leaves
}

/// The shortest loop through a look that is denied.
fn denial(
    view: &View<'_>,
    graph: &Looks<'_>,
    from: NodeIndex,
    to: NodeIndex,
    look: Look<'_>,
) -> Option<Report> {
    let mut came: Vec<Option<(NodeIndex, Look<'_>)>> = vec![None; graph.node_count()];
    let mut open = VecDeque::from([to]);
    while let Some(node) = open.pop_front().filter(|node| *node != from) {
        for edge in graph.edges(node) {
            let next = edge.target();
            if next != to && came.get(next.index()).is_some_and(Option::is_none) {
                *came.get_mut(next.index())? = Some((node, *edge.weight()));
                open.push_back(next);
            }
        }
    }
    let mut way = vec![];
    let mut at = from;
    while at != to {
        let (before, look) = came.get(at.index()).copied().flatten()?;
        way.push((before, look));
        at = before;
    }
    way.push((from, look));
    way.rotate_right(1);
    way.get_mut(1..)?.reverse();
    let places = way.iter().take(8).filter_map(|(node, look)| {
        let described = view.job(node.index())?;
        let not = if look.denied { "not " } else { "" };
        let label = format!("`{}` runs while {not}`{}`", described.job.name, look.pattern);
        Some(place_of(described, Role::While, &look.pattern.name, &label))
    });
    let names: Vec<&str> =
        way.iter().filter_map(|(node, _)| view.job(node.index())).map(|d| d.job.name.as_str()).collect();
    let (message, help) = match *names {
        [one] => (
            format!("job `{one}` runs only while it does not run"),
            "it would start and stop itself for ever: take this out of `while`",
        ),
        _ => (
            format!("jobs run only while others of them do not: {}", names.join(", ")),
            "each would start and stop the others for ever: take one of the `not`s out",
        ),
    };
    let report = report(Severity::Error, "while-loop", message, places.collect());
    Some(report.help(help))
}
