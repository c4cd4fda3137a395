//! The graph of jobs as a drawing: what stands for what, and who points to whom.
//!
//! The drawing is made once; `dot` and `svg` only write it down.

mod dot;
mod svg;

use std::collections::BTreeMap;

use events::Condition;
use jobs::{Job, Order, load::Generation};

/// A graph to be drawn.
#[derive(Debug, Default)]
pub struct Drawing {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

/// Something with a name.
#[derive(Debug, Clone)]
struct Node {
    label: String,
    shape: Shape,
    /// How far from the start: an arrow goes from a lower to a higher one, but for what a loop makes void.
    column: usize,
}

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Job,
    Disabled,
    Provision,
    Event,
    Fact,
    /// A name that nobody provides.
    Missing,
}

/// An arrow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: usize,
    to: usize,
    kind: Arrow,
}

/// What an arrow says of the node it points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Arrow {
    Requires,
    Before,
    Needs,
    Provides,
    StartsOn,
    StopsOn,
    RunsWhile,
    /// Void because of a loop.
    Ignored,
}

impl Arrow {
    /// Whether it says who comes first.
    const fn orders(self) -> bool {
        match self {
            Self::Requires | Self::Before | Self::Needs | Self::Provides => true,
            Self::StartsOn | Self::StopsOn | Self::RunsWhile | Self::Ignored => false,
        }
    }
}

impl Drawing {
    /// The drawing of all jobs of a generation.
    #[must_use]
    pub fn new(generation: &Generation, order: &Order) -> Self {
        let jobs: Vec<&Job> = generation.jobs.iter().map(|described| &described.job).collect();
        let mut sketch = Sketch { drawing: Self::default(), jobs: &jobs, order, named: BTreeMap::new() };
        sketch.jobs();
        sketch.provisions();
        for (index, job) in jobs.iter().enumerate() {
            sketch.sayings(index, job);
        }
        let mut drawing = sketch.drawing;
        drawing.edges.sort();
        drawing.edges.dedup();
        drawing
    }
}

/// A drawing in the making. The first nodes are the jobs.
struct Sketch<'g> {
    drawing: Drawing,
    jobs: &'g [&'g Job],
    order: &'g Order,
    /// Nodes that are not jobs, by what they stand for.
    named: BTreeMap<(Shape, String), usize>,
}

impl Sketch<'_> {
    fn jobs(&mut self) {
        for (index, job) in self.jobs.iter().enumerate() {
            let level = self.order.levels.get(index).copied().unwrap_or(1);
            let shape = match job.start {
                jobs::StartMode::Disabled(_) => Shape::Disabled,
                jobs::StartMode::Automatic | jobs::StartMode::Manual => Shape::Job,
            };
            let column = usize::try_from(level).unwrap_or(1).saturating_mul(2);
            self.drawing.nodes.push(Node { label: job.name.to_string(), shape, column });
            self.named.insert((Shape::Job, job.name.to_string()), index);
        }
    }

    /// A node for each word that is not just the name of the one job that provides it.
    fn provisions(&mut self) {
        let mut words: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, job) in self.jobs.iter().enumerate() {
            for name in job.provided_names() {
                words.entry(name.as_str()).or_default().push(index);
            }
        }
        for (word, providers) in words {
            if let [one] = *providers
                && self.jobs.get(one).is_some_and(|job| job.name == word)
            {
                self.named.insert((Shape::Provision, word.to_owned()), one);
                continue;
            }
            let columns = providers.iter().filter_map(|&at| Some(self.drawing.nodes.get(at)?.column));
            let column = columns.max().unwrap_or_default().saturating_add(1);
            let node = self.node(Shape::Provision, word, column);
            for from in providers {
                self.edge(from, node, Arrow::Provides);
            }
        }
    }

    fn node(&mut self, shape: Shape, label: &str, column: usize) -> usize {
        let next = self.drawing.nodes.len();
        let node = *self.named.entry((shape, label.to_owned())).or_insert(next);
        if node == next {
            self.drawing.nodes.push(Node { label: label.to_owned(), shape, column });
        }
        node
    }

    fn edge(&mut self, from: usize, to: usize, kind: Arrow) {
        self.drawing.edges.push(Edge { from, to, kind });
    }

    /// The node of a word that a job uses: a provision, else a job of this name, else something missing.
    fn word(&mut self, word: &str) -> usize {
        let named = |shape: Shape| self.named.get(&(shape, word.to_owned())).copied();
        let found = named(Shape::Provision).or_else(|| named(Shape::Job));
        found.unwrap_or_else(|| self.node(Shape::Missing, word, 1))
    }

    /// Everything that one job says of others.
    fn sayings(&mut self, index: usize, job: &Job) {
        for require in job.requires.iter() {
            let from = self.word(&require.name);
            // What may be missing without a word is not drawn when it is.
            if !(require.optional && self.is_missing(from)) {
                let kind = self.unless_void(from, index, Arrow::Requires);
                self.edge(from, index, kind);
            }
        }
        for need in job.needs.iter() {
            let from = self.word(&need.name);
            let kind = self.unless_void(from, index, Arrow::Needs);
            self.edge(from, index, kind);
        }
        for name in job.before.iter() {
            let to = self.word(name);
            if !self.is_missing(to) {
                let kind = self.unless_void(index, to, Arrow::Before);
                self.edge(index, to, kind);
            }
        }
        let conditions = [
            (&job.start_on, Shape::Event, Arrow::StartsOn),
            (&job.stop_on, Shape::Event, Arrow::StopsOn),
            (&job.holds_while, Shape::Fact, Arrow::RunsWhile),
        ];
        for (condition, shape, arrow) in conditions {
            for leaf in condition.iter().flat_map(Condition::leaves) {
                let from = self.node(shape, &leaf.pattern.to_string(), 0);
                self.edge(from, index, arrow);
            }
        }
    }

    fn is_missing(&self, node: usize) -> bool {
        self.drawing.nodes.get(node).is_some_and(|node| node.shape == Shape::Missing)
    }

    /// The arrow, or that a loop has made it void: it goes against the order, or to itself.
    fn unless_void(&self, from: usize, to: usize, arrow: Arrow) -> Arrow {
        let column = |node: usize| self.drawing.nodes.get(node).map(|node| node.column);
        if column(from) < column(to) || self.is_missing(from) { arrow } else { Arrow::Ignored }
    }
}
