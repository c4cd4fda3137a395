//! Who stays to watch over a command: keeps the pidfiles, hands on its output and SIGTERM, and starts it again.

use core::time::Duration;
use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, OwnedFd},
};

use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, pipe2},
};

use super::{
    Prepared, READY, Waiting,
    child::{self, Identity},
    output::Output,
    pidfile::Pidfile,
    title,
    words::Wish,
};
use crate::{
    cli::connection::now,
    rc::call::{Call, reason},
    sys::spawn::{self, Copy, How},
};

/// Who watches.
pub struct Supervisor<'c> {
    call: &'c Call,
    wish: &'c Wish,
    identity: Option<Identity>,
    child_file: Option<Pidfile>,
    own_file: Option<Pidfile>,
    output: Output,
    /// The command, while it lives.
    child: Option<Pid>,
    /// When it is started again.
    start_at: Option<Duration>,
    starts: u32,
    /// Whether we were told to end.
    ends: bool,
    /// Whether the command could not be executed, and is not started again.
    has_failed: bool,
}

impl<'c> Supervisor<'c> {
    /// One that has not begun.
    pub fn new(call: &'c Call, wish: &'c Wish, prepared: Prepared) -> Self {
        Self {
            call,
            wish,
            identity: prepared.identity,
            child_file: prepared.child,
            own_file: prepared.own,
            output: prepared.output,
            child: None,
            start_at: None,
            starts: 0,
            ends: false,
            has_failed: false,
        }
    }

    /// Watches until there is nothing more to watch over, and gives the exit status.
    pub fn run(mut self, waiting: &mut Waiting) -> u8 {
        let code = match self.watch(waiting) {
            Ok(()) => u8::from(self.has_failed),
            Err(error) => self.call.fail(1, &reason(&error)),
        };
        self.output.end_line();
        self.child_file.into_iter().chain(self.own_file).for_each(Pidfile::remove);
        // Who still waits is told; who was told already hears nothing.
        waiting.tell(code);
        code
    }

    fn watch(&mut self, waiting: &mut Waiting) -> io::Result<()> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        signals.add(Signal::SIGTERM);
        if self.wish.opens_anew {
            signals.add(Signal::SIGHUP);
        }
        signals.thread_block()?;
        let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        if let Some(file) = &self.own_file {
            file.write(nix::unistd::getpid().as_raw())?;
        }
        self.start(waiting)?;
        while self.child.is_some() || self.start_at.is_some() || self.has_output() {
            self.wait(&signals)?;
            self.output.hand_on();
            while let Some(signal) = signals.read_signal()? {
                self.take(signal.ssi_signo);
            }
            self.reap();
            if self.start_at.is_some_and(|at| at <= now()) {
                self.start(waiting)?;
            }
        }
        Ok(())
    }

    /// Whether others that the command has left behind still write. They are waited for only if there is nothing else
    /// to do, and nobody wants us to end.
    fn has_output(&self) -> bool {
        !self.ends && self.output.source().is_some()
    }

    /// Waits until something happens.
    fn wait(&self, signals: &SignalFd) -> io::Result<()> {
        let timeout = match self.start_at {
            Some(at) => {
                // A millisecond more, so as not to come too early by less.
                let left = at.saturating_sub(now()).saturating_add(Duration::from_millis(1));
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        let mut polled = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        polled.extend(self.output.source().map(|source| PollFd::new(source, PollFlags::POLLIN)));
        match poll(&mut polled, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self, signal: u32) {
        let is = |wanted: Signal| u32::try_from(wanted as i32) == Ok(signal);
        if is(Signal::SIGTERM) {
            self.ends = true;
            self.start_at = None;
            self.output.let_end();
            if let Some(child) = self.child {
                // It may have ended a moment ago.
                let _ = kill(child, Signal::SIGTERM);
            }
        } else if is(Signal::SIGHUP) {
            self.output.open_anew();
        }
    }

    /// Looks whether the command has ended.
    fn reap(&mut self) {
        let Some(child) = self.child else { return };
        let has_ended = match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(nix::errno::Errno::ECHILD) => true,
            Ok(_) | Err(_) => false,
        };
        if !has_ended {
            return;
        }
        self.child = None;
        self.output.hand_on();
        let may = self.wish.most_restarts.is_none_or(|most| self.starts <= most);
        match self.wish.restart.filter(|_| may && !self.ends) {
            Some(delay) => {
                self.start_at = Some(now().saturating_add(delay));
                self.show_title();
            }
            None => self.output.let_end(),
        }
    }

    /// Starts the command. That it cannot be executed is an end like any other if it is to be started again.
    fn start(&mut self, waiting: &mut Waiting) -> io::Result<()> {
        self.start_at = None;
        self.starts = self.starts.saturating_add(1);
        self.output.make_pipe()?;
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        match spawn::copy(&How { clone3: false, pidfd: false, cgroup: None, noted: None })? {
            Copy::Child => {
                drop(read);
                let why = child::execute(self.wish, self.identity.as_ref(), &self.output);
                self.call.warn(&why);
                // The pipe says that it was not executed.
                let _ = nix::unistd::write(&write, &[1]);
                spawn::leave(1)
            }
            Copy::Parent { pid, .. } => {
                drop(write);
                self.child = Some(Pid::from_raw(pid));
                if let Some(file) = &self.child_file {
                    file.write(pid)?;
                }
                if self.wish.restart.is_none() {
                    self.output.let_end();
                }
                self.show_title();
                if is_empty(read) || self.wish.restart.is_some() {
                    waiting.tell(READY);
                } else {
                    // Told once the files are gone.
                    self.has_failed = true;
                }
                Ok(())
            }
        }
    }

    fn show_title(&self) {
        let command = self.wish.command.first().map(|word| word.to_string_lossy()).unwrap_or_default();
        let name = self.wish.title.as_deref().unwrap_or(&command);
        let pid = self.child.map(|pid| format!("[{pid}]")).unwrap_or_default();
        title::set(&format!("daemon: {name}{pid}"));
    }
}

/// Whether a pipe ends without a byte, which is when the program has been executed.
fn is_empty(pipe: OwnedFd) -> bool {
    let mut byte = [0];
    let mut pipe = File::from(pipe);
    loop {
        match pipe.read(&mut byte) {
            Ok(count) => return count == 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
}
