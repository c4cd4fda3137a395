//! Puts file systems away: in a process of its own, since a dead disk or server may hold it for ever.

use std::fs;

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::{Pid, getpid, getppid, sync},
};

/// How often everything is tried again: a mount below another may go first only in the second round.
const ROUNDS: usize = 3;

/// What the kernel's own are, which stay.
const KEPT: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/"];

/// Switches swap off, unmounts what can be, and makes the rest read-only.
#[must_use]
pub fn run() -> u8 {
    // Started by anybody else than an init of its namespace it does nothing.
    if getppid() != Pid::from_raw(1) || getpid() == Pid::from_raw(1) {
        return 1;
    }
    sync();
    swap_off();
    let mut busy = Vec::new();
    for _ in 0..ROUNDS {
        busy = unmount_all();
        if busy.is_empty() {
            break;
        }
    }
    for at in busy.iter().map(String::as_str).chain(["/"]) {
        read_only(at);
    }
    sync();
    0
}

fn swap_off() {
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    for path in swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next()) {
        crate::sys::swap::swap_off(&unescape(path));
    }
}

/// Unmounts the latest first; gives those that are still there.
fn unmount_all() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut points: Vec<String> = mounts.lines().filter_map(mount_point).collect();
    points.reverse();
    points.retain(|at| !is_kept(at));
    points.retain(|at| umount2(at.as_str(), MntFlags::UMOUNT_NOFOLLOW).is_err());
    points
}

fn mount_point(line: &str) -> Option<String> {
    line.split(' ').nth(4).map(unescape)
}

fn is_kept(at: &str) -> bool {
    let below = |kept: &&str| at.strip_prefix(*kept).is_some_and(|rest| rest.starts_with('/'));
    KEPT.contains(&at) || KEPT.iter().filter(|kept| !matches!(**kept, "/" | "/run")).any(below)
}

fn read_only(at: &str) {
    let none: Option<&str> = None;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    if mount(none, at, none, flags, none).is_err() {
        // A bind mount is made so by itself; what refuses this, too, is written out by `sync`.
        let _ = mount(none, at, none, flags | MsFlags::MS_BIND, none);
    }
}

/// The kernel writes blanks and the like in these files as `\\040`.
fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let code = behind.split_first_chunk::<3>().filter(|_| *byte == b'\\');
        let code = code.and_then(|(digits, behind)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 8).ok()?, behind))
        });
        let (byte, behind) = code.unwrap_or((*byte, behind));
        out.push(byte);
        rest = behind;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_as_they_are() {
        let line = "36 35 98:0 / /mnt/a\\040b rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line).as_deref(), Some("/mnt/a b"));
        assert_eq!(unescape("a\\04"), "a\\04");
    }

    #[test]
    fn the_kernels_own_stay() {
        for (at, kept) in [
            ("/", true),
            ("/proc", true),
            ("/sys/fs/cgroup", true),
            ("/dev/shm", true),
            ("/run/lock", false),
            ("/home", false),
            ("/devices", false),
        ] {
            assert_eq!(is_kept(at), kept, "{at}");
        }
    }
}
