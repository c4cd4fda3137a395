//! What a fact was before, as far as conditions with `for` and `until gone` look back.
//!
//! There is room for a few versions of each fact only, and a link may flap a hundred times a second. So when there is
//! no room, the two that lie closest together become one, which keeps how long the break in it was: whoever takes a
//! break of that length for none finds one long stretch, and everybody else finds only its end. Nothing ever counts as
//! having held for longer than it did.

use alloc::{sync::Arc, vec::Vec};
use core::time::Duration;

use events::{Fact, Time};
use serde::{Deserialize, Serialize};

/// How many earlier versions of a fact are kept.
pub const MAX_EARLIER: usize = 8;

/// What an object was for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The fact, as it was.
    pub fact: Arc<Fact>,
    /// Since when.
    pub since: Time,
    /// Until when.
    pub until: Time,
    /// Since when it was so, but for breaks.
    pub first: Time,
    /// The longest of these breaks.
    pub gap: Duration,
}

impl Earlier {
    /// It was so without a break.
    #[must_use]
    pub const fn new(fact: Arc<Fact>, since: Time, until: Time) -> Self {
        Self { fact, since, until, first: since, gap: Duration::ZERO }
    }
}

/// Keeps what a fact was.
pub(crate) fn remember(history: &mut Vec<Earlier>, latest: Earlier) {
    if history.len() >= MAX_EARLIER {
        make_room(history);
    }
    history.push(latest);
}

/// Of neighbours that say the same the two closest become one; if there are none, the first is forgotten.
fn make_room(history: &mut Vec<Earlier>) {
    let pairs = history.iter().zip(history.iter().skip(1)).enumerate();
    let same = pairs.filter(|(_, (one, next))| one.fact == next.fact);
    let closest = same.map(|(at, (one, next))| (next.first.since(one.until), at)).min();
    let (gap, at) = closest.unwrap_or_default();
    let one = history.remove(at);
    if closest.is_some()
        && let Some(next) = history.get_mut(at)
    {
        next.gap = next.gap.max(one.gap).max(gap);
        next.first = one.first;
    }
}

/// How long a fact has held in the end, over breaks that are shorter than `fall`; `None` if it does not count at all.
/// `latest` is the latest version, since when, until when, and whether it has ended.
pub(crate) fn held(
    latest: (&Fact, Time, Time, bool),
    history: &[Earlier],
    (fall, now): (Duration, Time),
    fits: impl Fn(&Fact) -> bool,
) -> Option<Duration> {
    let (fact, since, until, has_ended) = latest;
    let latest = fits(fact).then_some((since, until, has_ended, since, Duration::ZERO));
    let earlier = history.iter().rev().filter(|it| fits(&it.fact));
    let earlier = earlier.map(|it| (it.since, it.until, true, it.first, it.gap));
    let mut stretch: Option<(Time, Time)> = None;
    // Back in time, until a break is too long.
    for (since, until, has_ended, first, gap) in latest.into_iter().chain(earlier) {
        let goes_on = match stretch {
            None => !has_ended || now.since(until) < fall,
            Some((since, _)) => since == until || since.since(until) < fall,
        };
        if !goes_on {
            break;
        }
        let is_whole = gap.is_zero() || gap < fall;
        stretch = Some((if is_whole { first } else { since }, stretch.map_or(until, |(_, until)| until)));
        if !is_whole {
            break;
        }
    }
    stretch.map(|(since, until)| until.since(since))
}

#[cfg(test)]
mod tests {
    use events::{Args, Name};

    use super::*;

    fn fact(mtu: &str) -> Arc<Fact> {
        Arc::new(Fact::named(Name::new("link").unwrap(), Args::parse(["IFACE=eth0", mtu]).unwrap()))
    }

    /// Flaps with breaks of these lengths: it holds for 10 ms each time. What is kept, and the end.
    fn flapped(breaks: &[u64]) -> (Vec<Earlier>, Time) {
        let (mut history, mut now) = (Vec::new(), Time(0));
        for length in breaks {
            let until = now.after(Duration::from_millis(10));
            remember(&mut history, Earlier::new(fact("MTU=1500"), now, until));
            now = until.after(Duration::from_millis(*length));
        }
        (history, now)
    }

    /// It holds since the last break; with `fall` it has held for so long.
    #[track_caller]
    fn check((history, now): &(Vec<Earlier>, Time), fall: u64, expected: u64) {
        let link = fact("MTU=1500");
        let limits = (Duration::from_millis(fall), *now);
        let found = held((&link, *now, *now, false), history, limits, |_| true);
        assert_eq!(found, Some(Duration::from_millis(expected)), "fall {fall}: {history:?}");
    }

    #[test]
    fn short_breaks_are_none_however_many_there_are() {
        let often = flapped(&[5; 100]);
        assert_eq!(often.0.len(), MAX_EARLIER);
        check(&often, 6, 1500);
        check(&often, 1000, 1500);
        // To who takes no break for none, it holds since now.
        check(&often, 0, 0);
        check(&often, 5, 0);
    }

    #[test]
    fn a_long_break_stays_one() {
        // One in the middle, that is too long for some.
        let mut breaks = [5; 60];
        breaks[30] = 700;
        let once = flapped(&breaks);
        check(&once, 1000, 60 * 10 + 59 * 5 + 700);
        check(&once, 500, 29 * 15);
    }

    #[test]
    fn versions_that_say_something_else_are_not_one() {
        let mut history = Vec::new();
        for number in 0..20_u64 {
            let (since, until) = (Time(number * 10), Time(number * 10 + 10));
            let mtu = if number % 2 == 0 { "MTU=1500" } else { "MTU=9000" };
            remember(&mut history, Earlier::new(fact(mtu), since, until));
        }
        assert_eq!(history.len(), MAX_EARLIER);
        assert_eq!(history[0].since, Time(120));
    }
}
