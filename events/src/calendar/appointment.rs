//! What a pattern of the event `calendar` asks for.

use super::{
    Calendar, Zone,
    fault::{TimeFault, arguments},
};
use crate::{Pattern, Text, parse_delay};

/// The longest name of a zone.
const MAX_NAME: usize = 100;
/// How far an appointment may be spread.
const MAX_JITTER: u64 = 31 * 86_400;

/// What a `calendar` asks for: times that are on the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// When.
    pub calendar: Calendar,
    /// On whose wall.
    pub place: Place,
    /// How many seconds later it may be, which is another for each machine and job.
    pub jitter: u64,
    /// Whether what was missed comes once when it can.
    pub catch_up: bool,
}

/// Whose time is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The machine's own.
    Here,
    /// The zone of this name, whose file the machine has.
    Named(Text),
    /// This zone: it was said how it goes.
    Zone(Zone),
}

impl Appointment {
    /// The arguments that the event has.
    pub const ARGUMENTS: [&'static str; 4] = ["AT", "TZ", "JITTER", "CATCH_UP"];
    /// The event.
    pub const EVENT: &'static str = "calendar";

    /// What a pattern asks for.
    pub fn of(pattern: &Pattern) -> Result<Self, TimeFault> {
        let [at, zone, jitter, catch_up] = Self::ARGUMENTS;
        let said = arguments(pattern, Self::EVENT, &[at, zone, jitter, catch_up, "JOB"])?;
        let value = |key: &str| said.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
        let text = value(at).ok_or(TimeFault::Nothing(Self::EVENT))?;
        let calendar = Calendar::parse(text).map_err(|error| TimeFault::Calendar(error, text.into()))?;
        Ok(Self {
            calendar,
            place: value(zone).map_or(Ok(Place::Here), Place::parse)?,
            jitter: value(jitter).map_or(Ok(0), spread)?,
            catch_up: match value(catch_up) {
                None | Some("no") => false,
                Some("yes") => true,
                Some(other) => return Err(TimeFault::Word(other.into(), "`yes` or `no`")),
            },
        })
    }

    /// Whether each job has its own, so that what it asks for is not the same for others with the same words.
    #[must_use]
    pub const fn is_of_job(&self) -> bool {
        self.jitter > 0 || self.catch_up
    }
}

impl Place {
    /// The place that `text` says: a zone's name, `UTC`, or how a zone goes.
    pub fn parse(text: &str) -> Result<Self, TimeFault> {
        if text == "UTC" {
            return Ok(Self::Zone(Zone::utc()));
        }
        if let Ok(zone) = Zone::rule(text) {
            return Ok(Self::Zone(zone));
        }
        let is_part = |part: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-');
            part.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) && part.bytes().all(is_plain)
        };
        let is_name = text.len() <= MAX_NAME && text.split('/').all(is_part);
        if is_name {
            Ok(Self::Named(text.into()))
        } else {
            Err(TimeFault::Zone(text.chars().take(MAX_NAME).collect()))
        }
    }
}

fn spread(text: &str) -> Result<u64, TimeFault> {
    let seconds = parse_delay(text)?.as_secs();
    let fits = (1..=MAX_JITTER).contains(&seconds);
    if fits { Ok(seconds) } else { Err(TimeFault::Bounds(text.into(), "31d")) }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString as _};

    use super::*;
    use crate::{Condition, Dialect};

    fn of(text: &str) -> Result<Appointment, alloc::string::String> {
        let condition = Condition::parse(text, Dialect::Edges).unwrap();
        Appointment::of(condition.single().unwrap()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn an_appointment_has_a_time_and_may_have_a_place() {
        let full = of("calendar AT='Mon..Fri *:0/15' TZ=Europe/Vienna JITTER=10m CATCH_UP=yes").unwrap();
        assert_eq!(full.place, Place::Named("Europe/Vienna".into()));
        assert_eq!((full.jitter, full.catch_up, full.is_of_job()), (600, true, true));
        let plain = of("calendar AT=daily CATCH_UP=no").unwrap();
        assert_eq!((plain.place, plain.jitter, plain.catch_up), (Place::Here, 0, false));
        assert_eq!(of("calendar AT=daily TZ=UTC").unwrap().place, Place::Zone(Zone::utc()));
        let rule = of("calendar AT=daily TZ=CET-1CEST,M3.5.0,M10.5.0/3").unwrap().place;
        assert!(matches!(rule, Place::Zone(zone) if zone.ahead(1_782_000_000) == 7_200));
        for name in ["Etc/GMT+5", "America/Argentina/Buenos_Aires", "America/Port-au-Prince", "NZ"] {
            assert_eq!(of(&format!("calendar AT=daily TZ={name}")).unwrap().place, Place::Named(name.into()));
        }
    }

    #[test]
    fn what_asks_for_no_time_is_refused() {
        for (text, fault) in [
            ("calendar", "event `calendar` does not say when"),
            ("calendar TZ=UTC", "event `calendar` does not say when"),
            ("calendar 03:00", "event `calendar` has no argument `03:00`"),
            ("calendar ATT=03:00", "event `calendar` has no argument `ATT`"),
            ("calendar AT=25:00", "`25:00` is no time of the calendar: `25` is not between 0 and 23"),
            ("calendar AT=daily TZ=../../etc/passwd", "`../../etc/passwd` is no name of a time zone"),
            ("calendar AT=daily TZ=/etc/localtime", "`/etc/localtime` is no name of a time zone"),
            ("calendar AT=daily TZ=''", "`` is no name of a time zone"),
            ("calendar AT=daily JITTER=soon", "`soon` is not a length of time"),
            ("calendar AT=daily JITTER=0s", "`0s` is not between 1s and 31d"),
            ("calendar AT=daily JITTER=32d", "`32d` is not between 1s and 31d"),
            ("calendar AT=daily CATCH_UP=maybe", "`maybe` is not `yes` or `no`"),
        ] {
            assert_eq!(of(text).unwrap_err(), fault, "{text}");
        }
    }
}
