//! The folders that are watched, and how they are found from `/` down.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use events::Reached;
use nix::{
    errno::Errno,
    sys::inotify::{AddWatchFlags, Inotify, WatchDescriptor},
};

use super::{
    FOLDERS, Paths, child, parted,
    sight::{self, NAMES, Signature},
    wanted::{Sort, Turn, Wanted},
};
use crate::pid1::shell::Shell;

/// What is heard of a folder in which something may come or go.
const COMES_AND_GOES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);
/// What is heard besides of one in which files may change.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE.union(AddWatchFlags::IN_ATTRIB);

/// The folders that are watched, by path.
#[derive(Debug, Default)]
pub struct Folders {
    by_path: BTreeMap<Vec<u8>, Folder>,
    /// Under links and mounts, one folder may have several paths.
    by_watch: HashMap<WatchDescriptor, BTreeSet<Vec<u8>>>,
}

#[derive(Debug)]
struct Folder {
    watch: Option<WatchDescriptor>,
    signature: Signature,
    /// How far it has come in each of what is wanted.
    reached: Vec<(u32, Reached)>,
}

impl Folders {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_path.len()
    }

    /// The paths of a folder that is watched.
    pub fn of(&self, watch: WatchDescriptor) -> Vec<Vec<u8>> {
        self.by_watch.get(&watch).into_iter().flatten().cloned().collect()
    }

    /// Whether a folder is watched.
    pub fn has(&self, path: &[u8]) -> bool {
        self.by_path.contains_key(path)
    }

    /// How far a folder has come in each of what is wanted.
    pub fn reached<'w>(
        &self,
        folder: &[u8],
        wanted: &'w BTreeMap<u32, Wanted>,
    ) -> impl Iterator<Item = (&'w Wanted, Reached)> {
        let reached = self.by_path.get(folder).map(|folder| folder.reached.as_slice()).unwrap_or_default();
        reached.iter().filter_map(|(id, reached)| Some((wanted.get(id)?, *reached)))
    }

    /// The kernel has ended a watch of itself.
    pub fn forget_watch(&mut self, watch: WatchDescriptor) {
        for path in self.by_watch.remove(&watch).into_iter().flatten() {
            if let Some(folder) = self.by_path.get_mut(&path).filter(|folder| folder.watch == Some(watch)) {
                folder.watch = None;
            }
        }
    }

    /// The folders right below one.
    fn below(&self, folder: &[u8]) -> Vec<Vec<u8>> {
        within(&self.by_path, folder).filter(|path| parted(path).0 == folder).cloned().collect()
    }

    /// Watches a folder, by this path of it.
    fn put(&mut self, path: Vec<u8>, folder: Folder, inotify: Option<&Inotify>) {
        let watch = folder.watch;
        let old = self.by_path.insert(path.clone(), folder).and_then(|old| old.watch);
        if let Some(old) = old.filter(|old| Some(*old) != watch) {
            self.drop_watch(old, &path, inotify);
        }
        if let Some(watch) = watch {
            self.by_watch.entry(watch).or_default().insert(path);
        }
    }

    fn drop_watch(&mut self, watch: WatchDescriptor, path: &[u8], inotify: Option<&Inotify>) {
        let Some(paths) = self.by_watch.get_mut(&watch) else { return };
        paths.remove(path);
        if paths.is_empty() {
            self.by_watch.remove(&watch);
            // It is gone by itself if its folder is.
            let _ = inotify.map(|inotify| inotify.rm_watch(watch));
        }
    }

    /// Watches a folder and all below it no longer; gives their paths.
    fn take(&mut self, path: &[u8], inotify: Option<&Inotify>) -> Vec<Vec<u8>> {
        let mut gone: Vec<Vec<u8>> = within(&self.by_path, path).cloned().collect();
        gone.push(path.to_vec());
        for path in &gone {
            if let Some(watch) = self.by_path.remove(path).and_then(|folder| folder.watch) {
                self.drop_watch(watch, path, inotify);
            }
        }
        gone
    }
}

/// All that lies in a folder, at any depth.
fn within<'m, T>(map: &'m BTreeMap<Vec<u8>, T>, folder: &[u8]) -> impl Iterator<Item = &'m Vec<u8>> {
    let first = child(folder, b"");
    let range = map.range::<[u8], _>((Bound::Excluded(&*first), Bound::Unbounded));
    range.map(|(path, _)| path).take_while(move |path| path.starts_with(&first))
}

impl Paths {
    /// Looks at folders that are to be looked at, the upper ones first.
    pub(super) fn walk(&mut self, shell: &mut Shell<'_>, looks: &mut usize) {
        while *looks > 0 && shell.room() > 0 {
            let Some(path) = self.to_walk.pop_first() else { break };
            *looks = looks.saturating_sub(1);
            self.enter(shell, path, looks);
        }
        if self.to_walk.is_empty() {
            self.wanted.values_mut().for_each(|wanted| wanted.is_new = false);
        }
    }

    /// Looks at what may be a folder on the way to what is wanted, and watches it.
    fn enter(&mut self, shell: &mut Shell<'_>, path: Vec<u8>, looks: &mut usize) {
        let reached = self.how_far(&path);
        // A link is a way only for who has named it: folders that lie in themselves have no end.
        let (parent, name) = parted(&path);
        let is_named = {
            let mut wanted = self.folders.reached(parent, &self.wanted);
            wanted.any(|(wanted, reached)| wanted.pattern.is_named(reached, name))
        };
        let opened = sight::Folder::open(&path, &self.far, is_named);
        let (folder, reached) = match (opened, reached) {
            (Ok(folder), reached) if !reached.is_empty() => (folder, reached),
            (Ok(_) | Err(_), _) => return self.leave(shell, &path),
        };
        if self.folders.len() >= FOLDERS && !self.folders.has(&path) {
            let about = reached.first().and_then(|(id, _)| self.wanted.get(id)?.asks.first().cloned());
            return self.warn_of_bound("folders", FOLDERS, about);
        }
        let ends = reached.iter().any(|(id, reached)| {
            self.wanted
                .get(id)
                .is_some_and(|wanted| wanted.pattern.ends_in(*reached) && wanted.sort != Sort::Path)
        });
        let flags = if ends { COMES_AND_GOES.union(CHANGES) } else { COMES_AND_GOES };
        let watch = self.inotify.as_ref().map(|inotify| inotify.add_watch(&*folder.as_path(), flags));
        let watch = match watch {
            Some(Ok(watch)) => Some(watch),
            Some(Err(error)) => {
                self.warn_of_watch(error, &path, &reached);
                None
            }
            None => None,
        };
        let is_another =
            self.folders.by_path.get(&path).is_some_and(|known| known.signature != folder.signature);
        if is_another {
            self.leave(shell, &path);
        }
        let known = Folder { watch, signature: folder.signature, reached: reached.clone() };
        self.folders.put(path.clone(), known, self.inotify.as_ref());
        self.list(shell, &path, &folder, &reached, looks);
    }

    fn warn_of_watch(&mut self, error: Errno, path: &[u8], reached: &[(u32, Reached)]) {
        let about = reached.first().and_then(|(id, _)| self.wanted.get(id)?.asks.first().cloned());
        if error == Errno::ENOSPC {
            let bound = "watches than the kernel gives (fs.inotify.max_user_watches)";
            return self.warn_of_bound(bound, self.folders.len(), about);
        }
        let path = String::from_utf8_lossy(path);
        let what = about.as_ref().map(|pattern| format!("`{pattern}`: ")).unwrap_or_default();
        self.warn(format!("{what}`{}` cannot be watched: {error}", path.escape_default()), about.as_ref());
    }

    /// How far a path has come in each of what is wanted and goes on below it.
    fn how_far(&self, path: &[u8]) -> Vec<(u32, Reached)> {
        let all = self.wanted.iter().map(|(id, wanted)| (*id, wanted, wanted.reached(path)));
        all.filter(|(_, wanted, reached)| wanted.pattern.goes_on(*reached))
            .map(|(id, _, reached)| (id, reached))
            .collect()
    }

    /// Looks at what lies in a folder.
    fn list(
        &mut self,
        shell: &mut Shell<'_>,
        path: &[u8],
        folder: &sight::Folder,
        reached: &[(u32, Reached)],
        looks: &mut usize,
    ) {
        let mut names: Option<BTreeSet<Vec<u8>>> = Some(BTreeSet::new());
        for (wanted, reached) in
            reached.iter().filter_map(|(id, reached)| Some((self.wanted.get(id)?, reached)))
        {
            names = match (names, wanted.pattern.names(*reached)) {
                (Some(mut names), Some(more)) => {
                    names.extend(more.into_iter().map(|name| name.as_bytes().to_vec()));
                    Some(names)
                }
                (Some(_) | None, _) => None,
            };
        }
        let names = names.unwrap_or_else(|| {
            let (names, has_more) = folder.names();
            if has_more {
                let about = reached.first().and_then(|(id, _)| self.wanted.get(id)?.asks.first().cloned());
                self.warn_of_bound("names in one folder", NAMES, about);
            }
            names.into_iter().collect()
        });
        *looks = looks.saturating_sub(names.len() / 8);
        // What was there and is not seen any more.
        let lost: Vec<Vec<u8>> =
            within(&self.files, path).filter(|file| parted(file).0 == path).cloned().collect();
        for file in lost.iter().filter(|file| !names.contains(parted(file).1)) {
            self.has_changed(file, shell.now, false);
        }
        let facts = within(&self.present, path).filter(|at| parted(at).0 == path);
        self.facts_due.extend(facts.cloned());
        for below in self.folders.below(path) {
            self.to_walk.insert(below);
        }
        for name in names {
            let at = child(path, &name);
            if let Some(seen) = folder.see(&name, &at, &self.far) {
                self.meet(shell, &at, &name, seen, reached);
            }
        }
    }

    /// Something lies in a folder that is walked.
    fn meet(
        &mut self,
        shell: &mut Shell<'_>,
        path: &[u8],
        name: &[u8],
        seen: Signature,
        reached: &[(u32, Reached)],
    ) {
        let (mut is_fact, mut is_told, mut is_due, mut goes_on) = (false, false, false, false);
        let mut first: Vec<u32> = Vec::new();
        for (id, reached) in reached {
            let Some(wanted) = self.wanted.get(id) else { continue };
            let reached = wanted.pattern.follow(*reached, name);
            goes_on |= wanted.pattern.goes_on(reached);
            if !wanted.pattern.fits(reached) || (wanted.pattern.means_only_folders() && !seen.is_folder()) {
                continue;
            }
            is_fact |= wanted.sort == Sort::Path;
            if wanted.sort != Sort::Path {
                is_told = true;
                is_due |= !wanted.is_new;
                if wanted.is_new && wanted.sort == Sort::File {
                    first.push(*id);
                }
            }
        }
        if is_fact {
            self.facts_due.insert(path.to_vec());
        }
        // It may be a link to a folder, too.
        if goes_on && (seen.is_folder() || seen.is_link()) {
            self.to_walk.insert(path.to_vec());
        }
        if !is_told {
            return;
        }
        if is_due && self.files.get(path) != Some(&seen) {
            // Whoever waits for it already has not been told: all are, when it has been left alone.
            return self.has_changed(path, shell.now, !self.files.contains_key(path));
        }
        if self.note(path, Some(seen)) {
            let events: Vec<_> = first
                .iter()
                .filter_map(|id| self.wanted.get(id))
                .filter(|wanted| wanted.asks.iter().any(super::hears_create))
                .map(|wanted| wanted.event(path, Turn::Create))
                .collect();
            events.into_iter().for_each(|event| shell.tell(event));
        }
    }

    /// A folder is not there any more, or nobody wants to know.
    fn leave(&mut self, shell: &mut Shell<'_>, path: &[u8]) {
        for folder in self.folders.take(path, self.inotify.as_ref()) {
            self.to_walk.remove(&folder);
        }
        let files: Vec<Vec<u8>> = within(&self.files, path).cloned().collect();
        for file in files {
            self.has_changed(&file, shell.now, false);
        }
        self.facts_due.extend(within(&self.present, path).cloned());
    }
}
