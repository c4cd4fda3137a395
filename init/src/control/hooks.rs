//! What is attached to events, as JSON: hooks in the order in which they run, and jobs beside them.

use std::collections::BTreeSet;

use events::Name;
use jobs::{Format, Job, StartMode};
use serde_json::{Value, json};

use super::{Fault, order::Views};

/// The folders that hooks lie in, as paths have them.
const FOLDERS: [&str; 2] = ["/hooks/", "/rc.syshook.d/"];

/// Everything that starts by events that have hooks, or by this one; by event and name.
pub fn all(
    views: &Views<'_>,
    event: Option<&Name>,
    refused: &[(String, String)],
) -> Vec<((String, String), Value)> {
    let of_hooks = views.engine.jobs().filter(|job| job.format == Format::Hook);
    let with_hooks: BTreeSet<String> = of_hooks
        .flat_map(|job| events_of(job))
        .chain(refused.iter().map(|(path, _)| event_of(path)))
        .collect();
    let is_meant = |name: &str| match event {
        Some(event) => *event == *name,
        None => with_hooks.contains(name),
    };
    let mut all = Vec::new();
    for job in views.engine.jobs() {
        for event in events_of(job).into_iter().filter(|event| is_meant(event)) {
            // Hooks take turns, and come first here.
            let place = if job.format == Format::Hook { '0' } else { '1' };
            let key = (event.clone(), format!("{place}{}", job.name));
            all.push((key, attached(&event, job, views)));
        }
    }
    for (path, why) in refused {
        let event = event_of(path);
        if is_meant(&event) {
            let value = json!({ "event": event, "job": null, "file": path, "fault": why });
            all.push(((event, format!("2{path}")), value));
        }
    }
    all
}

/// Files of hooks that are refused, and why.
pub fn refused(faults: &[Fault]) -> Vec<(String, String)> {
    let errors = faults.iter().filter(|fault| fault.severity == "error");
    let of_hooks = errors.filter_map(|fault| {
        let path = fault.path.as_ref().filter(|path| FOLDERS.iter().any(|folder| path.contains(folder)))?;
        let help = fault.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        Some((path.clone(), format!("{}{help}", fault.message)))
    });
    of_hooks.collect()
}

/// The event of the folder that a file lies in.
fn event_of(path: &str) -> String {
    let below = FOLDERS.iter().find_map(|folder| path.split_once(folder)).map_or(path, |(_, below)| below);
    below.rsplit_once('/').map_or(below, |(folder, _)| folder).into()
}

/// The events by which a job starts, each once.
fn events_of(job: &Job) -> Vec<String> {
    let leaves = job.start_on.iter().flat_map(|condition| condition.leaves());
    let mut names: Vec<String> = leaves.map(|leaf| leaf.pattern.name.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn attached(event: &str, job: &Job, views: &Views<'_>) -> Value {
    let piece = views.works.piece(job.work).ok();
    let status = views.engine.list_of(&job.name);
    let state = |status: &jobs::Status| json!({ "state": status.to_string(), "waits": status.waits });
    let living: Vec<Value> = status.iter().filter(|status| status.state != "waiting").map(state).collect();
    let result = views.engine.result_of(&job.name);
    json!({
        "event": event,
        "job": job.name.as_str(),
        "format": job.format,
        "file": piece.as_ref().map(|piece| piece.path.as_str()),
        "condition": job.start_on.as_ref().map(ToString::to_string),
        "disabled": match &job.start {
            StartMode::Automatic => Value::Null,
            StartMode::Manual => "it is started by hand only".into(),
            StartMode::Disabled(why) => why.as_str().into(),
        },
        "parallel": piece.as_ref().is_some_and(|piece| piece.work.parallel),
        "arguments": piece.as_ref().and_then(|piece| piece.work.arguments),
        "limit_ms": job.start_timeout.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
        "living": living,
        "last": result.as_ref().map(|(_, how)| how),
        "last_time": result.map(|(time, _)| time.0),
        "fault": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_file_tells_its_event() {
        for (path, event) in [
            ("/etc/onset/hooks/newwanip/10 a", "newwanip"),
            ("/usr/local/etc/rc.syshook.d/carp/20-x", "carp"),
            ("/etc/onset/hooks/configure/early/20-x", "configure/early"),
        ] {
            assert_eq!(event_of(path), event);
        }
    }
}
