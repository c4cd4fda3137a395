//! Tests of Onset as a whole: the rules that the repository keeps, what hostile input may not do, and Onset
//! as PID 1 of name spaces and virtual machines.
//!
//! The tests themselves are in `tests/` and `scenarios/`; here is what they share. Nothing that runs on a
//! machine depends on this crate.
#![forbid(unsafe_code)]

pub mod bench;
pub mod cpio;
pub mod failure;
pub mod fault;
pub mod folder;
pub mod fuzz;
pub mod guest;
pub mod image;
pub mod kernel;
pub mod limit;
pub mod modules;
pub mod namespace;
pub mod packages;
pub mod plan;
pub mod programs;
pub mod qemu;
pub mod qmp;
pub mod rc_tree;
pub mod scenario;
pub mod session;
pub mod stream;
pub mod terminal;
