//! Sources: each turns one part of the world into events.

mod kernel;

pub use kernel::Kernel;
