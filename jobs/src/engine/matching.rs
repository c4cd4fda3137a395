//! An event meets conditions: leaves become true, trees come true, emitters wait.

use alloc::{sync::Arc, vec::Vec};

use events::{Args, Condition, Event, Name, glob_matches};

use super::{
    Engine,
    clock::{Timer, UPSTART_HOLD},
    goals::StopWish,
    model::{By, Emitter, EventId, Request, Seen, Tree},
};
use crate::{Action, Failing, Failure, Format, Gate, Happening, Hit, Job, JobId, Outcome, Sort};

/// How many jobs are named that have failed at one event.
const MAX_FAILING: usize = 64;

/// What a condition that came true gives to the job: variables, names of events, and events that wait.
struct Gathered {
    env: Args,
    events: Vec<Name>,
    /// Who waits until the job has reached its goal.
    blocks: Vec<EventId>,
    /// Whom the condition kept until now.
    kept: Vec<EventId>,
}

impl Engine {
    /// Shows an event to all conditions that look for it.
    pub(super) fn handle(&mut self, id: EventId) {
        let Some(event) = self.event(id).map(|live| live.event.clone()) else { return };
        self.saved.counters.events = self.saved.counters.events.saturating_add(1);
        let mut hits = core::mem::take(&mut self.hits);
        hits.clear();
        self.graph.hits(Sort::Event, &event.name, &event.args, &mut hits);
        self.add_addressed(&event, &mut hits);
        self.out.push(Action::Tell(event.clone()));
        self.keep_who_asked(&event, &mut hits);
        self.sort_by_job(&mut hits);
        let mut fresh_stops: Vec<u32> = Vec::new();
        for group in hits.chunk_by(|a, b| a.gate == b.gate) {
            let Some(gate) = group.first().map(|hit| hit.gate) else { continue };
            match gate {
                Gate::Stop(place) => self.feed_stop(place, group, id, &event, &mut fresh_stops),
                Gate::Start(slot) => self.feed_start(slot, group, id, &event, &fresh_stops),
                Gate::Changed(slot) => self.files_changed(slot, group, id),
                // These look at facts only.
                Gate::While(_) | Gate::OldWhile(_) => {}
            }
        }
        self.hits = hits;
        if let Some(live) = self.event_mut(id) {
            live.handled = true;
        }
        self.look_whether_finished(id);
    }

    /// `EVENT:GLOB` is the event for those jobs alone whose name fits: a job's whole name, or the last part of it, with
    /// or without the number before it.
    fn add_addressed(&self, event: &Event, hits: &mut Vec<Hit>) {
        let Some((name, glob)) = event.name.split_once(':').filter(|(name, _)| !name.is_empty()) else {
            return;
        };
        let mut all = Vec::new();
        let Ok(name) = Name::new(name) else { return };
        self.graph.hits(Sort::Event, &name, &event.args, &mut all);
        all.retain(|hit| self.job_of(hit.gate).is_some_and(|job| is_addressed(&job.name, glob)));
        hits.append(&mut all);
    }

    /// The job whose condition one is.
    fn job_of(&self, gate: Gate) -> Option<&Job> {
        match gate {
            Gate::Stop(place) => self.instance(place).map(|instance| &*instance.job),
            Gate::Start(slot) | Gate::Changed(slot) | Gate::While(slot) | Gate::OldWhile(slot) => {
                self.slot(slot).map(|slot| &*slot.job)
            }
        }
    }

    /// Order among equals is by the job's name; of one job, running instances stop before it starts.
    pub(super) fn sort_by_job(&self, hits: &mut [Hit]) {
        if hits.len() < 2 {
            return;
        }
        let job_of = |gate: Gate| match gate {
            Gate::Stop(place) => self.instance(place).map(|instance| instance.slot),
            Gate::Start(slot) | Gate::Changed(slot) | Gate::While(slot) | Gate::OldWhile(slot) => Some(slot),
        };
        let name_of = |gate: Gate| job_of(gate).and_then(|slot| self.slot(slot)).map(|slot| &slot.job.name);
        let key_of = |gate: Gate| match gate {
            Gate::Stop(place) => self.instance(place).map(|instance| instance.key.as_str()),
            Gate::Start(_) | Gate::Changed(_) | Gate::While(_) | Gate::OldWhile(_) => None,
        };
        hits.sort_by(|a, b| {
            name_of(a.gate)
                .cmp(&name_of(b.gate))
                .then_with(|| matches!(a.gate, Gate::Start(_)).cmp(&matches!(b.gate, Gate::Start(_))))
                .then_with(|| key_of(a.gate).cmp(&key_of(b.gate)))
                .then_with(|| a.cmp(b))
        });
    }

    fn feed_start(
        &mut self,
        slot: JobId,
        hits: &[Hit],
        id: EventId,
        event: &Arc<Event>,
        fresh_stops: &[u32],
    ) {
        let Some((job, tree)) =
            self.slot_mut(slot).map(|slot| (slot.job.clone(), core::mem::take(&mut slot.tree)))
        else {
            return;
        };
        let Some(condition) = &job.start_on else { return };
        let (tree, gathered) = self.feed(tree, condition, job.format, hits, id, event);
        if let Some(slot) = self.slot_mut(slot) {
            slot.tree = tree;
        }
        let Some(Gathered { env, events, blocks, kept }) = gathered else { return };
        let cause = self.event(id).map(|live| live.cause).unwrap_or(crate::CauseId::NONE);
        let cause = self.saved.causes.keep(cause);
        let request = Request { env, events, blocks, cause, reply: None, force: false, by: By::Event };
        // What an event may not do is kept for `why`; nobody waits for the answer.
        let _ = self.start(slot, request, fresh_stops);
        self.finish_all(&kept);
    }

    fn feed_stop(&mut self, place: u32, hits: &[Hit], id: EventId, event: &Arc<Event>, fresh: &mut Vec<u32>) {
        let Some((job, tree)) =
            self.instance_mut(place).map(|it| (it.job.clone(), core::mem::take(&mut it.tree)))
        else {
            return;
        };
        let Some(condition) = &job.stop_on else { return };
        let (tree, gathered) = self.feed(tree, condition, job.format, hits, id, event);
        if let Some(instance) = self.instance_mut(place) {
            instance.tree = tree;
        }
        let Some(Gathered { env, events, blocks, kept }) = gathered else { return };
        let cause = self.event(id).map(|live| live.cause).unwrap_or(crate::CauseId::NONE);
        let cause = self.saved.causes.keep(cause);
        if self.stop(place, StopWish { env, events, blocks, cause, reply: None, again: false }) {
            fresh.push(place);
        }
        self.finish_all(&kept);
    }

    /// Makes leaves of a condition true. If all of it is true now, it is reset, and what it gathered comes back.
    fn feed(
        &mut self,
        mut tree: Tree,
        condition: &Condition,
        format: Format,
        hits: &[Hit],
        id: EventId,
        event: &Arc<Event>,
    ) -> (Tree, Option<Gathered>) {
        if condition.nodes().len() == 1 {
            let gathered = Gathered {
                env: environment([&**event].into_iter()),
                events: Vec::from([event.name.clone()]),
                blocks: Vec::from([id]),
                kept: Vec::new(),
            };
            return (tree, Some(gathered));
        }
        for hit in hits {
            let bit = 1_u64.checked_shl(u32::from(hit.leaf)).unwrap_or(0);
            // The first event that made a leaf true is the one that counts.
            if tree.seen & bit == 0 {
                tree.seen |= bit;
                let held = (format == Format::Upstart).then_some(id);
                tree.events.push(Seen { leaf: hit.leaf, event: event.clone(), held });
                if held.is_some() {
                    self.hold(id);
                }
            }
        }
        if !condition.holds(tree.seen) {
            return (tree, None);
        }
        let gathered = gather(&mut tree, condition, format, id);
        self.unhold(&gathered.kept);
        (Tree::default(), Some(gathered))
    }

    fn hold(&mut self, id: EventId) {
        let let_go = match self.event(id) {
            Some(live) if live.let_go.is_none() => Some(self.arm(UPSTART_HOLD, Timer::LetGo(id))),
            _ => None,
        };
        if let Some(live) = self.event_mut(id) {
            live.holds = live.holds.saturating_add(1);
            live.let_go = live.let_go.or(let_go);
        }
    }

    /// Lets go of an event that half-true conditions have kept long enough; they stay half true.
    pub(super) fn let_go(&mut self, id: EventId) {
        let trees = self.saved.slots.iter_mut().flatten().map(|slot| &mut slot.tree);
        let trees = trees.chain(self.saved.instances.iter_mut().flatten().map(|instance| &mut instance.tree));
        for seen in trees.flat_map(|tree| tree.events.iter_mut()).filter(|seen| seen.held == Some(id)) {
            seen.held = None;
        }
        let Some(live) = self.event_mut(id) else { return };
        live.holds = 0;
        live.let_go = None;
        let text = alloc::format!("{}", live.event);
        self.note_machine(crate::Notice::LetGo(text));
        self.look_whether_finished(id);
    }

    /// Releases what a condition kept, without its having come true (its job goes away).
    pub(super) fn release_tree(&mut self, tree: &Tree) {
        let held: Vec<EventId> = tree.events.iter().filter_map(|seen| seen.held).collect();
        self.unhold(&held);
        self.finish_all(&held);
    }

    fn unhold(&mut self, held: &[EventId]) {
        for &id in held {
            if let Some(live) = self.event_mut(id) {
                live.holds = live.holds.saturating_sub(1);
            }
        }
    }

    /// Makes an event wait for an instance.
    pub(super) fn block(&mut self, id: EventId, place: u32) {
        // Its list of events is short, the event's of instances may not be.
        if self.instance(place).is_some_and(|instance| instance.blocks.contains(&id)) {
            return;
        }
        let Some(live) = self.event_mut(id) else { return };
        let first = live.blockers.is_empty();
        live.blockers.push(place);
        let emitter = live.emitter;
        if let Some(instance) = self.instance_mut(place) {
            instance.blocks.push(id);
        }
        match emitter {
            Emitter::Hook(from, _) | Emitter::Inside(_, from) => {
                self.saved.live_waits = self.saved.live_waits.saturating_add(usize::from(first));
                self.cut_rings(from);
            }
            Emitter::Nobody | Emitter::Client(_) | Emitter::Machine => {}
        }
    }

    /// Takes an instance from those that an event waits for.
    fn no_longer_blocked(&mut self, id: EventId, place: u32, failed: bool) {
        let failing = self.instance(place).filter(|_| failed).map(|instance| Failing {
            job: instance.job.name.clone(),
            instance: instance.key.clone(),
            failure: instance.result.unwrap_or(Failure::Needs),
        });
        let Some(live) = self.event_mut(id) else { return };
        let at = live.blockers.iter().position(|blocker| *blocker == place);
        if let Some(at) = at {
            live.blockers.remove(at);
        }
        let room = live.failed.len() < MAX_FAILING;
        live.failed.extend(failing.filter(|_| room));
        let last = at.is_some() && live.blockers.is_empty();
        if last && matches!(live.emitter, Emitter::Hook(..) | Emitter::Inside(..)) {
            self.saved.live_waits = self.saved.live_waits.saturating_sub(1);
        }
    }

    /// Lets all events go that wait for an instance.
    pub(super) fn unblock(&mut self, place: u32, failed: bool) {
        let Some(instance) = self.instance_mut(place) else { return };
        let blocks = core::mem::take(&mut instance.blocks);
        for &id in &blocks {
            self.no_longer_blocked(id, place, failed);
        }
        self.finish_all(&blocks);
    }

    /// Lets one event go on without an instance, to cut a ring.
    pub(super) fn unblock_one(&mut self, id: EventId, place: u32) {
        if let Some(instance) = self.instance_mut(place) {
            instance.blocks.retain(|block| *block != id);
        }
        self.no_longer_blocked(id, place, false);
        self.look_whether_finished(id);
    }

    pub(super) fn finish_all(&mut self, ids: &[EventId]) {
        for &id in ids {
            self.look_whether_finished(id);
        }
    }

    /// Ends an event if all conditions have seen it and nobody is waited for.
    pub(super) fn look_whether_finished(&mut self, id: EventId) {
        let over =
            self.event(id).is_some_and(|live| live.handled && live.holds == 0 && live.blockers.is_empty());
        if !over {
            return;
        }
        let Some(live) = self.saved.events.get_mut(id.0 as usize).and_then(Option::take) else { return };
        self.saved.free_events.push(id.0);
        if let Some(timer) = live.let_go {
            self.disarm(timer);
        }
        if !live.failed.is_empty() && !live.event.name.ends_with("/failed") {
            self.emit_failed(&live.event, live.cause);
        }
        let outcome = if live.failed.is_empty() { Outcome::Done } else { Outcome::EventFailed(live.failed) };
        match live.emitter {
            Emitter::Nobody => {}
            Emitter::Client(reply) => self.out.push(Action::Reply(reply, outcome)),
            Emitter::Inside(reply, place) => {
                if let Some(instance) = self.instance_mut(place) {
                    instance.emits.retain(|emitted| *emitted != id);
                }
                self.out.push(Action::Reply(reply, outcome));
            }
            Emitter::Hook(place, number) => self.hook_over(place, number, id, &live.event.name),
            Emitter::Machine => self.shutdown_event_over(),
        }
        self.saved.causes.release(live.cause);
    }

    fn emit_failed(&mut self, event: &Event, parent: crate::CauseId) {
        let Some(name) = event.name.with_suffix("/failed") else { return };
        self.emit(Event { name, args: event.args.clone() }, parent, Emitter::Nobody);
    }

    /// Puts an event of the engine's own in line.
    pub(super) fn emit(&mut self, event: Event, parent: crate::CauseId, emitter: Emitter) -> Option<EventId> {
        let event = Arc::new(event);
        let cause = self.saved.causes.add(self.saved.now, Happening::Own(event.clone()), parent);
        self.add_event(event, cause, emitter)
    }
}

/// Whether a job is among those that an event is meant for.
fn is_addressed(job: &str, glob: &str) -> bool {
    let last = job.rsplit('/').next().unwrap_or(job);
    let bare = last.trim_start_matches(|c: char| c.is_ascii_digit());
    let bare = if bare.len() < last.len() { bare.strip_prefix('-').unwrap_or(last) } else { last };
    [job, last, bare].into_iter().any(|name| glob_matches(glob, name))
}

/// What a condition that is true gives, in the order in which its leaves were written.
fn gather(tree: &mut Tree, condition: &Condition, format: Format, completing: EventId) -> Gathered {
    let chosen = condition.contributing(tree.seen);
    tree.events.sort_by_key(|seen| seen.leaf);
    let kept = tree.events.iter().filter_map(|seen| seen.held).collect();
    let mut gathered = Gathered { env: Args::new(), events: Vec::new(), blocks: Vec::new(), kept };
    let is_chosen = |seen: &&Seen| chosen.checked_shr(u32::from(seen.leaf)).unwrap_or(0) & 1 == 1;
    gathered.env = environment(tree.events.iter().filter(is_chosen).map(|seen| &*seen.event));
    for seen in tree.events.iter().filter(is_chosen) {
        gathered.events.push(seen.event.name.clone());
        if let Some(id) = seen.held
            && !gathered.blocks.contains(&id)
        {
            gathered.blocks.push(id);
        }
    }
    if format != Format::Upstart {
        gathered.blocks = Vec::from([completing]);
    }
    gathered
}

/// The arguments of all these events, with room for one more variable that tells their names.
fn environment<'e>(events: impl Iterator<Item = &'e Event> + Clone) -> Args {
    let room = events.clone().map(|event| event.args.len()).fold(1, usize::saturating_add);
    let mut env = Args::with_room(room.min(events::MAX_ARGS));
    events.for_each(|event| env.append(&event.args));
    env
}
