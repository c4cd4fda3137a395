//! Words of the shell, as far as they can be told without running one.
//!
//! This is no shell: it finds where a word ends and which parts of it are plain text or plain variables.
//! Whatever would run something (`$(...)`, backquotes) or is more than a plain variable is
//! [`Piece::Opaque`], and then nobody here claims to know the value.

use alloc::{string::String, vec::Vec};
use core::ops::Range;

/// The longest value that may come out of a word with variables: `a=$a$a` would grow without end.
const MAX_EXPANDED: usize = 4096;

/// A word, or the right side of an assignment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub(super) pieces: Vec<Piece<'t>>,
    /// Where it stands.
    pub(super) span: Range<usize>,
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// These characters, quotes and backslashes taken off.
    Text(String),
    /// `$NAME` or `${NAME}`, perhaps with a plain fallback.
    Variable { name: &'t str, fallback: Option<Fallback> },
    /// What only a shell can tell.
    Opaque,
}

/// The part behind `:-`, `-`, `:=` or `=` in `${NAME:-word}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fallback {
    pub(super) text: String,
    /// Whether it also counts where the variable is empty (`:`).
    pub(super) if_empty: bool,
    /// Whether the variable gets it as its value (`=`).
    pub(super) assigns: bool,
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting<'c> {
    /// This text.
    Plain(&'c str),
    /// Something that only a shell can tell.
    Unknown,
    /// Nothing: no file sets it.
    Unset,
}

/// A quote or bracket that is not closed before the end of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclosed;

impl Fallback {
    /// Whether it counts for a variable that holds `setting`.
    pub(super) fn counts(&self, setting: Setting<'_>) -> bool {
        setting == Setting::Unset || (self.if_empty && setting == Setting::Plain(""))
    }
}

impl Word<'_> {
    /// Its text, if there are no variables in it.
    pub(super) fn literal(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Its text with the variables that `setting_of` knows; `None` if only a shell can tell.
    pub(super) fn value<'c>(&self, setting_of: impl Fn(&str) -> Setting<'c>) -> Option<String> {
        let mut value = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => value.push_str(text),
                Piece::Opaque => return None,
                Piece::Variable { name, fallback } => match (setting_of(name), fallback) {
                    (Setting::Unknown, _) => return None,
                    (setting, Some(fallback)) if fallback.counts(setting) => value.push_str(&fallback.text),
                    (Setting::Plain(text), _) => value.push_str(text),
                    // A name in capitals is more likely init's own than a typing error.
                    (Setting::Unset, _) if name.bytes().all(|byte| !byte.is_ascii_lowercase()) => {
                        return None;
                    }
                    (Setting::Unset, _) => {}
                },
            }
            if self.pieces.len() > 1 && value.len() > MAX_EXPANDED {
                return None;
            }
        }
        Some(value)
    }
}

/// The name that an assignment at byte `at` sets, and where its right side begins.
pub(super) fn assigned_name(text: &str, at: usize) -> Option<(&str, usize)> {
    let name = name_at(text, at)?;
    let equals = at.saturating_add(name.len());
    (text.as_bytes().get(equals) == Some(&b'=')).then(|| (name, equals.saturating_add(1)))
}

/// The variable's name at byte `at`.
fn name_at(text: &str, at: usize) -> Option<&str> {
    let rest = text.get(at..)?;
    let end = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    rest.get(..end).filter(|name| name.starts_with(|c: char| !c.is_ascii_digit()))
}

/// The word at byte `at`; an empty one if a blank or an operator stands there.
pub(super) fn word(text: &str, at: usize) -> Result<Word<'_>, Unclosed> {
    let mut reader = Reader { text, at, pieces: Vec::new() };
    reader.unquoted()?;
    Ok(Word { pieces: reader.pieces, span: at..reader.at })
}

/// Whether a word that is not quoted ends here.
fn is_end(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
}

/// Whether a line is more than one program and its words: `a && b`, `! a`, `A=1 b`. `exec` before it would be wrong.
pub(super) fn is_compound(line: &str) -> bool {
    let first = line.trim_start();
    let head = first.split([' ', '\t']).next().unwrap_or_default();
    if first.starts_with('(') || RESERVED.contains(&head) || assigned_name(first, 0).is_some() {
        return true;
    }
    let mut at = 0;
    loop {
        // What is not closed is for the shell to say.
        let Ok(word) = word(line, at) else { return false };
        let rest = line.get(word.span.end..).unwrap_or_default();
        let behind = match rest.as_bytes() {
            [] => return false,
            [b' ' | b'\t', ..] => 1,
            // `2>&1`, `<&3`, `>|file`.
            [b'>' | b'<', b'&' | b'|' | b'>' | b'<', ..] => 2,
            [b'>' | b'<', ..] => 1,
            _ => return true,
        };
        at = word.span.end.saturating_add(behind);
    }
}

/// Words that are the shell's own where a command begins.
const RESERVED: [&str; 10] = ["!", "{", "if", "for", "while", "until", "case", ":", ".", "cd"];

struct Reader<'t> {
    text: &'t str,
    at: usize,
    pieces: Vec<Piece<'t>>,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at = self.at.saturating_add(c.len_utf8());
        Some(c)
    }

    fn push(&mut self, c: char) {
        self.push_text(c.encode_utf8(&mut [0; 4]));
    }

    fn push_text(&mut self, more: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push_str(more),
            _ => self.pieces.push(Piece::Text(more.into())),
        }
    }

    /// Takes what stands here up to the first sign that is no text, and says whether that was anything.
    fn take_text(&mut self, is_sign: impl Fn(u8) -> bool) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().take_while(|byte| !is_sign(*byte)).count();
        let Some(text) = rest.get(..length).filter(|text| !text.is_empty()) else { return false };
        self.push_text(text);
        self.at = self.at.saturating_add(length);
        true
    }

    fn unquoted(&mut self) -> Result<(), Unclosed> {
        let mut home_may_stand = true;
        loop {
            home_may_stand &= !self.take_text(|byte| {
                is_end(byte) || matches!(byte, b'\\' | b'\'' | b'"' | b'$' | b'`' | b'~' | b':')
            });
            let Some(c) = self.peek().filter(|c| !u8::try_from(*c).is_ok_and(is_end)) else { break };
            self.take();
            match c {
                '\\' => match self.take() {
                    Some('\n') => {}
                    Some(c) => self.push(c),
                    None => self.push('\\'),
                },
                '\'' => self.single_quoted()?,
                '"' => self.double_quoted()?,
                '$' => self.dollar()?,
                '`' => self.backquoted()?,
                '~' if home_may_stand => self.pieces.push(Piece::Opaque),
                c => self.push(c),
            }
            home_may_stand = c == ':';
        }
        Ok(())
    }

    fn single_quoted(&mut self) -> Result<(), Unclosed> {
        // An empty piece, so that `''` is a word.
        self.pieces.push(Piece::Text(String::new()));
        self.take_text(|byte| byte == b'\'');
        self.take().map(drop).ok_or(Unclosed)
    }

    fn double_quoted(&mut self) -> Result<(), Unclosed> {
        self.pieces.push(Piece::Text(String::new()));
        loop {
            self.take_text(|byte| matches!(byte, b'"' | b'$' | b'`' | b'\\'));
            match self.take().ok_or(Unclosed)? {
                '"' => return Ok(()),
                '$' => self.dollar()?,
                '`' => self.backquoted()?,
                '\\' => match self.take().ok_or(Unclosed)? {
                    '\n' => {}
                    c @ ('$' | '`' | '"' | '\\') => self.push(c),
                    c => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                c => self.push(c),
            }
        }
    }

    fn backquoted(&mut self) -> Result<(), Unclosed> {
        self.pieces.push(Piece::Opaque);
        loop {
            match self.take().ok_or(Unclosed)? {
                '`' => return Ok(()),
                '\\' => {
                    self.take();
                }
                _ => {}
            }
        }
    }

    /// Whether two lines are joined here.
    fn joins_lines(&self) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with("\\\n"))
    }

    /// What stands behind a `$`.
    fn dollar(&mut self) -> Result<(), Unclosed> {
        match self.peek() {
            Some('{') => {
                self.take();
                let inside = self.at;
                self.skip_to_close('{', '}')?;
                let inside = self.text.get(inside..self.at.saturating_sub(1)).unwrap_or_default();
                self.pieces.push(braced(inside).unwrap_or(Piece::Opaque));
            }
            Some('(') => {
                self.take();
                self.skip_to_close('(', ')')?;
                self.pieces.push(Piece::Opaque);
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = name_at(self.text, self.at).unwrap_or_default();
                self.at = self.at.saturating_add(name.len());
                // A shell joins the lines before it looks for the end of the name.
                let goes_on = self.joins_lines();
                self.pieces.push(if goes_on {
                    Piece::Opaque
                } else {
                    Piece::Variable { name, fallback: None }
                });
            }
            Some('\\') if self.joins_lines() => self.pieces.push(Piece::Opaque),
            Some(c) if c.is_ascii_digit() || "@*#?-$!'".contains(c) => {
                if c != '\'' {
                    self.take();
                }
                self.pieces.push(Piece::Opaque);
            }
            Some(_) | None => self.push('$'),
        }
        Ok(())
    }

    /// Goes behind the bracket that closes the one just taken. Counts, so that no depth can hurt.
    fn skip_to_close(&mut self, open: char, close: char) -> Result<(), Unclosed> {
        let mut depth = 1_usize;
        let mut quote: Option<char> = None;
        while depth > 0 {
            let c = self.take().ok_or(Unclosed)?;
            match quote {
                Some(q) if c == q => quote = None,
                None if c == '\'' || c == '"' => quote = Some(c),
                _ if c == '\\' && quote != Some('\'') => {
                    self.take();
                }
                None if c == open => depth = depth.saturating_add(1),
                None if c == close => depth = depth.saturating_sub(1),
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// What stands between `${` and `}`.
fn braced(inside: &str) -> Option<Piece<'_>> {
    let name = name_at(inside, 0)?;
    let rest = inside.get(name.len()..)?;
    if rest.is_empty() {
        return Some(Piece::Variable { name, fallback: None });
    }
    let (if_empty, rest) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
    let (assigns, rest) = match rest.strip_prefix('=') {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix('-')?),
    };
    if rest.contains(['$', '`', '\\']) {
        return None;
    }
    let text = unquote(rest)?;
    Some(Piece::Variable { name, fallback: Some(Fallback { text, if_empty, assigns }) })
}

/// Text in which quotes stand around the whole of it, or nowhere.
fn unquote(text: &str) -> Option<String> {
    let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    let bare = quoted('"').or_else(|| quoted('\'')).unwrap_or(text);
    (!bare.contains(['"', '\''])).then(|| bare.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, value: Option<&str>) {
        let known = |name: &str| match name {
            "name" => Setting::Plain("sshd"),
            "empty" => Setting::Plain(""),
            "unknown" => Setting::Unknown,
            _ => Setting::Unset,
        };
        assert_eq!(word(text, 0).unwrap().value(known).as_deref(), value, "{text}");
    }

    #[test]
    fn one_program_and_its_words_is_no_compound() {
        for line in [
            "/bin/food --verbose \"a && b\" 'c; d' $X ${Y:-a;b} $(a; b) `a|b` \\;",
            "/bin/food >/dev/null 2>&1 </dev/null >|/tmp/x >>y 3<&-",
            "/bin/food A=1 !",
            "/bin/food \"",
            "",
        ] {
            assert!(!is_compound(line), "{line}");
        }
        for line in [
            "a && b",
            "a;b",
            "a|b",
            "a &",
            "! test -e /x",
            "A=1 food $B",
            "(a)",
            "{ a; }",
            ": >/run/x",
            "if a; then b; fi",
        ] {
            assert!(is_compound(line), "{line}");
        }
    }

    #[test]
    fn quotes_and_backslashes_are_taken_off() {
        check("yes # no", Some("yes"));
        check(r#""a b"'c d'e\ f"#, Some("a bc de f"));
        check(r#""a\"b\n\$""#, Some("a\"b\\n$"));
        check("\"a\\\nb\"", Some("ab"));
        check("''", Some(""));
        check("", Some(""));
        check("a;b", Some("a"));
        check("$", Some("$"));
    }

    #[test]
    fn plain_variables_are_replaced() {
        check("${name}_enable", Some("sshd_enable"));
        check("\"$name-x\"", Some("sshd-x"));
        check("x${unset}y", Some("xy"));
        check("${unset:-\"NO\"}${unset-'a b'}${name:-z}", Some("NOa bsshd"));
        check("${empty-a}${empty:-b}", Some("b"));
    }

    #[test]
    fn what_only_a_shell_can_tell_is_not_guessed() {
        for text in [
            "$(id -u)",
            "`id`",
            "${name%d}",
            "$1",
            "${unset:-$(x)}",
            "${unknown}",
            "~/x",
            "${HOSTTYPE}",
            "$'a'",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn what_is_not_closed_is_said() {
        for text in ["'a", "\"a", "`a", "$(a", "${a", "\"$(\")", "\"\\"] {
            assert_eq!(word(text, 0), Err(Unclosed), "{text}");
        }
    }
}
