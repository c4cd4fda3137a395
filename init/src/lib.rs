//! The world around the core: what reads folders, makes processes and talks to people.
//!
//! The decisions are in `jobs`; here they are carried out.

pub mod boot;
pub mod cli;
pub mod control;
pub mod drawing;
pub mod emit;
pub mod executor;
pub mod loader;
pub mod logs;
pub mod pid1;
pub mod rc;
pub mod show;
pub mod shutdown;
pub mod sources;
pub mod stock;
pub mod store;
pub mod sys;
pub mod tree;
