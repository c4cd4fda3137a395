//! `onset-emit`: an event, or a fact that begins or ends, told to Onset by as little as it takes.
//!
//! A script of a DHCP client calls it for each lease, a rule for each device. So it reads its words by itself, makes one
//! message and reads one answer, and has nothing of what `onsetctl` has besides. It does not wait for what the event
//! causes unless it is asked to: a hook that waited would hold up who called it.

use std::{
    io::{self, Write as _},
    path::Path,
};

use core::time::Duration;

use events::control::Json;

use crate::cli::{
    connection::{AT_ONCE, Wire, socket_path},
    exit::{DONE, UNREACHABLE, USAGE, clean, code_of},
};

const HELP: &str = "\
Tells Onset that something has happened

Usage: onset-emit [OPTIONS] EVENT [KEY=VALUE]...
       onset-emit --set [--keep] [--id ID] NAME [KEY=VALUE]...
       onset-emit --unset [--id ID] NAME [KEY=VALUE]...

Options:
      --wait           Wait until all that the event causes is done
  -n, --no-wait        Do not wait, as without it
      --set            The fact NAME holds from now on
      --unset          It holds no longer
      --keep           Let it hold on when the job that sets it has ended
      --id ID          What tells the fact from others of its name
      --socket PATH    The socket at which Onset listens [default: $ONSET_CONTROL, or /run/onset/control]
  -q, --quiet          Say nothing, and end well, if Onset does not run here
  -h, --help           Print help
  -V, --version        Print version

Examples:
  onset-emit lease IFACE=eth0 ADDRESS=192.0.2.7
  onset-emit --set online IFACE=eth0
  onset-emit --unset online IFACE=eth0

Exit status:
  0  done
  1  a job failed, or it was refused
  2  the command is wrong
  4  only root may do it
  5  Onset cannot be reached
  6  not done in time; it goes on
  7  Onset restarted meanwhile, and whether it was done is not known
";

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Event { wait: bool },
    Set { keep: bool },
    Unset,
}

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
struct Said<'w> {
    what: What,
    name: &'w str,
    args: Vec<&'w str>,
    id: Option<&'w str>,
    socket: Option<&'w str>,
    is_quiet: bool,
}

/// What else a command line may be.
#[derive(Debug, PartialEq, Eq)]
enum Other {
    Help,
    Version,
    Wrong(String),
}

/// Does what the words of this process's command line say, and gives the exit code.
#[must_use]
pub fn begin() -> i32 {
    crate::boot::open_standard_fds();
    crate::sys::signals::ignore_closed_pipes();
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let plain: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let said = match plain {
        Some(words) => read(&words),
        None => Err(Other::Wrong("a word is not UTF-8".into())),
    };
    i32::from(match said {
        Ok(said) => tell(&said),
        Err(Other::Help) => show(HELP),
        Err(Other::Version) => show(concat!("onset-emit ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(Other::Wrong(why)) => fail(&format!("{why}; `onset-emit --help` tells how"), USAGE),
    })
}

fn show(text: &str) -> u8 {
    // Whether it reaches anybody is not our fault.
    let _ = io::stdout().write_all(text.as_bytes());
    DONE
}

fn fail(why: &str, code: u8) -> u8 {
    let _ = writeln!(io::stderr(), "onset-emit: {}", clean(why));
    code
}

fn read<'w>(words: &[&'w str]) -> Result<Said<'w>, Other> {
    let (mut what, mut wait, mut keep) = (None, None, false);
    let (mut id, mut socket, mut is_quiet) = (None, None, false);
    let mut words = words.iter().copied();
    let mut rest: Vec<&str> = Vec::new();
    let mut once = |new: What| match what.replace(new) {
        None => Ok(()),
        Some(_) => Err(Other::Wrong("either `--set` or `--unset`".into())),
    };
    while let Some(word) = words.next() {
        let mut value = |option: &str| {
            words.next().ok_or_else(|| Other::Wrong(format!("`{option}` wants a value behind it")))
        };
        match word {
            "-h" | "--help" => return Err(Other::Help),
            "-V" | "--version" => return Err(Other::Version),
            "--set" => once(What::Set { keep: false })?,
            "--unset" => once(What::Unset)?,
            "--wait" => wait = Some(true),
            "-n" | "--no-wait" => wait = Some(false),
            "--keep" => keep = true,
            "-q" | "--quiet" => is_quiet = true,
            "--id" => id = Some(value(word)?),
            "--socket" => socket = Some(value(word)?),
            "--" => rest.extend(words.by_ref()),
            option if option.starts_with('-') && rest.is_empty() => {
                return Err(Other::Wrong(format!("there is no option `{option}`")));
            }
            word => rest.push(word),
        }
    }
    let mut rest = rest.into_iter();
    let Some(name) = rest.next().filter(|name| !name.is_empty()) else {
        return Err(Other::Wrong("which event? The first word names it".into()));
    };
    let what = match what.unwrap_or(What::Event { wait: false }) {
        What::Event { .. } if keep || id.is_some() => {
            return Err(Other::Wrong("`--keep` and `--id` are for facts".into()));
        }
        What::Event { .. } => What::Event { wait: wait.unwrap_or_default() },
        What::Set { .. } | What::Unset if wait.is_some() => {
            return Err(Other::Wrong("`--wait` is for events".into()));
        }
        What::Set { .. } => What::Set { keep },
        What::Unset if keep => return Err(Other::Wrong("`--keep` is for `--set`".into())),
        What::Unset => What::Unset,
    };
    let args: Vec<&str> = rest.collect();
    if let Some(word) = args.iter().find(|word| !word.contains('=')) {
        return Err(Other::Wrong(format!("`{word}` is not KEY=VALUE")));
    }
    Ok(Said { what, name, args, id, socket, is_quiet })
}

/// The call that says it.
fn message(said: &Said<'_>) -> Vec<u8> {
    let (method, key, more) = match said.what {
        What::Event { wait } => ("Emit", "event", format!(",\"wait\":{wait}")),
        What::Set { keep } => ("SetFact", "name", format!(",\"keep\":{keep}")),
        What::Unset => ("UnsetFact", "name", String::new()),
    };
    let mut text = format!("{{\"method\":\"org.onset.Manager.{method}\",\"parameters\":{{\"{key}\":");
    quote(said.name, &mut text);
    text.push_str(",\"args\":[");
    for (place, word) in said.args.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        quote(word, &mut text);
    }
    text.push(']');
    text.push_str(&more);
    if let Some(id) = said.id {
        text.push_str(",\"id\":");
        quote(id, &mut text);
    }
    text.push_str("}}\0");
    text.into_bytes()
}

/// Writes a text as JSON.
fn quote(text: &str, to: &mut String) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => to.extend(['\\', c]),
            c if u32::from(c) < 0x20 => to.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => to.push(c),
        }
    }
    to.push('"');
}

fn tell(said: &Said<'_>) -> u8 {
    let path = socket_path(said.socket.map(Path::new));
    let limit = match said.what {
        What::Event { wait: true } => None,
        What::Event { wait: false } | What::Set { .. } | What::Unset => Some(AT_ONCE),
    };
    match call(&path, &message(said), limit) {
        Ok(answer) => judge(&answer),
        Err(trouble) if trouble.code() == UNREACHABLE && said.is_quiet => DONE,
        Err(trouble) => fail(&trouble.text(), trouble.code()),
    }
}

fn call(path: &Path, message: &[u8], limit: Option<Duration>) -> Result<Vec<u8>, crate::cli::exit::Trouble> {
    let mut wire = Wire::open(path)?;
    wire.write(message)?;
    wire.read(limit, &mut |_| {})
}

/// What an answer means.
fn judge(answer: &[u8]) -> u8 {
    let Ok(Json::Object(members)) = Json::read(answer) else {
        return fail("the answer makes no sense", UNREACHABLE);
    };
    let member = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let Some(error) = member("error").and_then(Json::as_text) else { return DONE };
    let error = error.rsplit('.').next().unwrap_or(error);
    let reason = match member("parameters") {
        Some(Json::Object(parameters)) => ["reason", "message", "parameter"].iter().find_map(|name| {
            parameters.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_text())
        }),
        Some(_) | None => None,
    };
    let text = match (error, reason) {
        ("PermissionDenied", _) => "only root may do this".into(),
        ("EventFailed", _) => "a job that it concerned failed".into(),
        (_, Some(reason)) => String::from(reason),
        (error, None) => String::from(error),
    };
    fail(&text, code_of(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let found = match read(&words) {
            Ok(said) => String::from_utf8(message(&said)).unwrap(),
            Err(Other::Wrong(why)) => why,
            Err(other) => format!("{other:?}"),
        };
        assert!(found.contains(expected), "{line}: {found}");
    }

    #[test]
    fn words_become_one_call() {
        check(
            "lease IFACE=eth0 A=\"\\",
            "{\"method\":\"org.onset.Manager.Emit\",\"parameters\":{\"event\":\"lease\",\"args\":[\"IFACE=eth0\",\"A=\\\"\\\\\"],\"wait\":false}}\0",
        );
        check("--wait lease", "\"args\":[],\"wait\":true");
        check("lease --wait", "\"wait\":true");
        check("-n lease", "\"wait\":false");
        check(
            "--set online --keep --id 7 IFACE=e",
            "SetFact\",\"parameters\":{\"name\":\"online\",\"args\":[\"IFACE=e\"],\"keep\":true,\"id\":\"7\"}",
        );
        check("--unset online", "UnsetFact\",\"parameters\":{\"name\":\"online\",\"args\":[]}");
        check("-- --odd", "\"event\":\"--odd\"");
        check("a K=-x", "[\"K=-x\"]");
        check("-h", "Help");
        check("a --version", "Version");
    }

    #[test]
    fn a_command_that_is_wrong_is_told() {
        check("", "which event?");
        check("--wait", "which event?");
        check("a b", "`b` is not KEY=VALUE");
        check("--wiat a", "no option `--wiat`");
        check("--set --unset a", "either");
        check("--set --wait a", "for events");
        check("--unset --keep a", "for `--set`");
        check("--keep a", "are for facts");
        check("a --id", "wants a value");
    }

    #[test]
    fn what_is_told_is_a_call_that_onset_reads() {
        let nasty = "K=\u{1}\u{7f}\u{e9}\n\"\\";
        for what in [What::Event { wait: true }, What::Set { keep: false }, What::Unset] {
            let said = Said { what, name: "a", args: vec![nasty], id: None, socket: None, is_quiet: false };
            let text = message(&said);
            let (end, text) = text.split_last().unwrap();
            assert_eq!(*end, 0);
            let call = events::control::Call::read(text).unwrap();
            assert!(events::control::Method::find(&call.method).is_ok());
            let Json::Object(members) = Json::read(text).unwrap() else { panic!() };
            let Json::Object(parameters) = &members[1].1 else { panic!() };
            assert_eq!(parameters[1].1, Json::List(vec![Json::Text(nasty.into())]));
        }
    }
}
