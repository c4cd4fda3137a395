//! From a folder tree on disk to the files that say what runs.
//!
//! A tree is the root of a machine or of its image (`/`, or a folder with `etc/onset`, `etc/init`,
//! `etc/rc.d`, ... in it), a folder with job files directly in it, or a single file. Nothing is executed, no
//! rights are needed, and what is no regular file is never opened: a FIFO in a folder of jobs holds nobody up.
//!
//! Links are followed as they would be on the machine: an absolute one starts at the root of the tree.

mod file;
mod folders;
mod links;
mod watched;

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use jobs::{
    Report,
    load::{Content, FileKind, Tree, TreeFile},
};

use file::{Finder, Place, Reader, Wanted, program};
pub use file::{MAX_FILE, Reach};
use folders::{FOLDERS, Folder, Names};
pub use watched::{Watched, job_folders};

/// The most files that are taken from one tree.
pub const MAX_FILES: usize = 1 << 17;
/// How many files are worth a thread.
const MANY: usize = 64;
/// How deep folders within a folder of jobs are looked into.
const MAX_DEPTH: usize = 8;

/// What lies below a path.
#[derive(Default)]
pub struct Found {
    /// The files that say what runs.
    pub tree: Tree,
    /// What is to be said of what cannot be read.
    pub reports: Vec<Report>,
    /// Files given directly, or in a folder given directly, that are no jobs by their ending or header.
    pub unread: Vec<String>,
}

/// The files below `path` that say what runs. An error is that `path` itself cannot be read; what cannot be
/// read below it is among the reports.
pub fn read_tree(path: &Path, reach: Reach) -> io::Result<Found> {
    read_watched(path, reach, &Anything)
}

/// Is told of each file before it is read, and may forbid it.
pub trait Watch: Sync {
    /// Whether the file may be read, which is then done at once.
    fn admits(&self, path: &Path) -> bool;
}

/// Admits every file.
struct Anything;

impl Watch for Anything {
    fn admits(&self, _: &Path) -> bool {
        true
    }
}

/// The same as [`read_tree`], under somebody's eyes.
pub fn read_watched(path: &Path, reach: Reach, watch: &dyn Watch) -> io::Result<Found> {
    let metadata = fs::metadata(path)?;
    let mut walk = Walk { root: PathBuf::from("/"), ..Walk::default() };
    if metadata.is_dir() {
        let known = walk.known_folders(path)?;
        if known.is_empty() {
            walk.loose_folder(path)?;
        } else {
            walk.root = path.to_path_buf();
            known.into_iter().for_each(|(folder, place)| walk.folder(folder, place));
        }
    } else {
        if metadata.is_file() {
            fs::File::open(path)?;
        }
        walk.single_file(path);
    }
    Ok(walk.read(reach, watch))
}

/// The files found so far.
#[derive(Default)]
struct Walk {
    root: PathBuf,
    found: Vec<Candidate>,
    reports: Vec<Report>,
    is_full: bool,
    /// Folders that have been looked into: one that is a link to another counts once.
    seen: HashSet<(u64, u64, FileKind, &'static str)>,
}

/// A file that has been found and not yet been read.
struct Candidate {
    kind: Option<FileKind>,
    layer: u8,
    rel: String,
    path: PathBuf,
    entry: Entry,
}

/// What a name in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Folder,
    /// A regular file for certain.
    File,
    /// A link, or something that must be looked at before it is opened.
    Other,
}

impl Walk {
    /// The folders of a machine that are in `path`, also those that nobody may look for: what shuts them off
    /// is reported.
    fn known_folders(&mut self, path: &Path) -> io::Result<Vec<(&'static Folder, Place)>> {
        let mut known = Vec::new();
        let mut finder = match Finder::new(path) {
            Ok(finder) => finder,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            // A link that leads nowhere.
            Err(_) => return Ok(known),
        };
        for folder in &FOLDERS {
            match finder.find(folder.path) {
                Ok(place) => known.push((folder, place)),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    let is_there = |at: &&Path| fs::symlink_metadata(at).is_ok();
                    let folder = path.join(folder.path);
                    match folder.ancestors().skip(1).find(is_there) {
                        Some(closed) if closed != path => self.unreadable(closed, &error),
                        Some(_) | None => return Err(error),
                    }
                }
                // It is not there, or a link that leads nowhere.
                Err(_) => {}
            }
        }
        Ok(known)
    }

    /// Says once that a folder cannot be read.
    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let report = file::unreadable("folder", error).in_file(&path.to_string_lossy());
        if !self.reports.contains(&report) {
            self.reports.push(report);
        }
    }

    /// A folder (or file) whose place says what lies in it.
    fn folder(&mut self, folder: &Folder, place: Place) {
        let (dev, ino) = place.identity();
        if !self.seen.insert((dev, ino, folder.kind, folder.names.ending())) {
            return;
        }
        let path = place.path;
        match folder.names {
            Names::File => {
                let rel = folder.path.rsplit('/').next().unwrap_or(folder.path);
                let (kind, layer) = (Some(folder.kind), folder.layer);
                self.add(Candidate { kind, layer, rel: rel.into(), path, entry: Entry::Other });
            }
            Names::Flat(ending) => self.descend(folder, &path, "", ending, 1),
            Names::Deep(ending) => self.descend(folder, &path, "", ending, MAX_DEPTH),
            Names::Links(start) => self.descend(folder, &path, start, "", 1),
        }
    }

    /// Adds all files of a folder and, `depth` permitting, of those within it. Folders wait on a list, so
    /// that depth costs no stack.
    fn descend(&mut self, folder: &Folder, path: &Path, prefix: &str, ending: &str, depth: usize) {
        let mut open = vec![(path.to_path_buf(), prefix.to_owned(), depth)];
        while let Some((path, prefix, depth)) = open.pop() {
            for (name, entry) in self.entries(&path) {
                let Some(text) = name.to_str() else {
                    self.bad_name(&path.join(&name));
                    continue;
                };
                let rel = if prefix.is_empty() { text.to_owned() } else { format!("{prefix}/{text}") };
                if text.starts_with('.') {
                    continue;
                }
                if entry == Entry::Folder {
                    if text.ends_with(".ron") && folder.kind == FileKind::Native {
                        self.not_a_file(&path.join(&name));
                    } else if depth > 1 {
                        open.push((path.join(&name), rel, depth.saturating_sub(1)));
                    }
                } else if text.ends_with(ending) {
                    let kind = folders::kind_of(folder.kind, text);
                    // An override beside hooks is named as their jobs are.
                    let is_override = kind == FileKind::NativeOverride;
                    let rel =
                        if is_override { folders::prefix_of(folder.kind).to_owned() + &rel } else { rel };
                    let kind = Some(kind);
                    self.add(Candidate { kind, layer: folder.layer, rel, path: child(&path, text), entry });
                }
            }
        }
    }

    /// The names in a folder, sorted, and what each is. A link is looked through.
    fn entries(&mut self, path: &Path) -> Vec<(OsString, Entry)> {
        self.try_entries(path).unwrap_or_else(|error| {
            self.unreadable(path, &error);
            Vec::new()
        })
    }

    fn try_entries(&self, path: &Path) -> io::Result<Vec<(OsString, Entry)>> {
        let entries = fs::read_dir(path)?;
        let what = |entry: &fs::DirEntry| match entry.file_type() {
            Ok(kind) if kind.is_file() => Entry::File,
            Ok(kind) if kind.is_dir() => Entry::Folder,
            Ok(kind) if kind.is_symlink() => match Place::resolve(&self.root, &entry.path()) {
                Ok(place) if place.metadata.is_dir() => Entry::Folder,
                Ok(_) | Err(_) => Entry::Other,
            },
            Ok(_) | Err(_) => Entry::Other,
        };
        let entries = entries.filter_map(Result::ok).take(MAX_FILES);
        let mut names: Vec<_> = entries.map(|entry| (entry.file_name(), what(&entry))).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn bad_name(&mut self, path: &Path) {
        let report = Report::warning("bad-file-name", "file's name is not UTF-8, so it can be no job's name")
            .in_file(&path.to_string_lossy())
            .help("rename it");
        self.reports.push(report);
    }

    /// A folder with job files directly in it: each file says by its ending or header what it is.
    fn loose_folder(&mut self, path: &Path) -> io::Result<()> {
        for (name, entry) in self.try_entries(path)? {
            match name.to_str() {
                None => self.bad_name(&path.join(&name)),
                Some(text) if text.starts_with('.') => {}
                Some(text) if entry == Entry::Folder => {
                    if text.ends_with(".ron") {
                        self.not_a_file(&path.join(text));
                    }
                }
                Some(text) => self.loose_file(text, path.join(&name), entry),
            }
        }
        Ok(())
    }

    fn not_a_file(&mut self, path: &Path) {
        let report = Report::error("not-a-file", "a folder with the name of a job file, so it is not read");
        self.reports.push(report.in_file(&path.to_string_lossy()).help("rename it, or remove it"));
    }

    fn single_file(&mut self, path: &Path) {
        match path.file_name().and_then(OsStr::to_str) {
            Some(name) => self.loose_file(name, path.to_path_buf(), Entry::Other),
            None => self.bad_name(path),
        }
    }

    fn loose_file(&mut self, name: &str, path: PathBuf, entry: Entry) {
        let kind = folders::kind_by_ending(name);
        self.add(Candidate { kind, layer: folders::layer_of_loose(kind), rel: name.into(), path, entry });
    }

    fn add(&mut self, found: Candidate) {
        if self.found.len() < MAX_FILES {
            self.found.push(found);
        } else if !self.is_full {
            self.is_full = true;
            let report = Report::error("too-many-files", format!("more than {MAX_FILES} files"));
            self.reports.push(report.in_file(&found.path.to_string_lossy()));
        }
    }

    /// Reads what was found, in two halves at once where that is faster.
    fn read(mut self, reach: Reach, watch: &dyn Watch) -> Found {
        links::leave_out(&self.root, &mut self.found, &mut self.reports);
        let root = &self.root;
        let read_all = |found: Vec<Candidate>| -> Vec<Result<TreeFile, String>> {
            let mut reader = Reader::default();
            found.into_iter().map(|found| found.read(root, reach, watch, &mut reader)).collect()
        };
        let mut one = self.found;
        let files = if one.len() < MANY || processors() < 2 {
            [read_all(one), Vec::new()]
        } else {
            let other = one.split_off(one.len() / 2);
            std::thread::scope(|scope| {
                let first = scope.spawn(|| read_all(one));
                let second = read_all(other);
                [first.join().unwrap_or_default(), second]
            })
        };
        let mut read = Vec::with_capacity(files.iter().map(Vec::len).sum());
        let mut unread = Vec::new();
        for file in files.into_iter().flatten() {
            match file {
                Ok(file) => read.push(file),
                Err(rel) => unread.push(rel),
            }
        }
        let mut tree = Tree::new(read);
        read_listed(&self.root, watch, &mut tree);
        self.reports.sort_by(|one, other| one.message.cmp(&other.message));
        Found { tree, reports: self.reports, unread }
    }
}

/// Reads what `rc_conf_files` names beside the usual files, and what is named there.
fn read_listed(root: &Path, watch: &dyn Watch, tree: &mut Tree) {
    let mut tried: HashSet<String> = HashSet::new();
    for _ in 0..MAX_DEPTH {
        let mut missing = tree.rc_conf().0.missing(tree.sources(FileKind::RcConf));
        missing.retain(|path| tried.insert(path.clone()));
        if missing.is_empty() {
            return;
        }
        for listed in missing {
            let path = root.join(listed.trim_start_matches('/'));
            if !path.exists() || !watch.admits(&path) {
                continue;
            }
            let wanted = Wanted { is_regular: false, reach: Reach::Whole, mode: false, is_script: false };
            let shown = path.to_string_lossy().into_owned();
            let content = Reader::default().read(root, &path, shown.clone(), wanted);
            tree.extend([TreeFile { kind: FileKind::RcConf, layer: 0, rel: listed, path: shown, content }]);
        }
    }
}

/// What is called `name` in a folder. A thousand are made, so each takes memory once.
fn child(folder: &Path, name: &str) -> PathBuf {
    let length = folder.as_os_str().len().saturating_add(name.len()).saturating_add(1);
    let mut path = PathBuf::with_capacity(length);
    path.push(folder);
    path.push(name);
    path
}

/// How many processors this process may use.
fn processors() -> usize {
    let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0));
    set.map_or(1, |set| {
        let all = 0..nix::sched::CpuSet::count();
        all.filter(|number| set.is_set(*number).unwrap_or(false)).count()
    })
}

impl Candidate {
    /// The file with what stands in it; its name alone if that shows that it is no job at all.
    fn read(
        self,
        root: &Path,
        reach: Reach,
        watch: &dyn Watch,
        reader: &mut Reader,
    ) -> Result<TreeFile, String> {
        let reach = if matches!(self.kind, Some(FileKind::Rcd) | None) { reach } else { Reach::Whole };
        let path = self.path.to_str().map_or_else(|| self.path.to_string_lossy().into_owned(), String::from);
        let content = match self.kind {
            // Only its name counts.
            Some(FileKind::RcLink) => Content::Text(jobs::formats::Source {
                path: path.clone(),
                text: String::new(),
                executable: false,
            }),
            Some(_) | None if !watch.admits(&self.path) => {
                let report =
                    Report::error("unreadable", "file could not be read in time, or ended whoever read it");
                Content::Unreadable(report.in_file(&path))
            }
            Some(FileKind::Hook | FileKind::Syshook) => program(root, &self.path),
            Some(_) | None => {
                // What is no program is the same job whether it may be executed or not.
                let mode = !matches!(self.kind, Some(FileKind::Native | FileKind::NativeOverride));
                let is_regular = self.entry == Entry::File;
                let is_script = matches!(self.kind, Some(FileKind::Rcd | FileKind::Lsb));
                let wanted = Wanted { is_regular, reach, mode, is_script };
                reader.read(root, &self.path, path.clone(), wanted)
            }
        };
        match self.kind.or_else(|| folders::kind_by_content(&content)) {
            Some(kind) => Ok(TreeFile { kind, layer: self.layer, rel: self.rel, path, content }),
            None => Err(self.rel),
        }
    }
}
