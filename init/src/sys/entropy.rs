//! The kernel's pool of randomness.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
};

/// How many bytes a seed has.
pub const SEED: usize = 256;

/// What the kernel takes: how many bits to believe in, how many bytes there are, the bytes.
#[repr(C)]
struct Pool {
    bits: libc::c_int,
    length: libc::c_int,
    bytes: [u8; SEED],
}

/// `RNDADDENTROPY`, which `libc` does not have: `_IOW('R', 0x03, int[2])`.
const ADD: u32 = 0x4008_5203;

/// Adds a seed to the pool, and has the kernel believe that it is as good as it is long. `random` is `/dev/urandom`.
pub fn credit(random: impl AsFd, seed: &[u8; SEED]) -> io::Result<()> {
    let length = libc::c_int::try_from(SEED).map_err(io::Error::other)?;
    let pool = Pool { bits: length.saturating_mul(8), length, bytes: *seed };
    let fd = random.as_fd().as_raw_fd();
    // SAFETY: the kernel reads two ints and as many bytes as the second says, all of which `pool` has.
    let result = unsafe { libc::ioctl(fd, ADD as _, std::ptr::from_ref(&pool)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Random bytes, and whether the kernel says that they are good. Never waits.
pub fn random(bytes: &mut [u8]) -> io::Result<bool> {
    if fill(bytes, libc::GRND_NONBLOCK).is_ok() {
        return Ok(true);
    }
    fill(bytes, libc::GRND_INSECURE)?;
    Ok(false)
}

fn fill(bytes: &mut [u8], flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: the kernel writes at most as many bytes as there are.
    let count = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), flags) };
    match usize::try_from(count) {
        Ok(count) if count == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
