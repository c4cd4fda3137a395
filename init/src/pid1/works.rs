//! How jobs make their processes: kept in a memfd, and decoded when one is made.
//!
//! The engine's heap holds conditions and instances; what a job runs, with which limits and as whom, is looked
//! at once for each of its starts and stays out of memory. A job names its work by a number made from what
//! the work says, so an instance that lives by an older version of its file finds the older work.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
};

use jobs::{Work, WorkId};
use serde::{Deserialize, Serialize};

/// What is kept of a job file beside what the engine knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// How its processes are made.
    pub work: Work,
    /// The file it came from.
    pub path: String,
}

/// Where each piece stands in the memfd: first byte and length.
pub type Index = BTreeMap<WorkId, (u32, u32)>;

/// The pieces of all jobs in force, and of those that living instances still go by.
#[derive(Debug)]
pub struct Works {
    file: File,
    index: Index,
    end: u32,
}

impl Works {
    /// Pieces that stand in `file`, which is `end` bytes long.
    #[must_use]
    pub const fn new(file: File, index: Index, end: u32) -> Self {
        Self { file, index, end }
    }

    /// The piece of this number.
    pub fn piece(&self, id: WorkId) -> io::Result<Piece> {
        let (at, length) = *self.index.get(&id).ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, u64::from(at))?;
        postcard::from_bytes(&bytes).map_err(io::Error::other)
    }

    /// Goes over to a new generation, and takes along those pieces of ours that `keep` names.
    pub fn replace(&mut self, mut new: Self, keep: impl IntoIterator<Item = WorkId>) -> io::Result<()> {
        for id in keep {
            let Some((at, length)) = self.index.get(&id).filter(|_| !new.index.contains_key(&id)) else {
                continue;
            };
            let mut bytes = vec![0; *length as usize];
            self.file.read_exact_at(&mut bytes, u64::from(*at))?;
            new.append(id, &bytes)?;
        }
        *self = new;
        Ok(())
    }

    /// Adds a piece that no file brought.
    pub fn add(&mut self, piece: &Piece) -> io::Result<WorkId> {
        let bytes = postcard::to_allocvec(piece).map_err(io::Error::other)?;
        let id = WorkId::of(&bytes);
        self.append(id, &bytes)?;
        Ok(id)
    }

    fn append(&mut self, id: WorkId, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let end = self.end.checked_add(length).ok_or(io::ErrorKind::FileTooLarge)?;
        self.file.write_all_at(bytes, u64::from(self.end))?;
        self.index.insert(id, (self.end, length));
        self.end = end;
        self.file.flush()
    }

    /// Where everything stands: for whoever goes on with the same memfd after a re-exec.
    #[must_use]
    pub const fn parts(&self) -> (&File, &Index, u32) {
        (&self.file, &self.index, self.end)
    }
}
