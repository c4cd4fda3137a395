//! Something that happened.

use alloc::string::String;
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Args, Name, TextError};

/// Something that happened: a name and arguments in order. Never an order to anybody.
///
/// Cause and time are not here: they belong to whoever handles the event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub name: Name,
    /// To what, and how.
    pub args: Args,
}

/// Why a text is not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Nothing but blanks.
    #[error("missing event name")]
    Missing,
    /// The first word is no name.
    #[error("event name `{0}`: {1}")]
    Name(String, TextError),
    /// An argument without `=`.
    #[error("argument `{0}` is not of the form KEY=VALUE")]
    NotKeyValue(String),
    /// The part left of `=` is no key.
    #[error("argument name `{0}`: {1}")]
    Key(String, TextError),
    /// The part right of `=` is no value.
    #[error("value of `{0}`: {1}")]
    Value(String, TextError),
    /// More arguments than an event may have.
    #[error("more than {MAX} arguments", MAX = crate::MAX_ARGS)]
    TooManyArgs,
}

impl Event {
    /// An event without arguments.
    #[must_use]
    pub const fn new(name: Name) -> Self {
        Self { name, args: Args::new() }
    }

    /// An event from its words, as a shell would split them.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, EventError> {
        let mut words = words.into_iter();
        let name = words.next().ok_or(EventError::Missing)?;
        let name = Name::new(name).map_err(|fault| EventError::Name(name.into(), fault))?;
        Ok(Self { name, args: Args::parse(words)? })
    }
}

impl FromStr for Event {
    type Err = EventError;
    fn from_str(text: &str) -> Result<Self, EventError> {
        Self::from_words(text.split_whitespace())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.args.is_empty() { Ok(()) } else { write!(f, " {}", self.args) }
    }
}
