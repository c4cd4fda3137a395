//! The file systems of the kernel's own that programs take for granted.

use std::path::Path;

use nix::{
    errno::Errno,
    fcntl::AT_FDCWD,
    mount::{MsFlags, mount},
    sys::stat::{Mode, umask},
    unistd::symlinkat,
};

/// A file system of the kernel's own.
struct Mount {
    kind: &'static str,
    at: &'static str,
    data: &'static str,
    flags: MsFlags,
    /// What is there only if it is mounted; without one, a folder that is another file system than the one
    /// above it counts as mounted.
    sign: &'static str,
}

const SAFE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

const MOUNTS: [Mount; 7] = [
    Mount { kind: "proc", at: "/proc", data: "", flags: SAFE, sign: "/proc/self" },
    Mount { kind: "sysfs", at: "/sys", data: "", flags: SAFE, sign: "/sys/kernel" },
    // No file in it is a sign: an archive for the kernel's first root often brings a few nodes.
    Mount { kind: "devtmpfs", at: "/dev", data: "mode=0755", flags: MsFlags::MS_NOSUID, sign: "" },
    Mount {
        kind: "devpts",
        at: "/dev/pts",
        data: "gid=5,mode=620,ptmxmode=666",
        flags: MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC),
        sign: "/dev/pts/ptmx",
    },
    Mount {
        kind: "tmpfs",
        at: "/dev/shm",
        data: "mode=1777",
        flags: MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV),
        sign: "",
    },
    Mount {
        kind: "tmpfs",
        at: "/run",
        data: "mode=0755,size=20%",
        flags: MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV),
        sign: "",
    },
    Mount {
        kind: "cgroup2",
        at: "/sys/fs/cgroup",
        data: "nsdelegate",
        flags: SAFE,
        sign: "/sys/fs/cgroup/cgroup.procs",
    },
];

/// What scripts take for granted in `/dev`, and no kernel makes: its own descriptors, as files.
const LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Mounts those that are not there; gives what could not be done, in words. A missing one is no reason to stop:
/// jobs that need it will say so.
pub fn mount_what_is_missing() -> Vec<String> {
    let mut remarks = Vec::new();
    for wanted in &MOUNTS {
        // A kernel without devtmpfs comes with a root that brings its nodes.
        let can_do_without = wanted.kind == "devtmpfs" && Path::new("/dev/null").exists();
        if let Err(error) = wanted.provide()
            && !can_do_without
        {
            remarks.push(format!("cannot mount {} at {}: {}", wanted.kind, wanted.at, error.desc()));
        }
    }
    for (link, to) in LINKS {
        match symlinkat(to, AT_FDCWD, link) {
            // A root without devtmpfs may be for reading only.
            Ok(()) | Err(Errno::EEXIST | Errno::EROFS) => {}
            Err(error) => remarks.push(format!("cannot make {link}: {}", error.desc())),
        }
    }
    // Processes inherit nothing of the kernel's: what we make from here on is for all to read.
    umask(Mode::from_bits_truncate(0o022));
    remarks
}

impl Mount {
    fn provide(&self) -> Result<(), Errno> {
        if self.is_there() {
            return Ok(());
        }
        // A folder that cannot be made shows in the mount.
        let _ = nix::unistd::mkdir(self.at, Mode::from_bits_truncate(0o755));
        let try_with = |data: &str| mount(Some(self.kind), self.at, Some(self.kind), self.flags, Some(data));
        match try_with(self.data) {
            // Older kernels do not know every word.
            Err(Errno::EINVAL) => try_with(""),
            result => result,
        }
    }

    fn is_there(&self) -> bool {
        if !self.sign.is_empty() {
            return Path::new(self.sign).exists();
        }
        let (here, above) = (Path::new(self.at), Path::new(self.at).parent().unwrap_or(Path::new("/")));
        let device = |path: &Path| nix::sys::stat::stat(path).map(|stat| stat.st_dev);
        matches!((device(here), device(above)), (Ok(here), Ok(above)) if here != above)
    }
}
