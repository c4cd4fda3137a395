//! Sources: each turns one part of the world into events and facts.
//!
//! A source has its own descriptors, hears of them by [`Part`], and puts what it has found out on the bus: of a thing
//! that has changed first the fact, then the event, so that whoever hears the event finds the facts as they are. It
//! reads no more than there is room for ([`Shell::room`]); the rest waits in the kernel. What it has told it knows by
//! [`Known`], and when it has lost track it looks at everything again.

mod devices;
mod keys;
pub mod known;
mod mounts;
mod network;
mod paths;
mod pressure;
pub mod sockets;
mod time;

use std::sync::Arc;

use events::{Args, Event, Pattern, Time, calendar::Appointment};
use jobs::{Engine, Input, Job, MAX_ALARMS};
use serde::{Deserialize, Serialize};

pub use self::time::{Due, zones::Zones};
use self::{
    devices::{Come, Devices},
    keys::Keys,
    known::Known,
    mounts::Mounts,
    network::Network,
    paths::Paths,
    pressure::{Gauge, Pressure},
    sockets::Sockets,
    time::Times,
};
use crate::{control::Limit, pid1::shell::Shell, sys::poll::Ready};

/// Which source a descriptor belongs to, in the order in which they are heard in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The kernel or udevd tells of a device.
    Devices,
    /// udevd's process has ended.
    Udevd,
    /// A key for the machine was pressed, on the input device of this number.
    Keys(u32),
    /// The kernel tells of links, addresses and routes.
    Network,
    /// Programs stand still for want of this.
    Pressure(Gauge),
    /// Something was mounted or unmounted: before files are looked at there.
    Mounts,
    /// Something has happened in a folder.
    Paths,
    /// Somebody has connected to a socket of a job's, at this place.
    Socket(u32),
    /// The clock on the wall has come to what is due, or was set.
    Wall,
    /// The machine's time zone may be another.
    Zone,
}

/// Something that could not be done, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What.
    pub text: String,
    /// On behalf of the conditions that name this.
    pub about: Option<Pattern>,
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
    /// Of mounts.
    pub mounts: mounts::Records,
    /// Of files.
    pub paths: paths::Records,
    /// Of times on the wall.
    pub time: time::Records,
}

/// All of them.
#[derive(Debug)]
pub struct Sources {
    devices: Option<Devices>,
    keys: Option<Keys>,
    network: Network,
    mounts: Mounts,
    paths: Paths,
    pressure: Pressure,
    /// Sockets that jobs have.
    pub sockets: Sockets,
    times: Times,
    /// Whether a watchdog has come.
    has_watchdog: bool,
}

impl Sources {
    /// Hears of the world from now on.
    pub fn new(shell: &mut Shell<'_>, past: &Past<'_>) -> Self {
        let is_machine = !shell.options.container;
        let mut sources = Self {
            devices: if is_machine { Devices::new(shell, past).ok() } else { None },
            // Behind the kernel's messages: what comes in between is told by these.
            keys: is_machine.then(|| Keys::new(shell, past)),
            network: Network::new(shell, past, !is_machine),
            mounts: Mounts::new(shell, past),
            paths: Paths::new(shell, past),
            pressure: Pressure::new(shell, past),
            sockets: Sockets::new(past),
            times: Times::new(shell, past),
            has_watchdog: false,
        };
        past.engine.watched().iter().for_each(|pattern| sources.watch(shell, pattern));
        sources.times.go_on(shell, past);
        sources.pass_mounts_on(shell.now);
        sources.paths.begin(shell.now);
        sources
    }

    /// Something has happened.
    pub fn ready(&mut self, shell: &mut Shell<'_>, part: Part, _ready: Ready) {
        match part {
            Part::Devices => {
                let come = self.devices.as_mut().map(|devices| devices.ready(shell));
                self.have_come(shell, come);
            }
            Part::Udevd => {
                if let Some(devices) = &mut self.devices {
                    devices.udevd_ended(shell);
                }
            }
            Part::Mounts => {
                self.mounts.ready(shell);
                self.pass_mounts_on(shell.now);
            }
            Part::Paths => self.paths.ready(shell),
            Part::Keys(number) => {
                if let Some(keys) = &mut self.keys {
                    keys.ready(shell, number);
                }
            }
            Part::Network => self.network.ready(shell),
            Part::Pressure(gauge) => self.pressure.ready(shell, gauge),
            Part::Socket(place) => self.sockets.heard(shell, place),
            Part::Wall => self.times.ready(shell),
            Part::Zone => self.times.zone_changed(shell),
        }
    }

    /// What is there now that others here wait for.
    fn have_come(&mut self, shell: &mut Shell<'_>, come: Option<Come>) {
        let come = come.unwrap_or_default();
        if let Some(keys) = self.keys.as_mut().filter(|_| come.input) {
            keys.look(shell);
        }
        self.has_watchdog |= come.watchdog;
    }

    /// Whether devices are not told of before it is known that no job brings udev ([`release`](Self::release)).
    #[must_use]
    pub fn awaits_udev(&self) -> bool {
        self.devices.as_ref().is_some_and(Devices::is_held)
    }

    /// Whether jobs wait for devices.
    #[must_use]
    pub fn wants_devices(&self) -> bool {
        self.devices.as_ref().is_some_and(Devices::is_wanted)
    }

    /// Whether all devices have been looked at.
    #[must_use]
    pub fn knows_devices(&self) -> bool {
        self.devices.as_ref().is_none_or(Devices::is_known)
    }

    /// A generation of jobs is about to be in force.
    pub fn will_have(&mut self, jobs: &[Arc<Job>]) {
        if let Some(devices) = &mut self.devices {
            devices.loaded(jobs);
        }
    }

    /// No job that provides `udev` is under way.
    pub fn release(&mut self, shell: &mut Shell<'_>, has_settled: bool) {
        if let Some(devices) = &mut self.devices {
            devices.release(shell, has_settled);
        }
    }

    /// Whether something that is there may not have been told yet: a boot has not settled before.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.devices.as_ref().is_some_and(Devices::is_behind) || self.network.is_behind()
    }

    /// When [`tick`](Self::tick) is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        if self.mounts.is_busy() {
            return Some(Time(1));
        }
        let devices = self.devices.as_ref().and_then(Devices::deadline);
        let others = [
            self.network.deadline(),
            self.sockets.deadline(),
            self.paths.deadline(),
            self.pressure.deadline(),
        ];
        others.into_iter().chain([devices]).flatten().min()
    }

    /// Files are looked at again where something was mounted.
    fn pass_mounts_on(&mut self, now: Time) {
        if let Some(moved) = self.mounts.take_moved() {
            self.paths.mounts_changed(now, &moved.points, moved.far);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, shell: &mut Shell<'_>) {
        self.network.tick(shell);
        let come = self.devices.as_mut().map(|devices| devices.tick(shell));
        self.have_come(shell, come);
        self.pressure.tick(shell);
        self.sockets.tick(shell);
        if self.mounts.is_busy() {
            self.mounts.work(shell);
            self.pass_mounts_on(shell.now);
        }
        if self.paths.deadline().is_some_and(|at| at <= shell.now) {
            self.paths.tick(shell);
        }
    }

    /// A condition waits for what this pattern names.
    pub fn watch(&mut self, shell: &mut Shell<'_>, pattern: &Pattern) {
        if pattern.name == Appointment::EVENT {
            self.times.watch(shell, pattern);
        }
        if Paths::is_meant(&pattern.name) {
            self.paths.watch(pattern);
        }
        self.pressure.watch(shell, pattern);
    }

    /// No condition does any longer.
    pub fn unwatch(&mut self, shell: &mut Shell<'_>, pattern: &Pattern) {
        if pattern.name == Appointment::EVENT {
            self.times.unwatch(shell, pattern);
        }
        if Paths::is_meant(&pattern.name) {
            self.paths.unwatch(shell, pattern);
        }
        self.pressure.unwatch(shell, pattern);
    }

    /// An event is being worked off, whoever sent it.
    pub fn told(&mut self, shell: &mut Shell<'_>, event: &Event) {
        self.network.told(shell);
        self.times.told(shell, event);
        self.sockets.told(shell, event);
    }

    /// When calendars are due.
    #[must_use]
    pub fn calendars(&self) -> Vec<Due> {
        self.times.due()
    }

    /// The first jobs are loaded: what was there before them is told to those who wait for it.
    pub fn loaded(&mut self, shell: &mut Shell<'_>) {
        self.mounts.started(shell);
    }

    /// Whether much memory was needed that is not needed any more.
    pub fn take_spare_memory(&mut self) -> bool {
        self.devices.as_mut().is_some_and(Devices::take_has_looked)
    }

    /// Whether a watchdog has come since this was asked last.
    pub fn take_watchdog(&mut self) -> bool {
        std::mem::take(&mut self.has_watchdog)
    }

    /// What the image after this one needs.
    #[must_use]
    pub fn records(&self) -> Records {
        Records {
            sockets: self.sockets.records(),
            mounts: self.mounts.records(),
            paths: self.paths.records(),
            time: self.times.records(),
        }
    }

    /// What could not be done, since the last call.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        let mut warnings = self.mounts.take_warnings();
        warnings.append(&mut self.paths.take_warnings());
        let texts = self.times.take_warnings().into_iter().chain(self.pressure.take_warning());
        warnings.extend(texts.map(|text| Warning { text, about: None }));
        warnings
    }

    /// Devices as udev's database knows them, from a process that can read it.
    pub fn devices_enumerated(&mut self, shell: &mut Shell<'_>, listed: &[Args]) {
        if let Some(devices) = &mut self.devices {
            devices.enumerated(shell, listed);
        }
    }

    /// Their bounds, and how far they are used.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let devices = self.devices.iter().flat_map(Devices::limits);
        let keys = self.keys.iter().map(Keys::limits);
        let others =
            [self.network.limits(), self.sockets.limits(), self.mounts.limits(), self.paths.limits()];
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let times = Limit {
            name: "times",
            value: count(MAX_ALARMS),
            used: Some(count(self.times.len())),
            what: "times on the wall that jobs ask for; with timers, so many more are not kept",
        };
        devices
            .chain(others.into_iter().flatten())
            .chain([times, self.pressure.limits()])
            .chain(keys)
            .collect()
    }
}
