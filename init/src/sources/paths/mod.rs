//! Files and folders, as the events `file` and `file-changed` and the fact `path`.
//!
//! What a condition names is followed from `/` down: every folder on the way that is there is watched by inotify, so
//! that one which comes later is seen as well. What inotify says is never believed: it only tells where to look. A path
//! that something has happened to is looked at when it has been left alone for a while, and compared with what was seen
//! last. So a burst is one event, a file that is put in another's place by a rename has changed and was never gone, and
//! after an overflow, a mount or a new image of PID 1 the same look at everything mends whatever was missed. The fact is
//! told at once.

mod settle;
mod sight;
mod walk;
mod wanted;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::unix::ffi::OsStrExt as _,
};

use events::{Identity, Name, Pattern, Time};
use nix::{
    errno::Errno,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent},
};
use serde::{Deserialize, Serialize};

pub use self::sight::is_far;
use self::{
    settle::Change,
    sight::{Far, Signature},
    walk::Folders,
    wanted::{Sort, Wanted},
};
use super::{Known, Part, Past, Warning};
use crate::{
    control::Limit,
    pid1::{shell::Shell, token::Token},
    sys::poll::Interest,
};

/// How many patterns there may be.
pub const PATTERNS: usize = 4096;
/// How many folders are watched at most.
pub const FOLDERS: usize = 8192;
/// Of how many files it is known what they were when they were seen last.
pub const FILES: usize = 16_384;
/// How many paths wait at most until they are looked at; past it, everything is.
pub const CHANGES: usize = 16_384;
/// How many reads of what inotify has to say there are in a turn, each of up to 4 KiB.
const READS: usize = 16;
/// How many folders and files are looked at in a turn.
const LOOKS: usize = 256;

/// What the image after us needs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Records {
    /// What was wanted, so that what was there before is not told again.
    wanted: Vec<String>,
    /// What was seen last.
    files: Vec<(Vec<u8>, Signature)>,
}

/// Paths that conditions want to be told of. A path is written without a `/` at its end, so that `/` is empty.
#[derive(Debug)]
pub struct Paths {
    inotify: Option<Inotify>,
    wanted: BTreeMap<u32, Wanted>,
    /// What the image before has wanted.
    before: BTreeSet<String>,
    number: u32,
    folders: Folders,
    /// Folders to look at.
    to_walk: BTreeSet<Vec<u8>>,
    /// What is there of what events are told of.
    files: BTreeMap<Vec<u8>, Signature>,
    /// Paths that something has happened to, and for how long they have been left alone.
    changes: BTreeMap<Vec<u8>, Change>,
    /// When the first of them may be looked at.
    due: Option<Time>,
    /// Paths whose facts may have changed.
    facts_due: BTreeSet<Vec<u8>>,
    facts: Known,
    /// Facts of the image before that have not been seen to hold.
    unconfirmed: BTreeSet<Identity>,
    /// The paths that have facts.
    present: BTreeMap<Vec<u8>, ()>,
    far: Far,
    warnings: Vec<Warning>,
    /// Bounds that were reached, each told once.
    told: BTreeSet<&'static str>,
    overflows: u64,
}

impl Paths {
    /// Watches nothing yet.
    pub fn new(shell: &mut Shell<'_>, past: &Past<'_>) -> Self {
        let records = past.records.paths.clone();
        let mut warnings = Vec::new();
        let inotify = listen(shell).map_err(|error| {
            warnings.push(Warning { text: format!("files cannot be watched: {error}"), about: None });
        });
        let facts = Known::new(Sort::Path.name(), past);
        Self {
            inotify: inotify.ok(),
            wanted: BTreeMap::new(),
            before: records.wanted.into_iter().collect(),
            number: 0,
            folders: Folders::default(),
            to_walk: BTreeSet::new(),
            files: records.files.into_iter().collect(),
            changes: BTreeMap::new(),
            due: None,
            facts_due: BTreeSet::new(),
            unconfirmed: facts.iter().map(|(identity, _)| identity.clone()).collect(),
            facts,
            present: BTreeMap::new(),
            far: Far::default(),
            warnings,
            told: BTreeSet::new(),
            overflows: 0,
        }
    }

    /// Whether a pattern of this name is about paths.
    #[must_use]
    pub fn is_meant(name: &Name) -> bool {
        [Sort::File, Sort::Changed, Sort::Path].iter().any(|sort| sort.name() == *name)
    }

    /// What the image before has seen is looked at again: to be called when all that jobs wait for is watched.
    pub fn begin(&mut self, now: Time) {
        self.before.clear();
        self.look_again(now);
    }

    /// A condition wants to be told of paths.
    pub fn watch(&mut self, pattern: &Pattern) {
        let mut new = match Wanted::new(pattern) {
            Ok(new) => new,
            Err(why) => return self.warn(format!("`{pattern}` is not watched: {why}"), Some(pattern)),
        };
        let known = self.wanted.iter_mut().find(|(_, wanted)| wanted.is_like(&new));
        if let Some((_, known)) = known {
            // Who asks is told of what is there already, if nobody was who would hear it once more.
            let is_first = new.sort == Sort::File && !known.asks.iter().any(hears_create);
            known.asks.push(pattern.clone());
            known.ask_settle();
            if is_first && hears_create(pattern) {
                known.is_new = true;
                self.to_walk.insert(Vec::new());
            }
            return;
        }
        if self.wanted.len() >= PATTERNS {
            let why = format!("`{pattern}` is not watched: conditions name more than {PATTERNS} paths");
            return self.warn(why, Some(pattern));
        }
        new.is_new = !self.before.contains(&new.mark());
        self.number = self.number.wrapping_add(1);
        self.wanted.insert(self.number, new);
        self.walk_everything();
    }

    /// No condition wants to be told of them any more.
    pub fn unwatch(&mut self, shell: &mut Shell<'_>, pattern: &Pattern) {
        for wanted in self.wanted.values_mut() {
            wanted.asks.retain(|ask| ask != pattern);
            wanted.ask_settle();
        }
        let gone: Vec<u32> =
            self.wanted.iter().filter(|(_, wanted)| wanted.asks.is_empty()).map(|(id, _)| *id).collect();
        for id in gone {
            let Some(wanted) = self.wanted.remove(&id) else { continue };
            let facts = self
                .facts
                .iter()
                .filter(|(identity, _)| wanted.sort == Sort::Path && wanted.is_of(&identity.0));
            let facts: Vec<_> = facts.map(|(identity, _)| identity.clone()).collect();
            for identity in facts {
                self.facts.is_gone(shell, &identity);
            }
        }
        if self.wanted.is_empty() {
            self.files.clear();
            self.changes.clear();
        } else {
            let wanted = &self.wanted;
            let is_meant =
                |path: &[u8]| wanted.values().any(|wanted| wanted.pattern.fits(wanted.reached(path)));
            self.files.retain(|path, _| is_meant(path));
            self.changes.retain(|path, _| is_meant(path));
        }
        self.walk_everything();
    }

    /// Something has been mounted or unmounted there; at `far` are the mounts that may not be looked at.
    pub fn mounts_changed(&mut self, now: Time, points: &[Vec<u8>], far: Vec<Vec<u8>>) {
        // The root may be far: then everything is, and it must be looked at all the same.
        self.far = Far(far.into_iter().filter(|point| point != b"/").collect());
        for point in points {
            let path = point.strip_suffix(b"/").unwrap_or(point);
            let reached =
                self.wanted.values().map(|wanted| (wanted.sort, &wanted.pattern, wanted.reached(path)));
            let (mut is_told, mut is_fact, mut goes_on) = (false, false, false);
            for (sort, pattern, reached) in reached {
                is_told |= sort != Sort::Path && pattern.fits(reached);
                is_fact |= sort == Sort::Path && pattern.fits(reached);
                goes_on |= pattern.goes_on(reached);
            }
            if is_told {
                self.has_changed(path, now, false);
            }
            if is_fact {
                self.facts_due.insert(path.to_vec());
            }
            if goes_on {
                self.to_walk.insert(path.to_vec());
            }
        }
    }

    /// Inotify has something to say.
    pub fn ready(&mut self, shell: &mut Shell<'_>) {
        for _ in 0..READS {
            let Some(inotify) = &self.inotify else { return };
            match inotify.read_events() {
                Ok(events) => events.iter().for_each(|event| self.hear(shell.now, event)),
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        self.work(shell);
    }

    fn hear(&mut self, now: Time, event: &InotifyEvent) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            self.overflows = self.overflows.saturating_add(1);
            return self.look_again(now);
        }
        let gone = AddWatchFlags::IN_DELETE_SELF
            .union(AddWatchFlags::IN_MOVE_SELF)
            .union(AddWatchFlags::IN_IGNORED)
            .union(AddWatchFlags::IN_UNMOUNT);
        let paths = self.folders.of(event.wd);
        if event.mask.intersects(gone) {
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                self.folders.forget_watch(event.wd);
            }
            self.to_walk.extend(paths);
            return;
        }
        let Some(name) = event.name.as_ref().map(|name| name.as_bytes()) else { return };
        let appears = event.mask.intersects(AddWatchFlags::IN_CREATE.union(AddWatchFlags::IN_MOVED_TO));
        let goes = event.mask.intersects(AddWatchFlags::IN_DELETE.union(AddWatchFlags::IN_MOVED_FROM));
        let was_written = event.mask.contains(AddWatchFlags::IN_CLOSE_WRITE);
        for folder in paths {
            let path = child(&folder, name);
            let (mut is_told, mut is_fact, mut goes_on) = (false, false, false);
            for (wanted, reached) in self.folders.reached(&folder, &self.wanted) {
                let reached = wanted.pattern.follow(reached, name);
                let fits = wanted.pattern.fits(reached);
                is_told |= fits && wanted.sort != Sort::Path;
                is_fact |= fits && wanted.sort == Sort::Path;
                goes_on |= wanted.pattern.goes_on(reached);
            }
            if is_told {
                self.has_changed(&path, now, appears);
                if let Some(change) = self.changes.get_mut(&path) {
                    change.was_written |= was_written;
                }
            }
            if is_fact && (appears || goes) {
                self.facts_due.insert(path.clone());
            }
            if goes_on && (appears || goes) {
                self.to_walk.insert(path);
            }
        }
    }

    /// Everything is compared with what was seen last.
    fn look_again(&mut self, now: Time) {
        let known: Vec<Vec<u8>> = self.files.keys().cloned().collect();
        for path in known.iter().take(CHANGES) {
            self.has_changed(path, now, false);
        }
        self.walk_everything();
    }

    /// All folders on the way to what is wanted are looked at.
    fn walk_everything(&mut self) {
        self.to_walk.insert(Vec::new());
    }

    /// When [`tick`](Self::tick) is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let is_busy = !self.to_walk.is_empty() || !self.facts_due.is_empty();
        if is_busy { Some(Time(1)) } else { self.due }
    }

    /// Does what is due.
    pub fn tick(&mut self, shell: &mut Shell<'_>) {
        self.work(shell);
    }

    fn work(&mut self, shell: &mut Shell<'_>) {
        let mut looks = LOOKS;
        self.walk(shell, &mut looks);
        self.tell_facts(shell, &mut looks);
        if self.to_walk.is_empty() {
            self.tell_changes(shell, &mut looks);
        }
    }

    /// What could not be watched, since the last call.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    fn warn(&mut self, text: String, about: Option<&Pattern>) {
        self.warnings.push(Warning { text, about: about.cloned() });
    }

    /// Says once that a bound was reached, and on behalf of what.
    fn warn_of_bound(&mut self, bound: &'static str, most: usize, about: Option<Pattern>) {
        if self.told.insert(bound) {
            let pattern = about.as_ref().map(|pattern| format!("`{pattern}` is watched only in part: "));
            let text = format!("{}there are more than {most} {bound}", pattern.unwrap_or_default());
            self.warnings.push(Warning { text, about });
        }
    }

    /// What the image after us needs.
    #[must_use]
    pub fn records(&self) -> Records {
        Records {
            wanted: self.wanted.values().filter(|wanted| !wanted.is_new).map(Wanted::mark).collect(),
            files: self.files.iter().map(|(path, signature)| (path.clone(), *signature)).collect(),
        }
    }

    /// The bounds, and how far they are used.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let limit = |name, value: usize, used: usize, what| Limit {
            name,
            value: count(value),
            used: Some(count(used)),
            what,
        };
        vec![
            limit(
                "path-patterns",
                PATTERNS,
                self.wanted.len(),
                "paths that conditions name; more are not watched",
            ),
            limit("path-folders", FOLDERS, self.folders.len(), "folders that are watched; more are not"),
            limit(
                "path-files",
                FILES,
                self.files.len(),
                "files whose changes are told; of more they are not",
            ),
            limit(
                "path-changes",
                CHANGES,
                self.changes.len(),
                "paths to look at; past it, all are looked at",
            ),
            Limit {
                name: "path-overflows",
                value: u64::MAX,
                used: Some(self.overflows),
                what: "times that the kernel had no room for changes; then everything was looked at",
            },
        ]
    }
}

impl Wanted {
    /// Whether a fact was told for this.
    fn is_of(&self, identity: &str) -> bool {
        identity.split_once('\n').is_some_and(|(mark, _)| mark == self.mark())
    }
}

/// Whether whoever asks so is told of a file that is there.
fn hears_create(ask: &Pattern) -> bool {
    use events::Want;
    match ask.want("EVENT") {
        None => true,
        Some(Want::Literal(text)) => text == "create",
        Some(Want::Glob(glob)) => events::glob_matches(glob, "create"),
        Some(Want::Template(_) | Want::Setting(_)) => true,
    }
}

/// The path of what lies in a folder.
fn child(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len().saturating_add(name.len()).saturating_add(1));
    path.extend_from_slice(folder);
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// The folder that a path lies in, and its name there.
fn parted(path: &[u8]) -> (&[u8], &[u8]) {
    let at = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let (folder, name) = path.split_at_checked(at).unwrap_or((path, b""));
    (folder, name.strip_prefix(b"/").unwrap_or(name))
}

fn listen(shell: &mut Shell<'_>) -> io::Result<Inotify> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    // For as long as we are there.
    shell.poll.add(&inotify, Interest::Read, Token::Source(Part::Paths)).map(std::mem::forget)?;
    Ok(inotify)
}
