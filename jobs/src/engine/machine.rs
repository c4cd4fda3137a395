//! The machine as a whole: modes and shutdown.

use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};
use core::time::Duration;

use events::{Args, Event, Fact, Identity, Name, Time, Want};
use serde::{Deserialize, Serialize};

use super::{
    Engine, Todo,
    clock::{Limit, SHUTDOWN_LIMIT, Timer, TimerId},
    goals::StopWish,
    model::{Emitter, Instance, set},
};
use crate::{
    Action, CauseId, Ending, Format, Goal, Happening, Job, KILL_TIMEOUT, Origin, Phase, STOP_VERB_LIMIT,
    Shutdown, State,
};

/// How often at most what is left of a time is halved.
const MOST_HALVED: usize = 8;

/// The event and the fact.
const MODE: Name = Name::constant("mode");

/// A shutdown under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GoingDown {
    /// How, as the first who asked said.
    pub kind: Shutdown,
    pub stage: Stage,
    /// Owned.
    pub cause: CauseId,
    pub limit: TimerId,
    /// Since when all jobs are told to stop.
    pub stopping_since: Option<Time>,
    /// When somebody has asked again, which halves what was left: the first few times, after which hardly anything is.
    pub hurried: Vec<Time>,
}

/// How far a shutdown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// So many of its events are still worked off.
    Telling(u8),
    /// All jobs are told to stop.
    Stopping,
    /// All is down, and the outside knows.
    Told,
}

impl GoingDown {
    /// What is left of a time that began with the first stop.
    fn left_of(&self, all: Duration, now: Time) -> Duration {
        let since = self.stopping_since.unwrap_or(now);
        let halved =
            |end: Time, asked: &Time| (*asked).max(since).after(half(end.since((*asked).max(since))));
        self.hurried.iter().fold(since.after(all), halved).since(now)
    }
}

fn half(time: Duration) -> Duration {
    time.checked_div(2).unwrap_or_default()
}

impl Engine {
    pub(super) fn change_mode(&mut self, mode: Name, origin: Origin) {
        if self.saved.mode.as_ref() == Some(&mode) {
            return;
        }
        let cause = self.saved.causes.add(self.saved.now, Happening::Mode(mode.clone()), CauseId::NONE);
        let old = self.saved.mode.replace(mode.clone());
        self.stop_for_mode(cause);
        let mut args = Args::new();
        set(&mut args, "MODE", &mode);
        // One object that changes, so that a condition which holds in both modes never falls in between.
        let fact = Fact { name: MODE, identity: Identity("mode".into()), args: args.clone().into() };
        self.begin_fact(Arc::new(fact), origin, cause);
        self.look_at_held();
        if let Some(old) = &old {
            set(&mut args, "PREVIOUS", old);
        }
        self.emit(Event { name: MODE, args }, cause, Emitter::Nobody);
        self.saved.causes.release(cause);
    }

    /// The modes that job files name: where jobs may run, and what conditions wait for.
    #[must_use]
    pub fn modes(&self) -> BTreeSet<&str> {
        let jobs = self.saved.slots.iter().flatten().filter(|slot| !slot.gone).map(|slot| &slot.job);
        let mut modes = BTreeSet::new();
        for job in jobs {
            modes.extend(job.modes.iter().map(Name::as_str));
            let conditions = [&job.start_on, &job.stop_on, &job.holds_while].into_iter().flatten();
            let leaves = conditions.flat_map(|condition| condition.leaves()).map(|leaf| &leaf.pattern);
            for wanted in
                leaves.filter(|pattern| pattern.name == MODE).flat_map(|pattern| pattern.matches.iter())
            {
                if let Want::Literal(mode) = &wanted.want {
                    modes.insert(mode.as_str());
                }
            }
        }
        modes
    }

    /// Stops what may not run in this mode, keeping its goal.
    fn stop_for_mode(&mut self, cause: CauseId) {
        for place in self.places_by_name() {
            let Some(instance) = self.instance(place) else { continue };
            let (job, phase, goal) = (instance.job.clone(), instance.state.phase(), instance.goal);
            if phase != Phase::Held && goal == Goal::Start && !self.admits_mode(&job) {
                let cause = self.saved.causes.keep(cause);
                let wish = StopWish::because(cause, true);
                self.stop(place, wish);
            }
        }
    }

    /// Looks again at what was kept from running.
    pub(super) fn look_at_held(&mut self) {
        for place in self.places_by_name() {
            if self.instance(place).is_some_and(|instance| instance.state.phase() == Phase::Held) {
                self.saved.todo.push_back(Todo::Recheck(place));
            }
        }
    }

    /// Puts instances in the order of their names, each once: order among equals is by name, never by place.
    pub(super) fn sort_by_name(&self, places: &mut Vec<u32>) {
        if places.len() > 1 {
            places.sort_by_key(|place| self.instance(*place).map(|it| (&it.job.name, &it.key)));
            places.dedup();
        }
    }

    /// All instances, by job and key.
    pub(super) fn places_by_name(&self) -> Vec<u32> {
        let mut slots: Vec<_> =
            self.saved.slots.iter().flatten().filter(|slot| !slot.instances.is_empty()).collect();
        slots.sort_by(|a, b| a.job.name.cmp(&b.job.name));
        slots.into_iter().flat_map(|slot| slot.instances.iter().map(|(_, place)| *place)).collect()
    }

    /// The machine shall go down. The first who asks says how; whoever asks again halves the time.
    pub(super) fn go_down(&mut self, kind: Shutdown, origin: Origin) {
        if let Some(down) = &self.saved.shutdown {
            if down.stage == Stage::Told {
                return;
            }
            let old = down.limit;
            let left = old.0.since(self.saved.now);
            self.disarm(old);
            let limit = self.arm(half(left), Timer::Shutdown);
            let now = self.saved.now;
            if let Some(down) = &mut self.saved.shutdown {
                down.limit = limit;
                if down.hurried.len() < MOST_HALVED {
                    down.hurried.push(now);
                }
            }
            self.hurry_verbs();
            return;
        }
        let cause = self.saved.causes.add(self.saved.now, Happening::Shutdown(origin), CauseId::NONE);
        let limit = self.arm(self.shutdown_limit(), Timer::Shutdown);
        self.saved.shutdown = Some(GoingDown {
            kind,
            stage: Stage::Telling(2),
            cause,
            limit,
            stopping_since: None,
            hurried: Vec::new(),
        });
        let halt = match kind {
            Shutdown::Reboot | Shutdown::Kexec => None,
            Shutdown::Poweroff => Some("POWEROFF"),
            Shutdown::Halt => Some("HALT"),
        };
        let mut args = Args::new();
        set(&mut args, "KIND", kind.name());
        self.tell_shutdown("shutdown", args, cause);
        let mut args = Args::new();
        set(&mut args, "RUNLEVEL", kind.level());
        if let Some(halt) = halt {
            set(&mut args, "INIT_HALT", halt);
        }
        self.tell_shutdown("runlevel", args, cause);
    }

    /// How long the jobs may take to go down: longer if rc.conf gives the scripts of rc.d longer than they have by
    /// themselves.
    fn shutdown_limit(&self) -> Duration {
        let all = self.saved.slots.iter().flatten().filter_map(|slot| slot.job.kill.together).max();
        all.map_or(SHUTDOWN_LIMIT, |all| all.saturating_add(STOP_VERB_LIMIT).max(SHUTDOWN_LIMIT))
    }

    fn tell_shutdown(&mut self, name: &str, args: Args, cause: CauseId) {
        let Ok(name) = Name::new(name) else { return self.shutdown_event_over() };
        if self.emit(Event { name, args }, cause, Emitter::Machine).is_none() {
            self.shutdown_event_over();
        }
    }

    /// One of the shutdown's events has been worked off. After the last, everything stops.
    pub(super) fn shutdown_event_over(&mut self) {
        let Some(down) = &mut self.saved.shutdown else { return };
        down.stage = match down.stage {
            Stage::Telling(left) if left > 1 => Stage::Telling(left.saturating_sub(1)),
            Stage::Telling(_) | Stage::Stopping => Stage::Stopping,
            Stage::Told => Stage::Told,
        };
        if down.stage != Stage::Stopping {
            return;
        }
        down.stopping_since.get_or_insert(self.saved.now);
        for place in self.places_by_name() {
            self.stop_for_shutdown(place);
        }
    }

    fn stop_for_shutdown(&mut self, place: u32) {
        let Some(cause) = self.saved.shutdown.as_ref().map(|down| down.cause) else { return };
        self.stop_because(place, cause);
    }

    fn stop_because(&mut self, place: u32, cause: CauseId) {
        let cause = self.saved.causes.keep(cause);
        let wish = StopWish::because(cause, false);
        self.stop(place, wish);
    }

    /// How long a job has for its stop verb, or, if that is not called, for its end. `None` says that it is not called:
    /// when the machine goes down, rc(8) calls those scripts only that have the keyword for it, and none any more when
    /// all together have had their time.
    pub(super) fn time_for_verb(&self, job: &Job) -> Option<Duration> {
        let Some(down) = self.saved.shutdown.as_ref().filter(|_| job.format == Format::Rcd) else {
            return Some(job.kill.timeout);
        };
        let has_keyword = job.keywords.iter().any(|keyword| *keyword == "shutdown");
        let time = job.kill.together.map_or(job.kill.timeout, |all| down.left_of(all, self.saved.now));
        (has_keyword && time > Duration::ZERO).then_some(time)
    }

    /// What the scripts of rc.d have left together has become less: those whose verbs are at work have less, too.
    fn hurry_verbs(&mut self) {
        for place in self.places_by_name() {
            let Some(instance) = self.instance(place) else { continue };
            let job = instance.job.clone();
            let is_at_it = matches!(instance.state, State::Killed(_, Ending::Verb(_)));
            if is_at_it && job.format == Format::Rcd && job.kill.together.is_some() {
                self.limit(place, Limit::Kill, self.time_for_verb(&job).unwrap_or_default());
            }
        }
    }

    /// How long the processes of a job have between the signal and KILL, where no verb ends them.
    pub(super) fn time_to_end(&self, job: &Job) -> Duration {
        match self.saved.shutdown {
            // The time of a script is for its verb.
            Some(_) if job.format == Format::Rcd => job.kill.timeout.min(KILL_TIMEOUT),
            Some(_) | None => job.kill.timeout,
        }
    }

    /// Stops the services that the stops themselves have started, once they are up; `false` if there are none.
    /// Tasks come to their end.
    pub(super) fn stop_late_starts(&mut self) -> bool {
        let stopping = self.saved.shutdown.as_ref().is_some_and(|down| down.stage == Stage::Stopping);
        if !stopping || self.saved.living == 0 {
            return false;
        }
        let up = |place: &u32| {
            self.instance(*place).is_some_and(|instance| {
                let keeps_up = instance.goal == Goal::Start && !instance.job.task;
                keeps_up && instance.state.phase() == Phase::Running
            })
        };
        let late: Vec<u32> = self.places_by_name().into_iter().filter(up).collect();
        for &place in &late {
            // The stop comes of what started it: one that its own stop starts is seen to be a ring.
            let cause = self.instance(place).map_or(CauseId::NONE, |instance| instance.cause);
            self.stop_because(place, cause);
        }
        !late.is_empty()
    }

    /// Says that all is down, once it is.
    pub(super) fn look_whether_down(&mut self) {
        let stopping = self.saved.shutdown.as_ref().is_some_and(|down| down.stage == Stage::Stopping);
        let idle = stopping && self.saved.pending.is_empty() && self.saved.todo.is_empty();
        let is_left = |instance: &Instance| !instance.is_unkillable();
        let idle = idle && (self.saved.living == 0 || !self.saved.instances.iter().flatten().any(is_left));
        if let Some(down) = &mut self.saved.shutdown
            && idle
        {
            down.stage = Stage::Told;
            let (kind, limit) = (down.kind, down.limit);
            self.disarm(limit);
            self.out.push(Action::Down(kind));
        }
    }

    /// Enough: what has hung in the events of the shutdown is left, and the jobs are stopped; what is not down
    /// when that has had its time is ended with the machine.
    pub(super) fn shutdown_limit_reached(&mut self) {
        if let Some(down) = &mut self.saved.shutdown
            && let Stage::Telling(_) = down.stage
        {
            down.stage = Stage::Telling(1);
            let limit = self.arm(self.shutdown_limit(), Timer::Shutdown);
            if let Some(down) = &mut self.saved.shutdown {
                down.limit = limit;
            }
            return self.shutdown_event_over();
        }
        if let Some(down) = &mut self.saved.shutdown
            && down.stage != Stage::Told
        {
            down.stage = Stage::Told;
            let kind = down.kind;
            self.out.push(Action::Down(kind));
        }
    }

    /// How the machine goes down, if it does.
    #[must_use]
    pub fn going_down(&self) -> Option<Shutdown> {
        self.saved.shutdown.as_ref().map(|down| down.kind)
    }

    /// The mode the machine is in.
    #[must_use]
    pub const fn mode(&self) -> Option<&Name> {
        self.saved.mode.as_ref()
    }

    /// The engine's own clock: the latest time that it was told.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.saved.now
    }
}
