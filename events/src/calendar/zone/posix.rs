//! Rules of zones, as POSIX writes them: `CET-1CEST,M3.5.0,M10.5.0/3`.

use super::{FARTHEST, Period};
use crate::calendar::civil::{DAY, date_of, days_in, days_of, is_leap, weekday_of};

/// When summer begins and ends where nothing is said of it.
const USUAL: &str = "M3.2.0,M11.1.0";
/// At which second of a day it changes where nothing is said of it.
const TWO: i64 = 7_200;
/// How many hours before or after midnight a change may be.
const MAX_HOURS: i64 = 167;

/// How a zone goes on for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// How far ahead of UTC it is in winter, in seconds.
    pub standard: i64,
    summer: Option<Summer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Summer {
    ahead: i64,
    begin: Change,
    end: Change,
}

/// When it changes: a day of the year, and a second of that day, on the wall as it was until then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    day: Day,
    second: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Day {
    /// The day of this number, from 1, which is the same in all years.
    WithoutLeap(i64),
    /// The day of this number, from 0.
    OfYear(i64),
    /// Month, which week of it (5 is the last), and day of the week, from Sunday.
    OfWeek(u32, i64, i64),
}

impl Rule {
    pub fn read(text: &str) -> Option<Self> {
        let mut rest = text;
        name(&mut rest)?;
        let standard = offset(&mut rest)?;
        if rest.is_empty() {
            return Some(Self { standard, summer: None });
        }
        name(&mut rest)?;
        let ahead = if rest.is_empty() || rest.starts_with(',') {
            standard.saturating_add(3_600)
        } else {
            offset(&mut rest)?
        };
        let (begin, end) = rest.strip_prefix(',').or(rest.is_empty().then_some(USUAL))?.split_once(',')?;
        let summer = Summer { ahead, begin: change(begin)?, end: change(end)? };
        Some(Self { standard, summer: Some(summer) })
    }

    /// The time without a change that a moment lies in.
    pub fn period(&self, moment: i64) -> Period {
        let always = Period { begin: None, end: i64::MAX, ahead: self.standard };
        let Some(summer) = &self.summer else { return always };
        let (year, _, _) = date_of(moment.saturating_add(self.standard).div_euclid(DAY));
        let around = [year.saturating_sub(1), year, year.saturating_add(1)];
        let [a, b, c] = around.map(|year| {
            let begin = summer.begin.wall(year).saturating_sub(self.standard);
            let end = summer.end.wall(year).saturating_sub(summer.ahead);
            [(begin, summer.ahead, self.standard), (end, self.standard, summer.ahead)]
        });
        let mut changes = [a[0], a[1], b[0], b[1], c[0], c[1]];
        changes.sort_unstable_by_key(|(at, ..)| *at);
        let mut period = always;
        for (at, ahead, before) in changes {
            if at > moment {
                period.end = at;
                break;
            }
            period = Period { begin: Some((at, before)), end: i64::MAX, ahead };
        }
        period
    }
}

impl Change {
    /// The wall time of the change in a year.
    fn wall(&self, year: i64) -> i64 {
        let first = days_of(year, 1, 1);
        let day = match &self.day {
            Day::WithoutLeap(number) => {
                let leap = i64::from(is_leap(year) && *number >= 60);
                first.saturating_add(*number).saturating_sub(1).saturating_add(leap)
            }
            Day::OfYear(number) => first.saturating_add(*number),
            Day::OfWeek(month, week, weekday) => {
                let first = days_of(year, *month, 1);
                // Monday is our first day, and Sunday the rule's.
                let of_first = i64::from(weekday_of(first)).saturating_add(1);
                let until = weekday.saturating_sub(of_first).rem_euclid(7);
                let weeks = week.saturating_sub(1).saturating_mul(7);
                let day = until.saturating_add(weeks);
                let last = i64::from(days_in(year, *month)).saturating_sub(1);
                first.saturating_add(if day > last { day.saturating_sub(7) } else { day })
            }
        };
        day.saturating_mul(DAY).saturating_add(self.second)
    }
}

/// Three letters or more, or what stands between `<` and `>`.
fn name(rest: &mut &str) -> Option<()> {
    let (name, after) = match rest.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?,
        None => rest.split_at_checked(rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len()))?,
    };
    *rest = after;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-');
    // The text `A` is no name by POSIX; what is written with it is clear all the same.
    (!name.is_empty() && name.chars().all(is_name)).then_some(())
}

/// How far behind UTC, which we count the other way round.
fn offset(rest: &mut &str) -> Option<i64> {
    let behind = time(rest, 24)?;
    Some(behind.saturating_neg()).filter(|ahead| ahead.abs() <= FARTHEST)
}

/// `[+-]hh[:mm[:ss]]`, in seconds.
fn time(rest: &mut &str, most: i64) -> Option<i64> {
    let (sign, plain) = match rest.strip_prefix('-') {
        Some(plain) => (-1_i64, plain),
        None => (1, rest.strip_prefix('+').unwrap_or(rest)),
    };
    *rest = plain;
    let mut seconds = number(rest, most)?.saturating_mul(3_600);
    for unit in [60, 1] {
        let Some(after) = rest.strip_prefix(':') else { break };
        *rest = after;
        seconds = seconds.saturating_add(number(rest, 59)?.saturating_mul(unit));
    }
    Some(seconds.saturating_mul(sign))
}

fn number(rest: &mut &str, most: i64) -> Option<i64> {
    let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at_checked(length)?;
    *rest = after;
    digits.parse().ok().filter(|number| *number <= most)
}

fn change(text: &str) -> Option<Change> {
    let (day, second) = match text.split_once('/') {
        Some((day, mut after)) => (day, Some(time(&mut after, MAX_HOURS)?).filter(|_| after.is_empty())?),
        None => (text, TWO),
    };
    let mut rest = day;
    let day = if let Some(after) = day.strip_prefix('J') {
        rest = after;
        Day::WithoutLeap(number(&mut rest, 365).filter(|number| *number >= 1)?)
    } else if let Some(after) = day.strip_prefix('M') {
        rest = after;
        let month = number(&mut rest, 12).filter(|month| *month >= 1)?;
        rest = rest.strip_prefix('.')?;
        let week = number(&mut rest, 5).filter(|week| *week >= 1)?;
        rest = rest.strip_prefix('.')?;
        Day::OfWeek(u32::try_from(month).ok()?, week, number(&mut rest, 6)?)
    } else {
        Day::OfYear(number(&mut rest, 365)?)
    };
    rest.is_empty().then_some(Change { day, second })
}
