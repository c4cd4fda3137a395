//! Where a process's output goes.

use std::os::fd::OwnedFd;

/// Where the standard output and error of a process go.
#[derive(Debug)]
pub enum Output {
    /// Nowhere: /dev/null.
    Null,
    /// Into this end of the job's pipe, which the log keeper reads. If the job has a user, the child gives the
    /// pipe to it (`fchown`), so that the job can open /dev/stderr.
    Pipe(OwnedFd),
    /// To the console.
    Console,
    /// To the console, which is its controlling terminal.
    Owner,
    /// The same if the console is nobody's; if somebody has logged in there, or may, into this end of the pipe.
    Offered(OwnedFd),
}
