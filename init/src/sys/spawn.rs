//! Makes a copy of this process: by `clone3` straight into its cgroup, or by `fork` where that is denied.
//!
//! The copy is a plain fork. It may block without holding its parent, and runs ordinary code until it executes
//! another program; but it must not go on as if it were PID 1, which [`IN_CHILD`] is for.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    sync::atomic::{AtomicBool, AtomicI32, Ordering},
};

/// Whether this process is a copy that is being set up. A panic hook or fault handler that finds it set ends the
/// process with [`leave`] and does nothing else: the state and descriptors it sees are not its own.
pub static IN_CHILD: AtomicBool = AtomicBool::new(false);

/// The status with which a copy ends that could not execute its program.
pub const NOT_EXECUTED: i32 = 127;

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The kernel's `struct clone_args`, second version.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct CloneArgs {
    pub(super) flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    pub(super) stack: u64,
    pub(super) stack_size: u64,
    pub(super) tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What of the kernel is used for a copy.
#[derive(Debug, Clone, Copy)]
pub struct How<'f> {
    /// Whether `clone3` is called; otherwise it is `fork`, and the copy stays in our cgroup.
    pub clone3: bool,
    /// Whether a pidfd is wanted.
    pub pidfd: bool,
    /// The directory of the cgroup that the copy begins in. `fork` takes no notice of it.
    pub cgroup: Option<BorrowedFd<'f>>,
    /// Where the kernel notes the copy's id before the copy runs: whoever dies here in between is told all the same.
    /// `fork` takes no notice of it.
    pub noted: Option<&'f AtomicI32>,
}

/// Which of the two we are.
#[derive(Debug)]
pub enum Copy {
    /// The one that called.
    Parent {
        /// The copy's id.
        pid: i32,
        /// Its pidfd, if one was wanted and could be had.
        pidfd: Option<OwnedFd>,
    },
    /// The copy.
    Child,
}

impl CloneArgs {
    /// What `clone3` is told for such a copy. Its pidfd goes where `pidfd` points.
    pub(super) fn of(how: &How<'_>, pidfd: *mut i32) -> Self {
        let mut args = Self { flags: CLONE_CLEAR_SIGHAND, ..Self::default() };
        args.exit_signal = libc::SIGCHLD.unsigned_abs().into();
        if how.pidfd {
            args.flags |= CLONE_PIDFD;
            args.pidfd = pidfd as u64;
        }
        if let Some(cgroup) = how.cgroup {
            args.flags |= CLONE_INTO_CGROUP;
            args.cgroup = cgroup.as_raw_fd().unsigned_abs().into();
        }
        if let Some(noted) = how.noted {
            args.flags |= CLONE_PARENT_SETTID;
            args.parent_tid = noted.as_ptr() as u64;
        }
        args
    }
}

/// Copies this process. It must have one thread only, or the copy must not allocate.
pub fn copy(how: &How<'_>) -> io::Result<Copy> {
    if how.clone3 { clone3(how) } else { fork(how) }
}

fn clone3(how: &How<'_>) -> io::Result<Copy> {
    let mut pidfd: i32 = -1;
    let args = CloneArgs::of(how, &raw mut pidfd);
    // SAFETY: without CLONE_VM it is a fork: both go on from here, each with its own memory. `args` and `pidfd`
    // outlive the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            IN_CHILD.store(true, Ordering::Relaxed);
            Ok(Copy::Child)
        }
        pid => {
            let pidfd = (pidfd >= 0).then(|| {
                // SAFETY: the kernel has just made this descriptor for us.
                unsafe { OwnedFd::from_raw_fd(pidfd) }
            });
            Ok(Copy::Parent { pid: i32::try_from(pid).map_err(io::Error::other)?, pidfd })
        }
    }
}

fn fork(how: &How<'_>) -> io::Result<Copy> {
    // SAFETY: both go on from here, each with its own memory; the copy does not count on other threads.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            IN_CHILD.store(true, Ordering::Relaxed);
            Ok(Copy::Child)
        }
        pid => Ok(Copy::Parent { pid, pidfd: how.pidfd.then(|| super::pidfd::open(pid).ok()).flatten() }),
    }
}

/// Ends this process at once: nothing is flushed, closed in order or called back.
pub fn leave(status: i32) -> ! {
    // SAFETY: it takes a number and does not come back.
    unsafe { libc::_exit(status) }
}

/// A descriptor that somebody else keeps open for as long as this is used.
#[must_use]
pub fn borrowed<'f>(fd: i32) -> BorrowedFd<'f> {
    // SAFETY: whoever calls this holds the descriptor open; a closed one is an error at its next use.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// A descriptor that nobody else closes: one that the kernel has just made, or that an earlier image left us.
#[must_use]
pub fn owned(fd: i32) -> OwnedFd {
    // SAFETY: whoever calls this hands over the only copy of the number.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
