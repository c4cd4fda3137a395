//! A real Debian with Onset as its init: each folder in `debian` is a scenario. `make test-debian` makes the images that
//! they boot: `packages.img` for those whose name begins so, `root.img` for the others. `ONSET_DEBIAN` names the folder
//! with both; without it, nothing is tested here.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail where it stands")]

use std::{env, fs, path::Path, path::PathBuf};

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
    scenarios.sort();
    let mut failed = 0;
    for folder in scenarios {
        let text = fs::read_to_string(folder.join("scenario")).unwrap();
        let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
        let name = folder.file_name().unwrap().to_string_lossy();
        let image = images.join(if name.starts_with("packages") { "packages.img" } else { "root.img" });
        match scenario::play_on(&folder, &image) {
            Ok(()) => println!("ok      {name}: {title}"),
            Err(Failure(why)) => {
                failed += 1;
                println!("FAILED  {name}: {title}\n{why}");
            }
        }
    }
    assert_eq!(failed, 0, "scenarios that failed");
}
