//! `shutdown`: at a time, with a word to everybody before it.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
};

use core::time::Duration;

use events::control::Going;
use nix::{
    fcntl::OFlag,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

use super::{Called, Outcome, initctl::told, says, telinit, usage::usage};
use crate::{
    cli::connection::{nap, now},
    sys::local_time::minute_of_day,
};

/// Who waits to shut down.
const PID_FILE: &str = "/run/shutdown.pid";
/// While this is there, nobody but root may log in.
const NO_LOGIN: &str = "/run/nologin";
/// How many minutes before the end nobody may log in any more.
const NO_LOGIN_FROM: u64 = 5;
/// How many minutes a day has.
const DAY: u64 = 24 * 60;

/// What the words ask for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// How the machine goes down; run level 1 if it does not.
    kind: Option<Going>,
    /// In how many minutes.
    minutes: u64,
    message: String,
    cancel: bool,
    warn_only: bool,
    help: bool,
}

/// `shutdown` with these words.
pub(super) fn run(called: &Called<'_>, words: &[String]) -> Outcome {
    let plan = match read(words, minute_of_day()) {
        Ok(plan) => plan,
        Err(why) => return called.misused(&why),
    };
    if plan.help {
        return says(usage(called.name));
    }
    if !nix::unistd::geteuid().is_root() {
        return called.wrong("Need to be root");
    }
    if plan.cancel {
        return cancel(called, &plan.message);
    }
    if let Some(other) = running() {
        return called
            .wrong(&format!("another shutdown waits, with process id {other}: `shutdown -c' cancels it"));
    }
    if plan.warn_only {
        tell_everybody(&announcement(&plan, plan.minutes));
        return says("");
    }
    // Without the file nobody can cancel it, which is no reason not to go down.
    let _ = fs::write(PID_FILE, format!("{}\n", std::process::id()));
    wait(&plan);
    let _ = fs::remove_file(PID_FILE);
    match plan.kind {
        Some(kind) => {
            told(called, called.call("Shutdown", &json!({ "kind": kind.name() })), |_| String::new())
        }
        None => {
            let _ = fs::remove_file(NO_LOGIN);
            telinit::change(called, "1", &[])
        }
    }
}

/// Waits until it is time, and tells everybody now and then.
fn wait(plan: &Plan) {
    let begun = now();
    let mut told = None;
    loop {
        let passed = now().saturating_sub(begun).as_secs() / 60;
        let left = plan.minutes.saturating_sub(passed);
        if is_told(left) && told != Some(left) {
            tell_everybody(&announcement(plan, left));
            told = Some(left);
        }
        if left <= NO_LOGIN_FROM && plan.minutes > 0 {
            // What cannot be written keeps nobody out.
            let _ = fs::write(NO_LOGIN, announcement(plan, left));
        }
        if left == 0 {
            return;
        }
        nap(Duration::from_secs(1));
    }
}

/// Whether people are told so many minutes before the end.
const fn is_told(left: u64) -> bool {
    left < 10
        || (left < 60 && left.is_multiple_of(15))
        || (left < 180 && left.is_multiple_of(30))
        || left.is_multiple_of(60)
}

fn announcement(plan: &Plan, left: u64) -> String {
    let what = match plan.kind {
        Some(Going::Reboot | Going::Kexec) => "The system is going down for reboot",
        Some(Going::Halt) => "The system is going down for system halt",
        Some(Going::Poweroff) => "The system is going down for power off",
        None => "The system is going down to maintenance mode",
    };
    let when = match left {
        0 => String::from("NOW!"),
        1 => String::from("in 1 minute!"),
        left => format!("in {left} minutes!"),
    };
    let message = if plan.message.is_empty() { String::new() } else { format!("\r\n{}", plan.message) };
    format!("\r\n{what} {when}{message}\r\n")
}

/// Writes to every terminal that somebody sits at.
fn tell_everybody(text: &str) {
    let terminals = fs::read_dir("/dev/pts").into_iter().flatten().flatten().map(|entry| entry.path());
    let terminals = terminals.filter(|path| path.file_name().is_some_and(|name| name != "ptmx"));
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\r' | '\n')).collect();
    for terminal in terminals.chain(["/dev/console".into()]) {
        let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
        let opened = OpenOptions::new().write(true).custom_flags(flags).open(terminal);
        // Who cannot be told is not waited for.
        let _ = opened.and_then(|mut terminal| terminal.write_all(text.as_bytes()));
    }
}

/// The shutdown that waits, if one does.
fn running() -> Option<i32> {
    let pid: i32 = fs::read_to_string(PID_FILE).ok()?.trim().parse().ok().filter(|pid| *pid > 1)?;
    let name = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    name.contains("shutdown").then_some(pid)
}

fn cancel(called: &Called<'_>, message: &str) -> Outcome {
    let Some(pid) = running() else { return called.wrong("Cannot find pid of running shutdown") };
    match kill(Pid::from_raw(pid), Signal::SIGINT) {
        Ok(()) => {
            let _ = fs::remove_file(PID_FILE);
            let _ = fs::remove_file(NO_LOGIN);
            if !message.is_empty() {
                tell_everybody(&format!("\r\n{message}\r\n"));
            }
            says("")
        }
        Err(error) => called.wrong(&format!("cannot stop process {pid}: {error}")),
    }
}

fn read(words: &[String], minute: u64) -> Result<Plan, String> {
    let (mut plan, mut time, mut halts) = (Plan::default(), None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let letters = match word.as_str() {
            "--help" => {
                plan.help = true;
                continue;
            }
            "--reboot" => "r",
            "--poweroff" => "P",
            "--halt" => "H",
            long if long.starts_with("--") => return Err(format!("invalid option: {long}")),
            short => match short.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                Some(letters) => letters,
                None if time.is_none() => {
                    time = Some(word.as_str());
                    continue;
                }
                None => {
                    let space = if plan.message.is_empty() { "" } else { " " };
                    plan.message.push_str(space);
                    plan.message.push_str(word);
                    continue;
                }
            },
        };
        for letter in letters.chars() {
            match letter {
                'r' => plan.kind = Some(Going::Reboot),
                'h' => plan.kind = Some(if halts { Going::Halt } else { Going::Poweroff }),
                'H' => (halts, plan.kind) = (true, Some(Going::Halt)),
                'P' => plan.kind = Some(Going::Poweroff),
                'c' => plan.cancel = true,
                'k' => plan.warn_only = true,
                't' => {
                    words.next().ok_or("option needs an argument: -t")?;
                }
                'f' | 'F' | 'n' | 'a' => {}
                other => return Err(format!("invalid option: -{other}")),
            }
        }
    }
    if plan.help {
        return Ok(plan);
    }
    if plan.cancel {
        // What stands where a time would is what people are told.
        plan.message = [time.unwrap_or_default(), &plan.message].join(" ").trim().into();
        return Ok(plan);
    }
    plan.minutes = minutes(time.ok_or("time expected")?, minute)?;
    Ok(plan)
}

/// In how many minutes a time comes: `now`, `+5` or `17:30`.
fn minutes(time: &str, minute: u64) -> Result<u64, String> {
    let illegal = || format!("illegal time value: {time}");
    if time == "now" {
        return Ok(0);
    }
    let Some((hours, minutes)) = time.split_once(':') else {
        let number = time.strip_prefix('+').unwrap_or(time);
        return number.parse::<u32>().map(u64::from).map_err(|_| illegal());
    };
    let hours: u64 = hours.parse().ok().filter(|hours| *hours < 24).ok_or_else(illegal)?;
    let minutes: u64 = minutes.parse().ok().filter(|minutes| *minutes < 60).ok_or_else(illegal)?;
    let wanted = hours.saturating_mul(60).saturating_add(minutes);
    // One that has passed today comes tomorrow.
    Ok(match wanted.checked_sub(minute) {
        Some(left) => left,
        None => wanted.saturating_add(DAY).saturating_sub(minute),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan, String> {
        read(&line.split_whitespace().map(String::from).collect::<Vec<_>>(), 12 * 60)
    }

    #[track_caller]
    fn check(line: &str, kind: Option<Going>, minutes: u64, message: &str) {
        let expected = Plan { kind, minutes, message: message.into(), ..Plan::default() };
        assert_eq!(plan(line), Ok(expected), "{line}");
    }

    #[test]
    fn times_and_kinds_are_read() {
        check("-r now", Some(Going::Reboot), 0, "");
        check("-h +5 lunch is ready", Some(Going::Poweroff), 5, "lunch is ready");
        check("-h -H 12:30", Some(Going::Halt), 30, "");
        check("-Hh 11:59", Some(Going::Halt), 24 * 60 - 1, "");
        check("-P 10", Some(Going::Poweroff), 10, "");
        check("now", None, 0, "");
        check("-t 3 -fr now", Some(Going::Reboot), 0, "");
    }

    #[test]
    fn a_slip_does_nothing() {
        for bad in ["", "-r", "-x now", "--now", "-r soon", "-r 25:00", "-r 12:60", "-r +x"] {
            assert!(plan(bad).is_err(), "{bad}");
        }
        assert!(plan("--help now").unwrap().help);
        assert!(plan("-r now --help").unwrap().help);
        assert_eq!(plan("-c not today").unwrap().message, "not today");
    }
}
