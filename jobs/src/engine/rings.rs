//! Everything that is waited for, and rings of waits: found when they close, and cut at the weakest.

use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use super::{
    Engine, Todo,
    model::{Emitter, EventId, Instance},
    needs::Supply,
};
use crate::{Action, CauseId, Goal, Happening, JobId, Notice, Outcome, Phase};

/// How often a job may start itself before that is a ring, and within which time.
pub const RING_STARTS: u32 = 20;
pub const RING_WINDOW: Duration = Duration::from_secs(60);

/// What an instance waits for, from the weakest to the strongest: in a ring the weakest yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// That this instance is down first.
    Stop(u32),
    /// That this job has settled.
    Order(JobId),
    /// That this event, emitted from inside, has been worked off.
    Emit(EventId),
    /// That its `starting` or `stopping` event has been worked off.
    Hook(EventId),
    /// That this job is up.
    Need(JobId),
}

/// An instance on a way along waits: the steps that are still to be tried, and the one taken.
struct Step {
    place: u32,
    untried: Vec<(Wait, u32)>,
    taken: Option<Wait>,
}

impl Engine {
    /// Whether the job would start itself by this once too often; the ring, for people.
    pub(super) fn ring(&mut self, id: JobId, cause: CauseId) -> Option<String> {
        let now = self.saved.now;
        let slot = self.slot(id)?;
        if !slot.started {
            return None;
        }
        let name = slot.job.name.clone();
        let itself = |what: &Happening| matches!(what, Happening::Started(job, _) if *job == name);
        let steps: Vec<&Happening> = self.saved.causes.chain(cause).map(|cause| &cause.what).collect();
        let back = steps.iter().position(|what| itself(what))?;
        let shown: Vec<String> = steps
            .get(..=back)
            .unwrap_or_default()
            .iter()
            .rev()
            .filter_map(|what| shown_in_ring(what))
            .collect();
        let shown = format!("{} -> {name}", shown.join(" -> "));
        let slot = self.slot_mut(id)?;
        if now.since(slot.ring.0) >= RING_WINDOW {
            slot.ring = (now, 0);
        }
        slot.ring.1 = slot.ring.1.saturating_add(1);
        (slot.ring.1 > RING_STARTS).then_some(shown)
    }

    /// Everything that an instance waits for now.
    pub(super) fn waits(&self, place: u32) -> Vec<Wait> {
        let Some(instance) = self.instance(place) else { return Vec::new() };
        let mut waits: Vec<Wait> = instance.emits.iter().map(|id| Wait::Emit(*id)).collect();
        waits.extend(instance.hook.map(Wait::Hook));
        let phase = instance.state.phase();
        if phase == Phase::Held && self.is_kept(instance) {
            // It waits for the clock or the mode, and asks for nobody until that is over.
        } else if phase == Phase::Held {
            waits.extend(self.unsettled(instance).map(Wait::Order));
            for need in &instance.job.needs {
                match self.supply(place, need) {
                    Supply::Coming(id) | Supply::Leaving(id) => waits.push(Wait::Need(id)),
                    // Something is to be done about these at once.
                    Supply::Startable(_) | Supply::Up | Supply::Never(_) => {}
                }
            }
        } else if phase == Phase::Running && instance.goal != Goal::Start {
            waits.extend(self.to_stop_first(place).into_iter().map(Wait::Stop));
        }
        waits
    }

    /// Whether a backoff or the mode keeps an instance from looking whom it must wait for.
    fn is_kept(&self, instance: &Instance) -> bool {
        let rare = instance.rare();
        let later = rare.and_then(|rare| rare.not_before).is_some_and(|time| time > self.saved.now);
        later || self.is_kept_by_mode(instance)
    }

    /// The instances that a wait is for.
    pub(super) fn awaited(&self, wait: Wait) -> Vec<u32> {
        match wait {
            Wait::Stop(place) => Vec::from([place]),
            Wait::Emit(id) | Wait::Hook(id) => {
                self.event(id).map(|live| live.blockers.clone()).unwrap_or_default()
            }
            Wait::Order(id) | Wait::Need(id) => {
                let places = self.slot(id).map(|slot| slot.instances.as_slice()).unwrap_or_default();
                places
                    .iter()
                    .map(|(_, place)| *place)
                    .filter(|place| {
                        self.instance(*place)
                            .is_some_and(|it| !it.settled || it.is_coming() || matches!(wait, Wait::Need(_)))
                    })
                    .collect()
            }
        }
    }

    /// An instance shall come up again: others wait for that from now on.
    pub(super) fn comes_again(&mut self, place: u32) {
        if self.saved.live_waits > 0 || self.saved.mixed {
            self.cut_rings(place);
        }
    }

    /// Cuts every ring of waits that goes through an instance, each at its weakest wait.
    pub(super) fn cut_rings(&mut self, from: u32) {
        // Each cut takes a wait away, so this ends; the bound is for the reader.
        for _ in 0..64 {
            let Some(ring) = self.find_ring(from) else { return };
            let name = |place: u32| self.instance(place).map(|it| (&it.job.name, &it.key));
            let weakest = ring.iter().min_by_key(|(place, wait)| (rank(*wait), name(*place)));
            let Some(&(place, wait)) = weakest else { return };
            self.saved.counters.rings = self.saved.counters.rings.saturating_add(1);
            let text = self.ring_text(&ring);
            if let Some((slot, key)) = self.instance(place).map(|it| (it.slot, it.key.clone())) {
                self.note(slot, key, Notice::RingCut(text));
            }
            self.cut(place, wait);
        }
    }

    /// A way along waits from an instance back to itself. Iterative: the stack is the way.
    pub(super) fn find_ring(&self, from: u32) -> Option<Vec<(u32, Wait)>> {
        let mut seen: hashbrown::HashSet<u32> = hashbrown::HashSet::new();
        let mut way: Vec<Step> = Vec::from([Step { place: from, untried: self.steps(from), taken: None }]);
        while let Some(step) = way.last_mut() {
            let Some((wait, next)) = step.untried.pop() else {
                way.pop();
                continue;
            };
            step.taken = Some(wait);
            if next == from {
                return Some(way.iter().filter_map(|step| Some((step.place, step.taken?))).collect());
            }
            if seen.insert(next) {
                way.push(Step { place: next, untried: self.steps(next), taken: None });
            }
        }
        None
    }

    pub(super) fn steps(&self, place: u32) -> Vec<(Wait, u32)> {
        let waits = self.waits(place).into_iter();
        waits.flat_map(|wait| self.awaited(wait).into_iter().map(move |next| (wait, next))).collect()
    }

    pub(super) fn cut(&mut self, place: u32, wait: Wait) {
        match wait {
            Wait::Stop(other) => {
                let job = self.instance(other).map(|instance| instance.slot);
                self.yield_wait(place, job);
            }
            Wait::Order(job) => self.yield_wait(place, Some(job)),
            Wait::Emit(id) => {
                let emitter = self.event(id).map(|live| live.emitter);
                let reply = if let Some(Emitter::Inside(reply, _)) = emitter { Some(reply) } else { None };
                if let Some(live) = self.event_mut(id) {
                    live.emitter = Emitter::Nobody;
                }
                if let Some(instance) = self.instance_mut(place) {
                    instance.emits.retain(|emitted| *emitted != id);
                }
                if let Some(reply) = reply {
                    self.saved.live_waits = self.saved.live_waits.saturating_sub(1);
                    self.out.push(Action::Reply(reply, Outcome::LetGo));
                }
            }
            Wait::Hook(id) => {
                let blockers = self.event(id).map(|live| live.blockers.clone()).unwrap_or_default();
                for blocker in blockers {
                    self.unblock_one(id, blocker);
                }
            }
            Wait::Need(_) => self.fail_for_needs(place, String::from("what waits for it in turn")),
        }
    }

    pub(super) fn yield_wait(&mut self, place: u32, job: Option<JobId>) {
        if let Some(instance) = self.instance_mut(place) {
            instance.rare_mut().yielded.extend(job);
        }
        self.saved.todo.push_back(Todo::Recheck(place));
    }

    pub(super) fn ring_text(&self, ring: &[(u32, Wait)]) -> String {
        let name = |place: u32| self.instance(place).map(|it| it.job.name.as_str()).unwrap_or("?");
        let mut text = String::new();
        for (place, wait) in ring {
            let how = match wait {
                Wait::Stop(_) => "stops after",
                Wait::Order(_) => "requires",
                Wait::Emit(_) => "emitted an event for",
                Wait::Hook(_) => "starts or stops with",
                Wait::Need(_) => "needs",
            };
            text.push_str(name(*place));
            text.push(' ');
            text.push_str(how);
            text.push(' ');
        }
        text.push_str(ring.first().map_or("?", |(place, _)| name(*place)));
        text
    }
}

/// The order in which waits yield.
const fn rank(wait: Wait) -> u8 {
    match wait {
        Wait::Stop(_) => 0,
        Wait::Order(_) => 1,
        Wait::Emit(_) => 2,
        Wait::Hook(_) => 3,
        Wait::Need(_) => 4,
    }
}

/// The steps of a ring that people want to see.
fn shown_in_ring(what: &Happening) -> Option<String> {
    if let Happening::Started(job, _) = what {
        Some(format!("{job}"))
    } else if let Happening::Own(event) = what {
        Some(format!("({event})"))
    } else {
        None
    }
}
