//! PID 1 executes itself in the middle of something, and goes on: an engine that decides, and the executor.

use std::{collections::BTreeMap, sync::Arc};

use events::{Args, Name, Text};
use jobs::{
    Action, Engine, Exit, Format, Input, Job, Life, Origin, Pid, ProcessKind, ProcessSet, Ready, State, Verb,
    Work,
};

use crate::machine::{ALL, Machine, Test, WITH_CGROUPS, is_alive, say, work};

pub const TESTS: &[Test] = &[
    Test { name: "a_service_goes_on_over_an_exec", ways: ALL, run: a_service_goes_on_over_an_exec },
    Test { name: "who_ends_during_an_exec_is_told_of", ways: ALL, run: who_ends_during_an_exec_is_told_of },
    Test {
        name: "a_report_lost_in_an_exec_is_told_again",
        ways: ALL,
        run: a_report_lost_in_an_exec_is_told_again,
    },
    Test { name: "a_set_up_goes_on_over_an_exec", ways: ALL, run: a_set_up_goes_on_over_an_exec },
    Test { name: "what_was_in_line_is_asked_for_again", ways: ALL, run: what_was_in_line_is_asked_for_again },
    Test { name: "readiness_goes_on_over_an_exec", ways: ALL, run: readiness_goes_on_over_an_exec },
    Test { name: "a_daemon_goes_on_over_an_exec", ways: ALL, run: a_daemon_goes_on_over_an_exec },
    Test { name: "a_kill_goes_on_over_an_exec", ways: ALL, run: a_kill_goes_on_over_an_exec },
    Test { name: "a_group_of_nobody_is_killed", ways: WITH_CGROUPS, run: a_group_of_nobody_is_killed },
];

/// An engine, and a machine that does what it says.
struct Whole<'m> {
    machine: &'m mut Machine,
    engine: Engine,
    works: BTreeMap<Name, Work>,
    told: Vec<Input>,
}

impl<'m> Whole<'m> {
    fn new(machine: &'m mut Machine, jobs: &[(&str, Ready, Work)]) -> Self {
        let mut works = BTreeMap::new();
        let jobs = jobs.iter().map(|(name, ready, work)| {
            let mut job = Job::new(Name::new(name).unwrap(), Format::Native);
            job.ready = ready.clone();
            job.processes = ProcessSet::default().with(ProcessKind::Main);
            works.insert(job.name.clone(), work.clone());
            Arc::new(job)
        });
        let jobs = jobs.collect();
        let mut whole = Self { machine, engine: Engine::new(), works, told: Vec::new() };
        whole.step(vec![Input::Reload { jobs, refused: Vec::new() }]);
        whole
    }

    fn command(&mut self, verb: Verb, job: &str) {
        let (job, args, origin) = (Name::new(job).unwrap(), Args::new(), Origin::Person(0));
        self.step(vec![Input::Command { verb, job, args, force: true, origin, reply: None }]);
    }

    fn step(&mut self, inputs: Vec<Input>) {
        for action in self.engine.step(inputs, Machine::now()) {
            match action {
                Action::Spawn { life, job, instance, process, .. } => {
                    assert_eq!(instance, Text::from(""));
                    let work = self.works[&job.name].clone();
                    self.machine.spawn(life, process, &job, &work, "");
                }
                Action::Signal { life, signal } => {
                    self.machine.with(|executor, shell| executor.signal(shell, life, signal));
                }
                Action::KillAll { life } => self.machine.kill_all(life),
                Action::Forget { life } => self.machine.forget(life),
                Action::Leave { life } => self.machine.with(|executor, shell| executor.leave(shell, life)),
                _ => {}
            }
        }
    }

    /// One turn of the whole: the engine hears what has come.
    fn turn(&mut self) {
        self.hear();
        let inputs = std::mem::take(&mut self.machine.seen);
        self.told.extend(inputs.iter().cloned());
        self.step(inputs);
    }

    /// One turn of the executor alone.
    fn hear(&mut self) {
        let soon = Machine::now().after(std::time::Duration::from_millis(20));
        self.machine.turn(soon);
    }

    #[track_caller]
    fn until(&mut self, job: &str, is_so: impl Fn(State) -> bool) {
        let end = Machine::now().after(std::time::Duration::from_secs(30));
        while !self.state(job).is_some_and(|(_, state)| is_so(state)) {
            assert!(Machine::now() < end, "{:?}; told {:#?}", self.state(job), self.told);
            self.turn();
        }
    }

    #[track_caller]
    fn until_down(&mut self, job: &str) {
        let end = Machine::now().after(std::time::Duration::from_secs(30));
        while self.state(job).is_some() {
            assert!(Machine::now() < end, "{:?}; told {:#?}", self.state(job), self.told);
            self.turn();
        }
    }

    /// Until something has come that the engine is not told.
    #[track_caller]
    fn until_lost(&mut self, is_meant: impl Fn(&Input) -> bool) {
        let end = Machine::now().after(std::time::Duration::from_secs(30));
        while !self.machine.seen.iter().any(&is_meant) {
            assert!(Machine::now() < end, "{:#?}", self.machine.seen);
            self.hear();
        }
    }

    fn state(&self, job: &str) -> Option<(Life, State)> {
        let living = self.engine.living().find(|(_, known, ..)| known.name.as_str() == job);
        living.map(|(life, _, _, state)| (life, state))
    }

    #[track_caller]
    fn main(&self, job: &str) -> i32 {
        match self.state(job).unwrap().1.main() {
            jobs::Main::Alive(Pid(pid)) => pid as i32,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn up(&mut self, job: &str) -> i32 {
        self.command(Verb::Start, job);
        self.until(job, |state| matches!(state, State::Running(_)));
        self.main(job)
    }

    fn again(&mut self) {
        self.machine.again(&self.engine);
    }

    fn ends(&self) -> Vec<Exit> {
        let exit = |input: &Input| match input {
            Input::Exited { exit, .. } => Some(*exit),
            _ => None,
        };
        self.told.iter().filter_map(exit).collect()
    }
}

fn a_service_goes_on_over_an_exec(machine: &mut Machine) {
    let mut whole = Whole::new(machine, &[("a", Ready::Spawned, work("sleep 1000 & sleep 1000"))]);
    let pid = whole.up("a");
    for _ in 0..3 {
        whole.again();
        whole.turn();
    }
    assert!(is_alive(pid) && whole.main("a") == pid && whole.told.len() == 1, "{:?}", whole.told);
    whole.command(Verb::Stop, "a");
    whole.until_down("a");
    assert_eq!(whole.ends(), [Exit::Signal(jobs::Signal::TERM)]);
    whole.machine.until_so("all are reaped", || crate::machine::others() == 0);
    assert_eq!(whole.machine.groups(), [""; 0]);
}

fn who_ends_during_an_exec_is_told_of(machine: &mut Machine) {
    let mut whole = Whole::new(machine, &[("a", Ready::Spawned, work("exec sleep 1000"))]);
    let pid = whole.up("a");
    init::sys::wait::kill(pid, 12);
    whole.machine.until_so_alone("it is dead", || !is_alive(pid));
    whole.again();
    whole.until_down("a");
    assert_eq!(whole.ends(), [Exit::Signal("USR2".parse().unwrap())]);
}

fn a_report_lost_in_an_exec_is_told_again(machine: &mut Machine) {
    // That it was executed, and how it ended.
    let mut whole =
        Whole::new(machine, &[("a", Ready::Spawned, work("exit 7")), ("b", Ready::Spawned, work("read x"))]);
    whole.command(Verb::Start, "a");
    whole.until_lost(|input| matches!(input, Input::Exited { .. }));
    whole.again();
    whole.until_down("a");
    assert_eq!(whole.ends(), [Exit::Code(7)]);
    assert!(matches!(whole.told[0], Input::Spawned { .. }));
    // That it ended alone.
    whole.told.clear();
    let script = format!("until test -e {}/go; do sleep 0.05; done; exit 3", whole.machine.folder);
    whole.works.insert(Name::new("b").unwrap(), work(&script));
    whole.up("b");
    std::fs::write(format!("{}/go", whole.machine.folder), "").unwrap();
    whole.until_lost(|input| matches!(input, Input::Exited { .. }));
    whole.again();
    whole.until_down("b");
    assert_eq!(whole.ends(), [Exit::Code(3)]);
}

fn a_set_up_goes_on_over_an_exec(machine: &mut Machine) {
    let root = format!("{}/root", machine.folder);
    std::fs::create_dir_all(format!("{root}/etc")).unwrap();
    std::process::Command::new("mkfifo").arg(format!("{root}/etc/passwd")).status().unwrap();
    let mut work = work(":");
    work.chroot = Some(root.as_str().into());
    work.user = Some("www".into());
    let mut whole = Whole::new(machine, &[("a", Ready::Spawned, work)]);
    whole.command(Verb::Start, "a");
    whole.turn();
    whole.again();
    whole.turn();
    assert_eq!(whole.told, []);
    std::fs::write(format!("{root}/etc/passwd"), "nobody:x:9:9::/:/x\n").unwrap();
    whole.until_down("a");
    let why = whole.told.iter().find_map(|input| match input {
        Input::Unspawned { why, .. } => Some(why.to_string()),
        _ => None,
    });
    assert!(why.unwrap().starts_with("setuid: no user"));
}

fn what_was_in_line_is_asked_for_again(machine: &mut Machine) {
    let names: Vec<String> = (0..100).map(|number| format!("job{number}")).collect();
    let jobs: Vec<_> =
        names.iter().map(|name| (name.as_str(), Ready::Spawned, work("exec sleep 1000"))).collect();
    let mut whole = Whole::new(machine, &jobs);
    for name in &names {
        whole.command(Verb::Start, name);
    }
    whole.again();
    for name in &names {
        let end = Machine::now().after(std::time::Duration::from_secs(30));
        whole.until(name, |state| {
            assert!(Machine::now() < end);
            matches!(state, State::Running(_))
        });
    }
    // Each has one main, and no more.
    assert_eq!(whole.machine.others(), 100);
}

fn readiness_goes_on_over_an_exec(machine: &mut Machine) {
    let folder = machine.folder.clone();
    let after = |line: &str| {
        work(&format!("until test -e {folder}/go; do sleep 0.05; done; {line}; exec sleep 1000"))
    };
    let path = format!("{folder}/here");
    let mut whole = Whole::new(
        machine,
        &[
            ("fd", Ready::Fd(5), after("echo >&5")),
            ("path", Ready::Path(path.as_str().into()), after(&format!("echo > {path}"))),
            ("notify", Ready::Notify, after(&say("READY=1"))),
            ("stopped", Ready::Stopped, after("kill -STOP $$")),
        ],
    );
    let all = ["fd", "path", "notify", "stopped"];
    for job in all {
        whole.command(Verb::Start, job);
        whole.until(job, |state| matches!(state, State::Spawned(jobs::Main::Alive(_))));
    }
    whole.again();
    whole.turn();
    std::fs::write(format!("{folder}/go"), "").unwrap();
    for job in all {
        whole.until(job, |state| matches!(state, State::Running(_)));
    }
    // And when the report itself is lost.
    for job in all {
        whole.command(Verb::Stop, job);
        whole.until_down(job);
        std::fs::remove_file(&path).ok();
        whole.command(Verb::Start, job);
        whole.until(job, |state| matches!(state, State::Spawned(jobs::Main::Alive(_)) | State::Running(_)));
        if !matches!(whole.state(job).unwrap().1, State::Running(_)) {
            whole.until_lost(|input| matches!(input, Input::Ready { .. }));
            whole.again();
        }
        whole.until(job, |state| matches!(state, State::Running(_)));
    }
}

fn a_daemon_goes_on_over_an_exec(machine: &mut Machine) {
    let mut whole = Whole::new(machine, &[("a", Ready::Forked, work("setsid sleep 1000 & exit 0"))]);
    let pid = whole.up("a");
    whole.again();
    whole.turn();
    assert_eq!(whole.main("a"), pid);
    init::sys::wait::kill(pid, 9);
    whole.until_down("a");
    assert_eq!(whole.ends(), [Exit::Code(0), Exit::Signal(jobs::Signal::KILL)]);
    // Which one is main was found out and is lost.
    whole.command(Verb::Start, "a");
    whole.until("a", |state| matches!(state, State::Spawned(jobs::Main::Alive(_)) | State::Running(_)));
    if matches!(whole.state("a").unwrap().1, State::Spawned(_)) {
        whole.until_lost(|input| matches!(input, Input::Ready { .. }));
    }
    whole.again();
    whole.until("a", |state| matches!(state, State::Running(jobs::Main::Alive(_))));
    whole.command(Verb::Stop, "a");
    whole.until_down("a");
    whole.machine.until_so("all are reaped", || crate::machine::others() == 0);
}

fn a_kill_goes_on_over_an_exec(machine: &mut Machine) {
    let script = "(trap '' TERM; echo up > $F/up; while :; do sleep 1; done) & sleep 1000";
    let script = script.replace("$F", &machine.folder);
    let mut whole = Whole::new(machine, &[("a", Ready::Spawned, work(&script))]);
    whole.up("a");
    whole.machine.await_line("up");
    whole.command(Verb::Stop, "a");
    whole.until("a", |state| matches!(state, State::Killed(jobs::Main::Ended { left: true, .. }, _)));
    whole.again();
    whole.turn();
    assert!(whole.state("a").is_some());
    // The time for a stop is over.
    let (life, _) = whole.state("a").unwrap();
    whole.machine.kill_all(life);
    whole.until_lost(|input| matches!(input, Input::Emptied { .. }));
    whole.again();
    whole.until_down("a");
}

fn a_group_of_nobody_is_killed(machine: &mut Machine) {
    let mut whole = Whole::new(machine, &[("a", Ready::Spawned, work("exec sleep 1000"))]);
    let pid = whole.up("a");
    whole.engine = Engine::new();
    whole.again();
    whole.machine.until_so("it is dead", || !is_alive(pid));
    whole.machine.with(|executor, shell| executor.tick(shell));
    assert_eq!(whole.machine.groups(), [""; 0]);
}
