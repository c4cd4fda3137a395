//! A page of memory that two processes see: one tells where it is, the other looks when the first is gone.

use std::{fs::File, io, os::fd::AsRawFd as _, ptr::NonNull};

/// How much there is to write to.
pub const PAGE: usize = 4096;

/// A page of a file, mapped for writing.
#[derive(Debug)]
pub struct Page(NonNull<u8>);

impl Page {
    /// Maps page `number` of `file`, which must be that long.
    pub fn map(file: &File, number: u32) -> io::Result<Self> {
        let offset = libc::off_t::from(number).saturating_mul(4096);
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory that is in use.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(at.cast()).map(Self).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
    }

    /// Writes `bytes` at the beginning, as many as fit.
    pub fn write(&mut self, bytes: &[u8]) {
        for (at, byte) in bytes.iter().take(PAGE).enumerate() {
            // SAFETY: `at` is below the length of the mapping, which lives as long as `self`.
            unsafe { self.0.as_ptr().add(at).write_volatile(*byte) };
        }
    }
}

// SAFETY: the mapping belongs to this value alone within the process.
unsafe impl Send for Page {}
