//! What signals say, and the ends of processes of our own.

use events::{Args, Event, Name};
use jobs::{Exit, Format, Input, Origin, Shutdown, Verb};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::{
    machine::{Machine, REAP},
    signals::{self, Wish, World},
};
use crate::{
    logs::Level,
    shutdown,
    store::faults::{self, Point},
};

/// How often control-alt-delete must be pressed within two seconds to go down at once.
const IMPATIENCE: usize = 7;

/// A process of Onset's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Own {
    /// The log keeper.
    Keeper,
    /// The rescue shell.
    Rescue,
}

impl Machine {
    pub(super) fn hear_signals(&mut self) {
        while let Some(signal) = self.signals.next() {
            let is_busybox = || {
                let speaks_for_itself = signals::speaks_for_itself(signal.ssi_signo);
                self.core.options.busybox || !speaks_for_itself && signals::is_busybox(signal.ssi_pid)
            };
            let world = if self.core.options.container {
                World::Container
            } else if is_busybox() {
                World::Busybox
            } else {
                World::Machine
            };
            if signals::ends_boot(signal.ssi_signo) && self.is_of_booting_script(signal.ssi_pid) {
                self.stop_boot();
                continue;
            }
            self.grant(signals::meaning(signal.ssi_signo, world));
        }
    }

    /// Whether this is a process of an rc.d script, and the boot goes on.
    fn is_of_booting_script(&self, pid: u32) -> bool {
        let life = i32::try_from(pid).ok().and_then(|pid| self.executor.life_of_pid(pid));
        let job = life.and_then(|life| self.engine.instance_of(life)).map(|(job, _)| job);
        let is_script =
            |name: &Name| self.engine.jobs().any(|job| job.name == *name && job.format == Format::Rcd);
        !self.boot.has_settled() && job.is_some_and(is_script)
    }

    /// An rc.d script wants no further script to start: those in line are let go, and a person is asked.
    fn stop_boot(&mut self) {
        let list = self.engine.list().into_iter();
        let in_line = list.filter(|it| it.goal == "start" && it.processes.is_empty() && !it.up);
        let scripts: Vec<Name> = in_line
            .filter_map(|it| self.engine.jobs().find(|job| *it.job == *job.name))
            .filter(|job| job.format == Format::Rcd)
            .map(|job| job.name.clone())
            .collect();
        for job in scripts {
            let (args, origin) = (Args::new(), Origin::World);
            let stop = Input::Command { verb: Verb::Stop, job, args, force: false, origin, reply: None };
            self.core.shell().report(stop);
        }
        self.rescue("an rc.d script has stopped the boot; the scripts behind it have not been started");
    }

    fn grant(&mut self, wish: Wish) {
        let event = |name: &'static str| Event::new(Name::constant(name));
        match wish {
            Wish::Reap => self.children = true,
            Wish::Emit(name) => self.emit(event(name)),
            Wish::Keys => {
                self.emit(event("control-alt-delete"));
                self.presses.retain(|at| self.core.now.since(*at).as_secs() < 2);
                self.presses.push(self.core.now);
                if self.presses.len() >= IMPATIENCE {
                    self.begin_end(Shutdown::Reboot);
                }
            }
            Wish::Reload => self.load(),
            Wish::Reopen => self.control.listen_again(&mut self.core.shell()),
            Wish::Dump => self.dump(),
            Wish::Reexec => self.reexec(None),
            Wish::Down(kind) | Wish::DownNow(kind) if let Some(why) = shutdown::obstacle(kind) => {
                self.say(Level::Error, why);
            }
            Wish::Down(kind) => self.go_down(kind, Origin::World),
            Wish::DownNow(kind) => self.begin_end(kind),
            Wish::RunLevel(level) => {
                if let Ok(event) = format!("runlevel RUNLEVEL={level} PREVLEVEL=N").parse() {
                    self.emit(event);
                }
            }
            Wish::Debug(on) => self.core.options.debug = on,
            Wish::Nothing => {}
        }
    }

    /// Writes how everything is to the log.
    fn dump(&mut self) {
        for status in self.engine.list() {
            self.say(Level::Info, &status.to_string());
        }
    }

    /// Looks at processes that have ended.
    pub(super) fn reap(&mut self) {
        if !self.children {
            return;
        }
        faults::point(Point::Reap);
        self.children = self.executor.reap(&mut self.core.shell(), REAP);
        for (pid, exit) in self.executor.take_others() {
            self.own_ended(Pid::from_raw(pid), exit);
        }
    }

    /// A process that belongs to no job has ended.
    fn own_ended(&mut self, pid: Pid, exit: Exit) {
        if self.loader.is(pid) {
            self.loaded(exit);
        }
        if let Some(end) = &mut self.end {
            end.ended(pid);
        }
        match self.own.remove(&pid) {
            Some(Own::Keeper) => {
                self.logs.keeper_died(&mut self.core.shell());
                if self.end.is_none() {
                    self.start_keeper();
                }
            }
            Some(Own::Rescue) => {
                self.say(Level::Info, "the rescue shell has ended: the boot goes on");
                self.load();
            }
            None => {}
        }
    }
}
