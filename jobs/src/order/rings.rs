//! Sets of jobs that wait for each other, and which of their edges are ignored.

use alloc::{collections::VecDeque, vec, vec::Vec};
use core::{cmp::Reverse, ops::RangeInclusive};

use events::Name;
use hashbrown::HashSet;
use petgraph::algo::kosaraju_scc;

use super::{
    EdgeKind, Graph, Rank,
    links::{Bundle, Links},
};

/// The most edges of one ring that are looked at one by one.
const MAX_PAIRS: usize = 1 << 20;
/// How many steps may be spent on keeping the members of one ring in order, and on its shortest loops. Past
/// it, edges that go backward in the order found so far are ignored without a further look.
const MAX_STEPS: usize = 1 << 22;
/// The most loops that are reported.
const MAX_LOOPS: usize = 256;

/// All rings of a graph, and what became of the edges within them.
#[derive(Default)]
pub(super) struct Rings {
    of: Vec<Option<u32>>,
    of_hub: Vec<Option<u32>>,
    /// Edges that hold.
    pub kept: Vec<Pair>,
    /// Edges that do not.
    pub ignored: Vec<Pair>,
    /// For each ignored edge the shortest loop that it would close, itself last.
    pub loops: Vec<Vec<Pair>>,
    /// One job of each ring that was too large to look at every edge.
    pub tangled: Vec<Rank>,
    /// Edges that nobody has said: each job of such a ring after the one before it.
    pub chained: Vec<(Rank, Rank)>,
}

/// An edge, by ranks.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub from: Rank,
    pub to: Rank,
    pub kind: EdgeKind,
    pub hard: bool,
    pub word: Name,
}

impl Pair {
    /// The job whose file says so.
    pub const fn declared_by(&self) -> Rank {
        match self.kind {
            EdgeKind::Requires | EdgeKind::Needs => self.to,
            EdgeKind::Before | EdgeKind::Starting => self.from,
        }
    }

    /// How little it may be ignored: the run-time rule for waits is the same.
    const fn strength(&self) -> u8 {
        match self.kind {
            EdgeKind::Needs if self.hard => 2,
            EdgeKind::Starting => 1,
            EdgeKind::Requires | EdgeKind::Before | EdgeKind::Needs => 0,
        }
    }
}

impl Rings {
    /// The ring of a job.
    pub fn of(&self, rank: Rank) -> Option<u32> {
        self.of.get(rank as usize).copied().flatten()
    }

    /// The ring of a bundle's hub.
    pub fn of_hub(&self, bundle: usize) -> Option<u32> {
        self.of_hub.get(bundle).copied().flatten()
    }

    /// Whether two jobs are in the same ring.
    pub fn are_together(&self, one: Rank, other: Rank) -> bool {
        self.of(one).is_some() && self.of(one) == self.of(other)
    }
}

/// Finds the rings of `graph` and decides which of their edges are ignored. `layers` has each job's layer.
pub(super) fn untangle(graph: &Graph, links: &Links<'_>, layers: &[u8]) -> Rings {
    let (mut rings, mut members) = find(graph);
    let mut pairs: Vec<Vec<Pair>> = vec![Vec::new(); members.len()];
    let mut whole = vec![true; members.len()];
    for (number, bundle) in links.bundles().enumerate() {
        collect(bundle, &rings, rings.of_hub(number), &mut pairs, &mut whole);
    }
    for ((members, pairs), whole) in members.iter_mut().zip(pairs).zip(whole) {
        members.sort_unstable();
        Ring::new(members).decide(pairs, whole, layers, &mut rings);
    }
    rings.loops.sort_by_key(|pairs| pairs.iter().map(|pair| pair.from).min());
    rings.tangled.sort_unstable();
    rings
}

/// The rings of a graph, and the members of each.
fn find(graph: &Graph) -> (Rings, Vec<Vec<Rank>>) {
    let mut of = vec![None; graph.graph.node_count()];
    let mut members: Vec<Vec<Rank>> = Vec::new();
    for nodes in kosaraju_scc(&graph.graph) {
        let alone = match *nodes {
            [one] => !graph.graph.contains_edge(one, one),
            _ => false,
        };
        if alone {
            continue;
        }
        let number = u32::try_from(members.len()).ok();
        for node in &nodes {
            if let Some(place) = of.get_mut(node.index()) {
                *place = number;
            }
        }
        let is_job = |index: &usize| *index < graph.jobs;
        let jobs = nodes.iter().map(|node| node.index()).filter(is_job);
        members.push(jobs.filter_map(|index| Rank::try_from(index).ok()).collect());
    }
    let hub_ring =
        |hub: &Option<_>| hub.and_then(|hub: petgraph::graph::NodeIndex| of.get(hub.index()).copied()?);
    let of_hub = graph.hubs.iter().map(hub_ring).collect();
    (Rings { of, of_hub, ..Rings::default() }, members)
}

/// Puts the edges of a bundle that lie within a ring to that ring's pairs. What is too much is left out, and
/// the ring is not `whole`.
fn collect(bundle: Bundle<'_>, rings: &Rings, hub: Option<u32>, pairs: &mut [Vec<Pair>], whole: &mut [bool]) {
    if bundle.has_hub() && hub.is_none() {
        return;
    }
    let inside = |rank: Rank| hub.is_none() || rings.of(rank) == hub;
    for from in bundle.sources.iter().filter(|end| inside(end.rank)) {
        for to in bundle.targets.iter().filter(|end| inside(end.rank)) {
            let Some(ring) = rings.of(from.rank).filter(|_| rings.are_together(from.rank, to.rank)) else {
                continue;
            };
            let Some((kind, hard)) = from.says.or(to.says) else { continue };
            let Some(pairs) = pairs.get_mut(ring as usize) else { continue };
            if pairs.len() >= MAX_PAIRS {
                if let Some(whole) = whole.get_mut(ring as usize) {
                    *whole = false;
                }
                return;
            }
            let word = bundle.word.clone();
            pairs.push(Pair { from: from.rank, to: to.rank, kind, hard, word });
        }
    }
}

/// The jobs of one ring in an order that every edge taken so far agrees with. Members are meant by their place
/// among the sorted ranks.
///
/// An edge that goes backward moves only what lies between its ends (Pearce and Kelly's way).
struct Ring<'m> {
    members: &'m [Rank],
    /// The edges taken so far: what each member comes before, and after; with the place of the pair.
    onward: Vec<Vec<(u32, u32)>>,
    back: Vec<Vec<(u32, u32)>>,
    position: Vec<u32>,
    marks: Marks,
    steps: usize,
}

/// Which members a search has seen; a new search need not clear the marks of the one before.
struct Marks {
    seen: Vec<u32>,
    round: u32,
}

impl Marks {
    fn begin(&mut self) {
        self.round = self.round.saturating_add(1);
    }

    /// Marks a member; `false` if this search has marked it before.
    fn see(&mut self, member: u32) -> bool {
        match self.seen.get_mut(member as usize) {
            Some(seen) if *seen != self.round => {
                *seen = self.round;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// What became of an edge.
enum Verdict {
    Kept,
    Ignored,
    TooMuch,
}

impl<'m> Ring<'m> {
    fn new(members: &'m [Rank]) -> Self {
        let count = members.len();
        Self {
            members,
            onward: vec![Vec::new(); count],
            back: vec![Vec::new(); count],
            position: Vec::new(),
            marks: Marks { seen: vec![0; count], round: 0 },
            steps: 0,
        }
    }

    fn local(&self, rank: Rank) -> u32 {
        self.members.binary_search(&rank).ok().and_then(|at| u32::try_from(at).ok()).unwrap_or_default()
    }

    /// Takes the edges from the strongest to the weakest, and writes down what became of each.
    fn decide(mut self, mut pairs: Vec<Pair>, mut whole: bool, layers: &[u8], rings: &mut Rings) {
        let layer = |pair: &Pair| layers.get(pair.declared_by() as usize).copied().unwrap_or_default();
        pairs.sort_by(|one, other| {
            let key = |pair: &Pair| {
                (
                    Reverse(pair.strength()),
                    layer(pair),
                    Reverse(pair.declared_by()),
                    pair.from,
                    pair.to,
                    pair.kind,
                )
            };
            key(one).cmp(&key(other)).then_with(|| one.word.cmp(&other.word))
        });
        let mut said = HashSet::with_capacity(pairs.len());
        pairs.retain(|pair| said.insert((pair.from, pair.to)));
        self.rough_order(&pairs);
        let mut ignored: Vec<Pair> = Vec::new();
        let mut kept: Vec<Pair> = Vec::new();
        for pair in pairs {
            let (from, to) = (self.local(pair.from), self.local(pair.to));
            let verdict = match self.forward(from, to) {
                true => Verdict::Kept,
                false if self.steps >= MAX_STEPS => Verdict::TooMuch,
                false => self.take_backward(from, to),
            };
            match verdict {
                Verdict::Kept => {
                    let number = u32::try_from(kept.len()).unwrap_or(u32::MAX);
                    push(&mut self.onward, from, (to, number));
                    push(&mut self.back, to, (from, number));
                    kept.push(pair);
                }
                Verdict::Ignored => ignored.push(pair),
                Verdict::TooMuch => {
                    whole = false;
                    ignored.push(pair);
                }
            }
        }
        self.report(&kept, &ignored, whole, rings);
        rings.kept.append(&mut kept);
        rings.ignored.append(&mut ignored);
    }

    fn report(&mut self, kept: &[Pair], ignored: &[Pair], whole: bool, rings: &mut Rings) {
        self.steps = 0;
        for pair in ignored {
            if rings.loops.len() >= MAX_LOOPS || self.steps >= MAX_STEPS {
                break;
            }
            rings.loops.extend(self.shortest_loop(pair, kept));
        }
        if !whole {
            rings.tangled.extend(self.members.first());
            let mut line: Vec<u32> = (0..).take(self.members.len()).collect();
            line.sort_by_key(|&member| self.position.get(member as usize));
            let rank = |&member: &u32| self.members.get(member as usize).copied();
            let line: Vec<Rank> = line.iter().filter_map(rank).collect();
            rings.chained.extend(line.iter().copied().zip(line.iter().copied().skip(1)));
        }
    }

    /// A first order with few backward edges: who waits for nobody comes next, and if all wait, the first by
    /// name does.
    fn rough_order(&mut self, pairs: &[Pair]) {
        let count = self.members.len();
        let mut waits_for = vec![0_u32; count];
        let mut onward: Vec<Vec<u32>> = vec![Vec::new(); count];
        for pair in pairs {
            let (from, to) = (self.local(pair.from), self.local(pair.to));
            push(&mut onward, from, to);
            if let Some(waits) = waits_for.get_mut(to as usize) {
                *waits = waits.saturating_add(1);
            }
        }
        self.position = vec![u32::MAX; count];
        let mut ready: VecDeque<u32> = VecDeque::new();
        let mut forced = 0..u32::try_from(count).unwrap_or(u32::MAX);
        let mut next = 0_u32;
        while let Some(member) = ready.pop_front().or_else(|| forced.next()) {
            let Some(position @ &mut u32::MAX) = self.position.get_mut(member as usize) else { continue };
            *position = next;
            next = next.saturating_add(1);
            for &later in onward.get(member as usize).into_iter().flatten() {
                if let Some(waits) = waits_for.get_mut(later as usize) {
                    *waits = waits.saturating_sub(1);
                    if *waits == 0 {
                        ready.push_back(later);
                    }
                }
            }
        }
    }

    fn at(&self, member: u32) -> u32 {
        self.position.get(member as usize).copied().unwrap_or(u32::MAX)
    }

    fn forward(&self, from: u32, to: u32) -> bool {
        self.at(from) < self.at(to)
    }

    /// An edge whose target lies before its source: moves what is between, if that closes no loop.
    fn take_backward(&mut self, from: u32, to: u32) -> Verdict {
        if from == to {
            return Verdict::Ignored;
        }
        let (low, high) = (self.at(to), self.at(from));
        let Some(mut later) = self.reach(to, 0..=high, true) else {
            return Verdict::TooMuch;
        };
        if later.contains(&from) {
            return Verdict::Ignored;
        }
        let Some(mut earlier) = self.reach(from, low..=u32::MAX, false) else {
            return Verdict::TooMuch;
        };
        earlier.sort_unstable_by_key(|&member| self.at(member));
        later.sort_unstable_by_key(|&member| self.at(member));
        earlier.append(&mut later);
        let mut places: Vec<u32> = earlier.iter().map(|&member| self.at(member)).collect();
        places.sort_unstable();
        for (member, place) in earlier.into_iter().zip(places) {
            if let Some(position) = self.position.get_mut(member as usize) {
                *position = place;
            }
        }
        Verdict::Kept
    }

    /// All that can be reached from `start` along kept edges, onward or back, where the
    /// position is within `bounds`; `None` if that takes too long.
    fn reach(&mut self, start: u32, bounds: RangeInclusive<u32>, onward: bool) -> Option<Vec<u32>> {
        self.marks.begin();
        self.marks.see(start);
        let mut found = vec![start];
        let mut next = 0_usize;
        while let Some(&member) = found.get(next) {
            next = next.saturating_add(1);
            let lists = if onward { &self.onward } else { &self.back };
            let neighbours = lists.get(member as usize)?;
            self.steps = self.steps.saturating_add(neighbours.len()).saturating_add(1);
            if self.steps >= MAX_STEPS {
                return None;
            }
            for &(neighbour, _) in neighbours {
                let position = self.position.get(neighbour as usize)?;
                if bounds.contains(position) && self.marks.see(neighbour) {
                    found.push(neighbour);
                }
            }
        }
        Some(found)
    }

    /// The shortest way along kept edges from where an ignored edge ends to where it begins, and that edge.
    fn shortest_loop(&mut self, closing: &Pair, kept: &[Pair]) -> Option<Vec<Pair>> {
        let (start, goal) = (self.local(closing.to), self.local(closing.from));
        let mut loop_back = vec![closing.clone()];
        if start == goal {
            return Some(loop_back);
        }
        self.marks.begin();
        self.marks.see(start);
        // Each with the place of the one it was reached from, and the edge.
        let mut found: Vec<(u32, usize, u32)> = vec![(start, 0, 0)];
        let mut next = 0_usize;
        while let Some(&(member, mut via, mut number)) = found.get(next) {
            if member == goal {
                while let Some(pair) = kept.get(number as usize) {
                    loop_back.push(pair.clone());
                    let &(at, before, edge) = found.get(via)?;
                    if at == start {
                        break;
                    }
                    (via, number) = (before, edge);
                }
                loop_back.reverse();
                return Some(loop_back);
            }
            let onward = self.onward.get(member as usize)?;
            self.steps = self.steps.saturating_add(onward.len()).saturating_add(1);
            for &(to, number) in onward {
                if self.marks.see(to) {
                    found.push((to, next, number));
                }
            }
            next = next.saturating_add(1);
            if self.steps >= MAX_STEPS {
                return None;
            }
        }
        None
    }
}

fn push<T>(lists: &mut [Vec<T>], at: u32, item: T) {
    if let Some(list) = lists.get_mut(at as usize) {
        list.push(item);
    }
}
