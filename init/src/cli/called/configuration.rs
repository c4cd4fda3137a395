//! `initctl show-config` and `check-config`: the conditions of jobs, and which of them can never come true.

use std::collections::BTreeSet;

use events::{Condition, Dialect, MatchKey, Node, Pattern, glob_matches};
use serde_json::{Value, json};

use super::{
    Called, Outcome, WRONG,
    initctl::{text, told},
    says,
};
use crate::cli::{
    ask::{ask, ask_list},
    exit::Trouble,
    say,
};

/// Events that tell of the life of a job, which their first argument names.
const OF_JOBS: [&str; 4] = ["starting", "started", "stopping", "stopped"];
/// Events that happen without any job's doing.
const BY_INIT: [&str; 6] =
    ["startup", "shutdown", "runlevel", "control-alt-delete", "keyboard-request", "power-status-changed"];

/// A job, as far as its conditions go.
struct Job {
    name: String,
    emits: Vec<String>,
    start_on: Option<Condition>,
    stop_on: Option<Condition>,
}

/// `show-config`.
pub(super) fn show(called: &Called<'_>, job: Option<&String>, enumerate: bool) -> Outcome {
    let jobs = match jobs(called, job) {
        Ok(jobs) => jobs,
        Err(trouble) => return called.wrong(&text(&trouble, None)),
    };
    let mut out = String::new();
    for job in jobs {
        out.push_str(&format!("{}\n", job.name));
        out.extend(job.emits.iter().map(|event| format!("  emits {event}\n")));
        for (word, condition) in job.conditions() {
            if enumerate {
                let lines =
                    condition.leaves().map(|leaf| format!("  {word} {}\n", enumerated(&leaf.pattern)));
                out.extend(lines);
            } else {
                out.push_str(&format!("  {word} {}\n", bracketed(condition)));
            }
        }
    }
    says(out)
}

/// `check-config`.
pub(super) fn check(called: &Called<'_>, job: Option<&String>, ignored: &[String], warn: bool) -> Outcome {
    let all = match jobs(called, None) {
        Ok(all) => all,
        Err(trouble) => return called.wrong(&text(&trouble, None)),
    };
    if let Some(job) = job.filter(|job| !all.iter().any(|known| known.name == **job)) {
        let unknown = Trouble::No("UnknownJob".into(), json!({ "job": job }));
        return told(called, Err(unknown), |_| String::new());
    }
    let names: BTreeSet<&str> = all.iter().map(|job| job.name.as_str()).collect();
    let emitted: Vec<&str> = all.iter().flat_map(|job| job.emits.iter().map(String::as_str)).collect();
    let lacks = |pattern: &Pattern| {
        let event = pattern.name.as_str();
        if ignored.iter().any(|known| known == event) || BY_INIT.contains(&event) {
            return None;
        }
        if OF_JOBS.contains(&event) {
            let (job, _) = of_job(pattern);
            return job
                .filter(|job| !names.iter().any(|name| glob_matches(job, name)))
                .map(|job| format!("unknown job {job}"));
        }
        let known = emitted.iter().any(|glob| glob_matches(glob, event));
        (!known).then(|| format!("unknown event {event}"))
    };
    let mut out = String::new();
    for checked in all.iter().filter(|known| job.is_none_or(|job| known.name == *job)) {
        let mut lines = Vec::new();
        for (word, condition) in checked.conditions() {
            let lacking: Vec<Option<String>> = condition.leaves().map(|leaf| lacks(&leaf.pattern)).collect();
            let met = lacking.iter().enumerate().filter(|(_, lack)| lack.is_none());
            let met = met.fold(0_u64, |seen, (leaf, _)| {
                seen | u32::try_from(leaf).ok().and_then(|leaf| 1_u64.checked_shl(leaf)).unwrap_or_default()
            });
            if warn || !condition.holds(met) {
                lines.extend(lacking.into_iter().rev().flatten().map(|lack| format!("  {word}: {lack}\n")));
            }
        }
        if !lines.is_empty() {
            out.push_str(&format!("{}\n{}", checked.name, lines.concat()));
        }
    }
    let code = if out.is_empty() { crate::cli::CLEAN } else { WRONG };
    Outcome { text: out, remarks: String::new(), code }
}

impl Job {
    fn read(shown: &Value) -> Self {
        let job = say::part(shown, "job");
        // What Onset itself has written is read again; a job without a condition has none.
        let condition = |key: &str| Condition::parse(say::text(job, key), Dialect::Edges).ok();
        Self {
            name: say::text(job, "name").into(),
            emits: say::list(job, "emits").iter().filter_map(Value::as_str).map(String::from).collect(),
            start_on: condition("start_on"),
            stop_on: condition("stop_on"),
        }
    }

    fn conditions(&self) -> impl Iterator<Item = (&'static str, &Condition)> {
        let both = [("start on", &self.start_on), ("stop on", &self.stop_on)];
        both.into_iter().filter_map(|(word, condition)| Some((word, condition.as_ref()?)))
    }
}

/// One job, or all of them by name.
fn jobs(called: &Called<'_>, job: Option<&String>) -> Result<Vec<Job>, Trouble> {
    let names = match job {
        Some(job) => vec![job.clone()],
        None => {
            let list = ask_list(&called.socket, "List", &json!({}), "jobs")?;
            let names = say::list(&list, "jobs").iter().map(|job| say::text(job, "job").to_string());
            names.collect::<BTreeSet<String>>().into_iter().collect()
        }
    };
    let show = |name: &String| ask(&called.socket, "Show", &json!({ "job": name }));
    names.iter().map(|name| show(name).map(|shown| Job::read(&shown))).collect()
}

/// The job that an event of a life is about, and the other arguments.
fn of_job(pattern: &Pattern) -> (Option<&str>, Vec<String>) {
    let is_job = |key: &MatchKey| match key {
        MatchKey::Position(place) => *place == 0,
        MatchKey::Named(key) => key.as_str() == "JOB",
    };
    let matches = pattern.matches.iter();
    let job = matches.clone().find(|wanted| is_job(&wanted.key) && !wanted.negated);
    let others = matches.filter(|wanted| !is_job(&wanted.key) || wanted.negated);
    (job.map(|job| job.want.as_str()), others.map(ToString::to_string).collect())
}

/// An event of a condition on a line of its own.
fn enumerated(pattern: &Pattern) -> String {
    let of_jobs = OF_JOBS.contains(&pattern.name.as_str());
    let (job, others) = match of_jobs {
        true => of_job(pattern),
        false => (None, pattern.matches.iter().map(ToString::to_string).collect()),
    };
    let words = |words: &[String]| words.iter().map(|word| format!(" {word}")).collect::<String>();
    let job = job.map(|job| format!(" {job}")).unwrap_or_default();
    format!("{} (job:{job}, env:{})", pattern.name, words(&others))
}

/// A condition with a bracket around each pair.
fn bracketed(condition: &Condition) -> String {
    let mut parts: Vec<String> = Vec::new();
    for node in condition.nodes() {
        let word = match node {
            Node::Leaf(leaf) => {
                parts.push(leaf.to_string());
                continue;
            }
            Node::Not => {
                let part = parts.pop().unwrap_or_default();
                parts.push(format!("not {part}"));
                continue;
            }
            Node::And => "and",
            Node::Or => "or",
        };
        let (right, left) = (parts.pop().unwrap_or_default(), parts.pop().unwrap_or_default());
        parts.push(format!("({left} {word} {right})"));
    }
    parts.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_shown_with_all_its_brackets() {
        let condition = Condition::parse("a and b X=1 or starting other", Dialect::Edges).unwrap();
        assert_eq!(bracketed(&condition), "((a and b X=1) or starting other)");
        let lines: Vec<String> = condition.leaves().map(|leaf| enumerated(&leaf.pattern)).collect();
        assert_eq!(lines, ["a (job:, env:)", "b (job:, env: X=1)", "starting (job: other, env:)"]);
    }
}
