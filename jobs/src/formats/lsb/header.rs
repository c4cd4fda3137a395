//! The header of an LSB script, as insserv takes it.
//!
//! It stands between `### BEGIN INIT INFO` and `### END INIT INFO`; the first such block counts, and of two
//! lines with one key the first. Keys are taken in capitals or not, with `_` for `-`, and those that are not
//! LSB's own with or without their `X-`. Names are separated by blanks or commas.

use alloc::{string::String, vec::Vec};
use core::ops::Range;

/// What the header of an LSB script says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header<'t> {
    /// How much of the block is there.
    pub extent: Extent,
    /// Its lines, the first of each key, in order.
    pub fields: Vec<Field<'t>>,
    /// Lines whose key nobody knows: the key and where it stands.
    pub unknown: Vec<(&'t str, Range<usize>)>,
}

/// How much of a header's block is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// No line begins it.
    #[default]
    Missing,
    /// It begins, and no line ends it.
    Open,
    /// All of it.
    Complete,
}

/// A line of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<'t> {
    /// Which one it is.
    pub key: Key,
    /// What stands behind the colon.
    pub value: &'t str,
    /// Where that stands.
    pub span: Range<usize>,
}

/// What a line of a header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are LSB's own")]
pub enum Key {
    Provides,
    RequiredStart,
    RequiredStop,
    ShouldStart,
    ShouldStop,
    StartBefore,
    StopAfter,
    DefaultStart,
    DefaultStop,
    Interactive,
    ShortDescription,
    Description,
}

/// Each key as it is written, in small letters, and whether `x-` may stand before it.
const KEYS: [(&str, bool, Key); 12] = [
    ("provides", false, Key::Provides),
    ("required-start", false, Key::RequiredStart),
    ("required-stop", false, Key::RequiredStop),
    ("should-start", true, Key::ShouldStart),
    ("should-stop", true, Key::ShouldStop),
    ("start-before", true, Key::StartBefore),
    ("stop-after", true, Key::StopAfter),
    ("default-start", false, Key::DefaultStart),
    ("default-stop", false, Key::DefaultStop),
    ("interactive", true, Key::Interactive),
    ("short-description", false, Key::ShortDescription),
    ("description", false, Key::Description),
];

/// The longest key that is looked at.
const LONGEST_KEY: usize = 64;

/// The header of the script whose text is `text`.
#[must_use]
pub fn header(text: &str) -> Header<'_> {
    let mut header = Header::default();
    let mut at = 0_usize;
    for line in text.split_inclusive('\n') {
        let line_at = at;
        at = at.saturating_add(line.len());
        if header.extent == Extent::Missing {
            if line.contains("### BEGIN INIT INFO") {
                header.extent = Extent::Open;
            }
            continue;
        }
        header.line(line, line_at);
        if line.contains("### END INIT INFO") {
            header.extent = Extent::Complete;
            break;
        }
    }
    header
}

impl<'t> Header<'t> {
    /// The line with this key.
    #[must_use]
    pub fn field(&self, key: Key) -> Option<&Field<'t>> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// The names in the line with this key, and where they stand.
    pub fn words(&self, key: Key) -> impl Iterator<Item = (&'t str, Range<usize>)> {
        self.field(key).into_iter().flat_map(Field::words)
    }

    fn line(&mut self, line: &'t str, line_at: usize) {
        let Some(rest) = line.strip_prefix('#') else { return };
        let bare = rest.trim_start_matches([' ', '\t']);
        let Some((key_text, value)) = bare.split_once(':') else { return };
        if key_text.is_empty() || key_text.len() > LONGEST_KEY || key_text.contains([' ', '\t', '#']) {
            return;
        }
        let key_at = line_at.saturating_add(line.len().saturating_sub(bare.len()));
        let Some(key) = key_of(key_text) else {
            self.unknown.push((key_text, key_at..key_at.saturating_add(key_text.len())));
            return;
        };
        if self.field(key).is_none() {
            let value_at = line_at.saturating_add(line.len().saturating_sub(value.len()));
            let skip = value.len().saturating_sub(value.trim_start_matches([' ', '\t']).len());
            // A carriage return, or whatever else cannot be printed, ends the value.
            let value = value.get(skip..).unwrap_or_default();
            let end = value.find(|c: char| c.is_control() && c != '\t').unwrap_or(value.len());
            let value = value.get(..end).unwrap_or_default().trim_end();
            let start = value_at.saturating_add(skip);
            self.fields.push(Field { key, value, span: start..start.saturating_add(value.len()) });
        }
    }
}

impl<'t> Field<'t> {
    /// The words of its value, and where they stand.
    fn words(&self) -> impl Iterator<Item = (&'t str, Range<usize>)> + use<'t> {
        const BETWEEN: [char; 4] = [' ', '\t', ',', ';'];
        let mut at = self.span.start;
        self.value.split(BETWEEN).filter_map(move |word| {
            let start = at;
            at = at.saturating_add(word.len()).saturating_add(1);
            (!word.is_empty()).then(|| (word, start..start.saturating_add(word.len())))
        })
    }
}

/// Each known key as people write it.
pub(super) fn known_keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(name, ..)| *name)
}

/// A key in small letters, each run of `-` and `_` as one `-`.
pub(super) fn plain_key(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '-' | '_' if plain.ends_with('-') => {}
            '-' | '_' => plain.push('-'),
            c => plain.push(c.to_ascii_lowercase()),
        }
    }
    plain
}

fn key_of(text: &str) -> Option<Key> {
    let plain = plain_key(text);
    let fits = |name: &str, extended: bool| match plain.strip_suffix(name) {
        Some("") => true,
        Some(vendor) => extended && vendor.starts_with("x-"),
        None => false,
    };
    KEYS.iter().find(|(name, extended, _)| fits(name, *extended)).map(|(.., key)| *key)
}
