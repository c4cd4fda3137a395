//! How rc(8) boots: which rc.d scripts run on this machine, and, if that is wanted, one after the other.

use std::{ffi::OsStr, path::Path};

use events::Name;
use jobs::{
    Format, Provide, Require,
    formats::{
        Described, Source,
        rc_conf::{RcConf, Setting},
        rcd::{KeywordFilter, header},
    },
    load::{Content, FileKind, Tree, TreeFile},
};

use crate::rc::rcorder;

/// The file that says that a machine boots for the first time.
const FIRST_BOOT: &str = "firstboot";
/// The variable of rc.conf that has scripts run one after the other, in rcorder's order.
const SERIAL: &str = "rc_serial";
/// The bit of the right to change the network, which nobody has in a container with the host's own.
const NET_ADMIN: u64 = 1 << 12;

/// Which scripts run here, by their KEYWORDs.
pub(super) fn filter(root: &Path, is_container: bool) -> KeywordFilter {
    let mut skip = vec!["nostart"];
    if !root.join(FIRST_BOOT).exists() {
        skip.push("firstboot");
    }
    if is_container {
        skip.push("nojail");
        if !may_change_the_network() {
            skip.push("nojailvnet");
        }
    }
    KeywordFilter { keep: Vec::new(), skip: skip.into_iter().map(Name::constant).collect() }
}

fn may_change_the_network() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set & NET_ADMIN != 0)
}

/// Whether rc.conf wants one script after the other.
pub(super) fn are_serial(tree: &Tree) -> bool {
    let sources: Vec<Source> = texts(tree, FileKind::RcConf).map(|(_, source)| source.clone()).collect();
    match RcConf::from_files(&sources).0.get(SERIAL) {
        Setting::Plain(value) => ["yes", "true", "on", "1"].contains(&value.to_lowercase().as_str()),
        Setting::Unset | Setting::Unknown => false,
    }
}

/// Has each script of these wait for the one before it, in the order in which rc(8) would run them.
pub(super) fn one_by_one(tree: &Tree, jobs: &mut [Described]) {
    let mut scripts: Vec<(&str, &Source)> =
        texts(tree, FileKind::Rcd).map(|(file, source)| (file.path.as_str(), source)).collect();
    // As a shell has them for `/etc/rc.d/*`.
    scripts.sort_unstable_by_key(|(path, _)| *path);
    let headers = scripts.iter().map(|(path, source)| (OsStr::new(*path), header(&source.text)));
    let order = rcorder::order_by_headers(headers, &[b"nostart", b"firstboot"]);
    let mut before: Option<Name> = None;
    for (number, path) in order.iter().enumerate() {
        let is_it = |job: &&mut Described| job.job.format == Format::Rcd && Path::new(&job.path) == *path;
        let Some(described) = jobs.iter_mut().find(is_it) else { continue };
        let Ok(place) = Name::new(&format!("rc.serial.{number}")) else { continue };
        let job = &mut described.job;
        let mut provides = job.provides.to_vec();
        provides.push(Provide { name: place.clone(), expected: None });
        job.provides = provides.into();
        let mut requires = job.requires.to_vec();
        requires.extend(before.replace(place).map(|name| Require { name, expected: None, optional: false }));
        job.requires = requires.into();
    }
}

/// The files of a kind that could be read.
fn texts(tree: &Tree, kind: FileKind) -> impl Iterator<Item = (&TreeFile, &Source)> {
    let files = tree.files.iter().filter(move |file| file.kind == kind);
    files.filter_map(|file| match &file.content {
        Content::Text(source) => Some((file, source)),
        Content::Masked | Content::Unreadable(_) => None,
    })
}
