//! What has become of paths that something has happened to.

use std::time::Duration;

use events::{Event, Identity, Time};
use jobs::{Input, Origin};

use super::{
    CHANGES, FILES, Paths, parted,
    sight::{Folder, Signature},
    wanted::{Sort, Turn},
};
use crate::pid1::shell::Shell;

/// A path that never comes to rest is looked at all the same after so many times of what it should be left alone for.
const AT_LATEST: u32 = 10;

/// That something has happened to a path.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// When something happened first, since it was looked at.
    first: Time,
    /// When something happened last.
    last: Time,
    /// How long it must have been left alone.
    settle: Duration,
    /// Whether it has come up since it was looked at.
    appeared: bool,
    /// Whether somebody who could write to it has closed it.
    pub was_written: bool,
}

impl Change {
    /// When to look at it.
    fn due(&self) -> Time {
        self.last.after(self.settle).min(self.first.after(self.settle.saturating_mul(AT_LATEST)))
    }
}

impl Shell<'_> {
    /// An event of the world.
    pub(super) fn tell(&mut self, event: Event) {
        self.report(Input::Event { event, origin: Origin::World, reply: None });
    }
}

impl Paths {
    /// Something has happened to a path that events are told of.
    pub(super) fn has_changed(&mut self, path: &[u8], now: Time, appeared: bool) {
        if let Some(change) = self.changes.get_mut(path) {
            change.last = now;
            change.appeared |= appeared;
            return;
        }
        if self.changes.len() >= CHANGES {
            // Nothing is lost: what is there then is compared with what was there before.
            return self.walk_everything();
        }
        let settles = self.wanted.values().filter(|wanted| wanted.sort != Sort::Path);
        let settle = settles
            .filter(|wanted| wanted.pattern.fits(wanted.reached(path)))
            .map(|wanted| wanted.settle)
            .max()
            .unwrap_or_default();
        let change = Change { first: now, last: now, settle, appeared, was_written: false };
        let due = change.due();
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
        self.changes.insert(path.to_vec(), change);
    }

    /// Tells what has become of paths that have been left alone long enough.
    pub(super) fn tell_changes(&mut self, shell: &mut Shell<'_>, looks: &mut usize) {
        if self.due.is_none_or(|due| due > shell.now) {
            return;
        }
        let due = self.changes.iter().filter(|(_, change)| change.due() <= shell.now);
        let due: Vec<Vec<u8>> = due.take((*looks).min(shell.room())).map(|(path, _)| path.clone()).collect();
        for path in due {
            *looks = looks.saturating_sub(1);
            if let Some(change) = self.changes.remove(&path) {
                self.look_at(shell, &path, change);
            }
        }
        self.due = self.changes.values().map(Change::due).min();
    }

    fn look_at(&mut self, shell: &mut Shell<'_>, path: &[u8], change: Change) {
        let seen = self.see(path);
        let before = self.files.get(path).copied();
        let turns: &[Turn] = match (before, seen) {
            (None, None) if change.appeared => &[Turn::Create, Turn::Delete],
            (None, None) => &[],
            (None, Some(_)) => &[Turn::Create],
            (Some(_), None) => &[Turn::Delete],
            (Some(before), Some(now)) if before != now || change.was_written => &[Turn::Modify],
            (Some(_), Some(_)) => &[],
        };
        if !self.note(path, seen) {
            return;
        }
        let is_folder = seen.or(before).is_none_or(|signature| signature.is_folder());
        let meant = self.wanted.values().filter(|wanted| {
            wanted.sort != Sort::Path
                && wanted.pattern.fits(wanted.reached(path))
                && (is_folder || !wanted.pattern.means_only_folders())
        });
        let events: Vec<Event> =
            meant.flat_map(|wanted| turns.iter().map(|turn| wanted.event(path, *turn))).collect();
        events.into_iter().for_each(|event| shell.tell(event));
    }

    /// What lies at a path.
    fn see(&self, path: &[u8]) -> Option<Signature> {
        let (folder, name) = parted(path);
        if !self.folders.has(folder) {
            return None;
        }
        Folder::open(folder, &self.far, true).ok()?.see(name, path, &self.far)
    }

    /// Keeps what was seen; `false` if there is no room for it.
    pub(super) fn note(&mut self, path: &[u8], seen: Option<Signature>) -> bool {
        match seen {
            None => {
                self.files.remove(path);
            }
            Some(_) if self.files.len() >= FILES && !self.files.contains_key(path) => {
                let mut meant = self.wanted.values().filter(|it| it.sort != Sort::Path);
                let meant = meant.find(|wanted| wanted.pattern.fits(wanted.reached(path)));
                let about = meant.and_then(|wanted| wanted.asks.first().cloned());
                self.warn_of_bound("files", FILES, about);
                return false;
            }
            Some(seen) => {
                self.files.insert(path.to_vec(), seen);
            }
        }
        true
    }

    /// Makes the facts of paths right.
    pub(super) fn tell_facts(&mut self, shell: &mut Shell<'_>, looks: &mut usize) {
        while *looks > 0 && shell.room() > 0 {
            let Some(path) = self.facts_due.pop_first() else { break };
            *looks = looks.saturating_sub(1);
            let seen = self.see(&path);
            let mut is_meant = false;
            for wanted in self.wanted.values().filter(|wanted| wanted.sort == Sort::Path) {
                if !wanted.pattern.fits(wanted.reached(&path)) {
                    continue;
                }
                let args = wanted.args(&path);
                let shown = args.get("MATCH").map(|value| value.as_str()).unwrap_or_default();
                let identity = Identity(format!("{}\n{shown}", wanted.mark()).into());
                self.unconfirmed.remove(&identity);
                let is_there =
                    seen.is_some_and(|seen| seen.is_folder() || !wanted.pattern.means_only_folders());
                if is_there && (self.facts.len() < FILES || self.facts.get(&identity).is_some()) {
                    self.facts.holds(shell, &identity, &args);
                    is_meant = true;
                } else {
                    self.facts.is_gone(shell, &identity);
                }
            }
            if is_meant {
                self.present.insert(path, ());
            } else {
                self.present.remove(&path);
            }
        }
        if self.to_walk.is_empty() && self.facts_due.is_empty() {
            // What the image before knew and nobody has seen.
            for identity in std::mem::take(&mut self.unconfirmed) {
                self.facts.is_gone(shell, &identity);
            }
        }
    }
}
