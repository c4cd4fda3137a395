//! A job while its fields are read: what it has so far, what is wrong with it, and how values are asked for.
//!
//! Each of the readers gives what was written if it is of the right kind, and otherwise reports and gives
//! nothing. A file with a report of severity error is refused as a whole, so nothing is ever half taken.

use alloc::{format, string::String, vec::Vec};
use core::{
    ops::{Range, RangeInclusive},
    time::Duration,
};

use events::{DelayError, Key, Name, Template, Text, TextError, Value, meant_delay, parse_delay};

use super::raw::{Node, Quoted, Shape};
use crate::{Job, Report, Signal, Work, did_you_mean, formats::Mention, formats::Role};

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
    field: &'static str,
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
pub(super) struct Record<'n, 's>(&'n [(Node<'s>, Node<'s>)]);

impl<'n, 's> Record<'n, 's> {
    /// What `name` is, unless it is `None`.
    pub fn get(&self, name: &str) -> Option<&'n Node<'s>> {
        let entry = self.0.iter().find(|(key, _)| key.label() == Some(name));
        entry.map(|(_, value)| value).filter(|value| !value.is_nothing())
    }
}

impl<'s> Node<'s> {
    /// The text, if it is one.
    fn quoted(&self) -> Option<&Quoted<'s>> {
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
        Self { job, work, mentions, reports: Vec::new(), said: Vec::new(), file, field: "" }
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

    /// A text of any form.
    pub fn text<'n>(&mut self, node: &'n Node<'_>) -> Option<&'n str> {
        match node.quoted() {
            Some(quoted) => Some(&quoted.text),
            None => self.wrong(node, "a text"),
        }
    }

    /// A text of one line without control characters.
    pub fn line(&mut self, node: &Node<'_>) -> Option<Text> {
        self.value(node).map(|value| Text::from(value.as_str()))
    }

    /// The right side of `KEY=VALUE`.
    pub fn value(&mut self, node: &Node<'_>) -> Option<Value> {
        let text = self.text(node)?;
        let made = Value::new(text);
        self.made("bad-value", "this text", (made, None), node)
    }

    /// The name of an event, job or provision.
    pub fn name(&mut self, node: &Node<'_>) -> Option<Name> {
        let text = self.text(node)?;
        let words: Vec<String> = text.split_whitespace().take(8).map(|word| format!("\"{word}\"")).collect();
        let help = match words.as_slice() {
            [] => Some("leave the field out if there is nothing to name".into()),
            [_] => None,
            [_, rest @ ..] if rest.iter().all(|word| word.contains('=')) => {
                Some("only `needs` can name an instance; write the name alone".into())
            }
            words => Some(format!("write a text for each name: `[{}]`", words.join(", "))),
        };
        let made = Name::new(text);
        self.made("bad-name", &format!("the name `{text}`"), (made, help), node)
    }

    /// The left side of `KEY=VALUE`, in quotes or not.
    pub fn key(&mut self, node: &Node<'_>) -> Option<Key> {
        let Some(text) = node.label() else { return self.wrong(node, "a text for each name") };
        let made = Key::new(text);
        let help = Some("write letters, digits and `_`; a name does not begin with a digit".into());
        self.made("bad-key", &format!("the variable name `{text}`"), (made, help), node)
    }

    fn made<T>(
        &mut self,
        code: &'static str,
        what: &str,
        (made, help): (Result<T, TextError>, Option<String>),
        node: &Node<'_>,
    ) -> Option<T> {
        let refuse = |fault| {
            let report = self.error(code, format!("{what}: {fault}"), node.span.clone());
            self.push(Report { help, ..report });
        };
        made.map_err(refuse).ok()
    }

    /// A length of time.
    pub fn delay(&mut self, node: &Node<'_>) -> Option<Duration> {
        let Some(text) = node.quoted().map(|quoted| quoted.text.clone()) else {
            return self.wrong(node, "a length of time such as \"5s\"");
        };
        self.delay_of(&text, node.span.clone())
    }

    /// A length of time, in a part of a text.
    pub fn delay_of(&mut self, text: &str, span: Range<usize>) -> Option<Duration> {
        let refuse = |fault: DelayError| {
            let (code, help) = match (&fault, meant_delay(text)) {
                (DelayError::TooLong(_), _) => {
                    ("out-of-range", "leave the field out if there shall be no limit".into())
                }
                (DelayError::Blank(_) | DelayError::Unit(_), Some(meant)) => {
                    ("bad-delay", format!("write `\"{meant}\"`"))
                }
                (DelayError::Blank(_) | DelayError::Unit(_), None)
                | (DelayError::NotANumber(_) | DelayError::NoUnit(_), _) => (
                    "bad-delay",
                    "write a number with its unit: `100ms`, `5s`, `1.5s`, `10m`, `1h30m`".into(),
                ),
            };
            let report = self.error(code, format!("{fault}"), span);
            self.push(report.help(help));
        };
        parse_delay(text).map_err(refuse).ok()
    }

    /// A length of time that is not nothing.
    pub fn some_delay(&mut self, node: &Node<'_>) -> Option<Duration> {
        let delay = self.delay(node)?;
        if delay.is_zero() {
            let message = format!("`{}` of no time at all", self.field);
            let report = self.error("out-of-range", message, node.span.clone());
            self.push(report.help("leave the field out if there shall be no limit"));
            return None;
        }
        Some(delay)
    }

    /// `true` or `false`; what is not said is `false`.
    pub fn truth(&mut self, node: &Node<'_>) -> bool {
        match node.shape {
            Shape::Truth(truth) => truth,
            Shape::Nothing
            | Shape::Text(_)
            | Shape::Number(_)
            | Shape::Word(_)
            | Shape::Call(..)
            | Shape::List(_)
            | Shape::Tuple(_)
            | Shape::Pairs(_)
            | Shape::Other => self.wrong(node, "`true` or `false`").unwrap_or(false),
        }
    }

    /// A whole number within `range`.
    pub fn number(&mut self, node: &Node<'_>, range: RangeInclusive<i64>) -> Option<i64> {
        let (low, high) = (*range.start(), *range.end());
        let expected = || match high {
            i64::MAX => format!("a whole number from {low} up"),
            _ => format!("a whole number from {low} to {high}"),
        };
        let Shape::Number(text) = node.shape else { return self.wrong(node, &expected()) };
        match ron::from_str::<i64>(text) {
            Ok(number) if range.contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                let message = format!("`{}` takes {}, not {text}", self.field, expected());
                self.push(self.error("out-of-range", message, node.span.clone()));
                None
            }
        }
    }

    /// A path from the root on.
    pub fn path(&mut self, node: &Node<'_>) -> Option<Text> {
        let path = self.line(node)?;
        if path.starts_with('/') {
            return Some(path);
        }
        let report = self.error(
            "relative-path",
            format!("the path `{path}` does not begin with `/`"),
            node.span.clone(),
        );
        self.push(report.help("write the whole path: a job has no directory that it could begin in"));
        None
    }

    /// A signal, by name or number.
    pub fn signal(&mut self, node: &Node<'_>) -> Option<Signal> {
        let text = match &node.shape {
            Shape::Number(number) => number,
            Shape::Text(_) | Shape::Word(_) => node.label()?,
            Shape::Nothing
            | Shape::Truth(_)
            | Shape::Call(..)
            | Shape::List(_)
            | Shape::Tuple(_)
            | Shape::Pairs(_)
            | Shape::Other => return self.wrong(node, "a signal such as \"TERM\""),
        };
        let refuse = |_| {
            let bare = text.strip_prefix("SIG").unwrap_or(text).to_ascii_uppercase();
            let meant = match bare.parse::<Signal>() {
                Ok(_) if bare.parse::<u8>().is_err() => Some(bare.as_str()),
                Ok(_) | Err(_) => did_you_mean(&bare, Signal::names()),
            };
            let help = meant
                .map_or("signals are named as in `kill -l`, or are numbers from 1 to 64".into(), |meant| {
                    format!("did you mean `{meant}`?")
                });
            let report =
                self.error("unknown-signal", format!("there is no signal `{text}`"), node.span.clone());
            self.push(report.help(help));
        };
        text.parse().map_err(refuse).ok()
    }

    /// A text with variables in it.
    pub fn template(&mut self, node: &Node<'_>) -> Option<Template> {
        let text = self.text(node)?;
        let refuse = |fault| {
            let report = self.error("bad-variable", format!("{fault}"), node.span.clone());
            self.push(report.help("variables are written `$NAME`, `${NAME}` or `${NAME:-default}`"));
        };
        Template::parse(text).map_err(refuse).ok()
    }

    /// Names with values, in their order.
    pub fn pairs<'n, 'x>(&mut self, node: &'n Node<'x>, expected: &str) -> &'n [(Node<'x>, Node<'x>)] {
        let Shape::Pairs(pairs) = &node.shape else {
            self.wrong::<()>(node, expected);
            return &[];
        };
        for (at, (key, _)) in pairs.iter().enumerate() {
            let earlier = pairs.iter().take(at.min(MANY)).any(|(other, _)| other.label() == key.label());
            if let Some(label) = key.label().filter(|_| earlier) {
                let message = format!("`{label}` stands twice in `{}`", self.field);
                self.push(self.error("duplicate-field", message, key.span.clone()).help("drop one of them"));
            }
        }
        pairs
    }

    /// A struct with some of the fields `known`.
    pub fn record<'n, 'x>(&mut self, node: &'n Node<'x>, known: &[&str]) -> Record<'n, 'x> {
        let pairs = self.pairs(
            node,
            &format!("fields in parentheses, such as `({}: ...)`", known.first().unwrap_or(&"")),
        );
        for (key, _) in pairs {
            if key.label().is_none_or(|label| !known.contains(&label)) {
                let label = key.label().unwrap_or("this");
                let message = format!("`{}` has no field `{label}`", self.field);
                let meant = did_you_mean(label, known.iter().copied());
                let help = meant.map_or_else(|| one_of(known), |meant| format!("did you mean `{meant}`?"));
                self.push(self.error("unknown-field", message, key.span.clone()).help(help));
            }
        }
        Record(pairs)
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

/// How many reports of one file are kept. There are few warnings, so the first of so many is an error.
pub(super) const MAX_REPORTS: usize = 100;

/// How many names before it one is compared with, so that a hostile file costs linear time.
const MANY: usize = 256;

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
