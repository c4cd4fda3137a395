//! The processes of a life where there is no cgroup v2: by session, process group and a mark in their environment.
//!
//! A process that leaves the session, the group and its environment behind is not found. Nothing better is to be
//! had without cgroups.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its state, as a letter.
    pub state: u8,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
}

impl Stat {
    /// Of a process that is there, be it only unreaped.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn read(text: &str) -> Option<Self> {
        // The name stands in parentheses, and may have any character in it.
        let mut fields = text.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?.bytes().next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        Some(Self { state, parent, group, session })
    }

    /// Whether it has ended, and only its parent has not taken note of it.
    #[must_use]
    pub const fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

/// How often a process without an environment is looked at once more.
const GLANCES: usize = 50;

/// The mark of a life.
#[must_use]
pub fn marker(job: &str, instance: &str, number: u64) -> String {
    super::tree::group_name(job, instance, number).replacen('@', "/", 1)
}

/// The living processes that carry a mark, or are in a session or group that one of `leaders` began, and all that
/// these have made: who is just executing a program shows no mark. Those that are known to be another's are not
/// looked at.
#[must_use]
pub fn processes(marker: &str, leaders: &[i32], is_known: &dyn Fn(i32) -> bool) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let pids = pids.filter(|pid| *pid != own && !is_known(*pid));
    let living = pids.filter_map(|pid| Some((pid, Stat::of(pid).filter(|stat| !stat.is_dead())?)));
    let living: Vec<(i32, Stat)> = living.collect();
    let is_of = |(pid, stat): &(i32, Stat)| {
        leaders.contains(&stat.session) || leaders.contains(&stat.group) || is_marked(*pid, marker)
    };
    let mut found: Vec<i32> = living.iter().filter(|process| is_of(process)).map(|(pid, _)| *pid).collect();
    with_descendants(&mut found, &living);
    found
}

/// Adds to `found` whoever descends from one of them.
fn with_descendants(found: &mut Vec<i32>, living: &[(i32, Stat)]) {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, stat) in living {
        children.entry(stat.parent).or_default().push(*pid);
    }
    let mut known: BTreeSet<i32> = found.iter().copied().collect();
    let mut open = found.clone();
    while let Some(parent) = open.pop() {
        // Each parent's are taken once, so this ends.
        for child in children.remove(&parent).into_iter().flatten().filter(|child| known.insert(*child)) {
            found.push(child);
            open.push(child);
        }
    }
}

/// Whether a process carries a mark.
#[must_use]
pub fn is_marked(pid: i32, marker: &str) -> bool {
    mark(pid).is_some_and(|mark| mark == marker)
}

/// The number of the life whose mark a process carries.
#[must_use]
pub fn life_of(pid: i32) -> Option<u64> {
    mark(pid)?.rsplit_once('.')?.1.parse().ok()
}

fn mark(pid: i32) -> Option<String> {
    let path = format!("/proc/{pid}/environ");
    let mut environment = fs::read(&path).ok()?;
    // While it executes a program it seems to have none; and a daemon, a child of ours by then, does just that when
    // it is looked for. The kernel's own threads never have one, and are nobody's child here.
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    for _ in 0..GLANCES {
        let is_daemon = || Stat::of(pid).is_some_and(|stat| stat.parent == own && !stat.is_dead());
        if !environment.is_empty() || !is_daemon() {
            break;
        }
        std::thread::yield_now();
        environment = fs::read(&path).ok()?;
    }
    let mark = environment.split(|byte| *byte == 0).find_map(|word| word.strip_prefix(b"ONSET_LIFE="))?;
    String::from_utf8(mark.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_does_not_mislead() {
        let text = "412 (a) b 1 (c) S 1 400 399 0 -1 4194368 1 2 3";
        let expected = Stat { state: b'S', parent: 1, group: 400, session: 399 };
        assert_eq!(Stat::read(text), Some(expected));
        assert!(!expected.is_dead());
        assert_eq!(Stat::read("nonsense"), None);
    }

    #[test]
    fn whoever_descends_from_one_that_was_found_belongs_to_it() {
        let process = |pid, parent| (pid, Stat { state: b'S', parent, group: pid, session: pid });
        let living =
            [process(9, 1), process(8, 7), process(7, 5), process(5, 1), process(6, 5), process(3, 9)];
        let mut found = vec![5, 6];
        with_descendants(&mut found, &living);
        found.sort_unstable();
        assert_eq!(found, [5, 6, 7, 8]);
    }

    #[test]
    fn a_mark_names_job_instance_and_life() {
        assert_eq!(marker("web", "", 4), "web.4");
        assert_eq!(marker("getty", "tty1", 4), "getty/tty1.4");
    }
}
