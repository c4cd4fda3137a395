//! The devices that are there: what was told of them, by identity and by path.
//!
//! One rule holds whatever is heard: `added` and `removed` are told exactly when the fact begins and ends. In one place
//! there is one device; another identity there is the end of one and the beginning of another.

use std::{collections::BTreeMap, sync::Arc};

use events::{Args, Event, Identity, Name, Text, Uevent, Value, device_event};
use jobs::{Input, Origin};

use super::folder::Found;
use crate::{
    pid1::shell::Shell,
    sources::{
        Past,
        known::{Change, Known},
    },
};

/// How many devices are known at most. What is beyond it is left out, and counted.
pub const MOST: usize = 16_384;
/// How many inputs one call here makes at most, but for the end of a look.
pub const INPUTS: usize = 4;

/// How a device stands to what was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It was not there. That it has been added is for the caller to tell.
    Added,
    /// It was there, and something about it was different. That it has changed is for the caller to tell.
    Changed,
    /// It is as it was.
    Same,
    /// There are too many.
    LeftOut,
}

/// The devices that are there.
#[derive(Debug)]
pub struct Table {
    known: Known,
    paths: BTreeMap<Text, Identity>,
    left_out: u64,
}

impl Table {
    /// Those that an image before has told of.
    pub fn new(past: &Past<'_>) -> Self {
        let known = Known::new(Name::constant("device"), past);
        let paths = known.iter().filter_map(|(identity, args)| Some((path(args)?, identity.clone())));
        Self { paths: paths.collect(), known, left_out: 0 }
    }

    /// The device in a place.
    pub fn at(&self, path: &str) -> Option<(&Identity, &Arc<Args>)> {
        let identity = self.paths.get(path)?;
        Some((identity, self.known.get(identity)?))
    }

    /// Whether there are devices below a place.
    pub fn has_below(&self, path: &str) -> bool {
        let below = Text::from(format!("{path}/"));
        self.paths.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(below.as_str()))
    }

    /// A device is there. If another was in its place, that one is gone now.
    pub fn see(&mut self, shell: &mut Shell<'_>, found: &Found) -> Seen {
        let Some(place) = path(&found.args) else { return Seen::LeftOut };
        if self.paths.get(&place).is_some_and(|there| *there != found.identity) {
            self.went(shell, &place, None);
        }
        if self.known.get(&found.identity).is_none() && self.known.len() >= MOST {
            self.left_out = self.left_out.saturating_add(1);
            return Seen::LeftOut;
        }
        let seen = match self.known.holds(shell, &found.identity, &found.args) {
            Change::New => Seen::Added,
            Change::Changed(before) => {
                self.leave(&before, &found.identity);
                Seen::Changed
            }
            Change::Same => return Seen::Same,
        };
        self.paths.insert(place, found.identity.clone());
        seen
    }

    /// The device in a place is gone, as a message says or by what is known: tells it.
    pub fn went(&mut self, shell: &mut Shell<'_>, place: &str, message: Option<&Uevent>) {
        let Some(identity) = self.paths.remove(place) else { return };
        let Some(args) = self.known.is_gone(shell, &identity) else { return };
        let event = match message.and_then(Uevent::event) {
            Some(mut event) => {
                for (key, value) in
                    args.iter().filter(|(key, _)| message.is_some_and(|it| it.get(key).is_none()))
                {
                    if event.args.get(key).is_none() {
                        event.args.push(key.clone(), value.clone());
                    }
                }
                Some(event)
            }
            None => device_event(&args, "remove"),
        };
        tell(shell, event);
    }

    /// Everything is looked at from here on.
    pub const fn begin_look(&mut self) {
        self.known.begin_look();
    }

    /// Everything was looked at: what was not seen is gone.
    pub fn end_look(&mut self, shell: &mut Shell<'_>) {
        for (identity, args) in self.known.end_look(shell) {
            self.leave(&args, &identity);
            tell(shell, device_event(&args, "remove"));
        }
    }

    /// A device is not in the place any more that these say.
    fn leave(&mut self, args: &Args, identity: &Identity) {
        if let Some(place) = path(args)
            && self.paths.get(&place) == Some(identity)
        {
            self.paths.remove(&place);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// How many found no room.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// Where a device is.
fn path(args: &Args) -> Option<Text> {
    args.get("DEVPATH").map(|path| Text::from(Value::as_str(path)))
}

/// Tells an event of the world's.
pub fn tell(shell: &mut Shell<'_>, event: Option<Event>) {
    if let Some(event) = event {
        shell.report(Input::Event { event, origin: Origin::World, reply: None });
    }
}
