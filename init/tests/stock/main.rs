//! The stock set of jobs: that it is right as files, that a boot with it has an order that makes sense, and that each
//! verb does on a real kernel what it should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod boot;
mod files;
mod install;
mod root;
mod verbs;
