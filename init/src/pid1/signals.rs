//! What signals to PID 1 mean: on a machine, in a container, and from a busybox that takes us for its own init.

use std::{fs, io, os::fd::AsFd, path::PathBuf};

use jobs::Shutdown;
use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd, siginfo},
};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A child has changed.
    Reap,
    /// An event of this name.
    Emit(&'static str),
    /// Control-alt-delete was pressed.
    Keys,
    /// The job files shall be read again.
    Reload,
    /// The control socket shall be made anew.
    Reopen,
    /// The state shall be written to the log.
    Dump,
    /// PID 1 shall execute itself again.
    Reexec,
    /// The machine shall go down, in order.
    Down(Shutdown),
    /// The machine shall go down at once.
    DownNow(Shutdown),
    /// A run level.
    RunLevel(char),
    /// How much is said on the console.
    Debug(bool),
    /// Nothing.
    Nothing,
}

/// Who decides what a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    /// A machine of its own.
    Machine,
    /// The same, and the sender is busybox's `poweroff`, `reboot` or `halt`.
    Busybox,
    /// A container.
    Container,
}

/// The signals that are for PID 1, read from a descriptor.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Holds back all signals and reads them from now on. Those that tell of our own faults stay as they are.
    pub fn new() -> io::Result<Self> {
        let mut set = SigSet::all();
        for fault in [
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGILL,
            Signal::SIGFPE,
            Signal::SIGABRT,
            Signal::SIGTRAP,
        ] {
            set.remove(fault);
        }
        set.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&crate::sys::signals::with_realtime(set), flags)?))
    }

    /// The next one that has come.
    #[must_use]
    pub fn next(&self) -> Option<siginfo> {
        self.0.read_signal().ok().flatten()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether the sender of a signal is busybox, whose programs speak another language than others. They end as soon
/// as they have sent it: of one that is gone already it is taken for granted where the shell is busybox, since that
/// shell runs its own `poweroff` whatever other one there is.
#[must_use]
pub fn is_busybox(pid: u32) -> bool {
    let named =
        |path: PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("busybox"));
    match fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(exe) => named(exe),
        // 0 is a sender outside of our pid namespace, who sees nothing of our shell.
        Err(_) => pid != 0 && fs::canonicalize("/bin/sh").is_ok_and(named),
    }
}

/// Whether a signal means the same whoever has sent it: such come often.
#[must_use]
pub fn speaks_for_itself(number: u32) -> bool {
    meaning(number, World::Machine) == meaning(number, World::Busybox)
}

/// Whether an rc.d script that sends this wants the boot to stop.
#[must_use]
pub fn ends_boot(number: u32) -> bool {
    i32::try_from(number).is_ok_and(|number| number == Signal::SIGTERM as i32)
}

/// What signal `number` means.
#[must_use]
pub fn meaning(number: u32, world: World) -> Wish {
    const RTMIN: u32 = 34;
    let known = i32::try_from(number).ok().and_then(|number| Signal::try_from(number).ok());
    match (known, world) {
        (Some(Signal::SIGCHLD), _) => Wish::Reap,
        // SIGALRM is what rc.d scripts send to RC_PID, so that rc.conf is read again.
        (Some(Signal::SIGHUP | Signal::SIGALRM), _) => Wish::Reload,
        (Some(Signal::SIGTERM | Signal::SIGINT), World::Container) => Wish::Down(Shutdown::Poweroff),
        (Some(Signal::SIGINT), _) => Wish::Keys,
        (Some(Signal::SIGTERM), World::Busybox) => Wish::Down(Shutdown::Reboot),
        (Some(Signal::SIGTERM), World::Machine) => Wish::Reexec,
        (Some(Signal::SIGUSR1), World::Busybox) => Wish::Down(Shutdown::Halt),
        (Some(Signal::SIGUSR2), World::Busybox) => Wish::Down(Shutdown::Poweroff),
        (Some(Signal::SIGUSR1), _) => Wish::Reopen,
        (Some(Signal::SIGUSR2), _) => Wish::Dump,
        (Some(Signal::SIGPWR), _) => Wish::Emit("power-status-changed"),
        (Some(Signal::SIGWINCH), _) => Wish::Emit("keyboard-request"),
        (Some(_), _) => Wish::Nothing,
        (None, _) => match number.checked_sub(RTMIN) {
            Some(0) => Wish::RunLevel('2'),
            Some(1 | 2) => Wish::RunLevel('S'),
            Some(3) if world == World::Container => Wish::Down(Shutdown::Poweroff),
            Some(3) => Wish::Down(Shutdown::Halt),
            Some(4) => Wish::Down(Shutdown::Poweroff),
            Some(5) => Wish::Down(Shutdown::Reboot),
            Some(6) => Wish::Down(Shutdown::Kexec),
            Some(13) => Wish::DownNow(Shutdown::Halt),
            Some(14) => Wish::DownNow(Shutdown::Poweroff),
            Some(15) => Wish::DownNow(Shutdown::Reboot),
            Some(16) => Wish::DownNow(Shutdown::Kexec),
            Some(20) => Wish::Debug(true),
            Some(21) => Wish::Debug(false),
            Some(_) | None => Wish::Nothing,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_means_what_its_sender_expects() {
        for (number, world, wish) in [
            (15, World::Machine, Wish::Reexec),
            (15, World::Container, Wish::Down(Shutdown::Poweroff)),
            (15, World::Busybox, Wish::Down(Shutdown::Reboot)),
            (12, World::Busybox, Wish::Down(Shutdown::Poweroff)),
            (10, World::Machine, Wish::Reopen),
            (2, World::Machine, Wish::Keys),
            (30, World::Machine, Wish::Emit("power-status-changed")),
            (37, World::Container, Wish::Down(Shutdown::Poweroff)),
            (37, World::Machine, Wish::Down(Shutdown::Halt)),
            (48, World::Machine, Wish::DownNow(Shutdown::Poweroff)),
            (13, World::Machine, Wish::Nothing),
            (64, World::Machine, Wish::Nothing),
        ] {
            assert_eq!(meaning(number, world), wish, "{number} {world:?}");
        }
    }
}
