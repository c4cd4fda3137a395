//! What jobs and Onset itself write, and where it is kept.
//!
//! PID 1 makes a pipe for each life of a job and keeps its reading end ([`Logs`]). A process of its own, the log
//! [`keeper`], gets a duplicate of that end when the job writes for the first time, and takes what comes out of it
//! into files. So PID 1 never reads what jobs write, a job that writes nothing costs nothing, and the keeper can be
//! killed at any time: the pipes are PID 1's, and what was in them is still there.

mod copy;
mod folder;
mod handover;
pub mod keeper;
mod level;
mod lines;
mod link;
mod message;
mod name;
mod output;
mod pipes;
mod record;
mod records;
mod shelf;
mod stamp;
mod tap;
pub mod trace;
mod voice;
mod watch;

pub use folder::{Entry, Folder};
pub use level::Level;
pub use link::Logs;
pub use message::Settings;
pub use name::Stem;
pub use output::Output;
pub use record::Record;
pub use records::Records;
pub use stamp::Stamp;
