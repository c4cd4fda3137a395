//! What the kernel is asked for: all `unsafe` of the project, one call to a block, behind safe functions.
//!
//! Nothing here decides anything. What `nix` has is taken from there by whoever needs it; here is the rest.

pub mod alloc;
pub mod child;
pub mod entropy;
pub mod exec;
pub mod fail;
pub mod fault;
pub mod filter;
pub mod input;
pub mod interface;
pub mod ledger;
pub mod local_time;
pub mod memory;
pub mod own;
pub mod page;
pub mod pass;
pub mod pidfd;
pub mod poll;
pub mod signals;
pub mod spawn;
pub mod stat;
pub mod steps;
pub mod swap;
pub mod tty;
pub mod twin;
pub mod wait;
pub mod watchdog;
pub mod words;
