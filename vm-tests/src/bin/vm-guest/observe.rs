//! The observer of the bench: for a moment it is PID 1, then it becomes the init that is measured, and a copy
//! of it looks on.
//!
//! What is measured leaves marks (`/bench/marks`): two 64-bit numbers, who and when. `/bench/plan` says what is
//! read off, in lines; what comes of it is printed as `bench KEY=VALUE`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
    time::{ClockId, clock_gettime},
};

use crate::{events, pause as sleep, proc};

const MARKS: &str = "/bench/marks";

/// Marks of our own. All other numbers are jobs'.
const BEGUN: u64 = u64::MAX;
const EXECUTED: u64 = u64::MAX - 1;
const USED: u64 = u64::MAX - 2;
const OWN: usize = 3;

/// How often the marks are counted.
const LOOK: Duration = Duration::from_millis(10);

/// How long a mark is waited for, in nanoseconds.
const LATE: u64 = 120_000_000_000;

/// Mounts what any init finds mounted by an initramfs, starts the one who looks on, and executes the init.
pub fn begin() -> io::Result<()> {
    let begun = now()?;
    for (kind, at) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run")] {
        fs::create_dir_all(at)?;
        mount(Some(kind), at, Some(kind), MsFlags::empty(), None::<&str>)?;
    }
    mark(BEGUN, begun)?;
    let console = OpenOptions::new().write(true).open("/dev/ttyS0")?;
    Command::new("/bench/vm-guest")
        .arg("observe")
        .stdin(Stdio::null())
        .stdout(console.try_clone()?)
        .stderr(console)
        .process_group(0)
        .spawn()?;
    let words = fs::read_to_string("/bench/init")?;
    let mut words = words.lines();
    let program = words.next().ok_or_else(|| io::Error::other("/bench/init is empty"))?;
    mark(USED, proc::used().time)?;
    mark(EXECUTED, now()?)?;
    Err(Command::new(program).args(words).exec())
}

/// Does what the plan says, line by line, and resets the machine.
pub fn observe() -> io::Result<()> {
    let plan = fs::read_to_string("/bench/plan")?;
    for line in plan.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let done = match words.as_slice() {
            ["marks", count] => boot(count.parse().map_err(io::Error::other)?),
            ["rest", ms] => {
                sleep(Duration::from_millis(ms.parse().map_err(io::Error::other)?));
                Ok(())
            }
            ["memory"] => memory(),
            ["processes"] => {
                say("processes", proc::made());
                Ok(())
            }
            ["idle", ms] => idle(ms.parse().map_err(io::Error::other)?),
            ["ping", count, gap, id, command @ ..] => ping(
                count.parse().map_err(io::Error::other)?,
                Duration::from_millis(gap.parse().map_err(io::Error::other)?),
                id.parse().map_err(io::Error::other)?,
                command,
            ),
            ["time", name, command @ ..] => time(name, command),
            ["run", command @ ..] => run(command).map(drop),
            ["plugs", count, id] => {
                events::plugs(count.parse().map_err(io::Error::other)?, id.parse().map_err(io::Error::other)?)
            }
            ["storm", count, id] => {
                events::storm(count.parse().map_err(io::Error::other)?, id.parse().map_err(io::Error::other)?)
            }
            ["storm-and-ask", count, id] => events::storm_and_ask(
                count.parse().map_err(io::Error::other)?,
                id.parse().map_err(io::Error::other)?,
            ),
            ["emits", count] => events::emits(count.parse().map_err(io::Error::other)?),
            ["emits-and-ask", count, connections] => events::emits_and_ask(
                count.parse().map_err(io::Error::other)?,
                connections.parse().map_err(io::Error::other)?,
            ),
            ["end", command @ ..] => end(command),
            _ => Err(io::Error::other("is no step")),
        };
        if let Err(error) = done {
            say("error", format!("{line}: {error}"));
        }
    }
    say("done", 1);
    reboot(RebootMode::RB_AUTOBOOT).map(|never| match never {}).map_err(io::Error::from)
}

/// Waits for the marks of a boot, and tells when they came after the init was executed.
fn boot(count: usize) -> io::Result<()> {
    let all = count.saturating_add(OWN);
    let late = now()?.saturating_add(LATE);
    while marks_count() < all && now()? < late {
        sleep(LOOK);
    }
    sleep(Duration::from_millis(200));
    let marks = marks()?;
    let own = |id: u64| marks.iter().find(|(mark, _)| *mark == id).map_or(0, |(_, value)| *value);
    let executed = own(EXECUTED);
    let jobs: Vec<(u64, u64)> = marks.iter().copied().filter(|(id, _)| *id < USED).collect();
    let mut ids: Vec<u64> = jobs.iter().map(|(id, _)| *id).collect();
    say("marks.in-order", u8::from(ids.is_sorted()));
    ids.sort_unstable();
    ids.dedup();
    say("marks.missing", count.saturating_sub(ids.len()));
    say("marks.twice", jobs.len().saturating_sub(ids.len()));
    let times = || jobs.iter().map(|(_, time)| time.saturating_sub(executed));
    say("marks.first-ms", ms(times().min().unwrap_or(0)));
    say("marks.last-ms", ms(times().max().unwrap_or(0)));
    say("boot.used-ms", ms(proc::used().time.saturating_sub(own(USED))));
    Ok(())
}

fn memory() -> io::Result<()> {
    for (key, size) in proc::memory("1") {
        if ["Pss", "Rss", "Anonymous"].contains(&key.as_str()) {
            say(&format!("memory.{}-kB", key.to_lowercase()), size);
        }
    }
    say("memory.heap-kB", proc::heap("1"));
    let (count, size) = proc::everybody()?;
    say("memory.processes", count);
    say("memory.all-pss-kB", size);
    say("memory.descriptors", proc::entries("/proc/1/fd"));
    Ok(())
}

fn idle(duration: u64) -> io::Result<()> {
    let before = proc::used();
    sleep(Duration::from_millis(duration));
    let after = proc::used();
    say("idle.used-us", after.time.saturating_sub(before.time) / 1000);
    say("idle.switches", after.switches.saturating_sub(before.switches));
    Ok(())
}

/// Runs a command again and again, and tells how long it takes to the mark of the job that it starts, and to
/// its own end.
fn ping(count: usize, gap: Duration, id: u64, command: &[&str]) -> io::Result<()> {
    let (mut latencies, mut trips, mut failed) = (Vec::new(), Vec::new(), 0_u32);
    for _ in 0..count {
        let before = marks_count();
        let begun = now()?;
        let well = run(command)?;
        let ended = now()?;
        let late = ended.saturating_add(3_000_000_000);
        let came = loop {
            let new = marks()?.into_iter().skip(before).find(|(mark, _)| *mark == id);
            if new.is_some() || now()? > late {
                break new;
            }
            sleep(Duration::from_millis(1));
        };
        match came {
            Some((_, time)) if well => {
                latencies.push(time.saturating_sub(begun));
                trips.push(ended.saturating_sub(begun));
            }
            _ => failed = failed.saturating_add(1),
        }
        sleep(gap);
    }
    say("ping.failed", failed);
    for (name, mut times) in [("latency", latencies), ("round-trip", trips)] {
        times.sort_unstable();
        let at = |part: usize| times.get(times.len().saturating_mul(part) / 100).copied().unwrap_or(0);
        say(&format!("ping.{name}-median-us"), at(50) / 1000);
        say(&format!("ping.{name}-p99-us"), at(99) / 1000);
    }
    Ok(())
}

/// Runs a command, and tells how long it took and how many marks were left meanwhile.
fn time(name: &str, command: &[&str]) -> io::Result<()> {
    let (before, begun) = (marks_count(), now()?);
    let well = run(command)?;
    say(&format!("{name}.ms"), ms(now()?.saturating_sub(begun)));
    say(&format!("{name}.well"), u8::from(well));
    say(&format!("{name}.marks"), marks_count().saturating_sub(before));
    Ok(())
}

/// Says on the kernel's console that the end was asked for, and asks for it. The kernel itself says when it
/// has come.
fn end(command: &[&str]) -> io::Result<()> {
    say("asked", 1);
    File::options().write(true).open("/dev/kmsg")?.write_all(b"<0>bench end-asked")?;
    run(command)?;
    sleep(Duration::from_secs(60));
    Err(io::Error::other("the machine is still up"))
}

/// Runs a command, and says whether it ended well.
pub fn run(command: &[&str]) -> io::Result<bool> {
    let (program, words) = command.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let status = Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    Ok(status.success())
}

/// How many marks there are.
pub fn marks_count() -> usize {
    fs::metadata(MARKS).map_or(0, |data| usize::try_from(data.len() / 16).unwrap_or(0))
}

/// All marks: who left each, and when.
pub fn marks() -> io::Result<Vec<(u64, u64)>> {
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    let bytes = fs::read(MARKS)?;
    Ok(bytes.chunks_exact(16).map(|mark| mark.split_at(8)).map(|(id, at)| (number(id), number(at))).collect())
}

fn mark(id: u64, value: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(MARKS)?;
    file.write_all(&[id.to_le_bytes(), value.to_le_bytes()].concat())
}

/// Nanoseconds since boot.
pub fn now() -> io::Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0)))
}

fn ms(nanoseconds: u64) -> String {
    format!("{}.{:03}", nanoseconds / 1_000_000, nanoseconds / 1000 % 1000)
}

/// Prints what was read.
pub fn say(key: &str, value: impl std::fmt::Display) {
    // A console that takes nothing shows in what is missing.
    let _ = writeln!(io::stdout(), "bench {key}={value}");
}
