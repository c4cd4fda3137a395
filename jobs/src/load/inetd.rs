//! Lines of inetd.conf among the files: each is as a file of its own.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use events::Name;

use super::{Content, FileKind, TreeFile};
use crate::{
    Report,
    formats::{
        Reading, Source,
        inetd::{self, Services},
    },
};

/// Jobs by whose name an inetd is known that reads the same file.
const OTHERS: [&str; 4] = ["inetd", "inetutils-inetd", "openbsd-inetd", "rlinetd"];

/// What the lines of all inetd.conf give.
#[derive(Debug, Default)]
pub(super) struct Inetd {
    /// In the place of the files themselves: one for each job, named as it is.
    pub files: Vec<TreeFile>,
    /// The jobs.
    pub jobs: BTreeMap<Name, Reading>,
    /// What is to be said of lines that are none.
    pub reports: Vec<Report>,
}

impl Inetd {
    pub fn read(files: &[TreeFile]) -> Self {
        let mut found = Self::default();
        if files.iter().all(|file| file.kind != FileKind::Inetd) {
            return found;
        }
        let mut services = Services::default();
        for file in files.iter().filter(|file| file.kind == FileKind::Services) {
            services.extend(file.text().map(|source| source.text.as_str()).unwrap_or_default());
        }
        let another = another(files);
        for file in files.iter().filter(|file| file.kind == FileKind::Inetd) {
            let source = match &file.content {
                Content::Text(source) => source,
                Content::Masked => continue,
                Content::Unreadable(report) => {
                    found.reports.push(report.clone());
                    continue;
                }
            };
            let lines = inetd::read(source, &services, another);
            found.reports.extend(lines.reports);
            for (name, reading) in lines.jobs {
                let rel = String::from(name.as_str());
                // What stands in the line has been read.
                let nothing = Source { path: source.path.clone(), text: String::new(), executable: false };
                let (path, content) = (file.path.clone(), Content::Text(nothing));
                found.files.push(TreeFile { kind: file.kind, layer: file.layer, rel, path, content });
                found.jobs.entry(name).or_insert(reading);
            }
        }
        found
    }
}

/// The inetd that this machine has, if it is not Onset that is to serve these lines.
fn another(files: &[TreeFile]) -> Option<&'static str> {
    let name = |file: &'_ TreeFile| match file.kind {
        FileKind::Lsb | FileKind::Rcd => OTHERS.into_iter().find(|other| file.rel == *other),
        FileKind::Native => OTHERS.into_iter().find(|other| file.rel.strip_suffix(".ron") == Some(other)),
        FileKind::Upstart => OTHERS.into_iter().find(|other| file.rel.strip_suffix(".conf") == Some(other)),
        FileKind::NativeOverride
        | FileKind::UpstartOverride
        | FileKind::RcConf
        | FileKind::LsbOverride
        | FileKind::Insserv
        | FileKind::LsbDefaults
        | FileKind::RcLink
        | FileKind::Hook
        | FileKind::Syshook
        | FileKind::Inetd
        | FileKind::Services => None,
    };
    // Of one name the file counts that the job is read from: the one of the language that comes first.
    OTHERS.into_iter().find(|other| {
        let named = files.iter().filter(|file| name(file) == Some(*other));
        let first = named.min_by_key(|file| (file.kind, core::cmp::Reverse(file.layer)));
        first.is_some_and(|file| file.content != Content::Masked)
    })
}
