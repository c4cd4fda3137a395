//! udev's daemon, where there is one.

use std::{fs, io, os::fd::AsRawFd as _, path::PathBuf};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::{
    program,
    task::{Task, reason, say},
};

/// Where the daemon lies, the newest place first.
const DAEMONS: [&str; 6] = [
    "/usr/lib/systemd/systemd-udevd",
    "/lib/systemd/systemd-udevd",
    "/usr/sbin/udevd",
    "/sbin/udevd",
    "/usr/lib/udev/udevd",
    "/lib/udev/udevd",
];

/// Where it listens.
const CONTROL: &str = "/run/udev/control";

/// What is asked for so that devices that were there before the daemon are dealt with as if they had just come.
const COLDPLUG: [&[&str]; 3] = [
    &["trigger", "--type=subsystems", "--action=add"],
    &["trigger", "--type=devices", "--action=add"],
    &["settle", "--timeout=60"],
];

/// Becomes the daemon; with `check`, says by its status whether there is one to become; with `clear`, removes what a dead
/// one has left; with `coldplug`, has it deal with all devices that are there.
pub fn run(task: &mut Task, words: &[String]) {
    let daemon = program::first_of(&DAEMONS);
    match words.first().map(String::as_str) {
        Some("check") => {
            if daemon.is_none() || !is_writable("/sys") {
                task.end_with(1);
            }
        }
        Some("clear") => clear(),
        Some("coldplug") => coldplug(task),
        Some("database") => database(task, words.get(1).map(String::as_str) == Some("check")),
        Some(word) => task.misused(format!("udev: `{word}` is not known")),
        None => match daemon {
            Some(daemon) => {
                let error = program::become_program(&daemon, None, &[] as &[&str]);
                task.fault(format!("cannot become {}: {}", daemon.display(), reason(&error)));
            }
            None => task.fault("there is no udev daemon"),
        },
    }
}

/// Becomes the program that tells Onset what udev's database says; with `check`, says by its status whether there is one.
fn database(task: &mut Task, is_check: bool) {
    let program = program::find("onset-udev");
    if is_check {
        if program.is_none() || !is_there() {
            task.end_with(1);
        }
        return;
    }
    match program {
        Some(program) => {
            let error = program::become_program(&program, None, &[] as &[&str]);
            task.fault(format!("cannot become {}: {}", program.display(), reason(&error)));
        }
        None => task.fault("there is no onset-udev"),
    }
}

/// Whether udevd runs: the name of its socket alone may be left of one that is dead.
pub fn is_there() -> bool {
    let is_there = || {
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(CONTROL)?)
    };
    is_there().is_ok()
}

/// Removes the name of a dead daemon's socket: by it the next one would be taken for there before it is.
fn clear() {
    if is_there() {
        return;
    }
    match fs::remove_file(CONTROL) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            // The daemon replaces it, too, and a coldplug that comes too early is no reason to do without it.
            say(format!("cannot remove {CONTROL}: {}", reason(&error)));
        }
        Ok(()) | Err(_) => {}
    }
}

/// In a container, where `/sys` cannot be written to, devices are the host's.
pub fn is_writable(path: &str) -> bool {
    let flags = nix::sys::statvfs::statvfs(path).map(|it| it.flags());
    flags.is_ok_and(|flags| !flags.contains(nix::sys::statvfs::FsFlags::ST_RDONLY))
}

fn coldplug(task: &mut Task) {
    let Some(udevadm): Option<PathBuf> = program::find("udevadm") else {
        return task.fault("there is no udevadm to tell udev's daemon of what is there already");
    };
    for words in COLDPLUG {
        match program::run(&udevadm, words) {
            Ok(status) if status.success() => {}
            Ok(status) => task.fault(format!("udevadm {}: {status}", words.join(" "))),
            Err(error) => task.fault(format!("{}: {}", udevadm.display(), reason(&error))),
        }
    }
}
