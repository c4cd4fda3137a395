//! The rules of this repository, as tests. A rule that is only written down is soon not true any more.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use vm_tests::programs;

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

/// Files that may be long, and why. Tests do not count: more data makes a file of tests no harder to read.
const LONG: &[(&str, &str)] = &[];

/// How many lines of code a file may have, before it holds two things.
const LONGEST: usize = 500;

/// A file of the repository.
struct File {
    /// From the repository's root, with `/`.
    path: String,
    text: String,
}

impl File {
    /// The lines before the file's unit tests; none in a file of tests.
    fn code(&self) -> &str {
        if self.path.contains("/tests/") || self.path.ends_with("/tests.rs") {
            return "";
        }
        self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or("")
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every file of text, but for what is built and what git keeps.
fn files() -> Vec<File> {
    let root = root();
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() {
                if name != "target" && name != ".git" {
                    folders.push(path);
                }
            } else if name != ".git"
                && let Ok(text) = fs::read_to_string(&path)
            {
                let path = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// The crates of the workspace: folders with a manifest that take part in its lints.
fn crates() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    members.split('"').skip(1).step_by(2).map(String::from).collect()
}

/// Fails with all that breaks a rule, one a line.
#[track_caller]
fn none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// All files of `files` in which `is_broken`, by path.
fn where_broken(files: &[File], is_broken: impl Fn(&File) -> bool) -> Vec<String> {
    files.iter().filter(|file| is_broken(file)).map(|file| file.path.clone()).collect()
}

#[test]
fn there_are_files_to_look_at() {
    // All other rules hold for an empty folder.
    let paths: BTreeSet<String> = files().into_iter().map(|file| file.path).collect();
    for path in ["Makefile", "events/src/lib.rs", "docs/README.md", "vm-tests/tests/tidy.rs"] {
        assert!(paths.contains(path), "{path}");
    }
    assert_eq!(crates().first().map(String::as_str), Some("events"));
}

#[test]
fn the_architecture_fits_in_one_reading() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!((30..150).contains(&lines), "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // Put together here, so that this file does not break its own rule.
    let foreign =
        [["../", "shared"].concat(), ["/root/", ".cargo"].concat(), format!("{}/", root().display())];
    let files = files();
    none(
        "names a path of somebody's machine",
        where_broken(&files, |file| foreign.iter().any(|path| file.text.contains(path))),
    );
}

#[test]
fn unsafe_is_forbidden_but_in_init() {
    let mut broken = Vec::new();
    for name in crates() {
        let src = root().join(&name).join("src");
        let programs = fs::read_dir(src.join("bin")).into_iter().flatten().map(|entry| entry.unwrap().path());
        let roots = [src.join("lib.rs"), src.join("main.rs")].into_iter().chain(programs);
        for path in roots.filter(|path| path.is_file() && name != "init") {
            if !fs::read_to_string(&path).unwrap().contains("#![forbid(unsafe_code)]") {
                broken.push(path.display().to_string());
            }
        }
    }
    none("root of a crate without #![forbid(unsafe_code)]", broken);
    let files = files();
    let word = ["uns", "afe "].concat();
    none(
        "has unsafe code outside init/src/sys",
        where_broken(&files, |file| {
            file.path.starts_with("init/src/")
                && !file.path.starts_with("init/src/sys")
                && file.text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(&word))
        }),
    );
}

#[test]
fn the_core_has_no_std() {
    for name in ["events", "jobs"] {
        let text = read(&format!("{name}/src/lib.rs"));
        assert!(text.contains("#![no_std]") && !text.contains("extern crate std"), "{name}");
    }
}

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    for name in crates() {
        let manifest = read(&format!("{name}/Cargo.toml"));
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name}/Cargo.toml");
    }
}

#[test]
fn every_source_file_says_first_what_it_is_for() {
    let files = files();
    none(
        "does not start with //!",
        where_broken(&files, |file| {
            file.is_rust() && !file.path.ends_with("/tests.rs") && !file.text.starts_with("//! ")
        }),
    );
}

#[test]
fn nothing_is_left_for_later_in_code() {
    // Put together here, so that this file does not break its own rule.
    let marks: Vec<String> =
        [["#[ign", "ore"], ["to", "do!("], ["unimpl", "emented!("], ["FIX", "ME"], ["TO", "DO"]]
            .iter()
            .map(|halves| halves.concat())
            .collect();
    let files = files();
    none(
        "has a test that is not run or code that is not written",
        where_broken(&files, |file| file.is_rust() && marks.iter().any(|mark| file.text.contains(mark))),
    );
}

#[test]
fn a_file_holds_one_thing() {
    let files = files();
    let allowed = |path: &str| LONG.iter().any(|(long, _)| *long == path);
    let long: Vec<(&str, usize)> = files
        .iter()
        .filter(|file| file.is_rust())
        .map(|file| (file.path.as_str(), file.code().lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .collect();
    let broken = long.iter().filter(|(path, _)| !allowed(path));
    none(
        "is too long, and not in LONG with a reason",
        broken.map(|(path, lines)| format!("{path}: {lines} lines of code")).collect(),
    );
    let idle = LONG.iter().filter(|(path, _)| !long.iter().any(|(long, _)| long == path));
    none("is in LONG, and not long", idle.map(|(path, _)| String::from(*path)).collect());
}

#[test]
fn every_page_of_the_manual_is_in_its_index() {
    let index = read("docs/README.md");
    let files = files();
    none(
        "is not linked from docs/README.md",
        where_broken(&files, |file| {
            let page =
                file.path.strip_prefix("docs/").filter(|page| page.ends_with(".md") && *page != "README.md");
            page.is_some_and(|page| !page.starts_with("results/") && !index.contains(&format!("]({page})")))
        }),
    );
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        for link in links(&file.text).filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (path, place) = link.split_once('#').unwrap_or((&link, ""));
            let folder = Path::new(&file.path).parent().unwrap();
            let target = if path.is_empty() { PathBuf::from(&file.path) } else { normal(&folder.join(path)) };
            let there = root().join(&target).exists();
            let found = place.is_empty() || headings(&read(&target.to_string_lossy())).contains(place);
            if !there || !found {
                broken.push(format!("{}: {link}", file.path));
            }
        }
    }
    none("leads nowhere", broken);
}

/// Where the links of a page lead, its code left out.
fn links(page: &str) -> impl Iterator<Item = String> {
    let text: String = prose(page).collect::<Vec<_>>().join("\n");
    let text: String = text.split('`').step_by(2).collect();
    let links: Vec<String> =
        text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(String::from).collect();
    links.into_iter()
}

/// The lines of a page that are not within a block of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// The places of a page that `#` can lead to, named as forges name them.
fn headings(page: &str) -> BTreeSet<String> {
    let titles =
        prose(page).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |title: &str| {
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    titles.map(slug).collect()
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

#[test]
fn every_code_of_a_report_is_explained() {
    let errors = read("docs/errors.md");
    let mut broken = BTreeSet::new();
    for file in files().iter().filter(|file| file.is_rust() && file.path.contains("/src/")) {
        let calls = ["Report::error(", "Report::warning("];
        for rest in calls.iter().flat_map(|call| file.code().split(call).skip(1)) {
            if let Some(code) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
                && !errors.contains(&format!("`{code}`"))
            {
                broken.insert(format!("{code} ({})", file.path));
            }
        }
    }
    none("is not explained in docs/errors.md", broken.into_iter().collect());
}

#[test]
fn every_difference_to_upstart_has_its_reason() {
    let cases = read("jobs/tests/conformance.rs");
    let list = cases.split("const DIFFERENT").nth(1).and_then(|rest| rest.split("];").next()).unwrap();
    let ids = list.split("(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let reasons = read("docs/decisions.md");
    let broken: Vec<String> =
        ids.filter(|id| !reasons.contains(&format!("`{id}`"))).map(String::from).collect();
    none("is in DIFFERENT, and docs/decisions.md does not say why", broken);
}

#[test]
fn every_fault_names_tests_that_there_are() {
    let files = files();
    let mut broken = Vec::new();
    let all = vm_tests::fault::Fault::all().unwrap();
    let wanted = (1..=11).chain(15..=25).chain([27]).chain(29..=38);
    for id in wanted.map(|number| format!("F{number}")) {
        if all.iter().filter(|fault| fault.id == id).count() != 1 {
            broken.push(format!("{id}: it is not in the list, or twice"));
        }
    }
    for fault in all {
        for test in fault.tests.iter().chain(&fault.long) {
            let (source, words) = test.source().unwrap();
            let source = source.strip_prefix(programs::workspace()).unwrap().to_string_lossy().into_owned();
            if !files.iter().any(|file| file.path.starts_with(&source) && file.text.contains(&words)) {
                broken.push(format!("{}: {test}", fault.id));
            }
        }
    }
    none("is no test", broken);
}

#[test]
fn the_changelog_has_room_for_what_comes_next() {
    assert!(read("CHANGELOG.md").contains("\n## [Unreleased]\n"));
}

#[test]
fn the_pinned_compiler_is_the_oldest_that_is_promised() {
    let pinned = read("rust-toolchain.toml");
    let manifest = read("Cargo.toml");
    let promised = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let promised = promised.trim_matches('"');
    assert!(pinned.contains(&format!("channel = \"{promised}.")), "rust-version {promised}, and {pinned}");
}

#[test]
fn ci_does_what_people_do() {
    let script = read(".ci/run");
    let commands: Vec<&str> = script.lines().filter(|line| line.starts_with("make ")).collect();
    assert_eq!(commands, ["make lint", "make test"]);
}

#[test]
fn what_is_installed_has_the_names_that_test_machines_have() {
    let makefile = read("Makefile").replace("\\\n", " ");
    let names = |list: &str| {
        let line = makefile.lines().find_map(|line| line.strip_prefix(list)?.strip_prefix(" := ")).unwrap();
        line.split_whitespace().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(names("NAMES"), vm_tests::guest::NAMES);
    assert_eq!(names("RC_NAMES"), vm_tests::guest::RC_NAMES);
    assert_eq!(names("RC_PATHS"), vm_tests::guest::RC_PATHS);
}
