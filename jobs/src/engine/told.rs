//! What an instance tells: its four events, and notes for people.

use events::{Args, Event, Key, Name, Text, Value};

use super::{
    Engine, Todo,
    model::{Emitter, EventId, set},
};
use crate::{Action, Announcement, CauseId, Cue, Exit, Failure, Goal, JobId, Notice, ProcessKind};

// The four events of a life, and what they all tell.
pub const STARTING: Name = Name::constant("starting");
pub const STARTED: Name = Name::constant("started");
pub const STOPPING: Name = Name::constant("stopping");
pub const STOPPED: Name = Name::constant("stopped");
const JOB: Key = Key::constant("JOB");
const INSTANCE: Key = Key::constant("INSTANCE");

impl Engine {
    /// Emits one of the four events of a life, and waits until it has been worked off.
    pub(super) fn emit_hook(&mut self, place: u32, name: Name) {
        let Some(instance) = self.instance(place) else { return };
        let (emitter, number) = (Emitter::Hook(place, instance.number), instance.number);
        let hook = self.life_event(place, name, emitter);
        match (hook, self.instance_mut(place)) {
            (Some(_), Some(instance)) => instance.hook = hook,
            // No name for it, nothing to wait for.
            _ => self.saved.todo.push_back(Todo::Cue(place, number, Cue::HookDone)),
        }
    }

    pub(super) fn emit_own(&mut self, place: u32, name: Name) {
        let _ = self.life_event(place, name, Emitter::Nobody);
    }

    pub(super) fn life_event(&mut self, place: u32, name: Name, emitter: Emitter) -> Option<EventId> {
        let instance = self.instance(place)?;
        let mut args = Args::with_room(2);
        args.push(JOB, Value::from(&instance.job.name));
        if let Ok(key) = Value::new(&instance.key) {
            args.push(INSTANCE, key);
        }
        if name == STOPPING || name == STOPPED {
            add_result(&mut args, instance.result);
        }
        for key in &instance.job.export {
            if args.get(key).is_none()
                && let Some(value) = instance.value_of(key).and_then(|value| Value::new(value).ok())
            {
                args.push(key.clone(), value);
            }
        }
        let stopping = instance.goal != Goal::Start && instance.stop_cause != CauseId::NONE;
        let parent = if stopping { instance.stop_cause } else { instance.cause };
        self.emit(Event { name, args }, parent, emitter)
    }

    /// What it has emitted has been worked off: `starting` is followed by what the job announces.
    pub(super) fn hook_over(&mut self, place: u32, number: u64, id: EventId, name: &Name) {
        if let Some(instance) = self.instance_mut(place)
            && instance.number == number
            && instance.hook == Some(id)
        {
            instance.hook = None;
            let goes_on = *name == STARTING && instance.goal == Goal::Start;
            let announcement = instance.job.announces.clone().filter(|_| goes_on);
            if let Some(announcement) = announcement
                && self.announce(place, number, &announcement)
            {
                return;
            }
            self.saved.todo.push_back(Todo::Cue(place, number, Cue::HookDone));
        }
    }

    /// Emits what a job announces, and waits until it has been worked off.
    fn announce(&mut self, place: u32, number: u64, announcement: &Announcement) -> bool {
        let Some(instance) = self.instance(place) else { return false };
        let mut args = Args::with_room(announcement.args.len());
        for (key, template) in &announcement.args {
            let value = template.expand(&|name| instance.value_of(name)).unwrap_or_default();
            if let Ok(value) = Value::new(&value) {
                args.push(key.clone(), value);
            }
        }
        let (name, cause) = (announcement.name.clone(), instance.cause);
        let hook = self.emit(Event { name, args }, cause, Emitter::Hook(place, number));
        if let Some(instance) = self.instance_mut(place) {
            instance.hook = hook;
        }
        hook.is_some()
    }

    pub(super) fn note(&mut self, id: JobId, instance: Text, what: Notice) {
        if let Some(job) = self.slot(id).map(|slot| slot.job.name.clone()) {
            self.out.push(Action::Note(crate::Note { job: Some(job), instance, what }));
        }
    }

    pub(super) fn note_machine(&mut self, what: Notice) {
        self.out.push(Action::Note(crate::Note { job: None, instance: Text::default(), what }));
    }
}

/// `RESULT` and, where something went wrong, where and how.
pub fn add_result(args: &mut Args, result: Option<Failure>) {
    let Some(failure) = result else { return set(args, "RESULT", "ok") };
    set(args, "RESULT", "failed");
    let (process, exit) = match failure {
        Failure::Ended(process, exit) => (process.name(), Some(exit)),
        Failure::Unspawned(process) | Failure::HookTimeout(process) => (process.name(), None),
        Failure::EndedEarly => (ProcessKind::Main.name(), Some(Exit::Code(0))),
        Failure::Respawn => ("respawn", None),
        Failure::StartTimeout => (ProcessKind::Main.name(), None),
        Failure::Needs => ("needs", None),
        Failure::Unkillable => (ProcessKind::Main.name(), None),
    };
    set(args, "PROCESS", process);
    match exit {
        Some(Exit::Code(code)) => set(args, "EXIT_STATUS", &alloc::format!("{code}")),
        Some(Exit::Signal(signal)) => set(args, "EXIT_SIGNAL", &alloc::format!("{signal}")),
        None => {}
    }
}
