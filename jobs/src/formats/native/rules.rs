//! What is looked at when all fields are known: whether they fit each other.
//!
//! Each rule looks only at what was written here. A foreign job's own text is its format's business, even
//! if an override lies over it.

use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

use events::{Condition, MatchKey, Node, Pattern, Want};

use super::{
    draft::{Draft, Said},
    sockets,
};
use crate::{Again, Format, ProcessKind, Ready, Report};

/// Reports what does not fit.
pub(super) fn check(draft: &mut Draft<'_>) {
    sockets::check(draft);
    coalesced_hooks(draft);
    again_of_nothing(draft);
    ready_of_task(draft);
    sockets_to_be_ready_by(draft);
    respawn_of_nothing(draft);
    reload_unsaid(draft);
    files_of_nothing(draft);
    variables_of_while(draft);
    instance_without_variable(draft);
    of_hooks_only(draft);
}

/// What is said of hooks says nothing of other jobs.
fn of_hooks_only(draft: &mut Draft<'_>) {
    if draft.job.format == Format::Hook {
        return;
    }
    for field in ["arguments", "parallel"] {
        let Some(said) = draft.said(field) else { continue };
        let message = format!("`{field}` is for hooks, and `{}` is none", draft.job.name);
        let report = at_field(Report::error("hooks-only", message), &said, "");
        draft.push(
            report.help(
                "a hook is a program in `hooks/EVENT/`; the values of events are variables of other jobs",
            ),
        );
    }
}

/// Whether a job that is read from a file of its own does anything at all.
pub(super) fn something_to_do(draft: &mut Draft<'_>, path: &str) {
    let job = &draft.job;
    let runs = ProcessKind::ALL.into_iter().any(|kind| job.processes.has(kind));
    let waits = job.start_on.is_some() || job.holds_while.is_some();
    if !runs && !waits && job.provides.is_empty() && draft.is_sound() {
        let message = format!("job `{}` has nothing to do", job.name);
        let report = Report::warning("nothing-to-do", message).in_file(path);
        draft.push(
            report.help("say what it runs with `exec`, or what it stands for with `start_on` or `while`"),
        );
    }
}

fn at_field(report: Report, said: &Said<'_>, label: &str) -> Report {
    report.at(said.path, said.span.clone(), label)
}

/// An event that waits for its jobs cannot be put off until no more come.
fn coalesced_hooks(draft: &mut Draft<'_>) {
    let (Again::Coalesce(_), Some(condition)) = (draft.job.again, &draft.job.start_on) else { return };
    let Some(again) = draft.said("again").or_else(|| draft.said("start_on")) else { return };
    let start_on = draft.said("start_on");
    let hook =
        condition.leaves().position(|leaf| matches!(leaf.pattern.name.as_str(), "starting" | "stopping"));
    let Some(hook) = hook else { return };
    let message = "`coalesce` puts a start off, and the event `starting` or `stopping` waits for it";
    let mut report = Report::error("coalesced-hook", message);
    if let Some((said, span)) =
        start_on.and_then(|said| said.leaves.get(hook).cloned().map(|span| (said, span)))
    {
        report = report.at(said.path, span, "waits for this job");
    }
    let report = at_field(report, &again, "puts it off");
    draft.push(report.help("use `again: queue` or `again: restart`, or start on `started` or `stopped`"));
}

fn again_of_nothing(draft: &mut Draft<'_>) {
    let Some(again) = draft.said("again") else { return };
    if draft.job.start_on.is_none() && draft.is_sound() && draft.job.again != Again::Ignore {
        let message = "`again` says what a start event does, and no event starts this job";
        let report = at_field(Report::warning("again-of-nothing", message), &again, "has no effect");
        draft.push(report.help("add `start_on`, or drop `again`"));
    }
}

fn ready_of_task(draft: &mut Draft<'_>) {
    if !draft.job.task || draft.job.ready == Ready::Spawned {
        return;
    }
    let (ready, task) = (draft.said("ready"), draft.said("task"));
    let Some(main) = ready.as_ref().or(task.as_ref()) else { return };
    let message = "a task is ready when it has ended, and in no other way";
    let mut report = at_field(Report::error("ready-of-task", message), main, "");
    if let (Some(_), Some(task)) = (&ready, &task) {
        report = at_field(report, task, "this makes it a task");
    }
    draft.push(report.help("drop `ready`, or `task`"));
}

fn sockets_to_be_ready_by(draft: &mut Draft<'_>) {
    if draft.job.ready != Ready::Socket || !draft.work.sockets.is_empty() || !draft.is_sound() {
        return;
    }
    let Some(said) = draft.said("ready").or_else(|| draft.said("sockets")) else { return };
    let report = at_field(Report::error("no-sockets", "`ready: socket` of a job without sockets"), &said, "");
    draft.push(report.help("add `sockets: [\"tcp:80\"]`"));
}

fn respawn_of_nothing(draft: &mut Draft<'_>) {
    let Some(said) = draft.said("respawn") else { return };
    if draft.job.respawn.is_some() && !draft.job.processes.has(ProcessKind::Main) && draft.is_sound() {
        let message = "`respawn` of a job that runs nothing";
        let report = at_field(Report::warning("respawn-of-nothing", message), &said, "has no effect");
        draft.push(report.help("add `exec` or `script`, or drop `respawn`"));
    }
}

/// Whoever has not said how it reloads gets HUP, which ends most programs that do not know it.
fn reload_unsaid(draft: &mut Draft<'_>) {
    let Some(said) = draft.said("reload_on") else { return };
    let is_said = draft.said("reload").is_some() || draft.job.processes.has(ProcessKind::Reload);
    let is_own = draft.job.format == Format::Native;
    if draft.job.reload_on.is_empty() || is_said || !is_own || !draft.is_sound() {
        return;
    }
    let message = "`reload_on` sends HUP, since the job does not say how it reloads";
    let report = at_field(Report::warning("reload-unsaid", message), &said, "reloads by HUP");
    draft.push(report.help("say `reload: signal(\"HUP\")` if that is right, or use `restart_on`"));
}

/// What ends by itself, or runs nothing, reads no file that changes later.
fn files_of_nothing(draft: &mut Draft<'_>) {
    let main = draft.job.processes.has(ProcessKind::Main);
    if (main && !draft.job.task) || !draft.is_sound() {
        return;
    }
    for (field, is_empty) in
        [("reload_on", draft.job.reload_on.is_empty()), ("restart_on", draft.job.restart_on.is_empty())]
    {
        let Some(said) = draft.said(field).filter(|_| !is_empty) else { continue };
        let what = if main { "a task" } else { "a job that runs nothing" };
        let message = format!("`{field}` of {what}: only what goes on running reads a file again");
        let report = at_field(Report::warning("files-of-nothing", message), &said, "has no effect");
        draft.push(report.help("write `start_on: \"file FILE=/path\"` to run it at each change"));
    }
}

fn instance_without_variable(draft: &mut Draft<'_>) {
    let Some(said) = draft.said("instance") else { return };
    let Some(instance) = draft.job.instance.as_ref().filter(|instance| instance.variables().is_empty())
    else {
        return;
    };
    let message = format!("`{instance}` names the same instance for every event");
    let report = at_field(Report::warning("instance-without-variable", message), &said, "no variable in it");
    draft.push(report.help("name a variable: `instance: \"$IFACE\"`"));
}

/// Every variable of `instance`, and every one under `not`, must have a value in each branch.
fn variables_of_while(draft: &mut Draft<'_>) {
    let Some(condition) = draft.job.holds_while.clone() else { return };
    let (instance, said) = (draft.said("instance"), draft.said("while"));
    let Some(main) = said.as_ref().or(instance.as_ref()) else { return };
    let known: BTreeSet<&str> =
        draft.job.env.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key.as_str()).collect();
    let mut reports = Vec::new();
    for (leaf, variable) in unbound_below_not(&condition, &known) {
        let place = said.as_ref().and_then(|said| said.leaves.get(leaf).cloned());
        let message =
            format!("`${variable}` stands under `not`, and nothing before gives it a value in each branch");
        let report = Report::error("unbound-variable", message);
        let report = report.at(main.path, place.unwrap_or_else(|| main.span.clone()), "under `not`");
        reports.push(report.help(bind_it(&variable)));
    }
    let bound = bound(&condition);
    let always = bound.last().map(|(_, bound)| bound);
    let template = draft.job.instance.as_ref().map(events::Template::variables).unwrap_or_default();
    for (variable, has_default) in template {
        let is_bound = always.is_some_and(|always| always.contains(variable)) || known.contains(variable);
        if !is_bound && !has_default {
            let message =
                format!("`instance` uses `${variable}`, which `while` does not give a value in each branch");
            let report = Report::error("unbound-variable", message);
            let report = at_field(report, instance.as_ref().unwrap_or(main), "which value?");
            reports.push(report.help(bind_it(variable)));
        }
    }
    draft.reports.extend(reports);
}

fn bind_it(variable: &str) -> String {
    format!("name it in a fact of each branch that is not under `not`: `link {variable}=*`")
}

/// The variables that a plain leaf gives a value: each key that it asks for, and each variable that it asks
/// for alone (`IFACE=$CARD`).
fn bound_by(pattern: &Pattern) -> BTreeSet<&str> {
    let mut bound = BTreeSet::new();
    if pattern.name == "path" {
        // Each is told with what it came to.
        bound.insert("MATCH");
    }
    for wanted in pattern.matches.iter() {
        if let MatchKey::Named(key) = &wanted.key {
            bound.insert(key.as_str());
        }
        if let (Want::Template(template), false) = (&wanted.want, wanted.negated) {
            bound.extend(template.single_variable());
        }
    }
    bound
}

/// For each part in postfix order: where its left side ends (if it has two), and what it binds in every branch.
fn bound(condition: &Condition) -> Vec<(usize, BTreeSet<&str>)> {
    let mut parts: Vec<(usize, BTreeSet<&str>)> = Vec::new();
    // Where the operands stand that no sign has joined yet.
    let mut open: Vec<usize> = Vec::new();
    for (at, node) in condition.nodes().iter().enumerate() {
        let part = match node {
            Node::Leaf(leaf) => (at, bound_by(&leaf.pattern)),
            Node::Not => (open.pop().unwrap_or(at), BTreeSet::new()),
            Node::And | Node::Or => {
                let (right, left) = (open.pop().unwrap_or(at), open.pop().unwrap_or(at));
                let of = |at: usize| parts.get(at).map(|(_, bound)| bound.clone()).unwrap_or_default();
                let (of_left, of_right) = (of(left), of(right));
                let joined = match node {
                    Node::And => of_left.union(&of_right).copied().collect(),
                    Node::Or | Node::Leaf(_) | Node::Not => {
                        of_left.intersection(&of_right).copied().collect()
                    }
                };
                (left, joined)
            }
        };
        open.push(at);
        parts.push(part);
    }
    parts
}

/// Leaves under `not` (by their number) with variables that nothing else in the same branch binds.
fn unbound_below_not(condition: &Condition, known: &BTreeSet<&str>) -> Vec<(usize, String)> {
    let parts = bound(condition);
    let of = |at: Option<usize>| {
        at.and_then(|at| parts.get(at)).map(|(_, bound)| bound.clone()).unwrap_or_default()
    };
    let mut leaf = condition.leaves().count();
    let mut found = Vec::new();
    // From the root down: whether a part is under `not`, and what is bound beside it.
    let mut wanted = Vec::from([(false, known.clone())]);
    for (at, node) in condition.nodes().iter().enumerate().rev() {
        let (below_not, beside) = wanted.pop().unwrap_or_default();
        match node {
            Node::Leaf(part) => {
                leaf = leaf.saturating_sub(1);
                if below_not {
                    let unbound = unbound_in(&part.pattern, &beside);
                    found.extend(unbound.into_iter().map(|variable| (leaf, variable)));
                }
            }
            Node::Not => wanted.push((true, beside)),
            // The left side is looked at last, so it goes on the stack first. Below `not` nothing binds.
            Node::And if !below_not => {
                let left = parts.get(at).map(|(left, _)| *left);
                let (of_left, of_right) = (of(left), of(at.checked_sub(1)));
                wanted.push((below_not, &beside | &of_right));
                wanted.push((below_not, &beside | &of_left));
            }
            Node::And | Node::Or => {
                wanted.push((below_not, beside.clone()));
                wanted.push((below_not, beside));
            }
        }
    }
    found.reverse();
    found
}

fn unbound_in(pattern: &Pattern, bound: &BTreeSet<&str>) -> BTreeSet<String> {
    let variables = pattern.matches.iter().flat_map(|wanted| match &wanted.want {
        Want::Template(template) => template.variables(),
        Want::Literal(_) | Want::Glob(_) | Want::Setting(_) => Vec::new(),
    });
    let unbound = variables.filter(|(variable, has_default)| !has_default && !bound.contains(variable));
    unbound.map(|(variable, _)| variable.into()).collect()
}
