//! The plain forms that nearly every file is written in, read in one pass.
//!
//! The `ron` crate decides what is RON, and [`raw`](super::raw) asks it about each part of a file, level by level. Most
//! files consist of a few forms about which there can be no doubt: texts without escapes, words, short numbers, lists,
//! and names with values. They are read here, at a tenth of the cost. Anything else, and whatever may be a fault, makes
//! this reader give up, and then the file is read the long way: so a fault is told in one place only, and a test
//! holds what is read here to what `ron` makes of it.

use alloc::{borrow::Cow, vec::Vec};

use super::raw::{Field, Node, Quoted, Shape};

/// How deep lists and structs may lie in each other here.
const MAX_DEPTH: usize = 4;
/// How many digits a number may have here, so that it fits whatever `ron` makes of it.
const MAX_DIGITS: usize = 9;
/// How many `#` a raw text may begin with here.
const MAX_HASHES: usize = 8;

/// The fields that `source` says, if it is written in plain forms.
pub(super) fn read(source: &str) -> Option<Vec<Field<'_>>> {
    let mut reader = Reader { source, at: 0 };
    reader.pass_blanks()?;
    reader.expect(b'(')?;
    let fields = reader.parts(b')', |reader| {
        let start = reader.at;
        let name = reader.word()?;
        let name_span = start..reader.at;
        reader.colon()?;
        Some(Field { name, name_span, node: reader.value(MAX_DEPTH)? })
    })?;
    reader.pass_blanks()?;
    reader.peek().is_none().then_some(fields)
}

struct Reader<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Reader<'s> {
    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Passes the byte, if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.step();
        }
        is_next
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// Passes bytes as long as they are like this, and gives them.
    fn run(&mut self, is_like_this: impl Fn(u8) -> bool) -> Option<&'s str> {
        let start = self.at;
        let rest = self.source.as_bytes().get(start..)?;
        let length = rest.iter().position(|byte| !is_like_this(*byte)).unwrap_or(rest.len());
        self.at = start.saturating_add(length);
        self.source.get(start..self.at)
    }

    /// Passes blanks and comments to the end of their line. A comment without such an end is no plain form.
    fn pass_blanks(&mut self) -> Option<()> {
        loop {
            while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
                self.step();
            }
            if !self.take(b'/') {
                return Some(());
            }
            self.expect(b'/')?;
            self.run(|byte| byte != b'\n')?;
            self.expect(b'\n')?;
        }
    }

    fn colon(&mut self) -> Option<()> {
        self.pass_blanks()?;
        self.expect(b':')?;
        self.pass_blanks()
    }

    /// Parts with commas between them, up to `end`.
    fn parts<T>(&mut self, end: u8, mut part: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut parts = Vec::new();
        loop {
            self.pass_blanks()?;
            if self.take(end) {
                return Some(parts);
            }
            parts.push(part(self)?);
            self.pass_blanks()?;
            if !self.take(b',') {
                return self.take(end).then_some(parts);
            }
        }
    }

    /// A value, in which others may lie `depth` deep.
    fn value(&mut self, depth: usize) -> Option<Node<'s>> {
        let depth = depth.checked_sub(1)?;
        let start = self.at;
        let shape = match self.peek()? {
            b'"' => {
                self.step();
                self.text()?
            }
            b'r' if self.begins_raw_text() => {
                self.step();
                self.raw_text()?
            }
            b'0'..=b'9' | b'-' => Shape::Number(self.number()?),
            b'[' => {
                self.step();
                Shape::List(self.parts(b']', |reader| reader.value(depth))?)
            }
            b'{' => {
                self.step();
                Shape::Pairs(self.parts(b'}', |reader| reader.pair(depth, Self::value))?)
            }
            b'(' => {
                self.step();
                Shape::Pairs(self.parts(b')', |reader| reader.pair(depth, Self::name))?)
            }
            _ => self.word_or_call(depth)?,
        };
        Some(Node { shape, span: start..self.at })
    }

    fn pair(
        &mut self,
        depth: usize,
        key: impl Fn(&mut Self, usize) -> Option<Node<'s>>,
    ) -> Option<(Node<'s>, Node<'s>)> {
        let key = key(self, depth)?;
        self.colon()?;
        Some((key, self.value(depth)?))
    }

    /// The name of a struct's field.
    fn name(&mut self, _: usize) -> Option<Node<'s>> {
        let start = self.at;
        Some(Node { shape: Shape::Word(self.word()?), span: start..self.at })
    }

    /// A text behind its first quote.
    fn text(&mut self) -> Option<Shape<'s>> {
        let start = self.at;
        let text = self.run(|byte| !matches!(byte, b'"' | b'\\'))?;
        self.expect(b'"')?;
        Some(Shape::Text(Quoted { text: Cow::Borrowed(text), start: Some(start) }))
    }

    fn begins_raw_text(&self) -> bool {
        let next = self.source.as_bytes().get(self.at.saturating_add(1));
        matches!(next, Some(b'#' | b'"'))
    }

    /// A raw text behind its `r`.
    fn raw_text(&mut self) -> Option<Shape<'s>> {
        let hashes = self.run(|byte| byte == b'#')?;
        if hashes.len() > MAX_HASHES {
            return None;
        }
        self.expect(b'"')?;
        let start = self.at;
        loop {
            self.run(|byte| byte != b'"')?;
            let text = self.source.get(start..self.at)?;
            self.expect(b'"')?;
            if self.source.get(self.at..)?.starts_with(hashes) {
                self.at = self.at.saturating_add(hashes.len());
                return Some(Shape::Text(Quoted { text: Cow::Borrowed(text), start: Some(start) }));
            }
        }
    }

    /// A whole number in decimal digits.
    fn number(&mut self) -> Option<&'s str> {
        let start = self.at;
        self.take(b'-');
        let digits = self.run(|byte| byte.is_ascii_digit())?;
        let is_plain = digits == "0" || (1..=MAX_DIGITS).contains(&digits.len()) && !digits.starts_with('0');
        if is_plain && self.is_at_end_of_part() { self.source.get(start..self.at) } else { None }
    }

    /// Letters, digits and `_`, and nothing behind them that could belong to them.
    fn word(&mut self) -> Option<&'s str> {
        if self.peek()?.is_ascii_digit() {
            return None;
        }
        let word = self.run(|byte| byte == b'_' || byte.is_ascii_alphanumeric())?;
        let ends = self.is_at_end_of_part() || matches!(self.peek(), Some(b':' | b'('));
        (ends && !word.is_empty()).then_some(word)
    }

    fn is_at_end_of_part(&self) -> bool {
        matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b')' | b']' | b'}'))
    }

    /// A word, alone or with values behind it; not those that mean more to RON than to us.
    fn word_or_call(&mut self, depth: usize) -> Option<Shape<'s>> {
        let word = self.word()?;
        let is_call = self.take(b'(');
        match word {
            "true" | "false" if !is_call => Some(Shape::Truth(word == "true")),
            "true" | "false" | "None" | "Some" | "inf" | "NaN" => None,
            _ if !is_call => Some(Shape::Word(word)),
            _ => {
                let args = self.parts(b')', |reader| reader.value(depth))?;
                (!args.is_empty()).then_some(Shape::Call(word, args))
            }
        }
    }
}
