//! Going on with a log as it is written, over rotation and from one folder to the other.

use std::{
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use nix::{
    poll::{PollFd, PollFlags, poll},
    sys::inotify::{AddWatchFlags, InitFlags, Inotify},
};

use super::{
    line::Line,
    shelf::{Logs, Place},
};

/// After how many milliseconds one looks although nothing was told: another file system may lie over a folder.
const PAUSE: u16 = 5_000;

/// Shows lines as they come, until one cannot be shown.
pub(super) fn follow(logs: &mut Logs, mut show: impl FnMut(Line) -> io::Result<()>) -> io::Result<()> {
    let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    loop {
        // Again each time, since a folder may be new; to watch one twice does nothing.
        for place in [Place::Lasting, Place::Early] {
            watch(&changes, &logs.path(place));
        }
        let mut shown = Ok(());
        logs.read(|line| {
            if shown.is_ok() {
                shown = show(line);
            }
        })?;
        shown?;
        let mut ready = [PollFd::new(changes.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PAUSE)?;
        // What has changed is seen in the files.
        let _ = changes.read_events();
    }
}

/// Watches a folder, or the nearest one above it.
fn watch(changes: &Inotify, path: &Path) {
    let what = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
    let mut path = Some(PathBuf::from(path));
    while let Some(folder) = path {
        // One that cannot be watched is looked at from time to time.
        if changes.add_watch(&folder, what).is_ok() {
            return;
        }
        path = folder.parent().map(PathBuf::from);
    }
}
