//! Times that jobs ask for by the event `timer`, and what is known of those that they ask for by `calendar`.
//!
//! A timer counts by the clock of the engine, which nobody sets: so the engine keeps it itself, and it goes on with the
//! engine whatever becomes of the program around it. A calendar needs a clock on the wall, of which the engine knows
//! nothing. It only remembers what came last.
//!
//! `EVERY` counts from when a job first asks for it, and never from when it was late: what was missed comes once.
//! `AFTER` counts from when the job has ended, or was loaded, or was to start and did not. It stands still while
//! anything of the job lives.

use alloc::{collections::BTreeMap, format, sync::Arc, vec::Vec};
use core::time::Duration;

use events::{Event, Pattern, Text, Time, Value, calendar};
use serde::{Deserialize, Serialize};

use super::{
    Engine,
    clock::{Timer, TimerId},
    model::Emitter,
};
use crate::{
    CauseId, Gate, Hit, Job, JobId,
    asked::{answer, asked, asked_by, asked_for, is_time},
};

/// The most times that jobs may ask for.
pub const MAX_ALARMS: usize = 4_096;

/// A time that jobs ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The words that ask for it.
    pub pattern: Arc<Pattern>,
    /// What they ask for; none if it is a time on the wall.
    pub timer: Option<calendar::Timer>,
    /// When it is due.
    pub due: Option<TimerId>,
    /// When it came last.
    pub last: Option<Time>,
    /// For which time on the wall that was.
    pub moment: Option<Value>,
}

/// A time that jobs ask for, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'e> {
    /// The words that ask for it.
    pub pattern: &'e Arc<Pattern>,
    /// Who asks for it, by name.
    pub jobs: Vec<&'e events::Name>,
    /// When it is due, if the engine keeps it.
    pub due: Option<Time>,
    /// When it came last.
    pub last: Option<Time>,
    /// For which time on the wall that was.
    pub moment: Option<&'e Value>,
}

impl Engine {
    /// Keeps the times that the jobs of now ask for, and no others. Those that were asked for before go on.
    pub(super) fn set_alarms(&mut self) {
        self.saved.began.get_or_insert(self.saved.now);
        let mut wanted: BTreeMap<Text, (Pattern, Option<calendar::Timer>, JobId)> = BTreeMap::new();
        for id in self.ids() {
            let Some(slot) = self.slot(id).filter(|slot| !slot.gone) else { continue };
            for pattern in asked_by(&slot.job) {
                let timer = match pattern.name.as_str() {
                    calendar::Timer::EVENT => calendar::Timer::of(&pattern).ok().map(Some),
                    calendar::Appointment::EVENT => Some(None),
                    _ => None,
                };
                if let Some(timer) = timer
                    && wanted.len() < MAX_ALARMS
                {
                    wanted.insert(key_of(&pattern), (pattern, timer, id));
                }
            }
        }
        let gone = |key: &Text| !wanted.contains_key(key);
        let over: Vec<Text> = self.saved.alarms.keys().filter(|key| gone(key)).cloned().collect();
        for key in over {
            let alarm = self.saved.alarms.remove(&key);
            if let Some(due) = alarm.and_then(|alarm| alarm.due) {
                self.disarm(due);
            }
        }
        for (key, (pattern, timer, id)) in wanted {
            if self.saved.alarms.contains_key(&key) {
                continue;
            }
            let pattern = Arc::new(pattern);
            let alarm = Alarm { pattern, timer, due: None, last: None, moment: None };
            self.saved.alarms.insert(key.clone(), alarm);
            let (now, began) = (self.saved.now, self.saved.began.unwrap_or(self.saved.now));
            let lives = self.slot(id).is_some_and(|slot| !slot.instances.is_empty());
            let due = match timer {
                Some(calendar::Timer::Every(period)) => Some(now.after(period)),
                Some(calendar::Timer::AfterBoot(delay)) => {
                    Some(began.after(delay)).filter(|due| *due > now || now == began)
                }
                Some(calendar::Timer::After(delay)) => (!lives).then(|| now.after(delay)),
                None => None,
            };
            self.set_alarm(&key, due);
        }
    }

    fn set_alarm(&mut self, key: &Text, due: Option<Time>) {
        let old = self.saved.alarms.get_mut(key).and_then(|alarm| alarm.due.take());
        if let Some(old) = old {
            self.disarm(old);
        }
        let due = due.map(|due| self.arm_at(due, Timer::Alarm(key.clone())));
        if let Some(alarm) = self.saved.alarms.get_mut(key) {
            alarm.due = due;
        }
    }

    /// A time has come.
    pub(super) fn alarm(&mut self, key: &Text) {
        let now = self.saved.now;
        let Some(alarm) = self.saved.alarms.get_mut(key) else { return };
        let Some(due) = alarm.due.take().map(|due| due.0) else { return };
        alarm.last = Some(now);
        let event = answer(&alarm.pattern);
        let next = match alarm.timer {
            Some(calendar::Timer::Every(period)) => {
                let missed = now.since(due).as_millis().checked_div(period.as_millis()).unwrap_or(0);
                let missed = u32::try_from(missed).unwrap_or(u32::MAX);
                Some(due.after(period.saturating_mul(missed)).after(period).max(now.after(SHORTEST)))
            }
            // If the start that this asks for comes to nothing.
            Some(calendar::Timer::After(delay)) => Some(now.after(delay)),
            Some(calendar::Timer::AfterBoot(_)) | None => None,
        };
        self.set_alarm(key, next);
        self.emit(event, CauseId::NONE, Emitter::Nobody);
    }

    /// Times that a job counts from its own end.
    fn own_alarms(&self, job: &Job) -> Vec<(Text, Duration)> {
        let leaves = job.start_on.iter().flat_map(|condition| condition.leaves());
        let timers = leaves.filter(|leaf| leaf.pattern.name == calendar::Timer::EVENT);
        let own = timers.filter_map(|leaf| {
            let pattern = asked(&leaf.pattern, job)?;
            match calendar::Timer::of(&pattern) {
                Ok(calendar::Timer::After(delay)) => Some((key_of(&pattern), delay)),
                Ok(calendar::Timer::Every(_) | calendar::Timer::AfterBoot(_)) | Err(_) => None,
            }
        });
        own.collect()
    }

    /// Something of a job lives: what counts from its end stands still.
    pub(super) fn stop_own_alarms(&mut self, job: &Job) {
        for (key, _) in self.own_alarms(job) {
            self.set_alarm(&key, None);
        }
    }

    /// Nothing of a job lives any more: what counts from its end begins.
    pub(super) fn begin_own_alarms(&mut self, id: JobId) {
        let Some(slot) = self.slot(id).filter(|slot| slot.instances.is_empty() && !slot.gone) else { return };
        let now = self.saved.now;
        for (key, delay) in self.own_alarms(&slot.job.clone()) {
            if self.saved.alarms.contains_key(&key) {
                self.set_alarm(&key, Some(now.after(delay)));
            }
        }
    }

    /// Remembers that a time on the wall has come.
    pub(super) fn remember_calendar(&mut self, event: &Event) {
        if event.name != calendar::Appointment::EVENT {
            return;
        }
        let (now, moment) = (self.saved.now, event.args.get("TIME").cloned());
        if let Some(alarm) = self.saved.alarms.get_mut(&key_of(&asked_for(event))) {
            alarm.last = Some(now);
            alarm.moment = moment;
        }
    }

    /// Of those that look for an event that answers who asked for a time, leaves those who asked for this one: what
    /// says less means another time, and not all that say more.
    pub(super) fn keep_who_asked(&self, event: &Event, hits: &mut Vec<Hit>) {
        if !is_time(&event.name) {
            return;
        }
        let said = event.args.iter().filter(|(key, _)| key.as_str() != "TIME").count();
        hits.retain(|hit| {
            let (job, condition) = match hit.gate {
                Gate::Start(id) => {
                    let job = self.slot(id).map(|slot| &slot.job);
                    (job, job.and_then(|job| job.start_on.as_ref()))
                }
                Gate::Stop(place) => {
                    let job = self.instance(place).map(|instance| &instance.job);
                    (job, job.and_then(|job| job.stop_on.as_ref()))
                }
                Gate::Changed(_) | Gate::While(_) | Gate::OldWhile(_) => return true,
            };
            let leaf = condition.and_then(|condition| condition.leaves().nth(usize::from(hit.leaf)));
            let (Some(job), Some(leaf)) = (job, leaf) else { return true };
            let pattern = asked(&leaf.pattern, job);
            // Who asks for no time of his own hears of those of others.
            let own = pattern.filter(|pattern| self.saved.alarms.contains_key(&key_of(pattern)));
            own.is_none_or(|pattern| pattern.matches.len() == said)
        });
    }

    /// All times that jobs ask for.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked<'_>> {
        let mut jobs: BTreeMap<Text, Vec<&events::Name>> = BTreeMap::new();
        for slot in self.saved.slots.iter().flatten().filter(|slot| !slot.gone) {
            for pattern in asked_by(&slot.job) {
                let jobs = jobs.entry(key_of(&pattern)).or_default();
                if jobs.last() != Some(&&slot.job.name) {
                    jobs.push(&slot.job.name);
                }
            }
        }
        let mut list = Vec::new();
        for (key, alarm) in &self.saved.alarms {
            let mut jobs = jobs.remove(key).unwrap_or_default();
            jobs.sort();
            list.push(alarm.asked(jobs));
        }
        list
    }

    /// The times that a job asks for, in the order of its conditions.
    #[must_use]
    pub fn asked_by(&self, job: &str) -> Vec<Asked<'_>> {
        let Some(slot) = self.find_job(job).and_then(|id| self.slot(id)) else { return Vec::new() };
        let mut list: Vec<Asked<'_>> = Vec::new();
        for pattern in asked_by(&slot.job) {
            let alarm = self.saved.alarms.get(&key_of(&pattern));
            let is_new = |alarm: &&Alarm| list.iter().all(|asked| *asked.pattern != alarm.pattern);
            list.extend(alarm.filter(is_new).map(|alarm| alarm.asked(Vec::from([&slot.job.name]))));
        }
        list
    }
}

impl Alarm {
    /// As people see it.
    fn asked<'e>(&'e self, jobs: Vec<&'e events::Name>) -> Asked<'e> {
        let (due, moment) = (self.due.map(|due| due.0), self.moment.as_ref());
        Asked { pattern: &self.pattern, jobs, due, last: self.last, moment }
    }
}

/// A time is never due twice at the same moment.
const SHORTEST: Duration = Duration::from_millis(1);

fn key_of(pattern: &Pattern) -> Text {
    format!("{pattern}").into()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        Action, Input,
        formats::{Source, native},
    };

    /// An engine with one job, which starts on `condition`.
    fn engine(condition: &str) -> Engine {
        let text = format!("(start_on: \"{condition}\", exec: \"/bin/job\", task: true)");
        let source = Source { path: "/etc/onset/jobs/job.ron".into(), text, executable: false };
        let reading = native::read(&events::Name::constant("job"), &source, &[], 0);
        let mut engine = Engine::new();
        let jobs = vec![Arc::new(reading.described.unwrap().job)];
        let _ = engine.step([Input::Reload { jobs, refused: Vec::new() }], Time(1_000));
        engine
    }

    /// Which events come at these times, if the engine is called only then.
    #[track_caller]
    fn check(condition: &str, calls: &[u64], expected: &[u64]) {
        let mut engine = engine(condition);
        let mut found = Vec::new();
        for now in calls {
            let actions = engine.step([], Time(*now));
            let told = actions
                .iter()
                .filter(|action| matches!(action, Action::Tell(event) if event.name == "timer"));
            found.extend(told.map(|_| *now));
        }
        assert_eq!(found, expected, "{condition}");
    }

    #[test]
    fn what_was_missed_comes_once_and_the_rhythm_stays() {
        check("timer EVERY=10s", &[10_999, 11_000, 20_999, 21_000], &[11_000, 21_000]);
        // A minute late, and then as if nothing had been.
        check("timer EVERY=10s", &[71_500, 71_500, 80_999, 81_000], &[71_500, 81_000]);
        check(
            "timer EVERY=10s",
            &[u64::MAX / 2, u64::MAX / 2 + 20_000],
            &[u64::MAX / 2, u64::MAX / 2 + 20_000],
        );
        check("timer AFTER=10s FROM=boot", &[500_000, 900_000], &[500_000]);
        check("timer AFTER=10s", &[500_000, 505_000], &[500_000]);
    }

    #[test]
    fn the_engine_wakes_for_nothing_else() {
        let mut engine = engine("timer EVERY=10s");
        let actions = engine.step([], Time(11_000));
        assert!(
            actions.iter().all(|action| !matches!(action, Action::Wake(Some(at)) if at.0 < 16_000)),
            "{actions:?}"
        );
        let asked = engine.asked();
        assert_eq!((asked.len(), asked[0].due, asked[0].last), (1, Some(Time(21_000)), Some(Time(11_000))));
    }
}
