//! How a command that talks to Onset ends: exit statuses, and what went wrong in words.

use serde_json::Value;

use super::Outcome;

/// All was done.
pub const DONE: u8 = 0;
/// A job failed, or it was refused.
pub const FAILED: u8 = 1;
/// The command is wrong.
pub const USAGE: u8 = 2;
/// There is no such job, instance or variable.
pub const UNKNOWN: u8 = 3;
/// Only root may do it.
pub const DENIED: u8 = 4;
/// Onset does not answer.
pub const UNREACHABLE: u8 = 5;
/// It was not done in time; it goes on.
pub const TIMED_OUT: u8 = 6;
/// Onset has executed itself again, and whether it was done is not known.
pub const RESTARTED: u8 = 7;

/// Why there is no answer, or one that says no.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// Nobody listens, or it is not Onset.
    Unreachable(String),
    /// There was no answer in time.
    TimedOut,
    /// The connection ended before the answer.
    Cut,
    /// What came is no answer.
    Nonsense(String),
    /// Onset says no: the error's name within its interface, and its parameters.
    No(String, Value),
}

impl Trouble {
    /// The exit status.
    pub fn code(&self) -> u8 {
        match self {
            Self::Unreachable(_) | Self::Nonsense(_) => UNREACHABLE,
            Self::TimedOut => TIMED_OUT,
            Self::Cut => RESTARTED,
            Self::No(name, _) => code_of(name),
        }
    }

    /// A text of the error's parameters; nothing if it is not there.
    pub fn about(&self, key: &str) -> &str {
        match self {
            Self::No(_, parameters) => parameters.get(key).and_then(Value::as_str).unwrap_or_default(),
            Self::Unreachable(_) | Self::TimedOut | Self::Cut | Self::Nonsense(_) => "",
        }
    }

    /// What is wrong in the file of a job that is not there.
    pub fn faults(&self) -> &[Value] {
        match self {
            Self::No(_, parameters) => {
                parameters.get("faults").and_then(Value::as_array).map_or(&[], Vec::as_slice)
            }
            Self::Unreachable(_) | Self::TimedOut | Self::Cut | Self::Nonsense(_) => &[],
        }
    }

    /// The error's name within its interface, if Onset said no.
    pub fn name(&self) -> &str {
        match self {
            Self::No(name, _) => name,
            Self::Unreachable(_) | Self::TimedOut | Self::Cut | Self::Nonsense(_) => "",
        }
    }

    /// Whether Onset has executed itself again meanwhile, so that it may be asked once more.
    pub fn is_restart(&self) -> bool {
        matches!(self, Self::Cut) || self.name() == "Restarted"
    }

    /// What it is, for people.
    pub fn text(&self) -> String {
        let job = self.about("job");
        match self {
            Self::Unreachable(why) => why.clone(),
            Self::TimedOut => "no answer in time; what was asked for goes on".into(),
            Self::Cut => "Onset has restarted, and whether it was done is not known".into(),
            Self::Nonsense(what) => format!("the answer makes no sense: {what}"),
            Self::No(name, parameters) => match name.as_str() {
                "UnknownJob" => format!("there is no job `{job}`"),
                "UnknownInstance" if self.about("instance").is_empty() => format!("{job} does not run"),
                "UnknownInstance" => format!("{job} has no instance `{}`", self.about("instance")),
                "AlreadyRunning" => format!("{job} is up already"),
                "AlreadyStopped" => format!("{job} is down already"),
                "MissingVariable" => {
                    let variable = self.about("variable");
                    let usage = self.about("usage");
                    let usage = if usage.is_empty() { String::new() } else { format!("\nusage: {usage}") };
                    format!("{job}: give {variable}=VALUE: its instance's name has it{usage}")
                }
                "Refused" if job.is_empty() => self.about("reason").into(),
                "Refused" => format!("{job} is refused: {}", self.about("reason")),
                "Failed" => format!("{job} failed: {}", self.about("reason")),
                "EventFailed" => event_failed(self.about("event"), parameters),
                "Stopped" => format!("{job} was stopped before it was up"),
                "LetGo" => "not waited for: this process is itself part of what it would wait for".into(),
                "Busy" => self.about("reason").into(),
                "Restarted" => "Onset has restarted, and whether it was done is not known".into(),
                "NoSuchVariable" => format!("there is no variable `{}`", self.about("key")),
                "PermissionDenied" => "only root may do this".into(),
                "InvalidParameter" => self.about("reason").into(),
                "MethodNotFound" => {
                    format!("the Onset that runs does not know `{}`", self.about("method"))
                }
                other => format!("{other} {parameters}"),
            },
        }
    }

    /// How a command ends with it.
    pub fn outcome(&self) -> Outcome {
        Outcome {
            text: String::new(),
            remarks: format!("onsetctl: {}\n", clean(&self.text())),
            code: self.code(),
        }
    }
}

/// Which jobs failed at an event, one a line, and how.
fn event_failed(event: &str, parameters: &Value) -> String {
    let failed = parameters.get("failed").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let text =
        |value: &Value, key: &str| String::from(value.get(key).and_then(Value::as_str).unwrap_or_default());
    let line = |one: &Value| {
        let instance = match text(one, "instance").as_str() {
            "" => String::new(),
            instance => format!(" ({instance})"),
        };
        format!("{}{instance} failed: {}", text(one, "job"), text(one, "reason"))
    };
    match failed {
        [] => format!("a job that `{event}` concerned failed"),
        [one] => format!("event `{event}`: {}", line(one)),
        all => {
            let lines: String = all.iter().map(|one| format!("\n  {}", line(one))).collect();
            format!("event `{event}`: {} jobs failed{lines}", all.len())
        }
    }
}

/// The exit status for an error of Onset's, by its name within the interface.
pub fn code_of(error: &str) -> u8 {
    match error {
        "UnknownJob" | "UnknownInstance" | "NoSuchVariable" => UNKNOWN,
        "MissingVariable" | "InvalidParameter" | "MethodNotFound" | "InterfaceNotFound" => USAGE,
        "PermissionDenied" => DENIED,
        "Restarted" => RESTARTED,
        _ => FAILED,
    }
}

/// A text from elsewhere, without anything that a terminal would act on.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
