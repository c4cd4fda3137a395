//! `docs/events.md` and the table of events and facts in the code say the same.
#![allow(clippy::unwrap_used, reason = "what a test cannot read is a failed test")]

use std::{collections::BTreeMap, fs};

use events::vocabulary::{self, CHAPTERS, Word};
use vm_tests::programs::workspace;

/// What a page says of an event or a fact: its arguments, and whether there are more.
type Said = (Vec<String>, bool);

/// The rows of all tables of a page whose first column is of this kind, by section and name.
fn rows(page: &str, kind: &str) -> BTreeMap<(String, String), Said> {
    let (mut section, mut is_meant) = (String::new(), false);
    let mut rows = BTreeMap::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.trim().to_owned();
        }
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let [first, second, ..] = cells.as_slice() else {
            is_meant = false;
            continue;
        };
        if *second == "arguments" {
            is_meant = *first == kind;
        } else if is_meant {
            let keys = quoted(second).filter_map(|key| key.strip_suffix('=')).map(String::from).collect();
            for name in quoted(first) {
                let said = (Vec::clone(&keys), second.ends_with("more"));
                let before = rows.insert((section.clone(), name.to_owned()), said);
                assert!(before.is_none(), "{kind} `{name}` stands in `{section}` twice");
            }
        }
    }
    rows
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn in_code(words: impl Fn(&vocabulary::Chapter) -> &'static [Word]) -> BTreeMap<(String, String), Said> {
    let all = CHAPTERS.iter().flat_map(|chapter| words(chapter).iter().map(|word| (chapter.title, word)));
    let said = |word: &Word| (word.keys.iter().map(|key| String::from(*key)).collect(), word.is_open);
    all.map(|(title, word)| ((title.into(), word.name.into()), said(word))).collect()
}

fn compare(kind: &str, page: &BTreeMap<(String, String), Said>, code: &BTreeMap<(String, String), Said>) {
    let mut broken = Vec::new();
    for (place, said) in code {
        match page.get(place) {
            None => broken.push(format!("{kind} {place:?} is in events::vocabulary, and not on the page")),
            Some(other) if other != said => {
                broken.push(format!("{kind} {place:?}: the page says {other:?}, and the code {said:?}"));
            }
            Some(_) => {}
        }
    }
    let unknown = page.keys().filter(|place| !code.contains_key(*place));
    broken.extend(
        unknown.map(|place| format!("{kind} {place:?} is on the page, and not in events::vocabulary")),
    );
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_page_has_what_the_code_has() {
    let page = fs::read_to_string(workspace().join("docs/events.md")).unwrap();
    compare("event", &rows(&page, "event"), &in_code(|chapter| chapter.events));
    compare("fact", &rows(&page, "fact"), &in_code(|chapter| chapter.facts));
}

#[test]
fn every_event_that_the_programs_make_is_in_the_table() {
    let mut folders = vec![workspace().join("init/src"), workspace().join("jobs/src/engine")];
    let (mut seen, mut broken) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for rest in code.split("Name::constant(\"").skip(1) {
                let name = rest.split('"').next().unwrap();
                seen += 1;
                if vocabulary::event(name).is_none() && vocabulary::fact(name).is_none() {
                    broken.push(format!("{}: {name}", path.display()));
                }
            }
        }
    }
    assert!(seen > 3 && broken.is_empty(), "not in events::vocabulary: {broken:#?}");
}

#[test]
fn a_page_is_read_as_people_read_it() {
    let page = "## One\n| event | arguments | when |\n| --- | --- | --- |\n| `a` `b` | `X=` `Y=` and more | x |\n\n\
                | fact | arguments | holds while |\n| --- | --- | --- |\n| `c` | none | x |\n";
    let said = |keys: &[&str], more| (keys.iter().map(|key| String::from(*key)).collect(), more);
    let at = |name: &str| ("One".to_owned(), name.to_owned());
    assert_eq!(
        rows(page, "event"),
        BTreeMap::from([(at("a"), said(&["X", "Y"], true)), (at("b"), said(&["X", "Y"], true))])
    );
    assert_eq!(rows(page, "fact"), BTreeMap::from([(at("c"), said(&[], false))]));
}
