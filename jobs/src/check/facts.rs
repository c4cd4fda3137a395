//! Facts that `while` conditions name, and that nothing can ever set.

use alloc::{borrow::ToOwned as _, format, string::String, vec, vec::Vec};

use events::{Name, Pattern};

use super::{View, levels::leaves, place_of, report};
use crate::{
    Report, Severity,
    formats::{Described, Role},
    job_named,
};

pub(super) fn check(view: &View<'_>, reports: &mut Vec<Report>) {
    for described in view.jobs() {
        let leaves = described.job.holds_while.iter().flat_map(leaves);
        reports.extend(leaves.filter_map(|(pattern, denied)| fault(view, described, pattern, denied)));
    }
}

/// What is wrong with a leaf. Who sets a fact by hand may call it as he likes; so a name is only doubted if
/// it is nearly that of a fact that is known.
fn fault(view: &View<'_>, described: &Described, pattern: &Pattern, denied: bool) -> Option<Report> {
    let named = pattern.matches.iter().find_map(job_named);
    match (pattern.name.as_str(), named) {
        ("running", Some(job)) if denied && view.is_masked(job) => None,
        ("running", Some(job)) if !view.known.jobs.contains_key(job) => {
            Some(no_such_job(view, described, job))
        }
        ("provided", Some(word)) if !view.known.providers.contains_key(word) => {
            Some(no_such_provision(view, described, word))
        }
        ("running" | "provided" | "mode", _) => None,
        (name, _) => {
            let meant = view.known.nearest_fact(name)?;
            let message =
                format!("nothing sets fact `{name}`, so it never holds for job `{}`", described.job.name);
            let places = vec![place_of(described, Role::While, name, "never holds")];
            let help = format!("did you mean `{meant}`?");
            Some(report(Severity::Warning, "unknown-fact", message, places).help(help))
        }
    }
}

fn no_such_job(view: &View<'_>, described: &Described, wanted: &str) -> Report {
    let message = format!(
        "there is no job `{wanted}` for `running`, so it never holds for job `{}`",
        described.job.name
    );
    let places = vec![place_of(described, Role::JobOfEvent, wanted, "no such job")];
    let help = match view.known.providers.contains_key(wanted) {
        true => Some(format!("jobs provide it: did you mean `provided {wanted}`?")),
        false => fate(view, wanted).or_else(|| guess(view.known.nearest_job(wanted))),
    };
    report(Severity::Warning, "unknown-job", message, places)
        .help(help.unwrap_or_else(|| "a job is named by its file".to_owned()))
}

fn no_such_provision(view: &View<'_>, described: &Described, wanted: &str) -> Report {
    let message = format!(
        "no job provides `{wanted}`, so `provided {wanted}` never holds for job `{}`",
        described.job.name
    );
    let places = vec![place_of(described, Role::JobOfEvent, wanted, "provided by nobody")];
    let help = match view.known.jobs.contains_key(wanted) {
        true => Some(format!("it is a job: did you mean `running {wanted}`?")),
        false => fate(view, wanted).or_else(|| {
            let wanted = Name::new(wanted).ok()?;
            guess(view.known.nearest_provision(&wanted).map(|(meant, _)| meant))
        }),
    };
    report(Severity::Warning, "unknown-provision", message, places)
        .help(help.unwrap_or_else(|| "name it under `provides` in a job".to_owned()))
}

fn fate(view: &View<'_>, wanted: &str) -> Option<String> {
    view.fate(&Name::new(wanted).ok()?)
}

fn guess(meant: Option<&str>) -> Option<String> {
    meant.map(|meant| format!("did you mean `{meant}`?"))
}
