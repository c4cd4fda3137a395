//! The world around the core: what reads folders and talks to people.
//!
//! The decisions are in `jobs`; here files are found and read, and what is to be said is shown.

pub mod cli;
pub mod drawing;
pub mod show;
pub mod tree;
