//! When calendars that catch up came last, from one boot to the next.
//!
//! Onset asks when it has such calendars, and it is told what stood in the file. Then the file is written anew: what
//! came in this boot counts before what stood there, and what never came is counted from now on, so that a machine that
//! was off when it would have come first catches up, too. A machine that does not know the time writes nothing.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use events::{
    Condition, Dialect,
    calendar::{moment, rfc3339},
};
use serde_json::{Value, json};

use super::{
    task::{Task, reason, say},
    tell,
};
use crate::pid1::clock;

/// Where it is kept.
const FOLDER: &str = "var/lib/onset";
/// The file: a moment and a pattern in each line.
const NAME: &str = "calendars";
/// Before this moment, 2020, the machine does not know the time.
const KNOWN: i64 = 1_577_836_800;

/// Tells Onset what stands in the file, and writes what Onset knows.
pub fn run(task: &mut Task, words: &[String]) {
    if !words.is_empty() {
        return task.misused("calendars: nothing stands behind it");
    }
    let folder = task.path(FOLDER);
    let before = task.read(&format!("/{FOLDER}/{NAME}")).unwrap_or_default();
    let Some(timers) = tell::ask(task, "Timers", &json!({})) else { return };
    let timers = timers.get("timers").and_then(Value::as_array).cloned().unwrap_or_default();
    let now = clock::wall().div_euclid(1_000);
    let (after, untold) = merge(&before, &timers, now);
    for (pattern, moment) in untold {
        if let Some(args) = arguments(&pattern, moment) {
            tell::emit(task, "calendar-last", &args.iter().map(String::as_str).collect::<Vec<_>>(), false);
        }
    }
    if after != before
        && now >= KNOWN
        && let Err(error) = write(&folder, &after)
    {
        let path = folder.join(NAME);
        if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
            // That is how some machines are meant to be; whoever misses a run reads it in the log.
            say(format!(
                "{}: the file system is read-only: what comes while the machine is off does not come afterwards",
                path.display()
            ));
        } else {
            task.fault(format!("{}: {}", path.display(), reason(&error)));
        }
    }
}

/// What the file must have, and what Onset does not know of it.
fn merge(before: &str, timers: &[Value], now: i64) -> (String, Vec<(String, i64)>) {
    let known: BTreeMap<&str, i64> = before
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(time, pattern)| Some((pattern, moment(time)?)))
        .collect();
    let (mut after, mut untold) = (String::new(), Vec::new());
    for timer in timers.iter().filter(|timer| timer.get("catch_up").is_some_and(|it| *it == true)) {
        let Some(pattern) = timer.get("pattern").and_then(Value::as_str) else { continue };
        let last = timer.get("last").and_then(Value::as_str).and_then(moment);
        let before = known.get(pattern).copied();
        if let (None, Some(before)) = (last, before) {
            untold.push((pattern.to_owned(), before));
        }
        after.push_str(&format!("{} {pattern}\n", rfc3339(last.or(before).unwrap_or(now), 0)));
    }
    (after, untold)
}

/// The arguments of the event that tells of a pattern.
fn arguments(pattern: &str, moment: i64) -> Option<Vec<String>> {
    let condition = Condition::parse(pattern, Dialect::Edges).ok()?;
    let event = jobs::answer(condition.single()?);
    let mut args: Vec<String> = event.args.iter().map(|(key, value)| format!("{key}={value}")).collect();
    args.push(format!("TIME={}", rfc3339(moment, 0)));
    Some(args)
}

/// Writes the file so that it is there whole or as it was before.
fn write(folder: &Path, text: &str) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    let new = folder.join(format!("{NAME}.new"));
    let flags = nix::libc::O_NOFOLLOW;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(flags)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, folder.join(NAME))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(pattern: &str, last: Option<&str>, catch_up: bool) -> Value {
        json!({ "pattern": pattern, "last": last, "catch_up": catch_up })
    }

    #[test]
    fn what_came_in_this_boot_counts_before_what_was_written() {
        let before = "2026-11-19T03:00:00Z calendar AT=03:00 CATCH_UP=yes JOB=a\n\
                      2026-11-19T04:00:00Z calendar AT=\"Mon 04:00\" CATCH_UP=yes JOB=b\n\
                      nonsense\n2026-11-19T05:00:00Z calendar AT=05:00 CATCH_UP=yes JOB=gone\n";
        let timers = [
            timer("calendar AT=03:00 CATCH_UP=yes JOB=a", Some("2026-11-20T04:00:00+01:00"), true),
            timer("calendar AT=\"Mon 04:00\" CATCH_UP=yes JOB=b", None, true),
            timer("calendar AT=06:00 CATCH_UP=yes JOB=new", None, true),
            timer("calendar AT=07:00", Some("2026-11-20T07:00:00Z"), false),
        ];
        let (after, untold) = merge(before, &timers, 1_795_176_000);
        assert_eq!(
            after,
            "2026-11-20T03:00:00Z calendar AT=03:00 CATCH_UP=yes JOB=a\n\
             2026-11-19T04:00:00Z calendar AT=\"Mon 04:00\" CATCH_UP=yes JOB=b\n\
             2026-11-20T12:00:00Z calendar AT=06:00 CATCH_UP=yes JOB=new\n"
        );
        let b = "calendar AT=\"Mon 04:00\" CATCH_UP=yes JOB=b";
        assert_eq!(untold, [(b.to_owned(), 1_795_060_800)]);
        let args = arguments(b, 1_795_060_800).unwrap();
        assert_eq!(args, ["AT=Mon 04:00", "CATCH_UP=yes", "JOB=b", "TIME=2026-11-19T04:00:00Z"]);
        // What was written is read again as it is.
        assert_eq!(merge(&after, &timers, 0).0, after);
    }

    #[test]
    fn the_file_is_there_whole() {
        let folder = std::env::temp_dir().join(format!("onset-calendars-{}", std::process::id()));
        write(&folder, "a\n").unwrap();
        write(&folder, "b\n").unwrap();
        assert_eq!(fs::read_to_string(folder.join(NAME)).unwrap(), "b\n");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
