//! From wall times to moments: hours that come twice, and hours that never come.
//!
//! A wall time that does not exist, because the clock is put forward over it, is the moment after the gap. One that
//! comes twice is the first of the two. A calendar of every hour (`*:30`, `hourly`) does not ask what hour it is: it
//! goes by the time that passes, so it has nothing in a gap and both hours that are shown alike.

use super::{Calendar, Zone, civil::DAY};

/// How many changes of a zone are looked over at most on the way to a moment.
const PERIODS: usize = 512;
/// More than any zone is from UTC.
const FAR: i64 = 2 * DAY;

impl Calendar {
    /// The first moment after this one that it means in a zone.
    #[must_use]
    pub fn next(&self, after: i64, zone: &Zone) -> Option<i64> {
        let mut at = after.saturating_add(1).max(0);
        for _ in 0..PERIODS {
            let period = zone.period(at);
            let shown =
                period.begin.filter(|_| !self.is_of_every_hour()).map(|(at, ahead)| at.saturating_add(ahead));
            let from = at.saturating_add(period.ahead).max(shown.unwrap_or(i64::MIN));
            let wanted = self.next_wall(from);
            let moment = wanted.map(|wanted| wanted.saturating_sub(period.ahead));
            if let Some(moment) = moment.filter(|moment| *moment < period.end) {
                return Some(moment);
            }
            let ahead = zone.ahead(period.end);
            if self.is_of_every_hour() && ahead < period.ahead && period.end.saturating_sub(at) < FAR {
                // The hour that comes again may have what comes first.
                at = period.end;
                continue;
            }
            let wanted = wanted?;
            if !self.is_of_every_hour() && wanted < period.end.saturating_add(ahead) {
                return Some(period.end);
            }
            // Nothing is meant until shortly before: many changes at once can be left out.
            at = period.end.max(wanted.saturating_sub(FAR));
        }
        None
    }

    /// The last moment after `after` and up to `until` that it means in a zone.
    #[must_use]
    pub fn last(&self, after: i64, until: i64, zone: &Zone) -> Option<i64> {
        let is_next = |at: i64| self.next(at, zone).filter(|moment| *moment <= until);
        let mut found = is_next(after)?;
        // What is next never goes back as time goes on.
        let (mut low, mut high) = (found, until);
        while low < high {
            let middle = low.saturating_add(high.saturating_sub(low) / 2);
            match is_next(middle) {
                Some(moment) => {
                    found = moment;
                    low = moment;
                }
                None => high = middle,
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, string::String, vec::Vec};

    use super::*;
    use crate::calendar::rfc3339;

    const VIENNA: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    const LORD_HOWE: &str = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
    const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
    // Summer begins at midnight, so a day begins at one.
    const BEIRUT: &str = "EET-2EEST,M3.5.0/0,M10.5.0/0";
    const CASEY: &str = "<+08>-8";

    /// The next moments of an expression, as they are shown in a zone.
    #[track_caller]
    fn check(text: &str, rule: &str, after: i64, expected: &[&str]) {
        let (calendar, zone) = (Calendar::parse(text).unwrap(), Zone::rule(rule).unwrap());
        let mut at = after;
        let mut found: Vec<String> = Vec::new();
        for _ in expected {
            at = calendar.next(at, &zone).unwrap();
            found.push(rfc3339(at, zone.ahead(at)));
        }
        assert_eq!(found, expected, "{text} in {rule}");
    }

    #[test]
    fn a_time_that_never_comes_is_the_moment_after_the_gap_and_one_that_comes_twice_comes_once() {
        // 2026-03-28 00:00 UTC, 2026-10-24 00:00 UTC.
        let (spring, autumn) = (1_774_656_000, 1_792_800_000);
        check(
            "02:30",
            VIENNA,
            spring,
            &["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
        );
        check(
            "2..3:0/30",
            VIENNA,
            spring + 86_400,
            &["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:00:00+02:00"],
        );
        check(
            "02:30",
            VIENNA,
            autumn,
            &["2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        );
        check(
            "1..3:0",
            VIENNA,
            autumn + 79_200,
            &["2026-10-25T01:00:00+02:00", "2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"],
        );
        check("daily", BEIRUT, 1_774_656_000, &["2026-03-29T01:00:00+03:00", "2026-03-30T00:00:00+03:00"]);
        check("daily", BEIRUT, 1_792_800_000, &["2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+02:00"]);
        check("02:15", LORD_HOWE, 1_791_000_000, &["2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"]);
    }

    #[test]
    fn what_is_of_every_hour_goes_by_the_time_that_passes() {
        check(
            "*:30",
            VIENNA,
            1_774_656_000 + 84_600,
            &["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-29T04:30:00+02:00"],
        );
        check(
            "hourly",
            VIENNA,
            1_792_880_000,
            &[
                "2026-10-25T01:00:00+02:00",
                "2026-10-25T02:00:00+02:00",
                "2026-10-25T02:00:00+01:00",
                "2026-10-25T03:00:00+01:00",
            ],
        );
        // Only the hour that comes again has it.
        check(
            "2026-10-25 *:30",
            VIENNA,
            1_792_889_000,
            &["2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00"],
        );
    }

    #[test]
    fn far_times_are_found() {
        check("9998-02-28 02:30", NEW_YORK, 0, &["9998-02-28T02:30:00-05:00"]);
        check("9998-02-28 *:30", NEW_YORK, 0, &["9998-02-28T00:30:00-05:00"]);
        check("Mon 02-29", VIENNA, 1_792_880_000, &["2044-02-29T00:00:00+01:00"]);
        let once = Calendar::parse("2026-03-29 02:30").unwrap();
        let zone = Zone::rule(VIENNA).unwrap();
        assert_eq!(once.next(0, &zone), Some(1_774_746_000));
        assert_eq!(once.next(1_774_746_000, &zone), None);
    }

    /// All moments of a span that are meant, minute by minute.
    fn by_hand(calendar: &Calendar, zone: &Zone, from: i64, until: i64) -> BTreeSet<i64> {
        let mut found = BTreeSet::new();
        let mut shown_before = i64::MIN;
        let mut last = zone.ahead(from - 1);
        for moment in (from..until).step_by(60) {
            let ahead = zone.ahead(moment);
            if ahead != last && !calendar.is_of_every_hour() {
                shown_before = moment + last;
                let gap = (moment + last..moment + ahead).step_by(60);
                if gap.into_iter().any(|wall| calendar.means(wall)) {
                    found.insert(moment);
                }
            }
            last = ahead;
            if calendar.means(moment + ahead) && moment + ahead >= shown_before {
                found.insert(moment);
            }
        }
        found
    }

    #[test]
    fn the_next_is_after_and_nothing_is_between() {
        let texts = [
            "daily",
            "hourly",
            "02:30",
            "2..3:0/15",
            "*:0/20",
            "Sun 01:59",
            "*-*-1 3:00",
            "0,23:30",
            "8..18/3:45",
            "Sat..Mon 2:05",
        ];
        let day = 86_400;
        for rule in [VIENNA, LORD_HOWE, NEW_YORK, BEIRUT, CASEY] {
            let zone = Zone::rule(rule).unwrap();
            // Days around each change of some years, and around leap days.
            for middle in [
                1_774_746_000,
                1_792_890_000,
                1_772_953_200,
                1_793_512_800,
                1_775_314_800,
                1_791_041_400,
                1_709_164_800,
            ] {
                let (from, until) = (middle - 3 * day, middle + 4 * day);
                for text in texts {
                    let calendar = Calendar::parse(text).unwrap();
                    let expected = by_hand(&calendar, &zone, from, until);
                    let mut found = BTreeSet::new();
                    let mut at = from - 1;
                    while let Some(next) = calendar.next(at, &zone).filter(|next| *next < until) {
                        assert!(next > at, "{text} {rule}");
                        found.insert(next);
                        at = next;
                    }
                    assert_eq!(found, expected, "{text} in {rule} around {middle}");
                    // From whatever second one asks.
                    for at in (from..until - day).step_by(14_407) {
                        let next = calendar.next(at, &zone).filter(|next| *next < until);
                        assert_eq!(next, expected.range(at + 1..).next().copied(), "{text} {rule} {at}");
                        let last = calendar.last(from - 1, at, &zone);
                        assert_eq!(last, expected.range(..=at).next_back().copied(), "{text} {rule} {at}");
                    }
                }
            }
        }
    }
}
