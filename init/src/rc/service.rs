//! `service`: lists the scripts of rc.d, and acts on one.
//!
//! Where Onset runs it does what it has a verb for, so that the job's state is right; everything else is the script's own
//! verb, run in an environment of its own.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use events::Name;
use jobs::{
    ProcessKind, StartMode,
    formats::{
        Source,
        rc_conf::RcConf,
        rcd::{self, KeywordFilter, is_script_name},
    },
};

use super::{
    call::{Call, reason},
    rc_conf::{Files, LOCAL_STARTUP, Values, text_of},
    rcorder,
};
use crate::{
    cli::connection::{Wire, socket_path},
    stock::program,
};

const USAGE: &str = "\
Usage: service -e | -l | -r | -R [-v]
       service [-E VAR=VALUE ...] [-v] NAME VERB [ARGUMENT ...]

  -e  show the services that are enabled, in the order in which they start
  -l  show all scripts
  -r  show the order in which scripts start
  -R  restart all enabled services of packages
  -E  set a variable for the script (may be repeated)
  -v  say more
";

/// Where the system's own scripts are.
const SYSTEM: &str = "/etc/rc.d";
/// Where a script finds commands; those here come last.
const PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/lib/onset/rc/bin";
/// What of our environment a script gets besides.
const KEPT: [&str; 3] = ["TERM", "LANG", "ONSET_CONTROL"];
/// What Onset has a verb for.
const VERBS: [&str; 6] = ["start", "stop", "restart", "reload", "status", "force-reload"];

/// What the options ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Enabled,
    Scripts,
    Order,
    Restart,
}

/// `service` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let (mut what, mut verbose) = (None, false);
    let mut variables: Vec<(OsString, OsString)> = Vec::new();
    let (options, rest) = match call.options("E:ej:hlrRv", 1, USAGE) {
        Ok(read) => read,
        Err(status) => return status,
    };
    for option in options {
        match option.letter {
            'e' => what = Some(What::Enabled),
            'l' => what = Some(What::Scripts),
            'r' => what = Some(What::Order),
            'R' => what = Some(What::Restart),
            'v' => verbose = true,
            'E' => match option.value.to_str().and_then(|text| text.split_once('=')) {
                Some((key, value)) => variables.push((key.into(), value.into())),
                None => return call.fail(1, &format!("{}: not VAR=VALUE", option.value.display())),
            },
            'j' => return call.fail(1, &"there are no jails on Linux"),
            _ => return call.misuse(1, USAGE),
        }
    }
    match (what, rest) {
        (Some(what), []) => show(call, what, verbose),
        (None, [name, verb, rest @ ..]) => act(call, name, verb, rest, &variables),
        (Some(_), _) | (None, _) => call.misuse(1, USAGE),
    }
}

/// The names of all scripts.
pub fn names() -> Vec<String> {
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    folders().iter().flat_map(|folder| scripts(folder)).filter_map(name).collect()
}

/// The system's folder, and those of packages.
fn folders() -> Vec<PathBuf> {
    let local = Values::read(&Files::of_machine()).get("local_startup").ok().flatten();
    let local = local.unwrap_or_else(|| LOCAL_STARTUP.into());
    [SYSTEM].into_iter().chain(local.split_whitespace()).map(PathBuf::from).collect()
}

/// The scripts of a folder, by name.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let is_script = |path: &PathBuf| {
        path.file_name().and_then(OsStr::to_str).is_some_and(is_script_name) && is_executable(path)
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut scripts: Vec<PathBuf> = entries.filter(is_script).collect();
    scripts.sort();
    scripts
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn show(call: &Call, what: What, verbose: bool) -> u8 {
    let folders = folders();
    if what == What::Scripts {
        let mut text = String::new();
        for folder in &folders {
            if verbose {
                text.push_str(&format!("From {}:\n", folder.display()));
            }
            let names = scripts(folder).into_iter().filter_map(|path| Some(path.file_name()?.to_os_string()));
            names.for_each(|name| text.push_str(&format!("{}\n", name.to_string_lossy())));
        }
        return call.show(text.as_bytes());
    }
    let all: Vec<PathBuf> = folders.iter().flat_map(|folder| scripts(folder)).collect();
    let ordered = rcorder::in_order(&all, &[b"nostart"]);
    let lines = |paths: &[&Path]| {
        let divider = divider(paths).filter(|_| verbose && what == What::Order);
        let mut text = String::new();
        for (place, path) in paths.iter().enumerate() {
            text.push_str(&format!("{}\n", path.display()));
            if divider == Some(place) {
                text.push_str("- Early/Late Divider -\n");
            }
        }
        call.show(text.as_bytes())
    };
    if what == What::Order {
        return lines(&ordered);
    }
    let conf = conf(&all);
    let enabled: Vec<&Path> = ordered.into_iter().filter(|path| is_enabled(path, &conf)).collect();
    if what == What::Enabled {
        return lines(&enabled);
    }
    let local: Vec<&Path> = enabled.into_iter().filter(|path| !path.starts_with(SYSTEM)).collect();
    let told =
        local.iter().rev().map(|path| (*path, "stop")).chain(local.iter().map(|path| (*path, "start")));
    told.fold(0, |code, (path, verb)| {
        if verbose {
            call.warn(&format!("{} {verb}", path.display()));
        }
        let status = script(path, OsStr::new(verb), &[], &[]).status();
        if status.is_ok_and(|status| status.success()) { code } else { 1 }
    })
}

/// Where the first pass of rc(8) ends.
fn divider(paths: &[&Path]) -> Option<usize> {
    let conf = Values::read(&Files::of_machine()).get("early_late_divider").ok().flatten();
    let name = conf.unwrap_or_else(|| "FILESYSTEMS".into());
    paths.iter().position(|path| path.file_name().is_some_and(|file| file == name.as_str()))
}

/// What rc.conf says, with the files that each script reads besides.
fn conf(scripts: &[PathBuf]) -> RcConf {
    let machine = Files::of_machine();
    let mut sources = Vec::new();
    let mut add = |path: &Path, name: String| {
        if let Ok(bytes) = fs::read(path) {
            sources.push(Source { path: name, text: text_of(&bytes), executable: false });
        }
    };
    if let Some(path) = &machine.defaults {
        add(path, "/etc/defaults/rc.conf".into());
    }
    for path in &machine.own {
        add(path, path.display().to_string());
    }
    let names = scripts.iter().filter_map(|path| {
        let source = source(path)?;
        rcd::names(&Name::new(path.file_name()?.to_str()?).ok()?, &source).name
    });
    for name in names {
        for path in Files::of_service(&name) {
            let shown = path.display().to_string();
            add(&path, shown);
        }
    }
    RcConf::from_files(&sources).0
}

fn source(path: &Path) -> Option<Source> {
    let text = text_of(&fs::read(path).ok()?);
    Some(Source { path: path.display().to_string(), text, executable: is_executable(path) })
}

/// Whether a script has an rcvar, and that is yes.
fn is_enabled(path: &Path, conf: &RcConf) -> bool {
    let Some(source) = source(path) else { return false };
    let has_rcvar = source.text.lines().any(|line| line.starts_with("rcvar"));
    let name = path.file_name().and_then(OsStr::to_str).and_then(|name| Name::new(name).ok());
    let (true, Some(name)) = (has_rcvar, name) else { return false };
    let Some(described) = rcd::read(&name, &source, conf, &KeywordFilter::default()).described else {
        return false;
    };
    let asks = described.work.processes.iter().any(|(kind, _)| *kind == ProcessKind::Check);
    match described.job.start {
        StartMode::Disabled(_) => false,
        // Only the script itself can tell.
        StartMode::Automatic | StartMode::Manual if asks => {
            let mut command = script(path, OsStr::new("enabled"), &[], &[]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        }
        StartMode::Automatic | StartMode::Manual => true,
    }
}

/// A script with this verb, in an environment of its own.
fn script(path: &Path, verb: &OsStr, rest: &[OsString], variables: &[(OsString, OsString)]) -> Command {
    let mut command = Command::new(path);
    command.arg(verb).args(rest).current_dir("/").env_clear();
    command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.env("HOME", "/").env("PATH", PATH).envs(variables.iter().map(|(key, value)| (key, value)));
    command
}

fn act(call: &Call, name: &OsStr, verb: &OsStr, rest: &[OsString], variables: &[(OsString, OsString)]) -> u8 {
    let is_name = !name.is_empty() && !name.as_bytes().contains(&b'/') && name != "." && name != "..";
    let folders = folders();
    let path = folders.iter().map(|folder| folder.join(name)).find(|path| is_name && is_executable(path));
    let is_ours = verb.to_str().is_some_and(|verb| VERBS.contains(&verb)) && variables.is_empty();
    let is_asked = (is_ours || path.is_none()) && Wire::open(&socket_path(None)).is_ok();
    if let Some(onsetctl) = is_asked.then(|| program::find("onsetctl")).flatten() {
        let words: Vec<&OsStr> =
            [name, verb].into_iter().chain(rest.iter().map(OsString::as_os_str)).collect();
        let error = program::become_program(&onsetctl, Some("service"), &words);
        return call.fail(126, &format!("{}: {}", onsetctl.display(), reason(&error)));
    }
    let Some(path) = path else {
        let local: Vec<String> = folders.iter().skip(1).map(|folder| folder.display().to_string()).collect();
        return call.fail(
            1,
            &format!(
                "{} does not exist in {SYSTEM} or the local startup directories ({}), or is not executable",
                name.display(),
                local.join(" ")
            ),
        );
    };
    let error = script(&path, verb, rest, variables).exec();
    call.fail(126, &format!("{}: {}", path.display(), reason(&error)))
}
