//! What can be wrong with a pattern of the events `timer` and `calendar`.

use alloc::string::String;

use super::CalendarError;
use crate::{DelayError, Key};

/// Why a pattern of `timer` or `calendar` asks for no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeFault {
    /// It does not say when.
    #[error("event `{0}` does not say when")]
    Nothing(&'static str),
    /// An argument that the event does not have.
    #[error("event `{0}` has no argument `{1}`")]
    Unknown(&'static str, Key),
    /// An argument without a key.
    #[error("event `{0}` has no argument `{1}`")]
    Position(&'static str, String),
    /// `!=`, or the same argument again, or arguments that shut each other out.
    #[error("`{0}` cannot stand here: a time is asked for by one value of each argument")]
    Confused(String),
    /// A variable has no value when the job is loaded.
    #[error("`{0}` has no value in the job's `env`, so no time is asked for")]
    Variable(String),
    /// The expression of a calendar.
    #[error("`{1}` is no time of the calendar: {0}")]
    Calendar(CalendarError, String),
    /// A length of time.
    #[error(transparent)]
    Delay(#[from] DelayError),
    /// A length of time that is out of bounds.
    #[error("`{0}` is not between 1s and {1}")]
    Bounds(String, &'static str),
    /// The name of a zone.
    #[error("`{0}` is no name of a time zone")]
    Zone(String),
    /// Neither `yes` nor `no`, or not `boot`.
    #[error("`{0}` is not {1}")]
    Word(String, &'static str),
}

impl TimeFault {
    /// Whether it is about an argument as such, and not about its value.
    #[must_use]
    pub const fn is_of_argument(&self) -> bool {
        match self {
            Self::Nothing(_)
            | Self::Unknown(..)
            | Self::Position(..)
            | Self::Confused(_)
            | Self::Variable(_) => true,
            Self::Calendar(..) | Self::Delay(_) | Self::Bounds(..) | Self::Zone(_) | Self::Word(..) => false,
        }
    }
}

/// The arguments of a pattern, each by its key and at most once.
pub fn arguments<'p>(
    pattern: &'p crate::Pattern,
    event: &'static str,
    known: &[&str],
) -> Result<alloc::vec::Vec<(&'p str, &'p str)>, TimeFault> {
    use crate::{MatchKey, Want};
    let mut found: alloc::vec::Vec<(&str, &str)> = alloc::vec::Vec::new();
    for wanted in pattern.matches.iter() {
        let text = wanted.want.as_str();
        let key = match &wanted.key {
            MatchKey::Named(key) => key,
            MatchKey::Position(_) => return Err(TimeFault::Position(event, text.into())),
        };
        if !known.contains(&key.as_str()) {
            return Err(TimeFault::Unknown(event, key.clone()));
        }
        if wanted.negated || found.iter().any(|(other, _)| *other == key.as_str()) {
            return Err(TimeFault::Confused(alloc::format!("{wanted}")));
        }
        if let Want::Template(template) = &wanted.want {
            return Err(TimeFault::Variable(template.as_str().into()));
        }
        found.push((key.as_str(), text));
    }
    Ok(found)
}
