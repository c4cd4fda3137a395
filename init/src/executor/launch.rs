//! From a plan to a process that runs: the copy, and what its status pipe says.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::Arc,
};

use core::time::Duration;

use events::{Args, Text, Time};
use jobs::{Exit, Input, Job, Life, Pid, ProcessKind};
use nix::{errno::Errno, fcntl::OFlag, unistd::pipe2};

use super::{
    AT_ONCE, Executor,
    child::{self, Errand, Post},
    groups::Group,
    life::{Process, Role},
    noted::What,
    plan::{Plan, lift},
    records::status_label,
    sessions::Stat,
    step::{FAULT, Fault, Names, Step, Unmade},
};
use crate::{
    pid1::{shell::Shell, token::Token},
    store::Kept,
    sys::{
        poll::{Interest, Registration},
        spawn::{self, Copy, How},
        steps::PLACES,
        twin::{self, Room},
        wait,
    },
};

/// How much memory for children that share ours is kept for the next ones while nobody is in line.
const ROOMS: usize = 4;
/// How long a set-up may take before others need not wait for it, in milliseconds.
const STUCK: u64 = 1_000;
/// By when it is heard of a set-up that nobody waits for, in milliseconds: at the clock's next tick but one.
const LATE: u64 = 2;

/// A process that is to be made.
#[derive(Debug)]
pub struct Start {
    /// The life that it belongs to.
    pub life: Life,
    /// Which of its processes it is.
    pub process: ProcessKind,
    /// What it is a life of.
    pub job: Arc<Job>,
    /// Which instance of that.
    pub instance: Text,
    /// What the engine adds to its environment.
    pub env: Arc<Args>,
}

impl Start {
    /// Whether it is for this process of a life.
    pub(super) fn is(&self, life: Life, process: ProcessKind) -> bool {
        (self.life, self.process) == (life, process)
    }
}

/// A child whose set-up is under way.
#[derive(Debug)]
pub struct SetUp {
    pub(super) life: Life,
    pub(super) process: ProcessKind,
    pub(super) pid: i32,
    pub(super) names: Names,
    pub(super) status: Kept,
    pub(super) heard: Heard,
    pub(super) since: Time,
}

/// When it is heard how a set-up went.
#[derive(Debug)]
pub enum Heard {
    /// As soon as its pipe says so.
    AtOnce(Registration),
    /// By this time, or before that with the end of the child: nobody waits for it, and whoever is woken by it takes the
    /// processor from the program that has just been executed.
    By(Time),
    /// With the end of the child: its pipe has come to its own.
    AtItsEnd,
}

/// How a set-up ended.
#[derive(Debug)]
enum Outcome {
    Executed,
    Fault(Fault),
    /// The child died in it.
    Died(Step, Option<Exit>),
}

impl Executor {
    /// Makes a process out of its plan, or tells why there is none; `false` if there may be one in a while.
    pub(super) fn launch_or_tell(
        &mut self,
        shell: &mut Shell<'_>,
        life: Life,
        process: ProcessKind,
        plan: &mut Plan,
    ) -> bool {
        let Err(unmade) = self.launch(shell, life, process, plan) else { return true };
        self.drop_group(life.number, process);
        self.unmade(shell, life, process, unmade)
    }

    /// Whether one more may be set up.
    pub(super) fn has_room(&self, now: Time) -> bool {
        self.set_ups.len() < AT_ONCE || {
            let fresh = self.set_ups.iter().filter(|(_, set_up)| now < stuck_at(set_up.since));
            fresh.count() < AT_ONCE
        }
    }

    /// When the next set-up counts as stuck, and lets others pass.
    pub(super) fn next_stuck(&self) -> Option<Time> {
        self.set_ups.iter().map(|(_, set_up)| stuck_at(set_up.since)).min()
    }

    fn launch(
        &mut self,
        shell: &mut Shell<'_>,
        life: Life,
        process: ProcessKind,
        plan: &mut Plan,
    ) -> Result<(), Unmade> {
        let place = self.set_ups.next_place(PLACES).ok_or(Unmade::Starved("descriptors"))?;
        let group = self.make_group(life.number, process, &plan.cgroup)?;
        if let Some((group, true)) = &group
            && self.adopt(shell, life, group)
        {
            return Ok(());
        }
        let group = group.map(|(group, _)| group);
        let by = |step: &'static str| move |error: Errno| Unmade::by(step, &error.into());
        let (status, told) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(by("pipe"))?;
        let told = if told.as_raw_fd() > plan.last_place() {
            told
        } else {
            lift(told.as_raw_fd(), plan.last_place()).map_err(|error| Unmade::by("pipe", &error))?
        };
        self.steps.0.set(place, Step::Begin as u8);
        self.steps.0.set_pid(place, 0);
        let status = Kept::new(status, status_label(place, process, life));
        // The child takes the rest of the plan along.
        let (names, is_awaited) = (std::mem::take(&mut plan.names), plan.is_awaited);
        let made = self.copy(plan, group.as_ref(), process, place, &told);
        let (pid, pidfd) = match made {
            Ok(made) => made,
            Err(unmade) => {
                plan.names = names;
                return Err(unmade);
            }
        };
        self.steps.0.set_pid(place, pid);
        drop(told);
        let heard = if is_awaited {
            match shell.poll.add(status.as_fd(), Interest::Read, Token::Status(place)) {
                Ok(registration) => Heard::AtOnce(registration),
                Err(error) => {
                    super::kill(pid, 9);
                    return Err(Unmade::by("poll", &error));
                }
            }
        } else {
            Heard::By(shell.now.after(Duration::from_millis(LATE)))
        };
        self.pids.insert(pid, life.number);
        if let Some(body) = self.lives.get_mut(&life.number) {
            body.processes.push(Process {
                role: Role::SetUp(process, place),
                pid,
                pidfd,
                is_stranger: false,
            });
            if group.is_none() {
                body.leaders.push(pid);
            }
        }
        let since = shell.now;
        self.set_ups.add(SetUp { life, process, pid, names, status, heard, since });
        Ok(())
    }

    /// Makes the copy, which sets itself up and does not come back from here.
    fn copy(
        &mut self,
        plan: &mut Plan,
        group: Option<&Group>,
        process: ProcessKind,
        place: u32,
        told: &OwnedFd,
    ) -> Result<(i32, Option<OwnedFd>), Unmade> {
        let directory = match (&self.tree, group, self.clone3) {
            (Some(tree), Some(group), true) => Some(
                tree.directory(group.branch, &group.name).map_err(|error| Unmade::by("cgroup", &error))?,
            ),
            _ => None,
        };
        let procs = match (&self.tree, group, self.clone3) {
            (Some(tree), Some(group), false) => {
                let file = tree.writable(group.branch, &group.name, "cgroup.procs");
                let file = OwnedFd::from(file.map_err(|error| Unmade::by("cgroup", &error))?);
                let above = lift(file.as_raw_fd(), plan.last_place());
                Some(above.map_err(|error| Unmade::by("cgroup", &error))?)
            }
            _ => None,
        };
        let kept = [Some(told.as_raw_fd()), procs.as_ref().map(|procs| procs.as_raw_fd())];
        plan.close_all_but(&kept.map(|fd| fd.unwrap_or(0)));
        let how = How {
            clone3: self.clone3,
            pidfd: self.pidfd && process == ProcessKind::Main,
            cgroup: directory.as_ref().map(|directory| directory.as_fd()),
            noted: self.steps.0.pid_slot(place),
        };
        let Some(step) = self.steps.0.slot(place) else { return Err(Unmade::Starved("descriptors")) };
        let post =
            Post { step, status: told.as_raw_fd(), procs: procs.as_ref().map(|procs| procs.as_raw_fd()) };
        let made = match self.room(plan) {
            Some(room) => {
                let errand = Box::new(Errand { plan: std::mem::take(plan), post, room });
                self.share(&how, errand).map_err(|(error, errand)| {
                    *plan = errand.plan;
                    error
                })
            }
            None => spawn::copy(&how),
        };
        match made {
            Ok(Copy::Parent { pid, pidfd }) => Ok((pid, pidfd)),
            Ok(Copy::Child) => child::run(plan, &post),
            Err(error) => match error.raw_os_error().unwrap_or(libc::EINVAL) {
                // Denied, or not known to this kernel: from now on without it.
                libc::ENOSYS | libc::EPERM | libc::EINVAL | libc::E2BIG if self.clone3 => {
                    self.clone3 = false;
                    self.copy(plan, group, process, place, told)
                }
                libc::EAGAIN if self.is_full(group) => {
                    Err(Unmade::Fault("clone: it has as many processes as its pids.max allows".into()))
                }
                _ => Err(Unmade::by("clone", &error)),
            },
        }
    }

    /// Memory for a child that shares ours, if this one may.
    fn room(&mut self, plan: &Plan) -> Option<Room> {
        if !self.clone3 || !self.shares || !plan.may_share() {
            return None;
        }
        self.rooms.pop().or_else(|| Room::new().ok())
    }

    /// Makes a child that shares our memory until it executes its program.
    fn share(&mut self, how: &How<'_>, mut errand: Box<Errand>) -> Result<Copy, (io::Error, Box<Errand>)> {
        let at: *mut Errand = &raw mut *errand;
        match twin::spawn(how, &mut errand.room, child::run_errand, at.cast()) {
            Ok((pid, pidfd)) => {
                errand.plan.close();
                self.errands.insert(pid, errand);
                Ok(Copy::Parent { pid, pidfd })
            }
            Err(error) => Err((error, errand)),
        }
    }

    /// A child has executed its program, or has ended: what it worked on is ours again.
    pub(super) fn errand_done(&mut self, pid: i32) {
        if let Some(errand) = self.errands.remove(&pid)
            && self.rooms.len() < AT_ONCE
        {
            self.rooms.push(errand.room);
        }
    }

    /// Keeps no more memory than is soon wanted again.
    pub(super) fn drop_spare_rooms(&mut self) {
        self.rooms.truncate(ROOMS);
    }

    fn is_full(&self, group: Option<&Group>) -> bool {
        let full = |group: &Group| self.tree.as_ref()?.is_full(group.branch, &group.name).then_some(());
        group.and_then(full).is_some()
    }

    /// A process that an earlier image of us has made and not told of: it is found by its group.
    fn adopt(&mut self, shell: &mut Shell<'_>, life: Life, group: &Group) -> bool {
        let Some(tree) = &self.tree else { return false };
        let children: Vec<i32> = tree.processes(group.branch, &group.name);
        let children: Vec<i32> = children.into_iter().filter(|pid| wait::is_child(*pid)).collect();
        let leads = |pid: &&i32| Stat::of(**pid).is_some_and(|stat| stat.session == **pid);
        let Some(pid) = children.iter().find(leads).or(children.first()).copied() else {
            tree.kill(group.branch, &group.name);
            return false;
        };
        self.pids.insert(pid, life.number);
        if let Some(body) = self.lives.get_mut(&life.number) {
            body.processes.push(Process {
                role: Role::Running(group.process),
                pid,
                pidfd: None,
                is_stranger: false,
            });
        }
        self.note(life.number, pid, What::Spawned(group.process));
        self.tell_spawned(shell, life, group.process, pid);
        true
    }

    /// A status pipe has something to say.
    pub(super) fn status(&mut self, shell: &mut Shell<'_>, place: u32) {
        self.hear_status(shell, place, None);
        // What has become free with it.
        self.hold_back();
    }

    /// When the next set-up is to be looked at that nobody waits for.
    pub(super) fn next_unheard(&self) -> Option<Time> {
        let times = self.set_ups.iter().map(|(_, set_up)| match &set_up.heard {
            Heard::By(time) => Some(*time),
            Heard::AtOnce(_) | Heard::AtItsEnd => None,
        });
        times.flatten().min()
    }

    /// Looks at the set-ups that nobody waits for and whose time has come. What is not over by now is heard at once.
    pub(super) fn hear_late(&mut self, shell: &mut Shell<'_>) {
        let is_late = |set_up: &SetUp| matches!(set_up.heard, Heard::By(time) if time <= shell.now);
        let late = self.set_ups.iter().filter(|(_, set_up)| is_late(set_up)).map(|(place, _)| place);
        for place in late.collect::<Vec<_>>() {
            self.hear_status(shell, place, None);
            let Some(set_up) = self.set_ups.get_mut(place) else { continue };
            if let Heard::By(time) = &mut set_up.heard {
                match shell.poll.add(set_up.status.as_fd(), Interest::Read, Token::Status(place)) {
                    Ok(at) => set_up.heard = Heard::AtOnce(at),
                    // There is no room for it now.
                    Err(_) => *time = shell.now.after(Duration::from_millis(STUCK)),
                }
            }
        }
    }

    /// Hears how a set-up went, of a child that perhaps has ended by now.
    pub(super) fn hear_status(&mut self, shell: &mut Shell<'_>, place: u32, end: Option<Exit>) {
        let Some(set_up) = self.set_ups.get_mut(place) else { return };
        let mut bytes = [0_u8; FAULT];
        let step = || Step::of(self.steps.0.get(place));
        let outcome = match nix::unistd::read(&set_up.status, &mut bytes) {
            Err(Errno::EAGAIN | Errno::EINTR) if end.is_none() => return,
            // The end means that it was executed, or that it died before that.
            Ok(0) | Err(_) => match (step(), end) {
                (Step::Exec, _) => Outcome::Executed,
                (step, Some(_)) => Outcome::Died(step, end),
                (_, None) => {
                    // It is dying, and has closed its descriptors already. Its end is told when it is reaped.
                    if let Heard::AtOnce(at) = std::mem::replace(&mut set_up.heard, Heard::AtItsEnd) {
                        shell.poll.remove(&set_up.status, at);
                    }
                    return;
                }
            },
            Ok(read) => match Fault::read(bytes.get(..read).unwrap_or_default()) {
                Some(fault) => Outcome::Fault(fault),
                None => Outcome::Died(step(), end),
            },
        };
        self.set_up_ended(shell, place, outcome);
    }

    fn set_up_ended(&mut self, shell: &mut Shell<'_>, place: u32, outcome: Outcome) {
        let Some(set_up) = self.set_ups.remove(place) else { return };
        let SetUp { life, process, pid, names, status, heard, .. } = set_up;
        if matches!(outcome, Outcome::Executed) {
            // Before the pipe is gone that would tell the next image of us.
            self.note(life.number, pid, What::Spawned(process));
        }
        if let Heard::AtOnce(at) = heard {
            shell.poll.remove(&status, at);
        }
        drop(status);
        let role = if matches!(outcome, Outcome::Executed) { Role::Running(process) } else { Role::Over };
        let Some(body) = self.lives.get_mut(&life.number) else { return };
        if let Some(known) = body.process_mut(pid) {
            known.role = role;
        }
        let why = match outcome {
            Outcome::Executed => {
                self.errand_done(pid);
                return self.tell_spawned(shell, life, process, pid);
            }
            Outcome::Fault(fault) => fault.text(&names),
            Outcome::Died(step, end) => death(step, end),
        };
        shell.report(Input::Unspawned { life, process, why: why.into() });
    }

    fn tell_spawned(&mut self, shell: &mut Shell<'_>, life: Life, process: ProcessKind, pid: i32) {
        shell.report(Input::Spawned { life, process, pid: Pid(pid.unsigned_abs()) });
        if process == ProcessKind::Main {
            self.main_began(shell, life.number);
        }
    }
}

/// How a child died in its set-up, in words.
fn death(step: Step, exit: Option<Exit>) -> String {
    let step = step.name();
    match exit {
        Some(Exit::Signal(signal)) => format!("{step}: killed by {signal}"),
        Some(Exit::Code(code)) => format!("{step}: it ended with status {code}"),
        None => format!("{step}: it died"),
    }
}

fn stuck_at(since: Time) -> Time {
    since.after(Duration::from_millis(STUCK))
}
