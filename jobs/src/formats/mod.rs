//! The languages that jobs are written in. Each has a file of its own, and all of them give a [`Described`].

use alloc::{string::String, vec::Vec};
use core::ops::Range;

use events::Name;

use crate::{Job, Report, Work};

pub mod hook;
pub mod inetd;
pub mod lsb;
pub mod native;
pub mod rc_conf;
pub mod rcd;
mod script;
mod shell;
pub mod upstart;

/// A file as somebody has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it was found: shown to people, and never opened here.
    pub path: String,
    /// What stands in it.
    pub text: String,
    /// Whether it may be executed.
    pub executable: bool,
}

/// A job as its file describes it, with the places of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// What the engine decides by.
    pub job: Job,
    /// How its processes are made.
    pub work: Work,
    /// Where each name that may be wrong stands.
    pub mentions: Vec<Mention>,
    /// The file it came from.
    pub path: String,
}

/// A name in a file, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// What it is used for.
    pub role: Role,
    /// The name.
    pub name: Name,
    /// Which file, if it is not the job's own (an override).
    pub path: Option<String>,
    /// Which bytes of the file.
    pub span: Range<usize>,
}

/// What a name in a file is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Something that others may require.
    Provides,
    /// Something that must have settled before.
    Requires,
    /// Something that must be up.
    Needs,
    /// Something that waits for this job.
    Before,
    /// A KEYWORD.
    Keyword,
    /// An event that starts it.
    StartOn,
    /// An event that stops it.
    StopOn,
    /// A fact that it runs along with.
    While,
    /// A job that an event's first argument names (`started NAME`).
    JobOfEvent,
    /// A mode.
    Mode,
}

/// What reading a file gives: a job (or none, where the file says so), and what is to be said about it.
///
/// A report of severity error means that the file is refused, and then there is no job; unless that file is
/// an override, which is refused alone, and then the job is as without it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The job.
    pub described: Option<Described>,
    /// Errors and warnings.
    pub reports: Vec<Report>,
}
