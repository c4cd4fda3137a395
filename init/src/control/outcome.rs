//! Answers as JSON: the engine's, and errors.

use events::{Text, control::Fault};
use jobs::{Exit, Failing, Failure, Outcome, Refusal, refusal_text};
use serde_json::{Value, json};

use super::{order::Views, show};

/// An error of our interface.
pub fn error(name: &str, parameters: Value) -> Value {
    json!({ "error": format!("org.onset.Manager.{name}"), "parameters": parameters })
}

/// An error that every Varlink service has.
pub fn service_error(name: &str, parameters: Value) -> Value {
    json!({ "error": format!("org.varlink.service.{name}"), "parameters": parameters })
}

/// What was wrong with a call.
pub fn fault(fault: &Fault) -> Value {
    let mut parameters = serde_json::Map::new();
    if let Some((name, about)) = fault.about() {
        parameters.insert(name.into(), about.into());
    }
    parameters.insert("reason".into(), fault.to_string().into());
    json!({ "error": fault.name(), "parameters": parameters })
}

/// It was not done.
pub fn refused(job: Option<&str>, reason: &str) -> Value {
    error("Refused", json!({ "job": job, "reason": reason }))
}

/// A whole message, without the NUL that ends it.
pub fn message(answer: Result<Value, Value>) -> Vec<u8> {
    let whole = match answer {
        Ok(parameters) => json!({ "parameters": parameters }),
        Err(error) => error,
    };
    // Values of this kind always have a text.
    serde_json::to_vec(&whole).unwrap_or_default()
}

/// A part of an answer: more follow.
pub fn part(parameters: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({ "parameters": parameters, "continues": true })).unwrap_or_default()
}

/// What became of a command.
pub fn of_act(job: &Text, instance: &Text, outcome: &Outcome, views: &Views<'_>) -> Result<Value, Value> {
    let status = || {
        let status = views.engine.status(job, instance);
        status.map_or(Value::Null, |status| show::status(&status))
    };
    let job = job.as_str();
    match outcome {
        Outcome::Done => Ok(json!({ "status": status() })),
        Outcome::UnknownJob => Err(unknown_job(job)),
        Outcome::UnknownInstance(key) => Err(unknown_instance(job, key)),
        Outcome::AlreadyRunning => Err(error("AlreadyRunning", json!({ "job": job, "status": status() }))),
        Outcome::AlreadyStopped => Err(error("AlreadyStopped", json!({ "job": job, "status": status() }))),
        Outcome::MissingVariable(variable) => Err(missing_variable(job, variable, views)),
        Outcome::Refused(refusal) => Err(refusal_error(job, refusal)),
        Outcome::Failed(failure) => {
            let reason = views.engine.failure_of(job, instance, *failure);
            let exit = match failure {
                Failure::Ended(_, Exit::Code(code)) => Some(code),
                Failure::Ended(_, Exit::Signal(_))
                | Failure::Unspawned(_)
                | Failure::EndedEarly
                | Failure::Respawn
                | Failure::StartTimeout
                | Failure::HookTimeout(_)
                | Failure::Needs
                | Failure::Unkillable => None,
            };
            Err(error("Failed", json!({ "job": job, "reason": reason, "exit": exit })))
        }
        Outcome::EventFailed(_) => {
            Err(error("Failed", json!({ "job": job, "reason": "an event of it failed", "exit": null })))
        }
        Outcome::Stopped => Err(error("Stopped", json!({ "job": job }))),
        Outcome::LetGo => Err(error("LetGo", json!({}))),
    }
}

/// What became of an event.
pub fn of_emit(event: &str, outcome: &Outcome, views: &Views<'_>) -> Result<Value, Value> {
    let failing = |one: &Failing| {
        let reason = views.engine.failure_of(&one.job, &one.instance, one.failure);
        json!({ "job": one.job.as_str(), "instance": one.instance.as_str(), "reason": reason })
    };
    match outcome {
        Outcome::Done => Ok(json!({})),
        Outcome::LetGo => Err(error("LetGo", json!({}))),
        Outcome::Refused(refusal) => Err(refused(None, &refusal_text(refusal))),
        Outcome::EventFailed(failed) => {
            let failed: Vec<Value> = failed.iter().map(failing).collect();
            Err(error("EventFailed", json!({ "event": event, "failed": failed })))
        }
        Outcome::UnknownJob
        | Outcome::UnknownInstance(_)
        | Outcome::AlreadyRunning
        | Outcome::AlreadyStopped
        | Outcome::MissingVariable(_)
        | Outcome::Failed(_)
        | Outcome::Stopped => Err(error("EventFailed", json!({ "event": event, "failed": [] }))),
    }
}

/// No job has or provides this name.
pub fn unknown_job(job: &str) -> Value {
    error("UnknownJob", json!({ "job": job, "faults": [] }))
}

/// An error, to which it is added, if no job has a name, which of these faults are in that job's file.
pub fn explained(mut answer: Value, faults: &[super::Fault]) -> Value {
    if answer.get("error").and_then(Value::as_str) == Some("org.onset.Manager.UnknownJob")
        && let Some(Value::Object(parameters)) = answer.get_mut("parameters")
    {
        let job = parameters.get("job").and_then(Value::as_str).unwrap_or_default();
        let faults: Vec<&super::Fault> = faults.iter().filter(|fault| fault.concerns(job)).collect();
        let faults = json!(faults);
        parameters.insert("faults".into(), faults);
    }
    answer
}

/// The job has no such instance.
pub fn unknown_instance(job: &str, instance: &str) -> Value {
    error("UnknownInstance", json!({ "job": job, "instance": instance }))
}

/// The name of its instance has a variable that was not given.
pub fn missing_variable(job: &str, variable: &str, views: &Views<'_>) -> Value {
    let known = views.engine.jobs().find(|known| known.name == *job);
    let usage = known.and_then(|job| views.works.piece(job.work).ok()).and_then(|piece| piece.work.usage);
    let usage = usage.as_ref().map(Text::as_str);
    error("MissingVariable", json!({ "job": job, "variable": variable, "usage": usage }))
}

fn refusal_error(job: &str, refusal: &Refusal) -> Value {
    match refusal {
        Refusal::Variable(variable) => {
            error("MissingVariable", json!({ "job": job, "variable": variable.as_str(), "usage": null }))
        }
        Refusal::ShuttingDown
        | Refusal::Disabled(_)
        | Refusal::Mode(_)
        | Refusal::While(_)
        | Refusal::Ring(_)
        | Refusal::OldInstances
        | Refusal::TooManyInstances
        | Refusal::NothingToReload
        | Refusal::Needs(_)
        | Refusal::Skipped => refused(Some(job), &refusal_text(refusal)),
    }
}
