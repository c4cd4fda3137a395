//! Links, addresses and routes in the words of facts and events.

use std::fmt::Display;

use events::{
    Args, Event, Identity, Key, Name, Text, Value,
    rtnetlink::{Address, Family, Hop, Link},
};
use jobs::{Input, Origin};

use crate::pid1::shell::Shell;

/// A way that a default route goes, and what tells it from others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// Its family.
    pub family: Family,
    /// Of several, that with the least is used.
    pub metric: u32,
    /// For which kind of traffic.
    pub service: u8,
    /// Which link, and who is there.
    pub hop: Hop,
}

/// What tells an address from others of its link.
pub type Place = (u32, std::net::IpAddr, u8, Option<std::net::IpAddr>);

/// What tells this address from others.
pub const fn place(address: &Address) -> Place {
    (address.index, address.local, address.prefix, address.peer)
}

/// The identity of a link's fact.
pub fn of_link(index: u32) -> Identity {
    identity(&index)
}

/// The identity of an address's fact.
pub fn of_address((index, local, prefix, peer): &Place) -> Identity {
    match peer {
        Some(peer) => identity(&format_args!("{index} {local}/{prefix} {peer}")),
        None => identity(&format_args!("{index} {local}/{prefix}")),
    }
}

/// The identity of a default route's fact.
pub fn of_way(Way { family, metric, service, hop }: &Way) -> Identity {
    let index = hop.index;
    match hop.gateway {
        Some(gateway) => identity(&format_args!("{family} {metric} {service} {index} {gateway}")),
        None => identity(&format_args!("{family} {metric} {service} {index}")),
    }
}

fn identity(shown: &dyn Display) -> Identity {
    use std::fmt::Write as _;
    let mut text = Text::default();
    // Writing into a string cannot fail.
    let _ = write!(text, "{shown}");
    Identity(text)
}

/// A value that is shown like this. What is shown here is short and of plain signs.
fn value(shown: &dyn Display) -> Value {
    Value::escaped(shown.to_string().as_bytes()).0
}

fn args<const N: usize>(pairs: [(&'static str, Value); N]) -> Args {
    pairs.into_iter().map(|(key, value)| (Key::constant(key), value)).collect()
}

/// What the fact of a link that is up says. `master` is the name of the link that it is a port of.
pub fn link(link: &Link, master: Option<&Value>) -> Args {
    let mut args = args([
        ("IFACE", link.name.clone()),
        ("IFINDEX", value(&link.index)),
        ("KIND", link.kind.clone()),
        ("ADDRESS", link.hardware.clone()),
        ("MTU", value(&link.mtu)),
    ]);
    if let Some(master) = master {
        args.push(Key::constant("MASTER"), master.clone());
    }
    args
}

/// What the fact of an address says, and the events about it.
pub fn address(address: &Address, iface: &Value) -> Args {
    let mut args = args([
        ("IFACE", iface.clone()),
        ("FAMILY", value(&address.family)),
        ("ADDRESS", value(&address.local)),
        ("PREFIX", value(&address.prefix)),
        ("SCOPE", value(&address.scope)),
    ]);
    if let Some(peer) = address.peer {
        args.push(Key::constant("PEER"), value(&peer));
    }
    args
}

/// What the fact of a default route says, and the events about it. A gateway that there is none of is empty.
pub fn route(way: &Way, iface: &Value) -> Args {
    let gateway = way.hop.gateway.map_or_else(Value::empty, |gateway| value(&gateway));
    args([
        ("FAMILY", value(&way.family)),
        ("IFACE", iface.clone()),
        ("GATEWAY", gateway),
        ("METRIC", value(&way.metric)),
    ])
}

/// What an event about a network card says: what the fact does, and what was done.
pub fn done(device: &Args, action: &'static str) -> Args {
    let mut args = device.clone();
    args.push(Key::constant("ACTION"), value(&action));
    args
}

/// What the fact of a network card says where the kernel's own messages about devices do not come.
pub fn device(link: &Link) -> Args {
    args([
        ("KERNEL", link.name.clone()),
        ("SUBSYSTEM", value(&"net")),
        ("INTERFACE", link.name.clone()),
        ("IFINDEX", value(&link.index)),
    ])
}

/// What Upstart's files know of a link that comes up or goes down. The kernel does not know by what configuration:
/// only `lo` gets its addresses by itself.
pub fn net_device(link: &Args) -> Args {
    let iface = link.get("IFACE").cloned().unwrap_or_else(Value::empty);
    let loops = link.get("KIND").is_some_and(|kind| kind.as_str() == "loopback");
    let method = if loops { "loopback" } else { "manual" };
    args([
        ("IFACE", iface.clone()),
        ("LOGICAL", iface),
        ("ADDRFAM", value(&Family::Inet)),
        ("METHOD", value(&method)),
    ])
}

/// Emits an event.
pub fn emit(shell: &mut Shell<'_>, name: Name, args: Args) {
    let event = Event { name, args };
    shell.report(Input::Event { event, origin: Origin::World, reply: None });
}
