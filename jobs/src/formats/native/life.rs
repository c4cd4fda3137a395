//! The fields that say what a job runs, and how it comes up, comes back and ends.

use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use super::{
    super::shell::is_compound,
    draft::Draft,
    fields::{missing_value, surplus_value},
    raw::{Node, Shape},
};
use crate::{Command, Exit, Format, Kill, ProcessKind, Ready, Respawn, Signal};

pub(super) fn exec(draft: &mut Draft<'_>, node: &Node<'_>) {
    process(draft, node, ProcessKind::Main);
}

pub(super) fn script(draft: &mut Draft<'_>, node: &Node<'_>) {
    let script = if node.is_nothing() { None } else { script_text(draft, node) };
    put(draft, ProcessKind::Main, script);
}

pub(super) fn check(draft: &mut Draft<'_>, node: &Node<'_>) {
    process(draft, node, ProcessKind::Check);
}

pub(super) fn configure(draft: &mut Draft<'_>, node: &Node<'_>) {
    process(draft, node, ProcessKind::Configure);
}

pub(super) fn pre_start(draft: &mut Draft<'_>, node: &Node<'_>) {
    process(draft, node, ProcessKind::PreStart);
}

pub(super) fn post_start(draft: &mut Draft<'_>, node: &Node<'_>) {
    process(draft, node, ProcessKind::PostStart);
}

pub(super) fn pre_stop(draft: &mut Draft<'_>, node: &Node<'_>) {
    process(draft, node, ProcessKind::PreStop);
}

pub(super) fn post_stop(draft: &mut Draft<'_>, node: &Node<'_>) {
    process(draft, node, ProcessKind::PostStop);
}

pub(super) fn status(draft: &mut Draft<'_>, node: &Node<'_>) {
    process(draft, node, ProcessKind::Status);
}

/// A command, or `signal("USR1")`.
pub(super) fn reload(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.job.reload_signal = Signal::HUP;
    match node.word() {
        Some(("signal", [signal])) => {
            put(draft, ProcessKind::Reload, None);
            draft.job.reload_signal = draft.signal(signal).unwrap_or(Signal::HUP);
        }
        Some(("signal", _)) => {
            missing_value::<()>(draft, node, "signal(\"USR1\")");
        }
        _ => process(draft, node, ProcessKind::Reload),
    }
}

/// `(verb: "command")`.
pub(super) fn commands(draft: &mut Draft<'_>, node: &Node<'_>) {
    const OURS: [&str; 8] = ["start", "stop", "restart", "reload", "status", "check", "why", "log"];
    draft.work.commands = Vec::new();
    if node.is_nothing() {
        return;
    }
    for (key, value) in draft.pairs(node, "verbs with commands, such as `{\"rotate\": \"kill -USR1 1\"}`") {
        let Some(verb) = key.label() else {
            draft.wrong::<()>(key, "a text for each verb");
            continue;
        };
        if OURS.contains(&verb) {
            let message = format!("`{verb}` is a command of onsetctl's own");
            let report = draft.error("verb-taken", message, key.span.clone());
            draft.push(report.help("choose another verb; `reload` and `status` are fields of their own"));
            continue;
        }
        match events::Name::new(verb) {
            Ok(verb) => {
                if let Some(command) = command(draft, value) {
                    draft.work.commands.push((verb, command));
                }
            }
            Err(fault) => {
                let report = draft.error("bad-name", format!("the verb `{verb}`: {fault}"), key.span.clone());
                draft.push(report);
            }
        }
    }
}

fn process(draft: &mut Draft<'_>, node: &Node<'_>, kind: ProcessKind) {
    let command = if node.is_nothing() { None } else { command(draft, node) };
    put(draft, kind, command);
}

fn put(draft: &mut Draft<'_>, kind: ProcessKind, command: Option<Command>) {
    draft.work.processes.retain(|(other, _)| *other != kind);
    let others = draft.job.processes;
    draft.job.processes =
        ProcessKind::ALL.into_iter().filter(|other| *other != kind && others.has(*other)).collect();
    if let Some(command) = command {
        draft.job.processes = draft.job.processes.with(kind);
        draft.work.processes.push((kind, command));
        draft.work.processes.sort_by_key(|(kind, _)| *kind);
    }
}

/// `"command"`, `["these", "words"]` or `script("lines")`.
fn command(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<Command> {
    match (&node.shape, node.word()) {
        (Shape::List(items), _) => words(draft, node, items),
        (_, Some(("script", [script]))) => script_text(draft, script),
        (_, Some(("script", _))) => missing_value(draft, node, "script(\"...\")"),
        (Shape::Text(_), _) => {
            let line = draft.text(node)?;
            // A line break in a command line is a blank, except that a shell would see two commands.
            if line.trim().contains('\n') {
                let message = "a command of more than one line";
                let report = draft.error("command-of-lines", message, node.span.clone());
                draft.push(report.help("write `script(\"...\")` around lines for a shell"));
                return None;
            }
            let line = line.trim();
            not_empty(draft, node, line).then(|| {
                if is_compound(line) { Command::Script(line.into()) } else { Command::Exec(line.into()) }
            })
        }
        _ => draft.wrong(node, "a text: a command, or `script(\"lines for a shell\")`"),
    }
}

fn words(draft: &mut Draft<'_>, node: &Node<'_>, items: &[Node<'_>]) -> Option<Command> {
    let mut words: Vec<String> = Vec::new();
    for item in items {
        let word = draft.text(item)?;
        no_zero_byte(draft, item, word)?;
        words.push(word.into());
    }
    let first = words.first().cloned().unwrap_or_default();
    not_empty(draft, node, &first).then_some(Command::Argv(words))
}

fn script_text(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<Command> {
    let text = draft.text(node)?;
    not_empty(draft, node, text).then(|| Command::Script(text.into()))
}

fn not_empty(draft: &mut Draft<'_>, node: &Node<'_>, text: &str) -> bool {
    if text.trim().is_empty() {
        let report = draft.error("empty-command", "there is nothing to run", node.span.clone());
        draft.push(report.help("write a command, or leave the field out"));
        return false;
    }
    no_zero_byte(draft, node, text).is_some()
}

fn no_zero_byte(draft: &mut Draft<'_>, node: &Node<'_>, text: &str) -> Option<()> {
    if text.contains('\0') {
        let report = draft.error("bad-value", "a command cannot have a zero byte", node.span.clone());
        draft.push(report.help("drop the `\\0`"));
        return None;
    }
    Some(())
}

pub(super) fn ready(draft: &mut Draft<'_>, node: &Node<'_>) {
    const WORDS: [&str; 8] = ["spawned", "forked", "stopped", "notify", "fd", "pidfile", "path", "socket"];
    let ready = match node.word() {
        Some(("spawned", [])) => Some(Ready::Spawned),
        Some(("forked", [])) => Some(Ready::Forked),
        Some(("stopped", [])) => Some(Ready::Stopped),
        Some(("notify", [])) => Some(Ready::Notify),
        Some(("socket", [])) => Some(Ready::Socket),
        // 0 to 2 are its standard streams, which anything may write to.
        Some(("fd", [fd])) => draft.number(fd, 3..=255).and_then(|fd| u8::try_from(fd).ok()).map(Ready::Fd),
        Some(("pidfile", [path])) => draft.path(path).map(Ready::Pidfile),
        Some(("path", [path])) => draft.path(path).map(Ready::Path),
        Some(("fd", _)) => missing_value(draft, node, "fd(3)"),
        Some((word @ ("pidfile" | "path"), _)) => {
            let form = format!("{word}(\"/run/food.pid\")");
            missing_value(draft, node, &form)
        }
        Some(("spawned" | "forked" | "stopped" | "notify" | "socket", _)) => surplus_value(draft, node),
        _ if node.is_nothing() => None,
        _ => draft.unknown(node, "way to be ready", &WORDS),
    };
    draft.job.ready = ready.unwrap_or_default();
}

/// `true`, or what differs from the default.
pub(super) fn respawn(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.job.respawn = match node.shape {
        Shape::Nothing | Shape::Truth(false) => None,
        Shape::Truth(true) => Some(Respawn::default()),
        Shape::Pairs(_) => Some(how_often(draft, node)),
        Shape::Text(_)
        | Shape::Number(_)
        | Shape::Word(_)
        | Shape::Call(..)
        | Shape::List(_)
        | Shape::Tuple(_)
        | Shape::Other => {
            draft.wrong(node, "`true`, `false` or `(limit: 10, within: \"5s\", backoff: \"100ms..30s\")`")
        }
    };
}

fn how_often(draft: &mut Draft<'_>, node: &Node<'_>) -> Respawn {
    let record = draft.record(node, &["limit", "within", "backoff"]);
    let mut respawn = Respawn::default();
    match record.get("limit") {
        Some(limit) if matches!(limit.word(), Some(("unlimited", []))) => respawn.limit = 0,
        Some(limit) => {
            let limit = draft.number(limit, 1..=i64::from(u32::MAX));
            respawn.limit = limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(respawn.limit);
        }
        None => {}
    }
    let within = record.get("within").and_then(|within| draft.some_delay(within));
    respawn.within = within.unwrap_or(respawn.within);
    if let Some((low, high)) = record.get("backoff").and_then(|backoff| shortest_and_longest(draft, backoff))
    {
        (respawn.backoff, respawn.backoff_max) = (low, high);
    }
    respawn
}

/// `"100ms..30s"`, or `"1s"` for a wait that stays the same.
fn shortest_and_longest(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<(Duration, Duration)> {
    let text = draft.text(node)?;
    let Some((low, high)) = text.split_once("..") else {
        let delay = draft.delay(node)?;
        return Some((delay, delay));
    };
    let from = text.len().saturating_sub(high.len());
    let shortest = draft.delay_of(low, node.within(&(0..low.len())));
    let longest = draft.delay_of(high, node.within(&(from..text.len())));
    let (shortest, longest) = (shortest?, longest?);
    if shortest > longest {
        let report =
            draft.error("out-of-range", "the shortest wait is longer than the longest", node.span.clone());
        draft.push(report.help(format!("write `\"{high}..{low}\"`")));
        return None;
    }
    Some((shortest, longest))
}

/// Statuses and signals: `[0, 3, "TERM"]`.
pub(super) fn normal_exit(draft: &mut Draft<'_>, node: &Node<'_>) {
    let mut exits = Vec::new();
    for item in node.items() {
        let exit = match item.shape {
            Shape::Number(_) => {
                draft.number(item, 0..=255).and_then(|code| u8::try_from(code).ok()).map(Exit::Code)
            }
            Shape::Nothing
            | Shape::Text(_)
            | Shape::Truth(_)
            | Shape::Word(_)
            | Shape::Call(..)
            | Shape::List(_)
            | Shape::Tuple(_)
            | Shape::Pairs(_)
            | Shape::Other => draft.signal(item).map(Exit::Signal),
        };
        exits.extend(exit);
    }
    draft.job.normal_exit = exits.into();
}

/// `(signal: "TERM", timeout: "5s", leave: none)`.
pub(super) fn kill(draft: &mut Draft<'_>, node: &Node<'_>) {
    // What an override says nothing of stays as the script has it: its verb needs more time than a signal.
    let Kill { timeout: usual, together, .. } = match draft.job.format {
        Format::Rcd | Format::Lsb => core::mem::take(&mut draft.job.kill),
        Format::Native | Format::Upstart | Format::Hook | Format::Inetd => Kill::default(),
    };
    draft.job.kill = Kill { timeout: usual, together, ..Kill::default() };
    if node.is_nothing() {
        return;
    }
    let record = draft.record(node, &["signal", "timeout", "leave"]);
    let signal = record.get("signal").and_then(|signal| draft.signal(signal));
    let timeout = record.get("timeout").and_then(|timeout| draft.delay(timeout));
    let leave = record.get("leave").and_then(|leave| match leave.word() {
        Some(("all", [])) => Some(true),
        Some(("none", [])) => Some(false),
        _ => draft.unknown(leave, "answer to what is left alone", &["all", "none"]),
    });
    draft.job.kill = Kill {
        signal: signal.unwrap_or(Signal::TERM),
        timeout: timeout.unwrap_or(usual),
        leave: leave.unwrap_or(false),
        together: together.filter(|_| timeout.is_none()),
    };
}
