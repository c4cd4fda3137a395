//! Ordered `KEY=VALUE` arguments.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{EventError, Key, Value};

/// The most arguments an event or fact may have.
pub const MAX_ARGS: usize = 256;

/// Arguments in the order in which they were given. Of two with one key the first counts, as in Upstart.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Args(Vec<(Key, Value)>);

impl Args {
    /// No arguments.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Arguments from words of the form `KEY=VALUE`.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, EventError> {
        let mut args = Self::new();
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                return Err(EventError::NotKeyValue(word.into()));
            };
            let key = Key::new(key).map_err(|fault| EventError::Key(key.into(), fault))?;
            let value = Value::new(value).map_err(|fault| EventError::Value(key.as_str().into(), fault))?;
            if !args.push(key, value) {
                return Err(EventError::TooManyArgs);
            }
        }
        Ok(args)
    }

    /// No arguments, with room for so many.
    #[must_use]
    pub fn with_room(room: usize) -> Self {
        Self(Vec::with_capacity(room))
    }

    /// Adds the arguments of `other` at the end, as far as there may be so many.
    pub fn append(&mut self, other: &Self) {
        let room = MAX_ARGS.saturating_sub(self.0.len());
        self.0.extend(other.0.iter().take(room).cloned());
    }

    /// Adds an argument at the end; `false` if there are as many as there may be.
    pub fn push(&mut self, key: Key, value: Value) -> bool {
        let room = self.0.len() < MAX_ARGS;
        if room {
            self.0.push((key, value));
        }
        room
    }

    /// Adds an argument at the end, if it has a value and there is room.
    pub fn extend_with(&mut self, key: &'static str, value: Option<Value>) {
        if let Some(value) = value {
            self.push(Key::constant(key), value);
        }
    }

    /// Sets `key`, in its old place if it is there already.
    pub fn set(&mut self, key: Key, value: Value) -> bool {
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => {
                *old = value;
                true
            }
            None => self.push(key, value),
        }
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k.as_str() == key).map(|(_, value)| value)
    }

    /// The value at place `index`, counted from 0.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&Value> {
        self.0.get(index).map(|(_, value)| value)
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &Value)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many bytes keys and values have.
    #[must_use]
    pub fn size(&self) -> usize {
        self.iter()
            .map(|(key, value)| key.as_str().len().saturating_add(value.as_str().len()))
            .fold(0, usize::saturating_add)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every argument of `self` stands in `other` with any value.
    #[must_use]
    pub fn keys_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(key, _)| other.get(key).is_some())
    }
}

impl FromIterator<(Key, Value)> for Args {
    fn from_iter<I: IntoIterator<Item = (Key, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().take(MAX_ARGS).collect())
    }
}

impl fmt::Display for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (key, value)) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{key}=")?;
            write_quoted(f, value)?;
        }
        Ok(())
    }
}

/// Writes a word so that [`Event`](crate::Event)'s parser reads it back: in quotes where it has to be.
pub(crate) fn write_quoted(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    if !value.contains([' ', '\t', '"', '\'', '\\']) && !value.contains(char::is_whitespace) {
        return f.write_str(value);
    }
    f.write_str("\"")?;
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    f.write_str("\"")
}
