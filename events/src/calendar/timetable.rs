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

use serde::{Deserialize, Serialize};

use super::{Appointment, Zone};
use crate::{Pattern, Text, Time};

/// How late what is due may come, in seconds, for a machine that was short asleep, slow, or whose clock was behind.
const LATE: i64 = 600;
/// By how many seconds the two clocks may part from each other, and nobody has set one: nothing between is left out.
const SLACK: i64 = 60;
/// How many spans are kept. More of them means that many settings of the clock to times that overlap nowhere.
const MAX_SPANS: usize = 16;

/// What both clocks show at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The one that nobody sets.
    pub boot: Time,
    /// The one on the wall: seconds since 1970.
    pub wall: i64,
}

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

/// The time on the wall that was lived through.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lived {
    /// First and last second of each span, in order of time; no two of them touch.
    spans: Vec<(i64, i64)>,
    /// When it was looked at the clocks first and last.
    seen: Option<(Time, Clock)>,
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

impl Lived {
    fn span_of(&self, moment: i64) -> Option<(i64, i64)> {
        self.spans.iter().copied().find(|(first, last)| (*first..=*last).contains(&moment))
    }

    /// The clocks show this now. All that is due until now has come.
    fn see(&mut self, clock: Clock) {
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

    fn add(&mut self, mut first: i64, mut last: i64) {
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

/// So many seconds, begun ones included.
fn seconds(length: core::time::Duration) -> i64 {
    i64::try_from(length.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX)
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
mod tests {
    use alloc::string::String;

    use super::*;
    use crate::{
        Condition, Dialect,
        calendar::{Place, rfc3339},
    };

    /// A machine whose clocks are ours.
    struct Machine {
        table: Timetable,
        clock: Clock,
        log: Vec<String>,
    }

    /// 2026-11-20 12:00:00 UTC.
    const NOON: i64 = 1_795_176_000;

    impl Machine {
        fn new(wall: i64) -> Self {
            let clock = Clock { boot: Time(5_000), wall };
            Self { table: Timetable::default(), clock, log: Vec::new() }
        }

        fn asks(mut self, text: &str) -> Self {
            let condition = Condition::parse(text, Dialect::Edges).unwrap();
            let pattern = condition.single().unwrap();
            let appointment = Appointment::of(pattern).unwrap();
            let zone = match &appointment.place {
                Place::Zone(zone) => Arc::new(zone.clone()),
                Place::Here | Place::Named(_) => Arc::new(Zone::utc()),
            };
            self.table.watch(pattern, appointment, zone, b"machine", self.clock);
            self
        }

        /// Lets time go on for so many seconds, and looks when something is due, as the source does.
        fn runs(&mut self, seconds: i64) {
            let end = self.clock.wall + seconds;
            loop {
                let due = self.table.due().filter(|due| *due <= end);
                let next = due.unwrap_or(end).max(self.clock.wall);
                self.clock.boot.0 += (next - self.clock.wall) as u64 * 1_000;
                self.clock.wall = next;
                self.looks();
                if due.is_none() {
                    return;
                }
            }
        }

        /// Time goes on, and nobody looks.
        fn sleeps(&mut self, seconds: i64) {
            self.clock.boot.0 += seconds as u64 * 1_000;
            self.clock.wall += seconds;
            self.looks();
        }

        /// Somebody sets the clock, this much forward.
        fn is_set(&mut self, by: i64) {
            self.clock.wall += by;
            self.looks();
        }

        fn looks(&mut self) {
            for occurrence in self.table.advance(self.clock) {
                self.log.push(rfc3339(occurrence.moment, occurrence.ahead));
            }
        }

        #[track_caller]
        fn has_had(&mut self, expected: &[&str]) {
            assert_eq!(self.log, expected);
            self.log.clear();
        }
    }

    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;

    #[test]
    fn what_is_due_comes_when_it_is_due() {
        let mut machine = Machine::new(NOON).asks("calendar AT=03:00");
        assert_eq!(machine.table.due(), Some(NOON + 15 * HOUR));
        machine.runs(3 * DAY);
        machine.has_had(&["2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z", "2026-11-23T03:00:00Z"]);
        // At the second at which it is asked for, nothing is due yet.
        let mut machine = Machine::new(NOON).asks("calendar AT=*:0/30");
        machine.runs(HOUR);
        machine.has_had(&["2026-11-20T12:30:00Z", "2026-11-20T13:00:00Z"]);
    }

    #[test]
    fn what_was_slept_through_comes_once_if_it_is_not_long_ago_or_catches_up() {
        for (asked, slept, expected) in [
            ("calendar AT=*:*", 9 * 60 + 30, &["2026-11-20T12:09:00Z"][..]),
            ("calendar AT=12:05", 14 * 60, &["2026-11-20T12:05:00Z"]),
            ("calendar AT=12:05", 16 * 60, &[]),
            ("calendar AT=12:05 CATCH_UP=yes", 16 * 60, &["2026-11-20T12:05:00Z"]),
            ("calendar AT=daily CATCH_UP=yes", 10 * DAY, &["2026-11-30T00:00:00Z"]),
            ("calendar AT=daily", 10 * DAY, &[]),
        ] {
            let mut machine = Machine::new(NOON).asks(asked);
            machine.sleeps(slept);
            machine.has_had(expected);
            machine.runs(20);
            machine.has_had(&[]);
        }
    }

    #[test]
    fn a_clock_that_is_put_back_makes_nothing_come_again() {
        let mut machine = Machine::new(NOON).asks("calendar AT=12:30");
        machine.runs(HOUR);
        machine.has_had(&["2026-11-20T12:30:00Z"]);
        for _ in 0..20 {
            machine.is_set(-HOUR);
            machine.runs(HOUR);
        }
        machine.has_had(&[]);
        machine.runs(DAY);
        machine.has_had(&["2026-11-21T12:30:00Z"]);
        // What had not come yet comes.
        machine.is_set(-2 * HOUR);
        machine.is_set(-10 * DAY);
        machine.runs(DAY);
        machine.has_had(&["2026-11-11T12:30:00Z"]);
    }

    #[test]
    fn a_clock_that_is_years_off_leaves_no_timer_behind() {
        for by in [10 * YEAR, -10 * YEAR, 72 * YEAR, -(NOON - 30)] {
            let mut machine = Machine::new(NOON).asks("calendar AT=12:30").asks("calendar AT=*:0/20");
            machine.is_set(by);
            machine.runs(60);
            machine.is_set(-by);
            machine.log.clear();
            machine.runs(HOUR);
            machine.has_had(&[
                "2026-11-20T12:20:00Z",
                "2026-11-20T12:30:00Z",
                "2026-11-20T12:40:00Z",
                "2026-11-20T13:00:00Z",
            ]);
        }
    }

    #[test]
    fn a_machine_that_begins_in_1970_starts_only_what_is_due_since_it_was_booted() {
        let all = |wall| {
            Machine::new(wall)
                .asks("calendar AT=03:00")
                .asks("calendar AT=daily CATCH_UP=yes")
                .asks("calendar AT=12:00:20")
                .asks("calendar AT=hourly")
        };
        let mut machine = all(0);
        machine.sleeps(40);
        machine.has_had(&["1970-01-01T00:00:00Z"][..0]);
        machine.is_set(NOON - 40 + 45);
        // 12:00:05 is when it was booted.
        machine.has_had(&["2026-11-20T12:00:20Z"]);
        machine.runs(HOUR);
        machine.has_had(&["2026-11-20T13:00:00Z"]);
    }

    #[test]
    fn what_was_missed_while_off_comes_once_when_it_is_known_what_came_last() {
        let key = "calendar AT=03:00 CATCH_UP=yes";
        for (last, expected) in [
            (Some(NOON - 3 * DAY), &["2026-11-20T03:00:00Z"][..]),
            (Some(NOON - 9 * HOUR), &[]),
            (None, &[]),
            // From a clock that was wrong.
            (Some(NOON + 10 * YEAR), &[]),
        ] {
            let mut machine = Machine::new(NOON).asks(key);
            machine.runs(20);
            machine.table.restore(key, None, last, machine.clock);
            machine.runs(20);
            machine.has_had(expected);
            machine.runs(DAY);
            machine.has_had(&["2026-11-21T03:00:00Z"]);
            assert_eq!(machine.table.rows().next().unwrap().1.last, Some(NOON + 15 * HOUR));
        }
        // Before it knows the time, nothing was missed.
        let mut machine = Machine::new(0).asks(key);
        machine.table.restore(key, None, Some(NOON - 3 * DAY), machine.clock);
        machine.runs(30);
        machine.has_had(&[]);
        machine.is_set(NOON - 30);
        machine.has_had(&["2026-11-20T03:00:00Z"]);
    }

    #[test]
    fn an_image_after_this_one_goes_on_where_it_was() {
        let mut machine = Machine::new(NOON).asks("calendar AT=*:*");
        machine.runs(150);
        machine.has_had(&["2026-11-20T12:01:00Z", "2026-11-20T12:02:00Z"]);
        let lived = machine.table.lived().clone();
        let since = machine.table.rows().next().unwrap().1.since;
        // It fires once more, of which only the event is known, and then all else is lost.
        machine.runs(35);
        machine.has_had(&["2026-11-20T12:03:00Z"]);
        machine.table = Timetable::new(lived);
        let mut machine = machine.asks("calendar AT=*:*");
        machine.table.restore("calendar AT=*:*", Some(since), None, machine.clock);
        machine.table.has_come("calendar AT=*:*", NOON + 180, machine.clock);
        machine.runs(0);
        machine.has_had(&[]);
        machine.runs(60);
        machine.has_had(&["2026-11-20T12:04:00Z"]);
        // What was due while there was no image comes.
        let (lived, clock) = (machine.table.lived().clone(), machine.clock);
        machine.clock =
            Clock { boot: clock.boot.after(core::time::Duration::from_mins(1)), wall: clock.wall + 60 };
        machine.table = Timetable::new(lived);
        let mut machine = machine.asks("calendar AT=*:*");
        machine.table.restore("calendar AT=*:*", Some(since), Some(NOON + 240), machine.clock);
        assert_eq!(machine.table.due(), Some(machine.clock.wall));
        machine.runs(0);
        machine.has_had(&["2026-11-20T12:05:00Z"]);
    }

    #[test]
    fn jitter_is_the_same_each_day_and_another_for_each_job() {
        let text = |job: usize| format!("calendar AT=daily JITTER=1h JOB=j{job}");
        let mut machine = Machine::new(NOON);
        for job in 0..100 {
            machine = machine.asks(&text(job));
        }
        let delays: Vec<i64> = machine.table.rows().map(|(_, row)| row.delay).collect();
        assert!(delays.iter().all(|delay| (0..HOUR).contains(delay)));
        let early = delays.iter().filter(|delay| **delay < HOUR / 2).count();
        assert!((30..70).contains(&early), "{early}");
        let mut again = Machine::new(NOON).asks(&text(7));
        let first = again.table.due().unwrap();
        again.runs(DAY);
        // It tells of the time that was asked for.
        again.has_had(&["2026-11-21T00:00:00Z"]);
        assert_eq!(again.table.due().unwrap(), first + DAY);
        // Whoever looks between the time and its delay loses nothing.
        let mut looked = Machine::new(NOON).asks(&text(7));
        looked.runs(12 * HOUR);
        looked.has_had(&[]);
        looked.runs(HOUR);
        looked.has_had(&["2026-11-21T00:00:00Z"]);
    }

    #[test]
    fn slow_corrections_lose_nothing() {
        let mut machine = Machine::new(NOON).asks("calendar AT=*:*:0/10");
        for step in 0..360 {
            // A second forward or back every ten.
            machine.runs(10);
            machine.is_set(if step % 2 == 0 { 1 } else { -1 });
        }
        let mut all = machine.log.clone();
        all.dedup();
        assert_eq!(all.len(), machine.log.len(), "one came twice");
        assert_eq!(machine.log.len(), 360);
        assert!(machine.table.lived().spans.len() < 3);
    }

    #[test]
    fn what_is_kept_of_a_clock_that_jumps_is_bounded() {
        let mut machine = Machine::new(NOON).asks("calendar AT=hourly");
        for step in 0..200 {
            machine.runs(60);
            machine.is_set(if step % 3 == 0 { 5 * YEAR } else { -2 * YEAR - 17 * HOUR });
        }
        assert!(machine.table.lived().spans.len() <= MAX_SPANS);
        assert!(machine.table.due().is_some());
    }
}
