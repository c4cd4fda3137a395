//! Debian's packages for a machine: fetched once by apt and kept, unpacked and never installed.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
};

use crate::{
    failure::{Doing, Failure, Result},
    image::Tree,
    programs,
};

/// What a machine has no use for.
const LEFT_OUT: [&str; 6] = [
    "usr/share",
    "usr/lib/x86_64-linux-gnu/gconv",
    "lib/udev/hwdb.d",
    "etc/init.d",
    "lib/systemd/system",
    "usr/include",
];

/// Puts what is in these packages into a tree. What they depend on is to be named, too.
pub fn add(tree: &mut Tree, names: &[&str]) -> Result<()> {
    let cache = programs::target().join("tools").join("packages");
    fs::create_dir_all(&cache).doing(cache.display())?;
    // Tests run beside each other; the first one fetches, and the others wait for it.
    let lock = File::create(cache.join("lock")).doing("the lock of the packages")?;
    lock.lock().doing("the lock of the packages")?;
    for name in names {
        let folder = cache.join(name);
        if !folder.exists() {
            fetch(&cache, name)?;
        }
        tree.add_folder("", &folder)?;
    }
    Ok(())
}

/// Downloads a package and unpacks it into a folder of its name.
fn fetch(cache: &Path, name: &str) -> Result<()> {
    let raw = cache.join(format!("{name}.raw"));
    if raw.exists() {
        fs::remove_dir_all(&raw).doing(raw.display())?;
    }
    fs::create_dir_all(&raw).doing(raw.display())?;
    run("apt-get", &["download", "-q", name], &raw)?;
    let mut entries = fs::read_dir(&raw).doing(raw.display())?.filter_map(std::result::Result::ok);
    let package = entries.next().map(|entry| entry.path()).doing("apt-get download brought no package")?;
    let tree = raw.join("tree");
    run("dpkg-deb", &["-x", &package.to_string_lossy(), &tree.to_string_lossy()], &raw)?;
    for path in LEFT_OUT.map(|path| tree.join(path)).iter().filter(|path| path.exists()) {
        fs::remove_dir_all(path).doing(path.display())?;
    }
    // The last step makes it valid: what is half done never has this name.
    fs::rename(&tree, cache.join(name)).doing(name)?;
    fs::remove_dir_all(&raw).doing(raw.display())
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> Result<()> {
    let output = Command::new(program).args(arguments).current_dir(folder).env("LC_ALL", "C").output();
    let output = output.doing(program)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure(format!("{program} {}: {}", arguments.join(" "), said.trim())))
}
