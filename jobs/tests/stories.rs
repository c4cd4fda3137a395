//! Lives of jobs, told as transcripts: `jobs/tests/scenarios/*.txt`.
//!
//! A story is a title, job files (`== NAME`), what processes do (`== world`), and what happens (`== play`).
//! In the play, lines with `<` are given; all others must come out. `UPDATE=1 cargo test -p jobs --test
//! stories` writes them anew; the difference is to be read like code.
//!
//! Orders with ` ; ` between them come in as one batch. `inside JOB ...` comes out of a process of that job,
//! and `world LINE` changes what processes do from now on. Of what follows `quietly ORDER`, only notes and
//! replies are told, up to the next order.
//! `status` and `why JOB` show how things are; `restore` writes the engine down and reads it back.
//!
//! `== etc/rc.conf` is what scripts of rc.d read.
//! A job file `== NAME #2` takes the place of `NAME` from `< reload 2` on; with the one line `-` it is gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use events::{Name, Time};
use jobs::{
    Input, Job, Origin,
    formats::{Reading, Source, hook, lsb, native, rc_conf::RcConf, rcd, upstart},
    simulate::{Order, Simulation, World, parse_order},
};

#[derive(Default)]
struct Story {
    files: BTreeMap<(String, u32), String>,
    world: World,
    play: Vec<(u64, String)>,
    head: String,
}

fn read_story(text: &str) -> Story {
    let mut story = Story::default();
    let mut section = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            section = Some(name.trim().to_string());
        }
        let in_play = section.as_deref() == Some("play");
        if !in_play || line == "== play" {
            story.head.push_str(line);
            story.head.push('\n');
        }
        match section.as_deref() {
            None => {}
            Some(_) if line.starts_with("== ") => {}
            Some("world") if line.trim().is_empty() => {}
            Some("world") => story.world.say(line).unwrap_or_else(|fault| panic!("{line}: {fault}")),
            Some("play") => {
                if let Some((time, order)) = line.split_once('<') {
                    story
                        .play
                        .push((time.trim().parse().expect("a time before `<`"), order.trim().to_string()));
                }
            }
            Some(file) => {
                let (name, version) = file.split_once(" #").unwrap_or((file, "1"));
                let file =
                    story.files.entry((name.trim().into(), version.parse().expect("a version"))).or_default();
                file.push_str(line);
                file.push('\n');
            }
        }
    }
    story
}

/// The jobs as of a version, and those whose files are refused.
fn jobs_of(story: &Story, version: u32) -> (Vec<Arc<Job>>, Vec<Name>) {
    let mut latest: BTreeMap<&str, &str> = BTreeMap::new();
    for ((name, from), text) in &story.files {
        if *from <= version {
            latest.insert(name, text);
        }
    }
    let conf = latest.remove("etc/rc.conf").unwrap_or_default();
    let conf = Source { path: "/etc/rc.conf".into(), text: conf.into(), executable: false };
    let (conf, _) = RcConf::from_files(&[conf]);
    let (mut jobs, mut refused, mut hooks) = (Vec::new(), Vec::new(), Vec::new());
    for (file, text) in latest {
        if text.trim() == "-" {
            continue;
        }
        let (name, kind) = file.rsplit_once('.').unwrap_or((file, ""));
        let name = Name::new(name).unwrap();
        let source = Source { path: file.into(), text: text.into(), executable: true };
        let reading: Reading = match kind {
            "conf" => upstart::read(&name, &source, &[]),
            // `EVENT/NN-name.hook`.
            "hook" => {
                let (event, file) = name.split_once('/').expect("an event's folder");
                hook::read(&Name::new(event).unwrap(), file, &source)
            }
            "ron" => native::read(&name, &source, &[], 0),
            "rcd" => rcd::read(&name, &source, &conf, &rcd::KeywordFilter::default()),
            "lsb" => lsb::read(&name, &source, None, &lsb::Facilities::default(), &lsb::Links::default()),
            _ => panic!("{file}: what format is that?"),
        };
        match reading.described {
            Some(hook) if kind == "hook" => hooks.push(hook),
            Some(described) => jobs.push(Arc::new(described.job)),
            None if version > 1 => refused.push(name),
            None => panic!("{file}: {:#?}", reading.reports),
        }
    }
    hook::take_turns(&mut hooks);
    jobs.extend(hooks.into_iter().map(|hook| Arc::new(hook.job)));
    (jobs, refused)
}

/// Plays a story; `forgetful` if the engine is written down and read back after every order.
fn play(story: &Story, forgetful: bool) -> String {
    let (jobs, _) = jobs_of(story, 1);
    let mut simulation = Simulation::new(jobs, story.world.clone());
    let mut told = String::new();
    let mut quiet = false;
    tell(&mut simulation, quiet, &mut told);
    for (time, text) in &story.play {
        simulation.run_until(Time(*time));
        tell(&mut simulation, quiet, &mut told);
        told.push_str(&format!("{time:>7} < {text}\n"));
        quiet = text.starts_with("quietly ");
        obey(story, &mut simulation, text.strip_prefix("quietly ").unwrap_or(text), &mut told);
        tell(&mut simulation, quiet, &mut told);
        assert_eq!(simulation.engine.ring_of_waits(), None, "a ring of waits after `{text}`");
        if forgetful {
            restore(&mut simulation);
        }
    }
    told
}

fn tell(simulation: &mut Simulation, quiet: bool, told: &mut String) {
    for line in simulation.take_transcript() {
        let loud = line.text.starts_with("note ") || line.text.starts_with("reply ");
        if line.mark != jobs::simulate::Mark::In && (loud || !quiet) {
            told.push_str(&format!("{line}\n"));
        }
    }
}

fn obey(story: &Story, simulation: &mut Simulation, text: &str, told: &mut String) {
    let mut batch = Vec::new();
    for text in text.split(" ; ") {
        if let Some(saying) = text.strip_prefix("world ") {
            simulation.world.say(saying).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            continue;
        }
        let order = parse_order(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        batch.extend(input(story, simulation, order, told));
    }
    if !batch.is_empty() {
        simulation.give_batch(batch);
    }
}

/// What an order gives to the engine; `None` for those that are not for the engine, which are obeyed here.
fn input(story: &Story, simulation: &mut Simulation, order: Order, told: &mut String) -> Option<Input> {
    let origin = Origin::Person(0);
    let inside = |simulation: &Simulation, job: &Name| {
        Origin::Job(simulation.life_of(job).unwrap_or_else(|| panic!("{job} has no process")))
    };
    Some(match order {
        Order::Event(event) => {
            let reply = Some(simulation.ask());
            Input::Event { event, origin: Origin::World, reply }
        }
        Order::EventFrom(job, event) => {
            let (reply, origin) = (Some(simulation.ask()), inside(simulation, &job));
            Input::Event { event, origin, reply }
        }
        Order::Fact(fact) => Input::Began { fact, origin: Origin::World },
        Order::FactFrom(job, fact) => Input::Began { fact, origin: inside(simulation, &job) },
        Order::Gone(fact) => Input::Ended { name: fact.name, identity: fact.identity },
        Order::Command(verb, job, args, force) => {
            let reply = Some(simulation.ask());
            Input::Command { verb, job, args, force, origin, reply }
        }
        Order::CommandFrom(from, verb, job, args) => {
            let (reply, origin) = (Some(simulation.ask()), inside(simulation, &from));
            Input::Command { verb, job, args, force: false, origin, reply }
        }
        Order::Mode(mode) => Input::Mode { mode, origin },
        Order::Shutdown(kind) => Input::Shutdown { kind, origin },
        Order::Reload(version) => {
            let (jobs, refused) = jobs_of(story, version);
            Input::Reload { jobs, refused }
        }
        Order::Exit(job, instance, process, exit) => {
            assert!(simulation.end_process(&job, &instance, process, exit), "{job}: no such process");
            return None;
        }
        Order::Wait => return None,
        Order::Restore => {
            restore(simulation);
            return None;
        }
        Order::Status => {
            status(simulation, told);
            return None;
        }
        Order::Why(job) => {
            why(simulation, &job, told);
            return None;
        }
    })
}

fn restore(simulation: &mut Simulation) {
    let saved = postcard::to_allocvec(&simulation.engine).unwrap();
    simulation.engine = postcard::from_bytes(&saved).unwrap();
}

fn status(simulation: &Simulation, told: &mut String) {
    for status in simulation.engine.list() {
        told.push_str(&format!("          {}\n", status.to_string().replace('\n', " ")));
        for wait in &status.waits {
            told.push_str(&format!("            waits for {wait}\n"));
        }
    }
}

fn why(simulation: &Simulation, job: &Name, told: &mut String) {
    let why = simulation.engine.why(job, "").unwrap();
    told.push_str(&format!("          {}\n", why.status));
    if let Some(last) = &why.status.last {
        told.push_str(&format!("            {last}\n"));
    }
    for (time, what) in &why.chain {
        told.push_str(&format!("            {:>7} {what}\n", time.0));
    }
    for (leaf, seen) in why.condition.iter().filter(|_| why.condition.len() > 1) {
        told.push_str(&format!("            {} `{leaf}`\n", if *seen { "seen" } else { "not seen" }));
    }
    if why.dropped > 0 {
        told.push_str(&format!("            start events that did nothing: {}\n", why.dropped));
    }
}

fn tell_all(text: &str) -> String {
    let story = read_story(text);
    let told = play(&story, false);
    let again = play(&story, true);
    let line = told.lines().zip(again.lines()).find(|(a, b)| a != b);
    assert_eq!(line, None, "an engine that is read back after every order tells it in another way");
    assert_eq!(told, again);
    format!("{}{told}", story.head)
}

#[test]
fn every_story_goes_as_it_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "txt")) {
        let text = fs::read_to_string(&path).unwrap();
        count += 1;
        // One story that cannot be told is no reason to be silent about the others.
        let Ok(told) = std::panic::catch_unwind(|| tell_all(&text)) else {
            wrong.push(format!("{}: could not be told", path.display()));
            continue;
        };
        if told == text {
            continue;
        }
        if update {
            fs::write(&path, told).unwrap();
        } else {
            let line = told.lines().zip(text.lines()).position(|(a, b)| a != b).unwrap_or(0);
            let line = line.min(told.lines().count().saturating_sub(1));
            wrong.push(format!(
                "{}: came out differently at line {}:\n{}",
                path.display(),
                line + 1,
                told.lines().skip(line).take(8).collect::<Vec<_>>().join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count >= MIN_STORIES, "only {count} stories were found");
}

const MIN_STORIES: usize = 136;
