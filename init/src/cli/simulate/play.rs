//! A boot being played: each thing that is told, at its time.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use events::{Event, Fact, Name, Time};
use jobs::{
    Input, Job, Origin, Status,
    simulate::{Line, Mark, Order, Simulation, World},
};

use super::{Told, remarks::no_job, wall::Wall};

/// How much may happen: what wakes itself every few seconds has to end some time.
pub const MAX_LINES: usize = 200_000;

/// A boot being played.
pub struct Play {
    pub simulation: Simulation,
    pub lines: Vec<Line>,
    /// Whether more happened than anybody reads.
    pub cut: bool,
    /// What is probably not meant.
    pub remarks: String,
    pub jobs: Vec<Arc<Job>>,
    /// Jobs whose files are refused.
    refused: Vec<Name>,
    /// Events that were told, and facts in the form of events.
    pub told: Vec<Event>,
    /// The clock on the wall, if it is said what it shows.
    pub wall: Option<Wall>,
}

impl Play {
    pub fn new(jobs: Vec<Arc<Job>>, refused: Vec<Name>, world: World, wall: Option<Wall>) -> Self {
        let simulation = Simulation::new(jobs.clone(), world);
        let (lines, told, remarks) = (Vec::new(), Vec::new(), String::new());
        let mut play = Self { simulation, lines, cut: false, remarks, jobs, refused, told, wall };
        play.collect();
        play
    }

    /// Plays all that is told, and for `until` what then happens by itself. A machine that is down is left so.
    pub fn all(&mut self, script: &[Told], until: Duration) -> Result<(), String> {
        for (number, told) in script.iter().enumerate() {
            if !self.go_to(told.time) {
                let rest: Vec<String> =
                    script.iter().skip(number).map(|told| format!("`{}`", told.text)).collect();
                // Writing into a string cannot fail.
                let _ =
                    writeln!(self.remarks, "onsetctl: the machine is down; not played: {}", rest.join(", "));
                return Ok(());
            }
            let played = self.obey(&told.text, &told.order);
            self.collect();
            played.map_err(|fault| format!("{}: `{}`: {fault}", told.place, told.text))?;
        }
        self.rest(self.simulation.now().after(until));
        Ok(())
    }

    /// Lets time go on to where something is told to happen; `false` if the machine is down by then.
    fn go_to(&mut self, time: Time) -> bool {
        let now = self.simulation.now();
        self.rest(Time(time.0.saturating_sub(1)).max(now));
        if self.simulation.down().is_none() {
            self.simulation.run_until(time.max(now));
            self.strike();
            self.collect();
        }
        self.simulation.down().is_none()
    }

    fn collect(&mut self) {
        self.lines.extend(self.simulation.take_transcript());
    }

    /// Looks at the clock on the wall: what has come by it happens.
    fn strike(&mut self) {
        let now = self.simulation.now();
        let Some(wall) = self.wall.as_mut().filter(|_| self.simulation.down().is_none()) else { return };
        for event in wall.come(now) {
            self.simulation.give(Input::Event { event, origin: Origin::World, reply: None });
        }
    }

    /// When something happens next by itself.
    fn next(&mut self) -> Option<Time> {
        let Some(wall) = &mut self.wall else { return self.simulation.next() };
        for fault in wall.watch(self.simulation.watched(), self.simulation.now()) {
            // Writing into a string cannot fail.
            let _ = writeln!(self.remarks, "onsetctl: {fault}");
        }
        [self.simulation.next(), wall.next()].into_iter().flatten().min()
    }

    /// Lets time go on until `until`, or until so much has happened that nobody reads it.
    fn rest(&mut self, until: Time) {
        while let Some(next) = self.next().filter(|next| *next <= until) {
            if self.simulation.down().is_some() {
                return;
            }
            self.simulation.run_until(next);
            self.strike();
            self.collect();
            if self.lines.len() > MAX_LINES {
                self.cut = true;
                return;
            }
        }
        // What is still to come after that is not played: the clock stops where the last thing happened.
    }

    fn obey(&mut self, text: &str, order: &Order) -> Result<(), String> {
        // Whoever plays is root on the machine that is not there.
        let origin = Origin::Person(0);
        let input = match order {
            Order::Event(event) => {
                self.told.push(event.clone());
                Input::Event { event: event.clone(), origin, reply: None }
            }
            Order::EventFrom(job, event) => {
                let (origin, reply) = (self.inside(job)?, Some(self.simulation.ask()));
                Input::Event { event: event.clone(), origin, reply }
            }
            Order::Fact(fact) => {
                self.told.push(Event { name: fact.name.clone(), args: (*fact.args).clone() });
                Input::Began { fact: fact.clone(), origin: Origin::World }
            }
            Order::FactFrom(job, fact) => Input::Began { fact: fact.clone(), origin: self.inside(job)? },
            Order::Gone(fact) => {
                self.remark_on_gone(fact);
                Input::Ended { name: fact.name.clone(), identity: fact.identity.clone() }
            }
            Order::Command(verb, job, args, force) => {
                self.known(job)?;
                let (verb, job, args) = (*verb, job.clone(), args.clone());
                let reply = Some(self.simulation.ask());
                Input::Command { verb, job, args, force: *force, origin, reply }
            }
            Order::CommandFrom(from, verb, job, args) => {
                self.known(job)?;
                let (origin, reply) = (self.inside(from)?, Some(self.simulation.ask()));
                let (verb, job, args) = (*verb, job.clone(), args.clone());
                Input::Command { verb, job, args, force: false, origin, reply }
            }
            Order::Mode(mode) => Input::Mode { mode: mode.clone(), origin },
            Order::Shutdown(kind) => Input::Shutdown { kind: *kind, origin },
            Order::Exit(job, instance, process, exit) => {
                self.known(job)?;
                self.say(Mark::In, text.into());
                if !self.simulation.end_process(job, instance, *process, *exit) {
                    self.lines.pop();
                    return Err(format!("no such process runs at {} ms", self.simulation.now().0));
                }
                return Ok(());
            }
            Order::Status => {
                self.say(Mark::In, text.into());
                let list = self.simulation.engine.list();
                list.iter().for_each(|status| self.say_status(status));
                return Ok(());
            }
            Order::Why(job) => return self.why(job, text),
            Order::Wait => return Ok(()),
            Order::Reload(_) | Order::Restore => return Err("it is for the project's own tests".into()),
        };
        self.simulation.give(input);
        Ok(())
    }

    /// Whether there is such a job.
    fn known(&self, job: &Name) -> Result<(), String> {
        if self.simulation.engine.status(job, "").is_some() {
            Ok(())
        } else if self.refused.contains(job) {
            Err(format!("there is no job `{job}`; its file is refused"))
        } else {
            Err(no_job(job, self.jobs.iter().map(|job| &job.name)))
        }
    }

    /// The origin of what a process of the job does.
    fn inside(&self, job: &Name) -> Result<Origin, String> {
        self.known(job)?;
        let life = self.simulation.life_of(job);
        let life =
            life.ok_or_else(|| format!("no process of {job} runs at {} ms", self.simulation.now().0))?;
        Ok(Origin::Job(life))
    }

    fn remark_on_gone(&mut self, fact: &Fact) {
        let facts = self.simulation.engine.facts();
        if facts.get(&fact.name, &fact.identity).is_none() {
            let held: Vec<String> = facts
                .iter()
                .filter(|known| known.fact.name == fact.name)
                .map(|known| format!("`{}`", known.fact))
                .collect();
            let help = if held.is_empty() { String::new() } else { format!("; {} does", held.join(", ")) };
            // Writing into a string cannot fail.
            let _ = writeln!(
                self.remarks,
                "onsetctl: `gone {fact}` at {} ms: it does not hold{help}",
                self.simulation.now().0
            );
        }
    }

    fn say(&mut self, mark: Mark, text: String) {
        self.lines.push(Line { time: self.simulation.now(), mark, text });
    }

    fn say_status(&mut self, status: &Status) {
        self.say(Mark::Out, format!("  {}", status.to_string().replace('\n', ", ").replace('\t', "")));
        for wait in &status.waits {
            self.say(Mark::Out, format!("    waits for {wait}"));
        }
        if let Some(last) = &status.last {
            self.say(Mark::Out, format!("    {last}"));
        }
    }

    fn why(&mut self, job: &Name, text: &str) -> Result<(), String> {
        self.known(job)?;
        self.say(Mark::In, text.into());
        let Some(why) = self.simulation.engine.why(job, "") else { return Ok(()) };
        self.say_status(&why.status);
        let lived = !why.chain.is_empty();
        for (time, what) in why.chain {
            self.say(Mark::Out, format!("    at {} ms: {what}", time.0));
        }
        let missing = why.condition.iter().filter(|(_, seen)| !seen);
        let missing: Vec<&str> = missing.map(|(leaf, _)| leaf.as_str()).collect();
        if why.status.state == "waiting" && !missing.is_empty() {
            // What made it start once is used up.
            let what = if lived { "waits for the next" } else { "start_on still misses" };
            self.say(Mark::Out, format!("    {what}: {}", missing.join(", ")));
        }
        Ok(())
    }
}
