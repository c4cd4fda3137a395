//! `onsetctl`: what people type, and what comes of it. The commands themselves stand in one table, [`table`].

mod act;
mod ask;
mod call;
mod called;
mod check;
mod completions;
pub(crate) mod connection;
mod emit;
pub(crate) mod exit;
mod graph;
mod hooks;
mod known;
mod log;
mod machine;
mod order;
mod pages;
mod say;
mod simulate;
mod table;
mod timers;
mod tree;
mod verbs;
mod watch;

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Parser as _};
use jobs::{
    Job, Order, Report, Severity,
    formats::rcd::KeywordFilter,
    load::{Generation, Tree, load, load_headers},
};

use table::Cli;

use crate::{
    show::{Texts, to_text},
    tree::{Found, Reach, read_tree},
};

/// Everything is well.
const CLEAN: u8 = 0;
/// Something is wrong in the files.
const FAULTS: u8 = 1;
/// Something is wrong in the command.
const USAGE: u8 = 2;

/// Which files are meant.
#[derive(Debug, Args)]
struct Paths {
    /// A root (`/`, or a folder with etc/onset, etc/init, etc/rc.d, etc/init.d in it), a folder with job
    /// files in it, or single files; this machine's root if none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What a command says in the end.
#[derive(Default)]
pub(crate) struct Outcome {
    text: String,
    /// Goes to standard error.
    remarks: String,
    code: u8,
}

/// Does what the words of this process's command line say, and gives the exit code.
#[must_use]
pub fn begin() -> i32 {
    // The standard library takes descriptors 0 to 2 for granted, and that writing into a closed pipe is an error.
    crate::boot::open_standard_fds();
    crate::sys::signals::ignore_closed_pipes();
    i32::from(run(std::env::args_os()))
}

/// Does what the words of a command line say.
#[must_use]
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let words: Vec<OsString> = words.into_iter().collect();
    let plain: Option<Vec<String>> = words.iter().map(|word| word.to_str().map(String::from)).collect();
    if let Some(outcome) = plain.as_ref().and_then(|words| called::run(words)) {
        return outcome.print();
    }
    let quick = plain.and_then(|words| Cli::plain(&words));
    let cli = match quick.map_or_else(|| Cli::try_parse_from(&words), Ok) {
        Ok(cli) => cli,
        Err(error) => {
            // Whether the help reaches anybody is not our fault.
            let _ = error.print();
            return if error.use_stderr() { USAGE } else { CLEAN };
        }
    };
    match cli.run() {
        Ok(outcome) => outcome.print(),
        Err(message) => {
            let _ = writeln!(io::stderr(), "onsetctl: {message}");
            USAGE
        }
    }
}

impl Outcome {
    /// Prints it. Who reads only the first lines and closes the pipe has what he wanted; any other failure
    /// to write is one of the command.
    fn print(self) -> u8 {
        // Remarks that cannot be shown have nowhere else to go.
        let _ = io::stderr().write_all(self.remarks.as_bytes());
        let mut out = io::stdout().lock();
        match out.write_all(self.text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => self.code,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.code,
            Err(error) => {
                let _ = writeln!(io::stderr(), "onsetctl: cannot write: {error}");
                USAGE
            }
        }
    }
}

/// Files that have been read, and the jobs in them.
struct Loaded {
    tree: Tree,
    generation: Generation,
    /// Files that are no jobs by their ending or header.
    unread: Vec<String>,
}

impl Loaded {
    /// Reads all that is meant; what cannot be read is among the reports.
    fn read(paths: &Paths, reach: Reach) -> Result<Self, String> {
        let root = [PathBuf::from("/")];
        let paths = if paths.paths.is_empty() { &root[..] } else { &paths.paths };
        let mut found = Found::default();
        let mut once = Once::default();
        for path in paths {
            let mut more = read_tree(path, reach).map_err(|error| cannot_read(path, &error))?;
            let mut files = more.tree.into_files();
            if paths.len() > 1 {
                files.retain(|file| once.is_new(&file.path));
                more.reports.retain(|report| !found.reports.contains(report));
                more.unread.retain(|name| !found.unread.contains(name));
            }
            found.tree.extend(files);
            found.reports.extend(more.reports);
            found.unread.extend(more.unread);
        }
        let Found { tree, mut reports, unread } = found;
        let mut generation = match reach {
            Reach::Whole => load(&tree, &KeywordFilter::default()),
            Reach::Header => load_headers(&tree),
        };
        reports.append(&mut generation.reports);
        generation.reports = reports;
        Ok(Self { tree, generation, unread })
    }

    fn order(&self) -> Order {
        let jobs: Vec<&Job> = self.generation.jobs.iter().map(|described| &described.job).collect();
        jobs::order(&jobs)
    }

    /// The reports as text.
    fn text<'r>(&'r self, reports: impl IntoIterator<Item = &'r Report>, colours: bool) -> String {
        let texts = Texts::new(&self.tree);
        reports.into_iter().map(|report| to_text(report, &texts, colours)).collect()
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> String {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let help = if denied { ": run as a user who may read it" } else { "" };
    format!("cannot read {}: {error}{help}", path.display())
}

/// Files by where they are, however their paths are written: one that is meant twice is taken once. Links are
/// files of their own, as their names are jobs of their own.
#[derive(Default)]
struct Once {
    folders: HashMap<PathBuf, PathBuf>,
    seen: HashSet<PathBuf>,
}

impl Once {
    fn is_new(&mut self, path: &str) -> bool {
        let path = Path::new(path);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return true };
        let real = || match folder.as_os_str().is_empty() {
            true => std::env::current_dir(),
            false => folder.canonicalize(),
        };
        let known = self.folders.entry(folder.to_path_buf());
        let folder = known.or_insert_with(|| real().unwrap_or_else(|_| folder.to_path_buf()));
        self.seen.insert(folder.join(name))
    }
}

/// How many of the reports are of this severity.
fn count(reports: &[Report], severity: Severity) -> usize {
    reports.iter().filter(|report| report.severity == severity).count()
}

/// `1 job`, `2 jobs`.
fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Whether to use colours: on a terminal, and not against the reader's wish (<https://no-color.org>).
fn colours(stream: &impl io::IsTerminal) -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !unwanted && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether the files have a fault for which a command fails: an error, or jobs that wait for each other.
fn fails(loaded: &Loaded, order: &Order) -> bool {
    count(&loaded.generation.reports, Severity::Error) > 0
        || !order.loops.is_empty()
        || !order.tangled.is_empty()
}
