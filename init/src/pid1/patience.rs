//! Who is waited for: said on the console, so that nobody sits in front of a machine that is silent.

use std::time::Duration;

use events::Time;
use jobs::{Failure, Note, Notice, Status};

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
        let list = self.engine.list().into_iter();
        let list = list.filter(|it| it.goal == goal && self.engine.is_under_way(it));
        if let Some(waited) = named(list.collect()) {
            let seconds = now.since(since).as_secs();
            self.say(Level::Warning, &format!("{seconds} s: waiting for {waited}"));
        }
    }
}

/// Those who do something, by name; if nobody does, those who are held. The others are counted.
fn named(all: Vec<Status>) -> Option<String> {
    let (held, busy): (Vec<Status>, Vec<Status>) = all.into_iter().partition(|it| it.state == "held");
    let (named, others) = if busy.is_empty() { (held, Vec::new()) } else { (busy, held) };
    let mut texts: Vec<String> = named
        .iter()
        .map(|it| match it.waits.first() {
            Some(wait) => format!("{it} (waits for {wait})"),
            None => it.to_string(),
        })
        .map(|text| text.replace("\n\t", ", "))
        .collect();
    let more = texts.len().saturating_sub(MOST);
    texts.truncate(MOST);
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    if !others.is_empty() {
        texts.push(format!("{} held behind them", others.len()));
    }
    (!texts.is_empty()).then(|| texts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(job: &str, state: &'static str, waits: &[&str]) -> Status {
        Status {
            job: job.into(),
            instance: "".into(),
            goal: "start",
            state,
            processes: Vec::new(),
            up: false,
            timed_out: false,
            waits: waits.iter().map(|wait| String::from(*wait)).collect(),
            last: None,
        }
    }

    #[test]
    fn who_does_something_is_named_before_those_who_wait_for_it() {
        let held = || status("fstab", "held", &["udev to have settled"]);
        assert_eq!(
            named(vec![held(), held(), status("udev", "post-start", &[])]).as_deref(),
            Some("udev start/post-start; 2 held behind them"),
        );
        assert_eq!(named(vec![held()]).as_deref(), Some("fstab start/held (waits for udev to have settled)"));
        assert_eq!(named(Vec::new()), None);
    }
}
