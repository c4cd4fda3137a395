//! What people and programs say that jobs shall do.

use alloc::vec::Vec;

use events::{Args, Name, Text};

use super::{
    Engine,
    goals::{StopWish, key_of},
    model::{By, Request},
};
use crate::{Action, CauseId, Happening, JobId, Origin, Outcome, ProcessKind, Refusal, ReplyId, Verb};

impl Engine {
    /// Somebody's command. The answer comes at once, or later to the one who waits.
    pub(super) fn command(
        &mut self,
        verb: Verb,
        name: &Name,
        args: Args,
        force: bool,
        origin: Origin,
        reply: Option<ReplyId>,
    ) -> Option<Outcome> {
        let Some(slot) = self.find_job(name) else { return Some(Outcome::UnknownJob) };
        let parent =
            self.inside(origin).and_then(|place| self.instance(place)).map_or(CauseId::NONE, |it| it.cause);
        let cause = self.saved.causes.add(self.saved.now, Happening::Command(verb, origin), parent);
        let answer = match verb {
            Verb::Start => {
                let request = Request {
                    env: args,
                    events: Vec::new(),
                    blocks: Vec::new(),
                    cause,
                    reply,
                    force,
                    by: By::Command,
                };
                return self.start(slot, request, &[]).err();
            }
            Verb::Stop => self.command_stop(slot, args, cause, reply),
            Verb::Restart => self.command_restart(slot, args, cause, reply, force),
            Verb::Reload => self.command_reload(slot, &args),
        };
        if answer.is_some() {
            self.saved.causes.release(cause);
        }
        answer
    }

    /// The job of this name, or else the first by name that provides it.
    pub(super) fn find_job(&self, name: &str) -> Option<JobId> {
        self.named(name).or_else(|| self.providers(name).into_iter().next())
    }

    pub(super) fn command_stop(
        &mut self,
        slot: JobId,
        args: Args,
        cause: CauseId,
        reply: Option<ReplyId>,
    ) -> Option<Outcome> {
        let place = match self.place_for(slot, &args) {
            Ok(place) => place,
            Err(Outcome::UnknownInstance(key)) if key.is_empty() => return Some(Outcome::AlreadyStopped),
            Err(outcome) => return Some(outcome),
        };
        let wish = StopWish { env: args, events: Vec::new(), blocks: Vec::new(), cause, reply, again: false };
        if !self.stop(place, wish)
            && let (Some(instance), Some(reply)) = (self.instance_mut(place), reply)
        {
            // It is on its way down already: wait with the others.
            instance.waiters.push((reply, Verb::Stop));
        }
        None
    }

    pub(super) fn command_restart(
        &mut self,
        slot: JobId,
        args: Args,
        cause: CauseId,
        reply: Option<ReplyId>,
        force: bool,
    ) -> Option<Outcome> {
        let place = match self.place_for(slot, &args) {
            Ok(place) => place,
            Err(outcome) => return Some(outcome),
        };
        if let Some(refusal) =
            self.instance(place).map(|it| it.job.clone()).and_then(|job| self.refusal(&job, cause, force))
        {
            return Some(Outcome::Refused(refusal));
        }
        self.restart_place(place, args, cause, reply, force);
        None
    }

    /// Has an instance go down and come up again.
    pub(super) fn restart_place(
        &mut self,
        place: u32,
        args: Args,
        cause: CauseId,
        reply: Option<ReplyId>,
        force: bool,
    ) {
        let Some(instance) = self.instance(place) else { return self.saved.causes.release(cause) };
        // It keeps what it was started with; what is given now counts more.
        let mut env = Args::clone(&instance.env);
        for (key, value) in args.iter() {
            env.push(key.clone(), value.clone());
        }
        let cause_of_stop = self.saved.causes.keep(cause);
        // Who waits is among the instance's own waiters, so the request has no answer to give.
        let request = Request {
            env,
            events: Vec::new(),
            blocks: Vec::new(),
            cause,
            reply: None,
            force,
            by: By::Command,
        };
        let wish = StopWish {
            env: args,
            events: Vec::new(),
            blocks: Vec::new(),
            cause: cause_of_stop,
            reply: None,
            again: true,
        };
        self.stop(place, wish);
        if let Some(instance) = self.instance_mut(place) {
            instance.waiters.extend(reply.map(|reply| (reply, Verb::Restart)));
            let old = instance.rare_mut().pending.replace(request);
            self.drop_request(old);
        }
    }

    /// The living instance that arguments name: as its file names instances now or, if that has changed, as
    /// the file that it was started from did.
    pub(super) fn place_for(&self, slot: JobId, args: &Args) -> Result<u32, Outcome> {
        let Some(slot) = self.slot(slot) else { return Err(Outcome::UnknownJob) };
        let key = key_of(&slot.job, args);
        if let Some(place) = key.as_ref().ok().and_then(|key| slot.place_of(key)) {
            return Ok(place);
        }
        // One that lives by an earlier version of its file bears the name that this one gives.
        let named = |(known, place): &(Text, u32)| {
            let job = &self.instance(*place)?.job;
            (job.instance != slot.job.instance && key_of(job, args).as_ref() == Ok(known)).then_some(*place)
        };
        match slot.instances.iter().find_map(named) {
            Some(place) => Ok(place),
            None => Err(Outcome::UnknownInstance(key?)),
        }
    }

    pub(super) fn command_reload(&mut self, slot: JobId, args: &Args) -> Option<Outcome> {
        let place = match self.place_for(slot, args) {
            Ok(place) => place,
            Err(outcome) => return Some(outcome),
        };
        Some(match self.reload_place(place) {
            Some(refusal) => Outcome::Refused(refusal),
            None => Outcome::Done,
        })
    }

    /// Has an instance read its configuration again, or says why it cannot.
    pub(super) fn reload_place(&mut self, place: u32) -> Option<Refusal> {
        let instance = self.instance(place)?;
        let (signal, verb) = (instance.job.reload_signal, instance.job.processes.has(ProcessKind::Reload));
        let alive = instance.state.main().is_alive();
        if verb {
            self.spawn(place, ProcessKind::Reload);
        } else if alive {
            self.act(place, |life| Action::SignalMain { life, signal });
        } else {
            return Some(Refusal::NothingToReload);
        }
        None
    }
}
