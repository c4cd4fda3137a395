//! Expressions of the calendar, and files and rules of time zones.

use events::calendar::{Calendar, Zone};

/// Moments at which it is looked: the ends of all numbers, 1970, and around changes of the hour.
const MOMENTS: [i64; 6] = [i64::MIN, -1, 0, 1_774_745_999, 1_792_890_000, i64::MAX - 1];

/// An expression is refused, or what it means is found, in any zone, and lies ahead.
pub fn calendar(input: &[u8]) {
    let Ok(calendar) = Calendar::parse(&String::from_utf8_lossy(input)) else { return };
    for zone in [Zone::utc(), Zone::rule("CET-1CEST,M3.5.0,M10.5.0/3").unwrap_or_default()] {
        goes_on(&calendar, &zone);
    }
}

/// Bytes are a file of a zone, or a rule, or refused; a zone says of every moment how far it is from UTC.
pub fn zone(input: &[u8]) {
    let zones = [Zone::tzif(input), Zone::rule(&String::from_utf8_lossy(input))];
    for zone in zones.iter().flatten() {
        for moment in MOMENTS {
            let period = zone.period(moment);
            assert!(
                period.begin.is_none_or(|(begin, _)| begin <= moment) && moment < period.end,
                "{period:?}"
            );
            assert!(period.ahead.abs() <= 26 * 3_600, "{period:?}");
        }
        for text in ["02:30", "*:0/15", "Mon 02-29"] {
            if let Ok(calendar) = Calendar::parse(text) {
                goes_on(&calendar, zone);
            }
        }
    }
}

fn goes_on(calendar: &Calendar, zone: &Zone) {
    for moment in MOMENTS {
        let Some(next) = calendar.next(moment, zone) else { continue };
        assert!(next > moment, "{next} comes after {moment}");
        assert_eq!(calendar.last(moment, next, zone), Some(next), "the only one until then");
    }
}
