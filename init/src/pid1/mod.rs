//! PID 1: the loop that owns the engine, and what it is made of.

pub mod options;
pub mod shell;
pub mod token;
pub mod works;
