//! Terminals, and the three descriptors that every process has.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd},
};

/// Descriptor 0, 1 or 2, be it open or not.
#[must_use]
pub fn borrow_standard(number: RawFd) -> Option<BorrowedFd<'static>> {
    // SAFETY: these numbers are valid for `borrow_raw` (not -1), PID 1 opens them first of all and never closes them.
    (0..3).contains(&number).then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

/// Makes a terminal the one that controls this session, also if another session has it.
pub fn take_terminal(terminal: impl AsFd) -> io::Result<()> {
    // SAFETY: TIOCSCTTY takes an int by value and touches no memory of ours.
    let result = unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSCTTY, 1) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
