//! Processes of Onset's own: the loader, the log keeper, a rescue shell. Not those of jobs.

use std::{
    convert::Infallible,
    ffi::{CStr, CString},
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use nix::{
    fcntl::OFlag,
    sys::{
        resource::{Resource, setrlimit},
        signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask},
        stat::Mode,
    },
    unistd::{ForkResult, Pid, setsid},
};

use super::tty::take_terminal;

/// The image that this process runs from: held open, so that it can be executed also when its file is gone.
#[derive(Debug)]
pub struct Image(OwnedFd);

/// What to execute.
#[derive(Debug)]
pub enum Program<'p> {
    /// Our own image, under another name.
    Own(&'p Image),
    /// A file.
    File(&'p CStr),
}

/// How a process of our own is made.
#[derive(Debug)]
pub struct Start<'s> {
    /// What to execute.
    pub program: Program<'s>,
    /// Its words; the first is its name.
    pub argv: Vec<CString>,
    /// Its variables.
    pub envp: Vec<CString>,
    /// The descriptors it gets, as 0, 1, 2, ... in this order.
    pub fds: Vec<BorrowedFd<'s>>,
    /// Whether descriptor 0 becomes the terminal that controls it.
    pub owns_terminal: bool,
    /// The most memory it may have, in bytes.
    pub memory: Option<u64>,
}

impl Image {
    /// Our own.
    pub fn of_this_process() -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        Ok(Self(nix::fcntl::open("/proc/self/exe", flags, Mode::empty())?))
    }
}

impl AsFd for Image {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Makes the process. That the program cannot be executed shows as its end with status 127.
pub fn start(start: &Start<'_>) -> io::Result<Pid> {
    // SAFETY: this process has one thread, so the child may do whatever a single-threaded process may.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            super::spawn::IN_CHILD.store(true, std::sync::atomic::Ordering::Relaxed);
            // There is nobody to tell why but the status.
            let _ = become_program(start);
            // SAFETY: ends this process without running anything of PID 1's.
            unsafe { libc::_exit(127) }
        }
    }
}

fn become_program(start: &Start<'_>) -> io::Result<Infallible> {
    setsid()?;
    let program = match start.program {
        Program::Own(image) => Some(image.as_fd().as_raw_fd()),
        Program::File(_) => None,
    };
    // First out of the way of the numbers they go to, then there.
    let room = RawFd::try_from(start.fds.len()).map_err(io::Error::other)?.saturating_add(1);
    let program = program.map(|fd| duplicate(fd, room)).transpose()?;
    let high: Vec<RawFd> =
        start.fds.iter().map(|fd| duplicate(fd.as_raw_fd(), room)).collect::<io::Result<_>>()?;
    for (number, fd) in (0..).zip(&high) {
        // SAFETY: both are plain numbers; what stood at `number` is ours to replace in this child.
        if unsafe { libc::dup2(*fd, number) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    if start.owns_terminal
        && let Some(terminal) = super::tty::borrow_standard(0)
    {
        take_terminal(terminal)?;
    }
    if let Some(most) = start.memory {
        setrlimit(Resource::RLIMIT_AS, most, most)?;
    }
    reset_signals()?;
    close_from(room.saturating_sub(1), program)?;
    let argv: Vec<*const libc::c_char> = pointers(&start.argv);
    let envp: Vec<*const libc::c_char> = pointers(&start.envp);
    match (program, &start.program) {
        (Some(image), _) => {
            // SAFETY: both lists end with a null pointer and live, with what they point to, until the call is over.
            unsafe {
                libc::syscall(
                    libc::SYS_execveat,
                    image,
                    c"".as_ptr(),
                    argv.as_ptr(),
                    envp.as_ptr(),
                    libc::AT_EMPTY_PATH,
                )
            };
        }
        (None, Program::File(path)) => {
            // SAFETY: as above.
            unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
        }
        (None, Program::Own(_)) => {}
    }
    Err(io::Error::last_os_error())
}

fn pointers(words: &[CString]) -> Vec<*const libc::c_char> {
    words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
}

/// A duplicate of `fd` at or above `least`, closed at exec.
fn duplicate(fd: RawFd, least: RawFd) -> io::Result<RawFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes and gives plain numbers.
    let new = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, least) };
    if new < 0 { Err(io::Error::last_os_error()) } else { Ok(new) }
}

/// Closes every descriptor from `first` on, except `but`.
fn close_from(first: RawFd, but: Option<RawFd>) -> io::Result<()> {
    let close = |from: RawFd, to: libc::c_uint| {
        let from = libc::c_uint::try_from(from).unwrap_or(0);
        // SAFETY: closes descriptors of this child, none of which is used any more.
        if from <= to && unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    match but {
        None => close(first, libc::c_uint::MAX),
        Some(but) => {
            close(first, libc::c_uint::try_from(but.saturating_sub(1)).unwrap_or(0))?;
            close(but.saturating_add(1), libc::c_uint::MAX)
        }
    }
}

fn reset_signals() -> io::Result<()> {
    for wanted in Signal::iterator().filter(|it| !matches!(it, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: to set the default disposition runs no code of ours.
        unsafe { signal(wanted, SigHandler::SigDfl) }?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

/// Shells that a person may find on a machine, the usual one first.
const SHELLS: [(&CStr, &[&CStr]); 4] = [
    (c"/bin/sh", &[c"-sh"]),
    (c"/bin/bash", &[c"-bash"]),
    (c"/bin/busybox", &[c"sh"]),
    (c"/sbin/sulogin", &[c"sulogin"]),
];

/// What such a shell finds in its environment.
const ENVIRONMENT: [&CStr; 3] =
    [c"PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin", c"TERM=linux", c"HOME=/root"];

/// Starts a shell on a terminal, which then controls it.
pub fn shell_on(terminal: &File) -> io::Result<Pid> {
    use std::os::unix::ffi::OsStrExt as _;
    let is_there = |path: &CStr| std::path::Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())).exists();
    let (path, argv) = SHELLS.into_iter().find(|(path, _)| is_there(path)).ok_or(io::ErrorKind::NotFound)?;
    start(&Start {
        program: Program::File(path),
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        envp: ENVIRONMENT.iter().map(|&pair| pair.to_owned()).collect(),
        fds: vec![terminal.as_fd(); 3],
        owns_terminal: true,
        memory: None,
    })
}

/// Waits for children and nothing else, for ever.
pub fn reap_for_ever() -> ! {
    loop {
        // Without a child it fails at once; then there is only a signal left to wait for.
        if nix::sys::wait::wait().is_err() {
            nix::unistd::pause();
        }
    }
}

/// Becomes another program, under a name and with further words. It comes back only with an error.
pub fn execute(path: &CStr, name: &str, words: &[String]) -> io::Error {
    let words = [name].into_iter().chain(words.iter().map(String::as_str));
    let words: Vec<CString> = words.filter_map(|word| CString::new(word).ok()).collect();
    match nix::unistd::execv(path, &words) {
        Ok(never) => match never {},
        Err(error) => error.into(),
    }
}

/// Ends this process at once.
pub fn exit(code: i32) -> ! {
    // SAFETY: nothing of this process is used any more.
    unsafe { libc::_exit(code) }
}

/// A descriptor that this process was started with; `None` if there is none of that number.
#[must_use]
pub fn descriptor(number: RawFd) -> Option<OwnedFd> {
    use std::os::fd::FromRawFd as _;
    // SAFETY: F_GETFD takes and gives plain numbers.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return None;
    }
    // SAFETY: it is open, and whoever started us gave it to us for this: nobody else here owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
