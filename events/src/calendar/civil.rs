//! Dates and times of day, and the numbers that they are counted by.

use alloc::{format, string::String};
use core::fmt;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// The last year that is reckoned with.
pub const LAST_YEAR: i64 = 9_999;

/// What a calendar and a clock on the wall show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// The year of our era.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// Since midnight, in seconds.
    pub second: i64,
}

impl Civil {
    /// What is shown at a wall time.
    #[must_use]
    pub fn of(wall: i64) -> Self {
        let (year, month, day) = date_of(wall.div_euclid(DAY));
        Self { year, month, day, second: wall.rem_euclid(DAY) }
    }

    /// The wall time at which this is shown.
    #[must_use]
    pub fn wall(self) -> i64 {
        days_of(self.year, self.month, self.day).saturating_mul(DAY).saturating_add(self.second)
    }
}

impl fmt::Display for Civil {
    /// As in `2026-03-29 03:00:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, second } = self;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// A moment as `2026-03-29T03:00:00+02:00`, for a zone that is so many seconds ahead of UTC.
#[must_use]
pub fn rfc3339(moment: i64, ahead: i64) -> String {
    let shown = format!("{}", Civil::of(moment.saturating_add(ahead))).replacen(' ', "T", 1);
    if ahead == 0 {
        return format!("{shown}Z");
    }
    let sign = if ahead < 0 { '-' } else { '+' };
    let minutes = ahead.unsigned_abs() / 60;
    format!("{shown}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The moment that such a text says.
#[must_use]
pub fn moment(text: &str) -> Option<i64> {
    let shown = text.get(..19)?;
    let parts: alloc::vec::Vec<i64> =
        shown.split(['-', 'T', ':']).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let &[year, month, day, hour, minute, second] = parts.as_slice() else { return None };
    let day = Some(u32::try_from(day).ok()?).filter(|day| (1..=31).contains(day))?;
    let month = Some(u32::try_from(month).ok()?).filter(|month| (1..=12).contains(month))?;
    let second = hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    let ahead = match text.get(19..)? {
        "Z" => 0,
        zone => {
            let (sign, (hours, minutes)) = (zone.get(..1)?, zone.get(1..)?.split_once(':')?);
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            let ahead = hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?;
            if sign == "-" { ahead.checked_neg()? } else { ahead }
        }
    };
    Some(Civil { year, month, day, second }.wall().saturating_sub(ahead))
}

/// The number of a day, counted from the first of January 1970, in the calendar that is ours since 1582, also before.
pub fn days_of(year: i64, month: u32, day: u32) -> i64 {
    // The year begins in March: then what varies, its last day, is its last.
    let early = month <= 2;
    let year = year.saturating_sub(i64::from(early));
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_march = i64::from(if early { month.saturating_add(9) } else { month.saturating_sub(3) });
    let of_year =
        (of_march.saturating_mul(153).saturating_add(2) / 5).saturating_add(i64::from(day)).saturating_sub(1);
    let days = of_era.saturating_mul(365).saturating_add(of_era / 4).saturating_sub(of_era / 100);
    era.saturating_mul(146_097).saturating_add(days).saturating_add(of_year).saturating_sub(719_468)
}

/// Year, month and day of the day of this number.
pub fn date_of(days: i64) -> (i64, u32, u32) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let leaps = of_era / 1_460;
    let year_of_era =
        of_era.saturating_sub(leaps).saturating_add(of_era / 36_524).saturating_sub(of_era / 146_096) / 365;
    let before =
        year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100);
    let of_year = of_era.saturating_sub(before);
    let of_march = of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = of_year.saturating_sub(of_march.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
    let month = if of_march < 10 { of_march.saturating_add(3) } else { of_march.saturating_sub(9) };
    let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(i64::from(month <= 2));
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// The day of the week of the day of this number; Monday is 0.
pub fn weekday_of(days: i64) -> u32 {
    u32::try_from(days.saturating_add(3).rem_euclid(7)).unwrap_or(0)
}

/// How many days a month has.
pub const fn days_in(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Whether the year has a 29th of February.
pub const fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn days_are_numbered_one_by_one() {
        assert_eq!(days_of(1970, 1, 1), 0);
        assert_eq!(weekday_of(0), 3);
        let mut number = days_of(1583, 1, 1);
        for year in 1583..2800 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    assert_eq!(days_of(year, month, day), number);
                    assert_eq!(date_of(number), (year, month, day));
                    number += 1;
                }
            }
        }
    }

    #[test]
    fn moments_are_shown_as_people_write_them() {
        for (moment, ahead, shown) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_774_746_000, 7_200, "2026-03-29T03:00:00+02:00"),
            (951_782_400, -34_200, "2000-02-28T14:30:00-09:30"),
            (-1, 0, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(moment, ahead), shown);
            assert_eq!(super::moment(shown), Some(moment));
            assert_eq!(Civil::of(moment).wall(), moment);
        }
        assert_eq!(Civil::of(951_782_400).to_string(), "2000-02-29 00:00:00");
        for text in [
            "",
            "2026-03-29",
            "2026-13-29T03:00:00Z",
            "2026-03-29T03:00:00",
            "2026-03-29T03:00:00+x",
            "x026-03-29T03:00:00Z",
        ] {
            assert_eq!(super::moment(text), None, "{text}");
        }
    }
}
