//! What people copy must work: every example job, and every line of `docs/jobs.md`, is loaded here.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test that cannot read its files has failed"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use events::Name;
use jobs::{
    Format, Job, Work,
    formats::{Described, Reading, Source, native, rc_conf::RcConf, rcd},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

fn text_of(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn load(name: &str, text: &str) -> Reading {
    let source = Source { path: format!("{name}.ron"), text: text.into(), executable: false };
    native::read(&Name::new(name).unwrap(), &source, &[], 0)
}

/// Loads a text of which nothing is to be said.
fn good(name: &str, text: &str) -> Described {
    let reading = load(name, text);
    assert_eq!(reading.reports, [], "{text}");
    reading.described.unwrap()
}

/// The file names and texts of the examples.
fn examples() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("examples/jobs")).unwrap().map(Result::unwrap);
    let files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    assert!(files.len() >= 8);
    files
}

#[test]
fn every_example_loads_without_a_word() {
    for (file, text) in examples() {
        if let Some(name) = native::job_name(&file) {
            good(&name, &text);
            continue;
        }
        let name = native::overridden_name(&file).unwrap();
        let job = Job::new(name, Format::Lsb);
        let mut script =
            Described { job, work: Work::default(), mentions: Vec::new(), path: "script".into() };
        let source = Source { path: file.clone(), text, executable: false };
        assert_eq!(native::apply_override(&mut script, &source), [], "{file}");
        assert!(!script.mentions.is_empty(), "{file}");
    }
}

/// The firewall of the examples: its jobs and hooks as a machine has them, without an error.
#[test]
fn the_firewall_loads_without_a_word() {
    let folder = root().join("examples/appliance");
    let mut jobs = 0;
    for entry in fs::read_dir(folder.join("jobs")).unwrap().map(Result::unwrap) {
        let file = entry.file_name().into_string().unwrap();
        good(&native::job_name(&file).unwrap(), &fs::read_to_string(entry.path()).unwrap());
        jobs += 1;
    }
    assert!(jobs > 5);
    let readme = text_of("examples/appliance/README.md");
    assert_eq!(readme.matches("(jobs/").count(), jobs);
    let mut open = vec![folder.join("hooks")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "ron") {
                let job = Job::new(Name::new("hooks/x/10-x").unwrap(), Format::Hook);
                let mut hook =
                    Described { job, work: Work::default(), mentions: Vec::new(), path: "hook".into() };
                let text = fs::read_to_string(&path).unwrap();
                let source = Source { path: "x.override.ron".into(), text, executable: false };
                assert_eq!(native::apply_override(&mut hook, &source), [], "{}", path.display());
            } else {
                let mode =
                    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
                assert_eq!(mode & 0o111, 0o111, "{}", path.display());
            }
        }
    }
}

/// Reads the scripts of a folder of the examples, of which nothing is to be said.
fn good_scripts(folder: &str, read: impl Fn(&Name, &Source) -> Reading) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
        let text = fs::read_to_string(entry.path()).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions());
        let path = entry.path().display().to_string();
        let source = Source { path, text, executable: mode & 0o111 == 0o111 };
        let reading = read(&Name::new(entry.file_name().to_str().unwrap()).unwrap(), &source);
        assert_eq!(reading.reports, []);
        assert!(reading.described.is_some());
        count += 1;
    }
    count
}

#[test]
fn the_scripts_of_the_examples_load_without_a_word() {
    let rcd = |conf: &str, folder: &str| {
        let conf = Source { path: "rc.conf".into(), text: conf.into(), executable: false };
        let (conf, reports) = RcConf::from_files(&[conf]);
        assert_eq!(reports, []);
        good_scripts(folder, |name, source| rcd::read(name, source, &conf, &rcd::KeywordFilter::default()))
    };
    let conf = text_of("examples/bsd/root/etc/rc.conf");
    assert_eq!(rcd(&conf, "examples/bsd/root/etc/rc.d"), 8);
    assert_eq!(rcd(&conf, "examples/bsd/root/usr/local/etc/rc.d"), 2);
    assert_eq!(rcd("", "examples/mixed/rc.d"), 1);
    for entry in fs::read_dir(root().join("examples/mixed/jobs")).unwrap().map(Result::unwrap) {
        let file = entry.file_name().into_string().unwrap();
        good(&native::job_name(&file).unwrap(), &fs::read_to_string(entry.path()).unwrap());
    }
}

#[test]
fn the_readme_of_the_examples_lists_each_file_once() {
    let readme = text_of("examples/README.md");
    for (file, _) in examples() {
        assert_eq!(readme.matches(&format!("(jobs/{file})")).count(), 1, "{file}");
    }
    assert_eq!(readme.matches("(jobs/").count(), examples().len());
}

/// The blocks of `docs/jobs.md` that are fenced as `kind`, each with the heading that it stands under.
fn blocks(kind: &str) -> Vec<(String, String)> {
    let docs = text_of("docs/jobs.md");
    let (mut heading, mut block, mut found) = (String::new(), None::<String>, Vec::new());
    for line in docs.lines() {
        match (&mut block, line) {
            (Some(_), "```") => found.extend(block.take().map(|block| (heading.clone(), block))),
            (Some(block), line) => *block += &format!("{line}\n"),
            (None, line) if line == format!("```{kind}") => block = Some(String::new()),
            (None, line) if line.starts_with('#') => heading = line.trim_start_matches(['#', ' ']).into(),
            (None, _) => {}
        }
    }
    assert!(block.is_none() && !found.is_empty());
    found
}

/// A whole file from a block of the manual, which may be only fields.
fn whole(block: &str) -> String {
    let is_whole = block.lines().any(|line| line.starts_with('('));
    let runs = ["exec:", "script:"].iter().any(|field| block.starts_with(field));
    match (is_whole, runs) {
        (true, _) => block.into(),
        (false, true) => format!("( {block} )"),
        (false, false) if block.starts_with("ready: socket") => format!("( sockets: [\"tcp:1\"], {block} )"),
        (false, false) => format!("( exec: \"/bin/true\", {block} )"),
    }
}

#[test]
fn every_example_of_the_manual_loads_without_a_word() {
    for (heading, block) in blocks("ron") {
        if heading.starts_with("Changing") {
            let name = Name::new("x").unwrap();
            let over = Source { path: "x.override.ron".into(), text: block, executable: false };
            let file = Source { path: "x.ron".into(), text: "( exec: \"a\" )".into(), executable: false };
            assert_eq!(native::read(&name, &file, &[over], 0).reports, []);
        } else if ["`arguments`", "`parallel`"].contains(&heading.as_str()) {
            let name = Name::new("hooks/x/10-x").unwrap();
            let job = Job::new(name, Format::Hook);
            let mut hook =
                Described { job, work: Work::default(), mentions: Vec::new(), path: "hook".into() };
            let source =
                Source { path: "x.override.ron".into(), text: format!("( {block} )"), executable: false };
            assert_eq!(native::apply_override(&mut hook, &source), [], "{heading}");
            assert_ne!(hook.work, Work::default(), "{heading}");
        } else {
            good("x", &whole(&block));
        }
    }
}

#[test]
fn the_manual_describes_every_field_and_no_other() {
    let docs = text_of("docs/jobs.md");
    let headings: Vec<&str> =
        docs.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let fields: BTreeSet<&str> = native::field_names().collect();
    assert_eq!(headings.iter().copied().collect::<BTreeSet<_>>(), fields);
    assert_eq!(headings.len(), fields.len());
    let examples = blocks("ron");
    for field in fields {
        let heading = format!("`{field}`");
        let shown = examples.iter().any(|(under, block)| {
            *under == heading && block.lines().any(|line| line.starts_with(&format!("{field}: ")))
        });
        assert!(shown, "{field} has no example");
    }
}

#[test]
fn what_the_manual_calls_a_default_changes_nothing() {
    let docs = text_of("docs/jobs.md");
    let plain = good("x", "( exec: \"a\", start_on: \"b\" )");
    let defaults: Vec<&str> =
        docs.split("Default: `").skip(1).map(|rest| rest.split_once('`').unwrap().0).collect();
    assert!(defaults.len() > 20);
    for default in defaults {
        let with = good("x", &format!("( exec: \"a\", start_on: \"b\", {default} )"));
        assert_eq!((&with.job, &with.work), (&plain.job, &plain.work), "{default}");
    }
    let long = "respawn: (limit: 10, within: \"5s\", backoff: \"100ms..30s\")";
    assert!(docs.contains(long));
    let of = |field: &str| good("x", &format!("( exec: \"a\", {field} )")).job.respawn;
    assert_eq!(of(long), of("respawn: true"));
}

#[test]
fn the_error_that_the_manual_shows_is_the_one_that_comes() {
    let (wrong, shown) = (blocks("ron,wrong"), blocks("text"));
    let reports = load("hello", &wrong[0].1).reports;
    assert_eq!(reports.len(), shown[0].1.matches("error[").count());
    for report in reports {
        let line = format!("error[{}]: {}\n", report.code, report.message);
        assert!(shown[0].1.contains(&line), "{line}");
        assert!(shown[0].1.contains(&format!("= help: {}\n", report.help.unwrap())));
        let place = &report.places[0];
        let start = place.span.clone().unwrap().start;
        let before = &wrong[0].1[..start];
        let line = before.matches('\n').count() + 1;
        let column = start - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        assert!(shown[0].1.contains(&format!("--> hello.ron:{line}:{column}\n")), "{line}:{column}");
        assert!(shown[0].1.contains(&format!("^ {}", place.label).trim_end().to_string()));
    }
}

/// The codes that the sources of the native format report with.
fn codes() -> BTreeSet<String> {
    let folder = root().join("jobs/src/formats/native");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_name() == "tests.rs" || entry.file_type().unwrap().is_dir() {
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap();
        for before in ["error(", "warning(", "made(", "code: ", "=> "] {
            for rest in text.split(before).skip(1) {
                let Some(quoted) = rest.trim_start().strip_prefix('"') else { continue };
                let (code, after) = quoted.split_once('"').unwrap();
                let is_code = code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                // An arm of a `match` gives a code only in the function that turns faults into codes.
                if is_code && (before != "=> " || after.starts_with(",\n        ConditionFault")) {
                    found.insert(code.to_string());
                }
            }
        }
    }
    found
}

#[test]
fn the_manual_explains_every_code() {
    let docs = text_of("docs/jobs.md");
    let (_, table) = docs.split_once("## Errors and warnings").unwrap();
    let explained: BTreeSet<String> = table
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_string()))
        .collect();
    let mut codes = codes();
    // The last arm of that function.
    codes.insert("condition".into());
    // Given to a fault by a closure.
    codes.insert("byte-order-mark".into());
    assert_eq!(explained, codes);
}
