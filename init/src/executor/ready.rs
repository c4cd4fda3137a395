//! What tells that a job is up: a newline, a pidfile, a path; and main processes that are not our children.

use std::{
    fs::File,
    io::Read as _,
    os::fd::{AsFd as _, OwnedFd},
};

use jobs::{Exit, Input, Job, Life, Pid, ProcessKind, Ready};
use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
    sys::inotify::AddWatchFlags,
    unistd::pipe2,
};

use super::{
    Executor,
    life::{Body, Process, Role, Watched},
    noted::What,
    plan::{Extra, ready_descriptor},
    sessions::Stat,
    step::Unmade,
};
use crate::{
    pid1::{shell::Shell, token::Token},
    sources::sockets::Given,
    store::{Kept, Label},
    sys::{pidfd, poll::Interest, wait},
};

/// How often a pidfile or path is looked for, in milliseconds.
const LOOK: u64 = 100;
/// How often a main process is looked at that nobody tells the end of, in milliseconds.
const LOOK_AT_STRANGER: u64 = 1_000;
/// How much of a pidfile is read.
const PIDFILE: usize = 64;

impl Executor {
    /// What the executor adds to a process: the descriptor that it is ready by, sockets, addresses.
    pub(super) fn extra(
        &mut self,
        shell: &mut Shell<'_>,
        life: Life,
        job: &Job,
        given: Result<Given, Unmade>,
        process: ProcessKind,
    ) -> Result<Extra, Unmade> {
        let mut extra = Extra::default();
        let Some(body) = self.lives.get_mut(&life.number) else { return Ok(extra) };
        if self.tree.is_none() {
            extra.marker = Some(body.marker());
        }
        if Self::wants_voice(body, process) {
            extra.watchdog = body.watchdog.every;
            extra.notify = self.voice(shell, life).map_err(|error| Unmade::by("notify", &error))?;
        }
        extra.given = given?;
        if process == ProcessKind::Main
            && let Some(target) = ready_descriptor(job)
        {
            let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
                .map_err(|error| Unmade::by("pipe", &error.into()))?;
            let label = Label { role: super::records::READY, place: life.place, number: life.number };
            let watched = self.watch_ready_fd(shell, life, Kept::new(read, label));
            let watched = watched.map_err(|error| Unmade::by("poll", &error))?;
            let old = self.lives.get_mut(&life.number).and_then(|body| body.ready_fd.replace(watched));
            self.close_ready_fd(shell, old);
            extra.ready = Some((write, target));
        }
        Ok(extra)
    }

    /// Waits for a newline on a descriptor from now on.
    pub(super) fn watch_ready_fd(
        &mut self,
        shell: &mut Shell<'_>,
        life: Life,
        fd: Kept,
    ) -> std::io::Result<Watched<Kept>> {
        let place = self.ready_fds.add(life.number);
        match shell.poll.add(fd.as_fd(), Interest::Read, Token::ReadyFd(place)) {
            Ok(registration) => Ok((fd, registration, place)),
            Err(error) => {
                self.ready_fds.remove(place);
                Err(error)
            }
        }
    }

    fn close_ready_fd(&mut self, shell: &mut Shell<'_>, fd: Option<Watched<Kept>>) {
        if let Some((fd, registration, place)) = fd {
            shell.poll.remove(&fd, registration);
            self.ready_fds.remove(place);
        }
    }

    /// Main has been executed: from now on it may become ready.
    pub(super) fn main_began(&mut self, shell: &mut Shell<'_>, number: u64) {
        let Some(body) = self.lives.get_mut(&number) else { return };
        match &body.ready {
            Ready::Spawned | Ready::Socket => body.waits = false,
            Ready::Pidfile(path) | Ready::Path(path) => {
                if let (Some((inotify, _)), Some(folder)) = (&self.inotify, path.rsplit_once('/')) {
                    let flags = AddWatchFlags::IN_CREATE
                        | AddWatchFlags::IN_MOVED_TO
                        | AddWatchFlags::IN_CLOSE_WRITE
                        | AddWatchFlags::IN_ONLYDIR;
                    // A folder that is not there yet is looked for by the clock.
                    let folder = if folder.0.is_empty() { "/" } else { folder.0 };
                    if let Ok(watch) = inotify.add_watch(folder, flags) {
                        self.watches.insert(watch, number);
                    }
                }
                self.look_for_file(shell, number);
            }
            Ready::Forked | Ready::Stopped | Ready::Notify | Ready::Fd(_) => {}
        }
        if self.lives.get(&number).is_some_and(|body| body.ready != Ready::Notify) {
            self.watch_over(shell, number);
        }
    }

    /// A newline on the descriptor that a job is ready by.
    pub(super) fn ready_fd(&mut self, shell: &mut Shell<'_>, place: u32) {
        let Some(number) = self.ready_fds.get(place).copied() else { return };
        let Some(body) = self.lives.get_mut(&number) else { return };
        let Some((fd, ..)) = &body.ready_fd else { return };
        let mut bytes = [0_u8; 256];
        let said = match nix::unistd::read(fd, &mut bytes) {
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            Ok(read) if read > 0 => bytes.get(..read).unwrap_or_default().contains(&b'\n'),
            Ok(_) | Err(_) => {
                let fd = body.ready_fd.take();
                return self.close_ready_fd(shell, fd);
            }
        };
        if said {
            let fd = body.ready_fd.take();
            self.close_ready_fd(shell, fd);
            self.is_ready(shell, number, None);
        }
    }

    /// A life is up, and perhaps says which process is main.
    pub(super) fn is_ready(&mut self, shell: &mut Shell<'_>, number: u64, main: Option<i32>) {
        self.hear_main_begin(shell, number);
        let Some(body) = self.lives.get_mut(&number) else { return };
        if std::mem::take(&mut body.waits) {
            let life = body.life;
            let main = main.or_else(|| named(body));
            self.note(number, main.unwrap_or(0), What::Ready);
            let main = main.map(|pid| Pid(pid.unsigned_abs()));
            shell.report(Input::Ready { life, main });
        }
    }

    /// That main was executed is told before anything that it says, in whatever order it was heard of.
    pub(super) fn hear_main_begin(&mut self, shell: &mut Shell<'_>, number: u64) {
        let main = self.lives.get(&number).and_then(Body::main).map(|main| main.role);
        if let Some(Role::SetUp(_, place)) = main {
            self.status(shell, place);
        }
    }

    /// Looks at a life whose time has come.
    pub(super) fn look_at(&mut self, shell: &mut Shell<'_>, number: u64) {
        self.look_for_debt(shell, number);
        self.look_for_file(shell, number);
        self.look_at_stranger(shell, number);
        self.look_at_voice(shell, number);
        self.look_at_watchdog(shell, number);
    }

    /// Whether the pidfile or path is there that a job is ready by.
    fn look_for_file(&mut self, shell: &mut Shell<'_>, number: u64) {
        let Some(body) = self.lives.get(&number).filter(|body| body.waits) else { return };
        let began = body.process(ProcessKind::Main).is_none_or(|main| !matches!(main.role, Role::SetUp(..)));
        let root = body.chroot.as_deref().unwrap_or_default();
        let found = match &body.ready {
            Ready::Path(path) => open(&format!("{root}{path}"), OFlag::O_PATH).map(|_| None),
            Ready::Pidfile(path) => {
                let pid = read_pid(&format!("{root}{path}"));
                pid.filter(|pid| self.is_of(*pid, number)).map(Some)
            }
            Ready::Spawned
            | Ready::Forked
            | Ready::Stopped
            | Ready::Notify
            | Ready::Fd(_)
            | Ready::Socket => return,
        };
        match found {
            Some(Some(pid)) if began => {
                self.set_main(shell, number, pid);
                self.is_ready(shell, number, Some(pid));
            }
            Some(None) if began => self.is_ready(shell, number, None),
            Some(_) | None => self.look_in(shell, number, LOOK),
        }
    }

    /// Whether a process is in main's group of a life: what anybody says of any other is not believed.
    pub(super) fn is_of(&self, pid: i32, number: u64) -> bool {
        match &self.tree {
            Some(tree) => tree.life_of(pid) == Some((number, false)),
            None => self.life_of_marked(pid) == Some(number),
        }
    }

    /// Another process is main from now on. It must be one of the life's own.
    pub(super) fn set_main(&mut self, shell: &mut Shell<'_>, number: u64, pid: i32) {
        let Some(body) = self.lives.get_mut(&number) else { return };
        if body.main().is_some_and(|main| main.pid == pid) {
            return;
        }
        for process in body.processes.iter_mut().filter(|known| known.role.kind() == Some(ProcessKind::Main))
        {
            process.role = Role::Over;
        }
        let old = body.stranger.take();
        body.processes.retain(|known| known.pid != pid && !known.is_stranger);
        let is_stranger = !wait::is_child(pid);
        let pidfd = if self.pidfd { pidfd::open(pid).ok() } else { None };
        if !is_stranger {
            self.pids.insert(pid, number);
        }
        let watched = pidfd.as_ref().filter(|_| is_stranger).and_then(|fd| fd.try_clone().ok());
        body.processes.push(Process { role: Role::Named, pid, pidfd, is_stranger });
        self.close_stranger(shell, old);
        if is_stranger {
            self.watch_stranger(shell, number, watched);
        }
    }

    fn watch_stranger(&mut self, shell: &mut Shell<'_>, number: u64, fd: Option<OwnedFd>) {
        let Some(fd) = fd else { return self.look_in(shell, number, LOOK_AT_STRANGER) };
        let place = self.strangers.add(number);
        match shell.poll.add(fd.as_fd(), Interest::Read, Token::PidFd(place)) {
            Ok(registration) => {
                if let Some(body) = self.lives.get_mut(&number) {
                    body.stranger = Some((fd, registration, place));
                }
            }
            Err(_) => {
                self.strangers.remove(place);
                self.look_in(shell, number, LOOK_AT_STRANGER);
            }
        }
    }

    fn close_stranger(&mut self, shell: &mut Shell<'_>, fd: Option<Watched<OwnedFd>>) {
        if let Some((fd, registration, place)) = fd {
            shell.poll.remove(&fd, registration);
            self.strangers.remove(place);
        }
    }

    /// A main process that is not our child has ended; how, only its parent knows.
    pub(super) fn stranger_ended(&mut self, shell: &mut Shell<'_>, place: u32) {
        let Some(number) = self.strangers.get(place).copied() else { return };
        let Some(body) = self.lives.get_mut(&number) else { return };
        let fd = body.stranger.take();
        let pid = body.processes.iter().find(|known| known.is_stranger).map(|known| known.pid);
        self.close_stranger(shell, fd);
        if let Some(pid) = pid {
            if wait::is_child(pid) {
                // Its parent has ended before it: it is ours to reap, and its end will be told with how it was.
                self.pids.insert(pid, number);
                if let Some(known) = self.lives.get_mut(&number).and_then(|body| body.process_mut(pid)) {
                    known.is_stranger = false;
                }
                return;
            }
            self.pids.insert(pid, number);
            self.ended(shell, pid, Exit::Code(0));
        }
    }

    fn look_at_stranger(&mut self, shell: &mut Shell<'_>, number: u64) {
        let Some(body) = self.lives.get(&number) else { return };
        let Some(known) = body.processes.iter().find(|known| known.is_stranger) else { return };
        if body.stranger.is_some() {
            return;
        }
        let pid = known.pid;
        let lives = Stat::of(pid).is_some_and(|stat| !stat.is_dead()) && self.is_of(pid, number);
        if !wait::is_child(pid) && lives {
            return self.look_in(shell, number, LOOK_AT_STRANGER);
        }
        self.pids.insert(pid, number);
        if !wait::is_child(pid) {
            self.ended(shell, pid, Exit::Code(0));
        }
    }

    /// Something has changed in a cgroup, or in a folder in which a file is waited for.
    pub(super) fn files_changed(&mut self, shell: &mut Shell<'_>) {
        let Some((inotify, _)) = &self.inotify else { return };
        let Ok(events) = inotify.read_events() else { return };
        let mut concerned: Vec<u64> = Vec::new();
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                // Some were lost: everything is looked at.
                concerned.extend(self.watches.values());
            }
            concerned.extend(self.watches.get(&event.wd));
            if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                self.watches.remove(&event.wd);
            }
        }
        concerned.sort_unstable();
        concerned.dedup();
        for number in concerned {
            self.pay(shell, number);
            self.look_for_file(shell, number);
        }
    }

    /// Whether somebody may send messages that must be heard before an end is told.
    pub(super) fn hears_messages(&self) -> bool {
        !self.ready_fds.is_empty() || !self.voices.is_empty()
    }

    /// Hears what the processes of a life have said.
    pub(super) fn hear_life(&mut self, shell: &mut Shell<'_>, number: u64) {
        let place = self.lives.get(&number).and_then(|body| body.ready_fd.as_ref()).map(|(.., place)| *place);
        if let Some(place) = place {
            self.ready_fd(shell, place);
        }
        let voice = self.lives.get(&number).and_then(|body| body.voice.as_ref());
        if let Some(place) = voice.map(|voice| voice.socket.2) {
            self.notified(shell, place);
        }
    }

    /// Closes what a life had open.
    pub(super) fn close(&mut self, shell: &mut Shell<'_>, body: Body) {
        self.close_ready_fd(shell, body.ready_fd);
        self.close_stranger(shell, body.stranger);
        self.close_voice(shell, body.voice);
    }
}

/// The main process, if it is another than the one that was made.
fn named(body: &Body) -> Option<i32> {
    body.main().filter(|main| matches!(main.role, Role::Guessed | Role::Named)).map(|main| main.pid)
}

/// Opens a file without waiting for anything: not for a disk, a network or the other end of a pipe.
fn open(path: &str, flags: OFlag) -> Option<OwnedFd> {
    let flags = flags | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    // What somebody has just written stands in the kernel's memory.
    let cached = how.resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::from_bits_retain(CACHED));
    match openat2(nix::fcntl::AT_FDCWD, path, cached) {
        // A kernel before 5.12, or one without `openat2`.
        Err(Errno::EINVAL) => openat2(nix::fcntl::AT_FDCWD, path, how).ok(),
        Err(Errno::ENOSYS) => nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty()).ok(),
        result => result.ok(),
    }
}

/// `RESOLVE_CACHED`.
const CACHED: u64 = 0x20;

/// The pid that a file begins with.
fn read_pid(path: &str) -> Option<i32> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = open(path, flags)?;
    let kind = nix::sys::stat::fstat(&file).ok()?.st_mode & libc::S_IFMT;
    if kind != libc::S_IFREG {
        return None;
    }
    let mut bytes = [0_u8; PIDFILE];
    let read = File::from(file).read(&mut bytes).ok()?;
    let text = std::str::from_utf8(bytes.get(..read)?).ok()?;
    let word = text.split_whitespace().next()?;
    // Half a number is none: the line must have its end, unless the file is shorter than a pid can be long.
    word.parse::<i32>().ok().filter(|pid| *pid > 1)
}
