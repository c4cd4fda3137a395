//! What the kernel's input devices are asked.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
};

use libc::c_int;

/// The kernel's `struct input_mask`: which codes of a type are told to us.
#[repr(C)]
struct Mask {
    kind: u32,
    size: u32,
    codes: u64,
}

mod calls {
    nix::ioctl_write_ptr!(set_mask, b'E', 0x93, super::Mask);
    nix::ioctl_read_buf!(switches, b'E', 0x1b, u8);
    nix::ioctl_write_int_bad!(accept_signal, 0x4B4E);
}

/// Has a device tell us only these codes of a type; bit 0 of the first byte is code 0. Kernels before 4.4 tell all.
pub fn only(device: impl AsFd, kind: u16, codes: &[u8]) -> io::Result<()> {
    let size = u32::try_from(codes.len()).map_err(io::Error::other)?;
    let mask = Mask { kind: kind.into(), size, codes: codes.as_ptr() as u64 };
    // SAFETY: the mask and the bytes that it points to live until the call is over, and are only read.
    unsafe { calls::set_mask(device.as_fd().as_raw_fd(), &raw const mask) }?;
    Ok(())
}

/// How the switches of a device stand: bit 0 of the first byte is switch 0.
pub fn switches(device: impl AsFd) -> io::Result<[u8; 8]> {
    let mut states = [0; 8];
    // SAFETY: the kernel writes no more bytes than there are.
    unsafe { calls::switches(device.as_fd().as_raw_fd(), &mut states) }?;
    Ok(states)
}

/// Has the keys that are made for it (alt and the arrow up) send us this signal.
pub fn send_on_request(terminal: impl AsFd, signal: c_int) -> io::Result<()> {
    // SAFETY: it takes a number.
    unsafe { calls::accept_signal(terminal.as_fd().as_raw_fd(), signal) }?;
    Ok(())
}
