//! Hard limits: how long something is waited for before the test fails. Nothing here makes anybody sleep.

use std::time::{Duration, Instant};

/// The end of a wait.
#[derive(Debug, Clone, Copy)]
pub struct Limit(Instant);

impl Limit {
    /// So far from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(now().checked_add(duration).unwrap_or_else(now))
    }

    /// So many seconds from now.
    #[must_use]
    pub fn seconds(seconds: u64) -> Self {
        Self::after(Duration::from_secs(seconds))
    }

    /// What is left of it; nothing if it has passed.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(now()).filter(|left| !left.is_zero())
    }
}

/// How long `work` took, and what it gave.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let before = now();
    let given = work();
    (now().saturating_duration_since(before), given)
}

#[allow(clippy::disallowed_methods, reason = "a test waits for the real world, so it goes by the real clock")]
fn now() -> Instant {
    Instant::now()
}
