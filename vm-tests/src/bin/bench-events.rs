//! Measures in virtual machines how long an event of the kernel's takes to a job, and how many there may be in a second:
//! `bench-events`. Beside Onset stands a program that only reads the kernel's messages and makes processes.
#![forbid(unsafe_code)]

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use vm_tests::{
    bench::{self, Readings},
    failure::{Doing as _, Failure, Result},
    kernel::Kernel,
};

/// How many times what the floor takes Onset may take.
const AIM: f64 = 1.5;

/// What a reader of the table must know.
const NOTE: &str = "
Two nanoseconds of a machine's time are one instruction (`-icount shift=1,sleep=off`, one processor), whatever else the host
does. The floor is PID 1 of a machine of its own: a C program without a library that reads the kernel's messages, and of each
card that comes makes a process and waits for its end; it keeps nothing, decides nothing and logs nothing. A plug is a card
that the kernel makes (`dummy`); the time runs from when the kernel has told of it to the first instruction of the program
that is started for it. The storm is `change` written into `/sys/class/mem/*/uevent` again and again, one device after the
other, and then a plug; its time runs from the first writing to the mark of the job that the plug starts, and so has the
kernel's own work in it. In the second one somebody asks PID 1 for its version every five milliseconds, over a connection
of its own each time. What is emitted comes over one connection to the control socket, 64 calls at a time, each with its
answer; the last one waits until all are worked off. Over 100 connections 32 calls are under way on each, and somebody asks
how a job is, every five milliseconds, over a connection of its own each time.
";

fn main() -> ExitCode {
    bench::print("bench-events", measure())
}

fn measure() -> Result<String> {
    let kernel = Kernel::find()?;
    let mut read = Vec::new();
    for machine in bench::events() {
        // To standard error: the table is the output.
        let _ = writeln!(io::stderr(), "bench-events: {}", machine.name);
        read.push(machine.measure(&kernel, "")?);
    }
    let [onset, floor] = read.as_slice() else {
        return Err(Failure::new("two machines were to be measured"));
    };
    let mut text = String::from(
        "| reading | **Onset** | floor | ratio | aim | |\n| --- | ---: | ---: | ---: | ---: | --- |\n",
    );
    for (what, key) in [
        (
            "from the kernel's event to the job's first instruction, median of 200 plugs, µs",
            "plugs.median-us",
        ),
        ("the same, 99th of 100, µs", "plugs.p99-us"),
    ] {
        let (value, least) = (number(onset, key)?, number(floor, key)?);
        let ratio = value / least;
        let verdict = if ratio <= AIM {
            "reached".into()
        } else {
            format!("missed by {:.0} %", (ratio / AIM - 1.0) * 100.0)
        };
        text.push_str(&format!(
            "| {what} | **{value:.0}** | {least:.0} | {ratio:.2} | {AIM} | {verdict} |\n"
        ));
    }
    for (what, key, most) in [
        ("plugs that started nothing", "plugs.failed", Some(0.0)),
        ("events of the kernel's a second, in a storm of 20,000", "storm.per-second", None),
        (
            "longest answer over the control socket in another such storm, µs",
            "storm.answer-us",
            Some(50_000.0),
        ),
        ("events emitted over the control socket a second, 20,000 of them", "emits.per-second", None),
        ("of these refused", "emits.refused", Some(0.0)),
        ("the same over 100 connections at once, 100,000 of them", "crowd.per-second", None),
        ("longest answer to somebody else meanwhile, µs", "crowd.answer-us", Some(50_000.0)),
    ] {
        let value = number(onset, key)?;
        let least = number(floor, key).map_or("–".into(), |value| format!("{value:.0}"));
        let (aim, verdict) = match most {
            None => (String::new(), ""),
            Some(most) => (format!("{most:.0}"), if value <= most { "reached" } else { "missed" }),
        };
        text.push_str(&format!("| {what} | **{value:.0}** | {least} | | {aim} | {verdict} |\n"));
    }
    text.push_str(NOTE);
    Ok(text)
}

fn number(readings: &Readings, key: &str) -> Result<f64> {
    readings.get(key).and_then(|value| value.parse().ok()).doing(format!("{key} was not read"))
}
