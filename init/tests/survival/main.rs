//! PID 1 dies in every way there is, as PID 1 of a pid namespace, and every process lives on.
//!
//! The program is both: started by a test runner it plays the tests, each against itself, started by `unshare` as
//! PID 1 of a namespace: there it is a small loop with an engine and a store, told what to do by lines ([`toy`]).
#![no_main]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    clippy::zombie_processes,
    reason = "a test may fail where it stands"
)]

mod driver;
mod tests;
mod toy;

use std::ffi::{c_char, c_int};

/// Shortage of memory is met from the reserve, as in PID 1.
#[global_allocator]
static ALLOCATOR: init::sys::alloc::Reserved = init::sys::alloc::Reserved;

/// What the C library calls: nothing of Rust's has run before.
#[unsafe(no_mangle)]
extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int {
    if std::process::id() == 1 {
        toy::run();
    }
    tests::run()
}
