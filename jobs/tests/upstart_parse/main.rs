//! Upstart's files are read as Upstart reads them: every `parse` case of the conformance data, what is said of
//! faults and oddities, and the files that people have.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking, and an index that is not there is a failure"
)]

use events::Name;
use jobs::{
    Report,
    formats::{Reading, Source, upstart::read},
};

mod any_text;
mod conformance;
mod files;
mod messages;
mod overrides;
mod words;

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into(), executable: false }
}

fn reading(conf: &str) -> Reading {
    read(&Name::new("t").unwrap(), &source("t.conf", conf), &[])
}

fn with_override(conf: &str, laid_over: &str) -> Reading {
    read(&Name::new("t").unwrap(), &source("t.conf", conf), &[source("t.override", laid_over)])
}

fn codes(reading: &Reading) -> Vec<&'static str> {
    codes_of(&reading.reports)
}

fn codes_of(reports: &[Report]) -> Vec<&'static str> {
    reports.iter().map(|report| report.code).collect()
}

/// The line of the main place of a report, counted from 1.
fn line(report: &Report, text: &str) -> usize {
    let start = report.places[0].span.clone().unwrap().start;
    text[..start].matches('\n').count() + 1
}

/// The text that the first place of each report of `code` marks.
fn marked<'t>(reading: &Reading, code: &str, text: &'t str) -> Vec<&'t str> {
    let reports = reading.reports.iter().filter(|report| report.code == code);
    reports.map(|report| &text[report.places[0].span.clone().unwrap()]).collect()
}
