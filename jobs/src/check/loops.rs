//! Jobs that wait for each other in a ring.

use alloc::{format, string::String, vec, vec::Vec};

use super::{View, place_of, report};
use crate::{Edge, EdgeKind, Loop, Order, Place, Report, Severity, formats::Role};

/// The codes of what is said here.
pub const LOOP_CODES: [&str; 3] = ["loop", "hard-loop", "tangle"];
/// The most edges of one loop that are shown each with its place.
const MAX_SHOWN: usize = 8;

pub(super) fn check(view: &View<'_>, order: &Order, reports: &mut Vec<Report>) {
    reports.extend(order.loops.iter().filter_map(|found| ring(view, found)));
    for described in order.tangled.iter().filter_map(|&index| view.job(index)) {
        let message = format!(
            "job `{}` and others wait for each other in more ways than can be listed",
            described.job.name
        );
        let place = Place { path: described.path.clone(), span: None, label: String::new() };
        reports.push(
            report(Severity::Error, "tangle", message, vec![place])
                .help("they start one after the other; see `onsetctl order --levels`"),
        );
    }
}

/// One loop, with the place of each of its edges.
fn ring(view: &View<'_>, found: &Loop) -> Option<Report> {
    let (last, rest) = found.edges.split_last()?;
    let name = |index: usize| view.job(index).map_or("?", |described| described.job.name.as_str());
    // Each waits for the next one.
    let mut way: Vec<&str> = Vec::from([name(last.to)]);
    way.extend(found.edges.iter().rev().map(|edge| name(edge.from)));
    let message = if rest.is_empty() {
        format!("job `{}` waits for itself", name(last.from))
    } else if way.len() > MAX_SHOWN {
        let (first, _) = way.split_at(MAX_SHOWN.min(way.len()));
        format!("{} jobs wait for each other: {} -> ...", found.edges.len(), first.join(" -> "))
    } else {
        format!("jobs wait for each other: {}", way.join(" -> "))
    };
    let mut places = vec![place(view, last, true)?];
    places.extend(rest.iter().rev().take(MAX_SHOWN).filter_map(|edge| place(view, edge, false)));
    let ignored = format!("`{}` does not wait for `{}`", name(last.to), name(last.from));
    let (severity, code, help) = if found.is_hard() {
        let help = format!("no order is right, so {ignored}: take one of the needs out");
        (Severity::Error, "hard-loop", help)
    } else {
        (Severity::Warning, "loop", format!("all of them start, and {ignored}: take one of the names out"))
    };
    Some(report(severity, code, message, places).help(help))
}

fn place(view: &View<'_>, edge: &Edge, ignored: bool) -> Option<Place> {
    let described = view.job(edge.declared_by)?;
    let (role, says) = match edge.kind {
        EdgeKind::Requires => (Role::Requires, "requires"),
        EdgeKind::Needs => (Role::Needs, "needs"),
        EdgeKind::Before => (Role::Before, "is before"),
        EdgeKind::Starting => (Role::JobOfEvent, "starts before"),
    };
    let other = if edge.declared_by == edge.to { edge.from } else { edge.to };
    let other = view.job(other).map_or("?", |other| other.job.name.as_str());
    let ignored = if ignored { " (ignored)" } else { "" };
    let by = if other == edge.word.as_str() { String::new() } else { format!(", provided by `{other}`") };
    let label = format!("`{}` {says} `{}`{by}{ignored}", described.job.name, edge.word);
    Some(place_of(described, role, &edge.word, &label))
}
