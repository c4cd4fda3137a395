//! Scripts in their folders, by each of the names that people call them by.

use std::{
    fs,
    path::{Path, PathBuf},
};

use events::Name;
use jobs::formats::{Source, rcd};

/// Where scripts lie, and whether their header is rc.d's. What stands in the first counts.
const FOLDERS: [(&str, bool); 3] =
    [("/etc/rc.d", true), ("/usr/local/etc/rc.d", true), ("/etc/init.d", false)];
/// No script is read any further.
const LONGEST: u64 = 1 << 20;

/// A script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// The name of its job, which is its file's.
    pub job: String,
    /// Its file.
    pub path: PathBuf,
}

/// Whether there is a script in a file of this name.
pub(in crate::cli) fn is_candidate(job: &str) -> bool {
    is_file_name(job) && FOLDERS.iter().any(|(folder, _)| Path::new(folder).join(job).exists())
}

/// The script that is meant: by its file's name, by its `$name`, by what it provides.
pub(super) fn find(job: &str) -> Option<Script> {
    if !is_file_name(job) {
        return None;
    }
    let by_file = FOLDERS.iter().map(|(folder, _)| Path::new(folder).join(job)).find(|path| path.is_file());
    if let Some(path) = by_file {
        return Some(Script { job: job.into(), path });
    }
    called(job).into_iter().next()
}

/// All scripts that have this `$name`, and behind them those that provide it.
pub(super) fn called(job: &str) -> Vec<Script> {
    let all: Vec<(Script, rcd::ScriptNames)> = FOLDERS.iter().filter(|it| it.1).flat_map(scripts).collect();
    let is_called = |names: &rcd::ScriptNames| names.name.as_ref().is_some_and(|name| name.as_str() == job);
    let provides = |names: &rcd::ScriptNames| names.provides.iter().any(|name| name.as_str() == job);
    let first = all.iter().filter(|it| is_called(&it.1));
    let found = first.chain(all.iter().filter(|it| !is_called(&it.1) && provides(&it.1)));
    found.map(|(script, _)| script.clone()).collect()
}

/// A name with a slash would lead elsewhere.
fn is_file_name(job: &str) -> bool {
    Name::new(job).is_ok() && !job.contains('/') && job != "." && job != ".."
}

/// All scripts of a folder with their names, by file.
fn scripts((folder, _): &(&str, bool)) -> Vec<(Script, rcd::ScriptNames)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let read = |entry: fs::DirEntry| {
        let (path, file) = (entry.path(), entry.file_name().into_string().ok()?);
        let about = fs::metadata(&path).ok().filter(|about| about.is_file() && about.len() <= LONGEST)?;
        let text = String::from_utf8_lossy(&fs::read(&path).ok()?).into_owned();
        let source = Source { path: path.to_string_lossy().into_owned(), text, executable: about.len() > 0 };
        let names = rcd::names(&Name::new(&file).ok().filter(|_| rcd::is_script_name(&file))?, &source);
        Some((Script { job: file, path }, names))
    };
    let mut scripts: Vec<_> = entries.filter_map(read).collect();
    scripts.sort_by(|(a, _), (b, _)| a.path.cmp(&b.path));
    scripts
}

/// The `$name` of the script in a file.
pub(super) fn name_in(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let source = Source { path: String::new(), text, executable: true };
    let file = Name::new(path.file_name()?.to_str()?).ok()?;
    rcd::names(&file, &source).name.map(|name| name.to_string())
}
