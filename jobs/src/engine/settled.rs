//! Whether a boot has settled: whether all that can happen by itself has happened.

use alloc::vec::Vec;
use core::time::Duration;

use events::Args;

use super::{Engine, Status, model::Instance, rings::Wait};
use crate::{
    JobId, StartMode,
    state::{Goal, Phase},
};

/// How long what has died may wait before its next try, and still count as on its way back.
const SOON: Duration = Duration::from_secs(1);

impl Engine {
    /// Whether the boot has settled: no event in line, and no instance on its way up but those that wait for a
    /// further try, have had their time, or wait for nothing but what somebody has said may be `expected`.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        if !self.saved.pending.is_empty() || !self.saved.todo.is_empty() {
            return false;
        }
        let on_their_way = || {
            let numbered = (0_u32..).zip(&self.saved.instances);
            numbered.filter_map(|(place, it)| it.as_ref().filter(|it| comes(it)).map(|it| (place, it)))
        };
        // Looked at each turn of a boot: who does something is found before anybody's waits are.
        if on_their_way().any(|(_, instance)| instance.state.phase() != Phase::Held) {
            return false;
        }
        let mut held: Vec<u32> = on_their_way().map(|(place, _)| place).collect();
        let mut put_off: Vec<u32> = Vec::new();
        // In each round those are put off who wait only for those who are already: as many rounds as they are deep.
        while !held.is_empty() {
            let (off, left): (Vec<u32>, Vec<u32>) =
                held.iter().partition(|place| self.waits_for_the_world(**place, &put_off));
            if off.is_empty() {
                return false;
            }
            put_off.extend(off);
            held = left;
        }
        true
    }

    /// Whether what jobs provide under this name is still to come: a start is under way, it died and is back soon, or the
    /// boot has not come to it.
    #[must_use]
    pub fn is_awaited(&self, name: &str) -> bool {
        let providers = self.providers(name);
        let comes_back = |instance: &Instance| {
            let is_up = matches!(instance.state.phase(), Phase::Waiting | Phase::Running);
            let wait = instance.rare().and_then(|rare| rare.not_before).map(|at| at.since(self.saved.now));
            let is_slow = instance.timed_out || wait.is_some_and(|wait| wait > SOON);
            instance.goal == Goal::Start && !is_up && !is_slow
        };
        let is_underway =
            |id: &JobId| self.is_coming(*id, *id) || self.has_instance(*id, &Args::new(), comes_back);
        if providers.iter().any(is_underway) {
            return true;
        }
        let untried = |id: &JobId| {
            self.slot(*id).is_some_and(|slot| {
                let may_start = !slot.gone && slot.job.start == StartMode::Automatic;
                may_start && !slot.started && slot.last.is_none()
            })
        };
        providers.iter().any(untried) && !self.is_settled()
    }

    /// Whether an instance has begun, and is not where it shall be: a task that runs has begun only.
    #[must_use]
    pub fn is_under_way(&self, status: &Status) -> bool {
        let is_task =
            || self.find_job(&status.job).and_then(|id| self.slot(id)).is_some_and(|slot| slot.job.task);
        match (status.goal, status.state) {
            (_, "waiting") => false,
            ("start", "running") => is_task(),
            (_, state) => state != "running",
        }
    }

    /// Whether an instance is held by nothing but what is `expected`, and by those who are held by that.
    fn waits_for_the_world(&self, place: u32, put_off: &[u32]) -> bool {
        let waits = self.waits(place);
        let expects = || self.expectation_ends(place).is_some();
        let by_world = |wait: &Wait| match wait {
            Wait::Order(_) | Wait::Need(_) => {
                let awaited = self.awaited(*wait);
                (!awaited.is_empty() || expects()) && awaited.iter().all(|place| put_off.contains(place))
            }
            Wait::Stop(_) | Wait::Emit(_) | Wait::Hook(_) => false,
        };
        !waits.is_empty() && waits.iter().all(by_world)
    }
}

fn comes(instance: &Instance) -> bool {
    let phase = instance.state.phase();
    let tries_later = phase == Phase::Held && instance.rare().is_some_and(|rare| rare.not_before.is_some());
    let at_work = instance.job.task && instance.goal == Goal::Start;
    let coming = at_work || !matches!(phase, Phase::Running | Phase::Waiting);
    let put_off = tries_later || instance.timed_out || (phase == Phase::Held && instance.settled);
    coming && !put_off
}
