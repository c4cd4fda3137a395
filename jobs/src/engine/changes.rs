//! Files that a job lives by have changed: it reads them again, or is started anew.

use alloc::{format, string::String, vec::Vec};

use events::{Args, Event, Text};

use super::{
    Engine,
    model::EventId,
    rings::{RING_STARTS, RING_WINDOW},
};
use crate::{CauseId, Goal, Hit, JobId, Notice, Phase, Refusal};

impl Engine {
    /// Something has happened to files that a job names in `reload_on` or `restart_on`.
    pub(super) fn files_changed(&mut self, id: JobId, hits: &[Hit], event: EventId) {
        let Some((event, cause)) = self.event(event).map(|live| (live.event.clone(), live.cause)) else {
            return;
        };
        let Some(slot) = self.slot(id) else { return };
        let first_restart = slot.job.reload_on.len();
        let restarts = hits.iter().any(|hit| usize::from(hit.leaf) >= first_restart);
        let places: Vec<u32> = slot.instances.iter().map(|(_, place)| *place).collect();
        let path = path_of(&event);
        for place in places {
            self.file_changed(place, &path, restarts, cause);
        }
    }

    fn file_changed(&mut self, place: u32, path: &str, restarts: bool, cause: CauseId) {
        let Some(instance) = self.instance_mut(place).filter(|instance| instance.goal == Goal::Start) else {
            return;
        };
        match instance.state.phase() {
            // Main reads them yet, or is on its way down.
            Phase::Waiting
            | Phase::Held
            | Phase::Check
            | Phase::Starting
            | Phase::Configure
            | Phase::PreStart
            | Phase::PreStop
            | Phase::Stopping
            | Phase::Killed
            | Phase::PostStop => {}
            // Nobody knows what it has read. It is told when it is up.
            Phase::Spawned | Phase::PostStart => {
                let known = instance.rare_mut().changed.take();
                let restarts = restarts || known.is_some_and(|(_, restarts)| restarts);
                instance.rare_mut().changed = Some((path.into(), restarts));
            }
            Phase::Running if restarts => self.restart_for_file(place, path, cause),
            Phase::Running => self.reload_for_file(place, path),
        }
    }

    /// An instance is up: what has changed while it came up is not forgotten.
    pub(super) fn catch_up_with_files(&mut self, place: u32) {
        let changed = self
            .instance_mut(place)
            .and_then(|instance| instance.rare.as_mut())
            .and_then(|rare| rare.changed.take());
        match changed {
            Some((path, true)) => self.restart_for_file(place, &path, CauseId::NONE),
            Some((path, false)) => self.reload_for_file(place, &path),
            None => {}
        }
    }

    fn reload_for_file(&mut self, place: u32, path: &str) {
        let Some((id, key)) = self.instance(place).map(|instance| (instance.slot, instance.key.clone()))
        else {
            return;
        };
        if self.reload_place(place).is_none() {
            self.note(id, key, Notice::FileChanged { path: path.into(), restarts: false });
        }
    }

    fn restart_for_file(&mut self, place: u32, path: &str, cause: CauseId) {
        let Some((id, key, job)) =
            self.instance(place).map(|instance| (instance.slot, instance.key.clone(), instance.job.clone()))
        else {
            return;
        };
        if self.refusal(&job, cause, false).is_some() {
            return;
        }
        let now = self.saved.now;
        let Some(slot) = self.slot_mut(id) else { return };
        // Whoever writes at each start what it is restarted by would never come to rest.
        if now.since(slot.ring.0) >= RING_WINDOW {
            slot.ring = (now, 0);
        }
        slot.ring.1 = slot.ring.1.saturating_add(1);
        if slot.ring.1 > RING_STARTS {
            let ring = format!("{} -> ({path} has changed) -> {}", job.name, job.name);
            return self.note(id, key, Notice::Refused(Refusal::Ring(ring)));
        }
        self.note(id, key, Notice::FileChanged { path: path.into(), restarts: true });
        let cause = self.saved.causes.keep(cause);
        self.restart_place(place, Args::new(), cause, None, false);
    }
}

/// Which path an event is about, for people.
fn path_of(event: &Event) -> String {
    let path = event.args.get("MATCH").or_else(|| event.args.get("FILE"));
    path.map(|path| String::from(path.as_str())).unwrap_or_default()
}

/// A path that has changed while an instance came up, and whether it is to be started anew for it.
pub type Changed = (Text, bool);
