//! What a child asks of the kernel before it executes its program.
//!
//! Everything here works on this process alone: it is only called between the copy and `execve`. The ids are
//! set by system calls of our own, since the C library's tell other threads, which are not there any more.

use std::{
    ffi::{CStr, CString, c_ulong},
    io,
    os::fd::RawFd,
};

use super::words::Words;

fn done(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Closes the descriptors from `first` to `last`.
pub fn close_from_to(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: it takes numbers, and nothing of this process uses these descriptors any more.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == -1 {
        // A kernel before 5.9: one by one, as far as they can reach.
        for fd in first..=last.min(65_535) {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }
}

/// Puts a descriptor in another's place, where it stays open when a program is executed.
pub fn place(source: RawFd, target: RawFd) -> io::Result<()> {
    // SAFETY: it takes numbers.
    done(unsafe { libc::dup2(source, target) }.into())
}

/// Puts a descriptor at a number that is not below `least`, and closes it where it was.
pub fn move_above(fd: RawFd, least: RawFd) -> io::Result<RawFd> {
    // SAFETY: it takes numbers.
    let new = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, least) };
    done(new.into())?;
    // SAFETY: it takes a number.
    unsafe { libc::close(fd) };
    Ok(new)
}

/// Writes to a descriptor that is known by number only; a short write or failure cannot be told to anybody.
pub fn tell(fd: RawFd, bytes: &[u8]) {
    // SAFETY: the buffer is as long as is said.
    unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
}

/// Writes to a descriptor that is known by number only.
pub fn write(fd: RawFd, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the buffer is as long as is said.
    done(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as libc::c_long)
}

/// Begins a session of its own.
pub fn session() -> io::Result<()> {
    // SAFETY: it takes nothing.
    done(unsafe { libc::setsid() }.into())
}

/// Makes the terminal on `fd` the controlling one; with `from_others`, also if another session has it.
pub fn take_terminal(fd: RawFd, from_others: bool) -> io::Result<()> {
    // SAFETY: this request takes a number.
    done(unsafe { libc::ioctl(fd, libc::TIOCSCTTY, libc::c_int::from(from_others)) }.into())
}

/// Lets reads and writes of `fd` wait again.
pub fn blocking(fd: RawFd) {
    // SAFETY: it takes numbers. It cannot fail for an open descriptor.
    unsafe { libc::fcntl(fd, libc::F_SETFL, 0) };
}

/// Sets a resource limit; `None` is unlimited.
pub fn limit(resource: u32, soft: Option<u64>, hard: Option<u64>) -> io::Result<()> {
    let limit = libc::rlimit64 {
        rlim_cur: soft.unwrap_or(libc::RLIM64_INFINITY),
        rlim_max: hard.unwrap_or(libc::RLIM64_INFINITY),
    };
    let nowhere = std::ptr::null_mut::<libc::rlimit64>();
    // SAFETY: `limit` outlives the call, and the old one is not asked for.
    done(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limit, nowhere) })
}

/// Sets the file mode creation mask.
pub fn umask(mask: u16) {
    // SAFETY: it takes a number and cannot fail.
    unsafe { libc::umask(mask.into()) };
}

/// Sets the scheduling priority.
pub fn nice(priority: i8) -> io::Result<()> {
    // SAFETY: it takes numbers.
    done(unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, i32::from(priority)) })
}

/// Sets the I/O priority: 1 for realtime, 2 for best effort, 3 for idle, and the level within.
pub fn io_priority(class: u8, level: u8) -> io::Result<()> {
    const WHO_PROCESS: i32 = 1;
    let priority = (i32::from(class) << 13) | i32::from(level);
    // SAFETY: it takes numbers.
    done(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, priority) })
}

/// Sets the supplementary groups.
pub fn groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the list is as long as is said.
    done(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
}

/// Sets all group ids.
pub fn group(gid: u32) -> io::Result<()> {
    // SAFETY: it takes numbers.
    done(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })
}

/// Sets all user ids.
pub fn user(uid: u32) -> io::Result<()> {
    // SAFETY: it takes numbers.
    done(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

fn control(option: i32, first: c_ulong, second: c_ulong) -> io::Result<()> {
    let zero: c_ulong = 0;
    // SAFETY: the options that this is called with take numbers.
    done(unsafe { libc::syscall(libc::SYS_prctl, option, first, second, zero, zero) })
}

/// Drops every capability from the bounding set that is not in `kept`, and keeps the permitted ones over a
/// change of user.
pub fn bound_capabilities(kept: u64) -> io::Result<()> {
    for capability in 0..64_u32 {
        if kept.checked_shr(capability).unwrap_or(0) & 1 == 1 {
            continue;
        }
        match control(libc::PR_CAPBSET_DROP, capability.into(), 0) {
            // There are no more capabilities in this kernel.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            result => result?,
        }
    }
    control(libc::PR_SET_KEEPCAPS, 1, 0)
}

/// Has the capabilities of `kept` and no others, also over `execve` and without being root.
pub fn keep_capabilities(kept: u64) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let half = |bits: u64| {
        let bits = u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        Data { effective: bits, permitted: bits, inheritable: bits }
    };
    let header = Header { version: 0x2008_0522, pid: 0 };
    let data = [half(kept), half(kept >> 32)];
    // SAFETY: both structures are those of this version and outlive the call.
    done(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) })?;
    for capability in (0..64_u32).filter(|bit| kept.checked_shr(*bit).unwrap_or(0) & 1 == 1) {
        control(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as c_ulong, capability.into())?;
    }
    Ok(())
}

/// Never gains rights by executing a file.
pub fn no_new_privileges() -> io::Result<()> {
    control(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// The kernel's own `struct sigaction`: the C library's call keeps some signals to itself.
#[derive(Debug, Default)]
#[repr(C)]
struct SignalAction {
    handler: libc::sighandler_t,
    flags: c_ulong,
    restorer: usize,
    mask: u64,
}

/// The signals that this process ignores, as bits from 1 on: what `execve` would pass on.
#[must_use]
pub fn ignored_signals() -> u64 {
    let is_ignored = |signal: i32| {
        let mut action = SignalAction::default();
        let nothing = std::ptr::null::<SignalAction>();
        let length = size_of::<u64>();
        // SAFETY: only the present action is asked for, and `action` outlives the call.
        let result =
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, nothing, &raw mut action, length) };
        result == 0 && action.handler == libc::SIG_IGN
    };
    (1..=64_u32)
        .filter(|signal| i32::try_from(*signal).is_ok_and(is_ignored))
        .fold(0, |bits, signal| bits | 1_u64.checked_shl(signal.saturating_sub(1)).unwrap_or(0))
}

/// Gives these signals their default action; handlers go by themselves at `execve`.
pub fn default_signals(signals: u64) {
    for signal in
        (1..=64_u32).filter(|signal| signals.checked_shr(signal.saturating_sub(1)).unwrap_or(0) & 1 == 1)
    {
        let Ok(signal) = i32::try_from(signal) else { continue };
        let (action, nowhere) = (SignalAction::default(), std::ptr::null_mut::<SignalAction>());
        let length = size_of::<u64>();
        // SAFETY: the default action needs no function, and the old one is not asked for.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, nowhere, length) };
    }
}

/// Lets every signal through.
pub fn unmask_signals() {
    let none: u64 = 0;
    let nowhere = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel's own set is eight bytes long, and the old one is not asked for. It cannot fail.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, nowhere, size_of::<u64>())
    };
}

/// Our own id.
#[must_use]
pub fn own_id() -> u32 {
    std::process::id()
}

/// Executes `program`. It comes back only with a failure.
pub fn execute(program: &CStr, words: &Words, environment: &Words) -> io::Error {
    // SAFETY: all three are ended as they must be, and are there until the call is over.
    unsafe { libc::execve(program.as_ptr(), words.pointers(), environment.pointers()) };
    io::Error::last_os_error()
}

/// Lets a shell read `program`, with the same words. It comes back only with a failure.
pub fn execute_by_shell(program: &CString, words: &mut Words, environment: &Words) -> io::Error {
    let shell = c"/bin/sh";
    let pointers = words.for_shell(shell, program);
    // SAFETY: as in `execute`.
    unsafe { libc::execve(shell.as_ptr(), pointers, environment.pointers()) };
    io::Error::last_os_error()
}
