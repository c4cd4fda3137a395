//! From what jobs say to who waits for whom.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use events::{Match, MatchKey, Name, Want};
use hashbrown::HashMap;

use super::{EdgeKind, Graph, Rank, Rings, node};
use crate::{Format, Job, formats::lsb::ALL};

/// Who waits for whom, and the names that nobody provides.
///
/// All ends lie in one list: with 20,000 jobs, a list for each word would take longer than all the rest.
#[derive(Default)]
pub(super) struct Links<'j> {
    pub unknown: Vec<(Rank, Name, EdgeKind)>,
    ends: Vec<End>,
    bundles: Vec<Span<'j>>,
}

/// Where the ends of a bundle lie.
struct Span<'j> {
    word: &'j Name,
    sources: Range<usize>,
    targets: Range<usize>,
}

/// Every target waits for every source, because of one word.
#[derive(Clone, Copy)]
pub(super) struct Bundle<'l> {
    pub word: &'l Name,
    pub sources: &'l [End],
    pub targets: &'l [End],
}

/// One side of an edge, and what it says of it; `None` if the other side says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub rank: Rank,
    pub says: Option<(EdgeKind, bool)>,
}

impl Bundle<'_> {
    /// Whether it is cheaper by way of a node of its own.
    pub fn has_hub(&self) -> bool {
        let (sources, targets) = (self.sources.len(), self.targets.len());
        sources.saturating_mul(targets) > sources.saturating_add(targets)
    }

    /// All its edges.
    pub fn pairs(&self) -> impl Iterator<Item = (Rank, Rank)> {
        self.sources.iter().flat_map(|from| self.targets.iter().map(|to| (from.rank, to.rank)))
    }
}

/// How a job uses a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Usage {
    Provides,
    /// Whether it should hear that nobody provides the word.
    Requires(bool),
    Needs,
    Before,
    Starting,
}

/// Words by their text, numbered in the order in which they are first seen, and who uses them.
struct Words<'j> {
    numbers: HashMap<&'j str, u32>,
    names: Vec<Option<&'j Name>>,
    uses: Vec<(u32, Rank, Usage)>,
}

impl<'j> Words<'j> {
    fn add(&mut self, text: &'j str, name: Option<&'j Name>, rank: Rank, usage: Usage) {
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(text).or_insert(next);
        if number == next {
            self.names.push(name);
        } else if let Some(known @ None) = self.names.get_mut(number as usize) {
            *known = name;
        }
        self.uses.push((number, rank, usage));
    }

    /// Takes in what a job says; if it comes after everything, also into `all`.
    fn read(&mut self, rank: Rank, job: &'j Job, all: &mut Vec<Rank>) {
        let is_all = |name: &Name| matches!(job.format, Format::Lsb | Format::Rcd) && *name == ALL;
        for name in job.provided_names() {
            self.add(name, Some(name), rank, Usage::Provides);
        }
        for require in &job.requires {
            if is_all(&require.name) {
                all.push(rank);
            } else {
                let usage = Usage::Requires(!require.optional);
                self.add(&require.name, Some(&require.name), rank, usage);
            }
        }
        for need in &job.needs {
            self.add(&need.name, Some(&need.name), rank, Usage::Needs);
        }
        // Before everything is what every other script is already.
        for name in job.before.iter().filter(|name| !is_all(name)) {
            self.add(name, Some(name), rank, Usage::Before);
        }
        if let Some(target) = starting_target(job) {
            self.add(target, None, rank, Usage::Starting);
        }
    }

    /// The uses sorted by word, those of one word by rank; and where each word's begin.
    fn sorted(&self) -> (Vec<(Rank, Usage)>, Vec<usize>) {
        let mut starts = vec![0_usize; self.names.len().saturating_add(1)];
        for (word, _, _) in &self.uses {
            if let Some(count) = starts.get_mut((*word as usize).saturating_add(1)) {
                *count = count.saturating_add(1);
            }
        }
        let mut sum = 0_usize;
        for start in &mut starts {
            sum = sum.saturating_add(*start);
            *start = sum;
        }
        let mut next = starts.clone();
        let mut sorted = vec![(0, Usage::Provides); self.uses.len()];
        for &(word, rank, usage) in &self.uses {
            if let Some(at) = next.get_mut(word as usize) {
                if let Some(place) = sorted.get_mut(*at) {
                    *place = (rank, usage);
                }
                *at = at.saturating_add(1);
            }
        }
        (sorted, starts)
    }
}

/// Who waits for whom among `jobs`, which are sorted by name.
pub(super) fn links<'j>(jobs: &[&'j Job]) -> Links<'j> {
    let capacity = jobs.len().saturating_mul(2);
    let mut words = Words {
        numbers: HashMap::with_capacity(jobs.len()),
        names: Vec::with_capacity(jobs.len()),
        uses: Vec::with_capacity(capacity),
    };
    let mut all: Vec<Rank> = Vec::new();
    for (rank, job) in (0_u32..).zip(jobs) {
        words.read(rank, job, &mut all);
    }
    let mut links = Links::default();
    links.ends.reserve(words.uses.len().saturating_add(capacity));
    links.bundles.reserve(words.names.len());
    let (uses, starts) = words.sorted();
    let mut providers: Vec<Rank> = Vec::new();
    for (number, name) in words.names.iter().enumerate() {
        let end = starts.get(number.saturating_add(1)).copied().unwrap_or_default();
        let uses = starts.get(number).and_then(|&start| uses.get(start..end)).unwrap_or_default();
        let provide = uses.iter().filter(|(_, usage)| *usage == Usage::Provides);
        providers.clear();
        providers.extend(provide.map(|(rank, _)| *rank));
        if providers.len() < uses.len() {
            links.connect(*name, &providers, uses, jobs);
        }
    }
    links.starting(&words, jobs);
    links.unknown.sort();
    links.unknown.dedup();
    for format in [Format::Lsb, Format::Rcd] {
        let is_of = |rank: &Rank| jobs.get(*rank as usize).is_some_and(|job| job.format == format);
        let all: Vec<Rank> = all.iter().copied().filter(is_of).collect();
        links.after_everything(jobs, &all, format);
    }
    links
}

/// The job that `job` starts on `starting` of, if it starts on nothing else.
pub(crate) fn starting_target(job: &Job) -> Option<&str> {
    let pattern = job.start_on.as_ref()?.single().filter(|pattern| pattern.name == "starting")?;
    pattern.matches.iter().find_map(job_named)
}

/// The job that a match of `starting`, `started`, `stopping` or `stopped` names.
pub(crate) fn job_named(wanted: &Match) -> Option<&str> {
    let is_job = match &wanted.key {
        MatchKey::Position(place) => *place == 0,
        MatchKey::Named(key) => *key == "JOB",
    };
    match &wanted.want {
        Want::Literal(text) if is_job && !wanted.negated => Some(text),
        Want::Literal(_) | Want::Glob(_) | Want::Template(_) | Want::Setting(_) => None,
    }
}

/// The ranks of the jobs of this name: mostly one, or none.
fn named(jobs: &[&Job], name: &str) -> Range<Rank> {
    let start = jobs.partition_point(|job| job.name.as_str() < name);
    let count = jobs.iter().skip(start).take_while(|job| job.name == name).count();
    let rank = |at: usize| Rank::try_from(at).unwrap_or(Rank::MAX);
    rank(start)..rank(start.saturating_add(count))
}

impl<'j> Links<'j> {
    /// All that is said.
    pub fn bundles(&self) -> impl Iterator<Item = Bundle<'_>> {
        self.bundles.iter().map(|span| Bundle {
            word: span.word,
            sources: self.ends.get(span.sources.clone()).unwrap_or_default(),
            targets: self.ends.get(span.targets.clone()).unwrap_or_default(),
        })
    }

    /// How many ends there are: about as many edges as they take.
    pub fn size(&self) -> usize {
        self.ends.len()
    }

    /// Joins all who use one word to its providers. A script's header knows provisions only; for others, where
    /// nobody provides a name, the job of this name counts.
    fn connect(
        &mut self,
        word: Option<&'j Name>,
        providers: &[Rank],
        uses: &[(Rank, Usage)],
        jobs: &[&'j Job],
    ) {
        let Some(word) = word else { return };
        let by_name = if providers.is_empty() { named(jobs, word) } else { 0..0 };
        let by_name: Vec<Rank> = by_name.collect();
        let is_lenient = |rank: Rank| {
            let format = jobs.get(rank as usize).map(|job| job.format);
            !by_name.is_empty()
                && matches!(format, Some(Format::Native | Format::Upstart | Format::Hook | Format::Inetd))
        };
        for lenient in [false, true] {
            let meant = if lenient { &*by_name } else { providers };
            let those = |&&(rank, _): &&(Rank, Usage)| is_lenient(rank) == lenient;
            let after = uses.iter().filter(those).filter_map(|&(rank, usage)| match usage {
                Usage::Requires(_) => Some((rank, EdgeKind::Requires)),
                Usage::Needs => Some((rank, EdgeKind::Needs)),
                Usage::Provides | Usage::Before | Usage::Starting => None,
            });
            let before = uses.iter().filter(those).filter_map(|&(rank, usage)| match usage {
                Usage::Before => Some((rank, EdgeKind::Before)),
                Usage::Provides | Usage::Requires(_) | Usage::Needs | Usage::Starting => None,
            });
            if meant.is_empty() {
                let asking = uses.iter().filter(those).filter_map(|&(rank, usage)| match usage {
                    Usage::Requires(true) => Some((rank, word.clone(), EdgeKind::Requires)),
                    Usage::Needs => Some((rank, word.clone(), EdgeKind::Needs)),
                    Usage::Before => Some((rank, word.clone(), EdgeKind::Before)),
                    Usage::Provides | Usage::Requires(false) | Usage::Starting => None,
                });
                self.unknown.extend(asking);
            } else {
                self.join(word, after, meant, false);
                self.join(word, before, meant, true);
            }
        }
    }

    /// Jobs that start on `starting` of another come before it.
    fn starting(&mut self, words: &Words<'j>, jobs: &[&'j Job]) {
        for &(_, rank, _) in words.uses.iter().filter(|(_, _, usage)| *usage == Usage::Starting) {
            let job = jobs.get(rank as usize);
            let Some(target) = job.and_then(|job| starting_target(job)) else { continue };
            let meant: Vec<Rank> = named(jobs, target).collect();
            let word = meant.first().and_then(|&first| jobs.get(first as usize));
            if let Some(target) = word {
                self.join(&target.name, core::iter::once((rank, EdgeKind::Starting)), &meant, true);
            }
        }
    }

    /// Joins those who use a word to those whom it means.
    fn join(
        &mut self,
        word: &'j Name,
        users: impl Iterator<Item = (Rank, EdgeKind)>,
        meant: &[Rank],
        users_first: bool,
    ) {
        let start = self.ends.len();
        self.ends.extend(users.map(|(rank, kind)| {
            let hard = kind == EdgeKind::Needs && meant.len() == 1;
            End { rank, says: Some((kind, hard)) }
        }));
        let middle = self.ends.len();
        if start == middle {
            return;
        }
        self.ends.extend(meant.iter().map(|&rank| End { rank, says: None }));
        let (users, meant) = (start..middle, middle..self.ends.len());
        let (sources, targets) = if users_first { (users, meant) } else { (meant, users) };
        self.bundles.push(Span { word, sources, targets });
    }

    /// LSB's `$all`: who requires it comes after every script of its format but those that come after it anyway.
    fn after_everything(&mut self, jobs: &[&'j Job], all: &[Rank], format: Format) {
        let says_all = |job: &&'j Job| job.requires.iter().find(|require| require.name == ALL);
        let first = all.first().and_then(|&rank| jobs.get(rank as usize));
        let Some(word) = first.and_then(says_all).map(|require| &require.name) else { return };
        let Graph { graph, .. } = Graph::new(jobs.len(), self, &Rings::default());
        let mut later = vec![false; graph.node_count()];
        let mut open: Vec<_> = all.iter().map(|&rank| node(rank)).collect();
        while let Some(next) = open.pop() {
            if let Some(seen @ false) = later.get_mut(next.index()) {
                *seen = true;
                open.extend(graph.neighbors(next));
            }
        }
        let earlier: Vec<Rank> = (0_u32..)
            .zip(jobs.iter().zip(&later))
            .filter(|(_, (job, later))| job.format == format && !**later)
            .map(|(rank, _)| rank)
            .collect();
        self.join(word, all.iter().map(|&rank| (rank, EdgeKind::Requires)), &earlier, false);
    }
}
