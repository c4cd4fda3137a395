//! Paths that are walked part by part, so that nobody but root can lead us elsewhere.
//!
//! Each part is opened by its name in the folder before it, without following links. A link is followed only if root made
//! it, in a folder that belongs to root and that others cannot rename things in. With `openat2` and `RESOLVE_NO_SYMLINKS`
//! the links that every root has (`/var/run`) would not be followed either, and where it is known is not everywhere.

use std::{
    ffi::OsString,
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat, readlinkat},
    sys::stat::{FileStat, Mode, fstat, fstatat, mkdirat},
    unistd::geteuid,
};

/// How many links a path may have.
const MAX_LINKS: usize = 40;
/// How many parts a path may have, with those of the links in it.
const MAX_PARTS: usize = 256;

/// A name in an open folder. Whether anything bears it is another matter.
#[derive(Debug)]
pub struct Place {
    /// The folder.
    pub folder: OwnedFd,
    /// The name in it; `.` for the root.
    pub name: OsString,
}

impl Place {
    /// The place that `path` means below `root`; folders on the way are made if `make` is set.
    pub fn find(root: &Path, path: &str, make: bool) -> io::Result<Self> {
        let mut walk = Walk::begin(root, path)?;
        loop {
            let Some(name) = walk.open.pop() else {
                return Ok(Self { folder: walk.folder()?, name: ".".into() });
            };
            if walk.open.is_empty() {
                return Ok(Self { folder: walk.folder()?, name });
            }
            walk.enter(name, make)?;
        }
    }

    /// The folder that `path` means below `root`, links at its end followed if they are to be trusted.
    pub fn folder(root: &Path, path: &str) -> io::Result<OwnedFd> {
        let mut walk = Walk::begin(root, path)?;
        while let Some(name) = walk.open.pop() {
            walk.enter(name, false)?;
        }
        walk.folder()
    }

    /// What bears the name; a link is not followed.
    pub fn status(&self) -> io::Result<FileStat> {
        Ok(fstatat(&self.folder, Path::new(&self.name), AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    /// Opens what bears the name; a link is not followed.
    pub fn open(&self, flags: OFlag, mode: Mode) -> io::Result<OwnedFd> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        Ok(openat(&self.folder, Path::new(&self.name), flags, mode)?)
    }
}

/// A walk along a path.
struct Walk {
    /// The folders so far, the root first.
    folders: Vec<OwnedFd>,
    /// What is still to be walked, the next part last.
    open: Vec<OsString>,
    links: usize,
}

impl Walk {
    fn begin(root: &Path, path: &str) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open(root, flags, Mode::empty())?;
        let mut walk = Self { folders: vec![root], open: Vec::new(), links: 0 };
        walk.put(Path::new(path))?;
        Ok(walk)
    }

    /// Puts the parts of a path in front of what is to be walked.
    fn put(&mut self, path: &Path) -> io::Result<()> {
        let mut parts: Vec<OsString> = Vec::new();
        for part in path.components() {
            match part {
                Component::RootDir => self.folders.truncate(1),
                Component::Normal(name) => parts.push(name.into()),
                Component::ParentDir => parts.push("..".into()),
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
        self.open.extend(parts.into_iter().rev());
        if self.open.len() > MAX_PARTS { Err(Errno::ENAMETOOLONG.into()) } else { Ok(()) }
    }

    fn last(&self) -> io::Result<&OwnedFd> {
        self.folders.last().ok_or_else(|| Errno::ENOENT.into())
    }

    fn folder(mut self) -> io::Result<OwnedFd> {
        self.folders.pop().ok_or_else(|| Errno::ENOENT.into())
    }

    fn enter(&mut self, name: OsString, make: bool) -> io::Result<()> {
        if name == ".." {
            if self.folders.len() > 1 {
                self.folders.pop();
            }
            return Ok(());
        }
        let path = Path::new(&name);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let folder = self.last()?;
        match openat(folder, path, flags, Mode::empty()) {
            Ok(next) => self.folders.push(next),
            Err(Errno::ENOENT) if make => {
                match mkdirat(folder, path, Mode::from_bits_truncate(0o755)) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                let next = openat(folder, path, flags, Mode::empty())?;
                self.folders.push(next);
            }
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                let target = trusted_link(folder, path)?;
                self.links = self.links.saturating_add(1);
                if self.links > MAX_LINKS {
                    return Err(Errno::ELOOP.into());
                }
                self.put(&target)?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Where a link leads that nobody but root can have put there.
fn trusted_link(folder: impl AsFd, name: &Path) -> io::Result<PathBuf> {
    let link = fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if kind_of(&link) != nix::libc::S_IFLNK {
        return Err(Errno::ENOTDIR.into());
    }
    let around = fstat(&folder)?;
    let is_root = |uid: u32| uid == 0 || uid == geteuid().as_raw();
    let is_closed = around.st_mode & 0o022 == 0 || around.st_mode & nix::libc::S_ISVTX != 0;
    if is_root(link.st_uid) && is_root(around.st_uid) && is_closed {
        Ok(PathBuf::from(readlinkat(folder, name)?))
    } else {
        Err(Errno::ELOOP.into())
    }
}

/// Which kind of file it is: `S_IFDIR` and so on.
pub fn kind_of(status: &FileStat) -> u32 {
    status.st_mode & nix::libc::S_IFMT
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    struct Root(PathBuf);

    impl Root {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("onset-place-{}-{name}", std::process::id()));
            fs::create_dir_all(root.join("run/lock")).unwrap();
            fs::create_dir_all(root.join("var")).unwrap();
            Self(root)
        }

        fn make(&self, path: &str) -> io::Result<()> {
            let place = Place::find(&self.0, path, true)?;
            Ok(mkdirat(&place.folder, Path::new(&place.name), Mode::S_IRWXU)?)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_link_of_roots_is_followed_within_the_root() {
        let root = Root::new("link");
        symlink("/run", root.0.join("var/run")).unwrap();
        symlink("../../../../var", root.0.join("up")).unwrap();
        root.make("/var/run/a").unwrap();
        root.make("/up/b/c").unwrap();
        assert!(root.0.join("run/a").is_dir() && root.0.join("var/b/c").is_dir());
    }

    #[test]
    fn a_link_that_leads_in_a_ring_leads_nowhere() {
        let root = Root::new("ring");
        symlink("ring", root.0.join("ring")).unwrap();
        assert_eq!(root.make("/ring/a").unwrap_err().raw_os_error(), Some(nix::libc::ELOOP));
    }

    #[test]
    fn a_link_that_others_may_have_made_is_not_followed() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = Root::new("open");
        let open = root.0.join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        symlink("/run", open.join("out")).unwrap();
        assert_eq!(root.make("/open/out/a").unwrap_err().raw_os_error(), Some(nix::libc::ELOOP));
        fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
        root.make("/open/out/a").unwrap();
        assert!(root.0.join("run/a").is_dir());
    }
}
