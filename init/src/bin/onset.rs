//! `onset`: PID 1, and under other names the processes that it starts from its own image.
//!
//! There is no `main` of Rust's: the standard library would look at descriptors 0 to 2 before us, and abort where they
//! are closed and `/dev/null` is missing.
#![no_main]

use std::ffi::{c_char, c_int};

/// Memory that is there when there is no more.
#[global_allocator]
static MEMORY: init::sys::alloc::Reserved = init::sys::alloc::Reserved;

/// Where the C library begins. The words come from the standard library, which has them from the loader.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    init::boot::begin()
}
