//! Swap.

use std::{ffi::CString, io, path::Path};

/// Switches one swap file or device off.
pub fn swap_off(path: &str) {
    let Ok(path) = CString::new(path) else { return };
    // SAFETY: the path ends with a zero byte and lives until the call is over. What is not switched off is said by
    // the kernel, and nothing can be done about it here.
    unsafe { libc::swapoff(path.as_ptr()) };
}

/// That a priority is given, which `libc` does not have.
const PREFER: i32 = 0x8000;

/// Switches one swap file or device on; `priority` is from 0 to 32767, the kernel's own choice without it.
pub fn swap_on(path: &Path, priority: Option<u16>) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = priority.map_or(0, |priority| PREFER | i32::from(priority & 0x7fff));
    // SAFETY: the path ends with a zero byte and lives until the call is over.
    let result = unsafe { libc::swapon(path.as_ptr(), flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
