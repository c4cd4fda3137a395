//! Reports for people and for programs: with the line they are about, and what to do.

use std::{collections::HashMap, ops::Range};

use annotate_snippets::{
    AnnotationKind, Element, Level, Origin, Renderer, Snippet, normalize_untrusted_str, renderer::DecorStyle,
};
use jobs::{
    Place, Report, Severity,
    load::{Content, Tree},
};
use serde::Serialize;

/// The texts that reports are about, by path.
pub struct Texts<'t>(HashMap<&'t str, &'t str>);

impl<'t> Texts<'t> {
    /// The texts of all files of a tree.
    #[must_use]
    pub fn new(tree: &'t Tree) -> Self {
        let text = |content: &'t Content| match content {
            Content::Text(source) => Some((source.path.as_str(), source.text.as_str())),
            Content::Masked | Content::Unreadable(_) => None,
        };
        Self(tree.files().iter().filter_map(|file| text(&file.content)).collect())
    }

    /// The line and column of the first place of a report, from 1.
    #[must_use]
    pub fn place_of(&self, report: &Report) -> Option<(usize, usize)> {
        let (text, span) = self.cited(report.places.first()?)?;
        position(text, span.start)
    }

    /// A place's text and range, if there is such a range.
    fn cited(&self, place: &Place) -> Option<(&'t str, Range<usize>)> {
        let text = *self.0.get(place.path.as_str())?;
        let span = place.span.clone()?;
        text.get(span.clone()).map(|_| (text, span))
    }

    /// The same, if the text is one that a terminal can show: what has a NUL in it is no text.
    fn shown(&self, place: &Place) -> Option<(&'t str, Range<usize>)> {
        self.cited(place).filter(|(text, _)| !text.contains('\0'))
    }

    /// The file of a place that is not shown, with its line if that is known.
    fn origin(&self, place: &'t Place) -> Origin<'t> {
        let origin = Origin::path(place.path.as_str());
        match self.cited(place).and_then(|(text, span)| position(text, span.start)) {
            Some((line, _)) => origin.line(line),
            None => origin,
        }
    }
}

/// A report as a person reads it, with a blank line behind it.
#[must_use]
pub fn to_text(report: &Report, texts: &Texts<'_>, colours: bool) -> String {
    let level = match report.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = normalize_untrusted_str(&report.message);
    let mut group = level.primary_title(message).id(report.code).elements(elements(report, texts));
    if let Some(help) = &report.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.decor_style(DecorStyle::Ascii).render(&[group]);
    text.push_str("\n\n");
    text
}

/// One element for each file: its cited lines, or its name. The first place is the main one.
fn elements<'t>(report: &'t Report, texts: &Texts<'t>) -> Vec<Element<'t>> {
    let mut elements: Vec<Element<'t>> = Vec::new();
    let mut done: Vec<&str> = Vec::new();
    for place in &report.places {
        if done.contains(&place.path.as_str()) {
            continue;
        }
        done.push(&place.path);
        let same = |other: &&Place| other.path == place.path;
        let mut snippet: Option<Snippet<'t, _>> = None;
        for (at, place) in report.places.iter().enumerate().filter(|(_, place)| same(place)) {
            let Some((text, span)) = texts.shown(place) else { continue };
            let kind = if at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let label = Some(normalize_untrusted_str(&place.label)).filter(|label| !label.is_empty());
            let snippet_so_far =
                snippet.take().unwrap_or_else(|| Snippet::source(text).path(place.path.as_str()));
            snippet = Some(snippet_so_far.annotation(kind.span(span).label(label)));
        }
        elements.push(match snippet {
            Some(snippet) => snippet.into(),
            None => texts.origin(place).into(),
        });
    }
    elements
}

/// A report as a program reads it.
#[derive(Debug, Serialize)]
pub struct Located<'r> {
    severity: Severity,
    code: &'static str,
    message: &'r str,
    places: Vec<LocatedPlace<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'r str>,
}

/// A place as a program reads it: lines and columns count from 1, columns in characters.
#[derive(Debug, Serialize)]
struct LocatedPlace<'r> {
    path: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'r str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'r str,
}

impl<'r> Located<'r> {
    /// The report with lines and columns.
    #[must_use]
    pub fn new(report: &'r Report, texts: &Texts<'r>) -> Self {
        let place = |place: &'r Place| {
            let cited = texts.cited(place);
            let position = cited.as_ref().and_then(|(text, span)| position(text, span.start));
            LocatedPlace {
                path: &place.path,
                line: position.map(|(line, _)| line),
                column: position.map(|(_, column)| column),
                text: cited.and_then(|(text, span)| text.get(span)),
                label: &place.label,
            }
        };
        Self {
            severity: report.severity,
            code: report.code,
            message: &report.message,
            places: report.places.iter().map(place).collect(),
            help: report.help.as_deref(),
        }
    }
}

/// Line and column of a byte, from 1.
fn position(text: &str, at: usize) -> Option<(usize, usize)> {
    let before = text.get(..at)?;
    let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
    let column = before.rsplit('\n').next()?.chars().count().saturating_add(1);
    Some((line, column))
}
