//! Something that happened.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Args, Name, TextError, args::write_quoted};

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
    /// A quote that is not closed.
    #[error("a quote is not closed")]
    Quote,
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
    /// Words as in a shell: split at blanks, with `"..."`, `'...'` and a backslash before any character.
    fn from_str(text: &str) -> Result<Self, EventError> {
        let words = words(text)?;
        Self::from_words(words.iter().map(String::as_str))
    }
}

fn words(text: &str) -> Result<Vec<String>, EventError> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err(EventError::Quote) } else { Ok(words) }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_quoted(f, &self.name)?;
        if self.args.is_empty() { Ok(()) } else { write!(f, " {}", self.args) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn an_event_is_written_as_it_is_read() {
        for (text, shown) in [
            ("startup", "startup"),
            ("net-up  IFACE=eth0 ", "net-up IFACE=eth0"),
            ("x K=\"a b\" L='c \"d\"' M=e\\\\f", "x K=\"a b\" L=\"c \\\"d\\\"\" M=\"e\\\\f\""),
            ("x K=", "x K="),
            ("\"a\\\\'b\" K=1", "\"a\\\\'b\" K=1"),
        ] {
            let event: Event = text.parse().unwrap();
            assert_eq!(event.to_string(), shown);
            assert_eq!(shown.parse(), Ok(event));
        }
        assert_eq!("x K=\"a".parse::<Event>(), Err(EventError::Quote));
        assert_eq!("".parse::<Event>(), Err(EventError::Missing));
    }
}
