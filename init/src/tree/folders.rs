//! Which folders of a machine have files that say what runs, and in which language.

use jobs::load::{Content, FileKind, OF_PACKAGES};

/// A folder, or a single file, whose place says what lies in it.
pub(super) struct Folder {
    /// Below the root.
    pub path: &'static str,
    pub kind: FileKind,
    /// How high it is: of two files for one job, the higher counts.
    pub layer: u8,
    pub names: Names,
}

/// Which of its files count.
pub(super) enum Names {
    /// It is a file itself.
    File,
    /// Those directly in it with this ending.
    Flat(&'static str),
    /// These, and those in folders within it.
    Deep(&'static str),
    /// All, each with this in front of its name.
    Links(&'static str),
}

impl Names {
    /// How the names of those that count end.
    pub const fn ending(&self) -> &'static str {
        match self {
            Self::Flat(ending) | Self::Deep(ending) => ending,
            Self::File | Self::Links(_) => "",
        }
    }
}

const fn folder(path: &'static str, kind: FileKind, layer: u8, names: Names) -> Folder {
    Folder { path, kind, layer, names }
}

/// Everything that is looked at in a root. What Onset's own folders say lies above what others' do.
pub(super) const FOLDERS: [Folder; 37] = [
    folder("etc/onset/jobs", FileKind::Native, 4, Names::Deep(".ron")),
    folder("run/onset/jobs", FileKind::Native, 3, Names::Deep(".ron")),
    folder("usr/lib/onset/jobs", FileKind::Native, OF_PACKAGES, Names::Deep(".ron")),
    folder("etc/onset/hooks", FileKind::Hook, 4, Names::Deep("")),
    folder("run/onset/hooks", FileKind::Hook, 3, Names::Deep("")),
    folder("usr/lib/onset/hooks", FileKind::Hook, 2, Names::Deep("")),
    folder("usr/local/etc/rc.syshook.d", FileKind::Syshook, 1, Names::Deep("")),
    folder("etc/init", FileKind::Upstart, 1, Names::Deep(".conf")),
    folder("etc/init", FileKind::Upstart, 1, Names::Deep(".override")),
    folder("etc/rc.d", FileKind::Rcd, 0, Names::Flat("")),
    folder("usr/local/etc/rc.d", FileKind::Rcd, 0, Names::Flat("")),
    folder("etc/defaults/rc.conf", FileKind::RcConf, 0, Names::File),
    folder("etc/rc.conf", FileKind::RcConf, 0, Names::File),
    folder("etc/rc.conf.local", FileKind::RcConf, 0, Names::File),
    folder("etc/rc.conf.d", FileKind::RcConf, 0, Names::Deep("")),
    folder("usr/local/etc/rc.conf.d", FileKind::RcConf, 0, Names::Deep("")),
    folder("etc/init.d", FileKind::Lsb, 1, Names::Flat("")),
    folder("etc/insserv/overrides", FileKind::LsbOverride, 1, Names::Flat("")),
    folder("usr/share/insserv/overrides", FileKind::LsbOverride, 0, Names::Flat("")),
    folder("etc/insserv.conf", FileKind::Insserv, 1, Names::File),
    folder("etc/insserv.conf.d", FileKind::Insserv, 0, Names::Flat("")),
    folder("etc/default/rcS", FileKind::LsbDefaults, 0, Names::File),
    folder("etc/rcS.d", FileKind::RcLink, 0, Names::Links("rcS.d")),
    folder("etc/rc0.d", FileKind::RcLink, 0, Names::Links("rc0.d")),
    folder("etc/rc1.d", FileKind::RcLink, 0, Names::Links("rc1.d")),
    folder("etc/rc2.d", FileKind::RcLink, 0, Names::Links("rc2.d")),
    folder("etc/rc3.d", FileKind::RcLink, 0, Names::Links("rc3.d")),
    folder("etc/rc4.d", FileKind::RcLink, 0, Names::Links("rc4.d")),
    folder("etc/rc5.d", FileKind::RcLink, 0, Names::Links("rc5.d")),
    folder("etc/rc6.d", FileKind::RcLink, 0, Names::Links("rc6.d")),
    folder("etc/runlevels/sysinit", FileKind::RcLink, 0, Names::Links("runlevels/sysinit")),
    folder("etc/runlevels/boot", FileKind::RcLink, 0, Names::Links("runlevels/boot")),
    folder("etc/runlevels/default", FileKind::RcLink, 0, Names::Links("runlevels/default")),
    folder("etc/inetd.conf", FileKind::Inetd, 1, Names::File),
    folder("etc/services", FileKind::Services, 0, Names::File),
    folder("jobs", FileKind::Native, 4, Names::Deep(".ron")),
    folder("hooks", FileKind::Hook, 4, Names::Deep("")),
];

/// What a file is, in a folder for files of `kind`.
pub(super) fn kind_of(kind: FileKind, name: &str) -> FileKind {
    let has_overrides = matches!(kind, FileKind::Native | FileKind::Hook | FileKind::Syshook);
    if has_overrides && name.ends_with(".override.ron") {
        FileKind::NativeOverride
    } else if kind == FileKind::Upstart && name.ends_with(".override") {
        FileKind::UpstartOverride
    } else {
        kind
    }
}

/// What stands before the names of files in a folder: their jobs are called so.
pub(super) const fn prefix_of(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Hook => "hooks/",
        FileKind::Syshook => "rc.syshook.d/",
        FileKind::Native
        | FileKind::NativeOverride
        | FileKind::Upstart
        | FileKind::UpstartOverride
        | FileKind::Rcd
        | FileKind::RcConf
        | FileKind::Lsb
        | FileKind::LsbOverride
        | FileKind::Insserv
        | FileKind::LsbDefaults
        | FileKind::RcLink
        | FileKind::Inetd
        | FileKind::Services => "",
    }
}

/// What a file is by its name alone, in a folder that may hold anything.
pub(super) fn kind_by_ending(name: &str) -> Option<FileKind> {
    match name.rsplit_once('.') {
        Some((_, "ron")) => Some(kind_of(FileKind::Native, name)),
        Some((_, "conf")) if !matches!(name, "insserv.conf" | "rc.conf" | "inetd.conf") => {
            Some(FileKind::Upstart)
        }
        Some((_, "override")) => Some(FileKind::UpstartOverride),
        _ => match name {
            "insserv.conf" => Some(FileKind::Insserv),
            "inetd.conf" => Some(FileKind::Inetd),
            "rc.conf" | "rc.conf.local" => Some(FileKind::RcConf),
            _ => None,
        },
    }
}

/// What a file is by what stands in it: a script with a header, of which the first counts. A file without
/// one is no job.
pub(super) fn kind_by_content(content: &Content) -> Option<FileKind> {
    match content {
        Content::Text(source) => source.text.lines().find_map(|line| {
            let rcd = ["# PROVIDE", "# REQUIRE", "# BEFORE", "# KEYWORD"];
            if line.starts_with("### BEGIN INIT INFO") {
                Some(FileKind::Lsb)
            } else {
                rcd.iter().any(|start| line.starts_with(start)).then_some(FileKind::Rcd)
            }
        }),
        Content::Masked => None,
        // Something should have been read here, so that it is shown.
        Content::Unreadable(_) => Some(FileKind::Rcd),
    }
}

/// The layer of a file that lies in no folder of its own.
pub(super) const fn layer_of_loose(kind: Option<FileKind>) -> u8 {
    if matches!(kind, Some(FileKind::Native | FileKind::NativeOverride)) { 4 } else { 0 }
}
