//! The time on the wall that a machine has lived through: what was due then is over, whatever the clock shows later.
//!
//! The clock on the wall can be set, so this is a list of spans and not one moment. It is bounded, and written down so that
//! the image after this one goes on with it.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::Time;

/// How late what is due may come, in seconds, for a machine that was short asleep, slow, or whose clock was behind.
pub const LATE: i64 = 600;
/// By how many seconds the two clocks may part from each other, and nobody has set one: nothing between is left out.
const SLACK: i64 = 60;
/// How many spans are kept. More of them means that many settings of the clock to times that overlap nowhere.
pub const MAX_SPANS: usize = 16;

/// What both clocks show at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The one that nobody sets.
    pub boot: Time,
    /// The one on the wall: seconds since 1970.
    pub wall: i64,
}

/// The time on the wall that was lived through.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lived {
    /// First and last second of each span, in order of time; no two of them touch.
    pub(super) spans: Vec<(i64, i64)>,
    /// When it was looked at the clocks first and last.
    pub(super) seen: Option<(Time, Clock)>,
}

impl Lived {
    /// The span that a moment lies in.
    pub(super) fn span_of(&self, moment: i64) -> Option<(i64, i64)> {
        self.spans.iter().copied().find(|(first, last)| (*first..=*last).contains(&moment))
    }

    /// The clocks show this now. All that is due until now has come.
    pub(super) fn see(&mut self, clock: Clock) {
        let first = match self.seen {
            None => {
                self.seen = Some((clock.boot, clock));
                clock.wall
            }
            Some((began, seen)) => {
                self.seen = Some((began, clock));
                let by_wall = clock.wall.saturating_sub(seen.wall);
                let by_boot = seconds(clock.boot.since(seen.boot));
                let apart = by_wall.saturating_sub(by_boot).abs();
                if by_wall >= 0 && apart <= SLACK.saturating_add(by_boot / 1_000) {
                    seen.wall
                } else {
                    // It was set: we live through this time only since we have looked.
                    clock.wall.saturating_sub(seconds(clock.boot.since(began)).min(LATE))
                }
            }
        };
        self.add(first, clock.wall);
    }

    /// Also what lies between these has been lived through.
    pub(super) fn add(&mut self, mut first: i64, mut last: i64) {
        let touches =
            |span: &(i64, i64)| span.0 <= last.saturating_add(1) && first <= span.1.saturating_add(1);
        let (touching, apart): (Vec<_>, Vec<_>) = self.spans.iter().copied().partition(touches);
        for (other_first, other_last) in touching {
            first = first.min(other_first);
            last = last.max(other_last);
        }
        self.spans = apart;
        if self.spans.len() >= MAX_SPANS {
            self.spans.remove(0);
        }
        let place = self.spans.partition_point(|span| span.0 < first);
        self.spans.insert(place, (first, last));
    }
}

/// So many seconds, begun ones included.
pub fn seconds(length: core::time::Duration) -> i64 {
    i64::try_from(length.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX)
}
