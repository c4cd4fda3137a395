//! Words, command lines, conditions and script blocks, as Upstart takes them out of a text.
//!
//! Space, tab and CR are blanks. `#` begins a comment anywhere outside quotes, also within a word. A `\` at
//! the end of a line joins it with the next, and a line end within quotes becomes one space. In a word,
//! quotes vanish, `\` before a blank or a `\` vanishes, and any other `\` stays; a command line keeps all.
//! Every function here only goes forward, so a text is read in linear time.

use alloc::{borrow::ToOwned as _, boxed::Box, string::String, vec::Vec};
use core::ops::Range;

use events::Token;

use super::fault::{Checked, Fault, open_quote, trailing_slash};

/// Reads a text from its start to its end.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Where a `#` ended a word that it touched.
    cuts: Vec<usize>,
}

/// A line of a block: the bytes from its start to its end, without the newline.
type Line = Range<usize>;

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r')
}

impl<'t> Lexer<'t> {
    pub const fn new(text: &'t str) -> Self {
        Self { text, at: 0, cuts: Vec::new() }
    }

    /// The place before the next character.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// What stands in a part of the text, quotes and all.
    pub fn raw(&self, span: Range<usize>) -> &'t str {
        self.text.get(span).unwrap_or("")
    }

    /// Where a `#` ended a word that it touched, since this was last asked.
    pub fn take_cuts(&mut self) -> Vec<usize> {
        core::mem::take(&mut self.cuts)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at = self.at.saturating_add(c.len_utf8());
        Some(c)
    }

    /// The length of a `\` and the line end that it hides, if they are next.
    fn joint(&self) -> Option<usize> {
        let rest = self.text.get(self.at..)?;
        ["\\\n", "\\\r\n"].into_iter().find(|joint| rest.starts_with(joint)).map(str::len)
    }

    fn skip_blanks(&mut self) {
        loop {
            if let Some(length) = self.joint() {
                self.at = self.at.saturating_add(length);
            } else if self.peek().is_some_and(is_blank) {
                self.bump();
            } else {
                return;
            }
        }
    }

    /// Goes to the end of the line, before its newline.
    fn skip_comment(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or("");
        self.at = self.at.saturating_add(rest.find('\n').unwrap_or(rest.len()));
    }

    /// Whether nothing but a comment is left of this line.
    pub fn is_line_done(&mut self) -> bool {
        self.skip_blanks();
        matches!(self.peek(), None | Some('\n' | '#'))
    }

    /// Goes on to the next line, if nothing but a comment is left of this one.
    pub fn end_line(&mut self) -> Checked<()> {
        if !self.is_line_done() {
            let start = self.at;
            let end = self.word()?.map_or(start, |word| word.span.end);
            return Err(Fault::new("unexpected-token", start..end, "nothing more may stand on this line")
                .label("not expected here")
                .help("quote words that belong together, or begin a new line"));
        }
        self.skip_comment();
        self.bump();
        Ok(())
    }

    /// Goes to the next word, over line ends and comments; `false` at the end of the text.
    pub fn next_stanza(&mut self) -> bool {
        while self.is_line_done() {
            self.skip_comment();
            if self.bump().is_none() {
                return false;
            }
        }
        true
    }

    /// The next word of this line.
    pub fn word(&mut self) -> Checked<Option<Token>> {
        if self.is_line_done() { Ok(None) } else { self.word_until(&[]).map(Some) }
    }

    /// A word that ends at a blank, a line end, a comment or one of `signs`.
    fn word_until(&mut self, signs: &[char]) -> Checked<Token> {
        let start = self.at;
        let mut word = Token { text: String::new(), quoted: false, span: start..start };
        let mut quote: Option<(char, usize)> = None;
        while let Some(c) = self.peek() {
            if quote.is_none() && (is_blank(c) || c == '\n' || c == '#' || signs.contains(&c)) {
                break;
            }
            if c == '\\' {
                if quote.is_none() && self.joint().is_some() {
                    break;
                }
                word.quoted = true;
                self.escape(&mut word.text, false)?;
                continue;
            }
            let here = self.at;
            self.bump();
            match quote {
                Some((sign, _)) if c == sign => quote = None,
                Some(_) if c == '\n' => self.fold(&mut word.text),
                None if c == '"' || c == '\'' => {
                    quote = Some((c, here));
                    word.quoted = true;
                }
                Some(_) | None => word.text.push(c),
            }
        }
        if let Some((_, opened)) = quote {
            return Err(open_quote(self.at, opened));
        }
        if self.peek() == Some('#') {
            self.cuts.push(self.at);
        }
        word.span.end = self.at;
        Ok(word)
    }

    /// Takes a `\` and what it stands before.
    fn escape(&mut self, text: &mut String, keep: bool) -> Checked<()> {
        if let Some(length) = self.joint() {
            self.at = self.at.saturating_add(length);
            self.fold(text);
            return Ok(());
        }
        let start = self.at;
        self.bump();
        let Some(c) = self.bump() else { return Err(trailing_slash(start)) };
        if keep || !(is_blank(c) || c == '\\') {
            text.push('\\');
        }
        text.push(c);
        Ok(())
    }

    /// Makes one space of the blanks on both sides of a line end that has just been passed.
    fn fold(&mut self, text: &mut String) {
        text.truncate(text.trim_end_matches(is_blank).len());
        while self.peek().is_some_and(is_blank) {
            self.bump();
        }
        text.push(' ');
    }

    /// The rest of this line as a command line: quotes and `\` stay.
    pub fn command(&mut self) -> Checked<Option<String>> {
        if self.is_line_done() {
            return Ok(None);
        }
        let mut text = String::new();
        let mut quote: Option<(char, usize)> = None;
        while let Some(c) = self.peek() {
            if quote.is_none() && (c == '\n' || c == '#') {
                break;
            }
            if c == '\\' {
                self.escape(&mut text, true)?;
                continue;
            }
            let here = self.at;
            self.bump();
            match quote {
                Some(_) if c == '\n' => {
                    self.fold(&mut text);
                    continue;
                }
                Some((sign, _)) if c == sign => quote = None,
                None if c == '"' || c == '\'' => quote = Some((c, here)),
                Some(_) | None => {}
            }
            text.push(c);
        }
        if let Some((_, opened)) = quote {
            return Err(open_quote(self.at, opened));
        }
        if self.peek() == Some('#') && !text.ends_with(is_blank) {
            self.cuts.push(self.at);
        }
        text.truncate(text.trim_end_matches(is_blank).len());
        Ok(Some(text))
    }

    /// The words of a condition. It goes on over line ends as long as a parenthesis is open.
    pub fn condition(&mut self) -> Checked<Vec<Token>> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut open: Vec<Range<usize>> = Vec::new();
        loop {
            self.skip_blanks();
            let here = self.at;
            match self.peek() {
                None => return Ok(tokens),
                Some('\n') if open.is_empty() => return Ok(tokens),
                Some('\n') => {
                    self.bump();
                    self.refuse_empty_line(open.last())?;
                }
                Some('#') => self.skip_comment(),
                Some(sign @ ('(' | ')')) => {
                    self.bump();
                    let span = here..self.at;
                    if sign == '(' {
                        open.push(span.clone());
                    } else {
                        open.pop();
                    }
                    tokens.push(Token { text: sign.into(), quoted: false, span });
                }
                Some(_) => tokens.push(self.word_until(&['(', ')'])?),
            }
        }
    }

    /// Within parentheses, a line with nothing or only a comment on it ends the condition.
    fn refuse_empty_line(&mut self, open: Option<&Range<usize>>) -> Checked<()> {
        let start = self.at;
        self.skip_blanks();
        let what = match self.peek() {
            Some('\n') => "line is empty",
            Some('#') => "line has only a comment",
            Some(_) | None => return Ok(()),
        };
        let from = self.at;
        self.skip_comment();
        let span = if from == self.at { start..from } else { from..self.at };
        let mut fault = Fault::new("expected-token", span, alloc::format!("{what} within parentheses"))
            .label("an event, `and`, `or` or `)` is expected here")
            .help("remove the line, or put the comment behind a word; or close the parenthesis before it");
        fault.also = open.map(|open| (open.clone(), "opened here"));
        Err(fault)
    }

    /// The lines up to `end script`, without the blanks with which all of them begin.
    pub fn block(&mut self, opened: Range<usize>) -> Checked<String> {
        let mut lines: Vec<Line> = Vec::new();
        while self.at < self.text.len() {
            let start = self.at;
            self.skip_comment();
            let line = start..self.at;
            self.bump();
            if is_block_end(self.raw(line.clone())) {
                return Ok(self.dedented(&lines));
            }
            lines.push(line);
        }
        Err(unterminated(self.text, self.at, &lines, opened))
    }

    fn dedented(&self, lines: &[Line]) -> String {
        let mut indent: Option<&str> = None;
        for line in lines {
            let line = self.raw(line.clone());
            let blanks = line.len().saturating_sub(line.trim_start_matches(is_blank).len());
            let blanks = line.get(..blanks).unwrap_or("");
            indent = Some(indent.map_or(blanks, |indent| common_start(indent, blanks)));
        }
        let indent = indent.map_or(0, str::len);
        let mut body = String::new();
        for line in lines {
            body.push_str(self.raw(line.start.saturating_add(indent)..line.end));
            body.push('\n');
        }
        body
    }
}

/// Whether a line is `end script`, with nothing behind it but a comment.
fn is_block_end(line: &str) -> bool {
    let Some(rest) = line.trim_start_matches(is_blank).strip_prefix("end") else { return false };
    let word = rest.trim_start_matches(is_blank);
    let Some(after) = word.strip_prefix("script").filter(|_| word.len() < rest.len()) else { return false };
    let after = after.trim_start_matches(is_blank);
    after.is_empty() || after.starts_with('#')
}

/// What two runs of blanks have in common. Blanks are one byte each.
fn common_start<'t>(a: &'t str, b: &str) -> &'t str {
    let length = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    a.get(..length).unwrap_or("")
}

/// A block without its end; a line that was probably meant as the end is pointed at.
fn unterminated(text: &str, end: usize, lines: &[Line], opened: Range<usize>) -> Box<Fault> {
    let raw = |line: &Line| text.get(line.clone()).unwrap_or("");
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join("").to_lowercase();
    let near = lines
        .iter()
        .map(raw)
        .find(|line| line.trim_start().starts_with(['e', 'E']) && squeezed(line).starts_with("endscript"));
    let help = match near {
        Some(line) => alloc::format!("write `end script` alone on its line, not `{}`", line.trim()),
        None => "write `end script` on a line of its own".to_owned(),
    };
    Fault::new("unterminated-block", end..end, "script has no end")
        .label("the file ends here")
        .also(opened, "begun here")
        .help(help)
}
