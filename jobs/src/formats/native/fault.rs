//! What ron says of a text that is no RON, in our words and with places in bytes.

use alloc::{
    format,
    string::{String, ToString as _},
};
use core::ops::Range;

use super::open::Open;
use ron::error::{Error, Position, SpannedError};

/// Why a text is not a list of fields.
#[derive(Debug)]
pub(super) struct Fault {
    pub code: &'static str,
    pub message: String,
    pub span: Range<usize>,
    pub label: &'static str,
    /// At which byte what is not closed was opened.
    pub opened: Option<(usize, &'static str)>,
    pub help: Option<String>,
}

pub(super) fn too_deep(span: Range<usize>) -> Fault {
    Fault {
        code: "too-deep",
        message: "lists and parentheses lie too deep in each other".into(),
        span,
        label: "too deep",
        opened: None,
        help: Some("no field of a job needs more than four levels".into()),
    }
}

/// What ron says, in our words and in bytes.
pub(super) fn fault(source: &str, error: &SpannedError) -> Fault {
    let start = byte(source, error.span.start);
    let end = byte(source, error.span.end);
    let rest = |at: usize| source.get(at..).unwrap_or("");
    let word = |at: usize| {
        let len = rest(at).find(|c: char| c != '_' && c != '-' && !c.is_alphanumeric());
        let len = len.unwrap_or(rest(at).len());
        let first = rest(at).chars().next().map_or(0, char::len_utf8);
        at..at.saturating_add(len.max(first))
    };
    // ron's cursor stands behind what it has taken. What it misses, it misses where the next word begins.
    #[expect(clippy::wildcard_enum_match_arm, reason = "ron's enum, which may grow")]
    let span = match &error.code {
        // An escape begins at its backslash, which ron has passed.
        Error::InvalidEscape(_) => {
            source.get(..end).and_then(|before| before.rfind('\\')).unwrap_or(start)..end
        }
        Error::InvalidIntegerDigit { .. }
        | Error::IntegerOutOfBounds
        | Error::ExpectedDifferentStructName { .. } => start..end.max(start),
        // After a `/` ron expects a comment, and says what it found in place of one.
        Error::UnexpectedChar(_) if source.get(..end).is_some_and(is_slash_and_more) => {
            source.get(..end).and_then(|before| before.rfind('/')).unwrap_or(start)..word(end).end
        }
        Error::Eof | Error::ExpectedStringEnd | Error::UnclosedBlockComment => {
            source.trim_end().len()..source.trim_end().len()
        }
        _ => word(end),
    };
    if let Some(fault) = foreign(source).or_else(|| habit(source, &span, &error.code)) {
        return fault;
    }
    let found = source.get(span.clone()).unwrap_or("");
    with_opening(source, found, described(&error.code, span.clone(), found))
}

/// A file that is no job at all, by how it begins.
fn foreign(source: &str) -> Option<Fault> {
    let fault = |code, message: &str, span, label, help: &str| {
        let (message, help) = (message.into(), Some(help.into()));
        Some(Fault { code, message, span, label, opened: None, help })
    };
    if let Some(mark) = source.chars().next().filter(|c| *c == '\u{feff}') {
        let message = "the file begins with a byte order mark";
        return fault(
            "byte-order-mark",
            message,
            0..mark.len_utf8(),
            "it is invisible",
            "save the file without it",
        );
    }
    if source.trim_start().starts_with('(') {
        return None;
    }
    let mut at = 0_usize;
    for line in source.split_inclusive('\n') {
        let bare = line.trim_end();
        if matches!(bare, "[Unit]" | "[Service]" | "[Install]") || bare.starts_with("ExecStart=") {
            let message = "this looks like a systemd unit";
            let help = "a job is one pair of parentheses with fields in it: see docs/jobs.md";
            return fault("ron-syntax", message, at..at.saturating_add(bare.len()), "not a field", help);
        }
        at = at.saturating_add(line.len());
    }
    None
}

/// What other languages write so: `# comment`, `'text'`, a time without quotes.
fn habit(source: &str, span: &Range<usize>, error: &Error) -> Option<Fault> {
    let fault = |message, span, label, help| {
        Some(Fault { code: "ron-syntax", message, span, label, opened: None, help: Some(help) })
    };
    let before = source.get(..span.start)?;
    let hash = if matches!(error, Error::ExpectedAttribute) { before.rfind('#')? } else { span.start };
    let begins = source.get(..hash)?.chars().next_back().is_none_or(char::is_whitespace);
    if begins && source.get(hash..)?.starts_with('#') {
        let place = hash..hash.saturating_add(1);
        return fault(
            "`#` begins no comment".into(),
            place,
            "not a comment",
            "a comment begins with `//`".into(),
        );
    }
    if matches!(error, Error::ExpectedChar) {
        let line = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let start = source.get(line..span.start)?.rfind('\'').map(|at| line.saturating_add(at));
        let start = start.filter(|start| *start < span.start)?;
        let inner = source.get(start.saturating_add(1)..)?;
        let closed =
            inner.find(['\'', '\n']).filter(|at| inner.get(*at..).is_some_and(|end| end.starts_with('\'')));
        let (end, help) = match closed.and_then(|at| inner.get(..at)) {
            Some(text) => {
                (text.len().saturating_add(2), format!("texts stand in double quotes: `\"{text}\"`"))
            }
            None => (1, "texts stand in double quotes: `\"...\"`".into()),
        };
        let place = start..start.saturating_add(end);
        return fault("`'` begins no text".into(), place, "in single quotes", help);
    }
    let is_part = |c: char| c == '.' || c.is_alphanumeric();
    let start = before.trim_end_matches(is_part).len();
    let token = source.get(start..)?;
    let token = token.get(..token.find(|c| !is_part(c)).unwrap_or(token.len()))?;
    let goes_on = start.saturating_add(token.len()) > span.start;
    if start < span.start
        && goes_on
        && matches!(error, Error::ExpectedComma)
        && token.starts_with(|c: char| c.is_ascii_digit())
    {
        let meant = events::meant_delay(token);
        let help = format!("write `\"{}\"`", meant.as_deref().unwrap_or(token));
        let place = start..start.saturating_add(token.len());
        return fault(format!("`{token}` stands without quotes"), place, "neither a number nor a text", help);
    }
    None
}

/// The fault, with the place where what is not closed was opened.
fn with_opening(source: &str, found: &str, fault: Fault) -> Fault {
    if fault.code != "ron-syntax" || !matches!(found, "" | ")" | "]" | "}") && fault.label != "before this" {
        return fault;
    }
    let open = Open::before(source, fault.span.start);
    let lines = open.text.filter(|text| source.get(text.clone()).is_some_and(|text| text.contains('\n')));
    let (at, label) = match (open.quote, open.bracket, lines) {
        (Some(quote), _, _) => (quote, "opened here"),
        (None, _, Some(text)) if !found.is_empty() => {
            let help = "a comma is missing, or the `\"` that should end the text some lines before";
            let opened = Some((text.start, "the text before it was opened here"));
            return Fault { opened, help: Some(help.into()), ..fault };
        }
        (None, Some((at, bracket)), _) => {
            let wanted = match bracket {
                b'(' => ")",
                b'[' => "]",
                _ => "}",
            };
            // A `:` in a list is a field behind a list that is not closed.
            let closes = matches!(found, "" | ")" | "]" | "}") || (found == ":" && bracket == b'[');
            if found == wanted || !closes {
                return fault;
            }
            if !found.is_empty() {
                let message = format!("`{wanted}` is missing");
                return Fault { message, opened: Some((at, "opened here")), help: None, ..fault };
            }
            (at, "opened here")
        }
        (None, None, _) => return fault,
    };
    Fault { opened: Some((at, label)), ..fault }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "ron's enum, which may grow")]
pub(super) fn described(error: &Error, span: Range<usize>, found: &str) -> Fault {
    let known = super::field_names();
    let (message, label, help): (String, _, Option<String>) = match error {
        Error::ExceededRecursionLimit => return too_deep(span),
        Error::ExpectedComma if found.is_empty() => {
            ("the file ends too early".into(), "something is missing here", closing())
        }
        Error::Eof => ("the file ends too early".into(), "something is missing here", closing()),
        Error::ExpectedStringEnd => ("a text is not closed".into(), "the file ends here", quote()),
        Error::UnclosedBlockComment => ("a comment is not closed".into(), "the file ends here", None),
        Error::ExpectedComma => ("`,` is missing".into(), "before this", comma()),
        Error::ExpectedMapColon => {
            ("`:` is missing".into(), "before this", Some("a field is written `name: value,`".into()))
        }
        Error::ExpectedIdentifier => (
            "the name of a field is missing".into(),
            "expected a name here",
            Some("names of fields stand without quotes: `exec: \"/usr/sbin/food\"`".into()),
        ),
        Error::SuggestRawIdentifier(word) => (
            format!("`{word}` is no name of a field"),
            "not a name",
            crate::did_you_mean(word, known).map(|meant| format!("did you mean `{meant}`?")),
        ),
        Error::ExpectedNamedStructLike(_)
        | Error::ExpectedStructLike
        | Error::ExpectedDifferentStructName { .. }
            if found.starts_with('\u{feff}') =>
        {
            let help = "remove the byte order mark, which cannot be seen: save the file as UTF-8 without it";
            ("file starts with a byte order mark (BOM)".into(), "expected `(` here", Some(help.into()))
        }
        Error::ExpectedNamedStructLike(_)
        | Error::ExpectedStructLike
        | Error::ExpectedDifferentStructName { .. } => (
            "a job file is one pair of parentheses with fields in it".into(),
            "expected `(` here",
            Some("write `( exec: \"/usr/sbin/food\", start_on: \"startup\" )`".into()),
        ),
        Error::ExpectedStructLikeEnd => ("`)` is missing".into(), "expected `)` here", None),
        Error::ExpectedArrayEnd => ("`]` is missing".into(), "expected `]` here", None),
        Error::ExpectedMapEnd => ("`}` is missing".into(), "expected `}` here", None),
        Error::TrailingCharacters => (
            "something stands behind the end of the job".into(),
            "not part of the job",
            Some("one file describes one job: `( field: value, ... )`".into()),
        ),
        Error::UnexpectedChar(_) if found.starts_with('/') => {
            ("`/` begins a comment, and this is none".into(), "not a comment", quote())
        }
        Error::UnexpectedChar(c) => (format!("{c:?} begins no value"), "not a value", quote()),
        Error::InvalidEscape(_) => (
            "this is no escape".into(),
            "unknown escape",
            Some("write `\\\\` for a backslash, or a raw text: `r\"a\\b\"`".into()),
        ),
        other => (lowered(&other.to_string()), "here", None),
    };
    Fault { code: "ron-syntax", message, span, label, opened: None, help }
}

/// Whether the last character but one is a slash.
fn is_slash_and_more(text: &str) -> bool {
    text.chars().rev().nth(1) == Some('/')
}

fn closing() -> Option<String> {
    Some("a job file ends with the `)` that closes its first `(`".into())
}

fn quote() -> Option<String> {
    Some("a text stands in quotes: `\"...\"`".into())
}

fn comma() -> Option<String> {
    Some("values are parted by commas, also at the end of a line".into())
}

/// As we write messages: small first letter, no full stop.
fn lowered(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// The byte at which a place of ron's lies: it counts lines, and characters in a line, both from 1.
fn byte(source: &str, place: Position) -> usize {
    let before: usize = source.split_inclusive('\n').take(place.line.saturating_sub(1)).map(str::len).sum();
    let line = source.get(before..).unwrap_or("");
    let column = line.char_indices().nth(place.col.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    before.saturating_add(column)
}
