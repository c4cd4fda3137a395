//! A point of the calendar, to the millisecond, as it stands before every line of a log.

use std::fmt;

/// Milliseconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub i64);

/// How long a stamp is as text: `2026-11-21T07:48:14.123Z`.
pub const STAMP: usize = 24;

const DAY: i64 = 86_400_000;

impl Stamp {
    /// What the clock on the wall says.
    #[must_use]
    pub fn now() -> Self {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME);
        let now =
            now.map_or(0, |now| now.tv_sec().saturating_mul(1_000).saturating_add(now.tv_nsec() / 1_000_000));
        Self(now)
    }

    /// This point, if `text` is one: a day, or a day and a time with minutes, seconds or milliseconds, apart by
    /// `T` or a blank, with or without `Z`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z').unwrap_or(text);
        let (day, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
        let mut numbers = day.splitn(3, '-');
        let year = digits(numbers.next()?, 4)?;
        let (month, day) = (digits(numbers.next()?, 2)?, digits(numbers.next()?, 2)?);
        let mut numbers = time.splitn(3, ':');
        let (hour, minute) = (digits(numbers.next()?, 2)?, digits(numbers.next()?, 2)?);
        let (second, milli) = match numbers.next().map(|rest| rest.split_once('.').unwrap_or((rest, "000"))) {
            Some((second, milli)) => (digits(second, 2)?, digits(milli, 3)?),
            None => (0, 0),
        };
        let right = (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 61;
        if !right || day < 1 || day > length(year, month) {
            return None;
        }
        let ms = hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
        let ms = ms.checked_mul(1_000)?.checked_add(milli)?;
        Some(Self(days(year, month, day).checked_mul(DAY)?.checked_add(ms)?))
    }

    /// The stamp at the start of a line.
    #[must_use]
    pub fn parse_line(line: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(line.get(..STAMP)?).ok()?;
        // Its form first, so that only what a log keeper has written counts.
        let formed = text.ends_with('Z') && text.get(10..11) == Some("T") && text.get(19..20) == Some(".");
        formed.then(|| Self::parse(text)).flatten()
    }

    /// This point, so many milliseconds earlier.
    #[must_use]
    pub const fn earlier(self, ms: i64) -> Self {
        Self(self.0.saturating_sub(ms))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years of four digits only, so that a stamp is always as long.
        let ms = self.0.clamp(0, 253_402_300_799_999);
        let (year, month, day) = date(ms / DAY);
        let (ms, s) = (ms % 1_000, ms / 1_000);
        let (second, minute, hour) = (s % 60, s / 60 % 60, s / 3_600 % 24);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of January of a year.
const fn days_to(year: i64) -> i64 {
    let before = year.saturating_sub(1);
    let leaps = (before / 4).saturating_sub(before / 100).saturating_add(before / 400);
    year.saturating_mul(365).saturating_add(leaps).saturating_sub(719_527)
}

/// Days from 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let months: i64 = (1..month).map(|month| length(year, month)).sum();
    days_to(year).saturating_add(months).saturating_add(day).saturating_sub(1)
}

/// Year, month and day, so many days after 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    // The first guess is never too early, and too late by at most one.
    let mut year = (days / 365).saturating_add(1970);
    while days_to(year) > days {
        year = year.saturating_sub(1);
    }
    let mut left = days.saturating_sub(days_to(year));
    for month in 1..12 {
        if left < length(year, month) {
            return (year, month, left.saturating_add(1));
        }
        left = left.saturating_sub(length(year, month));
    }
    (year, 12, left.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_written_and_read() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_247_294_123, "2026-11-21T07:48:14.123Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Stamp(ms).to_string(), text);
            assert_eq!(Stamp::parse(text), Some(Stamp(ms)), "{text}");
            assert_eq!(Stamp::parse_line(format!("{text} x").as_bytes()), Some(Stamp(ms)), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_the_day_it_says() {
        for day in 0..146_097 {
            let (year, month, day_of_month) = date(day);
            assert_eq!(days(year, month, day_of_month), day);
        }
    }

    #[test]
    fn people_may_leave_out_the_end() {
        let day = Some(Stamp(1_795_219_200_000));
        for text in ["2026-11-21", "2026-11-21T00:00", "2026-11-21 00:00:00", "2026-11-21 00:00:00.000Z"] {
            assert_eq!(Stamp::parse(text), day, "{text}");
        }
        for text in [
            "",
            "21",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-11-21T24:00",
            "2026-11-21Tx",
            "+026-01-01",
        ] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }
}
