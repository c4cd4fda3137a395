//! The start order of a set of jobs: who comes before whom, and which edges a loop makes void.
//!
//! Four sayings give an edge from one job to another that waits for it: `requires` (every provider comes
//! first), `before` (the same, said by the other side), `needs`, and a `start_on` that is `starting X` and
//! nothing else. A job's level is one more than the highest level of those it waits for; the order is by
//! level, then by name. So the same files give the same order, whatever order they were read in.
//!
//! **Loops.** Every job still starts. Within a set of jobs that wait for each other, edges are taken one by
//! one from the strongest to the weakest, and one that would close a loop is ignored. An edge is weaker if it
//! is soft, then if its file lies in a higher layer, then if the name of the job that says it sorts first.
//! So what is ignored is a function of the jobs alone, every ignored edge closes a loop of stronger ones, and
//! **an edge is ignored exactly if it goes backward in the order**: see [`Order::waits`].
//!
//! A word that many provide and many require would make edges as their product, so it gets a node of its
//! own (a hub) and costs their sum. Nothing recurses; petgraph's Tarjan does, so its Kosaraju is used.

mod links;
mod rings;
#[cfg(test)]
mod tests;

use alloc::{vec, vec::Vec};

use events::Name;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::Job;
pub(crate) use links::job_named;
use links::{Bundle, Links, starting_target};
use rings::Rings;

/// The start order of a set of jobs. Jobs are meant by their place in the list that [`order`] was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// All jobs, the first to start first.
    pub order: Vec<usize>,
    /// For each job: one more than the highest level of those it waits for; the lowest is 1.
    pub levels: Vec<u32>,
    /// The edges that a loop makes void, by `from`, then `to`.
    pub ignored: Vec<Edge>,
    /// The loops: for each ignored edge the shortest one that it would close.
    pub loops: Vec<Loop>,
    /// Jobs of which each stands for a set that waits for each other in more ways than can be listed; such
    /// a set starts one after the other.
    pub tangled: Vec<usize>,
    /// Names that nobody provides.
    pub unknown: Vec<Unknown>,
    positions: Vec<usize>,
}

/// One job waits for another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The job that comes first.
    pub from: usize,
    /// The job that waits for it.
    pub to: usize,
    /// What was said.
    pub kind: EdgeKind,
    /// Whether it cannot do without: a `needs` that only `from` can fulfil.
    pub hard: bool,
    /// The job whose file says so.
    pub declared_by: usize,
    /// The name as it stands there.
    pub word: Name,
}

/// What makes one job wait for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// The later one requires a name that the earlier one provides.
    Requires,
    /// The earlier one is before a name that the later one provides.
    Before,
    /// The earlier one starts on `starting` of the later one, and on nothing else.
    Starting,
    /// The later one needs the earlier one.
    Needs,
}

/// Jobs that wait for each other in a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// The edges: each begins where the one before it ends. The last one is ignored.
    pub edges: Vec<Edge>,
}

/// A name that no job provides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// The job whose file has it.
    pub job: usize,
    /// The name.
    pub name: Name,
    /// What it is used for.
    pub kind: EdgeKind,
}

impl Loop {
    /// Whether no edge of it can be done without, so that no order is right.
    #[must_use]
    pub fn is_hard(&self) -> bool {
        self.edges.iter().all(|edge| edge.hard)
    }
}

impl Order {
    /// Whether `job` really waits for `provider`, if a file says that it should: `false` if a loop makes
    /// that void.
    #[must_use]
    pub fn waits(&self, job: usize, provider: usize) -> bool {
        match (self.positions.get(provider), self.positions.get(job)) {
            (Some(provider), Some(job)) => provider < job,
            (None, _) | (_, None) => false,
        }
    }

    /// The place of a job in the order, from 0.
    #[must_use]
    pub fn position(&self, job: usize) -> Option<usize> {
        self.positions.get(job).copied()
    }
}

/// Whether a job says anything that gives an edge.
#[must_use]
pub fn says_order(job: &Job) -> bool {
    let says = !job.requires.is_empty() || !job.needs.is_empty() || !job.before.is_empty();
    says || starting_target(job).is_some()
}

/// The start order of `jobs`.
#[must_use]
pub fn order(jobs: &[&Job]) -> Order {
    let mut by_name: Vec<usize> = (0..jobs.len()).collect();
    by_name.sort_by_key(|&index| jobs.get(index).map(|job| (&job.name, job.format, job.layer)));
    let sorted: Vec<&Job> = by_name.iter().filter_map(|&index| jobs.get(index).copied()).collect();
    let mut links = links::links(&sorted);
    let graph = Graph::new(sorted.len(), &links, &Rings::default());
    let mut rings = Rings::default();
    let levels = graph.levels().unwrap_or_else(|| {
        let layers: Vec<u8> = sorted.iter().map(|job| job.layer).collect();
        rings = rings::untangle(&graph, &links, &layers);
        let untangled = Graph::new(sorted.len(), &links, &rings);
        untangled.levels().unwrap_or_else(|| vec![1; sorted.len()])
    });
    let unknown = core::mem::take(&mut links.unknown);
    arrange(&by_name, &sorted, &levels, &rings, unknown)
}

/// From ranks (places in the order of names) back to the places in the list we were given.
fn arrange(
    by_name: &[usize],
    sorted: &[&Job],
    levels: &[u32],
    rings: &Rings,
    unknown: Vec<(Rank, Name, EdgeKind)>,
) -> Order {
    let index = |rank: Rank| by_name.get(rank as usize).copied().unwrap_or_default();
    let mut order: Vec<usize> = (0..sorted.len()).collect();
    order.sort_by_key(|&rank| levels.get(rank));
    let mut result = Order { levels: vec![0; sorted.len()], ..Order::default() };
    result.positions = vec![0; sorted.len()];
    for (position, &rank) in order.iter().enumerate() {
        let Some(&job) = by_name.get(rank) else { continue };
        result.order.push(job);
        if let Some(place) = result.positions.get_mut(job) {
            *place = position;
        }
        if let (Some(place), Some(&level)) = (result.levels.get_mut(job), levels.get(rank)) {
            *place = level;
        }
    }
    let edge = |pair: &rings::Pair| Edge {
        from: index(pair.from),
        to: index(pair.to),
        kind: pair.kind,
        hard: pair.hard,
        declared_by: index(pair.declared_by()),
        word: pair.word.clone(),
    };
    result.ignored = rings.ignored.iter().map(edge).collect();
    result.ignored.sort();
    result.loops = rings.loops.iter().map(|pairs| Loop { edges: pairs.iter().map(edge).collect() }).collect();
    result.tangled = rings.tangled.iter().map(|&rank| index(rank)).collect();
    result.unknown =
        unknown.into_iter().map(|(rank, name, kind)| Unknown { job: index(rank), name, kind }).collect();
    result
}

/// A job's place when all are sorted by name. Everything inside counts by it, and so the order in which jobs
/// were given cannot matter.
type Rank = u32;

/// Jobs (the first `jobs` nodes, by rank), then hubs.
struct Graph {
    graph: DiGraph<(), ()>,
    jobs: usize,
    /// For each bundle its hub, if it has one.
    hubs: Vec<Option<NodeIndex>>,
}

impl Graph {
    /// The graph of all edges but those within a ring that are ignored.
    fn new(jobs: usize, links: &Links<'_>, rings: &Rings) -> Self {
        let mut this = Self { graph: DiGraph::with_capacity(jobs, links.size()), jobs, hubs: Vec::new() };
        for _ in 0..jobs {
            this.graph.add_node(());
        }
        for (number, bundle) in links.bundles().enumerate() {
            let hub = this.add_bundle(bundle, rings, rings.of_hub(number));
            this.hubs.push(hub);
        }
        for pair in rings.kept.iter() {
            this.edge(node(pair.from), node(pair.to));
        }
        for &(from, to) in &rings.chained {
            this.edge(node(from), node(to));
        }
        this
    }

    fn edge(&mut self, from: NodeIndex, to: NodeIndex) {
        self.graph.add_edge(from, to, ());
    }

    /// Adds the edges of one saying. Those within a ring are left out: `Rings` says which of them count.
    fn add_bundle(&mut self, bundle: Bundle<'_>, rings: &Rings, hub_ring: Option<u32>) -> Option<NodeIndex> {
        if !bundle.has_hub() {
            for (from, to) in bundle.pairs() {
                if !rings.are_together(from, to) {
                    self.edge(node(from), node(to));
                }
            }
            return None;
        }
        let Some(ring) = hub_ring else {
            let hub = self.graph.add_node(());
            bundle.sources.iter().for_each(|end| self.edge(node(end.rank), hub));
            bundle.targets.iter().for_each(|end| self.edge(hub, node(end.rank)));
            return Some(hub);
        };
        // Who is outside comes before all, and who is inside comes before those outside.
        let inside = |rank: Rank| rings.of(rank) == Some(ring);
        let (first, second) = (self.graph.add_node(()), self.graph.add_node(()));
        for end in bundle.sources {
            self.edge(node(end.rank), if inside(end.rank) { second } else { first });
        }
        for end in bundle.targets {
            self.edge(first, node(end.rank));
            if !inside(end.rank) {
                self.edge(second, node(end.rank));
            }
        }
        Some(first)
    }

    /// The level of each job; `None` if some wait for each other. A hub has no level of its own: it hands on
    /// the highest that it has seen.
    fn levels(&self) -> Option<Vec<u32>> {
        let count = self.graph.node_count();
        let mut waits_for = vec![0_u32; count];
        for edge in self.graph.raw_edges() {
            if let Some(waits) = waits_for.get_mut(edge.target().index()) {
                *waits = waits.saturating_add(1);
            }
        }
        let mut ready: Vec<NodeIndex> =
            self.graph.node_indices().filter(|node| waits_for.get(node.index()) == Some(&0)).collect();
        let mut levels = vec![0_u32; count];
        let mut placed = 0_usize;
        while let Some(node) = ready.pop() {
            placed = placed.saturating_add(1);
            let Some(level) = levels.get_mut(node.index()) else { continue };
            *level = level.saturating_add(u32::from(node.index() < self.jobs));
            let level = *level;
            for next in self.graph.neighbors(node) {
                if let Some(next_level) = levels.get_mut(next.index()) {
                    *next_level = level.max(*next_level);
                }
                if let Some(waits) = waits_for.get_mut(next.index()) {
                    *waits = waits.saturating_sub(1);
                    if *waits == 0 {
                        ready.push(next);
                    }
                }
            }
        }
        levels.truncate(self.jobs);
        (placed == count).then_some(levels)
    }
}

fn node(rank: Rank) -> NodeIndex {
    NodeIndex::new(rank as usize)
}
