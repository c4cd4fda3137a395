//! From the root of an initramfs to the machine's own.

use std::{
    ffi::{CStr, CString},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask},
    unistd::{chdir, chroot, execv},
};

use super::leave::OldRoot;

/// Programs that are an init, the usual one first.
const INITS: [&str; 4] = ["/usr/sbin/onset", "/sbin/init", "/etc/init", "/bin/sh"];

/// File systems of the kernel's own, which are taken along.
const TAKEN: [&str; 4] = ["/dev", "/proc", "/sys", "/run"];

/// Makes `root` the root, with the kernel's own file systems in it. Gives the init to execute there, and the old root if
/// it is one that takes memory. Everything is looked at before anything is changed.
pub fn switch_root(root: &str, program: Option<&str>) -> Result<(CString, Option<OldRoot>), String> {
    let root = Path::new(root);
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev());
    let (here, there) = (device(Path::new("/")), device(root));
    let there = there.map_err(|error| error.to_string())?;
    if here.is_ok_and(|here| here == there) {
        return Err("it is no file system of its own: mount it first".into());
    }
    let program = match program {
        Some(program) if is_program(root, program) => program,
        Some(program) => return Err(format!("there is no program {program} in it")),
        None => *INITS.iter().find(|init| is_program(root, init)).ok_or("there is no init in it")?,
    };
    let program_name = CString::new(program).map_err(|error| error.to_string())?;
    let old = OldRoot::in_memory();
    let none: Option<&str> = None;
    for taken in TAKEN {
        let to = below(root, taken);
        if mount(Some(taken), &to, none, MsFlags::MS_MOVE, none).is_err() {
            // It has none of its own here, or no place there: what is left would hold the old root.
            let _ = umount2(taken, MntFlags::MNT_DETACH);
        }
    }
    let steps = || -> nix::Result<()> {
        chdir(root)?;
        mount(Some("."), "/", none, MsFlags::MS_MOVE, none)?;
        chroot(".")?;
        chdir("/")
    };
    steps().map_err(|error| error.desc().to_owned())?;
    Ok((program_name, old))
}

/// Ends everything that is left and becomes another init. It comes back only with the reason why not.
pub fn hand_over(program: &CStr) -> String {
    super::signal_all(Signal::SIGKILL);
    // It would inherit that all signals are held back.
    let unblocked = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    if let Err(error) = unblocked {
        return error.desc().to_owned();
    }
    match execv(program, &[program]) {
        Ok(never) => match never {},
        Err(error) => error.desc().to_owned(),
    }
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Whether there is such a program, or a link to one within its own root.
fn is_program(root: &Path, path: &str) -> bool {
    let found = below(root, path).symlink_metadata();
    found.is_ok_and(|metadata| metadata.is_symlink() || metadata.is_file() && metadata.mode() & 0o111 != 0)
}
