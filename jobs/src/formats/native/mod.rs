//! Onset's own format: one RON struct for a job, `( exec: "...", start_on: "..." )`.
//!
//! A file is taken apart into fields that know their places ([`raw`]), each field puts its value into a
//! draft ([`fields`], [`life`], [`setup`]), and then it is seen whether the fields fit each other
//! ([`rules`]). An override is a file of the same fields: over a native file they are laid before anything
//! is read, over a foreign job they are put into the job that its own format has read.
//!
//! `docs/jobs.md` describes every field, and a test holds it to the table in [`fields`].

mod draft;
mod fault;
mod fields;
mod life;
mod named;
mod open;
mod plain;
mod raw;
mod rules;
mod setup;
mod sockets;
#[cfg(test)]
mod tests;
mod values;

use alloc::{format, string::String, vec::Vec};

use events::Name;

use self::{
    draft::{Draft, File, MAX_REPORTS},
    fields::Entry,
    raw::{Field, Node},
};
use super::{Described, Reading, Source};
use crate::{Format, Job, Report, Work, did_you_mean};

/// The names of all fields that a file may have.
pub fn field_names() -> impl Iterator<Item = &'static str> {
    fields::FIELDS.iter().map(|entry| entry.name)
}

/// The job that a file describes, by its path below the folder of jobs: `net/dhcp.ron` is `net/dhcp`.
///
/// `None` for what is no job: overrides, hidden files, editors' copies.
#[must_use]
pub fn job_name(relative_path: &str) -> Option<Name> {
    let stem = relative_path.strip_suffix(".ron")?;
    if stem.ends_with(".override") { None } else { name_of(stem) }
}

/// The job over which a file is laid: `net/dhcp.override.ron` is laid over `net/dhcp`.
#[must_use]
pub fn overridden_name(relative_path: &str) -> Option<Name> {
    name_of(relative_path.strip_suffix(".override.ron")?)
}

fn name_of(stem: &str) -> Option<Name> {
    let visible = stem.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    if visible { Name::new(stem).ok() } else { None }
}

/// The job that a file and its overrides describe; of two overrides the later counts.
///
/// A fault in any of them refuses the job as a whole: without an override that hardens it, it would run with
/// more freedom than was meant.
#[must_use]
pub fn read(name: &Name, source: &Source, overrides: &[Source], layer: u8) -> Reading {
    let mut reports = Vec::new();
    let mut laid: Vec<Laid<'_>> = Vec::new();
    for (at, source) in core::iter::once(source).chain(overrides).enumerate() {
        let file = File { path: &source.path, own: at == 0 };
        for (entry, field) in fields_of(source, &mut reports) {
            lay(&mut laid, Laid { entry, node: field.node, file });
        }
    }
    let mut job = Job::new(name.clone(), Format::Native);
    job.layer = layer;
    let own = File { path: &source.path, own: true };
    let mut draft = Draft::new(job, Work::default(), Vec::new(), own);
    // The rest is read all the same, so that one look shows all that is wrong.
    draft.reports = reports;
    put(&mut draft, &laid);
    rules::check(&mut draft);
    rules::something_to_do(&mut draft, &source.path);
    finish(draft, &source.path)
}

/// Lays the fields of an override over a job of another format.
///
/// Nothing of it counts if anything in it is wrong: then the reports say what, and `described` is as before.
#[must_use]
pub fn apply_override(described: &mut Described, source: &Source) -> Vec<Report> {
    let mut reports = Vec::new();
    let file = File { path: &source.path, own: false };
    let mut laid = Vec::new();
    for (entry, field) in fields_of(source, &mut reports) {
        lay(&mut laid, Laid { entry, node: field.node, file });
    }
    let Described { job, work, mentions, .. } = described.clone();
    let mut draft = Draft::new(job, work, mentions, file);
    draft.reports = reports;
    put(&mut draft, &laid);
    rules::check(&mut draft);
    if draft.is_sound() {
        described.job = draft.job;
        described.work = draft.work;
        described.mentions = draft.mentions;
    }
    draft.reports
}

/// A field and the file that it stands in.
struct Laid<'s> {
    entry: &'static Entry,
    node: Node<'s>,
    file: File<'s>,
}

/// Lays a field over the same one of an earlier file. `exec` and `script` are two ways to say one thing.
fn lay<'s>(laid: &mut Vec<Laid<'s>>, field: Laid<'s>) {
    let is_main = |name: &str| matches!(name, "exec" | "script");
    laid.retain(|earlier| {
        let (earlier_name, name) = (earlier.entry.name, field.entry.name);
        let same = earlier_name == name || (is_main(earlier_name) && is_main(name));
        !same || earlier.file.path == field.file.path
    });
    laid.push(field);
}

/// A field as it stands in a file, and which it is.
type Known<'s> = (&'static Entry, Field<'s>);

/// The fields of one file; what is wrong with their names goes into `reports`.
fn fields_of<'s>(source: &'s Source, reports: &mut Vec<Report>) -> Vec<Known<'s>> {
    let fields = match raw::read(&source.text) {
        Ok(fields) => fields,
        Err(fault) => {
            let report = Report::error(fault.code, fault.message);
            // What is wrong with a file as a whole cites none of it.
            let report = match fault.code {
                "file-too-large" => report.in_file(&source.path),
                _ => report.at(&source.path, fault.span, fault.label),
            };
            let report = match fault.opened {
                Some((at, label)) => report.at(&source.path, at..at.saturating_add(1), label),
                None => report,
            };
            reports.push(Report { help: fault.help, ..report });
            return Vec::new();
        }
    };
    let mut kept: Vec<Known<'s>> = Vec::with_capacity(fields.len());
    for field in fields {
        if reports.len() >= MAX_REPORTS {
            break;
        }
        let name = field.name;
        let Some(entry) = fields::FIELDS.iter().find(|entry| entry.name == name) else {
            let report = Report::error("unknown-field", format!("there is no field `{name}`"));
            reports.push(report.at(&source.path, field.name_span, "unknown").help(advice(name)));
            continue;
        };
        match misplaced(&field, &kept, &source.path) {
            Some(report) => reports.push(report),
            None => kept.push((entry, field)),
        }
    }
    kept
}

/// What is wrong with a field's standing beside others.
fn misplaced(field: &Field<'_>, before: &[Known<'_>], path: &str) -> Option<Report> {
    let name = field.name;
    let mut before = before.iter().map(|(_, field)| field);
    if let Some(twin) = before.clone().find(|earlier| earlier.name == name) {
        let report = Report::error("duplicate-field", format!("the field `{name}` stands twice"));
        let report =
            report.at(path, field.name_span.clone(), "again").at(path, twin.name_span.clone(), "first");
        return Some(report.help("drop one of them"));
    }
    let other = match name {
        "exec" => "script",
        "script" => "exec",
        _ => return None,
    };
    let said = |field: &&Field<'_>| field.name == other && !field.node.is_nothing();
    let twin = before.find(said).filter(|_| !field.node.is_nothing())?;
    let report = Report::error("exec-and-script", "a job runs either `exec` or `script`");
    let report =
        report.at(path, field.name_span.clone(), "and this").at(path, twin.name_span.clone(), "this");
    Some(report.help("drop one of them, or make it `pre_start`"))
}

/// What somebody meant who wrote `name`: a slip, or another init's word.
fn advice(name: &str) -> String {
    const ELSEWHERE: [(&str, &str); 14] = [
        ("after", "requires"),
        ("wants", "requires"),
        ("depends", "needs"),
        ("depends_on", "needs"),
        ("require", "requires"),
        ("command", "exec"),
        ("exec_start", "exec"),
        ("restart", "respawn"),
        ("expect", "ready"),
        ("type", "ready"),
        ("environment", "env"),
        ("working_directory", "chdir"),
        ("oom_score", "oom"),
        ("setuid", "user"),
    ];
    let lower = name.to_ascii_lowercase();
    if matches!(lower.as_str(), "enabled" | "enable" | "autostart" | "auto") {
        return "a job is enabled where nothing else is said; `manual: true` is the opposite".into();
    }
    let elsewhere = ELSEWHERE.iter().find(|(theirs, _)| *theirs == lower).map(|(_, ours)| *ours);
    match elsewhere.or_else(|| did_you_mean(&lower, field_names())) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if field_names().any(|known| known == lower) => format!("did you mean `{lower}`?"),
        None => "docs/jobs.md lists all fields".into(),
    }
}

/// Puts all fields into the draft, those first that take something back.
fn put<'s>(draft: &mut Draft<'s>, laid: &[Laid<'s>]) {
    for takes_back in [true, false] {
        for Laid { entry, node, file } in laid.iter().filter(|field| field.node.is_nothing() == takes_back) {
            draft.begin(entry.name, *file, node);
            (entry.set)(draft, node);
        }
    }
}

fn finish(draft: Draft<'_>, path: &str) -> Reading {
    let sound = draft.is_sound();
    let Draft { job, work, mentions, reports, .. } = draft;
    let described = sound.then(|| Described { job, work, mentions, path: path.into() });
    Reading { described, reports }
}
