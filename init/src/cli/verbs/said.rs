//! What a job has written since a moment.

use core::time::Duration;

use crate::{
    cli::{connection::nap, log},
    logs::Stamp,
};

/// How long nothing more must have come, in looks, and how often it is looked.
const QUIET: u32 = 3;
const LOOK: Duration = Duration::from_millis(10);
/// How often it is looked in all: the log keeper is another process, and may be busy.
const LOOKS: u32 = 50;

/// A moment in a job's log.
#[derive(Debug)]
pub(super) struct Said {
    job: String,
    since: Stamp,
}

impl Said {
    /// What comes from here on.
    pub(super) fn from_now(job: &str) -> Self {
        Self { job: job.into(), since: Stamp::now() }
    }

    /// All that has come, once nothing has for a while.
    pub(super) fn all(&self) -> String {
        let (mut text, mut same) = (self.now(), 0_u32);
        for _ in 0..LOOKS {
            if same >= QUIET {
                break;
            }
            nap(LOOK);
            let more = self.now();
            same = if more == text { same.saturating_add(1) } else { 0 };
            text = more;
        }
        text
    }

    fn now(&self) -> String {
        log::since_then(&self.job, self.since)
    }
}
