//! A look at all devices that are there, in small pieces: `/sys` is gone through by bus and class.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use events::Value;

use super::table::MOST;

/// Where the kernel names its devices by subsystem, and what stands behind a subsystem's name there.
const KINDS: [(&str, &str); 2] = [("bus", "devices"), ("class", "")];

/// What a step of the look has found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The device at this path, of this subsystem.
    Device(Value, Value),
    /// Nothing, but there is more to look at.
    Nothing,
    /// All has been looked at.
    End,
}

/// How far the look has come. What is next stands last.
#[derive(Debug)]
pub struct Look {
    /// Subsystems that have not been looked into, and the folder that names the devices of each.
    subsystems: Vec<(Value, PathBuf)>,
    /// The subsystem that is being looked into.
    subsystem: Value,
    /// Its links to devices.
    links: Vec<PathBuf>,
}

impl Look {
    /// A look at all that is below this folder.
    pub fn new(sys: &Path) -> Self {
        let mut subsystems = Vec::new();
        for (kind, behind) in KINDS {
            let folder = sys.join(kind);
            subsystems.extend(names(&folder).into_iter().map(|name| {
                let subsystem = Value::escaped(name.as_bytes()).0;
                (subsystem, folder.join(name).join(behind))
            }));
        }
        // Buses first, as devices of a class hang on those of a bus.
        subsystems.reverse();
        Self { subsystems, subsystem: Value::empty(), links: Vec::new() }
    }

    /// The next step: no more than one folder is read for it.
    pub fn next(&mut self) -> Step {
        if let Some(link) = self.links.pop() {
            return match device(&link) {
                Some(path) => Step::Device(path, self.subsystem.clone()),
                None => Step::Nothing,
            };
        }
        let Some((subsystem, folder)) = self.subsystems.pop() else { return Step::End };
        self.links = names(&folder).into_iter().rev().map(|name| folder.join(name)).collect();
        self.subsystem = subsystem;
        Step::Nothing
    }
}

/// What is in a folder, by name; nothing, if it is not there.
fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<OsString> = entries.map(|entry| entry.file_name()).take(MOST).collect();
    names.sort_unstable();
    names
}

/// The path of the device that a link leads to: `../../devices/X` is `/devices/X`.
fn device(link: &Path) -> Option<Value> {
    let target = fs::read_link(link).ok()?;
    let mut rest = target.as_os_str().as_bytes();
    while let Some(below) = rest.strip_prefix(b"../") {
        rest = below;
    }
    rest.starts_with(b"devices/").then(|| Value::escaped(&[b"/", rest].concat()).0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn all_devices_are_found_buses_first() {
        let sys = std::env::temp_dir().join(format!("onset-look-{}", std::process::id()));
        for (link, target) in [
            ("class/net/eth0", "../../devices/pci0/net/eth0"),
            ("class/net/lo", "../../devices/virtual/net/lo"),
            ("class/net/evil", "../../../etc"),
            ("bus/pci/devices/0:1", "../../../devices/pci0"),
        ] {
            fs::create_dir_all(sys.join(link).parent().unwrap()).unwrap();
            symlink(target, sys.join(link)).unwrap();
        }
        fs::write(sys.join("class/net/bonding_masters"), "").unwrap();
        let mut look = Look::new(&sys);
        let mut found = Vec::new();
        loop {
            match look.next() {
                Step::Device(path, subsystem) => found.push(format!("{subsystem} {path}")),
                Step::Nothing => {}
                Step::End => break,
            }
        }
        fs::remove_dir_all(&sys).unwrap();
        assert_eq!(found, ["pci /devices/pci0", "net /devices/pci0/net/eth0", "net /devices/virtual/net/lo"]);
        assert_eq!(Look::new(Path::new("/nowhere")).next(), Step::End);
    }
}
