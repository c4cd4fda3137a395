//! `onsetctl order` against what FreeBSD's rcorder prints for the same 168 scripts.
//!
//! The two need not be equal: jobs that nothing puts in order are sorted by name here, and as they come
//! there. Which scripts are printed is the same, and so is what any header asks for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

const TABLE: &str = include_str!("../../jobs/tests/data/freebsd-rcd.tsv");
const BOOT: &str = include_str!("data/freebsd-order.txt");
const SHUTDOWN: &str = include_str!("data/freebsd-shutdown-order.txt");

/// A line of the table: file, PROVIDE, REQUIRE, BEFORE, KEYWORD.
fn rows() -> Vec<Vec<&'static str>> {
    TABLE.lines().skip(1).map(|line| line.split('\t').collect()).collect()
}

fn words(row: &[&'static str], column: usize) -> impl Iterator<Item = &'static str> {
    row.get(column).copied().unwrap_or_default().split_whitespace()
}

/// For each script those that must come before it, directly or by way of others.
fn all_before() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let rows = rows();
    let mut providers: BTreeMap<&str, Vec<&'static str>> = BTreeMap::new();
    for row in &rows {
        words(row, 1).for_each(|word| providers.entry(word).or_default().push(row[0]));
    }
    let of = |word: &str| providers.get(word).cloned().unwrap_or_default();
    let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in &rows {
        before.entry(row[0]).or_default().extend(words(row, 2).flat_map(of));
        for then in words(row, 3).flat_map(of) {
            before.entry(then).or_default().insert(row[0]);
        }
    }
    loop {
        let mut more = before.clone();
        for found in more.values_mut() {
            let further: Vec<&str> = found.iter().flat_map(|first| &before[first]).copied().collect();
            found.extend(further);
        }
        if more == before {
            return before;
        }
        before = more;
    }
}

/// How many pairs are in the order that the headers ask for; none may be in the other one.
fn pairs_in_order(order: &[&str], before: &BTreeMap<&str, BTreeSet<&str>>) -> usize {
    let mut pairs = 0_usize;
    let mut rest = order;
    while let Some((script, later_ones)) = rest.split_first() {
        rest = later_ones;
        for later in later_ones {
            assert!(!before[script].contains(later), "{later} must come before {script}");
            pairs = pairs.saturating_add(usize::from(before[later].contains(script)));
        }
    }
    pairs
}

fn order(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onsetctl"));
    let output = command.arg("order").args(words).arg(folder).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &[][..]), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// `onsetctl order` with these words prints the scripts of `wanted`, and both keep every order that the
/// headers ask for, also where it goes by way of a script that is left out.
fn check(folder: &Path, options: &[&str], wanted: &[&str]) {
    let before = all_before();
    let printed = order(folder, options);
    let printed: Vec<&str> = printed.lines().collect();
    let sorted = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&printed), sorted(wanted), "{options:?}");
    assert_eq!(printed.len(), wanted.len());
    let (ours, theirs) = (pairs_in_order(&printed, &before), pairs_in_order(wanted, &before));
    assert_eq!(ours, theirs, "{options:?}");
    assert!(ours > 1_000, "only {ours} pairs have an order");
}

#[test]
fn the_two_calls_of_rc_give_what_rcorder_gives() {
    let folder = std::env::temp_dir().join(format!("onsetctl-rcorder-{}", std::process::id()));
    let scripts = folder.join("etc/rc.d");
    fs::create_dir_all(&scripts).unwrap();
    for row in rows() {
        let mut text = String::from("#!/bin/sh\n#\n\n");
        for (verb, words) in ["PROVIDE", "REQUIRE", "BEFORE", "KEYWORD"].iter().zip(&row[1..]) {
            if !words.is_empty() {
                text.push_str(&format!("# {verb}: {words}\n"));
            }
        }
        fs::write(scripts.join(row[0]), text + "\n. /etc/rc.subr\n").unwrap();
    }
    let nostart: BTreeSet<&str> =
        rows().iter().filter(|row| words(row, 4).any(|word| word == "nostart")).map(|row| row[0]).collect();
    let name = |line: &'static str| line.rsplit('/').next().unwrap();
    let boot: Vec<&str> = BOOT.lines().map(name).collect();
    let starting: Vec<&str> = boot.iter().copied().filter(|name| !nostart.contains(name)).collect();
    // This list is in the order in which rc.shutdown calls them: the last to start comes first.
    let stopping: Vec<&str> = SHUTDOWN.lines().rev().map(name).collect();
    check(&folder, &[], &boot);
    check(&folder, &["-s", "nostart"], &starting);
    check(&folder, &["-k", "shutdown"], &stopping);
    assert_eq!((boot.len(), starting.len(), stopping.len()), (168, 163, 65));
    fs::remove_dir_all(folder).unwrap();
}
