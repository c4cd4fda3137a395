//! How far the set-up of each child has come: a page that is shared with children until they execute.
//!
//! A child notes a step here with one store in place of a system call, and nobody is woken by it. The page is
//! a memfd, so that it can be handed to the next image of PID 1.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    ptr::NonNull,
    sync::atomic::{AtomicI32, AtomicU8, Ordering},
};

use nix::{
    fcntl,
    sys::memfd::{MFdFlags, memfd_create},
    unistd::ftruncate,
};

/// How many children can be set up at once.
pub const PLACES: usize = 4096;
/// First a step for each, then a pid for each.
const LENGTH: usize = PLACES + PLACES * size_of::<AtomicI32>();

/// `MFD_NOEXEC_SEAL`.
const NOEXEC_SEAL: u32 = 8;

/// The step of each child, and which process it is.
#[derive(Debug)]
pub struct Steps {
    page: NonNull<AtomicU8>,
}

impl Steps {
    /// A page on which no child has come anywhere, and the descriptor that the next image finds it by.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        let fd = memfd_create(c"onset-steps", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&fd, LENGTH as i64)?;
        Ok((Self::resume(fd.as_fd())?, fd))
    }

    /// The page of an earlier image of PID 1.
    pub fn resume(fd: BorrowedFd<'_>) -> io::Result<Self> {
        if nix::sys::stat::fstat(fd)?.st_size < LENGTH as i64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let raw = std::os::fd::AsRawFd::as_raw_fd(&fd);
        // SAFETY: a new mapping at an address of the kernel's choice. The file is ours and is never made shorter.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), LENGTH, protection, libc::MAP_SHARED, raw, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let page = NonNull::new(page.cast::<AtomicU8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { page })
    }

    /// Notes a step.
    pub fn set(&self, place: u32, step: u8) {
        if let Some(at) = self.at(place) {
            at.store(step, Ordering::Relaxed);
        }
    }

    /// Where a child notes its steps. The page stays for as long as this process does.
    #[must_use]
    pub fn slot(&self, place: u32) -> Option<&'static AtomicU8> {
        let place = usize::try_from(place).ok().filter(|place| *place < PLACES)?;
        // SAFETY: the place is within the mapping, which is never undone, and is only used atomically.
        Some(unsafe { self.page.add(place).as_ref() })
    }

    /// The last step that was noted.
    #[must_use]
    pub fn get(&self, place: u32) -> u8 {
        self.at(place).map_or(0, |at| at.load(Ordering::Relaxed))
    }

    /// Notes which process a child is: zero until it is known.
    pub fn set_pid(&self, place: u32, pid: i32) {
        if let Some(at) = self.pid_at(place) {
            at.store(pid, Ordering::Relaxed);
        }
    }

    /// Which process a child is.
    #[must_use]
    pub fn pid(&self, place: u32) -> i32 {
        self.pid_at(place).map_or(0, |at| at.load(Ordering::Relaxed))
    }

    /// Where it is noted which process a child is. The page stays for as long as this process does.
    #[must_use]
    pub fn pid_slot(&self, place: u32) -> Option<&'static AtomicI32> {
        self.pid_at(place)
    }

    fn pid_at(&self, place: u32) -> Option<&'static AtomicI32> {
        let place = usize::try_from(place).ok().filter(|place| *place < PLACES)?;
        // SAFETY: the pids begin within the mapping, after the steps.
        let pids = unsafe { self.page.add(PLACES) }.cast::<AtomicI32>();
        // SAFETY: the place is within the mapping, which is never undone and begins with a page, and it is only used
        // atomically.
        Some(unsafe { pids.add(place).as_ref() })
    }

    fn at(&self, place: u32) -> Option<&AtomicU8> {
        let place = usize::try_from(place).ok().filter(|place| *place < PLACES)?;
        // SAFETY: the place is within the mapping, which lives as long as `self`, and is only used atomically.
        Some(unsafe { self.page.add(place).as_ref() })
    }
}

/// A sealed file in memory with this text, at its beginning: what a shell reads a script from.
pub fn sealed(text: &[u8]) -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let not_executable = MFdFlags::from_bits_retain(NOEXEC_SEAL);
    // Kernels before 6.3 do not know the flag, and those after it grumble where it is missing.
    let fd = memfd_create(c"script", flags | not_executable).or_else(|_| memfd_create(c"script", flags))?;
    let mut rest = text;
    while !rest.is_empty() {
        let written = nix::unistd::write(&fd, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    let seals = fcntl::SealFlag::F_SEAL_WRITE
        | fcntl::SealFlag::F_SEAL_GROW
        | fcntl::SealFlag::F_SEAL_SHRINK
        | fcntl::SealFlag::F_SEAL_SEAL;
    fcntl::fcntl(&fd, fcntl::FcntlArg::F_ADD_SEALS(seals))?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_back_also_by_the_next_image() {
        let (steps, fd) = Steps::new().unwrap();
        steps.set(5, 7);
        steps.set(u32::MAX, 1);
        steps.set_pid(4_095, 412);
        let again = Steps::resume(fd.as_fd()).unwrap();
        assert_eq!((again.get(5), again.get(6), again.get(u32::MAX)), (7, 0, 0));
        assert_eq!((again.pid(4_095), again.pid(5), again.pid(4_096)), (412, 0, 0));
    }

    #[test]
    fn a_script_cannot_be_changed() {
        use std::io::{Read as _, Seek as _};
        let mut file = std::fs::File::from(sealed(b"echo\n").unwrap());
        assert!(std::io::Write::write(&mut file, b"x").is_err());
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "echo\n");
    }
}
