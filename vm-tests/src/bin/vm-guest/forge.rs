//! Messages about devices from somebody who is neither the kernel nor udevd.

use std::{io, os::fd::AsRawFd as _};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
};

/// Where a message of udevd's has its properties.
const HEAD: u32 = 40;

/// `HOW` is who says it to whom: `kernel` to those who listen to the kernel, `udevd` to those who listen to udevd,
/// `one` to process 1 alone. `\0` in the message is a zero byte.
pub(super) fn run(words: &[String]) -> io::Result<()> {
    let [how, message] = words else { return Err(io::ErrorKind::InvalidInput.into()) };
    let properties = message.replace("\\0", "\0").into_bytes();
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkKObjectUEvent,
    )?;
    let (number, group, bytes) = match how.as_str() {
        "kernel" => (0, 1, properties),
        "one" => (1, 0, properties),
        "udevd" => (0, 2, framed(&properties)?),
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let to = NetlinkAddr::new(number, group);
    match sendto(fd.as_raw_fd(), &bytes, &to, MsgFlags::empty()) {
        // Nobody listens to udevd but who is asked.
        Ok(_) | Err(nix::errno::Errno::ECONNREFUSED) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A message as udevd sends it.
fn framed(properties: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(properties.len()).map_err(io::Error::other)?;
    let mut bytes = b"libudev\0".to_vec();
    bytes.extend_from_slice(&0xfeed_cafe_u32.to_be_bytes());
    for number in [HEAD, HEAD, length, 0, 0, 0, 0] {
        bytes.extend_from_slice(&number.to_ne_bytes());
    }
    bytes.extend_from_slice(properties);
    Ok(bytes)
}
