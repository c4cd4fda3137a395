//! Who is heard in a turn of the loop, and how much of him.
//!
//! A turn works off at most [`WORK`] of what people say, so that nobody waits longer than that takes before he is heard
//! himself. It is shared equally by all who have something to say, and heard first is who has been heard longest ago;
//! whoever has just connected has never been. So who tells of ten thousand events over a hundred connections waits for
//! his own, and who asks how a job is does not wait for them.
//!
//! It is less than the engine works off in a turn: so the queue into it does not grow by what people say.

use crate::{pid1::token::Token, sys::poll::Ready};

/// How much of what people say is worked off in one turn of the loop: a call that looks at all jobs counts as many.
pub const WORK: usize = 128;

/// The turn of the loop.
#[derive(Debug)]
pub struct Turns {
    /// How many calls there have been.
    heard: u64,
    /// How much may still be worked off in this one.
    left: usize,
    /// How many calls one client may make in it.
    share: usize,
}

impl Turns {
    /// Nobody has been heard yet.
    pub const fn new() -> Self {
        Self { heard: 0, left: WORK, share: WORK }
    }

    /// A turn begins in which these are ready, sorted by their tokens: puts people in the order in which they are heard.
    /// `heard` tells by which call a client was heard last; 0 if by none.
    pub fn begin(&mut self, ready: &mut [(Token, Ready)], heard: impl Fn(u32) -> u64) {
        (self.left, self.share) = (WORK, WORK);
        let from = ready.partition_point(|(token, _)| *token < Token::Client(0));
        let to = ready.partition_point(|(token, _)| *token <= Token::Client(u32::MAX));
        if let Some(people) = ready.get_mut(from..to)
            && let Some(share) = WORK.checked_div(people.len())
        {
            self.share = share.max(1);
            people
                .sort_by_key(|(token, _)| if let Token::Client(number) = token { heard(*number) } else { 0 });
        }
    }

    /// How many calls the next client may make.
    pub fn calls(&self) -> usize {
        self.share.min(self.left)
    }

    /// A call of this cost is worked off: gives its number.
    pub const fn spend(&mut self, cost: u32) -> u64 {
        self.left = self.left.saturating_sub(cost as usize);
        self.heard = self.heard.saturating_add(1);
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const READY: Ready = Ready { read: true, write: false, hung_up: false };

    /// One turn in which these have so many calls of this cost to make: who makes how many of them, in order.
    fn turn(
        turns: &mut Turns,
        heard: &mut BTreeMap<u32, u64>,
        speakers: &[(u32, usize)],
        cost: u32,
    ) -> Vec<(u32, usize)> {
        let clients = speakers.iter().map(|(number, _)| Token::Client(*number));
        let others = [Token::Signals, Token::Listener, Token::Keeper];
        let mut ready: Vec<(Token, Ready)> = clients.chain(others).map(|token| (token, READY)).collect();
        ready.sort_unstable_by_key(|(token, _)| *token);
        turns.begin(&mut ready, |number| heard.get(&number).copied().unwrap_or(0));
        let kinds: Vec<bool> = ready.iter().map(|(token, _)| matches!(token, Token::Client(_))).collect();
        assert_eq!(kinds.iter().position(|is_client| *is_client), Some(2), "the listener comes before them");
        assert_eq!(ready.last().map(|(token, _)| *token), Some(Token::Keeper), "and who is no client behind");
        let number_of = |token: &Token| if let Token::Client(number) = token { Some(*number) } else { None };
        let numbers = ready.iter().filter_map(|(token, _)| number_of(token));
        let mut made = Vec::new();
        for number in numbers {
            let wanted = speakers.iter().find(|(it, _)| *it == number).map_or(0, |(_, calls)| *calls);
            let most = turns.calls().min(wanted);
            let mut calls = 0_usize;
            while calls < most && turns.calls() > 0 {
                heard.insert(number, turns.spend(cost));
                calls = calls.saturating_add(1);
            }
            if calls > 0 {
                made.push((number, calls));
            }
        }
        made
    }

    fn crowd() -> Vec<(u32, usize)> {
        (1..=200).map(|number| (number, usize::MAX)).collect()
    }

    #[test]
    fn one_alone_is_heard_as_much_as_a_turn_allows() {
        let (mut turns, mut heard) = (Turns::new(), BTreeMap::new());
        assert_eq!(turn(&mut turns, &mut heard, &[(7, 1000)], 1), [(7, WORK)]);
        assert_eq!(turn(&mut turns, &mut heard, &[(7, 3)], 1), [(7, 3)]);
    }

    #[test]
    fn a_turn_is_shared_equally() {
        let (mut turns, mut heard) = (Turns::new(), BTreeMap::new());
        let three = [(1, 1000), (2, 1000), (3, 1000)];
        assert_eq!(turn(&mut turns, &mut heard, &three, 1), [(1, 42), (2, 42), (3, 42)]);
    }

    #[test]
    fn in_a_crowd_everybody_has_his_turn() {
        let (mut turns, mut heard) = (Turns::new(), BTreeMap::new());
        let once =
            |numbers: &mut dyn Iterator<Item = u32>| numbers.map(|number| (number, 1)).collect::<Vec<_>>();
        assert_eq!(turn(&mut turns, &mut heard, &crowd(), 1), once(&mut (1..=128)));
        assert_eq!(turn(&mut turns, &mut heard, &crowd(), 1), once(&mut (129..=200).chain(1..=56)));
        assert_eq!(turn(&mut turns, &mut heard, &crowd(), 1), once(&mut (57..=184)));
    }

    #[test]
    fn who_has_just_connected_or_was_silent_is_heard_before_the_crowd() {
        let (mut turns, mut heard) = (Turns::new(), BTreeMap::new());
        heard.insert(500, 1);
        turns.heard = 1;
        let _ = turn(&mut turns, &mut heard, &crowd(), 1);
        let _ = turn(&mut turns, &mut heard, &crowd(), 1);
        let mut speakers = crowd();
        speakers.extend([(500, 1), (501, 1)]);
        let made = turn(&mut turns, &mut heard, &speakers, 1);
        assert_eq!(made[..3], [(501, 1), (500, 1), (57, 1)]);
        assert_eq!(made.len(), WORK);
    }

    #[test]
    fn what_is_dear_leaves_less_for_others() {
        let (mut turns, mut heard) = (Turns::new(), BTreeMap::new());
        assert_eq!(turn(&mut turns, &mut heard, &crowd(), 40), [(1, 1), (2, 1), (3, 1), (4, 1)]);
        assert_eq!(turn(&mut turns, &mut heard, &[(4, 9), (5, 1)], 40), [(5, 1), (4, 3)]);
    }
}
