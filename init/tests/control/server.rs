//! An Onset of which only the control socket is real: its jobs run on a simulated machine, whose clock goes on by
//! a fifth of a second with everything that it is told, and otherwise when a test says so.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
};

use events::{Bus, Name, Time};
use init::{
    control::{Control, Fault, Limit, Loaded, Order, Views},
    pid1::{
        options::Options,
        shell::Shell,
        token::Token,
        works::{Piece, Works},
    },
    sys::poll::{Interest, Poll, Ready},
};
use jobs::{
    Action, Input, ProcessKind, Work, WorkId,
    formats::{Described, Source, upstart},
    simulate::{Simulation, World},
};
use serde_json::Value;

/// What a test tells the server.
enum Tell {
    /// So many milliseconds pass.
    Pass(u64),
    /// The boot has settled.
    Settled,
    /// This user is not listened to any more.
    Bar(u32),
    /// Who connects from now on is a process of this job.
    Inside(&'static str),
    /// PID 1 executes itself again without a word, as after a crash.
    Crash,
    /// How many orders there were, by their text.
    Orders(Sender<Vec<String>>),
    /// The test is over.
    End,
}

pub struct Server {
    pub folder: PathBuf,
    pub socket: PathBuf,
    tell: Sender<Tell>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// With jobs from these Upstart files: name and text.
    pub fn new(files: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("onset-control-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let files: BTreeMap<String, String> =
            files.iter().map(|(name, text)| (String::from(*name), String::from(*text))).collect();
        let socket = folder.join("control");
        let (tell, told) = channel();
        let (wake, woken) = UnixStream::pair().unwrap();
        let (ready, is_ready) = channel();
        let path = socket.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(serve(&files, &path, &told, woken, &ready));
        });
        is_ready.recv().unwrap();
        Self { folder, socket, tell, wake, thread: Some(thread) }
    }

    fn tell(&self, what: Tell) {
        self.tell.send(what).unwrap();
        (&self.wake).write_all(b"x").unwrap();
    }

    pub fn pass(&self, millis: u64) {
        self.tell(Tell::Pass(millis));
    }

    pub fn settled(&self) {
        self.tell(Tell::Settled);
    }

    pub fn bar(&self, uid: u32) {
        self.tell(Tell::Bar(uid));
    }

    pub fn inside(&self, job: &'static str) {
        self.tell(Tell::Inside(job));
    }

    pub fn crash(&self) {
        self.tell(Tell::Crash);
    }

    /// What only the loop can do and was asked for so far.
    pub fn orders(&self) -> Vec<String> {
        let (back, orders) = channel();
        self.tell(Tell::Orders(back));
        orders.recv().unwrap()
    }

    /// `onsetctl` with these words.
    pub fn run(&self, words: &[&str]) -> (i32, String, String) {
        self.called("onsetctl", words)
    }

    /// The same program under another name.
    pub fn called(&self, name: &str, words: &[&str]) -> (i32, String, String) {
        let mut command = self.command(name, words);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    pub fn command(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onsetctl"));
        command.arg0(name).args(words).env("ONSET_CONTROL", &self.socket).env_remove("UPSTART_JOB");
        command
    }

    pub fn connect(&self) -> Talk {
        Talk::new(UnixStream::connect(&self.socket).unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.tell.send(Tell::End);
        let _ = self.wake.write_all(b"x");
        let result = self.thread.take().map(JoinHandle::join);
        let _ = fs::remove_dir_all(&self.folder);
        if !std::thread::panicking() {
            result.unwrap().unwrap();
        }
    }
}

/// A connection that sends what it likes.
pub struct Talk {
    pub stream: UnixStream,
    input: Vec<u8>,
}

impl Talk {
    pub const fn new(stream: UnixStream) -> Self {
        Self { stream, input: Vec::new() }
    }

    pub fn send(&mut self, message: &str) {
        self.stream.write_all(message.as_bytes()).unwrap();
        self.stream.write_all(&[0]).unwrap();
    }

    /// The next message; nothing at the end.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.input.drain(..=end).collect();
                return Some(serde_json::from_slice(&message[..end]).unwrap());
            }
            let mut buffer = [0; 65_536];
            let count = self.stream.read(&mut buffer).unwrap_or(0);
            if count == 0 {
                return None;
            }
            self.input.extend_from_slice(&buffer[..count]);
        }
    }

    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        let call =
            serde_json::json!({"method": format!("org.onset.Manager.{method}"), "parameters": parameters});
        self.send(&call.to_string());
        self.next().expect("an answer")
    }
}

struct Machine {
    simulation: Simulation,
    works: Works,
    control: Option<Control>,
    orders: Vec<String>,
    jobs: usize,
    inside: Option<Name>,
}

async fn serve(
    files: &BTreeMap<String, String>,
    path: &Path,
    told: &Receiver<Tell>,
    woken: UnixStream,
    is_up: &Sender<()>,
) {
    let mut poll: Poll<Token> = Poll::new().unwrap();
    let mut bus: Bus<Input> = Bus::new(4_096);
    let options = Options::default();
    woken.set_nonblocking(true).unwrap();
    let _at = poll.add(&woken, Interest::Read, Token::Signals).unwrap();
    let mut machine = Machine::new(files, path);
    let mut shell = Shell { poll: &mut poll, bus: &mut bus, now: Time(0), options: &options };
    let mut control = Control::new(&mut shell, path);
    control.set_faults(std::iter::once(refused_file()));
    machine.control = Some(control);
    is_up.send(()).unwrap();
    loop {
        let mut ready = poll.wait().await.unwrap();
        ready.sort_by_key(|(token, _)| *token);
        if let Some(control) = &mut machine.control {
            control.begin_turn(&mut ready);
        }
        let mut shell =
            Shell { now: machine.simulation.now(), poll: &mut poll, bus: &mut bus, options: &options };
        for (token, ready) in ready {
            if token == Token::Signals {
                let mut buffer = [0; 64];
                let _ = (&woken).read(&mut buffer);
            } else {
                machine.ready(&mut shell, token, ready);
            }
        }
        while let Ok(told) = told.try_recv() {
            if matches!(told, Tell::End) {
                return;
            }
            machine.told(&mut shell, told);
        }
        machine.turn(&mut shell);
    }
}

/// What is wrong in the file of the job `broken`, which is therefore not there.
fn refused_file() -> Fault {
    Fault {
        severity: "error".into(),
        code: "unknown-stanza".into(),
        message: "there is no stanza `exce`".into(),
        path: Some("/etc/init/broken.conf".into()),
        line: Some(2),
        column: Some(1),
        help: None,
    }
}

fn described(name: &str, conf: &str) -> Described {
    let source = Source { path: format!("/etc/init/{name}.conf"), text: conf.into(), executable: false };
    upstart::read(&Name::new(name).unwrap(), &source, &[]).described.expect("a file that can be read")
}

/// What a job's processes do, in the words of the simulation.
fn behaviour(work: &Work, kind: ProcessKind) -> &'static str {
    let command = work.processes.iter().find(|(known, _)| *known == kind).map(|(_, command)| command);
    let text = command.map(|command| command.argv().join(" ")).unwrap_or_default();
    match text.as_str() {
        "sleep 4" => "runs 4s",
        "sleep 1" => "runs 1s",
        "false" => "exit 1",
        "stubborn" => "ignores signals",
        _ if kind == ProcessKind::Main && !text.starts_with("echo") => "runs on",
        _ => "takes 0ms",
    }
}

impl Machine {
    fn new(files: &BTreeMap<String, String>, path: &Path) -> Self {
        let mut world = World::default();
        let (mut jobs, mut index, mut bytes) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (name, conf) in files {
            let mut it = described(name, conf);
            for (kind, _) in &it.work.processes {
                world.say(&format!("{name} {kind}: {}", behaviour(&it.work, *kind))).unwrap();
            }
            let piece = Piece { work: it.work, path: it.path };
            let text = postcard::to_allocvec(&piece).unwrap();
            it.job.work = WorkId::of(&text);
            index.insert(it.job.work, (bytes.len() as u32, text.len() as u32));
            bytes.extend_from_slice(&text);
            jobs.push(Arc::new(it.job));
        }
        let works = path.with_file_name("works");
        fs::write(&works, &bytes).unwrap();
        let works = Works::new(File::open(&works).unwrap(), index, bytes.len() as u32);
        let count = jobs.len();
        let mut simulation = Simulation::new(jobs, world);
        simulation.keep_actions();
        simulation.take_actions();
        Self { simulation, works, control: None, orders: Vec::new(), jobs: count, inside: None }
    }

    /// Does something with the control socket, which looks at everything else.
    fn with<T>(&mut self, act: impl FnOnce(&mut Control, &Views<'_>) -> T) -> T {
        let mut control = self.control.take().unwrap();
        let limits = || Vec::<Limit>::new();
        let life_of_pid = |_| self.inside.as_ref().and_then(|job| self.simulation.life_of(job));
        let views = Views {
            engine: &self.simulation.engine,
            works: &self.works,
            life_of_pid: &life_of_pid,
            remarks: &|_, _| Vec::new(),
            obstacle: &|_| None,
            calendars: &Vec::new,
            limits: &limits,
            decoding: &|_| {},
        };
        let result = act(&mut control, &views);
        self.control = Some(control);
        result
    }

    fn ready(&mut self, shell: &mut Shell<'_>, token: Token, ready: Ready) {
        let orders = self.with(|control, views| control.ready(shell, views, token, ready));
        for order in orders {
            self.order(shell, order);
        }
    }

    fn order(&mut self, shell: &mut Shell<'_>, order: Order) {
        let text = format!("{order:?}");
        match order {
            Order::ReloadConfiguration { reply } => {
                let loaded = Loaded { jobs: self.jobs, ..Loaded::default() };
                self.with(|control, _| control.loaded(shell, reply, &loaded));
            }
            Order::Reexec { .. } => {
                self.with(|control, _| control.farewell(shell.now));
                self.again(shell);
            }
            Order::SwitchRoot { reply, .. } => {
                self.with(|control, _| control.done(shell, reply, Err("nothing is mounted there".into())));
            }
            Order::Shutdown { .. } | Order::LogLevel(_) | Order::Environment | Order::Devices(_) => {}
        }
        self.orders.push(text);
    }

    /// PID 1 has executed itself again: its connections are gone, and its records are not.
    fn again(&mut self, shell: &mut Shell<'_>) {
        let old = self.control.take().unwrap();
        let records = old.records().clone();
        let init::control::Place::Path(path) = old.place().clone() else { panic!("listens at a path") };
        old.close(shell);
        self.control = Some(Control::resume(shell, &path, records, None));
    }

    fn told(&mut self, shell: &mut Shell<'_>, told: Tell) {
        match told {
            Tell::Pass(millis) => {
                let until = Time(self.simulation.now().0 + millis);
                self.simulation.run_until(until);
                shell.now = until;
                self.acted(shell);
            }
            Tell::Settled => self.with(|control, views| control.settled(shell, views)),
            Tell::Bar(uid) => self.with(|control, _| control.bar(uid)),
            Tell::Inside(job) => self.inside = Some(Name::new(job).unwrap()),
            Tell::Crash => self.again(shell),
            Tell::Orders(back) => back.send(self.orders.clone()).unwrap(),
            Tell::End => {}
        }
    }

    /// Everything that came in is worked off, and a little time passes.
    fn turn(&mut self, shell: &mut Shell<'_>) {
        let batch = shell.bus.take(1_024);
        if !batch.is_empty() {
            self.simulation.give_batch(batch);
            let until = Time(self.simulation.now().0 + 200);
            self.simulation.run_until(until);
            shell.now = until;
        }
        self.acted(shell);
        self.with(|control, views| control.turned(shell, views));
        // There are no devices here that anybody would have to look at first.
        self.with(|control, views| control.tell_devices(shell, views, false));
        if self.with(|control, _| control.deadline()).is_some_and(|deadline| deadline <= shell.now) {
            let orders = self.with(|control, views| control.tick(shell, views));
            for order in orders {
                self.order(shell, order);
            }
        }
    }

    fn acted(&mut self, shell: &mut Shell<'_>) {
        for action in self.simulation.take_actions() {
            match action {
                Action::Reply(reply, outcome) => {
                    self.with(|control, views| control.reply(shell, reply, &outcome, views));
                }
                Action::Tell(event) => self.with(|control, views| control.tell(shell, &event, views)),
                Action::Note(note) => self.with(|control, _| control.note(shell, &note)),
                Action::Spawn { .. }
                | Action::Signal { .. }
                | Action::SignalMain { .. }
                | Action::KillHook { .. }
                | Action::KillAll { .. }
                | Action::Leave { .. }
                | Action::Forget { .. }
                | Action::Watch(_)
                | Action::Unwatch(_)
                | Action::Wake(_)
                | Action::Again
                | Action::Down(_) => {}
            }
        }
    }
}
