//! `daemon`: runs a command detached from the terminal, and with most options watches over it.
//!
//! A third of all scripts of packages start what they start with it. It differs from FreeBSD's in one thing: it ends when
//! the command has been executed and the pidfiles are written, not before, so that `status` right behind `start` is right;
//! and a command that cannot be executed is told by its status.

mod child;
mod output;
mod pidfile;
mod supervisor;
mod title;
mod words;

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
};

use nix::{
    fcntl::OFlag,
    sys::wait::waitpid,
    unistd::{Pid, pipe2},
};

use self::{
    child::Identity,
    output::Output,
    pidfile::{Pidfile, Trouble},
    supervisor::Supervisor,
    words::Wish,
};
use super::call::{Call, reason};
use crate::sys::{
    child as own,
    spawn::{self, Copy, How},
};

/// What is said to who waits when all is well.
const READY: u8 = 0;

/// `daemon` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(words::USAGE) {
        return 0;
    }
    let wish = match words::read(&call.words) {
        Ok(wish) => wish,
        Err(words::Wrong::Usage(why)) => {
            if !why.is_empty() {
                call.warn(&why);
            }
            return call.misuse(1, words::USAGE);
        }
        Err(words::Wrong::Value(code, why)) => return call.fail(code, &why),
    };
    match prepare(&wish) {
        Ok(prepared) => begin(call, &wish, prepared),
        Err((code, why)) => call.fail(code, &why),
    }
}

/// What can go wrong before anything is started.
struct Prepared {
    identity: Option<Identity>,
    /// That of the command.
    child: Option<Pidfile>,
    /// That of who watches over it.
    own: Option<Pidfile>,
    output: Output,
}

fn prepare(wish: &Wish) -> Result<Prepared, (u8, String)> {
    let open = |path: &Option<std::path::PathBuf>| match path.as_deref().map(Pidfile::open).transpose() {
        Ok(pidfile) => Ok(pidfile),
        Err(Trouble::Running(pid)) => {
            let pid = pid.map(|pid| format!(", pid: {pid}")).unwrap_or_default();
            Err((3, format!("process already running{pid}")))
        }
        Err(Trouble::Failed(path, error)) => {
            Err((2, format!("pidfile `{}': {}", path.display(), reason(&error))))
        }
    };
    let identity = match &wish.user {
        Some(user) => Some(Identity::of(user).ok_or_else(|| (1, format!("unknown user: {user}")))?),
        None => None,
    };
    let child = open(&wish.child_pidfile)?;
    let own = match open(&wish.own_pidfile) {
        Ok(own) => own,
        Err(trouble) => {
            if let Some(child) = child {
                child.remove();
            }
            return Err(trouble);
        }
    };
    let output =
        Output::open(wish).map_err(|(path, error)| (7, format!("{}: {}", path.display(), reason(&error))));
    match output {
        Ok(output) => Ok(Prepared { identity, child, own, output }),
        Err(trouble) => {
            child.into_iter().chain(own).for_each(Pidfile::remove);
            Err(trouble)
        }
    }
}

/// Detaches, and waits until the command has been executed.
fn begin(call: &Call, wish: &Wish, prepared: Prepared) -> u8 {
    let Ok((read, write)) = pipe2(OFlag::O_CLOEXEC) else { return call.fail(1, &"no pipe") };
    match spawn::copy(&How { clone3: false, pidfd: false, cgroup: None, noted: None }) {
        Ok(Copy::Child) => {
            drop(read);
            let code = detached(call, wish, prepared, Some(write));
            spawn::leave(i32::from(code))
        }
        Ok(Copy::Parent { pid, .. }) => {
            drop(write);
            // Its files are the other's now. To drop their locks here would unlock them there.
            std::mem::forget(prepared);
            match answer(read) {
                Some(code) => code,
                // Executed in its place, which closes the pipe; or dead, which only the watching one can be.
                None if wish.is_watched() => {
                    let ended = waitpid(Pid::from_raw(pid), None);
                    call.fail(1, &format!("it ended before the command was started: {ended:?}"))
                }
                None => 0,
            }
        }
        Err(error) => call.fail(1, &reason(&error)),
    }
}

/// What the other one says: a status.
fn answer(pipe: OwnedFd) -> Option<u8> {
    let mut byte = [0];
    let mut pipe = File::from(pipe);
    loop {
        match pipe.read(&mut byte) {
            Ok(0) => return None,
            Ok(_) => return byte.first().copied(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// Who waits for the command to be executed.
struct Waiting(Option<OwnedFd>);

impl Waiting {
    /// Tells them how it went, once.
    fn tell(&mut self, code: u8) {
        if let Some(pipe) = self.0.take() {
            // If they are gone there is nobody to tell.
            let _ = File::from(pipe).write_all(&[code]);
        }
    }
}

fn detached(call: &Call, wish: &Wish, prepared: Prepared, waiting: Option<OwnedFd>) -> u8 {
    let mut waiting = Waiting(waiting);
    if let Err(error) = detach(wish) {
        let code = call.fail(1, &reason(&error));
        waiting.tell(code);
        prepared.child.into_iter().chain(prepared.own).for_each(Pidfile::remove);
        return code;
    }
    if !wish.is_watched() {
        let why = child::execute(wish, prepared.identity.as_ref(), &prepared.output);
        let code = call.fail(1, &why);
        waiting.tell(code);
        return code;
    }
    Supervisor::new(call, wish, prepared).run(&mut waiting)
}

/// A session of its own; the root as folder and nothing as input and output, if that is wished for.
fn detach(wish: &Wish) -> io::Result<()> {
    own::session()?;
    if wish.changes_folder {
        nix::unistd::chdir("/")?;
    }
    if wish.closes_files {
        let null =
            nix::fcntl::open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty())?;
        for standard in 0..=2 {
            own::place(std::os::fd::AsRawFd::as_raw_fd(&null), standard)?;
        }
    }
    Ok(())
}
