//! What people may know of sockets: how those of a job are, and all bounds.

use std::collections::BTreeSet;

use events::Time;

use super::{
    ACCEPTS, CONNECTIONS, Sockets,
    each::SOURCES,
    open,
    owner::{LONGEST_PAUSE, PAUSE, STARTS},
};
use crate::control::Limit;

impl Sockets {
    /// How the sockets of a job are, for people.
    #[must_use]
    pub fn remarks(&self, now: Time, job: &str, instance: &str) -> Vec<String> {
        let ids = BTreeSet::from([open::owner(job, ""), open::owner(job, instance)]);
        let owners = ids.iter().filter_map(|id| self.owners.get(id));
        owners.flat_map(|owner| owner.remarks(now)).collect()
    }

    /// Their bounds, and how far they are used.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let limit = |name, value: u64, used: Option<usize>, what| Limit {
            name,
            value,
            used: used.and_then(|used| u64::try_from(used).ok()),
            what,
        };
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        vec![
            limit(
                "sockets-of-one-job",
                count(jobs::MAX_SOCKETS),
                None,
                "sockets of one job; the others are not opened",
            ),
            limit(
                "connections",
                count(CONNECTIONS),
                Some(self.connections.len()),
                "that PID 1 accepts for all jobs with `on_connection: each`; more are closed at once",
            ),
            limit("accepts-of-one-socket", count(ACCEPTS), None, "new connections in one turn of the loop"),
            limit("connection-sources", count(SOURCES), None, "addresses that are counted for one job"),
            limit("socket-starts", u64::from(STARTS), None, "starts of one job by connections within 10 s"),
            limit("socket-pause-ms", PAUSE, None, "that connections wait after so many; doubled each time"),
            limit("socket-pause-longest-ms", LONGEST_PAUSE, None, "the longest such pause"),
        ]
    }
}
