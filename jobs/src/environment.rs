//! The environment of a process, made from nothing: a fixed base, the job's variables, those of its events.

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use events::{Args, Text};

use crate::{Format, Job};

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
    if job.format == Format::Lsb {
        add_levels(&mut variables);
    }
    variables
}

/// What rc(8) of SysV tells a script: the run level, and the one before. At boot that is what init tells rcS. Who is
/// started by hand is told of none, as service(8) has it.
fn add_levels(variables: &mut Vec<(String, String)>) {
    let value = |key: &str| variables.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
    let is_boot =
        || value("UPSTART_EVENTS").is_some_and(|events| events.split(' ').any(|event| event == "startup"));
    let (level, before) = match value("RUNLEVEL") {
        Some(level) => (level, value("PREVLEVEL")),
        None if is_boot() => ("S".into(), None),
        None => return,
    };
    let before = before.filter(|before| !before.is_empty()).unwrap_or_else(|| "N".into());
    let pairs = [("RUNLEVEL", &level), ("PREVLEVEL", &before), ("runlevel", &level), ("previous", &before)];
    for (key, value) in pairs {
        variables.retain(|(known, _)| known != key);
        variables.push((key.into(), value.clone()));
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec::Vec};

    use events::{Args, Name, Text};

    use super::environment;
    use crate::{Format, Job};

    /// What a script that was started with `env` is told of run levels.
    fn check(format: Format, env: &[(&str, &str)], expected: &[&str]) {
        let job = Job::new(Name::constant("cron"), format);
        let mut args = Args::new();
        for (key, value) in env {
            args.push((*key).parse().unwrap(), (*value).parse().unwrap());
        }
        let variables = environment(&job, &Text::from(""), &args, &[], &|_| None);
        let levels = variables
            .iter()
            .filter(|(key, _)| ["RUNLEVEL", "PREVLEVEL", "runlevel", "previous"].contains(&key.as_str()));
        let levels: Vec<_> = levels.map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(levels, expected, "{env:?}");
    }

    #[test]
    fn a_script_is_told_the_run_level_and_the_one_before() {
        let second = ["RUNLEVEL=2", "PREVLEVEL=N", "runlevel=2", "previous=N"];
        check(Format::Lsb, &[("RUNLEVEL", "2"), ("PREVLEVEL", "N")], &second);
        check(Format::Lsb, &[("RUNLEVEL", "2")], &second);
        check(
            Format::Lsb,
            &[("RUNLEVEL", "2"), ("PREVLEVEL", "N"), ("RUNLEVEL", "0"), ("PREVLEVEL", "2")],
            &["RUNLEVEL=0", "PREVLEVEL=2", "runlevel=0", "previous=2"],
        );
        check(
            Format::Lsb,
            &[("UPSTART_EVENTS", "startup")],
            &["RUNLEVEL=S", "PREVLEVEL=N", "runlevel=S", "previous=N"],
        );
        check(Format::Lsb, &[], &[]);
        check(Format::Native, &[("RUNLEVEL", "2"), ("PREVLEVEL", "N")], &["RUNLEVEL=2", "PREVLEVEL=N"]);
    }
}
