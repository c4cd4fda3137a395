//! What rc.d scripts, LSB scripts and hooks have in common: a file that is executed with a verb.

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use events::{Condition, Name, Pattern};

use super::{Described, Mention, Reading, Role, Source};
use crate::{Command, Job, ProcessKind, Report, StartMode, Work};

/// A script while it is being read.
pub(super) struct Script<'s> {
    pub(super) source: &'s Source,
    pub(super) job: Job,
    pub(super) work: Work,
    pub(super) mentions: Vec<Mention>,
    pub(super) reports: Vec<Report>,
}

impl<'s> Script<'s> {
    pub(super) fn new(job: Job, source: &'s Source) -> Self {
        Self { source, job, work: Work::default(), mentions: Vec::new(), reports: Vec::new() }
    }

    /// Runs the script with `verb` as its process `kind`; without a verb, with no argument.
    pub(super) fn runs(&mut self, kind: ProcessKind, verb: Option<&str>) {
        let argv = [Some(self.source.path.as_str()), verb].into_iter().flatten().map(String::from).collect();
        self.job.processes = self.job.processes.with(kind);
        self.work.processes.push((kind, Command::Argv(argv)));
    }

    /// Keeps it from starting by itself; the first reason given stays.
    pub(super) fn disable(&mut self, why: &str) {
        if !matches!(self.job.start, StartMode::Disabled(_)) {
            self.job.start = StartMode::Disabled(why.into());
        }
    }

    /// Says so, and disables it, if the file may not be executed.
    pub(super) fn require_executable(&mut self) {
        if !self.source.executable {
            let path = &self.source.path;
            let report = Report::warning("not-executable", "file is not executable, so it is not run")
                .in_file(path)
                .help(format!("`chmod +x {path}` if it is meant to run"));
            self.reports.push(report);
            self.disable("not executable");
        }
    }

    /// Notes where a name stands.
    pub(super) fn mention(&mut self, role: Role, name: &Name, path: Option<&str>, span: Range<usize>) {
        self.mentions.push(Mention { role, name: name.clone(), path: path.map(Into::into), span });
    }

    /// What has been read.
    pub(super) fn finish(self) -> Reading {
        let path = self.source.path.clone();
        let described = Described { job: self.job, work: self.work, mentions: self.mentions, path };
        Reading { described: Some(described), reports: self.reports }
    }
}

/// What keeps the kernel from executing a script as it was meant: a byte order mark before `#!`, and carriage
/// returns, of which the first makes the interpreter's name another one.
pub(super) fn lint_text(path: &str, text: &str, reports: &mut Vec<Report>) {
    if text.starts_with('\u{feff}') {
        let report = Report::warning("byte-order-mark", "file starts with a byte order mark (BOM)")
            .at(path, 0..'\u{feff}'.len_utf8(), "before the first character")
            .help("remove it: the kernel does not execute a script that starts with one");
        reports.push(report);
    }
    if let Some(at) = text.find('\r') {
        let help =
            "convert the file to Unix line ends: each carriage return counts as part of the word before it";
        let report = Report::warning("carriage-return", "line ends in a carriage return");
        reports.push(report.at(path, at..at.saturating_add(1), "here first").help(help));
    }
}

/// The first line of a text: that is where the kernel looks.
pub(super) fn first_line(text: &str) -> &str {
    text.split_inclusive('\n').next().unwrap_or_default()
}

/// The condition that is one event's name.
pub(super) fn on_event(name: Name) -> Condition {
    Condition::leaf(Pattern::named(name))
}
