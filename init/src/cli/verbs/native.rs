//! Verbs that a job's own file has: `commands`, and how it looks at itself.

use jobs::{Command, ProcessKind};
use serde_json::Value;

use super::{Known, Verb, run};
use crate::cli::{Outcome, say};

/// Processes of a job that a person may have run as well.
const LOOKS: [ProcessKind; 3] = [ProcessKind::Status, ProcessKind::Check, ProcessKind::Configure];

impl Verb<'_> {
    /// Says a verb to a job that is no script.
    pub(super) fn by_job(&self, known: &Known, commands: &[String]) -> Outcome {
        let job = say::part(&known.show, "job");
        let work = say::part(job, "work");
        let own = own_verbs(work);
        let looks = own_looks(work);
        let looks = looks.iter().filter(|(kind, _)| LOOKS.contains(kind));
        let mut all = own.iter().map(|(name, command)| (name.clone(), command)).collect::<Vec<_>>();
        all.extend(looks.map(|(kind, command)| (String::from(kind.name()), command)));
        match all.iter().find(|(name, _)| name == self.verb) {
            Some((_, command)) => {
                let why = run::command(job, command, self.args, run::cgroup_of(known.status()));
                self.wrong(&why, 1)
            }
            None if work.is_null() && !nix::unistd::geteuid().is_root() => self.denied(),
            None => {
                let names: Vec<String> = all.into_iter().map(|(name, _)| name).collect();
                self.no_verb(known, &names, commands)
            }
        }
    }
}

/// `commands` in a job's file.
fn own_verbs(work: &Value) -> Vec<(String, Command)> {
    serde_json::from_value(say::part(work, "commands").clone()).unwrap_or_default()
}

fn own_looks(work: &Value) -> Vec<(ProcessKind, Command)> {
    serde_json::from_value(say::part(work, "processes").clone()).unwrap_or_default()
}

/// The command by which a job says how it is.
pub(super) fn status_command(show: &Value) -> Option<Command> {
    let looks = own_looks(say::part(say::part(show, "job"), "work"));
    looks.into_iter().find(|(kind, _)| *kind == ProcessKind::Status).map(|(_, command)| command)
}
