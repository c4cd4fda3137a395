//! What each group of cases says must be, and whether it is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::play::{Case, Play, text};

pub type Checked = Result<(), String>;

pub fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, wanted: &T) -> Checked {
    if got == wanted { Ok(()) } else { Err(format!("{what}: {got:?}, and should be {wanted:?}")) }
}

fn boot(case: &Case, patience: u64) -> Result<Play, String> {
    Play::new(&case.json, patience).map_err(|failure| failure.to_string())
}

/// Variables, files and events.
pub fn environment(case: &Case, patience: u64) -> Checked {
    let mut play = boot(case, patience)?;
    play.steps(&case.json);
    play.until(|play| written(play, &case.json["expect"]))
}

/// What processes wrote, and what was emitted.
fn written(play: &mut Play, expected: &Value) -> Checked {
    let some = |key: &str| expected[key].as_object().cloned().unwrap_or_default();
    for (file, wanted) in some("has") {
        let seen = play.variables(&file)?;
        for (key, value) in wanted.as_object().unwrap() {
            expect(&format!("{file}: {key}"), &seen.get(key).map(String::as_str), &value.as_str())?;
        }
    }
    for (file, lacking) in some("lacks") {
        let seen = play.variables(&file)?;
        for key in lacking.as_array().unwrap() {
            expect(&format!("{file}: {key}"), &seen.get(&text(key)), &None)?;
        }
    }
    for (file, wanted) in some("exact") {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin";
        let wanted = wanted.as_object().unwrap().iter();
        let wanted = wanted.map(|(key, value)| (key.clone(), text(value).replace("@PATH@", path)));
        expect(&file, &play.variables(&file)?, &wanted.collect::<BTreeMap<_, _>>())?;
    }
    for (file, wanted) in some("files") {
        // Busybox's shell has `c` among its options, which others leave out.
        let seen = play.file(&file)?.replace("/bin/sh ce", "/bin/sh e");
        expect(&file, &seen, &text(&wanted))?;
    }
    for event in expected["events_contain"].as_array().into_iter().flatten() {
        if !play.events().contains(&text(event)) {
            return Err(format!("{event} was not emitted, but {:?}", play.events()));
        }
    }
    for file in expected["absent_files"].as_array().into_iter().flatten() {
        if play.file(&text(file)).is_ok() {
            return Err(format!("{file} is there"));
        }
    }
    Ok(())
}

/// Events in their order, files, and what `list` shows in the end.
pub fn lifecycle(case: &Case, patience: u64) -> Checked {
    let mut play = boot(case, patience)?;
    play.steps(&case.json);
    let wanted: Option<Vec<String>> =
        case.json["expect"]["emitted"].as_array().map(|events| events.iter().map(text).collect());
    let last: BTreeMap<String, String> = case.json["expect"]["final"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(job, it)| (job.clone(), text(it)))
        .collect();
    play.until(|play| {
        if let Some(wanted) = &wanted {
            expect("events", &play.events().to_vec(), wanted)?;
        }
        for event in case.json["contains"].as_array().into_iter().flatten() {
            if !play.events().contains(&text(event)) {
                return Err(format!("{event} was not emitted, but {:?}", play.events()));
            }
        }
        for event in case.json["lacks"].as_array().into_iter().flatten() {
            if play.events().iter().any(|told| told.split(' ').next() == event.as_str()) {
                return Err(format!("{event} was emitted"));
            }
        }
        for (number, step) in case.json["steps"].as_array().into_iter().flatten().enumerate() {
            answered(play, number, &step["expect"])?;
        }
        expect("list", &play.list(), &last)?;
        written(play, &serde_json::json!({ "files": case.json["files"] }))
    })
}

/// Whether the command of a step has come back as it should have.
fn answered(play: &mut Play, number: usize, wanted: &Value) -> Checked {
    let Some(rc) = wanted.get("rc") else { return Ok(()) };
    let ran = play.answer(number);
    let status = ran.as_ref().map(|ran| i64::from(ran.status));
    expect(&format!("status of step {number} ({ran:?})"), &status, &rc.as_i64())?;
    match (wanted["error"].as_str(), ran) {
        (Some(error), Some(ran)) if !ran.err.contains(error) => {
            Err(format!("step {number} says {:?}, and should say {error:?}", ran.err))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// What a command prints, and its exit status.
pub fn control(case: &Case, patience: u64) -> Checked {
    let mut play = boot(case, patience)?;
    let words = |words: &Value| words.as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    for before in case.json["before"].as_array().into_iter().flatten() {
        let before = words(before);
        let ran = play.initctl(&before.iter().map(String::as_str).collect::<Vec<_>>());
        expect(&format!("{before:?} ({})", ran.err), &ran.status, &0)?;
    }
    let (command, wanted) = (words(&case.json["command"]), &case.json["expect"]);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let once = |play: &mut Play| {
        let ran = play.initctl(&command);
        expect(
            &format!("status ({}{})", ran.out, ran.err),
            &i64::from(ran.status),
            &wanted["rc"].as_i64().unwrap(),
        )?;
        expect("output", &without_pids(&ran.out), &text(&wanted["stdout"]))?;
        match wanted["stderr_contains"].as_str() {
            Some(part) if !ran.err.contains(part) => Err(format!("{:?} lacks {part:?}", ran.err)),
            Some(_) | None => Ok(()),
        }
    };
    // Only a status may be asked for again: a process of the job may not have come to its place yet.
    if command.first() == Some(&"status") { play.until(once) } else { once(&mut play) }
}

/// The text with `PID` for each process id.
fn without_pids(text: &str) -> String {
    let mut parts = text.split("process ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let digits = part.len() - part.trim_start_matches(|it: char| it.is_ascii_digit()).len();
        let pid = if digits > 0 { "PID" } else { "" };
        format!("{text}process {pid}{}", &part[digits..])
    })
}

/// Signals to PID 1, commands of Upstart's names, and what came of them.
pub fn pid1(case: &Case, patience: u64) -> Checked {
    let mut play = boot(case, patience)?;
    let steps = case.json["steps"].as_array().unwrap();
    let mut pids = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        if !step["connect"].is_null() {
            play.step(number, step);
        }
        if let Some(signal) = step["signal_init"].as_str() {
            play.signal_init(signal);
        }
        let words = |key: &str| -> Option<Vec<String>> {
            let words = step[key].as_array()?.iter().map(text);
            Some(
                words
                    .enumerate()
                    .map(|(at, word)| match (at, word.as_str()) {
                        (0, "touch" | "rm") => format!("/bin/{word}"),
                        (0, _) => format!("/sbin/{word}"),
                        _ => word,
                    })
                    .collect(),
            )
        };
        if let Some(words) = words("run") {
            play.ask(number, &words.iter().map(String::as_str).collect::<Vec<_>>());
            play.until(|play| {
                play.answer(number).map(drop).ok_or(format!("step {number} has not come back"))
            })?;
        }
        if let Some(words) = words("run_bg") {
            play.ask(number, &words.iter().map(String::as_str).collect::<Vec<_>>());
            let event = words[2..].join(" ");
            play.until(|play| match play.events().contains(&event) {
                true => Ok(()),
                false => Err(format!("{event} was not told")),
            })?;
        }
        pids.push(play.answer(number).map(|ran| ran.out));
        if let Some(earlier) = step["same_pid_as"].as_u64() {
            expect("process", &pids[number], &pids[earlier as usize])?;
        }
    }
    let wanted = &case.json["expect"];
    play.until(|play| {
        written(play, wanted)?;
        written(play, &serde_json::json!({ "files": case.json["exact_files"] }))?;
        for (file, keys) in case.json["has_keys"].as_object().into_iter().flatten() {
            let seen = play.variables(file)?;
            let lacks = keys.as_array().unwrap().iter().map(text).find(|key| !seen.contains_key(key));
            expect(&format!("what {file} lacks"), &lacks, &None)?;
        }
        for (number, result) in wanted["results"].as_array().into_iter().flatten().enumerate() {
            let Some(result) = result.as_array() else { continue };
            let ran = play.answer(number).ok_or_else(|| format!("step {number} has not come back"))?;
            expect(
                &format!("status of step {number} ({})", ran.err),
                &Some(ran.status.into()),
                &result[0].as_i64(),
            )?;
            if let Some(out) = result[1].as_str() {
                expect(&format!("output of step {number}"), &without_pids(&ran.out), &out.into())?;
            }
        }
        Ok(())
    })
}
