//! Processes that belong to no job: the log keeper, the rescue shell, the command of a test machine.

use std::{
    ffi::CString,
    fs::OpenOptions,
    io::{self, Write as _},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt as _,
    },
};

use nix::unistd::Pid;

use super::{hearing::Own, machine::Machine};
use crate::{
    boot::active_console,
    logs::{Level, Logs},
    sys::own::{Program, Start, shell_on, start},
};

impl Machine {
    /// Starts the log keeper, if one is wanted.
    pub(super) fn start_keeper(&mut self) {
        if !self.logs.keeper_wanted(self.core.now) || self.end.is_some() {
            return;
        }
        match self.keeper() {
            Ok((channel, pid)) => self.logs.keeper_started(&mut self.core.shell(), channel, pid.as_raw()),
            Err(error) => self.say(Level::Error, &format!("the log keeper cannot be started: {error}")),
        }
    }

    fn keeper(&mut self) -> io::Result<(OwnedFd, Pid)> {
        let (ours, its) = Logs::channel()?;
        let mut fds: Vec<BorrowedFd<'_>> = vec![its.as_fd()];
        for number in [1, 2] {
            fds.extend(crate::sys::tty::borrow_standard(number));
        }
        let keeper = Start {
            program: Program::Own(&self.image),
            argv: words(&["onset-log"]),
            envp: Vec::new(),
            fds,
            owns_terminal: false,
            memory: None,
        };
        let pid = start(&keeper)?;
        self.own.insert(pid, Own::Keeper);
        self.must_save = true;
        Ok((ours, pid))
    }

    /// A shell for the person at the console, who is told why.
    pub(super) fn rescue(&mut self, why: &str) {
        if self.own.values().any(|own| *own == Own::Rescue) {
            return;
        }
        self.say(Level::Error, why);
        let path = active_console();
        let open =
            |path: &str| OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path);
        let Ok(mut terminal) = open(&path).or_else(|_| open("/dev/console")) else {
            self.say(Level::Error, "there is no console for a rescue shell");
            return;
        };
        let help = "You are in the rescue shell of Onset. `exit` goes on with the boot; `onsetctl check` looks at the job files.";
        // Somebody who cannot read this cannot use the shell either.
        let _ = write!(terminal, "\r\nonset: {why}\r\n{help}\r\n");
        match shell_on(&terminal) {
            Ok(pid) => {
                self.own.insert(pid, Own::Rescue);
                self.must_save = true;
            }
            Err(error) => self.say(Level::Error, &format!("no rescue shell: {error}")),
        }
    }
}

fn words(words: &[&str]) -> Vec<CString> {
    words.iter().filter_map(|word| CString::new(*word).ok()).collect()
}
