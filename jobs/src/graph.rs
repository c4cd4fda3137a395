//! The graph: which events and facts concern which job, and who provides and requires what.
//!
//! ```text
//! leaf --feeds--> gate --opens--> job --provides--> provision <--requires, needs, before-- job
//! ```
//!
//! A leaf is a pattern, shared by all conditions that say the same. A gate is one condition of one job (or,
//! for `stop_on`, of one instance: its variables are replaced when the instance is made). An index leads
//! from an event's name, and the most selective literal argument, to the leaves: an event costs what it
//! matches, however many jobs there are.
//!
//! Nothing that happened is kept here. What a gate has seen belongs to the engine's state, and the graph
//! can be built afresh from the jobs and instances at any time.

use alloc::{boxed::Box, vec::Vec};

use events::{Args, Condition, MatchKey, Name, Pattern, Text};
use hashbrown::HashMap;
use petgraph::{Direction, graph::NodeIndex, stable_graph::StableDiGraph, visit::EdgeRef};

use crate::Job;

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
    Leaf(Box<(Sort, Pattern)>),
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
    /// From a job to a provision.
    Requires,
    /// From a job to a provision.
    Needs,
    /// From a job to a provision.
    Before,
}

/// Leaves by the name they look for and their most selective argument.
#[derive(Debug, Clone, Default)]
struct Index(HashMap<Name, Entry>);

#[derive(Debug, Clone, Default)]
struct Entry {
    /// Leaves without a literal argument.
    any: Vec<NodeIndex>,
    /// Leaves by the argument that must be one very text.
    keyed: Vec<(MatchKey, HashMap<Text, Vec<NodeIndex>>)>,
}

/// The graph.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    graph: StableDiGraph<Node, Edge>,
    events: Index,
    facts: Index,
    leaves: HashMap<(Sort, Pattern), NodeIndex>,
    gates: HashMap<Gate, NodeIndex>,
    jobs: HashMap<JobId, NodeIndex>,
    provisions: HashMap<Name, NodeIndex>,
}

impl Graph {
    /// The nodes and edges, for drawing and comparing.
    #[must_use]
    pub const fn inner(&self) -> &StableDiGraph<Node, Edge> {
        &self.graph
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
        if let Some(condition) = &job.start_on {
            // Variables of `start_on` have no value, but a default counts.
            let patterns =
                condition.leaves().map(|leaf| leaf.pattern.expanded(&|_| None).map(|it| it.into_owned()));
            self.add_gate(Gate::Start(id), Sort::Event, patterns);
        }
        if let Some(condition) = &job.holds_while {
            self.add_level_gate(Gate::While(id), condition);
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
        let Some(node) = self.jobs.remove(&id) else { return };
        let named: Vec<NodeIndex> = self.graph.neighbors(node).collect();
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
        if let Gate::Start(id) | Gate::While(id) = gate
            && let Some(&job) = self.jobs.get(&id)
        {
            self.graph.add_edge(node, job, Edge::Opens);
        }
        for (number, pattern) in leaves.enumerate() {
            let (Some(pattern), Ok(number)) = (pattern, u8::try_from(number)) else { continue };
            let leaf = self.leaf(sort, pattern);
            self.graph.add_edge(leaf, node, Edge::Feeds(number));
        }
    }

    /// Takes a condition out, with the leaves that nobody else looks at.
    pub fn remove_gate(&mut self, gate: Gate) {
        let Some(node) = self.gates.remove(&gate) else { return };
        let leaves: Vec<NodeIndex> = self.graph.neighbors_directed(node, Direction::Incoming).collect();
        self.graph.remove_node(node);
        for leaf in leaves {
            self.drop_if_lonely(leaf);
        }
    }

    /// All leaves that mean this event or fact, as places in conditions.
    pub fn hits(&self, sort: Sort, name: &Name, args: &Args, hits: &mut Vec<Hit>) {
        let index = match sort {
            Sort::Event => &self.events,
            Sort::Fact => &self.facts,
        };
        let Some(entry) = index.0.get(name) else { return };
        for &leaf in &entry.any {
            self.follow(leaf, args, hits);
        }
        for (key, by_value) in &entry.keyed {
            let value = match key {
                MatchKey::Position(place) => args.at(usize::from(*place)),
                MatchKey::Named(key) => args.get(key),
            };
            for &leaf in value.and_then(|value| by_value.get(value.as_str())).into_iter().flatten() {
                self.follow(leaf, args, hits);
            }
        }
    }

    fn follow(&self, leaf: NodeIndex, args: &Args, hits: &mut Vec<Hit>) {
        let Some(Node::Leaf(known)) = self.graph.node_weight(leaf) else { return };
        if !known.1.matches_args(args, &|_| None) {
            return;
        }
        for edge in self.graph.edges(leaf) {
            if let (Edge::Feeds(number), Some(Node::Gate(gate))) =
                (edge.weight(), self.graph.node_weight(edge.target()))
            {
                hits.push(Hit { gate: *gate, leaf: *number });
            }
        }
    }

    /// Whether any condition looks at facts of this kind.
    #[must_use]
    pub fn watches_fact(&self, name: &str) -> bool {
        self.facts.0.contains_key(name)
    }

    /// The jobs that stand to the name as `edge` says: who provides, requires, needs it, or comes before it.
    pub fn related<'g>(&'g self, name: &str, edge: Edge) -> impl Iterator<Item = JobId> + use<'g> {
        let node = self.provisions.get(name).copied();
        node.into_iter().flat_map(move |node| {
            self.graph
                .edges_directed(node, Direction::Incoming)
                .filter(move |found| *found.weight() == edge)
                .filter_map(|found| match self.graph.node_weight(found.source()) {
                    Some(Node::Job(id)) => Some(*id),
                    Some(Node::Leaf(_) | Node::Gate(_) | Node::Provision(_)) | None => None,
                })
        })
    }

    fn link(&mut self, job: NodeIndex, name: &Name, edge: Edge) {
        let provision = match self.provisions.get(name) {
            Some(&node) => node,
            None => {
                let node = self.graph.add_node(Node::Provision(name.clone()));
                self.provisions.insert(name.clone(), node);
                node
            }
        };
        self.graph.add_edge(job, provision, edge);
    }

    fn leaf(&mut self, sort: Sort, pattern: Pattern) -> NodeIndex {
        let key = (sort, pattern);
        if let Some(&node) = self.leaves.get(&key) {
            return node;
        }
        let node = self.graph.add_node(Node::Leaf(Box::new(key.clone())));
        let index = match sort {
            Sort::Event => &mut self.events,
            Sort::Fact => &mut self.facts,
        };
        index.add(&key.1, node);
        self.leaves.insert(key, node);
        node
    }

    /// Takes out a leaf that feeds nothing, or a provision that nobody names.
    fn drop_if_lonely(&mut self, node: NodeIndex) {
        if self.graph.neighbors_undirected(node).next().is_some() {
            return;
        }
        match self.graph.remove_node(node) {
            Some(Node::Leaf(key)) => {
                let index = match key.0 {
                    Sort::Event => &mut self.events,
                    Sort::Fact => &mut self.facts,
                };
                index.remove(&key.1, node);
                self.leaves.remove(&*key);
            }
            Some(Node::Provision(name)) => {
                self.provisions.remove(&name);
            }
            Some(Node::Gate(_) | Node::Job(_)) | None => {}
        }
    }
}

impl Index {
    fn add(&mut self, pattern: &Pattern, leaf: NodeIndex) {
        let entry = self.0.entry(pattern.name.clone()).or_default();
        let Some((key, value)) = pattern.selector() else {
            entry.any.push(leaf);
            return;
        };
        let place = entry.keyed.iter().position(|(known, _)| known == key);
        let by_value = match place.and_then(|place| entry.keyed.get_mut(place)) {
            Some((_, by_value)) => by_value,
            None => {
                entry.keyed.push((key.clone(), HashMap::new()));
                let Some((_, by_value)) = entry.keyed.last_mut() else { return };
                by_value
            }
        };
        by_value.entry(Text::from(value)).or_default().push(leaf);
    }

    fn remove(&mut self, pattern: &Pattern, leaf: NodeIndex) {
        let Some(entry) = self.0.get_mut(&pattern.name) else { return };
        match pattern.selector() {
            None => entry.any.retain(|known| *known != leaf),
            Some((key, value)) => {
                for (_, by_value) in entry.keyed.iter_mut().filter(|(known, _)| known == key) {
                    if let Some(leaves) = by_value.get_mut(value) {
                        leaves.retain(|known| *known != leaf);
                        if leaves.is_empty() {
                            by_value.remove(value);
                        }
                    }
                }
                entry.keyed.retain(|(_, by_value)| !by_value.is_empty());
            }
        }
        if entry.any.is_empty() && entry.keyed.is_empty() {
            self.0.remove(&pattern.name);
        }
    }
}

/// The pattern without the arguments that only other facts can tell: all that it could ever match.
fn without_variables(pattern: &Pattern) -> Pattern {
    let matches = pattern.matches.iter().filter(|wanted| !matches!(wanted.want, events::Want::Template(_)));
    Pattern { name: pattern.name.clone(), matches: matches.cloned().collect() }
}
