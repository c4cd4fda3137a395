//! All connections: how many there may be, and who goes when there are too many or he is too slow.
//!
//! Everybody may connect, so nobody may take the last place: a user has at most [`EACH`] connections, all others
//! than root together leave [`KEPT`] to root, and when a place is wanted the one goes that has been idle for
//! longest.

use std::collections::BTreeMap;

use core::time::Duration;

use events::Time;
use nix::sys::resource::{Resource, getrlimit};
use serde_json::Value;

use super::{
    client::{Client, Doing},
    outcome,
    peer::Peer,
    turns,
};
use crate::pid1::shell::Shell;

/// The most connections.
pub const ALL: usize = 128;
/// The most connections of one user; root may have all.
pub const EACH: usize = 16;
/// Connections that are kept for root.
pub const KEPT: usize = 16;
/// How much a user other than root may ask within [`WINDOW`]. A status is 1, a list is [`DEAR`].
pub const ALLOWANCE: u32 = 400;
/// What a request costs that looks at all jobs.
pub const DEAR: u32 = 40;
/// How long until an allowance is there anew.
pub const WINDOW: Duration = Duration::from_secs(1);
/// How many users' spendings are remembered at a time.
const SPENDERS: usize = 64;

/// All connections.
#[derive(Debug)]
pub struct Clients {
    table: BTreeMap<u32, Client>,
    /// The number of the last one.
    number: u32,
    /// The most there may be: fewer than [`ALL`] if there are few descriptors.
    most: usize,
    barred: Vec<u32>,
    /// What users have asked in this window: since when, who, how much.
    spent: (Time, BTreeMap<u32, u32>),
}

impl Clients {
    /// Nobody has connected yet.
    pub fn new(barred: Vec<u32>) -> Self {
        // Descriptors are needed for jobs first: at most one of four goes to those who steer.
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
        let most = usize::try_from(descriptors / 4).unwrap_or(ALL).clamp(8, ALL);
        Self { table: BTreeMap::new(), number: 0, most, barred, spent: (Time(0), BTreeMap::new()) }
    }

    /// As which user the client of this number connected.
    pub fn uid(&self, number: u32) -> Option<u32> {
        Some(self.table.get(&number)?.peer.uid)
    }

    /// Where the client of this number stands in line.
    pub fn place(&self, number: u32) -> u64 {
        self.table.get(&number).map_or(0, |client| turns::place(client.heard, client.has_backlog()))
    }

    /// The client of this number.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Client> {
        self.table.get_mut(&number)
    }

    /// How many there are, and how many there may be.
    pub fn count(&self) -> (usize, usize) {
        (self.table.len(), self.most)
    }

    /// A number that no client has.
    pub fn free_number(&mut self) -> u32 {
        loop {
            self.number = self.number.wrapping_add(1);
            if !self.table.contains_key(&self.number) {
                return self.number;
            }
        }
    }

    /// Takes in a client under a number of its own.
    pub fn add(&mut self, number: u32, client: Client) {
        self.table.insert(number, client);
    }

    /// Whether somebody may connect now; if a place must be made for him, by whose going.
    pub fn admit(&self, peer: &Peer) -> Result<Option<u32>, &'static str> {
        if self.barred.contains(&peer.uid) {
            return Err("this user is not listened to any more");
        }
        let kept = KEPT.min(self.most / 4);
        let others: Vec<_> = self.table.iter().filter(|(_, client)| !client.peer.trusted).collect();
        if peer.trusted {
            if self.table.len() < self.most {
                return Ok(None);
            }
            return self.idlest().map(Some).ok_or(FULL);
        }
        if others.iter().filter(|(_, client)| client.peer.uid == peer.uid).count() >= EACH {
            return Err("this user has too many connections");
        }
        let room = self.most.saturating_sub(kept);
        if others.len() < room && self.table.len() < self.most {
            return Ok(None);
        }
        idle(others.into_iter()).map(Some).ok_or(FULL)
    }

    /// Who goes when there is no room: the one that has been idle for longest, and root last.
    pub fn idlest(&self) -> Option<u32> {
        let of = |trusted| idle(self.table.iter().filter(move |(_, client)| client.peer.trusted == trusted));
        of(false).or_else(|| of(true))
    }

    /// Whether a client may ask now. If not, it rests until its user's allowance is there anew.
    pub fn may_ask(&mut self, number: u32, now: Time) -> bool {
        self.new_window(now);
        let (since, spent) = &self.spent;
        let Some(client) = self.table.get_mut(&number) else { return false };
        let over = spent.get(&client.peer.uid).is_some_and(|spent| *spent >= ALLOWANCE);
        client.rests = (over && !client.peer.trusted).then(|| since.after(WINDOW));
        client.rests.is_none()
    }

    /// Somebody has asked for something of this cost.
    pub fn spend(&mut self, uid: u32, cost: u32, now: Time) {
        self.new_window(now);
        let spent = &mut self.spent.1;
        if spent.len() < SPENDERS || spent.contains_key(&uid) {
            let sum = spent.entry(uid).or_default();
            *sum = sum.saturating_add(cost);
        }
    }

    fn new_window(&mut self, now: Time) {
        if now >= self.spent.0.after(WINDOW) {
            self.spent = (now, BTreeMap::new());
        }
    }

    /// When somebody is too slow, or has rested.
    pub fn deadline(&self) -> Option<Time> {
        let times = |client: &Client| [client.deadline(), client.rests];
        self.table.values().flat_map(times).flatten().min()
    }

    /// Who is too slow.
    pub fn late(&self, now: Time) -> Vec<u32> {
        let is_late = |client: &Client| client.deadline().is_some_and(|deadline| deadline <= now);
        self.table.iter().filter(|(_, client)| is_late(client)).map(|(number, _)| *number).collect()
    }

    /// Who may ask again.
    pub fn rested(&self, now: Time) -> Vec<u32> {
        let has_rested = |client: &Client| client.rests.is_some_and(|until| until <= now);
        self.table.iter().filter(|(_, client)| has_rested(client)).map(|(number, _)| *number).collect()
    }

    /// Those who look on.
    pub fn watchers(&mut self) -> impl Iterator<Item = (u32, &mut Client)> {
        let watches = |client: &Client| matches!(client.doing, Doing::Watching { .. });
        self.table
            .iter_mut()
            .filter(move |(_, client)| watches(client))
            .map(|(number, client)| (*number, client))
    }

    /// A user may not connect any more.
    pub fn bar(&mut self, uid: u32) {
        self.barred.push(uid);
    }

    /// Who looks on is told that this was all.
    pub fn farewell(&mut self, error: &Value, now: Time) {
        for (_, client) in self.watchers() {
            client.answer(Err(error.clone()));
            client.flush(now);
        }
    }

    /// Gives up all clients.
    pub fn close(self, shell: &mut Shell<'_>) {
        for client in self.table.into_values() {
            client.close(shell);
        }
    }

    /// Gives up a client.
    pub fn remove(&mut self, shell: &mut Shell<'_>, number: u32) {
        if let Some(client) = self.table.remove(&number) {
            client.close(shell);
        }
    }
}

const FULL: &str = "too many connections";

/// What somebody is told who may not connect.
pub fn refusal(reason: &str) -> Vec<u8> {
    let error = outcome::error("Busy", serde_json::json!({ "reason": reason }));
    let mut message = outcome::message(Err(error));
    message.push(0);
    message
}

/// Of these the one that waits for nothing and has asked for nothing for longest.
fn idle<'c>(clients: impl Iterator<Item = (&'c u32, &'c Client)>) -> Option<u32> {
    let idle = clients.filter(|(_, client)| client.is_idle());
    idle.min_by_key(|(_, client)| client.asked).map(|(number, _)| *number)
}
