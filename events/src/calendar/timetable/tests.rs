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
