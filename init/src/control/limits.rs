//! Every bound, for people who want to know them.

use events::{Bus, MAX_ARGS, MAX_LEAVES, Sender, control};
use jobs::{Input, MAX_CHAIN, MAX_INSTANCES, MAX_QUEUE, STEP_BOUND};
use serde::Serialize;
use serde_json::{Value, json};

use super::{client, clients, clients::Clients, listener, order::Views, turns};
use crate::pid1::{machine, shell};

/// A bound, and how far it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// What it is called.
    pub name: &'static str,
    /// How much there may be.
    pub value: u64,
    /// How much there is, where that can be said.
    pub used: Option<u64>,
    /// What of, and what happens at the bound.
    pub what: &'static str,
}

/// All bounds and counters.
pub fn all(clients: &Clients, views: &Views<'_>, bus: &Bus<Input>) -> Value {
    let (connected, most) = clients.count();
    let (causes, events, timers) = views.engine.kept();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let millis = |length: core::time::Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let limit = |name, value: usize, what| Limit { name, value: count(value), used: None, what };
    let time = |name, length, what| Limit { name, value: millis(length), used: None, what };
    let mut limits = vec![
        Limit {
            name: "clients",
            value: count(most),
            used: Some(count(connected)),
            what: "connections; then the one that is idle for longest goes",
        },
        limit("clients-of-one-user", clients::EACH, "connections of one user; more are refused"),
        limit("clients-kept-for-root", clients::KEPT, "connections that others leave to root"),
        limit("accepts-per-turn", listener::ACCEPTS_PER_TURN, "new connections in one turn of the loop"),
        limit(
            "calls-per-turn",
            turns::WORK,
            "calls in one turn of the loop; one that looks at all jobs counts 40",
        ),
        limit(
            "message",
            control::MAX_MESSAGE,
            "bytes of a message of root; a longer one ends the connection",
        ),
        limit("message-of-others", control::MAX_MESSAGE_OF_OTHERS, "bytes of a message of anybody else"),
        limit("message-depth", control::MAX_DEPTH, "lists and objects in each other in a message"),
        limit("message-values", control::MAX_VALUES, "values in a message"),
        limit("answer", client::MAX_ANSWER, "bytes of one answer; longer ones come in parts"),
        limit("unread", client::LOW_WATER, "bytes that a client has not read; then it is told nothing new"),
        Limit {
            name: "allowance",
            value: clients::ALLOWANCE.into(),
            used: None,
            what: "requests of one user other than root in a window; a list counts 40",
        },
        time("allowance-window-ms", clients::WINDOW, "until an allowance is there anew"),
        time("half-message-ms", client::HALF_MESSAGE, "from the first byte of a message to its last"),
        time("unread-ms", client::UNREAD, "until a client goes that takes nothing of its answer"),
        limit("event-args", MAX_ARGS, "arguments of an event or fact"),
        limit("condition-leaves", MAX_LEAVES, "patterns in a condition"),
        limit("instances-of-a-job", MAX_INSTANCES, "instances of one job; further starts are refused"),
        limit("queued-starts", MAX_QUEUE, "start events that wait for one instance to be down"),
        limit("step", STEP_BOUND, "events and moves of the engine in one turn; then others have their turn"),
        limit("causes-in-a-chain", usize::from(MAX_CHAIN), "causes that `why` goes back"),
        Limit {
            name: "causes",
            value: u64::MAX,
            used: Some(count(causes)),
            what: "causes kept: those of living instances",
        },
        Limit { name: "events", value: u64::MAX, used: Some(count(events)), what: "events under way" },
        Limit { name: "timers", value: u64::MAX, used: Some(count(timers)), what: "times waited for" },
    ];
    let waits = |name, sender, value, what| Limit {
        name,
        value: count(value),
        used: Some(count(bus.count(sender).now)),
        what,
    };
    limits.extend([
        waits(
            "waits-of-people",
            Sender::People,
            shell::PEOPLE.items,
            "that people and programs say waits; then they are told to try again",
        ),
        limit("waits-of-people-kept", shell::KEPT_FOR_COMMANDS, "of these for commands alone"),
        waits(
            "waits-of-the-world",
            Sender::World,
            shell::WORLD.items,
            "that sources say waits; then the rest waits in the kernel",
        ),
        waits("waits-of-our-own", Sender::Own, machine::BUS, "reports of what Onset has begun wait"),
        limit("waits-bytes", shell::PEOPLE.bytes, "bytes of arguments wait, of people and of the world each"),
    ]);
    limits.extend((views.limits)());
    let counters = views.engine.counters();
    let counter = |(name, value): (&str, u64)| json!({ "name": name, "value": value });
    let of = |sender| *bus.count(sender);
    let counters = [
        ("events", counters.events),
        ("starts", counters.starts),
        ("dropped", counters.dropped),
        ("rings", counters.rings),
        ("bounds", counters.bounds),
        ("most-of-people", count(of(Sender::People).most)),
        ("most-of-the-world", count(of(Sender::World).most)),
        ("most-of-our-own", count(of(Sender::Own).most)),
        ("folded", of(Sender::World).folded),
        ("refused-of-people", of(Sender::People).refused),
        ("lost-of-the-world", of(Sender::World).refused),
        ("lost-of-our-own", of(Sender::Own).refused),
    ];
    json!({ "limits": limits, "counters": counters.map(counter) })
}
