//! `onsetctl timers` and `onsetctl calendar`: times that jobs ask for, and times that one may ask for.

use std::path::{Path, PathBuf};

use clap::Args;
use events::calendar::{Calendar, Civil, Place, Zone, moment, rfc3339};
use serde_json::{Value, json};

use super::{
    CLEAN, Outcome,
    ask::{ask_list, finish},
    exit::clean,
    say::{self, part},
};
use crate::{pid1::clock, sources::Zones};

/// Days of the week as they are shown, from Monday.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Which times.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct TimersCommand {
    /// Only times that this job asks for
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Shows when an expression of the calendar comes
///
/// Reads what stands behind AT= in `calendar AT=\"Mon..Fri 03:00\"`, and shows the next times that it means. Needs no
/// Onset that runs.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "\
Expressions: days of the week, a date and a time of day, in any order and each once at most.
  Mon..Fri 03:00      working days at three
  *:0/15              every quarter of an hour
  *-*-1 06:00         the first of each month at six
  Sat,Sun 8..18/2:30  at weekends, every other hour from half past eight on
  12-24 18:00         once a year
  hourly daily weekly monthly yearly

Exit status:
  0  the times are shown
  2  the expression or the zone is wrong")]
pub(super) struct CalendarCommand {
    /// The expression, in one word or several
    #[arg(value_name = "EXPRESSION", required = true)]
    expression: Vec<String>,
    /// How many times are shown
    #[arg(short = 'n', value_name = "NUMBER", default_value_t = 5)]
    number: u16,
    /// The time zone: Europe/Vienna, UTC, CET-1CEST,M3.5.0,M10.5.0/3 [default: the machine's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// From this moment on, as 2026-03-29T00:00:00Z [default: now]
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// The machine's root, for its zones
    #[arg(long, value_name = "PATH", default_value = "/")]
    root: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl TimersCommand {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let mut answer = ask_list(socket, "Timers", &json!({}), "timers");
        if let (Some(job), Ok(answer)) = (&self.job, &mut answer)
            && let Some(timers) = answer.get_mut("timers").and_then(Value::as_array_mut)
        {
            timers.retain(|timer| say::list(timer, "jobs").iter().any(|name| name == job));
        }
        finish(answer, self.json, socket, |answer| {
            let mut timers: Vec<&Value> = say::list(answer, "timers").iter().collect();
            timers.sort_by_key(|timer| part(timer, "in").as_u64().unwrap_or(u64::MAX));
            if timers.is_empty() {
                return "no job asks for a time\n".into();
            }
            timers.into_iter().map(lines).collect()
        })
    }
}

/// When a time comes next, as people read it.
fn next(timer: &Value) -> String {
    match (part(timer, "fault").as_str(), part(timer, "next").as_str()) {
        (Some(fault), _) => format!("never: {}", clean(fault)),
        (None, Some(next)) => {
            let left = part(timer, "in").as_u64().map(|left| format!(", in {}", roughly(left)));
            format!("{}{}", shown(next), left.unwrap_or_default())
        }
        (None, None) => "not before something else happens".into(),
    }
}

/// The times that a job asks for, behind its status: when each comes next.
pub(super) fn behind(answer: &Value) -> String {
    let line = |timer: &Value| format!("\tnext `{}`: {}\n", clean(say::text(timer, "pattern")), next(timer));
    say::list(answer, "times").iter().map(line).collect()
}

/// A time as people read it: who and what, when next, and when last.
pub(super) fn lines(timer: &Value) -> String {
    let jobs: Vec<&str> = say::list(timer, "jobs").iter().filter_map(Value::as_str).collect();
    let pattern = clean(say::text(timer, "pattern"));
    let next = next(timer);
    let last = match part(timer, "last").as_str() {
        Some(last) => {
            let ago = part(timer, "ago").as_u64().map(|ago| format!(", {} ago", roughly(ago)));
            format!("{}{}", shown(last), ago.unwrap_or_default())
        }
        None => "never".into(),
    };
    format!("{}: {pattern}\n\tnext: {next}\n\tlast: {last}\n", clean(&jobs.join(", ")))
}

/// A moment with its day of the week.
fn shown(text: &str) -> String {
    let Some((date, rest)) = text.split_once('T') else { return clean(text) };
    let day =
        moment(&format!("{date}T00:00:00Z")).map(|midnight| midnight.div_euclid(86_400).saturating_add(3));
    let day =
        day.and_then(|day| DAYS.get(usize::try_from(day.rem_euclid(7)).ok()?)).copied().unwrap_or_default();
    clean(format!("{day} {date} {rest}").trim_start())
}

/// A length of time in its two largest units.
fn roughly(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{}.{}s", seconds, ms / 100 % 10),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

impl CalendarCommand {
    pub(super) fn run(&self) -> Result<Outcome, String> {
        let text = self.expression.join(" ");
        let calendar = Calendar::parse(&text).map_err(|error| {
            format!("`{text}` is no time of the calendar: {error}; see `onsetctl calendar --help`")
        })?;
        let zone = self.zone()?;
        let mut at = match &self.from {
            Some(from) => {
                moment(from).ok_or_else(|| format!("--from: `{from}` is not as 2026-03-29T00:00:00Z"))?
            }
            None => clock::wall().div_euclid(1_000),
        };
        let mut times = Vec::new();
        for _ in 0..self.number {
            let Some(next) = calendar.next(at, &zone) else { break };
            times.push(rfc3339(next, zone.ahead(next)));
            at = next;
        }
        let text = if self.json {
            format!("{}\n", json!({ "times": times }))
        } else if times.is_empty() {
            format!("`{text}` does not come after {}\n", Civil::of(at))
        } else {
            times.iter().map(|time| format!("{}\n", shown(time))).collect()
        };
        Ok(Outcome { text, remarks: String::new(), code: CLEAN })
    }

    fn zone(&self) -> Result<Zone, String> {
        let mut zones = Zones::new(&self.root);
        let zone = match self.tz.as_deref().map(Place::parse) {
            None | Some(Ok(Place::Here)) => zones.here(),
            Some(Ok(Place::Zone(zone))) => return Ok(zone),
            Some(Ok(Place::Named(name))) => zones.named(&name).map_err(|why| format!("--tz: {why}"))?,
            Some(Err(fault)) => return Err(format!("--tz: {fault}")),
        };
        Ok(Zone::clone(&zone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_people_say_it() {
        let timer = json!({
            "pattern": "calendar AT=daily", "jobs": ["a", "b"], "next": "2026-11-22T00:00:00+01:00",
            "in": 93_784_000, "last": "2026-11-21T00:00:00+01:00", "ago": 4_200, "fault": null,
        });
        let text = "a, b: calendar AT=daily\n\tnext: Sun 2026-11-22 00:00:00+01:00, in 1d 2h\n\tlast: Sat 2026-11-21 \
                    00:00:00+01:00, 4.2s ago\n";
        assert_eq!(lines(&timer), text);
        let behind = behind(&json!({ "times": [timer] }));
        assert_eq!(behind, "\tnext `calendar AT=daily`: Sun 2026-11-22 00:00:00+01:00, in 1d 2h\n");
        for (ms, text) in [(0, "0.0s"), (59_999, "59.9s"), (60_000, "1m 0s"), (3_600_000, "1h 0m")] {
            assert_eq!(roughly(ms), text);
        }
    }
}
