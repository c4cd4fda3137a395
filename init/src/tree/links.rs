//! One rc.d script under several names is started once.
//!
//! A script that looks at the name it was called by is meant to have several: one for each tunnel, say. All
//! others do the same whatever they are called, and would be started twice.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use jobs::{
    Report,
    load::{Content, FileKind},
};

use super::{
    Candidate, Entry,
    file::{Place, Reach, Reader, Wanted},
};

/// What a script says that looks at its own name.
const OWN_NAME: [&str; 3] = ["$0", "${0", "$_file"];

/// Takes links to rc.d scripts out of `found` that lead to a script which is there already, and says so.
pub(super) fn leave_out(root: &Path, found: &mut Vec<Candidate>, reports: &mut Vec<Report>) {
    let is_script = |found: &&Candidate| found.kind == Some(FileKind::Rcd);
    let mut scripts: HashMap<&OsStr, Vec<&Path>> = HashMap::new();
    let links: Vec<&Candidate> =
        found.iter().filter(is_script).filter(|found| found.entry == Entry::Other).collect();
    if links.is_empty() {
        return;
    }
    for file in found.iter().filter(is_script).filter(|found| found.entry == Entry::File) {
        scripts.entry(file.path.file_name().unwrap_or_default()).or_default().push(&file.path);
    }
    // Links to a script elsewhere: the first one stands for it.
    let mut first: HashMap<(u64, u64), &Path> = HashMap::new();
    let mut left_out: HashSet<PathBuf> = HashSet::new();
    for link in links {
        let Ok(place) = Place::resolve(root, &link.path) else { continue };
        if !place.metadata.is_file() || place.is_null {
            continue;
        }
        let name = place.path.file_name().unwrap_or_default();
        let same = |path: &&&Path| {
            fs::metadata(path).is_ok_and(|other| (other.dev(), other.ino()) == place.identity())
        };
        let script = scripts.get(name).and_then(|paths| paths.iter().find(same)).copied();
        let script = script.unwrap_or_else(|| first.entry(place.identity()).or_insert(&link.path));
        let is_same_name = script.file_name() == link.path.file_name();
        if script != link.path && (is_same_name || !looks_at_its_name(root, &place.path)) {
            reports.push(report(&link.path, script));
            left_out.insert(link.path.clone());
        }
    }
    found.retain(|found| !left_out.contains(&found.path));
}

fn looks_at_its_name(root: &Path, path: &Path) -> bool {
    let wanted = Wanted { is_regular: true, reach: Reach::Whole, mode: false, is_script: true };
    match Reader::default().read(root, path, path.to_string_lossy().into_owned(), wanted) {
        Content::Text(source) => OWN_NAME.iter().any(|own| source.text.contains(own)),
        Content::Masked | Content::Unreadable(_) => false,
    }
}

fn report(link: &Path, script: &Path) -> Report {
    let script = script.to_string_lossy();
    Report::warning("same-script", "link to a script that is there under another name or in another folder")
        .in_file(&link.to_string_lossy())
        .in_file(&script)
        .help(format!("it is started once, as {script}: remove the link"))
}
