//! Sockets that jobs have: opened and kept here, listened to while the job is down, and handed over when it starts.
//!
//! A job whose `start_on` waits for the event `socket` (so does one with `on_connection`) has its sockets opened as soon as
//! it is loaded. The first connection is the event; it is not accepted, but left to the job, which has the sockets from
//! then on. When the job is down they are listened to again. Only for `on_connection: each` PID 1 accepts, and gives
//! each connection to an instance of its own. What any other job lists is opened when it starts.
//!
//! A job may die without having accepted anything: then it is started again, but not more than 20 times within
//! ten seconds: then connections wait for a while.
//!
//! | file | holds |
//! | --- | --- |
//! | `open` | bind, listen, close |
//! | `owner` | the sockets of one job |
//! | `look` | which jobs there are that connections start |
//! | `handover` | what a process of a job is given |
//! | `each`, `accept` | connections that are accepted here: counted, limited |
//! | `shown` | what people may know |

mod accept;
pub mod each;
mod handover;
mod look;
pub mod open;
mod owner;
mod shown;

use std::collections::{BTreeMap, BTreeSet};

use events::{Event, Name, Text, Time};
use jobs::{
    CONNECTION, Engine, Input, Job, Listener, Origin, SOCKET_EVENT, SOCKET_JOB, StartMode, Work,
    awaits_connections, listeners,
};
use serde::{Deserialize, Serialize};

use self::{
    each::{Connection, Source},
    owner::{Owner, Places, REFUSED, STARTS, State, WINDOW, later},
};
pub use self::{handover::Given, owner::SOCKET};
use super::Past;
use crate::{
    logs::Level,
    pid1::shell::Shell,
    store::{Kept, Label},
};

/// Labels of descriptors: a connection that was accepted for a job. Its place is the lower half of the owner's number, its
/// number that of the connection.
pub const ACCEPTED: u32 = 501;
/// How many connections there are at most that PID 1 has accepted, for all jobs together.
pub const CONNECTIONS: usize = 4_096;
/// How many are accepted at one socket in one turn.
const ACCEPTS: usize = 32;
/// How often it is said at most that connections of a job are closed at once, in milliseconds.
const SAY_EVERY: u64 = 60_000;

/// What of it is saved for the image after this one, beside the descriptors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// The number of the next connection.
    next: u64,
    /// Connections that were accepted: number, owner, job, and from whom.
    connections: Vec<(u64, u64, Text, Source)>,
}

/// All sockets that jobs have.
#[derive(Debug, Default)]
pub struct Sockets {
    owners: BTreeMap<u64, Owner>,
    connections: BTreeMap<u64, Connection>,
    /// The number of the next connection.
    next: u64,
    places: Places,
    next_place: u32,
    /// What an image before has left, and nobody has asked for yet.
    found: Vec<Kept>,
    /// When something is due, at the earliest.
    due: Option<Time>,
    said: Vec<(Level, String)>,
}

impl Sockets {
    /// Goes on where the image before was.
    #[must_use]
    pub fn new(past: &Past<'_>) -> Self {
        let records = &past.records.sockets;
        let mut sockets = Self { next: records.next.max(1), ..Self::default() };
        let waiting: BTreeSet<u64> = past.waiting.iter().filter_map(number_of).collect();
        for (number, owner, job, source) in &records.connections {
            // Those of which the event is still to come are told later.
            let is_told = !waiting.contains(number);
            let connection =
                Connection { owner: *owner, job: job.clone(), source: *source, fd: None, is_told };
            sockets.connections.insert(*number, connection);
        }
        sockets
    }

    /// Whether a descriptor of an image before is one of ours.
    #[must_use]
    pub const fn wants(label: Label) -> bool {
        matches!(label.role, SOCKET | ACCEPTED)
    }

    /// Goes on with the descriptors of an image before.
    pub fn find(&mut self, kept: Vec<Kept>) {
        for kept in kept {
            if kept.label().role == ACCEPTED {
                let number = kept.label().number;
                self.next = self.next.max(number.saturating_add(1));
                match self.connections.get_mut(&number) {
                    Some(connection) => connection.fd = Some(kept),
                    // It was accepted since that was saved.
                    None => self.found.push(kept),
                }
            } else {
                self.found.push(kept);
            }
        }
    }

    /// What is saved for the image after this one.
    #[must_use]
    pub fn records(&self) -> Records {
        let connections = self.connections.iter();
        let connections = connections.map(|(number, it)| (*number, it.owner, it.job.clone(), it.source));
        Records { next: self.next, connections: connections.collect() }
    }

    /// Listens to the sockets of a job that is down.
    fn listen(&mut self, shell: &mut Shell<'_>, id: u64) {
        let Some(owner) = self.owners.get_mut(&id) else { return };
        if let Some(next) = owner.next.take() {
            owner.have(shell, &mut self.places, next, &mut self.found);
        }
        let said = &mut self.said;
        owner.open(shell.now, &mut |is_bad, text| {
            said.push((if is_bad { Level::Warning } else { Level::Info }, text));
        });
        if matches!(owner.state, State::Paused { until, .. } if until > shell.now) {
            owner.deafen(shell, &mut self.places);
        } else {
            owner.state = State::Listening;
            owner.hearken(shell, &mut self.places, &mut self.next_place);
        }
        self.note(id);
    }

    /// Somebody has connected.
    pub fn heard(&mut self, shell: &mut Shell<'_>, place: u32) {
        let Some((id, door)) = self.places.get(&place).copied() else { return };
        let Some(owner) = self.owners.get_mut(&id) else { return };
        if shell.room() == 0 {
            return;
        }
        if owner.is_each() {
            self.accept(shell, id, door);
            return;
        }
        owner.deafen(shell, &mut self.places);
        if let Some(pause) = owner.count_start(shell.now) {
            owner.state =
                State::Paused { until: later(shell.now, pause), why: "they have started it too often" };
            let text = format!(
                "connections have started {} {STARTS} times within {} s: they have to wait for {} s",
                owner.job,
                WINDOW / 1_000,
                pause / 1_000
            );
            self.said.push((Level::Warning, text));
        } else if let Some(door) = owner.doors.get(door) {
            owner.state = State::Heard { told: false };
            let event = Event { name: Name::constant(SOCKET_EVENT), args: door.listener.args.clone() };
            shell.report(Input::Event { event, origin: Origin::World, reply: None });
        }
        self.note(id);
    }

    /// An event is being worked off: perhaps one of ours.
    pub fn told(&mut self, shell: &Shell<'_>, event: &Event) {
        match event.name.as_str() {
            SOCKET_EVENT => {}
            // What could not be bound to perhaps can be now.
            "net-address-added" | "mounted" | "filesystem" => {
                let now = shell.now;
                let owners = self.owners.values_mut().filter(|owner| owner.is_awaited);
                for (_, _, at) in
                    owners.flat_map(|owner| &mut owner.doors).filter_map(|door| door.fault.as_mut())
                {
                    *at = now;
                    self.due = Some(now);
                }
                return;
            }
            _ => return,
        }
        if let Some(number) = event.args.get(CONNECTION).and_then(|number| number.parse::<u64>().ok()) {
            if let Some(connection) = self.connections.get_mut(&number)
                && event.args.get(SOCKET_JOB).is_some_and(|job| *job.as_str() == *connection.job)
            {
                connection.is_told = true;
            }
            return;
        }
        for owner in self.owners.values_mut() {
            let is_its = owner.doors.iter().any(|door| door.listener.args == event.args);
            if is_its && owner.state == (State::Heard { told: false }) {
                owner.state = State::Heard { told: true };
            }
        }
    }

    /// A turn is over: who has started, who has gone down, and whom does nobody want?
    pub fn turned(&mut self, shell: &mut Shell<'_>, engine: &Engine) {
        if self.owners.is_empty() && self.connections.is_empty() {
            return;
        }
        let (mut down, mut over) = (Vec::new(), Vec::new());
        for (id, owner) in &mut self.owners {
            match owner.state {
                State::Heard { told: true } if engine.has_instances(&owner.job) => owner.state = State::Taken,
                State::Heard { told: true } => {
                    let until = later(shell.now, REFUSED);
                    owner.state = State::Paused { until, why: "it does not start now; `onsetctl why` tells" };
                    self.due = Some(self.due.map_or(until, |due| due.min(until)));
                }
                State::Taken if owner.is_awaited => {
                    if owner.is_each() || !engine.has_instances(&owner.job) {
                        down.push(*id);
                    }
                }
                State::Taken => {
                    let lives = match owner.instance.as_str() {
                        "" => engine.has_instances(&owner.job),
                        instance => engine.is_living(&owner.job, instance),
                    };
                    if !lives {
                        over.push(*id);
                    }
                }
                State::Listening | State::Heard { told: false } | State::Paused { .. } => {}
            }
        }
        down.into_iter().for_each(|id| self.listen(shell, id));
        for owner in over.into_iter().filter_map(|id| self.owners.remove(&id)) {
            owner.close(shell, &mut self.places);
        }
        let now = shell.now;
        let owners = &mut self.owners;
        self.connections.retain(|number, connection| {
            let lives = !connection.is_told || engine.is_living(&connection.job, &number.to_string());
            if !lives && let Some(owner) = owners.get_mut(&connection.owner) {
                owner.tally.leave(connection.source, now);
            }
            lives
        });
    }

    /// Closes the sockets of a job that does not come back.
    pub fn close(&mut self, shell: &mut Shell<'_>, job: &str, instance: &str) {
        if let Some(owner) = self.owners.remove(&open::owner(job, instance)) {
            owner.close(shell, &mut self.places);
        }
    }

    /// When [`tick`](Self::tick) is due.
    #[must_use]
    pub const fn deadline(&self) -> Option<Time> {
        self.due
    }

    /// Does what is due.
    pub fn tick(&mut self, shell: &mut Shell<'_>) {
        if self.due.is_none_or(|due| due > shell.now) {
            return;
        }
        let due = |owner: &Owner| owner.deadline().is_some_and(|at| at <= shell.now);
        let due: Vec<u64> = self.owners.iter().filter(|(_, owner)| due(owner)).map(|(id, _)| *id).collect();
        for id in due {
            let Some(owner) = self.owners.get_mut(&id) else { continue };
            if matches!(owner.state, State::Listening | State::Paused { .. }) {
                self.listen(shell, id);
            } else {
                let said = &mut self.said;
                owner.open(shell.now, &mut |is_bad, text| {
                    said.push((if is_bad { Level::Warning } else { Level::Info }, text));
                });
            }
        }
        self.due = self.owners.values().filter_map(Owner::deadline).min();
    }

    fn note(&mut self, id: u64) {
        let at = self.owners.get(&id).and_then(Owner::deadline);
        self.due = self.due.into_iter().chain(at).min();
    }

    /// What is to be said, since the last call.
    pub fn take_said(&mut self) -> Vec<(Level, String)> {
        std::mem::take(&mut self.said)
    }
}

/// Whether connections start the job by themselves.
fn is_awaited(job: &Job) -> bool {
    job.start == StartMode::Automatic && awaits_connections(job)
}

/// The sockets of a job, and the events that say none.
fn sorted(job: &Job, work: &Work) -> (Vec<Listener>, Vec<jobs::NoSocket>) {
    let (mut sockets, mut bad) = (Vec::new(), Vec::new());
    for listener in listeners(job, work) {
        match listener {
            Ok(listener) => sockets.push(listener),
            Err(fault) => bad.push(fault),
        }
    }
    (sockets, bad)
}

/// The number of the connection that an input is about.
fn number_of(input: &Input) -> Option<u64> {
    let Input::Event { event, .. } = input else { return None };
    let number = event.args.get(CONNECTION).filter(|_| event.name == SOCKET_EVENT)?;
    number.parse().ok()
}
