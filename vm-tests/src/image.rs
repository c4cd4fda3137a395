//! A tree of files for a machine, and the two forms that it boots from: an archive for the kernel's first
//! root, or an ext4 file system.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::BufWriter,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use crate::{
    cpio::{Cpio, Kind},
    failure::{Doing, Failure, Result},
    folder::Folder,
};

/// How much room a file system has beside what is put in it.
const SPARE: u64 = 64 << 20;

/// The files of a machine by their paths, without a leading `/`. Folders come before what is in them.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<String, (u32, Kind)>);

impl Tree {
    /// What is in a folder of this machine. Sockets, pipes and devices are left out.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.add_folder("", folder)?;
        Ok(tree)
    }

    /// Puts what is in a folder of this machine under `path`.
    pub fn add_folder(&mut self, path: &str, folder: &Path) -> Result<()> {
        let mut folders = vec![(trimmed(path).to_owned(), folder.to_owned())];
        while let Some((path, folder)) = folders.pop() {
            self.folder(&path);
            for entry in fs::read_dir(&folder).doing(folder.display())? {
                let entry = entry.doing(folder.display())?;
                let (from, kind) = (entry.path(), entry.file_type().doing(folder.display())?);
                let path = format!("{path}/{}", entry.file_name().to_string_lossy());
                if kind.is_dir() {
                    folders.push((path, from));
                } else if kind.is_symlink() {
                    let target = fs::read_link(&from).doing(from.display())?;
                    self.link(&path, &target.to_string_lossy());
                } else if kind.is_file() {
                    self.copy(&path, &from)?;
                }
            }
        }
        Ok(())
    }

    /// Puts another tree under `path`.
    pub fn add_tree(&mut self, path: &str, other: &Self) {
        self.folder(path);
        for (below, (mode, kind)) in &other.0 {
            self.put(&format!("{path}/{below}"), *mode, kind.clone());
        }
    }

    /// A directory, and those above it.
    pub fn folder(&mut self, path: &str) {
        let path = trimmed(path);
        for (at, _) in path.match_indices('/') {
            let above = path.get(..at).unwrap_or_default().to_owned();
            self.0.entry(above).or_insert((0o755, Kind::Folder));
        }
        if !path.is_empty() {
            self.0.entry(path.to_owned()).or_insert((0o755, Kind::Folder));
        }
    }

    /// A file of text.
    pub fn text(&mut self, path: &str, text: &str) {
        self.put(path, 0o644, Kind::File(text.into()));
    }

    /// A file that can be executed.
    pub fn script(&mut self, path: &str, text: &str) {
        self.put(path, 0o755, Kind::File(text.into()));
    }

    /// A file of this machine, with its permissions.
    pub fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let mode = fs::metadata(from).doing(from.display())?.permissions().mode() & 0o7777;
        self.put(path, mode, Kind::File(fs::read(from).doing(from.display())?));
        Ok(())
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.put(path, 0o777, Kind::Link(target.to_owned()));
    }

    /// A character device.
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        self.put(path, mode, Kind::Device(major, minor));
    }

    /// Takes a file or an empty folder away; says whether it was there.
    pub fn remove(&mut self, path: &str) -> bool {
        self.0.remove(trimmed(path)).is_some()
    }

    /// Whether something is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(trimmed(path))
    }

    fn put(&mut self, path: &str, mode: u32, kind: Kind) {
        let path = trimmed(path);
        if let Some((above, _)) = path.rsplit_once('/') {
            self.folder(above);
        }
        self.0.insert(path.to_owned(), (mode, kind));
    }

    /// Writes it as an archive that a kernel takes as its first root.
    pub fn write_cpio(&self, to: &Path) -> Result<()> {
        let mut cpio = Cpio::new(BufWriter::new(File::create(to).doing(to.display())?));
        for (path, (mode, kind)) in &self.0 {
            cpio.add(path, *mode, kind).doing(to.display())?;
        }
        cpio.end().doing(to.display())?;
        Ok(())
    }

    /// Writes it into a folder of this machine. Devices are left out: only root could make them.
    pub fn write_folder(&self, to: &Path) -> Result<()> {
        for (path, (mode, kind)) in &self.0 {
            let at = to.join(path);
            match kind {
                Kind::Folder => fs::create_dir_all(&at).doing(at.display())?,
                Kind::Link(target) => symlink(target, &at).doing(at.display())?,
                Kind::File(bytes) => {
                    fs::write(&at, bytes).doing(at.display())?;
                    fs::set_permissions(&at, fs::Permissions::from_mode(*mode)).doing(at.display())?;
                }
                Kind::Device(..) => {}
            }
        }
        // Folders at the end, so that one without write permission can still be filled.
        for (path, (mode, kind)) in &self.0 {
            if *kind == Kind::Folder {
                let at = to.join(path);
                fs::set_permissions(&at, fs::Permissions::from_mode(*mode)).doing(at.display())?;
            }
        }
        Ok(())
    }

    /// Writes it as an ext4 file system. Devices are left out: a kernel that mounts a root from disk
    /// brings its own.
    pub fn write_ext4(&self, to: &Path) -> Result<()> {
        let folder = Folder::new("image")?;
        self.write_folder(folder.path())?;
        let size = self.0.values().fold(SPARE, |size, (_, kind)| match kind {
            Kind::File(bytes) => size.saturating_add(bytes.len() as u64).saturating_add(4096),
            Kind::Folder | Kind::Link(_) | Kind::Device(..) => size,
        });
        ext4(folder.path(), to, size.saturating_add(size / 8))
    }
}

/// Makes an ext4 file system of `size` bytes from what is in `folder`; no root needed, and all is root's.
pub fn ext4(folder: &Path, to: &Path, size: u64) -> Result<()> {
    // Within a user name space of ours, our files are root's.
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new("mke2fs")
    } else {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "mke2fs"]);
        command
    };
    let made = command
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .args(["-q", "-F", "-t", "ext4", "-E", "root_owner=0:0,lazy_itable_init=1", "-m", "0", "-d"])
        .args([folder, to])
        .arg(format!("{}k", size.div_ceil(1024)))
        .output()
        .doing("mke2fs (package e2fsprogs)")?;
    if !made.status.success() {
        return Err(Failure(format!("mke2fs: {}", String::from_utf8_lossy(&made.stderr).trim())));
    }
    Ok(())
}

/// Makes a small file system of this label, if it is not there yet.
pub fn labelled(to: &Path, label: &str) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let mut command = Command::new("mke2fs");
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").args(["-q", "-t", "ext4", "-L", label]);
    let made = command.arg(to).arg("8m").output().doing("mke2fs (package e2fsprogs)")?;
    let said = || String::from_utf8_lossy(&made.stderr).trim().to_owned();
    if made.status.success() { Ok(()) } else { Err(Failure(format!("mke2fs: {}", said()))) }
}

/// Copies the image of a file system; what is empty in it takes no room.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = Command::new("cp").args(["--sparse=always".as_ref(), from, to]).status().doing("cp")?;
    if copied.success() { Ok(()) } else { Err(Failure(format!("{} cannot be copied", from.display()))) }
}

/// Fails unless a file system was unmounted in good order and nothing is wrong in it.
pub fn check(image: &Path) -> Result<()> {
    let output = |program: &str, option: &str| {
        let mut command = Command::new(program);
        command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").arg(option).arg(image).output().doing(program)
    };
    let head = output("dumpe2fs", "-h")?;
    let head = String::from_utf8_lossy(&head.stdout).into_owned();
    if head.contains("needs_recovery") {
        return Err(Failure::new("the file system was not unmounted: its journal is still to be played"));
    }
    let checked = output("e2fsck", "-fn")?;
    if !checked.status.success() {
        return Err(Failure(format!("e2fsck: {}", String::from_utf8_lossy(&checked.stdout))));
    }
    Ok(())
}

fn trimmed(path: &str) -> &str {
    path.trim_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_before_what_is_in_it() {
        let mut tree = Tree::default();
        tree.text("/etc/onset/jobs/a.ron", "()");
        tree.link("sbin/init", "onset");
        let paths: Vec<&str> = tree.0.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            ["etc", "etc/onset", "etc/onset/jobs", "etc/onset/jobs/a.ron", "sbin", "sbin/init"]
        );
    }

    #[test]
    fn a_file_system_is_made_without_root() {
        let folder = Folder::new("ext4").unwrap();
        let mut tree = Tree::default();
        tree.text("etc/motd", "hello\n");
        tree.device("dev/console", 0o600, 5, 1);
        tree.write_ext4(&folder.join("root.img")).unwrap();
        let shown = Command::new("debugfs")
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .args(["-R", "cat /etc/motd"])
            .arg(folder.join("root.img"))
            .output()
            .unwrap();
        assert_eq!(shown.stdout, b"hello\n");
    }
}
