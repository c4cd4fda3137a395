//! The inputs of a turn on their way into the engine: each is noted when the engine takes it.

use std::iter::Enumerate;

use jobs::Input;

use super::{
    faults::{self, Point},
    page::{Page, Word},
};

/// A batch that notes in the page which of its inputs was taken last. Those that are left out are not given.
#[derive(Debug)]
pub struct Watched<I> {
    page: Option<Page<'static>>,
    batch: Enumerate<I>,
    turn: u64,
}

impl<I: Iterator<Item = Input>> Watched<I> {
    /// Without a page nothing is noted or left out.
    pub(super) fn new(page: Option<Page<'static>>, batch: I) -> Self {
        Self { page, batch: batch.enumerate(), turn: page.map_or(0, |page| page.get(Word::TURN)) }
    }
}

impl<I: Iterator<Item = Input>> Iterator for Watched<I> {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        loop {
            let next = self.batch.next();
            let Some(page) = self.page else { return next.map(|(_, input)| input) };
            let Some((place, input)) = next else {
                page.set(Word::INPUT, u64::MAX);
                return None;
            };
            let place = place as u64;
            page.set(Word::INPUT, place.saturating_add(1));
            if !page.is_skipped(self.turn, place) {
                faults::point(Point::Step);
                faults::on_input(&input);
                return Some(input);
            }
        }
    }
}
