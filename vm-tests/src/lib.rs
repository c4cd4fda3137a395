//! Tests of Onset as a whole: the rules that the repository keeps, and what hostile input may not do.
//!
//! The tests themselves are in `tests/`; here is what they share. Nothing that runs on a machine depends on
//! this crate.
#![forbid(unsafe_code)]

pub mod fuzz;
