//! What is wrong in a file, for people: where, what, and what to do.

use alloc::{string::String, vec::Vec};
use core::ops::Range;

use serde::Serialize;

/// A fault or an oddity, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How bad it is.
    pub severity: Severity,
    /// A short name that `docs/errors.md` explains.
    pub code: &'static str,
    /// What is wrong: the thing first, small letters, no full stop.
    pub message: String,
    /// Where; the first place is the main one.
    pub places: Vec<Place>,
    /// What to do.
    pub help: Option<String>,
}

/// A place in a file, and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, as it was found.
    pub path: String,
    /// Which bytes of it; `None` for the file as a whole.
    pub span: Option<Range<usize>>,
    /// A word or two under the mark.
    pub label: String,
}

/// How bad a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The job works, and may not do what was meant.
    Warning,
    /// The file is refused.
    Error,
}

impl Report {
    /// A fault for which a file is refused.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), places: Vec::new(), help: None }
    }

    /// An oddity with which a file is taken.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// With one more place.
    #[must_use]
    pub fn at(mut self, path: &str, span: Range<usize>, label: impl Into<String>) -> Self {
        self.places.push(Place { path: path.into(), span: Some(span), label: label.into() });
        self
    }

    /// With a file as its place.
    #[must_use]
    pub fn in_file(mut self, path: &str) -> Self {
        self.places.push(Place { path: path.into(), span: None, label: String::new() });
        self
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The word among `known` that `word` was probably meant to be.
#[must_use]
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance_of_any_case(word, candidate, allowed), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// As [`distance`], but to write all in another case counts as one change.
fn distance_of_any_case(a: &str, b: &str, most: usize) -> usize {
    let exact = distance(a, b, most);
    let (lower_a, lower_b) = (a.to_lowercase(), b.to_lowercase());
    if exact <= 1 || (lower_a == a && lower_b == b) {
        return exact;
    }
    exact.min(distance(&lower_a, &lower_b, most).saturating_add(1))
}

/// Letters to change, add, drop or swap with the next; more than `most` counts as `most + 1`.
fn distance(a: &str, b: &str, most: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let too_far = most.saturating_add(1);
    if a.len().abs_diff(b.len()) > most {
        return too_far;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut next: Vec<usize> = Vec::with_capacity(row.len());
        next.push(i.saturating_add(1));
        for (j, &y) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(too_far);
            let mut best = cell(&row, j).saturating_add(usize::from(x != y));
            best = best.min(cell(&row, j.saturating_add(1)).saturating_add(1));
            best = best.min(cell(&next, j).saturating_add(1));
            if let (Some(i1), Some(j1)) = (i.checked_sub(1), j.checked_sub(1))
                && a.get(i1) == Some(&y)
                && b.get(j1) == Some(&x)
            {
                best = best.min(cell(&before, j1).saturating_add(1));
            }
            next.push(best);
        }
        before = core::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(too_far).min(too_far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let known = ["database", "start_on", "stop_on", "requires", "TERM"];
        for (word, meant) in
            [("databse", "database"), ("start_om", "start_on"), ("reqiures", "requires"), ("TREM", "TERM")]
        {
            assert_eq!(did_you_mean(word, known), Some(meant));
        }
        assert_eq!(did_you_mean("zebra", known), None);
    }

    #[test]
    fn capitals_are_one_slip_however_many() {
        for (word, meant) in
            [("DHCP", Some("dhcp")), ("term", Some("TERM")), ("DataBse", Some("database")), ("DHPC", None)]
        {
            assert_eq!(did_you_mean(word, ["dhcp", "database", "TERM"]), meant, "{word}");
        }
    }
}
