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

    /// About how many bytes it takes. The same as long as it is not changed.
    fn size(&self) -> usize;
}

/// Who has sent what waits. Each has room of its own, so that none can fill that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// We ourselves: what became of what we began. These are never refused for what others have sent.
    Own,
    /// The world, by a source: one that finds no room leaves what it has where it is.
    World,
    /// People and programs, who are told to try again.
    People,
}

/// Room for what is sent: items, and bytes in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many may wait.
    pub items: usize,
    /// How many bytes these may have altogether; what goes beyond it is the last that is taken.
    pub bytes: usize,
}

/// What has come from one sender.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How many wait.
    pub now: usize,
    /// How many bytes these have.
    pub bytes: usize,
    /// How many have waited at most.
    pub most: usize,
    /// How many were folded into a later one.
    pub folded: u64,
    /// How many found no room.
    pub refused: u64,
}

/// The one queue into the engine.
#[derive(Debug)]
pub struct Bus<T> {
    queue: VecDeque<(Sender, T)>,
    bound: usize,
    own: Count,
    world: Count,
    people: Count,
}

/// Memory for more than this is given back when nothing waits.
const KEPT: usize = 256;

/// The queue is full: the item comes back, and its source must enumerate again.
#[derive(Debug, PartialEq, Eq)]
pub struct BusFull<T>(pub T);

impl<T: Fold> Bus<T> {
    /// A queue for at most `bound` items.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        const NONE: Count = Count { now: 0, bytes: 0, most: 0, folded: 0, refused: 0 };
        Self { queue: VecDeque::new(), bound, own: NONE, world: NONE, people: NONE }
    }

    /// Puts an item at the end.
    pub fn push(&mut self, sender: Sender, item: T) -> Result<(), BusFull<T>> {
        if let Some((before, last)) = self.queue.back_mut()
            && *before == sender
            && last.folds_into(&item)
        {
            let (old, new) = (last.size(), item.size());
            *last = item;
            let count = self.count_mut(sender);
            count.bytes = count.bytes.saturating_sub(old).saturating_add(new);
            count.folded = count.folded.saturating_add(1);
            return Ok(());
        }
        let has_room = self.queue.len() < self.bound;
        let count = self.count_mut(sender);
        if !has_room {
            count.refused = count.refused.saturating_add(1);
            return Err(BusFull(item));
        }
        count.now = count.now.saturating_add(1);
        count.most = count.most.max(count.now);
        count.bytes = count.bytes.saturating_add(item.size());
        self.queue.push_back((sender, item));
        Ok(())
    }

    /// The same for somebody who may have this much room and no more.
    pub fn push_within(&mut self, sender: Sender, item: T, room: Room) -> Result<(), BusFull<T>> {
        let count = self.count_mut(sender);
        if count.now >= room.items || count.bytes >= room.bytes {
            count.refused = count.refused.saturating_add(1);
            return Err(BusFull(item));
        }
        self.push(sender, item)
    }

    /// How many more items there is room for.
    #[must_use]
    pub fn room(&self, sender: Sender, room: Room) -> usize {
        let count = self.count(sender);
        let items = if count.bytes < room.bytes { room.items.saturating_sub(count.now) } else { 0 };
        items.min(self.bound.saturating_sub(self.queue.len()))
    }

    /// The first items, at most `most` of them.
    pub fn take(&mut self, most: usize) -> Vec<T> {
        let mut items = Vec::with_capacity(most.min(self.queue.len()));
        while items.len() < most
            && let Some((sender, item)) = self.queue.pop_front()
        {
            let size = item.size();
            let count = self.count_mut(sender);
            count.now = count.now.saturating_sub(1);
            count.bytes = count.bytes.saturating_sub(size);
            items.push(item);
        }
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue = VecDeque::new();
        }
        items
    }

    /// What waits, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.queue.iter().map(|(_, item)| item)
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

    /// What has come from a sender.
    #[must_use]
    pub const fn count(&self, sender: Sender) -> &Count {
        match sender {
            Sender::Own => &self.own,
            Sender::World => &self.world,
            Sender::People => &self.people,
        }
    }

    const fn count_mut(&mut self, sender: Sender) -> &mut Count {
        match sender {
            Sender::Own => &mut self.own,
            Sender::World => &mut self.world,
            Sender::People => &mut self.people,
        }
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

        fn size(&self) -> usize {
            self.0.len()
        }
    }

    #[test]
    fn only_neighbours_of_one_object_fold() {
        let mut bus = Bus::new(10);
        for item in [Item("a", true), Item("a", true), Item("b", true), Item("a", true), Item("a", false)] {
            bus.push(Sender::World, item).unwrap();
        }
        assert_eq!(bus.count(Sender::World).folded, 1);
        assert_eq!(bus.take(9), [Item("a", true), Item("b", true), Item("a", true), Item("a", false)]);
        for sender in [Sender::World, Sender::People] {
            bus.push(sender, Item("a", true)).unwrap();
        }
        assert_eq!(bus.len(), 2, "what one has sent does not fold into what another has");
    }

    #[test]
    fn a_full_queue_gives_the_item_back() {
        let mut bus = Bus::new(1);
        bus.push(Sender::Own, Item("a", false)).unwrap();
        assert_eq!(bus.push(Sender::Own, Item("b", false)), Err(BusFull(Item("b", false))));
        assert_eq!((bus.len(), bus.count(Sender::Own).refused), (1, 1));
    }

    #[test]
    fn nobody_fills_the_room_of_another() {
        let mut bus = Bus::new(100);
        let room = Room { items: 3, bytes: 8 };
        let push =
            |bus: &mut Bus<Item>, sender, text| bus.push_within(sender, Item(text, false), room).is_ok();
        assert!(push(&mut bus, Sender::People, "a") && push(&mut bus, Sender::People, "b"));
        assert!(push(&mut bus, Sender::People, "c") && !push(&mut bus, Sender::People, "d"));
        assert_eq!(bus.room(Sender::World, room), 3);
        // The last one may be larger than what is left, or nothing large would ever come in.
        assert!(push(&mut bus, Sender::World, "sevenby") && push(&mut bus, Sender::World, "seven by"));
        assert!(!push(&mut bus, Sender::World, "e"));
        assert_eq!(bus.room(Sender::World, room), 0);
        bus.push(Sender::Own, Item("report", false)).unwrap();
        let count = *bus.count(Sender::People);
        assert_eq!((count.now, count.most, count.bytes, count.refused), (3, 3, 3, 1));
        bus.take(2);
        assert_eq!(bus.count(Sender::People).now, 1);
        assert!(push(&mut bus, Sender::People, "f"));
        bus.take(100);
        assert_eq!((bus.count(Sender::World).bytes, bus.room(Sender::World, room)), (0, 3));
    }

    #[test]
    fn what_was_needed_for_many_is_given_back() {
        let mut bus = Bus::new(10_000);
        for _ in 0..5_000 {
            bus.push(Sender::Own, Item("a", false)).unwrap();
        }
        while !bus.take(256).is_empty() {}
        assert_eq!(bus.queue.capacity(), 0);
    }
}
