//! Sockets that are opened for jobs: where they are, what a connection to one does, and what tells of it.
//!
//! A job names its sockets in a field of its own (`sockets`), or by an event that it waits for
//! (`socket PROTO=inet PORT=7`). Both give a [`Listener`], so that nobody behind this need know which it was.

mod address;
mod listener;

use events::Text;
use serde::{Deserialize, Serialize};

pub use address::{ADDRESS_KINDS, Address, Family, Transport};
pub(crate) use listener::fault_of;
pub use listener::{Listener, NoSocket, awaits_connections, listeners, own_sockets};

/// The event that a connection is.
pub const SOCKET_EVENT: &str = "socket";
/// The argument of it that names the job whose socket it is.
pub const SOCKET_JOB: &str = "JOB";
/// The argument of it that numbers a connection which has been accepted.
pub const CONNECTION: &str = "CONNECTION";
/// The most sockets that one job may have.
pub const MAX_SOCKETS: usize = 64;
/// A socket that is opened for a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// The address: `tcp:80`, `udp:[::1]:53`, `unix:/run/x.sock`. [`Address::parse`] reads it.
    pub listen: Text,
    /// Its name in LISTEN_FDNAMES.
    pub name: Option<Text>,
    /// Permissions of a unix socket.
    pub mode: Option<u16>,
    /// Owner of a unix socket.
    pub user: Option<Text>,
    /// Group of a unix socket.
    pub group: Option<Text>,
}

impl Socket {
    /// One at this address, about which nothing else is said.
    #[must_use]
    pub fn at(listen: &str) -> Self {
        Self { listen: listen.into(), name: None, mode: None, user: None, group: None }
    }
}

/// What a connection to one of a job's sockets does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnConnection {
    /// Nothing: the sockets are opened when the job starts.
    #[default]
    Nothing,
    /// It starts the job, which takes over the sockets.
    Start,
    /// The same; the socket is the job's standard input and output.
    Stdin,
    /// It is accepted, and starts an instance of its own, whose standard input and output it is.
    Each(Connections),
}

/// How many connections are accepted for a job; one beyond that is closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// At once.
    pub most: u32,
    /// At once from one address.
    pub per_source: u32,
    /// In a minute.
    pub per_minute: u32,
    /// In a minute from one address.
    pub per_source_per_minute: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self { most: 64, per_source: 16, per_minute: 1_024, per_source_per_minute: 120 }
    }
}
