//! What concerns the machine as a whole: down and up again, modes, files, Onset itself.

use std::path::{Path, PathBuf};

use core::time::Duration;

use clap::Args;
use events::{control::Going, parse_delay};
use serde_json::{Value, json};

use super::{
    Outcome, ask,
    connection::Connection,
    emit::{end, tell},
    exit::{DONE, FAILED, clean},
    say::{self, is, part},
};

/// How the machine goes down.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Down {
    /// Wait for nobody: kill what runs at once, then write the disks and go down
    #[arg(short, long)]
    force: bool,
}

/// Whether there is an answer or a question.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Mode {
    /// The mode to change to; without it the mode that the machine is in is printed
    #[arg(value_name = "MODE")]
    mode: Option<String>,
    /// Change to it even if it looks like a slip for one that job files name
    #[arg(short, long, requires = "mode")]
    force: bool,
    /// Print the modes that job files name
    #[arg(short, long, conflicts_with = "mode")]
    list: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Whether there is an answer or a question.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct LogLevel {
    /// debug, info, message, warn, error or fatal; without it the level in force is printed
    #[arg(value_name = "LEVEL")]
    level: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// For how long it is waited.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Settled {
    /// Wait until the boot has settled
    #[arg(long)]
    wait: bool,
    /// Wait no longer than this (5s, 1m30s)
    #[arg(long, value_name = "TIME", value_parser = parse_delay, requires = "wait")]
    timeout: Option<Duration>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct SwitchRoot {
    /// The folder at which the new root is mounted
    #[arg(value_name = "ROOT")]
    root: PathBuf,
    /// The program in it that takes over; the usual places are tried if none is given
    #[arg(value_name = "INIT")]
    init: Option<PathBuf>,
}

/// Only a form of answer.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct ReloadConfiguration {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Down {
    pub(super) fn run(&self, kind: Going, socket: &Path) -> Outcome {
        tell(socket, "Shutdown", json!({ "kind": kind.name(), "fast": self.force }))
    }
}

impl Mode {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let known = ask::ask(socket, "GetMode", &json!({}));
        if let Some(mode) = &self.mode {
            let modes = known.as_ref().map(|known| say::list(known, "modes")).unwrap_or_default();
            let modes: Vec<&str> = modes.iter().filter_map(Value::as_str).collect();
            return change_mode(socket, mode, &modes, self.force);
        }
        ask::finish(known, self.json, socket, |answer| {
            if self.list {
                let modes = say::list(answer, "modes").iter().filter_map(Value::as_str);
                return modes.map(|mode| clean(mode) + "\n").collect();
            }
            match say::text(answer, "mode") {
                "" => "no mode\n".into(),
                mode => clean(mode) + "\n",
            }
        })
    }
}

/// Changes to a mode, unless it looks like a slip for one of those that job files name.
fn change_mode(socket: &Path, mode: &str, modes: &[&str], force: bool) -> Outcome {
    let is_named = modes.contains(&mode);
    if !is_named
        && !force
        && let Some(meant) = jobs::did_you_mean(mode, modes.iter().copied())
    {
        let remarks = format!(
            "onsetctl: no job names mode `{}`: did you mean `{}`? (--force changes to it all the same)\n",
            clean(mode),
            clean(meant)
        );
        return Outcome { text: String::new(), remarks, code: FAILED };
    }
    let mut outcome = tell(socket, "SetMode", json!({ "mode": mode }));
    if outcome.code == DONE && !is_named && !modes.is_empty() {
        outcome.remarks.push_str(&format!("onsetctl: no job names mode `{}`\n", clean(mode)));
    }
    outcome
}

impl LogLevel {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let answer = match &self.level {
            Some(level) => Connection::open(socket)
                .and_then(|mut connection| connection.call("SetLogLevel", json!({ "level": level }))),
            None => ask::ask(socket, "GetLogLevel", &json!({})),
        };
        ask::finish(answer, self.json, socket, |answer| match self.level {
            Some(_) => String::new(),
            None => clean(say::text(answer, "level")) + "\n",
        })
    }
}

impl Settled {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let answer = match self.wait {
            false => ask::ask(socket, "Settled", &json!({})),
            true => Connection::open(socket).and_then(|mut connection| {
                connection.send("Settled", &json!({ "wait": true }), false)?;
                let answer = connection.receive(self.timeout, &mut |_| {}).map(|reply| reply.parameters);
                Connection::come_back(socket, answer, self.timeout, &mut |_| {})
            }),
        };
        let has_settled = answer.as_ref().is_ok_and(|answer| is(answer, "settled"));
        let is_answer = answer.is_ok();
        let mut outcome = ask::finish(answer, self.json, socket, |answer| {
            let mut text = String::from(if has_settled { "settled\n" } else { "not settled\n" });
            for job in say::list(answer, "jobs") {
                text.push_str(&format!("\t{}: {}\n", say::who(job), clean(&say::progress(job))));
            }
            text
        });
        if is_answer && !has_settled {
            outcome.code = FAILED;
        }
        outcome
    }
}

impl SwitchRoot {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let answer = Connection::open(socket).and_then(|mut connection| {
            connection.call("SwitchRoot", json!({ "root": self.root, "init": self.init }))
        });
        let answer = match answer {
            // It hangs up when it executes the other init: what could be in the way was looked at before.
            Err(trouble) if trouble.is_restart() => Ok(()),
            answer => answer.map(drop),
        };
        end(answer)
    }
}

impl ReloadConfiguration {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let answer = Connection::open(socket).and_then(|mut connection| {
            connection.send("ReloadConfiguration", &json!({}), false)?;
            // However many files there are: the loader has its own limit.
            connection.receive(None, &mut |_| {}).map(|reply| reply.parameters)
        });
        let refused = answer.as_ref().is_ok_and(|answer| !say::list(answer, "refused").is_empty());
        let mut outcome = ask::finish(answer, self.json, socket, reports);
        if refused {
            outcome.code = FAILED;
        }
        outcome
    }
}

/// Has Onset execute itself again, and waits until it answers.
pub(super) fn reexec(socket: &Path) -> Outcome {
    let asked = Connection::open(socket).and_then(|mut connection| {
        connection.send("Reexec", &json!({}), false)?;
        connection.receive(None, &mut |_| {})
    });
    match asked {
        Err(trouble) if trouble.is_restart() => {
            let back = Connection::open_again(socket).map(drop);
            end(back.and_then(|()| ask::ask(socket, "Version", &json!({}))).map(|_| ()))
        }
        Err(trouble) => trouble.outcome(),
        Ok(_) => Outcome { text: String::new(), remarks: String::new(), code: DONE },
    }
}

/// What a load has found.
fn reports(answer: &Value) -> String {
    let mut text = String::new();
    for report in say::list(answer, "reports") {
        text.push_str(&say::fault(report));
        text.push('\n');
        if let Some(help) = part(report, "help").as_str() {
            text.push_str(&format!("\thelp: {}\n", clean(help)));
        }
    }
    let refused: Vec<&str> = say::list(answer, "refused").iter().filter_map(Value::as_str).collect();
    text.push_str(&format!("{} jobs", part(answer, "jobs")));
    if !refused.is_empty() {
        text.push_str(&clean(&format!("; as before, since their files are refused: {}", refused.join(", "))));
    }
    text.push('\n');
    text
}
