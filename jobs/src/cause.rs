//! Why something happened: a tree of causes, each kept as long as anybody points at it.

use alloc::{sync::Arc, vec::Vec};

use events::{Event, Fact, Name, Text, Time};
use serde::{Deserialize, Serialize};

use crate::{Origin, Verb};

/// How many causes deep a chain is kept; older ones are only counted.
pub const MAX_CHAIN: u16 = 256;

/// A cause in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CauseId(u32);

impl CauseId {
    /// No cause: the beginning of all.
    pub const NONE: Self = Self(u32::MAX);
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happening {
    /// An event from outside.
    Event(Arc<Event>, Origin),
    /// An event that the engine caused.
    Own(Arc<Event>),
    /// A condition over facts came true by this fact.
    Rose(Arc<Fact>),
    /// A condition over facts came to an end by this fact.
    Fell(Arc<Fact>),
    /// Somebody gave a command.
    Command(Verb, Origin),
    /// An instance was started.
    Started(Name, Text),
    /// An instance was stopped.
    Stopped(Name, Text),
    /// This job needs it.
    NeededBy(Name),
    /// This job, which it needs, went away.
    Lost(Name),
    /// A new generation of jobs.
    Reload,
    /// The machine goes down.
    Shutdown(Origin),
    /// The mode changed.
    Mode(Name),
}

/// A cause, and its own cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// When.
    pub time: Time,
    /// What.
    pub what: Happening,
    /// What it came from.
    pub parent: CauseId,
    /// How many causes stand before it; more than [`MAX_CHAIN`] are not kept.
    pub depth: u16,
}

/// All causes that anybody points at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Causes {
    nodes: Vec<Option<(Cause, u32)>>,
    free: Vec<u32>,
}

impl Causes {
    /// A new cause with one pointer to it: the caller's.
    pub fn add(&mut self, time: Time, what: Happening, parent: CauseId) -> CauseId {
        let depth = self.get(parent).map_or(0, |cause| cause.depth.saturating_add(1));
        let parent = if depth >= MAX_CHAIN { CauseId::NONE } else { parent };
        self.keep(parent);
        let node = Some((Cause { time, what, parent, depth: depth % MAX_CHAIN }, 1));
        match self.free.pop() {
            Some(place) => {
                if let Some(slot) = self.nodes.get_mut(place as usize) {
                    *slot = node;
                }
                CauseId(place)
            }
            None => {
                let place = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
                self.nodes.push(node);
                CauseId(place)
            }
        }
    }

    /// One more pointer to it.
    pub fn keep(&mut self, id: CauseId) -> CauseId {
        if let Some(Some((_, pointers))) = self.nodes.get_mut(id.0 as usize) {
            *pointers = pointers.saturating_add(1);
        }
        id
    }

    /// One pointer less; what nobody points at any more is gone.
    pub fn release(&mut self, mut id: CauseId) {
        while let Some(slot) = self.nodes.get_mut(id.0 as usize)
            && let Some((cause, pointers)) = slot
        {
            *pointers = pointers.saturating_sub(1);
            if *pointers > 0 {
                return;
            }
            let parent = cause.parent;
            *slot = None;
            self.free.push(id.0);
            id = parent;
        }
    }

    /// The cause, if it is kept.
    pub fn get(&self, id: CauseId) -> Option<&Cause> {
        self.nodes.get(id.0 as usize)?.as_ref().map(|(cause, _)| cause)
    }

    /// The cause and all that stand before it, latest first.
    pub fn chain(&self, id: CauseId) -> impl Iterator<Item = &Cause> {
        core::iter::successors(self.get(id), |cause| self.get(cause.parent))
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.nodes.len().saturating_sub(self.free.len())
    }
}
