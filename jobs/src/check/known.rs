//! What exists: jobs, provisions and events, for looking up and for guessing what was meant.

use alloc::{collections::BTreeSet, vec::Vec};

use events::{
    Name, Text, glob_matches,
    vocabulary::{self, Word},
};
use hashbrown::HashMap;

use super::events::OF_A_JOB;
use crate::{Command, did_you_mean, formats::Described, load::Generation};

/// What the name of an event has behind it when a job that it started has failed.
const FAILED: &str = "/failed";

/// How often a guess is made: each looks at every name there is.
const MAX_GUESSES: usize = 200;
/// How often all jobs are looked through for a glob.
const MAX_SEARCHES: usize = 10_000;

/// Names that exist.
pub(super) struct Known<'g> {
    /// Jobs by name.
    pub jobs: HashMap<&'g str, usize>,
    /// The jobs that provide each name.
    pub providers: HashMap<&'g str, Vec<usize>>,
    emitted: BTreeSet<Text>,
    /// Those of them that have a `*` or the like.
    globs: Vec<Text>,
    /// What scripts set, beside what is customary.
    facts: BTreeSet<Text>,
    /// What jobs and their scripts emit.
    said: BTreeSet<Text>,
    /// What jobs export, beside what all tell.
    keys: BTreeSet<&'g str>,
    /// What stands behind `start` or `restart` in a script: it may be a job that is started there.
    started: BTreeSet<Text>,
    guesses: core::cell::Cell<usize>,
    searches: core::cell::Cell<usize>,
}

impl<'g> Known<'g> {
    pub fn new(generation: &'g Generation) -> Self {
        let mut known = Self {
            jobs: HashMap::new(),
            providers: HashMap::new(),
            emitted: BTreeSet::new(),
            globs: Vec::new(),
            facts: BTreeSet::new(),
            said: BTreeSet::new(),
            keys: BTreeSet::new(),
            started: BTreeSet::new(),
            guesses: core::cell::Cell::new(0),
            searches: core::cell::Cell::new(0),
        };
        vocabulary::events().for_each(|word| known.emits(word.name));
        for (index, described) in generation.jobs.iter().enumerate() {
            known.jobs.insert(&described.job.name, index);
            for name in described.job.provided_names() {
                known.providers.entry(name.as_str()).or_default().push(index);
            }
            described.work.emits.iter().for_each(|event| known.says(event));
            described.job.announces.iter().for_each(|announcement| known.says(&announcement.name));
            known.keys.extend(described.job.export.iter().map(events::Key::as_str));
            said_by_scripts(described, &mut |said, name| match said {
                Said::Emit => known.says(name),
                Said::Set => {
                    known.facts.insert(name.into());
                }
                Said::Start => {
                    known.started.insert(name.into());
                }
            });
        }
        known
    }

    fn says(&mut self, event: &str) {
        self.said.insert(event.into());
        self.emits(event);
    }

    fn emits(&mut self, event: &str) {
        if event.contains(['*', '?', '[']) {
            self.globs.push(event.into());
        } else {
            self.emitted.insert(event.into());
        }
    }

    /// Whether an event can happen at all. Of each event the engine also tells when it has failed.
    pub fn is_event(&self, name: &str) -> bool {
        let name = name.strip_suffix(FAILED).unwrap_or(name);
        self.emitted.contains(name) || self.globs.iter().any(|glob| glob_matches(glob, name))
    }

    /// Whether jobs or their scripts emit events of this name, with whatever arguments.
    pub fn is_emitted_by_jobs(&self, name: &str) -> bool {
        self.said.contains(name)
    }

    /// Whether a script sets facts of this name, with whatever arguments.
    pub fn is_set_by_jobs(&self, name: &str) -> bool {
        self.facts.contains(name)
    }

    /// Whether a job exports a variable of this name.
    pub fn is_exported(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Whether a script may start a job of this name.
    pub fn is_started_by_hand(&self, job: &str) -> bool {
        self.started.contains(job)
    }

    /// Whether there is a job that `glob` means. Past a bound on the time spent it is taken to be so.
    pub fn has_job_like(&self, glob: &str) -> bool {
        let so_far = self.searches.get();
        self.searches.set(so_far.saturating_add(1));
        so_far >= MAX_SEARCHES || self.jobs.keys().any(|name| glob_matches(glob, name))
    }

    /// The event that was probably meant.
    pub fn nearest_event(&self, name: &str) -> Option<&str> {
        self.guess(|| did_you_mean(name, self.emitted.iter().map(Text::as_str)))
    }

    /// The fact that was probably meant by a name that is none; `None` also for what a person may have
    /// thought of, or a job says that it `emits`.
    pub fn nearest_fact(&self, name: &str) -> Option<&str> {
        if vocabulary::fact(name).is_some() || self.facts.contains(name) || self.is_event(name) {
            return None;
        }
        self.guess(|| {
            let known = vocabulary::facts().map(|word| word.name);
            did_you_mean(name, known.chain(self.facts.iter().map(Text::as_str)))
        })
    }

    /// The argument of an event or a fact that was probably meant; of a job's life: also one that jobs export.
    pub fn nearest_key(&self, word: &Word, key: &str) -> Option<&'g str> {
        let exported = self.keys.iter().copied().filter(|_| OF_A_JOB.contains(&word.name));
        self.guess(|| did_you_mean(key, word.keys.iter().copied().chain(exported)))
    }

    /// The job that was probably meant.
    pub fn nearest_job(&self, name: &str) -> Option<&'g str> {
        self.guess(|| did_you_mean(name, self.jobs.keys().copied()))
    }

    /// The provision or job that was probably meant, and the job that has it.
    pub fn nearest_provision(&self, name: &Name) -> Option<(&'g str, usize)> {
        let names = self.providers.keys().chain(self.jobs.keys()).copied();
        let meant = self.guess(|| did_you_mean(name, names))?;
        let first = self.providers.get(meant).and_then(|providers| providers.first());
        first.or_else(|| self.jobs.get(meant)).map(|&index| (meant, index))
    }

    fn guess<T>(&self, guess: impl FnOnce() -> Option<T>) -> Option<T> {
        let so_far = self.guesses.get();
        self.guesses.set(so_far.saturating_add(1));
        if so_far < MAX_GUESSES { guess() } else { None }
    }
}

/// What a script says to the init.
#[derive(Clone, Copy)]
enum Said {
    Emit,
    Set,
    Start,
}

/// What the scripts of a job emit, set and start by name: the first word behind `initctl emit`, `onset-emit`,
/// `onsetctl set` or `start` that is no option. What a variable stands for cannot be known.
fn said_by_scripts(described: &Described, found: &mut dyn FnMut(Said, &str)) {
    for (_, command) in &described.work.processes {
        let text = match command {
            Command::Exec(text) | Command::Script(text) => text,
            Command::Argv(_) | Command::Program(..) => continue,
        };
        for line in text.lines() {
            let mut words = line
                .split(|c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'' | '&' | '|' | '(' | ')'))
                .filter(|word| !word.is_empty());
            let mut behind_tool = false;
            while let Some(word) = words.next() {
                let said = match word.rsplit('/').next() {
                    Some("emit") if behind_tool => Some(Said::Emit),
                    Some("set") if behind_tool => Some(Said::Set),
                    Some("onset-emit") if line.contains(" --set") => Some(Said::Set),
                    Some("onset-emit") => Some(Said::Emit),
                    // Upstart has commands of these names, so that no tool stands before them.
                    Some("start" | "restart") => Some(Said::Start),
                    _ => None,
                };
                behind_tool = word.ends_with("initctl") || word.ends_with("onsetctl");
                let name = said.and_then(|_| words.by_ref().find(|word| !word.starts_with('-')));
                if let (Some(said), Some(name)) = (said, name.filter(|name| !name.contains('$'))) {
                    found(said, name);
                }
            }
        }
    }
}
