//! What an open file is, asked in the cheapest way.
//!
//! The C library asks by an empty path, for which the kernel clears a page each time: with hundreds of files that are
//! read at boot, that costs more than opening them.

use std::{
    fs::File,
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd as _, RawFd},
};

/// The mode of an open file: its kind, and what is permitted.
pub fn mode(file: &File) -> io::Result<u32> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    fstat(file.as_raw_fd(), &mut stat)?;
    // SAFETY: all bytes are zero or what the kernel wrote, and every field takes any bits.
    let stat = unsafe { stat.assume_init() };
    Ok(stat.st_mode)
}

fn fstat(fd: RawFd, stat: &mut MaybeUninit<libc::stat>) -> io::Result<()> {
    // SAFETY: the kernel writes no more than a `struct stat`, which is what is lent to it.
    let result = unsafe { libc::syscall(libc::SYS_fstat, fd, stat.as_mut_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn it_is_what_the_c_library_says() {
        for path in ["/proc/self/exe", "/dev/null", "/"] {
            let file = File::open(path).unwrap();
            assert_eq!(mode(&file).unwrap(), file.metadata().unwrap().mode(), "{path}");
        }
    }
}
