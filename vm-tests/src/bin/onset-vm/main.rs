//! Boots a machine with Onset from the host: to run one command in it, to look around, or to be shown it.
#![forbid(unsafe_code)]

mod demo;

use std::{
    io::{self, Write as _},
    path::Path,
    process::{Command, ExitCode},
};

use clap::{Parser, Subcommand};
use serde_json::Value;
use vm_tests::{
    failure::{Doing as _, Failure, Result},
    folder::Folder,
    kernel::Kernel,
    limit::Limit,
    plan::Wanted,
    programs,
    qemu::Machine,
    terminal,
};

/// What we exit with when there was no machine, or it did not do what was asked.
const NO_MACHINE: u8 = 125;

/// What we exit with when the command was not done in time, as timeout(1) does.
const TOO_LATE: u8 = 124;

/// How long a machine may take to go down, in seconds.
const DOWN: u64 = 90;

/// Boots a virtual machine with Onset as its init.
#[derive(Parser)]
#[command(name = "onset-vm")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Boots, waits until the boot has settled, runs a command, powers off, and exits with the command's status
    Run {
        #[command(flatten)]
        wanted: Wanted,
        /// Seconds until it is given up
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        timeout: u64,
        /// Show the machine's console
        #[arg(long, short)]
        verbose: bool,
        /// The command: one word is read by the machine's shell, several are taken as they are
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// Boots, and connects the terminal to the machine's console; Ctrl-] leaves it
    Shell {
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Fetches the kernel that machines boot, if it is not there yet, and prints where it is
    Kernel,
    /// Boots the demo: a network card is plugged in while it runs, and a job starts for it
    Demo {
        /// End in a console to try things in
        #[arg(long)]
        console: bool,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Run { wanted, timeout, verbose, command } => run(&wanted, timeout, verbose, &command),
        What::Shell { wanted } => shell(&wanted),
        What::Kernel => Kernel::find().map(|kernel| {
            // Whoever closes our output does not want to know.
            let _ = writeln!(io::stdout(), "{}", kernel.image.display());
            0
        }),
        What::Demo { console } => demo::play(console),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(Failure(why)) => {
            say(&format!("onset-vm: {why}\n"));
            ExitCode::from(NO_MACHINE)
        }
    }
}

/// To those who read what is not the command's own output.
fn say(text: &str) {
    // If that cannot be written, nobody is there to be told.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn shell(wanted: &Wanted) -> Result<u8> {
    let folder = Folder::new("shell")?;
    let mut machine = Machine::start(&wanted.plan(&folder, None)?)?;
    say("onset-vm: Ctrl-] leaves the machine\r\n");
    let ended = terminal::attach(&mut machine)?;
    say(if ended { "\r\nonset-vm: the machine has ended\r\n" } else { "\r\nonset-vm: left\r\n" });
    Ok(0)
}

fn run(wanted: &Wanted, timeout: u64, verbose: bool, command: &[String]) -> Result<u8> {
    if let (Some(jobs), None) = (&wanted.jobs, &wanted.root) {
        say(&faults(jobs)?);
    }
    let folder = Folder::new("run")?;
    let command = match command {
        [line] => line.clone(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    };
    let mut plan = wanted.plan(&folder, Some(&command))?;
    if !verbose {
        plan.append.push_str(" quiet");
    }
    let mut machine = Machine::start(&plan)?;
    let limit = Limit::seconds(timeout);
    let end = machine.until("the command's end", limit, |machine| {
        if verbose {
            terminal::show(machine);
        }
        machine.messages().into_iter().find_map(heard)
    });
    let end = match end {
        Err(Failure(why)) if limit.left().is_none() => {
            say(&format!("onset-vm: {why}\n"));
            return Ok(TOO_LATE);
        }
        end => end?,
    };
    if end.get("settled") == Some(&Value::Bool(false)) {
        let pending = end.get("pending").and_then(Value::as_array).into_iter().flatten();
        let pending: Vec<&str> = pending.filter_map(Value::as_str).collect();
        say(&format!("onset-vm: the boot did not settle: {}\n", pending.join(", ")));
    }
    let status = end.get("exit").and_then(Value::as_u64);
    let down = machine.until("the machine's end", Limit::seconds(DOWN), |machine| {
        if verbose {
            terminal::show(machine);
        }
        machine.has_ended().then_some(())
    });
    if let Err(Failure(why)) = down {
        say(&format!("onset-vm: the command has ended, but the machine does not: {why}\n"));
    }
    match status {
        Some(status) => Ok(u8::try_from(status).unwrap_or(NO_MACHINE)),
        None => {
            Err(Failure(format!("the command was not run: {}", end.get("error").unwrap_or(&Value::Null))))
        }
    }
}

/// What is wrong in job files that go beside the stock set: the machine refuses them, and boots all the same.
fn faults(jobs: &Path) -> Result<String> {
    let stock = programs::workspace().join("init/stock/jobs");
    let checked = Command::new(programs::program("onsetctl")?).arg("check").arg(stock).arg(jobs).output();
    let checked = checked.doing("onsetctl check")?;
    let has_faults = checked.status.code() == Some(1);
    Ok(if has_faults { String::from_utf8_lossy(&checked.stdout).into_owned() } else { String::new() })
}

/// Prints what the command prints; gives the message that tells its end.
fn heard(message: Value) -> Option<Value> {
    if let Some(text) = message.get("out").and_then(Value::as_str) {
        // Whoever closes our output still wants to know the status.
        let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
        return None;
    }
    (message.get("exit").is_some() || message.get("error").is_some()).then_some(message)
}

/// A word as a shell takes it unchanged.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
