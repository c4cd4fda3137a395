//! The command with which people steer Onset.
//!
//! There is no `main` of Rust's: what the standard library prepares for programs with threads (it reads all mappings of
//! the process to find the end of the stack) takes longer than to start a job.
#![no_main]

use std::ffi::{c_char, c_int};

/// Where the C library begins. The words come from the standard library, which has them from the loader.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    init::cli::begin()
}
