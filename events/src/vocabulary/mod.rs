//! Every event and fact that Onset tells of by itself, and those that are customary: one table.
//!
//! `onsetctl check` knows by it which names and arguments there are, `onsetctl events --known` prints it, shells
//! complete from it, and a test holds `docs/events.md` to it. Who teaches a source something new adds a line to its
//! chapter here and a row to the section of the same name there.

mod chapters;

pub use chapters::CHAPTERS;

use crate::glob_matches;

/// A part of the world, or whoever else tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chapter {
    /// What it is about: the section of `docs/events.md` that has it.
    pub title: &'static str,
    /// Who tells it.
    pub teller: Teller,
    /// What happens.
    pub events: &'static [Word],
    /// What holds.
    pub facts: &'static [Word],
}

/// Who tells of an event or a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teller {
    /// Onset itself: nobody else can make such a fact hold.
    Onset,
    /// Whoever knows, by `onsetctl emit` and `onsetctl set`.
    People,
}

/// An event or a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Its name; a `*` in it stands for what differs.
    pub name: &'static str,
    /// What may be known of it, in order. A condition that counts arguments counts these.
    pub keys: &'static [&'static str],
    /// Whether more than that may be known: what the kernel, a job or a person says besides.
    pub is_open: bool,
    /// When it comes, or what holds as long as it does.
    pub means: &'static str,
    /// Of a fact that people set: the argument that tells one object from another. Without one all of them do.
    pub object: Option<&'static str>,
}

impl Word {
    /// One with these arguments and no others.
    #[must_use]
    pub const fn new(name: &'static str, keys: &'static [&'static str], means: &'static str) -> Self {
        Self { name, keys, is_open: false, means, object: None }
    }

    /// One that may have others, too.
    #[must_use]
    pub const fn open(name: &'static str, keys: &'static [&'static str], means: &'static str) -> Self {
        Self { name, keys, is_open: true, means, object: None }
    }

    /// The same, told from others of its name by this argument alone.
    #[must_use]
    pub const fn by(self, object: &'static str) -> Self {
        Self { object: Some(object), ..self }
    }

    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name == name || (self.is_pattern() && glob_matches(self.name, name))
    }

    /// Whether it stands for many.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }
}

/// All events, as they stand in the table.
pub fn events() -> impl Iterator<Item = &'static Word> {
    CHAPTERS.iter().flat_map(|chapter| chapter.events)
}

/// All facts.
pub fn facts() -> impl Iterator<Item = &'static Word> {
    CHAPTERS.iter().flat_map(|chapter| chapter.facts)
}

/// What is known of events of this name: the word itself, before one that stands for many.
#[must_use]
pub fn event(name: &str) -> Option<&'static Word> {
    events().find(|word| word.name == name).or_else(|| events().find(|word| word.is(name)))
}

/// What is known of facts of this name.
#[must_use]
pub fn fact(name: &str) -> Option<&'static Word> {
    facts().find(|word| word.name == name)
}

/// Whether only Onset itself can say that a fact of this name holds.
#[must_use]
pub fn is_own_fact(name: &str) -> bool {
    let own = CHAPTERS.iter().filter(|chapter| chapter.teller == Teller::Onset);
    own.flat_map(|chapter| chapter.facts).any(|word| word.name == name)
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, vec::Vec};

    use super::*;
    use crate::{Key, Name};

    #[test]
    fn a_word_is_found_by_its_name() {
        for (name, found) in [
            ("stopped", Some("stopped")),
            ("net-device-added", Some("net-device-added")),
            ("scsi-device-added", Some("*-device-added")),
            ("scsi-device-adde", None),
        ] {
            assert_eq!(event(name).map(|word| word.name), found, "{name}");
        }
        assert!(is_own_fact("device") && is_own_fact("running"));
        assert!(!is_own_fact("carp") && !is_own_fact("tape-loaded"));
    }

    #[test]
    fn each_stands_there_once_and_is_what_the_engine_takes() {
        for words in [events().collect::<Vec<_>>(), facts().collect()] {
            let names: BTreeSet<&str> = words.iter().map(|word| word.name).collect();
            assert_eq!(names.len(), words.len());
            for word in words {
                assert!(Name::new(&word.name.replace('*', "x")).is_ok(), "{}", word.name);
                assert!(!word.means.is_empty() && !word.means.ends_with('.'), "{}", word.name);
                for key in word.keys {
                    assert!(Key::new(key).is_ok(), "{} {key}", word.name);
                }
            }
        }
    }
}
