//! Who is waited for: said on the console, so that nobody sits in front of a machine that is silent.

use std::time::Duration;

use events::Time;
use jobs::{Failure, Note, Notice};

use super::machine::Machine;
use crate::logs::Level;

/// How long a boot or shutdown may be silent.
const SILENCE: Duration = Duration::from_secs(5);
/// How many are named at a time.
const MOST: usize = 5;

/// When it is said next who is waited for.
#[derive(Debug, Default)]
pub struct Patience {
    since: Option<Time>,
    next: Option<Time>,
}

impl Patience {
    /// When to look again.
    #[must_use]
    pub const fn deadline(&self) -> Option<Time> {
        self.next
    }
}

impl Machine {
    /// Says of what outlives KILL which processes these are, and where in the kernel.
    pub(super) fn say_who_is_held(&mut self, note: &Note) {
        let Some(job) = note.job.as_ref().filter(|_| note.what == Notice::Failed(Failure::Unkillable)) else {
            return;
        };
        for held in self.executor.held(job, &note.instance) {
            self.say(Level::Error, &format!("{job}: {held}"));
        }
    }

    /// While the machine boots or goes down: says every five seconds whom it waits for.
    pub(super) fn say_who_is_waited_for(&mut self) {
        let goes_down = self.engine.going_down().is_some() && self.end.is_none();
        let boots = self.boot.has_started() && !self.boot.has_settled();
        if !goes_down && !boots {
            self.patience = Patience::default();
            return;
        }
        let now = self.core.now;
        let since = *self.patience.since.get_or_insert(now);
        let next = *self.patience.next.get_or_insert(now.after(SILENCE));
        if now < next {
            return;
        }
        self.patience.next = Some(now.after(SILENCE));
        let goal = if goes_down { "stop" } else { "start" };
        let done = |state: &str| matches!(state, "waiting" | "running");
        let list = self.engine.list().into_iter();
        let mut waited: Vec<String> = list
            .filter(|it| it.goal == goal && !done(it.state))
            .map(|it| match it.waits.first() {
                Some(wait) => format!("{it} (waits for {wait})"),
                None => it.to_string(),
            })
            .collect();
        let more = waited.len().saturating_sub(MOST);
        waited.truncate(MOST);
        if more > 0 {
            waited.push(format!("and {more} more"));
        }
        if !waited.is_empty() {
            let seconds = now.since(since).as_secs();
            self.say(Level::Warning, &format!("waiting since {seconds} s for {}", waited.join("; ")));
        }
    }
}
