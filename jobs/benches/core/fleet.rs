//! Jobs as real machines have them, as many as wanted, and for each the one event that concerns it alone.

use std::sync::Arc;

use events::{Condition, Dialect, Event, Name};
use jobs::{Format, Job, ProcessKind, ProcessSet, Provide, Require, Respawn, Sort};

use crate::Order;

/// Which start conditions the jobs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditions {
    /// One leaf each, of four kinds of events.
    Single,
    /// Two to six leaves in one to three gates; the event makes the whole true.
    Gates,
    /// As on a machine with files of every format: a quarter has two to six leaves, a quarter one of its own,
    /// a quarter starts and stops with the run level, and a quarter are scripts that only requires put in order.
    Mixed,
}

/// The start condition of job `number`, and the event that concerns it and no other job.
fn condition_and_event(number: usize, conditions: Conditions) -> (String, String) {
    let n = number;
    let event = match n % 4 {
        0 => format!("net-device-up IFACE=eth{n} ADDRFAM=inet MTU=1500"),
        1 => format!("started JOB=front{n} INSTANCE="),
        2 => format!("block-device-added DEVNAME=/dev/sd{n} DEVTYPE=disk ID_FS_TYPE=ext4 SEQNUM={n}"),
        _ => format!("file FILE=/etc/app/{n}.conf EVENT=modify"),
    };
    let leaf = match n % 4 {
        0 => format!("net-device-up IFACE=eth{n}"),
        1 => format!("started front{n}"),
        2 => format!("block-device-added DEVNAME=/dev/sd{n} ID_FS_TYPE=ext?"),
        _ => format!("file FILE=/etc/app/{n}.conf EVENT!=delete"),
    };
    let condition = match (conditions, n % 4) {
        (Conditions::Single | Conditions::Mixed, _) => leaf,
        (Conditions::Gates, 0) => format!("{leaf} or (started foo{n} and started bar{n})"),
        (Conditions::Gates, 1) => format!("{leaf} or stopped shop{n}"),
        (Conditions::Gates, 2) => {
            format!("({leaf} or (device-resumed SLOT={n} and runlevel [2345])) or started bar{n}")
        }
        (Conditions::Gates, _) => {
            format!(
                "((file FILE=/run/{n} and mounted /run and runlevel [2345] and started bar{n}) or {leaf})"
            )
        }
    };
    (condition, event)
}

/// The event of job `number`.
pub fn event(number: usize, conditions: Conditions) -> Event {
    condition_and_event(number, conditions).1.parse().unwrap()
}

/// Job `number`: every second one stops on events of its own, some require others, respawn or have hooks.
pub fn job(number: usize, conditions: Conditions) -> Arc<Job> {
    let n = number;
    if conditions == Conditions::Mixed {
        return match n % 4 {
            0 => job(n / 4, Conditions::Gates),
            1 => renamed(job(n, Conditions::Single)),
            2 => by_run_level(n),
            _ => script(n),
        };
    }
    let mut job = plain(&format!("service-{n}"));
    let start_on = condition_and_event(n, conditions).0;
    job.start_on = Some(Condition::parse(&start_on, Dialect::Edges).unwrap());
    if n.is_multiple_of(2) {
        job.stop_on =
            Some(Condition::parse("runlevel [!2345] or stopping $UPSTART_JOB-net", Dialect::Edges).unwrap());
    }
    if n % 5 == 1 {
        job.provides = [Provide { name: Name::new(&format!("facility{n}")).unwrap(), expected: None }].into();
    }
    if n % 5 == 2 {
        let name = Name::new(&format!("facility{}", n - 1)).unwrap();
        job.requires = [Require { name, expected: None, optional: false }].into();
    }
    if n.is_multiple_of(3) {
        job.respawn = Some(Respawn::default());
    }
    Arc::new(job)
}

fn renamed(job: Arc<Job>) -> Arc<Job> {
    let mut job = Job::clone(&job);
    job.name = job.name.with_suffix("-b").unwrap();
    Arc::new(job)
}

fn by_run_level(number: usize) -> Arc<Job> {
    let mut job = plain(&format!("daemon-{number}"));
    job.format = Format::Upstart;
    job.start_on = Some(Condition::parse("runlevel [2345]", Dialect::Edges).unwrap());
    job.stop_on = Some(Condition::parse("runlevel [!2345]", Dialect::Edges).unwrap());
    job.respawn = Some(Respawn::default());
    Arc::new(job)
}

fn script(number: usize) -> Arc<Job> {
    let mut job = plain(&format!("script{number}"));
    job.format = Format::Rcd;
    job.provides = [Provide { name: job.name.clone(), expected: None }].into();
    let required = ["NETWORKING".to_owned(), format!("script{}", number.saturating_sub(4))];
    let require = |name: &String| Require { name: Name::new(name).unwrap(), expected: None, optional: false };
    job.requires = required.iter().map(require).collect();
    job.keywords = [Name::new("shutdown").unwrap()].into();
    Arc::new(job)
}

/// A native service with nothing but a main process.
pub fn plain(name: &str) -> Job {
    let mut job = Job::new(Name::new(name).unwrap(), Format::Native);
    job.processes = ProcessSet::default().with(ProcessKind::Main);
    job
}

/// `count` jobs.
pub fn fleet(count: usize, conditions: Conditions) -> Vec<Arc<Job>> {
    (0..count).map(|number| job(number, conditions)).collect()
}

/// Every job's event once. They lie in memory as they will be visited, as an event does that has just come in.
pub fn events(count: usize, conditions: Conditions, order: Order) -> Vec<Event> {
    order.of(count).into_iter().map(|number| event(number, conditions)).collect()
}

/// What events are looked up as.
pub const SORT: Sort = Sort::Event;
