//! `onsetctl tree`: which job needs and requires which.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::stdout,
    path::Path,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    Outcome, ask, colours,
    exit::clean,
    say::{self, is},
};

/// How deep a tree is drawn.
const MAX_DEPTH: usize = 32;

/// Which part of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct TreeCommand {
    /// Only this job, and what it needs and requires
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A job, and those that it needs or requires: which, and whether it needs them.
struct Node {
    up: bool,
    below: Vec<(String, bool)>,
}

impl TreeCommand {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let answer = ask::ask_list(socket, "Tree", &json!({}), "jobs");
        let colours = colours(&stdout());
        let mut outcome = ask::finish(answer, self.json, socket, |answer| {
            let nodes = nodes(say::list(answer, "jobs"));
            match &self.job {
                Some(job) if !nodes.contains_key(job) => String::new(),
                Some(job) => drawn(&nodes, vec![job.clone()], colours),
                None => {
                    let below: BTreeSet<&String> =
                        nodes.values().flat_map(|node| node.below.iter().map(|(name, _)| name)).collect();
                    let roots = nodes.keys().filter(|name| !below.contains(name)).cloned();
                    drawn(&nodes, roots.collect(), colours)
                }
            }
        });
        if let (Some(job), true) = (&self.job, outcome.text.is_empty()) {
            let trouble = super::exit::Trouble::No("UnknownJob".into(), json!({ "job": job }));
            outcome.remarks = format!("onsetctl: {}\n", clean(&say::with_guess(&trouble, socket)));
            outcome.code = trouble.code();
        }
        outcome
    }
}

/// Names that are required lead to the jobs that provide them.
fn nodes(jobs: &[Value]) -> BTreeMap<String, Node> {
    let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for job in jobs {
        let name = say::text(job, "job");
        let provided = say::list(job, "provides").iter().filter_map(Value::as_str);
        for provision in provided.chain([name]) {
            let known = providers.entry(provision).or_default();
            if !known.contains(&name) {
                known.push(name);
            }
        }
    }
    let node = |job: &Value| {
        let mut below: Vec<(String, bool)> = Vec::new();
        for (key, needed) in [("needs", true), ("requires", false)] {
            let wanted = say::list(job, key).iter().filter_map(Value::as_str);
            for provider in wanted.filter_map(|name| providers.get(name)).flatten() {
                if *provider != say::text(job, "job") && !below.iter().any(|(known, _)| known == provider) {
                    below.push((String::from(*provider), needed));
                }
            }
        }
        (say::text(job, "job").to_string(), Node { up: is(job, "up"), below })
    };
    jobs.iter().map(node).collect()
}

/// Draws trees. What stands above already is not drawn again.
fn drawn(nodes: &BTreeMap<String, Node>, roots: Vec<String>, colours: bool) -> String {
    let mut text = String::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut left: Vec<(String, usize, bool)> = roots.into_iter().rev().map(|root| (root, 0, true)).collect();
    while let Some((name, depth, needed)) = left.pop() {
        let Some(node) = nodes.get(&name) else { continue };
        let again = !seen.insert(name.clone()) && !node.below.is_empty();
        let mark = match (node.up, colours) {
            (true, true) => "\x1b[32m*\x1b[0m",
            (true, false) => "*",
            (false, _) => "-",
        };
        let how = if needed { "" } else { " (required)" };
        let more = if again { " ..." } else { "" };
        text.push_str(&format!("{}{mark} {}{how}{more}\n", "  ".repeat(depth), clean(&name)));
        if !again && depth < MAX_DEPTH {
            let below = node.below.iter().rev();
            left.extend(below.map(|(name, needed)| (name.clone(), depth.saturating_add(1), *needed)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_hangs_below_and_is_drawn_once() {
        let job = |name: &str, needs: &[&str], requires: &[&str]| json!({ "job": name, "up": name == "db", "provides": [], "needs": needs, "requires": requires });
        let jobs = [
            job("shop", &["db"], &["net"]),
            job("db", &["net"], &[]),
            job("net", &[], &["net"]),
            job("x", &["shop"], &[]),
        ];
        assert_eq!(
            drawn(&nodes(&jobs), vec!["x".into(), "shop".into()], false),
            "- x\n  - shop\n    * db\n      - net\n    - net (required)\n- shop ...\n"
        );
    }
}
