//! Files that are laid over jobs: which are meant for which, and those that are meant for none.

use alloc::{collections::BTreeMap, format, vec::Vec};

use events::Name;

use super::{Content, FileKind, Loading, TreeFile};
use crate::{Report, did_you_mean, formats::Source};

impl<'t> Loading<'t> {
    /// What is laid over all hooks of a folder: `hooks/EVENT.override.ron`, beside it.
    pub(super) fn overrides_of_folder(&mut self, name: &Name, file: &TreeFile) -> Vec<&'t TreeFile> {
        if !matches!(file.kind, FileKind::Hook | FileKind::Syshook) {
            return Vec::new();
        }
        let folder = name.rsplit_once('/').and_then(|(folder, _)| Name::new(folder).ok());
        let Some((folder, over)) = folder.and_then(|it| self.native_overrides.get_key_value(&it)) else {
            return Vec::new();
        };
        self.used_overrides.insert(folder.clone());
        over.clone()
    }

    /// The text of an override, if it could be read.
    pub(super) fn override_text(&mut self, file: &TreeFile) -> Option<Source> {
        self.show_unreadable(file);
        file.text().cloned()
    }

    /// What is said of an override without a job.
    pub(super) fn lonely(&self, name: &Name, file: &TreeFile, named: &[(Name, &TreeFile)]) -> Report {
        let is_job = |name: &Name| {
            let mut none = self.out.refused.iter().map(|refused| &refused.name);
            let mut masked = self.out.masked.iter().map(|masked| &masked.name);
            !none.any(|none| none == name) && !masked.any(|masked| masked == name)
        };
        let names = named.iter().map(|(name, _)| name).filter(|name| is_job(name)).map(Name::as_str);
        let report =
            Report::warning("override-without-job", format!("there is no job `{name}` to lay this over"))
                .in_file(&file.path);
        let swapped =
            [".conf", ".ron"].into_iter().find_map(|ending| Some((name.strip_suffix(ending)?, ending)));
        if let Some((job, ending)) = swapped {
            let right = if ending == ".ron" { ".override.ron" } else { ".override" };
            return report.help(format!("rename it `{job}{right}`"));
        }
        match did_you_mean(name, names) {
            Some(meant) => report.help(format!("did you mean `{meant}`?")),
            None => report.help("its name must be that of the job, with `.override` behind it"),
        }
    }
}

/// Overrides by the job they are laid over, the lowest layer first. A link to `/dev/null` takes away those
/// below it.
pub(super) fn overrides<'t>(
    files: impl Iterator<Item = &'t TreeFile>,
    name: impl Fn(&str) -> Option<Name>,
) -> BTreeMap<Name, Vec<&'t TreeFile>> {
    let mut by_name: BTreeMap<Name, Vec<&'t TreeFile>> = BTreeMap::new();
    for file in files {
        if let Some(name) = name(&file.rel) {
            by_name.entry(name).or_default().push(file);
        }
    }
    for files in by_name.values_mut() {
        let masked = files.iter().position(|file| file.content == Content::Masked);
        files.truncate(masked.unwrap_or(files.len()));
        files.reverse();
    }
    by_name.retain(|_, files| !files.is_empty());
    by_name
}
