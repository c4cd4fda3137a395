//! Kernel modules that are to be there from the beginning: modules-load.d.
//!
//! `modprobe` does it if it is there, since it knows more (options, blacklists). Without it the modules are loaded by
//! what `depmod` has written.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::CString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use events::glob_matches;
use nix::{
    errno::Errno,
    kmod::{ModuleInitFlags, finit_module},
};

use super::{
    conf::{self, Line},
    kernel_line, program,
    task::{Task, reason},
};

/// That the kernel shall unpack the file by itself.
const PACKED: u32 = 4;
/// How many names modprobe is given at once.
const AT_ONCE: usize = 256;

/// Loads all of them.
pub fn run(task: &mut Task, _: &[String]) {
    let mut lines = conf::lines(task, "modules-load.d");
    let old = task.path("etc/modules");
    let is_linked = conf::files(task, "modules-load.d")
        .iter()
        .any(|path| path.canonicalize().ok() == old.canonicalize().ok());
    if old.exists() && !is_linked {
        lines.extend(conf::lines_of(task, &old));
    }
    let words = kernel_line::words();
    for option in ["modules_load", "modules-load"] {
        let names = kernel_line::value(&words, &[option])
            .unwrap_or_default()
            .split(',')
            .filter(|name| !name.is_empty());
        lines.extend(names.map(|name| Line { place: "kernel command line".into(), text: name.into() }));
    }
    if lines.is_empty() {
        return;
    }
    match program::find("modprobe") {
        Some(modprobe) => lines.iter().for_each(|line| probe(task, &modprobe, line)),
        None => load(task, &lines),
    }
}

fn probe(task: &mut Task, modprobe: &Path, line: &Line) {
    let mut words = vec!["--"];
    words.extend(line.text.split_whitespace());
    match program::run(modprobe, &words) {
        Ok(status) if status.success() => {}
        // It has said why.
        Ok(status) => task.fault(format!("{}: cannot load `{}`: modprobe: {status}", line.place, line.text)),
        Err(error) => task.fault(format!("{}: {}: {}", line.place, modprobe.display(), reason(&error))),
    }
}

/// Loads what there is for devices that say what they are; that there is nothing for one is no fault.
pub fn load_for(task: &mut Task, aliases: &BTreeSet<String>) {
    let Ok(folder) = folder(task) else { return };
    let aliases: Vec<&str> = aliases.iter().map(String::as_str).filter(|alias| !alias.is_empty()).collect();
    if aliases.is_empty() {
        return;
    }
    let Some(modprobe) = program::find("modprobe") else {
        let known = Known::read(&folder);
        let denied = denied(task);
        return aliases.iter().for_each(|alias| known.load_for(task, &folder, alias, &denied));
    };
    for aliases in aliases.chunks(AT_ONCE) {
        let mut words = vec!["-a", "-b", "-q", "--"];
        words.extend(aliases);
        // Its status says that there is nothing for one of them.
        if let Err(error) = program::run(&modprobe, &words) {
            task.fault(format!("{}: {}", modprobe.display(), reason(&error)));
        }
    }
}

/// What modprobe.d says shall not be loaded because a device is there.
fn denied(task: &mut Task) -> BTreeSet<String> {
    let lines = conf::lines(task, "modprobe.d");
    let names =
        lines.iter().filter_map(|line| line.text.strip_prefix("blacklist")).map(|name| name_of(name.trim()));
    names.collect()
}

/// Where the modules for this kernel are; else, what it is called.
fn folder(task: &Task) -> Result<PathBuf, String> {
    let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_default();
    let folders = ["lib/modules", "usr/lib/modules"].map(|folder| task.path(folder).join(&release));
    folders.into_iter().find(|folder| folder.is_dir()).ok_or(release)
}

fn load(task: &mut Task, lines: &[Line]) {
    let folder = match folder(task) {
        Ok(folder) => folder,
        Err(release) => {
            let place = lines_place(lines);
            return task.fault(format!("{place}: there are no modules for this kernel ({release})"));
        }
    };
    let known = Known::read(&folder);
    for line in lines {
        let mut words = line.text.splitn(2, char::is_whitespace);
        let (name, parameters) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().trim());
        if let Err(fault) = known.load(&folder, name, parameters) {
            task.fault(format!("{}: cannot load `{name}`: {fault}", line.place));
        }
    }
}

fn lines_place(lines: &[Line]) -> &str {
    lines.first().map_or("modules-load.d", |line| &line.place)
}

/// What depmod knows.
#[derive(Debug, Default)]
struct Known {
    /// By name: the file, and those that must be there before, the first of them last.
    files: HashMap<String, Vec<PathBuf>>,
    builtin: Vec<String>,
    /// Pattern and name.
    aliases: Vec<(String, String)>,
}

impl Known {
    fn read(folder: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        Self::parse(&read("modules.dep"), &read("modules.builtin"), &read("modules.alias"))
    }

    fn parse(dependencies: &str, builtin: &str, aliases: &str) -> Self {
        let files = dependencies.lines().filter_map(|line| {
            let (file, others) = line.split_once(':')?;
            let files = [file].into_iter().chain(others.split_whitespace()).map(PathBuf::from);
            Some((name_of(file), files.collect()))
        });
        let aliases = aliases.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let ("alias", pattern, name) = (words.next()?, words.next()?, words.next()?) else { return None };
            Some((underscored(pattern), name.into()))
        });
        Self {
            files: files.collect(),
            builtin: builtin.lines().map(name_of).collect(),
            aliases: aliases.collect(),
        }
    }

    /// The modules that an alias stands for, each once.
    fn meant_by<'k>(&'k self, alias: &str) -> BTreeSet<&'k str> {
        let alias = underscored(alias);
        let aliases = self.aliases.iter().filter(|(pattern, _)| glob_matches(pattern, &alias));
        aliases.map(|(_, name)| name.as_str()).collect()
    }

    fn load_for(&self, task: &mut Task, folder: &Path, alias: &str, denied: &BTreeSet<String>) {
        for name in self.meant_by(alias).difference(&denied.iter().map(String::as_str).collect()) {
            if let Err(fault) = self.load(folder, name, "") {
                task.fault(format!("cannot load `{name}` for {alias}: {fault}"));
            }
        }
    }

    /// The files to load for a name, in order; empty if the kernel has it built in.
    fn files_for(&self, name: &str) -> Result<Vec<&Path>, String> {
        let name = underscored(name);
        if self.builtin.contains(&name) {
            return Ok(Vec::new());
        }
        let mut found: Vec<&Vec<PathBuf>> = self.files.get(&name).into_iter().collect();
        if found.is_empty() {
            found = self.meant_by(&name).iter().filter_map(|name| self.files.get(*name)).collect();
        }
        if found.is_empty() {
            return Err("there is no such module".into());
        }
        Ok(found.into_iter().flat_map(|files| files.iter().rev()).map(PathBuf::as_path).collect())
    }

    fn load(&self, folder: &Path, name: &str, parameters: &str) -> Result<(), String> {
        let files = self.files_for(name)?;
        for (left, file) in (0..files.len()).rev().zip(files) {
            // Parameters are for the module itself, which is the last.
            let parameters = if left == 0 { parameters } else { "" };
            insert(&folder.join(file), parameters)
                .map_err(|error| format!("{}: {}", file.display(), reason(&error)))?;
        }
        Ok(())
    }
}

/// A name or pattern as modules are compared: `-` is `_`, but for the ranges of a pattern.
fn underscored(name: &str) -> String {
    let mut is_range = false;
    let one = |c| {
        is_range = c == '[' || (is_range && c != ']');
        if c == '-' && !is_range { '_' } else { c }
    };
    name.chars().map(one).collect()
}

/// The name of the module in a file: `kernel/net/8021q.ko.xz` is `8021q`.
fn name_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let name = name.split_once(".ko").map_or(name, |(name, _)| name);
    name.replace('-', "_")
}

fn insert(path: &Path, parameters: &str) -> io::Result<()> {
    let file = File::open(path)?;
    let is_packed = path.extension().is_some_and(|extension| extension != "ko");
    let flags = ModuleInitFlags::from_bits_retain(if is_packed { PACKED } else { 0 });
    match finit_module(&file, &CString::new(parameters)?, flags) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(name: &str) -> Result<Vec<String>, String> {
        let known = Known::parse(
            "kernel/a/virtio-net.ko.xz: kernel/a/net_failover.ko.xz kernel/a/failover.ko.xz\n\
             kernel/a/failover.ko.xz:\nkernel/a/net_failover.ko.xz: kernel/a/failover.ko.xz\nnonsense\n",
            "kernel/fs/ext4/ext4.ko\n",
            "# comment\nalias virtio:d00000001v* virtio_net\nalias net-fail failover\n",
        );
        known.files_for(name).map(|files| files.iter().map(|file| file.display().to_string()).collect())
    }

    #[test]
    fn what_a_module_needs_comes_before_it() {
        let all = ["kernel/a/failover.ko.xz", "kernel/a/net_failover.ko.xz", "kernel/a/virtio-net.ko.xz"];
        for name in ["virtio_net", "virtio-net", "virtio:d00000001v00001AF4"] {
            assert_eq!(files(name).unwrap(), all, "{name}");
        }
        assert_eq!(files("net-fail").unwrap(), ["kernel/a/failover.ko.xz"]);
        assert_eq!(files("ext4").unwrap(), [""; 0]);
        assert!(files("nothing").is_err());
    }

    #[test]
    fn a_device_says_which_modules_it_wants() {
        let known = Known::parse(
            "",
            "",
            "alias usb:v0403p*d07[0-9a-f]* ftdi-sio\nalias usb:v0403p* other\nalias usb:v0403* other\n\
             alias of:N*T*Cacme,some-port* port\nalias pci:v* pci_thing\n",
        );
        for (alias, modules) in [
            ("usb:v0403p6010d0785", &["ftdi-sio", "other"][..]),
            ("usb:v0403p6010d0800", &["other"]),
            ("of:NuartT(null)Cacme,some-port", &["port"]),
            ("usb:v9999", &[]),
            ("", &[]),
        ] {
            assert_eq!(known.meant_by(alias).into_iter().collect::<Vec<_>>(), modules, "{alias}");
        }
    }
}
