//! `initctl`, and `start`, `stop`, `restart`, `reload` and `status` by their own names: as Upstart has them.

use events::control::{LogLevel, Wish};
use serde_json::{Value, json};

use super::{Called, Outcome, WRONG, configuration, says, usage::usage};
use crate::cli::{
    CLEAN, act,
    ask::{ask, ask_list},
    exit::{Trouble, clean},
    say,
};

/// The words behind the command, sorted.
#[derive(Debug, Default)]
struct Words {
    plain: Vec<String>,
    no_wait: bool,
    retain: bool,
    warn: bool,
    enumerate: bool,
    ignored: Vec<String>,
    help: bool,
    version: bool,
}

/// `initctl` with these words.
pub(super) fn run(called: &Called<'_>, words: &[String]) -> Outcome {
    let mut words = match read(words) {
        Ok(words) => words,
        Err(why) => return called.misused(&why),
    };
    if words.help {
        return says(usage(called.name));
    }
    if words.version {
        return says(version(env!("CARGO_PKG_VERSION")));
    }
    if words.plain.is_empty() {
        return called.misused("missing command");
    }
    let command = words.plain.remove(0);
    match command.as_str() {
        "start" => act(called, Wish::Start, &words),
        "stop" => act(called, Wish::Stop, &words),
        "restart" => act(called, Wish::Restart, &words),
        "reload" => act(called, Wish::Reload, &words),
        "status" => status(called, &words),
        "list" => list(called),
        "emit" => emit(called, &words),
        "reload-configuration" => silent(called, "ReloadConfiguration", &json!({})),
        "version" => told(called, ask(&called.socket, "Version", &json!({})), |answer| {
            version(say::text(answer, "version"))
        }),
        "log-priority" => log_priority(called, &words),
        "show-config" => configuration::show(called, words.plain.first(), words.enumerate),
        "check-config" => configuration::check(called, words.plain.first(), &words.ignored, words.warn),
        "usage" => usage_of(called, &words),
        "set-env" => set_env(called, &words),
        "unset-env" => each(called, &words, "UnsetEnv"),
        "get-env" => match words.plain.first() {
            None => called.misused("missing variable name"),
            Some(key) => told(called, ask(&called.socket, "GetEnv", &json!({ "key": key })), |answer| {
                format!("{}\n", say::text(answer, "value"))
            }),
        },
        "list-env" => told(called, ask(&called.socket, "ListEnv", &json!({})), |answer| {
            let line = |it: &Value| format!("{}={}\n", say::text(it, "key"), say::text(it, "value"));
            let mut lines: Vec<String> = say::list(answer, "variables").iter().map(line).collect();
            lines.sort();
            lines.concat()
        }),
        "reset-env" => silent(called, "ResetEnv", &json!({})),
        // Onset sees these by itself, or has nothing of the kind.
        "notify-disk-writeable"
        | "notify-dbus-address"
        | "notify-cgroup-manager-address"
        | "list-sessions" => says(""),
        "help" => says(usage(called.name)),
        other => called.misused(&format!("invalid command: {other}")),
    }
}

fn read(words: &[String]) -> Result<Words, String> {
    let mut read = Words::default();
    let mut only_plain = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if only_plain || !word.starts_with('-') || word == "-" {
            read.plain.push(word.clone());
            continue;
        }
        let (option, value) = word.split_once('=').map_or((word.as_str(), None), |(a, b)| (a, Some(b)));
        match option {
            "--" => only_plain = true,
            "-n" | "--no-wait" => read.no_wait = true,
            "-r" | "--retain" => read.retain = true,
            "-w" | "--warn" => read.warn = true,
            "-e" | "--enumerate" => read.enumerate = true,
            "-i" | "--ignore-events" => {
                let events = value.or_else(|| words.next().map(String::as_str));
                let events = events.ok_or_else(|| format!("option needs an argument: {option}"))?;
                read.ignored.extend(events.split(',').map(String::from));
            }
            "--help" | "-h" => read.help = true,
            "--version" => read.version = true,
            "--dest" if value.is_none() => {
                words.next().ok_or_else(|| format!("option needs an argument: {option}"))?;
            }
            "--user" | "--session" | "--system" | "--dest" | "-q" | "--quiet" | "-v" | "--verbose" | "-g"
            | "--global" => {}
            other => return Err(format!("invalid option: {other}")),
        }
    }
    Ok(read)
}

fn version(version: &str) -> String {
    format!("init (onset {})\n", clean(version))
}

/// The job that is meant: the first word, or the one that this is a process of. Whether it may be waited for
/// comes with it: a process of a job would wait for itself.
fn target(called: &Called<'_>, words: &Words) -> Result<(Value, bool), Outcome> {
    if let Some((job, args)) = words.plain.split_first() {
        return Ok((json!({ "job": job, "args": args }), true));
    }
    match std::env::var("UPSTART_JOB") {
        Ok(job) if !job.is_empty() => {
            let instance = std::env::var("UPSTART_INSTANCE").unwrap_or_default();
            Ok((json!({ "job": job, "instance": instance }), false))
        }
        _ => Err(called.misused("missing job name")),
    }
}

fn act(called: &Called<'_>, wish: Wish, words: &Words) -> Outcome {
    let (mut parameters, may_wait) = match target(called, words) {
        Ok(target) => target,
        Err(outcome) => return outcome,
    };
    if let Some(parameters) = parameters.as_object_mut() {
        parameters.insert("wait".into(), (may_wait && !words.no_wait).into());
    }
    let answer = called.call(act::method(wish), &parameters);
    match answer {
        // As in Upstart, nothing is said of a signal.
        Ok(_) if wish == Wish::Reload => says(""),
        Ok(answer) => says(say::status_line(say::part(&answer, "status")) + "\n"),
        Err(trouble) => called.wrong(&text(&trouble, Some(wish))),
    }
}

fn status(called: &Called<'_>, words: &Words) -> Outcome {
    match target(called, words) {
        Ok((parameters, _)) => told(called, ask(&called.socket, "Status", &parameters), |answer| {
            say::status_line(say::part(answer, "status")) + "\n"
        }),
        Err(outcome) => outcome,
    }
}

fn list(called: &Called<'_>) -> Outcome {
    told(called, ask_list(&called.socket, "List", &json!({}), "jobs"), |answer| {
        say::list(answer, "jobs").iter().map(|job| say::status_line(job) + "\n").collect()
    })
}

fn emit(called: &Called<'_>, words: &Words) -> Outcome {
    let Some((event, args)) = words.plain.split_first() else {
        return called.misused("missing event name");
    };
    silent(called, "Emit", &json!({ "event": event, "args": args, "wait": !words.no_wait }))
}

fn log_priority(called: &Called<'_>, words: &Words) -> Outcome {
    let Some(level) = words.plain.first() else {
        return told(called, ask(&called.socket, "GetLogLevel", &json!({})), |answer| {
            format!("{}\n", say::text(answer, "level"))
        });
    };
    match level.parse::<LogLevel>() {
        Ok(level) => silent(called, "SetLogLevel", &json!({ "level": level.name() })),
        Err(why) => called.wrong(&format!("illegal log priority: {why}")),
    }
}

fn usage_of(called: &Called<'_>, words: &Words) -> Outcome {
    match target(called, words) {
        Ok((parameters, _)) => told(called, ask(&called.socket, "Show", &parameters), |answer| {
            format!("Usage: {}\n", say::text(say::part(answer, "job"), "usage"))
        }),
        Err(outcome) => outcome,
    }
}

fn set_env(called: &Called<'_>, words: &Words) -> Outcome {
    if words.plain.is_empty() {
        return called.misused("missing variable value");
    }
    for word in &words.plain {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let parameters = json!({ "key": key, "value": value, "retain": words.retain });
        let outcome = silent(called, "SetEnv", &parameters);
        if outcome.code != CLEAN {
            return outcome;
        }
    }
    says("")
}

/// Calls a method for each variable.
fn each(called: &Called<'_>, words: &Words, method: &str) -> Outcome {
    if words.plain.is_empty() {
        return called.misused("missing variable name");
    }
    let outcomes = words.plain.iter().map(|key| silent(called, method, &json!({ "key": key })));
    outcomes.into_iter().find(|outcome| outcome.code != CLEAN).unwrap_or_else(|| says(""))
}

/// A method that says nothing if all is well.
fn silent(called: &Called<'_>, method: &str, parameters: &Value) -> Outcome {
    told(called, called.call(method, parameters), |_| String::new())
}

/// An answer in words, or what went wrong.
pub(super) fn told(
    called: &Called<'_>,
    answer: Result<Value, Trouble>,
    words: impl FnOnce(&Value) -> String,
) -> Outcome {
    match answer {
        Ok(answer) => Outcome { text: words(&answer), remarks: String::new(), code: CLEAN },
        Err(trouble) => Outcome { code: WRONG, ..called.wrong(&text(&trouble, None)) },
    }
}

/// What went wrong, as Upstart says it.
pub(super) fn text(trouble: &Trouble, wish: Option<Wish>) -> String {
    let about = |key: &str| trouble.about(key);
    let failed = match wish {
        Some(Wish::Stop) => "Job failed while stopping",
        Some(Wish::Restart) => "Job failed to restart",
        Some(Wish::Start | Wish::Reload) | None => "Job failed to start",
    };
    match trouble.name() {
        "UnknownJob" => format!("Unknown job: {}", about("job")),
        "UnknownInstance" => format!("Unknown instance: {}", about("instance")),
        "AlreadyStopped" => "Unknown instance: ".into(),
        "AlreadyRunning" => format!("Job is already running: {}", about("job")),
        "MissingVariable" if about("usage").is_empty() => format!("Unknown parameter: {}", about("variable")),
        "MissingVariable" => {
            format!("Unknown parameter: {}\nUsage: {}", about("variable"), about("usage"))
        }
        "Failed" | "Refused" => format!("{failed}: {}", about("reason")),
        "Stopped" => failed.into(),
        "EventFailed" => "Event failed".into(),
        "NoSuchVariable" => format!("No such variable: {}", about("key")),
        "PermissionDenied" => "You do not have permission to do this".into(),
        "InvalidParameter" => {
            let reason = about("reason");
            reason.split_once("`: ").map_or(reason, |(_, why)| why).into()
        }
        _ if matches!(trouble, Trouble::Unreachable(_)) => {
            format!("Unable to connect to init: {}", trouble.text())
        }
        _ => trouble.text(),
    }
}
