//! From a job's name to its place. The name itself stands in the job alone.

use hashbrown::{DefaultHashBuilder, HashTable};

use core::hash::BuildHasher as _;

use super::{Engine, model::Slot};
use crate::JobId;

/// Places of jobs, by what the jobs there are called.
#[derive(Debug, Default)]
pub struct Names {
    table: HashTable<JobId>,
    hasher: DefaultHashBuilder,
}

fn name_at(slots: &[Option<Slot>], id: JobId) -> Option<&str> {
    Some(slots.get(id.0 as usize)?.as_ref()?.job.name.as_str())
}

impl Engine {
    /// The place of the job of this name.
    pub(super) fn named(&self, name: &str) -> Option<JobId> {
        let Names { table, hasher } = &self.names;
        table.find(hasher.hash_one(name), |id| name_at(&self.saved.slots, *id) == Some(name)).copied()
    }

    /// Makes room for the names of so many more jobs.
    pub(super) fn reserve_names(&mut self, more: usize) {
        let Names { table, hasher } = &mut self.names;
        table.reserve(more, |id| hasher.hash_one(name_at(&self.saved.slots, *id).unwrap_or_default()));
    }

    /// Has the job at a place found by its name.
    pub(super) fn add_name(&mut self, id: JobId) {
        let slots = &self.saved.slots;
        let Names { table, hasher } = &mut self.names;
        let hash_of = |id: &JobId| hasher.hash_one(name_at(slots, *id).unwrap_or_default());
        table.insert_unique(hash_of(&id), id, hash_of);
    }

    /// Has it found no more; its job must still be there.
    pub(super) fn forget_name(&mut self, id: JobId) {
        let Names { table, hasher } = &mut self.names;
        let name = name_at(&self.saved.slots, id).unwrap_or_default();
        if let Ok(entry) = table.find_entry(hasher.hash_one(name), |known| *known == id) {
            entry.remove();
        }
    }
}
