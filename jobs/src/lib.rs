//! Jobs, the graph they form, and the engine that decides what runs.
//!
//! This crate is pure: inputs in, actions out. It has no clock, no I/O, no thread and no `unsafe`, and the
//! compiler holds it to that (`no_std`, `forbid(unsafe_code)`). A whole boot is therefore a test of
//! microseconds, and a log can be played again.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

extern crate alloc;

mod check;
pub mod formats;
mod job;
pub mod load;
mod order;
mod process;
mod report;
mod work;

pub use check::check;
pub use job::{
    Again, Format, Job, KILL_TIMEOUT, Kill, Kind, Need, Provide, Ready, Require, Respawn, SETTLE,
    STOP_VERB_LIMIT, StartMode, StopOrder,
};
pub(crate) use order::job_named;
pub use order::{Edge, EdgeKind, Loop, Order, Unknown, order};
pub use process::{Exit, NoSuchSignal, ProcessKind, ProcessSet, Signal};
pub use report::{Place, Report, Severity, did_you_mean};
pub use work::{AppArmor, Command, Console, IoNice, Limit, Resource, Socket, Work};
