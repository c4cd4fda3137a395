//! A container, as far as an init can tell: processes, mounts and cgroups of its own.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process::Command,
};

use nix::sched::{CloneFlags, unshare};

/// Runs a command as the first process of new namespaces, whose root of all cgroups is the group at a path, and waits
/// for its end. It does not stay in that group itself.
pub(super) fn run(words: &[String]) -> io::Result<()> {
    let [group, program, words @ ..] = words else { return Err(io::ErrorKind::InvalidInput.into()) };
    fs::create_dir_all(group)?;
    let mut above = File::options().write(true).open(Path::new(group).join("../cgroup.procs"))?;
    fs::write(Path::new(group).join("cgroup.procs"), "0")?;
    unshare(CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
    let mut first = Command::new(program).args(words).spawn()?;
    above.write_all(b"0")?;
    let end = first.wait()?;
    if end.success() { Ok(()) } else { Err(io::Error::other(end.to_string())) }
}
