//! Finds the processes of a life again after PID 1 has executed itself: among its children, in its groups, in the
//! ledger. What the engine does not know yet is reported.

use std::{os::fd::AsFd as _, sync::Arc};

use events::Text;
use jobs::{Ending, Exit, Input, Job, Life, Main, Phase, Pid, ProcessKind, Ready, Signal, State};

use super::{
    Executor,
    launch::{Heard, SetUp},
    life::{Body, Owes, Process, Role},
    noted::{Noted, What},
    records::{KIND_SHIFT, NOTIFY, READY, STATUS, Saved},
    sessions::Stat,
    step::Names,
    tree,
};
use crate::{
    pid1::{shell::Shell, token::Token},
    store::{Kept, Label},
    sys::{poll::Interest, wait},
};

/// What is known of a life when its processes are looked for.
pub struct Found<'f> {
    /// Which life.
    pub(super) life: Life,
    /// As the engine believes it to be.
    pub(super) state: State,
    /// What stands in the ledger, oldest first.
    pub(super) noted: Vec<Noted>,
    /// What had been saved.
    pub(super) saved: Option<&'f Saved>,
}

impl Found<'_> {
    /// How a process ended, if it did.
    fn end(&self, pid: i32) -> Option<Exit> {
        self.noted.iter().rev().filter(|noted| noted.pid == pid).find_map(|noted| match noted.what {
            What::Ended(exit) => Some(exit),
            What::Spawned(_) | What::Ready => None,
        })
    }

    /// The last entry that says this.
    fn last(&self, what: What) -> Option<i32> {
        self.noted.iter().rev().find(|noted| noted.what == what).map(|noted| noted.pid)
    }

    /// Whether main had only been found to be that.
    fn is_guessed(&self, ready: &Ready) -> bool {
        match (self.saved.and_then(|saved| saved.guessed), self.state.main()) {
            (Some(guessed), Main::Alive(Pid(pid))) => guessed.unsigned_abs() == pid,
            (_, Main::Alive(_) | Main::Group) => {
                *ready == Ready::Forked && self.state.phase() != Phase::Spawned
            }
            (_, Main::None | Main::Asked | Main::Ended { .. }) => false,
        }
    }
}

/// Whether a process lives, be it whose it may.
fn lives(pid: i32) -> bool {
    Stat::of(pid).is_some_and(|stat| !stat.is_dead())
}

impl Executor {
    pub(super) fn restore_body(&mut self, job: &Arc<Job>, instance: &Text, found: &Found<'_>) {
        let Found { life, state, saved, .. } = *found;
        let mut body = Body::new(life, job, instance);
        let own = self.found_groups.extract_if(.., |(number, _)| *number == life.number);
        body.groups = own.map(|(_, group)| group).collect();
        body.limited = body.groups.iter().any(|group| group.branch == tree::Branch::Limited);
        if let Some(saved) = saved {
            body.limited |= saved.is_limited;
            body.is_left = saved.is_left;
            body.said.status.clone_from(&saved.status);
            body.watchdog.every = saved.watchdog;
            body.chroot.clone_from(&saved.chroot);
            body.leaders.clone_from(&saved.leaders);
        }
        body.is_stopping = state.phase() == Phase::Killed;
        body.waits = state.phase() == Phase::Spawned
            && (state == State::Spawned(Main::Asked) || !matches!(job.ready, Ready::Spawned | Ready::Socket));
        self.lives.insert(life.number, body);
    }

    /// Set-ups that are under way, and the descriptor that the life is ready by.
    pub(super) fn restore_fds(&mut self, shell: &mut Shell<'_>, life: Life, fds: Vec<Kept>) {
        for kept in fds {
            let Label { role, place, .. } = kept.label();
            if role == STATUS {
                let kind = ProcessKind::ALL.into_iter().find(|kind| *kind as u32 == place >> KIND_SHIFT);
                if let Some(process) = kind {
                    self.restore_set_up(shell, life, process, place & ((1 << KIND_SHIFT) - 1), kept);
                }
            } else if role == NOTIFY {
                // Without it, what is said through it is not heard; the life goes on.
                let _ = self.listen(shell, life, kept);
            } else if role == READY
                && self.lives.get(&life.number).is_some_and(|body| body.waits)
                && let Ok(watched) = self.watch_ready_fd(shell, life, kept)
                && let Some(body) = self.lives.get_mut(&life.number)
            {
                body.ready_fd = Some(watched);
            }
        }
    }

    fn restore_set_up(
        &mut self,
        shell: &mut Shell<'_>,
        life: Life,
        process: ProcessKind,
        place: u32,
        status: Kept,
    ) {
        let pid = match self.steps.0.pid(place) {
            0 => self.child_in_group(life.number, process),
            pid => Some(pid).filter(|pid| wait::is_child(*pid)),
        };
        let Some(pid) = pid else { return };
        let Ok(registration) = shell.poll.add(status.as_fd(), Interest::Read, Token::Status(place)) else {
            return;
        };
        let names = Names { program: "the program".into(), ..Names::default() };
        let set_up =
            SetUp { life, process, pid, names, status, heard: Heard::AtOnce(registration), since: shell.now };
        if self.set_ups.put(place, set_up) {
            self.know(life.number, pid, Role::SetUp(process, place));
        }
    }

    fn know(&mut self, number: u64, pid: i32, role: Role) {
        self.pids.insert(pid, number);
        if let Some(body) = self.lives.get_mut(&number) {
            body.processes.push(Process { role, pid, pidfd: None, is_stranger: false });
            if !body.leaders.contains(&pid) {
                body.leaders.push(pid);
            }
        }
    }

    pub(super) fn restore_processes(&mut self, shell: &mut Shell<'_>, found: &Found<'_>) {
        let Found { life, state, .. } = *found;
        let Some(body) = self.lives.get(&life.number) else { return };
        let main_role =
            if found.is_guessed(&body.ready) { Role::Guessed } else { Role::Running(ProcessKind::Main) };
        let main = match state.main() {
            Main::Alive(Pid(pid)) => i32::try_from(pid).ok(),
            Main::None | Main::Asked | Main::Group | Main::Ended { .. } => None,
        };
        let hook = state.hook().and_then(|(kind, hook)| match hook {
            jobs::Hook::Alive(Pid(pid)) => Some((kind, i32::try_from(pid).ok()?)),
            jobs::Hook::Asked => None,
        });
        // A main that is a child first: who ends, and leaves somebody behind, must find all others known.
        let alive = hook.into_iter().chain(main.map(|pid| (ProcessKind::Main, pid)));
        let asked = ProcessKind::ALL.into_iter().filter(|kind| state.asked_for(*kind));
        let mut ended = Vec::new();
        let told = asked.filter_map(|kind| Some((kind, self.find_asked(shell, found, kind)?)));
        let told: Vec<(ProcessKind, i32)> = told.collect();
        for (kind, pid) in told.into_iter().chain(alive) {
            let role = if kind == ProcessKind::Main { main_role } else { Role::Running(kind) };
            self.know(life.number, pid, role);
            match found.end(pid) {
                Some(exit) => ended.push((pid, exit)),
                None if wait::is_child(pid) => {}
                None if lives(pid) && self.is_of(pid, life.number) => {
                    if let Some(body) = self.lives.get_mut(&life.number) {
                        body.processes.retain(|known| known.pid != pid);
                    }
                    self.pids.remove(&pid);
                    self.set_main(shell, life.number, pid);
                }
                None => ended.push((pid, Exit::Signal(Signal::KILL))),
            }
        }
        self.know_others(life.number);
        for (pid, exit) in ended {
            self.ended(shell, pid, exit);
        }
        if let Some(body) = self.lives.get_mut(&life.number) {
            let stopped = |main: &Process| Stat::of(main.pid).is_some_and(|stat| stat.state == b'T');
            body.is_stopped = body.main().is_some_and(stopped);
        }
    }

    /// Looks for a process that was asked for and that nothing was heard of; reports it if it was executed.
    fn find_asked(&mut self, shell: &mut Shell<'_>, found: &Found<'_>, process: ProcessKind) -> Option<i32> {
        let life = found.life;
        let number = life.number;
        if self.lives.get(&number).is_some_and(|body| body.process(process).is_some()) {
            self.found.push((number, process));
            return None;
        }
        let told = found.last(What::Spawned(process));
        let Some(pid) = told.or_else(|| self.child_in_group(number, process)) else {
            self.asked.push((life, process));
            return None;
        };
        self.found.push((number, process));
        shell.report(Input::Spawned { life, process, pid: Pid(pid.unsigned_abs()) });
        Some(pid)
    }

    /// The child of ours that is in the group of a process: the one that leads a session, or the first.
    fn child_in_group(&self, number: u64, process: ProcessKind) -> Option<i32> {
        let body = self.lives.get(&number)?;
        let pids = match &self.tree {
            Some(tree) => {
                let group = body.groups.iter().find(|group| group.process == process)?;
                tree.processes(group.branch, &group.name)
            }
            None if process == ProcessKind::Main => {
                super::sessions::processes(&body.marker(), &[], &|_| false)
            }
            None => return None,
        };
        let is_ours = |pid: &i32| wait::is_child(*pid) && !self.pids.contains_key(pid);
        let children: Vec<i32> = pids.into_iter().filter(is_ours).collect();
        let leads = |pid: &&i32| Stat::of(**pid).is_some_and(|stat| stat.session == **pid);
        children.iter().find(leads).or(children.first()).copied()
    }

    /// Takes over processes beside main that the engine does not wait for: a reload.
    fn know_others(&mut self, number: u64) {
        let Some(body) = self.lives.get(&number) else { return };
        let is_unknown = |kind: &ProcessKind| *kind != ProcessKind::Main && body.process(*kind).is_none();
        let kinds: Vec<ProcessKind> =
            body.groups.iter().map(|group| group.process).filter(is_unknown).collect();
        for kind in kinds {
            if let Some(pid) = self.child_in_group(number, kind)
                && Stat::of(pid).is_some_and(|stat| stat.session == pid)
            {
                self.know(number, pid, Role::Running(kind));
            }
        }
    }

    /// What was heard of its readiness and did not come to the engine; and what else tells of it.
    pub(super) fn restore_readiness(&mut self, shell: &mut Shell<'_>, found: &Found<'_>) {
        let Found { life, state, .. } = *found;
        let number = life.number;
        let Some(body) = self.lives.get(&number) else { return };
        let waits = state.phase() == Phase::Spawned;
        let ready = found.last(What::Ready);
        let named = ready.filter(|pid| {
            let known = body.processes.iter().any(|known| known.pid == *pid);
            *pid > 0 && !known && self.is_of(*pid, number)
        });
        if let Some(pid) = named
            && state.main().is_alive()
        {
            self.set_main(shell, number, pid);
        }
        if ready.is_some() && (waits || named.is_some()) {
            if let Some(body) = self.lives.get_mut(&number) {
                body.waits = false;
            }
            shell.report(Input::Ready { life, main: named.map(|pid| Pid(pid.unsigned_abs())) });
        }
        let began = |body: &Body| match body.main() {
            Some(main) => !matches!(main.role, Role::SetUp(..)),
            None => state.main() == Main::Group,
        };
        if self.lives.get(&number).is_some_and(|body| body.waits && began(body)) {
            self.main_began(shell, number);
        }
        let is_watched = |body: &Body| !body.waits && body.main().is_some();
        if self.lives.get(&number).is_some_and(is_watched) {
            self.watch_over(shell, number);
        }
        let is_group = |body: &Body| body.ready == Ready::Forked && body.main().is_none();
        if state.main() == Main::Group && self.lives.get(&number).is_some_and(is_group) {
            self.guess(shell, number);
        }
    }

    /// Whether the engine waits to hear that nothing is left.
    pub(super) fn restore_debt(&mut self, shell: &mut Shell<'_>, found: &Found<'_>) {
        let Found { life, state, saved, .. } = *found;
        let left = match state.main() {
            Main::Group | Main::Ended { left: true, .. } => Owes::Rest,
            Main::None | Main::Asked | Main::Alive(_) | Main::Ended { left: false, .. } => Owes::Nothing,
        };
        let all = match state {
            State::Killed(_, Ending::Kill) => Owes::All,
            State::Killed(_, Ending::Verb(_)) => saved.map_or(Owes::Nothing, |saved| saved.owes),
            State::Killed(_, Ending::Signal)
            | State::Waiting
            | State::Held { .. }
            | State::Check(_)
            | State::Starting
            | State::Configure(_)
            | State::PreStart(_)
            | State::Spawned(_)
            | State::PostStart(..)
            | State::Running(_)
            | State::PreStop(..)
            | State::Stopping(_)
            | State::PostStop(_) => Owes::Nothing,
        };
        let owes = left.max(all);
        if owes != Owes::Nothing {
            self.owe(shell, life.number, owes);
        }
    }
}
