//! Descriptors 0 to 2, and which console people look at.

use std::{
    ffi::CString,
    fs,
    os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl, open},
    mount::{MsFlags, mount},
    sys::stat::{Mode, SFlag, makedev, mknod},
};

use crate::sys::tty::borrow_standard;

/// Opens descriptors 0, 1 and 2 where they are closed: on `/dev/null`, for which `/dev` is mounted or the node is made
/// if need be. Standard library code takes them for granted.
pub fn open_standard_fds() {
    for number in 0..3 {
        let Some(fd) = borrow_standard(number) else { continue };
        if fcntl(fd, FcntlArg::F_GETFD).is_ok() {
            continue;
        }
        // The lowest free number is the one we want, since those below are open.
        if let Some(null) = null()
            && null.as_raw_fd() == number
        {
            // It stays open for as long as we run.
            let _ = null.into_raw_fd();
        }
    }
}

fn null() -> Option<OwnedFd> {
    let try_open = || open("/dev/null", OFlag::O_RDWR, Mode::empty()).ok();
    if let Some(fd) = try_open() {
        return Some(fd);
    }
    let _ = nix::unistd::mkdir("/dev", Mode::from_bits_truncate(0o755));
    let none: Option<&str> = None;
    let _ = mount(Some("devtmpfs"), "/dev", Some("devtmpfs"), MsFlags::MS_NOSUID, none);
    if let Some(fd) = try_open() {
        return Some(fd);
    }
    for (name, major, minor, mode) in
        [("null", 1, 3, 0o666), ("console", 5, 1, 0o600), ("kmsg", 1, 11, 0o644), ("tty", 5, 0, 0o666)]
    {
        let path = CString::new(format!("/dev/{name}")).ok()?;
        let _ = mknod(path.as_c_str(), SFlag::S_IFCHR, Mode::from_bits_truncate(mode), makedev(major, minor));
    }
    try_open()
}

/// The device that the kernel's console is: the last of those that are active, as `/dev/ttyS0`. `/dev/console`
/// itself can be no controlling terminal.
#[must_use]
pub fn active_console() -> String {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let Some(mut name) = active.split_whitespace().last().map(str::to_owned) else {
        return "/dev/console".into();
    };
    // tty0 is whichever virtual terminal is in front.
    if name == "tty0" {
        let front = fs::read_to_string("/sys/class/tty/tty0/active").unwrap_or_default();
        if let Some(front) = front.split_whitespace().next() {
            name = front.to_owned();
        }
    }
    format!("/dev/{name}")
}

/// The names of all consoles that people may sit at: those of the kernel, and the first virtual terminal.
#[must_use]
pub fn consoles() -> Vec<String> {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for name in active.split_whitespace().map(|name| if name == "tty0" { "tty1" } else { name }) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    let has_screen = std::path::Path::new("/sys/class/tty/tty1").exists();
    if has_screen && !names.iter().any(|name| name == "tty1") {
        names.push("tty1".into());
    }
    names
}
