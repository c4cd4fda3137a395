//! Timers: what shall happen when nothing happens.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use events::{Identity, Name, Text, Time};
use serde::{Deserialize, Serialize};

use super::{Engine, Todo, model::EventId};
use crate::{Action, Cue, Ending, JobId, Life, Notice, State};

/// How long a half-true condition of an Upstart file keeps its emitters.
pub const UPSTART_HOLD: Duration = Duration::from_secs(30);
/// How long a stop hook may take.
pub const STOP_HOOK: Duration = Duration::from_secs(90);
/// How long until KILL is sent once more to what has survived it.
pub const KILL_AGAIN: Duration = Duration::from_secs(5);
/// How often a life has to outlive KILL until nobody waits for its end any longer.
pub const UNKILLABLE: u32 = 2;
/// How long until a process that the system had no room for is asked for again; doubled up to eight times that.
pub const STARVED_RETRY: Duration = Duration::from_millis(250);
/// How long the jobs may take to go down, all together, when the machine does.
pub const SHUTDOWN_LIMIT: Duration = Duration::from_secs(180);

/// A timer's place in the order of all timers: when, and then which was armed first.
pub type TimerId = (Time, u64);

/// What a timer is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Timer {
    /// A step of an instance has had its time.
    Instance(u32, Limit),
    /// An event has been kept long enough.
    LetGo(EventId),
    /// A damped leaf of this job's `while` may have changed.
    Level(JobId),
    /// Nobody looks back any more at this fact, if it is gone since then.
    Forget(Box<(Name, Identity, Time)>),
    /// The shutdown has had its time.
    Shutdown,
    /// A time that jobs ask for has come; the words that ask for it.
    Alarm(Text),
}

/// What of an instance a timer limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Limit {
    /// Those who wait for its start go on.
    Settle,
    /// Its start is given up.
    Start,
    /// The process beside main is killed.
    Hook,
    /// All its processes are killed.
    Kill,
    /// It is looked at again: a backoff or an expectation is over.
    Again,
    /// The process that the system had no room for is asked for again.
    Starved,
    /// No further start event has come.
    Coalesce,
}

/// Timers are written down as a list: not every form of writing has maps whose keys are pairs.
pub mod listed {
    use alloc::{collections::BTreeMap, vec::Vec};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Timer, TimerId};

    pub fn serialize<S: Serializer>(timers: &BTreeMap<TimerId, Timer>, to: S) -> Result<S::Ok, S::Error> {
        timers.iter().collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<TimerId, Timer>, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().collect())
    }
}

impl Engine {
    pub(super) fn arm(&mut self, delay: Duration, timer: Timer) -> TimerId {
        self.arm_at(self.saved.now.after(delay), timer)
    }

    pub(super) fn arm_at(&mut self, due: Time, timer: Timer) -> TimerId {
        self.saved.timer_number = self.saved.timer_number.saturating_add(1);
        let id = (due, self.saved.timer_number);
        self.saved.timers.insert(id, timer);
        id
    }

    pub(super) fn disarm(&mut self, id: TimerId) {
        self.saved.timers.remove(&id);
    }

    /// Limits a step of an instance; an earlier limit of the same kind is replaced.
    pub(super) fn limit(&mut self, place: u32, limit: Limit, delay: Duration) {
        self.unlimit(place, limit);
        let id = self.arm(delay, Timer::Instance(place, limit));
        if let Some(instance) = self.instance_mut(place) {
            instance.timers.push((limit, id));
        }
    }

    /// A life needs more time to come up or to go down. Who waits for it does not wait longer for that.
    pub(super) fn extended(&mut self, life: Life, by: Duration) {
        let Some(instance) = self.instance(life.place).filter(|it| it.number == life.number) else { return };
        let until = self.saved.now.after(by);
        let limits = instance.timers.iter().filter(|(limit, id)| match limit {
            Limit::Start | Limit::Kill => id.0 < until,
            Limit::Settle | Limit::Hook | Limit::Again | Limit::Starved | Limit::Coalesce => false,
        });
        let limits: Vec<Limit> = limits.map(|(limit, _)| *limit).collect();
        for limit in limits {
            self.limit(life.place, limit, by);
        }
    }

    pub(super) fn unlimit(&mut self, place: u32, limit: Limit) {
        let Some(instance) = self.instance_mut(place) else { return };
        let Some(at) = instance.timers.iter().position(|(known, _)| *known == limit) else { return };
        let (_, id) = instance.timers.swap_remove(at);
        self.disarm(id);
    }

    pub(super) fn is_limited(&self, place: u32, limit: Limit) -> bool {
        self.instance(place).is_some_and(|instance| instance.timers.iter().any(|(known, _)| *known == limit))
    }

    /// Lets the first timer that is due go off; `false` if none is.
    pub(super) fn fire_timer(&mut self) -> bool {
        let Some((&id, _)) = self.saved.timers.first_key_value().filter(|(id, _)| id.0 <= self.saved.now)
        else {
            return false;
        };
        match self.saved.timers.remove(&id) {
            Some(Timer::Instance(place, limit)) => {
                if let Some(instance) = self.instance_mut(place) {
                    instance.timers.retain(|(_, known)| *known != id);
                }
                self.limit_reached(place, limit);
            }
            Some(Timer::LetGo(event)) => self.let_go(event),
            Some(Timer::Level(slot)) => self.recheck_level(slot, crate::CauseId::NONE),
            Some(Timer::Forget(fact)) => {
                let (name, identity, gone) = *fact;
                self.saved.facts.forget(&name, &identity, gone);
            }
            Some(Timer::Shutdown) => self.shutdown_limit_reached(),
            Some(Timer::Alarm(key)) => self.alarm(&key),
            None => {}
        }
        true
    }

    fn limit_reached(&mut self, place: u32, limit: Limit) {
        let Some(number) = self.instance(place).map(|instance| instance.number) else { return };
        let cue = match limit {
            Limit::Settle => return self.start_timed_out(place),
            Limit::Again => return self.saved.todo.push_back(Todo::Recheck(place)),
            Limit::Starved => return self.ask_again(place),
            Limit::Coalesce => return self.coalesced(place),
            Limit::Start => Cue::StartTimeout,
            Limit::Hook => Cue::HookTimeout,
            Limit::Kill => {
                self.stop_timed_out(place);
                Cue::KillTimeout
            }
        };
        self.cue(place, number, cue);
    }

    /// Says once that a life has not ended in its time.
    fn stop_timed_out(&mut self, place: u32) {
        let Some(instance) = self.instance(place) else { return };
        if !matches!(instance.state, State::Killed(_, Ending::Kill)) {
            let (slot, key) = (instance.slot, instance.key.clone());
            self.note(slot, key, Notice::StopTimedOut);
        }
    }

    /// Says when to call again, if that has changed.
    pub(super) fn ask_for_wake(&mut self) {
        let next = self.saved.timers.first_key_value().map(|((time, _), _)| *time);
        if next != self.saved.woken {
            self.saved.woken = next;
            self.out.push(Action::Wake(next));
        }
    }
}
