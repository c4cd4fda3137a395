//! What passes between the control socket and the loop.

use events::{Args, control::LogLevel};
use jobs::{Engine, Life, Origin, ReplyId, Shutdown};
use serde::{Deserialize, Serialize};

use super::Limit;
use crate::{pid1::works::Works, sources::Due};

/// What the control socket must look at to answer.
#[derive(Clone, Copy)]
pub struct Views<'v> {
    /// How jobs are.
    pub engine: &'v Engine,
    /// How they make their processes.
    pub works: &'v Works,
    /// The life that a process belongs to, by its cgroup.
    pub life_of_pid: &'v dyn Fn(i32) -> Option<Life>,
    /// What is remarkable about the processes of an instance.
    pub remarks: &'v dyn Fn(&str, &str) -> Vec<String>,
    /// What is in the way of such an end of the machine.
    pub obstacle: &'v dyn Fn(Shutdown) -> Option<&'static str>,
    /// When times on the wall are due.
    pub calendars: &'v dyn Fn() -> Vec<Due>,
    /// Bounds of other parts, and how far they are used.
    pub limits: &'v dyn Fn() -> Vec<Limit>,
    /// Called before anything that a user sent is decoded, and with `None` when that has gone well: what brings
    /// PID 1 down in between is known to be his.
    pub decoding: &'v dyn Fn(Option<u32>),
}

impl std::fmt::Debug for Views<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

/// What only the loop can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Load the job files again, and answer with [`loaded`](super::Control::loaded).
    ReloadConfiguration {
        /// Who waits.
        reply: ReplyId,
    },
    /// Execute the program again. Answered with [`done`](super::Control::done) if it cannot be; who waits is told
    /// by [`farewell`](super::Control::farewell) otherwise.
    Reexec {
        /// Who waits.
        reply: ReplyId,
    },
    /// Take the machine down. It is answered already.
    Shutdown {
        /// How.
        kind: Shutdown,
        /// Whether nobody is waited for.
        fast: bool,
        /// Who says so.
        origin: Origin,
    },
    /// Hand over to the init of another root, and answer with [`done`](super::Control::done) if that cannot be.
    SwitchRoot {
        /// Where it is.
        root: String,
        /// Its program.
        init: Option<String>,
        /// Who waits.
        reply: ReplyId,
    },
    /// Give every process from now on what [`environment`](super::Control::environment) says.
    Environment,
    /// Take note of devices that udev's database has in it.
    Devices(Vec<Args>),
    /// Log this much from now on.
    LogLevel(LogLevel),
}

/// What a load of the job files came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Loaded {
    /// How many jobs there are now.
    pub jobs: usize,
    /// Jobs whose files were refused: they are as before.
    pub refused: Vec<String>,
    /// What is wrong in files.
    pub reports: Vec<Fault>,
}

/// A fault in a job file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// `error` or `warning`.
    pub severity: String,
    /// What docs/errors.md explains it under.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// In which file.
    pub path: Option<String>,
    /// In which line, from 1.
    pub line: Option<usize>,
    /// In which column, from 1.
    pub column: Option<usize>,
    /// What to do.
    pub help: Option<String>,
}

/// The folders in which job files stand, as paths have them.
const FOLDERS: [&str; 4] = ["/jobs/", "/init/", "/rc.d/", "/init.d/"];
/// What follows a job's name in the names of its files.
const ENDINGS: [&str; 4] = [".override.ron", ".ron", ".override", ".conf"];

impl Fault {
    /// Whether it is in a file of the job of this name.
    #[must_use]
    pub fn concerns(&self, job: &str) -> bool {
        let Some(path) = self.path.as_deref() else { return false };
        let below = FOLDERS.iter().filter_map(|folder| path.split_once(folder)).map(|(_, name)| name);
        below
            .map(|name| ENDINGS.iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name))
            .any(|name| name == job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_of_the_job_whose_file_it_is_in() {
        for (path, job, concerns) in [
            ("/etc/init/web.conf", "web", true),
            ("/etc/init/net/web.override", "net/web", true),
            ("/etc/init/net/web.override", "web", false),
            ("/run/onset/jobs/web.override.ron", "web", true),
            ("/etc/rc.d/web", "web", true),
            ("/etc/init.d/web", "web", true),
            ("/etc/init/webs.conf", "web", false),
        ] {
            let fault = Fault {
                severity: "error".into(),
                code: "x".into(),
                message: "x".into(),
                path: Some(path.into()),
                line: None,
                column: None,
                help: None,
            };
            assert_eq!(fault.concerns(job), concerns, "{path} {job}");
        }
    }
}
