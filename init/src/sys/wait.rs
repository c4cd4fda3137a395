//! What has become of children: `waitid`, with every signal that there is.

use std::io;

/// What has become of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It ended with this status.
    Ended(u8),
    /// This signal ended it.
    Killed(u8),
    /// This signal stopped it.
    Stopped(u8),
    /// It goes on.
    Continued,
}

/// Which children are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Any child's.
    Any,
    /// That of this one.
    Pid(i32),
}

/// The next change of a child that nobody has taken note of, without waiting for one; with `keep` it is only
/// looked at, and comes again. `None` if there is none, or no such child.
pub fn next(whose: Whose, keep: bool) -> io::Result<Option<(i32, Change)>> {
    let flags = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG;
    let flags = if keep { flags | libc::WNOWAIT } else { flags };
    match wait(whose, flags) {
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        result => result,
    }
}

/// Whether `pid` is a child of ours, alive or not yet reaped.
pub fn is_child(pid: i32) -> bool {
    wait(Whose::Pid(pid), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT).is_ok()
}

/// Sends a signal to a process, or with a negative number to a process group. That it is gone is no failure
/// that anybody could do something about.
pub fn kill(pid: i32, signal: u8) {
    // SAFETY: it takes numbers.
    unsafe { libc::kill(pid, signal.into()) };
}

/// The process group of a process; `None` if it is gone.
#[must_use]
pub fn group_of(pid: i32) -> Option<i32> {
    // SAFETY: it takes a number.
    let group = unsafe { libc::getpgid(pid) };
    (group > 0).then_some(group)
}

fn wait(whose: Whose, flags: i32) -> io::Result<Option<(i32, Change)>> {
    let (kind, id) = match whose {
        Whose::Any => (libc::P_ALL, 0),
        Whose::Pid(pid) => (libc::P_PID, pid.unsigned_abs()),
    };
    // SAFETY: a structure of numbers, for which all zeros is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` outlives the call.
    if unsafe { libc::waitid(kind, id, &raw mut info, flags) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: after `waitid` these fields are those of SIGCHLD; nothing found leaves them zero.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    let status = u8::try_from(status & 0xFF).unwrap_or(u8::MAX);
    let change = match info.si_code {
        libc::CLD_EXITED => Change::Ended(status),
        libc::CLD_STOPPED | libc::CLD_TRAPPED => Change::Stopped(status),
        libc::CLD_CONTINUED => Change::Continued,
        // CLD_KILLED and CLD_DUMPED, and nothing else is left.
        _ => Change::Killed(status),
    };
    Ok(Some((pid, change)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_no_child_of_ours_is_known() {
        assert!(!is_child(1));
        assert_eq!(next(Whose::Pid(1), true).unwrap(), None);
    }
}
