//! PID 1: the loop that owns the engine, and what it is made of.

pub mod clock;
pub mod files;
pub mod options;
pub mod shell;
pub mod signals;
pub mod token;
pub mod works;
