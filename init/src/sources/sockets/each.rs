//! Connections that PID 1 accepts: how many there may be, by whom, and what tells of them.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv6Addr},
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use events::{Args, Text, Time, Value};
use jobs::Connections;
use nix::sys::socket::{
    SockFlag, SockaddrStorage, accept4, getpeername, getsockopt, sockopt::PeerCredentials,
};
use serde::{Deserialize, Serialize};

use crate::{store::Kept, sys::spawn};

/// How many addresses are counted for one job; beyond that the one goes that has been quiet for longest.
pub const SOURCES: usize = 1_024;
/// A minute, in milliseconds.
const MINUTE: u64 = 60_000;

/// Who connects, as far as it counts. Of IPv6 it is the network of 64 bits: whoever has one address of it has all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// An address.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
    /// Nobody can say.
    Unknown,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address @ IpAddr::V4(_)) => write!(f, "{address}"),
            Self::Address(address @ IpAddr::V6(_)) => write!(f, "{address}/64"),
            Self::User(uid) => write!(f, "user {uid}"),
            Self::Unknown => f.write_str("somebody"),
        }
    }
}

/// How often something happened in the minute that began at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    since: Time,
    count: u32,
}

impl Minute {
    /// Whether fewer than `most` were counted in this minute.
    const fn has_room(&self, most: u32, now: Time) -> bool {
        self.count < most || self.is_over(now)
    }

    const fn is_over(&self, now: Time) -> bool {
        now.0.saturating_sub(self.since.0) >= MINUTE
    }

    const fn count(&mut self, now: Time) {
        if self.count == 0 || self.is_over(now) {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
    }
}

/// How many connections there are to the sockets of one job.
#[derive(Debug, Default)]
pub struct Tally {
    now: u32,
    minute: Minute,
    sources: BTreeMap<Source, (u32, Minute)>,
    /// How many were closed at once.
    pub closed: u64,
    /// Why the last of them was.
    pub last_closed: Option<String>,
}

impl Tally {
    /// How many there are now.
    pub const fn now(&self) -> u32 {
        self.now
    }

    /// Counts a connection, or says why it is one too many.
    pub fn admit(&mut self, source: Source, limits: &Connections, now: Time) -> Result<(), String> {
        let (of_source, minute) = self.sources.get(&source).copied().unwrap_or_default();
        let why = if self.now >= limits.most {
            format!("there are {} already", limits.most)
        } else if of_source >= limits.per_source {
            format!("{source} has {} already", limits.per_source)
        } else if !self.minute.has_room(limits.per_minute, now) {
            format!("{} have come within a minute", limits.per_minute)
        } else if !minute.has_room(limits.per_source_per_minute, now) {
            format!("{source} has come {} times within a minute", limits.per_source_per_minute)
        } else {
            self.add(source);
            self.minute.count(now);
            if let Some((_, minute)) = self.sources.get_mut(&source) {
                minute.count(now);
            }
            return Ok(());
        };
        self.closed = self.closed.saturating_add(1);
        self.last_closed = Some(why.clone());
        Err(why)
    }

    /// Counts one that is there already.
    pub fn add(&mut self, source: Source) {
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            let quiet = self.sources.iter().filter(|(_, (count, _))| *count == 0);
            if let Some(source) = quiet.min_by_key(|(_, (_, minute))| minute.since).map(|(source, _)| *source)
            {
                self.sources.remove(&source);
            }
        }
        self.now = self.now.saturating_add(1);
        let (count, _) = self.sources.entry(source).or_default();
        *count = count.saturating_add(1);
    }

    /// One is over.
    pub fn leave(&mut self, source: Source, now: Time) {
        self.now = self.now.saturating_sub(1);
        if let Some((count, minute)) = self.sources.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 && minute.is_over(now) {
                self.sources.remove(&source);
            }
        }
    }
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Connection {
    /// Whose.
    pub owner: u64,
    /// For which job.
    pub job: Text,
    /// From whom.
    pub source: Source,
    /// Its descriptor, until a process has it.
    pub fd: Option<Kept>,
    /// Whether the engine has seen the event that it is: then an instance lives for it, or nobody wants it.
    pub is_told: bool,
}

/// The next connection that waits at a socket, and who it is from; none if there is none.
pub fn accept(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let fd = accept4(socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC)?;
    Ok(spawn::owned(fd))
}

/// Who has connected, and what of it is told.
pub fn peer(connection: BorrowedFd<'_>) -> (Source, Args) {
    let mut args = Args::new();
    let mut tell = |key: &'static str, text: String| args.extend_with(key, Value::new(&text).ok());
    let address = getpeername::<SockaddrStorage>(connection.as_raw_fd()).ok();
    let v4 = address.as_ref().and_then(SockaddrStorage::as_sockaddr_in);
    let v4 = v4.map(|it| (IpAddr::V4(it.ip()), it.port()));
    let v6 = address.as_ref().and_then(SockaddrStorage::as_sockaddr_in6);
    let v6 = v6.map(|it| (IpAddr::V6(it.ip()).to_canonical(), it.port()));
    if let Some((ip, port)) = v4.or(v6) {
        tell("REMOTE_ADDR", ip.to_string());
        tell("REMOTE_PORT", port.to_string());
        return (source_of(ip), args);
    }
    match getsockopt(&connection, PeerCredentials) {
        Ok(peer) => {
            tell("REMOTE_UID", peer.uid().to_string());
            tell("REMOTE_GID", peer.gid().to_string());
            tell("REMOTE_PID", peer.pid().to_string());
            (Source::User(peer.uid()), args)
        }
        Err(_) => (Source::Unknown, args),
    }
}

fn source_of(ip: IpAddr) -> Source {
    Source::Address(match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Connections =
        Connections { most: 4, per_source: 2, per_minute: 6, per_source_per_minute: 3 };

    fn from(last: u8) -> Source {
        source_of(IpAddr::from([10, 0, 0, last]))
    }

    /// Connections one after the other: from whom and when, `-` for the end of one; and what becomes of each.
    #[track_caller]
    fn check(steps: &[(&str, u8, u64)], expected: &[&str]) {
        let mut tally = Tally::default();
        let mut results = Vec::new();
        for (what, last, at) in steps {
            match *what {
                "-" => tally.leave(from(*last), Time(*at)),
                _ => results.push(
                    tally.admit(from(*last), &LIMITS, Time(*at)).err().unwrap_or_else(|| "come".into()),
                ),
            }
        }
        assert_eq!(results, expected);
        assert_eq!(tally.closed, expected.iter().filter(|it| **it != "come").count() as u64);
    }

    #[test]
    fn there_are_never_more_at_once_than_may_be() {
        check(
            &[
                ("+", 1, 0),
                ("+", 1, 0),
                ("+", 1, 0),
                ("+", 2, 0),
                ("+", 3, 0),
                ("+", 4, 0),
                ("-", 1, 0),
                ("+", 1, 0),
            ],
            &["come", "come", "10.0.0.1 has 2 already", "come", "come", "there are 4 already", "come"],
        );
    }

    #[test]
    fn there_are_never_more_in_a_minute_than_may_be() {
        let one = [("+", 1, 1), ("-", 1, 1), ("+", 1, 2), ("-", 1, 2), ("+", 1, 3), ("-", 1, 3)];
        let again = [("+", 1, 59_999), ("+", 1, 60_001)];
        check(
            &[&one[..], &again].concat(),
            &["come", "come", "come", "10.0.0.1 has come 3 times within a minute", "come"],
        );
        let many: Vec<(&str, u8, u64)> = (1..=7).flat_map(|it| [("+", it, 5), ("-", it, 5)]).collect();
        let mut expected = vec!["come"; 6];
        expected.push("6 have come within a minute");
        check(&many, &expected);
    }

    #[test]
    fn many_addresses_take_no_more_memory_than_may_be() {
        let mut tally = Tally::default();
        let limits = Connections { most: u32::MAX, per_minute: u32::MAX, ..LIMITS };
        for number in 0..5_000_u32 {
            let source = source_of(IpAddr::from(number.to_be_bytes()));
            tally.admit(source, &limits, Time(u64::from(number))).unwrap();
            tally.leave(source, Time(u64::from(number)));
        }
        assert!(tally.sources.len() <= SOURCES && tally.now() == 0);
    }

    #[test]
    fn an_address_of_version_6_counts_as_its_network() {
        let one: IpAddr = "2001:db8:1:2:3:4:5:6".parse().unwrap();
        let other: IpAddr = "2001:db8:1:2:ffff::1".parse().unwrap();
        assert_eq!(source_of(one), source_of(other));
        assert_eq!(source_of(one).to_string(), "2001:db8:1:2::/64");
    }
}
