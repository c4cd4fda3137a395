//! Ends of processes, and stops: whose they were, and what is left.

use jobs::{Exit, Input, Pid, ProcessKind, Ready, Signal};

use super::{
    Executor,
    launch::Heard,
    life::{Owes, Process, Role},
    noted::What,
};
use crate::{
    pid1::shell::Shell,
    sys::wait::{self, Change, Whose},
};

const SIGSTOP: u8 = 19;
const SIGCONT: u8 = 18;
const SIGABRT: u8 = 6;

impl Executor {
    /// Takes note of the ends and stops of children, at most `quota` of them; whether there may be more.
    ///
    /// Called at SIGCHLD, and once after each start of PID 1: the signal may be long gone, the zombies are not.
    pub fn reap(&mut self, shell: &mut Shell<'_>, quota: usize) -> bool {
        for _ in 0..quota {
            // It is only looked at first: what is known of it must be noted when the kernel forgets it.
            let Ok(Some((pid, seen))) = wait::next(Whose::Any, true) else {
                self.after_reaping();
                return false;
            };
            if self.hears_messages() {
                self.hear_out(shell, pid);
            }
            self.note_end(shell, pid, seen);
            let Ok(Some((_, change))) = wait::next(Whose::Pid(pid), false) else { continue };
            if change != seen {
                self.note_end(shell, pid, change);
            }
            self.changed(shell, pid, change);
        }
        true
    }

    /// Notes how a process has ended, and before that whether it was executed.
    fn note_end(&mut self, shell: &mut Shell<'_>, pid: i32, change: Change) {
        let (Some(exit), Some(life)) = (exit_of(change), self.pids.get(&pid).copied()) else { return };
        if let Some(place) = self.set_up_of(pid) {
            self.hear_status(shell, place, Some(exit));
        }
        self.note(life, pid, What::Ended(exit));
    }

    fn after_reaping(&mut self) {
        self.hold_back();
        self.bury();
    }

    /// Hears what a process has said before its end is told.
    fn hear_out(&mut self, shell: &mut Shell<'_>, pid: i32) {
        let number = self.pids.get(&pid).copied();
        let number = number.or_else(|| self.life_of_pid(pid).map(|life| life.number));
        if let Some(number) = number {
            self.hear_life(shell, number);
        }
    }

    fn changed(&mut self, shell: &mut Shell<'_>, pid: i32, change: Change) {
        match change {
            Change::Ended(_) | Change::Killed(_) => {
                if let Some(exit) = exit_of(change) {
                    self.ended(shell, pid, exit);
                }
            }
            Change::Stopped(signal) => self.stopped(shell, pid, signal),
            Change::Continued => self.set_stopped(pid, false),
        }
    }

    fn set_stopped(&mut self, pid: i32, stopped: bool) {
        let body = self.pids.get(&pid).and_then(|number| self.lives.get_mut(number));
        if let Some(body) = body.filter(|body| body.main().is_some_and(|main| main.pid == pid)) {
            body.is_stopped = stopped;
        }
    }

    /// A process has stopped; that may be how it tells that it is up.
    fn stopped(&mut self, shell: &mut Shell<'_>, pid: i32, signal: u8) {
        self.set_stopped(pid, true);
        let body = self.pids.get(&pid).and_then(|number| self.lives.get_mut(number));
        let Some(body) = body else { return };
        let is_main = body.main().is_some_and(|main| main.pid == pid);
        if is_main && body.waits && body.ready == Ready::Stopped && signal == SIGSTOP {
            let number = body.life.number;
            self.is_ready(shell, number, None);
            super::kill(pid, SIGCONT);
        }
    }

    /// A process has ended.
    pub(super) fn ended(&mut self, shell: &mut Shell<'_>, pid: i32, exit: Exit) {
        self.errand_done(pid);
        if let Some(place) = self.set_up_of(pid) {
            // That it was executed is told first.
            self.hear_status(shell, place, Some(exit));
        }
        let Some(number) = self.pids.remove(&pid) else {
            self.others.push((pid, exit));
            return self.orphan_ended(shell);
        };
        let Some(body) = self.lives.get_mut(&number) else { return };
        let Some(at) = body.processes.iter().position(|known| known.pid == pid) else { return };
        let Process { role, .. } = body.processes.swap_remove(at);
        let life = body.life;
        match role {
            // Its place has been given to another: nothing is known of it.
            Role::SetUp(process, _) => {
                let why = "set-up: it died".into();
                shell.report(Input::Unspawned { life, process, why });
                self.drop_group(number, process);
            }
            Role::Over => self.sweep(number),
            Role::Running(ProcessKind::Main) | Role::Guessed | Role::Named => {
                self.main_ended(shell, number, role, exit);
            }
            Role::Running(process) => {
                self.drop_group(number, process);
                let left = self.lives.get(&number).is_some_and(|body| !body.processes.is_empty());
                shell.report(Input::Exited { life, process, exit, left });
            }
        }
        self.pay(shell, number);
    }

    /// Closes the status pipe of a child that is not waited for any more.
    pub(super) fn drop_set_up(&mut self, shell: &mut Shell<'_>, place: u32) {
        if let Some(set_up) = self.set_ups.remove(place)
            && let Heard::AtOnce(at) = set_up.heard
        {
            shell.poll.remove(&set_up.status, at);
        }
    }

    /// The place of a child's set-up, if it is under way.
    fn set_up_of(&self, pid: i32) -> Option<u32> {
        let body = self.lives.get(self.pids.get(&pid)?)?;
        match body.processes.iter().find(|known| known.pid == pid)?.role {
            Role::SetUp(_, place) => Some(place),
            Role::Running(_) | Role::Guessed | Role::Named | Role::Over => None,
        }
    }

    /// Main has ended. For a daemon that forks, that may be how it becomes one.
    fn main_ended(&mut self, shell: &mut Shell<'_>, number: u64, role: Role, exit: Exit) {
        self.look_for_lack_of_memory(shell, number, exit);
        let left = self.is_left(number);
        let barked = self.lives.get_mut(&number).map(|body| std::mem::take(&mut body.watchdog.has_barked));
        // Who was killed because nothing was heard of it has failed, whatever it made of the signal.
        let exit = match (barked, exit) {
            (Some(true), Exit::Code(_)) => Signal::try_from(SIGABRT).map_or(exit, Exit::Signal),
            (Some(_) | None, exit) => exit,
        };
        let good = exit == Exit::Code(0);
        let Some(body) = self.lives.get_mut(&number) else { return };
        let life = body.life;
        body.is_stopped = false;
        body.watchdog.until = None;
        // One that was only found to be main, and ends well while another is there, was a step on the way.
        let is_stopping = body.is_stopping || body.process(ProcessKind::Stop).is_some();
        if role == Role::Guessed && good && left && !is_stopping && self.guess(shell, number) {
            return;
        }
        let Some(body) = self.lives.get_mut(&number) else { return };
        let forks = body.waits && body.ready == Ready::Forked;
        if forks {
            body.waits = false;
        }
        body.has_lost_main = !forks;
        shell.report(Input::Exited { life, process: ProcessKind::Main, exit, left });
        if left {
            self.owe(shell, number, Owes::Rest);
        } else if body.owes == Owes::Rest {
            body.owes = Owes::Nothing;
        }
        if forks && good && left {
            self.guess(shell, number);
        }
    }

    /// Takes the only child of ours that is left in main's group for main.
    pub(super) fn guess(&mut self, shell: &mut Shell<'_>, number: u64) -> bool {
        let Some(pid) = self.only_child(number) else { return false };
        self.pids.insert(pid, number);
        let Some(body) = self.lives.get_mut(&number) else { return false };
        body.processes.push(Process { role: Role::Guessed, pid, pidfd: None, is_stranger: false });
        let life = body.life;
        self.note(number, pid, What::Ready);
        shell.report(Input::Ready { life, main: Some(Pid(pid.unsigned_abs())) });
        true
    }

    /// Removes the groups of a life in which nothing runs and nothing is left.
    fn sweep(&mut self, number: u64) {
        let Some(body) = self.lives.get(&number) else { return };
        let runs = |process| body.processes.iter().any(|known| known.role.kind() == Some(process));
        let idle: Vec<ProcessKind> =
            body.groups.iter().map(|group| group.process).filter(|process| !runs(*process)).collect();
        for process in idle {
            self.drop_group(number, process);
        }
    }

    /// Somebody whom nobody had to take care of has ended. Where there are no cgroups, that may have been the last
    /// one of a life.
    fn orphan_ended(&mut self, shell: &mut Shell<'_>) {
        if self.tree.is_some() {
            return;
        }
        let owed: Vec<u64> = self
            .lives
            .iter()
            .filter(|(_, body)| body.owes != Owes::Nothing)
            .map(|(number, _)| *number)
            .collect();
        for number in owed {
            self.pay(shell, number);
        }
    }
}

/// How a process ended, if that is what has become of it.
fn exit_of(change: Change) -> Option<Exit> {
    match change {
        Change::Ended(status) => Some(Exit::Code(status)),
        Change::Killed(signal) => Some(Exit::Signal(Signal::try_from(signal).unwrap_or(Signal::KILL))),
        Change::Stopped(_) | Change::Continued => None,
    }
}
