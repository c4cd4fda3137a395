//! The whole table as text, to be reviewed when it changes.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use jobs::{Cue, Ending, Goal, Hook, Job, Main, Next, ProcessKind, State};

use crate::model::{BAD, BESIDE, GOOD, MAIN, NAMED, shapes};

/// Every state, also those that no life comes to.
fn all_states() -> Vec<State> {
    let mains = [
        Main::None,
        Main::Asked,
        Main::Alive(MAIN),
        Main::Group,
        Main::Ended { exit: Some(GOOD), left: false },
        Main::Ended { exit: Some(GOOD), left: true },
    ];
    let hooks = [Hook::Asked, Hook::Alive(BESIDE)];
    let mut states =
        vec![State::Waiting, State::Held { untold: false }, State::Held { untold: true }, State::Starting];
    for hook in hooks {
        states.extend([
            State::Check(hook),
            State::Configure(hook),
            State::PreStart(hook),
            State::PostStop(hook),
        ]);
    }
    for main in mains {
        states.extend([State::Spawned(main), State::Running(main), State::Stopping(main)]);
        states.extend([State::Killed(main, Ending::Signal), State::Killed(main, Ending::Kill)]);
        for hook in hooks {
            states.extend([State::PostStart(main, hook), State::PreStop(main, hook)]);
            states.push(State::Killed(main, Ending::Verb(hook)));
        }
    }
    states.sort_by_key(|state| state.phase());
    states
}

fn all_cues() -> Vec<Cue> {
    let mut cues = vec![
        Cue::Start,
        Cue::Stop,
        Cue::Freed,
        Cue::HookDone,
        Cue::Ready(None),
        Cue::Ready(Some(NAMED)),
        Cue::Emptied,
        Cue::HookTimeout,
        Cue::KillTimeout,
        Cue::StartTimeout,
    ];
    for kind in ProcessKind::ALL {
        let pid = if kind == ProcessKind::Main { MAIN } else { BESIDE };
        cues.extend([Cue::Spawned(kind, pid), Cue::Unspawned(kind)]);
        for (exit, left) in [(GOOD, false), (GOOD, true), (BAD, false), (BAD, true)] {
            cues.push(Cue::Exited(kind, exit, left));
        }
    }
    cues
}

/// The whole table for one job, without the cues that do nothing.
fn printed(job: &Job) -> String {
    let mut text = String::new();
    for state in all_states() {
        let mut lines: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (number, cue) in all_cues().into_iter().enumerate() {
            for goal in [Goal::Start, Goal::Stop] {
                let next = state.next(cue, job, goal);
                let told = if next == Next::Stay(state) { "-".into() } else { format!("{next:?}") };
                lines.entry(number).or_default().push(told);
            }
        }
        let _ = writeln!(text, "{state:?}");
        for (number, told) in lines {
            let cue = all_cues()[number];
            match told.as_slice() {
                [up, down] if up == "-" && down == "-" => {}
                [up, down] if up == down => {
                    let _ = writeln!(text, "    {cue:?}: {up}");
                }
                [up, down] => {
                    let _ = writeln!(text, "    {cue:?}: {up} | {down}");
                }
                _ => unreachable!("two goals"),
            }
        }
    }
    text
}

#[test]
fn the_table_is_as_it_was_reviewed() {
    let mut text = String::from(
        "# What each cue does in each state, of a service with all processes that is ready when executed. Cues\n\
         # that do nothing are left out. Where two things stand, the first is for goal start, the second for\n\
         # stop; `-` is nothing. `UPDATE=1 cargo test -p jobs --test table` writes it anew.\n\n",
    );
    let (_, job) = shapes().into_iter().find(|(shape, _)| *shape == "verb").unwrap();
    text.push_str(&printed(&job).replace("Exited(", "Ended(").replace("Signal(Signal(15))", "TERM"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/table.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let reviewed = fs::read_to_string(&path).unwrap_or_default();
    let differs = text.lines().zip(reviewed.lines()).find(|(new, old)| new != old);
    assert!(text == reviewed, "the table has changed, first at {differs:?}");
}
