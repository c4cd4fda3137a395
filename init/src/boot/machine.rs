//! The start of PID 1: what must be there before the loop can run.

use std::{fs, io, path::Path};

use crate::{
    pid1::{machine::Machine, options::Options},
    sys::{exec, fault, own},
};

/// Where the kernel's own words are.
const COMMAND_LINE: &str = "/proc/cmdline";

/// Runs as PID 1. It comes back only in a container, whose end is its own.
pub fn begin(words: &[String]) -> u8 {
    // What goes wrong from here on is survived, or at least said.
    fault::install();
    exec::prepare();
    match run(words) {
        Err(error) => last_resort(&error.to_string()),
    }
}

fn run(words: &[String]) -> io::Result<std::convert::Infallible> {
    let resumed = exec::resume_descriptor();
    let remarks = if resumed.is_some() { Vec::new() } else { super::mount_what_is_missing() };
    let mut options = Options::parse(&fs::read_to_string(COMMAND_LINE).unwrap_or_default(), words);
    options.container |= is_container();
    if options.container {
        // The kernel's command line is the host's.
        let container = Options::parse("", words);
        options = Options { container: true, ..container };
    }
    options.remarks.extend(remarks.into_iter().filter(|_| !options.container));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let machine = match resumed {
            Some(page) => Machine::resume(page, options)?,
            None => Machine::new(options)?,
        };
        machine.run().await
    })
}

/// Whether somebody has started us in a container, and says so in the customary ways.
fn is_container() -> bool {
    std::env::var_os("container").is_some_and(|kind| !kind.is_empty())
        || Path::new("/run/.containerenv").exists()
        || Path::new("/.dockerenv").exists()
}

/// There is no loop to be had. A person gets a shell, and what ends is reaped: as long as we are there, the kernel does
/// not panic.
fn last_resort(why: &str) -> ! {
    let console = super::active_console();
    if let Ok(mut file) = fs::OpenOptions::new().read(true).write(true).open(&console) {
        use std::io::Write as _;
        // There is nobody else to tell.
        let _ = write!(file, "\r\nonset: cannot run: {why}\r\n");
        let _ = own::shell_on(&file);
    }
    own::reap_for_ever()
}
