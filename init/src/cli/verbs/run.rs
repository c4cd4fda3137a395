//! Runs a script or command in place of this process: it has the caller's terminal, and its exit status is ours.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::super::{Outcome, say};
use crate::executor::{COMMANDS, SEARCH, users::Room};

/// What a script keeps of the caller's environment, as service(8) has it.
const KEPT: [&str; 4] = ["LANG", "LANGUAGE", "TERM", "ONSET_CONTROL"];
/// The file of a cgroup that takes processes.
const PROCESSES: &str = "cgroup.procs";

/// Executes a script with a verb, as a member of this cgroup. It comes back only with why it cannot.
pub(super) fn script(
    path: &Path,
    verb: &str,
    args: &[String],
    cgroup: Option<PathBuf>,
) -> Result<Outcome, String> {
    join(cgroup);
    let mut command = plain(&path.to_string_lossy());
    if path.parent().is_some_and(|folder| folder.ends_with("rc.d")) {
        command.env("PATH", format!("{SEARCH}:{COMMANDS}"));
    }
    command.arg(verb).args(args).current_dir("/");
    // What Debian's scripts source would otherwise hand the verb back to Onset.
    command.env("UPSTART_JOB", path.file_name().unwrap_or_default());
    let error = command.exec();
    Err(match error.raw_os_error() {
        Some(libc::ENOEXEC) if starts_with_mark(path) => {
            format!("{} starts with a byte order mark (BOM): remove it", path.display())
        }
        Some(_) | None => format!("cannot execute {}: {error}", path.display()),
    })
}

/// Executes a command of a job with what `Show` says of the job: its user, its folder, its variables.
pub(super) fn command(
    show: &Value,
    command: &jobs::Command,
    args: &[String],
    cgroup: Option<PathBuf>,
) -> String {
    let words = match command {
        jobs::Command::Script(text) => {
            let text = text.trim_end_matches('\n').to_owned();
            vec!["/bin/sh".into(), "-e".into(), "-c".into(), text, say::text(show, "name").into()]
        }
        jobs::Command::Exec(_) | jobs::Command::Argv(_) | jobs::Command::Program(..) => command.argv(),
    };
    let program = command.program().map(String::from).or_else(|| words.first().cloned());
    let Some(program) = program else { return "there is no command".into() };
    join(cgroup);
    let work = say::part(show, "work");
    if let Err(why) = become_like(work) {
        return why;
    }
    let mut process = plain(&program);
    for (key, value) in say::part(show, "env").as_object().into_iter().flatten() {
        match value.as_str() {
            Some(value) => process.env(key, value),
            None => process.env(key, std::env::var_os(key).unwrap_or_default()),
        };
    }
    process.env("UPSTART_JOB", say::text(show, "name"));
    if let Some(name) = words.first() {
        process.arg0(name);
    }
    let error = process.args(words.iter().skip(1)).args(args).exec();
    format!("cannot execute {program}: {error}")
}

/// The cgroup that a job's processes are in.
pub(super) fn cgroup_of(status: &Value) -> Option<PathBuf> {
    let pids = say::list(status, "processes").iter().filter_map(|process| say::part(process, "pid").as_u64());
    pids.filter_map(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let below = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Some(Path::new("/sys/fs/cgroup").join(below))
    })
    .find(|folder| folder.join(PROCESSES).exists())
}

/// What this process executes, and leaves behind, is the job's. Where it may not join, it goes on as the caller's.
fn join(cgroup: Option<PathBuf>) {
    if let Some(folder) = cgroup {
        let _ = fs::write(folder.join(PROCESSES), "0");
    }
}

fn plain(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", "/").env("PATH", SEARCH);
    let is_kept = |key: &str| KEPT.contains(&key) || key.starts_with("LC_");
    command.envs(std::env::vars_os().filter(|(key, _)| key.to_str().is_some_and(is_kept)));
    command
}

/// Whether a file begins with a byte order mark, for which the kernel knows no way to execute it.
fn starts_with_mark(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with("\u{feff}".as_bytes()))
}

/// Has this process be as the job's processes are.
fn become_like(work: &Value) -> Result<(), String> {
    use crate::sys::child;
    let at = |step: &'static str| move |error: std::io::Error| format!("{step}: {error}");
    let number = |key: &str| say::part(work, key).as_i64();
    if let Some(mask) = number("umask").and_then(|mask| u16::try_from(mask).ok()) {
        child::umask(mask);
    }
    if let Some(nice) = number("nice").and_then(|nice| i8::try_from(nice).ok()) {
        child::nice(nice).map_err(at("nice"))?;
    }
    if let Some(root) = say::part(work, "chroot").as_str() {
        nix::unistd::chroot(root).map_err(|error| at("chroot")(error.into()))?;
    }
    let folder = say::part(work, "chdir").as_str().unwrap_or("/");
    std::env::set_current_dir(folder).map_err(|error| format!("chdir: {folder}: {error}"))?;
    let mut room = Room::default();
    let user = say::part(work, "user").as_str();
    let found = user.map(|name| room.user(name).ok_or_else(|| format!("setuid: no user `{name}`")));
    let found = found.transpose()?;
    let group = match say::part(work, "group").as_str() {
        Some(name) => Some(room.group(name).ok_or_else(|| format!("setgid: no group `{name}`"))?),
        None => found.and_then(|user| user.gid),
    };
    if let Some(group) = group {
        room.add_group(group);
        if found.is_some() {
            room.add_memberships();
        }
        for name in say::list(work, "groups").iter().filter_map(Value::as_str) {
            let group = room.group(name).ok_or_else(|| format!("setgroups: no group `{name}`"))?;
            room.add_group(group);
        }
        child::groups(&room.groups).map_err(at("setgroups"))?;
        child::group(group).map_err(at("setgid"))?;
    }
    if let Some(user) = found {
        child::user(user.uid).map_err(at("setuid"))?;
    }
    Ok(())
}
