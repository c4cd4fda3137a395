//! Who calls, which job is meant, and what is told of it.

use events::{
    Args, Name, Text,
    control::{Fault, Target},
};
use jobs::{Origin, Outcome};
use serde_json::{Value, json};

use super::{Views, outcome, show, times};

/// One call, and who calls.
pub struct Caller<'c> {
    /// The connection.
    pub number: u32,
    /// In whose name, as far as that counts.
    pub origin: Option<Origin>,
    /// Whether every method is open.
    pub trusted: bool,
    /// Whether the caller welcomes more than one part of an answer.
    pub more: bool,
    /// What may be looked at.
    pub views: &'c Views<'c>,
}

impl Caller<'_> {
    /// In whose name it is done.
    pub fn origin(&self) -> Origin {
        self.origin.unwrap_or(Origin::World)
    }

    /// The job and the instance that the caller is a process of.
    fn own(&self) -> Result<(Name, Text), Value> {
        let own = match self.origin {
            Some(Origin::Job(life)) => self.views.engine.instance_of(life),
            Some(Origin::Person(_) | Origin::World) | None => None,
        };
        let fault = || Fault::parameter("job", "is missing, and the caller is no process of a job");
        own.map(|(job, instance)| (job.clone(), instance.clone())).ok_or_else(|| outcome::fault(&fault()))
    }

    /// The job that is meant, and the variables that name its instance.
    pub fn named(&self, target: &Target) -> Result<(Name, Args), Value> {
        let (job, instance) = match &target.job {
            Some(job) => (job.clone(), target.instance.clone()),
            None => {
                let (job, instance) = self.own()?;
                (job, Some(instance))
            }
        };
        let Some(instance) = instance else { return Ok((job, target.args.clone())) };
        match self.views.engine.instance_args(&job, &instance) {
            Some(args) => Ok((job, args)),
            // A job with one instance is named by nothing.
            None if instance.is_empty() => Ok((job, Args::new())),
            None if self.views.engine.instance_name(&job, &Args::new()).is_none()
                && self.views.engine.meant(&job, &Args::new()).err() == Some(Outcome::UnknownJob) =>
            {
                Err(outcome::unknown_job(&job))
            }
            None => Err(outcome::unknown_instance(&job, &instance)),
        }
    }

    /// The job and the instance that are meant.
    fn instance(&self, target: &Target) -> Result<(Text, Text), Value> {
        let (job, args) = self.named(target)?;
        match self.views.engine.meant(&job, &args) {
            Ok((job, instance)) => Ok((job.name.as_str().into(), instance)),
            Err(Outcome::UnknownJob) => Err(outcome::unknown_job(&job)),
            Err(Outcome::UnknownInstance(instance)) => Err(outcome::unknown_instance(&job, &instance)),
            // Whose instances are connections: nobody knows their numbers by heart.
            Err(Outcome::MissingVariable(name)) if *name == *jobs::CONNECTION => {
                Ok((job.as_str().into(), Text::default()))
            }
            Err(Outcome::MissingVariable(name)) => Err(outcome::missing_variable(&job, &name, self.views)),
            Err(
                other @ (Outcome::Done
                | Outcome::AlreadyRunning
                | Outcome::AlreadyStopped
                | Outcome::Refused(_)
                | Outcome::Failed(_)
                | Outcome::EventFailed(_)
                | Outcome::Stopped
                | Outcome::LetGo),
            ) => Err(outcome::refused(Some(&job), &jobs::simulate::outcome_text(&other))),
        }
    }

    /// All that is known of a job. One whose instances have variables is shown without one, too.
    pub fn show(&self, target: &Target) -> Result<Value, Value> {
        let (job, instance) = match self.instance(target) {
            Ok(found) => found,
            Err(error) => match &target.job {
                Some(job) if target.args.is_empty() && target.instance.is_none() => {
                    (job.as_str().into(), Text::default())
                }
                Some(_) | None => return Err(error),
            },
        };
        let engine = self.views.engine;
        let status = engine.status(&job, &instance).ok_or_else(|| outcome::unknown_job(&job))?;
        let known = engine.jobs().find(|known| known.name == *status.job);
        let known = known.ok_or_else(|| outcome::unknown_job(&job))?;
        let piece = self.views.works.piece(known.work).ok();
        Ok(json!({
            "status": show::status(&status),
            "file": piece.as_ref().map(|piece| piece.path.as_str()),
            "job": show::job(known, piece.as_ref(), self.trusted),
        }))
    }

    /// How a job is, what is remarkable about it, and what is wrong in its file.
    pub fn status(&self, target: &Target, known: &[super::Fault]) -> Result<Value, Value> {
        let (job, instance) = self.instance(target)?;
        let status = self.views.engine.status(&job, &instance).ok_or_else(|| outcome::unknown_job(&job))?;
        let faults: Vec<&super::Fault> = known.iter().filter(|it| it.concerns(&job)).collect();
        Ok(json!({
            "status": show::status(&status),
            "remarks": (self.views.remarks)(&job, &instance),
            "faults": faults,
            "times": times::of(&job, self.views),
        }))
    }

    /// Why a job is as it is.
    pub fn why(&self, target: &Target) -> Result<Value, Value> {
        let (job, instance) = self.instance(target)?;
        let why = self.views.engine.why(&job, &instance).ok_or_else(|| outcome::unknown_job(&job))?;
        Ok(show::why(&why, &times::of(&job, self.views)))
    }
}
