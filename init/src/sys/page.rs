//! A page of memory that two processes see: one tells where it is, the other looks when the first is gone.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd as _,
    ptr::NonNull,
    sync::atomic::{Ordering, compiler_fence},
};

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

    /// Writes these bytes one behind the other from the beginning, as many as fit.
    pub fn write(&mut self, parts: &[&[u8]]) {
        let mut at = 0_usize;
        for part in parts {
            let length = part.len().min(PAGE.saturating_sub(at));
            // SAFETY: `at` is not above the length of the mapping, which lives as long as `self`.
            let to = unsafe { self.0.as_ptr().add(at) };
            // SAFETY: so many bytes are left behind `at`, and so many there are in `part`, which is memory of its own.
            unsafe { to.copy_from_nonoverlapping(part.as_ptr(), length) };
            at = at.saturating_add(length);
        }
        // Whoever looks at the page later must find what was written by now.
        compiler_fence(Ordering::SeqCst);
    }
}

// SAFETY: the mapping belongs to this value alone within the process.
unsafe impl Send for Page {}
