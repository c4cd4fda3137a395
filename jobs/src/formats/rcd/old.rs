//! Scripts of the folder for packages that are older than headers.
//!
//! rc(8) starts those there only that have a line `# PROVIDE:`. Its script `localpkg` runs what is called `*.sh` and has
//! none, one after the other: first those whose name begins with a digit. Where the machine has that script, it does so;
//! elsewhere each is a job, in the same order and place.

use alloc::{format, vec::Vec};

use events::Name;

use crate::{
    Format, Job, ProcessKind, Provide, Ready, Require, STOP_VERB_LIMIT,
    formats::{
        Reading, Source,
        rc_conf::RcConf,
        script::{Script, on_event},
    },
};

/// The name under which all of them stand in the order.
pub const LOCALPKG: &str = "localpkg";
/// What is done before the first, and what waits for the last.
const AFTER: [&str; 3] = ["abi", "FILESYSTEMS", "NETWORKING"];
const BEFORE: &str = "securelevel";
/// The folder, below the root of a machine.
const FOLDER: &str = "/usr/local/etc/rc.d";

/// Whether a script lies in the folder for packages, and has no line by which rc(8) would start it.
#[must_use]
pub fn is_without_provide(source: &Source) -> bool {
    let folder = source.path.rsplit_once('/').map(|(folder, _)| folder);
    folder.is_some_and(|folder| folder.ends_with(FOLDER))
        && !source.text.lines().any(|line| line.starts_with("# PROVIDE:"))
}

/// Whether a script of this name without a header is one that `localpkg` runs.
#[must_use]
pub fn is_old_name(name: &str) -> bool {
    name.ends_with(".sh")
}

/// Puts such scripts in the order in which they run.
pub fn sort(names: &mut [Name]) {
    names.sort_by_key(|name| (!name.starts_with(|c: char| c.is_ascii_digit()), name.clone()));
}

/// The job of such a script, which comes behind another.
#[must_use]
pub fn read(name: &Name, source: &Source, behind: Option<&Name>, conf: &RcConf) -> Reading {
    let mut script = Script::new(Job::new(name.clone(), Format::Rcd), source);
    script.require_executable();
    script.runs(ProcessKind::Main, Some("start"));
    script.job.ready = Ready::Forked;
    if super::takes_verbs(&source.text) {
        script.runs(ProcessKind::Stop, Some("stop"));
    }
    let provides = [name.clone(), Name::constant(LOCALPKG)];
    script.job.provides = provides.map(|name| Provide { name, expected: None }).into();
    let after: Vec<Name> = match behind {
        Some(behind) => Vec::from([behind.clone()]),
        None => AFTER.map(Name::constant).into(),
    };
    let requires = after.into_iter().map(|name| Require { name, expected: None, optional: true });
    script.job.requires = requires.collect();
    script.job.before = [Name::constant(BEFORE)].into();
    script.job.keywords = [Name::constant("shutdown")].into();
    script.job.start_on = Name::new("startup").ok().map(on_event);
    script.job.kill.timeout = STOP_VERB_LIMIT;
    script.job.kill.together = super::shutdown_limit(conf);
    script.finish()
}

/// The job of a script there that nobody starts, and why.
pub fn leave(reading: &mut Reading, by: Option<&Name>) {
    let why = match by {
        Some(script) => format!("`{script}` runs it"),
        None => "it has no line `# PROVIDE:`".into(),
    };
    if let Some(described) = &mut reading.described {
        described.job.start = crate::StartMode::Disabled(why.into());
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn those_with_a_digit_come_first() {
        let mut names: Vec<Name> = ["b.sh", "20.x.sh", "a.sh", "100.y.sh"]
            .into_iter()
            .map(|name| Name::new(name).unwrap())
            .collect();
        sort(&mut names);
        assert_eq!(names, vec!["100.y.sh", "20.x.sh", "a.sh", "b.sh"]);
    }

    #[test]
    fn only_the_folder_for_packages_asks_for_a_header() {
        let is = |path: &str, text: &str| {
            is_without_provide(&Source { path: path.into(), text: text.into(), executable: true })
        };
        assert!(is("/usr/local/etc/rc.d/a.sh", "echo\n"));
        assert!(is("/machine/usr/local/etc/rc.d/a", "# REQUIRE: x\n #PROVIDE: x\n"));
        assert!(!is("/usr/local/etc/rc.d/a.sh", "\n# PROVIDE: a\n"));
        assert!(!is("/etc/rc.d/a.sh", "echo\n"));
    }
}
