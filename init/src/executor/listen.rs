//! Sockets that are opened for jobs, and handed to each of their lives: who connects while the job comes back has
//! to wait, and is not turned away.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr as UnixAddress, UnixListener},
    },
    path::Path,
};

use events::Text;
use jobs::{Life, Socket, WorkId};
use nix::{
    fcntl::{AtFlags, OFlag},
    libc,
    sys::{
        socket::{UnixAddr, getsockname},
        stat::{Mode, fstat, umask},
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, geteuid, unlinkat},
};

use super::{Executor, records::SOCKET, step::Unmade, users::Room};
use crate::{
    stock::place::{Place, kind_of},
    store::{Kept, Label},
};

/// What tells one owner of sockets from another.
pub fn owner(job: &str, instance: &str) -> u64 {
    WorkId::of(format!("{job}@{instance}").as_bytes()).0
}

/// What tells one socket of an owner from another.
fn number(socket: &Socket) -> u32 {
    let WorkId(sum) = WorkId::of(format!("{socket:?}").as_bytes());
    u32::try_from(sum & u64::from(u32::MAX)).unwrap_or(0)
}

impl Executor {
    /// The sockets of a job, opened if they are not; those that it has no longer are closed.
    pub(super) fn sockets_for(
        &mut self,
        job: &str,
        instance: &str,
        wanted: &[Socket],
    ) -> Result<Vec<(RawFd, Text)>, Unmade> {
        let owner = owner(job, instance);
        if wanted.is_empty() && !self.sockets.contains_key(&owner) {
            return Ok(Vec::new());
        }
        let mut old = self.sockets.remove(&owner).unwrap_or_default();
        let mut open = Vec::with_capacity(wanted.len());
        let mut given = Vec::with_capacity(wanted.len());
        let mut fault = None;
        let is_kept = |kept: &Kept| wanted.iter().any(|socket| number(socket) == kept.label().place);
        old.extract_if(.., |kept| !is_kept(kept)).for_each(close);
        for socket in wanted {
            let place = number(socket);
            let known = old.iter().position(|kept| kept.label().place == place);
            let kept = match known {
                Some(at) => Ok(old.swap_remove(at)),
                None => listen(socket).map(|fd| Kept::new(fd, Label { role: SOCKET, place, number: owner })),
            };
            match kept {
                Ok(kept) => {
                    let name = socket.name.clone().unwrap_or_else(|| Text::from(job.replace(':', "_")));
                    given.push((kept.as_fd().as_raw_fd(), name));
                    open.push(kept);
                }
                Err(error) => {
                    fault = Some(Unmade::by(&format!("socket: {}", socket.listen), &error));
                    break;
                }
            }
        }
        // After a fault those that are open stay so: it is tried again, or they are closed with the job.
        open.append(&mut old);
        self.sockets.insert(owner, open);
        fault.map_or(Ok(given), Err)
    }

    /// The job and instance of a life that has sockets.
    #[must_use]
    pub fn has_sockets(&self, life: Life) -> Option<(Text, Text)> {
        let body = self.lives.get(&life.number)?;
        let job = Text::from(body.job.as_str());
        self.sockets.contains_key(&owner(&job, &body.instance)).then(|| (job, body.instance.clone()))
    }

    /// Closes the sockets of a job that does not come back.
    pub fn close_sockets(&mut self, job: &str, instance: &str) {
        self.sockets.remove(&owner(job, instance)).into_iter().flatten().for_each(close);
    }
}

/// Closes a socket; its file goes, too.
pub fn close(socket: Kept) {
    let address = getsockname::<UnixAddr>(socket.as_fd().as_raw_fd());
    if let Some(path) = address.ok().as_ref().and_then(UnixAddr::path)
        && path.is_absolute()
    {
        remove(&path.to_string_lossy());
    }
}

/// Removes a socket's file. Anything else in its place stays, and nobody's link leads elsewhere.
fn remove(path: &str) {
    if let Ok(place) = Place::find(Path::new("/"), path, false)
        && place.status().is_ok_and(|file| kind_of(&file) == libc::S_IFSOCK)
    {
        // One that cannot be removed is told of when it is bound to.
        let _ = unlinkat(&place.folder, Path::new(&place.name), UnlinkatFlags::NoRemoveDir);
    }
}

fn listen(socket: &Socket) -> io::Result<OwnedFd> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let (kind, address) = socket.listen.split_once(':').ok_or_else(invalid)?;
    match kind {
        "tcp" => Ok(at(address, TcpListener::bind)?.into()),
        "udp" => Ok(at(address, UdpSocket::bind)?.into()),
        "unix" => match address.strip_prefix('@') {
            Some(name) => Ok(UnixListener::bind_addr(&UnixAddress::from_abstract_name(name)?)?.into()),
            None => file(socket, address),
        },
        _ => Err(invalid()),
    }
}

/// Binds to an address; to a port alone on every address there is, of both kinds.
fn at<S>(address: &str, bind: impl Fn(SocketAddr) -> io::Result<S>) -> io::Result<S> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    if let Ok(port) = address.parse::<u16>() {
        let all = SocketAddr::from(([0_u16; 8], port));
        // A kernel without IPv6.
        return bind(all).or_else(|_| bind(SocketAddr::from(([0_u8; 4], port))));
    }
    bind(address.parse().map_err(invalid)?)
}

/// Binds to a file, which has its mode from the start, and then its owner.
fn file(socket: &Socket, path: &str) -> io::Result<OwnedFd> {
    remove(path);
    let mode = Mode::from_bits_truncate(u32::from(socket.mode.unwrap_or(0o666)));
    let old = umask(Mode::from_bits_truncate(0o777).difference(mode));
    let bound = UnixListener::bind(path);
    umask(old);
    let bound = bound?;
    if socket.user.is_some() || socket.group.is_some() {
        let (uid, gid) = ids(socket)?;
        // The file itself. Whose folder it is in may have put another one there since, or a way to one.
        let here = Place::find(Path::new("/"), path, false)?.open(OFlag::O_PATH, Mode::empty())?;
        let file = fstat(&here)?;
        if kind_of(&file) != libc::S_IFSOCK || file.st_nlink != 1 || file.st_uid != geteuid().as_raw() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "somebody has put another file there",
            ));
        }
        fchownat(&here, "", uid, gid, AtFlags::AT_EMPTY_PATH)?;
    }
    Ok(bound.into())
}

fn ids(socket: &Socket) -> io::Result<(Option<Uid>, Option<Gid>)> {
    let unknown = || io::Error::from(io::ErrorKind::NotFound);
    let mut room = Room::default();
    let user = socket.user.as_ref().map(|name| room.user(name).ok_or_else(unknown)).transpose()?;
    let group = socket.group.as_ref().map(|name| room.group(name).ok_or_else(unknown)).transpose()?;
    Ok((user.map(|user| Uid::from_raw(user.uid)), group.map(Gid::from_raw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, expected: Result<&str, io::ErrorKind>) {
        let bound = at(address, |address| Ok(address.to_string()));
        assert_eq!(bound.map_err(|error| error.kind()), expected.map(String::from), "{address}");
    }

    #[test]
    fn addresses_are_read_and_never_looked_up() {
        check("80", Ok("[::]:80"));
        check("127.0.0.1:80", Ok("127.0.0.1:80"));
        check("[::1]:53", Ok("[::1]:53"));
        check("localhost:80", Err(io::ErrorKind::InvalidInput));
        check("", Err(io::ErrorKind::InvalidInput));
    }
}
