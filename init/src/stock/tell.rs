//! What is told to PID 1, through its control socket.

use std::{
    fmt::Display,
    fs::OpenOptions,
    io::{self, BufRead as _, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
};

use serde_json::{Value, json};

use super::task::{Task, reason, say};

/// Where Onset listens, if `ONSET_CONTROL` says nothing else.
const SOCKET: &str = "/run/onset/control";
/// The most an answer may have.
const LONGEST: u64 = 4 << 20;

/// Emits an event; if `wait` is set, it comes back when those that the event has started are up or done.
pub fn emit(task: &mut Task, event: &str, args: &[&str], wait: bool) {
    if task.is_at_home() {
        call(task, "Emit", &json!({ "event": event, "args": args, "wait": wait }));
    }
}

/// Emits an event for whoever waits for it, if Onset runs at all: by hand, under another init, nobody does.
pub fn announce(task: &mut Task, event: &str) {
    if socket().exists() {
        emit(task, event, &[], false);
    }
}

/// Calls a method of Onset's; that it could not be done is a fault.
pub fn call(task: &mut Task, method: &str, parameters: &Value) {
    match answer(method, parameters) {
        Ok(reply) => {
            if let Some(error) = reply.get("error").and_then(Value::as_str) {
                let message =
                    reply.pointer("/parameters/message").and_then(Value::as_str).unwrap_or_default();
                task.fault(format!("Onset refuses {method} {parameters}: {error} {message}"));
            }
        }
        Err(error) => task.fault(format!("cannot ask Onset for {method} {parameters}: {}", reason(&error))),
    }
}

/// Begins a fact: `NAME KEY=VALUE...`. It ends with the job that this runs in.
pub fn set(task: &mut Task, words: &[String]) {
    match words.split_first() {
        Some((name, args)) => call(task, "SetFact", &json!({ "name": name, "args": args })),
        None => task.misused("set: the fact's name is missing"),
    }
}

/// The answer of a method of Onset's; that there is none is a fault.
pub fn ask(task: &mut Task, method: &str, parameters: &Value) -> Option<Value> {
    match answer(method, parameters) {
        Ok(mut reply) if reply.get("error").is_none() => reply.get_mut("parameters").map(Value::take),
        Ok(reply) => {
            task.fault(format!("Onset refuses {method}: {}", reply.get("error").unwrap_or(&Value::Null)));
            None
        }
        Err(error) => {
            task.fault(format!("cannot ask Onset for {method}: {}", reason(&error)));
            None
        }
    }
}

/// A line for the log, and through the kernel for the console, even a quiet one.
pub fn console(what: impl Display) {
    let line = format!("<3>onset: {what}\n");
    say(&what);
    // Without a kernel's log, as in a container, the job's log has it.
    let _ =
        OpenOptions::new().write(true).open("/dev/kmsg").and_then(|mut file| file.write_all(line.as_bytes()));
}

fn socket() -> PathBuf {
    std::env::var_os("ONSET_CONTROL").map_or_else(|| SOCKET.into(), PathBuf::from)
}

fn answer(method: &str, parameters: &Value) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket())?;
    let mut message = serde_json::to_vec(
        &json!({ "method": format!("org.onset.Manager.{method}"), "parameters": parameters }),
    )?;
    message.push(0);
    stream.write_all(&message)?;
    let mut answer = Vec::new();
    io::BufReader::new(stream.take(LONGEST)).read_until(0, &mut answer)?;
    if answer.pop() == Some(0) {
        return Ok(serde_json::from_slice(&answer)?);
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
