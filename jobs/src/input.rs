//! What comes in: everything that the engine ever hears of.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use core::time::Duration;

use events::{Args, Event, Fact, Fold, Identity, Name};
use serde::{Deserialize, Serialize};

use crate::{Exit, Job, Pid, ProcessKind};

/// One life of an instance. Every report about a process carries it, so that a late one, about a life that
/// is over, is known and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Life {
    /// The instance's place in the engine.
    pub place: u32,
    /// A number that no other life has.
    pub number: u64,
}

/// Somebody outside who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplyId(pub u64);

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// The machine itself: kernel, network, clock, file system.
    World,
    /// A person or program outside any job, with its user id.
    Person(u32),
    /// A process inside a job's life.
    Job(Life),
}

/// Everything that the engine ever hears of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Something happened. Who waits gets an answer when all that it caused is done.
    Event {
        /// What.
        event: Event,
        /// By whom.
        origin: Origin,
        /// Who waits until it has been worked off.
        reply: Option<ReplyId>,
    },
    /// Something holds from now on, or holds with other arguments.
    Began {
        /// What.
        fact: Fact,
        /// By whom; set from inside a job it ends with that life.
        origin: Origin,
    },
    /// Something holds no longer.
    Ended {
        /// What kind of fact.
        name: Name,
        /// Which object.
        identity: Identity,
    },
    /// Somebody says what a job shall do.
    Command {
        /// What.
        verb: Verb,
        /// Which job, or which provision.
        job: Name,
        /// Which instance, and variables for it.
        args: Args,
        /// Whether it shall be done although a condition or mode says no.
        force: bool,
        /// By whom.
        origin: Origin,
        /// Who waits.
        reply: Option<ReplyId>,
    },
    /// A process was executed.
    Spawned {
        /// Of which life.
        life: Life,
        /// Which of its processes.
        process: ProcessKind,
        /// Its id.
        pid: Pid,
    },
    /// A process could not be executed, by the job's own fault.
    Unspawned {
        /// Of which life.
        life: Life,
        /// Which of its processes.
        process: ProcessKind,
        /// At which step, for people: `exec: no such file`.
        why: Box<str>,
    },
    /// A process could not be made because the system has no room; that is not the job's fault.
    Starved {
        /// Of which life.
        life: Life,
        /// Which of its processes.
        process: ProcessKind,
        /// What there is too little of: `pids`, `memory`, `descriptors`.
        what: Box<str>,
    },
    /// A process ended.
    Exited {
        /// Of which life.
        life: Life,
        /// Which of its processes.
        process: ProcessKind,
        /// How.
        exit: Exit,
        /// Whether other processes of the life are left.
        left: bool,
    },
    /// A life is ready, or has said which process is main.
    Ready {
        /// Which life.
        life: Life,
        /// Its main process.
        main: Option<Pid>,
    },
    /// No process of a life is left.
    Emptied {
        /// Which life.
        life: Life,
    },
    /// The machine is in another mode.
    Mode {
        /// Which.
        mode: Name,
        /// By whom.
        origin: Origin,
    },
    /// A new generation of jobs is in force.
    Reload {
        /// All jobs that could be read.
        jobs: Vec<Arc<Job>>,
        /// Jobs whose files could not be read: they stay as they were.
        refused: Vec<Name>,
    },
    /// The machine shall go down.
    Shutdown {
        /// How.
        kind: Shutdown,
        /// By whom.
        origin: Origin,
    },
    /// A life asks for more time for what it is doing.
    Extended {
        /// Which life.
        life: Life,
        /// How much, from now on.
        by: Duration,
    },
}

/// What somebody wants of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// To be up.
    Start,
    /// To be down.
    Stop,
    /// To be down, and then up.
    Restart,
    /// To read its configuration again.
    Reload,
}

impl Verb {
    /// Its name, as people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }
}

/// How the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Shutdown {
    Poweroff,
    Reboot,
    Halt,
    Kexec,
}

impl Shutdown {
    /// Its name, as in `shutdown KIND=poweroff`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poweroff => "poweroff",
            Self::Reboot => "reboot",
            Self::Halt => "halt",
            Self::Kexec => "kexec",
        }
    }

    /// Its run level.
    #[must_use]
    pub const fn level(self) -> &'static str {
        match self {
            Self::Poweroff | Self::Halt => "0",
            Self::Reboot | Self::Kexec => "6",
        }
    }
}

impl Fold for Input {
    fn folds_into(&self, later: &Self) -> bool {
        let (Self::Began { fact: a, origin: Origin::World }, Self::Began { fact: b, origin: Origin::World }) =
            (self, later)
        else {
            return false;
        };
        a.name == b.name && a.identity == b.identity && a.args.keys_within(&b.args)
    }

    fn size(&self) -> usize {
        let args = match self {
            Self::Event { event, .. } => event.args.size(),
            Self::Began { fact, .. } => fact.args.size().saturating_add(fact.identity.0.len()),
            Self::Command { args, .. } => args.size(),
            Self::Ended { identity, .. } => identity.0.len(),
            // These are our own, and are not counted in bytes.
            Self::Mode { .. }
            | Self::Reload { .. }
            | Self::Shutdown { .. }
            | Self::Spawned { .. }
            | Self::Unspawned { .. }
            | Self::Starved { .. }
            | Self::Exited { .. }
            | Self::Ready { .. }
            | Self::Emptied { .. }
            | Self::Extended { .. } => 0,
        };
        size_of::<Self>().saturating_add(args)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use events::{Bus, Fact};

    use super::*;
    use crate::simulate::{Order, parse_order};

    /// A line of a play as an input; `inside` for what a job sends.
    fn input(line: &str) -> Input {
        let (inside, line) = match line.strip_prefix("inside ") {
            Some(line) => (true, line),
            None => (false, line),
        };
        let began = |fact: Fact| {
            let origin = if inside { Origin::Person(0) } else { Origin::World };
            Input::Began { fact, origin }
        };
        let order = parse_order(line).unwrap();
        if let Order::Fact(fact) = order {
            return began(fact);
        }
        if let Order::Gone(fact) = order {
            return Input::Ended { name: fact.name.clone(), identity: fact.identity };
        }
        let Order::Event(event) = order else { panic!("{order:?}") };
        Input::Event { event, origin: Origin::World, reply: None }
    }

    /// Of these inputs, `left` are left in the queue.
    #[track_caller]
    fn check(lines: &[&str], left: usize) {
        let mut bus = Bus::new(64);
        let inputs: Vec<Input> = lines.iter().map(|line| input(line)).collect();
        let last = inputs.last().cloned();
        inputs.into_iter().for_each(|input| bus.push(events::Sender::World, input).unwrap());
        let queue = bus.take(64);
        assert_eq!((queue.len(), queue.last()), (left, last.as_ref()), "{lines:?}");
    }

    #[test]
    fn changes_of_one_object_fold_if_nothing_is_lost() {
        check(&["fact link IFACE=eth0 ID=3", "fact link IFACE=eth0 ID=3 SPEED=100"], 1);
        check(&["fact link IFACE=eth0 ID=3 SPEED=10", "fact link IFACE=eth0 ID=3 SPEED=100"], 1);
        check(&["fact link IFACE=eth0 ID=3 SPEED=10", "fact link IFACE=eth0 ID=3"], 2);
    }

    #[test]
    fn nothing_folds_over_another_object_or_over_an_up_or_down() {
        check(&["fact link IFACE=eth0 ID=3", "fact link IFACE=eth0 ID=5"], 2);
        check(&["fact device IFACE=eth0 ID=3", "fact link IFACE=eth0 ID=3"], 2);
        check(&["fact link ID=3", "fact link ID=4", "fact link ID=3"], 3);
        check(&["fact link ID=3", "gone link ID=3", "fact link ID=3"], 3);
        check(&["gone link ID=3", "gone link ID=3"], 2);
        check(&["fact link ID=3", "event net-device-up IFACE=eth0", "fact link ID=3"], 3);
    }

    #[test]
    fn events_and_what_people_say_never_fold() {
        check(&["event net-device-up IFACE=eth0", "event net-device-up IFACE=eth0"], 2);
        check(&["inside fact link ID=3", "inside fact link ID=3"], 2);
    }
}
