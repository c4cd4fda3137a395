//! The groups of a life: made when a process is, removed when nothing is left in them.

use jobs::{Input, ProcessKind, Ready};
use nix::sys::inotify::AddWatchFlags;
use serde::{Deserialize, Serialize};

use super::{
    Executor, kill,
    life::{Body, Owes},
    sessions,
    step::Unmade,
    tree::Branch,
};
use crate::pid1::shell::Shell;

/// How many kinds of warnings are told from those that were said before.
const WARNINGS: usize = 32;
/// How long until a life is looked at again, of whose emptiness nobody tells, in milliseconds.
const LOOK_AGAIN: u64 = 250;
/// How often a group of a life that is over is tried at a time.
const BURIALS: usize = 64;

/// A group of a life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// For which of its processes it was made.
    pub process: ProcessKind,
    /// In which part of the tree.
    pub branch: Branch,
    /// Its name there.
    pub name: String,
}

/// Which groups of a life are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Main's alone.
    Main,
    /// Main's, and those in which hooks have left something behind.
    Left,
    /// All.
    All,
}

impl Executor {
    /// The group for a process, made if it is not there; and whether somebody else, an earlier image of us,
    /// had made it. `None` where there are no cgroups.
    pub(super) fn make_group(
        &mut self,
        number: u64,
        process: ProcessKind,
        files: &[(events::Text, events::Text)],
    ) -> Result<Option<(Group, bool)>, Unmade> {
        let (Some(tree), Some(body)) = (&mut self.tree, self.lives.get_mut(&number)) else { return Ok(None) };
        let mut branch = Branch::Job;
        if body.limited {
            match tree.enable(files.iter().map(|(file, _)| file.as_str())) {
                Ok(()) => branch = Branch::Limited,
                Err(error) => {
                    let text = format!("limits of cgroups are not to be had: {error}");
                    if !self.warned.contains(&text) && self.warned.len() < WARNINGS {
                        self.warned.push(text.clone());
                        self.warnings.push(text);
                    }
                }
            }
        }
        let name = body.group_name(process);
        let is_there = tree.make(branch, &name).map_err(|error| match error.raw_os_error() {
            Some(libc::EAGAIN | libc::ENOSPC) => Unmade::Starved("cgroups"),
            _ => Unmade::by("cgroup", &error),
        })?;
        let group = Group { process, branch, name };
        let is_known = body.groups.contains(&group);
        if !is_known {
            body.groups.push(group.clone());
        }
        if branch == Branch::Limited && !is_there {
            for (file, value) in files {
                let written = tree
                    .writable(branch, &group.name, file)
                    .and_then(|mut file| std::io::Write::write_all(&mut file, value.as_bytes()));
                written.map_err(|error| {
                    let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
                    Unmade::Fault(format!("cgroup: {file}: {}", super::step::said(errno)))
                })?;
            }
        }
        Ok(Some((group, is_there && !is_known)))
    }

    /// Removes a life's group for a process, if nothing is left in it.
    pub(super) fn drop_group(&mut self, number: u64, process: ProcessKind) {
        if let (Some(tree), Some(body)) = (&self.tree, self.lives.get_mut(&number)) {
            body.groups.retain(|group| group.process != process || !tree.remove(group.branch, &group.name));
        }
    }

    /// Whether other processes are left of a life whose main has ended: in main's group, or left behind by a
    /// hook. For what is yet to become a daemon, main's group alone counts.
    pub(super) fn is_left(&mut self, number: u64) -> bool {
        let Some(body) = self.lives.get(&number) else { return false };
        let forks = body.waits && body.ready == Ready::Forked;
        self.remains(number, if forks { Which::Main } else { Which::Left })
    }

    fn remains(&mut self, number: u64, which: Which) -> bool {
        let Some(body) = self.lives.get_mut(&number) else { return false };
        let Some(tree) = &self.tree else {
            let Some(body) = self.lives.get(&number) else { return false };
            return remains_marked(body, which, &self.known_to_others(number));
        };
        let processes = &body.processes;
        let runs = |process| processes.iter().any(|known| known.role.kind() == Some(process));
        let is_meant = |process| match which {
            Which::Main => process == ProcessKind::Main,
            Which::Left => process == ProcessKind::Main || !runs(process),
            Which::All => true,
        };
        body.groups.retain(|group| !is_meant(group.process) || !tree.remove(group.branch, &group.name));
        body.groups.iter().any(|group| is_meant(group.process))
    }

    /// Every process of a life that is not a hook's: those that a signal is meant for if main is not known.
    pub(super) fn rest(&self, number: u64) -> Vec<i32> {
        let Some(body) = self.lives.get(&number) else { return Vec::new() };
        let Some(tree) = &self.tree else {
            let pids = sessions::processes(&body.marker(), &body.leaders, &self.known_to_others(number));
            let is_hook = |pid: &i32| {
                body.processes.iter().any(|known| {
                    known.pid == *pid && known.role.kind().is_some_and(|kind| kind != ProcessKind::Main)
                })
            };
            return pids.into_iter().filter(|pid| !is_hook(pid)).collect();
        };
        let runs = |process| body.processes.iter().any(|known| known.role.kind() == Some(process));
        let groups = body.groups.iter();
        let groups = groups.filter(|group| group.process == ProcessKind::Main || !runs(group.process));
        groups.flat_map(|group| tree.processes(group.branch, &group.name)).collect()
    }

    /// The only child of ours in main's group, if there is just one.
    pub(super) fn only_child(&self, number: u64) -> Option<i32> {
        let body = self.lives.get(&number)?;
        let pids = match &self.tree {
            Some(tree) => {
                let group = body.groups.iter().find(|group| group.process == ProcessKind::Main)?;
                tree.processes(group.branch, &group.name)
            }
            None => sessions::processes(&body.marker(), &body.leaders, &self.known_to_others(number)),
        };
        let mut children = pids.into_iter().filter(|pid| crate::sys::wait::is_child(*pid));
        let only = children.next()?;
        children.next().is_none().then_some(only)
    }

    /// Kills every process of a life.
    pub(super) fn kill_groups(&self, number: u64) {
        let Some(body) = self.lives.get(&number) else { return };
        match &self.tree {
            Some(tree) => {
                body.groups.iter().for_each(|group| tree.kill(group.branch, &group.name));
                // It may not have entered its group yet.
                body.set_ups(None).for_each(|pid| kill(pid, 9));
            }
            None => {
                for process in &body.processes {
                    kill(process.pid.saturating_neg(), 9);
                    kill(process.pid, 9);
                }
                let rest = sessions::processes(&body.marker(), &body.leaders, &self.known_to_others(number));
                rest.into_iter().for_each(|pid| kill(pid, 9));
            }
        }
    }

    /// `Emptied` is owed of a life: at once if nothing is left, or else as soon as that is so.
    pub(super) fn owe(&mut self, shell: &mut Shell<'_>, number: u64, owes: Owes) {
        let Some(body) = self.lives.get_mut(&number) else { return };
        body.owes = body.owes.max(owes);
        // Looked at after the watch begins, so that nothing falls in between.
        if self.remains_of_debt(number) {
            self.watch(shell, number);
            self.pay(shell, number);
        } else {
            self.pay(shell, number);
        }
    }

    /// Tells that nothing is left, if that is owed and so.
    pub(super) fn pay(&mut self, shell: &mut Shell<'_>, number: u64) {
        let is_owed = self.lives.get(&number).is_some_and(|body| body.owes != Owes::Nothing);
        if !is_owed || self.remains_of_debt(number) {
            return;
        }
        if let Some(body) = self.lives.get_mut(&number) {
            body.owes = Owes::Nothing;
            let life = body.life;
            shell.report(Input::Emptied { life });
        }
    }

    fn remains_of_debt(&mut self, number: u64) -> bool {
        let Some(body) = self.lives.get(&number) else { return false };
        match body.owes {
            Owes::Nothing => false,
            Owes::Rest => body.main().is_some() || self.remains(number, Which::Left),
            // Ends are told first.
            Owes::All => !body.processes.is_empty() || body.in_line > 0 || self.remains(number, Which::All),
        }
    }

    fn watch(&mut self, shell: &Shell<'_>, number: u64) {
        let Some(body) = self.lives.get(&number) else { return };
        let (Some(tree), Some((inotify, _))) = (&self.tree, &self.inotify) else {
            self.look_in(shell, number, LOOK_AGAIN);
            return;
        };
        let mut all = true;
        for group in &body.groups {
            let path = tree.file(group.branch, &group.name, "cgroup.events");
            match inotify.add_watch(&path, AddWatchFlags::IN_MODIFY) {
                Ok(watch) => {
                    self.watches.insert(watch, number);
                }
                Err(_) => all = false,
            }
        }
        if !all {
            self.look_in(shell, number, LOOK_AGAIN);
        }
    }

    /// Looks at a life again in so many milliseconds, or before.
    pub(super) fn look_in(&mut self, shell: &Shell<'_>, number: u64, milliseconds: u64) {
        let time = shell.now.after(std::time::Duration::from_millis(milliseconds));
        let due = self.due.entry(number).or_insert(time);
        *due = (*due).min(time);
    }

    /// Whether the debt of a life must be looked at by the clock.
    pub(super) fn look_for_debt(&mut self, shell: &mut Shell<'_>, number: u64) {
        self.pay(shell, number);
        let is_owed = self.lives.get(&number).is_some_and(|body| body.owes != Owes::Nothing);
        if is_owed && (self.tree.is_none() || self.inotify.is_none()) {
            self.look_in(shell, number, LOOK_AGAIN);
        }
    }

    /// Removes groups of lives that are over, as far as they are empty by now.
    pub(super) fn bury(&mut self) {
        let Some(tree) = &self.tree else { return };
        for _ in 0..self.dying.len().min(BURIALS) {
            if let Some(group) = self.dying.pop_front()
                && !tree.remove(group.branch, &group.name)
            {
                self.dying.push_back(group);
            }
        }
    }

    /// Which processes are known to belong to another life.
    fn known_to_others(&self, number: u64) -> impl Fn(i32) -> bool {
        move |pid| self.pids.get(&pid).is_some_and(|life| *life != number)
    }

    /// The life whose mark a process carries, or in whose session it is.
    pub(super) fn life_of_marked(&self, pid: i32) -> Option<u64> {
        sessions::life_of(pid).or_else(|| {
            let stat = sessions::Stat::of(pid)?;
            let led =
                |body: &&Body| body.leaders.contains(&stat.session) || body.leaders.contains(&stat.group);
            self.lives.values().find(led).map(|body| body.life.number)
        })
    }
}

/// Whether processes are left of a life, where there are no cgroups.
fn remains_marked(body: &Body, which: Which, is_known: &dyn Fn(i32) -> bool) -> bool {
    // One that is main no longer is left like any other.
    let own = |pid: &i32| body.processes.iter().any(|known| known.pid == *pid && known.role.kind().is_some());
    let pids = sessions::processes(&body.marker(), &body.leaders, is_known);
    match which {
        Which::Main | Which::Left => pids.iter().any(|pid| !own(pid)),
        Which::All => !pids.is_empty(),
    }
}
