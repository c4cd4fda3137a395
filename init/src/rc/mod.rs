//! `onset-rc`: the commands that rc.d scripts count on, in one small program.
//!
//! Scripts of FreeBSD call `daemon`, `limits`, `sysrc`, `rcorder` and the like, which Linux does not have. Each is here
//! under its own name, takes the options that it always took, says what it always said, and ends with the status that it
//! always had. What the kernel of Linux has under another name is done by that; where it has nothing, one line on standard
//! error says so. They are for scripts: people find them in a folder of their own, behind those of the system.
//!
//! A boot calls them for each script, so there is no table of options that is built first, no library behind them, and
//! one file that stays in memory.

mod call;
mod checkyesno;
mod cpuset;
mod daemon;
mod kenv;
mod kernel_modules;
mod launch;
mod limits;
mod logger;
mod options;
mod protect;
mod pwait;
mod rc_conf;
pub(crate) mod rcorder;
mod service;
mod setfib;
mod sysctl;
mod syslog;
mod sysrc;

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, path::Path};

use call::Call;

/// What a command does with the words behind it; gives the exit status.
type Run = fn(&Call) -> u8;

/// The commands: name, what it does in words, and what does it.
const COMMANDS: &[(&str, &str, Run)] = &[
    ("checkyesno", "tells by its status whether a variable of rc.conf is yes", checkyesno::run),
    ("cpuset", "runs a command on some processors only, or shows on which one runs", cpuset::run),
    ("daemon", "runs a command detached, watches over it, and keeps its pidfile", daemon::run),
    ("kenv", "shows variables of the kernel's command line and of the machine", kenv::run),
    ("kldload", "loads a kernel module", kernel_modules::load),
    ("kldstat", "shows which kernel modules are there", kernel_modules::show),
    ("kldunload", "unloads a kernel module", kernel_modules::unload),
    ("limits", "shows resource limits, or runs a command with others", limits::run),
    ("logger", "writes into the system's log", logger::run),
    ("protect", "keeps a command from being killed when memory is short", protect::run),
    ("pwait", "waits for the end of processes", pwait::run),
    ("rcorder", "prints in which order scripts start", rcorder::run),
    ("service", "acts on a service, or lists services", service::run),
    ("setfib", "runs a command; the routing table cannot be chosen on Linux", setfib::run),
    ("sysctl", "shows and sets variables of the kernel by FreeBSD's or Linux's names", sysctl::run),
    ("sysrc", "shows and edits rc.conf", sysrc::run),
];

/// The command is wrong.
const USAGE: u8 = 64;

/// Does what the name asks for that we were called by, and gives the exit status.
#[must_use]
pub fn begin() -> i32 {
    crate::boot::open_standard_fds();
    let mut words = std::env::args_os();
    let called_as = words.next().unwrap_or_default();
    if let Some((name, run)) = find(&called_as) {
        return i32::from(run(&Call::new(name, words.collect())));
    }
    let command = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    if let Some((name, run)) = find(&command) {
        return i32::from(run(&Call::new(name, words)));
    }
    let call = Call::new("onset-rc", words);
    i32::from(match command.as_bytes() {
        b"-h" | b"--help" => call.show(help().as_bytes()),
        b"-V" | b"--version" => call.show(concat!("onset-rc ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        b"" => {
            call.warn(&help());
            USAGE
        }
        other => {
            let other = String::from_utf8_lossy(other);
            let meant = jobs::did_you_mean(&other, COMMANDS.iter().map(|(name, _, _)| *name));
            let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            call.fail(USAGE, &format!("there is no command `{other}`{meant}"))
        }
    })
}

fn find(word: &OsString) -> Option<(&'static str, Run)> {
    let name = Path::new(word).file_name()?.to_str()?;
    COMMANDS.iter().find(|(known, _, _)| *known == name).map(|(name, _, run)| (*name, *run))
}

fn help() -> String {
    let mut text = String::from(
        "Commands that rc.d scripts count on\n\nUsage: onset-rc COMMAND [ARGUMENT...]\n       COMMAND [ARGUMENT...]\n\nCommands:\n",
    );
    for (name, what, _) in COMMANDS {
        text.push_str(&format!("  {name:<12}{what}\n"));
    }
    text.push_str("\n`onset-rc COMMAND --help` shows the options of one.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_the_last_part_of_a_path_and_sorted() {
        assert!(find(&"/usr/sbin/daemon".into()).is_some());
        assert!(find(&"onset-rc".into()).is_none());
        assert!(find(&"".into()).is_none());
        assert!(COMMANDS.is_sorted_by_key(|(name, _, _)| *name));
        assert!(COMMANDS.iter().all(|(name, _, _)| help().contains(&format!("  {name} "))));
    }
}
