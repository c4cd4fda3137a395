//! Runs the tests of the faults in `faults.ron`, and prints a line of each: `faults [--long] [--table] [ID...]`.
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use vm_tests::{
    failure::{Failure, Result},
    fault::{Fault, Played, Test},
};

/// Runs the tests that show that Onset survives faults.
#[derive(Parser)]
#[command(name = "faults")]
struct Arguments {
    /// Also those that take minutes
    #[arg(long)]
    long: bool,
    /// Print a table for docs/results
    #[arg(long)]
    table: bool,
    /// Which faults; all if none is named
    faults: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure(why)) => {
            say(&format!("faults: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Says whether all have passed.
fn run(arguments: &Arguments) -> Result<bool> {
    let all = Fault::all()?;
    for id in &arguments.faults {
        if !all.iter().any(|fault| fault.id == *id) {
            return Err(Failure(format!("there is no fault {id} in vm-tests/faults.ron")));
        }
    }
    let wanted = |fault: &&Fault| arguments.faults.is_empty() || arguments.faults.contains(&fault.id);
    // Some tests show that several faults are survived.
    let mut known: BTreeMap<String, Played> = BTreeMap::new();
    let mut table = String::from("| | fault | passes if | | reached |\n| --- | --- | --- | --- | --- |\n");
    let mut well = true;
    for fault in all.iter().filter(wanted) {
        let long = if arguments.long { fault.long.as_slice() } else { &[] };
        let mut told = Vec::new();
        let mut failed = Vec::new();
        // A long test is the short one, only longer.
        let is_longer = |test: &&Test| !long.iter().any(|it| it.parts().ok() == test.parts().ok());
        for test in fault.tests.iter().filter(is_longer).chain(long) {
            let name = test.to_string();
            let played = match known.get(&name) {
                Some(played) => played.clone(),
                None => test.play()?,
            };
            told.extend(played.measured.iter().cloned());
            if let Some(why) = &played.failure {
                failed.push(format!("{name}:\n{why}"));
            }
            known.insert(name, played);
        }
        let result = if failed.is_empty() { "passed" } else { "FAILED" };
        say(&format!("{:<4} {result}  {}", fault.id, fault.criterion));
        told.dedup();
        told.iter().for_each(|figure| say(&format!("             {figure}")));
        failed.iter().for_each(|why| say(why));
        if !fault.note.is_empty() {
            told.push(fault.note.clone());
        }
        let Fault { id, fault, criterion, .. } = fault;
        table.push_str(&format!("| {id} | {fault} | {criterion} | {result} | {} |\n", told.join("; ")));
        well &= failed.is_empty();
    }
    if arguments.table {
        write!(io::stdout(), "{table}").map_err(|error| Failure(error.to_string()))?;
    }
    Ok(well)
}

/// To standard error: the table is the output.
fn say(line: &str) {
    // Where nobody listens, the status tells it.
    let _ = writeln!(io::stderr(), "{line}");
}
