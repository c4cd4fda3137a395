//! A machine that is not there: plays what an engine asks for on a virtual clock, and writes it all down.
//!
//! Every process does what a [`Behaviour`] says. If nothing is said, it does what one would expect: a service
//! runs until it is told to stop and then goes at once, a task or hook ends well at once, a daemon leaves its
//! process behind. So a whole boot is played in microseconds, off the machine, and always the same.

mod behaviour;
mod script;
mod transcript;

use alloc::{collections::BTreeMap, format, string::String, sync::Arc, vec::Vec};

use events::{Name, Pattern, Text, Time};

pub use behaviour::{Behaviour, OnSignal, WORDS, World};
pub use script::{ORDERS, Order, ScriptError, parse_order};
pub use transcript::{Line, Mark, notice_text, outcome_text};

use crate::{
    Action, Engine, Exit, Input, Job, Life, Outcome, Pid, ProcessKind, Ready, ReplyId, Shutdown, Signal,
};

/// How many turns a simulation may take at one moment before it is called endless.
const MOMENT_BOUND: u32 = 100_000;

/// An engine, and a machine that is not there.
#[derive(Debug)]
pub struct Simulation {
    /// The engine: ask it what you like.
    pub engine: Engine,
    /// What processes do.
    pub world: World,
    now: Time,
    due: BTreeMap<(Time, u64), Due>,
    number: u64,
    pid: u32,
    wake: Option<Time>,
    lives: BTreeMap<Life, Body>,
    transcript: Vec<Line>,
    replies: BTreeMap<ReplyId, (Time, Outcome)>,
    /// How often the system had no room for a process.
    starved: BTreeMap<(Name, Text, ProcessKind), u32>,
    asked: u64,
    down: Option<Shutdown>,
    /// What the engine has had watched, in order.
    watched: Vec<Pattern>,
    /// Actions, if somebody wants to look at them.
    kept: Option<Vec<Action>>,
}

/// What the simulated machine has of a life.
#[derive(Debug, Clone)]
struct Body {
    job: Arc<Job>,
    instance: Text,
    processes: BTreeMap<ProcessKind, Running>,
    /// A process that main left behind.
    daemon: Option<Pid>,
}

#[derive(Debug, Clone)]
struct Running {
    pid: Pid,
    behaviour: Behaviour,
    /// Its end, if that is in line.
    end: Option<(Time, u64)>,
}

/// Something that happens by itself.
#[derive(Debug, Clone)]
enum Due {
    Spawned(Life, ProcessKind, Pid),
    Unspawned(Life, ProcessKind, String),
    Starved(Life, ProcessKind, String),
    Ready(Life),
    End(Life, ProcessKind, Exit),
    DaemonEnd(Life),
    /// All was killed, and there was nothing.
    Empty(Life),
}

impl Simulation {
    /// A machine with these jobs, on which nothing has happened yet.
    #[must_use]
    pub fn new(jobs: Vec<Arc<Job>>, world: World) -> Self {
        let mut simulation = Self {
            engine: Engine::new(),
            world,
            now: Time(0),
            due: BTreeMap::new(),
            number: 0,
            pid: 100,
            wake: None,
            lives: BTreeMap::new(),
            transcript: Vec::new(),
            replies: BTreeMap::new(),
            starved: BTreeMap::new(),
            asked: 0,
            down: None,
            watched: Vec::new(),
            kept: None,
        };
        simulation.step(Input::Reload { jobs, refused: Vec::new() });
        simulation
    }

    /// The virtual time.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// How the machine went down, if it did.
    #[must_use]
    pub const fn down(&self) -> Option<Shutdown> {
        self.down
    }

    /// What Onset would have watched on a real machine: times, files, sockets. Nothing of it happens here by itself.
    #[must_use]
    pub fn watched(&self) -> &[Pattern] {
        &self.watched
    }

    /// What was written down since the last call.
    pub fn take_transcript(&mut self) -> Vec<Line> {
        core::mem::take(&mut self.transcript)
    }

    /// Keeps every action from now on.
    pub fn keep_actions(&mut self) {
        self.kept.get_or_insert_default();
    }

    /// The actions that were kept since the last call.
    pub fn take_actions(&mut self) -> Vec<Action> {
        self.kept.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// The answer to a question, and when it came.
    #[must_use]
    pub fn answer(&self, reply: ReplyId) -> Option<&(Time, Outcome)> {
        self.replies.get(&reply)
    }

    /// A number for somebody who will wait for an answer.
    pub fn ask(&mut self) -> ReplyId {
        self.asked = self.asked.saturating_add(1);
        ReplyId(self.asked)
    }

    /// Gives the engine an input now, and lets everything happen that follows at this moment.
    pub fn give(&mut self, input: Input) {
        self.give_batch(Vec::from([input]));
    }

    /// Gives the engine inputs that came in together, as one batch.
    pub fn give_batch(&mut self, inputs: Vec<Input>) {
        for input in &inputs {
            self.write(Mark::In, transcript::input_text(input));
        }
        self.step_all(inputs);
        self.run_until(self.now);
    }

    /// Ends a process, as if it had done so by itself; `false` if it does not run.
    pub fn end_process(&mut self, job: &str, instance: &str, process: ProcessKind, exit: Exit) -> bool {
        let found = self.lives.iter().find(|(_, body)| body.job.name == job && body.instance == instance);
        let Some((&life, body)) = found else { return false };
        if process == ProcessKind::Main && !body.processes.contains_key(&process) && body.daemon.is_some() {
            self.schedule(self.now, Due::DaemonEnd(life));
        } else if body.processes.contains_key(&process) {
            self.reschedule_end(life, process, self.now, exit);
        } else {
            return false;
        }
        self.run_until(self.now);
        true
    }

    /// Lets time go on. On a machine that is down nothing happens any more.
    pub fn run_until(&mut self, until: Time) {
        let mut turns = 0_u32;
        while turns < MOMENT_BOUND && self.down.is_none() {
            let due = self.due.first_key_value().map(|((time, _), _)| *time);
            let next = [due, self.wake].into_iter().flatten().min();
            let Some(next) = next.filter(|time| *time <= until) else { break };
            turns = if next > self.now { 0 } else { turns.saturating_add(1) };
            self.now = self.now.max(next);
            match due {
                // What happens in the world comes before what only the clock says.
                Some(time) if time <= self.now => {
                    if let Some((_, due)) = self.due.pop_first() {
                        self.happen(due);
                    }
                }
                _ => {
                    self.wake = None;
                    self.step_all(Vec::new());
                }
            }
        }
        self.now = self.now.max(until);
    }

    /// The next time at which something happens by itself.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        [self.due.first_key_value().map(|((time, _), _)| *time), self.wake].into_iter().flatten().min()
    }

    /// The job's processes that run, with their ids.
    pub fn running(&self, job: &str) -> impl Iterator<Item = (&str, ProcessKind, Pid)> {
        self.lives.values().filter(move |body| body.job.name == job).flat_map(|body| {
            let daemon = body.daemon.map(|pid| (body.instance.as_str(), ProcessKind::Main, pid));
            let others =
                body.processes.iter().map(|(kind, running)| (body.instance.as_str(), *kind, running.pid));
            others.chain(daemon)
        })
    }

    fn step(&mut self, input: Input) {
        self.step_all(Vec::from([input]));
    }

    fn step_all(&mut self, inputs: Vec<Input>) {
        let mut again = true;
        let mut batch = inputs;
        while again {
            let actions = self.engine.step(core::mem::take(&mut batch), self.now);
            again = actions.contains(&Action::Again);
            if let Some(kept) = &mut self.kept {
                kept.extend(actions.iter().cloned());
            }
            for action in actions {
                self.perform(action);
            }
        }
    }

    fn perform(&mut self, action: Action) {
        if let Some(text) = transcript::action_text(&action, &|life| self.who(life)) {
            self.write(Mark::Out, text);
        }
        match action {
            Action::Spawn { life, job, instance, process, .. } => self.spawn(life, job, instance, process),
            Action::Signal { life, signal } => self.signal(life, signal),
            Action::KillHook { life, process } => {
                self.reschedule_end(life, process, self.now, Exit::Signal(Signal::KILL));
            }
            Action::KillAll { life } => self.kill_all(life),
            Action::Leave { life } | Action::Forget { life } => {
                self.lives.remove(&life);
            }
            Action::Wake(time) => self.wake = time,
            Action::Reply(reply, outcome) => {
                self.replies.insert(reply, (self.now, outcome));
            }
            Action::Down(kind) => self.down = Some(kind),
            Action::Watch(pattern) => self.watched.push(pattern),
            // It tells a process something, and does not end it.
            Action::SignalMain { .. } => {}
            Action::Unwatch(_) | Action::Again | Action::Tell(_) | Action::Note(_) => {}
        }
    }

    fn who(&self, life: Life) -> String {
        match self.lives.get(&life) {
            Some(body) => transcript::who(&body.job.name, &body.instance),
            None => format!("life {}", life.number),
        }
    }

    fn spawn(&mut self, life: Life, job: Arc<Job>, instance: Text, process: ProcessKind) {
        let behaviour = self.world.of(&job, &instance, process);
        self.pid = self.pid.saturating_add(1);
        let pid = Pid(self.pid);
        let body =
            Body { job: job.clone(), instance: instance.clone(), processes: BTreeMap::new(), daemon: None };
        self.lives.entry(life).or_insert(body);
        let start = self.now.after(behaviour.delay);
        if let Some((what, times)) = &behaviour.starved {
            let tries = self.starved.entry((job.name.clone(), instance.clone(), process)).or_default();
            if *tries < *times {
                *tries = tries.saturating_add(1);
                return self.schedule(start, Due::Starved(life, process, what.clone()));
            }
        }
        let Some(body) = self.lives.get_mut(&life) else { return };
        if let Some(why) = &behaviour.fails {
            let why = why.clone();
            return self.schedule(start, Due::Unspawned(life, process, why));
        }
        body.processes.insert(process, Running { pid, behaviour: behaviour.clone(), end: None });
        self.schedule(start, Due::Spawned(life, process, pid));
        let says_so = process == ProcessKind::Main
            && !matches!(job.ready, Ready::Spawned | Ready::Forked | Ready::Socket);
        if let (true, Some(after)) = (says_so, behaviour.ready) {
            self.schedule(start.after(after), Due::Ready(life));
        }
        if let Some(after) = behaviour.runs {
            self.reschedule_end(life, process, start.after(after), behaviour.exit);
        }
    }

    fn schedule(&mut self, time: Time, due: Due) {
        self.number = self.number.saturating_add(1);
        self.due.insert((time, self.number), due);
    }

    fn reschedule_end(&mut self, life: Life, process: ProcessKind, time: Time, exit: Exit) {
        self.number = self.number.saturating_add(1);
        let Some(running) = self.lives.get_mut(&life).and_then(|body| body.processes.get_mut(&process))
        else {
            return;
        };
        if let Some(old) = running.end {
            // What is dying does not die later because it is killed once more.
            if matches!(self.due.get(&old), Some(Due::End(_, _, Exit::Signal(Signal::KILL)))) {
                return;
            }
            self.due.remove(&old);
        }
        running.end = Some((time, self.number));
        self.due.insert((time, self.number), Due::End(life, process, exit));
    }

    fn signal(&mut self, life: Life, signal: Signal) {
        let Some(body) = self.lives.get(&life) else { return };
        // What is neither the stop signal nor KILL tells a process something; it does not end it.
        if signal != body.job.kill.signal && signal != Signal::KILL {
            return;
        }
        let Some(running) = body.processes.get(&ProcessKind::Main) else {
            if body.daemon.is_some()
                && self.world.of(&body.job, &body.instance, ProcessKind::Main).on_signal != OnSignal::Ignores
            {
                self.schedule(self.now, Due::DaemonEnd(life));
            }
            return;
        };
        match (signal == Signal::KILL, &running.behaviour.on_signal) {
            (true, _) => {
                let time = self.now.after(running.behaviour.dies);
                self.reschedule_end(life, ProcessKind::Main, time, Exit::Signal(signal));
            }
            (false, OnSignal::Ends(after)) => {
                let time = self.now.after(*after);
                let exit = if after.is_zero() { Exit::Signal(signal) } else { Exit::Code(0) };
                self.reschedule_end(life, ProcessKind::Main, time, exit);
            }
            (false, OnSignal::Ignores) => {}
        }
    }

    fn kill_all(&mut self, life: Life) {
        let Some(body) = self.lives.get(&life) else { return };
        let daemon = body.daemon.is_some();
        for (process, dies) in
            body.processes.iter().map(|(kind, running)| (*kind, running.behaviour.dies)).collect::<Vec<_>>()
        {
            self.reschedule_end(life, process, self.now.after(dies), Exit::Signal(Signal::KILL));
        }
        if daemon {
            self.schedule(self.now, Due::DaemonEnd(life));
        } else if self.lives.get(&life).is_some_and(|body| body.processes.is_empty()) {
            self.schedule(self.now, Due::Empty(life));
        }
    }

    fn happen(&mut self, due: Due) {
        if let Due::Ready(life) = due
            && !self.lives.get(&life).is_some_and(|body| body.processes.contains_key(&ProcessKind::Main))
        {
            return;
        }
        let input = match due {
            Due::Spawned(life, process, pid) => Input::Spawned { life, process, pid },
            Due::Unspawned(life, process, why) => Input::Unspawned { life, process, why: why.into() },
            Due::Starved(life, process, what) => Input::Starved { life, process, what: what.into() },
            Due::Ready(life) => Input::Ready { life, main: None },
            Due::End(life, process, exit) => {
                let Some(body) = self.lives.get_mut(&life) else { return };
                let Some(running) = body.processes.remove(&process) else { return };
                let killed = exit == Exit::Signal(Signal::KILL);
                let leaves =
                    running.behaviour.leaves || (running.behaviour.forks && matches!(exit, Exit::Code(_)));
                if leaves && process == ProcessKind::Main && !killed {
                    body.daemon = Some(running.pid);
                }
                Input::Exited { life, process, exit, left: body.daemon.is_some() }
            }
            Due::Empty(life) => Input::Emptied { life },
            Due::DaemonEnd(life) => {
                if self.lives.get_mut(&life).and_then(|body| body.daemon.take()).is_none() {
                    return;
                }
                Input::Emptied { life }
            }
        };
        if let Some(text) = transcript::report_text(&input, &|life| self.who(life)) {
            self.write(Mark::World, text);
        }
        self.step(input);
    }

    fn write(&mut self, mark: Mark, text: String) {
        self.transcript.push(Line { time: self.now, mark, text });
    }

    /// The life of an instance that has processes, for inputs that come from inside it.
    #[must_use]
    pub fn life_of(&self, job: &Name) -> Option<Life> {
        self.lives.iter().find(|(_, body)| body.job.name == *job).map(|(life, _)| *life)
    }
}
