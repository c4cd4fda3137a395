//! A machine with an agent in it: commands go in, output and exit status come back.

use serde_json::{Value, json};

use crate::{
    failure::{Doing, Failure, Result},
    limit::Limit,
    qemu::Machine,
};

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; 128 and the signal's number if it was killed.
    pub status: i64,
    /// What it printed, on standard output and standard error.
    pub output: String,
}

/// The commands of one machine are counted, so that an answer is never taken for another's.
#[derive(Debug, Default)]
pub struct Session {
    sent: u64,
}

impl Session {
    /// Waits until the agent is there.
    pub fn open(machine: &mut Machine, limit: Limit) -> Result<Self> {
        machine.until_message("the agent in the machine", limit, |message| message.get("hello").map(drop))?;
        Ok(Self::default())
    }

    /// Runs a command with `/bin/sh`, and waits for its end.
    pub fn run(&mut self, machine: &mut Machine, command: &str, limit: Limit) -> Result<Ran> {
        self.sent = self.sent.saturating_add(1);
        let id = self.sent;
        machine.send(&json!({ "id": id, "run": command }))?;
        let mut output = String::new();
        let what = format!("the end of `{command}`");
        let end = machine.until(&what, limit, |machine| {
            machine.messages().into_iter().filter(|message| number(message) == Some(id)).find_map(|message| {
                output.push_str(text(&message, "out"));
                (message.get("out").is_none()).then_some(message)
            })
        });
        let end = end.map_err(|Failure(why)| Failure(format!("{why}\n--- it printed:\n{output}")))?;
        if let Some(error) = end.get("error") {
            return Err(Failure(format!("`{command}` was not run: {error}")));
        }
        let status = end.get("exit").and_then(Value::as_i64).doing("an answer without a status")?;
        Ok(Ran { status, output })
    }
}

fn number(message: &Value) -> Option<u64> {
    message.get("id").and_then(Value::as_u64)
}

fn text<'m>(message: &'m Value, key: &str) -> &'m str {
    message.get(key).and_then(Value::as_str).unwrap_or_default()
}
