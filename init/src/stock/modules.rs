//! Kernel modules that are to be there from the beginning: modules-load.d.
//!
//! `modprobe` does it if it is there, since it knows more (options, blacklists). Without it the modules are loaded by
//! what `depmod` has written.

use std::{
    collections::HashMap,
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

fn load(task: &mut Task, lines: &[Line]) {
    let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_default();
    let folders = ["lib/modules", "usr/lib/modules"].map(|folder| task.path(folder).join(&release));
    let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) else {
        return task
            .fault(format!("{}: there are no modules for this kernel ({release})", lines_place(lines)));
    };
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let known = Known::parse(&read("modules.dep"), &read("modules.builtin"), &read("modules.alias"));
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
    fn parse(dependencies: &str, builtin: &str, aliases: &str) -> Self {
        let files = dependencies.lines().filter_map(|line| {
            let (file, others) = line.split_once(':')?;
            let files = [file].into_iter().chain(others.split_whitespace()).map(PathBuf::from);
            Some((name_of(file), files.collect()))
        });
        let aliases = aliases.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let ("alias", pattern, name) = (words.next()?, words.next()?, words.next()?) else { return None };
            Some((pattern.replace('-', "_"), name.into()))
        });
        Self {
            files: files.collect(),
            builtin: builtin.lines().map(name_of).collect(),
            aliases: aliases.collect(),
        }
    }

    /// The files to load for a name, in order; empty if the kernel has it built in.
    fn files_for(&self, name: &str) -> Result<Vec<&Path>, String> {
        let name = name.replace('-', "_");
        if self.builtin.contains(&name) {
            return Ok(Vec::new());
        }
        let mut found: Vec<&Vec<PathBuf>> = self.files.get(&name).into_iter().collect();
        if found.is_empty() {
            let aliases = self.aliases.iter().filter(|(pattern, _)| glob_matches(pattern, &name));
            found = aliases.filter_map(|(_, name)| self.files.get(name.as_str())).collect();
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
}
