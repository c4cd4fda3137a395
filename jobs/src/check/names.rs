//! Names that are required, needed or said to come later, and those who provide them.

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use events::{Condition, Name};

use super::{View, place_of, report};
use crate::{
    EdgeKind, Format, Job, Need, Order, Report, Severity, StartMode, Unknown,
    formats::{Described, Role},
};

/// The most names of one job that are told: a person mends the first ones, and a hostile file costs no more.
const MAX_TOLD: usize = 64;
/// Of how many providers of a word it is asked when they start.
const MAX_PROVIDERS: usize = 64;

pub(super) fn check(view: &View<'_>, order: &Order, reports: &mut Vec<Report>) {
    let mut told = (usize::MAX, 0_usize);
    for unknown in &order.unknown {
        told = if told.0 == unknown.job { (told.0, told.1.saturating_add(1)) } else { (unknown.job, 0) };
        if told.1 < MAX_TOLD {
            reports.extend(unprovided(view, unknown));
        }
    }
    for described in view.jobs() {
        needs_of_instances(view, described, reports);
        providers_on_other_events(view, described, reports);
    }
    provided_by_two_formats(view, reports);
}

/// A name that nobody provides.
fn unprovided(view: &View<'_>, unknown: &Unknown) -> Option<Report> {
    let described = view.job(unknown.job)?;
    // A header of init.d names all that there may be, on any machine.
    if described.job.format == Format::Lsb && unknown.kind == EdgeKind::Before {
        return None;
    }
    let (job, name) = (&described.job.name, &unknown.name);
    let (severity, code, role, label, message) = match unknown.kind {
        EdgeKind::Requires | EdgeKind::Starting => (
            Severity::Warning,
            "no-provider",
            Role::Requires,
            "required here",
            format!("job `{job}` requires `{name}`, which no job provides"),
        ),
        EdgeKind::Before => (
            Severity::Warning,
            "before-unknown",
            Role::Before,
            "said here",
            format!("job `{job}` is before `{name}`, which no job provides"),
        ),
        EdgeKind::Needs => (
            Severity::Error,
            "need-unknown",
            Role::Needs,
            "needed here",
            format!("job `{job}` needs `{name}`, which no job provides"),
        ),
    };
    let report = report(severity, code, message, vec![place_of(described, role, name, label)]);
    let nearest = || view.known.nearest_provision(name);
    let help = view.fate(name).or_else(|| {
        let (meant, by) = nearest()?;
        Some(match view.job(by) {
            Some(by) if by.job.name != meant => format!("did you mean `{meant}`, provided by {}?", by.path),
            Some(_) | None => format!("did you mean `{meant}`?"),
        })
    });
    Some(report.help(help.unwrap_or_else(|| {
        match unknown.kind {
            EdgeKind::Needs => "without it the job can never start: take the name out, or add its provider",
            EdgeKind::Requires | EdgeKind::Starting => "the job starts without it",
            EdgeKind::Before => "this has no effect until something provides it",
        }
        .to_string()
    })))
}

/// Whoever needs a job with instances must say which one, by the variables that tell them apart.
fn needs_of_instances(view: &View<'_>, described: &Described, reports: &mut Vec<Report>) {
    for need in described.job.needs.iter().take(MAX_TOLD) {
        let by_job = || view.known.jobs.get(need.name.as_str());
        let provider = match view.known.providers.get(need.name.as_str()).map(Vec::as_slice) {
            Some([one]) => Some(one),
            Some(_) => None,
            None => by_job(),
        };
        let Some(provider) = provider.and_then(|&index| view.job(index)) else { continue };
        let Some((why, help)) = wrong_instance(need, &provider.job) else { continue };
        let message = format!("job `{}` needs `{}`, which has {why}", described.job.name, need.name);
        let places = vec![
            place_of(described, Role::Needs, &need.name, "needed here"),
            place_of(provider, Role::Provides, &need.name, "provided here"),
        ];
        reports.push(report(Severity::Error, "need-which-instance", message, places).help(help));
    }
}

/// Why a need names no instance that `provider` can have, and what to write.
fn wrong_instance(need: &Need, provider: &Job) -> Option<(String, String)> {
    let said = |variable: &str| need.args.iter().any(|(key, _)| *key == variable);
    let Some(instance) = &provider.instance else {
        let why = "one instance only".to_string();
        return (!need.args.is_empty()).then(|| (why, format!("write `{}` alone", need.name)));
    };
    let from_env = |variable: &str| provider.env.iter().any(|(key, _)| *key == variable);
    let variables = instance.variables();
    let mut open = variables.iter().filter(|(name, has_default)| !has_default && !from_env(name));
    let asked = need.args.is_empty() || open.clone().any(|(name, _)| !said(name));
    if !asked || variables.is_empty() {
        return None;
    }
    let first = variables.first().map(|(name, _)| *name);
    let name = open.find(|(name, _)| !said(name)).map_or(first.unwrap_or("KEY"), |(name, _)| *name);
    let value = match &*need.args {
        [(_, value)] => value.as_str(),
        _ => "...",
    };
    let why = format!("an instance for each `{instance}`");
    Some((why, format!("say which one: `{} {name}={value}`", need.name)))
}

/// The names of the events that start a job; none if it starts by facts, by hand, or not at all.
fn start_events(job: &Job) -> BTreeSet<&str> {
    let leaves = job.start_on.iter().flat_map(Condition::leaves);
    leaves.map(|leaf| leaf.pattern.name.as_str()).collect()
}

/// What is required of a provider that starts on another event is vacuous if that event comes later: then
/// the provider is not coming when it is asked for.
fn providers_on_other_events(view: &View<'_>, described: &Described, reports: &mut Vec<Report>) {
    let ours = start_events(&described.job);
    if ours.is_empty() {
        return;
    }
    let asked = described.job.requires.iter().filter(|require| !require.optional);
    for require in asked.filter(|require| require.expected.is_none()).take(MAX_TOLD) {
        let providers = view.known.providers.get(require.name.as_str()).into_iter().flatten();
        let providers = providers.take(MAX_PROVIDERS);
        let providers: Vec<&Described> = providers.filter_map(|&index| view.job(index)).collect();
        let late = |provider: &&Described| comes_later(&provider.job, &ours, &require.name);
        // One that comes with us is enough to wait for.
        if let Some(provider) = providers.iter().find(|provider| late(provider)).filter(|_| {
            providers.iter().all(|provider| late(provider) || provider.job.start != StartMode::Automatic)
        }) {
            reports.push(other_event(described, provider, &require.name));
        }
    }
}

/// Whether a provider may start only after somebody who starts on `ours`.
fn comes_later(provider: &Job, ours: &BTreeSet<&str>, word: &Name) -> bool {
    let expected = provider.provides.iter().any(|p| p.name == *word && p.expected.is_some());
    if provider.start != StartMode::Automatic || expected {
        return false;
    }
    let theirs = start_events(provider);
    let first = theirs.contains("startup") || theirs.contains("starting");
    match &provider.start_on {
        Some(_) => !first && theirs.is_disjoint(ours),
        None => provider.holds_while.is_some(),
    }
}

fn other_event(described: &Described, provider: &Described, word: &Name) -> Report {
    let how = match provider.job.start_on.as_ref().and_then(|on| on.leaves().next()) {
        Some(leaf) => format!("starts on `{}`", leaf.pattern.name),
        None => "runs along with facts".to_string(),
    };
    let message = format!(
        "job `{}` requires `{word}`, but its provider `{}` {how}, which may come later",
        described.job.name, provider.job.name
    );
    let role = if provider.job.start_on.is_some() { Role::StartOn } else { Role::While };
    let name = start_events(&provider.job).first().copied().unwrap_or_default();
    let places = vec![
        place_of(described, Role::Requires, word, "required here"),
        place_of(provider, role, name, "here"),
    ];
    let help = format!(
        "to wait for it, use `while: \"provided {word}\"` or `needs`, or let its provider say `expected`"
    );
    report(Severity::Warning, "other-event", message, places).help(help)
}

/// A word that a script and a job of another format provide is settled by both, which may be a surprise.
fn provided_by_two_formats(view: &View<'_>, reports: &mut Vec<Report>) {
    for (name, providers) in &view.known.providers {
        let providers = providers.iter().filter_map(|&index| view.job(index));
        let own = providers.clone().find(|described| is_own(described.job.format));
        // A script that never runs settles nothing.
        let runs = |described: &&Described| !matches!(described.job.start, StartMode::Disabled(_));
        let script = providers.filter(runs).find(|described| !is_own(described.job.format));
        let (Some(own), Some(script)) = (own, script) else { continue };
        let message =
            format!("`{name}` is provided by job `{}` and by script `{}`", own.job.name, script.job.name);
        let places = vec![
            place_of(own, Role::Provides, name, "provided here"),
            place_of(script, Role::Provides, name, "and here"),
        ];
        let help = "who requires it waits for both; mask one of them if they do the same";
        reports.push(report(Severity::Warning, "provided-twice", message, places).help(help));
    }
}

const fn is_own(format: Format) -> bool {
    match format {
        Format::Native | Format::Upstart | Format::Inetd => true,
        Format::Rcd | Format::Lsb | Format::Hook => false,
    }
}
