//! Mount options: which are flags of mount(2), which concern how a mount spreads, which nobody but fstab's readers care
//! for, and which are the file system's own.

use nix::mount::MsFlags;

/// What mount(2) is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    pub flags: MsFlags,
    /// How it spreads, which is a call of its own.
    pub spread: MsFlags,
    /// For the file system, with commas between.
    pub data: String,
}

/// What an option does to the flags.
enum Change {
    Set(MsFlags),
    Clear(MsFlags),
}

use Change::{Clear, Set};

const SAFE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);
/// `MS_NOSYMFOLLOW`, which `nix` does not know.
const NO_SYMLINKS: MsFlags = MsFlags::from_bits_retain(256);

const FLAGS: &[(&str, Change)] = &[
    ("ro", Set(MsFlags::MS_RDONLY)),
    ("rw", Clear(MsFlags::MS_RDONLY)),
    ("nosuid", Set(MsFlags::MS_NOSUID)),
    ("suid", Clear(MsFlags::MS_NOSUID)),
    ("nodev", Set(MsFlags::MS_NODEV)),
    ("dev", Clear(MsFlags::MS_NODEV)),
    ("noexec", Set(MsFlags::MS_NOEXEC)),
    ("exec", Clear(MsFlags::MS_NOEXEC)),
    ("sync", Set(MsFlags::MS_SYNCHRONOUS)),
    ("async", Clear(MsFlags::MS_SYNCHRONOUS)),
    ("dirsync", Set(MsFlags::MS_DIRSYNC)),
    ("mand", Set(MsFlags::MS_MANDLOCK)),
    ("nomand", Clear(MsFlags::MS_MANDLOCK)),
    ("noatime", Set(MsFlags::MS_NOATIME)),
    ("atime", Clear(MsFlags::MS_NOATIME)),
    ("nodiratime", Set(MsFlags::MS_NODIRATIME)),
    ("diratime", Clear(MsFlags::MS_NODIRATIME)),
    ("relatime", Set(MsFlags::MS_RELATIME)),
    ("norelatime", Clear(MsFlags::MS_RELATIME)),
    ("strictatime", Set(MsFlags::MS_STRICTATIME)),
    ("nostrictatime", Clear(MsFlags::MS_STRICTATIME)),
    ("lazytime", Set(MsFlags::MS_LAZYTIME)),
    ("nolazytime", Clear(MsFlags::MS_LAZYTIME)),
    ("silent", Set(MsFlags::MS_SILENT)),
    ("loud", Clear(MsFlags::MS_SILENT)),
    ("nosymfollow", Set(NO_SYMLINKS)),
    ("symfollow", Clear(NO_SYMLINKS)),
    ("bind", Set(MsFlags::MS_BIND)),
    ("rbind", Set(MsFlags::MS_BIND.union(MsFlags::MS_REC))),
    ("remount", Set(MsFlags::MS_REMOUNT)),
    // Who may mount it: these are for mount(8), but they make it safer.
    ("user", Set(SAFE.union(MsFlags::MS_NOEXEC))),
    ("users", Set(SAFE.union(MsFlags::MS_NOEXEC))),
    ("owner", Set(SAFE)),
    ("group", Set(SAFE)),
];

const SPREAD: &[(&str, MsFlags)] = &[
    ("private", MsFlags::MS_PRIVATE),
    ("rprivate", MsFlags::MS_PRIVATE.union(MsFlags::MS_REC)),
    ("shared", MsFlags::MS_SHARED),
    ("rshared", MsFlags::MS_SHARED.union(MsFlags::MS_REC)),
    ("slave", MsFlags::MS_SLAVE),
    ("rslave", MsFlags::MS_SLAVE.union(MsFlags::MS_REC)),
    ("unbindable", MsFlags::MS_UNBINDABLE),
    ("runbindable", MsFlags::MS_UNBINDABLE.union(MsFlags::MS_REC)),
];

/// Options that are for who reads fstab, also with `=...` behind them.
const FOR_READERS: [&str; 10] =
    ["defaults", "auto", "noauto", "nofail", "_netdev", "nouser", "nousers", "noowner", "comment", "pri"];

/// What the options of an entry mean.
pub fn flags(options: &[String]) -> Flags {
    let mut all = Flags { flags: MsFlags::empty(), spread: MsFlags::empty(), data: String::new() };
    for option in options {
        let name = option.split('=').next().unwrap_or(option);
        if let Some((_, change)) = FLAGS.iter().find(|(known, _)| known == option) {
            match change {
                Set(flags) => all.flags |= *flags,
                Clear(flags) => all.flags &= !*flags,
            }
        } else if let Some((_, spread)) = SPREAD.iter().find(|(known, _)| known == option) {
            all.spread |= *spread;
        } else if !(FOR_READERS.contains(&name) || name.starts_with("x-") || name.starts_with("X-")) {
            if !all.data.is_empty() {
                all.data.push(',');
            }
            all.data.push_str(option);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &str) -> Flags {
        flags(&options.split(',').map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn an_option_is_a_flag_or_the_file_systems_own() {
        let read = read("defaults,ro,noatime,rw,size=10%,x-systemd.automount,nofail,mode=1777,comment=a");
        assert_eq!(read.flags, MsFlags::MS_NOATIME);
        assert_eq!(read.data, "size=10%,mode=1777");
    }

    #[test]
    fn the_later_option_counts() {
        assert_eq!(read("user,exec").flags, SAFE);
        assert_eq!(read("exec,user").flags, SAFE | MsFlags::MS_NOEXEC);
    }

    #[test]
    fn how_it_spreads_is_apart() {
        let read = read("rbind,rslave");
        assert_eq!(read.flags, MsFlags::MS_BIND | MsFlags::MS_REC);
        assert_eq!(read.spread, MsFlags::MS_SLAVE | MsFlags::MS_REC);
    }
}
