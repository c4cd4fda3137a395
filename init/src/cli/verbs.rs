//! `onsetctl VERB JOB`: verbs of scripts, and those that a job file has of its own. What a person sees is what the
//! script or command says, and its exit status is the command's.
//!
//! What starts and stops a job goes through Onset, so that the daemon is the job's. Every other verb is run here, in
//! the caller's terminal and with a script's plain environment.

mod folder;
mod native;
mod run;
mod said;
mod script;

use std::{
    io::{Write as _, stderr, stdout},
    path::Path,
};

use jobs::did_you_mean;
use serde_json::{Value, json};

use super::{
    Outcome, USAGE,
    ask::ask,
    exit::{DENIED, Trouble, UNKNOWN, clean},
    say,
};

pub(super) use folder::is_candidate;

/// A verb that is to be said to a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verb<'v> {
    /// Where Onset listens.
    pub socket: &'v Path,
    /// Who is called: `onsetctl` or `service`.
    pub caller: &'v str,
    /// What shall be done.
    pub verb: &'v str,
    /// The job, by its name, the script's `$name` or what it provides.
    pub job: &'v str,
    /// What else is given to it.
    pub args: &'v [String],
}

/// How a job is, as far as Onset knows.
struct Known {
    /// The answer to `Show`.
    show: Value,
}

impl Known {
    fn format(&self) -> &str {
        say::text(say::part(&self.show, "job"), "format")
    }

    fn name(&self) -> &str {
        say::text(say::part(&self.show, "job"), "name")
    }

    fn status(&self) -> &Value {
        say::part(&self.show, "status")
    }

    fn is_up(&self) -> bool {
        say::is(self.status(), "up")
    }

    fn is_script(&self) -> bool {
        matches!(self.format(), "Rcd" | "Lsb")
    }
}

impl Verb<'_> {
    /// Says the verb. `None` if the job is no script: what that does with usual verbs is told elsewhere.
    pub(super) fn say_to_script(&self) -> Option<Outcome> {
        match self.known() {
            Ok(known) if known.is_script() => Some(self.by_script(&known)),
            Ok(_) => None,
            Err(trouble) => self.without_onset(&trouble),
        }
    }

    /// Says the verb, to whatever the job is.
    pub(super) fn run(&self, commands: &[String]) -> Outcome {
        match self.known() {
            Ok(known) if known.is_script() => self.by_script(&known),
            Ok(known) => self.by_job(&known, commands),
            Err(trouble) => self.without_onset(&trouble).unwrap_or_else(|| {
                let is_unknown = trouble.name() == "UnknownJob";
                match did_you_mean(self.verb, commands.iter().map(String::as_str)) {
                    // A slip of the keyboard is likelier than a verb for a job that is not there.
                    Some(meant) if is_unknown => self.no_command(Some(meant)),
                    Some(_) | None => self.wrong(&say::with_guess(&trouble, self.socket), trouble.code()),
                }
            }),
        }
    }

    /// Says `status` to a script, or to a job whose file has a command for that, behind what Onset has `told`. `None` if
    /// there is nothing more to say, or the caller may not hear it.
    pub(super) fn more_status(&self, told: &str) -> Option<Outcome> {
        let known = self.known().ok()?;
        if known.is_script() {
            let runs = !say::list(known.status(), "processes").is_empty();
            let text = std::fs::read_to_string(say::text(&known.show, "file")).unwrap_or_default();
            if !runs && !script::says_status(known.format(), &text, runs) {
                return None;
            }
            print(told);
            return Some(self.by_script(&known));
        }
        let command = native::status_command(&known.show)?;
        print(told);
        let why = run::command(say::part(&known.show, "job"), &command, &[], None);
        Some(self.wrong(&why, 1))
    }

    /// How the job is, by whichever of its names it is called.
    fn known(&self) -> Result<Known, Trouble> {
        let show = |job: &str| ask(self.socket, "Show", &json!({ "job": job }));
        match show(self.job) {
            Err(trouble) if trouble.name() == "UnknownJob" => {
                // Scripts are known by their `$name`, too, which only their text tells.
                let other = folder::find(self.job).filter(|script| script.job != self.job);
                other.map_or(Err(trouble), |script| show(&script.job))
            }
            answer => answer,
        }
        .map(|show| Known { show })
        .inspect(|known| self.tell_of_others(known))
    }

    /// Several scripts may have the name that the job is called by: it is said which of them is not meant.
    fn tell_of_others(&self, known: &Known) {
        if known.name() == self.job || !known.is_script() {
            return;
        }
        let mut others = folder::called(self.job);
        others.retain(|script| script.job != known.name());
        if others.is_empty() {
            return;
        }
        let others: Vec<String> = others.iter().map(|script| format!("`{}`", script.job)).collect();
        let (job, meant, others) = (self.job, known.name(), others.join(", "));
        let text = format!("{}: `{job}` is a name of {others}, too: `{meant}` is meant\n", self.caller);
        // Nobody is told if nobody reads.
        let _ = stderr().write_all(text.as_bytes());
    }

    /// Onset does not run, or does not know the job: there may be a script all the same.
    fn without_onset(&self, trouble: &Trouble) -> Option<Outcome> {
        let may_be = matches!(trouble, Trouble::Unreachable(_)) || trouble.name() == "UnknownJob";
        let script = folder::find(self.job).filter(|_| may_be)?;
        Some(run::script(&script.path, self.verb, self.args, None).unwrap_or_else(|why| self.wrong(&why, 1)))
    }

    fn wrong(&self, text: &str, code: u8) -> Outcome {
        let remarks = format!("{}: {}\n", self.caller, clean(text));
        Outcome { text: String::new(), remarks, code }
    }

    /// What was typed is no command.
    fn no_command(&self, meant: Option<&str>) -> Outcome {
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        self.wrong(&format!("there is no command `{}`{meant}", self.verb), USAGE)
    }

    /// The job has no such verb.
    fn no_verb(&self, known: &Known, verbs: &[String], commands: &[String]) -> Outcome {
        let names = verbs.iter().chain(commands).map(String::as_str);
        let meant = did_you_mean(self.verb, names).map(|meant| format!("; did you mean `{meant}`?"));
        let has = match verbs {
            [] => String::from("; it has no verbs of its own"),
            verbs => format!("; it has {}", verbs.join(", ")),
        };
        let text = format!("{} has no verb `{}`{}", known.name(), self.verb, meant.unwrap_or(has));
        self.wrong(&text, UNKNOWN)
    }

    fn denied(&self) -> Outcome {
        self.wrong("only root may do this", DENIED)
    }
}

/// Before another program has this process.
fn print(text: &str) {
    // Nobody is told if nobody reads.
    let _ = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
}

/// A command that is none of the table's: a verb, and the job that it is said to.
pub(super) fn external(words: &[String], commands: &[String], socket: &Path) -> Outcome {
    let [verb, rest @ ..] = words else { return Outcome { code: USAGE, ..Outcome::default() } };
    let verb = |job, args| Verb { socket, caller: "onsetctl", verb, job, args };
    match rest {
        [job, args @ ..] => verb(job, args).run(commands),
        [] => {
            let verb = verb("", &[]);
            verb.no_command(did_you_mean(verb.verb, commands.iter().map(String::as_str)))
        }
    }
}
