//! Files on their way in, and jobs on their way out.

use alloc::{string::String, vec::Vec};

use events::Name;

use crate::{
    Report,
    formats::{Described, Source},
};

/// The files of a machine that say what runs on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// The files, in any order.
    pub files: Vec<TreeFile>,
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

/// The layer of the folder in which packages put their job files. What lies there is for many machines: it may speak of
/// jobs that this one has not, stands beside the script of the same package for another init, and gives way to what the
/// machine's own folders say.
pub const OF_PACKAGES: u8 = 2;

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

/// What the files say: the jobs, and all that there is to be said about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generation {
    /// The jobs, by name.
    pub jobs: Vec<Described>,
    /// Files for which there is no job, though there should be one. Who has one of this name keeps it.
    pub refused: Vec<Refused>,
    /// Jobs that a link to `/dev/null` takes away.
    pub masked: Vec<Masked>,
    /// Errors and warnings, by place.
    pub reports: Vec<Report>,
}

/// A file that is refused. The reports say why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The job that it would describe.
    pub name: Name,
    /// The file.
    pub path: String,
}

/// A job that does not exist because of a link to `/dev/null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// Its name.
    pub name: Name,
    /// The link.
    pub path: String,
    /// What it would provide.
    pub provides: Vec<Name>,
}

impl TreeFile {
    /// What stands in it, if that is text.
    pub(super) fn text(&self) -> Option<&Source> {
        match &self.content {
            Content::Text(source) => Some(source),
            Content::Masked | Content::Unreadable(_) => None,
        }
    }
}
