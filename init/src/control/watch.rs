//! Telling those who look on what happens.

use events::{Event, Time};
use jobs::{Note, simulate::notice_text};
use serde_json::{Value, json};

use super::{
    Control, Views,
    client::{Client, Doing},
    outcome, show,
};
use crate::pid1::shell::Shell;

impl Control {
    /// Tells those who look on that an event is worked off.
    pub fn tell(&mut self, shell: &mut Shell<'_>, event: &Event, views: &Views<'_>) {
        if event.name == "runlevel" {
            self.keep_level(event);
        }
        if self.clients.watchers().next().is_none() {
            return;
        }
        let about = |key: &str| event.args.get(key).map(|value| value.as_str());
        let job = about("JOB").filter(|_| is_of_a_life(&event.name));
        let instance = job.and_then(|_| about("INSTANCE"));
        let why = job.and_then(|job| views.engine.why(job, instance.unwrap_or_default()));
        // The latest cause of a life's event is that the job was started or stopped; before it stands why.
        let cause = why.and_then(|why| why.chain.into_iter().take(2).next_back()).map(|(_, what)| what);
        self.say_to_watchers(
            shell,
            &json!({
                "time": shell_time(shell),
                "what": "event",
                "text": event.to_string(),
                "name": event.name.as_str(),
                "args": show::words(&event.args),
                "job": job,
                "instance": instance,
                "cause": cause,
            }),
        );
    }

    /// Tells those who look on what people should know.
    pub fn note(&mut self, shell: &mut Shell<'_>, note: &Note) {
        if self.clients.watchers().next().is_none() {
            return;
        }
        self.say_to_watchers(
            shell,
            &json!({
                "time": shell_time(shell),
                "what": "note",
                "text": notice_text(&note.what),
                "job": note.job.as_ref().map(|job| job.as_str()),
                "instance": show::some(&note.instance),
            }),
        );
    }

    /// Keeps the run level that an event tells of, for those who will ask.
    fn keep_level(&mut self, event: &Event) {
        let Some(level) = event.args.get("RUNLEVEL").or_else(|| event.args.at(0)) else { return };
        let before = std::mem::replace(&mut self.records.levels.1, level.as_str().into());
        self.records.levels.0 = before;
    }

    fn say_to_watchers(&mut self, shell: &mut Shell<'_>, parameters: &Value) {
        let message = outcome::part(parameters);
        let mut told = Vec::new();
        for (number, client) in self.clients.watchers() {
            say(client, &message, shell.now);
            told.push(number);
        }
        for number in told {
            self.put_back(shell, number);
        }
    }
}

/// Begins to look on.
pub fn begin(client: &mut Client, now: Time) {
    client.doing = Doing::Watching { lost: 0 };
    let first = json!({ "time": now.0, "what": "watching", "text": "from here on" });
    client.say(&outcome::part(&first), now);
}

/// Tells one who looks on, unless he has too much to read already: then it is only counted.
fn say(client: &mut Client, message: &[u8], now: Time) {
    client.flush(now);
    let room = client.has_room();
    let Doing::Watching { lost } = &mut client.doing else { return };
    if !room {
        *lost = lost.saturating_add(1);
        return;
    }
    let lost = std::mem::take(lost);
    if lost > 0 {
        let text = format!("{lost} left out: they were not read in time");
        let left_out = json!({ "time": now.0, "what": "lost", "text": text, "lost": lost });
        client.say(&outcome::part(&left_out), now);
    }
    client.say(message, now);
}

fn is_of_a_life(name: &str) -> bool {
    matches!(name, "starting" | "started" | "stopping" | "stopped")
}

const fn shell_time(shell: &Shell<'_>) -> u64 {
    shell.now.0
}
