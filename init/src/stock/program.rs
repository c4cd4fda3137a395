//! Programs of the machine that are used if they are there.

use std::{
    ffi::OsStr,
    io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

/// Where programs lie.
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The path of a program; `None` if it is not there.
pub fn find(name: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| is_program(path))
}

/// The first of these paths at which a program lies.
pub fn first_of(paths: &[&str]) -> Option<PathBuf> {
    paths.iter().map(PathBuf::from).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Runs a program to its end; what it says goes where ours goes.
pub fn run(program: &Path, words: &[impl AsRef<OsStr>]) -> io::Result<ExitStatus> {
    Command::new(program).args(words).stdin(std::process::Stdio::null()).status()
}

/// Becomes a program, called by another name if one is given. Gives why it could not.
pub fn become_program(program: &Path, name: Option<&str>, words: &[impl AsRef<OsStr>]) -> io::Error {
    let mut command = Command::new(program);
    if let Some(name) = name {
        command.arg0(name);
    }
    command.args(words).exec()
}
