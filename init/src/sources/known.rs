//! What a source has told of its part of the world, so that it can be compared with what is there.

use std::{collections::BTreeMap, mem, sync::Arc};

use events::{Args, Fact, Identity, Name};
use jobs::{Input, Origin};

use super::Past;
use crate::pid1::shell::Shell;

/// How a fact stands to what was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It holds now, and did not.
    New,
    /// It held with these arguments.
    Changed(Arc<Args>),
    /// It is as it was.
    Same,
}

/// The facts of one kind that were told and hold.
#[derive(Debug)]
pub struct Known {
    name: Name,
    objects: BTreeMap<Identity, Object>,
    /// Which look at everything is under way, or was the last.
    round: u32,
}

#[derive(Debug)]
struct Object {
    args: Arc<Args>,
    /// In which look at everything it was seen last.
    round: u32,
}

impl Known {
    /// The facts of this kind that an image before has told.
    #[must_use]
    pub fn new(name: Name, past: &Past<'_>) -> Self {
        let mut known = Self { name, objects: BTreeMap::new(), round: 0 };
        for held in past.engine.facts().iter() {
            if held.fact.name == known.name {
                known.put(held.fact.identity.clone(), held.fact.args.clone());
            }
        }
        for input in past.waiting {
            if let Input::Began { fact, origin: Origin::World } = input
                && fact.name == known.name
            {
                known.put(fact.identity.clone(), fact.args.clone());
            }
            if let Input::Ended { name, identity } = input
                && *name == known.name
            {
                known.objects.remove(identity);
            }
        }
        known
    }

    fn put(&mut self, identity: Identity, args: Arc<Args>) -> Option<Arc<Args>> {
        let object = Object { args, round: self.round };
        self.objects.insert(identity, object).map(|before| before.args)
    }

    /// A fact holds, with these arguments: tells it if that is new.
    pub fn holds(&mut self, shell: &mut Shell<'_>, identity: &Identity, args: &Args) -> Change {
        if let Some(object) = self.objects.get_mut(identity)
            && *object.args == *args
        {
            object.round = self.round;
            return Change::Same;
        }
        let args = Arc::new(args.clone());
        let fact = Fact { name: self.name.clone(), identity: identity.clone(), args: args.clone() };
        shell.report(Input::Began { fact, origin: Origin::World });
        self.put(identity.clone(), args).map_or(Change::New, Change::Changed)
    }

    /// A fact holds no longer: tells it, and what it was, if it was known.
    pub fn is_gone(&mut self, shell: &mut Shell<'_>, identity: &Identity) -> Option<Arc<Args>> {
        let object = self.objects.remove(identity)?;
        shell.report(Input::Ended { name: self.name.clone(), identity: identity.clone() });
        Some(object.args)
    }

    /// What is known of an object.
    #[must_use]
    pub fn get(&self, identity: &Identity) -> Option<&Arc<Args>> {
        self.objects.get(identity).map(|object| &object.args)
    }

    /// All that holds.
    pub fn iter(&self) -> impl Iterator<Item = (&Identity, &Arc<Args>)> {
        self.objects.iter().map(|(identity, object)| (identity, &object.args))
    }

    /// How many hold.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether none holds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Everything is looked at from here on: what holds is told by [`holds`](Self::holds), whether it is new or not.
    pub const fn begin_look(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// Everything was looked at: tells that what was not seen holds no longer, and gives it.
    pub fn end_look(&mut self, shell: &mut Shell<'_>) -> Vec<(Identity, Arc<Args>)> {
        let round = self.round;
        let (seen, unseen) =
            mem::take(&mut self.objects).into_iter().partition(|(_, object)| object.round == round);
        self.objects = seen;
        for identity in BTreeMap::keys(&unseen) {
            shell.report(Input::Ended { name: self.name.clone(), identity: identity.clone() });
        }
        unseen.into_iter().map(|(identity, object)| (identity, object.args)).collect()
    }
}
