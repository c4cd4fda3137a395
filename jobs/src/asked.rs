//! Patterns that ask for something: what `file`, `socket`, `timer`, `calendar` or `path` name is looked for because a
//! job names it.

use events::{
    Key, Match, MatchKey, Name, Pattern, Want,
    calendar::{Appointment, Timer},
};

use crate::{Job, StartMode};

/// Events whose patterns say what to look for.
const ASKED: [&str; 7] = ["calendar", "file", "path", "pressure", "pressure-relieved", "socket", "timer"];
/// Of these, the ones whose arguments are meant as they are written: their `*` is no glob.
const TIMES: [&str; 2] = [Appointment::EVENT, Timer::EVENT];

/// Whether a pattern asks for something.
pub fn asks(pattern: &Pattern) -> bool {
    ASKED.contains(&pattern.name.as_str())
}

/// What a pattern of a job asks for: variables have the values that the job's `env` gives them, since nothing has
/// happened yet that could give them others. `None` if one has no value, so that nothing can be meant.
///
/// Times that are the job's own carry its name, so that the same words in another job mean other times.
pub fn asked(pattern: &Pattern, job: &Job) -> Option<Pattern> {
    let value_of = |name: &str| {
        let found = job.env.iter().rev().find(|(key, _)| key.as_str() == name);
        found.and_then(|(_, value)| value.as_ref()).map(events::Value::as_str)
    };
    let pattern = pattern.expanded(&value_of)?;
    if !is_time(&pattern.name) {
        return Some(pattern.into_owned());
    }
    let own = is_own(&pattern).then(|| Match {
        key: MatchKey::Named(Key::constant("JOB")),
        negated: false,
        want: Want::Literal(job.name.as_str().into()),
    });
    let as_written = |wanted: &Match| Match {
        want: match &wanted.want {
            Want::Glob(text) => Want::Literal(text.clone()),
            Want::Literal(_) | Want::Template(_) | Want::Setting(_) => wanted.want.clone(),
        },
        ..wanted.clone()
    };
    let matches = pattern.matches.iter().map(as_written).chain(own).collect();
    Some(Pattern { name: pattern.name.clone(), matches })
}

/// Whether each job that asks for it has its own.
fn is_own(pattern: &Pattern) -> bool {
    if pattern.matches.iter().any(|wanted| matches!(&wanted.key, MatchKey::Named(key) if *key == "JOB")) {
        return false;
    }
    if pattern.name == Timer::EVENT {
        Timer::of(pattern).is_ok_and(Timer::is_of_job)
    } else {
        Appointment::of(pattern).is_ok_and(|appointment| appointment.is_of_job())
    }
}

/// Whether a pattern asks for a time that there is. What asks for none only hears of those of others.
fn is_asked(pattern: &Pattern) -> bool {
    match pattern.name.as_str() {
        Timer::EVENT => Timer::of(pattern).is_ok(),
        Appointment::EVENT => Appointment::of(pattern).is_ok(),
        _ => true,
    }
}

/// All that the events of a job's conditions ask for; nothing, if events do not start it.
pub fn asked_by(job: &Job) -> impl Iterator<Item = Pattern> {
    let starts = job.start_on.iter().filter(|_| job.start == StartMode::Automatic);
    let leaves = starts.chain(&job.stop_on).flat_map(|condition| condition.leaves());
    leaves.filter(|leaf| asks(&leaf.pattern)).filter_map(|leaf| asked(&leaf.pattern, job)).filter(is_asked)
}

/// Whether an event of this name answers who asked for a time.
pub fn is_time(name: &Name) -> bool {
    TIMES.contains(&name.as_str())
}

/// The pattern that an event answers.
pub fn asked_for(event: &events::Event) -> Pattern {
    let args = event.args.iter().filter(|(key, _)| key.as_str() != "TIME");
    let matches = args.map(|(key, value)| Match {
        key: MatchKey::Named(key.clone()),
        negated: false,
        want: Want::Literal(value.as_str().into()),
    });
    Pattern { name: event.name.clone(), matches: matches.collect() }
}

/// The arguments of the event that answers a pattern which asks for a time.
pub fn answer(pattern: &Pattern) -> events::Event {
    let mut args = events::Args::with_room(pattern.matches.len().saturating_add(1));
    for wanted in pattern.matches.iter() {
        if let (MatchKey::Named(key), Ok(value)) = (&wanted.key, events::Value::new(wanted.want.as_str())) {
            args.push(key.clone(), value);
        }
    }
    events::Event { name: pattern.name.clone(), args }
}
