//! What lies at a path, seen without ever waiting for it.
//!
//! Nothing is opened but folders. Links are followed only if root has made them, and never as the last part: a link is
//! itself what is watched. What is mounted over a network or served by a process is not entered, since a look at it may
//! take for ever.

use std::{
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, AsRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat},
    sys::stat::{FileStat, SFlag, fstat, fstatat},
};
use serde::{Deserialize, Serialize};

/// How many links are followed on the way to one folder.
const LINKS: usize = 16;
/// How many names of one folder are looked at.
pub const NAMES: usize = 8192;

/// File systems whose answer depends on another machine, or on a process.
const FAR: [&[u8]; 16] = [
    b"nfs",
    b"nfs4",
    b"cifs",
    b"smb3",
    b"smbfs",
    b"afs",
    b"ceph",
    b"coda",
    b"lustre",
    b"gpfs",
    b"autofs",
    b"fuse",
    b"fuseblk",
    b"ncpfs",
    b"orangefs",
    b"gfs2",
];

/// Whether a look at a file system of this kind may have to wait for somebody.
pub fn is_far(kind: &[u8]) -> bool {
    FAR.contains(&kind) || kind.starts_with(b"fuse.")
}

/// What tells a file from another, and from itself with other contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    device: u64,
    inode: u64,
    kind: u32,
    size: i64,
    modified: (i64, i64),
}

impl Signature {
    fn of(stat: &FileStat) -> Self {
        let kind = stat.st_mode & SFlag::S_IFMT.bits();
        // The times of a folder are those of what lies in it.
        let is_folder = kind == SFlag::S_IFDIR.bits();
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            kind,
            size: if is_folder { 0 } else { stat.st_size },
            modified: if is_folder { (0, 0) } else { (stat.st_mtime, stat.st_mtime_nsec) },
        }
    }

    /// Whether it is a folder.
    pub const fn is_folder(&self) -> bool {
        self.kind == SFlag::S_IFDIR.bits()
    }

    /// Whether it is a link.
    pub const fn is_link(&self) -> bool {
        self.kind == SFlag::S_IFLNK.bits()
    }
}

/// A folder that is open.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    /// Which one it is.
    pub signature: Signature,
}

/// Where not to look: what is mounted there is far.
#[derive(Debug, Default)]
pub struct Far(pub Vec<Vec<u8>>);

impl Far {
    fn has(&self, path: &[u8]) -> bool {
        self.0.iter().any(|point| {
            path.strip_prefix(&**point).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    }
}

impl Folder {
    /// The folder at a path; the empty path is `/`. If it is itself a link, it is one only if links are `followed`.
    pub fn open(path: &[u8], far: &Far, followed: bool) -> io::Result<Self> {
        let asked = path;
        let mut path = path.to_vec();
        for _ in 0..LINKS {
            if far.has(&path) {
                return Err(Errno::EXDEV.into());
            }
            let how = OpenHow::new()
                .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
                .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
            let name = if path.is_empty() { OsStr::new("/") } else { OsStr::from_bytes(&path) };
            match openat2(nix::fcntl::AT_FDCWD, name, how) {
                Ok(fd) => {
                    let signature = Signature::of(&fstat(&fd)?);
                    return Ok(Self { fd, signature });
                }
                Err(Errno::ELOOP) => {
                    let (link, real) = without_first_link(&path, far)?;
                    if link == asked && !followed {
                        return Err(Errno::ELOOP.into());
                    }
                    path = real;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::ELOOP.into())
    }

    /// What lies in it under a name.
    pub fn see(&self, name: &[u8], path: &[u8], far: &Far) -> Option<Signature> {
        if far.has(path) {
            return None;
        }
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_NO_AUTOMOUNT;
        fstatat(&self.fd, OsStr::from_bytes(name), flags).ok().map(|stat| Signature::of(&stat))
    }

    /// The names in it, and whether there are more than are looked at.
    pub fn names(&self) -> (Vec<Vec<u8>>, bool) {
        let Ok(copy) = self.fd.try_clone() else { return (Vec::new(), true) };
        let Ok(mut folder) = Dir::from_fd(copy) else { return (Vec::new(), true) };
        let mut names = Vec::new();
        for entry in folder.iter().filter_map(Result::ok) {
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if names.len() >= NAMES {
                return (names, true);
            }
            names.push(name.to_vec());
        }
        (names, false)
    }

    /// A path that leads to it and to no other, as long as it is open.
    pub fn as_path(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_fd().as_raw_fd())
    }
}

/// The first link of a path, and the path with it replaced by what it leads to, if root has made it.
fn without_first_link(path: &[u8], far: &Far) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut so_far: Vec<u8> = Vec::new();
    let mut names = super::wanted::names(path);
    while let Some(name) = names.next() {
        let parent = so_far.clone();
        so_far.push(b'/');
        so_far.extend_from_slice(name);
        if far.has(&so_far) {
            return Err(Errno::EXDEV.into());
        }
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW | AtFlags::AT_NO_AUTOMOUNT;
        let stat = fstatat(nix::fcntl::AT_FDCWD, OsStr::from_bytes(&so_far), flags)?;
        if stat.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFLNK.bits() {
            continue;
        }
        if stat.st_uid != 0 {
            return Err(Errno::ELOOP.into());
        }
        let target = readlinkat(nix::fcntl::AT_FDCWD, OsStr::from_bytes(&so_far))?;
        let mut path = if target.as_bytes().starts_with(b"/") { Vec::new() } else { parent };
        let rest: Vec<&[u8]> = names.collect();
        for name in super::wanted::names(target.as_bytes()).chain(rest) {
            match name {
                b"." => {}
                b".." => path.truncate(path.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
                name => {
                    path.push(b'/');
                    path.extend_from_slice(name);
                }
            }
        }
        return Ok((so_far, path));
    }
    // Nobody's link any more: it is tried once more.
    Ok((Vec::new(), so_far))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_others_is_far() {
        for kind in ["nfs4", "fuse.sshfs", "autofs"] {
            assert!(is_far(kind.as_bytes()), "{kind}");
        }
        for kind in ["ext4", "tmpfs", "overlay", "fusectl", "9p"] {
            assert!(!is_far(kind.as_bytes()), "{kind}");
        }
        let far = Far(vec![b"/net".to_vec()]);
        assert!(far.has(b"/net") && far.has(b"/net/x") && !far.has(b"/network") && !far.has(b""));
        assert!(Folder::open(b"/net/x", &far, true).is_err());
    }

    #[test]
    fn links_of_root_lead_on_and_nothing_is_followed_at_the_end() {
        let root = std::env::temp_dir().join(format!("onset-sight-{}", std::process::id()));
        std::fs::create_dir_all(root.join("real/deep")).unwrap();
        std::os::unix::fs::symlink("../real", root.join("real/up")).unwrap();
        std::os::unix::fs::symlink("real/up", root.join("link")).unwrap();
        let bytes = |path: &str| root.join(path).as_os_str().as_bytes().to_vec();
        let far = Far::default();
        if nix::unistd::geteuid().is_root() {
            let direct = Folder::open(&bytes("real/deep"), &far, true).unwrap().signature;
            assert_eq!(Folder::open(&bytes("link/deep"), &far, true).unwrap().signature, direct);
        }
        let folder = Folder::open(&bytes(""), &far, true).unwrap();
        assert!(!folder.see(b"link", &bytes("link"), &far).unwrap().is_folder());
        assert!(folder.see(b"real", &bytes("real"), &far).unwrap().is_folder());
        assert_eq!(folder.see(b"none", &bytes("none"), &far), None);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
