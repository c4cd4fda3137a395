//! What is wrong across files: names that nobody provides, loops, jobs that can never start.
//!
//! What is wrong within one file its reader has said already. Nothing here changes a job: a start order
//! exists for any set of files, and this says where it is not what the files ask for.

mod arguments;
mod events;
mod facts;
mod known;
mod levels;
mod loops;
mod names;
mod starts;
#[cfg(test)]
mod tests;

pub use loops::LOOP_CODES;

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};

use ::events::Name;

use crate::{
    Job, Order, Place, Report, Severity,
    formats::{Described, Mention, Role},
    load::Generation,
};

/// What is wrong across the files of `generation`, whose jobs start in `order`: sorted by place.
#[must_use]
pub fn check(generation: &Generation, order: &Order) -> Vec<Report> {
    let view = View::new(generation);
    let mut reports = Vec::new();
    names::check(&view, order, &mut reports);
    loops::check(&view, order, &mut reports);
    events::check(&view, &mut reports);
    starts::check(&view, &mut reports);
    facts::check(&view, &mut reports);
    arguments::check(&view, &mut reports);
    levels::check(&view, &mut reports);
    sort(&mut reports);
    reports
}

/// Which jobs of `generation` wait for each other in a ring, and which wait is ignored for that: the part of
/// [`check`] that changes how jobs start.
#[must_use]
pub fn check_loops(generation: &Generation) -> Vec<Report> {
    let jobs: Vec<&Job> = generation.jobs.iter().map(|described| &described.job).collect();
    let order = crate::order(&jobs);
    let mut reports = Vec::new();
    if !order.loops.is_empty() || !order.tangled.is_empty() {
        loops::check(&View::new(generation), &order, &mut reports);
        sort(&mut reports);
    }
    reports
}

/// Sorts reports by where they point, so that the same files give the same text.
pub(crate) fn sort(reports: &mut [Report]) {
    reports.sort_by(|one, other| key(one).cmp(&key(other)));
}

fn key(report: &Report) -> (Option<(&str, Option<usize>)>, &str, &str) {
    let place = report.places.first();
    let place = place.map(|place| (place.path.as_str(), place.span.as_ref().map(|span| span.start)));
    (place, report.code, &report.message)
}

/// A generation, with what is looked up often.
struct View<'g> {
    generation: &'g Generation,
    known: known::Known<'g>,
}

impl<'g> View<'g> {
    fn new(generation: &'g Generation) -> Self {
        Self { generation, known: known::Known::new(generation) }
    }

    fn jobs(&self) -> impl Iterator<Item = &'g Described> {
        self.generation.jobs.iter()
    }

    fn job(&self, index: usize) -> Option<&'g Described> {
        self.generation.jobs.get(index)
    }

    /// Whether somebody has taken the job of this name away. Then he knows that nothing stops with it, and that what
    /// runs while it does not always may.
    fn is_masked(&self, name: &str) -> bool {
        self.generation.masked.iter().any(|masked| masked.name == name)
    }

    /// What became of a name that no job has: it is masked or refused. As a help for whoever means it.
    fn fate(&self, name: &Name) -> Option<String> {
        let masked = self.generation.masked.iter();
        let mut masked = masked.filter(|masked| masked.name == *name || masked.provides.contains(name));
        let refused = || self.generation.refused.iter().find(|refused| refused.name == *name);
        match masked.next() {
            Some(masked) => Some(alloc::format!("`{}` is masked by {}", masked.name, masked.path)),
            None => refused().map(|refused| alloc::format!("{} is refused: see its error", refused.path)),
        }
    }
}

/// Where a job's file has `name` in this role: the job's file as a whole if it does not stand there.
fn place_of(described: &Described, role: Role, name: &str, label: &str) -> Place {
    let mut mentions = described.mentions.iter();
    place(described, mentions.find(|mention| mention.role == role && mention.name.as_str() == name), label)
}

/// Where the event of a leaf stands, or the job that it names. A name may stand in one condition twice, and in
/// both, so that leaves are counted: readers mention each, in order, and a job behind the event that names it.
fn place_of_leaf(described: &Described, role: Role, leaf: usize, job: Option<&str>, label: &str) -> Place {
    let of_role = described.mentions.iter().enumerate().filter(|(_, mention)| mention.role == role);
    let found = of_role.map(|(at, _)| at).nth(leaf);
    let at = found.map(|at| if job.is_some() { at.saturating_add(1) } else { at });
    let mention = at.and_then(|at| described.mentions.get(at));
    let is_right = |mention: &&Mention| job.is_none_or(|job| mention.name == job);
    match (mention.filter(is_right), job) {
        (None, Some(job)) => place_of(described, Role::JobOfEvent, job, label),
        (mention, _) => place(described, mention, label),
    }
}

fn place(described: &Described, mention: Option<&Mention>, label: &str) -> Place {
    Place {
        path: mention.and_then(|mention| mention.path.clone()).unwrap_or_else(|| described.path.clone()),
        span: mention.map(|mention| mention.span.clone()),
        label: if mention.is_some() { label.to_owned() } else { String::new() },
    }
}

fn report(severity: Severity, code: &'static str, message: String, places: Vec<Place>) -> Report {
    Report { severity, code, message, places, help: None }
}
