//! Scripts of rc.d for packages that have no header: in which order they run, or who runs them.

use alloc::{collections::BTreeMap, vec::Vec};

use events::Name;

use super::{FileKind, TreeFile};
use crate::formats::{
    Reading, Source,
    rc_conf::RcConf,
    rcd::{self, old},
};

/// What is known of all of them together.
#[derive(Debug, Default)]
pub(super) struct OldScripts {
    /// Each, and the one before it.
    behind: BTreeMap<Name, Option<Name>>,
    /// The machine's own script that runs them.
    runner: Option<Name>,
}

impl OldScripts {
    pub(super) fn find(files: &[&TreeFile]) -> Self {
        let scripts = || {
            let scripts = files.iter().filter(|file| file.kind == FileKind::Rcd);
            scripts.filter_map(|file| Some((Name::new(&file.rel).ok()?, file.text()?)))
        };
        let runs_them = |source: &Source| {
            source.executable
                && rcd::header(&source.text).provides.iter().any(|word| word.text == old::LOCALPKG)
        };
        let mut names: Vec<Name> = scripts()
            .filter(|(name, source)| {
                old::is_old_name(name) && rcd::is_script_name(name) && old::is_without_provide(source)
            })
            .map(|(name, _)| name)
            .collect();
        if names.is_empty() {
            return Self::default();
        }
        old::sort(&mut names);
        let before = core::iter::once(None).chain(names.iter().cloned().map(Some));
        let behind = names.iter().cloned().zip(before).collect();
        Self { behind, runner: scripts().find(|(_, source)| runs_them(source)).map(|(name, _)| name) }
    }

    /// The script of this name, if it is one of the folder for packages without a header.
    pub(super) fn read(&self, name: &Name, source: &Source, conf: &RcConf) -> Option<Reading> {
        if !old::is_without_provide(source) {
            return None;
        }
        let known = self.behind.get(name);
        let mut reading = old::read(name, source, known.and_then(Option::as_ref), conf);
        if known.is_none() || self.runner.is_some() {
            old::leave(&mut reading, self.runner.as_ref().filter(|_| known.is_some()));
        }
        Some(reading)
    }
}
