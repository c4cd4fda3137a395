//! Which occurrences of calendars are due, when the clock on the wall shows this, and none of them twice.
//!
//! The clock on the wall can be set, and it can be wrong for as long as nobody has set it. So it is not enough to know
//! what was due last. The timetable keeps the spans of time on the wall through which it has lived: what was due in
//! them is over, whatever the clock shows later. A clock that is put back an hour makes nothing come again; a clock
//! that was decades ahead until it was set leaves nothing behind but a short span decades ahead.
//!
//! What lies in no such span comes if it is at most [`LATE`] ago and after the calendar was first asked for, counted
//! back from now by the clock that nobody sets. So a machine that begins in 1970 and then learns the time starts
//! nothing but what was due since it was booted. What is longer ago was missed. Calendars that catch up have the last
//! of what was missed once, from the last occurrence that is known of them.

use alloc::{collections::BTreeMap, format, sync::Arc, vec::Vec};

use super::{
    Appointment, Zone,
    lived::{Clock, LATE, Lived, MAX_SPANS, seconds},
};
use crate::{Pattern, Text, Time};

/// Something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Who asked for it.
    pub pattern: Arc<Pattern>,
    /// For when.
    pub moment: i64,
    /// How far the zone that it was asked for in is ahead of UTC then, in seconds.
    pub ahead: i64,
}

/// What a calendar asks for, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Who asks.
    pub pattern: Arc<Pattern>,
    /// For what.
    pub appointment: Appointment,
    /// In which zone.
    pub zone: Arc<Zone>,
    /// How many seconds later it comes, within the jitter that was asked for.
    pub delay: i64,
    /// Since when it is asked for.
    pub since: Time,
    /// The last occurrence that has come, in this life of the machine or before.
    pub last: Option<i64>,
    /// When the next is due, its delay included.
    pub due: Option<i64>,
}

/// All calendars that are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timetable {
    rows: BTreeMap<Text, Row>,
    lived: Lived,
}

impl Row {
    /// When the last one is due that has not come and may still come.
    fn late(&self, clock: Clock, lived: &Lived) -> Option<i64> {
        let asked = clock.wall.saturating_sub(seconds(clock.boot.since(self.since)));
        let last = self.last.map(|last| last.saturating_add(self.delay)).filter(|last| *last <= clock.wall);
        let after = match last {
            Some(last) if self.appointment.catch_up => last,
            None if self.appointment.catch_up => asked,
            Some(_) | None => asked.max(clock.wall.saturating_sub(LATE)),
        };
        let mut until = clock.wall;
        // Each turn leaves one span behind.
        for _ in 0..=MAX_SPANS {
            let moment = self.appointment.calendar.last(
                after.saturating_sub(self.delay),
                until.saturating_sub(self.delay),
                &self.zone,
            )?;
            let due = moment.saturating_add(self.delay);
            let Some((first, _)) = lived.span_of(due) else { return Some(moment) };
            until = first.saturating_sub(1);
        }
        None
    }

    /// When the next is due, if nobody sets the clock.
    fn next(&self, wall: i64, lived: &Lived) -> Option<i64> {
        let mut after = wall;
        for _ in 0..=MAX_SPANS {
            let moment = self.appointment.calendar.next(after.saturating_sub(self.delay), &self.zone)?;
            let due = moment.saturating_add(self.delay);
            let Some((_, last)) = lived.span_of(due) else { return Some(due) };
            after = last;
        }
        None
    }
}

impl Timetable {
    /// An empty one, for somebody who has lived through this.
    #[must_use]
    pub const fn new(lived: Lived) -> Self {
        Self { rows: BTreeMap::new(), lived }
    }

    /// What is known of each row, by its pattern as text.
    pub fn rows(&self) -> impl Iterator<Item = (&Text, &Row)> {
        self.rows.iter()
    }

    /// How many calendars there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What was lived through, for whoever goes on with it.
    #[must_use]
    pub const fn lived(&self) -> &Lived {
        &self.lived
    }

    /// Asks for what a pattern asks for from now on; `seed` is the machine's own number.
    pub fn watch(
        &mut self,
        pattern: &Pattern,
        appointment: Appointment,
        zone: Arc<Zone>,
        seed: &[u8],
        clock: Clock,
    ) {
        let key = Text::from(format!("{pattern}"));
        let delay = spread(appointment.jitter, seed, &key);
        let pattern = Arc::new(pattern.clone());
        let row = Row { pattern, appointment, zone, delay, since: clock.boot, last: None, due: None };
        self.rows.insert(key.clone(), row);
        if self.lived.seen.is_none() {
            self.lived.see(clock);
        }
        self.look(&key, clock);
    }

    /// Nobody asks for it any longer.
    pub fn unwatch(&mut self, pattern: &Pattern) {
        self.rows.remove(format!("{pattern}").as_str());
    }

    /// What an earlier life of the machine, or an image before this one, knows of a row: since when it is asked for, and
    /// what came last.
    pub fn restore(&mut self, key: &str, since: Option<Time>, last: Option<i64>, clock: Clock) {
        let Some(row) = self.rows.get_mut(key) else { return };
        row.since = since.unwrap_or(row.since);
        row.last = row.last.or(last);
        self.look(key, clock);
    }

    /// This occurrence has come, though it is not known to what was lived through.
    pub fn has_come(&mut self, key: &str, moment: i64, clock: Clock) {
        let Some(row) = self.rows.get_mut(key) else { return };
        row.last = Some(moment);
        let due = moment.saturating_add(row.delay);
        if let Some((_, seen)) = self.lived.seen
            && (seen.wall..=clock.wall).contains(&due)
        {
            self.lived.add(seen.wall, due);
        }
        self.look(key, clock);
    }

    /// A zone is another now.
    pub fn set_zone(&mut self, key: &str, zone: Arc<Zone>, clock: Clock) {
        if let Some(row) = self.rows.get_mut(key) {
            row.zone = zone;
            self.look(key, clock);
        }
    }

    fn look(&mut self, key: &str, clock: Clock) {
        if let Some(row) = self.rows.get_mut(key) {
            row.due = row.next(clock.wall, &self.lived);
            // What may be late is due at once.
            if row.late(clock, &self.lived).is_some() {
                row.due = Some(clock.wall);
            }
        }
    }

    /// The clocks show this: what is due now, of each calendar once at most.
    pub fn advance(&mut self, clock: Clock) -> Vec<Occurrence> {
        let mut due = Vec::new();
        for row in self.rows.values_mut() {
            if let Some(moment) = row.late(clock, &self.lived) {
                row.last = Some(moment);
                let ahead = row.zone.ahead(moment);
                due.push(Occurrence { pattern: row.pattern.clone(), moment, ahead });
            }
        }
        due.sort_by_key(|occurrence| occurrence.moment);
        self.lived.see(clock);
        for row in self.rows.values_mut() {
            row.due = row.next(clock.wall, &self.lived);
        }
        due
    }

    /// What the clock on the wall shows when something is due next, if nobody sets it.
    #[must_use]
    pub fn due(&self) -> Option<i64> {
        self.rows.values().filter_map(|row| row.due).min()
    }
}

/// A number below `most` that is always the same for the same machine and pattern, and evenly spread over all of them.
fn spread(most: u64, seed: &[u8], key: &str) -> i64 {
    // FNV-1a, and then a multiplication that brings what the last bytes say into all bits.
    let hash = seed.iter().chain(key.as_bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let part = u128::from(hash).saturating_mul(u128::from(most)) >> 64;
    i64::try_from(part).unwrap_or(0)
}

#[cfg(test)]
mod tests;
