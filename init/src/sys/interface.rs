//! Network interfaces, as far as one must be up before anything else is.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Brings an interface up, as `ip link set NAME up` does. The kernel gives `lo` its addresses by itself then.
pub fn bring_up(name: &str) -> io::Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let mut request = request(name);
    ask(&socket, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: the kernel has just filled in the flags, of all that may stand in this place.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    let up = libc::c_short::try_from(libc::IFF_UP).map_err(io::Error::other)?;
    if flags & up == 0 {
        request.ifr_ifru.ifru_flags = flags | up;
        ask(&socket, libc::SIOCSIFFLAGS, &mut request)?;
    }
    Ok(())
}

fn request(name: &str) -> libc::ifreq {
    let mut bytes: [libc::c_char; libc::IFNAMSIZ] = [0; libc::IFNAMSIZ];
    let room = bytes.len().saturating_sub(1);
    for (place, byte) in bytes.iter_mut().take(room).zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    libc::ifreq { ifr_name: bytes, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 } }
}

fn ask(socket: &impl AsFd, what: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: both requests read and write one `ifreq`, which lives until the call is over.
    let result = unsafe { libc::ioctl(fd, what as _, std::ptr::from_mut(request)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
