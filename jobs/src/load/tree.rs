//! The files of a machine that say what runs on it.

use alloc::{string::String, vec::Vec};
use core::{cell::OnceCell, cmp::Reverse};

use crate::{
    Report,
    formats::{Source, rc_conf::RcConf},
};

/// The files of a machine that say what runs on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    files: Vec<TreeFile>,
    /// What those of rc.conf set, once somebody has asked.
    rc_conf: OnceCell<(RcConf, Vec<Report>)>,
}

impl Tree {
    /// Of these files, in any order.
    #[must_use]
    pub fn new(files: Vec<TreeFile>) -> Self {
        Self { files, rc_conf: OnceCell::new() }
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &[TreeFile] {
        &self.files
    }

    /// The files, to make another tree of.
    #[must_use]
    pub fn into_files(self) -> Vec<TreeFile> {
        self.files
    }

    /// The texts of the files of one kind.
    pub fn sources(&self, kind: FileKind) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(move |file| file.kind == kind).filter_map(TreeFile::text)
    }

    /// What rc.conf and its kin set on this machine, and what is odd in them.
    #[must_use]
    pub fn rc_conf(&self) -> &(RcConf, Vec<Report>) {
        self.rc_conf.get_or_init(|| {
            let mut files: Vec<&TreeFile> =
                self.files.iter().filter(|file| file.kind == FileKind::RcConf).collect();
            // Of one sort, each has the last word over those before it.
            files.sort_by_key(|file| (Reverse(file.layer), &file.rel, &file.path));
            let sources: Vec<Source> = files.into_iter().filter_map(TreeFile::text).cloned().collect();
            RcConf::of_machine(&sources)
        })
    }
}

impl Extend<TreeFile> for Tree {
    fn extend<T: IntoIterator<Item = TreeFile>>(&mut self, files: T) {
        self.files.extend(files);
        self.rc_conf = OnceCell::new();
    }
}

/// A file that says what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Which language it is in.
    pub kind: FileKind,
    /// How high its folder is: of two files for one job, the higher counts.
    pub layer: u8,
    /// Its path below its folder, from which its job has its name: `net/dhcp.ron`, `startup/10-clock`,
    /// `rc2.d/S01ssh`.
    pub rel: String,
    /// Where it was found, as it is shown.
    pub path: String,
    /// What stands in it.
    pub content: Content,
}

/// The language of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `NAME.ron`.
    Native,
    /// `NAME.override.ron`, over a job of any format.
    NativeOverride,
    /// `NAME.conf`.
    Upstart,
    /// `NAME.override`, over a `.conf`.
    UpstartOverride,
    /// A script of rc.d.
    Rcd,
    /// rc.conf and the like.
    RcConf,
    /// A script of init.d.
    Lsb,
    /// A header that counts in the place of a script's own.
    LsbOverride,
    /// insserv.conf: which scripts are which facility.
    Insserv,
    /// `/etc/default/rcS`: what scripts of init.d are told besides.
    LsbDefaults,
    /// A link of an rcN.d folder.
    RcLink,
    /// A program that an event starts: its folder's name is the event.
    Hook,
    /// The same in rc.syshook.d.
    Syshook,
    /// inetd.conf: each line is a job.
    Inetd,
    /// `/etc/services`: which port a service of inetd.conf has.
    Services,
}

/// What stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(Source),
    /// Nothing: it is a link to `/dev/null`, and the job does not exist.
    Masked,
    /// Something that may not be read, and why.
    Unreadable(Report),
}

impl TreeFile {
    /// What stands in it, if it is text that may be read.
    #[must_use]
    pub fn text(&self) -> Option<&Source> {
        match &self.content {
            Content::Text(source) => Some(source),
            Content::Masked | Content::Unreadable(_) => None,
        }
    }
}
