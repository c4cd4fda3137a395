//! Upstart's job files: `.conf`, and the `.override` that is laid over it.
//!
//! All 35 stanzas of Upstart 1.13 are read with their exact meaning, besides `import` and `tmpfiles`, which
//! Chrome OS added. What Upstart takes without a word although it cannot be meant gets a warning, and where
//! its own behaviour would harm (a signal that does not exist, half an override) the file is refused
//! instead. `docs/upstart.md` lists every difference.
//!
//! A text is read up to its first fault: what follows an open quote or an unknown block means nothing.

use alloc::vec::Vec;
use core::time::Duration;

use events::Name;

use super::{Described, Reading, Source};
use crate::{Report, Respawn, StartMode};

mod condition;
mod fault;
mod lexer;
mod reader;
mod stanzas;
mod table;
mod values;

pub use condition::On;
pub use stanzas::{RespawnLimit, Stanzas};

use reader::Reader;

/// How often a job comes back, and within how many seconds, if it says `respawn` only.
const RESPAWN_LIMIT: (u32, u32) = (10, 5);

/// The job that a `.conf` describes, with its overrides laid over it in order.
///
/// `name` is the path below the directory, without `.conf` (`net/web`). A fault in the `.conf` refuses the
/// job. A fault in an override refuses that override as a whole: the job is as if it did not exist, its
/// fault is among the reports as an error, **and the job is there all the same**. An override that could
/// take a job away by a slip would be worse than one that does nothing and says so.
#[must_use]
pub fn read(name: &Name, conf: &Source, overrides: &[Source]) -> Reading {
    let (stanzas, reports) = stanzas(name, conf, overrides);
    Reading { described: stanzas.map(|stanzas| described(stanzas, conf)), reports }
}

/// What the stanzas have set, and what is to be said about them; none if the `.conf` is refused.
///
/// This is the first half of [`read`], for who wants to see values as they were written.
#[must_use]
pub fn stanzas(name: &Name, conf: &Source, overrides: &[Source]) -> (Option<Stanzas>, Vec<Report>) {
    let mut reader = Reader::new(conf, false, Stanzas::new(name));
    if let Err(fault) = reader.read() {
        return (None, Vec::from([fault.report(&conf.path)]));
    }
    let (mut stanzas, mut reports) = (reader.stanzas, reader.warnings);
    for source in overrides {
        let mut reader = Reader::new(source, true, stanzas.clone());
        match reader.read() {
            Ok(()) => {
                stanzas = reader.stanzas;
                reports.append(&mut reader.warnings);
            }
            Err(fault) => reports.push(refused_override(*fault, source)),
        }
    }
    reports.extend(oddities(&stanzas));
    (Some(stanzas), reports)
}

fn refused_override(fault: fault::Fault, source: &Source) -> Report {
    let mut report = fault.report(&source.path);
    let note = "nothing of this override counts until then, and the job is as without it";
    report.help = Some(match report.help {
        Some(help) => alloc::format!("{help} ({note})"),
        None => note.into(),
    });
    report
}

/// What can only be seen when all texts have been read.
fn oddities(stanzas: &Stanzas) -> Vec<Report> {
    let conditions = [&stanzas.start_on, &stanzas.stop_on].into_iter().flatten();
    let mut reports: Vec<Report> = conditions.flat_map(|on| on.warnings.iter().cloned()).collect();
    if let Some(limit) = stanzas.respawn_limit.as_ref().filter(|_| !stanzas.respawn) {
        let mut report =
            Report::warning("respawn-limit-alone", "`respawn limit` has no effect without `respawn`");
        report.places.push(limit.place.clone());
        reports.push(report.help("add a line `respawn`, or remove the limit"));
    }
    if let Some(place) = &stanzas.cgroup {
        let mut report =
            Report::warning("cgroup-ignored", "`cgroup` has no effect: its manager is not on this system");
        report.places.push(place.clone());
        reports.push(report.help("a native override can set it: `cgroup: (memory_max: \"100M\")`"));
    }
    reports
}

fn described(stanzas: Stanzas, conf: &Source) -> Described {
    let Stanzas { start_on, stop_on, mut job, mut work, .. } = stanzas;
    let mut mentions = Vec::new();
    let mut condition = |on: Option<On>| {
        on.map(|on| {
            mentions.extend(on.mentions);
            on.condition
        })
    };
    job.start_on = condition(start_on);
    job.stop_on = condition(stop_on);
    if stanzas.manual {
        job.start = StartMode::Manual;
    }
    let limit = stanzas.respawn_limit.map_or(RESPAWN_LIMIT, |limit| (limit.limit, limit.within));
    job.respawn = stanzas.respawn.then(|| respawning(limit));
    job.env = stanzas.env.into();
    job.export = stanzas.export.into();
    job.normal_exit = stanzas.normal_exit.into();
    work.processes.sort_by_key(|(kind, _)| *kind);
    job.processes = work.processes.iter().map(|(kind, _)| *kind).collect();
    Described { job, work, mentions, path: conf.path.clone() }
}

/// Upstart comes back at once, without a wait; 0 in either part means without end.
fn respawning((limit, within): (u32, u32)) -> Respawn {
    let endless = limit == 0 || within == 0;
    Respawn {
        limit: if endless { 0 } else { limit },
        within: Duration::from_secs(if endless { 0 } else { within.into() }),
        backoff: Duration::ZERO,
        backoff_max: Duration::ZERO,
    }
}

/// The first words of all stanzas, in order.
pub fn stanza_names() -> impl Iterator<Item = &'static str> {
    table::STANZAS.iter().map(|(name, _)| *name)
}

/// The name of the job whose `.conf` has this path below its directory; none if it is no job's file.
///
/// Hidden files, and files in hidden folders, are no jobs.
#[must_use]
pub fn job_name(relative_path: &str) -> Option<Name> {
    name_before(relative_path, ".conf")
}

/// The name of the job over which the `.override` with this path is laid; none if it is no override.
#[must_use]
pub fn override_name(relative_path: &str) -> Option<Name> {
    name_before(relative_path, ".override")
}

fn name_before(path: &str, ending: &str) -> Option<Name> {
    let stem = path.strip_suffix(ending)?;
    let is_plain = stem.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    is_plain.then(|| Name::new(stem).ok()).flatten()
}
