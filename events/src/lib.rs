//! What happens, and what is meant by it: events, facts, patterns and conditions.
//!
//! This crate is pure: values in, values out. It has no clock, no I/O, no thread and no `unsafe`, and the
//! compiler holds it to that (`no_std`, `forbid(unsafe_code)`). Nothing here knows what a job is.
//!
//! ```
//! use events::{Condition, Dialect, Event};
//!
//! let wanted = Condition::parse("net-device-up IFACE!=lo and (dbus-up or startup)", Dialect::Edges).unwrap();
//! let event: Event = "net-device-up IFACE=eth0".parse().unwrap();
//! let hits: Vec<usize> =
//!     wanted.leaves().enumerate().filter(|(_, leaf)| leaf.pattern.matches(&event, &|_| None)).map(|(i, _)| i).collect();
//! assert_eq!(hits, [0]);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

extern crate alloc;

mod args;
mod bus;
pub mod calendar;
mod condition;
pub mod control;
mod event;
mod fact;
mod glob;
mod mountinfo;
mod path;
mod pattern;
pub mod rtnetlink;
mod template;
mod text;
mod time;
mod udevd;
mod uevent;
pub mod vocabulary;

pub use args::{Args, MAX_ARGS};
pub use bus::{Bus, BusFull, Fold};
pub use condition::{
    Condition, ConditionError, ConditionFault, Dialect, Hold, Leaf, MAX_LEAVES, Node, Parsed, Token, tokenize,
};
pub use event::{Event, EventError};
pub use fact::{Fact, Identity};
pub use glob::glob_matches;
pub use mountinfo::{Mount, mountinfo};
pub use path::{MAX_PARTS, MAX_PATH, PathPattern, PathPatternError, Reached};
pub use pattern::{Match, MatchKey, Pattern, Want};
pub use template::{Piece, Template, TemplateError};
pub use text::{Key, Name, TextError, Value};
pub use time::{DelayError, MAX_DELAY, Time, format_delay, meant_delay, parse_delay};
pub use udevd::UdevRecord;
pub use uevent::{Uevent, device_event, lasting, uevent_file};

/// Text of any length that is cheap to clone when it is short (up to 24 bytes lie in place).
pub use compact_str::CompactString as Text;
