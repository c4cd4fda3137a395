//! Sockets as descriptors: bound, listened to, and closed with the files that they are known by.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener},
    },
    path::Path,
};

use jobs::{Address, Family, Socket, Transport, WorkId};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, FcntlArg, OFlag, fcntl},
    libc,
    sys::{
        socket::{
            AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, UnixAddr, bind, getsockname,
            setsockopt, socket, sockopt,
        },
        stat::{Mode, fstat, umask},
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, geteuid, unlinkat},
};

use crate::{
    executor::users::Room,
    stock::place::{Place, kind_of},
    store::Kept,
};

/// How many connections wait to be accepted, as far as the kernel allows (`net.core.somaxconn`).
const BACKLOG: i32 = 4_096;

/// What tells one owner of sockets from another.
pub fn owner(job: &str, instance: &str) -> u64 {
    WorkId::of(format!("{job}@{instance}").as_bytes()).0
}

/// What tells one socket of an owner from another.
pub fn number(socket: &Socket) -> u32 {
    low(WorkId::of(format!("{socket:?}").as_bytes()).0)
}

/// The lower half of a number.
pub fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

/// Opens a socket, and listens.
pub fn listen(socket: &Socket) -> io::Result<OwnedFd> {
    let address = Address::parse(&socket.listen).ok_or(io::ErrorKind::InvalidInput)?;
    let transport = address.transport();
    let fd = match address {
        Address::Net { transport, family, at } => net(transport, family, at)?,
        Address::Path { transport, path } => file(socket, transport, &path)?,
        Address::Abstract { transport: Transport::Stream, name } => {
            UnixListener::bind_addr(&UnixAddress::from_abstract_name(name.as_str())?)?.into()
        }
        Address::Abstract { transport: Transport::Datagram, name } => {
            UnixDatagram::bind_addr(&UnixAddress::from_abstract_name(name.as_str())?)?.into()
        }
    };
    if transport == Transport::Stream {
        nix::sys::socket::listen(&fd, Backlog::new(BACKLOG)?)?;
    }
    Ok(fd)
}

fn net(transport: Transport, family: Family, at: SocketAddr) -> io::Result<OwnedFd> {
    let has_none = |error: &io::Error| {
        matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EINVAL))
    };
    match bound(transport, family, at) {
        // A kernel without IPv6, or one that has it switched off.
        Err(error)
            if family == Family::Any && at.ip().is_unspecified() && at.is_ipv6() && has_none(&error) =>
        {
            bound(transport, Family::V4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, at.port())))
        }
        bound => bound,
    }
}

fn bound(transport: Transport, family: Family, at: SocketAddr) -> io::Result<OwnedFd> {
    let domain = if at.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let kind = match transport {
        Transport::Stream => SockType::Stream,
        Transport::Datagram => SockType::Datagram,
    };
    let fd = socket(domain, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if transport == Transport::Stream {
        // What is left of connections of before does not count.
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    }
    if at.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &(family == Family::V6))?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(at))?;
    Ok(fd)
}

/// Has calls on a socket wait, or come back with nothing. It is so for all who have it.
pub fn set_waiting(fd: &Kept, waits: bool) {
    let flag = OFlag::O_NONBLOCK;
    if let Ok(flags) = fcntl(fd, FcntlArg::F_GETFL).map(OFlag::from_bits_retain) {
        let flags = if waits { flags.difference(flag) } else { flags.union(flag) };
        // Of a socket it cannot fail.
        let _ = fcntl(fd, FcntlArg::F_SETFL(flags));
    }
}

/// Whether it may be otherwise in a while: another program has the address, or it is not ours yet.
pub fn is_lack(error: &io::Error) -> bool {
    matches!(
        Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS
    )
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

/// Binds to a file, which has its mode from the start, and then its owner.
fn file(socket: &Socket, transport: Transport, path: &str) -> io::Result<OwnedFd> {
    remove(path);
    let mode = Mode::from_bits_truncate(u32::from(socket.mode.unwrap_or(0o666)));
    let old = umask(Mode::from_bits_truncate(0o777).difference(mode));
    let bound = match transport {
        Transport::Stream => UnixListener::bind(path).map(OwnedFd::from),
        Transport::Datagram => UnixDatagram::bind(path).map(OwnedFd::from),
    };
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
    Ok(bound)
}

fn ids(socket: &Socket) -> io::Result<(Option<Uid>, Option<Gid>)> {
    let unknown = || io::Error::from(io::ErrorKind::NotFound);
    let mut room = Room::default();
    let user = socket.user.as_ref().map(|name| room.user(name).ok_or_else(unknown)).transpose()?;
    let group = socket.group.as_ref().map(|name| room.group(name).ok_or_else(unknown)).transpose()?;
    Ok((user.map(|user| Uid::from_raw(user.uid)), group.map(Gid::from_raw)))
}
