//! Plays a case of the conformance data: its jobs in `/etc/init` of a machine whose PID 1 is Onset, its steps as
//! commands of Upstart's own names.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File},
    os::fd::{AsFd as _, AsRawFd as _},
    process::{Child, ChildStdout, Stdio},
    time::Duration,
};

use serde_json::Value;
use vm_tests::{
    failure::{Doing as _, Failure},
    limit::Limit,
    namespace::{Machine, Options, Ran},
    stream::{Stream, wait},
};

/// A case of the data.
pub struct Case {
    pub id: String,
    pub title: String,
    pub json: Value,
}

/// All cases of a group.
pub fn cases(group: &str) -> Vec<Case> {
    let data: Value =
        serde_json::from_str(include_str!("../../../jobs/tests/data/upstart-conformance.json")).unwrap();
    let cases = data["cases"].as_array().unwrap().iter().filter(|case| case["group"] == group);
    cases
        .map(|case| Case {
            id: case["id"].as_str().unwrap().into(),
            title: case["title"].as_str().unwrap().into(),
            json: case.clone(),
        })
        .collect()
}

/// The folder that a case writes into.
const FOLDER: &str = "/tmp/d";

/// A daemon that forks as often as it is told, writes its process id down and stays.
const FORKER: &str = "#!/bin/sh
if [ \"$1\" -gt 0 ]; then
    /bin/sh \"$0\" $(($1 - 1)) &
    exit 0
fi
echo $$ >/tmp/d/p
exec sleep 1000
";

/// How long what must come about may take on a machine that has much else to do.
pub const PATIENCE: u64 = 30;

/// A case that is being played.
pub struct Play {
    machine: RefCell<Machine>,
    /// Kept open, so that what was written can be read when PID 1 is gone.
    root: File,
    watcher: Watcher,
    asked: Vec<(usize, Asked)>,
    /// How long is waited for what should come about.
    pub patience: u64,
}

/// Who is told everything that happens.
struct Watcher {
    child: Child,
    lines: Stream<ChildStdout>,
    events: Vec<String>,
}

/// A command that was given and may not have come back.
struct Asked {
    child: Option<Child>,
    ran: Option<Ran>,
}

impl Play {
    /// Boots a machine with the case's jobs, and waits until its boot has settled.
    pub fn new(json: &Value, patience: u64) -> Result<Self, Failure> {
        Self::with(json, patience, &[])
    }

    /// The same with further files.
    pub fn with(json: &Value, patience: u64, more: &[(&str, &str)]) -> Result<Self, Failure> {
        let mut files = vec![
            (format!("{FOLDER}/d.py"), String::from(FORKER)),
            ("bin/python3".into(), "#!/bin/sh\nexec /bin/sh \"$@\"\n".into()),
            // Not every busybox has it.
            ("bin/nice".into(), "#!/bin/sh\ncut -d ' ' -f 19 /proc/$$/stat\n".into()),
        ];
        for (name, conf) in json["jobs"].as_object().into_iter().flatten() {
            files.push((format!("etc/init/{name}.conf"), placed(conf.as_str().unwrap())));
        }
        files.extend(more.iter().map(|(path, text)| (String::from(*path), placed(text))));
        let inits = json["init_env"].as_object().cloned().unwrap_or_default();
        let text = |value: Value| value.as_str().map(String::from).unwrap_or_default();
        let mut environment: Vec<_> = inits.into_iter().map(|(key, value)| (key, text(value))).collect();
        // An init of a machine, not of a container: Upstart's signals are those of a machine.
        environment.push(("container".into(), String::new()));
        let options = Options { files, environment, ..Options::default() };
        // A machine without any job would ask for help.
        let machine = Machine::start(&[("idle", "(exec: \"/bin/true\", manual: true)")], &options)?;
        let root = File::open(machine.path("/")).doing("the root")?;
        let settled = machine.ctl(&["settled", "--wait", "--timeout", "30s"])?;
        if settled.status != 0 {
            return Err(Failure(format!("{}\n{}", settled.err, machine.console())));
        }
        let watcher = Watcher::new(&machine)?;
        Ok(Self { machine: RefCell::new(machine), root, watcher, asked: Vec::new(), patience })
    }

    /// Runs Upstart's program, and waits for its end.
    pub fn initctl(&self, words: &[&str]) -> Ran {
        self.run(&[&["/sbin/initctl"], words].concat())
    }

    /// Runs a program, and waits for its end.
    pub fn run(&self, words: &[&str]) -> Ran {
        self.machine.borrow().run(words).unwrap()
    }

    /// Sends PID 1 a signal.
    pub fn signal_init(&self, signal: &str) {
        self.machine.borrow().signal_init(signal).unwrap();
    }

    /// Gives a command and does not wait for its end.
    pub fn ask(&mut self, number: usize, words: &[&str]) {
        let mut command = self.machine.borrow().command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.asked.push((number, Asked { child: Some(command.spawn().unwrap()), ran: None }));
    }

    /// What the command of a step gave, if it has come back.
    pub fn answer(&mut self, number: usize) -> Option<Ran> {
        let (_, asked) = self.asked.iter_mut().find(|(known, _)| *known == number)?;
        let has_ended = matches!(asked.child.as_mut().map(Child::try_wait), Some(Ok(Some(_))));
        if has_ended && let Some(child) = asked.child.take() {
            let output = child.wait_with_output().unwrap();
            asked.ran = Some(Ran {
                status: output.status.code().unwrap_or(-1),
                out: String::from_utf8_lossy(&output.stdout).into_owned(),
                err: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        asked.ran.clone()
    }

    /// Does a step of a case. It has begun when this comes back; a command that is held up may not have ended.
    pub fn step(&mut self, number: usize, step: &Value) {
        let given: Vec<String> = step["args"].as_array().into_iter().flatten().map(text).collect();
        let told = |play: &mut Self, event: &str| play.events().iter().filter(|it| *it == event).count();
        for verb in ["start", "stop", "restart", "reload", "emit"] {
            let Some(name) = step[verb].as_str() else { continue };
            let mut words = vec!["/sbin/initctl", verb, name];
            words.extend(given.iter().map(String::as_str));
            let event = words[2..].join(" ");
            let before = told(self, &event);
            self.ask(number, &words);
            let limit = Limit::after(Duration::from_secs_f64(step["max"].as_f64().unwrap_or(60.0)));
            self.wait(limit, |play| {
                play.answer(number).is_some() || (verb == "emit" && told(play, &event) > before)
            });
        }
        if let Some(address) = step["connect"].as_array() {
            self.connect(address);
        }
        if let Some(seconds) = step["sleep"].as_f64() {
            self.wait(Limit::after(Duration::from_secs_f64(seconds)), |_| false);
        }
        if let Some(job) = step["signal"].as_str() {
            let pid = self.pid_of(job).expect("a process to send the signal to");
            self.run(&["/bin/kill", &format!("-{}", text(&step["sig"])), &pid]);
        }
        if let Some(file) = step["write"].as_str() {
            let words = ["/bin/sh", "-c", "printf %s \"$2\" >\"/etc/init/$1\"", "write", file];
            self.run(&[&words[..], &[&placed(step["text"].as_str().unwrap())]].concat());
            // A fault in the files is what such a case is about; it is in the status, and no status here.
            self.initctl(&["reload-configuration"]);
        }
    }

    /// Connects to a socket of the network, or of this machine, as soon as somebody listens; says nothing, and hangs up.
    fn connect(&mut self, address: &[Value]) {
        let command = match address {
            [kind, host, port] if kind == "inet" => {
                // Nobody may ever answer; only who is turned away ends with 1.
                format!("ip link set lo up; timeout 2 nc {} {port} </dev/null; [ $? != 1 ]", text(host))
            }
            // What talks to Onset can connect to anything.
            [_, path] => format!("timeout 2 onsetctl --socket {} version; [ $? != 5 ]", text(path)),
            _ => panic!("{address:?}"),
        };
        let limit = Limit::seconds(self.patience);
        self.wait(limit, |play| play.run(&["/bin/sh", "-c", &command]).status == 0);
    }

    /// Does all steps of a case.
    pub fn steps(&mut self, json: &Value) {
        for (number, step) in json["steps"].as_array().into_iter().flatten().enumerate() {
            self.step(number, step);
            if step["sleep"].is_null() && step["max"].is_null() {
                // As the data has it: what a process does first when it was executed is part of many a case.
                self.wait(Limit::after(Duration::from_millis(200)), |_| false);
            }
        }
    }

    /// The main process of a job, as the machine counts it.
    pub fn pid_of(&self, job: &str) -> Option<String> {
        let status = self.initctl(&["status", job]).out;
        let (_, pid) = status.lines().next()?.split_once(", process ")?;
        Some(pid.trim().into())
    }

    /// What has happened since the first step, as one line for each event.
    pub fn events(&mut self) -> &[String] {
        self.watcher.hear();
        &self.watcher.events
    }

    /// A file that the case's processes wrote. `log/` is where the output of jobs goes: there it is without the times
    /// that the log keeper puts in front of each line.
    pub fn file(&self, name: &str) -> Result<String, String> {
        let Some(log) = name.strip_prefix("log/") else { return self.read(&format!("{FOLDER}/{name}")) };
        let lines = self.read(&format!("/var/log/onset/{log}"))?;
        let line = |line: &str| line.split_once(' ').map(|(_, text)| format!("{text}\n"));
        Ok(lines.lines().filter_map(line).collect())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        let at = format!("/proc/self/fd/{}{path}", self.root.as_raw_fd());
        fs::read_to_string(at).map_err(|error| format!("{path}: {error}"))
    }

    /// The variables that a process wrote to a file.
    pub fn variables(&self, file: &str) -> Result<BTreeMap<String, String>, String> {
        let text = self.file(file)?;
        let variables = text.lines().filter_map(|line| line.split_once('='));
        Ok(variables.map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// What `list` shows: goal and state by job and instance.
    pub fn list(&self) -> BTreeMap<String, String> {
        let ran = self.run(&["/sbin/onsetctl", "list", "--json"]);
        let list: Value = serde_json::from_str(&ran.out).unwrap_or_default();
        let jobs = list["jobs"].as_array().cloned().unwrap_or_default();
        let shown = jobs.iter().filter(|job| job["job"] != "idle").map(|job| {
            let name = match text(&job["instance"]) {
                instance if instance.is_empty() => text(&job["job"]),
                instance => format!("{} ({instance})", text(&job["job"])),
            };
            (name, format!("{}/{}", text(&job["goal"]), text(&job["state"])))
        });
        shown.collect()
    }

    /// Looks again and again until all is well, or gives what is wrong when patience has run out.
    pub fn until(&mut self, mut look: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        let limit = Limit::seconds(self.patience);
        let mut last = Ok(());
        self.wait(limit, |play| {
            last = look(play);
            last.is_ok()
        });
        last
    }

    fn wait(&mut self, limit: Limit, mut is_done: impl FnMut(&mut Self) -> bool) {
        while !is_done(self) {
            let Some(left) = limit.left() else { return };
            let often = left.min(Duration::from_millis(20));
            // Whatever comes of the watcher, it is looked at again.
            let _ = wait(&[self.watcher.lines.as_fd()], often);
            self.watcher.hear();
        }
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        if std::env::var_os("CASE").is_some() {
            let events = self.events().to_vec();
            println!("--- the console:\n{}--- the events: {events:#?}", self.machine.borrow().console());
        }
        for child in self.asked.iter_mut().filter_map(|(_, asked)| asked.child.as_mut()) {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = self.watcher.child.kill();
        let _ = self.watcher.child.wait();
    }
}

impl Watcher {
    fn new(machine: &Machine) -> Result<Self, Failure> {
        let mut command = machine.command(&["/sbin/onsetctl", "events", "--json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().doing("onsetctl events")?;
        let lines = Stream::new(child.stdout.take().doing("its output")?)?;
        let mut watcher = Self { child, lines, events: Vec::new() };
        let limit = Limit::seconds(PATIENCE);
        loop {
            watcher.lines.fill();
            if let Some(line) = watcher.lines.line() {
                let is_watching = line.contains("\"watching\"");
                return if is_watching { Ok(watcher) } else { Err(Failure(line)) };
            }
            let left = limit.left().doing("onsetctl events says nothing")?;
            wait(&[watcher.lines.as_fd()], left)?;
        }
    }

    fn hear(&mut self) {
        self.lines.fill();
        while let Some(line) = self.lines.line() {
            let happened: Value = serde_json::from_str(&line).unwrap_or_default();
            if happened["what"] == "event" {
                self.events.push(text(&happened["text"]));
            }
        }
    }
}

/// A text of the data.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().into()
}

/// A job of the data, with the case's folder in its place.
fn placed(text: &str) -> String {
    text.replace("@D@", FOLDER)
}
