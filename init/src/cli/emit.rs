//! `onsetctl emit`, `set` and `unset`: what happens, and what holds.

use std::path::Path;

use core::time::Duration;

use clap::Args;
use events::parse_delay;
use serde_json::{Value, json};

use super::{
    Outcome,
    connection::{AT_ONCE, Connection, nap, now},
    exit::{DONE, Trouble},
};

/// Which event.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Emit {
    /// The event; EVENT:GLOB is the event for those jobs and hooks alone whose name is like this
    #[arg(value_name = "EVENT")]
    event: String,
    /// What is known of it; the key of a word without one is ARG and its place (ARG1)
    #[arg(value_name = "KEY=VALUE")]
    args: Vec<String>,
    /// Do not wait until all that it causes is done
    #[arg(short = 'n', long)]
    no_wait: bool,
    /// Wait until all that it causes is done, as without it
    #[arg(long, conflicts_with = "no_wait")]
    wait: bool,
    /// Wait no longer than this (5s, 1m30s); what was begun goes on
    #[arg(long, value_name = "TIME", value_parser = parse_delay, conflicts_with = "no_wait")]
    timeout: Option<Duration>,
}

/// Which fact.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct FactCommand {
    /// The fact's name
    #[arg(value_name = "FACT")]
    name: String,
    /// What is known of it; it also tells facts of one name apart, unless --id does
    #[arg(value_name = "KEY=VALUE")]
    args: Vec<String>,
    /// What tells it from others of its name
    #[arg(long)]
    id: Option<String>,
}

/// Which fact, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct SetFact {
    #[command(flatten)]
    fact: FactCommand,
    /// Let it hold on when the job that sets it has ended
    #[arg(long)]
    keep: bool,
    /// Have an event of this name happen, too, with the same arguments, as soon as it holds
    #[arg(short, long)]
    emit: bool,
}

impl Emit {
    /// What plain words say; the first is the event.
    pub(super) fn plain(words: Vec<String>) -> Option<Self> {
        let mut words = words.into_iter();
        let event = words.next()?;
        Some(Self { event, args: words.collect(), no_wait: false, wait: false, timeout: None })
    }

    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let args = (1_usize..).zip(&self.args).map(|(place, word)| match word.contains('=') {
            true => word.clone(),
            false => format!("ARG{place}={word}"),
        });
        let args: Vec<String> = args.collect();
        let parameters = json!({ "event": self.event, "args": args, "wait": !self.no_wait });
        let limit = if self.no_wait { Some(AT_ONCE) } else { self.timeout };
        let answer = again_if_busy(|| {
            let mut connection = Connection::open(socket)?;
            connection.send("Emit", &parameters, false)?;
            connection.receive(limit, &mut |_| {}).map(|reply| reply.parameters)
        });
        end(Connection::come_back(socket, answer, limit, &mut |_| {}).map(|_| ()))
    }
}

impl FactCommand {
    pub(super) fn unset(&self, socket: &Path) -> Outcome {
        tell(socket, "UnsetFact", json!({ "name": self.name, "args": self.args, "id": self.id }))
    }
}

impl SetFact {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let FactCommand { name, args, id } = &self.fact;
        let set = json!({ "name": name, "args": args, "id": id, "keep": self.keep });
        let outcome = tell(socket, "SetFact", set);
        if outcome.code != DONE || !self.emit {
            return outcome;
        }
        tell(socket, "Emit", json!({ "event": name, "args": args, "wait": false }))
    }
}

/// Tells Onset something that has no answer but that it was heard.
pub(super) fn tell(socket: &Path, method: &str, parameters: Value) -> Outcome {
    end(again_if_busy(|| Connection::open(socket)?.call(method, parameters.clone())).map(|_| ()))
}

/// Tries again while Onset says that it has too much to do: nothing was done then.
fn again_if_busy<T>(mut ask: impl FnMut() -> Result<T, Trouble>) -> Result<T, Trouble> {
    let begun = now();
    let mut length = SHORT_NAP;
    loop {
        match ask() {
            Err(trouble) if trouble.name() == "Busy" && now().saturating_sub(begun) < AT_ONCE => nap(length),
            answer => return answer,
        }
        length = length.saturating_mul(2).min(LONG_NAP);
    }
}

/// How long it is until it is tried again: at first, and later on.
const SHORT_NAP: Duration = Duration::from_millis(5);
const LONG_NAP: Duration = Duration::from_millis(200);

/// A command that says nothing if all is well.
pub(super) fn end(answer: Result<(), Trouble>) -> Outcome {
    match answer {
        Ok(()) => Outcome { text: String::new(), remarks: String::new(), code: DONE },
        Err(trouble) => trouble.outcome(),
    }
}
