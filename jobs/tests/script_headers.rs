//! The headers of whole systems, and of nothing sensible at all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};

use events::Name;
use jobs::{
    ProcessKind, StartMode,
    formats::{
        Reading, Source, hook,
        lsb::{self, Facilities, Links},
        rc_conf::RcConf,
        rcd::{self, KeywordFilter},
    },
    order,
};
use proptest::prelude::*;

const FREEBSD: &str = include_str!("data/freebsd-rcd.tsv");
const DEBIAN: &str = include_str!("data/debian-lsb.tsv");

/// The rows of a table below its first line, cell by cell, and the first line.
fn table(text: &'static str) -> (Vec<&'static str>, Vec<Vec<&'static str>>) {
    let mut rows = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    (rows.next().unwrap(), rows.collect())
}

fn source(path: String, text: String) -> Source {
    Source { path, text, executable: true }
}

/// A script with a row as its header, each cell under its column's key.
fn script(folder: &str, keys: &[&str], row: &[&str], begin: &str, end: &str) -> Source {
    let lines = keys.iter().zip(row).skip(1).filter(|(_, cell)| !cell.is_empty());
    let header: String = lines.map(|(key, cell)| format!("# {key}: {cell}\n")).collect();
    source(
        format!("{folder}/{}", row[0]),
        format!("#!/bin/sh\n#\n\n{begin}{header}{end}\n. /etc/rc.subr\n\"$1\"\n"),
    )
}

fn freebsd() -> Vec<(Vec<&'static str>, Reading)> {
    let (keys, rows) = table(FREEBSD);
    let read = |row: &Vec<&str>| {
        let script = script("/etc/rc.d", &keys, row, "", "");
        let (name, filter) = (Name::new(row[0]).unwrap(), KeywordFilter::default());
        rcd::read(&name, &script, &RcConf::default(), &filter)
    };
    rows.into_iter()
        .map(|row| {
            let reading = read(&row);
            (row, reading)
        })
        .collect()
}

fn debian(links: &Links) -> Vec<(Vec<&'static str>, Reading)> {
    let (keys, rows) = table(DEBIAN);
    let read = |row: &Vec<&str>| {
        let script = script("/etc/init.d", &keys, row, "### BEGIN INIT INFO\n", "### END INIT INFO\n");
        lsb::read(&Name::new(row[0]).unwrap(), &script, None, &Facilities::default(), links)
    };
    rows.into_iter()
        .map(|row| {
            let reading = read(&row);
            (row, reading)
        })
        .collect()
}

fn words(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_header_of_freebsd_is_read_as_it_stands() {
    let scripts = freebsd();
    assert_eq!(scripts.len(), 168);
    for (row, reading) in &scripts {
        assert_eq!(reading.reports, [], "{}", row[0]);
        let job = &reading.described.as_ref().unwrap().job;
        assert_eq!(job.start, StartMode::Automatic, "{}", row[0]);
        let cell = |at: usize| words(row.get(at).copied().unwrap_or("").split_whitespace());
        assert_eq!(words(job.provides.iter().map(|provide| provide.name.as_str())), cell(1), "{}", row[0]);
        assert_eq!(words(job.requires.iter().map(|require| require.name.as_str())), cell(2), "{}", row[0]);
        assert_eq!(words(job.before.iter().map(|name| name.as_str())), cell(3), "{}", row[0]);
        assert_eq!(words(job.keywords.iter().map(|name| name.as_str())), cell(4), "{}", row[0]);
    }
}

#[test]
fn freebsd_has_as_many_words_as_were_counted() {
    let scripts = freebsd();
    let jobs = || scripts.iter().map(|(_, reading)| &reading.described.as_ref().unwrap().job);
    assert_eq!(jobs().map(|job| job.requires.len()).sum::<usize>(), 291);
    assert_eq!(jobs().map(|job| job.before.len()).sum::<usize>(), 86);
    assert_eq!(jobs().filter(|job| job.requires.is_empty()).count(), 9);
    let mut keywords: BTreeMap<&str, usize> = BTreeMap::new();
    jobs().flat_map(|job| &job.keywords).for_each(|word| *keywords.entry(word.as_str()).or_default() += 1);
    let expected = [("firstboot", 1), ("nojail", 88), ("nojailvnet", 21), ("nostart", 5), ("shutdown", 65)];
    assert_eq!(keywords, BTreeMap::from(expected));
}

#[test]
fn freebsds_two_calls_of_rcorder_choose_the_right_scripts() {
    let count = |keep: &[&str], skip: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|word| Name::new(word).unwrap()).collect();
        let filter = KeywordFilter { keep: words(keep), skip: words(skip) };
        let scripts = freebsd();
        let jobs = scripts.iter().map(|(_, reading)| &reading.described.as_ref().unwrap().job);
        jobs.filter(|job| filter.admits(&job.keywords)).count()
    };
    assert_eq!(count(&[], &["nostart"]), 163);
    assert_eq!(count(&["shutdown"], &[]), 65);
    assert_eq!(count(&[], &["nostart", "firstboot"]), 162);
}

#[test]
fn every_header_of_debian_is_read_as_it_stands() {
    let scripts = debian(&Links::default());
    assert_eq!(scripts.len(), 63);
    for (row, reading) in &scripts {
        assert_eq!(reading.reports, [], "{}", row[0]);
        let described = reading.described.as_ref().unwrap();
        let job = &described.job;
        let provides = job.provides.iter().map(|provide| provide.name.as_str());
        assert_eq!(
            words(provides.filter(|name| ![lsb::OF_BOOT, lsb::OF_LEVELS, lsb::INTERACTIVE].contains(name))),
            row[1],
            "{}",
            row[0]
        );
        let hard =
            job.requires.iter().filter(|require| !require.optional).map(|require| require.name.as_str());
        let plain = row[2].split_whitespace().filter(|word| !word.starts_with('$'));
        assert_eq!(words(hard), words(plain), "{}", row[0]);
        for word in row[2].split_whitespace().chain(row[4].split_whitespace()) {
            assert!(job.requires.iter().any(|require| require.name == word), "{}: {word}", row[0]);
        }
        for word in row[6].split_whitespace().filter(|word| *word != lsb::ALL) {
            assert!(job.before.iter().any(|name| name == word), "{}: {word}", row[0]);
        }
        let stop = job.stop_order.as_ref().unwrap();
        for word in row[3].split_whitespace().chain(row[5].split_whitespace()) {
            assert!(stop.before.iter().any(|name| name == word), "{}: {word}", row[0]);
        }
        assert!(
            row[7].split_whitespace().all(|word| stop.after.iter().any(|name| name == word)),
            "{}",
            row[0]
        );
        let starts_by_itself = job.start == StartMode::Automatic;
        let is_own_work = matches!(job.start, StartMode::Disabled(_));
        assert_eq!(starts_by_itself, !row[8].is_empty() && !is_own_work, "{}", row[0]);
        assert_eq!(described.work.description.as_deref().unwrap_or(""), row[11], "{}", row[0]);
    }
}

#[test]
fn debians_scripts_start_in_the_order_of_their_headers() {
    let jobs: Vec<_> = debian(&Links::default()).into_iter().map(|it| it.1.described.unwrap().job).collect();
    let order = order(&jobs.iter().collect::<Vec<_>>());
    assert!(order.ignored.is_empty() && order.loops.is_empty(), "{:?}", order.loops);
    let place = |name: &str| order.order.iter().position(|&place| *jobs[place].name == *name).unwrap();
    assert!(["mountall.sh", "networking", "mountnfs.sh", "ssh"].is_sorted_by_key(|name| place(name)));
    assert!(place("mountkernfs.sh") < place("udev").min(place("networking")));
}

#[test]
fn of_debians_scripts_only_pid_1s_own_work_is_masked() {
    let scripts = debian(&Links::default());
    let masked = scripts.iter().filter(|(_, reading)| {
        matches!(reading.described.as_ref().unwrap().job.start, StartMode::Disabled(_))
    });
    let masked: BTreeSet<&str> = masked.map(|(row, _)| row[0]).collect();
    assert_eq!(
        masked,
        BTreeSet::from(["bootlogs", "halt", "killprocs", "sendsigs", "umountfs", "umountroot"])
    );
}

/// Text that looks like what the readers look for, and then does not.
fn scrap() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("# PROVIDE:".to_owned()),
        Just("# REQUIRE: ".to_owned()),
        Just("# keyword : ".to_owned()),
        Just("### BEGIN INIT INFO\n".to_owned()),
        Just("### END INIT INFO".to_owned()),
        Just("# Required-Start: $network ".to_owned()),
        Just("# Default-Start: ".to_owned()),
        Just("name=".to_owned()),
        Just("rcvar=".to_owned()),
        Just("toy_enable=".to_owned()),
        Just(": ${toy_enable:=".to_owned()),
        Just("\u{feff}".to_owned()),
        prop::sample::select(vec![
            "\n",
            "\\\n",
            "\\",
            " ",
            "\t",
            "\r\n",
            "'",
            "\"",
            "`",
            "$(",
            ")",
            "${",
            "}",
            "$",
            "(",
            ";;",
            "&&",
            "|",
            "<<",
            ">",
            "#",
            "case x in ",
            "esac",
            "if ",
            "fi",
            "f()",
            "{ ",
            "; ",
            "x",
            "\u{e9}",
            ",",
            "\u{1}",
            "\u{c}",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_panic(text in scrap(), conf in scrap(), other in scrap(), executable: bool) {
        let name = Name::new("x").unwrap();
        let script = Source { path: "/etc/rc.d/x".into(), text: text.clone(), executable };
        let file = |path: &str, text: &str| Source { path: path.into(), text: text.into(), executable };
        let (conf, reports) = RcConf::from_files(&[file("/etc/rc.conf", &conf), file("/etc/rc.conf.d/x", &text)]);
        let rcd = rcd::read(&name, &script, &conf, &KeywordFilter::default());
        let mut facilities = Facilities::default();
        facilities.extend(&other);
        let lsb = lsb::read(&name, &script, Some(&file("/o", &other)), &facilities, &Links::parse(text.lines()));
        let hook = hook::read(&name, &text, &script);
        prop_assert_eq!(rcd::names(&name, &script).file, name);
        let texts: BTreeMap<&str, &str> = BTreeMap::from([("/etc/rc.d/x", text.as_str()), ("/o", &other)]);
        for reading in [&rcd, &lsb, &hook] {
            for mention in reading.described.iter().flat_map(|described| &described.mentions) {
                let path = mention.path.as_deref().unwrap_or("/etc/rc.d/x");
                prop_assert!(texts[path].get(mention.span.clone()).is_some());
            }
        }
        let said = reports.iter().chain(&rcd.reports).chain(&lsb.reports).flat_map(|report| &report.places);
        for (place, text) in said.filter_map(|place| Some((place, texts.get(place.path.as_str())?))) {
            prop_assert!(place.span.clone().is_none_or(|span| text.get(span).is_some()));
        }
    }

    #[test]
    fn a_header_says_the_same_whatever_stands_behind_its_block(rest in scrap()) {
        let block = "# PROVIDE: p\n# REQUIRE: r\n\n";
        let whole = format!("{block}{rest}");
        let (alone, followed) = (rcd::header(block), rcd::header(&whole));
        prop_assert_eq!(alone, followed);
    }

    #[test]
    fn the_words_of_a_header_line_are_its_words(words in prop::collection::vec("[!-\\[\\]-~]{1,8}", 0..8)) {
        let text = format!("# REQUIRE: {}\n", words.join(" "));
        let header = rcd::header(&text);
        let found: Vec<&str> = header.requires.iter().map(|word| &*word.text).collect();
        prop_assert_eq!(found, words);
    }
}

#[test]
fn long_hostile_files_are_read_to_their_end() {
    // Each of these would overflow the stack of a reader that recurses, or keep one busy for hours that
    // looks at some part of it once for each line.
    let many = 20_000;
    for text in [
        "# PROVIDE: p\n\n".repeat(many),
        "# REQUIRE: a \\\n".repeat(many),
        format!("{}{}", "rcvar=$(\n".repeat(many), ")".repeat(many)),
        format!("name=x\nrcvar=x\n{}", "x=".repeat(many)),
        format!("name=x\nrcvar=x\n{}", "x=\"x=\n".repeat(many)),
        "\\\n".repeat(many),
        "(".repeat(many),
        "${".repeat(many),
        "if {\n".repeat(many),
        format!("### BEGIN INIT INFO\n# Required-Start: {}", "$remote_fs ".repeat(many)),
        "a=1 b=2\ncmd\n".repeat(many),
    ] {
        let name = Name::new("x").unwrap();
        let script = source("/etc/rc.d/x".into(), text);
        let (conf, _) = RcConf::from_files(std::slice::from_ref(&script));
        let rcd = rcd::read(&name, &script, &conf, &KeywordFilter::default());
        let lsb = lsb::read(&name, &script, None, &Facilities::default(), &Links::default());
        assert!(
            rcd.described.is_some()
                && lsb.described.is_some_and(|found| found.job.processes.has(ProcessKind::Main))
        );
    }
}
