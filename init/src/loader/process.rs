//! What runs in the loader's own process.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use jobs::{
    Format, LOOP_CODES, Report, Severity, check_loops, formats::Described, load::load_watched, says_order,
};

use super::{
    generation::{Remark, Writer},
    mode, scripts,
};
use crate::{
    show::Texts,
    sys::{own::descriptor, page::Page},
    tree::{Found, Reach, Watch, read_watched},
};

/// The descriptor of the memfd for the result.
pub(super) const RESULT: i32 = 3;
/// The descriptor of the page that names what is being read.
pub(super) const BEACON: i32 = 4;

/// The variable that says that this is no machine of its own.
pub(super) const CONTAINER: &str = "container";

/// How much of a path is shown.
const LONGEST: usize = 3_000;

/// Says which file is read next, and knows those that must not be.
struct Beacon {
    page: Mutex<(Page, u32)>,
    left_out: Vec<PathBuf>,
}

impl Beacon {
    fn show(&self, path: &Path) {
        use std::os::unix::ffi::OsStrExt as _;
        let Ok(mut page) = self.page.lock() else { return };
        let (page, count) = &mut *page;
        *count = count.wrapping_add(1);
        let path = path.as_os_str().as_bytes();
        page.write(&[&count.to_le_bytes(), path.get(..LONGEST).unwrap_or(path), &[0]]);
    }
}

impl Watch for Beacon {
    fn admits(&self, path: &Path) -> bool {
        if self.left_out.iter().any(|left_out| left_out == path) {
            return false;
        }
        self.show(path);
        true
    }
}

/// The loader's `main`: reads the tree in the first word, without the files in the others.
#[must_use]
pub fn run(words: &[String]) -> u8 {
    match load(words) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn load(words: &[String]) -> io::Result<()> {
    let (Some(result), Some(beacon)) = (descriptor(RESULT), descriptor(BEACON)) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let (result, beacon) = (File::from(result), File::from(beacon));
    let (root, left_out) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let left_out: Vec<PathBuf> = left_out.iter().map(PathBuf::from).collect();
    let watch = Beacon { page: Mutex::new((Page::map(&beacon, 0)?, 0)), left_out };
    // A root that cannot be read has no jobs, and says so.
    let found = read_watched(Path::new(root), Reach::Whole, &watch).unwrap_or_else(|error| Found {
        reports: vec![Report::error("unreadable", format!("{root} cannot be read: {error}"))],
        ..Found::default()
    });
    let mut writer = Writer::new(found.tree.files().len());
    let reads = |path: &str| watch.show(Path::new(path));
    // Those that say whom they come before or after wait until all are known.
    let mut ordered = Vec::with_capacity(found.tree.files().len());
    let are_serial = scripts::are_serial(&found.tree);
    let mut give = |described: Described| match says_order(&described.job)
        || are_serial && described.job.format == Format::Rcd
    {
        true => ordered.push(described),
        false => writer.add(described),
    };
    let is_container = std::env::var_os(CONTAINER).is_some();
    let filter = scripts::filter(Path::new(root), is_container);
    let mut generation = load_watched(&found.tree, &filter, &reads, &mut give);
    if are_serial {
        scripts::one_by_one(&found.tree, &mut ordered);
    }
    if !ordered.is_empty() {
        let count = ordered.len();
        generation.jobs = ordered;
        generation.jobs.extend(writer.jobs()?);
        // All of them start, but not all in the order that they ask for.
        let loops = check_loops(&generation);
        let loops = loops.into_iter().map(|report| Report { severity: Severity::Warning, ..report });
        generation.reports.extend(loops);
        generation.jobs.drain(..).take(count).for_each(|described| writer.add(described));
    }
    watch.show(&Path::new(root).join(mode::FILE));
    let (mode, fault) = match mode::read(Path::new(root)) {
        Ok(mode) => (mode, None),
        Err(report) => (None, Some(report)),
    };
    let reports = found.reports.iter().chain(&generation.reports).chain(&fault);
    let mut reports = reports.filter(|report| is_told_at_boot(report)).peekable();
    let remarks = match reports.peek() {
        None => Vec::new(),
        Some(_) => {
            let texts = Texts::new(&found.tree);
            reports.map(|report| Remark::new(report, texts.place_of(report))).collect()
        }
    };
    let refused = generation.refused.into_iter().map(|refused| refused.name).collect();
    writer.finish(&result, refused, remarks, mode)?;
    // The kernel takes all memory back at once; piece by piece it would take long.
    crate::sys::own::exit(0)
}

/// What else is doubted in files is for `onsetctl check`; that an order cannot be kept, or that a script will not run though
/// nobody has switched it off, is for everybody.
fn is_told_at_boot(report: &Report) -> bool {
    report.severity == Severity::Error || LOOP_CODES.contains(&report.code) || report.code == "not-executable"
}
