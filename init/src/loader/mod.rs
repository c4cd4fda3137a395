//! The loader: a process that reads what people write, so that PID 1 never does.
//!
//! It reads all job files, checks them and hands over one [`Generation`](generation) in a memfd. Before it reads or parses a
//! file it says which one, on a page that PID 1 looks at if the loader dies or hangs: it is then run again
//! without that file.

pub mod generation;
mod link;
mod mode;
mod process;
mod scripts;

pub use link::{Loaded, Loader, MEMORY, ONE_FILE};
pub use process::run;
