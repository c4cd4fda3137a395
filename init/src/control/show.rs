//! How jobs are, as JSON.

use events::{Args, Text, Time};
use jobs::{Engine, Job, Known, Origin, ProcessKind, Ready, StartMode, Status, Why, Work};
use serde_json::{Map, Value, json};

use super::order::Views;
use crate::pid1::works::Piece;

/// How an instance is.
pub fn status(status: &Status) -> Value {
    let process = |(process, pid): &(&str, u32)| json!({ "process": process, "pid": pid });
    json!({
        "job": status.job.as_str(),
        "instance": status.instance.as_str(),
        "goal": status.goal,
        "state": status.state,
        "processes": status.processes.iter().map(process).collect::<Vec<_>>(),
        "up": status.up,
        "timed_out": status.timed_out,
        "waits": status.waits,
        "last": status.last,
    })
}

/// Why something is as it is; with the times that it asks for.
pub fn why(why: &Why, times: &[Value]) -> Value {
    let moment = |(time, what): &(Time, String)| json!({ "time": time.0, "what": what });
    let leaf = |(pattern, met): &(String, bool)| json!({ "pattern": pattern, "met": met });
    json!({
        "status": status(&why.status),
        "chain": why.chain.iter().map(moment).collect::<Vec<_>>(),
        "dropped": why.dropped,
        "condition": why.condition.iter().map(leaf).collect::<Vec<_>>(),
        "times": times,
    })
}

/// Something that holds.
pub fn fact(known: &Known, engine: &Engine) -> Value {
    let by = match known.by {
        Origin::World => "onset".into(),
        Origin::Person(uid) => format!("uid {uid}"),
        Origin::Job(life) => match engine.instance_of(life) {
            Some((job, key)) if key.is_empty() => format!("job {job}"),
            Some((job, key)) => format!("job {job} ({key})"),
            // It is about to be told that it is over.
            None => "a job".into(),
        },
    };
    json!({
        "name": known.fact.name.as_str(),
        "id": known.fact.identity.0.as_str(),
        "args": words(&known.fact.args),
        "since": known.since.0,
        "by": by,
    })
}

/// A job in the graph.
pub fn node(job: &Job, views: &Views<'_>) -> Value {
    let up = views.engine.status(&job.name, "").is_some_and(|status| status.up);
    json!({
        "job": job.name.as_str(),
        "up": up,
        "provides": job.provided_names().map(|name| name.as_str()).collect::<Vec<_>>(),
        "requires": job.requires.iter().map(|require| require.name.as_str()).collect::<Vec<_>>(),
        "needs": job.needs.iter().map(|need| need.name.as_str()).collect::<Vec<_>>(),
    })
}

/// Whether the boot has settled, and who is on the way.
pub fn settled(settled: bool, views: &Views<'_>) -> Value {
    let on_the_way = |status: &Status| status.goal != "stop" && !status.up;
    let all = if settled { Vec::new() } else { views.engine.list() };
    let jobs: Vec<Value> = all.iter().filter(|status| on_the_way(status)).map(self::status).collect();
    json!({ "settled": settled, "jobs": jobs })
}

/// Arguments as a person writes them.
pub fn words(args: &Args) -> Vec<String> {
    args.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// All that is known of a job. What it runs, as whom and with which variables, is for `trusted` eyes.
pub fn job(job: &Job, piece: Option<&Piece>, trusted: bool) -> Value {
    let mut shown = Map::new();
    let mut set = |key: &str, value: Value| {
        let empty = matches!(&value, Value::Null | Value::Bool(false))
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        if !empty {
            shown.insert(key.into(), value);
        }
    };
    set("name", job.name.as_str().into());
    set("format", json!(job.format));
    set("kind", json!(job.kind));
    if let Some(piece) = piece {
        set("description", json!(piece.work.description));
        set("author", json!(piece.work.author));
        set("version", json!(piece.work.version));
        set("usage", json!(piece.work.usage));
        set("emits", json!(piece.work.emits));
    }
    set("start_on", json!(job.start_on.as_ref().map(ToString::to_string)));
    set("stop_on", json!(job.stop_on.as_ref().map(ToString::to_string)));
    set("while", json!(job.holds_while.as_ref().map(ToString::to_string)));
    set(
        "start",
        match &job.start {
            StartMode::Automatic => Value::Null,
            StartMode::Manual => "manual".into(),
            StartMode::Disabled(why) => format!("disabled: {why}").into(),
        },
    );
    set("instance", json!(job.instance.as_ref().map(|template| template.as_str())));
    set("provides", names(job.provides.iter().map(|provide| &*provide.name)));
    set("requires", names(job.requires.iter().map(|require| &*require.name)));
    set("before", names(job.before.iter().map(|name| &**name)));
    set("needs", names(job.needs.iter().map(|need| &*need.name)));
    set("keywords", names(job.keywords.iter().map(|name| &**name)));
    set("modes", names(job.modes.iter().map(|name| &**name)));
    set("again", json!(job.again));
    set("export", names(job.export.iter().map(|key| &**key)));
    let kinds = ProcessKind::ALL.into_iter().filter(|kind| job.processes.has(*kind));
    set("processes", kinds.map(ProcessKind::name).collect());
    set("task", job.task.into());
    set("main", job.is_purpose.into());
    set("ready", ready(&job.ready));
    if let Some(respawn) = &job.respawn {
        set(
            "respawn",
            json!({
                "limit": respawn.limit,
                "within_ms": millis(respawn.within),
                "backoff_ms": millis(respawn.backoff),
                "backoff_max_ms": millis(respawn.backoff_max),
            }),
        );
    }
    set("normal_exit", job.normal_exit.iter().map(ToString::to_string).collect());
    set(
        "kill",
        json!({
            "signal": job.kill.signal.to_string(),
            "timeout_ms": millis(job.kill.timeout),
            "leave": job.kill.leave,
        }),
    );
    set("reload_signal", job.reload_signal.to_string().into());
    set("reload_on", json!(job.reload_on.iter().map(|path| path.as_str()).collect::<Vec<&str>>()));
    set("restart_on", json!(job.restart_on.iter().map(|path| path.as_str()).collect::<Vec<&str>>()));
    set("settle_ms", millis(job.settle).into());
    set("announces", json!(job.announces.as_ref().map(ToString::to_string)));
    set("turn", json!(job.turn.as_deref()));
    set("start_timeout_ms", json!(job.start_timeout.map(millis)));
    if trusted {
        let variable = |(key, value): &(events::Key, Option<events::Value>)| {
            (key.to_string(), json!(value.as_ref().map(|value| value.as_str())))
        };
        set("env", Value::Object(job.env.iter().map(variable).collect()));
        if let Some(piece) = piece {
            set("work", work(&piece.work));
        }
    }
    Value::Object(shown)
}

/// How its processes are made.
fn work(work: &Work) -> Value {
    let runs = |(kind, command): &(ProcessKind, jobs::Command)| (kind.name().into(), json!(command.argv()));
    let mut shown = serde_json::to_value(work).unwrap_or_default();
    if let Some(shown) = shown.as_object_mut() {
        // These stand above already, for everybody.
        for told in ["description", "author", "version", "usage", "emits"] {
            shown.remove(told);
        }
        let is_empty = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(items) => items.is_empty(),
            Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Object(_) => false,
        };
        shown.retain(|_, value| !is_empty(value));
        shown.insert("runs".into(), Value::Object(work.processes.iter().map(runs).collect()));
    }
    shown
}

fn ready(ready: &Ready) -> Value {
    match ready {
        Ready::Spawned => "spawned".into(),
        Ready::Forked => "forked".into(),
        Ready::Stopped => "stopped".into(),
        Ready::Notify => "notify".into(),
        Ready::Fd(fd) => format!("fd {fd}").into(),
        Ready::Pidfile(path) => format!("pidfile {path}").into(),
        Ready::Path(path) => format!("path {path}").into(),
        Ready::Socket => "socket".into(),
    }
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> Value {
    names.collect()
}

fn millis(length: core::time::Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// The text, if it is not empty.
pub fn some(text: &Text) -> Option<&str> {
    Some(text.as_str()).filter(|text| !text.is_empty())
}
