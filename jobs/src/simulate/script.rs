//! Orders to a simulation, as people write them: `event net-up IFACE=eth0`, `stop db`, `shutdown poweroff`.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use events::{Args, Event, EventError, Fact, Name};

use crate::{Exit, ProcessKind, Shutdown, Signal, Verb};

/// What people may order, and how it is written.
pub const ORDERS: [(&str, &str); 14] = [
    ("event", "event NAME [KEY=VALUE ...]"),
    ("fact", "fact NAME [KEY=VALUE ...]"),
    ("gone", "gone NAME [KEY=VALUE ...]"),
    ("start", "start JOB [KEY=VALUE ...]"),
    ("stop", "stop JOB [KEY=VALUE ...]"),
    ("restart", "restart JOB [KEY=VALUE ...]"),
    ("reload", "reload JOB [KEY=VALUE ...]"),
    ("exit", "exit JOB[/INSTANCE] [PROCESS] STATUS-or-SIGNAL"),
    ("mode", "mode NAME"),
    ("shutdown", "shutdown poweroff/reboot/halt/kexec"),
    ("inside", "inside JOB event/fact/start/stop/restart/reload ..."),
    ("wait", "wait"),
    ("status", "status"),
    ("why", "why JOB"),
];

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
    let (verb, rest) = split_word(line);
    let name = |text: &str| match text {
        "" => Err(expected(verb)),
        text => Name::new(text).map_err(|fault| ScriptError(format!("`{text}`: {fault}"))),
    };
    Ok(match verb {
        "event" | "emit" => Order::Event(event(verb, rest)?),
        "fact" | "set" => Order::Fact(fact(verb, rest)?),
        "gone" | "unset" => Order::Gone(fact(verb, rest)?),
        "inside" => {
            let (job, what) = split_word(rest);
            let job = name(job)?;
            // No recursion: what stands behind is never another `inside`.
            match split_word(what) {
                (verb @ ("event" | "emit"), rest) => Order::EventFrom(job, event(verb, rest)?),
                (verb @ ("fact" | "set"), rest) => Order::FactFrom(job, fact(verb, rest)?),
                (verb @ ("start" | "stop" | "restart" | "reload"), rest) => {
                    let (verb, other, args, _) = command(verb, rest)?;
                    Order::CommandFrom(job, verb, other, args)
                }
                _ => return Err(expected(verb)),
            }
        }
        "reload" if rest.parse::<u32>().is_ok() => Order::Reload(rest.parse().unwrap_or(1)),
        "start" | "stop" | "restart" | "reload" => {
            let (verb, job, args, force) = command(verb, rest)?;
            Order::Command(verb, job, args, force)
        }
        "exit" => exit(rest)?,
        "mode" => Order::Mode(name(rest)?),
        "shutdown" => Order::Shutdown(
            [Shutdown::Poweroff, Shutdown::Reboot, Shutdown::Halt, Shutdown::Kexec]
                .into_iter()
                .find(|kind| kind.name() == rest)
                .ok_or_else(|| expected(verb))?,
        ),
        "wait" => Order::Wait,
        "restore" => Order::Restore,
        "status" => Order::Status,
        "why" => Order::Why(name(rest)?),
        _ => {
            let known: Vec<&str> = ORDERS.iter().map(|(word, _)| *word).collect();
            let help = match crate::did_you_mean(verb, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known are: {}", known.join(", ")),
            };
            return Err(ScriptError(format!("`{verb}` is nothing that can happen; {help}")));
        }
    })
}

/// The first word, and what stands behind it.
fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// Says how an order is written.
fn expected(verb: &str) -> ScriptError {
    let word = match verb {
        "emit" => "event",
        "set" => "fact",
        "unset" => "gone",
        verb => verb,
    };
    let form = ORDERS.iter().find(|(known, _)| *known == word).map_or(word, |(_, form)| form);
    ScriptError(format!("expected `{form}`"))
}

/// `JOB K=V ... [--force]`, behind a verb.
fn command(word: &str, rest: &str) -> Result<(Verb, Name, Args, bool), ScriptError> {
    let verb = match word {
        "start" => Verb::Start,
        "stop" => Verb::Stop,
        "restart" => Verb::Restart,
        _ => Verb::Reload,
    };
    let mut words = rest.split_whitespace();
    let job = words.next().ok_or_else(|| expected(word))?;
    let job = Name::new(job).map_err(|fault| ScriptError(format!("`{job}`: {fault}")))?;
    let force = words.clone().any(|word| word == "--force");
    Ok((verb, job, Args::parse(words.filter(|word| *word != "--force"))?, force))
}

fn event(verb: &str, text: &str) -> Result<Event, ScriptError> {
    text.parse().map_err(|fault| match fault {
        EventError::Missing => expected(verb),
        EventError::NotKeyValue(value) => {
            let (name, _) = split_word(text);
            let key = if name == "runlevel" { "RUNLEVEL" } else { "KEY" };
            let fault = EventError::NotKeyValue(value.clone());
            ScriptError(format!("{fault}: it is written so: `{name} {key}={value}`"))
        }
        fault @ (EventError::Name(..)
        | EventError::Key(..)
        | EventError::Value(..)
        | EventError::Quote
        | EventError::TooManyArgs) => fault.into(),
    })
}

fn fact(verb: &str, text: &str) -> Result<Fact, ScriptError> {
    let Event { name, args } = event(verb, text)?;
    // Two objects of one name differ by ID, as a card that is put in again does.
    match args.get("ID").cloned() {
        Some(id) => Ok(Fact { name, identity: events::Identity(id.as_str().into()), args: args.into() }),
        None => Ok(Fact::named(name, args)),
    }
}

/// `JOB[/INSTANCE] [PROCESS] STATUS-or-SIGNAL`.
fn exit(text: &str) -> Result<Order, ScriptError> {
    let mut words = text.split_whitespace();
    let usage = || expected("exit");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, fault: &str) {
        assert_eq!(parse_order(line).unwrap_err().0, fault, "{line}");
    }

    #[test]
    fn an_order_that_lacks_something_is_told_how_it_is_written() {
        check("start", "expected `start JOB [KEY=VALUE ...]`");
        check("reload", "expected `reload JOB [KEY=VALUE ...]`");
        check("mode", "expected `mode NAME`");
        check("event", "expected `event NAME [KEY=VALUE ...]`");
        check("shutdown bla", "expected `shutdown poweroff/reboot/halt/kexec`");
        check("shutdown", "expected `shutdown poweroff/reboot/halt/kexec`");
        check("exit db", "expected `exit JOB[/INSTANCE] [PROCESS] STATUS-or-SIGNAL`");
        check("inside db", "expected `inside JOB event/fact/start/stop/restart/reload ...`");
        check(
            "event runlevel 2",
            "argument `2` is not of the form KEY=VALUE: it is written so: `runlevel RUNLEVEL=2`",
        );
        check("shutdwn halt", "`shutdwn` is nothing that can happen; did you mean `shutdown`?");
    }

    #[test]
    fn every_order_that_is_named_is_known() {
        for (word, form) in ORDERS {
            assert_eq!(form.split(' ').next(), Some(word));
            let fault = parse_order(word).map_or_else(|fault| fault.0, |_| String::new());
            assert!(fault.is_empty() || fault == format!("expected `{form}`"), "{word}: {fault}");
        }
    }
}
