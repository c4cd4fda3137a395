//! What one line does to the files.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
    path::Path,
};

use events::glob_matches;
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, readlinkat},
    libc,
    sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmodat, fstat, makedev, mkdirat, mknodat},
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, mkfifoat, symlinkat, unlinkat},
};

use super::{
    super::{
        place::{Place, kind_of},
        task::reason,
    },
    line::{Kind, Owner, Permissions, Rule},
};

/// How deep folders are removed, copied and changed, and how many paths one pattern may mean.
const MAX_DEPTH: usize = 64;
const MAX_MATCHES: usize = 65_536;

/// Does what a line says; gives what was in the way.
pub fn apply(root: &Path, rule: &Rule) -> Result<(), String> {
    let result = match rule.kind {
        Kind::Folder => folder(root, rule),
        Kind::File { anew } => file(root, rule, anew),
        Kind::Link { anew } => link(root, rule, anew),
        Kind::Pipe | Kind::Device { .. } => node(root, rule),
        Kind::Copy => copy(root, rule),
        Kind::Write { append } => each(root, &rule.path, &mut |place| write(place, rule, append)),
        Kind::Remove => each(root, &rule.path, &mut remove),
        Kind::RemoveAll => each(root, &rule.path, &mut |place| remove_all(place, MAX_DEPTH)),
        Kind::Adjust => each(root, &rule.path, &mut |place| adjust(place, rule, false)),
        Kind::AdjustAll => each(root, &rule.path, &mut |place| adjust_all(place, rule, MAX_DEPTH)),
    };
    result.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => {
            "there is a link on the way that somebody else than root may have put there".into()
        }
        _ => reason(&error),
    })
}

fn bits(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode)
}

fn folder(root: &Path, rule: &Rule) -> io::Result<()> {
    let place = Place::find(root, &rule.path, true)?;
    make_way(&place, rule, libc::S_IFDIR)?;
    let mode = rule.mode.map_or(0o755, |mode| mode.bits);
    match mkdirat(&place.folder, Path::new(&place.name), bits(mode)) {
        Ok(()) => adjust(&place, rule, true),
        Err(Errno::EEXIST) if kind_of(&place.status()?) == libc::S_IFLNK => {
            // `/var/run` is where it leads. It is as it is.
            Place::folder(root, &rule.path).map(drop)
        }
        Err(Errno::EEXIST) if kind_of(&place.status()?) == libc::S_IFDIR => adjust(&place, rule, false),
        Err(Errno::EEXIST) => Err(Errno::ENOTDIR.into()),
        Err(error) => Err(error.into()),
    }
}

fn file(root: &Path, rule: &Rule, anew: bool) -> io::Result<()> {
    let place = Place::find(root, &rule.path, true)?;
    make_way(&place, rule, libc::S_IFREG)?;
    let mode = bits(rule.mode.map_or(0o644, |mode| mode.bits));
    match place.open(OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, mode) {
        Ok(file) => {
            put(file, rule)?;
            adjust(&place, rule, true)
        }
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
            if kind_of(&place.status()?) != libc::S_IFREG {
                return Err(Errno::EEXIST.into());
            }
            if anew {
                let file = place.open(OFlag::O_WRONLY, Mode::empty())?;
                only_name(&fstat(&file)?)?;
                nix::unistd::ftruncate(&file, 0)?;
                put(file, rule)?;
            }
            adjust(&place, rule, false)
        }
        Err(error) => Err(error),
    }
}

fn put(file: OwnedFd, rule: &Rule) -> io::Result<()> {
    File::from(file).write_all(rule.argument.as_deref().unwrap_or_default().as_bytes())
}

fn write(place: &Place, rule: &Rule, append: bool) -> io::Result<()> {
    let mut file = File::from(place.open(OFlag::O_WRONLY, Mode::empty())?);
    if append {
        file.seek(io::SeekFrom::End(0))?;
    }
    file.write_all(rule.argument.as_deref().unwrap_or_default().as_bytes())
}

fn link(root: &Path, rule: &Rule, anew: bool) -> io::Result<()> {
    let place = Place::find(root, &rule.path, true)?;
    let target = rule.argument.clone().unwrap_or_else(|| format!("/usr/share/factory{}", rule.path));
    let (target, name) = (Path::new(&target), Path::new(&place.name));
    let make = || symlinkat(target, &place.folder, name);
    match make() {
        Ok(()) => Ok(()),
        Err(Errno::EEXIST) => {
            if !anew || readlinkat(&place.folder, name).is_ok_and(|old| Path::new(&old) == target) {
                return Ok(());
            }
            remove_all(&place, MAX_DEPTH)?;
            Ok(make()?)
        }
        Err(error) => Err(error.into()),
    }
}

fn node(root: &Path, rule: &Rule) -> io::Result<()> {
    let place = Place::find(root, &rule.path, true)?;
    let mode = bits(rule.mode.map_or(0o644, |mode| mode.bits));
    let name = Path::new(&place.name);
    let made = match rule.kind {
        Kind::Device { is_block } => {
            let (major, minor) = numbers(rule.argument.as_deref())?;
            let kind = if is_block { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
            mknodat(&place.folder, name, kind, mode, makedev(major, minor))
        }
        Kind::Folder
        | Kind::File { .. }
        | Kind::Write { .. }
        | Kind::Link { .. }
        | Kind::Pipe
        | Kind::Copy
        | Kind::Remove
        | Kind::RemoveAll
        | Kind::Adjust
        | Kind::AdjustAll => mkfifoat(&place.folder, name, mode),
    };
    match made {
        Ok(()) => adjust(&place, rule, true),
        Err(Errno::EEXIST) => adjust(&place, rule, false),
        Err(error) => Err(error.into()),
    }
}

/// `MAJOR:MINOR`.
fn numbers(argument: Option<&str>) -> io::Result<(u64, u64)> {
    let wrong = || io::Error::other("`MAJOR:MINOR` must stand behind it");
    let (major, minor) = argument.and_then(|text| text.split_once(':')).ok_or_else(wrong)?;
    Ok((major.parse().map_err(|_| wrong())?, minor.parse().map_err(|_| wrong())?))
}

/// With `=`, what is of another kind than the line makes goes.
fn make_way(place: &Place, rule: &Rule, kind: u32) -> io::Result<()> {
    match place.status() {
        Ok(status) if rule.is_strict && kind_of(&status) != kind => remove_all(place, MAX_DEPTH),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Calls `act` on everything that a pattern means. That nothing is there is no fault.
fn each(root: &Path, pattern: &str, act: &mut dyn FnMut(&Place) -> io::Result<()>) -> io::Result<()> {
    let mut found = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for folder in &found {
            if !part.contains(['*', '?', '[']) {
                next.push(format!("{folder}/{part}"));
                continue;
            }
            // What cannot be looked into has nothing in it that could be meant.
            let Ok(open) = Place::folder(root, folder) else { continue };
            let names = names_in(&open)?.into_iter().map(|name| name.to_string_lossy().into_owned());
            let names = names
                .filter(|name| (!name.starts_with('.') || part.starts_with('.')) && glob_matches(part, name));
            next.extend(names.map(|name| format!("{folder}/{name}")));
        }
        next.sort_unstable();
        next.truncate(MAX_MATCHES);
        found = next;
    }
    let mut result = Ok(());
    for path in found {
        let done = Place::find(root, &path, false).and_then(|place| act(&place));
        match done {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {}
            Err(error) => result = Err(error),
            Ok(()) => {}
        }
    }
    result
}

/// The names in a folder, sorted.
fn names_in(folder: impl AsFd) -> io::Result<Vec<OsString>> {
    use std::os::unix::ffi::OsStrExt as _;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut dir = Dir::openat(&folder, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in dir.iter() {
        let name = std::ffi::OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn remove(place: &Place) -> io::Result<()> {
    let is_folder = kind_of(&place.status()?) == libc::S_IFDIR;
    let flag = if is_folder { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
    match unlinkat(&place.folder, Path::new(&place.name), flag) {
        // A folder that is used stays.
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(()),
        result => Ok(result?),
    }
}

fn remove_all(place: &Place, depth: usize) -> io::Result<()> {
    inside(place, depth, &mut |inner, depth| remove_all(inner, depth))?;
    remove(place)
}

/// Calls `act` on what is in a folder, with how much deeper it may go.
fn inside(
    place: &Place,
    depth: usize,
    act: &mut dyn FnMut(&Place, usize) -> io::Result<()>,
) -> io::Result<()> {
    if kind_of(&place.status()?) != libc::S_IFDIR {
        return Ok(());
    }
    let Some(depth) = depth.checked_sub(1) else { return Err(Errno::ENAMETOOLONG.into()) };
    let mut inner = Place {
        folder: place.open(OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?,
        name: OsString::new(),
    };
    for name in names_in(&inner.folder)? {
        inner.name = name;
        act(&inner, depth)?;
    }
    Ok(())
}

fn adjust_all(place: &Place, rule: &Rule, depth: usize) -> io::Result<()> {
    adjust(place, rule, false)?;
    inside(place, depth, &mut |inner, depth| adjust_all(inner, rule, depth))
}

/// Gives what is there the line's owner and mode, `new` if it has just been made.
fn adjust(place: &Place, rule: &Rule, new: bool) -> io::Result<()> {
    let status = place.status()?;
    if kind_of(&status) == libc::S_IFLNK {
        return Ok(());
    }
    if !new {
        only_name(&status)?;
    }
    // By what was looked at, and nothing that has been put in its place since.
    let file = place.open(OFlag::O_PATH, Mode::empty())?;
    let opened = fstat(&file)?;
    if (opened.st_dev, opened.st_ino) != (status.st_dev, status.st_ino) {
        return Err(Errno::EAGAIN.into());
    }
    let wanted = |owner: Option<Owner>, old: u32| {
        owner.filter(|it| new || !it.only_new).map(|it| it.id).filter(|id| *id != old)
    };
    let (user, group) = (wanted(rule.user, status.st_uid), wanted(rule.group, status.st_gid));
    if user.is_some() || group.is_some() {
        fchownat(&file, "", user.map(Uid::from_raw), group.map(Gid::from_raw), AtFlags::AT_EMPTY_PATH)?;
    }
    let old = status.st_mode & 0o7777;
    let mode =
        rule.mode.filter(|mode| new || !mode.only_new).map(|mode| effective(mode, old, kind_of(&status)));
    if let Some(mode) = mode.filter(|mode| new || *mode != old || user.is_some() || group.is_some()) {
        // `fchmod` does not take a descriptor that is only for looking; its name under /proc does.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        fchmodat(nix::fcntl::AT_FDCWD, path.as_str(), bits(mode), FchmodatFlags::FollowSymlink)?;
    }
    Ok(())
}

/// With `~`, nobody is given what nobody has: no execution of a plain file, no writing to what nobody may write to.
fn effective(mode: Permissions, old: u32, kind: u32) -> u32 {
    if !mode.masked {
        return mode.bits;
    }
    let mut bits = mode.bits;
    for all in [0o111, 0o222, 0o444] {
        if old & all == 0 {
            bits &= !all;
        }
    }
    if kind == libc::S_IFDIR { bits } else { bits & !0o7000 }
}

/// A file with a second name may be somebody else's that was linked to here.
fn only_name(status: &FileStat) -> io::Result<()> {
    if kind_of(status) == libc::S_IFREG && status.st_nlink > 1 {
        return Err(io::Error::other("it is a file with several names, which may be somebody else's"));
    }
    Ok(())
}

fn copy(root: &Path, rule: &Rule) -> io::Result<()> {
    let source = rule.argument.clone().unwrap_or_else(|| format!("/usr/share/factory{}", rule.path));
    let from = match Place::find(root, &source, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        place => place?,
    };
    if from.status().is_err() {
        // Nothing to copy is no fault.
        return Ok(());
    }
    let to = Place::find(root, &rule.path, true)?;
    let is_there = match to.status() {
        Ok(status) if kind_of(&status) == libc::S_IFDIR => {
            !names_in(Place::folder(root, &rule.path)?)?.is_empty()
        }
        Ok(_) => true,
        Err(_) => false,
    };
    if is_there {
        return adjust(&to, rule, false);
    }
    copy_all(&from, &to, MAX_DEPTH)?;
    adjust(&to, rule, true)
}

fn copy_all(from: &Place, to: &Place, depth: usize) -> io::Result<()> {
    let status = from.status()?;
    let mode = bits(status.st_mode & 0o7777);
    match kind_of(&status) {
        libc::S_IFDIR => {
            match mkdirat(&to.folder, Path::new(&to.name), mode) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let mut into = Place {
                folder: to.open(OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())?,
                name: OsString::new(),
            };
            inside(from, depth, &mut |inner, depth| {
                into.name = inner.name.clone();
                copy_all(inner, &into, depth)
            })
        }
        libc::S_IFLNK => {
            let target = readlinkat(&from.folder, Path::new(&from.name))?;
            Ok(symlinkat(Path::new(&target), &to.folder, Path::new(&to.name))?)
        }
        libc::S_IFREG => {
            let mut bytes = Vec::new();
            File::from(from.open(OFlag::O_RDONLY, Mode::empty())?).read_to_end(&mut bytes)?;
            let new = to.open(OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, mode)?;
            File::from(new).write_all(&bytes)
        }
        _ => Ok(()),
    }
}
