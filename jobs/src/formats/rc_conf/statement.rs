//! The statements of an rc.conf, one after the other.

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::ops::Range;

use super::{Entry, Setting, Variables, layered};
use crate::{
    Report,
    formats::{
        Source,
        shell::{Fallback, Piece, Word, assigned_name, word},
    },
};

/// Commands that set no variable.
const HARMLESS: [&str; 7] = ["[", "test", "echo", "printf", "true", "false", ":"];

/// Evaluates `file` into `own`, with what `shared` holds below it.
pub(super) fn run(file: &Source, own: &mut Variables, shared: Option<&Variables>) -> Vec<Report> {
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let at = file.text.len().saturating_sub(text.len());
    let mut evaluation = Evaluation {
        file,
        path: file.path.as_str().into(),
        own,
        shared,
        at,
        blocks: Vec::new(),
        function_next: false,
        in_pattern: false,
        maybe: false,
        redirected: false,
        reports: Vec::new(),
    };
    evaluation.run();
    evaluation.reports
}

/// A part that is not run, or not always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// `if`, `for`, `while`, `{`, `(`: run perhaps.
    Perhaps(&'static str),
    /// `case`, in which a `)` ends a pattern.
    Case,
    /// The body of a function: run when it is called, and a call is a command.
    Function(&'static str),
}

/// What ends a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Line,
    /// `&&`, `||`: what follows may not run.
    Joined,
    /// `|`, `&`: what went before runs in a process of its own.
    Piped,
    OpenParen,
    CloseParen,
    /// `;;`
    Arm,
    /// `<<`: the text behind it is none of ours to read.
    HereDocument,
    File,
}

struct Evaluation<'t, 'v> {
    file: &'t Source,
    path: Arc<str>,
    own: &'v mut Variables,
    shared: Option<&'v Variables>,
    at: usize,
    blocks: Vec<Block>,
    /// Whether the next block is the body of a function.
    function_next: bool,
    /// Whether the patterns of a `case` stand here.
    in_pattern: bool,
    /// Whether this statement runs only if the one before went well, or not.
    maybe: bool,
    /// Whether it has a redirection, so that it does nothing where the file is not there.
    redirected: bool,
    reports: Vec<Report>,
}

impl<'t> Evaluation<'t, '_> {
    fn run(&mut self) {
        loop {
            self.redirected = false;
            while self.plain_assignment().is_some() {}
            let start = self.at;
            let Some((words, end)) = self.statement() else {
                self.unclosed(start);
                return;
            };
            if end == End::HereDocument {
                self.command("here-document", start..self.at);
                return;
            }
            let before = self.maybe;
            self.maybe |= end == End::Piped;
            self.take_statement(&words, end);
            let goes_on = before && words.is_empty() && end == End::Line;
            self.maybe = goes_on || matches!(end, End::Joined | End::Piped);
            match end {
                End::OpenParen => self.open_paren(&words),
                End::CloseParen => self.close_paren(),
                End::Arm => self.in_pattern = self.blocks.last() == Some(&Block::Case),
                End::File => return,
                End::Line | End::Joined | End::Piped | End::HereDocument => {}
            }
        }
    }

    fn text(&self) -> &'t str {
        &self.file.text
    }

    /// A line that sets a variable to a text as it stands there, and does nothing else, as nearly each line of these files:
    /// `sshd_enable="YES"`. What is anything more is read word by word.
    fn plain_assignment(&mut self) -> Option<()> {
        if self.is_conditional() || self.function_next || self.in_pattern {
            return None;
        }
        let rest = self.text().get(self.at..)?;
        let line = rest.split_inclusive('\n').next()?;
        let (name, value_at) = assigned_name(line, 0)?;
        let value = line.get(value_at..)?.trim_end_matches([' ', '\t', '\n']);
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let is_plain = |byte: u8| match quoted {
            Some(_) => !matches!(byte, b'"' | b'$' | b'`' | b'\\'),
            None => byte.is_ascii_alphanumeric() || byte == b'_',
        };
        let text = quoted.unwrap_or(value);
        if !text.bytes().all(is_plain) {
            return None;
        }
        let end = self.at.saturating_add(value_at).saturating_add(value.len());
        self.set(name, Some(text.into()), self.at..end);
        self.at = self.at.saturating_add(line.len());
        Some(())
    }

    /// The words up to the next end of a statement; `None` if a quote is not closed.
    fn statement(&mut self) -> Option<(Vec<Word<'t>>, End)> {
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            let rest = self.text().get(self.at..).unwrap_or_default();
            let (len, end) = match end_at(rest) {
                Some((0, None)) => {
                    // A redirection's target is a word that says nothing here.
                    let signs = rest.find(|c| c != '<' && c != '>' && c != '&').unwrap_or(rest.len());
                    self.at = self.at.saturating_add(signs);
                    self.skip_blanks();
                    let target = word(self.text(), self.at).ok()?;
                    self.at = target.span.end;
                    self.forget_defaults(core::slice::from_ref(&target));
                    self.redirected = true;
                    continue;
                }
                Some((len, Some(end))) => (len, end),
                Some((_, None)) | None => {
                    let next = word(self.text(), self.at).ok()?;
                    self.at = next.span.end;
                    words.push(next);
                    continue;
                }
            };
            self.at = self.at.saturating_add(len);
            return Some((words, end));
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.text().get(self.at..).unwrap_or_default();
            let blanks = rest.len().saturating_sub(rest.trim_start_matches([' ', '\t']).len());
            self.at = self.at.saturating_add(blanks);
            let rest = self.text().get(self.at..).unwrap_or_default();
            let skip = if rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("\\\n") {
                2
            } else if rest.starts_with("\r\n") {
                // To a shell this is a command of that name, which does not exist and does nothing.
                1
            } else {
                return;
            };
            self.at = self.at.saturating_add(skip);
        }
    }

    fn take_statement(&mut self, words: &[Word<'t>], end: End) {
        if self.in_pattern {
            self.pattern(words, end);
            return;
        }
        let mut words = words;
        // `NAME ()` begins a function.
        if end == End::OpenParen && words.len() == 1 {
            return;
        }
        while let Some(keyword) = words.first().and_then(|first| keyword(first)) {
            words = words.get(1..).unwrap_or_default();
            words = self.keyword(keyword, words);
        }
        self.simple(words);
    }

    fn pattern(&mut self, words: &[Word<'t>], end: End) {
        self.forget_defaults(words);
        let is_esac = words.first().and_then(|word| word.literal()) == Some("esac");
        if is_esac {
            self.blocks.pop();
        }
        self.in_pattern = !is_esac && end != End::CloseParen;
    }

    /// Acts on a keyword and gives the words behind it that are a command.
    fn keyword<'w>(&mut self, keyword: &'static str, words: &'w [Word<'t>]) -> &'w [Word<'t>] {
        match keyword {
            "if" | "while" | "until" | "{" => self.open(keyword),
            "for" => {
                self.open(keyword);
                if let Some(variable) = words.first() {
                    self.forget(variable.literal().unwrap_or_default(), variable.span.clone());
                }
                self.forget_defaults(words);
                return &[];
            }
            "case" => {
                self.function_next = false;
                self.blocks.push(Block::Case);
                self.in_pattern = true;
                self.forget_defaults(words);
                return &[];
            }
            "fi" | "done" | "esac" | "}" => {
                self.blocks.pop();
                return &[];
            }
            // `then`, `do`, `else`, `elif`, `!`: a command follows.
            _ => {}
        }
        words
    }

    fn open(&mut self, by: &'static str) {
        let function = core::mem::take(&mut self.function_next);
        self.blocks.push(if function { Block::Function(by) } else { Block::Perhaps(by) });
    }

    fn open_paren(&mut self, words: &[Word<'t>]) {
        let rest = self.text().get(self.at..).unwrap_or_default().trim_start_matches([' ', '\t']);
        if words.len() == 1 && rest.starts_with(')') {
            self.at = self.text().len().saturating_sub(rest.len()).saturating_add(1);
            self.function_next = true;
            let name = words.first().and_then(|word| word.literal()).unwrap_or_default();
            if HARMLESS.contains(&name) {
                // From here on it is not what it was.
                self.command("a function", self.at..self.at);
            }
        } else if !self.in_pattern {
            self.open("(");
        }
    }

    fn close_paren(&mut self) {
        self.in_pattern = false;
        if matches!(self.blocks.last(), Some(Block::Perhaps("(") | Block::Function("("))) {
            self.blocks.pop();
        }
    }

    /// A command without keywords.
    fn simple(&mut self, words: &[Word<'t>]) {
        if words.is_empty() {
            return;
        }
        // A single command may be the whole body of a function.
        let is_body = core::mem::take(&mut self.function_next);
        if is_body || self.blocks.iter().any(|block| matches!(block, Block::Function(_))) {
            return;
        }
        let is_assignment =
            |word: &&Word<'_>| assigned_name(self.file.text.as_str(), word.span.start).is_some();
        let (before, command) = words.split_at(words.iter().take_while(is_assignment).count());
        let Some((first, rest)) = command.split_first() else {
            words.iter().for_each(|word| self.assign(word));
            return;
        };
        // What stands before a command may outlive it: that depends on the command, and on the shell.
        for word in before {
            self.forget(
                assigned_name(self.text(), word.span.start).map_or("", |(name, _)| name),
                word.span.clone(),
            );
        }
        self.forget_defaults(before);
        match first.literal() {
            Some("export") if rest.iter().all(|word| self.is_plain(word)) => {
                rest.iter().for_each(|word| self.assign(word));
            }
            Some("unset") if rest.iter().all(|word| word.literal().is_some()) => {
                rest.iter().for_each(|word| self.unset(word));
            }
            Some(name) if HARMLESS.contains(&name) => words.iter().for_each(|word| self.defaults(word)),
            name => self.command(name.unwrap_or("a command"), first.span.clone()),
        }
    }

    /// Whether a word is an assignment or a name, and not something that becomes one.
    fn is_plain(&self, word: &Word<'t>) -> bool {
        assigned_name(self.text(), word.span.start).is_some()
            || word.literal().is_some_and(|text| !text.contains('='))
    }

    fn assign(&mut self, word_: &Word<'t>) {
        let Some((name, value_at)) = assigned_name(self.text(), word_.span.start) else { return };
        if self.is_conditional() {
            let message =
                format!("`{name}` is set under a condition, so its value is not known before the boot");
            self.warn("rc-conf-condition", message, word_.span.clone());
            self.forget(name, word_.span.clone());
            return;
        }
        // The word without its left side.
        let Ok(value) = word(self.text(), value_at) else { return };
        let variables = value.pieces.iter().filter(|piece| matches!(piece, Piece::Variable { .. })).count();
        let value = if variables > 1 && self.forget_defaults(core::slice::from_ref(&value)) {
            // Which part is looked at before which other is set is left to the shell.
            None
        } else {
            self.defaults(&value);
            value.value(|name| layered(self.own, self.shared, name))
        };
        if value.is_none() {
            let message = format!("value of `{name}` can only be told by a shell");
            self.warn("rc-conf-value", message, word_.span.clone());
        }
        self.set(name, value, word_.span.clone());
    }

    /// `${NAME:=word}`, wherever it stands.
    fn defaults(&mut self, word: &Word<'t>) {
        for piece in &word.pieces {
            if let Piece::Variable { name, fallback: Some(fallback) } = piece
                && fallback.assigns
            {
                if !fallback.counts(layered(self.own, self.shared, name)) {
                    continue;
                }
                let value = (!self.is_conditional()).then(|| fallback.text.clone());
                self.set(name, value, word.span.clone());
            }
        }
    }

    /// `${NAME:=word}` in a place where nobody writes one; whether there was any.
    fn forget_defaults(&mut self, words: &[Word<'t>]) -> bool {
        let mut found = false;
        for piece in words.iter().flat_map(|word| &word.pieces) {
            if let Piece::Variable { name, fallback: Some(Fallback { assigns: true, .. }) } = piece {
                self.forget(name, self.at..self.at);
                found = true;
            }
        }
        found
    }

    fn unset(&mut self, word: &Word<'t>) {
        let Some(name) = word.literal() else { return };
        // Below our own file another may set it: then it is not unset, and we cannot say so here.
        let hidden = self.shared.is_some_and(|shared| shared.get(name) != Setting::Unset);
        if self.is_conditional() || hidden || self.own.anything {
            self.forget(name, word.span.clone());
        } else {
            self.own.values.remove(name);
        }
    }

    /// Something that runs: from here on it may have set any variable.
    fn command(&mut self, name: &str, span: Range<usize>) {
        let message = format!("`{name}` is not run to read this file: what is set above it may not hold");
        self.warn("rc-conf-command", message, span);
        self.own.values.clear();
        self.own.anything = true;
    }

    fn unclosed(&mut self, start: usize) {
        let start = start.saturating_add(
            self.text().get(start..).map_or(0, |rest| rest.len().saturating_sub(rest.trim_start().len())),
        );
        let line = self.text().get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        self.warn("rc-conf-quote", "quote or bracket is not closed", start..start.saturating_add(line.len()));
        self.command("the rest", start..start.saturating_add(line.len()));
        self.reports.pop();
    }

    fn is_conditional(&self) -> bool {
        self.maybe || self.redirected || !self.blocks.is_empty()
    }

    fn set(&mut self, name: &str, value: Option<String>, span: Range<usize>) {
        self.own.values.insert(name.into(), Entry { value, path: self.path.clone(), span });
    }

    fn forget(&mut self, name: &str, span: Range<usize>) {
        if !name.is_empty() {
            self.set(name, None, span);
        }
    }

    fn warn(&mut self, code: &'static str, message: impl Into<String>, span: Range<usize>) {
        let help = "write it as NAME=\"value\" on a line of its own; until then each script concerned is asked when it starts";
        self.reports.push(Report::warning(code, message).at(&self.file.path, span, "").help(help));
    }
}

/// The keyword that a word is. One that is quoted, as its length tells, is a command of that name.
fn keyword(word: &Word<'_>) -> Option<&'static str> {
    const KEYWORDS: [&str; 15] = [
        "if", "then", "else", "elif", "fi", "while", "until", "for", "do", "done", "case", "esac", "{", "}",
        "!",
    ];
    let text = word.literal()?;
    KEYWORDS.iter().copied().find(|keyword| *keyword == text && word.span.len() == keyword.len())
}

/// What ends a statement at the start of `rest`, and its length; no end for a redirection.
fn end_at(rest: &str) -> Option<(usize, Option<End>)> {
    const ENDS: [(&str, End); 10] = [
        ("\n", End::Line),
        (";;", End::Arm),
        (";", End::Line),
        ("&&", End::Joined),
        ("||", End::Joined),
        ("|", End::Piped),
        ("&", End::Piped),
        ("(", End::OpenParen),
        (")", End::CloseParen),
        ("<<", End::HereDocument),
    ];
    if rest.is_empty() {
        return Some((0, Some(End::File)));
    }
    let sign = ENDS.iter().find(|(sign, _)| rest.starts_with(sign));
    match sign {
        Some((sign, end)) => Some((sign.len(), Some(*end))),
        None => rest.starts_with(['<', '>']).then_some((0, None)),
    }
}
