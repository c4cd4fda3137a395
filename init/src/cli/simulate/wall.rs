//! The clock on the wall of a machine that is not there: times of the calendar come by it.

use std::{path::Path, sync::Arc};

use events::{
    Event, Key, Pattern, Time, Value,
    calendar::{Appointment, Clock, Lived, Place, Timetable, rfc3339},
};

use crate::sources::Zones;

/// A clock on the wall, and what is asked of it.
pub struct Wall {
    /// What it shows when the machine boots: seconds since 1970.
    at: i64,
    zones: Zones,
    table: Timetable,
    /// How many of the patterns that are watched have been looked at.
    seen: usize,
}

impl Wall {
    /// One that shows `at` when the machine boots. Zones are those of this machine.
    pub fn new(at: i64) -> Self {
        let (zones, table) = (Zones::new(Path::new("/")), Timetable::new(Lived::default()));
        Self { at, zones, table, seen: 0 }
    }

    fn clock(&self, now: Time) -> Clock {
        let since = i64::try_from(now.0 / 1_000).unwrap_or(i64::MAX);
        Clock { boot: now, wall: self.at.saturating_add(since) }
    }

    /// What is watched now, and which times of it cannot come, and why.
    pub fn watch(&mut self, watched: &[Pattern], now: Time) -> Vec<String> {
        let clock = self.clock(now);
        let mut faults = Vec::new();
        for pattern in watched.iter().skip(self.seen) {
            let Ok(appointment) = Appointment::of(pattern) else { continue };
            let zone = match &appointment.place {
                Place::Zone(zone) => Ok(Arc::new(zone.clone())),
                Place::Here => Ok(self.zones.here()),
                Place::Named(name) => self.zones.named(name),
            };
            match zone {
                Ok(zone) => self.table.watch(pattern, appointment, zone, self.zones.seed(), clock),
                Err(why) => faults.push(format!("`{pattern}` never comes: {why}")),
            }
        }
        self.seen = watched.len();
        faults
    }

    /// Whether a pattern asks for a time that comes by this clock.
    pub fn has(&self, pattern: &Pattern) -> bool {
        self.table.rows().any(|(_, row)| *row.pattern == *pattern)
    }

    /// When the next one comes.
    pub fn next(&self) -> Option<Time> {
        let left = self.table.due()?.saturating_sub(self.at);
        Some(Time(u64::try_from(left).unwrap_or(0).saturating_mul(1_000)))
    }

    /// What has come.
    pub fn come(&mut self, now: Time) -> Vec<Event> {
        let occurrences = self.table.advance(self.clock(now));
        let event = |pattern: &Pattern, moment, ahead| {
            let mut event = jobs::answer(pattern);
            if let Ok(moment) = Value::new(&rfc3339(moment, ahead)) {
                event.args.push(Key::constant("TIME"), moment);
            }
            event
        };
        occurrences.iter().map(|it| event(&it.pattern, it.moment, it.ahead)).collect()
    }
}
