//! Text with variables in it: `$VAR`, `${VAR}`, `${VAR:-default}`, as Upstart expands them.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::Text;

/// How deep `${A:-${B:-...}}` may go.
const MAX_DEPTH: usize = 8;

/// Text that may have variables in it, taken apart once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Template {
    source: Text,
    pieces: Box<[Piece]>,
}

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Piece {
    /// Stands for itself.
    Text(Text),
    /// `$VAR` or `${VAR}`: without a value, the whole text has none.
    Variable(Text),
    /// `${VAR-word}`, or `${VAR:-word}` where an empty value counts as none.
    Default {
        /// The variable.
        name: Text,
        /// Whether `:` stood before the sign.
        empty_is_none: bool,
        /// What counts in its place.
        word: Box<[Piece]>,
    },
    /// `${VAR+word}`, or `${VAR:+word}`: the word if the variable has a value, else nothing.
    Alternate {
        /// The variable.
        name: Text,
        /// Whether `:` stood before the sign.
        empty_is_none: bool,
        /// What counts if it has a value.
        word: Box<[Piece]>,
    },
}

/// Why a text cannot be a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `${` without `}`.
    #[error("`${{` without `}}`")]
    Unclosed,
    /// Something in `${...}` that is no variable.
    #[error("`${{{0}}}` names no variable")]
    NoVariable(String),
    /// Defaults within defaults within defaults.
    #[error("variables are nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

impl Template {
    /// The template that `text` says.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut rest = text;
        let pieces = pieces(&mut rest, 0)?;
        Ok(Self { source: text.into(), pieces: pieces.into() })
    }

    /// What was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The text itself, if it has no variable.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The variable's name, if the whole text is one plain variable.
    #[must_use]
    pub fn single_variable(&self) -> Option<&str> {
        match &*self.pieces {
            [Piece::Variable(name)] => Some(name),
            _ => None,
        }
    }

    /// The names of all variables, outermost first; those with a default are marked `true`.
    #[must_use]
    pub fn variables(&self) -> Vec<(&str, bool)> {
        let mut found = Vec::new();
        let mut open: Vec<&[Piece]> = Vec::from([&*self.pieces]);
        while let Some(pieces) = open.pop() {
            for piece in pieces {
                match piece {
                    Piece::Text(_) => {}
                    Piece::Variable(name) => found.push((name.as_str(), false)),
                    Piece::Default { name, word, .. } | Piece::Alternate { name, word, .. } => {
                        found.push((name.as_str(), true));
                        open.push(word);
                    }
                }
            }
        }
        found
    }

    /// The text with every variable replaced; `None` if one that has no default has no value.
    #[must_use]
    pub fn expand<'v>(&self, value_of: &dyn Fn(&str) -> Option<&'v str>) -> Option<String> {
        let mut text = String::new();
        expand(&self.pieces, value_of, &mut text)?;
        Some(text)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// As deep as [`MAX_DEPTH`] at most: [`pieces`] refuses anything deeper.
fn expand<'v>(pieces: &[Piece], value_of: &dyn Fn(&str) -> Option<&'v str>, text: &mut String) -> Option<()> {
    for piece in pieces {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Variable(name) => text.push_str(value_of(name)?),
            Piece::Default { name, empty_is_none, word } => match value_of(name) {
                Some(value) if !(*empty_is_none && value.is_empty()) => text.push_str(value),
                _ => expand(word, value_of, text)?,
            },
            Piece::Alternate { name, empty_is_none, word } => match value_of(name) {
                Some(value) if !(*empty_is_none && value.is_empty()) => expand(word, value_of, text)?,
                _ => {}
            },
        }
    }
    Some(())
}

/// Reads pieces up to the end, or within braces (`depth` > 0) up to the `}` that closes them.
fn pieces(rest: &mut &str, depth: usize) -> Result<Vec<Piece>, TemplateError> {
    let mut found = Vec::new();
    let mut plain = Text::default();
    while let Some(c) = rest.chars().next() {
        if depth > 0 && c == '}' {
            break;
        }
        let after = rest.get(c.len_utf8()..).unwrap_or("");
        let variable = if c == '$' { variable(after, depth)? } else { None };
        match variable {
            Some((piece, after)) => {
                if !plain.is_empty() {
                    found.push(Piece::Text(core::mem::take(&mut plain)));
                }
                if piece == Piece::Text("$".into()) {
                    plain.push('$')
                } else {
                    found.push(piece)
                }
                *rest = after;
            }
            None => {
                plain.push(c);
                *rest = after;
            }
        }
    }
    if !plain.is_empty() {
        found.push(Piece::Text(plain));
    }
    Ok(found)
}

/// The variable that follows a `$`, and what stands behind it; `None` if the `$` stands for itself.
fn variable(after: &str, depth: usize) -> Result<Option<(Piece, &str)>, TemplateError> {
    let Some(braced) = after.strip_prefix('{') else {
        let (name, rest) = split_name(after);
        return Ok((!name.is_empty()).then(|| (Piece::Variable(name.into()), rest)));
    };
    if depth >= MAX_DEPTH {
        return Err(TemplateError::TooDeep);
    }
    if let Some(rest) = braced.strip_prefix('}') {
        return Ok(Some((Piece::Text("$".into()), rest)));
    }
    let (name, rest) = split_name(braced);
    if name.is_empty() {
        let shown = braced.split('}').next().unwrap_or(braced);
        return Err(TemplateError::NoVariable(shown.into()));
    }
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok(Some((Piece::Variable(name.into()), rest)));
    }
    let (empty_is_none, rest) = match rest.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let mut chars = rest.chars();
    let sign = chars.next().ok_or(TemplateError::Unclosed)?;
    let mut rest = chars.as_str();
    let name = Text::from(name);
    let word: Box<[Piece]> = match sign {
        '-' | '+' => pieces(&mut rest, depth.saturating_add(1))?.into(),
        _ => return Err(TemplateError::NoVariable(braced.split('}').next().unwrap_or(braced).into())),
    };
    let rest = rest.strip_prefix('}').ok_or(TemplateError::Unclosed)?;
    let piece = match sign {
        '-' => Piece::Default { name, empty_is_none, word },
        _ => Piece::Alternate { name, empty_is_none, word },
    };
    Ok(Some((piece, rest)))
}

fn split_name(text: &str) -> (&str, &str) {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return ("", text);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: Option<&str>) {
        let value_of = |name: &str| match name {
            "A" => Some("1"),
            "E" => Some(""),
            _ => None,
        };
        let text = Template::parse(template).unwrap().expand(&value_of);
        assert_eq!(text.as_deref(), expected, "{template}");
    }

    #[test]
    fn variables_expand_as_in_upstart() {
        check("plain", Some("plain"));
        check("$A-${A}", Some("1-1"));
        check("$NOPE", None);
        check("$5", Some("$5"));
        check("a$", Some("a$"));
        check("${}A", Some("$A"));
        check("${E-x}", Some(""));
        check("${E:-x}", Some("x"));
        check("${N-x}", Some("x"));
        check("${N:-${A}y}", Some("1y"));
        check("${N:-$M}", None);
        check("${A+x}${N+y}", Some("x"));
        check("${E:+x}${E+y}", Some("y"));
        check("$A_B", None);
        check("[!$A]", Some("[!1]"));
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        assert!(Template::parse("${A").is_err());
        assert!(Template::parse("${5}").is_err());
        assert!(Template::parse("${A:?x}").is_err());
        assert_eq!(Template::parse(&"${A:-".repeat(9)), Err(TemplateError::TooDeep));
    }

    #[test]
    fn a_template_knows_its_variables() {
        let template = Template::parse("$A/${B:-$C}").unwrap();
        assert_eq!(template.variables(), [("A", false), ("B", true), ("C", false)]);
        assert_eq!(Template::parse("$A").unwrap().single_variable(), Some("A"));
        assert_eq!(Template::parse("x").unwrap().literal(), Some("x"));
    }
}
