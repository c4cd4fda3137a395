//! Devices, as the kernel tells of them, or udevd where there is one.
//!
//! Messages say that something has happened; what lasts of a device is read from `/sys`, and from udevd's database if a
//! udevd is there. So a fact is what a look at everything would find, whoever told of it, and no message can make one
//! that is not so. All devices are looked at once in a boot, after a udevd has come or gone, and whenever the kernel had
//! no room for a message.

mod folder;
mod look;
mod socket;
mod table;
#[cfg(test)]
mod tests;
mod udevd;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use events::{Args, Identity, Text, Time, Uevent, Value, device_event, lasting};
use jobs::Job;

use self::{
    folder::{BELOW, Folders, Found, identity},
    look::{Look, Step},
    socket::{MESSAGE, Received, Sender, Socket},
    table::{INPUTS, MOST, Seen, Table, tell},
    udevd::Udevd,
};
use super::{Part, Past};
use crate::{
    control::Limit,
    pid1::{shell::Shell, token::Token},
    sys::poll::Interest,
};

/// How many messages are read in one turn: who asks meanwhile waits for so many.
const TURN: usize = 64;
/// How many steps of a look are made in one turn.
const PIECE: usize = 32;
/// How long after a look the next one begins at the earliest, and after udevd's end the one without it.
const REST: Duration = Duration::from_millis(250);
/// How long udevd may take to deal with a device that it was asked to deal with. Then the kernel's word counts.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the kernel calls the device that is to be fed.
const WATCHDOG: &str = "watchdog";

/// What has come that others wait for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Come {
    /// A watchdog is there.
    pub watchdog: bool,
    /// There may be another input device.
    pub input: bool,
}

/// How often something went wrong.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    overruns: u64,
    forged: u64,
    cut: u64,
    looks: u64,
}

/// All devices.
#[derive(Debug)]
pub struct Devices {
    socket: Socket,
    /// Where a message is read to. It is kept, since to clear it costs more than a message.
    message: Vec<u8>,
    folders: Folders,
    table: Table,
    udevd: Udevd,
    /// Whether nothing is told yet: a job is to bring udev first, or nobody has asked for devices.
    is_held: bool,
    /// Until when it is not asked whether a job brings udev, although nothing is told.
    held_until: Option<Time>,
    /// Whether jobs wait for devices.
    is_wanted: bool,
    /// Whether those that the look finds are no news: they were there when the boot had settled, and nobody had asked.
    is_quiet: bool,
    /// Whether everything must be looked at, as soon as all messages are read that have come.
    is_lost: bool,
    look: Option<Look>,
    /// When the next look may begin.
    not_before: Time,
    /// Where devices are that udevd was asked to deal with, of which subsystems, and until when it may take.
    asked: BTreeMap<Value, Value>,
    asked_until: Time,
    /// The last message of the kernel's that was told.
    told: u64,
    counts: Counts,
    /// Whether a look is over, and with it the need for much memory.
    has_looked: bool,
}

impl Devices {
    /// Hears of devices from now on, and tells of none before [`release`](Self::release).
    pub fn new(shell: &mut Shell<'_>, past: &Past<'_>) -> std::io::Result<Self> {
        let room = shell.options.buffer.and_then(|room| usize::try_from(room).ok()).unwrap_or(socket::BUFFER);
        let socket = Socket::new(room)?;
        // For as long as we are there.
        shell.poll.add(&socket, Interest::Read, Token::Source(Part::Devices)).map(std::mem::forget)?;
        let table = Table::new(past);
        let is_wanted = table.len() > 0 || past.engine.jobs().any(|job| is_for_devices(job));
        Ok(Self {
            socket,
            message: vec![0; MESSAGE],
            folders: Folders::default(),
            table,
            udevd: Udevd::default(),
            is_held: true,
            is_quiet: false,
            held_until: None,
            is_wanted,
            is_lost: true,
            look: None,
            not_before: Time::default(),
            asked: BTreeMap::new(),
            asked_until: Time::default(),
            told: 0,
            counts: Counts::default(),
            has_looked: false,
        })
    }

    /// Whether nothing is told before [`release`](Self::release), and it is time to look whether it may be.
    pub const fn is_held(&self) -> bool {
        self.is_held && self.held_until.is_none()
    }

    /// Whether jobs wait for devices, or have before.
    pub const fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Jobs have been loaded: maybe they wait for devices.
    pub fn loaded(&mut self, jobs: &[Arc<Job>]) {
        self.is_wanted |= jobs.iter().any(|job| is_for_devices(job));
    }

    /// Whether all have been looked at.
    pub const fn is_known(&self) -> bool {
        !self.is_held && !self.is_lost && self.look.is_none()
    }

    /// Whether devices that jobs wait for may not have been told yet.
    pub fn is_behind(&self) -> bool {
        if self.is_held {
            return self.is_wanted;
        }
        self.is_lost || self.look.is_some() || !self.asked.is_empty()
    }

    /// Whether a look has ended since this was asked last.
    pub const fn take_has_looked(&mut self) -> bool {
        std::mem::replace(&mut self.has_looked, false)
    }

    /// No job brings udev any more, or it is there: devices are told from now on, first those that are there. If that is
    /// the first look, and the boot `has_settled`, they are facts, and no events.
    pub fn release(&mut self, shell: &mut Shell<'_>, has_settled: bool) {
        self.is_held = false;
        self.is_quiet = has_settled && self.counts.looks == 0 && self.table.len() == 0;
        self.is_lost = true;
        self.udevd.has_come(shell);
        for message in self.udevd.take_owed() {
            // What has been added since is found by the look, and left to udevd if there is one.
            if message.action.as_str() != "add" {
                self.hear(shell, &message, true);
            }
        }
    }

    /// Reads what has come, and says what may be there now that others wait for.
    pub fn ready(&mut self, shell: &mut Shell<'_>) -> Come {
        let mut bytes = std::mem::take(&mut self.message);
        let mut come = Come::default();
        if !self.is_held && self.udevd.has_come(shell) {
            self.is_lost = true;
        }
        for _ in 0..TURN {
            if shell.room() < INPUTS.saturating_mul(2) {
                break;
            }
            match self.socket.receive(&mut bytes) {
                Received::Message(sender, length) => {
                    let bytes = bytes.get(..length).unwrap_or_default();
                    self.take(shell, sender, bytes, &mut come);
                }
                Received::Forged => self.counts.forged = self.counts.forged.saturating_add(1),
                Received::Cut => {
                    self.counts.cut = self.counts.cut.saturating_add(1);
                    self.is_lost = true;
                }
                Received::Overrun => {
                    self.counts.overruns = self.counts.overruns.saturating_add(1);
                    self.is_lost = true;
                    come.input = true;
                }
                // Only now the kernel puts messages in again after an overrun: what is seen from here on, or told, is all.
                Received::Nothing => {
                    if self.is_lost && !self.is_held && self.look.is_none() && shell.now >= self.not_before {
                        self.is_lost = false;
                        self.counts.looks = self.counts.looks.saturating_add(1);
                        self.table.begin_look();
                        self.look = Some(Look::new(&self.folders.sys));
                    }
                    break;
                }
            }
        }
        self.message = bytes;
        come
    }

    /// Somebody of root's has asked libudev of these devices. What is there counts, and what is known besides stays.
    pub fn enumerated(&mut self, shell: &mut Shell<'_>, listed: &[Args]) {
        for args in if self.is_held { &[] } else { listed } {
            let (Some(path), Some(subsystem)) = (args.get("DEVPATH"), args.get("SUBSYSTEM")) else {
                continue;
            };
            let Some(found) = self.folders.describe(path, subsystem, true) else { continue };
            if identity(args).is_some_and(|said| said != found.identity) {
                continue;
            }
            let both = args.iter().chain(found.args.iter()).map(|(key, value)| (key.clone(), value.clone()));
            let args = lasting(path, subsystem, both);
            self.asked.remove(path);
            self.see(shell, &Found { args, ..found });
        }
    }

    /// udevd's process has ended.
    pub fn udevd_ended(&mut self, shell: &mut Shell<'_>) {
        if self.udevd.has_gone(shell) {
            // Another may have come already, or a job brings it again, and is heard of its end a moment later than we are.
            self.is_held = true;
            self.held_until = Some(shell.now.after(REST));
            self.is_lost = true;
            self.look = None;
            self.asked.clear();
        }
    }

    /// When [`tick`](Self::tick) is due.
    pub fn deadline(&self) -> Option<Time> {
        if self.is_held {
            return self.held_until;
        }
        let asked = (!self.asked.is_empty()).then_some(self.asked_until);
        let look = match (&self.look, self.is_lost) {
            (Some(_), _) => Some(Time::default()),
            (None, true) => Some(self.not_before),
            (None, false) => None,
        };
        [asked, look, self.udevd.deadline()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn tick(&mut self, shell: &mut Shell<'_>) -> Come {
        let mut come = Come::default();
        if self.is_held {
            self.held_until.take_if(|at| *at <= shell.now);
            return come;
        }
        if self.udevd.deadline().is_some_and(|at| at <= shell.now) {
            self.udevd_ended(shell);
        }
        if self.is_lost && self.look.is_none() && self.not_before <= shell.now {
            come = self.ready(shell);
        }
        if self.look.is_some() {
            self.go_on_looking(shell);
        }
        if !self.asked.is_empty() && self.asked_until <= shell.now {
            // udevd has not dealt with these in time: what the kernel says of them counts.
            for (path, subsystem) in std::mem::take(&mut self.asked) {
                if let Some(found) = self.folders.describe(&path, &subsystem, true) {
                    self.see(shell, &found);
                }
            }
        }
        come
    }

    /// A message from one who is believed.
    fn take(&mut self, shell: &mut Shell<'_>, sender: Sender, bytes: &[u8], come: &mut Come) {
        let message = match sender {
            Sender::Kernel => Uevent::of_kernel(bytes),
            Sender::Udevd => Uevent::of_udevd(bytes),
        };
        let Some(message) = message else { return };
        if sender == Sender::Kernel && message.action.as_str() == "add" {
            come.watchdog |= message.path.rsplit('/').next() == Some(WATCHDOG);
            come.input |= message.subsystem.as_str() == "input";
        }
        if self.is_held {
            return;
        }
        match (sender, self.udevd.is_there()) {
            (Sender::Kernel, false) => {
                self.told = message.number().unwrap_or(self.told);
                self.hear(shell, &message, true);
            }
            (Sender::Kernel, true) => {
                if !self.udevd.owes(message, shell.now) {
                    self.is_lost = true;
                }
            }
            (Sender::Udevd, true) => {
                self.udevd.has_said(&message);
                // What the kernel said before udevd was there has been told.
                let is_new = message.number().is_none_or(|number| number > self.told);
                self.hear(shell, &message, is_new);
            }
            // Somebody of root's who is no udevd, or is not there any more: what it said is seen by looking.
            (Sender::Udevd, false) => self.is_lost = true,
        }
    }

    /// Tells what a message says, as far as it is so. Of one that is not new only the facts count.
    fn hear(&mut self, shell: &mut Shell<'_>, message: &Uevent, is_new: bool) {
        self.asked.remove(&message.path);
        let event = || message.event().filter(|_| is_new);
        if !is_device(message) {
            return tell(shell, event());
        }
        let said = identity(&message.lasting());
        match message.action.as_str() {
            "remove" => return self.hear_of_end(shell, message, said.as_ref()),
            // Its children move with it, and nobody tells.
            "move" => {
                if let Some(old) = message.get("DEVPATH_OLD") {
                    self.asked.remove(old);
                    self.is_lost |= self.table.has_below(old);
                }
            }
            _ => {}
        }
        let is_add = message.action.as_str() == "add";
        let known = self.table.at(&message.path);
        if !is_add && known.is_some_and(|(_, args)| **args == message.lasting()) {
            return tell(shell, event());
        }
        let there = self.folders.describe(&message.path, &message.subsystem, self.udevd.is_there());
        let found = match there {
            Some(found) if said.as_ref().is_none_or(|said| *said == found.identity) => found,
            // One that has been told of already is in its place.
            Some(other) if known.is_some_and(|(identity, _)| *identity == other.identity) => return,
            // It was there, and is gone. That will be told, too.
            Some(_) | None if is_add => gone_already(message, said),
            Some(_) | None => {
                return if known.is_some() {
                    tell(shell, event())
                };
            }
        };
        match self.table.see(shell, &found) {
            Seen::Added if is_add => tell(shell, message.event()),
            Seen::Added => {
                tell(shell, device_event(&found.args, "add"));
                tell(shell, event());
            }
            Seen::Changed if is_add => tell(shell, device_event(&found.args, "change")),
            Seen::Changed => tell(shell, event()),
            Seen::Same if !is_add => tell(shell, event()),
            Seen::Same | Seen::LeftOut => {}
        }
    }

    /// A device is gone, unless that was one before it, or somebody only says so.
    fn hear_of_end(&mut self, shell: &mut Shell<'_>, message: &Uevent, said: Option<&Identity>) {
        let Some((identity, args)) = self.table.at(&message.path) else { return };
        let is_it = said.is_none_or(|said| said == identity);
        if is_it && !self.folders.has(&message.path, identity, args) {
            self.table.went(shell, &message.path, Some(message));
        }
    }

    /// A piece of the look.
    fn go_on_looking(&mut self, shell: &mut Shell<'_>) {
        for _ in 0..PIECE {
            if shell.room() < INPUTS.saturating_mul(2) {
                return;
            }
            match self.look.as_mut().map_or(Step::End, Look::next) {
                Step::Device(path, subsystem) => self.look_at(shell, &path, &subsystem),
                Step::Nothing => {}
                Step::End => {
                    self.look = None;
                    self.is_quiet = false;
                    self.has_looked = true;
                    self.not_before = shell.now.after(REST);
                    self.table.end_look(shell);
                    return;
                }
            }
        }
    }

    fn look_at(&mut self, shell: &mut Shell<'_>, path: &Value, subsystem: &Value) {
        let with_udevd =
            self.udevd.is_there() || self.table.at(path).is_some_and(|(_, args)| is_udevds(args));
        let Some(found) = self.folders.describe(path, subsystem, with_udevd) else { return };
        let is_known = self.table.at(path).is_some_and(|(identity, _)| *identity == found.identity);
        if found.is_raw && self.udevd.is_there() && !self.asked.contains_key(path) && self.asked.len() < MOST
        {
            // If it cannot be asked, there is nothing to wait for.
            if self.folders.announce(path).is_ok() {
                self.asked.insert(path.clone(), subsystem.clone());
                self.asked_until = shell.now.after(PATIENCE);
            }
        }
        if is_known || !self.asked.contains_key(path) {
            self.see(shell, &found);
        }
    }

    /// What was found by looking is told.
    fn see(&mut self, shell: &mut Shell<'_>, found: &Found) {
        match self.table.see(shell, found) {
            Seen::Added if self.is_quiet => {}
            Seen::Added => tell(shell, device_event(&found.args, "add")),
            Seen::Changed => tell(shell, device_event(&found.args, "change")),
            Seen::Same | Seen::LeftOut => {}
        }
    }

    /// Their bounds, and what was counted.
    pub fn limits(&self) -> Vec<Limit> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let limit = |name, value, used, what| Limit { name, value, used, what };
        let counter = |name, used, what| limit(name, u64::MAX, Some(used), what);
        vec![
            limit("devices", count(MOST), Some(count(self.table.len())), "devices; more are left out"),
            counter("devices-left-out", self.table.left_out(), "times that a device found no room"),
            limit(
                "device-buffer",
                count(self.socket.room()),
                None,
                "bytes of unread messages about devices; then all are looked at",
            ),
            limit("device-message", count(MESSAGE), None, "bytes of one message about a device"),
            limit(
                "device-messages-owed",
                count(udevd::MOST_OWED),
                Some(count(self.udevd.owed())),
                "messages of the kernel's that udevd has not told yet",
            ),
            counter("device-overruns", self.counts.overruns, "times that messages about devices were lost"),
            counter("device-messages-cut", self.counts.cut, "messages about devices that were too long"),
            counter(
                "device-messages-forged",
                self.counts.forged,
                "messages about devices from others than the kernel and udevd",
            ),
            counter("device-looks", self.counts.looks, "looks at all devices"),
        ]
    }
}

/// Whether a device may start, stop or hold a job.
fn is_for_devices(job: &Job) -> bool {
    let conditions = [&job.start_on, &job.stop_on, &job.holds_while].into_iter().flatten();
    let mut names =
        conditions.flat_map(|condition| condition.leaves()).map(|leaf| leaf.pattern.name.as_str());
    names.any(|name| name == "device" || name.contains("-device-"))
}

/// Whether a message is about a device: modules, drivers and the like have no folder that says what they are.
fn is_device(message: &Uevent) -> bool {
    message.path.starts_with(BELOW) && message.subsystem.as_str() != "queues"
}

/// Whether udevd has said something of a device.
fn is_udevds(args: &Args) -> bool {
    args.get("USEC_INITIALIZED").is_some()
}

/// A device that is gone before anybody could look at it.
fn gone_already(message: &Uevent, said: Option<Identity>) -> Found {
    let number = message.number().unwrap_or_default();
    let identity = said.unwrap_or_else(|| Identity(Text::from(format!("message-{number}"))));
    Found { identity, args: message.lasting(), is_raw: false }
}
