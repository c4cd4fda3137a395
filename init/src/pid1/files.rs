//! Watches the folders that job files lie in: what changes there is loaded without being asked for.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    time::Duration,
};

use events::Time;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::tree::job_folders;

/// How long nothing must have changed before the files are read: an editor or a package writes several at once.
const QUIET: Duration = Duration::from_millis(200);
/// How long it may go on changing before they are read all the same.
const AT_LATEST: Duration = Duration::from_secs(2);

/// What of a folder is a change.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_ONLYDIR);

/// The folders that job files lie in, and those in which such a folder may appear.
#[derive(Debug)]
pub struct Files {
    inotify: Inotify,
    root: PathBuf,
    /// For a folder that is watched only for what may appear in it: which names.
    watched: HashMap<WatchDescriptor, Option<Vec<String>>>,
    /// The first and the last change that has not been loaded.
    changed: Option<(Time, Time)>,
}

impl Files {
    /// Watches nothing yet.
    pub fn new(root: &str) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        Ok(Self { inotify, root: root.into(), watched: HashMap::new(), changed: None })
    }

    /// Watches the folders that are there now. To be called whenever files have been loaded.
    pub fn watch(&mut self) {
        let mut wanted: HashMap<WatchDescriptor, Option<Vec<String>>> = HashMap::new();
        // Many are awaited in the same one.
        let mut known: HashMap<PathBuf, Option<WatchDescriptor>> = HashMap::new();
        for folder in job_folders(&self.root) {
            let add = |path: &PathBuf| self.inotify.add_watch(path, CHANGES).ok();
            if let Some(watch) = *known.entry(folder.path).or_insert_with_key(add) {
                match (wanted.get_mut(&watch), folder.awaited) {
                    (Some(Some(names)), Some(name)) => names.push(name),
                    (Some(known), None) => *known = None,
                    (Some(None), Some(_)) => {}
                    (None, awaited) => {
                        wanted.insert(watch, awaited.map(|name| vec![name]));
                    }
                }
            }
        }
        for old in self.watched.keys().filter(|watch| !wanted.contains_key(watch)) {
            // It is gone by itself if its folder is.
            let _ = self.inotify.rm_watch(*old);
        }
        self.watched = wanted;
    }

    /// Something has changed: looks whether it concerns jobs.
    pub fn ready(&mut self, now: Time) {
        while let Ok(events) = self.inotify.read_events() {
            let concerns = |event: &nix::sys::inotify::InotifyEvent| {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    return true;
                }
                let name = event.name.as_ref().map(|name| name.to_string_lossy());
                match (self.watched.get(&event.wd), name) {
                    (Some(Some(awaited)), Some(name)) => awaited.iter().any(|it| *it == name),
                    (Some(None), Some(name)) => !is_left_over(&name),
                    (Some(_), None) => event.mask.contains(AddWatchFlags::IN_ATTRIB),
                    (None, _) => false,
                }
            };
            if events.iter().any(concerns) {
                let first = self.changed.map_or(now, |(first, _)| first);
                self.changed = Some((first, now));
            }
        }
    }

    /// When to load what has changed.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.changed.map(|(first, last)| last.after(QUIET).min(first.after(AT_LATEST)))
    }

    /// Whether it is time to load.
    pub fn is_due(&mut self, now: Time) -> bool {
        let due = self.deadline().is_some_and(|deadline| now >= deadline);
        if due {
            self.changed = None;
        }
        due
    }
}

/// What editors and package managers write beside a file.
fn is_left_over(name: &str) -> bool {
    let ends = ["~", ".swp", ".swx", ".dpkg-new", ".dpkg-tmp", ".tmp"];
    name.starts_with('.')
        || name.starts_with('#')
        || name == "4913"
        || ends.iter().any(|end| name.ends_with(end))
}

impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
