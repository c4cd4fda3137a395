//! Jobs, the graph they form, and the engine that decides what runs.
//!
//! This crate is pure: inputs in, actions out. It has no clock, no I/O, no thread and no `unsafe`, and the
//! compiler holds it to that (`no_std`, `forbid(unsafe_code)`). A whole boot is therefore a test of
//! microseconds, and a log can be played again.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

extern crate alloc;

mod action;
mod asked;
mod cause;
mod check;
pub mod encoding;
mod engine;
mod environment;
pub mod formats;
mod graph;
mod history;
mod input;
mod job;
mod journal;
mod levels;
pub mod load;
mod order;
mod process;
mod report;
pub mod simulate;
mod socket;
mod state;
mod work;

pub use action::{Action, Failing, Note, Notice, Outcome, Refusal};
pub use asked::{answer, asked, asked_for};
pub use cause::{Cause, CauseId, Happening, MAX_CHAIN};
pub use check::{LOOP_CODES, check, check_loops};
pub use engine::{
    Asked, Counters, Engine, MAX_ALARMS, MAX_INSTANCES, MAX_QUEUE, STEP_BOUND, Status, Why, failure_text,
    refusal_text,
};
pub use environment::environment;
pub use graph::{Edge as GraphEdge, Gate, Graph, Hit, JobId, Node as GraphNode, Sort};
pub use input::{Input, Life, Origin, ReplyId, Shutdown, Verb};
pub use job::{
    Again, Announcement, Format, Job, KILL_TIMEOUT, Kill, Kind, Need, Provide, Ready, Require, Respawn,
    SETTLE, STOP_VERB_LIMIT, StartMode, StopOrder,
};
pub use journal::{Journal, JournalFault, Turn};
pub use levels::{Facts, Known, Level, MAX_BRANCHES};
pub(crate) use order::job_named;
pub use order::{Edge, EdgeKind, Loop, Order, Unknown, order, says_order};
pub use process::{Exit, NoSuchSignal, ProcessKind, ProcessSet, Signal};
pub use report::{Place, Report, Severity, did_you_mean};
pub use socket::{
    ADDRESS_KINDS, Address, CONNECTION, Connections, Family, Listener, MAX_SOCKETS, NoSocket, OnConnection,
    SOCKET_EVENT, SOCKET_JOB, Socket, Transport, awaits_connections, listeners, own_sockets,
};
pub use state::{Cue, Ending, Failure, Goal, Hook, Main, Next, Phase, Pid, State};
pub use work::{AppArmor, Command, Console, IoNice, Limit, Resource, Work, WorkId};
