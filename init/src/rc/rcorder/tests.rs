use std::ffi::{OsStr, OsString};

use jobs::formats::rcd::header;

use super::{
    files::{Filter, Graph},
    list,
    walk::{Dialect, Walk},
};

/// What comes of files (name and text): the order, all warnings, and the status.
fn order(files: &[(&str, &str)], filter: &Filter, dialect: Dialect) -> (String, String, u8) {
    let names: Vec<OsString> = files.iter().map(|(name, _)| OsString::from(name)).collect();
    let mut graph = Graph::default();
    for (name, (_, text)) in names.iter().zip(files) {
        graph.add(OsStr::new(name), &header(text), filter);
    }
    let mut warnings = graph.link();
    let walk = Walk::new(&graph, dialect).walk();
    warnings.extend(walk.warnings.iter().cloned());
    let text = String::from_utf8(list(&graph, &walk, false)).unwrap();
    (text.trim_end().replace('\n', " "), warnings.join("\n"), u8::from(walk.is_wrong))
}

#[track_caller]
fn check(files: &[(&str, &str)], expected: &str, warnings: &str, code: u8) {
    let found = order(files, &Filter::default(), Dialect::Levels);
    assert_eq!(found, (expected.into(), warnings.into(), code));
}

#[track_caller]
fn classic(files: &[(&str, &str)], expected: &str, warnings: &str) {
    let found = order(files, &Filter::default(), Dialect::Classic);
    assert_eq!((found.0.as_str(), found.1.as_str()), (expected, warnings));
}

#[test]
fn independent_files_come_in_reverse() {
    check(&[("a", "# PROVIDE: a\n"), ("b", "# PROVIDE: b\n"), ("c", "# PROVIDE: c\n")], "c b a", "", 0);
    check(&[], "", "", 0);
}

#[test]
fn what_is_required_comes_first() {
    let files = [("a", "# PROVIDE: a\n# REQUIRE: b c\n"), ("b", "# PROVIDE: b\n"), ("c", "# PROVIDE: c\n")];
    check(&files, "c b a", "", 0);
    // Of the words of one line the last is walked first.
    let files = [("z", "# PROVIDE: z\n# REQUIRE: b c\n")].into_iter().chain(files).collect::<Vec<_>>();
    classic(&files, "c b a z", "");
    let files = [("c", "# PROVIDE: c\n"), ("b", "# PROVIDE: b\n"), ("z", "# REQUIRE: c b\n")];
    classic(&files, "b c z", "");
}

#[test]
fn before_is_a_requirement_of_the_other() {
    let files = [("a", "# PROVIDE: a\n"), ("b", "# PROVIDE: b\n# BEFORE: a\n")];
    check(&files, "b a", "", 0);
    let files = [("b", "# PROVIDE: b\n# BEFORE: a\n"), ("a", "# PROVIDE: a\n")];
    check(&files, "b a", "", 0);
}

#[test]
fn a_word_that_nobody_provides_is_no_obstacle() {
    check(
        &[("m", "# PROVIDE: m\n# REQUIRE: nope\n")],
        "m",
        "requirement `nope' in file `m' has no providers.",
        1,
    );
    check(
        &[("bu", "# PROVIDE: bu\n# BEFORE: nothere\n")],
        "bu",
        "file `bu' is before unknown provision `nothere'",
        0,
    );
    // Somebody requires it, so it is known.
    let files = [("bu", "# PROVIDE: bu\n# BEFORE: nothere\n"), ("m", "# REQUIRE: nothere\n")];
    check(&files, "m bu", "requirement `nothere' in file `m' has no providers.", 1);
}

#[test]
fn all_providers_of_a_word_come_first() {
    let files = [
        ("r", "# REQUIRE: w\n"),
        ("one", "# PROVIDE: w\n"),
        ("two", "# PROVIDE: w\n"),
        ("x", "# PROVIDE: x\n"),
    ];
    check(&files, "x two one r", "", 0);
}

#[test]
fn a_loop_leaves_nothing_out() {
    let files = [("x", "# PROVIDE: x\n# REQUIRE: y\n"), ("y", "# PROVIDE: y\n# REQUIRE: x\n")];
    let warnings = "Circular dependency on provision `x': x -> y -> x.\n\
                    `x' was seen in circular dependencies for 1 times.\n\
                    `y' was seen in circular dependencies for 1 times.";
    check(&files, "x y", warnings, 1);
    let warnings = "Circular dependency on file `y'.\nCircular dependency on provision `x' in file `y'.";
    classic(&files, "x y", warnings);
}

#[test]
fn members_of_a_loop_go_towards_the_end() {
    let files = [
        ("c", "# PROVIDE: c\n# REQUIRE: b\n"),
        ("b", "# PROVIDE: b\n# REQUIRE: a\n"),
        ("a", "# PROVIDE: a\n"),
        ("x", "# PROVIDE: x\n# REQUIRE: y\n"),
        ("y", "# PROVIDE: y\n# REQUIRE: x\n"),
        ("z", "# PROVIDE: z\n"),
    ];
    let (order, _, code) = order(&files, &Filter::default(), Dialect::Levels);
    assert_eq!((order.as_str(), code), ("z a x b y c", 1));
}

#[test]
fn a_file_may_wait_for_itself() {
    let seen = "`s' was seen in circular dependencies for 1 times.";
    let files = [("s", "# PROVIDE: s\n# REQUIRE: s\n")];
    check(&files, "s", &format!("Circular dependency on provision `s': s -> s -> s.\n{seen}"), 1);
    let files = [("s", "# PROVIDE: s\n# BEFORE: s\n")];
    let warning = "Circular dependency on provision `fake_prov_00000000': s -> s -> s.";
    check(&files, "s", &format!("{warning}\n{seen}"), 1);
}

#[test]
fn a_provider_may_require_the_word_that_it_shares() {
    let files = [("a", "# PROVIDE: w\n"), ("b", "# PROVIDE: w\n# REQUIRE: w\n")];
    let warnings = "Circular dependency on file `b'.\nCircular dependency on provision `w' in file `b'.";
    classic(&files, "a b", warnings);
}

#[test]
fn keywords_choose_what_is_printed_and_not_what_is_ordered() {
    let files = [
        ("a", "# PROVIDE: a\n# REQUIRE: m\n# KEYWORD: shutdown\n"),
        ("m", "# PROVIDE: m\n# REQUIRE: z\n# KEYWORD: nostart\n"),
        ("z", "# PROVIDE: z\n"),
    ];
    let check = |keep: &[&str], skip: &[&str], expected: &str| {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let filter = Filter { keep: words(keep), skip: words(skip) };
        assert_eq!(order(&files, &filter, Dialect::Levels).0, expected);
    };
    check(&[], &["nostart"], "z a");
    check(&["shutdown"], &[], "a");
    check(&["shutdown", "nostart"], &[], "m a");
    check(&["shutdown"], &["shutdown"], "");
    check(&[], &["shutdown,nostart"], "z m a");
    check(&["SHUTDOWN"], &[], "");
}

#[test]
fn a_carriage_return_is_part_of_the_keyword() {
    let filter = Filter { keep: vec![b"shutdown".to_vec()], skip: Vec::new() };
    assert_eq!(order(&[("a", "# KEYWORD: shutdown\r\n")], &filter, Dialect::Levels).0, "");
}

#[test]
fn a_chain_of_any_length_is_walked() {
    let count = 120_000_u32;
    let texts: Vec<(String, String)> = (0..count)
        .map(|at| (format!("f{at}"), format!("# PROVIDE: p{at}\n# REQUIRE: p{}\n", at + 1)))
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (order, warnings, code) = order(&files, &Filter::default(), Dialect::Levels);
    assert!(order.starts_with("f119999 f119998 ") && order.ends_with(" f1 f0"));
    assert_eq!((warnings.lines().count(), code), (1, 1));
}

#[test]
fn the_order_of_freebsd_is_its_own() {
    const TABLE: &str = include_str!("../../../../jobs/tests/data/freebsd-rcd.tsv");
    let texts: Vec<(String, String)> = TABLE
        .lines()
        .skip(1)
        .map(|line| {
            let mut fields = line.split('\t');
            let mut field = || fields.next().unwrap_or_default();
            let name = field().to_string();
            let verbs = ["PROVIDE", "REQUIRE", "BEFORE", "KEYWORD"];
            let lines = verbs.map(|verb| format!("# {verb}: {}\n", field()));
            (name, lines.concat())
        })
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(files.len(), 168);
    let check = |keep: &[&str], skip: &[&str], reverse: bool, expected: &str| {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let filter = Filter { keep: words(keep), skip: words(skip) };
        let (text, warnings, code) = order(&files, &filter, Dialect::Levels);
        let mut names: Vec<&str> = text.split(' ').collect();
        if reverse {
            names.reverse();
        }
        assert_eq!(names, expected.lines().collect::<Vec<_>>());
        assert_eq!((warnings.as_str(), code), ("", 0));
    };
    check(&[], &[], false, include_str!("../../../../jobs/tests/data/freebsd-order.txt"));
    check(
        &[],
        &["nostart", "firstboot"],
        false,
        include_str!("../../../../jobs/tests/data/freebsd-boot-order.txt"),
    );
    check(&["shutdown"], &[], true, include_str!("../../../../jobs/tests/data/freebsd-shutdown-order.txt"));
}
