//! The first moments of PID 1: descriptors, mounts, console. Nothing here may need anything to be there.
//! And, for test machines, what runs the command of the kernel's command line.

mod console;
mod mounts;
pub mod run;

pub use console::{active_console, open_standard_fds};
pub use mounts::mount_what_is_missing;
