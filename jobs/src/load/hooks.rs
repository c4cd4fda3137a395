//! Hooks: programs in a folder that bears an event's name, one after the other.

use alloc::{format, vec::Vec};

use events::Name;

use super::{FileKind, TreeFile};
use crate::{
    Report,
    formats::{Reading, Source, hook},
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
