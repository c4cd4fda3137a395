//! Upstart's `initctl`, case by case: the group `control` of the conformance data.

use serde_json::Value;

use super::Server;

/// An output with every process id replaced.
fn without_pids(text: &str) -> String {
    let mut parts = text.split("process ");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        out.push_str("process PID");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

fn words(command: &Value) -> Vec<&str> {
    command.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

fn check(case: &Value) -> Result<(), String> {
    let jobs = case["jobs"].as_object().unwrap();
    let jobs: Vec<(&str, &str)> =
        jobs.iter().map(|(name, text)| (name.as_str(), text.as_str().unwrap())).collect();
    let server = Server::new(&jobs);
    for command in case["before"].as_array().unwrap() {
        let (code, out, err) = server.called("initctl", &words(command));
        if code != 0 {
            return Err(format!("{command} ended with {code}: {out}{err}"));
        }
    }
    let (code, out, err) = server.called("initctl", &words(&case["command"]));
    let expected = &case["expect"];
    let out = without_pids(&out);
    if Some(i64::from(code)) != expected["rc"].as_i64() || Some(out.as_str()) != expected["stdout"].as_str() {
        return Err(format!("ended with {code}, and said {out:?} and {err:?}"));
    }
    match expected["stderr_contains"].as_str() {
        Some(wanted) if !err.contains(wanted) => Err(format!("said {err:?}")),
        _ => Ok(()),
    }
}

#[test]
fn initctl_does_and_says_what_upstarts_does() {
    let data: Value =
        serde_json::from_str(include_str!("../../../jobs/tests/data/upstart-conformance.json")).unwrap();
    let cases: Vec<&Value> =
        data["cases"].as_array().unwrap().iter().filter(|case| case["group"] == "control").collect();
    assert_eq!(cases.len(), 18);
    let wrong: Vec<String> = cases
        .into_iter()
        .filter_map(|case| check(case).err().map(|why| format!("{} {}: {why}", case["id"], case["title"])))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
