//! How QEMU is told what to do: its machine protocol, JSON in lines.

use std::{collections::VecDeque, io::Write as _, os::unix::net::UnixStream};

use serde_json::{Value, json};

use crate::{
    failure::{Doing, Result},
    stream::Stream,
};

/// A connection to one QEMU.
#[derive(Debug)]
pub struct Qmp {
    /// Where its answers and events come from.
    pub stream: Stream<UnixStream>,
    sent: u64,
    answers: VecDeque<Value>,
    events: VecDeque<Value>,
}

impl Qmp {
    /// Begins the talk: after this, commands are taken.
    pub fn new(socket: UnixStream) -> Result<Self> {
        let mut qmp =
            Self { stream: Stream::new(socket)?, sent: 0, answers: VecDeque::new(), events: VecDeque::new() };
        qmp.send("qmp_capabilities", Value::Null)?;
        Ok(qmp)
    }

    /// Sends a command, and gives the number of its answer.
    pub fn send(&mut self, command: &str, arguments: Value) -> Result<u64> {
        self.sent = self.sent.saturating_add(1);
        let mut message = json!({ "execute": command, "id": self.sent });
        if let (Value::Object(message), false) = (&mut message, arguments.is_null()) {
            message.insert("arguments".into(), arguments);
        }
        let line = format!("{message}\n");
        // A command is smaller than a socket's buffer, which is empty: QEMU reads at once.
        self.stream.source().write_all(line.as_bytes()).doing(command)?;
        Ok(self.sent)
    }

    /// Takes in what QEMU has said.
    pub fn fill(&mut self) {
        self.stream.fill();
        while let Some(line) = self.stream.line() {
            // What is no JSON is the greeting of another protocol; the answer that is missed tells.
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            if message.get("event").is_some() {
                self.events.push_back(message);
            } else if message.get("id").is_some() {
                self.answers.push_back(message);
            }
        }
    }

    /// The answer to a command, once it is there: what it returns, or why it was refused.
    pub fn answer(&mut self, number: u64) -> Option<std::result::Result<Value, String>> {
        let at = self.answers.iter().position(|answer| answer.get("id") == Some(&json!(number)))?;
        let answer = self.answers.remove(at)?;
        Some(match answer.get("error") {
            Some(error) => Err(error.get("desc").and_then(Value::as_str).unwrap_or("refused").to_owned()),
            None => Ok(answer.get("return").cloned().unwrap_or(Value::Null)),
        })
    }

    /// Takes the first event of this name that nobody has taken and that `meant` holds for.
    pub fn event(&mut self, name: &str, meant: impl Fn(&Value) -> bool) -> Option<Value> {
        let is_it = |event: &Value| event.get("event").and_then(Value::as_str) == Some(name) && meant(event);
        let at = self.events.iter().position(is_it)?;
        self.events.remove(at)
    }

    /// Whether an event of this name has come, taken or not asked for.
    #[must_use]
    pub fn has_seen(&self, name: &str) -> bool {
        self.events.iter().any(|event| event.get("event").and_then(Value::as_str) == Some(name))
    }
}
