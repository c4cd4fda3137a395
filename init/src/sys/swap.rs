//! Swap.

use std::ffi::CString;

/// Switches one swap file or device off.
pub fn swap_off(path: &str) {
    let Ok(path) = CString::new(path) else { return };
    // SAFETY: the path ends with a zero byte and lives until the call is over. What is not switched off is said by
    // the kernel, and nothing can be done about it here.
    unsafe { libc::swapoff(path.as_ptr()) };
}
