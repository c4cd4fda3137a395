//! The store within one process: a death is a page that says so, and a store that is forgotten.
#![allow(clippy::arithmetic_side_effects, reason = "a test may fail where it stands")]

use std::{mem, os::fd::AsRawFd as _, sync::Arc};

use events::{Event, Time, Value};
use jobs::{
    Action, Engine, Exit, Input, Life, Origin, Pid, ProcessKind, Turn,
    formats::Source,
    load::{Content, FileKind, Tree, TreeFile},
};
use proptest::prelude::*;

use super::{encoding, page::Word, *};
use crate::sys::fault::Death;

fn load(files: &[(&str, &str)]) -> Vec<Arc<jobs::Job>> {
    let file = |(name, text): &(&str, &str)| TreeFile {
        kind: FileKind::Native,
        layer: 0,
        rel: format!("{name}.ron"),
        path: format!("/{name}.ron"),
        content: Content::Text(Source {
            path: format!("/{name}.ron"),
            text: String::from(*text),
            executable: false,
        }),
    };
    let generation = jobs::load::load(&Tree::new(files.iter().map(file).collect()), &Default::default());
    assert!(generation.refused.is_empty(), "{:?}", generation.reports);
    generation.jobs.into_iter().map(|described| Arc::new(described.job)).collect()
}

fn jobs() -> Vec<Arc<jobs::Job>> {
    load(&[
        ("one", r#"(start_on: "go", stop_on: "end", exec: "sleep", respawn: true)"#),
        ("two", r#"(start_on: "started one", task: true, exec: "true")"#),
        ("three", r#"(start_on: "net IFACE=*", instance: "$IFACE", needs: ["one"], exec: "sleep")"#),
        ("four", r#"(while: "link IFACE=*", instance: "$IFACE", exec: "sleep")"#),
    ])
}

fn event(text: &str) -> Input {
    Input::Event { event: text.parse().unwrap(), origin: Origin::World, reply: None }
}

/// All that the engine is, as bytes.
fn bytes(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoding::append(engine, &mut bytes).unwrap();
    bytes
}

/// A PID 1 without a world: its processes are numbers.
struct Loop {
    store: Store,
    engine: Engine,
    now: u64,
    pids: u32,
    queue: Vec<Input>,
    performed: Vec<String>,
}

impl Loop {
    fn new() -> Self {
        let store = Store::create().unwrap();
        let mut this = Self {
            store,
            engine: Engine::new(),
            now: 0,
            pids: 100,
            queue: vec![Input::Reload { jobs: jobs(), refused: Vec::new() }],
            performed: Vec::new(),
        };
        this.turn();
        this.store.snapshot(Time(0), &this.engine, &()).unwrap();
        this
    }

    fn begin(&mut self) -> Vec<Action> {
        self.now += 7;
        let turn = Turn { now: Time(self.now), batch: mem::take(&mut self.queue) };
        self.store.begin_turn(&turn);
        let actions = self.engine.step(self.store.watched(turn.batch), turn.now);
        self.store.stepped();
        actions
    }

    fn perform(&mut self, number: usize, action: &Action) {
        self.store.performing(number);
        self.performed.push(format!("{action:?}"));
        if let Action::Spawn { life, process, .. } = action {
            self.pids += 1;
            self.queue.push(Input::Spawned { life: *life, process: *process, pid: Pid(self.pids) });
        }
        if let Action::KillAll { life } = action {
            self.queue.push(Input::Emptied { life: *life });
        }
        self.store.performed(number);
    }

    fn turn(&mut self) {
        let actions = self.begin();
        for (number, action) in actions.iter().enumerate() {
            self.perform(number, action);
        }
        self.store.end_turn();
    }

    /// Dies here, with nothing left but what is in the store.
    fn die(self, time: u64) -> (Resumption<()>, Self) {
        let Self { store, engine, now, pids, queue, performed } = self;
        let death = Death { signal: 11, code: 1, address: 0, instruction: 0, sender: None, time, text: "" };
        store.page.note(&death);
        let root = store.root.as_raw_fd();
        mem::forget(store);
        let resumption = Store::resume::<()>(root).unwrap();
        let fresh = Store::create().unwrap();
        (resumption, Self { store: fresh, engine, now, pids, queue, performed })
    }
}

fn restored(resumption: Resumption<()>) -> (Store, Past, Restored<()>) {
    match resumption.state {
        State::On(restored) => (resumption.store, resumption.past, *restored),
        State::Anew | State::Safe(_) => panic!("{:?}", resumption.state),
    }
}

#[derive(Debug, Clone)]
enum Deed {
    Event(String),
    Events(Vec<String>),
    Exit(usize),
    Unspawned(String),
    Snapshot,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let name = prop::sample::select(vec!["go", "end", "net IFACE=eth0", "net IFACE=eth1", "odd A=b"]);
    let text = name.prop_map(String::from).boxed();
    let deed = prop_oneof![
        6 => text.clone().prop_map(Deed::Event),
        2 => prop::collection::vec(text, 1..4).prop_map(Deed::Events),
        3 => (0_usize..4).prop_map(Deed::Exit),
        2 => ".{0,40}".prop_map(Deed::Unspawned),
        1 => Just(Deed::Snapshot),
    ];
    prop::collection::vec(deed, 1..30)
}

fn act(it: &mut Loop, deed: &Deed) {
    let mains = |engine: &Engine| -> Vec<(Life, u32)> {
        let lives = engine.list().into_iter().flat_map(|status| status.processes);
        lives.map(|(_, pid)| (Life { place: 0, number: 0 }, pid)).collect()
    };
    match deed {
        Deed::Event(text) => it.queue.push(event(text)),
        Deed::Events(texts) => it.queue.extend(texts.iter().map(|text| event(text))),
        Deed::Exit(place) => {
            // A life that may or may not be there: both must come out the same.
            let place = u32::try_from(*place).unwrap();
            let number = u64::try_from(mains(&it.engine).len()).unwrap();
            let life = Life { place, number };
            it.queue.push(Input::Exited {
                life,
                process: ProcessKind::Main,
                exit: Exit::Code(1),
                left: false,
            });
        }
        Deed::Unspawned(why) => {
            let life = Life { place: 0, number: 1 };
            let process = ProcessKind::Main;
            it.queue.push(Input::Unspawned { life, process, why: why.as_str().into() });
        }
        Deed::Snapshot => it.store.snapshot(Time(it.now), &it.engine, &()).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn after_a_death_between_turns_everything_is_as_it_was(deeds in deeds()) {
        let mut it = Loop::new();
        for deed in &deeds {
            act(&mut it, deed);
            it.turn();
        }
        let (resumption, it) = it.die(1);
        let (_store, past, restored) = restored(resumption);
        prop_assert_eq!(past.during, During::Nothing);
        prop_assert!(!restored.lost && restored.interrupted.is_none());
        prop_assert_eq!(bytes(&restored.engine), bytes(&it.engine));
    }

    #[test]
    fn after_a_death_while_performing_each_action_is_known(deeds in deeds(), at in 0_usize..20) {
        let mut it = Loop::new();
        for deed in &deeds {
            act(&mut it, deed);
            it.turn();
        }
        it.queue.push(event("go"));
        let actions = it.begin();
        let at = at.min(actions.len());
        for (number, action) in actions.iter().take(at).enumerate() {
            it.perform(number, action);
        }
        if at < actions.len() {
            it.store.performing(at);
        }
        let (resumption, it) = it.die(1);
        let (store, _, restored) = restored(resumption);
        prop_assert!(!restored.lost && restored.skipped.is_none());
        let open = restored.interrupted.unwrap();
        let expected: Vec<(Action, Progress)> = actions.into_iter().enumerate().map(|(number, action)| {
            let progress = match number {
                number if number < at => Progress::Performed,
                number if number == at => Progress::InDoubt,
                _ => Progress::NotBegun,
            };
            (action, progress)
        }).collect();
        prop_assert_eq!(open.actions, expected);
        prop_assert_eq!(bytes(&restored.engine), bytes(&it.engine));
        prop_assert_eq!(store.page.phase(), Phase::Perform);
    }

    #[test]
    fn after_a_death_in_a_step_the_others_are_worked_off(deeds in deeds(), poison in 0_usize..4) {
        let mut it = Loop::new();
        for deed in &deeds {
            act(&mut it, deed);
            it.turn();
        }
        it.queue.extend(["net IFACE=eth7", "go", "end", "odd A=c"].map(event));
        let turn = Turn { now: Time(it.now + 1), batch: mem::take(&mut it.queue) };
        let mut without = turn.batch.clone();
        let at = without.len() - 4 + poison;
        let bad = without.remove(at);
        it.store.begin_turn(&turn);
        it.store.page.set(Word::INPUT, at as u64 + 1);
        let expected = it.engine.step(without, turn.now);
        let (resumption, it) = it.die(1);
        let (_store, past, restored) = restored(resumption);
        prop_assert_eq!(past_turn(past.during), restored.skipped.as_ref().unwrap().turn);
        prop_assert_eq!(restored.skipped.unwrap().input, Some(bad));
        let open = restored.interrupted.unwrap();
        let actions: Vec<Action> = open.actions.into_iter().map(|(action, progress)| {
            assert_eq!(progress, Progress::NotBegun);
            action
        }).collect();
        prop_assert_eq!(actions, expected);
        prop_assert_eq!(bytes(&restored.engine), bytes(&it.engine));
    }

    #[test]
    fn a_damaged_byte_is_never_believed(deeds in deeds(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut it = Loop::new();
        for deed in &deeds {
            act(&mut it, deed);
            it.turn();
        }
        // The file of the snapshot in use.
        let file = if it.store.current() == 0 { &it.store.snapshots[0] } else { &it.store.snapshots[1] };
        let mut content = vec![0; file.metadata().unwrap().len() as usize];
        std::os::unix::fs::FileExt::read_exact_at(file, &mut content, 0).unwrap();
        let at = at.index(content.len());
        content[at] ^= 1 << bit;
        std::os::unix::fs::FileExt::write_all_at(file, &content, 0).unwrap();
        let (resumption, it) = it.die(1);
        match resumption.state {
            // The snapshot before had the reload after it, which is not in the journal.
            State::On(restored) => prop_assert!(restored.lost || bytes(&restored.engine) == bytes(&it.engine)),
            State::Safe(why) => prop_assert_eq!(why, Unsafe::Unreadable),
            State::Anew => prop_assert!(false, "anew"),
        }
    }

    #[test]
    fn bytes_that_are_no_state_do_no_harm(
        deeds in deeds(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut it = Loop::new();
        for deed in &deeds {
            act(&mut it, deed);
            it.turn();
        }
        // As if the checksum had not seen it.
        let mut content = bytes(&it.engine);
        for (at, byte) in changes {
            let at = at.index(content.len());
            content[at] = byte;
        }
        let _ = encoding::read::<Engine>(&content);
    }

    #[test]
    fn every_string_may_hold_every_byte(raw in prop::collection::vec(any::<u8>(), 0..300), why in any::<String>()) {
        let (value, _) = Value::escaped(&raw);
        let mut happened: Event = "odd A=x".parse().unwrap();
        happened.args.set("A".parse().unwrap(), value);
        let mut it = Loop::new();
        it.queue.push(Input::Event { event: happened, origin: Origin::Person(7), reply: None });
        it.queue.push(event("go"));
        it.turn();
        it.turn();
        it.queue.push(Input::Unspawned {
            life: Life { place: 0, number: 1 },
            process: ProcessKind::Main,
            why: why.into(),
        });
        it.turn();
        let before = bytes(&it.engine);
        it.store.snapshot(Time(1), &it.engine, &()).unwrap();
        let (resumption, _) = it.die(1);
        let (_store, _, restored) = restored(resumption);
        prop_assert_eq!(bytes(&restored.engine), before);
    }
}

#[test]
fn a_full_journal_asks_for_a_snapshot_and_without_one_says_that_turns_are_lost() {
    let mut it = Loop::new();
    assert!(!it.store.wants_snapshot(Time(0)));
    let long = "x".repeat(3_000);
    let mut turns = 0;
    while !it.store.wants_snapshot(Time(0)) {
        it.queue = vec![event(&format!("odd A={long}"))];
        it.turn();
        turns += 1;
    }
    assert!((60..80).contains(&turns), "{turns}");
    for _ in 0..30 {
        it.queue = vec![event(&format!("odd A={long}"))];
        it.turn();
    }
    let (resumption, _) = it.die(1);
    let (store, _, restored) = restored(resumption);
    assert!(restored.lost && store.wants_snapshot(Time(0)));
}

#[test]
fn an_engine_that_is_restored_knows_its_lives_and_shares_their_jobs() {
    let mut it = Loop::new();
    it.queue = vec![event("go"), event("net IFACE=eth0"), event("net IFACE=eth1")];
    it.turn();
    it.turn();
    let lives = |engine: &Engine| -> Vec<(Life, String, String, jobs::State)> {
        let lives = engine.living();
        lives.map(|(life, job, key, state)| (life, job.name.to_string(), key.to_string(), state)).collect()
    };
    let before = lives(&it.engine);
    let names: Vec<&str> = before.iter().map(|(_, job, ..)| job.as_str()).collect();
    assert_eq!(names, ["one", "three", "three", "two"]);
    assert_eq!(before[0].3.main(), jobs::Main::Alive(Pid(101)));
    it.store.snapshot(Time(0), &it.engine, &()).unwrap();
    let (resumption, _) = it.die(1);
    let (_store, _, restored) = restored(resumption);
    assert_eq!(lives(&restored.engine), before);
    let threes = restored.engine.living().filter(|(_, job, ..)| job.name.as_str() == "three");
    let threes: Vec<&Arc<jobs::Job>> = threes.map(|(_, job, ..)| job).collect();
    assert!(Arc::ptr_eq(threes[0], threes[1]));
}

#[test]
fn after_a_snapshot_nothing_is_lost_any_more() {
    let mut it = Loop::new();
    it.queue = vec![Input::Reload { jobs: jobs(), refused: Vec::new() }];
    it.turn();
    assert!(it.store.wants_snapshot(Time(0)));
    it.store.snapshot(Time(0), &it.engine, &()).unwrap();
    it.queue = vec![event("go")];
    it.turn();
    let (resumption, it) = it.die(1);
    let (_store, _, restored) = restored(resumption);
    assert!(!restored.lost);
    assert_eq!(restored.replayed.0, 1);
    assert_eq!(bytes(&restored.engine), bytes(&it.engine));
}

#[test]
fn a_turn_that_kills_behind_its_last_input_is_left_out_the_second_time() {
    let mut it = Loop::new();
    it.store.begin_turn(&Turn { now: Time(9), batch: vec![event("go")] });
    it.store.page.set(Word::INPUT, u64::MAX);
    let (resumption, it) = it.die(1);
    let (store, past, first) = restored(resumption);
    assert_eq!((past.again, first.skipped), (1, None));
    assert!(!first.interrupted.unwrap().actions.is_empty());
    // It dies at the same spot again.
    store.page.set_phase(Phase::Step);
    let again = Loop { store, ..it };
    let (resumption, _) = again.die(2);
    let (_store, past, second) = restored(resumption);
    assert_eq!(
        (past.again, second.skipped),
        (2, Some(Skipped { turn: past_turn(past.during), input: None }))
    );
    assert_eq!(second.interrupted.unwrap().actions, []);
}

fn past_turn(during: During) -> u64 {
    let During::Step { turn, .. } = during else { panic!("{during:?}") };
    turn
}

/// What the encoding of a small state sums up to.
const SHAPE: u32 = 0x5278_674a;

#[test]
fn the_encoding_of_a_state_is_the_one_that_its_format_number_says() {
    let mut engine = Engine::new();
    let jobs = jobs();
    let inputs = [
        vec![Input::Reload { jobs, refused: Vec::new() }],
        vec![event("go"), event("net IFACE=eth0")],
        vec![Input::Spawned { life: Life { place: 0, number: 1 }, process: ProcessKind::Main, pid: Pid(7) }],
    ];
    for (now, batch) in (0..).zip(inputs) {
        let _ = engine.step(batch, Time(now));
    }
    let sum = checksum::Checksum::of(&bytes(&engine));
    assert_eq!(
        sum, SHAPE,
        "the encoding of a state has changed: if the one before was ever released, count FORMAT up; then \
         write {sum:#x} into SHAPE"
    );
}
