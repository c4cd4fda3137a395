//! Events and jobs that conditions name, and that do not exist.

use alloc::{format, string::String, vec, vec::Vec};

use events::{
    Condition, Key, MatchKey, Pattern, Want,
    vocabulary::{self, Word},
};

use super::{View, arguments::is_time, place_of_leaf, report};
use crate::{
    Format, Place, Report, Severity, StartMode,
    formats::{Described, Role, hook::LEVELS},
    job_named,
};

/// The events that a job's own life makes; their first argument is the job.
pub(super) const OF_A_JOB: [&str; 4] = ["starting", "started", "stopping", "stopped"];

pub(super) fn check(view: &View<'_>, reports: &mut Vec<Report>) {
    for described in view.jobs() {
        let on = [(Role::StartOn, &described.job.start_on), (Role::StopOn, &described.job.stop_on)];
        for (role, condition) in on {
            if let Some(condition) = condition {
                condition_of(view, described, role, condition, reports);
            }
        }
    }
}

/// What no event that matches a pattern can have, for it does not exist.
enum Never<'p> {
    Event,
    Job(&'p str),
    Argument(&'p Key),
}

fn never<'p>(view: &View<'_>, pattern: &'p Pattern) -> Option<Never<'p>> {
    if OF_A_JOB.contains(&pattern.name.as_str()) {
        let missing = |wanted| job_named(wanted).filter(|name| !view.known.jobs.contains_key(name));
        return pattern
            .matches
            .iter()
            .find_map(missing)
            .or_else(|| unmatched_glob(view, pattern))
            .map(Never::Job)
            .or_else(|| strange_key(view, pattern).map(Never::Argument));
    }
    if !view.known.is_event(&pattern.name) {
        return Some(Never::Event);
    }
    strange_key(view, pattern).map(Never::Argument)
}

/// A key that no such event has: of a job's life, the engine gives some, and jobs `export` more. Others may have any
/// unless Onset alone emits them and always with the same.
fn strange_key<'p>(view: &View<'_>, pattern: &'p Pattern) -> Option<&'p Key> {
    let word = vocabulary::event(&pattern.name).filter(|_| !is_time(pattern))?;
    let of_a_job = OF_A_JOB.contains(&word.name);
    if !of_a_job && (word.is_open || view.known.is_emitted_by_jobs(&pattern.name)) {
        return None;
    }
    let is_known = |key: &Key| word.keys.contains(&key.as_str()) || of_a_job && view.known.is_exported(key);
    pattern.matches.iter().find_map(|wanted| match &wanted.key {
        MatchKey::Named(key) if !is_known(key) => Some(key),
        MatchKey::Named(_) | MatchKey::Position(_) => None,
    })
}

/// A glob over jobs that fits none.
fn unmatched_glob<'p>(view: &View<'_>, pattern: &'p Pattern) -> Option<&'p str> {
    let glob = pattern.matches.iter().find_map(|wanted| match (&wanted.key, &wanted.want) {
        (MatchKey::Position(0), Want::Glob(glob)) if !wanted.negated => Some(glob.as_str()),
        (
            MatchKey::Position(_) | MatchKey::Named(_),
            Want::Literal(_) | Want::Glob(_) | Want::Template(_) | Want::Setting(_),
        ) => None,
    })?;
    (!view.known.has_job_like(glob)).then_some(glob)
}

fn condition_of(
    view: &View<'_>,
    described: &Described,
    role: Role,
    condition: &Condition,
    reports: &mut Vec<Report>,
) {
    let mut possible = 0_u64;
    let mut faults = Vec::new();
    for (place, leaf) in (0_u32..).zip(condition.leaves()) {
        match never(view, &leaf.pattern) {
            // Any event has a folder, and people emit what they please: only what looks like a slip is named.
            Some(Never::Event) if described.job.format == Format::Hook && !is_slip(view, &leaf.pattern) => {
                possible |= 1_u64.checked_shl(place).unwrap_or(0);
            }
            Some(Never::Job(name)) if role == Role::StopOn && view.is_masked(name) => {}
            Some(why) => faults.push((place, &leaf.pattern, why)),
            None => possible |= 1_u64.checked_shl(place).unwrap_or(0),
        }
    }
    let automatic = described.job.start == StartMode::Automatic && described.job.holds_while.is_none();
    let dead = role == Role::StartOn && automatic && !condition.holds(possible);
    for (leaf, pattern, why) in faults {
        let place = |job: Option<&str>, label: &str| {
            place_of_leaf(described, role, usize::try_from(leaf).unwrap_or(usize::MAX), job, label)
        };
        reports.push(fault(view, &described.job.name, (role, dead), pattern, &why, &place));
    }
}

/// Whether the event of a hook's folder is nearly one that there is.
fn is_slip(view: &View<'_>, pattern: &Pattern) -> bool {
    !LEVELS.contains(&pattern.name.as_str()) && view.known.nearest_event(&pattern.name).is_some()
}

/// What is known of an event or a fact, as a help.
pub(super) fn keys_of(word: &Word) -> String {
    match word.keys {
        [] => "it has no arguments".into(),
        [key] => format!("it has `{key}`"),
        keys => {
            format!("it has {}", keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

fn fault(
    view: &View<'_>,
    job: &events::Name,
    (role, dead): (Role, bool),
    pattern: &Pattern,
    why: &Never<'_>,
    place: &dyn Fn(Option<&str>, &str) -> Place,
) -> Report {
    let so = match (role, dead) {
        (Role::StopOn, _) => format!("job `{job}` does not stop on it"),
        (_, true) => format!("job `{job}` can never start"),
        (_, false) => format!("job `{job}` does not start on it"),
    };
    let (code, cause, place, help): (_, _, _, Option<String>) = match why {
        Never::Event => (
            if dead { "never-starts" } else { "unknown-event" },
            format!("nothing emits event `{}`", pattern.name),
            place(None, "never happens"),
            view.known.nearest_event(&pattern.name).map(|meant| format!("did you mean `{meant}`?")),
        ),
        Never::Job(name) => (
            if dead { "never-starts" } else { "unknown-job" },
            format!("there is no job `{name}` for `{}`", pattern.name),
            place(Some(name), "no such job"),
            events::Name::new(name)
                .ok()
                .and_then(|name| view.fate(&name))
                .or_else(|| view.known.nearest_job(name).map(|meant| format!("did you mean `{meant}`?"))),
        ),
        Never::Argument(key) => (
            if dead { "never-starts" } else { "unknown-key" },
            format!("event `{}` has no argument `{key}`", pattern.name),
            place(None, "never matches"),
            vocabulary::event(&pattern.name)
                .and_then(|word| view.known.nearest_key(word, key))
                .map(|meant| format!("did you mean `{meant}`?")),
        ),
    };
    let help = help.unwrap_or_else(|| match why {
        Never::Event if pattern.name.starts_with("net-device-") => {
            "a network card is added, removed, changed, up or down: `net-device-up`".into()
        }
        Never::Event if pattern.name.contains("-device-") => {
            "a device is added, removed or changed: `block-device-added`".into()
        }
        Never::Event => "if a program emits it, name it under `emits` in that program's job".into(),
        Never::Job(_) => "a job is named by its file".into(),
        Never::Argument(_) if OF_A_JOB.contains(&pattern.name.as_str()) => {
            "it has those of the engine, and what the job has under `export`".into()
        }
        Never::Argument(_) => vocabulary::event(&pattern.name).map(keys_of).unwrap_or_default(),
    });
    report(Severity::Warning, code, format!("{cause}, so {so}"), vec![place]).help(help)
}
