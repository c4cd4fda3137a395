//! One mount.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount as mount_at},
};

use super::{
    super::{program, superblock, task::reason},
    entry::{Entry, unescaped},
    options::flags,
};
use crate::sys::swap;

const NONE: Option<&str> = None;

/// Where something is mounted, of this process's view.
pub fn mounted() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped).collect()
}

/// Gives what is mounted at the entry's place the entry's options.
pub fn remount(entry: &Entry) -> io::Result<()> {
    let wanted = flags(&entry.options);
    let target = entry.target.as_str();
    let plain = |data: Option<&str>| mount_at(NONE, target, NONE, wanted.flags | MsFlags::MS_REMOUNT, data);
    match plain(Some(wanted.data.as_str()).filter(|data| !data.is_empty())) {
        // Some options count at the first mount only; the flags are what matters.
        Err(Errno::EINVAL) if !wanted.data.is_empty() => Ok(plain(None)?),
        result => Ok(result?),
    }
}

/// Mounts an entry; a fault is given in words.
pub fn mount(source: &Path, target: &Path, entry: &Entry) -> Result<(), String> {
    if entry.has("loop") || entry.has("offset") {
        return by_program("mount", &[], source, target, entry);
    }
    let kind = match entry.kind.as_str() {
        "none" | "auto" if entry.is_bind() => None,
        "auto" => Some(kind_of(source)?),
        kind => Some(kind.to_owned()),
    };
    if let Some(kind) = &kind
        && let Some(name) = helper_of(kind)
    {
        return by_program(&name, &[], source, target, entry);
    }
    let wanted = flags(&entry.options);
    let data = Some(wanted.data.as_str()).filter(|data| !data.is_empty());
    let error = |error: Errno| error.desc().to_owned();
    mount_at(Some(source), target, kind.as_deref(), wanted.flags, data).map_err(|errno| {
        match (errno, &kind) {
            (Errno::ENODEV, Some(kind)) => format!("the kernel does not know file systems of kind `{kind}`"),
            (errno, _) => error(errno),
        }
    })?;
    // A bind takes its flags only afterwards.
    let later = wanted.flags & !(MsFlags::MS_BIND | MsFlags::MS_REC);
    if wanted.flags.contains(MsFlags::MS_BIND) && !later.is_empty() {
        let flags = later | kept(target) | MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
        mount_at(NONE, target, NONE, flags, NONE).map_err(error)?;
    }
    if !wanted.spread.is_empty() {
        mount_at(NONE, target, NONE, wanted.spread, NONE).map_err(error)?;
    }
    Ok(())
}

/// What makes the place it shows safer stays so.
fn kept(target: &Path) -> MsFlags {
    use nix::sys::statvfs::{FsFlags, statvfs};
    let known = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    ];
    let there = statvfs(target).map_or(FsFlags::empty(), |it| it.flags());
    known.into_iter().filter(|(flag, _)| there.contains(*flag)).map(|(_, flag)| flag).collect()
}

fn kind_of(source: &Path) -> Result<String, String> {
    match superblock::read(source) {
        Ok(Some(contents)) => Ok(contents.kind.into()),
        Ok(None) => Err("nothing says which kind of file system it is; write the kind in its line".into()),
        Err(error) => Err(format!("cannot read {}: {}", source.display(), reason(&error))),
    }
}

/// The name of the program that mounts file systems of a kind that the kernel cannot mount alone.
fn helper_of(kind: &str) -> Option<String> {
    let (kind, _) = kind.split_once('.').unwrap_or((kind, ""));
    let name = format!("mount.{kind}");
    program::find(&name).map(|_| name)
}

fn by_program(name: &str, words: &[&str], source: &Path, target: &Path, entry: &Entry) -> Result<(), String> {
    let Some(path) = program::find(name) else {
        return Err(format!("there is no program `{name}`, which it needs"));
    };
    let mut all: Vec<PathBuf> = words.iter().map(PathBuf::from).collect();
    if name == "mount" || entry.kind.contains('.') {
        all.extend(["-t".into(), PathBuf::from(&entry.kind)]);
    }
    all.extend([source.into(), target.into()]);
    let options: Vec<&str> =
        entry.options.iter().map(String::as_str).filter(|option| !option.starts_with("x-")).collect();
    all.extend(["-o".into(), PathBuf::from(options.join(","))]);
    match program::run(&path, &all) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}")),
        Err(error) => Err(format!("{}: {}", path.display(), reason(&error))),
    }
}

/// Switches swap on, if it is not.
pub fn swap_on(source: &Path, entry: &Entry) -> io::Result<()> {
    let used = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let real = source.canonicalize()?;
    if used
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .any(|path| Path::new(&unescaped(path)) == real)
    {
        return Ok(());
    }
    swap::swap_on(&real, entry.value("pri").and_then(|priority| priority.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_is_seen() {
        // In a chroot the root need not be one of them.
        assert!(mounted().contains(&"/proc".into()));
    }
}
