//! The kernel's own messages about devices.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
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

use super::Part;
use crate::{
    pid1::{shell::Shell, token::Token},
    sys::poll::Interest,
};

/// The kernel's multicast group; those of udevd are others.
const KERNEL_GROUP: u32 = 1;
/// Room for messages that have not been read yet: a machine with many devices sends them all at once.
const BUFFER: usize = 8 << 20;
/// No message is longer.
const MESSAGE: usize = 8192;
/// What the kernel calls the device that is to be fed.
const WATCHDOG: &str = "watchdog";
/// How many messages are read in one turn.
const TURN: usize = 256;

/// What is said when an input device has come.
const INPUT_ADDED: &str = "input-device-added";

/// What has come that others wait for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Come {
    /// A watchdog is there.
    pub watchdog: bool,
    /// There may be another input device.
    pub input: bool,
}

/// The kernel's messages about devices.
#[derive(Debug)]
pub struct Kernel(OwnedFd);

impl Kernel {
    /// Hears from now on what the kernel says.
    pub fn new(shell: &mut Shell<'_>) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
        // Without the right to a large buffer the usual one must do.
        let _ = setsockopt(&fd, RcvBufForce, &BUFFER);
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))?;
        // For as long as we are there.
        shell.poll.add(&fd, Interest::Read, Token::Source(Part::Kernel)).map(std::mem::forget)?;
        Ok(Self(fd))
    }

    /// Reads what has come, and says what may be there now that others wait for. A message counts only if the kernel
    /// sent it.
    pub fn ready(&self, shell: &mut Shell<'_>) -> Come {
        let mut bytes = [0; MESSAGE];
        let mut come = Come::default();
        for _ in 0..TURN.min(shell.room()) {
            let (length, sender) = match recvfrom::<NetlinkAddr>(self.0.as_raw_fd(), &mut bytes) {
                Ok(message) => message,
                Err(Errno::EINTR) => continue,
                Err(Errno::ENOBUFS) => {
                    come.input = true;
                    continue;
                }
                Err(_) => return come,
            };
            if sender.is_none_or(|sender| sender.pid() != 0) {
                continue;
            }
            let message = bytes.get(..length).unwrap_or_default();
            if let Some(event) = uevent(message) {
                let is_watchdog = event.args.get("KERNEL").is_some_and(|name| name.as_str() == WATCHDOG);
                come.watchdog |= is_watchdog && event.name.as_str().ends_with("-added");
                come.input |= event.name.as_str() == INPUT_ADDED;
                shell.report(Input::Event { event, origin: Origin::World, reply: None });
            }
        }
        come
    }
}
