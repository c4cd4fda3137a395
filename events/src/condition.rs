//! Patterns joined by `and`, `or` and (over facts) `not`.
//!
//! A condition is kept in postfix order: every part stands before the sign that joins it. So nothing here
//! recurses, and whether a condition is true is one pass over a few bytes.
//!
//! There are two dialects. **Edges** (`start_on`, `stop_on`, Upstart's `start on`) look at events: `and` and
//! `or` have no precedence and are taken from left to right. **Levels** (`while`) look at facts: there
//! `not` binds to the leaf or parenthesis behind it, and `for 5s` and `until gone 5s` may stand after a leaf.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{fmt, ops::Range, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    Key, Match, MatchKey, Name, Pattern, Template, TemplateError, TextError, Want, format_delay, parse_delay,
};

/// The most leaves a condition may have.
pub const MAX_LEAVES: usize = 64;

/// Which signs a condition may have, and what its leaves look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Events, as in Upstart.
    Edges,
    /// Facts: also `not`, `for` and `until gone`.
    Levels,
}

/// A condition, in postfix order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Condition(Box<[Node]>);

/// A part of a [`Condition`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Node {
    /// A pattern to be looked for.
    Leaf(Leaf),
    /// Both parts before it.
    And,
    /// One of the two parts before it.
    Or,
    /// Not the part before it.
    Not,
}

/// A pattern, and how long it must hold to count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leaf {
    /// What is looked for.
    pub pattern: Pattern,
    /// How its coming and going is damped.
    pub hold: Hold,
}

/// How the coming and going of a fact is damped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// `for`: it must have held so long before it counts.
    pub rise: Duration,
    /// `until gone`: it counts until it has been gone so long.
    pub fall: Duration,
}

/// A word of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The word, without its quotes.
    pub text: String,
    /// Whether any of it was quoted, so that it is no `and`, `or`, `not` or parenthesis.
    pub quoted: bool,
    /// Where it stands, in bytes.
    pub span: Range<usize>,
}

/// A condition and where its leaves stand in the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The condition.
    pub condition: Condition,
    /// For each leaf, in order: where its event's name stands.
    pub names: Vec<Range<usize>>,
}

/// What is wrong with a condition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ConditionError {
    /// What is wrong.
    pub fault: ConditionFault,
    /// Where, in bytes; empty at the end of the text if something is missing there.
    pub span: Range<usize>,
}

/// What can be wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionFault {
    /// Nothing at all.
    #[error("the condition is empty")]
    Empty,
    /// `and`, `or`, `)` or the end where an event must stand.
    #[error("expected an event here")]
    ExpectedEvent,
    /// An event or `(` where `and` or `or` must stand.
    #[error("expected `and` or `or` here")]
    ExpectedOperator,
    /// A position behind a `KEY=VALUE`.
    #[error("expected KEY=VALUE here: positions stand before named arguments")]
    ExpectedVariable,
    /// `(` without `)`, or the reverse.
    #[error("parentheses do not match")]
    Parentheses,
    /// A quote that is not closed.
    #[error("quote is not closed")]
    Quote,
    /// The name of an event or fact that is none.
    #[error("event name: {0}")]
    Name(TextError),
    /// The part before `=` is no key.
    #[error("argument name: {0}")]
    Key(TextError),
    /// A variable that cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// `for` or `until gone` without a length of time.
    #[error("expected a length of time such as `5s` here")]
    ExpectedDelay,
    /// `until` that is not followed by `gone`.
    #[error("expected `gone` after `until`")]
    ExpectedGone,
    /// `not` over events, which never end.
    #[error("`not` makes sense in `while` only: an event that has not happened is no event")]
    NotOverEvents,
    /// More leaves than a condition may have.
    #[error("more than {MAX_LEAVES} events in one condition")]
    TooLarge,
}

impl Condition {
    /// The condition that `text` says.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, ConditionError> {
        Self::parse_located(text, dialect).map(|parsed| parsed.condition)
    }

    /// The condition that `text` says, and where its leaves stand.
    pub fn parse_located(text: &str, dialect: Dialect) -> Result<Parsed, ConditionError> {
        Self::from_tokens(&tokenize(text)?, text.len(), dialect)
    }

    /// The condition that words say; `end` is where a missing word would stand.
    pub fn from_tokens(tokens: &[Token], end: usize, dialect: Dialect) -> Result<Parsed, ConditionError> {
        if tokens.is_empty() {
            return Err(ConditionError { fault: ConditionFault::Empty, span: end..end });
        }
        Builder { tokens, end, dialect, at: 0, nodes: Vec::new(), names: Vec::new(), signs: Vec::new() }
            .build()
    }

    /// A condition of one leaf.
    #[must_use]
    pub fn leaf(pattern: Pattern) -> Self {
        Self(Box::new([Node::Leaf(Leaf { pattern, hold: Hold::default() })]))
    }

    /// Its parts in postfix order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.0
    }

    /// Its leaves from left to right.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.0.iter().filter_map(|node| match node {
            Node::Leaf(leaf) => Some(leaf),
            Node::And | Node::Or | Node::Not => None,
        })
    }

    /// The pattern, if the whole condition is one leaf.
    #[must_use]
    pub fn single(&self) -> Option<&Pattern> {
        match &*self.0 {
            [Node::Leaf(leaf)] => Some(&leaf.pattern),
            _ => None,
        }
    }

    /// The truth of every part in postfix order, for leaves whose truth is in `seen` (bit 0 is the first).
    ///
    /// The last bit stands for the whole; see [`Condition::holds`].
    #[must_use]
    pub fn truths(&self, seen: u64) -> Vec<bool> {
        let mut stack: Vec<bool> = Vec::new();
        let mut truths = Vec::new();
        let mut leaf = 0_u32;
        for node in &self.0 {
            let truth = match node {
                Node::Leaf(_) => {
                    let bit = seen.checked_shr(leaf).unwrap_or(0) & 1;
                    leaf = leaf.saturating_add(1);
                    bit == 1
                }
                Node::And => stack.pop().unwrap_or(false) & stack.pop().unwrap_or(false),
                Node::Or => stack.pop().unwrap_or(false) | stack.pop().unwrap_or(false),
                Node::Not => !stack.pop().unwrap_or(false),
            };
            stack.push(truth);
            truths.push(truth);
        }
        truths
    }

    /// Whether the whole is true, for leaves whose truth is in `seen` (bit 0 is the first).
    #[must_use]
    pub fn holds(&self, seen: u64) -> bool {
        if self.0.len() == 1 {
            return seen & 1 == 1;
        }
        // A stack of truths as bits: at most MAX_LEAVES deep, since only leaves make it grow.
        let (mut stack, mut leaf) = (0_u64, 0_u32);
        for node in &self.0 {
            match node {
                Node::Leaf(_) => {
                    stack = stack << 1 | (seen.checked_shr(leaf).unwrap_or(0) & 1);
                    leaf = leaf.saturating_add(1);
                }
                Node::And => stack = stack >> 1 & (stack | !1),
                Node::Or => stack = stack >> 1 | (stack & 1),
                Node::Not => stack ^= 1,
            }
        }
        stack & 1 == 1
    }

    /// Which leaves lie below true parts only, all the way up; these are the ones that made it true.
    #[must_use]
    pub fn contributing(&self, seen: u64) -> u64 {
        let truths = self.truths(seen);
        let mut chosen = 0_u64;
        // From the root down: each entry says whether the part is reached through true parts.
        let mut wanted: Vec<bool> = Vec::from([true]);
        let mut leaf = self.leaves().count();
        for (node, truth) in self.0.iter().zip(&truths).rev() {
            let reached = wanted.pop().unwrap_or(false) && *truth;
            match node {
                Node::Leaf(_) => {
                    leaf = leaf.saturating_sub(1);
                    if reached {
                        chosen |= 1_u64.checked_shl(u32::try_from(leaf).unwrap_or(u32::MAX)).unwrap_or(0);
                    }
                }
                Node::And | Node::Or => wanted.extend([reached, reached]),
                Node::Not => wanted.push(false),
            }
        }
        chosen
    }
}

/// The words of a condition: split at blanks and parentheses, with quotes and `\` as in a shell.
pub fn tokenize(text: &str) -> Result<Vec<Token>, ConditionError> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some(&(start, c)) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
        } else if c == '(' || c == ')' {
            chars.next();
            tokens.push(Token { text: c.into(), quoted: false, span: start..start.saturating_add(1) });
        } else {
            tokens.push(word(text, start, &mut chars)?);
        }
    }
    Ok(tokens)
}

fn word(
    text: &str,
    start: usize,
    chars: &mut core::iter::Peekable<core::str::CharIndices<'_>>,
) -> Result<Token, ConditionError> {
    let mut token = Token { text: String::new(), quoted: false, span: start..text.len() };
    let mut quote: Option<char> = None;
    let mut braces = 0_usize;
    while let Some(&(at, c)) = chars.peek() {
        let ends = c.is_whitespace() || c == ')' || c == '(';
        if quote.is_none() && ends && braces == 0 {
            token.span.end = at;
            return Ok(token);
        }
        chars.next();
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

/// A sign that waits for its right side.
enum Sign {
    Open(Range<usize>),
    And,
    Or,
    Not,
}

/// Shunting yard: operands go out at once, signs wait on a stack.
struct Builder<'t> {
    tokens: &'t [Token],
    end: usize,
    dialect: Dialect,
    at: usize,
    nodes: Vec<Node>,
    names: Vec<Range<usize>>,
    signs: Vec<Sign>,
}

impl<'t> Builder<'t> {
    fn build(mut self) -> Result<Parsed, ConditionError> {
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
        let pattern = Pattern { name, matches: matches.into() };
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

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pattern)?;
        if !self.hold.rise.is_zero() {
            write!(f, " for {}", format_delay(self.hold.rise))?;
        }
        if !self.hold.fall.is_zero() {
            write!(f, " until gone {}", format_delay(self.hold.fall))?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    /// Fully bracketed, so that no rule of precedence need be known to read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stack: Vec<String> = Vec::new();
        for node in &self.0 {
            let text = match node {
                Node::Leaf(leaf) => alloc::format!("{leaf}"),
                Node::Not => alloc::format!("not {}", stack.pop().unwrap_or_default()),
                Node::And | Node::Or => {
                    let right = stack.pop().unwrap_or_default();
                    let left = stack.pop().unwrap_or_default();
                    let sign = if *node == Node::And { "and" } else { "or" };
                    alloc::format!("({left} {sign} {right})")
                }
            };
            stack.push(text);
        }
        f.write_str(&stack.pop().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn check(text: &str, shown: &str) {
        assert_eq!(Condition::parse(text, Dialect::Edges).unwrap().to_string(), shown);
    }

    fn refused(text: &str, dialect: Dialect, fault: ConditionFault, cited: &str) {
        let error = Condition::parse(text, dialect).unwrap_err();
        assert_eq!((error.fault, &text[error.span]), (fault, cited), "{text}");
    }

    #[test]
    fn and_and_or_are_taken_from_left_to_right() {
        check("a or b and c", "((a or b) and c)");
        check("a or (b and c)", "(a or (b and c))");
        check("a one K=two L!=th*", "a one K=two L!=th*");
        check("\"and\" or \"or\"", "(and or or)");
        check("a K=\"x y\"", "a K=\"x y\"");
        check("a K=${V:-x y}", "a K=\"${V:-x y}\"");
    }

    #[test]
    fn a_fault_is_shown_where_it_is() {
        use ConditionFault::*;
        refused("", Dialect::Edges, Empty, "");
        refused("a b and", Dialect::Edges, ExpectedEvent, "");
        refused("a and and b", Dialect::Edges, ExpectedEvent, "and");
        refused("()", Dialect::Edges, ExpectedEvent, ")");
        refused("a (b)", Dialect::Edges, ExpectedOperator, "(");
        refused("a K=1 two", Dialect::Edges, ExpectedVariable, "two");
        refused("(a or b", Dialect::Edges, Parentheses, "");
        refused("a)", Dialect::Edges, Parentheses, ")");
        refused("a \"b", Dialect::Edges, Quote, "\"b");
        refused("not a", Dialect::Edges, NotOverEvents, "not");
        refused("link for ever", Dialect::Levels, ExpectedDelay, "ever");
        refused("link until 5s", Dialect::Levels, ExpectedGone, "5s");
    }

    #[test]
    fn levels_know_not_for_and_until_gone() {
        let text = "device SUBSYSTEM=net and not (mode maintenance or link IFACE=$I for 5s until gone 2s)";
        let condition = Condition::parse(text, Dialect::Levels).unwrap();
        assert_eq!(
            condition.to_string(),
            "(device SUBSYSTEM=net and not (mode maintenance or link IFACE=$I for 5s until gone 2s))"
        );
        assert!(condition.holds(0b001) && !condition.holds(0b011) && !condition.holds(0b000));
    }

    #[test]
    fn truth_is_the_same_by_bits_and_by_parts() {
        for text in ["a", "a and b", "a or b and c", "(a or b) and (c or d)", "a and (b or (c and (d or e)))"]
        {
            let condition = Condition::parse(text, Dialect::Edges).unwrap();
            for seen in 0..32 {
                assert_eq!(condition.holds(seen), *condition.truths(seen).last().unwrap(), "{text} {seen:b}");
            }
        }
    }

    #[test]
    fn only_leaves_below_true_parts_contribute() {
        let condition = Condition::parse("(a and b) or c", Dialect::Edges).unwrap();
        assert_eq!(condition.contributing(0b101), 0b100);
        let condition = Condition::parse("a and (b or c)", Dialect::Edges).unwrap();
        assert_eq!(condition.contributing(0b111), 0b111);
        assert_eq!(condition.contributing(0b101), 0b101);
    }
}
