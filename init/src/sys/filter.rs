//! Filters of messages: the kernel runs them on what comes to a socket, and drops what is not wanted.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
};

use libc::sock_filter;

/// Reads two bytes at a place of the message, in the net's order.
#[must_use]
pub const fn load_two(at: u32) -> sock_filter {
    step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, at)
}

/// Reads one byte at a place of the message.
#[must_use]
pub const fn load_one(at: u32) -> sock_filter {
    step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, at)
}

/// Leaves out so many steps if what was read last is this number, else as many as `otherwise` says.
#[must_use]
pub const fn if_equal(number: u32, then: u8, otherwise: u8) -> sock_filter {
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, then, otherwise, number)
}

/// The same if one of these bits is set in it.
#[must_use]
pub const fn if_any(bits: u32, then: u8, otherwise: u8) -> sock_filter {
    step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, then, otherwise, bits)
}

/// The message is wanted.
#[must_use]
pub const fn accept() -> sock_filter {
    step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX)
}

/// The message is not wanted.
#[must_use]
pub const fn drop() -> sock_filter {
    step(libc::BPF_RET | libc::BPF_K, 0, 0, 0)
}

const fn step(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    let [a, b, ..] = code.to_le_bytes();
    sock_filter { code: u16::from_le_bytes([a, b]), jt, jf, k }
}

/// Has the kernel run a filter on what comes to a socket.
pub fn attach(socket: &impl AsFd, filter: &[sock_filter]) -> io::Result<()> {
    let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut() };
    let size = u32::try_from(size_of::<libc::sock_fprog>()).map_err(io::Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    let program = std::ptr::from_ref(&program).cast();
    // SAFETY: the kernel copies the program, which is as long as it says and lives until the call is over, and does
    // not write to it.
    let result = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, program, size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
