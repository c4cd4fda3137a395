//! What the kernel says of its devices: everything below `/sys/devices`, and its messages.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, setsockopt, socket,
        sockopt::RcvBufForce,
    },
};

/// The kernel's group; udevd's is another.
const KERNEL: u32 = 1;
/// Room for messages while modules are loaded.
const BUFFER: usize = 8 << 20;
/// No message of the kernel's is longer.
const MESSAGE: usize = 8192;
/// How many messages are worked off together at most.
const BURST: usize = 1024;
/// How many folders are looked into at most.
const FOLDERS: usize = 200_000;

/// What is to be known of a device here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Where it is below `/sys`.
    pub path: String,
    /// What its driver is found by.
    pub alias: Option<String>,
    /// Its node.
    pub node: Option<Node>,
}

/// A node below `/dev`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name there.
    pub name: String,
    /// Its numbers.
    pub numbers: (u64, u64),
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// This device has come.
    Added(Device),
    /// This device is gone.
    Removed(Device),
}

impl Device {
    /// One of these properties.
    fn new<'p>(path: String, properties: impl Iterator<Item = &'p [u8]>) -> Self {
        let (mut device, mut name, mut major, mut minor) =
            (Self { path, ..Self::default() }, None, None, None);
        for property in properties.filter_map(|property| std::str::from_utf8(property).ok()) {
            match property.split_once('=') {
                Some(("MODALIAS", alias)) => device.alias = Some(alias.trim().to_owned()),
                Some(("DEVNAME", node)) => name = Some(node.trim_start_matches("/dev/").to_owned()),
                Some(("MAJOR", number)) => major = number.parse().ok(),
                Some(("MINOR", number)) => minor = number.parse().ok(),
                Some(_) | None => {}
            }
        }
        if let (Some(name), Some(major), Some(minor)) = (name, major, minor) {
            device.node = Some(Node { name, numbers: (major, minor) });
        }
        device
    }
}

/// All devices that are there below `sys`.
pub fn all(sys: &Path, mut each: impl FnMut(Device)) {
    let mut folders = vec![sys.join("devices")];
    let mut looked = 0_usize;
    while let Some(folder) = folders.pop() {
        looked = looked.saturating_add(1);
        if looked > FOLDERS {
            return;
        }
        if let Ok(bytes) = fs::read(folder.join("uevent")) {
            let path = folder.strip_prefix(sys).unwrap_or(&folder);
            let path = format!("/{}", path.display());
            each(Device::new(path, bytes.split(|byte| *byte == b'\n')));
        }
        folders.extend(folders_in(&folder));
    }
}

fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    // A link leads to a device that is reached by its own path.
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_folder).map(|entry| entry.path())
}

/// What a message says, if it concerns us.
fn message(bytes: &[u8]) -> Option<Message> {
    let mut parts = bytes.split(|byte| *byte == 0);
    let (action, path) = std::str::from_utf8(parts.next()?).ok()?.split_once('@')?;
    let device = Device::new(path.to_owned(), parts);
    match action {
        "add" => Some(Message::Added(device)),
        "remove" => Some(Message::Removed(device)),
        _ => None,
    }
}

/// The kernel's messages.
#[derive(Debug)]
pub struct Messages(OwnedFd);

impl Messages {
    /// Hears them from now on.
    pub fn new() -> io::Result<Self> {
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)?;
        // Without the right to a large buffer the usual one must do.
        let _ = setsockopt(&fd, RcvBufForce, &BUFFER);
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL))?;
        Ok(Self(fd))
    }

    /// Waits until there is one.
    pub fn wait(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                done => return Ok(done.map(drop)?),
            }
        }
    }

    /// Those that are there; `None` if some were lost.
    pub fn take(&self) -> io::Result<Option<Vec<Message>>> {
        let mut bytes = [0; MESSAGE];
        let mut messages = Vec::new();
        for _ in 0..BURST {
            let (length, sender) = match recvfrom::<NetlinkAddr>(self.0.as_raw_fd(), &mut bytes) {
                Ok(received) => received,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => break,
                Err(Errno::ENOBUFS) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            // Only the kernel has this number.
            if sender.is_some_and(|sender| sender.pid() == 0) {
                messages.extend(message(bytes.get(..length).unwrap_or_default()));
            }
        }
        Ok(Some(messages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_says_of_a_device_is_read() {
        let disk = Device {
            path: "/devices/pci0/block/vda".into(),
            alias: None,
            node: Some(Node { name: "vda".into(), numbers: (254, 0) }),
        };
        let card = Device {
            path: "/devices/pci0/virtio1".into(),
            alias: Some("virtio:d00000001v00001AF4".into()),
            node: None,
        };
        for (bytes, expected) in [
            (
                &b"add@/devices/pci0/block/vda\0MAJOR=254\0MINOR=0\0DEVNAME=vda\0"[..],
                Some(Message::Added(disk.clone())),
            ),
            (
                b"remove@/devices/pci0/block/vda\0DEVNAME=/dev/vda\0MAJOR=254\0MINOR=0\0",
                Some(Message::Removed(disk)),
            ),
            (b"add@/devices/pci0/virtio1\0MODALIAS=virtio:d00000001v00001AF4\0", Some(Message::Added(card))),
            (b"change@/devices/pci0/virtio1\0MODALIAS=x\0", None),
            (b"libudev\0", None),
            (b"\xff\xff@", None),
            (b"", None),
        ] {
            assert_eq!(message(bytes), expected);
        }
    }
}
