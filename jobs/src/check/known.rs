//! What exists: jobs, provisions and events, for looking up and for guessing what was meant.

use alloc::{collections::BTreeSet, vec::Vec};

use events::{Name, Text, glob_matches};
use hashbrown::HashMap;

use crate::{Command, did_you_mean, formats::Described, load::Generation};

/// Events that Onset's sources and the engine make, as globs: whoever waits for one of these waits for
/// something that can happen without any job saying so.
pub(super) const EVENTS: &[&str] = &[
    // The engine.
    "startup",
    "starting",
    "started",
    "stopping",
    "stopped",
    "mode",
    "shutdown",
    // People and run levels.
    "runlevel",
    "control-alt-delete",
    "keyboard-request",
    "power-status-changed",
    "power-button",
    "settled",
    // Devices, as the kernel and udev tell of them. Those written out are there to be guessed.
    "*-device-added",
    "*-device-removed",
    "*-device-changed",
    "block-device-added",
    "block-device-removed",
    "usb-device-added",
    "usb-device-removed",
    // The network.
    "net-device-added",
    "net-device-removed",
    "net-device-changed",
    "net-device-up",
    "net-device-down",
    "net-address-added",
    "net-address-removed",
    "net-default-route-added",
    "net-default-route-removed",
    "link-up",
    "link-down",
    "static-network-up",
    "deconfiguring-networking",
    // File systems.
    "mounted",
    "remounted",
    "unmounted",
    "virtual-filesystems",
    "local-filesystems",
    "remote-filesystems",
    "all-swaps",
    "filesystem",
    // Time, files and sockets that a condition names.
    "timer",
    "calendar",
    "file",
    "file-changed",
    "socket",
    // Levels of hook folders.
    "import",
    "early",
    "start",
    "stop",
    "config",
    "carp",
    "monitor",
    "newwanip",
    "update",
    "upgrade",
    "backup",
];

/// Facts that sources and the engine set.
const FACTS: [&str; 9] =
    ["device", "link", "address", "route", "path", "mount", "running", "provided", "mode"];

/// The arguments that events of a job's life have.
const KEYS: [&str; 6] = ["JOB", "INSTANCE", "RESULT", "PROCESS", "EXIT_STATUS", "EXIT_SIGNAL"];

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
    /// What scripts set, beside [`FACTS`].
    facts: BTreeSet<Text>,
    /// What jobs export, beside [`KEYS`].
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
            keys: BTreeSet::new(),
            started: BTreeSet::new(),
            guesses: core::cell::Cell::new(0),
            searches: core::cell::Cell::new(0),
        };
        EVENTS.iter().for_each(|event| known.emits(event));
        for (index, described) in generation.jobs.iter().enumerate() {
            known.jobs.insert(&described.job.name, index);
            for name in described.job.provided_names() {
                known.providers.entry(name.as_str()).or_default().push(index);
            }
            described.work.emits.iter().for_each(|event| known.emits(event));
            known.keys.extend(described.job.export.iter().map(events::Key::as_str));
            said_by_scripts(described, &mut |said, name| match said {
                Said::Emit => known.emits(name),
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

    /// Whether events of a job's life can have an argument of this name.
    pub fn is_key_of_a_life(&self, key: &str) -> bool {
        KEYS.contains(&key) || self.keys.contains(key)
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
        if FACTS.contains(&name) || self.facts.contains(name) || self.is_event(name) {
            return None;
        }
        self.guess(|| did_you_mean(name, FACTS.into_iter().chain(self.facts.iter().map(Text::as_str))))
    }

    /// The argument of a job's events that was probably meant.
    pub fn nearest_key(&self, key: &str) -> Option<&str> {
        self.guess(|| did_you_mean(key, KEYS.into_iter().chain(self.keys.iter().copied())))
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

/// What the scripts of a job emit, set and start by name: the first word behind `initctl emit`, `onsetctl set`
/// or `start` that is no option. What a variable stands for cannot be known.
fn said_by_scripts(described: &Described, found: &mut dyn FnMut(Said, &str)) {
    for (_, command) in &described.work.processes {
        let text = match command {
            Command::Exec(text) | Command::Script(text) => text,
            Command::Argv(_) => continue,
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
