//! `onsetctl hooks`: events, and what starts by each.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::{
    Outcome,
    ask::{ask_list, finish},
    exit::clean,
    say::{self, is, part},
};

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct HooksCommand {
    /// Only this event, also if it has no hooks [default: all that have]
    #[arg(value_name = "EVENT")]
    event: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl HooksCommand {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let answer = ask_list(socket, "Hooks", &json!({ "event": self.event }), "hooks");
        finish(answer, self.json, socket, |answer| match (say::list(answer, "hooks"), &self.event) {
            ([], Some(event)) => format!("nothing starts by `{}`\n", clean(event)),
            ([], None) => "there are no hooks\n".into(),
            (all, _) => {
                let same = |one: &Value, other: &Value| say::text(one, "event") == say::text(other, "event");
                all.chunk_by(same).map(event).collect()
            }
        })
    }
}

/// An event as people read it: its hooks with their places, then the jobs.
fn event(all: &[Value]) -> String {
    let mut text = all.first().map(|one| format!("{}\n", clean(say::text(one, "event")))).unwrap_or_default();
    let mut place = 0_usize;
    for one in all {
        let is_hook = say::text(one, "format") == "Hook";
        let waits_its_turn = is_hook && !is(one, "parallel") && part(one, "disabled").is_null();
        place = place.saturating_add(usize::from(waits_its_turn));
        let mark = match (is_hook, waits_its_turn) {
            (true, true) => format!("{place:>3}"),
            (true, false) | (false, _) => "  -".into(),
        };
        let file = part(one, "file").as_str();
        let name = match (is_hook, part(one, "job").as_str(), file) {
            (true, _, Some(file)) | (false, None, Some(file)) => clean(file),
            (_, Some(job), Some(file)) => clean(&format!("job {job} ({file})")),
            (_, job, None) => clean(job.unwrap_or_default()),
        };
        text.push_str(&format!("{mark}  {name}: {}\n", state(one)));
    }
    text
}

/// How something is, or why it does not start, and how it ended last.
fn state(one: &Value) -> String {
    let disabled = part(one, "disabled").as_str();
    // That an event has found it so says nothing more.
    let last = part(one, "last")
        .as_str()
        .filter(|last| disabled != Some(*last))
        .map(|last| format!("{} at {} s", last, say::seconds(part(one, "last_time"))));
    let living = say::list(one, "living").iter().map(|life| {
        let waits: Vec<&str> = say::list(life, "waits").iter().filter_map(Value::as_str).collect();
        let waits =
            if waits.is_empty() { String::new() } else { format!(", waits for {}", waits.join("; ")) };
        format!("{}{waits}", say::text(life, "state"))
    });
    let living: Vec<String> = living.collect();
    let mut said: Vec<String> = Vec::new();
    said.extend(part(one, "fault").as_str().map(|fault| format!("refused: {fault}")));
    said.extend(disabled.map(|why| format!("disabled: {why}")));
    said.extend(is(one, "parallel").then(|| "in parallel".into()));
    match (living.is_empty(), last) {
        (false, _) => said.extend(living),
        (true, Some(last)) => said.push(last),
        (true, None) if said.is_empty() => said.push("has not run".into()),
        (true, None) => {}
    }
    clean(&said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(file: &str, more: Value) -> Value {
        let mut hook = json!({ "event": "carp", "job": "hooks/carp/x", "format": "Hook", "file": file });
        let (Some(all), Value::Object(more)) = (hook.as_object_mut(), more) else { panic!() };
        all.extend(more);
        hook
    }

    #[test]
    fn hooks_are_numbered_as_they_run() {
        let all = [
            hook("/h/carp/10-a", json!({ "last": "ended well", "last_time": 3204 })),
            hook(
                "/h/carp/20-b",
                json!({ "disabled": "not executable", "last": "not executable", "last_time": 1 }),
            ),
            hook(
                "/h/carp/30-c",
                json!({ "living": [{ "state": "hooks/carp/30-c start/running, process 7", "waits": [] }] }),
            ),
            hook("/h/carp/40-d", json!({ "parallel": true })),
            json!({ "event": "carp", "job": "failover", "format": "Native", "file": "/j/failover.ron" }),
            json!({ "event": "carp", "job": null, "file": "/h/carp/50 e", "fault": "no name" }),
        ];
        let text = "carp\n  1  /h/carp/10-a: ended well at 3.204 s\n  -  /h/carp/20-b: disabled: not executable\n  2  \
                    /h/carp/30-c: hooks/carp/30-c start/running, process 7\n  -  /h/carp/40-d: in parallel\n  -  job \
                    failover (/j/failover.ron): has not run\n  -  /h/carp/50 e: refused: no name\n";
        assert_eq!(event(&all), text);
    }
}
