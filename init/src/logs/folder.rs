//! A folder of log files: opened once, and never followed out of.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat, renameat},
    sys::{
        stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat, stat},
        statvfs::fstatvfs,
    },
    unistd::{UnlinkatFlags, geteuid, unlinkat},
};

use super::name::Stem;

/// How far from its end the last newline of a file is looked for: further than a record is long.
const TAIL: u64 = 65_536;

/// A folder of log files, and how much is kept in it.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    size: u64,
    files: u32,
}

/// A log file that is open for writing at its end.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    size: u64,
}

/// A file in a folder of logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which log it belongs to.
    pub stem: Stem,
    /// 0 for the file that is written to; the higher, the older.
    pub age: u32,
    /// How long it is, in bytes.
    pub size: u64,
}

impl Folder {
    /// Opens a folder whose files may be `size` bytes long and `files` for each log, and makes it, and as many of
    /// the folders above it as `make` says, if it is not there.
    pub fn open(path: &Path, make: usize, size: u64, files: u32) -> io::Result<Self> {
        let above: Vec<&Path> = path.ancestors().take(make.saturating_add(1)).collect();
        let (Some(top), Some(name)) = (above.last(), path.file_name()) else {
            return Err(Errno::EINVAL.into());
        };
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let mut fd = open(*top, flags, Mode::empty())?;
        for step in above.iter().rev().skip(1) {
            let Some(name) = step.file_name().map(Path::new) else { continue };
            let last = *step == path;
            let mode = if last { Mode::from_bits_truncate(0o750) } else { Mode::from_bits_truncate(0o755) };
            match mkdirat(&fd, name, mode) {
                Ok(()) | Err(Errno::EEXIST) => {}
                // It may be there on a file system that is read-only.
                Err(Errno::EROFS) if fstatat(&fd, name, AtFlags::empty()).is_ok() => {}
                Err(error) => return Err(error.into()),
            }
            let flags = if last { flags | OFlag::O_NOFOLLOW } else { flags };
            fd = openat(&fd, name, flags, Mode::empty())?;
        }
        let found = fstat(&fd)?;
        if found.st_uid != geteuid().as_raw() || found.st_mode & 0o002 != 0 {
            let name = name.display();
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{name} belongs to somebody else"),
            ));
        }
        Ok(Self { fd, path: path.to_path_buf(), size, files: files.max(1) })
    }

    /// Opens a folder to read in it, whosever it is.
    pub fn existing(path: &Path) -> io::Result<Self> {
        let fd = open(path, OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self { fd, path: path.to_path_buf(), size: 0, files: 1 })
    }

    /// Whether this is still the folder that its path leads to: another file system may lie over it by now.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let same = |one: FileStat, other: FileStat| (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino);
        matches!((fstat(&self.fd), stat(&self.path)), (Ok(one), Ok(other)) if same(one, other))
    }

    /// Whether a file can be written here now, with room for so many bytes.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        let Ok(found) = fstatvfs(&self.fd) else { return false };
        let free = found.blocks_available().saturating_mul(found.fragment_size());
        !found.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY) && free > bytes
    }

    /// Opens a log's file. What is there and no plain file of ours is removed; a record that was cut off by a
    /// death is removed too, since whoever died had not yet taken it out of its pipe.
    pub fn file(&self, stem: &Stem) -> io::Result<LogFile> {
        let name = stem.file(0);
        let file = match self.try_file(&name) {
            Err(Errno::ELOOP | Errno::EMLINK | Errno::ENXIO) => {
                unlinkat(&self.fd, name.as_str(), UnlinkatFlags::NoRemoveDir)?;
                self.try_file(&name)?
            }
            other => other?,
        };
        let size = mend(&file)?;
        Ok(LogFile { file, size })
    }

    fn try_file(&self, name: &str) -> Result<File, Errno> {
        let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NOFOLLOW;
        let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let fd = openat(&self.fd, name, flags, Mode::from_bits_truncate(0o640))?;
        let found = fstat(&fd)?;
        let plain = found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
        if !plain || found.st_nlink > 1 || found.st_uid != geteuid().as_raw() {
            return Err(Errno::EMLINK);
        }
        Ok(File::from(fd))
    }

    /// Whether a file of this size must be put away before so many bytes more are written.
    #[must_use]
    pub const fn is_full(&self, size: u64, more: usize) -> bool {
        size > 0 && size.saturating_add(more as u64) > self.size
    }

    /// Makes each file of a log one older, and removes the oldest.
    ///
    /// Whoever dies in between leaves a gap in the ages, and no file is lost.
    pub fn rotate(&self, stem: &Stem) -> io::Result<()> {
        let oldest = self.files.saturating_sub(1);
        if oldest == 0 {
            return Ok(unlinkat(&self.fd, stem.file(0).as_str(), UnlinkatFlags::NoRemoveDir)?);
        }
        // A gap takes the file before it, so only those up to the first gap move.
        let gap = (1..oldest)
            .find(|age| fstatat(&self.fd, stem.file(*age).as_str(), AtFlags::AT_SYMLINK_NOFOLLOW).is_err());
        for age in (0..gap.unwrap_or(oldest)).rev() {
            let (from, to) = (stem.file(age), stem.file(age.saturating_add(1)));
            renameat(&self.fd, from.as_str(), &self.fd, to.as_str())?;
        }
        Ok(())
    }

    /// All files of logs in here, those of one log together and the oldest first.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut folder = Dir::openat(&self.fd, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut entries = Vec::new();
        for found in folder.iter().flatten() {
            let Some((stem, age)) = found.file_name().to_str().ok().and_then(Stem::of_file) else { continue };
            let Ok(found) = fstatat(&self.fd, found.file_name(), AtFlags::AT_SYMLINK_NOFOLLOW) else {
                continue;
            };
            if found.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits() {
                entries.push(Entry { stem, age, size: u64::try_from(found.st_size).unwrap_or(0) });
            }
        }
        entries.sort_by(|a, b| a.stem.cmp(&b.stem).then(b.age.cmp(&a.age)));
        Ok(entries)
    }

    /// Opens a file of a log for reading.
    pub fn read(&self, entry: &Entry) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        Ok(File::from(openat(&self.fd, entry.stem.file(entry.age).as_str(), flags, Mode::empty())?))
    }

    /// Removes a file of a log.
    pub fn remove(&self, entry: &Entry) -> io::Result<()> {
        Ok(unlinkat(&self.fd, entry.stem.file(entry.age).as_str(), UnlinkatFlags::NoRemoveDir)?)
    }

    /// Puts all that is written on the disk.
    pub fn sync(&self) {
        // What the disk cannot take now it will not take later.
        let _ = nix::unistd::syncfs(self.fd.as_fd());
    }
}

impl LogFile {
    /// How long it is, in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Puts whole records at its end: all of them, or none.
    pub fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(records);
        if let Err(error) = written {
            // If it cannot be cut back either, the next one that opens it does so.
            let _ = self.file.set_len(self.size);
            return Err(error);
        }
        self.size = self.size.saturating_add(records.len() as u64);
        Ok(())
    }

    /// Whether it has been removed or is somebody else's by now: then nobody would read what is written.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.nlink() != 1)
    }
}

/// Cuts off what stands behind the last newline; how long the file is then.
fn mend(mut file: &File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let start = size.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    let kept = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
    // A tail without any newline is no log of ours; it is left as it is, if it is longer than a record can be.
    let whole = if kept == 0 && start > 0 { size } else { start.saturating_add(kept as u64) };
    if whole < size {
        file.set_len(whole)?;
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn folder(name: &str) -> (PathBuf, Folder) {
        let path = std::env::temp_dir().join(format!("onset-folder-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let folder = Folder::open(&path, 1, 100, 3).unwrap();
        (path, folder)
    }

    #[test]
    fn files_rotate_and_the_oldest_goes() {
        let (path, folder) = folder("rotate");
        let stem = Stem::new("web", "");
        for round in 0..5 {
            let mut file = folder.file(&stem).unwrap();
            file.append(format!("{round}\n").as_bytes()).unwrap();
            folder.rotate(&stem).unwrap();
        }
        let texts = [1, 2].map(|age| fs::read_to_string(path.join(stem.file(age))).unwrap());
        assert_eq!(texts, ["4\n", "3\n"]);
        assert_eq!(folder.entries().unwrap().len(), 2);
        // A gap, as a death leaves one.
        fs::rename(path.join("web.log.1"), path.join("web.log")).unwrap();
        folder.rotate(&stem).unwrap();
        let ages: Vec<u32> = folder.entries().unwrap().iter().map(|entry| entry.age).collect();
        assert_eq!(ages, [2, 1]);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn half_a_record_is_cut_off() {
        let (path, folder) = folder("mend");
        let stem = Stem::new("web", "");
        for (before, after) in [("a\nb", "a\nx\n"), ("a\n", "a\nx\n"), ("", "x\n"), ("abc", "x\n")] {
            fs::write(path.join("web.log"), before).unwrap();
            folder.file(&stem).unwrap().append(b"x\n").unwrap();
            assert_eq!(fs::read_to_string(path.join("web.log")).unwrap(), after, "{before}");
        }
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (path, folder) = folder("links");
        let other = path.join("other");
        fs::write(&other, "mine\n").unwrap();
        symlink(&other, path.join("soft.log")).unwrap();
        fs::hard_link(&other, path.join("hard.log")).unwrap();
        nix::unistd::mkfifo(&path.join("fifo.log"), Mode::S_IRWXU).unwrap();
        for job in ["soft", "hard", "fifo"] {
            folder.file(&Stem::new(job, "")).unwrap().append(b"x\n").unwrap();
            assert_eq!(fs::read_to_string(path.join(format!("{job}.log"))).unwrap(), "x\n");
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine\n");
        symlink("/tmp", path.join("link")).unwrap();
        assert!(Folder::open(&path.join("link"), 1, 1, 1).is_err());
        assert!(Folder::open(&path.join("other"), 1, 1, 1).is_err());
        fs::remove_dir_all(path).unwrap();
    }
}
