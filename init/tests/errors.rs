//! `docs/errors.md` explains every code that a report can have, and no other.
#![allow(clippy::unwrap_used, clippy::string_slice, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Files whose words with hyphens are names of something else: events, processes, keys of a header.
const OTHER_WORDS: [&str; 6] =
    ["process.rs", "known.rs", "lsb/header.rs", "asked.rs", "load/inetd.rs", "jobs/src/socket.rs"];
/// Words with hyphens in other files that are no codes.
const NO_CODES: [&str; 8] = [
    "pre-start",
    "post-start",
    "pre-stop",
    "post-stop",
    "here-document",
    "unix-datagram",
    "file-changed",
    "openrc-run",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !path.ends_with("tests.rs")
            && !path.parent().is_some_and(|folder| folder.ends_with("tests"))
        {
            found.push(path);
        }
    }
}

/// The program's text, without its tests.
fn program() -> BTreeMap<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&here.join("src"), &mut paths);
    sources(&here.join("../jobs/src"), &mut paths);
    let text = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        String::from(text.split("#[cfg(test)]\nmod tests {").next().unwrap())
    };
    paths.iter().map(|path| (path.clone(), text(path))).collect()
}

fn is_code(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Codes in a text: words with hyphens in quotes, and any word behind what makes a report.
fn codes(text: &str, words_too: bool, found: &mut BTreeSet<String>) {
    const BEHIND: [&str; 5] =
        ["Report::error(", "Report::warning(", "Severity::Error,", "Severity::Warning,", " error("];
    let mut before = "";
    for (number, part) in text.split('"').enumerate() {
        if number % 2 == 1 && is_code(part) {
            let is_first = BEHIND.iter().any(|behind| before.trim_end().ends_with(behind));
            let has_hyphen = part.contains('-') && !NO_CODES.contains(&part);
            if is_first || (words_too && has_hyphen) {
                found.insert(part.into());
            }
        }
        before = part;
    }
}

fn explained() -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let page = fs::read_to_string(page).unwrap();
    let row = |line: &str| line.strip_prefix("| `")?.split('`').next().map(String::from);
    page.lines().filter_map(row).collect()
}

#[test]
fn every_code_is_explained() {
    let mut used = BTreeSet::new();
    for (path, text) in program() {
        // In `init` reports are made where files are looked for; elsewhere hyphens stand in other words.
        let init = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let elsewhere = path.starts_with(&init) && !path.starts_with(init.join("tree"));
        let other_words = elsewhere || OTHER_WORDS.iter().any(|file| path.ends_with(file));
        // Quotes within strings and characters would turn inside and outside round.
        codes(&text.replace("\\\"", "").replace("'\"'", ""), !other_words, &mut used);
    }
    assert!(used.len() > 100, "{used:?}");
    let explained = explained();
    let missing: Vec<_> = used.difference(&explained).collect();
    assert_eq!(missing, Vec::<&String>::new(), "not in docs/errors.md");
}

#[test]
fn every_explained_code_exists() {
    let program = program();
    let is_used = |code: &String| program.values().any(|text| text.contains(&format!("\"{code}\"")));
    let stale: Vec<String> = explained().into_iter().filter(|code| !is_used(code)).collect();
    assert_eq!(stale, Vec::<String>::new(), "in docs/errors.md, and nowhere else");
}
