//! Arguments that cannot be: times that are none, and an instance's variable that no event has.

use alloc::{format, string::String, vec, vec::Vec};

use events::{
    MatchKey, PathPattern, Pattern, Want,
    calendar::{Appointment, TimeFault, Timer},
    parse_delay,
    vocabulary::{self, Word},
};

use super::{
    View,
    events::{OF_A_JOB, keys_of},
    levels, place_of, place_of_leaf, report,
};
use crate::{
    Job, Report, Severity, asked, did_you_mean,
    formats::{Described, Role},
};

/// The most leaves or variables of one job that are told.
const MAX_TOLD: usize = 16;

pub(super) fn check(view: &View<'_>, reports: &mut Vec<Report>) {
    for described in view.jobs() {
        let on = [(Role::StartOn, &described.job.start_on), (Role::StopOn, &described.job.stop_on)];
        for (role, condition) in on {
            let leaves = condition.iter().flat_map(|condition| condition.leaves()).enumerate();
            let strange = leaves
                .filter_map(|(at, leaf)| Some((at, strange_time(&leaf.pattern, &described.job, role)?)));
            for (at, (code, message, help)) in strange.take(MAX_TOLD) {
                let places = vec![place_of_leaf(described, role, at, None, "never happens so")];
                reports.push(report(Severity::Warning, code, message, places).help(help));
            }
            let leaves = condition.iter().flat_map(|condition| condition.leaves()).enumerate();
            let strange =
                leaves.filter_map(|(at, leaf)| Some((at, strange_path(&leaf.pattern)?))).take(MAX_TOLD);
            for (at, message) in strange {
                let places = vec![place_of_leaf(described, role, at, None, "never happens so")];
                reports.push(report(Severity::Warning, "bad-path", message, places).help(PATH_HELP));
            }
        }
        let facts = described.job.holds_while.iter().flat_map(levels::leaves);
        for message in facts.filter_map(|(pattern, _)| strange_path(pattern)).take(MAX_TOLD) {
            let places = vec![place_of(described, Role::While, "path", "never holds so")];
            reports.push(report(Severity::Warning, "bad-path", message, places).help(PATH_HELP));
        }
        strange_sockets(described, reports);
        instance_variables(described, reports);
        unlikely_keys(view, described, reports);
    }
}

/// Events that say no socket that could be listened to.
fn strange_sockets(described: &Described, reports: &mut Vec<Report>) {
    let leaves = described.job.start_on.iter().flat_map(|condition| condition.leaves()).enumerate();
    let faults = leaves.filter_map(|(at, leaf)| Some((at, crate::socket::fault_of(&leaf.pattern)?)));
    // An argument that there is not is told of by what knows all events.
    let faults = faults.filter(|(_, fault)| !fault.starts_with("there is no"));
    for (at, fault) in faults.take(MAX_TOLD) {
        let places = vec![place_of_leaf(described, Role::StartOn, at, None, "never happens so")];
        let message = format!("nothing is listened to for this event: {fault}");
        let help = "write `socket PROTO=inet PORT=7` or `socket PROTO=unix PATH=/run/food.sock`";
        reports.push(report(Severity::Warning, "bad-socket", message, places).help(help));
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
pub(super) fn is_time(pattern: &Pattern) -> bool {
    matches!(pattern.name.as_str(), "calendar" | "timer")
}

/// What to write of a path.
const PATH_HELP: &str =
    "write the whole path of a file: `file FILE=/etc/food.conf`, `path PATH=/run/food.pid`";

/// What is wrong with the path that `file` or `path` is about.
fn strange_path(pattern: &Pattern) -> Option<String> {
    let key = match pattern.name.as_str() {
        "file" => "FILE",
        "path" => "PATH",
        _ => return None,
    };
    let text = match pattern.want(key) {
        None => return Some(format!("`{}` does not say which file: it has no `{key}=`", pattern.name)),
        Some(Want::Literal(text) | Want::Glob(text) | Want::Setting(text)) => String::from(text.as_str()),
        // A variable stands for a part of it.
        Some(Want::Template(template)) => template.expand(&|_| Some("*")).unwrap_or_default(),
    };
    if let Err(fault) = PathPattern::parse(&text) {
        return Some(format!("`{text}` cannot be watched: {fault}"));
    }
    let settle = pattern.want("SETTLE").map(|settle| parse_delay(settle.as_str()));
    settle.and_then(Result::err).map(|fault| format!("SETTLE: {fault}"))
}

/// What is wrong with the arguments of `calendar` or `timer`, and what to write.
fn strange_time(pattern: &Pattern, job: &Job, role: Role) -> Option<(&'static str, String, String)> {
    let (known, form, fault): (&[&str], _, _) = match pattern.name.as_str() {
        Appointment::EVENT => {
            let fault = asked(pattern, job).and_then(|asked| Appointment::of(&asked).err());
            (&Appointment::ARGUMENTS, "write `calendar AT='Mon..Fri 03:00'`", fault)
        }
        Timer::EVENT => {
            let timer = asked(pattern, job).map(|asked| Timer::of(&asked));
            if let (Some(Ok(Timer::After(_))), Role::StopOn) = (&timer, role) {
                let message =
                    String::from("`timer AFTER=` counts from when its job has ended, so it stops none");
                let help = String::from("write `timer EVERY=10m`, or say in `start_on` when it starts");
                return Some(("time-argument", message, help));
            }
            let fault = timer.and_then(Result::err);
            (&Timer::ARGUMENTS, "write `timer EVERY=10m` or `timer AFTER=30s`", fault)
        }
        _ => return None,
    };
    let without_value = || {
        let variables = pattern.matches.iter().filter(|wanted| matches!(wanted.want, Want::Template(_)));
        let texts: Vec<&str> = variables.map(|wanted| wanted.want.as_str()).collect();
        let is_unknown = asked(pattern, job).is_none();
        is_unknown.then(|| TimeFault::Variable(texts.join(" ")))
    };
    let fault = fault.or_else(without_value)?;
    // Whoever only hears of the times of others need not say when.
    if matches!(fault, TimeFault::Nothing(_)) && !pattern.matches.is_empty() {
        return None;
    }
    let meant = match &fault {
        TimeFault::Unknown(_, key) => did_you_mean(key, known.iter().copied()),
        TimeFault::Nothing(_)
        | TimeFault::Position(..)
        | TimeFault::Confused(_)
        | TimeFault::Variable(_)
        | TimeFault::Calendar(..)
        | TimeFault::Delay(_)
        | TimeFault::Bounds(..)
        | TimeFault::Zone(_)
        | TimeFault::Word(..) => None,
    };
    let help = meant.map_or_else(|| String::from(form), |meant| format!("did you mean `{meant}`?"));
    let code = if fault.is_of_argument() { "time-argument" } else { "bad-time" };
    Some((code, format!("{fault}"), help))
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
