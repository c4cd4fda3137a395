//! The table of fields, and those that say what a job is, whom it waits for and when it runs.

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::{ops::Range, time::Duration};

use events::{Condition, ConditionError, ConditionFault, Dialect, Key, MAX_LEAVES, Name, Text, tokenize};

use super::{
    draft::Draft,
    life, named,
    raw::{Node, Shape},
    setup, sockets,
};
use crate::{Again, Kind, Provide, Report, Require, SETTLE, Severity, StartMode, formats::Role};

/// A field that a file may have.
pub(super) struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Puts its value into a draft; `None` puts back what holds without it.
    pub set: fn(&mut Draft<'_>, &Node<'_>),
}

const fn entry(name: &'static str, set: fn(&mut Draft<'_>, &Node<'_>)) -> Entry {
    Entry { name, set }
}

/// Every field. `docs/jobs.md` has a heading for each, which a test sees to.
pub(super) const FIELDS: &[Entry] = &[
    entry("description", |draft, node| draft.work.description = draft.line(node)),
    entry("author", |draft, node| draft.work.author = draft.line(node)),
    entry("version", |draft, node| draft.work.version = draft.line(node)),
    entry("usage", |draft, node| draft.work.usage = draft.line(node)),
    entry("kind", kind),
    entry("emits", emits),
    entry("provides", provides),
    entry("requires", requires),
    entry("needs", named::needs),
    entry("before", |draft, node| draft.job.before = names(draft, node, Role::Before)),
    entry("keywords", |draft, node| draft.job.keywords = names(draft, node, Role::Keyword)),
    entry("modes", |draft, node| draft.job.modes = names(draft, node, Role::Mode)),
    entry("start_on", |draft, node| draft.job.start_on = condition(draft, node, Role::StartOn)),
    entry("stop_on", |draft, node| draft.job.stop_on = condition(draft, node, Role::StopOn)),
    entry("while", |draft, node| draft.job.holds_while = condition(draft, node, Role::While)),
    entry("manual", manual),
    entry("instance", |draft, node| draft.job.instance = draft.template(node)),
    entry("again", again),
    entry("env", env),
    entry("export", export),
    entry("exec", life::exec),
    entry("script", life::script),
    entry("check", life::check),
    entry("configure", life::configure),
    entry("pre_start", life::pre_start),
    entry("post_start", life::post_start),
    entry("pre_stop", life::pre_stop),
    entry("post_stop", life::post_stop),
    entry("reload", life::reload),
    entry("status", life::status),
    entry("commands", life::commands),
    entry("task", |draft, node| draft.job.task = draft.truth(node)),
    entry("ready", life::ready),
    entry("settle", |draft, node| draft.job.settle = draft.delay(node).unwrap_or(SETTLE)),
    entry("start_timeout", |draft, node| draft.job.start_timeout = draft.some_delay(node)),
    entry("respawn", life::respawn),
    entry("normal_exit", life::normal_exit),
    entry("kill", life::kill),
    entry("announces", named::announces),
    entry("arguments", |draft, node| {
        let most = draft.number(node, 0..=255).and_then(|number| u8::try_from(number).ok());
        draft.work.arguments = most;
    }),
    entry("parallel", |draft, node| draft.work.parallel = draft.truth(node)),
    entry("main", |draft, node| draft.job.is_purpose = draft.truth(node)),
    entry("reload_on", |draft, node| draft.job.reload_on = setup::files(draft, node)),
    entry("restart_on", |draft, node| draft.job.restart_on = setup::files(draft, node)),
    entry("watchdog", |draft, node| draft.work.watchdog = draft.some_delay(node)),
    entry("console", setup::console),
    entry("chdir", |draft, node| draft.work.chdir = draft.path(node)),
    entry("chroot", |draft, node| draft.work.chroot = draft.path(node)),
    entry("umask", setup::umask),
    entry("user", |draft, node| draft.work.user = setup::owner(draft, node, "uid:")),
    entry("group", |draft, node| draft.work.group = setup::owner(draft, node, "gid:")),
    entry("groups", setup::groups),
    entry("capabilities", setup::capabilities),
    entry("no_new_privileges", |draft, node| draft.work.no_new_privileges = draft.truth(node)),
    entry("nice", setup::nice),
    entry("ionice", setup::ionice),
    entry("oom", setup::oom),
    entry("limits", setup::limits),
    entry("cgroup", setup::cgroup),
    entry("sockets", sockets::sockets),
    entry("on_connection", sockets::on_connection),
    entry("connections", sockets::connections),
];

fn kind(draft: &mut Draft<'_>, node: &Node<'_>) {
    const KINDS: [&str; 5] = ["system", "network", "service", "user", "helper"];
    let word = node.word().filter(|(_, args)| args.is_empty()).map(|(word, _)| word);
    draft.job.kind = match word {
        Some("system") => Kind::System,
        Some("network") => Kind::Network,
        Some("service") => Kind::Service,
        Some("user") => Kind::User,
        Some("helper") => Kind::Helper,
        _ if node.is_nothing() => Kind::default(),
        _ => draft.unknown(node, "kind of job", &KINDS).unwrap_or_default(),
    };
}

fn emits(draft: &mut Draft<'_>, node: &Node<'_>) {
    let names = node.items().iter().filter_map(|item| draft.name(item));
    let names: Vec<Text> = names.map(|name| Text::from(name.as_str())).collect();
    draft.work.emits = names;
}

/// A list of names that are all used for one thing.
fn names(draft: &mut Draft<'_>, node: &Node<'_>, role: Role) -> Box<[Name]> {
    draft.forget(role);
    let mut found = Vec::new();
    for item in node.items() {
        let Some(name) = draft.name(item) else { continue };
        if role == Role::Before {
            not_itself(draft, &name, item);
            not_a_file(draft, &name, item);
        }
        draft.mention(role, &name, item.within(&(0..name.len())));
        found.push(name);
    }
    found.into()
}

pub(super) fn not_itself(draft: &mut Draft<'_>, name: &Name, node: &Node<'_>) {
    if *name == draft.job.name {
        let message = format!("job `{name}` would wait for itself");
        let report = draft.error("waits-for-itself", message, node.span.clone());
        draft.push(report.help("drop this name"));
    }
}

/// Warns of a job that is named by its file.
pub(super) fn not_a_file(draft: &mut Draft<'_>, name: &Name, node: &Node<'_>) {
    let stem = name.strip_suffix(".ron").or_else(|| name.strip_suffix(".conf"));
    let is_path = name.starts_with(['/', '.']) && name.contains('/');
    if stem.is_none() && !is_path {
        return;
    }
    let stem = stem.unwrap_or(name);
    // A folder below the folder of jobs is part of the name; one above it is not.
    let meant = match stem.strip_prefix("./") {
        Some(below) => below,
        None if is_path => stem.rsplit('/').next().unwrap_or(stem),
        None => stem,
    };
    let message = format!("`{name}` looks like the name of a file");
    let report = draft.error("name-of-file", message, node.span.clone());
    let report = Report { severity: Severity::Warning, ..report };
    draft.push(report.help(format!("write the job's name: `{meant}`")));
}

/// A name, alone or as the field `name` of a struct that may have the fields `known`.
pub(super) fn named<'n, 's>(
    draft: &mut Draft<'_>,
    node: &'n Node<'s>,
    known: &[&str],
) -> Option<(&'n Node<'s>, Option<super::draft::Record<'n, 's>>)> {
    if !node.is_record() {
        return Some((node, None));
    }
    let record = draft.record(node, known);
    let Some(name) = record.get("name") else {
        let report = draft.error("missing-field", "`name` is missing", node.span.clone());
        draft.push(report.help("write `(name: \"...\", ...)`"));
        return None;
    };
    Some((name, Some(record)))
}

/// `"X"` or `(name: "X", expected: "30s")`.
fn provides(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.forget(Role::Provides);
    let mut found: Vec<Provide> = Vec::new();
    for item in node.items() {
        let Some((node, record)) = named(draft, item, &["name", "expected"]) else { continue };
        let Some(name) = draft.name(node) else { continue };
        let expected = expected(draft, record.as_ref());
        draft.mention(Role::Provides, &name, node.within(&(0..name.len())));
        found.push(Provide { name, expected });
    }
    draft.job.provides = found.into();
}

/// `"X"` or `(name: "X", expected: "30s", optional: true)`.
fn requires(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.forget(Role::Requires);
    let mut found: Vec<Require> = Vec::new();
    for item in node.items() {
        let known = ["name", "expected", "optional"];
        let Some((node, record)) = named(draft, item, &known) else { continue };
        let Some(name) = draft.name(node) else { continue };
        not_itself(draft, &name, node);
        not_a_file(draft, &name, node);
        let expected = expected(draft, record.as_ref());
        let optional = record.and_then(|record| record.get("optional"));
        let optional = optional.is_some_and(|optional| draft.truth(optional));
        draft.mention(Role::Requires, &name, node.within(&(0..name.len())));
        found.push(Require { name, expected, optional });
    }
    draft.job.requires = found.into();
}

fn expected(draft: &mut Draft<'_>, record: Option<&super::draft::Record<'_, '_>>) -> Option<Duration> {
    record.and_then(|record| record.get("expected")).and_then(|expected| draft.some_delay(expected))
}

fn condition(draft: &mut Draft<'_>, node: &Node<'_>, role: Role) -> Option<Condition> {
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

fn manual(draft: &mut Draft<'_>, node: &Node<'_>) {
    let manual = draft.truth(node);
    draft.job.start = match (&draft.job.start, manual) {
        (_, true) => StartMode::Manual,
        // What a foreign file's own switch has turned off stays off.
        (StartMode::Disabled(why), false) => StartMode::Disabled(why.clone()),
        (StartMode::Automatic | StartMode::Manual, false) => StartMode::Automatic,
    };
}

fn again(draft: &mut Draft<'_>, node: &Node<'_>) {
    const WORDS: [&str; 4] = ["ignore", "queue", "restart", "coalesce"];
    let again = match node.word() {
        Some(("ignore", [])) => Some(Again::Ignore),
        Some(("queue", [])) => Some(Again::Queue),
        Some(("restart", [])) => Some(Again::Restart),
        Some(("coalesce", [delay])) => draft.some_delay(delay).map(Again::Coalesce),
        Some(("coalesce", _)) => missing_value(draft, node, "coalesce(\"2s\")"),
        Some(("ignore" | "queue" | "restart", _)) => surplus_value(draft, node),
        _ if node.is_nothing() => None,
        _ => draft.unknown(node, "answer to another start event", &WORDS),
    };
    draft.job.again = again.unwrap_or_default();
}

/// Reports a word that wants a value behind it.
pub(super) fn missing_value<T>(draft: &mut Draft<'_>, node: &Node<'_>, form: &str) -> Option<T> {
    let word = node.word().map_or("", |(word, _)| word);
    let report = draft.error("missing-value", format!("`{word}` wants one value"), node.span.clone());
    draft.push(report.help(format!("write `{form}`")));
    None
}

/// Reports a word that wants no value behind it.
pub(super) fn surplus_value<T>(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<T> {
    let word = node.word().map_or("", |(word, _)| word);
    let report = draft.error("wrong-type", format!("`{word}` takes no value"), node.span.clone());
    draft.push(report.help(format!("write `{word}`")));
    None
}

fn env(draft: &mut Draft<'_>, node: &Node<'_>) {
    let mut found = Vec::new();
    let first = node.items().first().and_then(Node::label).and_then(|text| text.split_once('='));
    if let (Shape::List(_), Some((key, value))) = (&node.shape, first) {
        let help = format!("write `{{\"{key}\": \"{value}\"}}`");
        draft.wrong_with::<()>(node, "`env` takes names with values".into(), help);
    } else if !node.is_nothing() {
        for (key, value) in draft.pairs(node, "names with values, such as `{\"LANG\": \"C\"}`") {
            let Some(key) = draft.key(key) else { continue };
            if matches!(value.shape, Shape::Nothing) {
                found.push((key, None));
            } else if let Shape::Number(text) | Shape::Word(text) = value.shape {
                let help = format!("write `\"{text}\"`");
                draft.wrong_with::<()>(value, "a value in `env` is a text".into(), help);
            } else if let Shape::Truth(truth) = value.shape {
                let help = format!("write `\"{truth}\"`");
                draft.wrong_with::<()>(value, "a value in `env` is a text".into(), help);
            } else if let Some(value) = draft.value(value) {
                found.push((key, Some(value)));
            }
        }
    }
    draft.job.env = found.into();
}

fn export(draft: &mut Draft<'_>, node: &Node<'_>) {
    let keys: Vec<Key> = node.items().iter().filter_map(|item| draft.key(item)).collect();
    draft.job.export = keys.into();
}
