//! Ends of processes, and stops: whose they were, and what is left.

use jobs::{Exit, Input, Pid, ProcessKind, Ready, Signal};

use super::{
    Executor,
    launch::death,
    life::{Owes, Process, Role},
    noted::What,
    step::Step,
};
use crate::{
    pid1::shell::Shell,
    sys::wait::{self, Change, Whose},
};

const SIGSTOP: u8 = 19;
const SIGCONT: u8 = 18;

impl Executor {
    /// Takes note of the ends and stops of children, at most `quota` of them; whether there may be more.
    ///
    /// Called at SIGCHLD, and once after each start of PID 1: the signal may be long gone, the zombies are not.
    pub fn reap(&mut self, shell: &mut Shell<'_>, quota: usize) -> bool {
        for _ in 0..quota {
            // While a process may still have something to say, its end is only looked at first.
            let keep = !self.set_ups.is_empty() || self.hears_messages();
            let Ok(Some((pid, change))) = wait::next(Whose::Any, keep) else {
                self.after_reaping();
                return false;
            };
            let change = if keep {
                self.hear_out(shell, pid);
                match wait::next(Whose::Pid(pid), false) {
                    Ok(Some((_, change))) => change,
                    Ok(None) | Err(_) => continue,
                }
            } else {
                change
            };
            if let (Some(exit), Some(life)) = (exit_of(change), self.pids.get(&pid)) {
                self.note(*life, pid, What::Ended(exit));
            }
            self.changed(shell, pid, change);
        }
        true
    }

    fn after_reaping(&mut self) {
        self.bury();
        if self.reserve.is_empty() {
            self.hold_back();
        }
    }

    /// Hears what a process has said before its end is told.
    fn hear_out(&mut self, shell: &mut Shell<'_>, pid: i32) {
        let number = self.pids.get(&pid).copied();
        if let Some(body) = number.and_then(|number| self.lives.get(&number)) {
            let role = body.processes.iter().find(|known| known.pid == pid).map(|known| known.role);
            if let Some(Role::SetUp(_, place)) = role {
                self.status(shell, place);
            }
        }
        if self.hears_messages() {
            let number = number.or_else(|| self.life_of_pid(pid).map(|life| life.number));
            if let Some(number) = number {
                self.hear_life(shell, number);
            }
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
        let Some(number) = self.pids.remove(&pid) else {
            self.others.push((pid, exit));
            return self.orphan_ended(shell);
        };
        let Some(body) = self.lives.get_mut(&number) else { return };
        let Some(at) = body.processes.iter().position(|known| known.pid == pid) else { return };
        let Process { role, .. } = body.processes.swap_remove(at);
        let life = body.life;
        match role {
            Role::SetUp(_, place) => {
                // Nothing else is to be heard of it.
                self.drop_set_up(shell, place);
                let process = role.kind().unwrap_or(ProcessKind::Main);
                let why = death(Step::of(self.steps.0.get(place)), Some(exit));
                shell.report(Input::Unspawned { life, process, why: why.into() });
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
            && let Some(registration) = set_up.registration
        {
            shell.poll.remove(&set_up.status, registration);
        }
    }

    /// Main has ended. For a daemon that forks, that may be how it becomes one.
    fn main_ended(&mut self, shell: &mut Shell<'_>, number: u64, role: Role, exit: Exit) {
        let left = self.is_left(number);
        let good = exit == Exit::Code(0);
        let Some(body) = self.lives.get_mut(&number) else { return };
        let life = body.life;
        body.is_stopped = false;
        // One that was only found to be main, and ends well while another is there, was a step on the way.
        if role == Role::Guessed && good && left && !body.is_stopping && self.guess(shell, number) {
            return;
        }
        let Some(body) = self.lives.get_mut(&number) else { return };
        let forks = body.waits && body.ready == Ready::Forked;
        if forks {
            body.waits = false;
        }
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
pub(super) fn exit_of(change: Change) -> Option<Exit> {
    match change {
        Change::Ended(status) => Some(Exit::Code(status)),
        Change::Killed(signal) => Some(Exit::Signal(Signal::try_from(signal).unwrap_or(Signal::KILL))),
        Change::Stopped(_) | Change::Continued => None,
    }
}
