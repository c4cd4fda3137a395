//! Pressure: the kernel says when programs stand still because there is too little memory, processor or disk (PSI).
//!
//! Triggers are set only for what some condition names. While programs stand still for long enough the kernel tells it
//! once in each window; that it is over nobody tells, so it is taken for over when nothing has come for a while.

mod gauge;

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    mem,
    os::unix::fs::OpenOptionsExt as _,
};

use core::time::Duration;

use events::{Event, Name, Pattern, Time};
use jobs::{Input, Origin};

pub use gauge::Gauge;

use super::{Part, Past, known::Known};
use crate::{
    control::Limit,
    pid1::{shell::Shell, token::Token},
    sys::poll::{Interest, Registration},
};

/// The event and the fact.
const PRESSURE: Name = Name::constant("pressure");
/// The event of its end.
const RELIEVED: Name = Name::constant("pressure-relieved");
/// How long nothing must have come until it is over. The kernel tells it every two seconds while it lasts.
const CALM: Duration = Duration::from_secs(5);

/// A trigger that is set.
#[derive(Debug)]
struct Trigger {
    file: File,
    at: Registration,
    /// Whether nothing was heard of it yet. The first that comes says only that it is set: such a file can always be read.
    is_fresh: bool,
}

/// What is heard of the kernel about pressure.
#[derive(Debug)]
pub struct Pressure {
    /// What conditions wait for.
    wanted: Vec<Pattern>,
    open: BTreeMap<Gauge, Trigger>,
    known: Known,
    /// When what holds is over.
    over: BTreeMap<Gauge, Time>,
    /// Whether it was said that the kernel does not tell it.
    is_told: bool,
    warning: Option<String>,
}

impl Pressure {
    /// Nobody waits for any yet; what held for the image before holds until it has been calm.
    pub fn new(shell: &Shell<'_>, past: &Past<'_>) -> Self {
        let known = Known::new(PRESSURE, past);
        let held = |gauge: &Gauge| known.get(&gauge.identity()).is_some();
        let over = Gauge::ALL.into_iter().filter(held).map(|gauge| (gauge, shell.now.after(CALM))).collect();
        Self { wanted: Vec::new(), open: BTreeMap::new(), known, over, is_told: false, warning: None }
    }

    /// A condition waits for what this pattern names.
    pub fn watch(&mut self, shell: &mut Shell<'_>, pattern: &Pattern) {
        if pattern.name == PRESSURE || pattern.name == RELIEVED {
            self.wanted.push(pattern.clone());
            self.open(shell);
        }
    }

    /// No condition does any longer.
    pub fn unwatch(&mut self, shell: &mut Shell<'_>, pattern: &Pattern) {
        self.wanted.retain(|wanted| wanted != pattern);
        let wanted = &self.wanted;
        let idle = |gauge: &Gauge, _: &mut Trigger| !wanted.iter().any(|it| gauge.is_meant(it));
        for (_, Trigger { file, at, .. }) in self.open.extract_if(.., idle) {
            shell.poll.remove(&file, at);
        }
    }

    /// Sets the triggers that are wanted and not set.
    fn open(&mut self, shell: &mut Shell<'_>) {
        for gauge in Gauge::ALL {
            let is_wanted = self.wanted.iter().any(|pattern| gauge.is_meant(pattern));
            if !is_wanted || self.open.contains_key(&gauge) {
                continue;
            }
            let set = trigger(gauge).and_then(|file| {
                let at = shell.poll.add(&file, Interest::Anew, Token::Source(Part::Pressure(gauge)))?;
                Ok(Trigger { file, at, is_fresh: true })
            });
            match set {
                Ok(set) => {
                    self.open.insert(gauge, set);
                }
                Err(error) if !self.is_told => {
                    self.is_told = true;
                    self.warning = Some(format!(
                        "a job waits for `pressure`, which this kernel does not tell: {}: {error} (it needs CONFIG_PSI, \
                         and perhaps `psi=1` on its command line)",
                        gauge.path()
                    ));
                }
                Err(_) => {}
            }
        }
    }

    /// What is to be said of it, once.
    pub const fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }

    /// Programs stand still.
    pub fn ready(&mut self, shell: &mut Shell<'_>, gauge: Gauge) {
        if self.open.get_mut(&gauge).is_some_and(|trigger| mem::replace(&mut trigger.is_fresh, false)) {
            return;
        }
        if self.over.insert(gauge, shell.now.after(CALM)).is_none() {
            self.known.holds(shell, &gauge.identity(), &gauge.args());
            tell(shell, PRESSURE, gauge);
        }
    }

    /// When [`tick`](Self::tick) is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.over.values().min().copied()
    }

    /// What has been calm is over.
    pub fn tick(&mut self, shell: &mut Shell<'_>) {
        let now = shell.now;
        for (gauge, _) in self.over.extract_if(.., |_, over| *over <= now) {
            self.known.is_gone(shell, &gauge.identity());
            tell(shell, RELIEVED, gauge);
        }
    }

    /// Its bounds.
    #[must_use]
    pub fn limits(&self) -> Limit {
        Limit {
            name: "pressure-triggers",
            value: u64::try_from(Gauge::ALL.len()).unwrap_or(u64::MAX),
            used: u64::try_from(self.open.len()).ok(),
            what: "kinds of pressure that the kernel is asked to tell of",
        }
    }
}

fn tell(shell: &mut Shell<'_>, name: Name, gauge: Gauge) {
    let event = Event { name, args: gauge.args() };
    shell.report(Input::Event { event, origin: Origin::World, reply: None });
}

/// Has the kernel tell of this kind. It is over when the file is closed.
fn trigger(gauge: Gauge) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(gauge.path())?;
    file.write_all(gauge.trigger().as_bytes())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use events::Bus;
    use jobs::Engine;

    use super::*;
    use crate::{pid1::options::Options, sys::poll::Poll};

    /// What is told in steps: at a time, either a trigger or a look at the clock.
    fn told(steps: &[(u64, Option<Gauge>)]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _entered = runtime.enter();
        let (mut poll, mut bus) = (Poll::new().unwrap(), Bus::new(64));
        let options = Options::default();
        let engine = Engine::new();
        let mut shell = Shell { poll: &mut poll, bus: &mut bus, now: Time(0), options: &options };
        let mut pressure = Pressure::new(&shell, &Past::none(&engine));
        let mut told = Vec::new();
        for (now, trigger) in steps {
            shell.now = Time(*now);
            match trigger {
                Some(gauge) => pressure.ready(&mut shell, *gauge),
                None if pressure.deadline().is_some_and(|at| at <= shell.now) => pressure.tick(&mut shell),
                None => {}
            }
            for input in shell.bus.take(9) {
                if let Input::Event { event, .. } = &input {
                    told.push(format!("{now} {event}"));
                } else if let Input::Began { fact, .. } = &input {
                    told.push(format!("{now} began {fact}"));
                } else if let Input::Ended { identity, .. } = &input {
                    told.push(format!("{now} ended {}", identity.0));
                }
            }
        }
        told
    }

    #[test]
    fn it_begins_at_once_and_ends_when_it_has_been_calm() {
        let [memory, ..] = Gauge::ALL;
        let steps = [(10, Some(memory)), (2_010, Some(memory)), (5_010, None), (7_009, None), (7_010, None)];
        assert_eq!(
            told(&steps),
            [
                "10 began pressure RESOURCE=memory LEVEL=some",
                "10 pressure RESOURCE=memory LEVEL=some",
                "7010 ended memory some",
                "7010 pressure-relieved RESOURCE=memory LEVEL=some",
            ]
        );
    }

    #[test]
    fn only_what_a_condition_names_is_meant() {
        let means = |text: &str| {
            let condition = events::Condition::parse(text, events::Dialect::Edges).unwrap();
            let pattern = condition.leaves().next().unwrap().pattern.clone();
            let wanted = slice::from_ref(&pattern);
            Gauge::ALL.iter().filter(|gauge| wanted.iter().any(|it| gauge.is_meant(it))).count()
        };
        for (text, count) in [
            ("pressure", 6),
            ("pressure RESOURCE=memory", 2),
            ("pressure memory full", 1),
            ("pressure LEVEL=some", 3),
            ("pressure RESOURCE!=cpu LEVEL=full", 2),
            ("pressure RESOURCE=$WHAT", 6),
            ("pressure RESOURCE=swap", 0),
        ] {
            assert_eq!(means(text), count, "{text}");
        }
    }
}
