//! What every part of PID 1 needs of the others, lent to it for one call.

use events::{Bus, Time};
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

/// How many inputs wait at most before the world is not listened to.
const WORLD: usize = 2048;

impl Shell<'_> {
    /// How many inputs a source may add now. It reads no more than that: the rest waits in the kernel.
    #[must_use]
    pub fn room(&self) -> usize {
        WORLD.saturating_sub(self.bus.len())
    }

    /// Puts a report of our own on the bus. These are bounded by what we began, so there is always room.
    pub fn report(&mut self, input: Input) {
        // The bus keeps room for reports: outside inputs are refused long before it is full.
        let _ = self.bus.push(input);
    }
}
