//! Hooks: programs in a folder that bears an event's name, one after the other.

use alloc::{collections::BTreeMap, format, vec::Vec};

use events::Name;

use super::{FileKind, TreeFile};
use crate::{
    Report, Require,
    formats::{Described, Reading, Source, hook},
};

/// The job of a hook; its event is the name of the folder that it lies in.
pub(super) fn read(file: &TreeFile, source: &Source) -> Reading {
    let (folder, name) = file.rel.rsplit_once('/').unwrap_or(("", &file.rel));
    match Name::new(folder) {
        Ok(level) if file.kind == FileKind::Syshook => hook::read_syshook(&level, name, source),
        Ok(event) => hook::read(&event, name, source),
        Err(fault) => {
            let report = Report::error("bad-hook-event", format!("`{folder}` cannot be an event: {fault}"))
                .in_file(&file.path)
                .help("a hook lies in a folder whose name is the event that runs it");
            Reading { described: None, reports: Vec::from([report]) }
        }
    }
}

/// Lets the hooks of one event run in the order of their names: each comes after the one before it has ended,
/// however it ended.
pub(super) fn put_in_order(hooks: &mut [Described]) {
    let mut last: BTreeMap<Name, Name> = BTreeMap::new();
    // As `hook::precedes` has it: byte for byte.
    hooks.sort_by(|one, other| one.job.name.cmp(&other.job.name));
    for described in hooks {
        let Some(event) = described.job.start_on.as_ref().and_then(|on| on.single()) else { continue };
        let before = last.insert(event.name.clone(), described.job.name.clone());
        if let Some(name) = before {
            let mut requires = core::mem::take(&mut described.job.requires).into_vec();
            requires.push(Require { name, expected: None, optional: true });
            described.job.requires = requires.into();
        }
    }
}
