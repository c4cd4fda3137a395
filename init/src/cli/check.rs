//! `onsetctl check`: what is wrong in the files.

use std::io;

use clap::Args;
use jobs::Severity;
use serde::Serialize;

use super::{CLEAN, FAULTS, Loaded, Outcome, Paths, colours, count, counted};
use crate::{
    show::{Located, Texts},
    tree::Reach,
};

/// Shows what is wrong in job files: each fault with its place, and what to do.
///
/// Reads every format: native RON, Upstart .conf, rc.d, LSB scripts and hooks. An error means that a file is
/// refused, or that no order is right; a warning, that something may not do what was meant.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl check                     this machine
  onsetctl check /mnt/image          the root of an image
  onsetctl check ./jobs web.ron      a folder of job files, and one more
  onsetctl check --strict --json .   for a build: warnings fail it, and a program reads them

Exit status:
  0  nothing is wrong (there may be warnings)
  1  there is an error or a loop (with --strict: or a warning)
  2  the command is wrong, or a PATH cannot be read")]
pub(super) struct Check {
    #[command(flatten)]
    paths: Paths,
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// How many files that are no jobs are named.
const MAX_UNREAD: usize = 8;

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'r> {
    jobs: usize,
    errors: usize,
    warnings: usize,
    refused: Vec<&'r str>,
    masked: Vec<&'r str>,
    unread: &'r [String],
    reports: Vec<Located<'r>>,
}

impl Check {
    pub(super) fn run(&self) -> Result<Outcome, String> {
        let mut loaded = Loaded::read(&self.paths, Reach::Whole)?;
        let order = loaded.order();
        let more = jobs::check(&loaded.generation, &order);
        loaded.generation.reports.extend(more);
        let errors = count(&loaded.generation.reports, Severity::Error);
        let warnings = count(&loaded.generation.reports, Severity::Warning);
        let fails = super::fails(&loaded, &order) || (self.strict && warnings > 0);
        let text = if self.json { json(&loaded, errors, warnings)? } else { text(&loaded, errors, warnings) };
        Ok(Outcome { text, remarks: String::new(), code: if fails { FAULTS } else { CLEAN } })
    }
}

fn text(loaded: &Loaded, errors: usize, warnings: usize) -> String {
    let generation = &loaded.generation;
    let mut text = loaded.text(&generation.reports, colours(&io::stdout()));
    text.push_str(&counted(generation.jobs.len(), "job"));
    text.push_str(&format!(", {}, {}", counted(errors, "error"), counted(warnings, "warning")));
    if !generation.refused.is_empty() {
        let names: Vec<&str> = generation.refused.iter().map(|refused| refused.name.as_str()).collect();
        text.push_str(&format!("; refused: {}", names.join(", ")));
    }
    if !generation.masked.is_empty() {
        let names: Vec<&str> = generation.masked.iter().map(|masked| masked.name.as_str()).collect();
        text.push_str(&format!("; masked: {}", names.join(", ")));
    }
    if !loaded.unread.is_empty() {
        let shown: Vec<&str> = loaded.unread.iter().take(MAX_UNREAD).map(String::as_str).collect();
        text.push_str(&format!("; {} not read: ", counted(loaded.unread.len(), "file")));
        text.push_str(&shown.join(", "));
        text.push_str(if loaded.unread.len() > MAX_UNREAD { ", ..." } else { "" });
    }
    text.push('\n');
    text
}

fn json(loaded: &Loaded, errors: usize, warnings: usize) -> Result<String, String> {
    let generation = &loaded.generation;
    let texts = Texts::new(&loaded.tree);
    let answer = Answer {
        jobs: generation.jobs.len(),
        errors,
        warnings,
        refused: generation.refused.iter().map(|refused| refused.name.as_str()).collect(),
        masked: generation.masked.iter().map(|masked| masked.name.as_str()).collect(),
        unread: &loaded.unread,
        reports: generation.reports.iter().map(|report| Located::new(report, &texts)).collect(),
    };
    serde_json::to_string(&answer).map(|text| text + "\n").map_err(|error| error.to_string())
}
