//! Sources: each turns one part of the world into events and facts.
//!
//! A source has its own descriptors, hears of them by [`Part`], and puts what it has found out on the bus: of a thing
//! that has changed first the fact, then the event, so that whoever hears the event finds the facts as they are. It
//! reads no more than there is room for ([`Shell::room`]); the rest waits in the kernel. What it has told it knows by
//! [`Known`], and when it has lost track it looks at everything again.

mod kernel;
mod keys;
pub mod known;
mod pressure;
pub mod sockets;

use events::{Args, Event, Pattern, Time};
use jobs::{Engine, Input};
use serde::{Deserialize, Serialize};

use self::{
    kernel::Kernel,
    keys::Keys,
    pressure::{Gauge, Pressure},
    sockets::Sockets,
};
use crate::{control::Limit, pid1::shell::Shell, sys::poll::Ready};

/// Which source a descriptor belongs to, in the order in which they are heard in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The kernel tells of a device.
    Kernel,
    /// A key for the machine was pressed, on the input device of this number.
    Keys(u32),
    /// Programs stand still for want of this.
    Pressure(Gauge),
    /// Somebody has connected to a socket of a job's, at this place.
    Socket(u32),
}

/// What an image before this one has left to the sources.
pub struct Past<'p> {
    /// The facts that hold for it, and what its jobs wait for.
    pub engine: &'p Engine,
    /// What comes on the bus first, and is in the facts not yet.
    pub waiting: &'p [Input],
    /// What it knew besides.
    pub records: Records,
}

impl<'p> Past<'p> {
    /// There was none.
    #[must_use]
    pub fn none(engine: &'p Engine) -> Self {
        Self { engine, waiting: &[], records: Records::default() }
    }
}

/// What sources save for the image after them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Records {
    /// Of connections that were accepted for jobs.
    pub sockets: sockets::Records,
}

/// All of them.
#[derive(Debug)]
pub struct Sources {
    kernel: Option<Kernel>,
    keys: Option<Keys>,
    pressure: Pressure,
    /// Sockets that jobs have.
    pub sockets: Sockets,
    /// Whether a watchdog has come.
    has_watchdog: bool,
}

impl Sources {
    /// Hears of the world from now on.
    pub fn new(shell: &mut Shell<'_>, past: &Past<'_>) -> Self {
        let is_machine = !shell.options.container;
        let mut sources = Self {
            kernel: if is_machine { Kernel::new(shell).ok() } else { None },
            // Behind the kernel's messages: what comes in between is told by these.
            keys: is_machine.then(|| Keys::new(shell, past)),
            pressure: Pressure::new(shell, past),
            sockets: Sockets::new(past),
            has_watchdog: false,
        };
        past.engine.watched().iter().for_each(|pattern| sources.watch(shell, pattern));
        sources
    }

    /// Something has happened.
    pub fn ready(&mut self, shell: &mut Shell<'_>, part: Part, _ready: Ready) {
        match part {
            Part::Kernel => {
                let come = self.kernel.as_ref().map(|kernel| kernel.ready(shell)).unwrap_or_default();
                if let Some(keys) = self.keys.as_mut().filter(|_| come.input) {
                    keys.look(shell);
                }
                self.has_watchdog |= come.watchdog;
            }
            Part::Keys(number) => {
                if let Some(keys) = &mut self.keys {
                    keys.ready(shell, number);
                }
            }
            Part::Pressure(gauge) => self.pressure.ready(shell, gauge),
            Part::Socket(place) => self.sockets.heard(shell, place),
        }
    }

    /// When [`tick`](Self::tick) is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        [self.pressure.deadline(), self.sockets.deadline()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn tick(&mut self, shell: &mut Shell<'_>) {
        self.pressure.tick(shell);
        self.sockets.tick(shell);
    }

    /// A condition waits for what this pattern names.
    pub fn watch(&mut self, shell: &mut Shell<'_>, pattern: &Pattern) {
        self.pressure.watch(shell, pattern);
    }

    /// No condition does any longer.
    pub fn unwatch(&mut self, shell: &mut Shell<'_>, pattern: &Pattern) {
        self.pressure.unwatch(shell, pattern);
    }

    /// An event is being worked off, whoever sent it.
    pub fn told(&mut self, shell: &mut Shell<'_>, event: &Event) {
        self.sockets.told(shell, event);
    }

    /// Whether a watchdog has come since this was asked last.
    pub fn take_watchdog(&mut self) -> bool {
        std::mem::take(&mut self.has_watchdog)
    }

    /// What the image after this one needs.
    #[must_use]
    pub fn records(&self) -> Records {
        Records { sockets: self.sockets.records() }
    }

    /// Devices as udev's database knows them, from a process that can read it.
    pub fn devices_enumerated(&mut self, _shell: &mut Shell<'_>, _devices: &[Args]) {}

    /// Their bounds, and how far they are used.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let keys = self.keys.as_ref().map(Keys::limits);
        keys.into_iter().chain([self.pressure.limits()]).chain(self.sockets.limits()).collect()
    }

    /// What is to be said that no job is to blame for.
    pub fn take_warnings(&mut self) -> Vec<String> {
        self.pressure.take_warning().into_iter().collect()
    }
}
