//! What is answered to whom.

use serde_json::{Value, json};

use super::Server;

const JOBS: &[(&str, &str)] = &[
    ("db", "exec db\n"),
    ("shop", "start on started db\nexec shop\n"),
    ("inst", "instance $W\nusage \"inst W=name\"\nexec inst\n"),
    ("bad", "exec false\n"),
    ("slow", "pre-start exec sleep 4\nexec slow\n"),
];

fn error(answer: &Value) -> &str {
    answer["error"].as_str().unwrap_or("none")
}

#[test]
fn jobs_are_started_and_stopped_and_how_they_are_is_told() {
    let server = Server::new(JOBS);
    let mut talk = server.connect();
    let up = talk.call("Start", json!({"job": "db"}));
    let status = &up["parameters"]["status"];
    assert_eq!((&status["state"], &status["up"]), (&json!("running"), &json!(true)), "{up}");
    assert_eq!(error(&talk.call("Start", json!({"job": "db"}))), "org.onset.Manager.AlreadyRunning");
    let list = talk.call("List", json!({}));
    let names: Vec<&str> = list["parameters"]["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["job"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["bad", "db", "inst", "shop", "slow"]);
    let why = talk.call("Why", json!({"job": "shop"}));
    assert_eq!(why["parameters"]["condition"][0], json!({"pattern": "started db", "met": false}));
    assert!(why["parameters"]["chain"][1]["what"].as_str().unwrap().contains("started JOB=db"), "{why}");
    let down = talk.call("Stop", json!({"job": "db"}));
    assert_eq!(down["parameters"]["status"]["state"], "waiting");
    assert_eq!(error(&talk.call("Stop", json!({"job": "db"}))), "org.onset.Manager.AlreadyStopped");
    assert_eq!(error(&talk.call("Start", json!({"job": "dbb"}))), "org.onset.Manager.UnknownJob");
    let bad = talk.call("Start", json!({"job": "bad"}));
    assert_eq!(error(&bad), "none", "it was executed, and that was all that was promised");
}

#[test]
fn an_instance_is_named_by_variables_or_by_its_name() {
    let server = Server::new(JOBS);
    let mut talk = server.connect();
    let missing = talk.call("Start", json!({"job": "inst"}));
    assert_eq!(missing["parameters"], json!({"job": "inst", "variable": "W", "usage": "inst W=name"}));
    let up = talk.call("Start", json!({"job": "inst", "args": ["W=a"]}));
    assert_eq!(up["parameters"]["status"]["instance"], "a");
    assert_eq!(
        talk.call("Status", json!({"job": "inst", "instance": "a"}))["parameters"]["status"]["up"],
        true
    );
    let unknown = talk.call("Status", json!({"job": "inst", "instance": "b"}));
    assert_eq!(error(&unknown), "org.onset.Manager.UnknownInstance");
    let down = talk.call("Stop", json!({"job": "inst", "instance": "a"}));
    assert_eq!(error(&down), "none");
    assert_eq!(error(&talk.call("Stop", json!({}))), "org.varlink.service.InvalidParameter");
}

#[test]
fn a_process_of_a_job_speaks_for_its_job() {
    let server = Server::new(JOBS);
    let mut talk = server.connect();
    talk.call("Start", json!({"job": "db"}));
    server.inside("db");
    server.orders();
    let mut inside = server.connect();
    inside.call("SetFact", json!({"name": "db-ready"}));
    inside.call("SetFact", json!({"name": "db-was-here", "keep": true}));
    assert_eq!(inside.call("Status", json!({}))["parameters"]["status"]["job"], "db");
    assert_eq!(talk.call("Facts", json!({"name": "db-ready"}))["parameters"]["facts"][0]["args"], json!([]));
    let why = inside.call("Start", json!({"job": "slow", "wait": false}));
    assert_eq!(why["parameters"]["status"]["goal"], "start");
    let why = talk.call("Why", json!({"job": "slow"}));
    let chain = why["parameters"]["chain"].to_string();
    assert!(chain.contains("command start by a process of a job"), "{chain}");
    inside.call("Stop", json!({}));
    assert_eq!(talk.call("Status", json!({"job": "db"}))["parameters"]["status"]["state"], "waiting");
    assert_eq!(talk.call("Facts", json!({"name": "db-ready"}))["parameters"]["facts"], json!([]));
    assert_eq!(talk.call("Facts", json!({"name": "db-was-here"}))["parameters"]["facts"][0]["id"], "");
}

#[test]
fn who_does_not_wait_is_answered_at_once_and_still_told_what_is_wrong() {
    let server = Server::new(JOBS);
    let mut talk = server.connect();
    let on_its_way = talk.call("Start", json!({"job": "slow", "wait": false}));
    assert_eq!(on_its_way["parameters"]["status"]["state"], "pre-start", "{on_its_way}");
    assert_eq!(
        error(&talk.call("Start", json!({"job": "nope", "wait": false}))),
        "org.onset.Manager.UnknownJob"
    );
    assert_eq!(error(&talk.call("Emit", json!({"event": "x", "wait": false}))), "none");
}

#[test]
fn who_waits_is_answered_when_it_is_done_and_calls_are_answered_in_order() {
    let server = Server::new(JOBS);
    let mut talk = server.connect();
    talk.send(r#"{"method":"org.onset.Manager.Start","parameters":{"job":"slow"}}"#);
    talk.send(r#"{"method":"org.onset.Manager.GetMode"}"#);
    let mut other = server.connect();
    while other.call("Status", json!({"job": "slow"}))["parameters"]["status"]["goal"] != "start" {}
    server.pass(5_000);
    assert_eq!(talk.next().unwrap()["parameters"]["status"]["up"], true);
    assert_eq!(talk.next().unwrap()["parameters"], json!({"mode": null, "modes": []}));
}

#[test]
fn everything_that_happens_is_told_to_who_looks_on() {
    let server = Server::new(JOBS);
    let mut watcher = server.connect();
    watcher.send(r#"{"method":"org.onset.Manager.Events","more":true}"#);
    assert_eq!(watcher.next().unwrap()["parameters"]["what"], "watching");
    server.connect().call("Start", json!({"job": "db"}));
    let first = watcher.next().unwrap();
    assert_eq!(first["continues"], true);
    let told = &first["parameters"];
    assert_eq!(
        (&told["what"], &told["name"], &told["job"]),
        (&json!("event"), &json!("starting"), &json!("db"))
    );
    assert!(told["cause"].as_str().unwrap().starts_with("command start by user"), "{told}");
}

#[test]
fn facts_variables_modes_and_levels_are_kept() {
    let server = Server::new(JOBS);
    let mut talk = server.connect();
    talk.call("SetFact", json!({"name": "online", "args": ["VIA=eth0"]}));
    let facts = talk.call("Facts", json!({"name": "online"}));
    assert_eq!(facts["parameters"]["facts"][0]["args"], json!(["VIA=eth0"]));
    talk.call("UnsetFact", json!({"name": "online", "args": ["VIA=eth0"]}));
    assert_eq!(talk.call("Facts", json!({"name": "online"}))["parameters"]["facts"], json!([]));
    talk.call("SetMode", json!({"mode": "rescue"}));
    assert_eq!(talk.call("GetMode", json!({}))["parameters"]["mode"], "rescue");
    talk.call("SetLogLevel", json!({"level": "warn"}));
    talk.call("SetEnv", json!({"key": "A", "value": "1"}));
    talk.call("SetEnv", json!({"key": "A", "value": "2", "retain": true}));
    server.crash();
    server.orders();
    let mut talk = server.connect();
    assert_eq!(talk.call("GetLogLevel", json!({}))["parameters"]["level"], "warn");
    assert_eq!(
        talk.call("ListEnv", json!({}))["parameters"]["variables"],
        json!([{"key": "A", "value": "1"}])
    );
    talk.call("UnsetEnv", json!({"key": "A"}));
    assert_eq!(error(&talk.call("GetEnv", json!({"key": "A"}))), "org.onset.Manager.NoSuchVariable");
}

#[test]
fn what_only_the_loop_can_do_is_ordered() {
    let server = Server::new(JOBS);
    let mut talk = server.connect();
    let loaded = talk.call("ReloadConfiguration", json!({}));
    assert_eq!(loaded["parameters"], json!({"jobs": 5, "refused": [], "reports": []}));
    assert_eq!(error(&talk.call("Shutdown", json!({"kind": "reboot", "fast": true}))), "none");
    let refused = talk.call("SwitchRoot", json!({"root": "/new"}));
    assert_eq!(error(&refused), "org.onset.Manager.Refused");
    assert_eq!(error(&talk.call("Reexec", json!({}))), "org.onset.Manager.Restarted");
    assert_eq!(talk.next(), None);
    let orders = server.orders();
    assert!(orders[1].starts_with("Shutdown { kind: Reboot, fast: true"), "{orders:?}");
}

#[test]
fn a_boot_that_settles_is_told_to_who_waits_for_it() {
    let server = Server::new(JOBS);
    let mut talk = server.connect();
    assert_eq!(talk.call("Settled", json!({}))["parameters"]["settled"], false);
    talk.send(r#"{"method":"org.onset.Manager.Settled","parameters":{"wait":true}}"#);
    server.connect().call("GetMode", json!({}));
    server.settled();
    assert_eq!(talk.next().unwrap()["parameters"], json!({"settled": true, "jobs": []}));
}

#[test]
fn who_we_are_and_what_we_can_is_described() {
    let server = Server::new(JOBS);
    let mut talk = server.connect();
    talk.send(r#"{"method":"org.varlink.service.GetInfo"}"#);
    let info = talk.next().unwrap();
    assert_eq!(info["parameters"]["interfaces"], json!(["org.varlink.service", "org.onset.Manager"]));
    talk.send(
        r#"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.onset.Manager"}}"#,
    );
    let description = talk.next().unwrap();
    assert!(description["parameters"]["description"].as_str().unwrap().contains("method Start("));
    talk.send(r#"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"x.y"}}"#);
    assert_eq!(error(&talk.next().unwrap()), "org.varlink.service.InterfaceNotFound");
}

#[test]
fn a_list_comes_in_parts_for_who_welcomes_them() {
    let jobs: Vec<(String, String)> =
        (0..300).map(|number| (format!("job{number:03}"), "exec x\n".into())).collect();
    let jobs: Vec<(&str, &str)> = jobs.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let server = Server::new(&jobs);
    let mut talk = server.connect();
    for method in ["List", "Tree"] {
        talk.send(&json!({"method": format!("org.onset.Manager.{method}"), "more": true}).to_string());
        let (mut names, mut parts) = (Vec::new(), 0);
        loop {
            let part = talk.next().unwrap();
            let jobs = part["parameters"]["jobs"].as_array().unwrap();
            names.extend(jobs.iter().map(|job| job["job"].as_str().unwrap().to_string()));
            parts += 1;
            if part["continues"] != true {
                break;
            }
        }
        let wanted: Vec<String> = (0..300).map(|number| format!("job{number:03}")).collect();
        assert_eq!((names, parts > 2), (wanted, true));
    }
}
