//! How rc(8) boots: which rc.d scripts run on this machine, and, if that is wanted, one after the other.

use std::{collections::BTreeMap, ffi::OsStr, path::Path};

use events::Name;
use jobs::{
    Format, Provide, Require,
    formats::{
        Described, Source,
        rc_conf::Setting,
        rcd::{KeywordFilter, header, old, yes_or_no},
    },
    load::{FileKind, Tree},
};

use crate::rc::rcorder;

/// The file that says that a machine boots for the first time.
const FIRST_BOOT: &str = "firstboot";
/// The variable of rc.conf that has scripts run one after the other, in rcorder's order.
const SERIAL: &str = "rc_serial";
/// The bit of the right to change the network, which nobody has in a container with the host's own.
const NET_ADMIN: u64 = 1 << 12;

/// Which scripts run here, by their KEYWORDs.
pub(super) fn filter(root: &Path, is_container: bool) -> KeywordFilter {
    let mut skip = vec!["nostart"];
    if !root.join(FIRST_BOOT).exists() {
        skip.push("firstboot");
    }
    if is_container {
        skip.push("nojail");
        if !may_change_the_network() {
            skip.push("nojailvnet");
        }
    }
    KeywordFilter { keep: Vec::new(), skip: skip.into_iter().map(Name::constant).collect() }
}

fn may_change_the_network() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set & NET_ADMIN != 0)
}

/// Whether rc.conf wants one script after the other.
pub(super) fn are_serial(tree: &Tree) -> bool {
    match tree.rc_conf().0.get(SERIAL) {
        Setting::Plain(value) => yes_or_no(value) == Some(true),
        Setting::Unset | Setting::Unknown => false,
    }
}

/// Has each script of these wait for the one before it, in the order in which rc(8) would run them.
pub(super) fn one_by_one(tree: &Tree, jobs: &mut [Described]) {
    let mut scripts: Vec<&Source> =
        tree.sources(FileKind::Rcd).filter(|source| !old::is_without_provide(source)).collect();
    // As a shell has them for `/etc/rc.d/*`.
    scripts.sort_unstable_by_key(|source| &source.path);
    let headers = scripts.iter().map(|source| (OsStr::new(&source.path), header(&source.text)));
    let order = rcorder::order_by_headers(headers, &[b"nostart", b"firstboot"]);
    let are: BTreeMap<&OsStr, usize> = jobs
        .iter()
        .enumerate()
        .filter(|(_, described)| described.job.format == Format::Rcd)
        .map(|(at, described)| (OsStr::new(&described.path), at))
        .collect();
    let line: Vec<usize> = order.iter().filter_map(|path| are.get(path.as_os_str()).copied()).collect();
    leave_out_what_goes_back(&line, jobs);
    let mut before: Option<Name> = None;
    for (number, at) in line.iter().enumerate() {
        let Ok(place) = Name::new(&format!("rc.serial.{number}")) else { continue };
        let Some(Described { job, .. }) = jobs.get_mut(*at) else { continue };
        let mut provides = job.provides.to_vec();
        provides.push(Provide { name: place.clone(), expected: None });
        job.provides = provides.into();
        let mut requires = job.requires.to_vec();
        requires.extend(before.replace(place).map(|name| Require { name, expected: None, optional: false }));
        job.requires = requires.into();
    }
}

/// Takes away what a header asks for and rcorder did not do, as among scripts that require each other: with it the line would
/// be a loop.
fn leave_out_what_goes_back(line: &[usize], jobs: &mut [Described]) {
    // The first and the last place at which a name is provided.
    let mut places: BTreeMap<Name, (usize, usize)> = BTreeMap::new();
    for (number, described) in line.iter().filter_map(|at| jobs.get(*at)).enumerate() {
        for provided in &described.job.provides {
            places.entry(provided.name.clone()).or_insert((number, number)).1 = number;
        }
    }
    for (number, at) in line.iter().enumerate() {
        let Some(Described { job, .. }) = jobs.get_mut(*at) else { continue };
        let comes_later = |name: &Name| places.get(name).is_some_and(|(_, last)| *last > number);
        let comes_sooner = |name: &Name| places.get(name).is_some_and(|(first, _)| *first < number);
        if job.requires.iter().any(|require| comes_later(&require.name)) {
            job.requires =
                job.requires.iter().filter(|require| !comes_later(&require.name)).cloned().collect();
        }
        if job.before.iter().any(comes_sooner) {
            job.before = job.before.iter().filter(|name| !comes_sooner(name)).cloned().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use jobs::load::{Content, TreeFile};

    use super::*;

    /// FreeBSD's 168 headers as files of a tree.
    fn freebsd() -> Tree {
        const TABLE: &str = include_str!("../../../jobs/tests/data/freebsd-rcd.tsv");
        let file = |line: &str| {
            let mut fields = line.split('\t');
            let mut field = || fields.next().unwrap_or_default();
            let name = String::from(field());
            let lines =
                ["PROVIDE", "REQUIRE", "BEFORE", "KEYWORD"].map(|verb| format!("# {verb}: {}\n", field()));
            let path = format!("/etc/rc.d/{name}");
            let text = format!("#!/bin/sh\n{}\n:\n", lines.concat());
            let source = Source { path: path.clone(), text, executable: true };
            TreeFile { kind: FileKind::Rcd, layer: 0, rel: name, path, content: Content::Text(source) }
        };
        Tree::new(TABLE.lines().skip(1).map(file).collect())
    }

    #[test]
    fn one_by_one_is_rcorders_order() {
        let tree = freebsd();
        let skip = ["nostart", "firstboot"].map(Name::constant).to_vec();
        let mut jobs = jobs::load::load(&tree, &KeywordFilter { keep: Vec::new(), skip }).jobs;
        assert_eq!(jobs.len(), 168);
        one_by_one(&tree, &mut jobs);
        let mut places: Vec<(usize, &Described)> = Vec::new();
        for described in &jobs {
            let of =
                |name: &str| name.strip_prefix("rc.serial.").map(|number| number.parse::<usize>().unwrap());
            let Some(place) = described.job.provides.iter().find_map(|it| of(it.name.as_str())) else {
                continue;
            };
            let before = described.job.requires.iter().find_map(|it| of(it.name.as_str()));
            assert_eq!(before, place.checked_sub(1), "{}", described.job.name);
            places.push((place, described));
        }
        places.sort_by_key(|(place, _)| *place);
        let names: Vec<&str> = places.iter().map(|(_, described)| described.job.name.as_str()).collect();
        let expected = include_str!("../../../jobs/tests/data/freebsd-boot-order.txt");
        assert_eq!(names, expected.lines().collect::<Vec<_>>());
    }

    #[test]
    fn one_by_one_has_rcorders_way_through_a_loop() {
        let mut tree = freebsd();
        for (name, header) in [
            ("ring1", "# PROVIDE: ring1\n# REQUIRE: NETWORKING ring2\n# BEFORE: DAEMON\n"),
            ("ring2", "# PROVIDE: ring2\n# REQUIRE: ring1\n"),
        ] {
            let path = format!("/etc/rc.d/{name}");
            let source =
                Source { path: path.clone(), text: format!("#!/bin/sh\n{header}\n:\n"), executable: true };
            let content = Content::Text(source);
            tree.extend([TreeFile { kind: FileKind::Rcd, layer: 0, rel: name.into(), path, content }]);
        }
        let mut jobs = jobs::load::load(&tree, &KeywordFilter::default()).jobs;
        one_by_one(&tree, &mut jobs);
        let all: Vec<&jobs::Job> = jobs.iter().map(|described| &described.job).collect();
        let order = jobs::order(&all);
        assert_eq!(order.loops, []);
        let place = |name: &str| order.position(all.iter().position(|job| job.name == name).unwrap());
        let places = ["NETWORKING", "ring2", "ring1", "DAEMON"].map(place);
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn keywords_choose_by_the_machine() {
        let root = std::env::temp_dir().join(format!("onset-keywords-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let has = |is_container: bool, word: &str| {
            filter(&root, is_container).skip.iter().any(|skipped| skipped.as_str() == word)
        };
        assert!(has(false, "nostart") && has(false, "firstboot") && !has(false, "nojail"));
        assert!(has(true, "nojail"));
        std::fs::write(root.join("firstboot"), "").unwrap();
        assert!(!has(false, "firstboot"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
