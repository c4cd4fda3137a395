//! Which folders to watch for changes of what says what runs.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    MAX_DEPTH,
    folders::{FOLDERS, Names},
};

/// The most folders that are watched.
const MAX_WATCHED: usize = 4_096;

/// A folder to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Where it is.
    pub path: PathBuf,
    /// If nothing in it counts yet: the name of what may appear in it.
    pub awaited: Option<String>,
}

/// The folders below `root` that job files lie in, and, for those that are not there, the next one above in which
/// it may appear.
#[must_use]
pub fn job_folders(root: &Path) -> Vec<Watched> {
    let mut found: Vec<Watched> = Vec::new();
    let mut folders = Folders::default();
    // The loose folders of a project are not those of a machine.
    for folder in FOLDERS.iter().filter(|folder| !matches!(folder.path, "jobs" | "hooks")) {
        let path = root.join(folder.path);
        match folder.names {
            Names::File => found.extend(folders.awaited(&path)),
            _ if !folders.has(&path) => found.extend(folders.awaited(&path)),
            Names::Deep(_) => below(path, MAX_DEPTH, &mut found),
            Names::Flat(_) | Names::Links(_) => found.push(Watched { path, awaited: None }),
        }
        if found.len() >= MAX_WATCHED {
            break;
        }
    }
    found
}

/// Which folders there are: many paths have the same beginning, and each is looked at once.
#[derive(Default)]
struct Folders(HashMap<PathBuf, bool>);

impl Folders {
    fn has(&mut self, path: &Path) -> bool {
        match self.0.get(path) {
            Some(known) => *known,
            None => {
                // Nothing lies in what is not there.
                let is_below = match path.parent() {
                    Some(above) if above != Path::new("") => self.has(above),
                    Some(_) | None => true,
                };
                let is_there = is_below && path.is_dir();
                self.0.insert(path.to_path_buf(), is_there);
                is_there
            }
        }
    }

    /// The folder in which `path`, or a folder on the way to it, may appear.
    fn awaited(&mut self, path: &Path) -> Option<Watched> {
        let missing = path.ancestors().find(|path| path.parent().is_some_and(|above| self.has(above)))?;
        let name = missing.file_name()?.to_string_lossy().into_owned();
        Some(Watched { path: missing.parent()?.to_path_buf(), awaited: Some(name) })
    }
}

/// A folder and those within it. They wait on a list, so that depth costs no stack.
fn below(path: PathBuf, depth: usize, found: &mut Vec<Watched>) {
    let mut open = vec![(path, depth)];
    while let Some((path, depth)) = open.pop() {
        if found.len() >= MAX_WATCHED {
            return;
        }
        let entries = fs::read_dir(&path).into_iter().flatten().flatten().take(super::MAX_FILES);
        if let Some(depth) = depth.checked_sub(1) {
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            open.extend(folders.map(|entry| (entry.path(), depth)));
        }
        found.push(Watched { path, awaited: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_watched_and_what_is_not_is_awaited() {
        let root = std::env::temp_dir().join(format!("onset-watched-{}", std::process::id()));
        fs::create_dir_all(root.join("etc/onset/jobs/net")).unwrap();
        let found = job_folders(&root);
        let has = |path: &str, awaited: Option<&str>| {
            let wanted = Watched { path: root.join(path), awaited: awaited.map(str::to_owned) };
            assert!(found.contains(&wanted), "{path} {awaited:?}: {found:?}");
        };
        has("etc/onset/jobs", None);
        has("etc/onset/jobs/net", None);
        has("etc/onset", Some("hooks"));
        has("etc", Some("init"));
        has("etc", Some("rc.conf"));
        has("", Some("usr"));
        fs::remove_dir_all(root).unwrap();
    }
}
