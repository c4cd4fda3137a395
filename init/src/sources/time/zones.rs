//! Zones as files of the machine.
//!
//! PID 1 reads them itself: they are a few kilobytes, on the same disk as its own program, and nobody but root can
//! write there. What is no regular file, or larger than any zone, is not read.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use events::{Text, calendar::Zone};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::super::Part;
use crate::{
    pid1::{shell::Shell, token::Token},
    sys::poll::{Interest, Registration},
};

/// Where the machine's own zone is, and in which folder.
const HERE: (&str, &str) = ("etc", "localtime");
/// Where all are.
const ALL: &str = "usr/share/zoneinfo";
/// The machine's own number.
const MACHINE: &str = "etc/machine-id";
/// No file of a zone is larger.
const MOST: u64 = 64 << 10;

/// The zones that are in use, by name.
#[derive(Debug)]
pub struct Zones {
    root: PathBuf,
    known: BTreeMap<Text, Arc<Zone>>,
    here: Option<Arc<Zone>>,
    seed: Option<Vec<u8>>,
    watch: Option<(Inotify, Registration)>,
}

impl Zones {
    /// Those of the machine with this root.
    pub fn new(root: &Path) -> Self {
        Self { root: root.into(), known: BTreeMap::new(), here: None, seed: None, watch: None }
    }

    /// The machine's own; without one it is UTC, as for everybody else.
    pub fn here(&mut self) -> Arc<Zone> {
        let (folder, name) = HERE;
        let read = || self.read(&self.root.join(folder).join(name)).unwrap_or_default();
        let here = self.here.clone().unwrap_or_else(|| Arc::new(read()));
        self.here = Some(here.clone());
        here
    }

    /// The one of this name, or why there is none.
    pub fn named(&mut self, name: &str) -> Result<Arc<Zone>, String> {
        if let Some(zone) = self.known.get(name) {
            return Ok(zone.clone());
        }
        let path = self.root.join(ALL).join(name);
        let zone = Arc::new(self.read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
        self.known.insert(name.into(), zone.clone());
        Ok(zone)
    }

    /// What makes this machine another than all others.
    pub fn seed(&mut self) -> &[u8] {
        let path = self.root.join(MACHINE);
        self.seed.get_or_insert_with(|| bytes(&path).unwrap_or_default())
    }

    /// Files may be others now: what is asked for again is read again.
    pub fn forget(&mut self) {
        self.known.clear();
        self.here = None;
    }

    fn read(&self, path: &Path) -> Result<Zone, String> {
        let bytes = bytes(path).map_err(|error| error.to_string())?;
        Zone::tzif(&bytes).map_err(|error| error.to_string())
    }

    /// Hears of it when the machine's own is another.
    pub fn watch(&mut self, shell: &mut Shell<'_>) {
        if self.watch.is_some() || self.here.is_none() {
            return;
        }
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ONLYDIR;
        let watch = || -> nix::Result<Inotify> {
            let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
            inotify.add_watch(&self.root.join(HERE.0), flags)?;
            Ok(inotify)
        };
        // Without it, a change is seen at the next boot.
        let Ok(inotify) = watch() else { return };
        if let Ok(at) = shell.poll.add(&inotify, Interest::Read, Token::Source(Part::Zone)) {
            self.watch = Some((inotify, at));
        }
    }

    /// Hears of it no longer.
    pub fn unwatch(&mut self, shell: &mut Shell<'_>) {
        if let Some((inotify, at)) = self.watch.take() {
            shell.poll.remove(&inotify, at);
        }
        self.forget();
    }

    /// Whether the machine's own may be another now; then it is read again when it is asked for.
    pub fn has_changed(&mut self) -> bool {
        let Some((inotify, _)) = &self.watch else { return false };
        let mut changed = false;
        while let Ok(events) = inotify.read_events() {
            changed |= events.iter().any(|event| {
                let is_it = event.name.as_ref().is_some_and(|name| name == HERE.1);
                is_it || event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)
            });
        }
        if changed {
            self.here = None;
        }
        changed
    }
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MOST {
        return Err(io::Error::other("no file of a zone"));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
