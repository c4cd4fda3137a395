//! What the kernel is asked for: all `unsafe` of the project, one call to a block, behind safe functions.
//!
//! Nothing here decides anything. What `nix` has is taken from there by whoever needs it; here is the rest.

pub mod pass;
pub mod poll;
