//! What the bench reads off about events: how long one takes to a job, and how many there may be in a second.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    observe::{marks, marks_count, now, run, say},
    pause as sleep, storm,
};

/// Makes network cards, and removes them.
const PLUG: &str = "/bench/plug";
/// The card.
const CARD: &str = "plug0";
/// The mark of the moment at which the kernel has told of a card.
const PLUGGED: u64 = 800_000;
/// How long a mark is waited for, in nanoseconds.
const LATE: u64 = 3_000_000_000;
/// The same, behind a storm.
const VERY_LATE: u64 = 300_000_000_000;
/// How many calls are made before their answers are read.
const AHEAD: usize = 64;
/// Where Onset listens.
const CONTROL: &str = "/run/onset/control";

/// Plugs a card in again and again, and tells how long it takes from then on to the first instruction of the job that it
/// starts, whose mark is `id`.
pub fn plugs(count: usize, id: u64) -> io::Result<()> {
    let (mut times, mut failed) = (Vec::new(), 0_u32);
    for _ in 0..count {
        let before = marks_count();
        plug(&["in", CARD, &PLUGGED.to_string()])?;
        match (wait(before, PLUGGED, LATE)?, wait(before, id, LATE)?) {
            (Some(from), Some(to)) => times.push(to.saturating_sub(from)),
            _ => failed = failed.saturating_add(1),
        }
        sleep(Duration::from_millis(10));
        plug(&["out", CARD])?;
        sleep(Duration::from_millis(10));
    }
    times.sort_unstable();
    let at = |part: usize| times.get(times.len().saturating_mul(part) / 100).copied().unwrap_or(0);
    say("plugs.failed", failed);
    say("plugs.median-us", at(50) / 1000);
    say("plugs.p99-us", at(99) / 1000);
    say("plugs.most-us", times.last().copied().unwrap_or(0) / 1000);
    Ok(())
}

/// Has the kernel tell so many times of devices that something has changed, and then of a card: tells how many of these
/// events are worked off in a second, the kernel's own work among them.
pub fn storm(count: usize, id: u64) -> io::Result<()> {
    say("storm.per-second", per_second(count, rage(count, id)?));
    Ok(())
}

/// The same while somebody asks PID 1 again and again: tells how long the longest answer took.
pub fn storm_and_ask(count: usize, id: u64) -> io::Result<()> {
    let is_over = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let asker = scope.spawn(|| storm::ask(&is_over, "Version", "{}"));
        let raged = rage(count, id);
        is_over.store(true, Ordering::Relaxed);
        raged?;
        asker.join().map_err(|_| io::Error::other("who asks has failed"))?
    })?;
    say("storm.answer-us", answers.longest.as_micros());
    Ok(())
}

/// A storm: how long it took until it was worked off, in nanoseconds.
fn rage(count: usize, id: u64) -> io::Result<u64> {
    let devices: Vec<PathBuf> =
        fs::read_dir("/sys/class/mem")?.filter_map(|it| Some(it.ok()?.path().join("uevent"))).collect();
    let before = marks_count();
    let begun = now()?;
    // One after the other: what is said twice of the same device would count once.
    for device in devices.iter().cycle().take(count) {
        File::options().write(true).open(device)?.write_all(b"change")?;
    }
    plug(&["in", CARD, &PLUGGED.to_string()])?;
    let worked_off = wait(before, id, VERY_LATE)?.ok_or_else(|| io::Error::other("the job did not start"))?;
    plug(&["out", CARD])?;
    Ok(worked_off.saturating_sub(begun))
}

/// Emits so many events over the control socket, and tells how many of them are worked off in a second.
pub fn emits(count: usize) -> io::Result<()> {
    let mut stream = UnixStream::connect(CONTROL)?;
    let calls = emit(false).repeat(AHEAD);
    let rounds = count / AHEAD;
    let begun = now()?;
    let mut refused = 0_usize;
    for _ in 0..rounds {
        stream.write_all(calls.as_bytes())?;
        refused = refused.saturating_add(answers(&mut stream, AHEAD)?);
    }
    // Behind all others.
    stream.write_all(emit(true).as_bytes())?;
    refused = refused.saturating_add(answers(&mut stream, 1)?);
    let length = now()?.saturating_sub(begun);
    say("emits.refused", refused);
    say("emits.per-second", per_second(rounds.saturating_mul(AHEAD), length));
    Ok(())
}

/// Emits so many events over so many connections while somebody asks PID 1 how a job is, again and again: tells how many
/// of them are worked off in a second, and how long the longest answer took.
pub fn emits_and_ask(count: usize, connections: usize) -> io::Result<()> {
    let is_over = AtomicBool::new(false);
    let begun = now()?;
    let (refused, answers) = thread::scope(|scope| {
        let asker = scope.spawn(|| storm::ask(&is_over, "Status", "{\"job\":\"ping\"}"));
        let flood = storm::flood(count, connections, emit(false).as_bytes());
        is_over.store(true, Ordering::Relaxed);
        let (_, refused) = flood?;
        let answers = asker.join().map_err(|_| io::Error::other("who asks has failed"))??;
        Ok::<_, io::Error>((refused, answers))
    })?;
    let length = now()?.saturating_sub(begun);
    say("crowd.refused", refused);
    say("crowd.per-second", per_second(count, length));
    say("crowd.answer-us", answers.longest.as_micros());
    say("crowd.answer-p99-us", answers.most.as_micros());
    Ok(())
}

/// The call that emits an event.
fn emit(wait: bool) -> String {
    format!(
        "{{\"method\":\"org.onset.Manager.Emit\",\"parameters\":{{\"event\":\"bench-event\",\"args\":[\"NUMBER=1\"],\"wait\":{wait}}}}}\0"
    )
}

/// Reads so many answers, and says how many of them are errors.
fn answers(stream: &mut UnixStream, count: usize) -> io::Result<usize> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while bytes.iter().filter(|byte| **byte == 0).count() < count {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
    let errors = bytes.split(|byte| *byte == 0).filter(|answer| answer.starts_with(b"{\"error\""));
    Ok(errors.count())
}

fn plug(words: &[&str]) -> io::Result<()> {
    let command: Vec<&str> = [PLUG].iter().chain(words).copied().collect();
    if run(&command)? { Ok(()) } else { Err(io::Error::other(command.join(" "))) }
}

/// When a mark was left, once it is there; `None` if that takes too long.
fn wait(before: usize, id: u64, late: u64) -> io::Result<Option<u64>> {
    let late = now()?.saturating_add(late);
    loop {
        let new = marks()?.into_iter().skip(before).find(|(mark, _)| *mark == id);
        if new.is_some() || now()? > late {
            return Ok(new.map(|(_, time)| time));
        }
        sleep(Duration::from_millis(1));
    }
}

fn per_second(count: usize, nanoseconds: u64) -> u64 {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    count.saturating_mul(1_000_000_000).checked_div(nanoseconds).unwrap_or(0)
}
