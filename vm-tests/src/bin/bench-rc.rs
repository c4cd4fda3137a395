//! Measures in virtual machines what rc.d scripts cost, and prints a table of it: `bench-rc`.
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
};

use vm_tests::{
    bench::{self, Readings, rc},
    failure::{Doing as _, Failure, Result},
    kernel::Kernel,
    rc_tree,
};

/// By how many milliseconds scripts that are off may make a boot longer.
const AIM: f64 = 5.0;

/// What a reader of the table must know.
const NOTE: &str = "
Two nanoseconds of a machine's time are one instruction (`-icount shift=1,sleep=off`, one processor), whatever else the host
does; boots are timed from the exec of PID 1 to the mark of a job that starts on `settled`. The shell is busybox's, and
rc.subr is Onset's. A script is as long as most are (2 kB), and only leaves a mark, by a program that costs next to nothing.
The scripts of the tree have FreeBSD's headers, and each also sleeps for 1 to 16 ms. rc(8) stands here for one shell that has
read rc.subr and runs each script in a copy of itself, in the order of rcorder: what it saves is reading rc.subr each time,
and what it lacks is a log, a group and a limit of each script's own. With one processor nothing that computes is faster at
once than one after the other; what is saved are the sleeps.
";

fn main() -> ExitCode {
    bench::print("bench-rc", measure())
}

fn measure() -> Result<String> {
    let kernel = Kernel::find()?;
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut read: BTreeMap<&str, Readings> = BTreeMap::new();
    for machine in rc::workloads()? {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == machine.name) {
            continue;
        }
        // To standard error: the table is the output.
        let _ = writeln!(io::stderr(), "bench-rc: {}", machine.name);
        let readings = machine.measure(&kernel, "")?;
        if !wanted.is_empty() {
            let _ = writeln!(io::stderr(), "{readings:#?}");
        }
        read.insert(machine.name, readings);
    }
    if !wanted.is_empty() {
        return Ok(String::new());
    }
    for (name, readings) in &read {
        if number(readings, "marks.missing")? > 0.0 {
            return Err(Failure(format!("{name}: not every script has left its mark")));
        }
    }
    let of = |machine: &str, key: &str| read.get(machine).doing(machine).and_then(|read| number(read, key));
    let last = |machine: &str| of(machine, "marks.last-ms");
    let none = last("none")?;
    let mut text = String::from("| reading | value |\n| --- | ---: |\n");
    let mut row = |what: &str, value: String| text.push_str(&format!("| {what} | {value} |\n"));
    let off = last("off")? - none;
    row("boot without scripts, ms", format!("{none:.1}"));
    row("168 scripts that are off, ms more", format!("**{off:.1}**, aim {AIM}: {}", verdict(off, AIM)));
    row("of it for each, µs", format!("{:.0}", off * 1000.0 / 168.0));
    row(
        "to open, read and close them, and do nothing else, ms",
        format!("{:.1}", last("read")? - last("unread")?),
    );
    row(
        "processes more for 168 scripts that are off",
        format!("**{:.0}**", of("off", "processes")? - of("none", "processes")?),
    );
    let count = f64::from(u32::try_from(rc::COUNT).unwrap_or(u32::MAX));
    let one = |machine: &str| last(machine).map(|last| (last - none) / count);
    let (script, shell) = (one("scripts")?, one("shells")?);
    row("a script that runs, ms (one of 100 at once)", format!("**{script:.2}**"));
    row(
        "the same by a native job, `exec: \"/bin/sh SCRIPT faststart\"`, ms",
        format!("{shell:.2}: the script costs {:+.1} %", (script / shell - 1.0) * 100.0),
    );
    row("the same by a loop of a shell, without any init, ms", format!("{:.2}", one("loop")?));
    row("a native job that is a shell with one command, ms", format!("{:.2}", one("plain")?));
    let processes =
        |machine: &str| -> Result<f64> { Ok((of(machine, "processes")? - of("none", "processes")?) / count) };
    row(
        "processes that it takes: script, native job, loop",
        format!("**{:.2}**, {:.2}, {:.2}", processes("scripts")?, processes("shells")?, processes("loop")?),
    );
    let (sum, path) = rc_tree::sleeps(&rc::tree());
    let (parallel, serial, rc) = (last("parallel")?, last("serial")?, last("rc")?);
    row("FreeBSD's tree at once, ms", format!("**{parallel:.0}**"));
    row("one after the other, `rc_serial=YES`, ms", format!("{serial:.0}"));
    row("as rc(8) runs it, ms", format!("{rc:.0}"));
    row("sum of the sleeps, ms", sum.to_string());
    row("sleeps on the critical path, ms", path.to_string());
    text.push_str(NOTE);
    Ok(text)
}

fn verdict(value: f64, aim: f64) -> String {
    if value <= aim { "reached".into() } else { format!("missed by {:.1} ms", value - aim) }
}

fn number(readings: &Readings, key: &str) -> Result<f64> {
    readings.get(key).and_then(|value| value.parse().ok()).doing(format!("{key} was not read"))
}
