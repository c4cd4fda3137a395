//! What a pattern of the event `timer` asks for.

use alloc::format;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::{TimeFault, arguments};
use crate::{MAX_DELAY, Pattern, parse_delay};

/// What a `timer` asks for: times that are counted from something, by a clock that nobody sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// Again and again.
    Every(Duration),
    /// After the job has ended, or if it has not run, after it was loaded.
    After(Duration),
    /// After the machine has booted, once.
    AfterBoot(Duration),
}

/// The shortest time that a timer may have.
const SHORTEST: Duration = Duration::from_secs(1);

impl Timer {
    /// The arguments that the event has.
    pub const ARGUMENTS: [&'static str; 3] = ["EVERY", "AFTER", "FROM"];
    /// The event.
    pub const EVENT: &'static str = "timer";

    /// What a pattern asks for.
    pub fn of(pattern: &Pattern) -> Result<Self, TimeFault> {
        let [every, after, from] = Self::ARGUMENTS;
        let said = arguments(pattern, Self::EVENT, &[every, after, from, "JOB"])?;
        let value = |key: &str| said.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
        match (value(every), value(after), value(from)) {
            (Some(text), None, None) => delay(text).map(Self::Every),
            (None, Some(text), None) => delay(text).map(Self::After),
            (None, Some(text), Some("boot")) => delay(text).map(Self::AfterBoot),
            (None, Some(_), Some(from)) => Err(TimeFault::Word(from.into(), "`boot`")),
            (None, None, _) => Err(TimeFault::Nothing(Self::EVENT)),
            (Some(_), Some(text), _) => Err(TimeFault::Confused(format!("{after}={text}"))),
            (Some(_), None, Some(text)) => Err(TimeFault::Confused(format!("{from}={text}"))),
        }
    }

    /// Whether each job has its own, so that what it asks for is not the same for others with the same words.
    #[must_use]
    pub const fn is_of_job(self) -> bool {
        match self {
            Self::After(_) => true,
            Self::Every(_) | Self::AfterBoot(_) => false,
        }
    }
}

fn delay(text: &str) -> Result<Duration, TimeFault> {
    let delay = parse_delay(text)?;
    let fits = (SHORTEST..=MAX_DELAY).contains(&delay);
    if fits { Ok(delay) } else { Err(TimeFault::Bounds(text.into(), "10000d")) }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::{Condition, Dialect};

    #[track_caller]
    fn check(text: &str, expected: Result<Timer, &str>) {
        let condition = Condition::parse(text, Dialect::Edges).unwrap();
        let found = Timer::of(condition.single().unwrap()).map_err(|fault| fault.to_string());
        assert_eq!(found, expected.map_err(Into::into), "{text}");
    }

    #[test]
    fn a_timer_is_asked_for_by_one_length_of_time() {
        check("timer EVERY=5m", Ok(Timer::Every(Duration::from_mins(5))));
        check("timer AFTER=30s", Ok(Timer::After(Duration::from_secs(30))));
        check("timer AFTER=2m FROM=boot", Ok(Timer::AfterBoot(Duration::from_mins(2))));
        check("timer", Err("event `timer` does not say when"));
        check("timer 5m", Err("event `timer` has no argument `5m`"));
        check("timer EVRY=5m", Err("event `timer` has no argument `EVRY`"));
        check("timer EVERY=0s", Err("`0s` is not between 1s and 10000d"));
        check("timer EVERY=5", Err("`5` lacks its unit: ms, s, m, h or d"));
        check(
            "timer EVERY!=5m",
            Err("`EVERY!=5m` cannot stand here: a time is asked for by one value of each argument"),
        );
        check(
            "timer EVERY=5m AFTER=5m",
            Err("`AFTER=5m` cannot stand here: a time is asked for by one value of each argument"),
        );
        check("timer AFTER=5m FROM=end", Err("`end` is not `boot`"));
        check(
            "timer EVERY=$PERIOD",
            Err("`$PERIOD` has no value in the job's `env`, so no time is asked for"),
        );
    }
}
