//! Sockets that jobs have: opened and kept here, listened to while the job is down, and handed over when it starts.
//!
//! A job whose `start_on` waits for the event `socket` (so does one with `on_connection`) has its sockets opened as soon as
//! it is loaded. The first connection is the event; it is not accepted, but left to the job, which has the sockets from
//! then on. When the job is down they are listened to again. Only for `on_connection: each` PID 1 accepts, and gives
//! each connection to an instance of its own. What any other job lists is opened when it starts.
//!
//! A job may die without having accepted anything: then it is started again, but not more than [`STARTS`] times
//! within [`WINDOW`] milliseconds, and connections wait for a while.
//!
//! | file | holds |
//! | --- | --- |
//! | `open` | bind, listen, close |
//! | `owner` | the sockets of one job |
//! | `each` | connections that are accepted here: counted, limited |

pub mod each;
pub mod open;
mod owner;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::{AsFd as _, OwnedFd, RawFd},
    sync::Arc,
};

use events::{Event, Name, Text, Time, Value};
use jobs::{
    CONNECTION, Engine, Format, Input, Job, Listener, OnConnection, Origin, ProcessKind, SOCKET_EVENT,
    SOCKET_JOB, StartMode, Work, awaits_connections, listeners,
};
use serde::{Deserialize, Serialize};

pub use self::owner::SOCKET;
use self::{
    each::{Connection, SOURCES, Source},
    open::{is_lack, low},
    owner::{LONGEST_PAUSE, Owner, PAUSE, Places, REFUSED, SHORT, STARTS, State, WINDOW, later},
};
use super::Past;
use crate::{
    control::Limit,
    executor::step::Unmade,
    logs::Level,
    pid1::{shell::Shell, works::Works},
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

/// Sockets and connections that a process is given.
#[derive(Debug, Default)]
pub struct Given {
    /// Sockets that are listened to, and their names: descriptors 3 and up.
    pub listeners: Vec<(RawFd, Text)>,
    /// What its standard input and output are.
    pub standard: Option<OwnedFd>,
    /// Whether its standard error is that, too.
    pub takes_errors: bool,
}

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

    /// Looks which jobs there are: opens what is to be listened to, and closes what is not any more.
    pub fn look(&mut self, shell: &mut Shell<'_>, engine: &Engine, works: &Works) {
        let mut wanted = BTreeSet::new();
        let jobs: Vec<Arc<Job>> = engine.jobs().filter(|job| is_awaited(job)).cloned().collect();
        for job in jobs {
            // What it runs is lost: its start will say so.
            let Ok(piece) = works.piece(job.work) else { continue };
            let id = open::owner(&job.name, "");
            wanted.insert(id);
            self.want(shell, engine, id, &job, &piece.work);
        }
        let stale: Vec<u64> = self
            .owners
            .iter()
            .filter(|(id, owner)| owner.is_awaited && !wanted.contains(id))
            .map(|(id, _)| *id)
            .collect();
        for id in stale {
            if let Some(owner) = self.owners.get_mut(&id)
                && !owner.is_each()
                && engine.has_instances(&owner.job)
            {
                // What lives keeps what it has; with it that goes.
                owner.is_awaited = false;
                owner.state = State::Taken;
                owner.deafen(shell, &mut self.places);
            } else if let Some(owner) = self.owners.remove(&id) {
                owner.close(shell, &mut self.places);
            }
        }
        self.find_unsaved(engine);
        let living: BTreeSet<u64> =
            engine.living().map(|(_, job, instance, _)| open::owner(&job.name, instance)).collect();
        let (kept, lost) = std::mem::take(&mut self.found)
            .into_iter()
            .partition(|kept: &Kept| living.contains(&kept.label().number));
        self.found = kept;
        lost.into_iter().for_each(open::close);
        self.recount();
        self.turned(shell, engine);
    }

    /// Of what was accepted since an image before has saved its records, the instances know that live. Who has
    /// connected in a turn that is lost is hung up on.
    fn find_unsaved(&mut self, engine: &Engine) {
        let unsaved: Vec<Kept> = self.found.extract_if(.., |kept| kept.label().role == ACCEPTED).collect();
        for kept in unsaved {
            let Label { place, number, .. } = kept.label();
            let owner = self.owners.iter().find(|(id, owner)| owner.is_each() && low(**id) == place);
            if let Some((id, owner)) = owner
                && engine.is_living(&owner.job, &number.to_string())
            {
                let (owner, job) = (*id, owner.job.clone());
                let (source, _) = each::peer(kept.as_fd());
                let connection = Connection { owner, job, source, fd: Some(kept), is_told: true };
                self.connections.insert(number, connection);
            }
        }
    }

    /// A job is to be started by connections.
    fn want(&mut self, shell: &mut Shell<'_>, engine: &Engine, id: u64, job: &Job, work: &Work) {
        let (sockets, bad) = sorted(job, work);
        let is_new = !self.owners.contains_key(&id);
        let owner = self.owners.entry(id).or_insert_with(|| Owner::new(&job.name, "", true));
        owner.is_awaited = true;
        if !bad.is_empty() && owner.bad != bad {
            let said = bad.iter().map(|bad| (Level::Warning, format!("{}: {bad}", job.name)));
            self.said.extend(said);
        }
        owner.bad = bad;
        let is_each = matches!(work.on_connection, OnConnection::Each(_));
        let lives = !is_each && engine.has_instances(&job.name);
        if lives && is_new {
            // An image before has opened them, or else they come with its next start.
            owner.have(shell, &mut self.places, (work.on_connection, sockets), &mut self.found);
            owner.state = State::Taken;
        } else if lives {
            owner.next = Some((work.on_connection, sockets));
        } else {
            owner.next = Some((work.on_connection, sockets));
            self.listen(shell, id);
        }
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

    /// Accepts what waits at a socket, as far as there may be so many.
    fn accept(&mut self, shell: &mut Shell<'_>, id: u64, door: usize) {
        for _ in 0..ACCEPTS.min(shell.room()) {
            let Some(owner) = self.owners.get_mut(&id) else { return };
            let OnConnection::Each(limits) = owner.on_connection else { return };
            let Some((kept, args)) = owner
                .doors
                .get(door)
                .and_then(|door| Some((door.kept.as_ref()?, door.listener.args.clone())))
            else {
                return;
            };
            let connection = match each::accept(kept.as_fd()) {
                Ok(connection) => connection,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_lack(&error) => {
                    let until = later(shell.now, SHORT);
                    owner.state = State::Paused { until, why: "the system has too little room" };
                    owner.deafen(shell, &mut self.places);
                    self.note(id);
                    return;
                }
                // Whoever it was is gone again.
                Err(_) => continue,
            };
            let (source, more) = each::peer(connection.as_fd());
            let is_full = self.connections.len() >= CONNECTIONS;
            let admitted = if is_full {
                Err(format!("PID 1 has {CONNECTIONS} for all jobs together"))
            } else {
                owner.tally.admit(source, &limits, shell.now)
            };
            if let Err(why) = admitted {
                let is_said = owner.said.is_some_and(|at| shell.now < later(at, SAY_EVERY));
                if !is_said {
                    owner.said = Some(shell.now);
                    let text = format!("a connection to {} was closed at once: {why}", owner.job);
                    self.said.push((Level::Warning, text));
                }
                continue;
            }
            let number = self.next;
            self.next = self.next.saturating_add(1);
            let label = Label { role: ACCEPTED, place: low(id), number };
            let job = owner.job.clone();
            let fd = Some(Kept::new(connection, label));
            self.connections.insert(number, Connection { owner: id, job, source, fd, is_told: false });
            let mut args = args;
            args.extend_with(CONNECTION, Value::new(&number.to_string()).ok());
            args.append(&more);
            let event = Event { name: Name::constant(SOCKET_EVENT), args };
            shell.report(Input::Event { event, origin: Origin::World, reply: None });
        }
    }

    /// What a process of a job is given. Its sockets are opened if they are not yet.
    pub fn give(
        &mut self,
        shell: &mut Shell<'_>,
        job: &Job,
        instance: &Text,
        work: &Work,
        process: ProcessKind,
    ) -> Result<Given, Unmade> {
        let known = self.owners.contains_key(&open::owner(&job.name, instance));
        let has_any = !work.sockets.is_empty() || awaits_connections(job);
        if process != ProcessKind::Main || !has_any && !known {
            return Ok(Given::default());
        }
        // As an inetd does it, and nobody else: what goes wrong is for the log.
        let takes_errors = job.format == Format::Inetd;
        if let OnConnection::Each(_) = work.on_connection {
            let standard = Some(self.connection(instance)?);
            return Ok(Given { listeners: Vec::new(), standard, takes_errors });
        }
        let is_awaited = is_awaited(job);
        let instance = if is_awaited { "" } else { instance.as_str() };
        let id = open::owner(&job.name, instance);
        let (sockets, _) = sorted(job, work);
        let owner = self.owners.entry(id).or_insert_with(|| Owner::new(&job.name, instance, is_awaited));
        owner.next = None;
        owner.have(shell, &mut self.places, (work.on_connection, sockets), &mut self.found);
        owner.state = State::Taken;
        let said = &mut self.said;
        owner.open(shell.now, &mut |is_bad, text| {
            said.push((if is_bad { Level::Warning } else { Level::Info }, text));
        });
        let given = owner.open_ones();
        // A job that connections start has at least the socket that somebody came by.
        let is_enough = is_awaited && !given.is_empty();
        let fault = owner.doors.iter().find_map(|door| {
            let (why, ..) = door.fault.as_ref().filter(|_| door.kept.is_none())?;
            Some(Unmade::Fault(format!("socket: {}: {why}", door.listener.socket.listen)))
        });
        if let Some(fault) = fault.filter(|_| !is_enough) {
            return Err(fault);
        }
        let first = owner.doors.iter().find_map(|door| door.kept.as_ref());
        let standard = match (work.on_connection, first) {
            (OnConnection::Stdin, Some(first)) => {
                let copy = first.as_fd().try_clone_to_owned();
                Some(copy.map_err(|error| Unmade::by("socket", &error))?)
            }
            (
                OnConnection::Nothing | OnConnection::Start | OnConnection::Each(_) | OnConnection::Stdin,
                _,
            ) => None,
        };
        let listeners = if standard.is_some() { Vec::new() } else { given };
        Ok(Given { listeners, standard, takes_errors })
    }

    /// A copy of the connection that an instance is there for.
    fn connection(&self, instance: &Text) -> Result<OwnedFd, Unmade> {
        let number = instance.parse::<u64>().ok();
        let connection = number.and_then(|number| self.connections.get(&number)?.fd.as_ref());
        let gone =
            || Unmade::Fault(format!("socket: there is no connection {instance}: who connects starts it"));
        let copy = connection.ok_or_else(gone)?.as_fd().try_clone_to_owned();
        copy.map_err(|error| Unmade::by("socket", &error))
    }

    /// A process was made, or never will be: its connection is not ours any more.
    pub fn made(&mut self, work: &Work, instance: &Text, process: ProcessKind) {
        if let (ProcessKind::Main, OnConnection::Each(_)) = (process, work.on_connection)
            && let Ok(number) = instance.parse::<u64>()
            && let Some(connection) = self.connections.get_mut(&number)
        {
            connection.fd = None;
        }
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

    /// What an image before has accepted counts as much as what we accept.
    fn recount(&mut self) {
        for owner in self.owners.values_mut().filter(|owner| owner.tally.now() == 0) {
            let id = owner.id();
            let of_owner = self.connections.values().filter(|it| it.owner == id).map(|it| it.source);
            of_owner.for_each(|source| owner.tally.add(source));
        }
    }

    /// What is to be said, since the last call.
    pub fn take_said(&mut self) -> Vec<(Level, String)> {
        std::mem::take(&mut self.said)
    }

    /// How the sockets of a job are, for people.
    #[must_use]
    pub fn remarks(&self, now: Time, job: &str, instance: &str) -> Vec<String> {
        let ids = BTreeSet::from([open::owner(job, ""), open::owner(job, instance)]);
        let owners = ids.iter().filter_map(|id| self.owners.get(id));
        owners.flat_map(|owner| owner.remarks(now)).collect()
    }

    /// Their bounds, and how far they are used.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let limit = |name, value: u64, used: Option<usize>, what| Limit {
            name,
            value,
            used: used.and_then(|used| u64::try_from(used).ok()),
            what,
        };
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        vec![
            limit(
                "sockets-of-one-job",
                count(jobs::MAX_SOCKETS),
                None,
                "sockets of one job; the others are not opened",
            ),
            limit(
                "connections",
                count(CONNECTIONS),
                Some(self.connections.len()),
                "that PID 1 accepts for all jobs with `on_connection: each`; more are closed at once",
            ),
            limit("accepts-of-one-socket", count(ACCEPTS), None, "new connections in one turn of the loop"),
            limit("connection-sources", count(SOURCES), None, "addresses that are counted for one job"),
            limit("socket-starts", u64::from(STARTS), None, "starts of one job by connections within 10 s"),
            limit("socket-pause-ms", PAUSE, None, "that connections wait after so many; doubled each time"),
            limit("socket-pause-longest-ms", LONGEST_PAUSE, None, "the longest such pause"),
        ]
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
