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

use crate::{Pattern, TemplateError, TextError, format_delay};

mod grammar;

use grammar::Builder;
pub use grammar::tokenize;

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
        if let Some(parsed) = grammar::one_word(tokens) {
            return Ok(parsed);
        }
        Builder::new(tokens, end, dialect).build()
    }

    /// A condition of one leaf.
    #[must_use]
    pub fn leaf(pattern: Pattern) -> Self {
        Self(Box::new([Node::Leaf(Leaf { pattern, hold: Hold::default() })]))
    }

    /// This one or that event; `None` if that would be more than a condition may have.
    #[must_use]
    pub fn or(&self, pattern: Pattern) -> Option<Self> {
        let leaf = Node::Leaf(Leaf { pattern, hold: Hold::default() });
        let room = self.leaves().count() < MAX_LEAVES;
        room.then(|| Self(self.0.iter().cloned().chain([leaf, Node::Or]).collect()))
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
        // For each part that is not joined yet: the leaves that make it true, if it is true.
        let mut parts: Vec<(bool, u64)> = Vec::new();
        let mut leaf = 0_u32;
        for node in &self.0 {
            let part = match node {
                Node::Leaf(_) => {
                    let bit = 1_u64.checked_shl(leaf).unwrap_or(0);
                    leaf = leaf.saturating_add(1);
                    (seen & bit != 0, seen & bit)
                }
                Node::And | Node::Or => {
                    let (right, right_leaves) = parts.pop().unwrap_or_default();
                    let (left, left_leaves) = parts.pop().unwrap_or_default();
                    let truth = if *node == Node::And { left && right } else { left || right };
                    (truth, if truth { left_leaves | right_leaves } else { 0 })
                }
                Node::Not => (!parts.pop().unwrap_or_default().0, 0),
            };
            parts.push(part);
        }
        parts.pop().map_or(0, |(_, leaves)| leaves)
    }
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
