//! Which events or facts are meant: a name, and globs over arguments.

use alloc::{borrow::Cow, boxed::Box, sync::Arc, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Args, Event, Key, Name, Template, Text, glob::is_glob, glob_matches};

/// Which events or facts are meant. The name is taken as it is; the arguments may have globs and variables.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pattern {
    /// The name, exactly.
    pub name: Name,
    /// What the arguments must be: positions first, then names.
    /// Shared, since conditions, graph and index all keep them.
    pub matches: Arc<[Match]>,
}

/// What one argument must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Match {
    /// Which argument.
    pub key: MatchKey,
    /// Whether it must be there and *not* fit (`KEY!=GLOB`).
    pub negated: bool,
    /// What it must fit.
    pub want: Want,
}

/// Which argument of an event a [`Match`] looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MatchKey {
    /// The one at this place, counted from 0.
    Position(u16),
    /// The first one with this key.
    Named(Key),
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Want {
    /// This very text.
    Literal(Text),
    /// Anything that this glob matches.
    Glob(Text),
    /// Whatever glob comes out when the variables are replaced.
    Template(Box<Template>),
    /// Anything, also nothing: this tells a source how to watch, and not what must come.
    Setting(Text),
}

/// What a source is told to watch: its events and facts carry these as they were written, so that they are globs to the
/// source alone.
const WATCHED: [(&str, &str); 3] = [("file", "FILE"), ("file-changed", "FILE"), ("path", "PATH")];
/// How a source is told to watch.
const SETTINGS: [(&str, &str); 1] = [("file", "SETTLE")];

impl Want {
    /// What `template` wants, as simply as it can be said.
    #[must_use]
    pub fn new(template: Template) -> Self {
        match template.literal() {
            Some(text) if is_glob(text) => Self::Glob(text.into()),
            Some(text) => Self::Literal(text.into()),
            None => Self::Template(Box::new(template)),
        }
    }

    /// What was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Literal(text) | Self::Glob(text) | Self::Setting(text) => text,
            Self::Template(template) => template.as_str(),
        }
    }

    /// Whether `value` is wanted; a variable without a value wants nothing.
    fn accepts<'v>(&self, value: &str, value_of: &dyn Fn(&str) -> Option<&'v str>) -> Option<bool> {
        Some(match self {
            Self::Literal(text) => text == value,
            Self::Glob(glob) => glob_matches(glob, value),
            Self::Template(template) => glob_matches(&template.expand(value_of)?, value),
            Self::Setting(_) => true,
        })
    }
}

impl Match {
    /// Whether the argument is there and is what it must be. A variable that `value_of` does not know fits nothing.
    #[must_use]
    pub fn fits<'v>(&self, args: &Args, value_of: &dyn Fn(&str) -> Option<&'v str>) -> bool {
        if matches!(self.want, Want::Setting(_)) {
            return true;
        }
        let value = match &self.key {
            MatchKey::Position(place) => args.at(usize::from(*place)),
            MatchKey::Named(key) => args.get(key),
        };
        value.is_some_and(|value| self.want.accepts(value, value_of).is_some_and(|fits| fits != self.negated))
    }
}

impl Pattern {
    /// A pattern as a condition says it.
    #[must_use]
    pub fn new(name: Name, mut matches: Vec<Match>) -> Self {
        for wanted in &mut matches {
            let is = |(event, argument): (&str, &str)| {
                name == event
                    && match &wanted.key {
                        MatchKey::Position(place) => *place == 0,
                        MatchKey::Named(key) => key == argument,
                    }
            };
            if SETTINGS.into_iter().any(is) && matches!(wanted.key, MatchKey::Named(_)) {
                wanted.want = Want::Setting(wanted.want.as_str().into());
            } else if WATCHED.into_iter().any(is)
                && let Want::Glob(text) = &wanted.want
            {
                wanted.want = Want::Literal(text.clone());
            }
        }
        Self { name, matches: matches.into() }
    }

    /// What must be, or how to watch, by the name of an argument; by its place if it is the first.
    #[must_use]
    pub fn want(&self, key: &str) -> Option<&Want> {
        let is_meant = |wanted: &&Match| match &wanted.key {
            MatchKey::Position(place) => {
                *place == 0 && WATCHED.into_iter().any(|(event, first)| self.name == event && key == first)
            }
            MatchKey::Named(known) => known == key,
        };
        self.matches.iter().find(is_meant).filter(|wanted| !wanted.negated).map(|wanted| &wanted.want)
    }

    /// A pattern that looks at the name only.
    #[must_use]
    pub fn named(name: Name) -> Self {
        Self { name, matches: Arc::default() }
    }

    /// Whether the event is meant. A variable that `value_of` does not know makes its match fail.
    #[must_use]
    pub fn matches<'v>(&self, event: &Event, value_of: &dyn Fn(&str) -> Option<&'v str>) -> bool {
        self.name == event.name && self.matches_args(&event.args, value_of)
    }

    /// Whether arguments are meant, the name being right already.
    #[must_use]
    pub fn matches_args<'v>(&self, args: &Args, value_of: &dyn Fn(&str) -> Option<&'v str>) -> bool {
        self.matches.iter().all(|wanted| wanted.fits(args, value_of))
    }

    /// The argument that tells most: the first that must be one very text, and that text.
    #[must_use]
    pub fn selector(&self) -> Option<(&MatchKey, &str)> {
        self.matches.iter().filter(|wanted| !wanted.negated).find_map(|wanted| match &wanted.want {
            Want::Literal(text) => Some((&wanted.key, text.as_str())),
            Want::Glob(_) | Want::Template(_) | Want::Setting(_) => None,
        })
    }

    /// Whether a variable stands in it.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.matches.iter().any(|wanted| matches!(wanted.want, Want::Template(_)))
    }

    /// The same pattern with all variables replaced; `None` if one has no value, so that it can never match.
    #[must_use]
    pub fn expanded<'v>(&self, value_of: &dyn Fn(&str) -> Option<&'v str>) -> Option<Cow<'_, Self>> {
        if !self.has_variables() {
            return Some(Cow::Borrowed(self));
        }
        let expand = |wanted: &Match| {
            let want = match &wanted.want {
                Want::Literal(_) | Want::Glob(_) | Want::Setting(_) => wanted.want.clone(),
                Want::Template(template) => {
                    let text = template.expand(value_of)?;
                    if is_glob(&text) { Want::Glob(text.into()) } else { Want::Literal(text.into()) }
                }
            };
            Some(Match { key: wanted.key.clone(), negated: wanted.negated, want })
        };
        let matches = self.matches.iter().map(expand).collect::<Option<Arc<[Match]>>>()?;
        Some(Cow::Owned(Self { name: self.name.clone(), matches }))
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let MatchKey::Named(key) = &self.key {
            write!(f, "{key}{}", if self.negated { "!=" } else { "=" })?;
        }
        let text = self.want.as_str();
        if text.is_empty() && matches!(self.key, MatchKey::Position(_)) {
            f.write_str("\"\"")
        } else if text.contains([' ', '\t', '(', ')', '"', '\'']) {
            write!(f, "{text:?}")
        } else {
            f.write_str(text)
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.matches.iter().try_for_each(|wanted| write!(f, " {wanted}"))
    }
}
