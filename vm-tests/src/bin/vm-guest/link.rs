//! Makes links and addresses, and changes them faster than a process could be started for each: what the `ip` of
//! busybox does not know.

use std::{
    fs,
    io::{self, Error},
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// It is a request, and is to be answered.
const REQUEST: u16 = 0x5;
/// Something new is made.
const CREATE: u16 = 0x600;
/// The link is switched on.
const UP: u32 = 1;

/// `add NAME KIND [PEER]`, `delete NAME`, `storm NAME COUNT` or `routes NAME COUNT`.
pub fn run(words: &[String]) -> io::Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let kernel = Kernel::new()?;
    match words.as_slice() {
        ["add", name, kind] => kernel.add(name, kind, &[]),
        ["add", name, kind, peer] => {
            // For veth: the other end, told of as a link is.
            let peer = [&[0; 16][..], &attribute(3, &zero_ended(peer))].concat();
            kernel.add(name, kind, &attribute(2, &attribute(1, &peer)))
        }
        ["delete", name] => {
            let body = link(index(name)?, 0, 0);
            kernel.ask(17, REQUEST, &body)
        }
        ["storm", name, count] => storm(&kernel, name, count.parse().map_err(Error::other)?),
        ["routes", name, count] => routes(&kernel, name, count.parse().map_err(Error::other)?),
        _ => Err(Error::other(
            "it is `vm-guest link add NAME KIND [PEER]`, `vm-guest link delete NAME`, \
             `vm-guest link storm NAME COUNT` or `vm-guest link routes NAME COUNT`",
        )),
    }
}

/// Switches a link on and off, and gives it addresses and takes them away; every eighth stays.
fn storm(kernel: &Kernel, name: &str, count: u32) -> io::Result<()> {
    let index = index(name)?;
    for number in 0..count {
        kernel.ask(16, REQUEST, &link(index, UP, UP))?;
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 64, 0, 0).to_bits().wrapping_add(number));
        let body = |address: Ipv4Addr| {
            let mut body = vec![2, 32, 0, 0];
            body.extend(index.to_ne_bytes());
            body.extend(attribute(1, &address.octets()));
            body.extend(attribute(2, &address.octets()));
            body
        };
        // Nine hundred are as many as a test wants to compare.
        let address = if number < 7200 { address } else { Ipv4Addr::new(10, 65, 0, 1) };
        kernel.ask(20, REQUEST | CREATE, &body(address))?;
        if !number.is_multiple_of(8) || number >= 7200 {
            kernel.ask(21, REQUEST, &body(address))?;
        }
        kernel.ask(16, REQUEST, &link(index, 0, UP))?;
    }
    kernel.ask(16, REQUEST, &link(index, UP, UP))
}

/// Adds routes to single hosts over a link.
fn routes(kernel: &Kernel, name: &str, count: u32) -> io::Result<()> {
    let index = index(name)?;
    for number in 0..count {
        let host = Ipv4Addr::from_bits(Ipv4Addr::new(10, 128, 0, 0).to_bits().wrapping_add(number));
        let mut body = vec![2, 32, 0, 0, 254, 4, 253, 1, 0, 0, 0, 0];
        body.extend(attribute(1, &host.octets()));
        body.extend(attribute(4, &index.to_ne_bytes()));
        kernel.ask(24, REQUEST | CREATE, &body)?;
    }
    Ok(())
}

fn index(name: &str) -> io::Result<u32> {
    fs::read_to_string(format!("/sys/class/net/{name}/ifindex"))?.trim().parse().map_err(Error::other)
}

/// The fixed part about a link: its number, its flags, and which of them count.
fn link(index: u32, flags: u32, change: u32) -> Vec<u8> {
    [&[0; 4][..], &index.to_ne_bytes(), &flags.to_ne_bytes(), &change.to_ne_bytes()].concat()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX).saturating_add(4);
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn zero_ended(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

struct Kernel(OwnedFd);

impl Kernel {
    fn new() -> io::Result<Self> {
        let protocol = SockProtocol::NetlinkRoute;
        Ok(Self(socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?))
    }

    fn add(&self, name: &str, kind: &str, more: &[u8]) -> io::Result<()> {
        let info = [attribute(1, kind.as_bytes()), more.to_vec()].concat();
        let body = [link(0, 0, 0), attribute(3, &zero_ended(name)), attribute(18, &info)].concat();
        self.ask(16, REQUEST | CREATE, &body)
    }

    /// Has something done, and waits for the answer.
    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).saturating_add(16);
        let head = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]].concat();
        let message = [&head, body].concat();
        sendto(self.0.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        let mut answer = [0; 1024];
        let read = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        let error = answer.get(16..20.min(read)).and_then(|bytes| bytes.first_chunk());
        match error.map(|bytes| i32::from_ne_bytes(*bytes)) {
            Some(0) => Ok(()),
            Some(error) => Err(Error::from_raw_os_error(error.wrapping_neg())),
            None => Err(Error::other("the kernel's answer is cut off")),
        }
    }
}
