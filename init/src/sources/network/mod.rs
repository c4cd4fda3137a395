//! The network: links that come up and go down, addresses, default routes.
//!
//! The kernel tells of changes over one socket, and over the same one it answers when it is asked for everything, so
//! what is said later is always newer. Everything is asked for at the beginning, and again whenever something was
//! lost: links first, then addresses, then routes. What was not in the answer is gone, unless the kernel says that
//! the answer is of several moments: then it is asked again.

mod picture;
mod socket;
mod words;

use std::{mem, time::Duration};

use events::{
    Time,
    rtnetlink::{Dump, Message, News, messages},
};

use self::{
    picture::{MOST_ADDRESSES, MOST_LINKS, MOST_ROUTES, Picture, Sure},
    socket::{Heard, RECEIVE, Socket},
};
use super::Past;
use crate::{control::Limit, pid1::shell::Shell};

/// The longest that the kernel sends at once.
const LONGEST: usize = 32 << 10;
/// How often is read in one turn.
const TURN: usize = 64;
/// How long to wait before everything is asked for again, so that in a storm it is not done without a break.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an answer of several moments is asked for again at once.
const TRIES: u32 = 3;

/// The network.
#[derive(Debug)]
pub struct Network {
    socket: Option<Socket>,
    buffer: Vec<u8>,
    picture: Picture,
    /// Whether everything has been asked for once. Before the first event nobody would hear of it.
    has_begun: bool,
    /// What is being asked for.
    look: Option<Look>,
    /// When everything is asked for.
    due: Option<Time>,
    /// The number of the last request.
    sequence: u32,
    /// How often something was lost.
    overruns: u64,
}

/// What is being asked for.
#[derive(Debug)]
struct Look {
    dump: Dump,
    /// Until when there must be an answer.
    limit: Time,
    /// Whether something changed while the answer was made.
    is_interrupted: bool,
    tries: u32,
}

impl Network {
    /// Hears of the network from now on. `with_devices`: network cards, too, since nobody else tells of them.
    pub fn new(shell: &mut Shell<'_>, past: &Past<'_>, with_devices: bool) -> Self {
        // Only after an image before us is there anybody who could hear it now.
        let has_begun = past.engine.works().next().is_some();
        Self {
            socket: if has_begun { Socket::open(shell).ok() } else { None },
            buffer: vec![0; LONGEST],
            picture: Picture::new(past, with_devices),
            has_begun,
            look: None,
            due: has_begun.then_some(shell.now),
            sequence: 0,
            overruns: 0,
        }
    }

    /// An event is being worked off: from the first one on, somebody hears what is told.
    pub fn told(&mut self, shell: &mut Shell<'_>) {
        if !mem::replace(&mut self.has_begun, true) {
            self.socket = Socket::open(shell).ok();
            self.begin_look(shell);
        }
    }

    /// The kernel has said something.
    pub fn ready(&mut self, shell: &mut Shell<'_>) {
        let mut buffer = mem::take(&mut self.buffer);
        for _ in 0..TURN {
            if shell.room() == 0 {
                break;
            }
            let Some(socket) = &self.socket else { break };
            match socket.read(&mut buffer) {
                Heard::Bytes(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    messages(bytes).for_each(|message| self.hear(shell, message));
                }
                Heard::Foreign => {}
                Heard::Lost => {
                    self.overruns = self.overruns.saturating_add(1);
                    self.is_unsure(shell);
                }
                Heard::Nothing => break,
                Heard::Broken => self.reopen(shell),
            }
        }
        self.buffer = buffer;
    }

    fn hear(&mut self, shell: &mut Shell<'_>, message: Message) {
        let replaces = message.replaces();
        if message.sequence == self.sequence
            && let Some(look) = &mut self.look
        {
            look.is_interrupted |= message.is_interrupted();
        }
        match message.news {
            News::Link(link) => self.picture.link(shell, link),
            News::LinkGone(index) => self.picture.link_gone(shell, index),
            News::Address(address) => self.picture.address(shell, address),
            News::AddressGone(address) => {
                let sure = self.picture.address_gone(shell, &address);
                self.look_if(shell, sure);
            }
            News::Route(route) => {
                let sure = self.picture.route(shell, route, replaces);
                self.look_if(shell, sure);
            }
            News::RouteGone(route) => self.picture.route_gone(shell, &route),
            News::Done if message.sequence == self.sequence => self.answered(shell),
            News::Refused(error) if message.sequence == self.sequence && error != 0 => self.reopen(shell),
            News::Done | News::Refused(_) | News::Other => {}
        }
    }

    fn look_if(&mut self, shell: &Shell<'_>, sure: Sure) {
        match sure {
            Sure::Yes => {}
            Sure::No => self.is_unsure(shell),
        }
    }

    /// Everything is to be asked for again, soon.
    fn is_unsure(&mut self, shell: &Shell<'_>) {
        if self.has_begun && self.due.is_none() {
            self.due = Some(shell.now.after(PAUSE));
        }
    }

    fn begin_look(&mut self, shell: &mut Shell<'_>) {
        self.due = None;
        self.picture.begin_look();
        self.ask(shell, Dump::Links, 0);
    }

    fn ask(&mut self, shell: &mut Shell<'_>, dump: Dump, tries: u32) {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        let limit = shell.now.after(PATIENCE);
        self.look = Some(Look { dump, limit, is_interrupted: false, tries });
        let asked = self.socket.as_ref().is_some_and(|socket| socket.ask(dump, self.sequence).is_ok());
        if !asked {
            self.reopen(shell);
        }
    }

    /// All that was asked for has been told.
    fn answered(&mut self, shell: &mut Shell<'_>) {
        let Some(Look { dump, is_interrupted, tries, .. }) = self.look.take() else { return };
        if is_interrupted {
            if tries < TRIES {
                self.ask(shell, dump, tries.saturating_add(1));
            } else {
                self.is_unsure(shell);
            }
            return;
        }
        self.picture.end_look(shell, dump);
        match dump {
            Dump::Links => self.ask(shell, Dump::Addresses, 0),
            Dump::Addresses => self.ask(shell, Dump::Routes, 0),
            Dump::Routes => {}
        }
    }

    /// The socket is of no use: another one, and everything anew.
    fn reopen(&mut self, shell: &mut Shell<'_>) {
        if let Some(socket) = self.socket.take() {
            socket.close(shell);
        }
        self.look = None;
        self.socket = Socket::open(shell).ok();
        self.due = Some(shell.now.after(PATIENCE));
    }

    /// Whether something that is there may not have been told yet.
    pub const fn is_behind(&self) -> bool {
        self.look.is_some()
    }

    /// When [`tick`](Self::tick) is due.
    pub fn deadline(&self) -> Option<Time> {
        match &self.look {
            // One after the other.
            Some(look) => Some(look.limit),
            None => self.due,
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, shell: &mut Shell<'_>) {
        match &self.look {
            Some(look) if look.limit <= shell.now => self.reopen(shell),
            Some(_) => {}
            None if self.due.is_some_and(|due| due <= shell.now) => self.begin_look(shell),
            None => {}
        }
    }

    /// Its bounds, and how far they are used.
    pub fn limits(&self) -> Vec<Limit> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let [links, addresses, routes] = self.picture.count();
        let limit = |name, value, used, what| Limit { name, value: count(value), used: Some(used), what };
        let (overruns, left_out) = (self.overruns, self.picture.left_out());
        let counter = |name, used, what| Limit { name, value: u64::MAX, used: Some(used), what };
        vec![
            limit("network-links", MOST_LINKS, count(links), "links; further ones are not told"),
            limit(
                "network-addresses",
                MOST_ADDRESSES,
                count(addresses),
                "addresses; further ones are not told",
            ),
            limit("network-routes", MOST_ROUTES, count(routes), "default routes; further ones are not told"),
            Limit {
                name: "network-messages",
                value: count(RECEIVE),
                used: None,
                what: "bytes of messages that wait to be read; then everything is looked at anew",
            },
            counter(
                "network-overruns",
                overruns,
                "times that messages were lost and everything was looked at anew",
            ),
            counter("network-left-out", left_out, "links, addresses and routes that were not told"),
        ]
    }
}
