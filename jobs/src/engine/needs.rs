//! What an instance needs: whether it is up, whether it may be started, and what follows when it goes away.

use alloc::{format, string::String, vec::Vec};

use events::{Args, Name, Value};

use super::{
    Engine,
    goals::StopWish,
    model::{By, End, Instance, Request},
};
use crate::{CauseId, Goal, GraphEdge as Edge, Happening, JobId, Need, Phase, Refusal, StartMode, State};

/// How it stands with something that is needed.
pub enum Supply {
    Up,
    Coming(JobId),
    /// On its way down: what to do is known when it is down.
    Leaving(JobId),
    Startable(JobId),
    Never(String),
}

impl Engine {
    /// The job that an instance must wait for before all it needs is up; what is not coming is started.
    pub(super) fn first_need(&mut self, place: u32) -> Result<Option<JobId>, String> {
        let Some(job) = self.instance(place).map(|instance| instance.job.clone()) else { return Ok(None) };
        for need in &job.needs {
            // Each turn asks one more provider, so this ends; what came of it is seen by looking anew.
            loop {
                match self.supply(place, need) {
                    Supply::Up => break,
                    Supply::Coming(id) => {
                        // If it fails, that was its try: it is not started once more for us.
                        if self.slot(id).is_some_and(|slot| !slot.instances.is_empty()) {
                            self.note_asked(place, id);
                        }
                        return Ok(Some(id));
                    }
                    Supply::Leaving(id) => return Ok(Some(id)),
                    // Then it is on its way, or was refused, or what is up of it is not what is needed.
                    Supply::Startable(id) => self.start_needed(place, need, id),
                    Supply::Never(why) => return Err(why),
                }
            }
        }
        Ok(None)
    }

    pub(super) fn note_asked(&mut self, place: u32, id: JobId) {
        if let Some(instance) = self.instance_mut(place)
            && instance.rare().is_none_or(|rare| !rare.asked.contains(&id))
        {
            instance.rare_mut().asked.push(id);
        }
    }

    pub(super) fn supply(&self, place: u32, need: &Need) -> Supply {
        let Some(instance) = self.instance(place) else { return Supply::Up };
        let named = self.providers_for(&instance.job, &need.name);
        let providers: Vec<JobId> = named
            .iter()
            .copied()
            .filter(|id| *id != instance.slot && !self.ignores(*id, instance.slot))
            .collect();
        if providers.is_empty() {
            let known = !named.is_empty();
            return if known {
                Supply::Up
            } else {
                Supply::Never(format!("`{}`, which no job provides", need.name))
            };
        }
        let args = need_args(need, instance);
        if providers.iter().any(|id| self.is_there(*id, &args)) {
            return Supply::Up;
        }
        if let Some(id) = providers.iter().find(|id| self.is_on_its_way(**id, &args, instance.slot)) {
            return Supply::Coming(*id);
        }
        if let Some(id) = providers.iter().find(|id| self.has_instance(**id, &args, |_| true)) {
            return Supply::Leaving(*id);
        }
        let rare = instance.rare();
        if rare.is_some_and(|rare| rare.lost) {
            return providers.first().map_or(Supply::Up, |id| Supply::Coming(*id));
        }
        let asked = rare.map(|rare| rare.asked.as_slice()).unwrap_or_default();
        if let Some(id) = providers.iter().find(|id| !asked.contains(id) && !self.awaits_its_facts(**id)) {
            return Supply::Startable(*id);
        }
        // What somebody, its `while` or the mode keeps down may come yet.
        match providers.iter().find(|id| self.awaits_its_facts(**id) || self.is_kept_down(**id)) {
            Some(id) => Supply::Coming(*id),
            None => Supply::Never(self.why_not(&need.name, &providers)),
        }
    }

    /// Whether only its `while` keeps the job from starting: it starts when that holds.
    pub(super) fn awaits_its_facts(&self, id: JobId) -> bool {
        self.slot(id).is_some_and(|slot| {
            let may_start = !slot.gone && slot.job.start == StartMode::Automatic;
            may_start && slot.job.holds_while.is_some() && slot.levels.is_empty()
        })
    }

    /// Whether a job is down although nothing is wrong with it.
    pub(super) fn is_kept_down(&self, id: JobId) -> bool {
        self.slot(id).is_some_and(|slot| match slot.last.as_ref().map(|last| &last.end) {
            Some(End::Refused(Refusal::While(_) | Refusal::Mode(_))) => true,
            Some(End::Well) => !slot.job.task,
            Some(End::Failed(_) | End::Refused(_)) | None => false,
        })
    }

    /// Why none of the providers is up, in words.
    pub(super) fn why_not(&self, name: &Name, providers: &[JobId]) -> String {
        let last = providers
            .iter()
            .filter_map(|id| self.slot(*id))
            .find_map(|slot| Some((slot, slot.last.as_ref()?)));
        match last.map(|(slot, last)| (&slot.job.name, &last.end)) {
            Some((job, End::Failed(failure))) => {
                format!("`{name}`: {job} failed: {}", super::view::failure_text(*failure))
            }
            Some((job, End::Refused(refusal))) => {
                format!("`{name}`: {job} did not start: {}", super::view::refusal_text(refusal))
            }
            Some((job, End::Well)) => format!("`{name}`: {job} has ended"),
            None => format!("`{name}`, which did not start"),
        }
    }

    /// Starts what an instance needs.
    pub(super) fn start_needed(&mut self, place: u32, need: &Need, id: JobId) {
        self.note_asked(place, id);
        let Some(instance) = self.instance(place) else { return };
        let (name, parent) = (instance.job.name.clone(), instance.cause);
        let env = self.instance(place).map(|instance| need_args(need, instance)).unwrap_or_default();
        let cause = self.saved.causes.add(self.saved.now, Happening::NeededBy(name), parent);
        let request = Request {
            env,
            events: Vec::new(),
            blocks: Vec::new(),
            cause,
            reply: None,
            force: false,
            by: By::Need,
        };
        // What was refused is noted for `why`.
        let _ = self.start(id, request, &[]);
    }

    /// Whether an instance of the job counts as up, or the job is a task that ended well: what facts say.
    pub(super) fn is_up(&self, id: JobId) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let up = |place: u32| self.instance(place).is_some_and(|it| it.up && !it.job.task);
        slot.ended_well || slot.instances.iter().any(|(_, place)| up(*place))
    }

    /// Whether an instance of the job that fits is there for one that starts now.
    pub(super) fn is_there(&self, id: JobId, args: &Args) -> bool {
        let there = |instance: &Instance| {
            !instance.job.task && instance.goal == Goal::Start && instance.state.phase() == Phase::Running
        };
        self.slot(id).is_some_and(|slot| slot.ended_well) || self.has_instance(id, args, there)
    }

    /// Whether an instance of the job that fits shall be up and is not yet, however long that takes; of a
    /// task, whether it has not ended yet. `whom` is the job that asks.
    pub(super) fn is_on_its_way(&self, id: JobId, args: &Args, whom: JobId) -> bool {
        let on_its_way = |instance: &Instance| match instance.goal {
            Goal::Start | Goal::Restart => true,
            Goal::Stop => instance.job.task && instance.goes_well(),
        };
        self.has_instance(id, args, on_its_way) || self.is_coming(id, whom)
    }

    pub(super) fn has_instance(&self, id: JobId, args: &Args, which: impl Fn(&Instance) -> bool) -> bool {
        let fits = |instance: &Instance| {
            args.iter().all(|(key, value)| instance.value_of(key) == Some(value.as_str()))
        };
        self.slot(id).is_some_and(|slot| {
            slot.instances
                .iter()
                .filter_map(|(_, place)| self.instance(*place))
                .any(|instance| which(instance) && fits(instance))
        })
    }

    /// Something that others need is on its way down: they stop first, and come back when it does.
    pub(super) fn stop_dependants(&mut self, place: u32) {
        self.lose(place, false);
    }

    /// Something that others need has died and comes back: those who asked for it stop at once.
    pub(super) fn bounce_dependants(&mut self, place: u32) {
        self.lose(place, true);
    }

    pub(super) fn lose(&mut self, place: u32, bounce_only: bool) {
        let Some(instance) = self.instance(place) else { return };
        let (id, job) = (instance.slot, instance.job.clone());
        let mut lost: Vec<u32> = Vec::new();
        for name in job.provided_names().chain([&job.name]) {
            for other in self.graph.related(name, Edge::Needs) {
                let Some(slot) = self.slot(other).filter(|_| other != id) else { continue };
                lost.extend(
                    slot.instances
                        .iter()
                        .map(|(_, place)| *place)
                        .filter(|dependant| self.depends(*dependant, place, name, bounce_only)),
                );
            }
        }
        self.sort_by_name(&mut lost);
        for dependant in lost {
            let cause = self.instance(place).map_or(CauseId::NONE, |it| it.stop_cause);
            let cause = self.saved.causes.add(self.saved.now, Happening::Lost(job.name.clone()), cause);
            let wish = StopWish::because(cause, true);
            if let Some(instance) = self.instance_mut(dependant) {
                instance.rare_mut().lost = true;
            }
            self.stop(dependant, wish);
        }
    }

    /// Whether `dependant` lives on `place` for the need called `name`, and on nobody else.
    pub(super) fn depends(&self, dependant: u32, place: u32, name: &Name, bounce_only: bool) -> bool {
        let (Some(instance), Some(lost)) = (self.instance(dependant), self.instance(place)) else {
            return false;
        };
        if instance.goal != Goal::Start || matches!(instance.state, State::Waiting | State::Held { .. }) {
            return false;
        }
        // A task goes away by ending; who needed it has had what it needed.
        if lost.job.task {
            return false;
        }
        instance.job.needs.iter().filter(|need| need.name == *name && (need.bounce || !bounce_only)).any(
            |need| {
                let args = need_args(need, instance);
                let meant = args.iter().all(|(key, value)| lost.value_of(key) == Some(value.as_str()));
                let other_up = self.providers(name).into_iter().any(|id| {
                    let Some(slot) = self.slot(id) else { return false };
                    slot.instances.iter().any(|(_, other)| {
                        *other != place
                            && self.instance(*other).is_some_and(|it| {
                                it.up
                                    && it.goal == Goal::Start
                                    && args
                                        .iter()
                                        .all(|(key, value)| it.value_of(key) == Some(value.as_str()))
                            })
                    })
                });
                meant && !other_up
            },
        )
    }
}

/// The arguments that name the instance that is needed.
pub(super) fn need_args(need: &Need, instance: &Instance) -> Args {
    let expand = |(key, template): &(events::Key, events::Template)| {
        let text = template.expand(&|name| instance.value_of(name))?;
        Some((key.clone(), Value::new(&text).ok()?))
    };
    need.args.iter().filter_map(expand).collect()
}
