//! `start on` and `stop on`: the condition, the names in it, and what in it cannot be meant.

use alloc::{format, vec::Vec};
use core::ops::Range;

use events::{Condition, Dialect, Leaf, MatchKey, Name, Token, Want};

use super::fault::{Checked, Fault, of_condition};
use crate::{
    Report,
    formats::{Mention, Role},
};

/// The most words of a condition: far more than any has, and few enough to look at each pair of them.
const MAX_WORDS: usize = 4096;

/// The events that carry the name of a job as their first argument.
const JOB_EVENTS: [&str; 4] = ["starting", "started", "stopping", "stopped"];

/// A condition with its names, and with warnings that count only if no later condition replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct On {
    /// The condition.
    pub condition: Condition,
    /// The events and jobs that it names.
    pub mentions: Vec<Mention>,
    /// What in it cannot be meant.
    pub warnings: Vec<Report>,
}

/// Where a condition stands: in which file, if not in the job's own, and in which stanza.
pub(super) struct Setting<'t> {
    pub path: &'t str,
    pub is_override: bool,
    pub role: Role,
    pub text: &'t str,
}

impl Setting<'_> {
    const fn stanza(&self) -> &'static str {
        if self.is_start() { "start on" } else { "stop on" }
    }

    const fn is_start(&self) -> bool {
        matches!(self.role, Role::StartOn)
    }

    fn mention(&self, role: Role, name: Name, span: Range<usize>) -> Mention {
        Mention { role, name, path: self.is_override.then(|| self.path.into()), span }
    }

    fn warning(&self, code: &'static str, message: &str, span: &Range<usize>, label: &str) -> Report {
        Report::warning(code, message).at(self.path, span.clone(), label)
    }
}

/// The condition that `tokens` say; `end` is where a missing word would stand.
pub(super) fn read(tokens: &[Token], end: usize, setting: &Setting<'_>) -> Checked<On> {
    if let Some(token) = tokens.get(MAX_WORDS) {
        let message = format!("more than {MAX_WORDS} words in one condition");
        return Err(Fault::new("condition-too-large", token.span.clone(), message)
            .help("let a task emit one event for some of them"));
    }
    let parsed = Condition::from_tokens(tokens, end, Dialect::Edges)
        .map_err(|error| of_condition(setting.stanza(), error, tokens))?;
    let mut on = On { condition: parsed.condition, mentions: Vec::new(), warnings: Vec::new() };
    // One pass over the tokens: the leaves come in the order in which they were written.
    let mut rest = tokens;
    for (leaf, name) in on.condition.leaves().zip(&parsed.names) {
        let at = rest.iter().position(|token| token.span == *name).unwrap_or(rest.len());
        rest = rest.get(at.saturating_add(1)..).unwrap_or(&[]);
        let words = rest.get(..leaf.pattern.matches.len()).unwrap_or(rest);
        on.mentions.push(setting.mention(setting.role, leaf.pattern.name.clone(), name.clone()));
        on.mentions.extend(job_of_event(leaf, words, setting));
        on.warnings.extend(oddities_of_name(leaf, name, setting));
        on.warnings.extend(oddities_of_arguments(leaf, words, setting));
    }
    Ok(on)
}

/// The job whose starting or stopping is waited for, if it is named without glob or variable.
fn job_of_event(leaf: &Leaf, words: &[Token], setting: &Setting<'_>) -> Option<Mention> {
    if !JOB_EVENTS.contains(&leaf.pattern.name.as_str()) {
        return None;
    }
    let (wanted, word) = leaf.pattern.matches.iter().zip(words).find(|(wanted, _)| match &wanted.key {
        MatchKey::Position(place) => *place == 0,
        MatchKey::Named(key) => *key == "JOB" && !wanted.negated,
    })?;
    let Want::Literal(text) = &wanted.want else { return None };
    let name = Name::new(text).ok()?;
    // Only the name is marked, unless quotes stand in the way.
    let raw = setting.text.get(word.span.clone()).unwrap_or("");
    let start =
        if raw.ends_with(text.as_str()) { word.span.end.saturating_sub(text.len()) } else { word.span.start };
    Some(setting.mention(Role::JobOfEvent, name, start..word.span.end))
}

fn oddities_of_name(leaf: &Leaf, span: &Range<usize>, setting: &Setting<'_>) -> Option<Report> {
    let name = leaf.pattern.name.as_str();
    let first = leaf.pattern.matches.first().map(|first| first.want.as_str());
    if matches!(name, "start" | "stop") && first == Some("on") {
        let message = format!("`{name}` is taken as the name of an event");
        let help = format!("remove the second `{name} on`: a condition begins with it once");
        return Some(
            setting.warning("repeated-on", &message, span, "waited for, with `on` as an argument").help(help),
        );
    }
    if name.contains(['*', '?', '[', '$']) {
        let message = format!("event name `{name}` is compared letter by letter");
        let help = "globs and variables count in arguments only: name the events one by one, joined by `or`";
        return Some(
            setting.warning("event-name-pattern", &message, span, "no event is called this").help(help),
        );
    }
    if name.contains('=') {
        let message = format!("`{name}` is taken as the name of an event");
        let help = "an event's name stands before its arguments";
        return Some(
            setting.warning("event-name-argument", &message, span, "an argument without an event").help(help),
        );
    }
    None
}

/// Arguments that were meant as operators, and (in a start condition, which is looked at before there is an
/// instance) those with a variable that nothing sets.
fn oddities_of_arguments(leaf: &Leaf, words: &[Token], setting: &Setting<'_>) -> Vec<Report> {
    let mut warnings = Vec::new();
    for (wanted, word) in leaf.pattern.matches.iter().zip(words) {
        let meant = match word.text.as_str() {
            "AND" | "And" | "&&" | "&" => Some("and"),
            "OR" | "Or" | "||" | "|" => Some("or"),
            _ => None,
        };
        if let Some(meant) = meant.filter(|_| !word.quoted) {
            let message = format!("`{}` is taken as an argument of `{}`", word.text, leaf.pattern.name);
            let warning = setting.warning("operator-as-argument", &message, &word.span, "no operator");
            warnings.push(warning.help(format!("write `{meant}`")));
        }
        let Want::Template(template) = &wanted.want else { continue };
        if setting.is_start() && template.expand(&|_| None).is_none() {
            let message = format!("`{}` never matches: `start on` knows no variables", word.text);
            let help =
                "write the value itself or a glob; only `${VAR:-default}` has a value here, its default";
            let warning = setting.warning("variable-in-start-on", &message, &word.span, "has no value");
            warnings.push(warning.help(help));
        }
    }
    warnings
}
