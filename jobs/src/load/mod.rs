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
mod old_scripts;
mod overrides;
#[cfg(test)]
pub(crate) mod tests;
mod tree;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};
use core::cmp::Reverse;

use events::{Name, Value};

pub use self::tree::{Content, FileKind, Tree, TreeFile};
use self::{inetd::Inetd, old_scripts::OldScripts, overrides::overrides};
use crate::{
    Format, Report, StartMode,
    formats::{
        Described, Reading, Source, hook,
        lsb::{self, Facilities, Links},
        native,
        rc_conf::RcConf,
        rcd::{self, KeywordFilter},
        upstart,
    },
};

/// The layer of the folder in which packages put their job files. What lies there is for many machines: it may speak of
/// jobs that this one has not, stands beside the script of the same package for another init, and gives way to what the
/// machine's own folders say.
pub const OF_PACKAGES: u8 = 2;

/// What the files say: the jobs, and all that there is to be said about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generation {
    /// The jobs, by name.
    pub jobs: Vec<Described>,
    /// Files for which there is no job, though there should be one. Who has one of this name keeps it.
    pub refused: Vec<Refused>,
    /// Jobs that a link to `/dev/null` takes away.
    pub masked: Vec<Masked>,
    /// Errors and warnings, by place.
    pub reports: Vec<Report>,
}

/// A file that is refused. The reports say why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The job that it would describe.
    pub name: Name,
    /// The file.
    pub path: String,
}

/// A job that does not exist because of a link to `/dev/null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// Its name.
    pub name: Name,
    /// The link.
    pub path: String,
    /// What it would provide.
    pub provides: Vec<Name>,
}

/// How much of rc.d scripts is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// All, and what may be doubted in it.
    Whole,
    /// What makes the job.
    Job,
    /// What makes its place in the order.
    Header,
}

/// What all files say together. `filter` says which KEYWORDs of rc.d scripts this machine is for.
#[must_use]
pub fn load(tree: &Tree, filter: &KeywordFilter) -> Generation {
    load_all(tree, filter, Depth::Whole)
}

/// The same under somebody's eyes, who is told the path of each file before it is parsed, and is given each job as soon
/// as it is known, in no order that means anything. So none is in what comes back. What may be doubted in headers of rc.d
/// scripts is not looked for.
#[must_use]
pub fn load_watched(
    tree: &Tree,
    filter: &KeywordFilter,
    reads: &dyn Fn(&str),
    give: &mut dyn FnMut(Described),
) -> Generation {
    load_to(tree, filter, Depth::Job, reads, give)
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
    let inetd = Inetd::read(tree.files());
    let files = tree.files().iter().filter(|file| file.kind != FileKind::Inetd);
    let mut files: Vec<&TreeFile> = files.chain(&inetd.files).collect();
    files.sort_by_key(|file| (file.kind, Reverse(file.layer), &file.rel, &file.path));
    let mut loading = Loading::new(tree.rc_conf(), &files, filter, depth);
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
    rc_conf: &'t RcConf,
    old_scripts: OldScripts,
    facilities: Facilities,
    links: Links,
    /// Whether scripts of init.d shall tell much, as the machine says.
    verbose: Option<Value>,
    /// What the lines of inetd.conf give.
    inetd: BTreeMap<Name, Reading>,
    /// What native jobs that a package has brought provide, and which.
    stock: BTreeMap<Name, Name>,
}

impl<'t> Loading<'t> {
    /// Reads what is not a job itself. `files` are sorted, the higher layer first.
    fn new(
        (rc_conf, reports): &'t (RcConf, Vec<Report>),
        files: &[&'t TreeFile],
        filter: &'t KeywordFilter,
        depth: Depth,
    ) -> Self {
        let of_kind = |kind: FileKind| files.iter().copied().filter(move |file| file.kind == kind);
        let mut facilities = Facilities::default();
        // The lowest layer first, so that a higher one has the last word.
        let of_facilities = of_kind(FileKind::Insserv).filter_map(TreeFile::text);
        of_facilities.rev().for_each(|source| facilities.extend(&source.text));
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
            out: Generation { reports: reports.clone(), ..Generation::default() },
            hooks: Vec::new(),
            filter,
            depth,
            used_overrides: BTreeSet::new(),
            native_overrides: overrides(of_kind(FileKind::NativeOverride), native::overridden_name),
            upstart_overrides: overrides(of_kind(FileKind::UpstartOverride), upstart::override_name),
            lsb_overrides,
            rc_conf,
            old_scripts: OldScripts::find(files),
            facilities,
            links,
            verbose: of_kind(FileKind::LsbDefaults).filter_map(TreeFile::text).find_map(lsb::verbosity),
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
            | FileKind::LsbDefaults
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
                        let beside = rcd::at_shutdown::beside(&described);
                        give(described);
                        beside.into_iter().for_each(give);
                    }
                    None => self.refuse(name, first),
                }
            }
        }
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
            FileKind::Rcd => match self.old_scripts.read(name, source, self.rc_conf) {
                Some(reading) => reading,
                None if self.depth == Depth::Job => rcd::read_job(name, source, self.rc_conf, self.filter),
                None => rcd::read(name, source, self.rc_conf, self.filter),
            },
            FileKind::Lsb => {
                let header = self.lsb_overrides.get(file.rel.as_str()).copied();
                let mut reading = lsb::read(name, source, header, &self.facilities, &self.links);
                lsb::tell_verbosity(&mut reading, self.verbose.as_ref());
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
            | FileKind::LsbDefaults
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
