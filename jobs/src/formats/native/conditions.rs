//! Conditions in a job's file: what they say, which names stand in them, and what is wrong with one.

use alloc::{format, string::String, vec::Vec};
use core::ops::Range;

use events::{Condition, ConditionError, ConditionFault, Dialect, MAX_LEAVES, Name, tokenize};

use super::{
    draft::Draft,
    raw::{Node, Shape},
};
use crate::formats::Role;

/// What `start_on`, `stop_on` and `while` say.
pub(super) fn condition(draft: &mut Draft<'_>, node: &Node<'_>, role: Role) -> Option<Condition> {
    draft.forget(role);
    if let Shape::List(items) = &node.shape {
        let events: Vec<&str> = items.iter().take(8).filter_map(Node::label).collect();
        let help = format!("write one text: `\"{}\"`", events.join(" or "));
        return draft.wrong_with(node, "a condition is one text".into(), help);
    }
    let text = draft.text(node)?;
    let dialect = if role == Role::While { Dialect::Levels } else { Dialect::Edges };
    match Condition::parse_located(text, dialect) {
        Ok(parsed) => {
            mention_leaves(draft, node, role, text, &parsed);
            Some(parsed.condition)
        }
        Err(error) => {
            let mut report = draft.error(code_of(&error.fault), format!("{error}"), node.within(&error.span));
            let opened =
                if error.fault == ConditionFault::Parentheses { open_parenthesis(text) } else { None };
            if let Some(opened) = opened.filter(|_| error.span.is_empty()) {
                report = draft.beside(report, node.within(&opened), "opened here");
            }
            draft.push(report.help(advice(&error)));
            None
        }
    }
}

/// Where the last `(` stands that is not closed.
fn open_parenthesis(text: &str) -> Option<Range<usize>> {
    let mut open = Vec::new();
    for word in tokenize(text).ok()?.iter().filter(|word| !word.quoted) {
        match word.text.as_str() {
            "(" => open.push(word.span.clone()),
            ")" => drop(open.pop()),
            _ => {}
        }
    }
    open.pop()
}

/// Notes the events or facts of a condition, and the jobs and modes that they name.
fn mention_leaves(draft: &mut Draft<'_>, node: &Node<'_>, role: Role, text: &str, parsed: &events::Parsed) {
    // The words are looked at only where a leaf names a job or mode.
    let mut words = None;
    let mut places = Vec::new();
    for (leaf, place) in parsed.condition.leaves().zip(&parsed.names) {
        let name = &leaf.pattern.name;
        draft.mention(role, name, node.within(place));
        places.push(node.within(place));
        let named = match name.as_str() {
            "starting" | "started" | "stopping" | "stopped" | "running" | "provided" => Role::JobOfEvent,
            "mode" if role == Role::While => Role::Mode,
            _ => continue,
        };
        let words = words.get_or_insert_with(|| tokenize(text).unwrap_or_default().into_iter().peekable());
        while words.next_if(|word| word.span.start <= place.start).is_some() {}
        let first = leaf.pattern.matches.first();
        let (Some(events::Want::Literal(literal)), Some(word)) =
            (first.map(|first| &first.want), words.peek())
        else {
            continue;
        };
        // Both `started NAME` and `started JOB=NAME`; the name is the end of the word either way.
        let start = word.span.end.saturating_sub(literal.len());
        let place = if word.quoted { word.span.clone() } else { start..word.span.end };
        let is_job = first.is_some_and(|first| match &first.key {
            events::MatchKey::Position(_) => true,
            events::MatchKey::Named(key) => key == "JOB",
        });
        if let (true, Ok(name)) = (is_job, Name::new(literal)) {
            draft.mention(named, &name, node.within(&place));
        }
    }
    draft.note_leaves(places);
}

fn code_of(fault: &ConditionFault) -> &'static str {
    match fault {
        ConditionFault::Name(_) => "bad-name",
        ConditionFault::Key(_) => "bad-key",
        ConditionFault::Template(_) => "bad-variable",
        ConditionFault::ExpectedDelay => "bad-delay",
        ConditionFault::NotOverEvents => "not-over-events",
        ConditionFault::Empty
        | ConditionFault::ExpectedEvent
        | ConditionFault::ExpectedOperator
        | ConditionFault::ExpectedVariable
        | ConditionFault::Parentheses
        | ConditionFault::Quote
        | ConditionFault::ExpectedGone
        | ConditionFault::TooLarge => "condition",
    }
}

fn advice(error: &ConditionError) -> String {
    match &error.fault {
        ConditionFault::Empty => "leave the field out, or name an event".into(),
        ConditionFault::ExpectedEvent => "`and`, `or` and `not` stand before an event or `(`".into(),
        ConditionFault::ExpectedOperator => "events are joined by `and` or `or`".into(),
        ConditionFault::ExpectedVariable => "move this before the first KEY=VALUE, or give it a key".into(),
        ConditionFault::Parentheses => "each `(` wants a `)`".into(),
        ConditionFault::Quote => "each quote in a condition wants its second one".into(),
        ConditionFault::Name(_) | ConditionFault::Key(_) => {
            "names have no blanks and no control characters".into()
        }
        ConditionFault::Template(_) => {
            "variables are written `$NAME`, `${NAME}` or `${NAME:-default}`".into()
        }
        ConditionFault::ExpectedDelay => "write a number with its unit: `for 5s`, `until gone 500ms`".into(),
        ConditionFault::ExpectedGone => "write `until gone 5s`".into(),
        ConditionFault::NotOverEvents => {
            "say it in `while`, which looks at what holds and not at what happens".into()
        }
        ConditionFault::TooLarge => {
            format!("make a job of its own for each part; {MAX_LEAVES} events fit in one")
        }
    }
}
