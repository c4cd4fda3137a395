//! `telinit` and `runlevel`: the levels of old.

use serde_json::json;

use super::{
    Called, Outcome, WRONG,
    initctl::{text, told},
    says,
    usage::usage,
};
use crate::cli::{ask::ask, machine, say};

/// `telinit` with these words.
pub(super) fn run(called: &Called<'_>, words: &[String]) -> Outcome {
    let (mut level, mut args) = (None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" => return says(usage(called.name)),
            "--version" => return says(format!("telinit (onset {})\n", env!("CARGO_PKG_VERSION"))),
            "-e" => match words.next() {
                Some(variable) => args.push(variable.clone()),
                None => return called.misused("option needs an argument: -e"),
            },
            "-t" => {
                words.next();
            }
            "-q" | "-v" | "--quiet" | "--verbose" => {}
            option if option.starts_with("-e") => args.extend(option.get(2..).map(String::from)),
            option if option.starts_with('-') => {
                return called.misused(&format!("invalid option: {option}"));
            }
            word if level.is_none() => level = Some(word),
            word => return called.misused(&format!("one run level at a time, and not also {word}")),
        }
    }
    let Some(level) = level else { return called.misused("missing runlevel") };
    match level {
        "q" | "Q" => told(called, called.call("ReloadConfiguration", &json!({})), |_| String::new()),
        "u" | "U" => machine::reexec(&called.socket),
        "0" => told(called, called.call("Shutdown", &json!({ "kind": "poweroff" })), |_| String::new()),
        "6" => told(called, called.call("Shutdown", &json!({ "kind": "reboot" })), |_| String::new()),
        "1" | "2" | "3" | "4" | "5" | "s" | "S" => {
            let level = level.to_uppercase();
            change(called, &level, &args)
        }
        other => called.misused(&format!("illegal runlevel: {other}")),
    }
}

/// Changes to a run level.
pub(super) fn change(called: &Called<'_>, level: &str, args: &[String]) -> Outcome {
    let previous = match ask(&called.socket, "GetRunLevel", &json!({})) {
        Ok(answer) => say::part(&answer, "level").as_str().unwrap_or("N").to_string(),
        Err(trouble) => return called.wrong(&text(&trouble, None)),
    };
    let mut words = vec![format!("RUNLEVEL={level}"), format!("PREVLEVEL={previous}")];
    words.extend(args.iter().cloned());
    let parameters = json!({ "event": "runlevel", "args": words, "wait": false });
    told(called, called.call("Emit", &parameters), |_| String::new())
}

/// `runlevel`.
pub(super) fn runlevel(called: &Called<'_>, words: &[String]) -> Outcome {
    if words.iter().any(|word| word == "--help") {
        return says(usage(called.name));
    }
    let unknown = || Outcome { text: "unknown\n".into(), remarks: String::new(), code: WRONG };
    let Ok(answer) = ask(&called.socket, "GetRunLevel", &json!({})) else { return unknown() };
    let level = |key: &str| say::part(&answer, key).as_str();
    match (level("previous"), level("level")) {
        (previous, Some(level)) => says(format!("{} {level}\n", previous.unwrap_or("N"))),
        (_, None) => unknown(),
    }
}
