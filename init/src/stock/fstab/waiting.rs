//! Waiting for a device to appear, or for the network to change: until then another try would end as the last did.

use std::os::fd::AsFd as _;

use events::Time;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        inotify::{AddWatchFlags, InitFlags, Inotify},
        socket::{
            AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
        },
    },
};

use crate::pid1::clock::now;

/// What may have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A node in `/dev`.
    Devices,
    /// An interface, address or route.
    Network,
}

/// What is looked at at the latest, even if nothing was heard: a device may be there before it can be read.
const TICK: u64 = 1_000;
/// For how long it must be quiet, so that a burst of changes is one.
const QUIET: u64 = 50;

/// Groups of rtnetlink: links, IPv4 addresses and routes, IPv6 addresses and routes.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// Somebody who hears of changes.
#[derive(Debug)]
enum Ear {
    Devices(Inotify),
    Network(std::os::fd::OwnedFd),
}

/// A wait with an end.
#[derive(Debug)]
pub struct Waiting {
    ear: Option<Ear>,
    since: Time,
    until: Time,
}

impl Waiting {
    /// Listens from now on, for so many milliseconds in all.
    pub fn begin(change: Change, patience: u64) -> Self {
        let ear = match change {
            Change::Devices => devices().map(Ear::Devices),
            Change::Network => network().map(Ear::Network),
        };
        let since = now();
        Self { ear: ear.ok(), since, until: Time(since.0.saturating_add(patience)) }
    }

    /// Whether it lasts for so many milliseconds already.
    pub fn has_lasted(&self, milliseconds: u64) -> bool {
        now().0.saturating_sub(self.since.0) >= milliseconds
    }

    /// Waits until something may have changed; `false` if all patience is at an end.
    pub fn has_changed(&mut self) -> bool {
        let left = self.until.0.saturating_sub(now().0);
        if left == 0 {
            return false;
        }
        let mut heard = self.hear(left.min(TICK));
        while heard {
            heard = self.hear(QUIET);
        }
        true
    }

    /// Whether something was heard within so many milliseconds.
    fn hear(&self, limit: u64) -> bool {
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let Some(ear) = &self.ear else {
            // Deaf: only time passes.
            let _ = poll(&mut [], limit);
            return false;
        };
        let fd = match ear {
            Ear::Devices(inotify) => inotify.as_fd(),
            Ear::Network(socket) => socket.as_fd(),
        };
        if poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], limit) != Ok(1) {
            return false;
        }
        match ear {
            Ear::Devices(inotify) => inotify.read_events().is_ok(),
            Ear::Network(socket) => {
                let mut bytes = [0; 8_192];
                let count = recv(std::os::fd::AsRawFd::as_raw_fd(socket), &mut bytes, MsgFlags::MSG_DONTWAIT);
                // What was too much to be kept is a change, too.
                matches!(count, Ok(_) | Err(Errno::ENOBUFS))
            }
        }
    }
}

fn devices() -> nix::Result<Inotify> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    let what = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ATTRIB;
    inotify.add_watch("/dev", what)?;
    // The folders of device mapper and of udev need not be there.
    for folder in ["/dev/mapper", "/dev/disk/by-uuid", "/dev/disk/by-label"] {
        let _ = inotify.add_watch(folder, what);
    }
    Ok(inotify)
}

fn network() -> nix::Result<std::os::fd::OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &NetlinkAddr::new(0, GROUPS))?;
    Ok(socket)
}
