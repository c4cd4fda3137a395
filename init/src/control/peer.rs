//! Who is at the other end of a connection, by the kernel's word.

use std::os::unix::net::UnixStream;

use jobs::{Life, Origin};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// As which user he connected.
    pub uid: u32,
    /// As which process; 0 if it cannot be seen from here.
    pid: i32,
    /// Whether he may do everything.
    pub trusted: bool,
    /// What he is taken for, once somebody has asked.
    origin: Option<Origin>,
}

impl Peer {
    /// Who has connected.
    pub fn of(stream: &UnixStream) -> nix::Result<Self> {
        let credentials = getsockopt(stream, PeerCredentials)?;
        let uid = credentials.uid();
        // In a container without root we are somebody else, and so is whoever steers us.
        let trusted = uid == 0 || uid == nix::unistd::geteuid().as_raw();
        Ok(Self { uid, pid: credentials.pid(), trusted, origin: None })
    }

    /// For whom he acts: for the job that he is a process of, or for himself. Looked up once, since it takes a
    /// look at his cgroup.
    pub fn origin(&mut self, life_of_pid: &dyn Fn(i32) -> Option<Life>) -> Origin {
        let (uid, pid) = (self.uid, self.pid);
        let find = || match (pid > 0).then(|| life_of_pid(pid)).flatten() {
            Some(life) => Origin::Job(life),
            None => Origin::Person(uid),
        };
        *self.origin.get_or_insert_with(find)
    }
}
