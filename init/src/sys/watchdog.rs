//! What the kernel's watchdog devices are asked.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
};

use libc::c_int;

mod calls {
    nix::ioctl_readwrite!(set_timeout, b'W', 6, libc::c_int);
}

/// Asks for a reset after so many seconds without food, and gives how many the device has made of it.
pub fn set_timeout(device: impl AsFd, seconds: u32) -> io::Result<u32> {
    let mut seconds = c_int::try_from(seconds).map_err(io::Error::other)?;
    // SAFETY: the call takes a number, and writes one in its place.
    unsafe { calls::set_timeout(device.as_fd().as_raw_fd(), &raw mut seconds) }?;
    u32::try_from(seconds).map_err(io::Error::other)
}
