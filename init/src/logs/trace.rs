//! `tracing`'s macros in PID 1: what they say waits in a short queue until the loop passes it on to
//! [`Logs::say`](super::Logs::say).
//!
//! There are no spans, no clock and nothing that can fail or wait.

use std::{cell::RefCell, collections::VecDeque, fmt::Write as _};

use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::level::Level;

/// How many messages wait at most.
const BOUND: usize = 128;
/// How long one is at most, in bytes.
const LONGEST: usize = 1_024;

thread_local! {
    static SAID: RefCell<Said> = const { RefCell::new(Said { messages: VecDeque::new(), left_out: 0 }) };
}

struct Said {
    messages: VecDeque<(Level, String)>,
    left_out: u32,
}

/// Makes `tracing`'s macros come here. Once in a process; later calls do nothing.
pub fn install() {
    // It fails only if somebody has done it before.
    let _ = tracing::dispatcher::set_global_default(Dispatch::new(Queue));
}

/// What has been said since the last call, the oldest first.
#[must_use]
pub fn take() -> Vec<(Level, String)> {
    let taken = SAID.try_with(|said| {
        let mut said = said.try_borrow_mut().ok()?;
        let mut messages: Vec<_> = said.messages.drain(..).collect();
        if said.left_out > 0 {
            messages.push((Level::Warning, format!("{} messages are left out here", said.left_out)));
            said.left_out = 0;
        }
        Some(messages)
    });
    taken.ok().flatten().unwrap_or_default()
}

struct Queue;

impl Subscriber for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= tracing::Level::DEBUG
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => Level::Debug,
        };
        let mut text = Text::default();
        event.record(&mut text);
        let message = (level, text.message + &text.fields);
        // While the queue is being taken nothing else runs: what cannot be borrowed is never missed.
        let _ = SAID.try_with(|said| {
            let Ok(mut said) = said.try_borrow_mut() else { return };
            if said.messages.len() < BOUND {
                said.messages.push_back(message);
            } else {
                said.left_out = said.left_out.saturating_add(1);
            }
        });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// An event as a line: its message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let is_message = field.name() == "message";
        let part = if is_message { &mut self.message } else { &mut self.fields };
        if part.len() < LONGEST {
            // Writing to a string fails only if the value's own `Debug` does.
            let _ = if is_message {
                write!(part, "{value:?}")
            } else {
                write!(part, " {}={value:?}", field.name())
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_macros_say_waits_to_be_passed_on() {
        install();
        tracing::warn!(job = "web", pid = 7, "job {}", "died");
        tracing::trace!("too much");
        tracing::error!("bad");
        let said = [(Level::Warning, "job died job=web pid=7"), (Level::Error, "bad")];
        assert_eq!(take(), said.map(|(level, text)| (level, String::from(text))));
        assert_eq!(take(), []);
    }

    #[test]
    fn what_is_too_much_is_counted() {
        install();
        for number in 0..BOUND + 3 {
            tracing::info!("{number}");
        }
        let said = take();
        assert_eq!(said.len(), BOUND + 1);
        assert_eq!(said.last().unwrap().1, "3 messages are left out here");
    }
}
