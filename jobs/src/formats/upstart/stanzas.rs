//! The values that stanzas set, before they become a job.

use alloc::vec::Vec;

use events::{Key, Name, Value};

use super::condition::On;
use crate::{Exit, Format, Job, Place, Work};

/// What the stanzas of a `.conf` and its `.override`s have set, before it becomes a job.
///
/// It keeps what a [`Job`] has no place for: a respawn limit that was given without `respawn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanzas {
    /// `start on`; `None` again after `manual`.
    pub start_on: Option<On>,
    /// `stop on`.
    pub stop_on: Option<On>,
    /// Whether `manual` was said after the last `start on`.
    pub manual: bool,
    /// Whether `respawn` was said.
    pub respawn: bool,
    /// `respawn limit`; 0 in either part for no limit.
    pub respawn_limit: Option<RespawnLimit>,
    /// `env`, each name once.
    pub env: Vec<(Key, Option<Value>)>,
    /// `export`, each name once.
    pub export: Vec<Key>,
    /// `normal exit`, in order.
    pub normal_exit: Vec<Exit>,
    /// Where `cgroup` was said first.
    pub cgroup: Option<Place>,
    /// What goes into the job as it is: `task`, `expect`, `kill`, `reload signal`, `instance`.
    pub job: Job,
    /// What goes into its work as it is.
    pub work: Work,
}

/// `respawn limit`, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RespawnLimit {
    /// How often; 0 for without end.
    pub limit: u32,
    /// Within how many seconds; 0 for without end.
    pub within: u32,
    /// Where it stands.
    pub place: Place,
}

impl Stanzas {
    /// What an empty file says.
    #[must_use]
    pub fn new(name: &Name) -> Self {
        Self {
            start_on: None,
            stop_on: None,
            manual: false,
            respawn: false,
            respawn_limit: None,
            env: Vec::new(),
            export: Vec::new(),
            normal_exit: Vec::new(),
            cgroup: None,
            job: Job::new(name.clone(), Format::Upstart),
            work: Work::default(),
        }
    }
}
