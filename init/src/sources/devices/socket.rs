//! The socket on which the kernel and udevd tell of devices, and who is believed on it.

use std::{
    io::{self, IoSliceMut},
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{
        AddressFamily, ControlMessageOwned, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
        UnixCredentials, bind, getsockopt, recvmsg, setsockopt, socket,
        sockopt::{PassCred, RcvBuf, RcvBufForce},
    },
};

/// The kernel's group, as a bit.
const KERNEL: u32 = 1;
/// The group in which udevd tells what it has dealt with.
const UDEVD: u32 = 2;

/// Room for messages that have not been read yet: a machine with many devices sends them all at once.
pub const BUFFER: usize = 8 << 20;
/// No message is longer: the kernel's have 2 KiB at most, and what udevd adds is hardly ever more.
pub const MESSAGE: usize = 16 << 10;

/// Who tells of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The kernel.
    Kernel,
    /// A process of root's, in udevd's group.
    Udevd,
}

/// What the socket gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes of a message from one who is believed.
    Message(Sender, usize),
    /// A message that was too long to be read.
    Cut,
    /// One from somebody who is not believed.
    Forged,
    /// Messages are lost: there was no room for them.
    Overrun,
    /// There is none now.
    Nothing,
}

/// The socket.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Hears from now on what is said, with room for so many bytes that have not been read.
    pub fn new(room: usize) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
        // Without the right to a large buffer the usual one must do.
        let _ = setsockopt(&fd, RcvBufForce, &room);
        setsockopt(&fd, PassCred, &true)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL | UDEVD))?;
        Ok(Self(fd))
    }

    /// How many bytes it has room for.
    pub fn room(&self) -> usize {
        getsockopt(&self.0, RcvBuf).unwrap_or(0)
    }

    /// Takes the next message.
    pub fn receive(&self, bytes: &mut [u8]) -> Received {
        let mut control = cmsg_space!(UnixCredentials);
        let mut parts = [IoSliceMut::new(bytes)];
        let fd = self.0.as_raw_fd();
        let message = match recvmsg::<NetlinkAddr>(fd, &mut parts, Some(&mut control), MsgFlags::empty()) {
            Ok(message) => message,
            Err(Errno::ENOBUFS) => return Received::Overrun,
            Err(_) => return Received::Nothing,
        };
        let uid = message.cmsgs().ok().and_then(|mut messages| {
            messages.find_map(|message| {
                let ControlMessageOwned::ScmCredentials(who) = message else { return None };
                Some(who.uid())
            })
        });
        let from = message.address.map(|address| (address.pid(), address.groups()));
        match sender(from, uid) {
            None => Received::Forged,
            Some(_) if message.flags.contains(MsgFlags::MSG_TRUNC) => Received::Cut,
            Some(sender) => Received::Message(sender, message.bytes),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Who is believed: in its group the kernel, whose number is 0, and in udevd's group any process of root's. What was
/// sent to nobody but us is neither's.
fn sender(from: Option<(u32, u32)>, uid: Option<u32>) -> Option<Sender> {
    match (from?, uid) {
        ((0, KERNEL), Some(0) | None) => Some(Sender::Kernel),
        ((number, UDEVD), Some(0)) if number != 0 => Some(Sender::Udevd),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernel_and_roots_udevd_are_believed() {
        for (number, group, uid, expected) in [
            (0, KERNEL, Some(0), Some(Sender::Kernel)),
            (71, UDEVD, Some(0), Some(Sender::Udevd)),
            (71, KERNEL, Some(0), None),
            (71, UDEVD, Some(65_534), None),
            (71, UDEVD, None, None),
            (71, 0, Some(0), None),
            (0, 0, Some(0), None),
            (0, UDEVD, Some(0), None),
            (0, KERNEL, Some(1000), None),
        ] {
            assert_eq!(sender(Some((number, group)), uid), expected, "{number} {group} {uid:?}");
        }
        assert_eq!(sender(None, Some(0)), None);
    }
}
