//! Bounds of PID 1's own parts, for those who ask.

use std::time::Duration;

use crate::{control::Limit, executor::Executor, loader, sources::Sources};

/// All of them.
#[must_use]
pub fn all(executor: &Executor, sources: &Sources, settle: Duration) -> Vec<Limit> {
    let limit = |name, value: u64, used: Option<usize>, what| Limit {
        name,
        value,
        used: used.and_then(|used| u64::try_from(used).ok()),
        what,
    };
    let millis = |length: std::time::Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut limits = vec![
        limit(
            "starts-at-once",
            executor_at_once(),
            Some(executor.in_line()),
            "processes that are set up at a time",
        ),
        limit("loader-memory", loader::MEMORY, None, "bytes that the loader may have"),
        limit(
            "loader-one-file-ms",
            millis(loader::ONE_FILE),
            None,
            "that the loader may be at one file, twice",
        ),
        limit("settle-ms", millis(settle), None, "until it is said who holds the boot up"),
    ];
    limits.extend(sources.limits());
    limits
}

fn executor_at_once() -> u64 {
    u64::try_from(crate::executor::AT_ONCE).unwrap_or(u64::MAX)
}
