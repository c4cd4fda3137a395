//! The kernel's own messages about devices.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use events::uevent;
use jobs::{Input, Origin};
use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, setsockopt, socket,
        sockopt::RcvBufForce,
    },
};

use crate::pid1::shell::Shell;

/// The kernel's multicast group; those of udevd are others.
const KERNEL_GROUP: u32 = 1;
/// Room for messages that have not been read yet: a machine with many devices sends them all at once.
const BUFFER: usize = 8 << 20;
/// No message is longer.
const MESSAGE: usize = 8192;
/// How many messages are read in one turn.
const TURN: usize = 256;

/// What is said when an input device has come.
const INPUT_ADDED: &str = "input-device-added";

/// The kernel's messages about devices.
#[derive(Debug)]
pub struct Kernel(OwnedFd);

impl Kernel {
    /// Hears from now on what the kernel says.
    pub fn new() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
        // Without the right to a large buffer the usual one must do.
        let _ = setsockopt(&fd, RcvBufForce, &BUFFER);
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
        Ok(Self(fd))
    }

    /// Reads what has come, and says whether there may be another input device. A message counts only if the kernel
    /// sent it.
    pub fn ready(&self, shell: &mut Shell<'_>) -> bool {
        let mut has_inputs = false;
        let mut bytes = [0; MESSAGE];
        for _ in 0..TURN {
            let (length, sender) = match recvfrom::<NetlinkAddr>(self.0.as_raw_fd(), &mut bytes) {
                Ok(message) => message,
                Err(Errno::EINTR) => continue,
                Err(Errno::ENOBUFS) => {
                    has_inputs = true;
                    continue;
                }
                Err(_) => return has_inputs,
            };
            if sender.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            let message = bytes.get(..length).unwrap_or_default();
            if let Some(event) = uevent(message) {
                has_inputs |= event.name.as_str() == INPUT_ADDED;
                shell.report(Input::Event { event, origin: Origin::World, reply: None });
            }
        }
        has_inputs
    }
}

impl AsFd for Kernel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
