//! Where a socket is, as people write it and as the event `socket` tells it.

use alloc::format;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use events::{Args, Key, Text, Value};

/// The longest path of a unix socket.
const LONGEST_PATH: usize = 107;

/// Whether a socket has connections or only messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Connections.
    Stream,
    /// Messages.
    Datagram,
}

/// Who reaches a socket of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Whoever the address is for; without an address both.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// Where a socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// In the network.
    Net {
        /// `tcp` or `udp`.
        transport: Transport,
        /// Who reaches it.
        family: Family,
        /// At which address and port.
        at: SocketAddr,
    },
    /// At a path.
    Path {
        /// `unix` or `unix-datagram`.
        transport: Transport,
        /// Which.
        path: Text,
    },
    /// Under a name that is no file's.
    Abstract {
        /// `unix` or `unix-datagram`.
        transport: Transport,
        /// Which.
        name: Text,
    },
}

/// The words that an address may begin with.
pub const ADDRESS_KINDS: [&str; 8] = ["tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "unix-datagram"];

impl Address {
    /// The address that a text says: `tcp:80`, `tcp4:127.0.0.1:80`, `udp:[::1]:53`, `unix:/run/x.sock`, `unix:@name`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        use Transport::{Datagram, Stream};
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "tcp" => net(Stream, Family::Any, rest),
            "tcp4" => net(Stream, Family::V4, rest),
            "tcp6" => net(Stream, Family::V6, rest),
            "udp" => net(Datagram, Family::Any, rest),
            "udp4" => net(Datagram, Family::V4, rest),
            "udp6" => net(Datagram, Family::V6, rest),
            "unix" => local(Stream, rest),
            "unix-datagram" => local(Datagram, rest),
            _ => None,
        }
    }

    /// Whether it has connections or only messages.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match self {
            Self::Net { transport, .. } | Self::Path { transport, .. } | Self::Abstract { transport, .. } => {
                *transport
            }
        }
    }

    /// What of the event `socket` tells where it is.
    pub(super) fn args(&self) -> Args {
        let mut args = Args::new();
        let mut tell = |key: &'static str, text: &str| {
            if let Ok(value) = Value::new(text) {
                args.push(Key::constant(key), value);
            }
        };
        match self {
            Self::Net { at, .. } => {
                tell("PROTO", if at.is_ipv4() { "inet" } else { "inet6" });
                tell("ADDR", &format!("{}", at.ip()));
                tell("PORT", &format!("{}", at.port()));
            }
            Self::Path { path, .. } => {
                tell("PROTO", "unix");
                tell("PATH", path);
                tell("SOCKET_PATH", path);
            }
            Self::Abstract { name, .. } => {
                tell("PROTO", "unix");
                tell("PATH", &format!("@{name}"));
                tell("SOCKET_PATH", &format!("@{name}"));
            }
        }
        if self.transport() == Transport::Datagram {
            tell("TYPE", "datagram");
        }
        args
    }

    /// Whether who asks for `other` is served by this one.
    pub(super) fn serves(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Net { transport, family, at },
                Self::Net { transport: theirs, at: asked, family: their_family },
            ) => {
                let same_family = *family == Family::Any || family == their_family;
                let same_address = at.ip() == asked.ip() || at.ip().is_unspecified();
                transport == theirs && at.port() == asked.port() && same_family && same_address
            }
            (one, other) => one == other,
        }
    }
}

fn net(transport: Transport, family: Family, text: &str) -> Option<Address> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    let all = match family {
        // Of both kinds, where there are both.
        Family::Any | Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let at = match text.rsplit_once(':') {
        None => SocketAddr::new(all, port(text)?),
        Some(("*", number)) => SocketAddr::new(all, port(number)?),
        Some((_, number)) => {
            let _: u16 = port(number)?;
            text.parse().ok()?
        }
    };
    let fits = match family {
        Family::Any => true,
        Family::V4 => at.is_ipv4(),
        Family::V6 => at.is_ipv6(),
    };
    fits.then_some(Address::Net { transport, family, at })
}

fn local(transport: Transport, text: &str) -> Option<Address> {
    if text.len() > LONGEST_PATH || Value::new(text).is_err() {
        return None;
    }
    match text.strip_prefix('@') {
        Some("") => None,
        Some(name) => Some(Address::Abstract { transport, name: name.into() }),
        None if text.starts_with('/') && !text.ends_with('/') => {
            Some(Address::Path { transport, path: text.into() })
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_never_looked_up() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let shown = match Address::parse(text) {
                Some(Address::Net { transport, family, at }) => {
                    alloc::format!("{transport:?} {family:?} {at}")
                }
                Some(Address::Path { transport, path }) => alloc::format!("{transport:?} {path}"),
                Some(Address::Abstract { transport, name }) => alloc::format!("{transport:?} named {name}"),
                None => "none".into(),
            };
            assert_eq!(shown, expected, "{text}");
        }
        check("tcp:80", "Stream Any [::]:80");
        check("tcp:*:80", "Stream Any [::]:80");
        check("tcp4:80", "Stream V4 0.0.0.0:80");
        check("tcp6:80", "Stream V6 [::]:80");
        check("tcp:127.0.0.1:80", "Stream Any 127.0.0.1:80");
        check("udp:[::1]:53", "Datagram Any [::1]:53");
        check("udp6:[::1]:53", "Datagram V6 [::1]:53");
        check("unix:/run/a", "Stream /run/a");
        check("unix:@a", "Stream named a");
        check("unix-datagram:/run/a", "Datagram /run/a");
        for none in [
            "tcp:0",
            "tcp:80000",
            "tcp:localhost:80",
            "tcp:",
            "tcp",
            "",
            "tcp:::1:80",
            "tcp4:[::1]:80",
            "tcp6:127.0.0.1:80",
            "unix:",
            "unix:@",
            "unix:run/a",
            "unix:/run/",
            "tpc:80",
            "tcp:[::1]",
            "tcp:127.0.0.1:0",
            "unix:/a\nb",
        ] {
            check(none, "none");
        }
        check(&alloc::format!("unix:/{}", "a".repeat(107)), "none");
    }
}
