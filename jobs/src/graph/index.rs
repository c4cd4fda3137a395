//! From an event or fact to the places in conditions that look for it, past the graph.
//!
//! The graph's own way from a leaf to its gates touches six places in memory, and with 100,000 jobs each of
//! them is far away. So the answer stands here where the question leads to, usually at one place: by the
//! event's name, then by the value of the argument that tells most. What is here follows from the graph, and
//! changes with each condition that [`Graph`](super::Graph) takes in or out.

use alloc::{sync::Arc, vec::Vec};

use events::{Args, Match, MatchKey, Name, Pattern, Text, Value};
use hashbrown::HashMap;

use super::Hit;

/// Places in conditions, by what they look for.
#[derive(Debug, Clone, Default)]
pub struct Index(HashMap<Name, Entry>);

/// Places that look for one name.
#[derive(Debug, Clone, Default)]
struct Entry {
    /// Those without a literal argument.
    any: Vec<Target>,
    /// Those for which one argument must be one very text, by that.
    keyed: Vec<(MatchKey, HashMap<Text, Few>)>,
}

/// A place in a condition, and what must fit besides what led here.
#[derive(Debug, Clone)]
struct Target {
    hit: Hit,
    /// What the arguments must be, if name and selector are not all of it.
    rest: Option<Arc<[Match]>>,
}

/// Usually one target, which then needs no memory of its own.
#[derive(Debug, Clone)]
enum Few {
    One(Target),
    Many(Vec<Target>),
}

impl Few {
    fn push(&mut self, target: Target) {
        match self {
            Self::One(first) => *self = Self::Many(Vec::from([first.clone(), target])),
            Self::Many(targets) => targets.push(target),
        }
    }

    /// Takes a place out; `false` if nothing is left.
    fn remove(&mut self, hit: Hit) -> bool {
        match self {
            Self::One(target) => target.hit != hit,
            Self::Many(targets) => {
                take_out(targets, hit);
                !targets.is_empty()
            }
        }
    }

    fn as_slice(&self) -> &[Target] {
        match self {
            Self::One(target) => core::slice::from_ref(target),
            Self::Many(targets) => targets,
        }
    }
}

/// Looks from the end, since what came last often goes first.
fn take_out(targets: &mut Vec<Target>, hit: Hit) {
    if let Some(at) = targets.iter().rposition(|target| target.hit == hit) {
        targets.swap_remove(at);
    }
}

impl Target {
    fn push_if_meant(&self, args: &Args, hits: &mut Vec<Hit>) {
        if self.rest.iter().flat_map(|rest| rest.iter()).all(|wanted| wanted.fits(args, &|_| None)) {
            hits.push(self.hit);
        }
    }
}

impl Index {
    /// Whether anybody looks for this name.
    pub fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All places whose pattern means this event or fact.
    pub fn hits(&self, name: &Name, args: &Args, hits: &mut Vec<Hit>) {
        let Some(entry) = self.0.get(name) else { return };
        for target in &entry.any {
            target.push_if_meant(args, hits);
        }
        for (key, by_value) in &entry.keyed {
            let targets = value_of(key, args).and_then(|value| by_value.get(value.as_str()));
            for target in targets.map(Few::as_slice).unwrap_or_default() {
                target.push_if_meant(args, hits);
            }
        }
    }

    /// Has the place of `hit` found by whatever `pattern` means.
    pub fn add(&mut self, pattern: &Pattern, hit: Hit) {
        let entry = self.0.entry_ref(&pattern.name).or_default();
        let Some((key, value)) = pattern.selector() else {
            let rest = (!pattern.matches.is_empty()).then(|| pattern.matches.clone());
            entry.any.push(Target { hit, rest });
            return;
        };
        let target = Target { hit, rest: (pattern.matches.len() > 1).then(|| pattern.matches.clone()) };
        let place = entry.keyed.iter().position(|(known, _)| known == key);
        let by_value = match place.and_then(|place| entry.keyed.get_mut(place)) {
            Some((_, by_value)) => by_value,
            None => {
                entry.keyed.push((key.clone(), HashMap::new()));
                let Some((_, by_value)) = entry.keyed.last_mut() else { return };
                by_value
            }
        };
        match by_value.get_mut(value) {
            Some(few) => few.push(target),
            None => {
                by_value.insert(Text::from(value), Few::One(target));
            }
        }
    }

    /// Forgets a place that looks for `pattern`.
    pub fn remove(&mut self, pattern: &Pattern, hit: Hit) {
        let Some(entry) = self.0.get_mut(&pattern.name) else { return };
        match pattern.selector() {
            None => take_out(&mut entry.any, hit),
            Some((key, value)) => {
                for (_, by_value) in entry.keyed.iter_mut().filter(|(known, _)| known == key) {
                    if by_value.get_mut(value).is_some_and(|few| !few.remove(hit)) {
                        by_value.remove(value);
                    }
                }
                entry.keyed.retain(|(_, by_value)| !by_value.is_empty());
            }
        }
        if entry.any.is_empty() && entry.keyed.is_empty() {
            self.0.remove(&pattern.name);
        }
    }
}

fn value_of<'a>(key: &MatchKey, args: &'a Args) -> Option<&'a Value> {
    match key {
        MatchKey::Position(place) => args.at(usize::from(*place)),
        MatchKey::Named(key) => args.get(key),
    }
}
