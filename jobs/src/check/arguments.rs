//! Arguments that cannot be: times that are none, and an instance's variable that no event has.

use alloc::{format, string::String, vec, vec::Vec};

use events::{
    MatchKey, Pattern, Want, parse_delay,
    vocabulary::{self, Word},
};

use super::{
    View,
    events::{OF_A_JOB, keys_of},
    levels, place_of, place_of_leaf, report,
};
use crate::{
    Job, Report, Severity, did_you_mean,
    formats::{Described, Role},
};

/// The most leaves or variables of one job that are told.
const MAX_TOLD: usize = 16;
/// Days of the week as `calendar` has them, which their first three letters stand for.
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

pub(super) fn check(view: &View<'_>, reports: &mut Vec<Report>) {
    for described in view.jobs() {
        let on = [(Role::StartOn, &described.job.start_on), (Role::StopOn, &described.job.stop_on)];
        for (role, condition) in on {
            let leaves = condition.iter().flat_map(|condition| condition.leaves()).enumerate();
            let strange =
                leaves.filter_map(|(at, leaf)| Some((at, strange_time(&leaf.pattern)?))).take(MAX_TOLD);
            for (at, (code, message, help)) in strange {
                let places = vec![place_of_leaf(described, role, at, None, "never happens so")];
                reports.push(report(Severity::Warning, code, message, places).help(help));
            }
        }
        instance_variables(described, reports);
        unlikely_keys(view, described, reports);
    }
}

/// Arguments that events and facts of the world may have, but that are nearly one which is known of them; of facts
/// whose arguments are always the same, any other.
fn unlikely_keys(view: &View<'_>, described: &Described, reports: &mut Vec<Report>) {
    let on = [(Role::StartOn, &described.job.start_on), (Role::StopOn, &described.job.stop_on)];
    let mut told = Vec::new();
    for (role, condition) in on {
        for (at, leaf) in condition.iter().flat_map(|condition| condition.leaves()).enumerate() {
            let name = &leaf.pattern.name;
            let word = vocabulary::event(name).filter(|word| word.is_open && !OF_A_JOB.contains(&word.name));
            let word = word.filter(|_| !view.known.is_emitted_by_jobs(name) && !is_time(&leaf.pattern));
            if let Some((message, help)) =
                word.and_then(|word| unlikely_key(view, &leaf.pattern, word, "event"))
            {
                told.push((
                    message,
                    help,
                    place_of_leaf(described, role, at, None, "hardly ever happens so"),
                ));
            }
        }
    }
    for (pattern, _) in described.job.holds_while.iter().flat_map(levels::leaves) {
        let word = vocabulary::fact(&pattern.name).filter(|_| !view.known.is_set_by_jobs(&pattern.name));
        if let Some((message, help)) = word.and_then(|word| unlikely_key(view, pattern, word, "fact")) {
            told.push((
                message,
                help,
                place_of(described, Role::While, &pattern.name, "hardly ever holds so"),
            ));
        }
    }
    for (message, help, place) in told.into_iter().take(MAX_TOLD) {
        reports.push(report(Severity::Warning, "unknown-key", message, vec![place]).help(help));
    }
}

fn unlikely_key(view: &View<'_>, pattern: &Pattern, word: &Word, kind: &str) -> Option<(String, String)> {
    pattern.matches.iter().find_map(|wanted| {
        let MatchKey::Named(key) = &wanted.key else { return None };
        if word.keys.contains(&key.as_str()) {
            return None;
        }
        let help = match view.known.nearest_key(word, key) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if word.is_open => return None,
            None => keys_of(word),
        };
        Some((format!("{kind} `{}` has no argument `{key}`", pattern.name), help))
    })
}

/// Whether [`strange_time`] looks at it.
fn is_time(pattern: &Pattern) -> bool {
    matches!(pattern.name.as_str(), "calendar" | "timer")
}

/// What is wrong with the arguments of `calendar` or `timer`, and what to write.
fn strange_time(pattern: &Pattern) -> Option<(&'static str, String, String)> {
    let known: &[&str] = match pattern.name.as_str() {
        "calendar" => &["AT"],
        "timer" => &["EVERY", "AFTER"],
        _ => return None,
    };
    let form = match known {
        ["AT"] => "write `calendar AT='Mon..Fri 03:00'`",
        _ => "write `timer EVERY=10m` or `timer AFTER=30s`",
    };
    let named = |wanted: &'_ events::Match| match &wanted.key {
        MatchKey::Named(key) => Some(key.clone()),
        MatchKey::Position(_) => None,
    };
    let strange =
        pattern.matches.iter().find(|wanted| named(wanted).is_none_or(|key| !known.contains(&&*key)));
    if let Some(wanted) = strange {
        let said =
            named(wanted).map_or_else(|| format!("`{}`", wanted.want.as_str()), |key| format!("`{key}`"));
        let meant = named(wanted).and_then(|key| did_you_mean(&key, known.iter().copied()));
        let help = meant.map_or_else(|| String::from(form), |meant| format!("did you mean `{meant}`?"));
        return Some(("time-argument", format!("event `{}` has no argument {said}", pattern.name), help));
    }
    if pattern.matches.is_empty() {
        let message = format!("event `{}` does not say when", pattern.name);
        return Some(("time-argument", message, String::from(form)));
    }
    pattern.matches.iter().find_map(|wanted| match &wanted.want {
        Want::Literal(text) if pattern.name == "calendar" && !is_calendar(text) => {
            Some(("bad-time", format!("`{text}` is no time of the calendar"), String::from(form)))
        }
        Want::Literal(text) if pattern.name == "timer" => {
            let fault = parse_delay(text).err()?;
            Some(("bad-time", format!("{fault}"), String::from(form)))
        }
        // What a variable or a `*` stands for is not known here.
        Want::Literal(_) | Want::Glob(_) | Want::Template(_) => None,
    })
}

/// Whether a text can be a time of the calendar: days of the week, a date, a time of day, each once at most.
fn is_calendar(text: &str) -> bool {
    let mut words = text.split_whitespace().peekable();
    let any = words.peek().is_some();
    any && words.all(|word| is_word(word) || is_days(word) || is_date(word) || is_clock(word))
}

fn is_word(word: &str) -> bool {
    ["hourly", "daily", "weekly", "monthly", "yearly"].contains(&word)
}

/// `Mon`, `Mon..Fri`, `Sat,Sun`.
fn is_days(word: &str) -> bool {
    let is_day = |day: &str| {
        let day = day.to_ascii_lowercase();
        DAYS.iter().any(|name| *name == day || (day.len() == 3 && name.starts_with(&*day)))
    };
    word.split(',').all(|part| match part.split_once("..") {
        Some((first, last)) => is_day(first) && is_day(last),
        None => is_day(part),
    })
}

/// `2026-12-24`, `12-24`.
fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    match parts.as_slice() {
        [year, month, day] => is_number(year, 0, 9_999) && is_number(month, 1, 12) && is_number(day, 1, 31),
        [month, day] => is_number(month, 1, 12) && is_number(day, 1, 31),
        _ => false,
    }
}

/// `03:00`, `03:00:30`, `8..18:00`, `12:0/15`.
fn is_clock(word: &str) -> bool {
    let parts: Vec<&str> = word.split(':').collect();
    match parts.as_slice() {
        [hours, minutes] => is_number(hours, 0, 23) && is_number(minutes, 0, 59),
        [hours, minutes, seconds] => {
            is_number(hours, 0, 23) && is_number(minutes, 0, 59) && is_number(seconds, 0, 59)
        }
        _ => false,
    }
}

/// A number within bounds, or several of them, a range or a step.
fn is_number(text: &str, least: u32, most: u32) -> bool {
    let one = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain && text.parse().is_ok_and(|number: u32| (least..=most).contains(&number))
    };
    text.split(',').all(|part| match (part.split_once(".."), part.split_once('/')) {
        (Some((first, last)), _) => one(first) && one(last),
        (None, Some((first, step))) => one(first) && one(step),
        (None, None) => one(part),
    })
}

/// A variable of `instance` that no event gives, if it is nearly one that a condition names. Events have more
/// arguments than conditions name, so that another name may well be right.
fn instance_variables(described: &Described, reports: &mut Vec<Report>) {
    let job = &described.job;
    let (Some(instance), Some(start_on), None) = (&job.instance, &job.start_on, &job.holds_while) else {
        return;
    };
    let matches = start_on.leaves().flat_map(|leaf| leaf.pattern.matches.iter());
    let named = matches.filter_map(|wanted| match &wanted.key {
        MatchKey::Named(key) => Some(key.as_str()),
        MatchKey::Position(_) => None,
    });
    let of_cards = start_on.leaves().filter(|leaf| leaf.pattern.name.starts_with("net-")).map(|_| "IFACE");
    let keys: Vec<&str> = named.chain(of_cards).collect();
    for (variable, has_default) in instance.variables().into_iter().take(MAX_TOLD) {
        if has_default || has_value(job, variable) || keys.contains(&variable) {
            continue;
        }
        let Some(meant) = did_you_mean(variable, keys.iter().copied()) else { continue };
        let message =
            format!("`${variable}` in `instance` is given by no event that job `{}` starts on", job.name);
        let report = Report::warning("instance-variable", message).in_file(&described.path);
        reports.push(report.help(format!("did you mean `${meant}`?")));
    }
}

fn has_value(job: &Job, variable: &str) -> bool {
    job.env.iter().any(|(key, _)| *key == variable)
}
