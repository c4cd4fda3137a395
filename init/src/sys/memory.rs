//! Memory that outlives an `exec`: anonymous files, and the one page of such a file that is mapped.

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    ptr,
    sync::atomic::AtomicU64,
};

use nix::{
    fcntl::{FallocateFlags, FcntlArg, FdFlag, fallocate, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};

pub use super::alloc::{is_relieved, is_short};

/// How many words of eight bytes the mapped page has.
pub const WORDS: usize = 512;
const PAGE: usize = WORDS * size_of::<u64>();

/// The mapped page. Words are atomic, so a signal handler may write them at any point.
pub type Words = [AtomicU64; WORDS];

/// An anonymous file of no length, closed on exec.
pub fn memfd(name: &CStr) -> io::Result<File> {
    Ok(File::from(memfd_create(name, MFdFlags::MFD_CLOEXEC)?))
}

/// An anonymous file whose `bytes` are all there from the start: writing within them never lacks memory.
pub fn fixed_memfd(name: &CStr, bytes: usize) -> io::Result<File> {
    let file = memfd(name)?;
    let length = i64::try_from(bytes).map_err(io::Error::other)?;
    fallocate(&file, FallocateFlags::empty(), 0, length)?;
    Ok(file)
}

/// The first page of `file`, mapped for good: shared with what is executed later, not with forked children,
/// and locked in memory, if the system lets us.
pub fn map_page(file: &File) -> io::Result<&'static Words> {
    if file.metadata()?.len() < PAGE as u64 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
    let start =
        unsafe { libc::mmap(ptr::null_mut(), PAGE, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the range is exactly the mapping just made.
    if unsafe { libc::madvise(start, PAGE, libc::MADV_DONTFORK) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // An unlocked page is as good as any other page of ours, so a refusal is no failure.
    // SAFETY: the range is exactly the mapping just made.
    let _ = unsafe { libc::mlock(start, PAGE) };
    // SAFETY: the mapping is a page long, aligned to a page, filled with zeros or older words, never unmapped
    // and only ever used as these atomic words.
    Ok(unsafe { &*start.cast::<Words>() })
}

unsafe extern "C" {
    /// Where the image begins in memory, as the linker says.
    static __executable_start: u8;
    /// Where its code ends.
    static etext: u8;
}

/// Lets go of memory that was needed for a moment: of what the heap has free, and of the image's pages, which the
/// kernel brings back when they are looked at again. Most of an image runs once, at boot.
pub fn give_back() {
    // SAFETY: the heap gives the kernel what nobody uses.
    unsafe { libc::malloc_trim(0) };
    let (start, end) = (&raw const __executable_start as usize, &raw const etext as usize);
    let start = start.next_multiple_of(4096);
    let length = end.saturating_sub(start);
    // SAFETY: from the beginning of the image to the end of its code nothing is ever written to, so the kernel has it
    // in the file and reads it anew.
    unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
}

/// The descriptor `fd`, that an earlier image of this process left open, and whose number it told us; closed on
/// exec from now on. Whoever calls this must be the only one who takes that number.
pub fn take_descriptor(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: it asks the kernel for a flag of a number, whatever stands behind it.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as was just seen, and by contract nobody else in this process owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn a_page_that_is_mapped_again_has_the_same_words() {
        let file = fixed_memfd(c"test", PAGE).unwrap();
        let (one, other) = (map_page(&file).unwrap(), map_page(&file).unwrap());
        one[7].store(42, Ordering::Release);
        assert_eq!(other[7].load(Ordering::Acquire), 42);
    }

    #[test]
    fn a_file_without_a_page_is_refused() {
        assert!(map_page(&memfd(c"test").unwrap()).is_err());
        assert!(take_descriptor(-1).is_err());
        assert!(take_descriptor(60_000).is_err());
    }
}
