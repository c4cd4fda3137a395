//! A job while its fields are read: what it has so far, what is wrong with it, and how values are asked for.
//!
//! Each of the readers gives what was written if it is of the right kind, and otherwise reports and gives
//! nothing. A file with a report of severity error is refused as a whole, so nothing is ever half taken.

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use events::Name;

use super::raw::{Node, Quoted, Shape};
use crate::{Connections, Job, Report, Work, did_you_mean, formats::Mention, formats::Role};

/// A file of fields: the job's own, or an override.
#[derive(Debug, Clone, Copy)]
pub(super) struct File<'s> {
    /// Where it was found.
    pub path: &'s str,
    /// Whether mentions in it need no path of their own.
    pub own: bool,
}

/// A job while its fields are read.
pub(super) struct Draft<'s> {
    pub job: Job,
    pub work: Work,
    pub mentions: Vec<Mention>,
    pub reports: Vec<Report>,
    said: Vec<Said<'s>>,
    file: File<'s>,
    /// How many connections may be accepted, if that was said.
    pub connections: Option<Connections>,
    /// The field that is read now.
    pub field: &'static str,
}

/// Where a field was given, for what is checked when all are known.
#[derive(Debug, Clone)]
pub(super) struct Said<'s> {
    pub field: &'static str,
    pub path: &'s str,
    pub span: Range<usize>,
    /// Of a condition: where its leaves' names stand.
    pub leaves: Vec<Range<usize>>,
}

/// A struct's fields by name.
pub(super) struct Record<'n, 's>(pub &'n [(Node<'s>, Node<'s>)]);

impl<'n, 's> Record<'n, 's> {
    /// What `name` is, unless it is `None`.
    pub fn get(&self, name: &str) -> Option<&'n Node<'s>> {
        let entry = self.0.iter().find(|(key, _)| key.label() == Some(name));
        entry.map(|(_, value)| value).filter(|value| !value.is_nothing())
    }
}

impl<'s> Node<'s> {
    /// The text, if it is one.
    pub(super) fn quoted(&self) -> Option<&Quoted<'s>> {
        if let Shape::Text(quoted) = &self.shape { Some(quoted) } else { None }
    }

    /// A name on the left side of a pair: a word or a text.
    pub fn label(&self) -> Option<&str> {
        match &self.shape {
            Shape::Text(quoted) => Some(&quoted.text),
            Shape::Word(word) => Some(word),
            Shape::Nothing
            | Shape::Number(_)
            | Shape::Truth(_)
            | Shape::Call(..)
            | Shape::List(_)
            | Shape::Tuple(_)
            | Shape::Pairs(_)
            | Shape::Other => None,
        }
    }

    /// A word and the values behind it in parentheses.
    pub fn word(&self) -> Option<(&str, &[Node<'s>])> {
        match &self.shape {
            Shape::Word(word) => Some((word, &[])),
            Shape::Call(word, args) => Some((word, args)),
            Shape::Nothing
            | Shape::Text(_)
            | Shape::Number(_)
            | Shape::Truth(_)
            | Shape::List(_)
            | Shape::Tuple(_)
            | Shape::Pairs(_)
            | Shape::Other => None,
        }
    }

    /// Whether it is names with values.
    pub fn is_record(&self) -> bool {
        matches!(self.shape, Shape::Pairs(_))
    }

    /// The elements of a list; anything else is a list of itself.
    pub fn items(&self) -> &[Node<'s>] {
        match &self.shape {
            Shape::List(items) => items,
            Shape::Nothing => &[],
            Shape::Text(_)
            | Shape::Number(_)
            | Shape::Truth(_)
            | Shape::Word(_)
            | Shape::Call(..)
            | Shape::Tuple(_)
            | Shape::Pairs(_)
            | Shape::Other => core::slice::from_ref(self),
        }
    }
}

impl<'s> Draft<'s> {
    /// A draft of `job`, about which `mentions` are known.
    pub fn new(job: Job, work: Work, mentions: Vec<Mention>, file: File<'s>) -> Self {
        Self {
            job,
            work,
            mentions,
            reports: Vec::new(),
            said: Vec::new(),
            file,
            connections: None,
            field: "",
        }
    }

    /// Turns to a field: what is read next is of it.
    pub fn begin(&mut self, field: &'static str, file: File<'s>, node: &Node<'_>) {
        self.field = field;
        self.file = file;
        if !node.is_nothing() {
            let span = node.span.clone();
            self.said.push(Said { field, path: file.path, span, leaves: Vec::new() });
        }
    }

    /// Where a field was given.
    pub fn said(&self, field: &str) -> Option<Said<'s>> {
        self.said.iter().rev().find(|said| said.field == field).cloned()
    }

    /// Notes where the leaves of the condition stand that is being read.
    pub fn note_leaves(&mut self, leaves: Vec<Range<usize>>) {
        if let Some(said) = self.said.last_mut() {
            said.leaves = leaves;
        }
    }

    /// Notes a name and what it is used for.
    pub fn mention(&mut self, role: Role, name: &Name, span: Range<usize>) {
        let path = (!self.file.own).then(|| String::from(self.file.path));
        self.mentions.push(Mention { role, name: name.clone(), path, span });
    }

    /// Drops what was noted of a use, because the field that told it is told anew.
    pub fn forget(&mut self, role: Role) {
        if self.mentions.is_empty() {
            return;
        }
        let owner = |mention: &Mention| {
            if mention.role != Role::JobOfEvent {
                return Some(mention.role);
            }
            // Whose condition it stands in is said by the nearest event before it.
            let before = self.mentions.iter().filter(|other| {
                matches!(other.role, Role::StartOn | Role::StopOn | Role::While)
                    && other.path == mention.path
                    && other.span.start <= mention.span.start
            });
            before.max_by_key(|other| other.span.start).map(|other| other.role)
        };
        let keep: Vec<bool> = self.mentions.iter().map(|mention| owner(mention) != Some(role)).collect();
        let mut keep = keep.into_iter();
        self.mentions.retain(|_| keep.next().unwrap_or(true));
    }

    /// An error at a place of the file that is being read; to be given to [`Self::push`].
    pub fn error(&self, code: &'static str, message: impl Into<String>, span: Range<usize>) -> Report {
        Report::error(code, message).at(self.file.path, span, "")
    }

    /// The report with one more place of the file that is being read.
    pub fn beside(&self, report: Report, span: Range<usize>, label: &str) -> Report {
        report.at(self.file.path, span, label)
    }

    /// Adds a report, unless there are more already than anybody reads.
    pub fn push(&mut self, report: Report) {
        if self.reports.len() < MAX_REPORTS {
            self.reports.push(report);
        }
    }

    /// Whether nothing was found for which the file is refused.
    pub fn is_sound(&self) -> bool {
        self.reports.iter().all(|report| report.severity < crate::Severity::Error)
    }

    /// Reports a value of the wrong kind; `None` is none.
    pub fn wrong<T>(&mut self, node: &Node<'_>, expected: &str) -> Option<T> {
        if node.is_nothing() {
            return None;
        }
        let message = format!("`{}` takes {expected}", self.field);
        let report = Report::error("wrong-type", message);
        let report = report.at(self.file.path, node.span.clone(), format!("this is {}", node.kind()));
        let help = match &node.shape {
            Shape::Number(number) if expected.starts_with("a text") || expected.starts_with("a length") => {
                let unit = if expected.starts_with("a length") { "s" } else { "" };
                Some(format!("write `\"{number}{unit}\"`"))
            }
            Shape::Other => Some("texts stand in double quotes: `\"...\"`".into()),
            Shape::Word(word) if expected.starts_with("a text") => Some(format!("write `\"{word}\"`")),
            Shape::Text(text) if text.text == "true" || text.text == "false" => {
                Some(format!("write `{}` without quotes", text.text))
            }
            Shape::Text(text) if text.text.parse::<i64>().is_ok() => {
                Some(format!("write `{}` without quotes", text.text))
            }
            Shape::Text(_) if expected.starts_with("a whole number") => {
                Some("write a number, in digits and without quotes".into())
            }
            Shape::List(_) if expected.starts_with("a text") => Some("write one text: `\"...\"`".into()),
            Shape::Text(_) | Shape::Word(_) | Shape::Number(_) => truth_meant(node, expected),
            Shape::Nothing
            | Shape::Truth(_)
            | Shape::Call(..)
            | Shape::List(_)
            | Shape::Tuple(_)
            | Shape::Pairs(_) => None,
        };
        self.push(Report { help, ..report });
        None
    }

    /// Reports a value of the wrong kind in words of its own.
    pub fn wrong_with<T>(&mut self, node: &Node<'_>, message: String, help: String) -> Option<T> {
        let report = Report::error("wrong-type", message);
        let report = report.at(self.file.path, node.span.clone(), format!("this is {}", node.kind()));
        self.push(report.help(help));
        None
    }

    /// Reports a word that is none of `known`.
    pub fn unknown<T>(&mut self, node: &Node<'_>, what: &str, known: &[&str]) -> Option<T> {
        let (word, help) = match (node.label(), node.word()) {
            (Some(word), _) | (None, Some((word, _))) => {
                // A word that is right but for its quotes is told so.
                let quoted = node.quoted().is_some() && known.contains(&word);
                let meant = did_you_mean(word, known.iter().copied());
                let help = if quoted {
                    format!("write `{word}` without quotes")
                } else {
                    meant.map_or_else(|| one_of(known), |meant| format!("did you mean `{meant}`?"))
                };
                (String::from(word), help)
            }
            (None, None) => return self.wrong(node, &one_of(known)),
        };
        let report = self.error("unknown-word", format!("`{word}` is no {what}"), node.span.clone());
        self.push(report.help(help));
        None
    }
}

/// How many reports of one file are kept. There are few warnings, so the first of so many is an error.
pub(super) const MAX_REPORTS: usize = 100;

/// How many names before it one is compared with, so that a hostile file costs linear time.
pub(super) const MANY: usize = 256;

/// `a, b or c`, as an answer to "which are there?".
pub(super) fn one_of(known: &[&str]) -> String {
    match known.split_last() {
        None => String::new(),
        Some((last, [])) => format!("`{last}`"),
        Some((last, rest)) => {
            let rest: Vec<String> = rest.iter().map(|word| format!("`{word}`")).collect();
            format!("one of {} or `{last}`", rest.join(", "))
        }
    }
}

/// What to write for `yes` and its like where a truth is expected.
fn truth_meant(node: &Node<'_>, expected: &str) -> Option<String> {
    if !expected.starts_with("`true`") {
        return None;
    }
    let word = match &node.shape {
        Shape::Number(number) => String::from(*number),
        Shape::Text(_)
        | Shape::Word(_)
        | Shape::Nothing
        | Shape::Truth(_)
        | Shape::Call(..)
        | Shape::List(_)
        | Shape::Tuple(_)
        | Shape::Pairs(_)
        | Shape::Other => node.label()?.to_ascii_lowercase(),
    };
    match word.as_str() {
        "no" | "off" | "never" | "0" | "false" => Some("write `false`".into()),
        _ if expected.contains("limit") => Some("write `true` or `(limit: 10, within: \"5s\")`".into()),
        "yes" | "on" | "1" | "true" => Some("write `true`".into()),
        _ => None,
    }
}
