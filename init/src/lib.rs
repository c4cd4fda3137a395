//! The world around the core: what reads folders, makes processes and talks to people.
//!
//! The decisions are in `jobs`; here they are carried out.

pub mod cli;
pub mod drawing;
pub mod executor;
pub mod pid1;
pub mod show;
pub mod sys;
pub mod tree;
