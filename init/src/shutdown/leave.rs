//! Letting go of the memory that the files of an initramfs take, when another root is in force.

use std::{
    fs::{self, File},
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::{
    sys::statfs::{FsType, TMPFS_MAGIC, fstatfs},
    unistd::{Pid, getpid},
};

/// The other kind of a root in memory.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// What the kernel calls the pid namespace that it makes by itself.
const FIRST: &str = "pid:[4026531836]";

/// A root that is to be left, held while nobody sees it any more.
#[derive(Debug)]
pub struct OldRoot {
    folder: File,
    device: u64,
}

impl OldRoot {
    /// The root that is in force, if its files are in memory only and this is the machine's own init: nothing else is
    /// ever removed. The init of a namespace may share its root with others.
    #[must_use]
    pub fn in_memory() -> Option<Self> {
        if fs::read_link("/proc/1/ns/pid").ok()? != Path::new(FIRST) || getpid() != Pid::from_raw(1) {
            return None;
        }
        let folder = File::open("/").ok()?;
        let kind = fstatfs(&folder).ok()?.filesystem_type();
        let device = folder.metadata().ok()?.dev();
        (kind == RAMFS_MAGIC || kind == TMPFS_MAGIC).then_some(Self { folder, device })
    }

    /// Removes its files, now that another root is in force. What is still in use stays until it is not.
    pub fn remove(self) {
        // The root in force must be another one, or nothing is done.
        if fs::metadata("/").is_ok_and(|root| root.dev() != self.device) {
            empty(&PathBuf::from(format!("/proc/self/fd/{}/.", self.folder.as_raw_fd())), self.device);
        }
    }
}

/// Removes what is in a folder and on this device: nothing that is mounted below, and no link's target.
fn empty(folder: &Path, device: u64) {
    let (mut untried, mut emptied) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = untried.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            // This is about the entry itself, also if it is a link.
            let Ok(data) = entry.path().symlink_metadata() else { continue };
            if data.dev() != device {
                continue;
            }
            if data.is_dir() {
                untried.push(entry.path());
            } else {
                // What cannot be removed costs memory, and nothing else.
                let _ = fs::remove_file(entry.path());
            }
        }
        emptied.push(folder);
    }
    // A folder was found after the one that it lies in.
    for folder in emptied.iter().skip(1).rev() {
        let _ = fs::remove_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_is_on_the_device_is_removed_and_no_link_followed() {
        let place = std::env::temp_dir().join(format!("onset-leave-{}", std::process::id()));
        let (old, other) = (place.join("old"), place.join("other"));
        fs::create_dir_all(old.join("a/b")).unwrap();
        fs::create_dir_all(&other).unwrap();
        fs::write(old.join("a/b/file"), "").unwrap();
        fs::write(other.join("file"), "").unwrap();
        symlink(&other, old.join("link")).unwrap();
        let device = fs::metadata(&old).unwrap().dev();
        empty(&old, device.wrapping_add(1));
        assert!(old.join("a/b/file").exists());
        empty(&old, device);
        assert_eq!(fs::read_dir(&old).unwrap().count(), 0);
        assert!(other.join("file").exists());
        fs::remove_file(other.join("file")).unwrap();
        [other, old, place].iter().for_each(|folder| fs::remove_dir(folder).unwrap());
    }
}
