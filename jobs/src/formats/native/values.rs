//! How the values of fields are read: texts, names, times, numbers and records, each with its own faults.

use alloc::{format, string::String, vec::Vec};
use core::{
    ops::{Range, RangeInclusive},
    time::Duration,
};

use events::{DelayError, Key, Name, Template, Text, TextError, Value, meant_delay, parse_delay};

use super::{
    draft::{Draft, MANY, Record, one_of},
    raw::{Node, Shape},
};
use crate::{Report, Signal, did_you_mean};

impl<'s> Draft<'s> {
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
