//! The first moments: which of our programs is meant, then descriptors, mounts and signals of PID 1. Nothing here may
//! need anything to be there.

mod console;
mod machine;
mod mounts;
pub mod run;

use std::io::{self, Write as _};

pub use console::{active_console, consoles, open_standard_fds};
pub use mounts::mount_what_is_missing;
use nix::unistd::getpid;

use crate::{loader, logs, shutdown, stock, sys};

/// Does what the name that we were called by asks for, and gives the exit code.
#[must_use]
pub fn begin() -> i32 {
    // Before anything that might fail: the standard library takes descriptors 0 to 2 for granted.
    open_standard_fds();
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let (name, rest) = split(&words);
    // A job names our image by its path, and what is meant behind it.
    let (name, rest) =
        if rest.first().is_some_and(|word| word.starts_with("onset-")) { split(rest) } else { (name, rest) };
    let code = match name {
        "onset-load" => loader::run(rest),
        "onset-log" => logs::keeper::run(),
        "onset-unmount" => shutdown::run_unmount(),
        "onset-setup" => stock::run(rest),
        "onset-run" => run::main(rest.iter().cloned()),
        _ if getpid().as_raw() == 1 => machine::begin(rest),
        _ => answer(name, rest),
    };
    i32::from(code)
}

/// A program's name without its folder, and the words behind it.
fn split(words: &[String]) -> (&str, &[String]) {
    match words.split_first() {
        Some((path, rest)) => (path.rsplit('/').next().unwrap_or("onset"), rest),
        None => ("onset", words),
    }
}

/// Somebody calls us who is not the kernel.
fn answer(name: &str, words: &[String]) -> u8 {
    // As `init` we are what old scripts know: `init 3`, `init q`.
    if name == "init" {
        let error = sys::own::execute(c"/usr/sbin/onsetctl", "telinit", words);
        return fail(&format!("init: cannot execute /usr/sbin/onsetctl: {error}"));
    }
    match words.first().map(String::as_str) {
        Some("--version" | "-V") => say(&format!("onset {}", env!("CARGO_PKG_VERSION"))),
        Some("--help" | "-h") => say(HELP),
        _ => fail("onset: only the kernel starts this, as process 1; see `onset --help`"),
    }
}

const HELP: &str = "\
onset: an init that runs jobs when events happen

The kernel starts it as process 1 (`init=/usr/sbin/onset` on the kernel's command line), or a container does
(`onset -- COMMAND ARGUMENTS`, or with jobs in /etc/onset/jobs). It is steered with `onsetctl`.

Arguments and words of the kernel's command line:
  single, s, S, 1            a shell for one person, after the machine is set up
  emergency, -b              a shell at once
  2, 3, 4, 5                 this run level
  quiet, debug               less, or more, on the console
  onset.goal=JOB             start this job in the place of everything that waits for `startup`
  onset.event=NAME,KEY=VALUE emit this event, too
  onset.mode=NAME            be in this mode from the beginning
  onset.run=\"COMMAND\"        run this when the boot has settled, tell the host, and power off
  onset.settle=60s           how long the boot may take to settle
  onset.watchdog=30s         feed /dev/watchdog, as soon as it is there
  onset.log=SIZE,FILES       how much is kept of each log (1M,4)
  onset.buffer=SIZE          how many bytes of news about devices wait to be read (8M)
  onset.without=WHAT,...     do without clone3, cgroup2, pidfd
  --container                behave as in a container
";

fn say(text: &str) -> u8 {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn fail(text: &str) -> u8 {
    // Whom it does not reach has the exit code.
    let _ = writeln!(io::stderr(), "{text}");
    2
}
