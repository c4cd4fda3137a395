//! Verbs of rc.d and LSB scripts.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Known, Verb, run, said::Said};
use crate::cli::{
    Outcome, act,
    connection::Connection,
    exit::{DONE, FAILED, Trouble},
    say,
};
use events::control::Wish;

/// What may stand before the verb of an rc.d script.
const PREFIXES: [&str; 4] = ["fast", "force", "one", "quiet"];
/// Verbs that leave nothing behind: they need not be run among the job's processes.
const LOOKS: [&str; 7] = ["status", "poll", "rcvar", "enabled", "describe", "extracommands", "list"];
/// The variable that tells the executor which words the script is given.
const WORDS: &str = "RC_VERB";
/// `status` of something that does not run, as the LSB and rc.subr have it.
const NOT_RUNNING: [(&str, u8); 2] = [("Lsb", 3), ("Rcd", 1)];

impl Verb<'_> {
    /// Says the verb to a script.
    pub(super) fn by_script(&self, known: &Known) -> Outcome {
        let is_lsb = known.format() == "Lsb";
        let (prefix, verb) = if is_lsb { ("", self.verb) } else { split(self.verb) };
        let is_up = known.is_up();
        if !self.args.is_empty() {
            return self.execute(known);
        }
        match verb {
            // What has left nothing behind may be done once more.
            "start" if is_up && pids(known.status()).is_empty() => self.execute(known),
            "start" if is_up && is_lsb => Outcome::default(),
            "start" if is_up => self.is_up_already(known),
            "start" => self.act(known, Wish::Start, prefix),
            "stop" if is_up || is_under_way(known) => self.act(known, Wish::Stop, prefix),
            "restart" | "force-restart" if is_up => self.act(known, Wish::Restart, prefix),
            "restart" | "force-restart" => self.act(known, Wish::Start, prefix),
            "try-restart" | "condrestart" if is_lsb && is_up => self.act(known, Wish::Restart, prefix),
            "try-restart" | "condrestart" if is_lsb => Outcome::default(),
            "status" => self.status(known),
            _ => self.execute(known),
        }
    }

    /// Has the script say it here, among the job's processes if it may leave some behind.
    fn execute(&self, known: &Known) -> Outcome {
        let group = if LOOKS.contains(&self.verb) { None } else { run::cgroup_of(known.status()) };
        let path = path(known);
        run::script(&path, self.verb, self.args, group).unwrap_or_else(|why| self.wrong(&why, FAILED))
    }

    /// Has Onset start or stop it, and shows what the script says meanwhile.
    fn act(&self, known: &Known, wish: Wish, prefix: &str) -> Outcome {
        let said = Said::from_now(known.name());
        let verb = match wish {
            Wish::Stop => "stop",
            Wish::Start | Wish::Restart | Wish::Reload => "start",
        };
        let words = (!prefix.is_empty()).then(|| vec![format!("{WORDS}={prefix}{verb}")]);
        // What rc.conf does not want is wanted all the same.
        let force = matches!(prefix, "one" | "force");
        let parameters = json!({ "job": known.name(), "args": words, "force": force });
        // A verb may take its time.
        let answer = Connection::call_to_the_end(self.socket, act::method(wish), &parameters);
        let outcome = |text, remarks, code| Outcome { text, remarks, code };
        match answer {
            Ok(_) => outcome(said.all(), String::new(), DONE),
            // The script itself says what rc.conf does not want.
            Err(trouble) if trouble.name() == "Refused" && known.format() == "Rcd" && self.is_gated() => {
                self.execute(known)
            }
            Err(trouble) => {
                let text = said.all();
                let remark = format!("{}: {}\n", self.caller, trouble.text());
                let is_told = trouble.name() == "Failed" && !text.is_empty();
                let remark = if is_told { String::new() } else { remark };
                outcome(text, remark, exit_code(&trouble))
            }
        }
    }

    /// Whether rc.conf decides.
    fn is_gated(&self) -> bool {
        !["one", "force"].iter().any(|prefix| self.verb.starts_with(prefix))
    }

    /// rc.subr's words for a start of what runs.
    fn is_up_already(&self, known: &Known) -> Outcome {
        let pids = pids(known.status());
        let remarks = format!("{} already running?  (pid={pids}).\n", self.name_in_script(known));
        Outcome { text: String::new(), remarks, code: FAILED }
    }

    /// How it is: by its cgroup if anything of it runs, whatever a file with a number in it says; otherwise by its own
    /// verb, which may know of one that was started without Onset.
    fn status(&self, known: &Known) -> Outcome {
        let text = std::fs::read_to_string(path(known)).unwrap_or_default();
        let pids = pids(known.status());
        if says_status(known.format(), &text, !pids.is_empty()) {
            return self.execute(known);
        }
        // What says that it is running has a status that says the same, also while it is coming up.
        let is_up = known.is_up() || known.format() == "Rcd" && !pids.is_empty();
        let not_running = NOT_RUNNING.iter().find(|(format, _)| *format == known.format());
        let code = if is_up { DONE } else { not_running.map_or(FAILED, |(_, code)| *code) };
        let text = match known.format() {
            "Rcd" if !pids.is_empty() => {
                format!("{} is running as pid {pids}.\n", self.name_in_script(known))
            }
            _ => format!("{}\n", say::status_line(known.status())),
        };
        Outcome { text, remarks: String::new(), code }
    }

    /// The script's `$name`.
    fn name_in_script(&self, known: &Known) -> String {
        super::folder::name_in(&path(known)).unwrap_or_else(|| known.name().into())
    }
}

/// Whether a script has something to say to `status` that counts more than what Onset knows.
pub(super) fn says_status(format: &str, text: &str, runs: bool) -> bool {
    match format {
        "Lsb" => text.contains("status"),
        _ if text.contains("status_cmd") || !text.contains("run_rc_command") => true,
        // rc.subr knows of the verb where there is a program to look for.
        _ => !runs && ["command=", "procname=", "pidfile="].iter().any(|sign| text.contains(sign)),
    }
}

/// The prefix of a verb, and the verb.
fn split(verb: &str) -> (&str, &str) {
    let with = |prefix: &&'static str| {
        let rest = verb.strip_prefix(*prefix)?;
        (!rest.is_empty() && !rest.starts_with(['-', '_'])).then_some((*prefix, rest))
    };
    PREFIXES.iter().find_map(with).unwrap_or(("", verb))
}

/// Whether it is on its way up or down.
fn is_under_way(known: &Known) -> bool {
    say::text(known.status(), "state") != "waiting"
}

fn path(known: &Known) -> PathBuf {
    Path::new(say::text(&known.show, "file")).into()
}

fn pids(status: &Value) -> String {
    let pids = say::list(status, "processes").iter().map(|process| say::part(process, "pid").to_string());
    pids.collect::<Vec<_>>().join(" ")
}

/// The exit status of the script, if that is why.
fn exit_code(trouble: &Trouble) -> u8 {
    let exit = match trouble {
        Trouble::No(name, parameters) if name == "Failed" => say::part(parameters, "exit").as_u64(),
        Trouble::No(..)
        | Trouble::Unreachable(_)
        | Trouble::TimedOut
        | Trouble::Cut
        | Trouble::Nonsense(_) => None,
    };
    exit.and_then(|code| u8::try_from(code).ok()).unwrap_or_else(|| trouble.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_asked_how_it_is_where_it_can_tell() {
        let script = |lines: &str| format!(". /etc/rc.subr\nname=x\n{lines}run_rc_command \"$1\"\n");
        let check = |format: &str, text: &str, runs: bool| says_status(format, text, runs);
        assert!(!check("Rcd", &script("start_cmd=:\n"), false));
        assert!(check("Rcd", &script("command=/bin/x\n"), false));
        assert!(!check("Rcd", &script("command=/bin/x\n"), true));
        assert!(check("Rcd", &script("status_cmd=x_status\n"), true));
        assert!(check("Rcd", "case $1 in status) ;; esac", true));
        assert!(check("Lsb", "case $1 in status) ;; esac", true));
        assert!(!check("Lsb", "case $1 in start) ;; esac", true));
    }

    #[test]
    fn a_prefix_is_one_only_before_a_verb() {
        for (verb, parts) in [
            ("start", ("", "start")),
            ("onestart", ("one", "start")),
            ("forcestop", ("force", "stop")),
            ("quietstart", ("quiet", "start")),
            ("faststop", ("fast", "stop")),
            ("force-reload", ("", "force-reload")),
            ("one", ("", "one")),
            ("configtest", ("", "configtest")),
        ] {
            assert_eq!(split(verb), parts, "{verb}");
        }
    }
}
