//! From files to a generation of jobs: which file counts, what is laid over it, and what is refused.
//!
//! A folder of a higher layer counts before one of a lower, a native file before an Upstart one, that before
//! an rc.d script, and that before an LSB script. A line of inetd.conf is as a file. A link to `/dev/null` in the place of a file masks the job.
//! A file that is refused takes the whole name with it: no older or lower file steps in silently.
//!
//! The result is a function of the files alone: in which order they are given does not matter.

mod headers;
mod hooks;
mod inetd;
#[cfg(test)]
pub(crate) mod tests;
mod tree;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    vec::Vec,
};
use core::cmp::Reverse;

use events::Name;

use self::inetd::Inetd;
pub use self::tree::{Content, FileKind, Generation, Masked, OF_PACKAGES, Refused, Tree, TreeFile};
use crate::{
    Format, Report, StartMode, did_you_mean,
    formats::{
        Described, Reading, Source, hook,
        lsb::{self, Facilities, Links},
        native,
        rc_conf::RcConf,
        rcd::{self, KeywordFilter},
        upstart,
    },
};

/// How much of rc.d scripts is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Whole,
    Header,
}

/// What all files say together. `filter` says which KEYWORDs of rc.d scripts this machine is for.
#[must_use]
pub fn load(tree: &Tree, filter: &KeywordFilter) -> Generation {
    load_all(tree, filter, Depth::Whole)
}

/// The same under somebody's eyes, who is told the path of each file before it is parsed, and is given each job as soon
/// as it is known, in no order that means anything. So none is in what comes back.
#[must_use]
pub fn load_watched(
    tree: &Tree,
    filter: &KeywordFilter,
    reads: &dyn Fn(&str),
    give: &mut dyn FnMut(Described),
) -> Generation {
    load_to(tree, filter, Depth::Whole, reads, give)
}

/// The same, but of an rc.d script only what its header says: enough for an order, and many times faster. Such
/// a job does nothing, and is enabled whatever rc.conf says.
#[must_use]
pub fn load_headers(tree: &Tree) -> Generation {
    load_all(tree, &KeywordFilter::default(), Depth::Header)
}

fn load_all(tree: &Tree, filter: &KeywordFilter, depth: Depth) -> Generation {
    let mut jobs = Vec::new();
    let mut generation = load_to(tree, filter, depth, &|_| (), &mut |described| jobs.push(described));
    jobs.sort_by(|one, other| one.job.name.cmp(&other.job.name));
    generation.jobs = jobs;
    generation
}

fn load_to(
    tree: &Tree,
    filter: &KeywordFilter,
    depth: Depth,
    reads: &dyn Fn(&str),
    give: &mut dyn FnMut(Described),
) -> Generation {
    let inetd = Inetd::read(&tree.files);
    let files = tree.files.iter().filter(|file| file.kind != FileKind::Inetd);
    let mut files: Vec<&TreeFile> = files.chain(&inetd.files).collect();
    files.sort_by_key(|file| (file.kind, Reverse(file.layer), &file.rel, &file.path));
    let mut loading = Loading::new(&files, filter, depth);
    loading.inetd = inetd.jobs;
    loading.out.reports.extend(inetd.reports);
    let mut named: Vec<(Name, &TreeFile)> = Vec::with_capacity(files.len());
    for file in files {
        match loading.job_of(file) {
            Some(Ok(name)) => named.push((name, file)),
            Some(Err(report)) => loading.out.reports.push(report),
            None => {}
        }
    }
    // Those of one name keep their order: the one that counts first.
    named.sort_by(|(one, _), (other, _)| one.cmp(other));
    // What jobs there are in the package folder must be known before scripts that do the same are read.
    let mut by_job: Vec<&[(Name, &TreeFile)]> = named.chunk_by(|(one, _), (other, _)| one == other).collect();
    by_job.sort_by_key(|files| files.first().map(|(_, file)| file.kind));
    for files in by_job {
        let Some((name, _)) = files.first() else { continue };
        let files: Vec<&TreeFile> = files.iter().map(|(_, file)| *file).collect();
        files.iter().rev().for_each(|file| reads(&file.path));
        loading.take(name, &files, give);
    }
    hook::take_turns(&mut loading.hooks);
    core::mem::take(&mut loading.hooks).into_iter().for_each(give);
    loading.finish(&named)
}

/// What is known while the files are read.
struct Loading<'t> {
    out: Generation,
    hooks: Vec<Described>,
    filter: &'t KeywordFilter,
    depth: Depth,
    native_overrides: BTreeMap<Name, Vec<&'t TreeFile>>,
    /// Those of them that lie over all hooks of a folder.
    used_overrides: BTreeSet<Name>,
    upstart_overrides: BTreeMap<Name, Vec<&'t TreeFile>>,
    lsb_overrides: BTreeMap<&'t str, &'t Source>,
    rc_conf: RcConf,
    facilities: Facilities,
    links: Links,
    /// What the lines of inetd.conf give.
    inetd: BTreeMap<Name, Reading>,
    /// What native jobs that a package has brought provide, and which.
    stock: BTreeMap<Name, Name>,
}

impl<'t> Loading<'t> {
    /// Reads what is not a job itself. `files` are sorted, the higher layer first.
    fn new(files: &[&'t TreeFile], filter: &'t KeywordFilter, depth: Depth) -> Self {
        let sources = |kind: FileKind| -> Vec<Source> {
            let texts = files.iter().filter(|file| file.kind == kind);
            texts.filter_map(|file| file.text()).cloned().collect()
        };
        let (rc_conf, reports) = RcConf::from_files(&sources(FileKind::RcConf));
        let mut facilities = Facilities::default();
        // The lowest layer first, so that a higher one has the last word.
        sources(FileKind::Insserv).iter().rev().for_each(|source| facilities.extend(&source.text));
        let of_kind = |kind: FileKind| files.iter().copied().filter(move |file| file.kind == kind);
        let links = Links::parse(of_kind(FileKind::RcLink).map(|file| file.rel.as_str()));
        let mut lsb_overrides = BTreeMap::new();
        for file in of_kind(FileKind::LsbOverride) {
            if let Some(source) = file.text() {
                lsb_overrides.entry(file.rel.as_str()).or_insert(source);
            }
        }
        Self {
            inetd: BTreeMap::new(),
            stock: BTreeMap::new(),
            out: Generation { reports, ..Generation::default() },
            hooks: Vec::new(),
            filter,
            depth,
            used_overrides: BTreeSet::new(),
            native_overrides: overrides(of_kind(FileKind::NativeOverride), native::overridden_name),
            upstart_overrides: overrides(of_kind(FileKind::UpstartOverride), upstart::override_name),
            lsb_overrides,
            rc_conf,
            facilities,
            links,
        }
    }

    /// The name of the job that a file describes; `None` if it is not of a kind that describes one.
    fn job_of(&mut self, file: &TreeFile) -> Option<Result<Name, Report>> {
        let last = file.rel.rsplit('/').next().unwrap_or(&file.rel);
        let name = match file.kind {
            FileKind::Native => native::job_name(&file.rel),
            FileKind::Upstart => upstart::job_name(&file.rel),
            FileKind::Rcd if !rcd::is_script_name(last) => return None,
            FileKind::Lsb if !lsb::is_script_name(last) => return None,
            FileKind::Rcd | FileKind::Lsb => Name::new(&file.rel).ok(),
            FileKind::Hook | FileKind::Syshook if !hook::is_hook_name(last) => return None,
            FileKind::Hook => Name::new(&format!("hooks/{}", file.rel)).ok(),
            FileKind::Syshook => Name::new(&format!("rc.syshook.d/{}", file.rel)).ok(),
            FileKind::Inetd => Name::new(&file.rel).ok(),
            FileKind::RcConf
            | FileKind::LsbOverride
            | FileKind::Insserv
            | FileKind::RcLink
            | FileKind::Services => {
                self.show_unreadable(file);
                return None;
            }
            FileKind::NativeOverride | FileKind::UpstartOverride => return None,
        };
        Some(name.ok_or_else(|| {
            Report::error("bad-file-name", format!("`{}` cannot be the name of a job", file.rel))
                .in_file(&file.path)
                .help("a job's name has 1 to 255 bytes, no blank, and no part that begins with a dot")
        }))
    }

    fn show_unreadable(&mut self, file: &TreeFile) {
        if let Content::Unreadable(report) = &file.content {
            self.out.reports.push(report.clone());
        }
    }

    /// Takes the job that `files` describe, the one that counts first.
    fn take(&mut self, name: &Name, files: &[&'t TreeFile], give: &mut dyn FnMut(Described)) {
        let Some((first, rest)) = files.split_first() else { return };
        let mut over: Vec<&TreeFile> = self.overrides_of_folder(name, first);
        over.extend(self.native_overrides.remove(name).unwrap_or_default());
        over.retain(|over| over.layer != OF_PACKAGES || first.layer <= OF_PACKAGES);
        match &first.content {
            Content::Masked => {
                let provides = rest.iter().find_map(|file| self.read(name, file, &[]).described);
                let provides = provides.iter().flat_map(|d| d.job.provided_names().cloned()).collect();
                let path = first.path.clone();
                self.out.masked.push(Masked { name: name.clone(), path, provides });
            }
            Content::Unreadable(report) => {
                self.out.reports.push(report.clone());
                self.refuse(name, first);
            }
            Content::Text(_) => {
                self.show_shadowed(name, first, rest);
                self.out.reports.extend(odd_upstart(name, first));
                let Reading { described, reports } = self.read(name, first, &over);
                self.out.reports.extend(reports);
                match described {
                    // Who comes before them is known when all have been read.
                    Some(hook) if hook.job.format == Format::Hook => self.hooks.push(hook),
                    Some(described) => {
                        self.keep_stock(&described, files);
                        give(described);
                    }
                    None => self.refuse(name, first),
                }
            }
        }
    }

    /// What is laid over all hooks of a folder: `hooks/EVENT.override.ron`, beside it.
    fn overrides_of_folder(&mut self, name: &Name, file: &TreeFile) -> Vec<&'t TreeFile> {
        if !matches!(file.kind, FileKind::Hook | FileKind::Syshook) {
            return Vec::new();
        }
        let folder = name.rsplit_once('/').and_then(|(folder, _)| Name::new(folder).ok());
        let Some((folder, over)) = folder.and_then(|it| self.native_overrides.get_key_value(&it)) else {
            return Vec::new();
        };
        self.used_overrides.insert(folder.clone());
        over.clone()
    }

    /// Keeps what a native job of a package's provides, also where the machine has a job of its own in its place.
    fn keep_stock(&mut self, described: &Described, files: &[&TreeFile]) {
        let is_stock = |file: &&TreeFile| file.kind == FileKind::Native && file.layer == OF_PACKAGES;
        if described.job.format == Format::Native && files.iter().any(is_stock) {
            let job = &described.job;
            self.stock.extend(job.provided_names().map(|provided| (provided.clone(), job.name.clone())));
        }
    }

    /// A script whose own name such a job provides never runs: the job does its work. Without the job it does.
    fn leave_to_stock(&self, reading: &mut Reading) {
        let Some(described) = &mut reading.described else { return };
        let own = described.job.provides.first().map(|provide| &provide.name);
        if let Some(job) = own.and_then(|own| self.stock.get(own)) {
            described.job.start = StartMode::Disabled(format!("job `{job}` does this").into());
            lsb::never(&mut described.job);
        }
    }

    fn refuse(&mut self, name: &Name, file: &TreeFile) {
        self.out.refused.push(Refused { name: name.clone(), path: file.path.clone() });
    }

    /// A lower layer of the same format is meant to be shadowed, and a package's script by its job; anything else may be
    /// news.
    fn show_shadowed(&mut self, name: &Name, first: &TreeFile, rest: &[&TreeFile]) {
        let is_news = |file: &TreeFile| file.kind != first.kind || file.layer == first.layer;
        let is_for_another_init = |file: &TreeFile| first.layer == OF_PACKAGES && file.kind == FileKind::Lsb;
        for file in rest.iter().filter(|file| is_news(file) && !is_for_another_init(file)) {
            let report = Report::warning("shadowed-job", format!("job `{name}` is described twice"))
                .in_file(&file.path)
                .in_file(&first.path)
                .help(format!("{} counts; rename or remove the other one", first.path));
            self.out.reports.push(report);
        }
    }

    /// Reads one file, with what is laid over it.
    fn read(&mut self, name: &Name, file: &TreeFile, over: &[&TreeFile]) -> Reading {
        let Some(source) = file.text() else { return Reading::default() };
        let over: Vec<Source> = over.iter().filter_map(|file| self.override_text(file)).collect();
        let mut reading = match file.kind {
            FileKind::Native => return native::read(name, source, &over, file.layer),
            FileKind::Upstart => {
                let conf_over = self.upstart_overrides.remove(name).unwrap_or_default();
                let texts: Vec<Source> =
                    conf_over.iter().filter_map(|file| self.override_text(file)).collect();
                upstart::read(name, source, &texts)
            }
            FileKind::Rcd if self.depth == Depth::Header => headers::read(name, source),
            FileKind::Rcd => rcd::read(name, source, &self.rc_conf, self.filter),
            FileKind::Lsb => {
                let header = self.lsb_overrides.get(file.rel.as_str()).copied();
                let mut reading = lsb::read(name, source, header, &self.facilities, &self.links);
                self.leave_to_stock(&mut reading);
                reading
            }
            FileKind::Hook | FileKind::Syshook => hooks::read(file, source),
            FileKind::Inetd => self.inetd.get(name).cloned().unwrap_or_default(),
            FileKind::NativeOverride
            | FileKind::UpstartOverride
            | FileKind::RcConf
            | FileKind::LsbOverride
            | FileKind::Insserv
            | FileKind::RcLink
            | FileKind::Services => Reading::default(),
        };
        if let Some(described) = &mut reading.described {
            described.job.layer = file.layer;
            for source in &over {
                reading.reports.extend(native::apply_override(described, source));
            }
        }
        reading
    }

    fn override_text(&mut self, file: &TreeFile) -> Option<Source> {
        self.show_unreadable(file);
        file.text().cloned()
    }

    /// What there is to say of overrides that are laid over none of the jobs in `named`.
    fn finish(mut self, named: &[(Name, &TreeFile)]) -> Generation {
        let mut native = core::mem::take(&mut self.native_overrides);
        native.retain(|name, _| !self.used_overrides.contains(name));
        let upstart = core::mem::take(&mut self.upstart_overrides);
        for (name, files) in native.into_iter().chain(upstart) {
            for file in files {
                self.show_unreadable(file);
                if file.layer == OF_PACKAGES {
                    continue;
                }
                let report = self.lonely(&name, file, named);
                self.out.reports.push(report);
            }
        }
        crate::check::sort(&mut self.out.reports);
        self.out
    }

    /// What is said of an override without a job.
    fn lonely(&self, name: &Name, file: &TreeFile, named: &[(Name, &TreeFile)]) -> Report {
        let is_job = |name: &Name| {
            let mut none = self.out.refused.iter().map(|refused| &refused.name);
            let mut masked = self.out.masked.iter().map(|masked| &masked.name);
            !none.any(|none| none == name) && !masked.any(|masked| masked == name)
        };
        let names = named.iter().map(|(name, _)| name).filter(|name| is_job(name)).map(Name::as_str);
        let report =
            Report::warning("override-without-job", format!("there is no job `{name}` to lay this over"))
                .in_file(&file.path);
        let swapped =
            [".conf", ".ron"].into_iter().find_map(|ending| Some((name.strip_suffix(ending)?, ending)));
        if let Some((job, ending)) = swapped {
            let right = if ending == ".ron" { ".override.ron" } else { ".override" };
            return report.help(format!("rename it `{job}{right}`"));
        }
        match did_you_mean(name, names) {
            Some(meant) => report.help(format!("did you mean `{meant}`?")),
            None => report.help("its name must be that of the job, with `.override` behind it"),
        }
    }
}

/// What is said of an Upstart file that is hardly meant as a job: one without text, or an override by another
/// name.
fn odd_upstart(name: &Name, file: &TreeFile) -> Option<Report> {
    let text = file.text().filter(|_| file.kind == FileKind::Upstart)?;
    if let Some(job) = name.strip_suffix(".override") {
        let message = format!("`{}` is taken as job `{name}`, and laid over nothing", file.rel);
        let report = Report::warning("misnamed-override", message).in_file(&file.path);
        return Some(
            report.help(format!("rename it `{job}.override`, if it is to be laid over `{job}.conf`")),
        );
    }
    let is_empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    text.text.lines().all(is_empty).then(|| {
        let message =
            format!("nothing stands in the file, so job `{name}` does nothing when somebody starts it");
        Report::warning("empty-file", message)
            .in_file(&file.path)
            .help("write `exec`, or remove the file; a link to /dev/null takes a job away")
    })
}

/// Overrides by the job they are laid over, the lowest layer first. A link to `/dev/null` takes away those
/// below it.
fn overrides<'t>(
    files: impl Iterator<Item = &'t TreeFile>,
    name: impl Fn(&str) -> Option<Name>,
) -> BTreeMap<Name, Vec<&'t TreeFile>> {
    let mut by_name: BTreeMap<Name, Vec<&'t TreeFile>> = BTreeMap::new();
    for file in files {
        if let Some(name) = name(&file.rel) {
            by_name.entry(name).or_default().push(file);
        }
    }
    for files in by_name.values_mut() {
        let masked = files.iter().position(|file| file.content == Content::Masked);
        files.truncate(masked.unwrap_or(files.len()));
        files.reverse();
    }
    by_name.retain(|_, files| !files.is_empty());
    by_name
}
