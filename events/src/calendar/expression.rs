//! Expressions of the calendar, such as `Mon..Fri 03:00`, and the wall times that they mean.
//!
//! ```text
//! expression  one word of: hourly daily weekly monthly yearly
//!             or, in any order, each once at most:
//!   days      Mon   Sat,Sun   Mon..Fri   monday
//!   date      YEAR-MONTH-DAY   MONTH-DAY
//!   time      HOUR:MINUTE      HOUR:MINUTE:SECOND
//! number      *   5   1,15   8..18   0/15   8..18/2   */10
//! ```
//!
//! What is not said is any day, any date, and midnight.

use alloc::{
    borrow::ToOwned as _,
    boxed::Box,
    string::{String, ToString as _},
    vec::Vec,
};

use super::civil::{Civil, DAY, LAST_YEAR, date_of, days_in, days_of, weekday_of};

/// Days of the week, which their first three letters stand for.
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// The first year that an expression may name: clocks know of none before it.
const FIRST_YEAR: i64 = 1970;
/// How many years are looked through: the 29th of February is a Monday again after 40 years at most.
const YEARS: usize = 60;
/// How many parts a list of years may have. All other lists are sets of small numbers.
const MAX_YEARS: usize = 64;

/// All hours of a day.
const ALL_HOURS: u64 = 0xff_ffff;

/// A first, a last and a step.
type Range = (i64, i64, i64);

/// Days, dates and times that people have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Days of the week; Monday is bit 0.
    days: u64,
    /// Empty for all years.
    years: Box<[Range]>,
    months: u64,
    dates: u64,
    hours: u64,
    minutes: u64,
    seconds: u64,
}

/// Why a text is no expression of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Nothing is said.
    #[error("no time is said")]
    Empty,
    /// Neither days of the week, nor a date, nor a time.
    #[error("`{0}` is neither a day of the week, nor a date, nor a time")]
    Word(String),
    /// The same thing is said again.
    #[error("`{0}` says once more what was said before it")]
    Twice(String),
    /// Not a number, or a form that is none.
    #[error("`{0}` is no number, and no list, range or step of numbers")]
    Number(String),
    /// A number that this part of a date or time cannot be.
    #[error("`{0}` is not between {1} and {2}")]
    Bounds(String, i64, i64),
    /// A range that ends before it begins.
    #[error("`{0}` ends before it begins")]
    Backward(String),
    /// A step of nothing.
    #[error("`{0}` has a step of 0")]
    Step(String),
    /// A day of the week that is none.
    #[error("`{0}` is no day of the week")]
    Day(String),
    /// A date that no year has.
    #[error("`{0}` is a day that never comes")]
    Never(String),
    /// More years than are kept.
    #[error("more than {MAX_YEARS} parts in a list of years")]
    TooLong,
}

impl Calendar {
    /// What `text` says.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let any = Self {
            days: 0x7f,
            years: Box::default(),
            months: 0x1ffe,
            dates: 0xffff_fffe,
            hours: 1,
            minutes: 1,
            seconds: 1,
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let word = match words.as_slice() {
            [] => return Err(CalendarError::Empty),
            [word] => *word,
            [..] => "",
        };
        match word {
            "hourly" => return Ok(Self { hours: ALL_HOURS, ..any }),
            "daily" => return Ok(any),
            "weekly" => return Ok(Self { days: 1, ..any }),
            "monthly" => return Ok(Self { dates: 1 << 1, ..any }),
            "yearly" => return Ok(Self { dates: 1 << 1, months: 1 << 1, ..any }),
            _ => {}
        }
        let (mut calendar, mut said) = (any, [false; 3]);
        for word in words {
            let [days, date, time] = &mut said;
            let before = if word.contains(':') {
                calendar.read_time(word)?;
                time
            } else if word.contains('-') {
                calendar.read_date(word)?;
                date
            } else if word.starts_with(|c: char| c.is_ascii_alphabetic()) {
                calendar.days = read_days(word)?;
                days
            } else {
                return Err(CalendarError::Word(word.to_owned()));
            };
            if core::mem::replace(before, true) {
                return Err(CalendarError::Twice(word.to_owned()));
            }
        }
        let can_be = calendar.next_wall(0).is_some();
        if can_be { Ok(calendar) } else { Err(CalendarError::Never(text.trim().to_owned())) }
    }

    /// `03:00`, `03:00:30`, `8..18:00`, `*:0/15`.
    fn read_time(&mut self, word: &str) -> Result<(), CalendarError> {
        let parts: Vec<&str> = word.split(':').collect();
        let (hours, minutes, seconds) = match parts.as_slice() {
            [hours, minutes] => (hours, minutes, "0"),
            [hours, minutes, seconds] => (hours, minutes, *seconds),
            _ => return Err(CalendarError::Word(word.to_owned())),
        };
        self.hours = read_set(hours, 0, 23)?;
        self.minutes = read_set(minutes, 0, 59)?;
        self.seconds = read_set(seconds, 0, 59)?;
        Ok(())
    }

    /// `2026-12-24`, `12-24`, `*-*-1`.
    fn read_date(&mut self, word: &str) -> Result<(), CalendarError> {
        let parts: Vec<&str> = word.split('-').collect();
        let (months, dates) = match parts.as_slice() {
            [months, dates] => (months, dates),
            [years, months, dates] => {
                self.years = read_years(years)?;
                (months, dates)
            }
            _ => return Err(CalendarError::Word(word.to_owned())),
        };
        self.months = read_set(months, 1, 12)?;
        self.dates = read_set(dates, 1, 31)?;
        Ok(())
    }

    /// Whether it is one of every hour: such a one goes by the time that passes, and not by the hour that is shown.
    #[must_use]
    pub const fn is_of_every_hour(&self) -> bool {
        self.hours == ALL_HOURS
    }

    /// Whether it means this wall time.
    #[must_use]
    pub fn means(&self, wall: i64) -> bool {
        let shown = Civil::of(wall);
        let (hour, minute, second) = (shown.second / 3_600, shown.second / 60 % 60, shown.second % 60);
        has(self.days, i64::from(weekday_of(wall.div_euclid(DAY))))
            && self.next_year(shown.year) == Some(shown.year)
            && has(self.months, i64::from(shown.month))
            && has(self.dates, i64::from(shown.day))
            && has(self.hours, hour)
            && has(self.minutes, minute)
            && has(self.seconds, second)
    }

    /// The first wall time from this one on that it means.
    pub(super) fn next_wall(&self, from: i64) -> Option<i64> {
        let from = from.max(0);
        let (today, second) = (from.div_euclid(DAY), from.rem_euclid(DAY));
        let first = self.next_day(today)?;
        let time = if first == today { self.next_time(second) } else { self.next_time(0) };
        let (day, time) = match time {
            Some(time) => (first, time),
            None => (self.next_day(today.saturating_add(1))?, self.next_time(0)?),
        };
        Some(day.saturating_mul(DAY).saturating_add(time))
    }

    /// The first second of a day from this one on that it means.
    fn next_time(&self, from: i64) -> Option<i64> {
        let (hour, minute, second) = (from / 3_600, from / 60 % 60, from % 60);
        let time = |hour: i64, minute: i64, second: i64| {
            hour.saturating_mul(3_600).saturating_add(minute.saturating_mul(60)).saturating_add(second)
        };
        let (minute_first, second_first) = (next_of(self.minutes, 0)?, next_of(self.seconds, 0)?);
        if has(self.hours, hour) {
            if has(self.minutes, minute)
                && let Some(second) = next_of(self.seconds, second)
            {
                return Some(time(hour, minute, second));
            }
            if let Some(minute) = next_of(self.minutes, minute.saturating_add(1)) {
                return Some(time(hour, minute, second_first));
            }
        }
        let hour = next_of(self.hours, hour.saturating_add(1))?;
        Some(time(hour, minute_first, second_first))
    }

    /// The first day from this one on that it means.
    fn next_day(&self, from: i64) -> Option<i64> {
        let (year, month, day) = date_of(from);
        let (mut first_month, mut first_day) = (i64::from(month), i64::from(day));
        let mut next = year;
        for _ in 0..YEARS {
            let found = self.next_year(next)?;
            if found != year {
                (first_month, first_day) = (1, 1);
            }
            let mut month = next_of(self.months, first_month);
            while let Some(number) = month {
                if number != first_month {
                    first_day = 1;
                }
                if let Some(day) = self.day_in(found, u32::try_from(number).ok()?, first_day) {
                    return Some(day);
                }
                first_day = 1;
                month = next_of(self.months, number.saturating_add(1));
            }
            next = found.saturating_add(1);
        }
        None
    }

    fn day_in(&self, year: i64, month: u32, from: i64) -> Option<i64> {
        let last = i64::from(days_in(year, month));
        let start = days_of(year, month, 1).saturating_sub(1);
        let mut date = next_of(self.dates, from);
        while let Some(number) = date.filter(|number| *number <= last) {
            let day = start.saturating_add(number);
            if has(self.days, i64::from(weekday_of(day))) {
                return Some(day);
            }
            date = next_of(self.dates, number.saturating_add(1));
        }
        None
    }

    /// The first year from this one on that it means.
    fn next_year(&self, from: i64) -> Option<i64> {
        if self.years.is_empty() {
            return (from <= LAST_YEAR).then_some(from);
        }
        let next = |&(first, last, step): &Range| {
            let over = from.saturating_sub(first).max(0);
            let steps = over.saturating_add(step).saturating_sub(1).checked_div(step)?;
            Some(first.saturating_add(steps.saturating_mul(step))).filter(|year| *year <= last)
        };
        self.years.iter().filter_map(next).min()
    }
}

fn has(set: u64, number: i64) -> bool {
    u32::try_from(number).ok().and_then(|number| set.checked_shr(number)).is_some_and(|rest| rest & 1 == 1)
}

/// The first number of a set from this one on.
fn next_of(set: u64, from: i64) -> Option<i64> {
    let rest = set.checked_shr(u32::try_from(from).ok()?)?;
    (rest != 0).then(|| from.saturating_add(i64::from(rest.trailing_zeros())))
}

/// `Mon`, `Mon..Fri`, `Sat,Sun`; a range may go over Sunday.
fn read_days(word: &str) -> Result<u64, CalendarError> {
    let day = |text: &str| {
        let small = text.to_ascii_lowercase();
        let is_it = |name: &str| name == small || (small.len() == 3 && name.starts_with(&*small));
        let place = DAYS.iter().position(|name| is_it(name)).and_then(|place| u32::try_from(place).ok());
        place.ok_or_else(|| CalendarError::Day(text.to_owned()))
    };
    let mut days = 0;
    for part in word.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let mut next = first;
        loop {
            days |= 1_u64.wrapping_shl(next);
            if next == last {
                break;
            }
            next = next.saturating_add(1) % 7;
        }
    }
    Ok(days)
}

/// Numbers below 64, as a set.
fn read_set(text: &str, least: i64, most: i64) -> Result<u64, CalendarError> {
    let mut set = 0;
    for part in text.split(',') {
        let (first, last, step) = read_part(part, least, most)?;
        let mut next = first;
        while next <= last {
            set |= u32::try_from(next).ok().and_then(|next| 1_u64.checked_shl(next)).unwrap_or(0);
            next = next.saturating_add(step);
        }
    }
    Ok(set)
}

fn read_years(text: &str) -> Result<Box<[Range]>, CalendarError> {
    if text == "*" {
        return Ok(Box::default());
    }
    if text.split(',').nth(MAX_YEARS).is_some() {
        return Err(CalendarError::TooLong);
    }
    text.split(',').map(|part| read_part(part, FIRST_YEAR, LAST_YEAR)).collect()
}

/// `*`, `5`, `8..18`, `0/15`, `8..18/2`, `*/10`: the first, the last and the step.
fn read_part(part: &str, least: i64, most: i64) -> Result<Range, CalendarError> {
    let number = |text: &str| -> Result<i64, CalendarError> {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_plain.then(|| text.parse().unwrap_or(i64::MAX));
        number.ok_or_else(|| CalendarError::Number(part.to_owned()))
    };
    let within = |number: i64| {
        let fits = (least..=most).contains(&number);
        if fits { Ok(number) } else { Err(CalendarError::Bounds(part.to_string(), least, most)) }
    };
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(number(step)?)),
        None => (part, None),
    };
    if step == Some(0) {
        return Err(CalendarError::Step(part.to_owned()));
    }
    let (first, last) = match range.split_once("..") {
        Some((first, last)) => (within(number(first)?)?, within(number(last)?)?),
        None if range == "*" => (least, most),
        None => {
            let first = within(number(range)?)?;
            (first, if step.is_some() { most } else { first })
        }
    };
    if last < first {
        return Err(CalendarError::Backward(part.to_owned()));
    }
    Ok((first, last, step.unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString as _, vec::Vec};

    use super::*;

    /// The next three wall times of an expression.
    #[track_caller]
    fn check(text: &str, from: &str, expected: [&str; 3]) {
        let calendar = Calendar::parse(text).unwrap();
        let mut at = wall(from);
        let mut found = Vec::new();
        for _ in 0..3 {
            let next = calendar.next_wall(at).unwrap();
            assert!(calendar.means(next), "{text}: {}", Civil::of(next));
            found.push(Civil::of(next).to_string());
            at = next + 1;
        }
        assert_eq!(found, expected, "{text}");
    }

    fn wall(text: &str) -> i64 {
        let numbers: Vec<i64> = text.split(['-', ' ', ':']).map(|part| part.parse().unwrap()).collect();
        let [year, month, day, hour, minute] = numbers[..] else { panic!("{text}") };
        Civil { year, month: month as u32, day: day as u32, second: hour * 3_600 + minute * 60 }.wall()
    }

    #[test]
    fn expressions_mean_the_times_that_they_say() {
        let all = [
            ("daily", ["2026-11-21 00:00:00", "2026-11-22 00:00:00", "2026-11-23 00:00:00"]),
            ("hourly", ["2026-11-20 15:00:00", "2026-11-20 16:00:00", "2026-11-20 17:00:00"]),
            ("weekly", ["2026-11-23 00:00:00", "2026-11-30 00:00:00", "2026-12-07 00:00:00"]),
            ("monthly", ["2026-12-01 00:00:00", "2027-01-01 00:00:00", "2027-02-01 00:00:00"]),
            ("yearly", ["2027-01-01 00:00:00", "2028-01-01 00:00:00", "2029-01-01 00:00:00"]),
            ("Mon..Fri 03:00", ["2026-11-23 03:00:00", "2026-11-24 03:00:00", "2026-11-25 03:00:00"]),
            ("Sat", ["2026-11-21 00:00:00", "2026-11-28 00:00:00", "2026-12-05 00:00:00"]),
            (
                "sat..mon,Wednesday 12:30",
                ["2026-11-21 12:30:00", "2026-11-22 12:30:00", "2026-11-23 12:30:00"],
            ),
            ("*:0/15", ["2026-11-20 14:45:00", "2026-11-20 15:00:00", "2026-11-20 15:15:00"]),
            ("8..18/5:0,30:15", ["2026-11-20 18:00:15", "2026-11-20 18:30:15", "2026-11-21 08:00:15"]),
            ("*:*:*/20", ["2026-11-20 14:40:00", "2026-11-20 14:40:20", "2026-11-20 14:40:40"]),
            ("12-24 18:00", ["2026-12-24 18:00:00", "2027-12-24 18:00:00", "2028-12-24 18:00:00"]),
            ("02-29", ["2028-02-29 00:00:00", "2032-02-29 00:00:00", "2036-02-29 00:00:00"]),
            ("Mon 02-29", ["2044-02-29 00:00:00", "2072-02-29 00:00:00", "2112-02-29 00:00:00"]),
            ("*-*-31", ["2026-12-31 00:00:00", "2027-01-31 00:00:00", "2027-03-31 00:00:00"]),
            ("Fri *-*-13", ["2027-08-13 00:00:00", "2028-10-13 00:00:00", "2029-04-13 00:00:00"]),
            ("2030..2040/5-01-01", ["2030-01-01 00:00:00", "2035-01-01 00:00:00", "2040-01-01 00:00:00"]),
            ("03:00 *-1/3-1", ["2027-01-01 03:00:00", "2027-04-01 03:00:00", "2027-07-01 03:00:00"]),
        ];
        for (text, expected) in all {
            check(text, "2026-11-20 14:40", expected);
        }
        let once = Calendar::parse("2026-12-24 18:00").unwrap();
        let first = once.next_wall(0).unwrap();
        assert_eq!(Civil::of(first).to_string(), "2026-12-24 18:00:00");
        assert_eq!(once.next_wall(first + 1), None);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_part_that_is_wrong() {
        for (text, error) in [
            ("", "no time is said"),
            ("Mon..Fry 03:00", "`Fry` is no day of the week"),
            ("3", "`3` is neither a day of the week, nor a date, nor a time"),
            ("25:00", "`25` is not between 0 and 23"),
            ("3:60", "`60` is not between 0 and 59"),
            ("1:2:3:4", "`1:2:3:4` is neither a day of the week, nor a date, nor a time"),
            ("18..8:00", "`18..8` ends before it begins"),
            ("*/0:00", "`*/0` has a step of 0"),
            (":00", "`` is no number, and no list, range or step of numbers"),
            ("-1:00", "`-1` is no number, and no list, range or step of numbers"),
            ("2026-13-01", "`13` is not between 1 and 12"),
            ("02-30", "`02-30` is a day that never comes"),
            ("2027-02-29", "`2027-02-29` is a day that never comes"),
            ("03:00 04:00", "`04:00` says once more what was said before it"),
            ("Mon Tue", "`Tue` says once more what was said before it"),
            ("99999999999999999999:00", "`99999999999999999999` is not between 0 and 23"),
            ("1,,2:00", "`` is no number, and no list, range or step of numbers"),
            ("Mon daily", "`daily` is no day of the week"),
        ] {
            assert_eq!(Calendar::parse(text).map_err(|error| error.to_string()), Err(error.into()), "{text}");
        }
        assert_eq!(Calendar::parse(&format!("{}1-1-1", "1970,".repeat(64))), Err(CalendarError::TooLong));
    }
}
