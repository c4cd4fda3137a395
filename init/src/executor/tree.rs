//! cgroup v2: a group for each life, in which nothing that a job starts can hide.
//!
//! ```text
//! /onset        PID 1 itself
//! /log, /load   log keeper, loader
//! /job          a group for each life, and one beside it for each hook that runs
//! /limited      the same for jobs that ask for limits: only here are controllers switched on
//! /left         what a job that was stopped has left behind on purpose
//! ```
//!
//! A group is removed in order to find out whether it is empty: the kernel does it only then, and a job that
//! has ended costs one call.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{OFlag, open, openat},
    sys::stat::{Mode, mkdirat},
    unistd::{UnlinkatFlags, unlinkat},
};
use serde::{Deserialize, Serialize};

/// The most groups below a job's own that are looked at.
const DEEP: usize = 1_024;
/// How often a loop over processes that may fork is gone through.
const ROUNDS: usize = 16;

/// In which part of the tree a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Branch {
    /// `/job`.
    Job,
    /// `/limited`.
    Limited,
}

/// The part of the cgroup tree that is ours.
#[derive(Debug)]
pub struct Tree {
    path: PathBuf,
    /// Our root as `/proc/PID/cgroup` says it.
    prefix: String,
    job: OwnedFd,
    limited: Option<OwnedFd>,
    /// Controllers that are switched on in `/limited`.
    enabled: Vec<String>,
}

impl Tree {
    /// The tree below `path`, with PID 1 moved into its own group.
    pub fn new(path: &Path) -> io::Result<Self> {
        fs::metadata(path.join("cgroup.controllers"))?;
        for name in ["onset", "job"] {
            make(&path.join(name))?;
        }
        fs::write(path.join("onset/cgroup.procs"), "0")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let own = unified(&own).unwrap_or_default();
        let prefix = own.strip_suffix("/onset").unwrap_or(own).trim_end_matches('/').into();
        let job = directory(&path.join("job"))?;
        let limited = directory(&path.join("limited")).ok();
        Ok(Self { path: path.into(), prefix, job, limited, enabled: Vec::new() })
    }

    /// Its root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn branch(&self, branch: Branch) -> &OwnedFd {
        match branch {
            Branch::Job => &self.job,
            Branch::Limited => self.limited.as_ref().unwrap_or(&self.job),
        }
    }

    /// Makes a group; whether it was there already.
    pub fn make(&self, branch: Branch, name: &str) -> io::Result<bool> {
        match mkdirat(self.branch(branch), name, Mode::from_bits_truncate(0o755)) {
            Ok(()) => Ok(false),
            Err(Errno::EEXIST) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// All groups of lives.
    #[must_use]
    pub fn groups(&self) -> Vec<(Branch, String)> {
        let of = |branch, folder: Option<&OwnedFd>| {
            let names = folder.map(|folder| folders(folder, ".")).unwrap_or_default();
            names.into_iter().map(move |name| (branch, name)).collect::<Vec<_>>()
        };
        let limited = of(Branch::Limited, self.limited.as_ref());
        of(Branch::Job, Some(&self.job)).into_iter().chain(limited).collect()
    }

    /// A group's directory, for `clone3`.
    pub fn directory(&self, branch: Branch, name: &str) -> io::Result<OwnedFd> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(openat(self.branch(branch), name, flags, Mode::empty())?)
    }

    /// A file of a group, to be written to.
    pub fn writable(&self, branch: Branch, name: &str, file: &str) -> io::Result<fs::File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let path = format!("{name}/{file}");
        Ok(openat(self.branch(branch), path.as_str(), flags, Mode::empty())?.into())
    }

    /// Where a file of a group is.
    #[must_use]
    pub fn file(&self, branch: Branch, name: &str, file: &str) -> PathBuf {
        let branch = if branch == Branch::Limited && self.limited.is_some() { "limited" } else { "job" };
        self.path.join(branch).join(name).join(file)
    }

    fn read(&self, branch: Branch, path: &str) -> io::Result<String> {
        let file = openat(self.branch(branch), path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut text = String::new();
        fs::File::from(file).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Whether processes live in a group or below it. Those that have ended and are not reaped do not count.
    #[must_use]
    pub fn is_populated(&self, branch: Branch, name: &str) -> bool {
        self.read(branch, &format!("{name}/cgroup.events")).is_ok_and(|text| text.contains("populated 1"))
    }

    /// How many processes of a group the kernel has killed for want of memory; `None` where nobody counts.
    #[must_use]
    pub fn oom_kills(&self, branch: Branch, name: &str) -> Option<u64> {
        let text = self.read(branch, &format!("{name}/memory.events")).ok()?;
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
        count.trim().parse().ok()
    }

    /// Removes a group if no process lives in it; whether it is gone.
    pub fn remove(&self, branch: Branch, name: &str) -> bool {
        match unlinkat(self.branch(branch), name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => true,
            Err(_) if self.is_populated(branch, name) => false,
            // The job has made groups of its own in it, and left them empty.
            Err(_) => {
                for below in self.below(branch, name).iter().rev() {
                    // What cannot be removed keeps what is above it from being removed, which is seen last.
                    let _ = unlinkat(self.branch(branch), below.as_str(), UnlinkatFlags::RemoveDir);
                }
                matches!(
                    unlinkat(self.branch(branch), name, UnlinkatFlags::RemoveDir),
                    Ok(()) | Err(Errno::ENOENT)
                ) || !self.is_populated(branch, name)
            }
        }
    }

    /// The groups below one, each after the one that it is in.
    fn below(&self, branch: Branch, name: &str) -> Vec<String> {
        let (mut found, mut next) = (Vec::<String>::new(), 0_usize);
        let mut folder = String::from(name);
        loop {
            let names = folders(self.branch(branch), &folder);
            let room = DEEP.saturating_sub(found.len());
            found.extend(names.into_iter().take(room).map(|name| format!("{folder}/{name}")));
            let Some(further) = found.get(next) else { return found };
            folder.clone_from(further);
            next = next.saturating_add(1);
        }
    }

    /// All processes in a group and below it.
    #[must_use]
    pub fn processes(&self, branch: Branch, name: &str) -> Vec<i32> {
        let mut pids = self.own_processes(branch, name);
        if pids.is_empty() || self.has_groups(branch, name) {
            for below in self.below(branch, name) {
                pids.extend(self.own_processes(branch, &below));
            }
        }
        pids
    }

    fn has_groups(&self, branch: Branch, name: &str) -> bool {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(self.branch(branch), name, flags, Mode::empty())
            .ok()
            .and_then(|folder| nix::sys::stat::fstat(folder).ok())
            // A directory has a link for each one in it.
            .is_some_and(|status| status.st_nlink > 2)
    }

    fn own_processes(&self, branch: Branch, name: &str) -> Vec<i32> {
        let text = self.read(branch, &format!("{name}/cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|pid| pid.parse().ok()).filter(|pid| *pid > 0).collect()
    }

    /// Kills every process in a group and below it, frozen ones too.
    pub fn kill(&self, branch: Branch, name: &str) {
        let killed = self.writable(branch, name, "cgroup.kill").and_then(|mut file| file.write_all(b"1"));
        if killed.is_ok() {
            return;
        }
        // A kernel before 5.14: one by one, until no new ones come. A frozen one dies when it is thawed.
        for _ in 0..ROUNDS {
            let pids = self.processes(branch, name);
            if pids.is_empty() {
                return;
            }
            for pid in pids {
                super::kill(pid, 9);
            }
            if let Ok(mut file) = self.writable(branch, name, "cgroup.freeze") {
                let _ = file.write_all(b"0");
            }
        }
    }

    /// Moves every process of a group to `/left/NAME`.
    pub fn leave(&self, branch: Branch, name: &str, to: &str) -> io::Result<()> {
        let left = self.path.join("left");
        make(&left)?;
        // Those that are empty by now are not needed any more; the others stay.
        for old in fs::read_dir(&left)?.flatten() {
            let _ = fs::remove_dir(old.path());
        }
        let target = left.join(to);
        make(&target)?;
        let procs = target.join("cgroup.procs");
        for _ in 0..ROUNDS {
            let pids = self.processes(branch, name);
            if pids.is_empty() {
                break;
            }
            for pid in pids {
                // One that has ended meanwhile cannot be moved, and need not be.
                let _ = fs::write(&procs, pid.to_string());
            }
        }
        Ok(())
    }

    /// Switches on the controllers that these files belong to, for jobs that ask for them.
    pub fn enable<'f>(&mut self, files: impl Iterator<Item = &'f str>) -> io::Result<()> {
        if self.limited.is_none() {
            make(&self.path.join("limited"))?;
            self.limited = Some(directory(&self.path.join("limited"))?);
        }
        for controller in files.filter_map(|file| file.split('.').next()) {
            if self.enabled.iter().any(|known| known == controller) || controller == "cgroup" {
                continue;
            }
            let word = format!("+{controller}");
            if let Err(error) = fs::write(self.path.join("cgroup.subtree_control"), &word) {
                if error.raw_os_error() != Some(libc::EBUSY) {
                    return Err(error);
                }
                // Not the root of all: processes in it are in the way.
                self.clear_root()?;
                fs::write(self.path.join("cgroup.subtree_control"), &word)?;
            }
            fs::write(self.path.join("limited/cgroup.subtree_control"), &word)?;
            self.enabled.push(controller.into());
        }
        Ok(())
    }

    /// Moves what somebody else has put into our root out of the way.
    fn clear_root(&self) -> io::Result<()> {
        let strangers = self.path.join("left/strangers");
        make(&self.path.join("left"))?;
        make(&strangers)?;
        for pid in fs::read_to_string(self.path.join("cgroup.procs"))?.lines() {
            let _ = fs::write(strangers.join("cgroup.procs"), pid);
        }
        Ok(())
    }

    /// Whether a group has as many processes as it may have.
    #[must_use]
    pub fn is_full(&self, branch: Branch, name: &str) -> bool {
        let number =
            |file: &str| self.read(branch, &format!("{name}/{file}")).ok()?.trim().parse::<u64>().ok();
        number("pids.max").zip(number("pids.current")).is_some_and(|(max, current)| current >= max)
    }

    /// The number of the life whose group a process is in, and whether it is in that of a hook.
    #[must_use]
    pub fn life_of(&self, pid: i32) -> Option<(u64, bool)> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = unified(&text)?.strip_prefix(self.prefix.as_str())?;
        let rest = path.strip_prefix("/job/").or_else(|| path.strip_prefix("/limited/"))?;
        let (number, hook) = parts(rest.split('/').next()?)?;
        Some((number, hook.is_some()))
    }
}

/// The number of the life that a group is named by, and the hook.
#[must_use]
pub fn parts(name: &str) -> Option<(u64, Option<&str>)> {
    let (main, hook) = name.split_once('~').map_or((name, None), |(main, hook)| (main, Some(hook)));
    Some((main.rsplit_once('.')?.1.parse().ok()?, hook))
}

/// The names of the folders in one.
fn folders(at: &OwnedFd, name: &str) -> Vec<String> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let entries = Dir::openat(at, name, flags, Mode::empty());
    let folders = entries.into_iter().flatten().flatten();
    let folders = folders.filter(|entry| entry.file_type() == Some(Type::Directory));
    let names = folders.filter_map(|entry| entry.file_name().to_str().ok().map(String::from));
    names.filter(|name| !matches!(name.as_str(), "." | "..")).collect()
}

/// The path in cgroup v2 of what `/proc/PID/cgroup` says.
fn unified(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// The name of the group of a life: by job, instance and number, with `%XX` for what may not stand there, and a
/// sum in place of what is too long.
#[must_use]
pub fn group_name(job: &str, instance: &str, number: u64) -> String {
    const LONGEST: usize = 200;
    let mut name = escaped(job);
    if !instance.is_empty() {
        name.push('@');
        name.push_str(&escaped(instance));
    }
    if name.len() > LONGEST {
        let sum = jobs::WorkId::of(format!("{job}@{instance}").as_bytes());
        name.truncate(LONGEST.saturating_sub(20));
        name.push_str(&format!("-{:016x}", sum.0));
    }
    name.push_str(&format!(".{number}"));
    name
}

/// A name as it may stand in the tree.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for (place, byte) in text.bytes().enumerate() {
        if byte.is_ascii_graphic() && !matches!(byte, b'/' | b'%' | b'~') && (place, byte) != (0, b'.') {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_job_instance_and_life() {
        assert_eq!(group_name("web", "", 12), "web.12");
        assert_eq!(group_name("getty", "tty1", 3), "getty@tty1.3");
        assert_eq!(group_name("net/web", "/devices/pci 0~1%", 3), "net%2fweb@%2fdevices%2fpci%200%7e1%25.3");
        assert_eq!(group_name("..", "", 1), "%2e..1");
        let (a, b) = (group_name("x", &"i".repeat(4_096), 7), group_name("x", &"i".repeat(4_095), 7));
        assert!(a.len() <= 220 && a.ends_with(".7") && a != b, "{a}");
    }

    #[test]
    fn the_line_of_version_two_is_found() {
        assert_eq!(unified("9:pids:/\n0::/job/web.1\n"), Some("/job/web.1"));
        assert_eq!(unified("9:pids:/\n"), None);
    }
}
