//! `service`: jobs by the verbs of init scripts, with the exit statuses that the LSB gives them.

use events::control::Wish;
use serde_json::json;

use super::{Called, Outcome, WRONG, initctl::text, says, usage::usage};
use crate::cli::{
    CLEAN, act,
    ask::{ask, ask_list},
    exit::{Trouble, UNKNOWN},
    say,
    verbs::Verb,
};

/// The verb is not known (LSB).
const UNIMPLEMENTED: u8 = 3;
/// Only root may do it (LSB).
const NOT_ALLOWED: u8 = 4;
/// There is no such service (LSB).
const NOT_INSTALLED: u8 = 5;
/// `status`: it does not run (LSB).
const NOT_RUNNING: u8 = 3;
/// `status`: nobody knows (LSB).
const UNSURE: u8 = 4;

/// `service` with these words.
pub(super) fn run(called: &Called<'_>, words: &[String]) -> Outcome {
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--help" | "-h", ..] => says(usage(called.name)),
        ["--version", ..] => says(format!("service (onset {})\n", env!("CARGO_PKG_VERSION"))),
        ["--status-all", ..] => all(called),
        [option, ..] if option.starts_with('-') => called.misused(&format!("invalid option: {option}")),
        [_] | [] => called.misused("which job, and what shall it do?"),
        [_, "--help" | "-h", ..] => says(usage(called.name)),
        [job, verb, args @ ..] => one(called, job, verb, args),
    }
}

fn one(called: &Called<'_>, job: &str, verb: &str, args: &[&str]) -> Outcome {
    let words: Vec<String> = args.iter().map(|word| String::from(*word)).collect();
    let to_script = Verb { socket: &called.socket, caller: "service", verb, job, args: &words };
    if let Some(told) = to_script.say_to_script() {
        return told;
    }
    let target = json!({ "job": job, "args": args });
    let status = match ask(&called.socket, "Status", &target) {
        Err(trouble) if trouble.name() == "UnknownJob" => return unknown(called, job, verb),
        Err(Trouble::Unreachable(_)) => return unknown(called, job, verb),
        // One whose instances are named by variables, and none of this name: it can be started.
        Err(trouble) if trouble.name() == "UnknownInstance" => None,
        Err(trouble) => return called.wrong(&text(&trouble, None)),
        Ok(answer) => Some(answer),
    };
    let is_up = status.as_ref().is_some_and(|answer| say::is(say::part(answer, "status"), "up"));
    let wish = match verb {
        "status" => {
            let line = status.map(|answer| say::status_line(say::part(&answer, "status")) + "\n");
            let code = if is_up { CLEAN } else { NOT_RUNNING };
            return Outcome { text: line.unwrap_or_default(), remarks: String::new(), code };
        }
        "start" => Wish::Start,
        "stop" => Wish::Stop,
        "restart" | "force-restart" if is_up => Wish::Restart,
        "restart" | "force-restart" => Wish::Start,
        "try-restart" | "condrestart" if is_up => Wish::Restart,
        "try-restart" | "condrestart" => return says(""),
        "reload" | "force-reload" => Wish::Reload,
        _ => {
            let told = to_script.run(&[]);
            let code = if told.code == UNKNOWN { UNIMPLEMENTED } else { told.code };
            return Outcome { code, ..told };
        }
    };
    match called.call(act::method(wish), &target) {
        Ok(answer) => says(say::status_line(say::part(&answer, "status")) + "\n"),
        // As it was wished.
        Err(trouble)
            if matches!(
                (wish, trouble.name()),
                (Wish::Start, "AlreadyRunning") | (Wish::Stop, "AlreadyStopped" | "UnknownInstance")
            ) =>
        {
            says("")
        }
        Err(trouble) => {
            let code = if trouble.name() == "PermissionDenied" { NOT_ALLOWED } else { WRONG };
            Outcome { code, ..called.wrong(&text(&trouble, Some(wish))) }
        }
    }
}

/// It is neither a job nor a script.
fn unknown(called: &Called<'_>, job: &str, verb: &str) -> Outcome {
    let code = if verb == "status" { UNSURE } else { NOT_INSTALLED };
    Outcome { code, ..called.wrong(&format!("{job}: unrecognized service")) }
}

fn all(called: &Called<'_>) -> Outcome {
    match ask_list(&called.socket, "List", &json!({}), "jobs") {
        Ok(list) => {
            let line = |job: &serde_json::Value| {
                let mark = if say::is(job, "up") { '+' } else { '-' };
                format!(" [ {mark} ]  {}\n", say::who(job))
            };
            says(say::list(&list, "jobs").iter().map(line).collect::<String>())
        }
        Err(trouble) => called.wrong(&text(&trouble, None)),
    }
}
