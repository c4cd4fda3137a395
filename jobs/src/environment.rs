//! The environment of a process, made from nothing: a fixed base, the job's variables, those of its events.

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use events::{Args, Text};

use crate::Job;

/// The variables of a process of `job`, in order and each once.
///
/// `base` is what every process gets (PATH, TERM); `init` knows the value that a variable has for init itself,
/// for those that the job names without a value; `env` is what [`Action::Spawn`](crate::Action::Spawn) brings.
/// The job's name and instance stand last: nothing overrides them.
#[must_use]
pub fn environment(
    job: &Job,
    instance: &Text,
    env: &Args,
    base: &[(String, String)],
    init: &dyn Fn(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = base.to_vec();
    let mut set = |key: &str, value: &str| match variables.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = value.to_string(),
        None => variables.push((key.to_string(), value.to_string())),
    };
    for (key, value) in &job.env {
        match value {
            Some(value) => set(key, value),
            None => {
                if let Some(value) = init(key) {
                    set(key, &value);
                }
            }
        }
    }
    for (key, value) in env.iter() {
        set(key, value);
    }
    set("UPSTART_JOB", &job.name);
    set("UPSTART_INSTANCE", instance);
    variables
}
