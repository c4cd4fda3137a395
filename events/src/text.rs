//! Words that are right by type: names, keys and values.
//!
//! Everything that comes from outside (a device's property, a person's argument, a file) passes one of
//! these constructors, and only here. Behind them no control character, no over-long text and no key that
//! a shell would trip over can exist.

use alloc::string::String;
use core::{borrow::Borrow, fmt, ops::Deref};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// What is wrong with a name, key or value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing where a word must stand.
    #[error("empty")]
    Empty,
    /// More bytes than its kind may have.
    #[error("{len} bytes long, and {max} are allowed")]
    TooLong {
        /// How long it is.
        len: usize,
        /// How long it may be.
        max: usize,
    },
    /// A character that its kind may not have.
    #[error("has the character {0:?}, which is not allowed here")]
    Character(char),
    /// A digit at the beginning of a key.
    #[error("begins with a digit")]
    FirstDigit,
}

fn checked(
    text: &str,
    max: usize,
    allowed: impl Fn(usize, char) -> bool,
) -> Result<CompactString, TextError> {
    if text.len() > max {
        return Err(TextError::TooLong { len: text.len(), max });
    }
    match text.char_indices().find(|&(at, c)| !allowed(at, c)) {
        Some((_, c)) => Err(TextError::Character(c)),
        None => Ok(CompactString::from(text)),
    }
}

macro_rules! word {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "CompactString", into = "CompactString")]
        pub struct $type(CompactString);

        impl $type {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl TryFrom<CompactString> for $type {
            type Error = TextError;
            fn try_from(text: CompactString) -> Result<Self, TextError> {
                Self::new(&text)
            }
        }

        impl core::str::FromStr for $type {
            type Err = TextError;
            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl From<$type> for CompactString {
            fn from(word: $type) -> Self {
                word.0
            }
        }

        impl Deref for $type {
            type Target = str;
            fn deref(&self) -> &str {
                self.0.as_str()
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.0.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.0.as_str(), f)
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.0.as_str() == other
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, other: &&str) -> bool {
                self.0.as_str() == *other
            }
        }
    };
}

word! {
    /// The name of an event, fact, job, instance or provision: 1 to 255 bytes, no blank, no control character.
    Name
}
word! {
    /// The left side of `KEY=VALUE`: 1 to 128 bytes of ASCII letters, digits and `_ . : -`, and not first a digit.
    Key
}
word! {
    /// The right side of `KEY=VALUE`: at most 4,096 bytes without control characters.
    Value
}

impl Name {
    /// The longest name, in bytes.
    pub const MAX: usize = 255;

    /// A name that stands in the program, of ASCII signs. For constants only: what is none does not compile
    /// there.
    #[must_use]
    pub const fn constant(text: &'static str) -> Self {
        let mut rest = text.as_bytes();
        while let [first, others @ ..] = rest {
            assert!(first.is_ascii_graphic());
            rest = others;
        }
        assert!(!text.is_empty() && text.len() <= Self::MAX);
        Self(CompactString::const_new(text))
    }

    /// The name, if it is one.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.len() <= Self::MAX && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(CompactString::from(text)));
        }
        checked(text, Self::MAX, |_, c| !c.is_control() && !c.is_whitespace()).map(Self)
    }

    /// This name with `suffix` behind it, as in `NAME/failed`; `None` where that is too long or no name.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Option<Self> {
        let mut text = self.0.clone();
        text.push_str(suffix);
        Self::new(&text).ok()
    }
}

impl Key {
    /// The longest key, in bytes.
    pub const MAX: usize = 128;

    /// A key that stands in the program, of capital letters and `_`. For constants only: what is none does not
    /// compile there.
    #[must_use]
    pub const fn constant(text: &'static str) -> Self {
        let mut rest = text.as_bytes();
        while let [first, others @ ..] = rest {
            assert!(first.is_ascii_uppercase() || *first == b'_');
            rest = others;
        }
        assert!(!text.is_empty() && text.len() <= Self::MAX);
        Self(CompactString::const_new(text))
    }

    /// The key, if it is one.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(TextError::FirstDigit);
        }
        if text.len() <= Self::MAX
            && text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
        {
            return Ok(Self(CompactString::from(text)));
        }
        checked(text, Self::MAX, |at, c| {
            c.is_ascii_alphabetic()
                || c == '_'
                || c == '.'
                || (at > 0 && (c.is_ascii_digit() || c == ':' || c == '-'))
        })
        .map(Self)
    }

    /// Whether a process may not get a variable of this name from an event or a person's argument, because
    /// a loader, shell or library would act on it.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        const STARTS: [&str; 6] = ["LD_", "LISTEN_", "ONSET_", "UPSTART_", "GLIBC_TUNABLES", "BASH_FUNC_"];
        let text = self.as_str();
        // A `match`, since this is asked of every variable of every start, and so costs a look at the length.
        let named = matches!(
            text,
            "PATH"
                | "IFS"
                | "ENV"
                | "BASH_ENV"
                | "SHELLOPTS"
                | "BASHOPTS"
                | "PS4"
                | "NOTIFY_SOCKET"
                | "HOME"
                | "SHELL"
                | "PYTHONPATH"
                | "PERL5LIB"
        );
        named || STARTS.iter().any(|start| text.starts_with(start))
    }
}

impl Value {
    /// The longest value, in bytes.
    pub const MAX: usize = 4096;

    /// The value, if it is one.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if text.len() <= Self::MAX && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Ok(Self(CompactString::from(text)));
        }
        checked(text, Self::MAX, |_, c| !c.is_control()).map(Self)
    }

    /// The empty value.
    #[must_use]
    pub fn empty() -> Self {
        Self(CompactString::const_new(""))
    }

    /// A value from bytes that nobody has looked at: what may not stand in one is written `\xNN`, and what
    /// is too long is cut. The second part says whether anything had to be changed.
    #[must_use]
    pub fn escaped(bytes: &[u8]) -> (Self, bool) {
        // Most are plain, and the first to be read of what the kernel says.
        if bytes.len() <= Self::MAX
            && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
            && let Ok(text) = core::str::from_utf8(bytes)
        {
            return (Self(CompactString::from(text)), false);
        }
        let mut text = String::new();
        let mut changed = false;
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() {
                    changed = true;
                    let mut buffer = [0; 4];
                    c.encode_utf8(&mut buffer).bytes().for_each(|byte| push_escape(&mut text, byte));
                } else {
                    text.push(c);
                }
            }
            for &byte in chunk.invalid() {
                changed = true;
                push_escape(&mut text, byte);
            }
            if text.len() > Self::MAX {
                break;
            }
        }
        if text.len() > Self::MAX {
            changed = true;
            text.truncate(text.floor_char_boundary(Self::MAX));
        }
        (Self(CompactString::from(text)), changed)
    }
}

fn push_escape(text: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    text.push_str("\\x");
    for digit in [byte >> 4, byte & 15] {
        text.push(char::from(HEX.get(usize::from(digit)).copied().unwrap_or(b'?')));
    }
}

impl From<&Name> for Value {
    fn from(name: &Name) -> Self {
        // Every name is a value: shorter, and with fewer characters allowed.
        Self(name.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_no_blank_and_no_control_character() {
        assert!(Name::new("net-device-up").is_ok());
        assert_eq!(Name::new(""), Err(TextError::Empty));
        assert_eq!(Name::new("a b"), Err(TextError::Character(' ')));
        assert_eq!(Name::new("a\u{7f}"), Err(TextError::Character('\u{7f}')));
        assert!(matches!(Name::new(&"n".repeat(256)), Err(TextError::TooLong { len: 256, max: 255 })));
    }

    #[test]
    fn a_key_does_not_start_with_a_digit() {
        for good in ["K", "_x", "ID_PATH", ".MM", "a-b", "net.ipv4"] {
            assert!(Key::new(good).is_ok(), "{good}");
        }
        for bad in ["", "5", "-x", "a=b", "a b", "ü"] {
            assert!(Key::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Key::new("5"), Err(TextError::FirstDigit));
    }

    #[test]
    fn hostile_bytes_become_a_marked_value() {
        assert_eq!(Value::escaped(b"eth0"), (Value::new("eth0").unwrap(), false));
        assert_eq!(Value::escaped(b"a\nb\xff"), (Value::new("a\\x0ab\\xff").unwrap(), true));
        let (long, changed) = Value::escaped(&[b'x'; 70_000]);
        assert_eq!((long.len(), changed), (4096, true));
        let (cut, _) = Value::escaped("ü".repeat(4000).as_bytes());
        assert!(Value::new(&cut).is_ok());
    }

    #[test]
    fn what_a_loader_or_shell_acts_on_is_reserved() {
        for reserved in ["PATH", "LD_PRELOAD", "IFS", "BASH_ENV", "ENV", "NOTIFY_SOCKET", "LISTEN_FDS"] {
            assert!(Key::new(reserved).unwrap().is_reserved(), "{reserved}");
        }
        assert!(!Key::new("IFACE").unwrap().is_reserved());
    }
}
