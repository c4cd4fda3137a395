//! PID 1: the loop that owns the engine, and what it is made of.

mod again;
mod assembly;
mod booting;
pub mod clock;
mod ending;
pub mod files;
mod hearing;
mod limits;
pub mod machine;
mod notes;
pub mod options;
mod own_processes;
mod patience;
mod people;
mod perform;
mod purpose;
mod rest;
pub mod shell;
pub mod signals;
pub mod token;
pub mod works;
