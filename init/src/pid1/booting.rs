//! From the first generation of jobs to a boot that has settled.

use std::{sync::Arc, time::Duration};

use events::{Args, Event, Fact, Key, Name, Time, Value};
use jobs::{Exit, Format, Input, Job, Origin, StartMode, Verb};
use serde::{Deserialize, Serialize};

use super::{
    machine::Machine,
    options::Goal,
    people::{fault, with_views},
    purpose,
};
use crate::{
    control,
    loader::{Loaded, generation::Generation},
    logs::Level,
};

/// After how long it is said who holds the boot up, if `onset.settle=` says nothing else.
const SETTLE: Duration = Duration::from_secs(600);

/// The event that says that the boot has settled.
const SETTLED: Name = Name::constant("settled");

/// What brings udevd, and has devices that are there dealt with by it.
const UDEV: &str = "udev";

/// How far the boot has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Boot {
    /// When `startup` was emitted.
    started: Option<Time>,
    /// Whether `settled` has been emitted: also on a machine without jobs, which a boot begins on when there are some.
    settled: bool,
    /// When it is said who holds it up.
    limit: Option<Time>,
    /// How long it may take.
    allowed: Duration,
}

impl Boot {
    /// When to look again, if nothing happens.
    #[must_use]
    pub const fn deadline(&self) -> Option<Time> {
        if self.settled { None } else { self.limit }
    }

    /// A boot that may take so long; the usual time, if nothing is said.
    #[must_use]
    pub fn new(allowed: Option<Duration>) -> Self {
        Self { allowed: allowed.unwrap_or(SETTLE), ..Self::default() }
    }

    /// Whether it has settled.
    #[must_use]
    pub const fn has_settled(&self) -> bool {
        self.settled
    }

    /// One that nothing is to be expected of any more.
    #[must_use]
    pub fn over() -> Self {
        Self { started: Some(Time::default()), settled: true, ..Self::default() }
    }

    /// How long it may take to settle.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.allowed
    }

    /// Whether `startup` has been emitted.
    #[must_use]
    pub const fn has_started(&self) -> bool {
        self.started.is_some()
    }
}

impl Machine {
    /// Has the job files read.
    pub(super) fn load(&mut self) {
        if let Err(error) = self.loader.start(&self.image, self.core.now) {
            self.say(Level::Error, &format!("the loader cannot be started: {error}"));
            if !self.boot.has_started() {
                self.rescue(&format!("no job can be loaded: {error}"));
            }
        }
    }

    /// The loader has ended.
    pub(super) fn loaded(&mut self, exit: Exit) {
        match self.loader.ended(exit, &self.image, self.core.now) {
            Loaded::NotYet => {}
            Loaded::Generation(generation, left_out) => self.take(*generation, &left_out),
            Loaded::Nothing(why) => {
                self.say(Level::Error, &format!("the job files cannot be loaded: {why}"));
                self.tell_loaded(&Err(why.clone()));
                if !self.boot.has_started() {
                    self.rescue(&format!("no job can be loaded: {why}"));
                }
            }
        }
    }

    /// A new generation comes into force.
    fn take(&mut self, mut generation: Generation, left_out: &[String]) {
        for path in left_out {
            self.say(Level::Error, &format!("{path} was left out: the loader hung or died at it"));
        }
        for remark in &generation.remarks {
            let level = if remark.is_error { Level::Error } else { Level::Warning };
            self.say(level, &format!("{}: {} [{}]", remark.path, remark.message, remark.code));
        }
        let run = self.core.options.run.as_ref().map(|_| purpose::run());
        for (job, piece) in purpose::job(&self.core.options.command).into_iter().chain(run) {
            match generation.works.add(&piece) {
                Ok(work) => generation.jobs.push(Arc::new(Job { work, ..job })),
                Err(error) => self.say(Level::Error, &format!("{}: {error}", job.name)),
            }
        }
        let kept: Vec<_> = self.engine.works().collect();
        let is_first = kept.is_empty();
        if let Err(error) = self.works.replace(generation.works, kept) {
            self.say(Level::Error, &format!("the new jobs cannot be kept: {error}"));
            return;
        }
        if !self.boot.has_started() && !is_first {
            // This is another root, and what runs was started in the one before. A prompt begins anew, in its time.
            for Fact { name, identity, .. } in console_facts() {
                self.core.shell().report(Input::Ended { name, identity });
            }
        }
        let count = generation.jobs.len();
        let refused = generation.refused.iter().map(ToString::to_string).collect();
        self.control.set_faults(generation.remarks.iter().filter(|remark| remark.is_error).map(fault));
        let reports = generation.remarks.iter().map(fault).collect();
        let late: Vec<Name> = if self.boot.has_started() && !self.boot.settled {
            generation.jobs.iter().filter(|job| self.comes_late(job)).map(|job| job.name.clone()).collect()
        } else {
            Vec::new()
        };
        self.sources.will_have(&generation.jobs);
        self.core.shell().report(Input::Reload { jobs: generation.jobs, refused: generation.refused });
        for job in late {
            let (args, origin) = (Args::new(), Origin::World);
            let command = Input::Command { verb: Verb::Start, job, args, force: false, origin, reply: None };
            self.core.shell().report(command);
        }
        self.tell_loaded(&Ok(control::Loaded { jobs: count, refused, reports }));
        self.keep_works();
        self.has_spare_memory = self.boot.settled;
        if let Some(files) = &mut self.files {
            files.watch();
        }
        if !self.boot.has_started() {
            self.begin(count, generation.mode);
        }
    }

    /// Whether this is a script of rc.d that the boot should have begun with: it lay in a file system which was not mounted
    /// then, or a script has enabled it and had rc.conf read again.
    fn comes_late(&self, job: &Job) -> bool {
        let is_news = || {
            let known = self.engine.jobs().find(|known| known.name == job.name);
            known.is_none_or(|known| matches!(known.start, StartMode::Disabled(_)))
        };
        job.format == Format::Rcd && job.start == StartMode::Automatic && is_news()
    }

    /// The first generation is there: `startup`, and what else was asked for.
    fn begin(&mut self, jobs: usize, mode: Option<Name>) {
        if jobs == 0 {
            self.rescue("no job file was found in /etc/onset/jobs, /usr/lib/onset/jobs, /etc/init, /etc/rc.d or /etc/init.d");
            if !self.boot.settled {
                self.tell_settled(Event::new(SETTLED));
            }
            return;
        }
        let now = self.core.now;
        self.boot.started = Some(now);
        self.boot.settled = false;
        self.boot.limit = Some(now.after(self.boot.allowed));
        // Before anything starts: a job that may not run in it does not.
        if let Some(mode) = self.core.options.mode.clone().or(mode) {
            self.core.shell().report(Input::Mode { mode, origin: Origin::World });
        }
        match self.core.options.goal.clone() {
            Goal::Job(job) => {
                let (args, origin) = (Args::new(), Origin::World);
                let command =
                    Input::Command { verb: Verb::Start, job, args, force: false, origin, reply: None };
                self.core.shell().report(command);
            }
            Goal::Default | Goal::RunLevel(_) | Goal::Single | Goal::Emergency => {
                self.emit(Event::new(Name::constant("startup")));
            }
        }
        self.sources.loaded(&mut self.core.shell());
        for event in self.core.options.events.clone() {
            self.emit(event);
        }
        // Behind `startup`: a login prompt requires what that starts.
        for fact in console_facts() {
            self.core.shell().report(Input::Began { fact, origin: Origin::World });
        }
    }

    /// Has devices told of when a job or a person asks for them, as soon as no job that brings udev is under way: udevd
    /// gives cards other names. A person does not wait for udev, and hears what is known.
    pub(super) fn let_devices_come(&mut self) {
        let is_asked_for = self.sources.wants_devices() || self.control.wants_devices();
        let is_held = self.sources.awaits_udev();
        let is_busy = !self.core.bus.is_empty() || self.again;
        if !is_asked_for || self.control.knows_devices() && !is_held || self.boot.has_started() && is_busy {
            return;
        }
        let must_wait = !self.boot.has_started() || is_held && self.engine.is_awaited(UDEV);
        if is_held && !must_wait {
            self.sources.release(&mut self.core.shell(), self.boot.settled);
        } else if must_wait || self.sources.knows_devices() {
            let mut shell = self.core.shell();
            with_views!(self, views => self.control.tell_devices(&mut shell, &views, !must_wait));
        }
    }

    /// Looks whether the boot has settled, and says so once.
    pub(super) fn look_whether_settled(&mut self) {
        if !self.core.bus.is_empty() {
            return;
        }
        if self.boot.settled {
            // Behind the event: who has waited for the boot and looks on from there sees what comes after it.
            let mut shell = self.core.shell();
            with_views!(self, views => self.control.settled(&mut shell, &views));
            return;
        }
        if !self.boot.has_started() {
            return;
        }
        let is_late = self.boot.limit.is_some_and(|limit| self.core.now >= limit);
        let is_behind = self.sources.is_behind() || !self.engine.is_settled();
        if self.loader.is_at_work() || self.again || is_behind && !is_late {
            return;
        }
        let pending = if is_late { self.pending() } else { String::new() };
        let mut event = Event::new(SETTLED);
        if !pending.is_empty() {
            self.say(Level::Warning, &format!("the boot has not settled in time: {pending}"));
            if let Ok(value) = Value::new(&pending) {
                event.args.push(Key::constant("PENDING"), value);
            }
        }
        self.tell_settled(event);
    }

    /// The boot has settled, as the event says.
    fn tell_settled(&mut self, event: Event) {
        self.boot.settled = true;
        self.has_spare_memory = true;
        self.must_save = true;
        self.emit(event);
    }

    /// Who is on its way up.
    fn pending(&self) -> String {
        let list = self.engine.list().into_iter();
        let on_its_way =
            list.filter(|it| it.goal == "start" && self.engine.is_under_way(it) && !it.timed_out);
        on_its_way.map(|it| it.to_string()).take(8).collect::<Vec<_>>().join("; ")
    }
}

/// That there is this console, for each of them.
fn console_facts() -> impl Iterator<Item = Fact> {
    let events = crate::boot::consoles().into_iter().map(|tty| format!("console TTY={tty}").parse::<Event>());
    events.flatten().map(|Event { name, args }| Fact::named(name, args))
}
