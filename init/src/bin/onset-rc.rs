//! The commands that rc.d scripts count on: `daemon`, `limits`, `sysrc`, `rcorder` and others, by the name it is called by.
//!
//! A boot calls them for each script. So, as `onsetctl`, it begins where the C library does: what the standard library
//! prepares for programs with threads takes longer than most of what is done here.
#![no_main]

use std::ffi::{c_char, c_int};

/// Where the C library begins. The words come from the standard library, which has them from the loader.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    init::rc::begin()
}
