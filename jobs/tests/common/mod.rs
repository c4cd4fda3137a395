//! Plays cases of the conformance data on a simulated machine.

use std::{collections::BTreeMap, sync::Arc};

use events::{Args, Event, Name, Time};
use jobs::{
    Action, Command, Exit, Input, Job, Origin, Outcome, ProcessKind, ReplyId, Verb, Work,
    formats::{Described, Source, upstart},
    simulate::{Line, Mark, Simulation, World},
};
use serde_json::Value;

pub struct Case {
    pub id: String,
    pub title: String,
    pub json: Value,
}

pub fn cases(group: &str) -> Vec<Case> {
    let data: Value = serde_json::from_str(include_str!("../data/upstart-conformance.json")).unwrap();
    let cases = data["cases"].as_array().unwrap().iter().filter(|case| case["group"] == group);
    cases
        .map(|case| Case {
            id: case["id"].as_str().unwrap().into(),
            title: case["title"].as_str().unwrap().into(),
            json: case.clone(),
        })
        .collect()
}

/// A case being played.
struct Play {
    simulation: Simulation,
    files: BTreeMap<String, String>,
    described: BTreeMap<String, Described>,
    lines: Vec<Line>,
    asked: Vec<(usize, Option<ReplyId>)>,
}

fn described(name: &str, conf: &str) -> Option<Described> {
    let source = Source { path: format!("{name}.conf"), text: conf.into(), executable: false };
    upstart::read(&Name::new(name).unwrap(), &source, &[]).described
}

impl Play {
    fn new(jobs: &BTreeMap<String, String>) -> Self {
        let described: BTreeMap<String, Described> = jobs
            .iter()
            .map(|(name, conf)| (name.clone(), described(name, conf).expect("a conf that can be read")))
            .collect();
        let mut world = World::default();
        for (name, it) in &described {
            for (kind, command) in &it.work.processes {
                for saying in behaviour(&it.work, command, *kind) {
                    world.say(&format!("{name} {kind}: {saying}")).unwrap();
                }
            }
        }
        let list: Vec<Arc<Job>> = described.values().map(|it| Arc::new(it.job.clone())).collect();
        let simulation = Simulation::new(list, world);
        let mut play =
            Self { simulation, files: jobs.clone(), described, lines: Vec::new(), asked: Vec::new() };
        play.collect();
        play
    }

    fn collect(&mut self) {
        self.lines.extend(self.simulation.take_transcript());
    }

    /// Does a step; the time until the next is the case's `max`, or long enough for all to come to rest.
    fn step(&mut self, number: usize, step: &Value) {
        let text = |key: &str| step[key].as_str().map(|text| Name::new(text).unwrap());
        let args = || {
            Args::parse(step["args"].as_array().into_iter().flatten().map(|arg| arg.as_str().unwrap()))
                .unwrap()
        };
        let nowait = step["nowait"] == true;
        let mut reply = None;
        if let Some(name) = text("emit") {
            reply = Some(self.simulation.ask());
            let event = Event { name, args: args() };
            self.simulation.give(Input::Event { event, origin: Origin::Person(0), reply });
        }
        for (word, verb) in [
            ("start", Verb::Start),
            ("stop", Verb::Stop),
            ("restart", Verb::Restart),
            ("reload", Verb::Reload),
        ] {
            if let Some(job) = text(word) {
                reply = (!nowait).then(|| self.simulation.ask());
                let origin = Origin::Person(0);
                self.simulation.give(Input::Command { verb, job, args: args(), force: false, origin, reply });
            }
        }
        if let Some(job) = text("signal") {
            let signal = step["sig"].as_str().unwrap().parse().unwrap();
            self.simulation.end_process(&job, "", ProcessKind::Main, Exit::Signal(signal));
        }
        if let Some(file) = step["write"].as_str() {
            self.write(file, step["text"].as_str().unwrap());
        }
        self.asked.push((number, reply));
        let wait = step["sleep"].as_f64().or(step["max"].as_f64()).unwrap_or(0.2);
        let until = self.simulation.now().0 + (wait * 1000.0) as u64;
        self.simulation.run_until(Time(until));
        self.collect();
    }

    fn write(&mut self, file: &str, text: &str) {
        let name = file.strip_suffix(".conf").unwrap().to_string();
        self.files.insert(name, text.into());
        let (mut jobs, mut refused) = (Vec::new(), Vec::new());
        for (name, conf) in &self.files {
            match described(name, conf) {
                Some(it) => jobs.push(Arc::new(it.job)),
                None => refused.push(Name::new(name).unwrap()),
            }
        }
        self.simulation.give(Input::Reload { jobs, refused });
    }

    /// How often a text was written down, since a line.
    fn count(&self, from: usize, text: &str) -> usize {
        let lines = self.lines.iter().skip(from);
        lines.filter(|line| line.mark == Mark::Out && line.text.starts_with(text)).count()
    }

    fn answer(&self, step: usize) -> Option<(Time, Outcome)> {
        let (_, reply) = self.asked.iter().find(|(number, _)| *number == step)?;
        self.simulation.answer((*reply)?).cloned()
    }

    fn events(&self) -> Vec<String> {
        let events = self.simulation_events();
        events.into_iter().collect()
    }

    fn simulation_events(&self) -> Vec<String> {
        let told = self.lines.iter().filter(|line| line.mark == Mark::Out);
        told.filter_map(|line| line.text.strip_prefix("event ")).map(String::from).collect()
    }
}

/// What a command line does, in the words of [`World::say`].
fn behaviour(work: &Work, command: &Command, kind: ProcessKind) -> Vec<String> {
    let text = match command {
        Command::Exec(line) => line.clone(),
        Command::Script(lines) => lines.clone(),
        Command::Argv(words) | Command::Program(_, words) => words.join(" "),
    };
    if work.user.as_deref() == Some("no-such-user") || text.contains("/no/such/program") {
        return vec!["fails no such file".into()];
    }
    if let Some((_, forks)) = text.split_once("d.py ") {
        let forks: u32 = forks.trim().parse().unwrap();
        return vec![if forks == 0 {
            "runs on, leaves nothing".into()
        } else {
            "runs 0s, exit 0, leaves a daemon".into()
        }];
    }
    let mut said = Vec::new();
    let before_stop = text.split("kill -STOP").next().unwrap_or("");
    let sleeps = |text: &str| {
        let after = text.split("sleep ").skip(1);
        let seconds =
            after.map(|rest| rest.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or(""));
        seconds.filter_map(|number| number.parse::<f64>().ok()).collect::<Vec<_>>()
    };
    if text.contains("kill -STOP") {
        said.push(format!("ready {}ms", (sleeps(before_stop).iter().sum::<f64>() * 1000.0) as u64));
    }
    let forever = text.contains("while :") || sleeps(&text).iter().any(|seconds| *seconds >= 100.0);
    if forever {
        said.push("runs on".into());
    } else {
        let total: f64 = sleeps(&text).iter().sum();
        said.push(format!("runs {}ms", (total * 1000.0) as u64));
        let code = text
            .rsplit("exit ")
            .next()
            .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u8>().ok());
        let code =
            if text.contains("/bin/false") { Some(1) } else { code.filter(|_| text.contains("exit ")) };
        said.push(format!("exit {}", code.unwrap_or(0)));
    }
    if text.contains("trap") && kind == ProcessKind::Main {
        said.push("stops in 1ms".into());
    }
    said
}

fn jobs_of(case: &Value) -> BTreeMap<String, String> {
    let jobs = case["jobs"].as_object().into_iter().flatten();
    jobs.map(|(name, conf)| (name.clone(), conf.as_str().unwrap().into())).collect()
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, wanted: &T) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("{what}: {got:?}, and should be {wanted:?}")) }
}

pub fn check_operator(case: &Case) -> Result<(), String> {
    let json = &case.json;
    let stop = json["kind"] == "stop";
    let mut jobs = jobs_of(json);
    let on = if stop { "stop on" } else { "start on" };
    jobs.insert(
        "t".into(),
        format!("{on} {}\n{}", json["condition"].as_str().unwrap(), json["stanzas"].as_str().unwrap()),
    );
    let mut play = Play::new(&jobs);
    if stop {
        let mut begin = json["begin"].clone();
        if begin.as_object().is_some_and(|begin| begin.is_empty()) {
            begin = serde_json::json!({"start": "t"});
        }
        play.step(usize::MAX, &begin);
    }
    let steps = json["steps"].as_array().unwrap();
    for (number, step) in steps.iter().enumerate() {
        let from = play.lines.len();
        // `exit $RC` of the one job that depends on its variable.
        if let Some(code) = step["args"].as_array().and_then(|args| args[0].as_str()?.strip_prefix("RC=")) {
            play.simulation.world.say(&format!("other: exit {code}")).unwrap();
        }
        play.step(number, step);
        if let Some(fires) = step["expect"]["fires"].as_u64() {
            let what = if stop { "event stopping JOB=t" } else { "event starting JOB=t" };
            expect(&format!("fires in step {number}"), &(play.count(from, what) as u64), &fires)?;
        }
        if let Some(tree) = step["expect"]["tree"].as_array() {
            let wanted: Vec<bool> = tree.iter().map(|truth| truth == 1).collect();
            let engine = &play.simulation.engine;
            let got = if stop { engine.stop_truths("t", "") } else { engine.start_truths("t") };
            if let Some(got) = got {
                expect(&format!("tree after step {number}"), &got, &wanted)?;
            }
        }
        for (earlier, step) in steps.iter().enumerate().take(number + 1) {
            let Some(returns_at) = step["expect"].get("returns_at").and_then(Value::as_u64) else { continue };
            let should = returns_at as usize <= number;
            expect(
                &format!("step {earlier} has returned after step {number}"),
                &play.answer(earlier).is_some(),
                &should,
            )?;
        }
    }
    Ok(())
}

pub fn check_lifecycle(case: &Case) -> Result<(), String> {
    let json = &case.json;
    let mut play = Play::new(&jobs_of(json));
    let steps = json["steps"].as_array().unwrap();
    for (number, step) in steps.iter().enumerate() {
        play.step(number, step);
        check_return(&play, steps, number)?;
    }
    // Let what was begun come to its end.
    play.step(usize::MAX, &serde_json::json!({"sleep": 2.0}));
    for (number, step) in steps.iter().enumerate() {
        check_answer(&play, number, step)?;
    }
    let got = play.events();
    if let Some(wanted) = json["expect"]["emitted"].as_array() {
        let wanted: Vec<String> = wanted.iter().map(|event| event.as_str().unwrap().into()).collect();
        expect("events", &got, &wanted)?;
    }
    for event in json["contains"].as_array().into_iter().flatten() {
        if !got.iter().any(|told| told == event.as_str().unwrap()) {
            return Err(format!("{event} was not emitted, but {got:?}"));
        }
    }
    for event in json["lacks"].as_array().into_iter().flatten() {
        if got.iter().any(|told| told.split(' ').next() == event.as_str()) {
            return Err(format!("{event} was emitted"));
        }
    }
    check_final(&play, &json["expect"]["final"])
}

/// Whether commands have returned when they should have.
fn check_return(play: &Play, steps: &[Value], number: usize) -> Result<(), String> {
    for (earlier, step) in steps.iter().enumerate().take(number + 1) {
        let Some(returns_at) = step["expect"]["returns_at"].as_u64() else { continue };
        let should = returns_at as usize <= number;
        expect(
            &format!("step {earlier} has returned after step {number}"),
            &play.answer(earlier).is_some(),
            &should,
        )?;
    }
    Ok(())
}

fn check_answer(play: &Play, number: usize, step: &Value) -> Result<(), String> {
    let wanted = &step["expect"];
    let Some(rc) = wanted.get("rc") else { return Ok(()) };
    let answer = play.answer(number).map(|(_, outcome)| outcome);
    let got = answer.as_ref().map(|outcome| u64::from(*outcome != Outcome::Done));
    expect(&format!("exit code of step {number} ({answer:?})"), &got, &rc.as_u64())?;
    if let (Some(error), Some(outcome)) = (wanted["error"].as_str(), answer) {
        let text = match &outcome {
            Outcome::UnknownJob => "Unknown job".into(),
            Outcome::UnknownInstance(key) if key.is_empty() => "Unknown instance".into(),
            Outcome::UnknownInstance(key) => format!("Unknown instance: {key}"),
            Outcome::AlreadyRunning => "already running".into(),
            Outcome::MissingVariable(name) => format!("Unknown parameter: {name}"),
            Outcome::Failed(_) => "Job failed to start".into(),
            other @ (Outcome::Done
            | Outcome::AlreadyStopped
            | Outcome::Refused(_)
            | Outcome::EventFailed(_)
            | Outcome::Stopped
            | Outcome::LetGo) => format!("{other:?}"),
        };
        if !text.contains(error) {
            return Err(format!("step {number} says {text:?}, and should say {error:?}"));
        }
    }
    Ok(())
}

fn check_final(play: &Play, wanted: &Value) -> Result<(), String> {
    let got: BTreeMap<String, String> = play
        .simulation
        .engine
        .list()
        .into_iter()
        .filter(|status| status.state != "waiting" || !has_instances(play, &status.job))
        .map(|status| {
            let name = if status.instance.is_empty() {
                status.job.to_string()
            } else {
                format!("{} ({})", status.job, status.instance)
            };
            (name, format!("{}/{}", status.goal, status.state))
        })
        .collect();
    let wanted: BTreeMap<String, String> = wanted
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, state)| (name.clone(), state.as_str().unwrap().into()))
        .collect();
    expect("what list shows", &got, &wanted)
}

fn has_instances(play: &Play, job: &str) -> bool {
    let pattern = play.described.get(job).is_some_and(|it| it.job.instance.is_some());
    pattern
        && play.simulation.engine.list().iter().any(|status| status.job == job && !status.instance.is_empty())
}

/// The variables of each process that a case starts, by job and kind.
fn variables(case: &Case) -> BTreeMap<(String, ProcessKind), BTreeMap<String, String>> {
    let json = &case.json;
    let files = jobs_of(json);
    let mut play = Play::new(&files);
    let mut found = BTreeMap::new();
    let inits = json["init_env"].as_object().cloned().unwrap_or_default();
    let init = |name: &str| inits.get(name).and_then(Value::as_str).map(String::from);
    let term = init("TERM").unwrap_or_else(|| "linux".into());
    let base = [("PATH".to_string(), "@PATH@".to_string()), ("TERM".to_string(), term)];
    for (number, step) in json["steps"].as_array().unwrap().iter().enumerate() {
        play.simulation.keep_actions();
        play.step(number, step);
        for action in play.simulation.take_actions() {
            if let Action::Spawn { job, instance, process, env, .. } = action {
                let variables = jobs::environment(&job, &instance, &env, &base, &init);
                found.insert((job.name.to_string(), process), variables.into_iter().collect());
            }
        }
    }
    found
}

pub fn variables_of(case: &Case, job: &str, process: ProcessKind) -> BTreeMap<String, String> {
    variables(case).remove(&(job.to_string(), process)).unwrap_or_default()
}

/// The process whose script writes its variables to a file of this name.
fn writer(files: &BTreeMap<String, String>, file: &str) -> Option<(String, ProcessKind)> {
    if let Some(job) = file.strip_prefix("log/").and_then(|file| file.strip_suffix(".log")) {
        return Some((job.into(), ProcessKind::Main));
    }
    files.iter().find_map(|(name, conf)| {
        let it = described(name, conf)?;
        let writes = |command: &Command| matches!(command, Command::Script(text) if text.contains(&format!("@D@/{file}\n")) || text.contains(&format!("@D@/{file}.tmp")));
        it.work.processes.iter().find(|(_, command)| writes(command)).map(|(kind, _)| (name.clone(), *kind))
    })
}

pub fn check_environment(case: &Case) -> Result<(), String> {
    let json = &case.json;
    let files = jobs_of(json);
    let seen = variables(case);
    let of = |file: &str| -> Result<&BTreeMap<String, String>, String> {
        let writer = writer(&files, file).ok_or_else(|| format!("no process writes {file}"))?;
        seen.get(&writer).ok_or_else(|| format!("{writer:?} was not started"))
    };
    let expected = &json["expect"];
    for (file, wanted) in expected["has"].as_object().into_iter().flatten() {
        for (key, value) in wanted.as_object().unwrap() {
            expect(&format!("{file}: {key}"), &of(file)?.get(key).map(String::as_str), &value.as_str())?;
        }
    }
    for (file, lacking) in expected["lacks"].as_object().into_iter().flatten() {
        for key in lacking.as_array().unwrap() {
            expect(&format!("{file}: {key}"), &of(file)?.get(key.as_str().unwrap()), &None)?;
        }
    }
    for (file, wanted) in expected["exact"].as_object().into_iter().flatten() {
        let wanted = wanted
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap().into()));
        expect(file, of(file)?, &wanted.collect())?;
    }
    if let Some(events) = expected["events_contain"].as_array() {
        let mut play = Play::new(&files);
        for (number, step) in json["steps"].as_array().unwrap().iter().enumerate() {
            play.step(number, step);
        }
        let got = play.events();
        for event in events {
            if !got.iter().any(|told| told == event.as_str().unwrap()) {
                return Err(format!("{event} was not emitted, but {got:?}"));
            }
        }
    }
    let checks = ["has", "lacks", "exact", "events_contain"].iter().any(|key| expected.get(key).is_some());
    if checks { Ok(()) } else { Err("nothing was checked".into()) }
}

/// A defect is mended if what `must_be` says is so; each is looked at by its own lines.
pub fn check_defect(case: &Case) -> Result<(), String> {
    let json = &case.json;
    let steps = json["steps"].as_array().unwrap();
    if case.id == "df-007" {
        let conf = json["jobs"]["t"].as_str().unwrap();
        return expect("`kill signal 99` is refused", &described("t", conf).is_none(), &true);
    }
    let mut play = Play::new(&jobs_of(json));
    for word in ["pre-start", "post-start", "post-stop"] {
        play.simulation.world.say(&format!("t {word}: ignores signals")).unwrap();
    }
    for (number, step) in steps.iter().enumerate() {
        if step["start"].is_string()
            || step["stop"].is_string()
            || step["emit"].is_string()
            || step["write"].is_string()
            || step["sleep"].is_number()
        {
            play.step(number, step);
        }
    }
    play.step(usize::MAX, &serde_json::json!({"sleep": 120.0}));
    let state = play.simulation.engine.status("t", "").unwrap().to_string();
    let alive = play.simulation.running("t").count();
    let answers: Vec<Option<Outcome>> =
        (0..steps.len()).map(|number| play.answer(number).map(|(_, outcome)| outcome)).collect();
    match case.id.as_str() {
        // Everything is down, and every command has returned.
        "df-001" | "df-009" | "df-010" | "df-012" => {
            expect("processes that are left", &alive, &0)?;
            expect("state", &state.as_str(), &"t stop/waiting")?;
            expect(
                "stop has returned",
                &answers[steps.iter().position(|step| step["stop"].is_string()).unwrap()].is_some(),
                &true,
            )
        }
        "df-004" => expect("left-over processes", &alive, &0),
        "df-013" => {
            expect("the emitter was let go", &answers[0], &Some(Outcome::Done))?;
            expect(
                "half of the condition is kept",
                &play.simulation.engine.start_truths("t").unwrap(),
                &vec![true, false, false],
            )
        }
        "df-021" => expect("the last good version starts", &answers[1], &Some(Outcome::Done)),
        "df-023" => expect("start says that it was stopped", &answers[0], &Some(Outcome::Stopped)),
        other => Err(format!("{other} has no check")),
    }
}
