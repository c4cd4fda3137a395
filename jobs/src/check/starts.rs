//! Jobs that start only after each other: none of them ever does by itself.
//!
//! A job is taken to start if anything but the life of another job may start it: another event, a person, a
//! fact, a need, a script that says `start NAME`. From these, `started NAME` and its like lead to more. What is
//! left over at the end is a ring, or hangs on one.

use alloc::{collections::VecDeque, format, string::String, vec, vec::Vec};

use events::{Condition, Pattern};
use hashbrown::HashMap;

use super::{View, events::OF_A_JOB, place_of, report};
use crate::{
    Report, Severity, StartMode,
    formats::{Described, Role},
    job_named,
};

/// Of how many jobs of one ring the places are shown.
const MAX_SHOWN: usize = 8;

pub(super) fn check(view: &View<'_>, reports: &mut Vec<Report>) {
    let starts = starting_jobs(view);
    // For each job the walk that came by; 0 is none.
    let mut seen = vec![0_usize; starts.len()];
    for first in (0..starts.len()).filter(|&index| starts.get(index) == Some(&false)) {
        let walk = first.saturating_add(1);
        let mut way = Vec::new();
        let mut at = first;
        while let Some(mark @ 0) = seen.get_mut(at) {
            *mark = walk;
            let Some((pattern, next)) = view.job(at).and_then(|job| awaited(view, job, &starts)) else {
                break;
            };
            way.push((at, pattern));
            at = next;
        }
        // A way that ends in an earlier one has led to a ring that is told already.
        if let Some(ring) = way.iter().position(|(index, _)| *index == at).and_then(|from| way.get(from..)) {
            reports.extend(ring_report(view, ring));
        }
    }
}

/// The job whose life a leaf waits for; `None` if something else may make the leaf true.
fn job_of(view: &View<'_>, pattern: &Pattern) -> Option<usize> {
    let of_a_job = OF_A_JOB.contains(&pattern.name.as_str());
    let named = pattern.matches.iter().find_map(job_named).filter(|_| of_a_job)?;
    view.known.jobs.get(named).copied()
}

fn leaves(described: &Described) -> impl Iterator<Item = &Pattern> {
    described.job.start_on.iter().flat_map(Condition::leaves).map(|leaf| &leaf.pattern)
}

/// Of each job, whether it may ever start.
fn starting_jobs(view: &View<'_>) -> Vec<bool> {
    let mut starts: Vec<bool> = view.jobs().map(|job| starts_anyway(view, job)).collect();
    for need in view.jobs().flat_map(|described| &described.job.needs) {
        let named = view.known.jobs.get(need.name.as_str());
        for &index in view.known.providers.get(need.name.as_str()).into_iter().flatten().chain(named) {
            if let Some(starts) = starts.get_mut(index) {
                *starts = true;
            }
        }
    }
    let mut followers: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, described) in view.jobs().enumerate() {
        for job in leaves(described).filter_map(|pattern| job_of(view, pattern)) {
            followers.entry(job).or_default().push(index);
        }
    }
    // Every job is looked at once, and again whenever one that it waits for turns out to start.
    let mut open: VecDeque<usize> = (0..starts.len()).collect();
    while let Some(index) = open.pop_front() {
        let may = view.job(index).is_some_and(|job| is_reached(view, job, &starts));
        if let Some(starts @ false) = starts.get_mut(index) {
            *starts = may;
            if may {
                open.extend(followers.get(&index).into_iter().flatten());
            }
        }
    }
    starts
}

fn starts_anyway(view: &View<'_>, described: &Described) -> bool {
    let job = &described.job;
    job.start != StartMode::Automatic
        || job.start_on.is_none()
        || view.known.is_started_by_hand(&job.name)
        || leaves(described).all(|pattern| job_of(view, pattern).is_none())
}

/// Whether the start condition may come true, as far as is known.
fn is_reached(view: &View<'_>, described: &Described, starts: &[bool]) -> bool {
    let Some(condition) = &described.job.start_on else { return true };
    let mut possible = 0_u64;
    for (place, pattern) in (0_u32..).zip(leaves(described)) {
        if job_of(view, pattern).is_none_or(|job| starts.get(job) != Some(&false)) {
            possible |= 1_u64.checked_shl(place).unwrap_or(0);
        }
    }
    condition.holds(possible)
}

/// What a job that never starts waits for: a leaf of another one that does not.
fn awaited<'g>(view: &View<'g>, described: &'g Described, starts: &[bool]) -> Option<(&'g Pattern, usize)> {
    let mut waits = leaves(described).filter_map(|pattern| Some((pattern, job_of(view, pattern)?)));
    waits.find(|(_, job)| starts.get(*job) == Some(&false))
}

fn ring_report(view: &View<'_>, ring: &[(usize, &Pattern)]) -> Option<Report> {
    let (first, _) = ring.first()?;
    let name = |index: usize| view.job(index).map_or("?", |described| described.job.name.as_str());
    let mut way: Vec<&str> = ring.iter().take(MAX_SHOWN).map(|(index, _)| name(*index)).collect();
    if ring.len() > way.len() {
        way.push("...");
    }
    way.push(name(*first));
    let places = ring.iter().take(MAX_SHOWN).filter_map(|(index, pattern)| {
        let described = view.job(*index)?;
        let other = pattern.matches.iter().find_map(job_named)?;
        let label = format!("`{}` waits for `{} {other}`", described.job.name, pattern.name);
        Some(place_of(described, Role::JobOfEvent, other, &label))
    });
    let (message, help) = match ring {
        [_] => (
            format!("job `{}` can never start: it waits for its own life", name(*first)),
            "let something else start it as well, or say `manual` if a person does",
        ),
        _ => (
            format!("jobs can never start: each waits for another one of them: {}", way.join(" -> ")),
            "let something else start one of them, or say `manual` if a person does",
        ),
    };
    Some(report(Severity::Warning, "never-starts", message, places.collect()).help(String::from(help)))
}
