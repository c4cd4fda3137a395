//! PID 1 as a whole: its parts, and the loop.
//!
//! There is one owner of the engine, and this is it. A turn hears what is ready, in the order of [`Token`], then
//! gives the engine one batch, and has its actions done one by one. What comes of them are inputs again.

use std::{collections::BTreeMap, convert::Infallible, io};

use events::{Bus, Event, Time};
use jobs::{Engine, Exit, Input, Origin, ReplyId, Turn};
use nix::unistd::Pid;

use super::{
    booting::Boot,
    clock::{self, Deadline},
    files::Files,
    hearing::Own,
    options::Options,
    patience::Patience,
    people::with_views,
    purpose::Purpose,
    shell::Shell,
    signals::Signals,
    token::Token,
    works::Works,
};
use crate::{
    control::Control,
    executor::Executor,
    loader::Loader,
    logs::{Level, Logs},
    shutdown::End,
    sources::Sources,
    store::{Kept, Store, Watchdog},
    sys::{
        alloc, memory,
        own::Image,
        poll::{Poll, Ready},
    },
};

/// How many inputs wait at most. What the world sends beyond it is refused, and told again by its source.
pub const BUS: usize = 65_536;
/// How many inputs the engine is given in one turn.
const BATCH: usize = 256;
/// How many inputs that wait take memory which is worth giving back.
const MANY: usize = 1024;
/// How many ends of processes are looked at in one turn.
pub(super) const REAP: usize = 256;

/// What every part is lent.
#[derive(Debug)]
pub(super) struct Core {
    pub poll: Poll<Token>,
    pub bus: Bus<Input>,
    pub now: Time,
    pub options: Options,
}

impl Core {
    pub const fn shell(&mut self) -> Shell<'_> {
        Shell { poll: &mut self.poll, bus: &mut self.bus, now: self.now, options: &self.options }
    }
}

/// PID 1.
#[derive(Debug)]
pub struct Machine {
    pub(super) core: Core,
    pub(super) engine: Engine,
    pub(super) works: Works,
    /// Their descriptor, for the image after us.
    pub(super) works_kept: Option<Kept>,
    pub(super) executor: Executor,
    pub(super) logs: Logs,
    pub(super) control: Control,
    pub(super) store: Store,
    pub(super) loader: Loader,
    pub(super) files: Option<Files>,
    pub(super) sources: Sources,
    pub(super) signals: Signals,
    pub(super) deadline: Deadline,
    pub(super) image: Image,
    pub(super) boot: Boot,
    pub(super) end: Option<End>,
    pub(super) watchdog: Option<Watchdog>,
    /// Whether much memory was needed that is not needed any more.
    pub(super) has_spare_memory: bool,
    /// Whether this image has come to rest once: then it is good.
    pub(super) is_proved: bool,
    /// Processes that belong to no job.
    pub(super) own: BTreeMap<Pid, Own>,
    /// When control-alt-delete was pressed of late.
    pub(super) presses: Vec<Time>,
    /// Who waits to hear what came of a load.
    pub(super) awaits_load: Vec<ReplyId>,
    /// How the job that a container is there for has ended.
    pub(super) purpose_exit: Option<Exit>,
    /// Whether the root has been changed: the job files are others now.
    pub(super) has_new_root: bool,
    /// Whether something has changed that only a snapshot keeps.
    pub(super) must_save: bool,
    /// In safe mode: descriptors that nobody uses, for the image that tries again.
    pub(super) spare: Vec<Kept>,
    /// When it is said next what is waited for.
    pub(super) patience: Patience,
    /// Its life, and which instance of which job it is one of.
    pub(super) purpose: Option<Purpose>,
    /// When the engine wants to be called.
    pub(super) wake: Option<Time>,
    /// Whether the engine or the reaper has more to do than one turn may take.
    pub(super) again: bool,
    pub(super) children: bool,
}

impl Machine {
    /// Runs for ever. It comes back only if it cannot even wait.
    pub async fn run(mut self) -> io::Result<Infallible> {
        loop {
            self.arm()?;
            let is_busy = self.again
                || self.children
                || !self.core.bus.is_empty()
                || self.executor.has_next(self.core.now);
            let mut ready = if is_busy { self.core.poll.look() } else { self.rest().await? };
            self.core.now = clock::now();
            let is_behind = self.again || !self.core.bus.is_empty();
            ready.sort_unstable_by_key(|(token, _)| *token);
            // What processes say of themselves comes before their ends, and these before what people and the world say.
            let mut later = ready.split_off(ready.partition_point(|(token, _)| *token <= Token::Signals));
            for (token, ready) in ready {
                self.hear(token, ready);
            }
            self.make_processes();
            self.reap();
            self.control.begin_turn(&mut later);
            let is_people = |token: &Token| matches!(token, Token::Listener | Token::Client(_));
            if !is_behind && later.iter().any(|(token, _)| is_people(token)) {
                // What people are told of a job is how it is, and not how it was before its end. In a storm, where ends are
                // not reached by one step, nobody waits for one more.
                self.step();
            }
            for (token, ready) in later {
                self.hear(token, ready);
            }
            self.tick();
            self.step();
            self.let_devices_come();
            self.look_whether_settled();
            self.say_who_is_waited_for();
            self.start_keeper();
            self.logs.pass_on(self.core.now);
            self.go_on_ending();
        }
    }

    /// Waits until something happens.
    async fn rest(&mut self) -> io::Result<Vec<(Token, Ready)>> {
        if !self.is_proved {
            self.is_proved = true;
            self.store.settled();
        }
        let ready = self.core.poll.look();
        if !ready.is_empty() {
            return Ok(ready);
        }
        if self.has_spare_memory {
            self.has_spare_memory = false;
            memory::give_back();
        }
        self.core.poll.wait().await
    }

    /// One turn of the engine.
    fn step(&mut self) {
        let due = self.wake.is_some_and(|wake| wake <= self.core.now);
        if self.core.bus.is_empty() && !self.again && !due {
            return;
        }
        self.again = false;
        self.has_spare_memory |= self.core.bus.len() > MANY;
        let turn = Turn { now: self.core.now, batch: self.core.bus.take(BATCH) };
        self.hear_of_purpose(&turn.batch);
        let has_new_jobs = turn.batch.iter().any(|input| matches!(input, Input::Reload { .. }));
        self.store.begin_turn(&turn);
        let actions = self.engine.step(self.store.watched(turn.batch), turn.now);
        self.store.stepped();
        for (number, action) in actions.into_iter().enumerate() {
            self.store.performing(number);
            self.perform(action);
            self.store.performed(number);
        }
        self.store.end_turn();
        self.look_after_sockets(has_new_jobs);
        self.pass_on_warnings();
        self.snapshot_if_wanted();
        self.look_after_purpose();
        let mut shell = self.core.shell();
        with_views!(self, views => self.control.turned(&mut shell, &views));
    }

    /// Who is down is listened for again; and if there are new jobs, for whom they say.
    pub(super) fn look_after_sockets(&mut self, has_new_jobs: bool) {
        let (shell, sockets) = (&mut self.core.shell(), &mut self.sources.sockets);
        if has_new_jobs {
            sockets.look(shell, &self.engine, &self.works);
        } else {
            sockets.turned(shell, &self.engine);
        }
    }

    /// Says what the executor has to say that no job is to blame for.
    pub(super) fn pass_on_warnings(&mut self) {
        for warning in self.executor.take_warnings() {
            self.say(Level::Warning, &warning);
        }
        for (level, text) in self.sources.sockets.take_said() {
            self.say(level, &text);
        }
        for warning in self.sources.take_warnings() {
            let jobs = warning.about.as_ref().map(|pattern| self.engine.who_waits_for(pattern));
            let jobs: Vec<String> = jobs.iter().flatten().map(|job| format!("`{job}`")).collect();
            let whose = if jobs.is_empty() { String::new() } else { format!("job {}: ", jobs.join(", ")) };
            self.say(Level::Warning, &format!("{whose}{}", warning.text));
        }
    }

    fn hear(&mut self, token: Token, ready: Ready) {
        match token {
            Token::Notify(_) | Token::Status(_) | Token::ReadyFd(_) | Token::PidFd(_) | Token::Inotify => {
                self.executor.ready(&mut self.core.shell(), token, ready);
            }
            Token::Signals => self.hear_signals(),
            Token::Deadline => self.deadline.clear(),
            Token::Listener | Token::Client(_) => self.hear_people(token, ready),
            Token::Keeper | Token::Output(_) => self.logs.ready(&mut self.core.shell(), token, ready),
            Token::Files => {
                if let Some(files) = &mut self.files {
                    files.ready(self.core.now);
                }
            }
            Token::Source(part) => {
                self.sources.ready(&mut self.core.shell(), part, ready);
                if self.sources.take_watchdog() {
                    self.start_watchdog();
                }
            }
        }
    }

    /// What is due.
    fn tick(&mut self) {
        let now = self.core.now;
        if self.executor.deadline().is_some_and(|at| at <= now) {
            self.executor.tick(&mut self.core.shell());
        }
        if self.logs.deadline().is_some_and(|at| at <= now) {
            self.logs.tick(&mut self.core.shell());
        }
        if self.control.deadline().is_some_and(|at| at <= now) {
            self.tick_people();
        }
        if self.loader.deadline().is_some_and(|at| at <= now) {
            self.loader.tick(now);
        }
        if self.sources.deadline().is_some_and(|at| at <= now) {
            self.sources.tick(&mut self.core.shell());
            self.has_spare_memory |= self.sources.take_spare_memory();
        }
        self.feed_watchdog();
        if alloc::is_short() && alloc::is_relieved() {
            self.say(Level::Info, "there is memory again");
        }
        if self.files.as_mut().is_some_and(|files| files.is_due(now)) {
            self.load();
        }
    }

    /// Sets the timer to what is due next.
    fn arm(&mut self) -> io::Result<()> {
        let files = self.files.as_ref().and_then(Files::deadline);
        let end = self.end.as_ref().and_then(End::deadline);
        let parts = [
            self.wake,
            self.executor.deadline(),
            self.logs.deadline(),
            self.control.deadline(),
            self.loader.deadline(),
            self.sources.deadline(),
            self.boot.deadline(),
            self.patience.deadline(),
            self.watchdog.as_ref().map(Watchdog::deadline),
            files,
            end,
        ];
        self.deadline.set(parts.into_iter().flatten().min())
    }

    fn feed_watchdog(&mut self) {
        let Some(watchdog) = &mut self.watchdog else { return };
        if let Err(error) = watchdog.feed(self.core.now) {
            self.say(Level::Error, &format!("the watchdog cannot be fed: {error}"));
            self.watchdog = None;
        }
    }

    /// Emits an event of the machine's own.
    pub(super) fn emit(&mut self, event: Event) {
        self.core.shell().report(Input::Event { event, origin: Origin::World, reply: None });
    }
}
