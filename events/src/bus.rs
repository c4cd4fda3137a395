//! The one queue into the engine: bounded, in order, and it folds what says the same twice.

use alloc::{collections::VecDeque, vec::Vec};

/// Whether two neighbours in the queue may become one.
///
/// Only what says "changed" of the same object folds, and only if the later one has all that the earlier one
/// said. What was added, removed, came up or went down, and what a job, person, timer or the executor sent,
/// never folds: each of these is a happening of its own.
pub trait Fold {
    /// Whether `later` says all that `self` says, so that `self` may be dropped.
    fn folds_into(&self, later: &Self) -> bool;
}

/// Room for so many items is kept when there are none.
const SPARE: usize = 512;

/// The one queue into the engine.
#[derive(Debug)]
pub struct Bus<T> {
    queue: VecDeque<T>,
    bound: usize,
    folded: u64,
    refused: u64,
}

/// The queue is full: the item comes back, and its source must enumerate again.
#[derive(Debug, PartialEq, Eq)]
pub struct BusFull<T>(pub T);

impl<T: Fold> Bus<T> {
    /// A queue for at most `bound` items.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self { queue: VecDeque::new(), bound, folded: 0, refused: 0 }
    }

    /// Puts an item at the end.
    pub fn push(&mut self, item: T) -> Result<(), BusFull<T>> {
        if let Some(last) = self.queue.back_mut()
            && last.folds_into(&item)
        {
            *last = item;
            self.folded = self.folded.saturating_add(1);
            return Ok(());
        }
        if self.queue.len() >= self.bound {
            self.refused = self.refused.saturating_add(1);
            return Err(BusFull(item));
        }
        self.queue.push_back(item);
        Ok(())
    }

    /// The first items, at most `most` of them.
    pub fn take(&mut self, most: usize) -> Vec<T> {
        let taken = self.queue.drain(..most.min(self.queue.len())).collect();
        if self.queue.is_empty() && self.queue.capacity() > SPARE {
            // A flood is over: its room is given back.
            self.queue = VecDeque::new();
        }
        taken
    }

    /// What waits, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.queue.iter()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many were folded into a later one.
    #[must_use]
    pub const fn folded(&self) -> u64 {
        self.folded
    }

    /// How many found no room.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Item(&'static str, bool);

    impl Fold for Item {
        fn folds_into(&self, later: &Self) -> bool {
            self.1 && later.1 && self.0 == later.0
        }
    }

    #[test]
    fn only_neighbours_of_one_object_fold() {
        let mut bus = Bus::new(10);
        for item in [Item("a", true), Item("a", true), Item("b", true), Item("a", true), Item("a", false)] {
            bus.push(item).unwrap();
        }
        assert_eq!(bus.take(9), [Item("a", true), Item("b", true), Item("a", true), Item("a", false)]);
        assert_eq!(bus.folded(), 1);
    }

    #[test]
    fn a_full_queue_gives_the_item_back() {
        let mut bus = Bus::new(1);
        bus.push(Item("a", false)).unwrap();
        assert_eq!(bus.push(Item("b", false)), Err(BusFull(Item("b", false))));
        assert_eq!((bus.len(), bus.refused()), (1, 1));
    }
}
