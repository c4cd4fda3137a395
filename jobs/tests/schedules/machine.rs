//! The machine around an engine: it does at once what it is asked for, and reports when the schedule says so.
//! The reports of one life keep their order; those of different lives come in any.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use events::Text;
use jobs::{Action, Exit, Input, Job, Life, Outcome, Pid, ProcessKind, Ready, ReplyId, Signal};

use crate::random::Random;

/// What the machine has of a life.
#[derive(Debug)]
pub struct Body {
    pub job: Arc<Job>,
    pub key: Text,
    nature: Nature,
    processes: BTreeMap<ProcessKind, Process>,
    /// Processes that main left behind, and whether they have been told to end.
    left: Option<bool>,
    /// Whether all was killed and that nothing is left is still to be said.
    killed: bool,
    said_ready: bool,
    pub reports: VecDeque<Input>,
    /// What the engine must think is there.
    known: BTreeSet<ProcessKind>,
    known_left: bool,
    /// What the engine hears of in this very step that it is not there any more.
    ending: BTreeSet<ProcessKind>,
    /// What the system had no room for, so that the engine asks again.
    starved: Option<ProcessKind>,
    over: bool,
}

#[derive(Debug, Clone, Copy)]
struct Process {
    pid: Pid,
    /// Whether it was told to end, and by which signal.
    told: Option<Signal>,
}

/// What the processes of a life are like.
#[derive(Debug, Clone, Copy)]
struct Nature {
    /// This cannot be executed.
    fails: Option<ProcessKind>,
    /// This ends badly.
    bad: Option<ProcessKind>,
    /// This never ends by itself.
    hangs: Option<ProcessKind>,
    /// For this there is no room, so many times.
    starves: Option<(ProcessKind, u32)>,
    ignores_signals: bool,
    leaves: bool,
    says_ready: bool,
}

impl Nature {
    fn of(random: &mut Random) -> Self {
        let kind = |random: &mut Random, percent| {
            random.chance(percent).then(|| ProcessKind::ALL[random.below(ProcessKind::ALL.len())])
        };
        Self {
            fails: kind(random, 20),
            bad: kind(random, 30),
            hangs: kind(random, 30),
            starves: kind(random, 25).map(|kind| (kind, if random.chance(30) { u32::MAX } else { 2 })),
            ignores_signals: random.chance(20),
            leaves: random.chance(50),
            says_ready: random.chance(80),
        }
    }
}

#[derive(Debug, Default)]
pub struct Machine {
    pub bodies: BTreeMap<Life, Body>,
    pids: u32,
    pub asked: BTreeMap<ReplyId, Option<Outcome>>,
    pub wake: Option<events::Time>,
    pub down: u32,
}

impl Machine {
    pub fn ask(&mut self) -> ReplyId {
        let id = ReplyId(self.asked.len() as u64);
        self.asked.insert(id, None);
        id
    }

    /// Does what the engine wants, unless it may not want that.
    pub fn perform(&mut self, action: &Action, random: &mut Random) -> Result<(), String> {
        match action {
            Action::Spawn { life, job, instance, process, .. } => {
                self.spawn(*life, job, instance, *process, random)?;
            }
            Action::Signal { life, signal } => {
                let body = self.body(*life, action)?;
                let known = body.known.contains(&ProcessKind::Main) || body.known_left;
                demand(known, || format!("{action:?}, and it has no main process"))?;
                body.signal(*signal);
            }
            Action::SignalMain { life, .. } => {
                let body = self.body(*life, action)?;
                let known = body.known.contains(&ProcessKind::Main) || body.known_left;
                demand(known, || format!("{action:?}, and it has no main process"))?;
            }
            Action::KillHook { life, process } => {
                let body = self.body(*life, action)?;
                demand(body.known.contains(process), || format!("{action:?}, which was not asked for"))?;
                body.kill(*process);
            }
            Action::KillAll { life } => {
                let body = self.body(*life, action)?;
                for kind in body.processes.keys().copied().collect::<Vec<_>>() {
                    body.kill(kind);
                }
                body.left = body.left.map(|_| true);
                body.killed = true;
                body.say_if_empty(*life);
            }
            Action::Leave { life } => {
                let body = self.body(*life, action)?;
                (body.left, body.known_left) = (None, false);
                body.processes.remove(&ProcessKind::Main);
            }
            Action::Forget { life } => self.forget(*life)?,
            Action::Reply(id, outcome) => {
                let Some(answer) = self.asked.get_mut(id) else { return Err(format!("{action:?} unasked")) };
                demand(answer.is_none(), || format!("{action:?}, and before that {answer:?}"))?;
                *answer = Some(outcome.clone());
            }
            Action::Wake(time) => self.wake = *time,
            Action::Down(_) => self.down += 1,
            Action::Watch(_) | Action::Unwatch(_) | Action::Again | Action::Tell(_) | Action::Note(_) => {}
        }
        Ok(())
    }

    fn body(&mut self, life: Life, action: &Action) -> Result<&mut Body, String> {
        let body = self.bodies.get_mut(&life).filter(|body| !body.over);
        body.ok_or_else(|| format!("{action:?}, and that life has no process"))
    }

    fn spawn(
        &mut self,
        life: Life,
        job: &Arc<Job>,
        key: &Text,
        process: ProcessKind,
        random: &mut Random,
    ) -> Result<(), String> {
        if process == ProcessKind::Main {
            for (other, body) in &self.bodies {
                let same = body.job.name == job.name && body.key == *key;
                let there = body.processes.contains_key(&process) || body.left.is_some();
                demand(!(same && there), || {
                    format!("{} ({key}): main of {life:?} is asked for, and {other:?} has one", job.name)
                })?;
            }
        }
        let body = self.bodies.entry(life).or_insert_with(|| Body {
            job: job.clone(),
            key: key.clone(),
            nature: Nature::of(random),
            processes: BTreeMap::new(),
            left: None,
            killed: false,
            said_ready: false,
            reports: VecDeque::new(),
            known: BTreeSet::new(),
            known_left: false,
            ending: BTreeSet::new(),
            starved: None,
            over: false,
        });
        demand(!body.over, || format!("{} {process}: asked for in a life that is over", job.name))?;
        let free =
            process == ProcessKind::Reload || body.known.insert(process) || body.ending.remove(&process);
        demand(free, || format!("{} ({key}) {process}: asked for, and it is there", job.name))?;
        self.pids += 1;
        body.spawn(life, process, Pid(self.pids));
        Ok(())
    }

    fn forget(&mut self, life: Life) -> Result<(), String> {
        let Some(body) = self.bodies.get_mut(&life) else { return Ok(()) };
        let left = body.processes.iter().find(|(kind, process)| {
            **kind != ProcessKind::Reload && !(**kind == ProcessKind::Stop && process.told.is_some())
        });
        demand(left.is_none() && body.left.is_none(), || {
            format!("{} ({}): forgotten, and there is {left:?}, {:?}", body.job.name, body.key, body.left)
        })?;
        body.over = true;
        if body.reports.is_empty() {
            self.bodies.remove(&life);
        }
        Ok(())
    }

    /// The next report of a life.
    pub fn report(&mut self, life: Life) -> Option<Input> {
        let body = self.bodies.get_mut(&life)?;
        let report = body.reports.pop_front()?;
        if let Input::Unspawned { process, .. } | Input::Exited { process, .. } = &report {
            body.ending.insert(*process);
        }
        Some(report)
    }

    /// The engine has worked this report off, and knows what it said.
    pub fn learn(&mut self, life: Life, report: &Input) {
        let Some(body) = self.bodies.get_mut(&life) else { return };
        match report {
            Input::Unspawned { process, .. } => body.ended(*process),
            Input::Starved { process, .. } => {
                body.known.remove(process);
                body.starved = Some(*process);
            }
            Input::Spawned { process, .. } => body.starved = body.starved.filter(|it| it != process),
            Input::Exited { process, left, .. } => {
                body.ended(*process);
                body.known_left |= *process == ProcessKind::Main && *left;
            }
            Input::Ready { main: Some(_), .. } => {
                body.known.insert(ProcessKind::Main);
            }
            Input::Emptied { .. } => {
                body.known_left = false;
                body.known.retain(|kind| !matches!(kind, ProcessKind::Main | ProcessKind::Stop));
            }
            Input::Ready { main: None, .. }
            | Input::Extended { .. }
            | Input::Event { .. }
            | Input::Began { .. }
            | Input::Ended { .. }
            | Input::Command { .. }
            | Input::Mode { .. }
            | Input::Reload { .. }
            | Input::Shutdown { .. } => {}
        }
        if body.over && body.reports.is_empty() {
            self.bodies.remove(&life);
        }
    }

    pub fn lives(&self, which: impl Fn(&Body) -> bool) -> Vec<Life> {
        self.bodies.iter().filter(|(_, body)| which(body)).map(|(life, _)| *life).collect()
    }

    /// Whether the world owes something to an instance: a report, or the end of a process.
    pub fn owes(&self, job: &str, key: &str) -> bool {
        self.bodies.values().any(|body| {
            let there = !body.processes.is_empty() || body.left.is_some() || !body.reports.is_empty();
            body.job.name == *job && body.key == *key && !body.over && (there || body.starved.is_some())
        })
    }
}

impl Body {
    /// The engine knows that a process is not there any more, unless it has asked for it anew already.
    fn ended(&mut self, process: ProcessKind) {
        if self.ending.remove(&process) {
            self.known.remove(&process);
        }
    }

    fn spawn(&mut self, life: Life, process: ProcessKind, pid: Pid) {
        if let Some((kind, times)) = &mut self.nature.starves
            && *kind == process
            && *times > 0
        {
            *times -= u32::from(*times < u32::MAX);
            return self.reports.push_back(Input::Starved { life, process, what: "pids".into() });
        }
        if self.nature.fails == Some(process) {
            return self.reports.push_back(Input::Unspawned { life, process, why: "no such file".into() });
        }
        self.processes.insert(process, Process { pid, told: None });
        self.reports.push_back(Input::Spawned { life, process, pid });
    }

    fn signal(&mut self, signal: Signal) {
        if signal == Signal::HUP || (self.nature.ignores_signals && signal != Signal::KILL) {
            return;
        }
        match self.processes.get_mut(&ProcessKind::Main) {
            Some(main) => main.told = Some(signal),
            None => self.left = self.left.map(|_| true),
        }
    }

    fn kill(&mut self, process: ProcessKind) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.told = Some(Signal::KILL);
        }
    }

    fn say_if_empty(&mut self, life: Life) {
        if self.killed && self.processes.is_empty() && self.left.is_none() {
            self.killed = false;
            self.reports.push_back(Input::Emptied { life });
        }
    }

    /// What can happen in a life now. `calm`: only what must happen some time.
    pub fn happenings(&self, calm: bool) -> Vec<Happening> {
        let mut found = Vec::new();
        for (&kind, process) in &self.processes {
            let stays = kind == ProcessKind::Main && !self.job.task && self.job.ready != Ready::Forked;
            let by_itself = self.nature.hangs != Some(kind) && !(stays && calm);
            if process.told.is_some() || by_itself {
                found.push(Happening::End(kind));
            }
        }
        let says_so = !matches!(self.job.ready, Ready::Spawned | Ready::Forked | Ready::Socket);
        let main = self.processes.contains_key(&ProcessKind::Main);
        if says_so && !self.said_ready && self.nature.says_ready && (main || self.left.is_some()) {
            found.push(Happening::Ready);
        }
        if self.left.is_some_and(|told| told || !calm) {
            found.push(Happening::Empty);
        }
        found
    }

    pub fn happen(&mut self, life: Life, what: Happening, random: &mut Random) {
        match what {
            Happening::End(process) => self.end(life, process, random),
            Happening::Ready => {
                self.said_ready = true;
                let main = self.processes.get(&ProcessKind::Main).map(|main| main.pid);
                let named = match main {
                    Some(pid) => random.chance(50).then_some(pid),
                    None => {
                        // One of those who were left behind is main from now on.
                        let told = self.left.take().and_then(|told| told.then_some(Signal::TERM));
                        let pid = Pid(1_000_000 + life.number as u32);
                        self.processes.insert(ProcessKind::Main, Process { pid, told });
                        Some(pid)
                    }
                };
                self.reports.push_back(Input::Ready { life, main: named });
            }
            Happening::Empty => {
                self.left = None;
                if self.killed {
                    self.say_if_empty(life);
                } else {
                    self.reports.push_back(Input::Emptied { life });
                }
            }
        }
    }

    fn end(&mut self, life: Life, process: ProcessKind, random: &mut Random) {
        let Some(ended) = self.processes.remove(&process) else { return };
        let exit = match ended.told {
            Some(signal) if random.chance(70) => Exit::Signal(signal),
            _ if self.nature.bad == Some(process) => Exit::Code(1),
            _ => Exit::Code(0),
        };
        let killed = ended.told == Some(Signal::KILL);
        if process == ProcessKind::Main && self.nature.leaves && !killed && !self.said_ready {
            self.left = Some(false);
        }
        let left = self.left.is_some() || (process != ProcessKind::Main && !self.processes.is_empty());
        self.reports.push_back(Input::Exited { life, process, exit, left });
        self.say_if_empty(life);
    }
}

/// Something that happens in a life by itself.
#[derive(Debug, Clone, Copy)]
pub enum Happening {
    End(ProcessKind),
    Ready,
    Empty,
}

pub fn demand(holds: bool, fault: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault()) }
}
