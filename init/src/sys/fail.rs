//! Ways to die: the faults that tests make on purpose.

use std::{ffi::c_int, hint, io, os::fd::AsRawFd as _, ptr};

use super::memory;

/// Reads where nothing is.
pub fn read_nowhere() {
    let nowhere: *const u8 = hint::black_box(ptr::without_provenance(8));
    // SAFETY: it is not safe, and that is what it is for: the kernel answers with SIGSEGV.
    let byte = unsafe { ptr::read_volatile(nowhere) };
    hint::black_box(byte);
}

/// Reads a mapped file behind its end.
pub fn read_behind_end() -> io::Result<()> {
    let file = memory::memfd(c"empty")?;
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
    let start =
        unsafe { libc::mmap(ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is not safe, and that is what it is for: the kernel answers with SIGBUS.
    let byte = unsafe { ptr::read_volatile(start.cast::<u8>()) };
    hint::black_box(byte);
    Ok(())
}

/// Raises a signal as a fault of our own would.
pub fn raise(signal: c_int) {
    // SAFETY: it sends a signal to this very thread.
    let _ = unsafe { libc::raise(signal) };
}
