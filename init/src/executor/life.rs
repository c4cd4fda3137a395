//! What the executor has of a life.

use std::os::fd::OwnedFd;

use events::{Name, Text};
use jobs::{Job, Life, ProcessKind, Ready, Work};

use super::{
    groups::Group,
    notify::{Said, Voice, Watchdog},
};
use crate::{store::Kept, sys::poll::Registration};

/// What there is of a life.
#[derive(Debug)]
pub struct Body {
    pub(super) life: Life,
    pub(super) job: Name,
    pub(super) instance: Text,
    /// What its groups are named by.
    pub(super) name: String,
    /// Whether it asks for limits of its groups.
    pub(super) limited: bool,
    /// What tells that it is up.
    pub(super) ready: Ready,
    /// Whether main still has to tell so.
    pub(super) waits: bool,
    /// The signal that it is stopped by.
    pub(super) stop_signal: u8,
    /// Whether it has got that signal.
    pub(super) is_stopping: bool,
    /// How many of its processes are in line.
    pub(super) in_line: usize,
    pub(super) processes: Vec<Process>,
    /// Groups that have been made and not been found empty.
    pub(super) groups: Vec<Group>,
    /// Every process that was made for it, where there are no cgroups: each began a session.
    pub(super) leaders: Vec<i32>,
    /// Whether `Emptied` is owed.
    pub(super) owes: Owes,
    /// Whether main is stopped by a signal.
    pub(super) is_stopped: bool,
    /// Its socket for messages, if it has one.
    pub(super) voice: Option<Voice>,
    pub(super) said: Said,
    pub(super) watchdog: Watchdog,
    pub(super) ready_fd: Option<Watched<Kept>>,
    /// Main that is not our child: its pidfd, if it can be had, and its place.
    pub(super) stranger: Option<Watched<OwnedFd>>,
    /// Its root, if that is another.
    pub(super) chroot: Option<Text>,
    /// Whether what is left of main was left alone on purpose.
    pub(super) is_left: bool,
    /// Whether what main leaves behind is to be left alone.
    pub(super) leaves: bool,
    /// Whether main was known, and has ended.
    pub(super) has_lost_main: bool,
}

/// A descriptor that is waited for, and its place in the table of such.
pub type Watched<F> = (F, Registration, u32);

/// Whether somebody must be told when nothing of a life is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Owes {
    /// No.
    Nothing,
    /// When main's group is empty.
    Rest,
    /// When nothing at all is left.
    All,
}

/// A process that we take care of.
#[derive(Debug)]
pub struct Process {
    pub(super) role: Role,
    pub(super) pid: i32,
    pub(super) pidfd: Option<OwnedFd>,
    /// Whether it is not our child.
    pub(super) is_stranger: bool,
}

/// What a process is to its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its set-up is under way.
    SetUp(ProcessKind, u32),
    /// It was executed.
    Running(ProcessKind),
    /// It was found to be main after the one that we made had ended.
    Guessed,
    /// It has been named as main by its job.
    Named,
    /// Its end concerns nobody: it could not be executed, or another has become main.
    Over,
}

impl Role {
    /// Which process it is, if its end is to be told.
    #[must_use]
    pub const fn kind(self) -> Option<ProcessKind> {
        match self {
            Self::SetUp(kind, _) | Self::Running(kind) => Some(kind),
            Self::Guessed | Self::Named => Some(ProcessKind::Main),
            Self::Over => None,
        }
    }
}

impl Body {
    pub(super) fn new(life: Life, job: &Job, instance: &Text) -> Self {
        Self {
            life,
            job: job.name.clone(),
            instance: instance.clone(),
            name: super::tree::group_name(&job.name, instance, life.number),
            limited: false,
            ready: job.ready.clone(),
            waits: false,
            stop_signal: job.kill.signal.number(),
            is_stopping: false,
            in_line: 0,
            processes: Vec::new(),
            groups: Vec::new(),
            leaders: Vec::new(),
            owes: Owes::Nothing,
            is_stopped: false,
            voice: None,
            said: Said::default(),
            watchdog: Watchdog::default(),
            ready_fd: None,
            stranger: None,
            chroot: None,
            is_left: false,
            leaves: job.kill.leave,
            has_lost_main: false,
        }
    }

    /// A process is asked for.
    pub(super) fn again(&mut self, job: &Job, work: &Work, process: ProcessKind) {
        self.limited = !work.cgroup.is_empty();
        self.chroot.clone_from(&work.chroot);
        if process == ProcessKind::Main {
            self.has_lost_main = false;
            self.ready = job.ready.clone();
            self.waits = true;
            self.said = Said::default();
            self.watchdog = Watchdog { every: work.watchdog, ..Watchdog::default() };
        }
    }

    /// The main process, if it is known.
    pub(super) fn main(&self) -> Option<&Process> {
        self.processes.iter().find(|process| process.role.kind() == Some(ProcessKind::Main))
    }

    pub(super) fn process(&self, kind: ProcessKind) -> Option<&Process> {
        self.processes.iter().find(|process| process.role.kind() == Some(kind))
    }

    /// Children whose set-up is under way, for one kind of process or for all.
    pub(super) fn set_ups(&self, kind: Option<ProcessKind>) -> impl Iterator<Item = i32> {
        let is_meant = move |process: &&Process| match process.role {
            Role::SetUp(of, _) => kind.is_none_or(|kind| kind == of),
            Role::Running(_) | Role::Guessed | Role::Named | Role::Over => false,
        };
        self.processes.iter().filter(is_meant).map(|process| process.pid)
    }

    pub(super) fn process_mut(&mut self, pid: i32) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.pid == pid)
    }

    /// The name of the group of one of its processes: main's, or one of its own beside it.
    pub(super) fn group_name(&self, process: ProcessKind) -> String {
        match process {
            ProcessKind::Main => self.name.clone(),
            ProcessKind::Check
            | ProcessKind::Configure
            | ProcessKind::PreStart
            | ProcessKind::PostStart
            | ProcessKind::PreStop
            | ProcessKind::Stop
            | ProcessKind::PostStop
            | ProcessKind::Reload
            | ProcessKind::Status => format!("{}~{process}", self.name),
        }
    }

    /// The mark of its processes, where there are no cgroups.
    pub(super) fn marker(&self) -> String {
        super::sessions::marker(&self.job, &self.instance, self.life.number)
    }
}
