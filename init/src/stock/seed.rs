//! Randomness from one boot to the next.
//!
//! A seed may be believed in only once: if two boots used the same, both would draw the same keys. So the file is taken
//! away, and that has reached the disk, before the kernel is told to believe in what stood in it. One that was saved while
//! the kernel itself had too little to go on is mixed in, and not believed in; its name says so.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::task::{Task, reason};
use crate::sys::entropy::{SEED, credit, random};

/// Where seeds lie.
const FOLDER: &str = "var/lib/onset";
/// A seed to believe in, and one to mix in only.
const NAMES: [(&str, bool); 2] = [("random-seed", true), ("random-seed.weak", false)];
const POOL: &str = "/dev/urandom";

/// Loads the seed and replaces it at once, or saves a new one.
pub fn run(task: &mut Task, words: &[String]) {
    let folder = task.path(FOLDER);
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["load"] => {
            for (name, is_good) in NAMES {
                let path = folder.join(name);
                if let Err(error) = load(&path, is_good)
                    && !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ReadOnlyFilesystem)
                {
                    task.fault(format!("{}: {}", path.display(), reason(&error)));
                }
            }
            save(task, &folder);
        }
        ["save"] => save(task, &folder),
        _ => task.misused("seed: `load` or `save` is missing"),
    }
}

fn load(path: &Path, is_good: bool) -> io::Result<()> {
    let mut seed = [0; SEED];
    let mut file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
    let is_whole = file.read_exact(&mut seed).is_ok();
    let is_gone = remove(path);
    let mut pool = OpenOptions::new().write(true).open(POOL)?;
    if is_good && is_whole && is_gone.is_ok() {
        credit(&pool, &seed)?;
    } else {
        pool.write_all(&seed)?;
    }
    is_gone
}

/// Takes a file away, and comes back when that is on the disk.
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()
}

/// Saves a new seed. A root that cannot be written to hands nothing over, which is no fault.
fn save(task: &mut Task, folder: &Path) {
    if let Err((path, error)) = write(folder)
        && error.kind() != io::ErrorKind::ReadOnlyFilesystem
    {
        task.fault(format!("{}: {}", path.display(), reason(&error)));
    }
}

fn write(folder: &Path) -> Result<(), (PathBuf, io::Error)> {
    let at_folder = |error| (folder.to_path_buf(), error);
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(at_folder)?;
    let mut seed = [0; SEED];
    let is_good = random(&mut seed).map_err(at_folder)?;
    for (name, _) in NAMES.iter().filter(|(_, good)| *good == is_good) {
        let path = folder.join(name);
        create(&path, &seed).map_err(|error| (path, error))?;
    }
    Ok(())
}

fn create(path: &Path, seed: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    // What is left of a try that was cut short.
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(seed)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_saved_for_root_alone_and_is_never_the_same() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("onset-seed-{}", std::process::id()));
        let path = folder.join("random-seed");
        write(&folder).unwrap();
        let first = fs::read(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        write(&folder).unwrap();
        let second = fs::read(&path).unwrap();
        assert!(first.len() == SEED && second.len() == SEED && first != second);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
