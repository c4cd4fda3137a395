//! Who is heard in a turn of the loop, and how much of him.
//!
//! A turn works off at most [`WORK`] of what people say, so that nobody waits longer than that takes before he is heard
//! himself. That one is heard first who has been heard longest ago; whoever has just connected has never been, and who has
//! said more than he has been heard yet stands [`BEHIND`] others. So who tells of ten thousand events over a hundred
//! connections waits for his own, and who asks how a job is does not wait for them.
//!
//! It is less than the engine works off in a turn: so the queue into it does not grow by what people say.

use crate::{pid1::token::Token, sys::poll::Ready};

/// How much of what people say is worked off in one turn of the loop: a call that looks at all jobs counts as many.
pub const WORK: usize = 64;
/// How many calls one client may make in a turn, however many others there are: to be woken for each answer would cost
/// more than the calls.
const AT_LEAST: usize = 8;

/// By how many calls who has more to say than he has been heard stands behind others: more than there are in a round of
/// all, and not so many that he is never heard.
const BEHIND: u64 = 2048;

/// Where a client stands in line: the least is heard first. `heard` is which of all calls was its last one, 0 if it has
/// made none yet.
pub const fn place(heard: u64, has_backlog: bool) -> u64 {
    if has_backlog { heard.saturating_add(BEHIND) } else { heard }
}

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
    /// `place` tells where a client stands in line.
    pub fn begin(&mut self, ready: &mut [(Token, Ready)], place: impl Fn(u32) -> u64) {
        (self.left, self.share) = (WORK, WORK);
        let from = ready.partition_point(|(token, _)| *token < Token::Client(0));
        let to = ready.partition_point(|(token, _)| *token <= Token::Client(u32::MAX));
        if let Some(people) = ready.get_mut(from..to)
            && let Some(share) = WORK.checked_div(people.len())
        {
            self.share = share.max(AT_LEAST);
            people.sort_by_cached_key(|(token, _)| {
                // There is nobody else among them.
                if let Token::Client(number) = token { place(*number) } else { 0 }
            });
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

    /// People, by number: how many calls they have yet to make, which was their last, and whether they have a backlog.
    #[derive(Default)]
    struct People(BTreeMap<u32, (usize, u64, bool)>);

    impl People {
        fn say(&mut self, numbers: impl IntoIterator<Item = u32>, calls: usize) {
            for number in numbers {
                self.0.entry(number).or_default().0 = calls;
            }
        }

        /// One turn, with calls of this cost: who makes how many of them, in order.
        fn turn(&mut self, turns: &mut Turns, cost: u32) -> Vec<(u32, usize)> {
            let speakers = self.0.iter().filter(|(_, (calls, ..))| *calls > 0);
            let tokens = speakers.map(|(number, _)| Token::Client(*number));
            let tokens = tokens.chain([Token::Deadline, Token::Listener, Token::Keeper]);
            let mut ready: Vec<(Token, Ready)> = tokens.map(|token| (token, READY)).collect();
            ready.sort_unstable_by_key(|(token, _)| *token);
            turns.begin(&mut ready, |number| place(self.0[&number].1, self.0[&number].2));
            let tokens: Vec<Token> = ready.iter().map(|(token, _)| *token).collect();
            assert_eq!(tokens[..2], [Token::Deadline, Token::Listener], "they come before all people");
            assert_eq!(tokens.last(), Some(&Token::Keeper), "and this behind them");
            let mut made = Vec::new();
            for token in tokens {
                let Token::Client(number) = token else { continue };
                let (left, heard, has_backlog) = self.0.get_mut(&number).unwrap();
                let most = turns.calls().min(*left);
                let mut calls = 0_usize;
                while calls < most && turns.calls() > 0 {
                    *heard = turns.spend(cost);
                    calls = calls.saturating_add(1);
                }
                *left = left.saturating_sub(calls);
                *has_backlog = *left > 0;
                made.extend((calls > 0).then_some((number, calls)));
            }
            made
        }
    }

    #[test]
    fn one_alone_is_heard_as_much_as_a_turn_allows() {
        let (mut turns, mut people) = (Turns::new(), People::default());
        people.say([7], WORK + 3);
        assert_eq!(people.turn(&mut turns, 1), [(7, WORK)]);
        assert_eq!(people.turn(&mut turns, 1), [(7, 3)]);
    }

    #[test]
    fn a_turn_is_shared_equally() {
        let (mut turns, mut people) = (Turns::new(), People::default());
        people.say(1..=3, 1000);
        assert_eq!(people.turn(&mut turns, 1), [(1, 21), (2, 21), (3, 21)]);
    }

    #[test]
    fn in_a_crowd_everybody_has_his_turn() {
        let (mut turns, mut people) = (Turns::new(), People::default());
        people.say(1..=20, 1000);
        let each = |numbers: [u32; 8]| numbers.map(|number| (number, AT_LEAST)).to_vec();
        assert_eq!(people.turn(&mut turns, 1), each([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(people.turn(&mut turns, 1), each([9, 10, 11, 12, 13, 14, 15, 16]));
        assert_eq!(people.turn(&mut turns, 1), each([17, 18, 19, 20, 1, 2, 3, 4]));
        assert_eq!(people.turn(&mut turns, 1), each([5, 6, 7, 8, 9, 10, 11, 12]));
    }

    #[test]
    fn who_has_just_connected_or_says_little_is_heard_before_the_crowd() {
        let (mut turns, mut people) = (Turns::new(), People::default());
        people.say(1..=100, 1000);
        for turn in 0..30 {
            people.say([500], 1);
            let made = people.turn(&mut turns, 1);
            // All are new in the beginning.
            assert!(turn < 13 || made[0] == (500, 1), "{turn}: {made:?}");
        }
        people.say([500, 501], 1);
        let made = people.turn(&mut turns, 1);
        assert_eq!(made[..2], [(501, 1), (500, 1)]);
        assert_eq!(made.iter().map(|(_, calls)| calls).sum::<usize>(), WORK);
    }

    #[test]
    fn who_has_much_to_say_is_heard_although_many_others_always_have_a_little() {
        let (mut turns, mut people) = (Turns::new(), People::default());
        people.say([1], 1000);
        let _ = people.turn(&mut turns, 1);
        let heard = (0..200).filter(|_| {
            people.say(2..=100, 1);
            people.turn(&mut turns, 1).iter().any(|(number, _)| *number == 1)
        });
        assert!(heard.count() >= 5);
    }

    #[test]
    fn what_is_dear_leaves_less_for_others() {
        let (mut turns, mut people) = (Turns::new(), People::default());
        people.say(1..=9, 1);
        assert_eq!(people.turn(&mut turns, 40), [(1, 1), (2, 1)]);
        assert_eq!(people.turn(&mut turns, 1).first(), Some(&(3, 1)));
    }
}
