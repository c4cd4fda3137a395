//! The kernel that virtual machines boot: Debian's cloud kernel, or the one for real machines, fetched once by apt and kept.
//!
//! It is unpacked, never installed. `ONSET_KERNEL` names another one, `ONSET_MODULES` the folder of its modules.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Doing, Failure, Result},
    modules, programs,
};

/// The package that always depends on the newest cloud kernel, and where that is kept.
const CLOUD: (&str, &str) = ("linux-image-cloud-amd64", "kernel");

/// The same of the kernel for real machines, which has drivers for what a cloud has not.
const FULL: (&str, &str) = ("linux-image-amd64", "kernel-full");

/// What a virtual machine needs modules for: disks, cards, ports, its power button, its panics, file systems.
pub const DRIVERS: &[&str] = &[
    "virtio_pci",
    "virtio_console",
    "virtio_net",
    "virtio_blk",
    "button",
    "evdev",
    "pvpanic_pci",
    "ext4",
    "crc32c_generic",
];

/// A kernel that can be booted.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The image that QEMU loads.
    pub image: PathBuf,
    /// Its modules by name, with `_` for `-`.
    modules: BTreeMap<String, PathBuf>,
}

impl Kernel {
    /// The kernel in the cache, or the one that the environment names; fetched if there is none yet.
    pub fn find() -> Result<Self> {
        if let Some(image) = env::var_os("ONSET_KERNEL") {
            return Self::at(
                PathBuf::from(image),
                env::var_os("ONSET_MODULES").map(PathBuf::from).as_deref(),
            );
        }
        Self::newest_of(CLOUD)
    }

    /// The kernel for real machines, whatever the environment says: its drivers are what it is wanted for.
    pub fn full() -> Result<Self> {
        Self::newest_of(FULL)
    }

    fn newest_of((package, folder): (&str, &str)) -> Result<Self> {
        let cache = programs::target().join("tools").join(folder);
        fs::create_dir_all(&cache).doing(cache.display())?;
        // Tests run beside each other; the first one fetches, and the others wait for it.
        let lock = File::create(cache.join("lock")).doing("the kernel's lock")?;
        lock.lock().doing("the kernel's lock")?;
        if newest(&cache).is_none() {
            fetch(&cache, package)?;
        }
        let folder = newest(&cache).doing(format!("no kernel in {}", cache.display()))?;
        let image =
            entries(&folder.join("boot")).into_iter().find(|path| named(path).starts_with("vmlinuz-"));
        let image = image.doing(format!("no vmlinuz in {}", folder.display()))?;
        Self::at(image, Some(&folder.join("lib").join("modules")))
    }

    /// The kernel of this image, with the modules that are anywhere in a folder.
    pub fn at(image: PathBuf, folder: Option<&Path>) -> Result<Self> {
        if !image.is_file() {
            return Err(Failure(format!("{} is no kernel", image.display())));
        }
        let mut modules = BTreeMap::new();
        let mut folders: Vec<PathBuf> = folder.map(PathBuf::from).into_iter().collect();
        while let Some(folder) = folders.pop() {
            for path in entries(&folder) {
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(name) = named(&path).strip_suffix(".ko") {
                    modules.insert(name.replace('-', "_"), path);
                }
            }
        }
        Ok(Self { image, modules })
    }

    /// Its version, by which its modules are looked for in a machine that runs it.
    pub fn release(&self) -> Result<String> {
        let mut parts = self.modules.values().next().into_iter().flat_map(|path| path.iter());
        let found = parts.by_ref().any(|part| part == "modules").then(|| parts.next()).flatten();
        found.map(|release| release.to_string_lossy().into_owned()).doing("the kernel has no modules")
    }

    /// The files of these drivers and of all that they depend on, each after what it depends on. A driver
    /// without a module is taken for built in.
    pub fn in_order(&self, drivers: &[&str]) -> Result<Vec<PathBuf>> {
        modules::in_order(&self.modules, drivers)
    }
}

/// The newest kernel in the cache, by the order that Debian's version numbers have among one release.
fn newest(cache: &Path) -> Option<PathBuf> {
    let numbers = |path: &Path| -> Vec<u64> {
        named(path).split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    let kernels = entries(cache).into_iter().filter(|path| path.join("boot").is_dir());
    kernels.max_by_key(|path| numbers(path))
}

/// Downloads and unpacks the newest kernel of those into the cache.
fn fetch(cache: &Path, newest: &str) -> Result<()> {
    let package = match package(newest) {
        Ok(package) => package,
        Err(_) => {
            // On a fresh machine apt has no lists yet. Without root this fails, and says so.
            output("apt-get", &["update", "-q"], cache)?;
            package(newest)?
        }
    };
    let raw = cache.join("raw");
    if raw.exists() {
        fs::remove_dir_all(&raw).doing(raw.display())?;
    }
    fs::create_dir_all(&raw).doing(raw.display())?;
    output("apt-get", &["download", "-q", &package], &raw)?;
    let deb = entries(&raw).into_iter().find(|path| named(path).ends_with(".deb"));
    let deb = deb.doing("apt-get download brought no package")?;
    let tree = raw.join("tree");
    output("dpkg-deb", &["-x", &deb.to_string_lossy(), &tree.to_string_lossy()], &raw)?;
    let unpacked = if tree.join("lib").exists() { tree.clone() } else { tree.join("usr") };
    fs::create_dir_all(raw.join("kernel").join("lib")).doing(raw.display())?;
    for part in ["boot", "lib/modules"] {
        let from = if tree.join(part).exists() { tree.join(part) } else { unpacked.join(part) };
        fs::rename(&from, raw.join("kernel").join(part)).doing(from.display())?;
    }
    // The last step makes it valid: what is half done never has this name.
    fs::rename(raw.join("kernel"), cache.join(&package)).doing(&package)?;
    fs::remove_dir_all(&raw).doing(raw.display())
}

/// The package of the kernel itself, which the one that is always the newest depends on.
fn package(newest: &str) -> Result<String> {
    let text = output("apt-cache", &["depends", newest], Path::new("/"))?;
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let kernel = names.filter(|name| name.starts_with("linux-image-")).map(String::from).next();
    kernel.doing(format!("apt does not know {newest}"))
}

fn output(program: &str, arguments: &[&str], folder: &Path) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).env("LC_ALL", "C").output();
    let output = output.doing(format!("{program} (ONSET_KERNEL names a kernel that needs no fetching)"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure(format!("{program} {}: {}", arguments.join(" "), said.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> =
        read.filter_map(std::result::Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn named(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
