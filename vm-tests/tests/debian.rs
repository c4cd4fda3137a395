//! A real Debian with Onset as its init: each folder in `debian` is a scenario. `make test-debian` makes the images that
//! they boot: `packages.img` for those whose name begins so, `root.img` for the others. `ONSET_DEBIAN` names the folder
//! with both; without it, nothing is tested here.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may fail where it stands"
)]

use std::{
    cmp::Reverse,
    env, fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use vm_tests::{failure::Failure, scenario};

#[test]
fn a_debian_is_at_home() {
    let Some(images) = env::var_os("ONSET_DEBIAN").map(PathBuf::from) else {
        println!("skipped: ONSET_DEBIAN names no folder with images (`make test-debian` makes them)");
        return;
    };
    let scenarios = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("debian")).unwrap();
    let mut scenarios: Vec<PathBuf> = scenarios.map(|entry| entry.unwrap().path()).collect();
    let only = env::var_os("ONSET_ONLY").filter(|only| !only.is_empty());
    scenarios.retain(|path| path.join("scenario").is_file());
    scenarios.retain(|path| only.is_none() || path.file_name() == only.as_deref());
    assert!(!scenarios.is_empty(), "there is no scenario {only:?}");
    // A machine has one processor: as many are played at a time as the host has. The longest begin.
    scenarios.sort_by_key(|path| (!is_large(path), Reverse(path.clone())));
    let left = Mutex::new(scenarios.iter());
    let played = Mutex::new(Vec::new());
    let next = || left.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(folder) = next() {
                    let image = images.join(if is_large(folder) { "packages.img" } else { "root.img" });
                    let (told, is_good) = play(folder, &image);
                    eprintln!("played  {told}");
                    played.lock().unwrap().push((folder, told, is_good));
                }
            });
        }
    });
    let mut played = played.into_inner().unwrap();
    played.sort();
    played.iter().for_each(|(_, told, _)| println!("{told}"));
    assert_eq!(played.iter().filter(|(.., is_good)| !is_good).count(), 0, "scenarios that failed");
}

/// Whether it is for the Debian with many packages.
fn is_large(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("packages"))
}

/// Plays the scenario in a folder, and says how it went.
fn play(folder: &Path, image: &Path) -> (String, bool) {
    let text = fs::read_to_string(folder.join("scenario")).unwrap();
    let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
    let name = folder.file_name().unwrap().to_string_lossy();
    match scenario::play_on(folder, image) {
        Ok(()) => (format!("ok      {name}: {title}"), true),
        Err(Failure(why)) => (format!("FAILED  {name}: {title}\n{why}"), false),
    }
}
