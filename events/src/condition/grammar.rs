//! How a condition is read: its words, and what they mean in which place.

use alloc::{string::String, vec::Vec};
use core::{ops::Range, time::Duration};

use super::{
    Condition, ConditionError, ConditionFault, Dialect, Hold, Leaf, MAX_LEAVES, Node, Parsed, Token,
};
use crate::{Key, Match, MatchKey, Name, Pattern, Template, Want, parse_delay};

/// The words of a condition: split at blanks and parentheses, with quotes and `\` as in a shell.
pub fn tokenize(text: &str) -> Result<Vec<Token>, ConditionError> {
    let mut tokens = Vec::new();
    let mut at = 0_usize;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let end = at.saturating_add(c.len_utf8());
        if c.is_whitespace() {
            at = end;
            continue;
        }
        let token = if c == '(' || c == ')' {
            Token { text: c.into(), quoted: false, span: at..end }
        } else {
            match plain_word(text, at) {
                Some(token) => token,
                None => word(text, at)?,
            }
        };
        at = token.span.end;
        tokens.push(token);
    }
    Ok(tokens)
}

/// The word at `start`, if it is one of ASCII signs that stand for themselves, as nearly all are.
fn plain_word(text: &str, start: usize) -> Option<Token> {
    let rest = text.as_bytes().get(start..)?;
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'(' | b')');
    let length = rest.iter().position(ends).unwrap_or(rest.len());
    let end = start.saturating_add(length);
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'{');
    let word = rest.get(..length).filter(|word| word.iter().all(is_plain))?;
    Some(Token { text: str::from_utf8(word).ok()?.into(), quoted: false, span: start..end })
}

/// The word at `start`, whatever stands in it.
fn word(text: &str, start: usize) -> Result<Token, ConditionError> {
    let mut token = Token { text: String::new(), quoted: false, span: start..text.len() };
    let mut quote: Option<char> = None;
    let mut braces = 0_usize;
    let mut chars = text.get(start..).unwrap_or("").char_indices();
    while let Some((at, c)) = chars.next() {
        let ends = c.is_whitespace() || c == ')' || c == '(';
        if quote.is_none() && ends && braces == 0 {
            token.span.end = start.saturating_add(at);
            return Ok(token);
        }
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                token.quoted = true;
            }
            (None | Some('"'), '\\') => token.text.extend(chars.next().map(|(_, c)| c)),
            _ => {
                // `${A:-x y}` is one word.
                match c {
                    '{' if token.text.ends_with('$') => braces = braces.saturating_add(1),
                    '}' => braces = braces.saturating_sub(1),
                    _ => {}
                }
                token.text.push(c);
            }
        }
    }
    match quote {
        Some(_) => Err(ConditionError { fault: ConditionFault::Quote, span: token.span }),
        None => Ok(token),
    }
}

/// The condition of one word, if that is the name of an event and nothing else, as most conditions are.
pub(super) fn one_word(tokens: &[Token]) -> Option<Parsed> {
    let [token] = tokens else { return None };
    if !token.quoted && matches!(token.text.as_str(), "and" | "or" | "not" | "(" | ")") {
        return None;
    }
    let condition = Condition::leaf(Pattern::named(Name::new(&token.text).ok()?));
    Some(Parsed { condition, names: Vec::from([token.span.clone()]) })
}

/// A sign that waits for its right side.
enum Sign {
    Open(Range<usize>),
    And,
    Or,
    Not,
}

/// Shunting yard: operands go out at once, signs wait on a stack.
pub(super) struct Builder<'t> {
    tokens: &'t [Token],
    end: usize,
    dialect: Dialect,
    at: usize,
    nodes: Vec<Node>,
    names: Vec<Range<usize>>,
    signs: Vec<Sign>,
}

impl<'t> Builder<'t> {
    pub(super) const fn new(tokens: &'t [Token], end: usize, dialect: Dialect) -> Self {
        Self { tokens, end, dialect, at: 0, nodes: Vec::new(), names: Vec::new(), signs: Vec::new() }
    }

    pub(super) fn build(mut self) -> Result<Parsed, ConditionError> {
        loop {
            self.operand()?;
            while self.is_sign(")") {
                self.close()?;
            }
            if self.at >= self.tokens.len() {
                break;
            }
            let sign = if self.is_sign("and") {
                Sign::And
            } else if self.is_sign("or") {
                Sign::Or
            } else {
                return Err(self.fault(ConditionFault::ExpectedOperator));
            };
            self.at = self.at.saturating_add(1);
            self.reduce();
            self.signs.push(sign);
        }
        self.reduce();
        if let Some(Sign::Open(_)) = self.signs.last() {
            return Err(self.fault(ConditionFault::Parentheses));
        }
        Ok(Parsed { condition: Condition(self.nodes.into()), names: self.names })
    }

    /// Reads `(` and `not` up to an event, and the event.
    fn operand(&mut self) -> Result<(), ConditionError> {
        loop {
            if self.is_sign("(") {
                let span = self.here();
                self.signs.push(Sign::Open(span));
            } else if self.is_sign("not") && self.dialect == Dialect::Levels {
                self.signs.push(Sign::Not);
            } else {
                break;
            }
            self.at = self.at.saturating_add(1);
        }
        if self.at >= self.tokens.len() && self.signs.iter().any(|sign| matches!(sign, Sign::Open(_))) {
            return Err(self.fault(ConditionFault::Parentheses));
        }
        if self.is_sign("and") || self.is_sign("or") || self.is_sign(")") || self.at >= self.tokens.len() {
            return Err(self.fault(ConditionFault::ExpectedEvent));
        }
        if self.is_sign("not")
            && self.tokens.get(self.at.saturating_add(1)).is_some_and(|next| !self.ends_event(next))
        {
            return Err(self.fault(ConditionFault::NotOverEvents));
        }
        self.leaf()
    }

    fn leaf(&mut self) -> Result<(), ConditionError> {
        if self.names.len() >= MAX_LEAVES {
            return Err(self.fault(ConditionFault::TooLarge));
        }
        let Some(token) = self.next() else { return Err(self.fault(ConditionFault::ExpectedEvent)) };
        let name = Name::new(&token.text).map_err(|fault| at(token, ConditionFault::Name(fault)))?;
        self.names.push(token.span.clone());
        let mut matches = Vec::new();
        let mut hold = Hold::default();
        while let Some(token) = self.tokens.get(self.at) {
            if self.ends_event(token) {
                break;
            }
            self.at = self.at.saturating_add(1);
            let levels = self.dialect == Dialect::Levels && !token.quoted;
            match token.text.as_str() {
                "for" if levels => hold.rise = self.delay()?,
                "until" if levels => {
                    if self.next().is_none_or(|gone| gone.text != "gone") {
                        self.at = self.at.saturating_sub(1);
                        return Err(self.fault(ConditionFault::ExpectedGone));
                    }
                    hold.fall = self.delay()?;
                }
                _ => matches.push(one_match(token, &matches)?),
            }
        }
        let pattern = Pattern::new(name, matches);
        self.nodes.push(Node::Leaf(Leaf { pattern, hold }));
        Ok(())
    }

    fn delay(&mut self) -> Result<Duration, ConditionError> {
        let delay = self.tokens.get(self.at).and_then(|token| parse_delay(&token.text).ok());
        let delay = delay.ok_or_else(|| self.fault(ConditionFault::ExpectedDelay))?;
        self.at = self.at.saturating_add(1);
        Ok(delay)
    }

    /// Whether an event's arguments end before `token`.
    fn ends_event(&self, token: &Token) -> bool {
        !token.quoted && matches!(token.text.as_str(), "and" | "or" | "(" | ")")
    }

    fn close(&mut self) -> Result<(), ConditionError> {
        self.reduce();
        if !matches!(self.signs.pop(), Some(Sign::Open(_))) {
            return Err(self.fault(ConditionFault::Parentheses));
        }
        self.at = self.at.saturating_add(1);
        // A `not` before the parenthesis is over all of it.
        while let Some(Sign::Not) = self.signs.last() {
            self.signs.pop();
            self.nodes.push(Node::Not);
        }
        Ok(())
    }

    /// Puts out every sign since the last open parenthesis: no precedence, left to right.
    fn reduce(&mut self) {
        while let Some(sign) = self.signs.pop() {
            match sign {
                Sign::Open(span) => {
                    self.signs.push(Sign::Open(span));
                    break;
                }
                Sign::And => self.nodes.push(Node::And),
                Sign::Or => self.nodes.push(Node::Or),
                Sign::Not => self.nodes.push(Node::Not),
            }
        }
    }

    fn is_sign(&self, sign: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| !token.quoted && token.text == sign)
    }

    fn next(&mut self) -> Option<&'t Token> {
        let token = self.tokens.get(self.at)?;
        self.at = self.at.saturating_add(1);
        Some(token)
    }

    fn here(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |token| token.span.clone())
    }

    fn fault(&self, fault: ConditionFault) -> ConditionError {
        ConditionError { fault, span: self.here() }
    }
}

fn at(token: &Token, fault: ConditionFault) -> ConditionError {
    ConditionError { fault, span: token.span.clone() }
}

fn one_match(token: &Token, before: &[Match]) -> Result<Match, ConditionError> {
    let template = |text: &str| Template::parse(text).map_err(|fault| at(token, fault.into()));
    let named = token.text.split_once('=').filter(|(key, _)| {
        let key = key.strip_suffix('!').unwrap_or(key);
        !key.is_empty() && !key.contains(['$', '{', '*', '?', '[', '/', ' '])
    });
    let Some((key, value)) = named else {
        if before.iter().any(|earlier| matches!(earlier.key, MatchKey::Named(_))) {
            return Err(at(token, ConditionFault::ExpectedVariable));
        }
        let place = u16::try_from(before.len()).map_err(|_| at(token, ConditionFault::TooLarge))?;
        return Ok(Match {
            key: MatchKey::Position(place),
            negated: false,
            want: Want::new(template(&token.text)?),
        });
    };
    let (key, negated) = match key.strip_suffix('!') {
        Some(key) => (key, true),
        None => (key, false),
    };
    let key = Key::new(key).map_err(|fault| at(token, ConditionFault::Key(fault)))?;
    Ok(Match { key: MatchKey::Named(key), negated, want: Want::new(template(value)?) })
}
