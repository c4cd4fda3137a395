//! Checks of file systems before they are mounted, if there is a program for it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    fstab::{self, Entry},
    kernel_line, program, superblock,
    task::{Task, reason, say},
};

/// fsck(8): faults were mended.
const MENDED: i32 = 1;
/// The same, and the machine must be booted again.
const REBOOT: i32 = 2;

/// Checks what is mounted at a place, or the root.
pub fn run(task: &mut Task, words: &[String]) {
    let Some(word) = words.first() else { return task.misused("fsck: `root` or a mount point is missing") };
    let target = if word == "root" { "/" } else { word.as_str() };
    let entries = fstab::entries(task);
    let Some(entry) = entries.iter().find(|entry| entry.target == target) else {
        if word != "root" {
            task.fault(format!("etc/fstab: there is no entry for {target}"));
        }
        return;
    };
    if entry.pass == 0 || (target == "/" && root_is_writable()) {
        // A check of what is written to does harm.
        return;
    }
    // A root by another name than its device's, as `/dev/root`, is checked by nobody.
    let source = entry.source().filter(|path| path.starts_with("/dev") && path.exists());
    if let Some(source) = source
        && let Err(fault) = check(&source, entry)
    {
        task.fault(format!("etc/fstab:{}: {target}: {fault}", entry.line));
    }
}

fn root_is_writable() -> bool {
    use nix::sys::statvfs::{FsFlags, statvfs};
    !statvfs("/").is_ok_and(|it| it.flags().contains(FsFlags::ST_RDONLY))
}

/// Checks a device. That there is no program for its kind is no fault; that faults are left is.
pub fn check(source: &Path, entry: &Entry) -> Result<(), String> {
    let words = kernel_line::words();
    let Some(mode) = Mode::asked(&words) else { return Ok(()) };
    let kind = match entry.kind.as_str() {
        "auto" => superblock::read(source).ok().flatten().map(|contents| contents.kind.to_owned()),
        kind => Some(kind.to_owned()),
    };
    let Some(kind) = kind.filter(|kind| program::find(&format!("fsck.{kind}")).is_some()) else {
        return Ok(());
    };
    let Some(program) = program::find("fsck").or_else(|| program::find(&format!("fsck.{kind}"))) else {
        return Ok(());
    };
    let mut arguments: Vec<PathBuf> = vec![mode.repair.into()];
    if mode.force {
        arguments.push("-f".into());
    }
    if program.ends_with("fsck") {
        arguments.extend(["-t".into(), PathBuf::from(&kind)]);
    }
    arguments.push(source.into());
    let status = program::run(&program, &arguments);
    let status = status.map_err(|error| format!("{}: {}", program.display(), reason(&error)))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(MENDED) => {
            say(format!("{}: faults were mended", source.display()));
            Ok(())
        }
        Some(code) if code & REBOOT != 0 && code & !(MENDED | REBOOT) == 0 => {
            Err("faults were mended, and the machine must be booted again before it is used".into())
        }
        Some(_) | None => {
            Err(format!("{} has found faults that it could not mend: {status}", program.display()))
        }
    }
}

/// How checks are made.
#[derive(Debug, PartialEq, Eq)]
struct Mode {
    force: bool,
    repair: &'static str,
}

impl Mode {
    /// As the kernel's command line says; `None`: none are made.
    fn asked(words: &[String]) -> Option<Self> {
        let has = |word: &str| words.iter().any(|it| it == word);
        let mode = kernel_line::value(words, &["fsck.mode"]);
        if mode == Some("skip") || has("fastboot") || (fs::exists("/fastboot").unwrap_or(false)) {
            return None;
        }
        let force = mode == Some("force") || has("forcefsck") || fs::exists("/forcefsck").unwrap_or(false);
        let repair = match kernel_line::value(words, &["fsck.repair"]) {
            Some("yes") => "-y",
            Some("no") => "-n",
            Some(_) | None => "-a",
        };
        Some(Self { force, repair })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_command_line_says_how() {
        for (line, mode) in [
            ("quiet", Some((false, "-a"))),
            ("fsck.mode=force fsck.repair=yes", Some((true, "-y"))),
            ("forcefsck fsck.repair=no", Some((true, "-n"))),
            ("fsck.mode=skip", None),
            ("fastboot", None),
        ] {
            let words: Vec<String> = line.split(' ').map(String::from).collect();
            assert_eq!(Mode::asked(&words), mode.map(|(force, repair)| Mode { force, repair }), "{line}");
        }
    }
}
