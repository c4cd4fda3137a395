//! The conformance data: every case of its group `parse`, and every job in its other groups.

use events::{Condition, MatchKey, Node, Pattern};
use jobs::{
    Command, Exit, Ready, Severity,
    formats::{
        Reading, Source,
        upstart::{Stanzas, job_name, read, stanzas},
    },
};
use serde_json::{Value as Json, json};

use crate::{line, reading, source};

const CASES: &str = include_str!("../data/upstart-conformance.json");

fn cases() -> Vec<Json> {
    let data: Json = serde_json::from_str(CASES).unwrap();
    data["cases"].as_array().unwrap().clone()
}

fn tree(condition: &Condition) -> Json {
    let mut stack: Vec<Json> = Vec::new();
    for node in condition.nodes() {
        let part = match node {
            Node::Leaf(leaf) => json!({ "ev": words(&leaf.pattern) }),
            Node::Not => panic!("no `not` over events"),
            Node::And | Node::Or => {
                let (right, left) = (stack.pop().unwrap(), stack.pop().unwrap());
                let sign = if *node == Node::And { "and" } else { "or" };
                json!({ sign: [left, right] })
            }
        };
        stack.push(part);
    }
    assert_eq!(stack.len(), 1);
    stack.pop().unwrap()
}

fn words(pattern: &Pattern) -> Vec<String> {
    let arguments = pattern.matches.iter().map(|wanted| match &wanted.key {
        MatchKey::Position(_) => wanted.want.as_str().to_string(),
        MatchKey::Named(key) => {
            format!("{key}{}{}", if wanted.negated { "!=" } else { "=" }, wanted.want.as_str())
        }
    });
    std::iter::once(pattern.name.to_string()).chain(arguments).collect()
}

/// A field of the data's `class`, as the job that came out has it.
fn field(name: &str, stanzas: &Stanzas, reading: &Reading) -> Json {
    let described = reading.described.as_ref().unwrap();
    let (job, work) = (&described.job, &described.work);
    let exit = |exit: &Exit| exit.to_string();
    match name {
        "start_on" => job.start_on.as_ref().map_or(Json::Null, tree),
        "stop_on" => job.stop_on.as_ref().map_or(Json::Null, tree),
        "task" => json!(job.task),
        "respawn" => json!(job.respawn.is_some()),
        "respawn_limit" => {
            let given = stanzas.respawn_limit.as_ref().map_or((10, 5), |limit| (limit.limit, limit.within));
            if let Some(respawn) = &job.respawn {
                assert_eq!(
                    (respawn.limit.into(), respawn.within.as_secs()),
                    (u64::from(given.0), given.1.into())
                );
            }
            json!(given)
        }
        "kill_timeout" => json!(job.kill.timeout.as_secs()),
        "kill_signal" => json!(job.kill.signal.to_string()),
        "reload_signal" => json!(job.reload_signal.to_string()),
        "expect" => json!(match job.ready {
            Ready::Spawned => "none",
            Ready::Stopped => "stop",
            Ready::Forked => "fork or daemon",
            Ready::Notify | Ready::Fd(_) | Ready::Pidfile(_) | Ready::Path(_) | Ready::Socket =>
                "not of Upstart",
        }),
        "console" => serde_json::to_value(work.console).unwrap(),
        "umask" => json!(format!("{:03o}", work.umask.unwrap_or(0o022))),
        "nice" => json!(work.nice),
        "oom_score" => json!(work.oom_score.unwrap_or(0)),
        "instance" => json!(job.instance.as_ref().map_or("", |template| template.as_str())),
        "env" => job
            .env
            .iter()
            .map(|(key, value)| value.as_ref().map_or(key.to_string(), |value| format!("{key}={value}")))
            .collect(),
        "export" => job.export.iter().map(ToString::to_string).collect(),
        "emits" => work.emits.iter().map(ToString::to_string).collect(),
        "normal_exit" => job.normal_exit.iter().map(exit).collect(),
        "limits" => work
            .limits
            .iter()
            .map(|(resource, limit)| {
                let Json::String(name) = serde_json::to_value(resource).unwrap() else { panic!() };
                (name, json!([limit.soft, limit.hard]))
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        "processes" => work
            .processes
            .iter()
            .map(|(kind, command)| {
                assert!(job.processes.has(*kind));
                let (is_script, text) = match command {
                    Command::Exec(line) => (false, line),
                    Command::Script(lines) => (true, lines),
                    Command::Argv(_) | Command::Program(..) => {
                        panic!("Upstart has command lines and scripts only")
                    }
                };
                (kind.to_string(), json!({ "script": is_script, "command": text }))
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        "description" => json!(work.description),
        "chroot" => json!(work.chroot),
        "chdir" => json!(work.chdir),
        "setuid" => json!(work.user),
        "setgid" => json!(work.group),
        "apparmor_switch" => json!(work.apparmor.as_ref().and_then(|apparmor| apparmor.switch.clone())),
        _ => panic!("the data has a new field {name}"),
    }
}

/// Plays one case, and gives what differs.
fn play(case: &Json) -> Vec<String> {
    let expect = &case["expect"];
    let file = case["filename"]
        .as_str()
        .map_or_else(|| format!("{}.conf", case["job"].as_str().unwrap()), Into::into);
    let conf = case["conf"].as_str().map(|text| source(&file, text));
    let laid_over: Vec<Source> =
        case["override"].as_str().map(|text| source("t.override", text)).into_iter().collect();
    let name = conf.as_ref().and_then(|conf| job_name(&conf.path));
    let (Some(name), Some(conf)) = (name, conf) else {
        return differs("error", &json!("no-job"), &expect["error"]).into_iter().collect();
    };
    let reading = read(&name, &conf, &laid_over);
    let (stanzas, _) = stanzas(&name, &conf, &laid_over);
    let errors: Vec<_> = reading.reports.iter().filter(|report| report.severity == Severity::Error).collect();
    if expect["ok"] == json!(false) {
        assert!(reading.described.is_none() && stanzas.is_none());
        let [error] = errors[..] else { return vec![format!("{} errors", errors.len())] };
        let kind = differs("error", &json!(error.code), &expect["error"]);
        return kind
            .into_iter()
            .chain(differs("line", &json!(line(error, &conf.text)), &expect["line"]))
            .collect();
    }
    if let [error, ..] = errors[..] {
        return vec![format!("refused: {}", error.message)];
    }
    assert_eq!(name.as_str(), case["job"]);
    let stanzas = stanzas.unwrap();
    let class = expect["class"].as_object().unwrap();
    class.iter().filter_map(|(key, value)| differs(key, &field(key, &stanzas, &reading), value)).collect()
}

fn differs(what: &str, is: &Json, must_be: &Json) -> Option<String> {
    (is != must_be).then(|| format!("{what} is {is}, must be {must_be}"))
}

/// No case may differ, not even one marked as a quirk: each can be kept without harm.
#[test]
fn every_parse_case_holds() {
    let (mut played, mut wrong) = (0, Vec::new());
    for case in cases().iter().filter(|case| case["group"] == "parse") {
        played += 1;
        let differences = play(case);
        let id = case["id"].as_str().unwrap();
        if !differences.is_empty() {
            wrong.push(format!("{id} {}: {}", case["title"], differences.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(played, 88);
}

#[test]
fn every_other_job_of_the_data_is_read() {
    let mut texts = Vec::new();
    for case in cases() {
        if let Some(jobs) = case["jobs"].as_object() {
            texts.extend(jobs.values().map(|text| text.as_str().unwrap().to_string()));
        }
        if let (Some(condition), Some(stanzas)) = (case["condition"].as_str(), case["stanzas"].as_str()) {
            texts.push(format!("{} on {condition}\n{stanzas}", case["kind"].as_str().unwrap()));
        }
    }
    let refused: Vec<_> = texts.iter().filter(|text| reading(text).described.is_none()).collect();
    // The one signal that does not exist.
    assert_eq!(refused, ["kill signal 99\nexec sleep 1000\n"]);
    assert!(texts.len() > 180, "{}", texts.len());
}
