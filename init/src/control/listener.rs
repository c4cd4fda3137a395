//! The socket that people connect to.

use std::{
    fs, io,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        linux::net::SocketAddrExt as _,
        unix::{
            fs::PermissionsExt as _,
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use core::time::Duration;

use events::{Time, control::ABSTRACT};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, send},
};

use super::{
    client::{Client, is_short},
    clients::{Clients, refusal},
    peer::Peer,
};
use crate::{
    pid1::{shell::Shell, token::Token},
    store::{Kept, Label},
    sys::poll::{Interest, Registration},
};

/// How many connections are taken in one turn.
pub const ACCEPTS_PER_TURN: usize = 32;
/// How long nobody is let in while there is no room for a descriptor.
const SHORT: Duration = Duration::from_secs(1);

/// The socket, among the descriptors that are kept.
pub const LISTENER: u32 = 300;

/// Where people can connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At this path.
    Path(PathBuf),
    /// Under an abstract name, since nothing can be made at the path.
    Abstract(String),
    /// Nowhere, and why.
    Nowhere(String),
}

/// The socket that people connect to.
#[derive(Debug)]
pub struct Listener {
    path: PathBuf,
    place: Place,
    socket: Option<(UnixListener, Registration)>,
    /// The same, for the image after us: who connects while PID 1 executes itself waits a moment.
    kept: Option<Kept>,
    /// Until when nobody is let in: there is no room for a descriptor.
    short: Option<Time>,
    /// Held back, so that root is heard also when there is no other descriptor left.
    spare: Option<OwnedFd>,
}

impl Listener {
    /// Listens at `path`, or under an abstract name.
    pub fn new(shell: &mut Shell<'_>, path: &Path) -> Self {
        let mut listener = Self::closed(path);
        listener.open(shell);
        listener
    }

    fn closed(path: &Path) -> Self {
        let place = Place::Nowhere(String::new());
        Self { path: path.into(), place, socket: None, kept: None, short: None, spare: None }
    }

    /// Goes on with the socket that an earlier image has kept; anew if there is none.
    pub fn go_on(shell: &mut Shell<'_>, path: &Path, kept: Option<Kept>) -> Self {
        // It stays kept until it is kept anew.
        let Some(Ok(socket)) = kept.as_ref().map(|kept| kept.as_fd().try_clone_to_owned()) else {
            return Self::new(shell, path);
        };
        let socket = UnixListener::from(socket);
        let is_path = socket.local_addr().is_ok_and(|address| address.as_pathname().is_some());
        let place = if is_path { Place::Path(path.into()) } else { Place::Abstract(String::new()) };
        let mut listener = Self::closed(path);
        listener.register(shell, Ok((socket, place)));
        listener
    }

    /// Where we listen.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Listens anew.
    pub fn open(&mut self, shell: &mut Shell<'_>) {
        if let Some((socket, at)) = self.socket.take() {
            shell.poll.remove(&socket, at);
        }
        self.short = None;
        let opened = match bind(&self.path) {
            Ok(socket) => Ok((socket, Place::Path(self.path.clone()))),
            Err(error) => {
                let why = format!("{}: {error}", self.path.display());
                bind_abstract(&self.path)
                    .map(|socket| (socket, Place::Abstract(why.clone())))
                    .map_err(|error| format!("{why}; abstract: {error}"))
            }
        };
        self.register(shell, opened);
    }

    fn register(&mut self, shell: &mut Shell<'_>, opened: Result<(UnixListener, Place), String>) {
        let registered = opened.and_then(|(socket, place)| {
            let at = shell.poll.add(&socket, Interest::Read, Token::Listener);
            at.map(|at| (socket, at, place)).map_err(|error| error.to_string())
        });
        match registered {
            Ok((socket, at, place)) => {
                let label = Label { role: LISTENER, place: 0, number: 0 };
                let copy = socket.as_fd().try_clone_to_owned();
                self.kept = copy.ok().map(|socket| Kept::new(socket, label));
                self.spare = socket.as_fd().try_clone_to_owned().ok();
                self.socket = Some((socket, at));
                self.place = place;
            }
            Err(why) => self.place = Place::Nowhere(why),
        }
    }

    /// Listens no more.
    pub fn close(self, shell: &mut Shell<'_>) {
        if let Some((socket, at)) = self.socket {
            shell.poll.remove(&socket, at);
        }
    }

    /// Lets in who waits outside, and says under which numbers.
    pub fn accept(&mut self, shell: &mut Shell<'_>, clients: &mut Clients) -> Vec<u32> {
        let mut numbers = Vec::new();
        for _ in 0..ACCEPTS_PER_TURN {
            let Some((socket, _)) = &self.socket else { break };
            let accepted = socket.accept();
            if accepted.is_ok() && self.spare.is_none() {
                self.spare = socket.as_fd().try_clone_to_owned().ok();
            }
            match accepted {
                // The last descriptor is root's.
                Ok((stream, _)) if self.spare.is_none() && !is_roots(&stream) => {
                    drop(stream);
                    self.spare = socket.as_fd().try_clone_to_owned().ok();
                }
                Ok((stream, _)) => numbers.extend(let_in(shell, clients, stream)),
                // The kernel says this also if nobody waits.
                Err(error) if is_short(&error) && !has_waiting(socket) => break,
                Err(error) if is_short(&error) => {
                    // Whoever comes has something to ask, and who has asked nothing for longest has not.
                    match clients.idlest().filter(|goes| !numbers.contains(goes)) {
                        Some(goes) => clients.remove(shell, goes),
                        None if self.spare.take().is_some() => {}
                        None => {
                            self.pause(shell);
                            break;
                        }
                    }
                }
                // Nobody is left, or whoever it was is gone.
                Err(_) => break,
            }
        }
        numbers
    }

    /// There is no room for a descriptor: the socket would wake the loop again and again for nothing.
    fn pause(&mut self, shell: &mut Shell<'_>) {
        self.short = Some(shell.now.after(SHORT));
        self.listen_for(shell, Interest::Nothing);
    }

    /// There may be room again.
    pub fn resume(&mut self, shell: &mut Shell<'_>) {
        if let (None, Some((socket, _))) = (&self.spare, &self.socket) {
            self.spare = socket.as_fd().try_clone_to_owned().ok();
        }
        if self.short.take().is_some() {
            self.listen_for(shell, Interest::Read);
        }
    }

    fn listen_for(&self, shell: &mut Shell<'_>, interest: Interest) {
        if let Some((socket, at)) = &self.socket {
            // It fails only for a descriptor that is not waited for, and this one is.
            let _ = shell.poll.change(socket, at, interest);
        }
    }

    /// When it is tried again.
    pub const fn deadline(&self) -> Option<Time> {
        self.short
    }

    /// Tries again.
    pub fn tick(&mut self, shell: &mut Shell<'_>) {
        if self.short.is_some_and(|until| until <= shell.now) {
            self.resume(shell);
        }
    }
}

/// Whether somebody waits to be let in.
fn has_waiting(socket: &UnixListener) -> bool {
    let mut sockets = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut sockets, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

fn is_roots(stream: &UnixStream) -> bool {
    Peer::of(stream).is_ok_and(|peer| peer.trusted)
}

fn let_in(shell: &mut Shell<'_>, clients: &mut Clients, stream: UnixStream) -> Option<u32> {
    // Who cannot be named is not let in.
    let peer = Peer::of(&stream).ok()?;
    match clients.admit(&peer) {
        Err(reason) => {
            // Told if it can be told at once; the connection ends in any case.
            let _ =
                send(stream.as_raw_fd(), &refusal(reason), MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
            return None;
        }
        Ok(Some(goes)) => clients.remove(shell, goes),
        Ok(None) => {}
    }
    let number = clients.free_number();
    let at = shell.poll.add(&stream, Interest::Read, Token::Client(number)).ok()?;
    clients.add(number, Client::new(stream, at, peer, shell.now));
    Some(number)
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // One that an earlier run has left behind. That there is none is as well.
    let _ = fs::remove_file(path);
    let socket = UnixListener::bind(path)?;
    // Everybody may ask; who may command is decided by who he is.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The abstract name: of the usual path the usual one, and of any other one made of it, so that two Onsets in one
/// network namespace do not meet.
pub fn abstract_name(path: &Path) -> Vec<u8> {
    let mut name = ABSTRACT.to_vec();
    if path != Path::new(events::control::PATH) {
        name.extend_from_slice(path.as_os_str().as_encoded_bytes());
    }
    name.truncate(100);
    name
}

fn bind_abstract(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(abstract_name(path))?)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
