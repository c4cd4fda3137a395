//! The terminal of whoever looks on: what is typed goes to the machine's console, and what that shows comes out.

use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    os::fd::AsFd as _,
    time::Duration,
};

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::{
    failure::{Doing, Failure, Result},
    limit::Limit,
    qemu::Machine,
    stream::wait,
};

/// Ctrl and `]`: away from the machine, as telnet has it.
const LEAVE: u8 = 0x1d;

/// A terminal that hands on every key; as it was before when this is dropped.
struct Raw(Option<Termios>);

impl Raw {
    fn new() -> Result<Self> {
        if !io::stdin().is_terminal() {
            return Ok(Self(None));
        }
        let before = tcgetattr(io::stdin()).doing("the terminal")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &raw).doing("the terminal")?;
        Ok(Self(Some(before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone needs no mending.
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

/// Shows what is new on the machine's console.
pub fn show(machine: &mut Machine) {
    let new = machine.new_output();
    // Whoever closes our output does not want to see more; the machine goes on.
    let _ = io::stdout().write_all(new.as_bytes()).and_then(|()| io::stdout().flush());
}

/// Shows the console until `done`, without taking any key.
pub fn watch<T>(
    machine: &mut Machine,
    what: &str,
    limit: Limit,
    mut done: impl FnMut(&mut Machine) -> Option<T>,
) -> Result<T> {
    machine.until(what, limit, |machine| {
        show(machine);
        done(machine)
    })
}

/// Connects the terminal to the machine's console until the machine ends or Ctrl-] is typed. Says whether it
/// has ended.
pub fn attach(machine: &mut Machine) -> Result<bool> {
    let _raw = Raw::new()?;
    let mut listening = true;
    loop {
        show(machine);
        if machine.has_ended() {
            return Ok(true);
        }
        let input = io::stdin();
        let mut sources = machine.sources();
        if listening {
            sources.insert(0, input.as_fd());
        }
        let ready = wait(&sources, Duration::from_secs(3600))?;
        drop(sources);
        if listening && ready.first() == Some(&true) {
            let mut keys = [0; 256];
            let count = input.lock().read(&mut keys).doing("the terminal")?;
            let keys = keys.get(..count).unwrap_or_default();
            listening = !keys.is_empty();
            if keys.contains(&LEAVE) {
                return Ok(false);
            }
            machine
                .type_in(keys)
                .map_err(|Failure(why)| Failure(format!("the machine's keyboard: {why}")))?;
        }
        machine.take_in();
    }
}
