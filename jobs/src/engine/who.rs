//! Who is meant: from names, arguments and lives to jobs and instances.

use alloc::sync::Arc;

use events::{Args, Key, Name, Text, Value};

use super::{Engine, goals::key_of};
use crate::{Job, Life, Outcome, State};

impl Engine {
    /// The job of this name, or else the first by name that provides it, and the instance of it that the
    /// arguments name. That a job with one instance has none now is no fault.
    pub fn meant(&self, job: &str, args: &Args) -> Result<(&Arc<Job>, Text), Outcome> {
        let id = self.find_job(job).ok_or(Outcome::UnknownJob)?;
        let slot = self.slot(id).ok_or(Outcome::UnknownJob)?;
        match self.place_for(id, args) {
            Ok(place) => {
                let instance = self.instance(place);
                Ok((&slot.job, instance.map(|instance| instance.key.clone()).unwrap_or_default()))
            }
            Err(Outcome::UnknownInstance(key)) if key.is_empty() => Ok((&slot.job, key)),
            Err(outcome) => Err(outcome),
        }
    }

    /// The name that a start with these arguments would give to its instance; `None` without such a job, or if
    /// a variable is missing.
    #[must_use]
    pub fn instance_name(&self, job: &str, args: &Args) -> Option<Text> {
        key_of(&self.slot(self.find_job(job)?)?.job, args).ok()
    }

    /// The arguments that name a living instance.
    #[must_use]
    pub fn instance_args(&self, job: &str, instance: &str) -> Option<Args> {
        let slot = self.slot(self.find_job(job)?)?;
        let instance = self.instance(slot.place_of(instance)?)?;
        let template = instance.job.instance.as_ref();
        let variables = template.map(events::Template::variables).unwrap_or_default();
        let pair = |name: &str| Some((Key::new(name).ok()?, Value::new(instance.value_of(name)?).ok()?));
        Some(variables.into_iter().filter_map(|(name, _)| pair(name)).collect())
    }

    /// The job and instance that a life is of, if it goes on.
    #[must_use]
    pub fn instance_of(&self, life: Life) -> Option<(&Name, &Text)> {
        let instance = self.instance(life.place).filter(|instance| instance.number == life.number)?;
        Some((&instance.job.name, &instance.key))
    }

    /// All instances that live: which life, of which job, under which name, and in which state.
    pub fn living(&self) -> impl Iterator<Item = (Life, &Arc<Job>, &Text, State)> {
        (0..).zip(&self.saved.instances).filter_map(|(place, instance)| {
            let instance = instance.as_ref()?;
            let life = Life { place, number: instance.number };
            Some((life, &instance.job, &instance.key, instance.state))
        })
    }

    /// Whether there is an instance of a job under this name.
    #[must_use]
    pub fn is_living(&self, job: &str, instance: &str) -> bool {
        let slot = self.find_job(job).and_then(|id| self.slot(id));
        slot.is_some_and(|slot| slot.place_of(instance).is_some())
    }

    /// Whether there is any instance of a job.
    #[must_use]
    pub fn has_instances(&self, job: &str) -> bool {
        let slot = self.find_job(job).and_then(|id| self.slot(id));
        slot.is_some_and(|slot| !slot.instances.is_empty())
    }

    /// All jobs in force, in no order.
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.saved.slots.iter().flatten().filter(|slot| !slot.gone).map(|slot| &slot.job)
    }
}
