//! Descriptors that PID 1 keeps when it executes itself, each with a label that says what it is.
//!
//! Labels stand in a file of memory, at a place that the descriptor's number gives, because what was opened since
//! the last snapshot must be found, too. There is one such table in a process.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::fs::FileExt as _,
    },
    sync::OnceLock,
};

use crate::sys::{fault, memory};

const ENTRY: usize = 16;
/// For so many descriptors the table is there from the start; beyond, a label may lack memory.
const READY: usize = 1_024;

/// What a descriptor is, to the part that keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// Whose it is and what for: the parts of PID 1 number their uses.
    pub role: u32,
    /// As that part likes: the place of a life, as a rule.
    pub place: u32,
    /// As that part likes: the number of a life, as a rule.
    pub number: u64,
}

/// A descriptor that is kept when PID 1 executes itself, for as long as this value lives.
#[derive(Debug)]
pub struct Kept {
    // Before the descriptor, because its mark must be gone when it is closed.
    mark: Mark,
    fd: OwnedFd,
}

#[derive(Debug)]
struct Mark {
    fd: RawFd,
    label: Label,
}

static TABLE: OnceLock<File> = OnceLock::new();

impl Kept {
    /// Keeps `fd` from now on. If its label cannot be noted for lack of memory, the next image closes it.
    #[must_use]
    pub fn new(fd: OwnedFd, label: Label) -> Self {
        let mark = Mark { fd: fd.as_raw_fd(), label };
        set_label(mark.fd, Some(label));
        fault::keep(mark.fd, true);
        Self { mark, fd }
    }

    /// What it is.
    #[must_use]
    pub const fn label(&self) -> Label {
        self.mark.label
    }

    /// Keeps it no longer, and gives it back.
    #[must_use]
    pub fn release(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Kept {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        fault::keep(self.fd, false);
        set_label(self.fd, None);
    }
}

fn set_label(fd: RawFd, label: Option<Label>) {
    let (Some(table), Ok(place)) = (TABLE.get(), u64::try_from(fd)) else { return };
    let mut entry = [0; ENTRY];
    if let Some(label) = label {
        let role = label.role.saturating_add(1).to_le_bytes();
        let fields = role.into_iter().chain(label.place.to_le_bytes()).chain(label.number.to_le_bytes());
        entry.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    }
    // A label that is not there only costs the descriptor at the next exec.
    let _ = table.write_all_at(&entry, place.saturating_mul(ENTRY as u64));
}

/// An empty table.
pub(super) fn new_table() -> io::Result<File> {
    memory::fixed_memfd(c"onset-descriptors", READY.saturating_mul(ENTRY))
}

/// Notes labels in this table from now on. Only the first call counts.
pub(super) fn use_table(table: File) {
    let _ = TABLE.set(table);
}

/// The descriptor of the table in use.
pub(super) fn table() -> Option<RawFd> {
    TABLE.get().map(|table| table.as_raw_fd())
}

/// All descriptors that an earlier image has kept, as the table says.
pub(super) fn take_all() -> io::Result<Vec<Kept>> {
    let Some(table) = TABLE.get() else { return Ok(Vec::new()) };
    let mut bytes = vec![0; usize::try_from(table.metadata()?.len()).unwrap_or(0)];
    table.read_exact_at(&mut bytes, 0)?;
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    let mut all = Vec::new();
    for (fd, entry) in (0..).zip(entries) {
        // One that is not open any more has nothing to be kept.
        if let Some(label) = label(entry)
            && let Ok(fd) = memory::take_descriptor(fd)
        {
            all.push(Kept::new(fd, label));
        }
    }
    Ok(all)
}

fn label(entry: &[u8; ENTRY]) -> Option<Label> {
    let (role, rest) = entry.split_first_chunk::<4>()?;
    let (place, rest) = rest.split_first_chunk::<4>()?;
    let number = rest.first_chunk::<8>()?;
    Some(Label {
        role: u32::from_le_bytes(*role).checked_sub(1)?,
        place: u32::from_le_bytes(*place),
        number: u64::from_le_bytes(*number),
    })
}
