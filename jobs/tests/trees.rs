//! Whole trees of scripts boot and shut down on the simulated machine, with every declared edge kept.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::{collections::BTreeMap, sync::Arc};

use events::{Name, Time};
use jobs::{
    Input, Job, Origin, Shutdown, StartMode,
    formats::{Source, rc_conf::RcConf, rcd},
    simulate::{Mark, Simulation, World},
};

/// A script as FreeBSD's table has it: file, PROVIDE, REQUIRE, BEFORE, KEYWORD.
struct Row {
    file: String,
    words: [Vec<String>; 4],
}

fn rows() -> Vec<Row> {
    let table = include_str!("data/freebsd-rcd.tsv");
    let words = |column: Option<&&str>| column.unwrap_or(&"").split_whitespace().map(String::from).collect();
    table
        .lines()
        .skip(1)
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let at = |place: usize| words(columns.get(place));
            Row { file: columns[0].into(), words: [at(1), at(2), at(3), at(4)] }
        })
        .collect()
}

fn script(row: &Row) -> String {
    let mut text = String::from("#!/bin/sh\n");
    for (key, words) in ["PROVIDE", "REQUIRE", "BEFORE", "KEYWORD"].iter().zip(&row.words) {
        if !words.is_empty() {
            text.push_str(&format!("# {key}: {}\n", words.join(" ")));
        }
    }
    text + "\ncase $1 in\nstart) : ;;\nstop) : ;;\nesac\n"
}

fn jobs(rows: &[Row], change: impl Fn(&mut Job)) -> Vec<Arc<Job>> {
    rows.iter()
        .map(|row| {
            let source =
                Source { path: format!("/etc/rc.d/{}", row.file), text: script(row), executable: true };
            let name = Name::new(&row.file).unwrap();
            let reading = rcd::read(&name, &source, &RcConf::default(), &rcd::KeywordFilter::default());
            let mut job = reading.described.unwrap().job;
            change(&mut job);
            Arc::new(job)
        })
        .collect()
}

/// The pairs of files of which the first must settle before the second starts.
fn edges(rows: &[Row]) -> Vec<(String, String)> {
    let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows {
        for word in &row.words[0] {
            providers.entry(word).or_default().push(&row.file);
        }
    }
    let of = |word: &String| providers.get(word.as_str()).cloned().unwrap_or_default();
    let mut edges = Vec::new();
    for row in rows {
        for first in row.words[1].iter().flat_map(of) {
            edges.push((first.to_string(), row.file.clone()));
        }
        for then in row.words[2].iter().flat_map(of) {
            edges.push((row.file.clone(), then.to_string()));
        }
    }
    edges
}

/// A number from 0 to 99 that a name always has.
fn number(name: &str, salt: u64) -> u64 {
    name.bytes().fold(salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }) >> 7
        & 63
}

/// For each job the line at which something was written of it, by the beginning of the text.
fn lines(simulation: &mut Simulation, mark: Mark, start: &str) -> (BTreeMap<String, usize>, usize) {
    let transcript = simulation.take_transcript();
    let mut found = BTreeMap::new();
    for (number, line) in transcript.iter().enumerate().filter(|(_, line)| line.mark == mark) {
        if let Some(rest) = line.text.strip_prefix(start) {
            let name = rest.split(' ').next().unwrap_or("").trim_start_matches("JOB=").to_string();
            found.entry(name).or_insert(number);
        }
    }
    (found, transcript.len())
}

fn boots(salt: u64, disabled: impl Fn(&str) -> bool, failing: impl Fn(&str) -> bool) {
    let rows = rows();
    let all = jobs(&rows, |job| {
        if disabled(&job.name) {
            job.start = StartMode::Disabled("rcvar is NO".into());
        }
    });
    let mut world = World::default();
    for row in &rows {
        let exit = u8::from(failing(&row.file));
        world
            .say(&format!("{}: runs {}ms, exit {exit}, leaves nothing", row.file, number(&row.file, salt)))
            .unwrap();
    }
    let mut simulation = Simulation::new(all, world);
    simulation.give(Input::Event { event: "startup".parse().unwrap(), origin: Origin::World, reply: None });
    simulation.run_until(Time(100_000));
    assert!(simulation.engine.is_settled(), "salt {salt}");
    let transcript = simulation.take_transcript();
    let at = |start: String, mark: Mark| {
        transcript.iter().position(|line| line.mark == mark && line.text == start)
    };
    let starts = |file: &str| at(format!("event starting JOB={file} INSTANCE="), Mark::Out);
    // A start has ended when its verb has, or, for a script that only marks a place, when it is up.
    let settles = |file: &str| {
        let exited = |exit: u8| at(format!("exited {file} main {exit}"), Mark::World);
        exited(0)
            .or_else(|| exited(1))
            .or_else(|| at(format!("event started JOB={file} INSTANCE="), Mark::Out))
    };
    let edges = edges(&rows);
    assert_eq!(edges.len(), 383, "291 REQUIRE and 86 BEFORE words, some with several providers");
    let mut kept = 0;
    for (first, then) in edges.iter().filter(|(first, then)| !disabled(first) && !disabled(then)) {
        let (settled, started) = (settles(first), starts(then));
        assert!(settled.is_some() && started.is_some(), "{first} or {then} did not start (salt {salt})");
        assert!(settled < started, "{then} started before {first} had settled (salt {salt})");
        kept += 1;
    }
    assert!(kept > 100, "only {kept} edges are left to look at");
}

#[test]
fn freebsds_scripts_boot_with_every_edge_kept() {
    (0..5).for_each(|salt| boots(salt, |_| false, |_| false));
}

#[test]
fn scripts_that_are_off_or_fail_hold_nobody_up() {
    (0..5).for_each(|salt| {
        boots(salt, |file| number(file, salt + 100) < 16, |file| number(file, salt + 200) < 16);
    });
}

#[test]
fn freebsds_scripts_stop_in_reverse_and_only_those_with_the_keyword_are_called() {
    let rows = rows();
    let all = jobs(&rows, |_| {});
    let mut world = World::default();
    for row in &rows {
        world.say(&format!("{}: runs {}ms", row.file, number(&row.file, 1))).unwrap();
        world.say(&format!("{} stop: runs {}ms", row.file, number(&row.file, 2))).unwrap();
    }
    let mut simulation = Simulation::new(all, world);
    simulation.give(Input::Event { event: "startup".parse().unwrap(), origin: Origin::World, reply: None });
    simulation.run_until(Time(100_000));
    simulation.take_transcript();
    simulation.give(Input::Shutdown { kind: Shutdown::Poweroff, origin: Origin::Person(0) });
    simulation.run_until(Time(400_000));
    assert_eq!(simulation.down(), Some(Shutdown::Poweroff));
    let transcript = simulation.take_transcript();
    let called: Vec<&str> = transcript
        .iter()
        .filter_map(|line| line.text.strip_prefix("spawn ")?.split_once(" stop").map(|(job, _)| job))
        .collect();
    let wanted = rows.iter().filter(|row| row.words[3].iter().any(|word| word == "shutdown"));
    let mut wanted: Vec<&str> = wanted.map(|row| row.file.as_str()).collect();
    let mut got = called.clone();
    got.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(got, wanted);
    let at = |text: String| transcript.iter().position(|line| line.text.starts_with(&text));
    for (first, then) in edges(&rows) {
        let (down, stops) =
            (at(format!("event stopped JOB={then} ")), at(format!("event stopping JOB={first} ")));
        if let (Some(down), Some(stops)) = (down, stops) {
            assert!(down < stops, "{first} stopped before {then} was down");
        }
    }
}

#[test]
fn the_same_tree_boots_the_same_whatever_order_it_is_read_in() {
    let rows = rows();
    let play = |all: Vec<Arc<Job>>| {
        let mut simulation = Simulation::new(all, World::default());
        simulation.give(Input::Event {
            event: "startup".parse().unwrap(),
            origin: Origin::World,
            reply: None,
        });
        simulation.run_until(Time(1_000));
        lines(&mut simulation, Mark::Out, "event starting ")
    };
    let all = jobs(&rows, |_| {});
    let wanted = play(all.clone());
    for salt in 0..5 {
        let mut shuffled = all.clone();
        shuffled.sort_by_key(|job| (number(&job.name, salt), job.name.clone()));
        assert_eq!(play(shuffled), wanted);
    }
}
