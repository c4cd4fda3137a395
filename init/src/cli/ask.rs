//! `onsetctl status`, `why`, `show`, `facts`, `limits` and `version`: how things are.

use std::{io::stdout, path::Path};

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    Outcome, colours,
    connection::Connection,
    exit::{DONE, Trouble, UNKNOWN, clean},
    say::{self, is, part},
    timers,
    verbs::Verb,
};

/// Which job.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct OneJob {
    /// The job, or a name that jobs provide
    #[arg(value_name = "JOB")]
    job: String,
    /// Variables that name its instance
    #[arg(value_name = "KEY=VALUE")]
    args: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Which jobs.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct StatusCommand {
    /// Jobs, and KEY=VALUE for all of them: variables that name an instance; all jobs if none is named
    #[arg(value_name = "JOB|KEY=VALUE")]
    words: Vec<String>,
    /// Print one JSON object for each job
    #[arg(long)]
    json: bool,
}

/// Only a form of answer.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Plain {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Which facts.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct FactsCommand {
    /// Only facts of this name
    #[arg(value_name = "FACT")]
    fact: Option<String>,
    /// Only those of which this is known; the value is a pattern
    #[arg(value_name = "KEY=VALUE", value_parser = key_and_glob)]
    args: Vec<(String, String)>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn key_and_glob(word: &str) -> Result<(String, String), String> {
    let (key, glob) = word.split_once('=').ok_or("it is KEY=VALUE")?;
    Ok((key.into(), glob.into()))
}

/// How often Onset is asked again that executes itself again meanwhile: what only reads may be asked twice.
const ASKED_AGAIN: usize = 5;

/// Asks, and asks again if Onset has executed itself again meanwhile.
fn persistently<T>(
    socket: &Path,
    mut question: impl FnMut(Connection) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut answer = Connection::open(socket).and_then(&mut question);
    for _ in 0..ASKED_AGAIN {
        if !answer.as_ref().is_err_and(Trouble::is_restart) {
            break;
        }
        answer = Connection::open_again(socket).and_then(&mut question);
    }
    answer
}

/// The answer to a question that changes nothing.
pub(super) fn ask(socket: &Path, method: &str, parameters: &Value) -> Result<Value, Trouble> {
    persistently(socket, |mut connection| connection.call(method, parameters.clone()))
}

/// The same for a list that comes in parts: all of it as one answer.
pub(super) fn ask_list(
    socket: &Path,
    method: &str,
    parameters: &Value,
    name: &str,
) -> Result<Value, Trouble> {
    persistently(socket, |mut connection| {
        let mut things = Vec::new();
        let mut take = |mut part: Value| {
            if let Some(part) = part.get_mut(name).and_then(Value::as_array_mut) {
                things.append(part);
            }
        };
        connection.call_parts(method, parameters, &mut take)?;
        Ok(json!({ name: things }))
    })
}

/// A command's end: the answer as text or JSON, or what went wrong.
pub(super) fn finish(
    answer: Result<Value, Trouble>,
    json: bool,
    socket: &Path,
    text: impl FnOnce(&Value) -> String,
) -> Outcome {
    match answer {
        Ok(answer) => {
            let text = if json { format!("{answer}\n") } else { text(&answer) };
            Outcome { text, remarks: String::new(), code: DONE }
        }
        Err(trouble) => {
            let remarks = format!("onsetctl: {}\n", clean(&say::with_guess(&trouble, socket)));
            Outcome { text: String::new(), remarks, code: trouble.code() }
        }
    }
}

impl StatusCommand {
    /// What plain words say.
    pub(super) const fn plain(words: Vec<String>) -> Self {
        Self { words, json: false }
    }

    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let (args, jobs): (Vec<&String>, Vec<&String>) =
            self.words.iter().partition(|word| word.contains('='));
        if jobs.is_empty() {
            return Plain { json: self.json }.list(socket);
        }
        let mut outcome = Outcome { text: String::new(), remarks: String::new(), code: DONE };
        let only =
            (jobs.len() == 1 && args.is_empty() && !self.json).then(|| jobs.first()).flatten().copied();
        for job in jobs {
            let parameters = json!({ "job": job, "args": args });
            let answer = ask(socket, "Status", &parameters);
            let one = finish(answer, self.json, socket, |answer| {
                let remarks = say::list(answer, "remarks").iter().filter_map(Value::as_str).map(clean);
                let faults = say::list(answer, "faults").iter().map(say::fault);
                let more = remarks.chain(faults).map(|line| format!("\t{line}\n"));
                described(part(answer, "status")) + &timers::behind(answer) + &more.collect::<String>()
            });
            outcome.text.push_str(&one.text);
            outcome.remarks.push_str(&one.remarks);
            outcome.code = outcome.code.max(one.code);
        }
        let verb = |job| Verb { socket, caller: "onsetctl", verb: "status", job, args: &[] };
        let more = match outcome.code {
            DONE => only.and_then(|job| verb(job).more_status(&outcome.text)),
            UNKNOWN => only.and_then(|job| verb(job).say_to_script()),
            _ => None,
        };
        more.unwrap_or(outcome)
    }
}

/// A status with what is behind it.
fn described(status: &Value) -> String {
    let mut text = say::status_line(status) + "\n";
    // One that has come up after all is late, and nothing is to be done about it any more.
    if say::is(status, "timed_out") && !say::is(status, "up") {
        text.push_str("\tstart timed out: what waited for it goes on\n");
    }
    for wait in say::list(status, "waits").iter().filter_map(Value::as_str) {
        text.push_str(&format!("\twaits for {}\n", clean(wait)));
    }
    if let Some(last) = part(status, "last").as_str() {
        text.push_str(&format!("\tlast: {}\n", clean(last)));
    }
    text
}

impl Plain {
    pub(super) fn list(&self, socket: &Path) -> Outcome {
        let answer = ask_list(socket, "List", &json!({}), "jobs");
        let colours = colours(&stdout());
        finish(answer, self.json, socket, |answer| table(say::list(answer, "jobs"), colours))
    }

    pub(super) fn limits(&self, socket: &Path) -> Outcome {
        finish(ask(socket, "Limits", &json!({})), self.json, socket, |answer| {
            let mut text = String::new();
            for limit in say::list(answer, "limits") {
                let value = match part(limit, "value").as_u64() {
                    Some(u64::MAX) | None => "-".into(),
                    Some(value) => value.to_string(),
                };
                let used = part(limit, "used").as_u64().map(|used| format!("{used} of ")).unwrap_or_default();
                let (name, what) = (say::text(limit, "name"), say::text(limit, "what"));
                text.push_str(&format!("{name:24} {:>16}  {what}\n", used + &value));
            }
            for counter in say::list(answer, "counters") {
                text.push_str(&format!(
                    "counted {:16} {:>16}\n",
                    say::text(counter, "name"),
                    part(counter, "value").to_string()
                ));
            }
            text
        })
    }

    pub(super) fn version(&self, socket: &Path) -> Outcome {
        let ours = env!("CARGO_PKG_VERSION");
        finish(ask(socket, "Version", &json!({})), self.json, socket, |answer| {
            let theirs = say::text(answer, "version");
            let other = if theirs == ours { String::new() } else { format!(" (onsetctl {ours})") };
            format!("onset {}{other}\n", clean(theirs))
        })
    }
}

impl FactsCommand {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let mut answer = ask_list(socket, "Facts", &json!({ "name": self.fact }), "facts");
        if let Ok(facts) = answer.as_mut().map(|answer| answer.get_mut("facts").and_then(Value::as_array_mut))
        {
            facts.into_iter().for_each(|facts| facts.retain(|fact| self.means(fact)));
        }
        let is_nothing = answer.as_ref().is_ok_and(|answer| say::list(answer, "facts").is_empty());
        let mut outcome = finish(answer, self.json, socket, |answer| {
            let line = |fact: &Value| {
                let args: Vec<&str> = say::list(fact, "args").iter().filter_map(Value::as_str).collect();
                let words = format!("{} {}", say::text(fact, "name"), args.join(" "));
                // What a person has set is told apart by what is known of it, if he does not say otherwise.
                let id = say::text(fact, "id");
                let id = if id == args.join(" ") { String::new() } else { format!(", as {id}") };
                let by = match say::text(fact, "by") {
                    "" => String::new(),
                    by => format!(", by {by}"),
                };
                let since = say::seconds(part(fact, "since"));
                format!("{}  {}\n", clean(words.trim_end()), clean(&format!("(since {since} s{by}{id})")))
            };
            say::list(answer, "facts").iter().map(line).collect()
        });
        if let Some(name) = self.fact.as_deref().filter(|_| is_nothing && !self.json) {
            outcome.remarks.push_str(&nothing(name));
        }
        outcome
    }

    fn means(&self, fact: &Value) -> bool {
        let args = say::list(fact, "args").iter().filter_map(Value::as_str);
        let args: Vec<(&str, &str)> = args.filter_map(|arg| arg.split_once('=')).collect();
        let is_known = |(key, glob): &(String, String)| {
            args.iter().any(|(known, value)| known == key && events::glob_matches(glob, value))
        };
        self.args.iter().all(is_known)
    }
}

/// What is said if nothing of a name holds: it may be a slip.
fn nothing(name: &str) -> String {
    let known = || events::vocabulary::facts().map(|word| word.name);
    match jobs::did_you_mean(name, known()).filter(|meant| *meant != name) {
        Some(meant) => format!("onsetctl: no fact `{}` holds: did you mean `{meant}`?\n", clean(name)),
        None => String::new(),
    }
}

impl OneJob {
    fn parameters(&self) -> Value {
        json!({ "job": self.job, "args": self.args })
    }

    pub(super) fn why(&self, socket: &Path) -> Outcome {
        finish(ask(socket, "Why", &self.parameters()), self.json, socket, |answer| {
            let mut text = described(part(answer, "status"));
            // Of one that runs, everything has come that it waited for, and was forgotten then.
            let runs = say::text(part(answer, "status"), "goal") == "start";
            let again = if say::list(answer, "chain").is_empty() { "" } else { " again" };
            for leaf in say::list(answer, "condition").iter().filter(|_| !runs) {
                let mark = if is(leaf, "met") { "came" } else { "has not come" };
                let again = if is(leaf, "met") { "" } else { again };
                text.push_str(&format!(
                    "\tstart on `{}`: {mark}{again}\n",
                    clean(say::text(leaf, "pattern"))
                ));
            }
            match part(answer, "dropped").as_u64() {
                None | Some(0) => {}
                Some(1) => text.push_str("\t1 start event did nothing\n"),
                Some(number) => text.push_str(&format!("\t{number} start events did nothing\n")),
            }
            text.push_str(&timers::behind(answer));
            for (number, moment) in say::list(answer, "chain").iter().enumerate() {
                let because = if number == 0 { "because" } else { "   from" };
                let time = say::seconds(part(moment, "time"));
                text.push_str(&format!("{because} {} (at {time} s)\n", clean(say::text(moment, "what"))));
            }
            text
        })
    }

    pub(super) fn show(&self, socket: &Path) -> Outcome {
        finish(ask(socket, "Show", &self.parameters()), self.json, socket, |answer| {
            let mut text = described(part(answer, "status"));
            if let Some(file) = part(answer, "file").as_str() {
                text.push_str(&format!("file: {}\n", clean(file)));
            }
            if let Some(job) = part(answer, "job").as_object() {
                fields(job, 0, &mut text);
            }
            text
        })
    }
}

/// The fields of an object, one a line.
fn fields(object: &Map<String, Value>, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for (key, value) in object {
        match value {
            // Deeper than this it is shown as it is.
            Value::Object(inner) if depth < 3 => {
                text.push_str(&format!("{indent}{}:\n", clean(key)));
                fields(inner, depth.saturating_add(1), text);
            }
            Value::String(value) => text.push_str(&format!("{indent}{}: {}\n", clean(key), clean(value))),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                text.push_str(&format!("{indent}{}: {}\n", clean(key), clean(&items.join(" "))));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                text.push_str(&format!("{indent}{}: {}\n", clean(key), clean(&value.to_string())));
            }
        }
    }
}

/// All jobs in columns.
fn table(jobs: &[Value], colours: bool) -> String {
    let state = |job: &Value| format!("{}/{}", say::text(job, "goal"), say::text(job, "state"));
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
    let names = width(&mut jobs.iter().map(|job| say::who(job).chars().count()));
    let states = width(&mut jobs.iter().map(|job| state(job).len()));
    let mut text = String::new();
    for job in jobs {
        let pids: Vec<String> =
            say::list(job, "processes").iter().map(|it| part(it, "pid").to_string()).collect();
        let waits: Vec<&str> = say::list(job, "waits").iter().filter_map(Value::as_str).collect();
        let more = match (waits.is_empty(), part(job, "last").as_str()) {
            (false, _) => format!("waits for {}", waits.join("; ")),
            (true, Some(last)) => format!("last: {last}"),
            (true, None) => String::new(),
        };
        let colour = match (is(job, "up"), part(job, "last").is_string(), waits.is_empty()) {
            (true, ..) => "32",
            (false, true, _) => "31",
            (false, false, false) => "33",
            (false, false, true) => "0",
        };
        let state = state(job);
        let state = match colours {
            true => format!("\x1b[{colour}m{state:states$}\x1b[0m"),
            false => format!("{state:states$}"),
        };
        let line = format!("{:names$}  {state}  {:7}  {}", say::who(job), pids.join(","), clean(&more));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
