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

use std::{io, os::fd::AsFd as _, path::Path, time::Duration};

use events::{Text, Value};
use jobs::{Engine, Input, Life, Phase, ProcessKind};
use serde::{Deserialize, Serialize};

use super::{
    Executor,
    found::Found,
    groups::Group,
    life::{Owes, Role},
    noted::Noted,
    tree,
};
use crate::{
    pid1::shell::Shell,
    store::{Kept, Label},
    sys::{ledger::Ledger, steps::Steps},
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

/// Where the kind of process begins in the place of a status pipe.
pub(super) const KIND_SHIFT: u32 = 16;

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
pub(super) struct Saved {
    pub(super) number: u64,
    pub(super) is_limited: bool,
    pub(super) is_left: bool,
    pub(super) chroot: Option<Text>,
    pub(super) leaders: Vec<i32>,
    pub(super) owes: Owes,
    pub(super) status: Option<Value>,
    pub(super) watchdog: Option<Duration>,
    /// Main, if it was only found to be that.
    pub(super) guessed: Option<i32>,
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
        all
    }

    /// Whether [`Executor::resume`] wants a descriptor of this label.
    #[must_use]
    pub const fn wants(label: Label) -> bool {
        matches!(label.role, STEPS | LEDGER | STATUS | READY | NOTIFY)
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
