//! `onsetctl start`, `stop`, `restart` and `reload`: what jobs shall do.

use std::{
    io::{IsTerminal as _, Write as _, stderr},
    path::Path,
};

use core::time::Duration;

use clap::Args;
use events::{control::Wish, format_delay, parse_delay};
use serde_json::{Value, json};

use super::{
    Outcome,
    connection::{Connection, nap},
    exit::{DONE, Trouble, clean},
    say::{self, part},
    verbs::{Verb, is_candidate},
};

/// How many jobs are asked for at a time.
const AT_A_TIME: usize = 8;
/// How often Onset is asked again that executes itself again meanwhile.
const ASKED_AGAIN: u32 = 5;
/// How often it is looked how far a job is after Onset has executed itself again.
const LOOK: Duration = Duration::from_millis(200);

/// Which jobs, and how.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Act {
    /// Jobs, and KEY=VALUE for all of them: variables that name an instance, and that its processes get
    #[arg(value_name = "JOB|KEY=VALUE", required = true)]
    words: Vec<String>,
    /// Do it although a mode or `while` says no
    #[arg(long)]
    force: bool,
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
    /// Wait until it is done, as without it
    #[arg(long, conflicts_with = "no_wait")]
    wait: bool,
    /// Wait no longer than this (5s, 1m30s); what was begun goes on
    #[arg(long, value_name = "TIME", value_parser = parse_delay, conflicts_with = "no_wait")]
    timeout: Option<Duration>,
    /// Print one JSON object for each job
    #[arg(long)]
    json: bool,
}

/// The method of a wish.
pub(super) const fn method(wish: Wish) -> &'static str {
    match wish {
        Wish::Start => "Start",
        Wish::Stop => "Stop",
        Wish::Restart => "Restart",
        Wish::Reload => "Reload",
    }
}

impl Act {
    /// What plain words say: the same as the table of commands makes of them, without building it.
    pub(super) const fn plain(words: Vec<String>) -> Self {
        Self { words, force: false, no_wait: false, wait: false, timeout: None, json: false }
    }

    pub(super) fn run(&self, wish: Wish, socket: &Path) -> Outcome {
        let (args, jobs): (Vec<&String>, Vec<&String>) =
            self.words.iter().partition(|word| word.contains('='));
        if jobs.is_empty() {
            let remarks = format!("onsetctl: {} which job?\n", method(wish).to_lowercase());
            return Outcome { text: String::new(), remarks, code: super::USAGE };
        }
        let mut outcome = Outcome { text: String::new(), remarks: String::new(), code: DONE };
        let (is_plain, mut jobs) = (self.is_plain(&args), jobs);
        jobs.retain(|job| !(is_plain && is_candidate(job) && say_to_script(wish, job, socket, &mut outcome)));
        for some in jobs.chunks(AT_A_TIME) {
            let asked: Vec<_> = some.iter().map(|job| self.ask(wish, job, &args, socket)).collect();
            for (job, connection) in some.iter().zip(asked) {
                let answer = connection.and_then(|mut connection| {
                    connection.receive(self.timeout, &mut progress(job, &args, socket))
                });
                let answer = answer.map(|reply| reply.parameters);
                let answer =
                    Connection::come_back(socket, answer, self.timeout, &mut progress(job, &args, socket));
                clear_progress();
                let answer = match answer {
                    Err(trouble) if trouble.is_restart() => self.after_restart(wish, job, &args, socket),
                    answer => answer,
                };
                let is_unknown = answer.as_ref().is_err_and(|trouble| trouble.name() == "UnknownJob");
                if is_unknown && is_plain && say_to_script(wish, job, socket, &mut outcome) {
                    continue;
                }
                self.tell(wish, job, answer, socket, &mut outcome);
            }
        }
        outcome
    }

    /// Whether it is no more than a verb, which a script may be told.
    fn is_plain(&self, args: &[&String]) -> bool {
        args.is_empty() && !self.force && !self.no_wait && !self.json && self.timeout.is_none()
    }

    fn ask(&self, wish: Wish, job: &str, args: &[&String], socket: &Path) -> Result<Connection, Trouble> {
        let mut connection = Connection::open(socket)?;
        // What is null counts as not given.
        let args = (!args.is_empty()).then_some(args);
        let wait = self.no_wait.then_some(false);
        let parameters = json!({ "job": job, "args": args, "force": self.force, "wait": wait });
        connection.send(method(wish), &parameters, false)?;
        Ok(connection)
    }

    /// Onset has executed itself again: what became of the job is seen from how it is.
    fn after_restart(
        &self,
        wish: Wish,
        job: &str,
        args: &[&String],
        socket: &Path,
    ) -> Result<Value, Trouble> {
        let again = |connection: &mut Connection| {
            connection.send(
                method(wish),
                &json!({ "job": job, "args": args, "force": self.force }),
                false,
            )?;
            connection.receive(self.timeout, &mut |_| {}).map(|reply| reply.parameters)
        };
        say_remark("Onset has restarted; looking how far it is");
        let mut connection = Connection::open_again(socket)?;
        let mut again_left = ASKED_AGAIN;
        loop {
            let answer = connection.call("Status", json!({ "job": job, "args": args }));
            // It may execute itself once more, or have been about to when we came.
            if answer.as_ref().is_err_and(Trouble::is_restart) && again_left > 0 {
                again_left = again_left.saturating_sub(1);
                connection = Connection::open_again(socket)?;
                continue;
            }
            let status = match (answer, wish) {
                (Ok(answer), _) => {
                    again_left = ASKED_AGAIN;
                    answer
                }
                (Err(trouble), Wish::Stop) if trouble.name() == "UnknownInstance" => {
                    return Ok(json!({ "status": null }));
                }
                (Err(trouble), _) => return Err(trouble),
            };
            let how = part(&status, "status");
            let (goal, is_up) = (say::text(how, "goal") == "start", say::is(how, "up"));
            let is_down = say::text(how, "state") == "waiting";
            match wish {
                Wish::Start if is_up => return Ok(status),
                Wish::Start if goal => {}
                Wish::Start => {
                    return match part(how, "last").as_str() {
                        Some(why) => Err(Trouble::No("Failed".into(), json!({ "job": job, "reason": why }))),
                        None => Err(Trouble::Cut),
                    };
                }
                Wish::Stop if is_down => return Ok(status),
                Wish::Stop if goal => return again(&mut connection),
                Wish::Stop => {}
                // Done twice they are not what was wished for.
                Wish::Restart | Wish::Reload => return Err(Trouble::Cut),
            }
            nap(LOOK);
        }
    }

    fn tell(
        &self,
        wish: Wish,
        job: &str,
        answer: Result<Value, Trouble>,
        socket: &Path,
        outcome: &mut Outcome,
    ) {
        if self.json {
            let object = match &answer {
                Ok(answer) => answer.clone(),
                Err(trouble) => json!({ "error": trouble.name(), "job": job, "reason": trouble.text() }),
            };
            outcome.text.push_str(&format!("{object}\n"));
        }
        match answer {
            Ok(answer) if !self.json => {
                outcome.text.push_str(&say::status_line(part(&answer, "status")));
                outcome.text.push('\n');
            }
            Ok(_) => {}
            // It is as it was wished.
            Err(trouble)
                if matches!(
                    (wish, trouble.name()),
                    (Wish::Start, "AlreadyRunning") | (Wish::Stop, "AlreadyStopped")
                ) =>
            {
                outcome.remarks.push_str(&format!("onsetctl: {}\n", clean(&trouble.text())));
            }
            Err(trouble) => {
                let text = match &trouble {
                    Trouble::TimedOut => {
                        let waited = self.timeout.map(format_delay).unwrap_or_default();
                        format!("{job}: not done after {waited}; it goes on")
                    }
                    Trouble::Unreachable(_) | Trouble::Cut | Trouble::Nonsense(_) | Trouble::No(..) => {
                        say::with_guess(&trouble, socket)
                    }
                };
                outcome.remarks.push_str(&format!("onsetctl: {}\n", clean(&text)));
                outcome.code = outcome.code.max(trouble.code());
            }
        }
    }
}

/// Has a script say what it has to say. `false` if there is none of this name.
fn say_to_script(wish: Wish, job: &str, socket: &Path, outcome: &mut Outcome) -> bool {
    let verb = method(wish).to_lowercase();
    let verb = Verb { socket, caller: "onsetctl", verb: &verb, job, args: &[] };
    let Some(told) = verb.say_to_script() else { return false };
    outcome.text.push_str(&told.text);
    outcome.remarks.push_str(&told.remarks);
    outcome.code = outcome.code.max(told.code);
    true
}

/// Tells a person who waits how far it is, on a line that is written over each second.
fn progress<'p>(job: &'p str, args: &'p [&String], socket: &'p Path) -> impl FnMut(Duration) + 'p {
    move |passed| {
        if !stderr().is_terminal() {
            return;
        }
        let status = Connection::open(socket)
            .and_then(|mut connection| connection.call("Status", json!({ "job": job, "args": args })));
        let text = match status {
            Ok(status) => say::progress(part(&status, "status")),
            Err(_) => String::from("no answer"),
        };
        let seconds = passed.as_secs();
        // Nobody is told if the terminal is gone.
        let _ = write!(stderr(), "\r\x1b[K{} {seconds}s: {}", clean(job), clean(&text));
        let _ = stderr().flush();
    }
}

fn clear_progress() {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[K");
    }
}

fn say_remark(text: &str) {
    // Nobody is told if nobody reads.
    let _ = writeln!(stderr(), "onsetctl: {text}");
}
