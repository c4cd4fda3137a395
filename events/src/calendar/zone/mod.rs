//! Zones: what clocks on the wall show at a moment.
//!
//! A zone is a list of changes that are known, and a rule for all that comes after. Names of zones mean nothing here:
//! whoever has a name brings the bytes of its file.

mod posix;
mod tzif;

use alloc::{boxed::Box, string::String};

use posix::Rule;

/// How far a zone may be from UTC, in seconds.
const FARTHEST: i64 = 26 * 3_600;

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Zone {
    /// How far ahead of UTC it was before the first change.
    first: i64,
    /// When it changed, and how far ahead it is from then on; in order.
    changes: Box<[(i64, i64)]>,
    /// How it goes on after the last change; without one it stays as it is.
    rule: Option<Rule>,
}

/// A time in which a zone does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Its first moment, and how far ahead the zone was until then; `None` if it was never otherwise.
    pub begin: Option<(i64, i64)>,
    /// The moment that is no longer in it.
    pub end: i64,
    /// How far the zone is ahead of UTC, in seconds.
    pub ahead: i64,
}

/// Why something is no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The bytes of a file do not begin as they must.
    #[error("not a TZif file")]
    NotTzif,
    /// They end too early.
    #[error("the TZif file ends too early")]
    Short,
    /// A number in it is one that cannot be.
    #[error("the TZif file is damaged: {0}")]
    Damaged(&'static str),
    /// It counts leap seconds, which the machine's clock does not.
    #[error("the TZif file counts leap seconds, and the machine's clock does not")]
    Leap,
    /// The text is no rule.
    #[error("`{0}` is no rule of a zone, such as `CET-1CEST,M3.5.0,M10.5.0/3`")]
    Rule(String),
}

impl Zone {
    /// The one that all others are counted from.
    #[must_use]
    pub fn utc() -> Self {
        Self::default()
    }

    /// The zone that the bytes of a TZif file tell of (RFC 9636).
    pub fn tzif(bytes: &[u8]) -> Result<Self, ZoneError> {
        tzif::read(bytes)
    }

    /// The zone of a rule, as the variable `TZ` has it.
    pub fn rule(text: &str) -> Result<Self, ZoneError> {
        let rule = Rule::read(text).ok_or_else(|| ZoneError::Rule(text.chars().take(80).collect()))?;
        Ok(Self { first: rule.standard, changes: Box::default(), rule: Some(rule) })
    }

    /// How far ahead of UTC it is at a moment, in seconds.
    #[must_use]
    pub fn ahead(&self, moment: i64) -> i64 {
        self.period(moment).ahead
    }

    /// The time without a change that a moment lies in.
    #[must_use]
    pub fn period(&self, moment: i64) -> Period {
        let place = self.changes.partition_point(|(at, _)| *at <= moment);
        let ahead_at = |place: usize| self.changes.get(place).map(|(_, ahead)| *ahead);
        let last = place.checked_sub(1).and_then(|last| Some((self.changes.get(last)?.0, last)));
        let before = |last: usize| last.checked_sub(1).and_then(ahead_at).unwrap_or(self.first);
        let begin = last.map(|(at, last)| (at, before(last)));
        if let Some((end, _)) = self.changes.get(place) {
            let ahead = last.and_then(|(_, last)| ahead_at(last)).unwrap_or(self.first);
            return Period { begin, end: *end, ahead };
        }
        let Some(rule) = &self.rule else {
            let ahead = last.and_then(|(_, last)| ahead_at(last)).unwrap_or(self.first);
            return Period { begin, end: i64::MAX, ahead };
        };
        let period = rule.period(moment);
        // What the rule says of the time before the last change that is known does not count.
        match (begin, period.begin) {
            (Some((at, before)), None) => Period { begin: Some((at, before)), ..period },
            (Some((at, before)), Some((by_rule, _))) if at >= by_rule => {
                Period { begin: Some((at, before)), ..period }
            }
            (_, _) => period,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIENNA: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    /// At what moments a rule changes, and to what, from a moment on.
    #[track_caller]
    fn check(rule: &str, from: i64, expected: &[(i64, i64)]) {
        let zone = Zone::rule(rule).unwrap();
        let mut at = from;
        for (moment, ahead) in expected {
            let period = zone.period(at);
            assert_eq!(period.end, *moment, "{rule}");
            assert_eq!(zone.period(period.end).begin, Some((*moment, period.ahead)), "{rule}");
            assert_eq!(zone.ahead(period.end), *ahead, "{rule}");
            assert_eq!(zone.ahead(period.end - 1), period.ahead, "{rule}");
            at = period.end;
        }
    }

    #[test]
    fn rules_change_when_they_say() {
        // 2026-01-01 00:00 UTC.
        let from = 1_767_225_600;
        check(VIENNA, from, &[(1_774_746_000, 7_200), (1_792_890_000, 3_600), (1_806_195_600, 7_200)]);
        check("EST5EDT", from, &[(1_772_953_200, -14_400), (1_793_512_800, -18_000)]);
        // Half an hour, and the southern summer.
        let howe = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
        check(howe, from, &[(1_775_314_800, 37_800), (1_791_041_400, 39_600)]);
        // Times before midnight, and days of the year.
        check("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", from, &[(1_774_746_000, -3_600), (1_792_890_000, -7_200)]);
        check("A0B,J60/0,300/0", from, &[(1_772_323_200, 3_600), (1_793_142_000, 0)]);
        assert_eq!(Zone::rule("UTC0").unwrap().period(0), Period { begin: None, end: i64::MAX, ahead: 0 });
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in [
            "",
            "5",
            "CET",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-99",
            "CET-1CEST,M3.5.0,M10.5.0/3x",
            "<A",
            "Europe/Vienna",
            "CET-1CEST,J0,J5",
            "A0B,M1.1.1/999,J3",
        ] {
            assert!(Zone::rule(text).is_err(), "{text}");
        }
    }
}
