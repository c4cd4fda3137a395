//! What the kernel is asked for: all `unsafe` of the project, one call to a block, behind safe functions.
//!
//! Nothing here decides anything. What `nix` has is taken from there by whoever needs it; here is the rest.

pub mod entropy;
pub mod interface;
pub mod own;
pub mod page;
pub mod poll;
pub mod signals;
pub mod spawn;
pub mod swap;
pub mod tty;
