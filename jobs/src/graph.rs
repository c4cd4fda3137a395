//! The graph: which events and facts concern which job, and who provides and requires what.
//!
//! ```text
//! leaf --feeds--> gate --opens--> job --provides--> provision --requires, needs, before, outlives--> job
//! ```
//!
//! A leaf is a pattern, shared by all conditions that say the same. A gate is one condition of one job (or,
//! for `stop_on`, of one instance: its variables are replaced when the instance is made). An index leads
//! from an event's name, and the most selective literal argument, to the leaves: an event costs what it
//! matches, however many jobs there are.
//!
//! Nothing that happened is kept here. What a gate has seen belongs to the engine's state, and the graph
//! can be built afresh from the jobs and instances at any time.

mod index;

use alloc::{sync::Arc, vec::Vec};
use core::hash::BuildHasher as _;

use events::{Args, Condition, Name, Pattern};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use petgraph::{Direction, graph::NodeIndex, stable_graph::StableDiGraph, visit::EdgeRef};

use crate::{
    Job,
    asked::{asked, asks},
};
use index::Index;

/// A job's place in the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct JobId(pub u32);

/// A condition and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// The stop condition of the instance at this place.
    Stop(u32),
    /// The start condition of a job.
    Start(JobId),
    /// The files that a job lives by.
    Changed(JobId),
    /// The `while` of a job.
    While(JobId),
    /// A `while` that an instance of the job was started with and that its file has no more.
    OldWhile(JobId),
}

/// What a leaf looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// Events.
    Event,
    /// Facts.
    Fact,
}

/// A leaf of a condition that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The condition.
    pub gate: Gate,
    /// Which of its leaves, from left to right.
    pub leaf: u8,
}

/// A node of the graph.
#[derive(Debug, Clone)]
pub enum Node {
    /// A pattern, shared by all who say the same.
    Leaf(Sort, Arc<Pattern>),
    /// A condition.
    Gate(Gate),
    /// A job.
    Job(JobId),
    /// A name that jobs provide and others require.
    Provision(Name),
}

/// An edge of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edge {
    /// From a leaf to a condition, as its leaf number so-and-so.
    Feeds(u8),
    /// From a condition to its job.
    Opens,
    /// From a job to a provision.
    Provides,
    /// From a provision to a job that requires it. All but `Provides` lead away from the provision: so who
    /// provides a name is found at once, however many ask for it.
    Requires,
    /// From a provision to a job that needs it.
    Needs,
    /// From a provision to a job that comes before it.
    Before,
    /// From a provision to a job that must be down before those who provide it stop.
    Outlives,
}

/// The graph.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    graph: StableDiGraph<Node, Edge>,
    events: Index,
    facts: Index,
    /// All leaves by what they look for, and provisions by name. Both stand in their nodes alone.
    leaves: HashTable<NodeIndex>,
    provisions: HashTable<NodeIndex>,
    hasher: DefaultHashBuilder,
    gates: HashMap<Gate, NodeIndex>,
    jobs: HashMap<JobId, NodeIndex>,
}

impl Graph {
    /// The nodes and edges, for drawing and comparing.
    #[must_use]
    pub const fn inner(&self) -> &StableDiGraph<Node, Edge> {
        &self.graph
    }

    /// Makes room for so many more jobs, each with a name of its own and an event that starts it, as most have.
    pub fn reserve(&mut self, more: usize) {
        let Self { graph, hasher, leaves, provisions, gates, jobs, .. } = self;
        leaves.reserve(more, |&node| hash_of(graph, hasher, node));
        provisions.reserve(more, |&node| hash_of(graph, hasher, node));
        gates.reserve(more);
        jobs.reserve(more);
    }

    /// Puts a job in: its conditions and the names it provides and requires.
    pub fn add_job(&mut self, id: JobId, job: &Job) {
        let node = self.graph.add_node(Node::Job(id));
        self.jobs.insert(id, node);
        for name in job.provided_names() {
            self.link(node, name, Edge::Provides);
        }
        for require in &job.requires {
            self.link(node, &require.name, Edge::Requires);
        }
        for need in &job.needs {
            self.link(node, &need.name, Edge::Needs);
        }
        for name in &job.before {
            self.link(node, name, Edge::Before);
        }
        for name in job.stop_order.iter().flat_map(|order| &order.before) {
            self.link(node, name, Edge::Outlives);
        }
        if let Some(condition) = &job.start_on {
            // Variables of `start_on` have no value, but a default counts.
            let patterns = condition.leaves().map(|leaf| match asks(&leaf.pattern) {
                true => asked(&leaf.pattern, job),
                false => leaf.pattern.expanded(&|_| None).map(|it| it.into_owned()),
            });
            self.add_gate(Gate::Start(id), Sort::Event, patterns);
        }
        if let Some(condition) = &job.holds_while {
            self.add_level_gate(Gate::While(id), condition);
        }
        if !job.reload_on.is_empty() || !job.restart_on.is_empty() {
            self.add_gate(Gate::Changed(id), Sort::Event, job.changes().map(Some));
        }
    }

    /// Puts a condition over facts in.
    pub fn add_level_gate(&mut self, gate: Gate, condition: &Condition) {
        let patterns = condition.leaves().map(|leaf| Some(without_variables(&leaf.pattern)));
        self.add_gate(gate, Sort::Fact, patterns);
    }

    /// Takes a job out. The conditions of its instances stay until the instances are gone.
    pub fn remove_job(&mut self, id: JobId) {
        self.remove_gate(Gate::Start(id));
        self.remove_gate(Gate::While(id));
        self.remove_gate(Gate::Changed(id));
        let Some(node) = self.jobs.remove(&id) else { return };
        let named: Vec<NodeIndex> = self.graph.neighbors_undirected(node).collect();
        self.graph.remove_node(node);
        for provision in named {
            self.drop_if_lonely(provision);
        }
    }

    /// Puts a condition in, leaf by leaf; a leaf that is `None` can never match.
    pub fn add_gate(&mut self, gate: Gate, sort: Sort, leaves: impl Iterator<Item = Option<Pattern>>) {
        let node = match self.gates.get(&gate) {
            Some(&node) => node,
            None => {
                let node = self.graph.add_node(Node::Gate(gate));
                self.gates.insert(gate, node);
                node
            }
        };
        if let Gate::Start(id) | Gate::Changed(id) | Gate::While(id) = gate
            && let Some(&job) = self.jobs.get(&id)
        {
            self.graph.add_edge(node, job, Edge::Opens);
        }
        for (number, pattern) in leaves.enumerate() {
            let (Some(pattern), Ok(number)) = (pattern, u8::try_from(number)) else { continue };
            let (leaf, pattern) = self.leaf(sort, pattern);
            self.graph.add_edge(leaf, node, Edge::Feeds(number));
            self.index(sort).add(&pattern, Hit { gate, leaf: number });
        }
    }

    /// Takes a condition out, with the leaves that nobody else looks at.
    pub fn remove_gate(&mut self, gate: Gate) {
        let Some(node) = self.gates.remove(&gate) else { return };
        let mut feeds = self.graph.neighbors_directed(node, Direction::Incoming).detach();
        while let Some((edge, leaf)) = feeds.next(&self.graph) {
            if let (Some(Node::Leaf(sort, pattern)), Some(Edge::Feeds(number))) =
                (self.graph.node_weight(leaf), self.graph.edge_weight(edge))
            {
                let (sort, pattern, hit) = (*sort, pattern.clone(), Hit { gate, leaf: *number });
                self.index(sort).remove(&pattern, hit);
            }
        }
        let leaves: Vec<NodeIndex> = self.graph.neighbors_directed(node, Direction::Incoming).collect();
        self.graph.remove_node(node);
        for leaf in leaves {
            self.drop_if_lonely(leaf);
        }
    }

    /// All leaves that mean this event or fact, as places in conditions.
    pub fn hits(&self, sort: Sort, name: &Name, args: &Args, hits: &mut Vec<Hit>) {
        match sort {
            Sort::Event => self.events.hits(name, args, hits),
            Sort::Fact => self.facts.hits(name, args, hits),
        }
    }

    const fn index(&mut self, sort: Sort) -> &mut Index {
        match sort {
            Sort::Event => &mut self.events,
            Sort::Fact => &mut self.facts,
        }
    }

    /// Whether any condition looks at facts of this kind.
    #[must_use]
    pub fn watches_fact(&self, name: &str) -> bool {
        self.facts.knows(name)
    }

    /// The jobs that stand to the name as `edge` says: who provides, requires, needs it, or comes before it.
    pub fn related<'g>(&'g self, name: &str, edge: Edge) -> impl Iterator<Item = JobId> + use<'g> {
        let node = self.provision(name);
        let direction = if edge == Edge::Provides { Direction::Incoming } else { Direction::Outgoing };
        node.into_iter().flat_map(move |node| {
            let found =
                self.graph.edges_directed(node, direction).filter(move |found| *found.weight() == edge);
            let jobs =
                found.map(
                    move |found| {
                        if direction == Direction::Incoming { found.source() } else { found.target() }
                    },
                );
            jobs.filter_map(|job| match self.graph.node_weight(job) {
                Some(Node::Job(id)) => Some(*id),
                Some(Node::Leaf(..) | Node::Gate(_) | Node::Provision(_)) | None => None,
            })
        })
    }

    fn link(&mut self, job: NodeIndex, name: &Name, edge: Edge) {
        let provision = match self.provision(name) {
            Some(node) => node,
            None => {
                let node = self.graph.add_node(Node::Provision(name.clone()));
                let Self { graph, hasher, provisions, .. } = self;
                let hash = hasher.hash_one(name.as_str());
                provisions.insert_unique(hash, node, |&node| hash_of(graph, hasher, node));
                node
            }
        };
        match edge {
            Edge::Provides => self.graph.add_edge(job, provision, edge),
            Edge::Requires | Edge::Needs | Edge::Before | Edge::Outlives | Edge::Feeds(_) | Edge::Opens => {
                self.graph.add_edge(provision, job, edge)
            }
        };
    }

    fn leaf(&mut self, sort: Sort, pattern: Pattern) -> (NodeIndex, Arc<Pattern>) {
        let hash = self.hasher.hash_one((sort, &pattern));
        if let Some(found) = self.leaves.find(hash, |&node| self.is_leaf(node, sort, &pattern))
            && let Some(Node::Leaf(_, shared)) = self.graph.node_weight(*found)
        {
            return (*found, shared.clone());
        }
        let pattern = Arc::new(pattern);
        let node = self.graph.add_node(Node::Leaf(sort, pattern.clone()));
        let Self { graph, hasher, leaves, .. } = self;
        leaves.insert_unique(hash, node, |&node| hash_of(graph, hasher, node));
        (node, pattern)
    }

    fn provision(&self, name: &str) -> Option<NodeIndex> {
        let bears = |&node: &NodeIndex| match self.graph.node_weight(node) {
            Some(Node::Provision(known)) => known == name,
            Some(Node::Leaf(..) | Node::Gate(_) | Node::Job(_)) | None => false,
        };
        self.provisions.find(self.hasher.hash_one(name), bears).copied()
    }

    fn is_leaf(&self, node: NodeIndex, sort: Sort, pattern: &Pattern) -> bool {
        match self.graph.node_weight(node) {
            Some(Node::Leaf(known_sort, known)) => *known_sort == sort && **known == *pattern,
            Some(Node::Gate(_) | Node::Job(_) | Node::Provision(_)) | None => false,
        }
    }

    /// Takes out a leaf that feeds nothing, or a provision that nobody names.
    fn drop_if_lonely(&mut self, node: NodeIndex) {
        if self.graph.neighbors_undirected(node).next().is_some() {
            return;
        }
        let hash = hash_of(&self.graph, &self.hasher, node);
        let table = match self.graph.remove_node(node) {
            Some(Node::Leaf(..)) => &mut self.leaves,
            Some(Node::Provision(_)) => &mut self.provisions,
            Some(Node::Gate(_) | Node::Job(_)) | None => return,
        };
        if let Ok(entry) = table.find_entry(hash, |known| *known == node) {
            entry.remove();
        }
    }

    /// Gives back the room that is not used, after many jobs have come in.
    pub fn shrink(&mut self) {
        self.graph.shrink_to_fit();
    }
}

/// What the tables know a leaf or provision by.
fn hash_of(graph: &StableDiGraph<Node, Edge>, hasher: &DefaultHashBuilder, node: NodeIndex) -> u64 {
    match graph.node_weight(node) {
        Some(Node::Leaf(sort, pattern)) => hasher.hash_one((*sort, &**pattern)),
        Some(Node::Provision(name)) => hasher.hash_one(name.as_str()),
        // These are in no such table.
        Some(Node::Gate(_) | Node::Job(_)) | None => 0,
    }
}

/// The pattern without the arguments that only other facts can tell: all that it could ever match.
fn without_variables(pattern: &Pattern) -> Pattern {
    let matches = pattern.matches.iter().filter(|wanted| !matches!(wanted.want, events::Want::Template(_)));
    Pattern { name: pattern.name.clone(), matches: matches.cloned().collect() }
}
