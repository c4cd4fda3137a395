//! Conditions over facts: for which values of a job's instance variables does its `while` hold?
//!
//! A condition is turned into branches (an `or` of `and`s) once. In a branch every plain leaf must find a
//! fact, and no leaf under `not` may find one. A plain leaf binds the arguments of its fact as variables for
//! the leaves behind it, which ask for the same value by `$VAR`. A variable that names the instance is one and
//! the same in all leaves whose facts have it; of any other variable the first counts. Facts are looked
//! through in order, so the answer is always the same.

use alloc::{boxed::Box, collections::BTreeMap, string::String, sync::Arc, vec::Vec};

use events::{Args, Condition, Fact, Hold, Identity, Key, Leaf, Name, Node, Template, Time, Value};
use serde::{Deserialize, Serialize};

use crate::history::{self, Earlier};

/// The most branches that a condition may come to.
pub const MAX_BRANCHES: usize = 64;

/// All that holds now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts(BTreeMap<Name, BTreeMap<Identity, Known>>);

/// A fact, and since when it is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The fact; the last that was known of it, if it is gone.
    pub fact: Arc<Fact>,
    /// Since when it is there.
    pub since: Time,
    /// Since when it is gone, if it is. It is kept while an `until gone` may look at it.
    pub gone: Option<Time>,
    /// What it was before, latest last, where a condition looks back.
    pub earlier: Vec<Earlier>,
}

impl Facts {
    /// Notes that a fact holds. What it was before comes back; `None` if it is as it was. Of an object that
    /// conditions `look_back` at, it is kept how it was.
    pub fn begin(&mut self, fact: Arc<Fact>, now: Time, look_back: bool) -> Option<Option<Arc<Fact>>> {
        let kind = self.0.entry(fact.name.clone()).or_default();
        let Some(known) = kind.get_mut(&fact.identity) else {
            let identity = fact.identity.clone();
            kind.insert(identity, Known { fact, since: now, gone: None, earlier: Vec::new() });
            return Some(None);
        };
        let was_there = known.gone.is_none();
        if was_there && known.fact == fact {
            return None;
        }
        let before = core::mem::replace(&mut known.fact, fact);
        let since = core::mem::replace(&mut known.since, now);
        let until = known.gone.take().unwrap_or(now);
        if look_back {
            history::remember(&mut known.earlier, Earlier::new(before.clone(), since, until));
        } else {
            known.earlier.clear();
        }
        Some(was_there.then_some(before))
    }

    /// Notes that a fact holds no longer. It is kept as gone if `linger`.
    pub fn end(&mut self, name: &Name, identity: &Identity, now: Time, linger: bool) -> Option<Arc<Fact>> {
        let kind = self.0.get_mut(name)?;
        let known = kind.get_mut(identity).filter(|known| known.gone.is_none())?;
        let fact = known.fact.clone();
        if linger {
            known.gone = Some(now);
        } else {
            kind.remove(identity);
        }
        if kind.is_empty() {
            self.0.remove(name);
        }
        Some(fact)
    }

    /// Forgets a fact that is gone since then.
    pub fn forget(&mut self, name: &Name, identity: &Identity, gone: Time) {
        if let Some(kind) = self.0.get_mut(name)
            && kind.get(identity).is_some_and(|known| known.gone == Some(gone))
        {
            kind.remove(identity);
            if kind.is_empty() {
                self.0.remove(name);
            }
        }
    }

    /// A fact that holds.
    #[must_use]
    pub fn get(&self, name: &Name, identity: &Identity) -> Option<&Arc<Fact>> {
        self.0.get(name)?.get(identity).filter(|known| known.gone.is_none()).map(|known| &known.fact)
    }

    /// All facts that hold, by kind and identity.
    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.0.values().flat_map(BTreeMap::values).filter(|known| known.gone.is_none())
    }

    fn of(&self, name: &Name) -> impl Iterator<Item = &Known> {
        self.0.get(name).into_iter().flat_map(BTreeMap::values)
    }
}

/// A `while`, ready to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    leaves: Box<[Leaf]>,
    branches: Box<[Branch]>,
    /// The variables that name an instance.
    variables: Box<[Key]>,
    instance: Option<Template>,
}

/// Leaves that must all be so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Branch {
    plain: Vec<usize>,
    not: Vec<usize>,
}

/// The value that a way to fill a branch gives to a variable.
type ValueOf<'v> = dyn Fn(&Key) -> Option<Value> + 'v;

/// A value for each instance variable.
pub type Binding = Args;

impl Level {
    /// The condition, ready to be asked; `None` if it comes to more than [`MAX_BRANCHES`] branches.
    #[must_use]
    pub fn new(condition: &Condition, instance: Option<&Template>) -> Option<Self> {
        let variables = instance.map(|template| {
            template
                .variables()
                .into_iter()
                .filter_map(|(name, _)| Key::new(name).ok())
                .collect::<Box<[Key]>>()
        });
        Some(Self {
            leaves: condition.leaves().cloned().collect(),
            branches: branches(condition)?,
            variables: variables.unwrap_or_default(),
            instance: instance.cloned(),
        })
    }

    /// Whether a leaf looks back at facts that are gone.
    #[must_use]
    pub fn lingers(&self) -> bool {
        self.leaves.iter().any(|leaf| !leaf.hold.fall.is_zero())
    }

    /// How the leaf is damped.
    #[must_use]
    pub fn hold(&self, leaf: usize) -> Hold {
        self.leaves.get(leaf).map(|leaf| leaf.hold).unwrap_or_default()
    }

    /// The name of the instance that a binding makes.
    #[must_use]
    pub fn key(&self, binding: &Binding) -> Option<String> {
        match &self.instance {
            None => Some(String::new()),
            Some(template) => template.expand(&|name| binding.get(name).map(Value::as_str)),
        }
    }

    /// The binding that a fact makes by itself at a leaf, if it tells every instance variable.
    #[must_use]
    pub fn binding_of(&self, leaf: usize, fact: &Fact) -> Option<Binding> {
        // A fact under `not` shares no variables: it concerns what the leaf compares it with, and no more.
        let shares = self.branches.iter().all(|branch| !branch.not.contains(&leaf));
        let leaf = self.leaves.get(leaf)?;
        self.variables
            .iter()
            .map(|variable| Some((variable.clone(), told(leaf, fact, variable, shares)?)))
            .collect()
    }

    /// Whether it holds with these values.
    #[must_use]
    pub fn holds(&self, binding: &Binding, facts: &Facts, now: Time) -> bool {
        self.branches.iter().any(|branch| self.solve(branch, binding, facts, now, &mut |_| true))
    }

    /// All bindings for which it holds, in order, at most `most`.
    #[must_use]
    pub fn solutions(&self, facts: &Facts, now: Time, most: usize) -> Vec<Binding> {
        let mut found: Vec<Binding> = Vec::new();
        for branch in &self.branches {
            self.solve(branch, &Binding::new(), facts, now, &mut |bound| {
                let binding: Option<Binding> = self
                    .variables
                    .iter()
                    .map(|variable| Some((variable.clone(), bound(variable)?)))
                    .collect();
                if let Some(binding) = binding
                    && !found.contains(&binding)
                {
                    found.push(binding);
                }
                found.len() >= most
            });
        }
        found.sort();
        found
    }

    /// The first leaf that keeps it from holding with these values, for people.
    #[must_use]
    pub fn missing<'l>(&'l self, binding: &Binding, facts: &Facts, now: Time) -> Option<(&'l Leaf, bool)> {
        let value_of = |name: &str| binding.get(name).map(Value::as_str);
        let branch = self.branches.first()?;
        let found =
            |leaf: &&Leaf| facts.of(&leaf.pattern.name).any(|known| fits(leaf, known, now, &value_of));
        let plain = branch.plain.iter().filter_map(|&leaf| self.leaves.get(leaf)).find(|leaf| !found(leaf));
        let not = || branch.not.iter().filter_map(|&leaf| self.leaves.get(leaf)).find(found);
        plain.map(|leaf| (leaf, false)).or_else(|| not().map(|leaf| (leaf, true)))
    }

    /// Goes through the ways in which facts can fill a branch, until `enough` says so. No deeper than the
    /// branch has leaves: the stack holds one place in the facts for each.
    fn solve(
        &self,
        branch: &Branch,
        given: &Binding,
        facts: &Facts,
        now: Time,
        enough: &mut dyn FnMut(&ValueOf<'_>) -> bool,
    ) -> bool {
        let mut chosen: Vec<(&Leaf, &Known, usize)> = Vec::new();
        let mut skip = 0_usize;
        loop {
            let next = branch.plain.get(chosen.len()).and_then(|&leaf| self.leaves.get(leaf));
            let step = next.map(|leaf| {
                let value_of = |name: &str| bound(&chosen, given, name);
                let consistent = |known: &&Known| {
                    fits(leaf, known, now, &value_of)
                        && self.variables.iter().all(|key| agrees(known, key, value_of(key)))
                };
                facts
                    .of(&leaf.pattern.name)
                    .enumerate()
                    .skip(skip)
                    .find(|(_, known)| consistent(known))
                    .map(|(at, known)| (leaf, known, at))
            });
            match step {
                // Every plain leaf has its fact: now the others may have none.
                None => {
                    let value_of = |name: &str| bound(&chosen, given, name);
                    let free = branch.not.iter().filter_map(|&leaf| self.leaves.get(leaf)).all(|leaf| {
                        !facts.of(&leaf.pattern.name).any(|known| fits(leaf, known, now, &value_of))
                    });
                    if free && enough(&|key| value_of(key).and_then(|text| Value::new(text).ok())) {
                        return true;
                    }
                }
                Some(Some(found)) => {
                    chosen.push(found);
                    skip = 0;
                    continue;
                }
                Some(None) => {}
            }
            match chosen.pop() {
                Some((_, _, at)) => skip = at.saturating_add(1),
                None => return false,
            }
        }
    }
}

/// The value of a variable: given from outside, or from the first fact that was chosen and has it.
fn bound<'v>(chosen: &[(&Leaf, &'v Known, usize)], given: &'v Binding, name: &str) -> Option<&'v str> {
    given
        .get(name)
        .map(Value::as_str)
        .or_else(|| chosen.iter().find_map(|(_, known, _)| known.fact.args.get(name)).map(Value::as_str))
}

/// Whether a fact does not contradict the value that an instance variable has already.
fn agrees(known: &Known, key: &Key, value: Option<&str>) -> bool {
    known.fact.args.get(key).is_none_or(|own| value.is_none_or(|value| own == value))
}

/// What a fact tells of a variable at a leaf: its own argument, or the one that the leaf compares with `$VAR`.
fn told(leaf: &Leaf, fact: &Fact, variable: &Key, shares: bool) -> Option<Value> {
    if let Some(value) = fact.args.get(variable).filter(|_| shares) {
        return Some(value.clone());
    }
    leaf.pattern.matches.iter().filter(|wanted| !wanted.negated).find_map(|wanted| {
        let events::Want::Template(template) = &wanted.want else { return None };
        if template.single_variable() != Some(variable.as_str()) {
            return None;
        }
        match &wanted.key {
            events::MatchKey::Named(key) => fact.args.get(key).cloned(),
            events::MatchKey::Position(place) => fact.args.at(usize::from(*place)).cloned(),
        }
    })
}

/// Whether a fact counts for a leaf now.
fn fits<'v>(leaf: &Leaf, known: &Known, now: Time, value_of: &dyn Fn(&str) -> Option<&'v str>) -> bool {
    let matches = |fact: &Fact| leaf.pattern.matches_args(&fact.args, value_of);
    let Hold { rise, fall } = leaf.hold;
    if rise.is_zero() && fall.is_zero() {
        return known.gone.is_none() && matches(&known.fact);
    }
    let latest = (&*known.fact, known.since, known.gone.unwrap_or(now), known.gone.is_some());
    history::held(latest, &known.earlier, (fall, now), matches).is_some_and(|held| held >= rise)
}

/// The condition as an `or` of `and`s.
fn branches(condition: &Condition) -> Option<Box<[Branch]>> {
    // Each part comes as two lists of branches: those that make it true, and those that make it false.
    let mut stack: Vec<(Vec<Branch>, Vec<Branch>)> = Vec::new();
    let mut leaf = 0_usize;
    for node in condition.nodes() {
        let part = match node {
            Node::Leaf(_) => {
                let this = leaf;
                leaf = leaf.saturating_add(1);
                let yes = Branch { plain: Vec::from([this]), not: Vec::new() };
                let no = Branch { plain: Vec::new(), not: Vec::from([this]) };
                (Vec::from([yes]), Vec::from([no]))
            }
            Node::Not => {
                let (yes, no) = stack.pop()?;
                (no, yes)
            }
            Node::And | Node::Or => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                match node {
                    Node::And => (all_pairs(&left.0, &right.0)?, joined(left.1, right.1)?),
                    Node::Or | Node::Leaf(_) | Node::Not => {
                        (joined(left.0, right.0)?, all_pairs(&left.1, &right.1)?)
                    }
                }
            }
        };
        stack.push(part);
    }
    Some(stack.pop()?.0.into())
}

fn joined(mut left: Vec<Branch>, right: Vec<Branch>) -> Option<Vec<Branch>> {
    left.extend(right);
    (left.len() <= MAX_BRANCHES).then_some(left)
}

fn all_pairs(left: &[Branch], right: &[Branch]) -> Option<Vec<Branch>> {
    if left.len().saturating_mul(right.len()) > MAX_BRANCHES {
        return None;
    }
    let pair = |a: &Branch, b: &Branch| Branch {
        plain: a.plain.iter().chain(&b.plain).copied().collect(),
        not: a.not.iter().chain(&b.not).copied().collect(),
    };
    Some(left.iter().flat_map(|a| right.iter().map(move |b| pair(a, b))).collect())
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString as _};

    use events::Dialect;

    use super::*;

    fn facts(lines: &[&str]) -> Facts {
        let mut facts = Facts::default();
        for line in lines {
            let (name, args) = line.split_once(' ').unwrap_or((line, ""));
            let fact = Fact::named(Name::new(name).unwrap(), Args::parse(args.split_whitespace()).unwrap());
            facts.begin(Arc::new(fact), Time(1_000), true);
        }
        facts
    }

    fn check(condition: &str, instance: &str, lines: &[&str], expected: &[&str]) {
        let condition = Condition::parse(condition, Dialect::Levels).unwrap();
        let instance = (!instance.is_empty()).then(|| Template::parse(instance).unwrap());
        let level = Level::new(&condition, instance.as_ref()).unwrap();
        let facts = facts(lines);
        let solutions = level.solutions(&facts, Time(1_000), 100);
        let keys: Vec<String> = solutions.iter().map(|binding| level.key(binding).unwrap()).collect();
        assert_eq!(keys, expected, "{condition} over {lines:?}");
        assert!(solutions.iter().all(|binding| level.holds(binding, &facts, Time(1_000))));
    }

    const NET: [&str; 4] = [
        "device SUBSYSTEM=net INTERFACE=eth0",
        "device SUBSYSTEM=net INTERFACE=eth1",
        "link IFACE=eth0",
        "link IFACE=wlan0",
    ];

    #[test]
    fn there_is_one_binding_for_each_match() {
        let condition = "device SUBSYSTEM=net INTERFACE=eth*";
        check(condition, "$INTERFACE", &NET, &["eth0", "eth1"]);
        check(&format!("{condition} and link IFACE=$INTERFACE"), "$INTERFACE", &NET, &["eth0"]);
        check(
            &format!("link IFACE=* and {condition}"),
            "$INTERFACE/$IFACE",
            &NET,
            &["eth0/eth0", "eth0/wlan0", "eth1/eth0", "eth1/wlan0"],
        );
        check(&format!("{condition} and not link IFACE=$INTERFACE"), "$INTERFACE", &NET, &["eth1"]);
        check("link", "", &NET, &[""]);
        check("route", "", &NET, &[]);
        check("not route", "", &NET, &[""]);
        check("not (route or link)", "", &NET, &[]);
        check("link IFACE=eth0 or link IFACE=wlan0", "$IFACE", &NET, &["eth0", "wlan0"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let condition =
            Condition::parse("link IFACE=eth0 and route and not mode x", Dialect::Levels).unwrap();
        let level = Level::new(&condition, None).unwrap();
        let (leaf, under_not) = level.missing(&Binding::new(), &facts(&NET), Time(1_000)).unwrap();
        assert_eq!((leaf.to_string().as_str(), under_not), ("route", false));
    }

    #[test]
    fn a_fact_counts_when_it_has_held_long_enough() {
        let condition = Condition::parse("link for 5s until gone 2s", Dialect::Levels).unwrap();
        let level = Level::new(&condition, None).unwrap();
        let mut facts = facts(&["link IFACE=eth0"]);
        let none = Binding::new();
        assert!(!level.holds(&none, &facts, Time(5_999)) && level.holds(&none, &facts, Time(6_000)));
        let identity = facts.iter().next().unwrap().fact.identity.clone();
        facts.end(&Name::new("link").unwrap(), &identity, Time(10_000), true);
        assert!(level.holds(&none, &facts, Time(11_999)) && !level.holds(&none, &facts, Time(12_000)));
    }

    #[test]
    fn a_condition_that_explodes_is_refused() {
        let text = (0..16).map(|n| format!("(a{n} or b{n})")).collect::<Vec<_>>().join(" and ");
        assert_eq!(Level::new(&Condition::parse(&text, Dialect::Levels).unwrap(), None), None);
    }
}
