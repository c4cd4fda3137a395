//! What every part of PID 1 needs of the others, lent to it for one call.

use events::{Bus, BusFull, Room, Sender, Time};
use jobs::Input;

use super::{options::Options, token::Token};
use crate::sys::poll::Poll;

/// What is lent to a part of PID 1 while it works.
pub struct Shell<'s> {
    /// Where descriptors are waited for.
    pub poll: &'s mut Poll<Token>,
    /// The queue into the engine: what a part has found out goes in here.
    pub bus: &'s mut Bus<Input>,
    /// Milliseconds since boot (`CLOCK_BOOTTIME`).
    pub now: Time,
    /// What this run of PID 1 was asked to be.
    pub options: &'s Options,
}

/// How much of the world waits at most before it is not listened to.
pub const WORLD: Room = Room { items: 2048, bytes: 1 << 20 };
/// How much of what people and programs say waits at most before they are told to try again.
pub const PEOPLE: Room = Room { items: 4096, bytes: 1 << 20 };
/// What of it is left to those who say what a job or the machine shall do, and do not only tell what happens.
pub const KEPT_FOR_COMMANDS: usize = 1024;

impl Shell<'_> {
    /// How many inputs a source may add now. It reads no more than that: the rest waits in the kernel.
    #[must_use]
    pub fn room(&self) -> usize {
        self.bus.room(Sender::World, WORLD)
    }

    /// Puts a report on the bus: of the world, as far as there is [`room`](Self::room), or of what became of
    /// something that we began, which there is always room for.
    pub fn report(&mut self, input: Input) {
        let sender = match &input {
            Input::Event { .. } | Input::Began { .. } | Input::Ended { .. } => Sender::World,
            Input::Command { .. }
            | Input::Mode { .. }
            | Input::Reload { .. }
            | Input::Shutdown { .. }
            | Input::Spawned { .. }
            | Input::Unspawned { .. }
            | Input::Starved { .. }
            | Input::Exited { .. }
            | Input::Ready { .. }
            | Input::Emptied { .. }
            | Input::Extended { .. } => Sender::Own,
        };
        // Outside inputs are refused long before the bus is full, and what we began is bounded.
        let _ = self.bus.push(sender, input);
    }

    /// Puts on the bus what somebody outside says. Who sends more than is worked off is told to try again: neither the
    /// world nor our own reports ever wait for room because of him.
    pub fn hear(&mut self, input: Input) -> Result<(), BusFull<Input>> {
        let kept =
            if matches!(input, Input::Command { .. } | Input::Mode { .. }) { 0 } else { KEPT_FOR_COMMANDS };
        let room = Room { items: PEOPLE.items.saturating_sub(kept), ..PEOPLE };
        self.bus.push_within(Sender::People, input, room)
    }
}

#[cfg(test)]
mod tests {
    use events::Event;
    use jobs::{Life, Origin};

    use super::*;
    use crate::sys::poll::Poll;

    #[test]
    fn a_flood_from_outside_leaves_room_for_commands_the_world_and_our_own() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _entered = runtime.enter();
        let (mut poll, mut bus) = (Poll::new().unwrap(), Bus::new(crate::pid1::machine::BUS));
        let options = Options::default();
        let mut shell = Shell { poll: &mut poll, bus: &mut bus, now: Time(0), options: &options };
        let event =
            |origin| Input::Event { event: Event::new(events::Name::constant("x")), origin, reply: None };
        let heard = (0..100_000).filter(|_| shell.hear(event(Origin::Person(0))).is_ok()).count();
        assert_eq!(heard, PEOPLE.items - KEPT_FOR_COMMANDS);
        assert!(
            shell.hear(Input::Mode { mode: events::Name::constant("m"), origin: Origin::Person(0) }).is_ok()
        );
        assert_eq!(shell.room(), WORLD.items);
        while shell.room() > 0 {
            shell.report(event(Origin::World));
        }
        shell.report(Input::Emptied { life: Life { place: 0, number: 1 } });
        assert_eq!((bus.count(Sender::Own).now, bus.count(Sender::Own).refused), (1, 0));
        assert_eq!(bus.count(Sender::World).now, WORLD.items);
    }
}
