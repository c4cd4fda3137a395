//! The sockets of one job: open or not yet, listened to or in the hands of the job.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
};

use events::{Text, Time};
use jobs::{Listener, NoSocket, OnConnection};

use super::{
    each::Tally,
    open::{self, close, number, owner},
};
use crate::{
    executor::step::said,
    pid1::{shell::Shell, token::Token},
    sources::Part,
    store::{Kept, Label},
    sys::poll::{Interest, Registration},
};

/// Labels of descriptors: a socket that was opened for a job. Its place tells it from others of the same owner, its
/// number tells the owner.
pub const SOCKET: u32 = 500;

/// How often connections may start a job that goes down again within [`WINDOW`] milliseconds.
pub const STARTS: u32 = 20;
/// See [`STARTS`].
pub const WINDOW: u64 = 10_000;
/// How long its sockets are then not listened to, in milliseconds; doubled each time up to [`LONGEST_PAUSE`].
pub const PAUSE: u64 = 10_000;
/// See [`PAUSE`].
pub const LONGEST_PAUSE: u64 = 300_000;
/// How long it takes until a job that may not start is asked again, in milliseconds.
pub const REFUSED: u64 = 5_000;
/// How long nothing is accepted when there are no descriptors, in milliseconds.
pub const SHORT: u64 = 1_000;
/// The first wait before a socket is tried again that could not be opened, in milliseconds; doubled each time.
pub const RETRY: u64 = 1_000;
/// The longest.
pub const LONGEST_RETRY: u64 = 30_000;

/// What happens with the sockets of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Connections are waited for.
    Listening,
    /// One is there, and the event is on its way; `told` when the engine has seen it.
    Heard {
        /// Whether the engine has seen it.
        told: bool,
    },
    /// The job lives, and has them.
    Taken,
    /// Connections wait until then.
    Paused {
        /// Until when.
        until: Time,
        /// Why.
        why: &'static str,
    },
}

/// One socket.
#[derive(Debug)]
pub struct Door {
    /// Where it is.
    pub listener: Listener,
    /// The descriptor, if it could be opened.
    pub kept: Option<Kept>,
    at: Option<(Registration, u32)>,
    /// Why it could not, how often that was tried, and when it is tried next.
    pub fault: Option<(String, u32, Time)>,
}

impl Door {
    fn new(listener: Listener, kept: Option<Kept>) -> Self {
        Self { listener, kept, at: None, fault: None }
    }
}

/// The sockets of one job, or of one instance of a job that opens them at its start.
#[derive(Debug)]
pub struct Owner {
    /// Which job.
    pub job: Text,
    /// Which instance; empty for a job that connections start.
    pub instance: Text,
    /// What a connection does.
    pub on_connection: OnConnection,
    /// Whether connections start the job.
    pub is_awaited: bool,
    /// What is to take their place when the job is down.
    pub next: Option<(OnConnection, Vec<Listener>)>,
    /// The sockets, in the order in which they are handed over.
    pub doors: Vec<Door>,
    /// Events that say no socket.
    pub bad: Vec<NoSocket>,
    /// What happens with them.
    pub state: State,
    /// Since when starts are counted, and how many there were.
    pub starts: (Time, u32),
    /// How often in a row its sockets were left alone.
    pub pauses: u32,
    /// Connections that are accepted for it.
    pub tally: Tally,
    /// When it was said last that some were closed at once.
    pub said: Option<Time>,
}

/// Where descriptors that are waited for belong: the owner, and which of its doors.
pub type Places = BTreeMap<u32, (u64, usize)>;

impl Owner {
    /// One without sockets.
    pub fn new(job: &str, instance: &str, is_awaited: bool) -> Self {
        Self {
            job: job.into(),
            instance: instance.into(),
            on_connection: OnConnection::Nothing,
            is_awaited,
            next: None,
            doors: Vec::new(),
            bad: Vec::new(),
            state: State::Taken,
            starts: (Time::default(), 0),
            pauses: 0,
            tally: Tally::default(),
            said: None,
        }
    }

    /// What it is known by.
    pub fn id(&self) -> u64 {
        owner(&self.job, &self.instance)
    }

    /// Whether each connection is accepted here.
    pub const fn is_each(&self) -> bool {
        matches!(self.on_connection, OnConnection::Each(_))
    }

    /// Has these sockets from now on: those that are open already stay so, `found` are descriptors of an image before,
    /// and what it has no longer is closed. Nothing is opened here.
    pub fn have(
        &mut self,
        shell: &mut Shell<'_>,
        places: &mut Places,
        wanted: (OnConnection, Vec<Listener>),
        found: &mut Vec<Kept>,
    ) {
        self.deafen(shell, places);
        self.on_connection = wanted.0;
        let mut old = std::mem::take(&mut self.doors);
        let id = self.id();
        for listener in wanted.1 {
            let place = number(&listener.socket);
            let is_it = |kept: &Kept| kept.label().place == place && kept.label().number == id;
            let known = old.iter().position(|door| door.kept.as_ref().is_some_and(is_it));
            let mut kept = known.and_then(|at| old.swap_remove(at).kept);
            if kept.is_none()
                && let Some(at) = found.iter().position(is_it)
            {
                kept = Some(found.swap_remove(at));
            }
            self.doors.push(Door::new(listener, kept));
        }
        old.into_iter().filter_map(|door| door.kept).for_each(close);
    }

    /// Opens those that are not open; says what is to be said of it.
    pub fn open(&mut self, now: Time, say: &mut dyn FnMut(bool, String)) {
        let (id, waits) = (self.id(), !self.is_each());
        for door in &mut self.doors {
            if door.kept.is_some() {
                continue;
            }
            let listen = &door.listener.socket.listen;
            match open::listen(&door.listener.socket) {
                Ok(fd) => {
                    let label = Label { role: SOCKET, place: number(&door.listener.socket), number: id };
                    door.kept = Some(Kept::new(fd, label));
                    if door.fault.take().is_some() {
                        say(false, format!("{} listens to {listen} now", self.job));
                    }
                }
                Err(error) => {
                    let (_, tries, _) = door.fault.take().unwrap_or_default();
                    let why = text(&error);
                    if tries == 0 && self.is_awaited {
                        say(
                            true,
                            format!(
                                "{} cannot listen to {listen}: {why}; it is tried again until it can",
                                self.job
                            ),
                        );
                    }
                    let wait = doubled(RETRY, tries, LONGEST_RETRY);
                    door.fault = Some((why, tries.saturating_add(1), later(now, wait)));
                }
            }
        }
        for kept in self.doors.iter().filter_map(|door| door.kept.as_ref()) {
            open::set_waiting(kept, waits);
        }
    }

    /// Waits for connections at all sockets that are open.
    pub fn hearken(&mut self, shell: &mut Shell<'_>, places: &mut Places, next_place: &mut u32) {
        let id = self.id();
        for (number, door) in self.doors.iter_mut().enumerate() {
            let (Some(kept), None) = (&door.kept, &door.at) else { continue };
            while places.contains_key(next_place) {
                *next_place = next_place.wrapping_add(1);
            }
            let place = *next_place;
            let at = shell.poll.add(kept, Interest::Read, Token::Source(Part::Socket(place)));
            match at {
                Ok(at) => {
                    door.at = Some((at, place));
                    places.insert(place, (id, number));
                }
                Err(error) => door.fault = Some((text(&error), 1, later(shell.now, RETRY))),
            }
        }
    }

    /// Waits for none.
    pub fn deafen(&mut self, shell: &mut Shell<'_>, places: &mut Places) {
        for door in &mut self.doors {
            if let (Some(kept), Some((at, place))) = (&door.kept, door.at.take()) {
                shell.poll.remove(kept, at);
                places.remove(&place);
            }
        }
    }

    /// Closes all.
    pub fn close(mut self, shell: &mut Shell<'_>, places: &mut Places) {
        self.deafen(shell, places);
        self.doors.into_iter().filter_map(|door| door.kept).for_each(close);
    }

    /// What is handed over to the job: those that are open, and their names.
    pub fn open_ones(&self) -> Vec<(RawFd, Text)> {
        let open = self.doors.iter().filter_map(|door| Some((door.kept.as_ref()?, &door.listener.socket)));
        let name = |socket: &jobs::Socket| {
            socket.name.clone().unwrap_or_else(|| Text::from(self.job.replace(':', "_")))
        };
        open.map(|(kept, socket)| (kept.as_fd().as_raw_fd(), name(socket))).collect()
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Time> {
        let pause = match self.state {
            State::Paused { until, .. } => Some(until),
            State::Listening | State::Heard { .. } | State::Taken => None,
        };
        let retries = self.doors.iter().filter_map(|door| door.fault.as_ref().map(|(_, _, at)| *at));
        // What an instance lacks is tried again at its next start.
        let retries = retries.filter(|_| self.is_awaited);
        retries.chain(pause).min()
    }

    /// Counts a start by a connection; if there were too many of late, how long the sockets are to be left alone.
    pub fn count_start(&mut self, now: Time) -> Option<u64> {
        let (since, count) = self.starts;
        if now.0.saturating_sub(since.0) >= WINDOW {
            if count < STARTS {
                self.pauses = 0;
            }
            self.starts = (now, 1);
            return None;
        }
        if count >= STARTS {
            let pause = doubled(PAUSE, self.pauses, LONGEST_PAUSE);
            self.pauses = self.pauses.saturating_add(1);
            self.starts = (Time::default(), STARTS);
            return Some(pause);
        }
        self.starts = (since, count.saturating_add(1));
        None
    }

    /// How its sockets are, for people.
    pub fn remarks(&self, now: Time) -> Vec<String> {
        let mut remarks: Vec<String> = self.bad.iter().map(ToString::to_string).collect();
        for door in &self.doors {
            let listen = &door.listener.socket.listen;
            match (&door.kept, &door.fault) {
                (Some(_), _) => remarks.push(format!("listens to {listen}")),
                (None, Some((why, _, at))) => {
                    let wait = seconds(*at, now);
                    remarks.push(format!("cannot listen to {listen}: {why}; tried again in {wait} s"));
                }
                (None, None) => {}
            }
        }
        match &self.state {
            State::Paused { until, why } => {
                remarks.push(format!("connections wait for {} s: {why}", seconds(*until, now)));
            }
            State::Heard { .. } => remarks.push("somebody has connected".into()),
            State::Listening | State::Taken => {}
        }
        if let OnConnection::Each(limits) = &self.on_connection {
            let Tally { closed, last_closed, .. } = &self.tally;
            remarks.push(format!("has {} connections of {}", self.tally.now(), limits.most));
            if let Some(why) = last_closed {
                remarks.push(format!("{closed} connections were closed at once, the last because {why}"));
            }
        }
        remarks
    }
}

/// An error in the words of the kernel.
pub fn text(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => said(errno),
        None => error.to_string(),
    }
}

/// So much later.
pub fn later(now: Time, millis: u64) -> Time {
    Time(now.0.saturating_add(millis))
}

fn doubled(first: u64, times: u32, most: u64) -> u64 {
    first.saturating_mul(1_u64.checked_shl(times.min(32)).unwrap_or(u64::MAX)).min(most)
}

/// How long it is until then, in whole seconds.
fn seconds(at: Time, now: Time) -> u64 {
    at.0.saturating_sub(now.0).div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_dies_at_once_is_left_alone_for_longer_each_time() {
        let mut owner = Owner::new("toy", "", true);
        let mut pauses = Vec::new();
        let mut now = 100_000;
        for _ in 0..7 {
            let starts = (0..).find_map(|starts| owner.count_start(Time(now)).map(|pause| (starts, pause)));
            let (starts, pause) = starts.unwrap();
            pauses.push((starts, pause));
            now += pause + 1;
        }
        assert_eq!(
            pauses,
            [
                (20, 10_000),
                (20, 20_000),
                (20, 40_000),
                (20, 80_000),
                (20, 160_000),
                (20, 300_000),
                (20, 300_000)
            ]
        );
        // After a time in which it did well, it begins anew.
        assert_eq!(owner.count_start(Time(now)), None);
        assert_eq!(owner.count_start(Time(now + WINDOW)), None);
        assert_eq!(owner.pauses, 0);
    }
}
