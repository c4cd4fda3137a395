//! Does what the engine says: each action goes to the part that it concerns.

use jobs::{Action, Console, Format, Input, Life, ProcessKind};

use super::{machine::Machine, notes, people::with_views, purpose::Purpose};
use crate::{
    executor::Start,
    logs::{Level, Output},
    sys::alloc,
};

impl Machine {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn { life, job, instance, process, env, because: _ } => {
                if job.is_purpose && process == ProcessKind::Main {
                    let (job, instance) = (job.name.clone(), instance.clone());
                    self.purpose = Some(Purpose { life, job, instance });
                }
                self.executor.spawn(Start { life, process, job, instance, env });
                self.make_processes();
            }
            Action::Signal { life, signal } => self.executor.signal(&mut self.core.shell(), life, signal),
            Action::SignalMain { life, signal } => {
                self.executor.tell_main(&mut self.core.shell(), life, signal);
            }
            Action::KillHook { life, process } => {
                self.executor.kill_hook(&mut self.core.shell(), life, process);
            }
            Action::KillAll { life } => self.executor.kill_all(&mut self.core.shell(), life),
            Action::Leave { life } => self.executor.leave(&mut self.core.shell(), life),
            Action::Forget { life } => self.forget(life),
            Action::Watch(pattern) => self.sources.watch(&mut self.core.shell(), &pattern),
            Action::Unwatch(pattern) => self.sources.unwatch(&mut self.core.shell(), &pattern),
            Action::Wake(at) => self.wake = at,
            Action::Again => self.again = true,
            Action::Reply(reply, outcome) => {
                let mut shell = self.core.shell();
                with_views!(self, views => self.control.reply(&mut shell, reply, &outcome, &views));
            }
            Action::Tell(event) => {
                if matches!(event.name.as_str(), "local-filesystems" | "filesystem") {
                    self.logs.writable(&mut self.core.shell());
                }
                let mut shell = self.core.shell();
                self.sources.told(&mut shell, &event);
                with_views!(self, views => self.control.tell(&mut shell, &event, &views));
                if self.core.options.debug {
                    self.say(Level::Debug, &format!("event {event}"));
                }
            }
            Action::Note(note) => {
                let (level, text) = notes::text(&note);
                self.say(level, &text);
                self.say_who_is_held(&note);
                self.control.note(&mut self.core.shell(), &note);
            }
            Action::Down(kind) => self.begin_end(kind),
        }
    }

    /// Says something, in Onset's own name.
    pub(super) fn say(&mut self, level: Level, text: &str) {
        self.logs.say(self.core.now, level, text);
    }

    /// Makes the processes whose turn it is.
    pub(super) fn make_processes(&mut self) {
        while let Some(start) = self.executor.next(self.core.now) {
            self.make(&start);
        }
    }

    fn make(&mut self, start: &Start) {
        let Start { life, process, ref job, ref instance, .. } = *start;
        if alloc::is_short() {
            self.core.shell().report(Input::Starved { life, process, what: "memory".into() });
            return;
        }
        let piece = match self.works.piece(job.work) {
            Ok(piece) => piece,
            Err(error) => {
                let why = format!("load: what it runs is lost: {error}").into();
                self.core.shell().report(Input::Unspawned { life, process, why });
                return;
            }
        };
        self.executor.make_room();
        self.executor.set_booting(!self.boot.has_settled());
        let output = match piece.work.console {
            Console::None => Output::Null,
            Console::Log => self.logs.output_for(&mut self.core.shell(), life, &job.name, instance),
            Console::Output => Output::Console,
            // A script that may ask something at boot is no reason to take the terminal from who works there.
            Console::Owner if matches!(job.format, Format::Lsb | Format::Rcd) => {
                match self.logs.output_for(&mut self.core.shell(), life, &job.name, instance) {
                    Output::Pipe(pipe) => Output::Offered(pipe),
                    output @ (Output::Null | Output::Console | Output::Owner | Output::Offered(_)) => output,
                }
            }
            Console::Owner => Output::Owner,
        };
        let sockets = &mut self.sources.sockets;
        let given = sockets.give(&mut self.core.shell(), job, instance, &piece.work, process);
        if self.executor.make(&mut self.core.shell(), start, &piece, output, given) {
            self.sources.sockets.made(&piece.work, instance, process);
        }
    }

    fn forget(&mut self, life: Life) {
        self.executor.forget(&mut self.core.shell(), life);
        self.logs.forget(&mut self.core.shell(), life);
    }
}
