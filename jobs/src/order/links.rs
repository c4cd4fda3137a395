//! From what jobs say to who waits for whom.

use alloc::{vec, vec::Vec};

use events::{Match, MatchKey, Name, Want};
use hashbrown::HashMap;

use super::{EdgeKind, Graph, Rank, Rings, node};
use crate::{Format, Job};

/// What an LSB script requires that starts after everything else.
const ALL: &str = "$all";

/// Who waits for whom, and the names that nobody provides.
pub(super) struct Links {
    pub bundles: Vec<Bundle>,
    pub unknown: Vec<(Rank, Name, EdgeKind)>,
}

/// Every target waits for every source, because of one word.
pub(super) struct Bundle {
    pub word: Name,
    pub sources: Vec<End>,
    pub targets: Vec<End>,
}

/// One side of an edge, and what it says of it; `None` if the other side says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub rank: Rank,
    pub says: Option<(EdgeKind, bool)>,
}

impl Bundle {
    /// Whether it is cheaper by way of a node of its own.
    pub fn has_hub(&self) -> bool {
        self.sources.len().saturating_mul(self.targets.len())
            > self.sources.len().saturating_add(self.targets.len())
    }

    /// How many edges it takes.
    pub fn cost(&self) -> usize {
        let (sources, targets) = (self.sources.len(), self.targets.len());
        sources.saturating_mul(targets).min(sources.saturating_add(targets))
    }

    /// All its edges.
    pub fn pairs(&self) -> impl Iterator<Item = (Rank, Rank)> {
        self.sources.iter().flat_map(|from| self.targets.iter().map(|to| (from.rank, to.rank)))
    }
}

/// Who uses a word, and how.
#[derive(Clone, Copy)]
struct User {
    rank: Rank,
    kind: EdgeKind,
    /// Whether it should hear that nobody provides the word.
    asks: bool,
}

/// All that is said of one word.
#[derive(Default)]
struct Word<'j> {
    name: Option<&'j Name>,
    providers: Vec<Rank>,
    /// Jobs of this very name, whatever they provide.
    named: Vec<Rank>,
    after: Vec<User>,
    before: Vec<User>,
    starting: Vec<User>,
}

/// Words by their text, numbered in the order in which they are first seen.
struct Words<'j> {
    numbers: HashMap<&'j str, usize>,
    words: Vec<Word<'j>>,
}

impl<'j> Words<'j> {
    fn with(&mut self, text: &'j str, change: impl FnOnce(&mut Word<'j>)) {
        let next = self.words.len();
        let number = *self.numbers.entry(text).or_insert(next);
        if number == next {
            self.words.push(Word::default());
        }
        if let Some(word) = self.words.get_mut(number) {
            change(word);
        }
    }

    fn with_name(&mut self, name: &'j Name, change: impl FnOnce(&mut Word<'j>)) {
        self.with(name, |word| {
            word.name = Some(name);
            change(word);
        });
    }

    /// Takes in what a job says; if it comes after everything, also into `all`.
    fn read(&mut self, rank: Rank, job: &'j Job, all: &mut Vec<Rank>) {
        let is_all = |name: &Name| job.format == Format::Lsb && *name == ALL;
        let user = |kind, asks| User { rank, kind, asks };
        job.provided_names().for_each(|name| self.with_name(name, |word| word.providers.push(rank)));
        self.with_name(&job.name, |word| word.named.push(rank));
        for require in &job.requires {
            let user = user(EdgeKind::Requires, !require.optional);
            match is_all(&require.name) {
                true => all.push(rank),
                false => self.with_name(&require.name, |word| word.after.push(user)),
            }
        }
        for need in &job.needs {
            self.with_name(&need.name, |word| word.after.push(user(EdgeKind::Needs, true)));
        }
        // Before everything is what every other script is already.
        for name in job.before.iter().filter(|name| !is_all(name)) {
            self.with_name(name, |word| word.before.push(user(EdgeKind::Before, true)));
        }
        if let Some(target) = starting_target(job) {
            self.with(target, |word| word.starting.push(user(EdgeKind::Starting, false)));
        }
    }
}

/// Who waits for whom among `jobs`, which are sorted by name.
pub(super) fn links(jobs: &[&Job]) -> Links {
    let mut words = Words { numbers: HashMap::with_capacity(jobs.len()), words: Vec::new() };
    let mut all: Vec<Rank> = Vec::new();
    for (rank, job) in (0_u32..).zip(jobs) {
        words.read(rank, job, &mut all);
    }
    let mut links = Links { bundles: Vec::with_capacity(words.words.len()), unknown: Vec::new() };
    for word in &words.words {
        links.connect(word, jobs);
    }
    links.unknown.sort();
    links.unknown.dedup();
    if let Some(bundle) = after_everything(jobs, &all, &links.bundles) {
        links.bundles.push(bundle);
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
        Want::Literal(_) | Want::Glob(_) | Want::Template(_) => None,
    }
}

impl Links {
    fn connect(&mut self, word: &Word<'_>, jobs: &[&Job]) {
        for users in [&word.after, &word.before] {
            // A script's header knows provisions only; for the others, where nobody provides a name, the job
            // of this name counts.
            let by_job_name = |user: &User| {
                let format = jobs.get(user.rank as usize).map(|job| job.format);
                word.providers.is_empty()
                    && matches!(format, Some(Format::Native | Format::Upstart | Format::Hook))
            };
            let (lenient, plain): (Vec<User>, Vec<User>) = users.iter().partition(|user| by_job_name(user));
            self.join(word, &plain, &word.providers);
            self.join(word, &lenient, &word.named);
        }
        if !word.named.is_empty() {
            self.join(word, &word.starting, &word.named);
        }
    }

    /// Joins those who use a word to those whom it means.
    fn join(&mut self, word: &Word<'_>, users: &[User], meant: &[Rank]) {
        let (Some(first), Some(name)) = (users.first(), word.name) else { return };
        if meant.is_empty() {
            let asking = users.iter().filter(|user| user.asks);
            self.unknown.extend(asking.map(|user| (user.rank, name.clone(), user.kind)));
            return;
        }
        let hard = |user: &User| user.kind == EdgeKind::Needs && meant.len() == 1;
        let says = |user: &User| End { rank: user.rank, says: Some((user.kind, hard(user))) };
        let users_first = matches!(first.kind, EdgeKind::Before | EdgeKind::Starting);
        let users = users.iter().map(says).collect();
        let meant = meant.iter().map(|&rank| End { rank, says: None }).collect();
        let (sources, targets) = if users_first { (users, meant) } else { (meant, users) };
        self.bundles.push(Bundle { word: name.clone(), sources, targets });
    }
}

/// LSB's `$all`: who requires it comes after every script but those that come after it anyway.
fn after_everything(jobs: &[&Job], all: &[Rank], bundles: &[Bundle]) -> Option<Bundle> {
    let name = Name::new(ALL).ok().filter(|_| !all.is_empty())?;
    let Graph { graph, .. } = Graph::new(jobs.len(), bundles, &Rings::default());
    let mut later = vec![false; graph.node_count()];
    let mut open: Vec<_> = all.iter().map(|&rank| node(rank)).collect();
    while let Some(next) = open.pop() {
        if let Some(seen @ false) = later.get_mut(next.index()) {
            *seen = true;
            open.extend(graph.neighbors(next));
        }
    }
    let sources = (0_u32..)
        .zip(jobs.iter().zip(&later))
        .filter(|(_, (job, later))| job.format == Format::Lsb && !**later)
        .map(|(rank, _)| End { rank, says: None })
        .collect();
    let says = |&rank: &Rank| End { rank, says: Some((EdgeKind::Requires, false)) };
    Some(Bundle { word: name, sources, targets: all.iter().map(says).collect() })
}
