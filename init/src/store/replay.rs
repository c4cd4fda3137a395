//! A snapshot and the turns after it become the state again.

use std::io;

use jobs::{Action, Engine, Input, Turn};
use serde::de::DeserializeOwned;

use super::{
    Store, get,
    journal::Turns,
    page::{Page, Phase, Word},
    snapshot::{self, Fault},
};

/// The state at the last turn's begin or end.
pub(super) struct Played<R> {
    pub engine: Engine,
    pub rest: R,
    /// How many turns were played again, and how many actions of theirs were not done again.
    pub turns: u64,
    pub actions: u64,
    /// Whether turns are missing.
    pub lost: bool,
    /// The turn that was under way, not played.
    pub open: Option<(u64, Turn)>,
}

impl Store {
    /// The state from the snapshot in the first of these places and the turns in all of them.
    pub(super) fn play<R: DeserializeOwned>(&self, places: &[usize]) -> Result<Played<R>, Fault> {
        let first = places.first().copied().unwrap_or(0);
        let [a, b] = &self.snapshots;
        let file = if first == 0 { a } else { b };
        let (engine, rest) = snapshot::read(file, get(self.page, Word::SIZES, first))?;
        let mut played = Played { engine, rest, turns: 0, actions: 0, lost: false, open: None };
        let mut next = get(self.page, Word::STARTS, first).saturating_add(1);
        for half in places {
            // A half that cannot be read is one whose turns are missing.
            let is_whole = self.play_half(*half, &mut next, &mut played).unwrap_or(false);
            played.lost |= !is_whole;
            if played.lost || played.open.is_some() {
                break;
            }
        }
        played.lost |= played.open.is_none() && self.page.phase() != Phase::Idle;
        Ok(played)
    }

    /// Plays one half of the journal. Whether nothing is missing in it.
    fn play_half<R>(&self, half: usize, next: &mut u64, played: &mut Played<R>) -> io::Result<bool> {
        let last = self.page.get(Word::TURN);
        let is_idle = self.page.phase() == Phase::Idle;
        let bytes = self.journal.read(half, get(self.page, Word::LENGTHS, half))?;
        let mut turns = Turns::new(&bytes);
        for (number, turn) in turns.by_ref() {
            if number != *next {
                return Ok(false);
            }
            *next = next.saturating_add(1);
            if number > last || number == last && !is_idle {
                played.open = Some((number, turn));
                return Ok(true);
            }
            let actions = step_again(self.page, &mut played.engine, number, turn);
            played.turns = played.turns.saturating_add(1);
            played.actions = played.actions.saturating_add(actions.len() as u64);
        }
        Ok(!turns.is_damaged() && get(self.page, Word::GAPS, half) == 0)
    }
}

/// What the engine says to a turn that it was given before, without the inputs that are left out.
pub(super) fn step_again(page: Page<'_>, engine: &mut Engine, number: u64, turn: Turn) -> Vec<Action> {
    let inputs = (0..).zip(turn.batch).filter(|(place, _)| !page.is_skipped(number, *place));
    let inputs: Vec<Input> = inputs.map(|(_, input)| input).collect();
    engine.step(inputs, turn.now)
}
