//! Programs in hook directories: `hooks/EVENT/NN-name`, and OPNsense's `rc.syshook.d/LEVEL/NN-name`.
//!
//! A hook is a task that its event starts. It gets the values of the event's arguments as its own, in order:
//! the executor adds them to the words given here, since they are known only when the event has happened. An
//! event that comes while it runs is kept and starts it again ([`Again::Queue`]).
//!
//! The hooks of one event run one after the other in the order of [`precedes`]: they take turns
//! ([`Job::turn`]), which whoever reads a directory says. A turn is over however the hook has ended, so one that
//! fails does not hold up the next, and one that hangs is ended at its limit.

use alloc::{collections::BTreeMap, format};
use core::time::Duration;

use events::Name;

use super::{
    Described, Reading, Source,
    script::{Script, first_line, lint_text, on_event},
};
use crate::{Again, Format, Job, Kind, ProcessKind, Report, Require, SETTLE};

/// How long a hook may take, if nothing else is said.
pub const LIMIT: Duration = Duration::from_secs(300);

/// For how long a hook without a limit is waited for.
const NO_LIMIT: Duration = Duration::from_secs(86_400);
/// How much longer than its limit one is waited for, so that its end is told and not the end of the wait.
const SPARE: Duration = Duration::from_secs(1);

/// The events that OPNsense's rc.syshook knows, all of which somebody emits.
pub const LEVELS: [&str; 10] =
    ["import", "early", "start", "stop", "carp", "monitor", "config", "update", "upgrade", "backup"];

/// The job for `file_name` in the hook directory of `event`: it is named `hooks/EVENT/NN-name`.
#[must_use]
pub fn read(event: &Name, file_name: &str, source: &Source) -> Reading {
    read_in("hooks", event, file_name, source)
}

/// The job for `file_name` in `rc.syshook.d/LEVEL`: it is named `rc.syshook.d/LEVEL/NN-name`, and the event
/// that starts it bears the level's name.
#[must_use]
pub fn read_syshook(level: &Name, file_name: &str, source: &Source) -> Reading {
    read_in("rc.syshook.d", level, file_name, source)
}

/// Whether a file of this name is a hook: those that start with a dot are not.
#[must_use]
pub fn is_hook_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.')
}

/// Whether the hook `a` runs before the hook `b` of the same event: by name, byte for byte, so that `100-x`
/// comes before `20-x`.
#[must_use]
pub fn precedes(a: &str, b: &str) -> bool {
    a < b
}

/// Lets the hooks of one event take turns, in the order of their names: each comes when the one before it has ended,
/// however it ended. Those that are said to run in parallel take none.
pub fn take_turns(hooks: &mut [Described]) {
    let mut last: BTreeMap<Name, (Name, Duration)> = BTreeMap::new();
    // As `precedes` has it: byte for byte.
    hooks.sort_by(|one, other| one.job.name.cmp(&other.job.name));
    for Described { job, work, .. } in hooks {
        let Some(event) = job.start_on.as_ref().and_then(|on| on.single()).map(|it| it.name.clone()) else {
            continue;
        };
        let own =
            job.start_timeout.unwrap_or(NO_LIMIT).saturating_add(job.kill.timeout).saturating_add(SPARE);
        let mut before = Duration::ZERO;
        if !work.parallel {
            job.turn = Some(event.clone());
            if let Some((name, all)) = last.get(&event) {
                before = *all;
                let mut requires = core::mem::take(&mut job.requires).into_vec();
                requires.push(Require { name: name.clone(), expected: None, optional: true });
                job.requires = requires.into();
            }
            last.insert(event, (job.name.clone(), before.saturating_add(own)));
        }
        // Whoever has emitted the event waits for all of them, also when each takes as long as it may.
        if job.settle == SETTLE {
            job.settle = before.saturating_add(own);
        }
    }
}

fn read_in(folder: &str, event: &Name, file_name: &str, source: &Source) -> Reading {
    if !is_hook_name(file_name) {
        return Reading::default();
    }
    let name = match Name::new(&format!("{folder}/{event}/{file_name}")) {
        Ok(name) => name,
        Err(fault) => {
            let message = format!("`{}` is no name for a hook: {fault}", file_name.escape_debug());
            let report = Report::error("bad-name", message).in_file(&source.path).help("rename the file");
            return Reading { described: None, reports: [report].into() };
        }
    };
    let mut script = Script::new(Job::new(name, Format::Hook), source);
    script.runs(ProcessKind::Main, None);
    script.job.kind = Kind::Helper;
    script.job.task = true;
    script.job.again = Again::Queue;
    script.job.start_on = Some(on_event(event.clone()));
    script.job.start_timeout = Some(LIMIT);
    if source.text.starts_with(['#', '\u{feff}']) {
        lint_text(&source.path, first_line(&source.text), &mut script.reports);
    }
    script.require_executable();
    script.finish()
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString as _, vec::Vec};

    use super::*;
    use crate::{Command, StartMode};

    fn hook(event: &str, file_name: &str, executable: bool) -> Reading {
        let path = format!("/etc/onset/hooks/{event}/{file_name}");
        let source = Source { path, text: "#!/bin/sh\n".into(), executable };
        read(&Name::new(event).unwrap(), file_name, &source)
    }

    #[test]
    fn a_hook_is_a_task_that_its_event_starts() {
        let reading = hook("newwanip", "10-ddns", true);
        let described = reading.described.unwrap();
        let job = &described.job;
        assert_eq!(
            (job.name.as_str(), job.task, &job.again),
            ("hooks/newwanip/10-ddns", true, &Again::Queue)
        );
        assert_eq!(job.start_on.as_ref().unwrap().single().unwrap().name, "newwanip");
        let argv = Command::Argv([described.path.clone()].into());
        assert_eq!(described.work.processes, [(ProcessKind::Main, argv)]);
        assert_eq!(reading.reports, []);
    }

    #[test]
    fn a_syshook_has_the_level_as_its_event() {
        let source = Source { path: "/x/20-freebsd".into(), text: "".into(), executable: true };
        let job = read_syshook(&Name::new("start").unwrap(), "20-freebsd", &source).described.unwrap().job;
        assert_eq!(job.name, "rc.syshook.d/start/20-freebsd");
        assert_eq!(job.start_on.unwrap().single().unwrap().name, "start");
    }

    #[test]
    fn a_hook_that_is_not_executable_is_disabled_and_named() {
        let reading = hook("stop", "05-beep", false);
        assert_eq!(reading.described.unwrap().job.start, StartMode::Disabled("not executable".into()));
        let [report] = &*reading.reports else { panic!("one report") };
        assert_eq!(
            (report.code, &*report.places[0].path),
            ("not-executable", "/etc/onset/hooks/stop/05-beep")
        );
    }

    #[test]
    fn a_hook_with_a_byte_order_mark_is_named() {
        let source = |text: &str| Source { path: "/x/10".into(), text: text.into(), executable: true };
        let codes = |text: &str| -> Vec<&str> {
            let reading = read_syshook(&Name::new("start").unwrap(), "10", &source(text));
            reading.reports.iter().map(|report| report.code).collect()
        };
        assert_eq!(codes("\u{feff}#!/bin/sh\n"), ["byte-order-mark"]);
        assert_eq!(codes("#!/bin/sh\r\n"), ["carriage-return"]);
        assert_eq!(codes("\u{7f}ELF\r"), [""; 0]);
    }

    #[test]
    fn files_that_start_with_a_dot_are_no_hooks() {
        assert_eq!(hook("stop", ".swp", true), Reading::default());
        assert_eq!(hook("stop", "", true), Reading::default());
    }

    #[test]
    fn a_name_with_a_blank_is_refused() {
        let reading = hook("stop", "10 beep", true);
        assert_eq!(reading.described, None);
        assert_eq!(
            reading.reports[0].message.to_string(),
            "`10 beep` is no name for a hook: has the character ' ', which is not allowed here"
        );
    }

    #[test]
    fn hooks_run_in_the_order_of_their_names() {
        let mut names: Vec<&str> = ["20-b", "100-a", "05-z", "20-a"].into();
        names.sort_by(
            |a, b| if precedes(a, b) { core::cmp::Ordering::Less } else { core::cmp::Ordering::Greater },
        );
        assert_eq!(names, ["05-z", "100-a", "20-a", "20-b"]);
    }
}
