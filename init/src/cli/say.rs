//! What Onset answers, in words for people.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    connection::Connection,
    exit::{Trouble, clean},
};

/// A part of an answer; null if it is not there.
pub(super) fn part<'v>(value: &'v Value, key: &str) -> &'v Value {
    value.get(key).unwrap_or(&Value::Null)
}

/// Whether a part of an answer is true.
pub(super) fn is(value: &Value, key: &str) -> bool {
    part(value, key) == &Value::Bool(true)
}

/// A text in an answer; nothing if it is not there.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// The things of a list in an answer; none if it is not there.
pub(super) fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The job of a status, with its instance.
pub(super) fn who(status: &Value) -> String {
    match text(status, "instance") {
        "" => clean(text(status, "job")),
        instance => clean(&format!("{} ({instance})", text(status, "job"))),
    }
}

/// A status as Upstart's `status` prints it.
pub(super) fn status_line(status: &Value) -> String {
    let mut line = format!("{} {}/{}", who(status), text(status, "goal"), text(status, "state"));
    for (number, process) in list(status, "processes").iter().enumerate() {
        let (kind, pid) = (text(process, "process"), part(process, "pid"));
        match number {
            0 => line.push_str(&format!(", process {pid}")),
            _ => line.push_str(&format!("\n\t{kind} process {pid}")),
        }
    }
    line
}

/// A fault in a file, on one line.
pub(super) fn fault(report: &Value) -> String {
    let place = match (part(report, "path").as_str(), part(report, "line").as_u64()) {
        (Some(path), Some(line)) => format!("{path}:{line}: "),
        (Some(path), None) => format!("{path}: "),
        (None, _) => String::new(),
    };
    let (severity, code) = (text(report, "severity"), text(report, "code"));
    clean(&format!("{severity}[{code}]: {place}{}", text(report, "message")))
}

/// What a job is doing, for one who waits for it.
pub(super) fn progress(status: &Value) -> String {
    let waits: Vec<&str> = list(status, "waits").iter().filter_map(Value::as_str).collect();
    let state = format!("{}/{}", text(status, "goal"), text(status, "state"));
    if waits.is_empty() { state } else { format!("{state}, waits for {}", waits.join("; ")) }
}

/// What went wrong; of a name that no job has, what is wrong in its file, or else what may have been meant.
pub(super) fn with_guess(trouble: &Trouble, socket: &Path) -> String {
    let mut told = trouble.text();
    let faults = trouble.faults();
    if !faults.is_empty() {
        told.push_str(": its file was refused");
        faults.iter().for_each(|report| told.push_str(&format!("\n  {}", fault(report))));
    } else if trouble.name() == "UnknownJob" {
        let mut names: Vec<String> = Vec::new();
        let asked = Connection::open(socket).and_then(|mut connection| {
            connection.call_parts("List", &json!({}), &mut |part| {
                names.extend(list(&part, "jobs").iter().map(|job| text(job, "job").to_string()));
            })
        });
        let guess = jobs::did_you_mean(trouble.about("job"), names.iter().map(String::as_str));
        if let (Ok(()), Some(guess)) = (asked, guess) {
            told.push_str(&format!("; did you mean `{guess}`?"));
        }
    }
    told
}

/// Milliseconds since boot, as seconds.
pub(super) fn seconds(time: &Value) -> String {
    let millis = time.as_u64().unwrap_or_default();
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
