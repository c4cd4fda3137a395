//! What is mounted, as the events `mounted`, `remounted` and `unmounted` and the fact `mount`.
//!
//! The kernel says that something has changed, and not what: the table of mounts is read as a whole, piece by piece, and
//! compared with what was told. A burst of mounts is thus read once, and what was mounted and unmounted between two looks
//! was never seen. What was mounted before `startup` is told right behind it, as if it had been mounted then.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use events::{Args, Event, Identity, Key, Mount, Name, Value, mountinfo};
use jobs::{Input, Origin};
use serde::{Deserialize, Serialize};

use super::{Known, Part, Past, Warning, paths::is_far};
use crate::{
    control::Limit,
    pid1::{shell::Shell, token::Token},
    sys::poll::Interest,
};

/// The table of mounts, as PID 1 sees them.
const TABLE: &str = "/proc/self/mountinfo";
/// How much of it is read in a turn.
const PIECE: usize = 64 << 10;
/// How long it may be at most.
const LENGTH: usize = 16 << 20;
/// How many mounts are told of.
const MOUNTS: usize = 16_384;

/// Its facts.
const MOUNT: Name = Name::constant("mount");
const POINT: Key = Key::constant("MOUNTPOINT");
const DEVICE: Key = Key::constant("DEVICE");
const TYPE: Key = Key::constant("TYPE");
const OPTIONS: Key = Key::constant("OPTIONS");
const ROOT: Key = Key::constant("ROOT");
const ESCAPED: Key = Key::constant("ESCAPED");

/// What the image after us needs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Records {
    /// Whether what was mounted before `startup` has been told.
    has_started: bool,
}

/// What has changed, for those who look at files.
#[derive(Debug)]
pub struct Moved {
    /// Where something was mounted or unmounted.
    pub points: Vec<Vec<u8>>,
    /// Mounts that a look at may take for ever.
    pub far: Vec<Vec<u8>>,
}

/// Something to tell.
#[derive(Debug)]
enum Step {
    /// This is mounted, or was already.
    Holds(Identity, Args),
    /// This is not mounted any more.
    Gone(Identity),
    /// This was mounted before anybody could hear of it.
    Tell(Identity),
}

/// What is mounted.
#[derive(Debug)]
pub struct Mounts {
    table: Option<File>,
    /// Whether the table has changed since it was begun to be read.
    is_stale: bool,
    /// What has been read of it, while it is being read.
    read: Option<Vec<u8>>,
    known: Known,
    steps: VecDeque<Step>,
    /// Where something is mounted, and whether that is far.
    points: BTreeMap<u32, (Vec<u8>, bool)>,
    moved: Option<Moved>,
    has_started: bool,
    is_cut: bool,
    warnings: Vec<Warning>,
}

impl Mounts {
    /// Looks at what is mounted now.
    pub fn new(shell: &mut Shell<'_>, past: &Past<'_>) -> Self {
        let mut warnings = Vec::new();
        let table = listen(shell).map_err(|error| {
            warnings
                .push(Warning { text: format!("mounts cannot be watched: {TABLE}: {error}"), about: None });
        });
        let mut mounts = Self {
            table: table.ok(),
            is_stale: true,
            read: None,
            known: Known::new(MOUNT, past),
            steps: VecDeque::new(),
            points: BTreeMap::new(),
            moved: None,
            has_started: past.records.mounts.has_started,
            is_cut: false,
            warnings,
        };
        mounts.work(shell);
        mounts
    }

    /// Something was mounted or unmounted.
    pub fn ready(&mut self, shell: &mut Shell<'_>) {
        self.is_stale = true;
        self.work(shell);
    }

    /// Whether there is more to do than one turn may take.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.table.is_some() && (self.is_stale || self.read.is_some() || !self.steps.is_empty())
    }

    /// Goes on with what is to be read and told.
    pub fn work(&mut self, shell: &mut Shell<'_>) {
        if self.is_stale && self.read.is_none() && self.steps.is_empty() {
            self.begin();
        }
        match self.read_on() {
            Ok(Some(table)) => self.compare(&table),
            Ok(None) => {}
            Err(error) => {
                self.read = None;
                self.warnings.push(Warning { text: format!("{TABLE} cannot be read: {error}"), about: None });
            }
        }
        while shell.room() > 1 {
            let Some(step) = self.steps.pop_front() else { return };
            self.tell(shell, step);
        }
    }

    /// The jobs are loaded: what was mounted before is told to those who wait for it.
    pub fn started(&mut self, shell: &mut Shell<'_>) {
        if !self.has_started {
            self.has_started = true;
            self.steps.extend(self.known.iter().map(|(identity, _)| Step::Tell(identity.clone())));
            self.work(shell);
        }
    }

    /// What those who look at files must know, since the last call.
    pub const fn take_moved(&mut self) -> Option<Moved> {
        self.moved.take()
    }

    /// What could not be done, since the last call.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    /// What the image after us needs.
    #[must_use]
    pub const fn records(&self) -> Records {
        Records { has_started: self.has_started }
    }

    /// The bounds, and how far they are used.
    #[must_use]
    pub fn limits(&self) -> Vec<Limit> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        vec![Limit {
            name: "mounts",
            value: count(MOUNTS),
            used: Some(count(self.known.len())),
            what: "mounts that are told of; more are not",
        }]
    }

    fn begin(&mut self) {
        self.is_stale = false;
        let begun = self.table.as_mut().map(|table| table.seek(SeekFrom::Start(0)));
        // A table that cannot be begun anew gives nothing, and that is said by who reads it.
        self.read = begun.is_some().then(Vec::new);
    }

    /// Reads a piece of the table; gives it when it is whole.
    fn read_on(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (Some(table), Some(read)) = (&mut self.table, &mut self.read) else { return Ok(None) };
        let before = read.len();
        let room = PIECE.min(LENGTH.saturating_sub(before));
        let length = table.take(u64::try_from(room).unwrap_or(0)).read_to_end(read)?;
        Ok(if length < room || room == 0 { self.read.take() } else { None })
    }

    /// Compares the table with what was told.
    fn compare(&mut self, table: &[u8]) {
        let mut mounts: Vec<Mount> = table.split(|byte| *byte == b'\n').filter_map(mountinfo).collect();
        if mounts.len() > MOUNTS && !std::mem::replace(&mut self.is_cut, true) {
            let text = format!("there are more than {MOUNTS} mounts: of the others nothing is told");
            self.warnings.push(Warning { text, about: None });
        }
        mounts.truncate(MOUNTS);
        let now: BTreeSet<Identity> = mounts.iter().map(|mount| identity(mount.id)).collect();
        let gone = self.known.iter().map(|(identity, _)| identity).filter(|identity| !now.contains(identity));
        self.steps.extend(gone.cloned().map(Step::Gone));
        let mut points = BTreeMap::new();
        let mut moved = BTreeSet::new();
        for mount in mounts {
            let at = (mount.point.clone(), is_far(&mount.kind));
            if self.points.get(&mount.id) != Some(&at) {
                moved.insert(at.0.clone());
            }
            points.insert(mount.id, at);
            let (identity, args) = (identity(mount.id), args(&mount));
            let before = self.known.get(&identity);
            // The kernel gives the number of a mount that is gone to the next one.
            if before.is_some_and(|before| !is_same(before, &args)) {
                self.steps.push_back(Step::Gone(identity.clone()));
            }
            if before.is_none_or(|before| **before != args) {
                self.steps.push_back(Step::Holds(identity, args));
            }
        }
        let before = std::mem::replace(&mut self.points, points);
        moved.extend(
            before.into_iter().filter(|(id, at)| self.points.get(id) != Some(at)).map(|(_, at)| at.0),
        );
        if !moved.is_empty() {
            let far =
                self.points.values().filter(|(_, is_far)| *is_far).map(|(point, _)| point.clone()).collect();
            self.moved = Some(Moved { points: moved.into_iter().collect(), far });
        }
    }

    fn tell(&mut self, shell: &mut Shell<'_>, step: Step) {
        let (name, args) = match step {
            Step::Gone(identity) => {
                let Some(args) = self.known.is_gone(shell, &identity) else { return };
                (Name::constant("unmounted"), Args::clone(&args))
            }
            Step::Holds(identity, args) => {
                let was_there = self.known.get(&identity).is_some();
                self.known.holds(shell, &identity, &args);
                (if was_there { Name::constant("remounted") } else { Name::constant("mounted") }, args)
            }
            Step::Tell(identity) => match self.known.get(&identity) {
                Some(args) => (Name::constant("mounted"), Args::clone(args)),
                None => return,
            },
        };
        if self.has_started {
            shell.report(Input::Event { event: Event { name, args }, origin: Origin::World, reply: None });
        }
    }
}

fn listen(shell: &mut Shell<'_>) -> io::Result<File> {
    let table = File::open(TABLE)?;
    // For as long as we are there.
    shell.poll.add(&table, Interest::Anew, Token::Source(Part::Mounts)).map(std::mem::forget)?;
    Ok(table)
}

fn identity(id: u32) -> Identity {
    Identity(format!("{id}").into())
}

/// What is told of a mount.
fn args(mount: &Mount) -> Args {
    let mut args = Args::with_room(6);
    let mut is_escaped = false;
    let fields =
        [(POINT, &mount.point), (DEVICE, &mount.source), (TYPE, &mount.kind), (OPTIONS, &mount.options)];
    let root = (mount.root != b"/").then_some((ROOT, &mount.root));
    for (key, bytes) in fields.into_iter().chain(root) {
        let (value, changed) = Value::escaped(bytes);
        is_escaped |= changed;
        args.push(key, value);
    }
    if is_escaped {
        args.push(ESCAPED, Value::escaped(b"yes").0);
    }
    args
}

/// Whether it is one mount, perhaps with other options.
fn is_same(before: &Args, after: &Args) -> bool {
    [POINT, DEVICE, TYPE, ROOT].iter().all(|key| before.get(key) == after.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        args(&mountinfo(line.as_bytes()).unwrap()).to_string()
    }

    #[test]
    fn a_mount_is_told_with_what_is_known_of_it() {
        assert_eq!(
            shown(r"36 35 98:0 / /mnt\040two rw,noatime - ext3 /dev/sda1 rw,errors=continue"),
            r#"MOUNTPOINT="/mnt two" DEVICE=/dev/sda1 TYPE=ext3 OPTIONS=rw,noatime,errors=continue"#
        );
        assert_eq!(
            shown(r"36 35 98:0 /sub /mnt\012 ro - tmpfs none rw"),
            r#"MOUNTPOINT="/mnt\\x0a" DEVICE=none TYPE=tmpfs OPTIONS=ro ROOT=/sub ESCAPED=yes"#
        );
    }

    #[test]
    fn other_options_are_the_same_mount_and_another_place_is_not() {
        let of = |line: &str| args(&mountinfo(line.as_bytes()).unwrap());
        let first = of("36 35 98:0 / /mnt rw - ext3 /dev/sda1 rw");
        assert!(is_same(&first, &of("36 35 98:0 / /mnt ro - ext3 /dev/sda1 rw")));
        assert!(!is_same(&first, &of("36 35 98:0 / /srv rw - ext3 /dev/sda1 rw")));
        assert!(!is_same(&first, &of("36 35 98:0 /sub /mnt rw - ext3 /dev/sda1 rw")));
    }
}
