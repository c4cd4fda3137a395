//! Points in time and lengths of time, as numbers that somebody else has measured.

use alloc::{format, string::String};
use core::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Milliseconds since the machine booted, counting sleep (`CLOCK_BOOTTIME`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// This long after `self`; a time that cannot be said is the last one that can.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long `earlier` is ago; nothing if it is still to come.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelayError {
    /// No number where one must stand.
    #[error("`{0}` is not a length of time")]
    NotANumber(String),
    /// A number without its unit.
    #[error("`{0}` lacks its unit: ms, s, m, h or d")]
    NoUnit(String),
    /// A unit nobody knows.
    #[error("unknown unit `{0}`: ms, s, m, h and d are known")]
    Unit(String),
    /// A blank between a number and its unit.
    #[error("`{0}` has a blank, and no blank stands between number and unit")]
    Blank(String),
    /// Longer than [`MAX_DELAY`].
    #[error("`{0}` is longer than 10,000 days")]
    TooLong(String),
}

/// The longest time that is read: far more than any machine runs, so a longer one is a slip.
pub const MAX_DELAY: Duration = Duration::from_millis(10_000 * DAY);
const DAY: u64 = 86_400_000;

/// A length of time from text such as `5s`, `100ms`, `1.5s` or `1h30m`.
pub fn parse_delay(text: &str) -> Result<Duration, DelayError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DelayError::NotANumber(text.into()));
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(|| DelayError::NoUnit(text.into()))?;
        let (number, after) = rest.split_at(digits);
        let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        if unit.is_empty() && after.starts_with(char::is_whitespace) {
            return Err(DelayError::Blank(text.into()));
        }
        let thousandths = number_in_thousandths(number).ok_or_else(|| DelayError::NotANumber(text.into()))?;
        let unit_ms: u128 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => u128::from(DAY),
            _ => return Err(DelayError::Unit(unit.into())),
        };
        let part = u128::from(thousandths).checked_mul(unit_ms).map(|product| product / 1_000);
        total = part
            .and_then(|part| u64::try_from(total.as_millis().checked_add(part)?).ok())
            .map(Duration::from_millis)
            .filter(|total| *total <= MAX_DELAY)
            .ok_or_else(|| DelayError::TooLong(text.into()))?;
        rest = after.trim_start();
    }
    Ok(total)
}

/// What somebody meant who wrote `5 minutes` or `5sec`: the same with our units and without blanks.
#[must_use]
pub fn meant_delay(text: &str) -> Option<String> {
    let mut meant = String::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        meant.push_str(number);
        meant.push_str(match unit.to_ascii_lowercase().as_str() {
            "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => "ms",
            "s" | "sec" | "secs" | "second" | "seconds" => "s",
            "m" | "min" | "mins" | "minute" | "minutes" => "m",
            "h" | "hr" | "hrs" | "hour" | "hours" => "h",
            "d" | "day" | "days" => "d",
            _ => return None,
        });
        rest = after.trim_start();
    }
    parse_delay(&meant).is_ok().then_some(meant)
}

fn number_in_thousandths(number: &str) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 3 || fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(fraction)
}

/// A length of time as a person writes it: the shortest text that [`parse_delay`] reads back.
#[must_use]
pub fn format_delay(delay: Duration) -> String {
    let ms = delay.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if ms >= size && ms.is_multiple_of(size) {
            return format!("{}{unit}", ms.checked_div(size).unwrap_or(0));
        }
    }
    if ms > 1_000 {
        let text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
        return format!("{}s", text.trim_end_matches('0'));
    }
    format!("{ms}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_written() {
        for (text, ms) in [
            ("5s", 5_000),
            ("100ms", 100),
            ("1.5s", 1_500),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_delay(text), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(parse_delay(&format_delay(Duration::from_millis(ms))), Ok(Duration::from_millis(ms)));
        }
        for bad in
            ["", "s", "5", "5parsecs", "1..2s", "99999999999999999999s", "18446744073709551615d", "-1s"]
        {
            assert!(parse_delay(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn units_have_one_form_each_and_others_are_told_of_it() {
        let blank = |text: &str| Err(DelayError::Blank(text.into()));
        let unit = |text: &str| Err(DelayError::Unit(text.into()));
        for (text, refused, meant) in [
            ("5 minutes", blank("5 minutes"), Some("5m")),
            ("5 s", blank("5 s"), Some("5s")),
            ("1h 30 m", blank("1h 30 m"), Some("1h30m")),
            ("5sec", unit("sec"), Some("5s")),
            ("5min", unit("min"), Some("5m")),
            ("2Days", unit("Days"), Some("2d")),
            ("5parsecs", unit("parsecs"), None),
        ] {
            assert_eq!(parse_delay(text), refused, "{text}");
            assert_eq!(meant_delay(text).as_deref(), meant, "{text}");
        }
        assert_eq!(meant_delay("5"), None);
    }

    #[test]
    fn the_longest_time_that_is_read_is_read_again() {
        assert_eq!(parse_delay("10000d"), Ok(MAX_DELAY));
        assert_eq!(parse_delay(&format_delay(MAX_DELAY)), Ok(MAX_DELAY));
        for long in ["10000d1ms", "99999999d", "864000000.001s", "18446744073709551s616ms"] {
            assert_eq!(parse_delay(long), Err(DelayError::TooLong(long.into())), "{long}");
        }
        assert!(parse_delay(&"18446744073709551s".repeat(3)).is_err());
    }
}
