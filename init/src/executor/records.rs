//! What of the executor outlives PID 1's image, and how the next one finds its processes again.
//!
//! The engine is right about which lives there are; what was saved beside it may be older. So everything else is
//! asked of the world: who is a child of ours, who is in which group, and what stands in the ledger of reports
//! that may not have come to the engine. Three rules follow from it:
//!
//! - A process that the engine believes alive is adopted, or else its end is told.
//! - One that it has asked for and never heard of is adopted and told of; or, if there is none, the loop asks
//!   for it again, and who is not asked for again by then is reported as starved: the engine asks anew.
//! - A group of a life that is over is killed.

use std::{io, os::fd::AsFd as _, path::Path, sync::Arc, time::Duration};

use events::{Text, Value};
use jobs::{Ending, Engine, Exit, Input, Job, Life, Main, Phase, Pid, ProcessKind, Ready, Signal, State};
use serde::{Deserialize, Serialize};

use super::{
    Executor,
    groups::Group,
    launch::SetUp,
    life::{Body, Owes, Process, Role},
    listen,
    noted::{Noted, What},
    sessions::Stat,
    step::Names,
    tree,
};
use crate::{
    pid1::{shell::Shell, token::Token},
    store::{Kept, Label},
    sys::{ledger::Ledger, poll::Interest, steps::Steps, wait},
};

/// Labels of descriptors: the page of steps.
pub(super) const STEPS: u32 = 100;
/// The ledger.
pub(super) const LEDGER: u32 = 101;
/// A status pipe. Its place is that of the step, and above that the kind of process; its number is the life's.
pub(super) const STATUS: u32 = 102;
/// The descriptor that a life is ready by.
pub(super) const READY: u32 = 103;
/// A socket for messages.
pub(super) const NOTIFY: u32 = 104;
/// A socket that was opened for a job. Its place tells it from others of the same owner, its number tells the owner.
pub(super) const SOCKET: u32 = 105;

/// Where the kind of process begins in the place of a status pipe.
const KIND_SHIFT: u32 = 16;

/// The label of the status pipe of a child at this step.
pub(super) const fn status_label(place: u32, process: ProcessKind, life: Life) -> Label {
    Label { role: STATUS, place: place | (process as u32) << KIND_SHIFT, number: life.number }
}

/// What of the executor outlives PID 1's image, beside descriptors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// The limit of descriptors that the first image was born with.
    nofile: Option<(u64, u64)>,
    clone3: bool,
    lives: Vec<Saved>,
}

/// What cannot be found out about a life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Saved {
    number: u64,
    is_limited: bool,
    is_left: bool,
    chroot: Option<Text>,
    leaders: Vec<i32>,
    owes: Owes,
    status: Option<Value>,
    watchdog: Option<Duration>,
    /// Main, if it was only found to be that.
    guessed: Option<i32>,
}

/// What is known of a life when its processes are looked for.
struct Found<'f> {
    life: Life,
    /// As the engine believes it to be.
    state: State,
    /// What stands in the ledger, oldest first.
    noted: Vec<Noted>,
    /// What had been saved.
    saved: Option<&'f Saved>,
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
    /// What must be known to go on after PID 1 has executed itself again.
    #[must_use]
    pub fn records(&self) -> Records {
        let lives = self.lives.values().map(|body| Saved {
            number: body.life.number,
            is_limited: body.limited,
            is_left: body.is_left,
            chroot: body.chroot.clone(),
            leaders: body.leaders.clone(),
            owes: body.owes,
            status: body.said.status.clone(),
            watchdog: body.watchdog.every,
            guessed: body.main().filter(|main| main.role == Role::Guessed).map(|main| main.pid),
        });
        Records { nofile: self.base.nofile, clone3: self.clone3, lives: lives.collect() }
    }

    /// Everything that is kept when PID 1 executes itself: what [`Executor::resume`] is given.
    #[must_use]
    pub fn into_kept(mut self) -> Vec<Kept> {
        let mut all = vec![self.steps.1, self.ledger_kept];
        let places: Vec<u32> = self.set_ups.iter().map(|(place, _)| place).collect();
        all.extend(places.into_iter().filter_map(|place| Some(self.set_ups.remove(place)?.status)));
        for body in std::mem::take(&mut self.lives).into_values() {
            all.extend(body.ready_fd.map(|(fd, ..)| fd));
            all.extend(body.voice.map(|voice| voice.socket.0));
        }
        all.extend(std::mem::take(&mut self.sockets).into_values().flatten());
        all
    }

    /// Whether [`Executor::resume`] wants a descriptor of this label.
    #[must_use]
    pub const fn wants(label: Label) -> bool {
        matches!(label.role, STEPS | LEDGER | STATUS | READY | NOTIFY | SOCKET)
    }

    /// Goes on with the processes of the image before. What it did not come to tell is reported now.
    pub fn resume(
        shell: &mut Shell<'_>,
        cgroups: &Path,
        records: Records,
        kept: Vec<Kept>,
        engine: &Engine,
    ) -> io::Result<Self> {
        let mut executor = Self::new(shell, cgroups)?;
        executor.base.nofile = records.nofile.or(executor.base.nofile);
        executor.clone3 &= records.clone3;
        let mut rest = executor.take_pages(kept);
        executor.note_groups(engine);
        let sockets = rest.extract_if(.., |kept| kept.label().role == SOCKET);
        let sockets: Vec<Kept> = sockets.collect();
        executor.take_sockets(engine, sockets);
        let noted: Vec<Noted> = executor.ledger.entries().into_iter().filter_map(Noted::read).collect();
        for (life, job, instance, state) in engine.living() {
            if matches!(state.phase(), Phase::Waiting | Phase::Held | Phase::Starting) {
                continue;
            }
            let fds: Vec<Kept> = rest.extract_if(.., |kept| kept.label().number == life.number).collect();
            let found = Found {
                life,
                state,
                noted: noted.iter().copied().filter(|noted| noted.is_of(life.number)).collect(),
                saved: records.lives.iter().find(|saved| saved.number == life.number),
            };
            executor.restore_body(job, instance, &found);
            executor.restore_fds(shell, life, fds);
            executor.restore_processes(shell, &found);
            executor.restore_readiness(shell, &found);
            executor.restore_debt(shell, &found);
        }
        Ok(executor)
    }

    /// Whether there is, or was when PID 1 executed itself, a process of this kind in a life.
    #[must_use]
    pub fn has(&self, life: Life, process: ProcessKind) -> bool {
        self.found.contains(&(life.number, process))
            || self.lives.get(&life.number).is_some_and(|body| body.process(process).is_some())
    }

    /// Goes on with the shared pages of the image before; gives the other descriptors back.
    fn take_pages(&mut self, kept: Vec<Kept>) -> Vec<Kept> {
        let mut rest = Vec::with_capacity(kept.len());
        let mut has_steps = false;
        for kept in kept {
            match kept.label().role {
                STEPS => {
                    if let Ok(steps) = Steps::resume(kept.as_fd()) {
                        self.steps = (steps, kept);
                        has_steps = true;
                    }
                }
                LEDGER => {
                    if let Ok(ledger) = Ledger::resume(kept.as_fd()) {
                        (self.ledger, self.ledger_kept) = (ledger, kept);
                    }
                }
                _ => rest.push(kept),
            }
        }
        // Without the page nobody can say what their end means.
        rest.retain(|kept| has_steps || kept.label().role != STATUS);
        rest
    }

    /// Finds all groups. Those that belong to nobody who lives are killed.
    fn note_groups(&mut self, engine: &Engine) {
        let Some(tree) = &self.tree else { return };
        let mut lives: Vec<u64> = engine.living().map(|(life, ..)| life.number).collect();
        lives.sort_unstable();
        for (branch, name) in tree.groups() {
            let Some((number, hook)) = tree::parts(&name) else { continue };
            let process = match hook {
                Some(hook) => ProcessKind::ALL.into_iter().find(|kind| kind.name() == hook),
                None => Some(ProcessKind::Main),
            };
            match process {
                Some(process) if lives.binary_search(&number).is_ok() => {
                    self.found_groups.push((number, Group { process, branch, name }));
                }
                Some(_) | None => {
                    tree.kill(branch, &name);
                    self.dying.push_back(Group { process: ProcessKind::Main, branch, name });
                }
            }
        }
    }

    /// Keeps the sockets of jobs that live.
    fn take_sockets(&mut self, engine: &Engine, sockets: Vec<Kept>) {
        if sockets.is_empty() {
            return;
        }
        let owners: Vec<u64> =
            engine.living().map(|(_, job, instance, _)| listen::owner(&job.name, instance)).collect();
        for socket in sockets {
            let owner = socket.label().number;
            if owners.contains(&owner) {
                self.sockets.entry(owner).or_default().push(socket);
            } else {
                listen::close(socket);
            }
        }
    }

    fn restore_body(&mut self, job: &Arc<Job>, instance: &Text, found: &Found<'_>) {
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
    fn restore_fds(&mut self, shell: &mut Shell<'_>, life: Life, fds: Vec<Kept>) {
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
            SetUp { life, process, pid, names, status, registration: Some(registration), since: shell.now };
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

    fn restore_processes(&mut self, shell: &mut Shell<'_>, found: &Found<'_>) {
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
            None if process == ProcessKind::Main => super::sessions::processes(&body.marker(), &[]),
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
    fn restore_readiness(&mut self, shell: &mut Shell<'_>, found: &Found<'_>) {
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
    fn restore_debt(&mut self, shell: &mut Shell<'_>, found: &Found<'_>) {
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

    /// Who was asked for, is not there, and was not asked for again: the engine is to do that.
    pub(super) fn ask_for_lost(&mut self, shell: &mut Shell<'_>) {
        self.found.clear();
        for (life, process) in std::mem::take(&mut self.asked) {
            if !self.has(life, process) && !self.queue.iter().any(|start| start.is(life, process)) {
                shell.report(Input::Starved {
                    life,
                    process,
                    what: "PID 1, which was executed again".into(),
                });
            }
        }
    }
}
