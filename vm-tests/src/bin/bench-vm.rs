//! Measures Onset in virtual machines, and prints a table of it: `bench-vm [--repeat N] [WORKLOAD...]`.
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use vm_tests::{
    bench::{self, FIGURES, PEERS, Readings},
    failure::{Failure, Result},
    kernel::Kernel,
};

/// What a reader of the table must know.
const NOTE: &str = "
Two nanoseconds of a machine's time are one instruction (`-icount shift=1,sleep=off`, one processor), whatever else the host
does; boots are timed from the exec of PID 1 to the last mark that a job leaves. Onset makes a cgroup, a log pipe and a watch
for each job. It counts as idle when nothing has been written into a log for five seconds. The columns behind the verdict are
not measured here: they were read once, with the same jobs and the same clock, off those systems and off a C program that
only makes processes (the floor).
";

/// Measures Onset in virtual machines whose clock counts instructions.
#[derive(Parser)]
#[command(name = "bench-vm")]
struct Arguments {
    /// How often each is measured; the median counts
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// Print all readings, not only the figures
    #[arg(long)]
    all: bool,
    /// More words for the kernel's command line
    #[arg(long, value_name = "WORDS", default_value = "", allow_hyphen_values = true)]
    append: String,
    /// The workloads; all if none is named
    workloads: Vec<String>,
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure(why)) => {
            // Where nobody listens, the status tells it.
            let _ = writeln!(io::stderr(), "bench-vm: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether all figures are where they must be.
fn measure(arguments: &Arguments) -> Result<bool> {
    let kernel = Kernel::find()?;
    let wanted = |name: &str| arguments.workloads.is_empty() || arguments.workloads.iter().any(|w| w == name);
    let mut measured: BTreeMap<&str, Vec<Readings>> = BTreeMap::new();
    for workload in bench::workloads().iter().filter(|workload| wanted(workload.name)) {
        for _ in 0..arguments.repeat.max(1) {
            // To standard error: the table is the output.
            let _ = writeln!(io::stderr(), "bench-vm: {}", workload.name);
            measured.entry(workload.name).or_default().push(workload.measure(&kernel, &arguments.append)?);
        }
    }
    let read = |workload: &str, key: &str| measured.get(workload).and_then(|runs| median(runs, key));
    let mut text = format!("| reading | **Onset** | must | aim | | {} |\n", PEERS.join(" | "));
    text.push_str(&format!(
        "| --- | ---: | ---: | ---: | --- | {} |\n",
        vec!["---:"; PEERS.len()].join(" | ")
    ));
    let mut well = true;
    for figure in FIGURES {
        let Some(value) = figure.value(read) else {
            // One that was asked for and is not there is missed.
            well &= !wanted(figure.workload);
            continue;
        };
        well &= value <= figure.must;
        let [value_shown, must, aim] = [value, figure.must, figure.aim].map(show);
        let (verdict, peers) = (figure.verdict(value), figure.peers.join(" | "));
        text.push_str(&format!(
            "| {} | **{value_shown}** | {must} | {aim} | {verdict} | {peers} |\n",
            figure.what
        ));
    }
    text.push_str(NOTE);
    if arguments.all {
        text.push_str("\n| workload | reading | median |\n| --- | --- | --- |\n");
        for (name, runs) in &measured {
            for key in runs.first().map(Readings::keys).into_iter().flatten() {
                if let Some(value) = median(runs, key) {
                    text.push_str(&format!("| {name} | {key} | {} |\n", show(value)));
                }
            }
        }
    }
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(well)
}

fn median(runs: &[Readings], key: &str) -> Option<f64> {
    let mut values: Vec<f64> = runs.iter().filter_map(|readings| readings.get(key)?.parse().ok()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn show(value: f64) -> String {
    if value < 100.0 && value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    match digits.split_at_checked(digits.len().saturating_sub(3)) {
        Some((thousands, rest)) if !thousands.is_empty() && thousands != "-" => format!("{thousands},{rest}"),
        _ => digits,
    }
}
