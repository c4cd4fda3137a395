//! The socket that `NOTIFY_SOCKET` names: one for each life, so that nobody can fill another's.
//!
//! A message counts if its sender is in a group of the life. One that has been reaped by its own parent cannot be
//! looked at any more (`systemd-notify` in a script); then it counts if it was root's or main's user's. Who is main
//! is only believed of a process in main's group. Whoever says more than [`MOST`] messages within a second has to
//! wait for the next one.

use std::{
    fs,
    io::{self, IoSliceMut},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
        unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::Path,
    time::Duration,
};

use events::{Time, Value};
use jobs::{Input, Life, Pid, ProcessKind, Ready};
use nix::{
    cmsg_space,
    sys::socket::{
        AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, UnixCredentials, bind,
        getsockname, recvmsg, setsockopt, socket, sockopt::PassCred,
    },
};

use super::{
    Executor,
    life::{Body, Watched},
    message::{LONGEST, Line, lines},
    noted::What,
};
use crate::{
    pid1::{shell::Shell, token::Token},
    store::{Kept, Label},
    sys::poll::Interest,
};

/// Where the sockets are.
const FOLDER: &str = "/run/onset/notify";
/// How many messages of a life are read in one turn.
const QUOTA: u32 = 64;
/// How many messages a life may send within [`WINDOW`].
const MOST: u32 = 1_000;
/// The time in which messages are counted, in milliseconds.
const WINDOW: u64 = 1_000;
/// How long a process whose watchdog has not heard of it has to die of ABRT, in milliseconds.
const UNTIL_KILL: u64 = 5_000;

const ABRT: u8 = 6;
const KILL: u8 = 9;

/// A life's socket.
#[derive(Debug)]
pub struct Voice {
    pub(super) socket: Watched<Kept>,
    /// How many messages have come since `since`.
    count: u32,
    since: Time,
    is_muted: bool,
}

/// What a life has said of itself.
#[derive(Debug, Default)]
pub struct Said {
    /// How it is, in words.
    pub(super) status: Option<Value>,
    /// What it is doing, if it is not just up.
    pub(super) doing: Option<&'static str>,
}

/// Whether a life must say that it lives.
#[derive(Debug, Default)]
pub struct Watchdog {
    /// How often.
    pub(super) every: Option<Duration>,
    /// Until when.
    pub(super) until: Option<Time>,
    /// Whether it has not, and was killed for it.
    pub(super) has_barked: bool,
}

struct Message {
    sender: Option<UnixCredentials>,
    lines: Vec<Line>,
}

impl Executor {
    /// The address that a life's main is to send messages to.
    pub(super) fn voice(&mut self, shell: &mut Shell<'_>, life: Life) -> io::Result<Option<String>> {
        let Some(body) = self.lives.get(&life.number) else { return Ok(None) };
        if body.voice.is_none() {
            // Another root has no such path.
            let path = body.chroot.is_none().then(|| path(life.number));
            let fd = open(path.as_deref())?;
            let label = Label { role: super::records::NOTIFY, place: life.place, number: life.number };
            self.listen(shell, life, Kept::new(fd, label))?;
        }
        let voice = self.lives.get(&life.number).and_then(|body| body.voice.as_ref());
        voice.map_or(Ok(None), |voice| address(&voice.socket.0).map(Some))
    }

    /// Hears messages on a socket from now on.
    pub(super) fn listen(&mut self, shell: &mut Shell<'_>, life: Life, socket: Kept) -> io::Result<()> {
        let place = self.voices.add(life.number);
        match shell.poll.add(socket.as_fd(), Interest::Read, Token::Notify(place)) {
            Ok(registration) => {
                if let Some(body) = self.lives.get_mut(&life.number) {
                    let socket = (socket, registration, place);
                    body.voice = Some(Voice { socket, count: 0, since: shell.now, is_muted: false });
                }
                Ok(())
            }
            Err(error) => {
                self.voices.remove(place);
                Err(error)
            }
        }
    }

    pub(super) fn close_voice(&mut self, shell: &mut Shell<'_>, voice: Option<Voice>) {
        let Some(Voice { socket: (socket, registration, place), .. }) = voice else { return };
        if let Ok(address) = address(&socket)
            && address.starts_with(FOLDER)
        {
            // One that is gone already need not be removed.
            let _ = fs::remove_file(address);
        }
        shell.poll.remove(&socket, registration);
        self.voices.remove(place);
    }

    /// A message has come.
    pub(super) fn notified(&mut self, shell: &mut Shell<'_>, place: u32) {
        let Some(number) = self.voices.get(place).copied() else { return };
        for _ in 0..QUOTA {
            let Some(voice) = self.lives.get_mut(&number).and_then(|body| body.voice.as_mut()) else {
                return;
            };
            if shell.now.since(voice.since) >= Duration::from_millis(WINDOW) {
                (voice.since, voice.count) = (shell.now, 0);
            }
            let Ok(message) = receive(&voice.socket.0) else { return };
            voice.count = voice.count.saturating_add(1);
            if voice.count > MOST && !voice.is_muted {
                let (socket, registration, _) = &voice.socket;
                voice.is_muted = shell.poll.change(socket, registration, Interest::Nothing).is_ok();
                self.look_in(shell, number, WINDOW);
            }
            if message.lines.is_empty() || !self.is_believed(number, message.sender) {
                continue;
            }
            for line in message.lines {
                self.told(shell, number, line);
            }
        }
    }

    /// Listens again to who has said too much.
    pub(super) fn look_at_voice(&mut self, shell: &mut Shell<'_>, number: u64) {
        let Some(voice) = self.lives.get_mut(&number).and_then(|body| body.voice.as_mut()) else { return };
        if !voice.is_muted {
            return;
        }
        if shell.now.since(voice.since) < Duration::from_millis(WINDOW) {
            return self.look_in(shell, number, WINDOW);
        }
        let (socket, registration, _) = &voice.socket;
        voice.is_muted = shell.poll.change(socket, registration, Interest::Read).is_err();
        (voice.since, voice.count) = (shell.now, 0);
    }

    /// Whether a message of this sender counts for a life.
    fn is_believed(&self, number: u64, sender: Option<UnixCredentials>) -> bool {
        let Some(sender) = sender else { return false };
        let pid = sender.pid();
        let Some(body) = self.lives.get(&number) else { return false };
        if body.processes.iter().any(|known| known.pid == pid) {
            return true;
        }
        let whose = match &self.tree {
            Some(tree) => tree.life_of(pid).map(|(number, _)| number),
            None => self.life_of_marked(pid),
        };
        if pid > 0 && Path::new(&format!("/proc/{pid}")).exists() {
            return whose == Some(number);
        }
        sender.uid() == 0 || body.main().and_then(|main| owner(main.pid)) == Some(sender.uid())
    }

    fn told(&mut self, shell: &mut Shell<'_>, number: u64, line: Line) {
        self.hear_main_begin(shell, number);
        let Some(body) = self.lives.get_mut(&number) else { return };
        match line {
            Line::MainPid(pid) => self.is_main(shell, number, pid),
            Line::Ready => {
                body.said.doing = None;
                if body.ready == Ready::Notify {
                    self.is_ready(shell, number, None);
                }
                self.watch_over(shell, number);
            }
            Line::Reloading => body.said.doing = Some("reloading"),
            Line::Stopping => body.said.doing = Some("stopping"),
            Line::Status(status) => body.said.status = Some(status),
            Line::Alive => {
                if body.watchdog.until.is_some() && !body.watchdog.has_barked {
                    self.watch_over(shell, number);
                }
            }
            Line::Trigger => self.bark(shell, number),
            Line::Every(every) => {
                body.watchdog.every = Some(every);
                if body.watchdog.until.is_some() && !body.watchdog.has_barked {
                    self.watch_over(shell, number);
                }
            }
            Line::Extend(by) => {
                let life = body.life;
                shell.report(Input::Extended { life, by });
            }
        }
    }

    /// A job says that another of its processes is main.
    fn is_main(&mut self, shell: &mut Shell<'_>, number: u64, pid: i32) {
        let Some(body) = self.lives.get(&number) else { return };
        if body.main().is_some_and(|main| main.pid == pid) || !self.is_of(pid, number) {
            return;
        }
        let (life, waits) = (body.life, body.waits);
        self.set_main(shell, number, pid);
        if !waits {
            self.note(number, pid, What::Ready);
            shell.report(Input::Ready { life, main: Some(Pid(pid.unsigned_abs())) });
        }
    }

    /// From now on, or again, main has its time until it must say that it lives.
    pub(super) fn watch_over(&mut self, shell: &Shell<'_>, number: u64) {
        let Some(body) = self.lives.get_mut(&number) else { return };
        let Some(every) = body.watchdog.every.filter(|_| !body.is_stopping) else { return };
        body.watchdog.until = Some(shell.now.after(every));
        self.look_in(shell, number, u64::try_from(every.as_millis()).unwrap_or(u64::MAX));
    }

    /// Whether main should have said by now that it lives.
    pub(super) fn look_at_watchdog(&mut self, shell: &mut Shell<'_>, number: u64) {
        let Some(body) = self.lives.get_mut(&number) else { return };
        let Some(until) = body.watchdog.until else { return };
        if body.is_stopping || body.main().is_none() {
            body.watchdog.until = None;
        } else if until > shell.now {
            let left = until.since(shell.now).as_millis();
            self.look_in(shell, number, u64::try_from(left).unwrap_or(u64::MAX));
        } else if body.watchdog.has_barked {
            body.watchdog.until = None;
            self.signal_main(number, KILL);
        } else {
            self.bark(shell, number);
        }
    }

    /// Main is out of order: it is killed, and whatever it says of its end, that was a failure.
    fn bark(&mut self, shell: &Shell<'_>, number: u64) {
        let Some(body) = self.lives.get_mut(&number) else { return };
        if body.watchdog.has_barked || body.is_stopping || body.main().is_none() {
            return;
        }
        body.watchdog.has_barked = true;
        body.watchdog.until = Some(shell.now.after(Duration::from_millis(UNTIL_KILL)));
        let text = match body.watchdog.every {
            Some(every) => format!("{}: no WATCHDOG=1 within {every:?}: it is killed", body.job),
            None => format!("{}: it says that it is out of order: it is killed", body.job),
        };
        self.warnings.push(text);
        self.signal_main(number, ABRT);
        self.look_in(shell, number, UNTIL_KILL);
    }

    /// What a life last said of how it is.
    #[must_use]
    pub fn status_text(&self, life: Life) -> Option<&str> {
        let said = &self.lives.get(&life.number)?.said;
        said.status.as_ref().map(Value::as_str).or(said.doing)
    }

    /// Whether the next process of this kind has a socket to send messages to.
    pub(super) fn wants_voice(body: &Body, process: ProcessKind) -> bool {
        process == ProcessKind::Main && (body.ready == Ready::Notify || body.watchdog.every.is_some())
    }
}

/// Where a life's socket is.
fn path(number: u64) -> String {
    format!("{FOLDER}/{number}")
}

/// A socket at `path`, or at a free name that is in no folder.
fn open(path: Option<&str>) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    setsockopt(&fd, PassCred, &true)?;
    let bound = path.is_some_and(|path| bind_to(&fd, path).is_ok());
    if !bound {
        bind(fd.as_raw_fd(), &UnixAddr::new_unnamed())?;
    }
    Ok(fd)
}

fn bind_to(fd: &OwnedFd, path: &str) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(FOLDER)?;
    // What an earlier boot has left there.
    let _ = fs::remove_file(path);
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))
}

/// The address of a socket, as `NOTIFY_SOCKET` has it.
fn address(socket: &Kept) -> io::Result<String> {
    let address: UnixAddr = getsockname(socket.as_fd().as_raw_fd())?;
    let of_file = address.path().and_then(Path::to_str).map(String::from);
    let free = || Some(format!("@{}", std::str::from_utf8(address.as_abstract()?).ok()?));
    of_file.or_else(free).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// The next message. One that is too long has no lines. Descriptors that come with it are closed.
fn receive(socket: &Kept) -> io::Result<Message> {
    // Room for the last byte of one that is just too long.
    let mut bytes = [0_u8; LONGEST + 1];
    let mut space = cmsg_space!(UnixCredentials, [RawFd; 8]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let length = message.bytes;
    let mut sender = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmCredentials(credentials) = control {
            sender = Some(credentials);
        } else if let ControlMessageOwned::ScmRights(fds) = control {
            fds.into_iter().map(crate::sys::spawn::owned).for_each(drop);
        }
    }
    let text = bytes.get(..length).filter(|text| text.len() <= LONGEST).unwrap_or_default();
    Ok(Message { sender, lines: lines(text) })
}

/// The user of a process.
fn owner(pid: i32) -> Option<u32> {
    fs::metadata(format!("/proc/{pid}")).ok().map(|process| process.uid())
}
