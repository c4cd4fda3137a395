//! Orders to a simulation, as people write them: `event net-up IFACE=eth0`, `stop db`, `shutdown poweroff`.

use alloc::{
    format,
    string::{String, ToString as _},
};

use events::{Args, Event, EventError, Fact, Name};

use crate::{Exit, ProcessKind, Shutdown, Signal, Verb};

/// What whoever plays wants to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// An event happens; the emitter waits.
    Event(Event),
    /// A process inside a job emits an event, and waits.
    EventFrom(Name, Event),
    /// A fact begins.
    Fact(Fact),
    /// A process inside a job sets a fact.
    FactFrom(Name, Fact),
    /// A fact ends.
    Gone(Fact),
    /// A command; the flag says whether it is forced.
    Command(Verb, Name, Args, bool),
    /// A process inside the first job gives a command, and waits.
    CommandFrom(Name, Verb, Name, Args),
    /// A process ends by itself: of a job, an instance of it.
    Exit(Name, String, ProcessKind, Exit),
    /// The mode changes.
    Mode(Name),
    /// The machine goes down.
    Shutdown(Shutdown),
    /// New job files, of this number.
    Reload(u32),
    /// Nothing: time goes on.
    Wait,
    /// The engine is written down and read back.
    Restore,
    /// What jobs do is shown.
    Status,
    /// Why a job is as it is, is shown.
    Why(Name),
}

/// Why a line is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScriptError(pub String);

impl From<EventError> for ScriptError {
    fn from(error: EventError) -> Self {
        Self(error.to_string())
    }
}

/// The order that a line says.
pub fn parse_order(line: &str) -> Result<Order, ScriptError> {
    let mut words = line.split_whitespace();
    let verb = words.next().unwrap_or("");
    let rest = line.trim().get(verb.len()..).unwrap_or("").trim();
    let name = |text: &str| Name::new(text).map_err(|fault| ScriptError(format!("`{text}`: {fault}")));
    Ok(match verb {
        "event" | "emit" => Order::Event(rest.parse()?),
        "fact" | "set" => Order::Fact(fact(rest)?),
        "gone" | "unset" => Order::Gone(fact(rest)?),
        "inside" => {
            let (job, what) =
                rest.split_once(' ').ok_or_else(|| ScriptError("expected `inside JOB event ...`".into()))?;
            // No recursion: what stands behind is never another `inside`.
            let (verb, rest) = what.trim().split_once(' ').unwrap_or((what.trim(), ""));
            match verb {
                "event" | "emit" => Order::EventFrom(name(job)?, rest.parse()?),
                "fact" | "set" => Order::FactFrom(name(job)?, fact(rest)?),
                "start" | "stop" | "restart" | "reload" => {
                    let (verb, other, args, _) = command(verb, rest)?;
                    Order::CommandFrom(name(job)?, verb, other, args)
                }
                _ => return Err(ScriptError("inside a job there are events, facts and commands".into())),
            }
        }
        "start" | "stop" | "restart" | "reload" if !rest.is_empty() && rest.parse::<u32>().is_err() => {
            let (verb, job, args, force) = command(verb, rest)?;
            Order::Command(verb, job, args, force)
        }
        "reload" => Order::Reload(rest.parse().unwrap_or(1)),
        "exit" => exit(rest)?,
        "mode" => Order::Mode(name(rest)?),
        "shutdown" | "poweroff" | "reboot" | "halt" => Order::Shutdown(match (verb, rest) {
            ("reboot", _) | (_, "reboot") => Shutdown::Reboot,
            ("halt", _) | (_, "halt") => Shutdown::Halt,
            (_, "kexec") => Shutdown::Kexec,
            _ => Shutdown::Poweroff,
        }),
        "wait" => Order::Wait,
        "restore" => Order::Restore,
        "status" => Order::Status,
        "why" => Order::Why(name(rest)?),
        _ => {
            return Err(ScriptError(format!(
                "`{verb}` is nothing that can happen; known are: event, fact, gone, start, stop, restart, reload, exit, mode, shutdown, inside, wait, status, why"
            )));
        }
    })
}

/// `JOB K=V ... [--force]`, behind a verb.
fn command(verb: &str, rest: &str) -> Result<(Verb, Name, Args, bool), ScriptError> {
    let verb = match verb {
        "start" => Verb::Start,
        "stop" => Verb::Stop,
        "restart" => Verb::Restart,
        _ => Verb::Reload,
    };
    let mut words = rest.split_whitespace();
    let job = Name::new(words.next().unwrap_or("")).map_err(|fault| ScriptError(fault.to_string()))?;
    let force = words.clone().any(|word| word == "--force");
    Ok((verb, job, Args::parse(words.filter(|word| *word != "--force"))?, force))
}

fn fact(text: &str) -> Result<Fact, ScriptError> {
    let Event { name, args } = text.parse()?;
    // Two objects of one name differ by ID, as a card that is put in again does.
    match args.get("ID").cloned() {
        Some(id) => Ok(Fact { name, identity: events::Identity(id.as_str().into()), args }),
        None => Ok(Fact::named(name, args)),
    }
}

/// `JOB[/INSTANCE] [PROCESS] STATUS-or-SIGNAL`.
fn exit(text: &str) -> Result<Order, ScriptError> {
    let mut words = text.split_whitespace();
    let usage = || ScriptError("expected `exit JOB[/INSTANCE] [PROCESS] STATUS-or-SIGNAL`".into());
    let who = words.next().ok_or_else(usage)?;
    let (job, instance) = who.split_once('/').unwrap_or((who, ""));
    let mut how = words.next().ok_or_else(usage)?;
    let mut process = ProcessKind::Main;
    if let Some(kind) = ProcessKind::ALL.into_iter().find(|kind| kind.name() == how) {
        process = kind;
        how = words.next().ok_or_else(usage)?;
    }
    let exit = match (how.parse::<u8>(), how.parse::<Signal>()) {
        (Ok(code), _) => Exit::Code(code),
        (Err(_), Ok(signal)) => Exit::Signal(signal),
        (Err(_), Err(_)) => {
            return Err(ScriptError(format!("`{how}` is neither an exit status nor a signal")));
        }
    };
    Ok(Order::Exit(
        Name::new(job).map_err(|fault| ScriptError(fault.to_string()))?,
        instance.to_string(),
        process,
        exit,
    ))
}
