//! Devices where no udevd runs: their drivers are loaded, and their nodes get owners.
//!
//! One process does it for all devices, from the boot on: what is there is looked at once, and what comes later the kernel
//! tells. What comes at once is worked off at once, so a hub with twenty devices costs one call of modprobe.

mod nodes;
mod table;
mod world;

use std::{
    collections::BTreeSet,
    io,
    os::{
        fd::AsRawFd as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use self::{
    nodes::Nodes,
    table::Table,
    world::{Device, Message, Messages},
};
use super::{
    modules,
    task::{Task, reason},
    udev,
};

/// Where udevd listens.
const UDEVD: &str = "/run/udev/control";

/// Does it until it is ended; with `once`, only for what is there; with `check`, says by its status whether it is wanted.
pub fn run(task: &mut Task, words: &[String]) {
    match words.first().map(String::as_str) {
        Some("check") => {
            if !udev::is_writable("/sys") || is_udevd_there() {
                task.end_with(1);
            }
        }
        Some("once") => {
            let mut work = Work::new(task);
            work.look(task);
        }
        Some(word) => task.misused(format!("devices: `{word}` is not known")),
        None => {
            if let Err(error) = go_on(task) {
                task.fault(format!("cannot hear the kernel: {}", reason(&error)));
            }
        }
    }
}

/// Whether somebody listens there: the socket's name alone may be of one that is dead.
fn is_udevd_there() -> bool {
    let is_there = || {
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(UDEVD)?)
    };
    is_there().is_ok()
}

fn go_on(task: &mut Task) -> io::Result<()> {
    // Before the look: what comes in between is told.
    let messages = Messages::new()?;
    let mut work = Work::new(task);
    work.look(task);
    // What the drivers have found is part of what was there.
    while work.hear(task, &messages)? {}
    // Started by hand there is nobody to tell.
    let _ = tell_that_we_are_up();
    loop {
        messages.wait()?;
        work.hear(task, &messages)?;
    }
}

/// What is done, and with what.
struct Work {
    nodes: Nodes,
}

impl Work {
    fn new(task: &mut Task) -> Self {
        let table = Table::read(task);
        Self { nodes: Nodes::new(task.path("dev"), task.path("sys"), table) }
    }

    /// Deals with all that is there.
    fn look(&mut self, task: &mut Task) {
        let mut aliases = BTreeSet::new();
        let sys = task.path("sys");
        world::all(&sys, |device| self.is_there(task, device, false, &mut aliases));
        modules::load_for(task, &aliases);
    }

    /// Deals with what was told; says whether there was anything.
    fn hear(&mut self, task: &mut Task, messages: &Messages) -> io::Result<bool> {
        let Some(told) = messages.take()? else {
            self.look(task);
            return Ok(true);
        };
        let is_any = !told.is_empty();
        let mut aliases = BTreeSet::new();
        for message in told {
            match message {
                Message::Added(device) => self.is_there(task, device, true, &mut aliases),
                Message::Removed(device) => self.nodes.is_gone(&device),
            }
        }
        modules::load_for(task, &aliases);
        Ok(is_any)
    }

    fn is_there(&mut self, task: &mut Task, device: Device, is_new: bool, aliases: &mut BTreeSet<String>) {
        if let Err(error) = self.nodes.is_there(&device, is_new) {
            let name = device.node.as_ref().map_or("", |node| &node.name);
            task.fault(format!("/dev/{name}: {}", reason(&error)));
        }
        aliases.extend(device.alias);
    }
}

/// Says so to whoever started us.
fn tell_that_we_are_up() -> io::Result<()> {
    let Some(socket) = std::env::var("NOTIFY_SOCKET").ok() else { return Ok(()) };
    let address = match socket.strip_prefix('@') {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(name)?
        }
        None => SocketAddr::from_pathname(&socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address).map(drop)
}
