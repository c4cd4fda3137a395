//! Scripts that never start and are called all the same when the machine goes down: KEYWORD `nostart shutdown`.
//!
//! rc.shutdown(8) asks nobody whether a script has been started. A job that was not started cannot be stopped, so another
//! one beside it says `faststop` before anything is stopped, unless somebody has started the first by hand: then it is
//! stopped as every other.

use alloc::{format, vec::Vec};

use events::{Key, Name, Value};

use crate::{
    Command, Format, Job, ProcessKind, StartMode, Work,
    formats::{Described, script::on_event},
};

/// How it is seen that the script has been started: `$1` is its name.
const RUNS: &str = "case $(onsetctl status \"$1\") in *' start/'*) exit 1 ;; esac";

/// The job beside a script that says both words.
#[must_use]
pub fn beside(script: &Described) -> Option<Described> {
    let Described { job, work, path, .. } = script;
    let says = |word: &str| job.keywords.iter().any(|keyword| keyword == word);
    let is_left = matches!(&job.start, StartMode::Disabled(why) if why.as_str() == "keyword nostart");
    let stops = job.format == Format::Rcd && job.processes.has(ProcessKind::Stop);
    if !(stops && is_left && says("shutdown")) {
        return None;
    }
    let mut beside = Job::new(Name::new(&format!("{}.shutdown", job.name)).ok()?, Format::Rcd);
    beside.layer = job.layer;
    beside.keywords = [Name::constant("shutdown")].into();
    beside.start_on = Name::new("shutdown").ok().map(on_event);
    beside.task = true;
    beside.start_timeout = Some(job.kill.together.unwrap_or(job.kill.timeout));
    beside.env = [(Key::new("rc_shutdown").ok()?, Value::new("reboot").ok())].into();
    let says = |words: &[&str]| Command::Argv(words.iter().map(|word| (*word).into()).collect());
    let processes = Vec::from([
        (ProcessKind::Check, says(&["/bin/sh", "-c", RUNS, "sh", &job.name])),
        (ProcessKind::Main, says(&[path, "faststop"])),
    ]);
    beside.processes = beside.processes.with(ProcessKind::Check).with(ProcessKind::Main);
    let work = Work { processes, ..work.clone() };
    Some(Described { job: beside, work, mentions: Vec::new(), path: path.clone() })
}
