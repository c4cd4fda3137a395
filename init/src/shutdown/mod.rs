//! The end of a machine: all that is left is ended, file systems are put away, and then `reboot(2)`.
//!
//! When this begins, all jobs are down. PID 1 never waits here either: it is a state that the loop asks for its next
//! step. What may block (unmounting) is done by a process of its own, for which there is a limit.

mod leave;
mod switch;
mod unmount;

use std::{fs, time::Duration};

use events::Time;
use jobs::Shutdown;
use nix::{
    errno::Errno,
    sys::{
        reboot::{RebootMode, reboot},
        signal::{Signal, kill},
    },
    unistd::{Pid, getpid, sync},
};

pub use leave::OldRoot;
pub use switch::{hand_over, switch_root};
pub use unmount::run as run_unmount;

/// How long processes that belong to no job have between TERM and KILL.
const TERM_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait for those that KILL was sent to.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// How long file systems may take.
const UNMOUNT_LIMIT: Duration = Duration::from_secs(30);

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Everything that is left was asked to end.
    Asked,
    /// It was killed.
    Killed,
    /// File systems are being put away by this process.
    Unmounting(Pid),
    /// The kernel has been told.
    Over,
}

/// The end of the machine.
#[derive(Debug)]
pub struct End {
    kind: Shutdown,
    step: Step,
    until: Time,
    written: Written,
}

/// Whether file systems have been written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Nobody has tried.
    No,
    /// Yes, or there is no use in trying again.
    Yes,
}

/// What the loop must do for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Come back when a child has ended, or at the deadline.
    Wait,
    /// Start the process that puts file systems away, and say which it is with [`End::unmounting`].
    Unmount,
    /// Call [`power`]: there is nothing left to do.
    Power(Shutdown, Written),
}

impl End {
    /// Asks everything that is left to end, but for PID 1.
    #[must_use]
    pub fn begin(kind: Shutdown, now: Time) -> Self {
        signal_all(Signal::SIGTERM);
        // Stopped ones hear it only when they go on.
        signal_all(Signal::SIGCONT);
        Self { kind, step: Step::Asked, until: now.after(TERM_LIMIT), written: Written::No }
    }

    /// What the machine shall do in the end.
    #[must_use]
    pub const fn kind(&self) -> Shutdown {
        self.kind
    }

    /// When to come back at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        (self.step != Step::Over).then_some(self.until)
    }

    /// What is next. `alone` says whether no other process is left.
    pub fn next(&mut self, alone: bool, now: Time) -> Next {
        match self.step {
            Step::Asked if alone => self.unmount(now),
            Step::Asked if now >= self.until => {
                signal_all(Signal::SIGKILL);
                (self.step, self.until) = (Step::Killed, now.after(KILL_LIMIT));
                Next::Wait
            }
            Step::Killed if alone || now >= self.until => self.unmount(now),
            Step::Unmounting(pid) if now >= self.until => {
                // What hangs there hangs in the kernel; it may be gone by itself.
                let _ = kill(pid, Signal::SIGKILL);
                self.over()
            }
            Step::Asked | Step::Killed | Step::Unmounting(_) => Next::Wait,
            Step::Over => Next::Power(self.kind, self.written),
        }
    }

    fn unmount(&mut self, now: Time) -> Next {
        self.until = now.after(UNMOUNT_LIMIT);
        Next::Unmount
    }

    fn over(&mut self) -> Next {
        self.step = Step::Over;
        Next::Power(self.kind, self.written)
    }

    /// File systems are being put away by this process; `None` if it could not be started.
    pub fn unmounting(&mut self, pid: Option<Pid>) {
        self.step = pid.map_or(Step::Over, Step::Unmounting);
        // It writes everything out, and what it cannot write would hold us, too.
        self.written = if pid.is_some() { Written::Yes } else { Written::No };
    }

    /// A process of ours has ended.
    pub fn ended(&mut self, pid: Pid) {
        if self.step == Step::Unmounting(pid) {
            self.step = Step::Over;
        }
    }
}

/// What is in the way of such an end, which is better known before everything is stopped.
#[must_use]
pub fn obstacle(kind: Shutdown) -> Option<&'static str> {
    match kind {
        Shutdown::Kexec => match fs::read_to_string("/sys/kernel/kexec_loaded").as_deref().map(str::trim) {
            Ok("0") => Some("no kernel is loaded that could be started: `kexec -l` loads one"),
            Ok(_) => None,
            Err(_) => Some("this kernel cannot start another one"),
        },
        Shutdown::Poweroff | Shutdown::Reboot | Shutdown::Halt => None,
    }
}

/// Whether this process is the init of a namespace or machine: all that follows is refused elsewhere.
fn is_init() -> bool {
    getpid() == Pid::from_raw(1)
}

/// Sends a signal to every process but PID 1.
fn signal_all(signal: Signal) {
    if is_init() {
        // That nobody is left is what is wished for.
        let _ = kill(Pid::from_raw(-1), signal);
    }
}

/// Whether PID 1 has no child left. All that is left of the others are its children, too.
#[must_use]
pub fn is_alone() -> bool {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, flags) == Err(Errno::ECHILD)
}

/// Ends the machine. It comes back only if the kernel refuses, and gives why.
pub fn power(kind: Shutdown, written: Written) -> Errno {
    if !is_init() {
        return Errno::EPERM;
    }
    if written == Written::No {
        sync();
    }
    let mode = match kind {
        Shutdown::Poweroff => RebootMode::RB_POWER_OFF,
        Shutdown::Reboot => RebootMode::RB_AUTOBOOT,
        Shutdown::Halt => RebootMode::RB_HALT_SYSTEM,
        Shutdown::Kexec => RebootMode::RB_KEXEC,
    };
    let Err(refused) = reboot(mode);
    match kind {
        // No kernel was loaded to go over to.
        Shutdown::Kexec => {
            let Err(refused) = reboot(RebootMode::RB_AUTOBOOT);
            refused
        }
        Shutdown::Poweroff | Shutdown::Reboot | Shutdown::Halt => refused,
    }
}
