//! Sources: each turns one part of the world into events.

mod kernel;
mod keys;

pub use kernel::Kernel;
pub use keys::Keys;
