//! Jobs that no file describes: the one that a container is there for (`onset -- COMMAND ARGS`), and the one that a
//! test machine is there for (`onset.run=`).

use events::{Condition, Dialect, Name, Text};
use jobs::{
    Command, Console, Exit, Format, Input, Job, Life, Origin, ProcessKind, ProcessSet, Shutdown, Work,
};
use serde::{Deserialize, Serialize};

use super::{machine::Machine, works::Piece};

/// How a command ends that cannot be executed, as shells have it.
const NOT_EXECUTED: Exit = Exit::Code(127);

/// The life of the job that a container is there for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purpose {
    pub(super) life: Life,
    pub(super) job: Name,
    pub(super) instance: Text,
}

impl Machine {
    /// Takes note of how the job that this container is there for has ended: with that, PID 1 ends, too.
    pub(super) fn hear_of_purpose(&mut self, batch: &[Input]) {
        let Some(purpose) = self.purpose.as_ref().map(|purpose| purpose.life) else { return };
        for input in batch {
            if let Input::Exited { life, process: ProcessKind::Main, exit, .. } = input
                && *life == purpose
            {
                self.purpose_exit = Some(*exit);
            } else if let Input::Unspawned { life, process: ProcessKind::Main, .. } = input
                && *life == purpose
            {
                self.purpose_exit = Some(NOT_EXECUTED);
            }
        }
    }

    /// Ends this container if the job that it is there for is down and does not come back.
    pub(super) fn look_after_purpose(&mut self) {
        let is_over = self.core.options.container && self.purpose_exit.is_some() && self.end.is_none();
        let Some(purpose) = self.purpose.as_ref().filter(|_| is_over) else { return };
        let status = self.engine.status(&purpose.job, &purpose.instance);
        if status.is_none_or(|status| status.state == "waiting") {
            self.purpose = None;
            self.go_down(Shutdown::Poweroff, Origin::World);
        }
    }
}

/// The job that runs the command of `onset.run=` when the boot has settled: our own image, which hands on to the host
/// what came of it.
#[must_use]
pub fn run() -> (Job, Piece) {
    let words = ["/proc/1/exe", "onset-run"].map(String::from).to_vec();
    let (mut job, piece) = made("onset-run", "settled", words, Console::Output);
    job.task = true;
    (job, piece)
}

/// The job that runs these words; `None` if there are none.
#[must_use]
pub fn job(words: &[String]) -> Option<(Job, Piece)> {
    if words.is_empty() {
        return None;
    }
    let (mut job, piece) = made("main", "startup", words.to_vec(), Console::Output);
    job.is_purpose = true;
    Some((job, piece))
}

fn made(name: &'static str, event: &str, words: Vec<String>, console: Console) -> (Job, Piece) {
    let mut job = Job::new(Name::constant(name), Format::Native);
    job.start_on = Condition::parse(event, Dialect::Edges).ok();
    job.processes = ProcessSet::default().with(ProcessKind::Main);
    let processes = vec![(ProcessKind::Main, Command::Argv(words))];
    (job, Piece { work: Work { processes, console, ..Work::default() }, path: "the command line".into() })
}
