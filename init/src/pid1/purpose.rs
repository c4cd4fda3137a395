//! Jobs that no file describes: the one that a container is there for (`onset -- COMMAND ARGS`), and the one that a
//! test machine is there for (`onset.run=`).

use events::{Condition, Dialect, Name};
use jobs::{Command, Console, Format, Job, ProcessKind, ProcessSet, Work};

use super::works::Piece;

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
