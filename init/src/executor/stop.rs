//! How processes are ended: signals, kills, what is left aside and what is forgotten.

use std::collections::VecDeque;

use jobs::{Input, Life, ProcessKind, Signal};

use super::{
    Executor, kill,
    launch::Start,
    life::{Body, Owes, Role},
    sessions,
};
use crate::{
    pid1::shell::Shell,
    sys::{
        pidfd,
        wait::{self, Change, Whose},
    },
};

impl Executor {
    /// Sends a signal to main's process group or, if main is not known, to every process of the life but its hooks'.
    pub fn signal(&mut self, _: &mut Shell<'_>, life: Life, signal: Signal) {
        let Some(body) = self.lives.get_mut(&life.number) else { return };
        let stops = signal.number() == body.stop_signal;
        body.is_stopping |= stops;
        let number = signal.number();
        let is_stopped = body.is_stopped;
        let Some(main) = body.main().map(|main| main.pid) else {
            // That it has ended is on its way to who says this, and what it has left is not meant.
            if body.leaves && body.has_lost_main {
                return;
            }
            let rest = self.rest(life.number);
            return rest.into_iter().for_each(|pid| kill(pid, number));
        };
        self.signal_main(life.number, number);
        // That it has stopped may not have been taken note of yet.
        let has_stopped = || matches!(wait::next(Whose::Pid(main), true), Ok(Some((_, Change::Stopped(_)))));
        if stops && (is_stopped || has_stopped()) {
            // A stopped process acts on a signal only when it goes on.
            kill(main, Signal::CONT.number());
        }
    }

    /// Sends a signal to main alone: what it runs beside itself may know nothing of it, and would die. If main is not known,
    /// it goes to every process of the life but its hooks'.
    pub fn tell_main(&mut self, shell: &mut Shell<'_>, life: Life, signal: Signal) {
        let Some(main) = self.lives.get(&life.number).and_then(Body::main) else {
            return self.signal(shell, life, signal);
        };
        let sent = main.pidfd.as_ref().map(|main| pidfd::signal(main, signal.number()));
        if !matches!(sent, Some(Ok(()))) {
            kill(main.pid, signal.number());
        }
    }

    /// Sends a signal to main and its process group.
    pub(super) fn signal_main(&mut self, number: u64, signal: u8) {
        let Some(main) = self.lives.get(&number).and_then(Body::main) else { return };
        let own = wait::group_of(std::process::id().cast_signed());
        match wait::group_of(main.pid) {
            // The group that main leads, or one that an ancestor of it began, which is the job's, too.
            Some(group) if Some(group) != own => kill(group.saturating_neg(), signal),
            // Before its session begins, and for one that is gone.
            Some(_) | None => {
                let sent = main.pidfd.as_ref().map(|main| pidfd::signal(main, signal));
                if !matches!(sent, Some(Ok(()))) {
                    kill(main.pid, signal);
                }
            }
        }
    }

    /// Kills a process beside main, with all that it started.
    pub fn kill_hook(&mut self, shell: &mut Shell<'_>, life: Life, process: ProcessKind) {
        self.unqueue(shell, life, Some(process));
        let Some(body) = self.lives.get(&life.number) else { return };
        let name = body.group_name(process);
        match &self.tree {
            Some(tree) => {
                let groups = body.groups.iter().filter(|group| group.name == name);
                groups.for_each(|group| tree.kill(group.branch, &group.name));
                body.set_ups(Some(process)).for_each(|pid| kill(pid, 9));
            }
            None => {
                for hook in body.processes.iter().filter(|known| known.role.kind() == Some(process)) {
                    kill(hook.pid.saturating_neg(), 9);
                    kill(hook.pid, 9);
                    sessions::processes("", &[hook.pid], &|_| false).into_iter().for_each(|pid| kill(pid, 9));
                }
            }
        }
    }

    /// Kills every process of a life, those in line too. `Emptied` is told when none is left, at once if none is.
    pub fn kill_all(&mut self, shell: &mut Shell<'_>, life: Life) {
        self.unqueue(shell, life, None);
        let Some(body) = self.lives.get_mut(&life.number) else {
            return shell.report(Input::Emptied { life });
        };
        body.is_stopping = true;
        self.kill_groups(life.number);
        self.owe(shell, life.number, Owes::All);
    }

    /// Moves what is left of main's processes aside, and leaves it alone.
    pub fn leave(&mut self, _: &mut Shell<'_>, life: Life) {
        let Some(body) = self.lives.get_mut(&life.number) else { return };
        body.owes = Owes::Nothing;
        // Without cgroups, what is known of them is forgotten.
        body.leaders.clear();
        body.is_left = true;
        let Some(tree) = &self.tree else { return };
        let to = super::tree::escaped(&body.job);
        let groups = body.groups.iter().filter(|group| group.process == ProcessKind::Main);
        for group in groups {
            if let Err(error) = tree.leave(group.branch, &group.name, &to) {
                self.warnings.push(format!("what is left of {} could not be moved aside: {error}", body.job));
            }
        }
        self.drop_group(life.number, ProcessKind::Main);
    }

    /// A life is over: what still runs of it is ended, and nothing of it is kept.
    pub fn forget(&mut self, shell: &mut Shell<'_>, life: Life) {
        self.due.remove(&life.number);
        let Some(body) = self.lives.get_mut(&life.number) else { return };
        if body.in_line > 0 {
            self.queue.retain(|start| start.life != life);
        }
        let groups = std::mem::take(&mut body.groups);
        match &self.tree {
            Some(tree) => {
                body.set_ups(None).for_each(|pid| kill(pid, 9));
                for group in groups {
                    if !tree.remove(group.branch, &group.name) {
                        tree.kill(group.branch, &group.name);
                        self.dying.push_back(group);
                    }
                }
            }
            None if body.is_left => {
                let hooks =
                    body.processes.iter().filter(|known| known.role.kind() != Some(ProcessKind::Main));
                hooks.for_each(|hook| kill(hook.pid, 9));
            }
            None => self.kill_groups(life.number),
        }
        let Some(body) = self.lives.remove(&life.number) else { return };
        for process in &body.processes {
            self.pids.remove(&process.pid);
            if let Role::SetUp(_, place) = process.role {
                self.drop_set_up(shell, place);
            }
        }
        self.close(shell, body);
    }

    /// Takes what is in line for a life out of it, and tells so.
    fn unqueue(&mut self, shell: &mut Shell<'_>, life: Life, process: Option<ProcessKind>) {
        let Some(body) = self.lives.get_mut(&life.number).filter(|body| body.in_line > 0) else { return };
        let is_meant =
            |start: &Start| start.life == life && process.is_none_or(|process| process == start.process);
        let (out, kept) = std::mem::take(&mut self.queue).into_iter().partition(is_meant);
        self.queue = kept;
        let out: VecDeque<Start> = out;
        body.in_line = body.in_line.saturating_sub(out.len());
        for start in out {
            let why = "killed before it was made".into();
            shell.report(Input::Unspawned { life, process: start.process, why });
        }
    }
}
