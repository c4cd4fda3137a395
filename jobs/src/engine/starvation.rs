//! Reports of processes that were executed, could not be, or for which the system has no room.

use super::{
    Engine,
    clock::{Limit, STARVED_RETRY},
};
use crate::{Cue, Goal, Life, Notice, ProcessKind};

impl Engine {
    pub(super) fn starved(&mut self, life: Life, process: ProcessKind, what: &str) {
        let Some(instance) = self.instance_mut(life.place).filter(|it| it.number == life.number) else {
            return;
        };
        let (slot, key) = (instance.slot, instance.key.clone());
        if !instance.state.asked_for(process) {
            // A reload, or what nobody waits for any more: it is not asked for again.
            return self.note(slot, key, Notice::Starved(what.into()));
        }
        let rare = instance.rare_mut();
        let tries = rare.starved.as_ref().map_or(0, |(_, _, tries)| tries.saturating_add(1));
        rare.starved = Some((process, what.into(), tries));
        let delay = STARVED_RETRY.saturating_mul(1_u32.checked_shl(tries.min(3)).unwrap_or(8));
        self.limit(life.place, Limit::Starved, delay);
        if tries == 0 {
            self.note(slot, key, Notice::Starved(what.into()));
        }
    }

    /// Asks once more for the process that the system had no room for, if it is still wanted.
    pub(super) fn ask_again(&mut self, place: u32) {
        let Some(instance) = self.instance(place) else { return };
        let Some((process, _, _)) = instance.rare().and_then(|rare| rare.starved.clone()) else { return };
        let wanted = instance.state.asked_for(process);
        let for_start = !matches!(process, ProcessKind::PreStop | ProcessKind::Stop | ProcessKind::PostStop);
        if wanted && for_start && instance.goal != Goal::Start {
            self.give_up(place, process);
        } else if wanted {
            self.spawn(place, process);
        }
    }

    /// A process that the system has no room for is not asked for again: its time is over, or nobody wants it.
    pub(super) fn give_up(&mut self, place: u32, process: ProcessKind) {
        self.unlimit(place, Limit::Starved);
        if let Some(number) = self.instance(place).map(|instance| instance.number) {
            self.cue(place, number, Cue::Unspawned(process));
        }
    }

    /// A process was executed: what it had to wait for is over.
    pub(super) fn spawned(&mut self, life: Life, process: ProcessKind, pid: crate::Pid) {
        let instance = self.instance_mut(life.place).filter(|it| it.number == life.number);
        if let Some(rare) = instance.and_then(|instance| instance.rare.as_mut())
            && rare.starved.as_ref().is_some_and(|(starved, _, _)| *starved == process)
        {
            rare.starved = None;
        }
        self.report(life, Cue::Spawned(process, pid));
    }

    pub(super) fn unspawned(&mut self, life: Life, process: ProcessKind, why: &str) {
        let Some(instance) = self.instance(life.place).filter(|it| it.number == life.number) else { return };
        self.note(instance.slot, instance.key.clone(), Notice::Unspawned(process, why.into()));
        if let Some(instance) = self.instance_mut(life.place) {
            instance.rare_mut().unspawned = Some(why.into());
        }
        self.cue(life.place, life.number, Cue::Unspawned(process));
    }
}
