//! Signals that `nix` has no names for.

use nix::sys::signal::SigSet;

/// The same set with all realtime signals, which are also held back.
#[must_use]
pub fn with_realtime(set: SigSet) -> SigSet {
    let mut raw = *set.as_ref();
    for number in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // SAFETY: `raw` is a set of our own, and the number is that of a signal.
        unsafe { libc::sigaddset(&raw mut raw, number) };
    }
    // SAFETY: holds back the signals of `raw`; nothing is written to.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const raw, std::ptr::null_mut()) };
    // SAFETY: the set was made from an initialised one.
    unsafe { SigSet::from_sigset_t_unchecked(raw) }
}

/// Makes writing into a pipe or socket that nobody reads an error, in place of a signal.
pub fn ignore_closed_pipes() {
    // SAFETY: to ignore a signal needs no function.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}
