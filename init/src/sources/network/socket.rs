//! The socket over which the kernel tells of links, addresses and routes.

use std::{
    io::{self, IoSliceMut},
    os::fd::{AsRawFd as _, OwnedFd},
};

use events::rtnetlink::{Dump, request};
use libc::sock_filter;
use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg, sendto,
        setsockopt, socket,
        sockopt::{RcvBuf, RcvBufForce},
    },
};

use crate::{
    pid1::{shell::Shell, token::Token},
    sources::Part,
    sys::{
        filter,
        poll::{Interest, Registration},
    },
};

/// Links, addresses and routes, of both families.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/// Room for messages that have not been read yet.
pub const RECEIVE: usize = 8 << 20;

/// Messages about routes that are there, or there no longer.
const ROUTE: [u16; 2] = [24, 25];
/// A part of an answer.
const PART: u16 = 2;

/// What the kernel is to leave out, so that a router with a million routes does not wake us for each of them: what
/// tells that another route than a default one has changed. Answers come as a whole, and are let through.
fn filter() -> [sock_filter; 9] {
    // The filter reads numbers in the net's order, and these stand there in ours.
    let number = |number: u16| u32::from(u16::from_be_bytes(number.to_ne_bytes()));
    let [new, gone] = ROUTE.map(number);
    [
        filter::load_two(4),
        filter::if_equal(new, 1, 0),
        filter::if_equal(gone, 0, 4),
        filter::load_two(6),
        filter::if_any(number(PART), 2, 0),
        filter::load_one(17),
        filter::if_equal(0, 0, 1),
        filter::accept(),
        filter::drop(),
    ]
}

/// The socket.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    at: Registration,
}

/// What came of a read.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// So many bytes of messages from the kernel.
    Bytes(usize),
    /// Something that does not count: the kernel has not sent it.
    Foreign,
    /// There was more than there was room for, and it is lost.
    Lost,
    /// Nothing is there now.
    Nothing,
    /// Nothing will come over this socket any more.
    Broken,
}

impl Socket {
    /// Hears from now on what changes.
    pub fn open(shell: &mut Shell<'_>) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        let wanted = shell.options.buffer.and_then(|size| usize::try_from(size).ok()).unwrap_or(RECEIVE);
        // Without the right to a large buffer the largest that everybody may have must do.
        if setsockopt(&fd, RcvBufForce, &wanted).is_err() {
            let _ = setsockopt(&fd, RcvBuf, &wanted);
        }
        // Without it only more is read than need be: what is no default route is left out when it is decoded.
        let _ = filter::attach(&fd, &filter());
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        let at = shell.poll.add(&fd, Interest::Read, Token::Source(Part::Network))?;
        Ok(Self { fd, at })
    }

    /// Hears nothing any more.
    pub fn close(self, shell: &mut Shell<'_>) {
        shell.poll.remove(&self.fd, self.at);
    }

    /// Asks for all of a kind.
    pub fn ask(&self, dump: Dump, sequence: u32) -> io::Result<()> {
        let bytes = request(dump, sequence);
        sendto(self.fd.as_raw_fd(), &bytes, &NetlinkAddr::new(0, 0), MsgFlags::MSG_DONTWAIT)?;
        Ok(())
    }

    /// Reads what is next.
    pub fn read(&self, buffer: &mut [u8]) -> Heard {
        let mut parts = [IoSliceMut::new(buffer)];
        match recvmsg::<NetlinkAddr>(self.fd.as_raw_fd(), &mut parts, None, MsgFlags::MSG_DONTWAIT) {
            Ok(message) if message.address.is_none_or(|sender| sender.pid() != 0) => Heard::Foreign,
            Ok(message) if message.flags.contains(MsgFlags::MSG_TRUNC) => Heard::Lost,
            Ok(message) => Heard::Bytes(message.bytes),
            Err(Errno::EINTR) => Heard::Foreign,
            Err(Errno::ENOBUFS) => Heard::Lost,
            Err(Errno::EAGAIN) => Heard::Nothing,
            Err(_) => Heard::Broken,
        }
    }
}
