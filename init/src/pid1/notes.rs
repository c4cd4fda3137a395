//! What the engine notes, in words for the log.

use jobs::{Note, Notice, failure_text, refusal_text};

use crate::logs::Level;

/// How bad it is, and what to say.
#[must_use]
pub fn text(note: &Note) -> (Level, String) {
    let (level, what) = match &note.what {
        Notice::Failed(failure) => (Level::Error, format!("failed: {}", failure_text(*failure))),
        Notice::Unspawned(process, why) => (Level::Error, format!("{process} could not be executed: {why}")),
        Notice::ComesBack(delay) => {
            (Level::Warning, format!("has ended and comes back in {} ms", delay.as_millis()))
        }
        Notice::StartTimedOut => (Level::Warning, "start timed out: what waited for it goes on".into()),
        Notice::LeftAlone => (
            Level::Warning,
            "its stop verb is over; what it has left runs on, in the cgroup `left`, the daemon perhaps among it".into(),
        ),
        Notice::StopTimedOut => (Level::Warning, "did not stop in time: what is left of it is killed".into()),
        Notice::Refused(refusal) => (Level::Warning, format!("does not start: {}", refusal_text(refusal))),
        Notice::RingCut(ring) => (Level::Warning, format!("a ring of waits was cut: {ring}")),
        Notice::LetGo(event) => (Level::Warning, format!("event `{event}` waited too long and was let go")),
        Notice::Starved(what) => (Level::Warning, format!("waiting for {what}")),
        Notice::FileChanged { path, restarts: false } => {
            (Level::Info, format!("reloads: {path} has changed"))
        }
        Notice::FileChanged { path, restarts: true } => {
            (Level::Info, format!("restarts: {path} has changed"))
        }
        Notice::Skipped => (Level::Info, "is not wanted, says its check".into()),
    };
    let text = match (&note.job, note.instance.is_empty()) {
        (Some(job), true) => format!("{job}: {what}"),
        (Some(job), false) => format!("{job} ({}): {what}", note.instance),
        (None, _) => what,
    };
    (level, text)
}
