//! The start order: from files on disk by `onsetctl order`, and from jobs in memory.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use events::Name;
use jobs::{Format, Job, Provide, Require};

use crate::{Random, Sample, timed};

/// A script of rc.d, as far as its header goes.
struct Script {
    name: String,
    provides: String,
    requires: Vec<String>,
    before: Vec<String>,
    keywords: Vec<String>,
}

/// `count` scripts: FreeBSD's own if it has so many, else made up. These ask for one to three earlier ones, and
/// every twentieth stands before a later one.
fn scripts(count: usize) -> Vec<Script> {
    let table = include_str!("../../tests/data/freebsd-rcd.tsv");
    let words = |field: Option<&str>| -> Vec<String> {
        field.unwrap_or_default().split_whitespace().filter(|word| *word != "-").map(Into::into).collect()
    };
    let freebsd: Vec<Script> = table
        .lines()
        .skip(1)
        .map(|line| {
            let mut fields = line.split('\t');
            let name = fields.next().unwrap().to_owned();
            let provides = words(fields.next()).join(" ");
            let (requires, before) = (words(fields.next()), words(fields.next()));
            Script { name, provides, requires, before, keywords: words(fields.next()) }
        })
        .collect();
    if count == freebsd.len() {
        return freebsd;
    }
    let mut random = Random::from_start();
    (0..count)
        .map(|number| {
            let asks = random.below(3) + 1;
            let earlier = (0..asks).filter(|_| number > 0);
            let requires = earlier
                .map(|_| format!("script{}", random.below(number.min(200)) + number.saturating_sub(200)));
            let requires = requires.collect();
            let before = (number % 20 == 7 && number + 9 < count).then(|| format!("script{}", number + 9));
            Script {
                name: format!("script{number}"),
                provides: format!("script{number}"),
                requires,
                before: before.into_iter().collect(),
                keywords: if number % 4 == 0 { vec!["shutdown".into()] } else { Vec::new() },
            }
        })
        .collect()
}

/// A folder with these scripts, which is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(count: usize) -> Self {
        let path = std::env::temp_dir().join(format!("onset-bench-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for script in scripts(count) {
            fs::write(path.join(&script.name), text(&script)).unwrap();
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is found in the temporary folder, and harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A header, and a body as long as most have.
fn text(script: &Script) -> String {
    let mut text = format!("#!/bin/sh\n#\n# PROVIDE: {}\n", script.provides);
    for (word, names) in
        [("REQUIRE", &script.requires), ("BEFORE", &script.before), ("KEYWORD", &script.keywords)]
    {
        if !names.is_empty() {
            writeln!(text, "# {word}: {}", names.join(" ")).unwrap();
        }
    }
    let name = &script.name;
    writeln!(text, "\n. /etc/rc.subr\n\nname=\"{name}\"\nrcvar=\"{name}_enable\"").unwrap();
    writeln!(
        text,
        "command=\"/usr/sbin/{name}\"\npidfile=\"/var/run/{name}.pid\"\nstart_precmd=\"{name}_prestart\""
    )
    .unwrap();
    writeln!(text, "\n{name}_prestart()\n{{").unwrap();
    for line in 0..20 {
        writeln!(text, "\tif [ ! -d /var/db/{name}/{line} ]; then mkdir -p /var/db/{name}/{line}; fi")
            .unwrap();
    }
    writeln!(text, "}}\n\nload_rc_config $name\nrun_rc_command \"$1\"").unwrap();
    text
}

/// Times `onsetctl order` on a folder of `count` scripts; the first run warms the cache. `None` without the
/// program.
pub fn from_disk(program: Option<&Path>, count: usize, rounds: usize) -> Option<Sample> {
    let folder = Folder::new(count);
    let mut best = None;
    for _ in 0..=rounds {
        let mut command = Command::new(program?);
        command.arg("order").arg(&folder.0).stdout(Stdio::null()).stderr(Stdio::null());
        let (status, time) = timed(|| command.status());
        let status = status.ok()?;
        assert!(status.success() || status.code() == Some(1), "onsetctl order: {status}");
        best = Some(best.map_or(time, |best| time.min(best)));
    }
    best.map(|time| Sample { done: 1, time })
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn as_job(script: &Script) -> Job {
    let mut job = Job::new(name(&script.name), Format::Rcd);
    let provides = script.provides.split(' ').map(|word| Provide { name: name(word), expected: None });
    job.provides = provides.collect();
    let requires = script.requires.iter();
    job.requires =
        requires.map(|word| Require { name: name(word), expected: None, optional: false }).collect();
    job.before = script.before.iter().map(|word| name(word)).collect();
    job
}

/// Orders the same scripts from memory.
pub fn from_memory(count: usize, rounds: usize) -> Sample {
    let jobs: Vec<Job> = scripts(count).iter().map(as_job).collect();
    order(&jobs, rounds)
}

/// Orders a straight chain, each job requiring the one before it.
pub fn chain(count: usize, rounds: usize) -> Sample {
    let link = |number: usize| {
        let mut job = Job::new(name(&format!("link{number}")), Format::Native);
        if let Some(before) = number.checked_sub(1) {
            let name = name(&format!("link{before}"));
            job.requires = [Require { name, expected: None, optional: false }].into();
        }
        job
    };
    let jobs: Vec<Job> = (0..count).rev().map(link).collect();
    order(&jobs, rounds)
}

fn order(jobs: &[Job], rounds: usize) -> Sample {
    let jobs: Vec<&Job> = jobs.iter().collect();
    let mut best = None;
    for _ in 0..rounds {
        let (order, time) = timed(|| jobs::order(&jobs));
        assert_eq!(order.order.len(), jobs.len());
        best = Some(best.map_or(time, |best| time.min(best)));
    }
    Sample { done: 1, time: best.unwrap_or_default() }
}
