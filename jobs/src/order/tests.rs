use alloc::{
    boxed::Box,
    format,
    string::{String, ToString as _},
};

use events::{Condition, Dialect};
use proptest::prelude::*;

use super::*;
use crate::{Format, Need, Provide, Require};

/// Jobs from lines such as `a: provides x; requires b c; before d; needs e; starting f; layer 2; rcd`.
fn jobs(text: &str) -> Vec<Job> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(job).collect()
}

fn job(line: &str) -> Job {
    let (name, rest) = line.split_once(':').unwrap();
    let mut job = Job::new(Name::new(name).unwrap(), Format::Native);
    for clause in rest.split(';') {
        let mut words = clause.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let names = words.clone().map(|word| Name::new(word).unwrap());
        match verb {
            "" => {}
            "provides" => job.provides = names.map(|name| Provide { name, expected: None }).collect(),
            "requires" => {
                job.requires = names.map(|name| Require { name, expected: None, optional: false }).collect();
            }
            "wants" => {
                job.requires = names.map(|name| Require { name, expected: None, optional: true }).collect();
            }
            "before" => job.before = names.collect(),
            "needs" => {
                job.needs = names.map(|name| Need { name, args: Box::default(), bounce: false }).collect();
            }
            "starting" => {
                let text = format!("starting {}", words.next().unwrap());
                job.start_on = Some(Condition::parse(&text, Dialect::Edges).unwrap());
            }
            "layer" => job.layer = words.next().unwrap().parse().unwrap(),
            "rcd" => job.format = Format::Rcd,
            "lsb" => job.format = Format::Lsb,
            verb => panic!("{verb}"),
        }
    }
    job
}

fn order_of(jobs: &[Job]) -> Order {
    order(&jobs.iter().collect::<Vec<_>>())
}

fn names(jobs: &[Job], places: &[usize]) -> String {
    places.iter().map(|&place| jobs[place].name.to_string()).collect::<Vec<_>>().join(" ")
}

fn edge_text(jobs: &[Job], edge: &Edge) -> String {
    let name = |place: usize| &jobs[place].name;
    format!("{}>{}", name(edge.from), name(edge.to))
}

/// The jobs of `text` must start in this order, with these edges ignored.
fn check(text: &str, order: &str, ignored: &str) {
    let jobs = jobs(text);
    let result = order_of(&jobs);
    assert_eq!(names(&jobs, &result.order), order, "{text}");
    let edges: Vec<_> = result.ignored.iter().map(|edge| edge_text(&jobs, edge)).collect();
    assert_eq!(edges.join(" "), ignored, "{text}");
    assert_eq!(result.loops.len(), result.ignored.len(), "{text}");
    for edge in &result.ignored {
        assert!(!result.waits(edge.to, edge.from));
    }
}

#[test]
fn who_is_required_comes_first() {
    check("a: requires b\nb:", "b a", "");
    check("a:\nb: before a", "b a", "");
    check("a: needs b\nb:", "b a", "");
    check("a:\nb: starting a", "b a", "");
    check("a: requires x\nb: provides x\nc: provides x", "b c a", "");
    check("a: provides x\nb: before x\nc: provides x", "b a c", "");
}

#[test]
fn equals_are_ordered_by_name() {
    check("c:\na:\nb:", "a b c", "");
    check("c:\na:\nb: before c", "a b c", "");
    check("d: requires z\nc:\na: requires z\nz:", "c z a d", "");
}

#[test]
fn a_name_that_nobody_provides_is_no_edge_and_is_told() {
    let jobs = jobs("a: requires nope b; before what\nb: needs who\nc: wants x");
    let result = order_of(&jobs);
    assert_eq!(names(&jobs, &result.order), "b c a");
    let told: Vec<_> =
        result.unknown.iter().map(|unknown| (unknown.job, unknown.name.as_str(), unknown.kind)).collect();
    assert_eq!(
        told,
        [(0, "nope", EdgeKind::Requires), (0, "what", EdgeKind::Before), (1, "who", EdgeKind::Needs)]
    );
}

#[test]
fn a_script_is_known_by_its_provisions_only() {
    // A native job may mean a script by its file's name, another script may not.
    check("s: rcd; provides word\na: requires s", "s a", "");
    check("s: rcd; provides word\na: rcd; requires s", "a s", "");
    check("s: rcd; provides word\na: rcd; requires word", "s a", "");
}

#[test]
fn every_member_of_a_loop_starts() {
    check("x: requires y\ny: requires x", "x y", "y>x");
    check("x: requires z\ny: requires x\nz: requires y", "x y z", "z>x");
    check("x: rcd; provides x; requires x", "x", "x>x");
    check("x: rcd; provides x; before x", "x", "x>x");
    check("x: needs x", "x", "x>x");
    check("a: requires l\nl: requires m\nm: requires l\nz: requires m", "l a m z", "m>l");
}

#[test]
fn a_provider_that_requires_its_own_word_waits_for_the_other_ones() {
    check("a: rcd; provides disks; requires disks\nb: rcd; provides disks", "b a", "a>a");
}

#[test]
fn what_is_ignored_is_soft_then_of_the_higher_layer_then_the_first_by_name() {
    check("x: needs y\ny: requires x", "y x", "x>y");
    check("x: requires y\ny: needs x", "x y", "y>x");
    check("x: requires y\ny: requires x; layer 2", "y x", "x>y");
    check("x: starting y\ny: before x", "x y", "y>x");
    check("x: needs y; starting y\ny:", "y x", "x>y");
    // All are hard: broken all the same, and said to be so.
    let jobs = jobs("x: needs y\ny: needs x");
    assert!(order_of(&jobs).loops[0].is_hard());
}

#[test]
fn a_need_that_another_can_fulfil_is_soft() {
    let jobs = jobs("a: needs mail\nb: provides mail; needs a\nc: provides mail");
    let result = order_of(&jobs);
    assert_eq!(names(&jobs, &result.order), "c a b");
    assert!(!result.loops[0].is_hard());
}

#[test]
fn a_loop_is_shown_by_the_shortest_way() {
    let jobs = jobs("a: requires b\nb: requires c e\nc: requires a\nd: requires e\ne: requires d c");
    let result = order_of(&jobs);
    let loops: Vec<Vec<String>> =
        result.loops.iter().map(|l| l.edges.iter().map(|edge| edge_text(&jobs, edge)).collect()).collect();
    assert_eq!(loops, [vec!["a>c", "c>b", "b>a"], vec!["d>e", "e>d"]].map(|l| l.to_vec()));
}

#[test]
fn only_the_edge_that_closes_a_loop_is_ignored_behind_a_word_of_many() {
    // x waits for the providers of `fs` that do not wait for x.
    check(
        "p: rcd; provides fs\nq: rcd; provides fs; requires x\nr: rcd; provides fs\n\
         x: rcd; provides x; requires fs\ny: rcd; requires fs\nz: rcd; requires fs",
        "p q r x y z",
        "x>q",
    );
}

#[test]
fn all_of_lsb_comes_after_every_script_but_those_behind_it() {
    check(
        "local: lsb; provides local; requires $all\na: lsb; provides a; requires local\nz: lsb; provides z\n\
         keep: lsb; provides keep; before $all\nother:",
        "keep other z local a",
        "",
    );
    check("a: lsb; requires $all\nb: lsb; requires $all\nz: lsb", "z a b", "");
}

#[test]
fn a_chain_of_120_000_is_ordered() {
    let mut jobs: Vec<Job> =
        (0..120_000).map(|n: u32| job(&format!("{n:06}: rcd; provides p{n}; requires p{}", n + 1))).collect();
    let straight = order_of(&jobs);
    assert_eq!((straight.order[0], straight.levels[0]), (119_999, 120_000));
    // And closed to a ring.
    jobs.push(job("last: rcd; provides p120000; requires p0"));
    let ring = order_of(&jobs);
    assert_eq!((ring.ignored.len(), ring.tangled.len()), (1, 0));
    assert_eq!(ring.loops[0].edges.len(), 120_001);
}

#[test]
fn a_ring_too_large_to_untangle_starts_one_by_one() {
    let jobs: Vec<Job> = (0..2_000).map(|n| job(&format!("{n:04}: rcd; provides x; requires x"))).collect();
    let result = order_of(&jobs);
    assert_eq!(result.tangled, [0]);
    let mut levels = result.levels.clone();
    levels.sort_unstable();
    assert!(levels.iter().copied().eq(1..=2_000));
}

#[test]
fn a_word_of_many_costs_their_sum() {
    let jobs: Vec<Job> = (0..40_000)
        .map(|n| job(&format!("{n}: rcd; {} x", if n % 2 == 0 { "provides" } else { "requires" })))
        .collect();
    assert_eq!(order_of(&jobs).levels.iter().max(), Some(&2));
}

/// Jobs from a table of headers: file, PROVIDE, REQUIRE, BEFORE, KEYWORD.
fn rcd_table(text: &str) -> Vec<Job> {
    let line = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        job(&format!("{}: rcd; provides {}; requires {}; before {}", cells[0], cells[1], cells[2], cells[3]))
    };
    text.lines().skip(1).map(line).collect()
}

#[test]
fn freebsds_scripts_have_48_levels_and_no_loop() {
    let jobs = rcd_table(include_str!("../../tests/data/freebsd-rcd.tsv"));
    let result = order_of(&jobs);
    assert_eq!(jobs.len(), 168);
    assert_eq!(result.levels.iter().max(), Some(&48));
    assert!(result.ignored.is_empty() && result.unknown.is_empty());
    assert_eq!(broken_edges(&jobs, &result), 0);
}

#[test]
fn shuffled_files_give_the_same_order() {
    let mut jobs = rcd_table(include_str!("../../tests/data/freebsd-rcd.tsv"));
    let first = order_of(&jobs);
    let first = names(&jobs, &first.order);
    let mut seed = 1_usize;
    for _ in 0..50 {
        for at in (1..jobs.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            jobs.swap(at, (seed >> 33) % (at + 1));
        }
        assert_eq!(names(&jobs, &order_of(&jobs).order), first);
    }
}

/// How many edges do not hold although they are not ignored; found by looking at every pair of jobs.
fn broken_edges(jobs: &[Job], order: &Order) -> usize {
    let mut broken = 0;
    for (a, first) in jobs.iter().enumerate() {
        for (b, second) in jobs.iter().enumerate() {
            let provides = |job: &Job, word: &Name| {
                job.provided_names().any(|name| name == word)
                    || (job.name == *word && !jobs.iter().any(|j| j.provided_names().any(|n| n == word)))
            };
            let waits = second.requires.iter().any(|require| provides(first, &require.name))
                || second.needs.iter().any(|need| provides(first, &need.name))
                || first.before.iter().any(|word| provides(second, word));
            let ignored = order.ignored.iter().any(|edge| (edge.from, edge.to) == (a, b));
            if waits && !ignored && order.position(a) >= order.position(b) {
                broken += 1;
            }
            if ignored && !waits {
                broken += 1;
            }
        }
    }
    broken
}

fn any_jobs() -> impl Strategy<Value = Vec<Job>> {
    let words = || prop::collection::vec("[a-h]", 0..3).prop_map(|words| words.join(" "));
    let line = (words(), words(), words(), words(), 0..3_u8).prop_map(
        |(provides, requires, before, needs, layer)| {
            format!("provides {provides}; requires {requires}; before {before}; needs {needs}; layer {layer}")
        },
    );
    prop::collection::vec(line, 0..14).prop_map(|lines| {
        lines
            .iter()
            .enumerate()
            .map(|(n, line)| job(&format!("{}: {line}", char::from(b'a' + n as u8))))
            .collect()
    })
}

proptest! {
    #[test]
    fn every_edge_that_is_not_ignored_holds(jobs in any_jobs()) {
        let result = order_of(&jobs);
        prop_assert_eq!(result.order.len(), jobs.len());
        prop_assert_eq!(broken_edges(&jobs, &result), 0);
        prop_assert!(result.tangled.is_empty());
    }

    #[test]
    fn every_loop_is_a_loop_and_only_its_last_edge_is_ignored(jobs in any_jobs()) {
        let result = order_of(&jobs);
        prop_assert_eq!(result.loops.len(), result.ignored.len());
        for found in &result.loops {
            let (last, rest) = found.edges.split_last().unwrap();
            prop_assert!(result.ignored.contains(last) && !result.waits(last.to, last.from));
            prop_assert!(rest.iter().all(|edge| result.waits(edge.to, edge.from)));
            let next = found.edges.iter().cycle().skip(1);
            prop_assert!(found.edges.iter().zip(next).all(|(edge, next)| edge.to == next.from));
        }
    }

    #[test]
    fn the_order_in_which_jobs_are_given_does_not_matter(
        (jobs, shuffled) in any_jobs().prop_flat_map(|jobs| (Just(jobs.clone()), Just(jobs).prop_shuffle()))
    ) {
        let (one, other) = (order_of(&jobs), order_of(&shuffled));
        prop_assert_eq!(names(&jobs, &one.order), names(&shuffled, &other.order));
        let mut ignored: Vec<_> = one.ignored.iter().map(|edge| edge_text(&jobs, edge)).collect();
        let mut others: Vec<_> = other.ignored.iter().map(|edge| edge_text(&shuffled, edge)).collect();
        ignored.sort();
        others.sort();
        prop_assert_eq!(ignored, others);
    }
}

#[test]
fn a_dense_ring_of_many_jobs_is_untangled() {
    let mut seed = 7_usize;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let jobs: Vec<Job> = (0..2_000)
        .map(|n| {
            let (a, b, c) = (random(2_000), random(2_000), random(2_000));
            job(&format!("{n}: rcd; provides p{n}; requires p{a} p{b}; before p{c}"))
        })
        .collect();
    let result = order_of(&jobs);
    assert!(result.ignored.len() > 100 && result.tangled.is_empty());
    assert!(result.ignored.iter().all(|edge| !result.waits(edge.to, edge.from)));
}
