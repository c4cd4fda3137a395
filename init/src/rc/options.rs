//! Options as getopt(3) reads them: single letters that may stand together, values glued on or in the next word, `--` and
//! the first other word end them.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

/// Which letters there are; one with `:` behind it takes a value, one with `?` takes one if the next word does not begin
/// with a `-`.
#[derive(Debug)]
pub struct Options<'w> {
    letters: &'static str,
    /// Long names, and the letter that each stands for.
    long: &'static [(&'static str, u8)],
    words: &'w [OsString],
    /// What is left of a word with several letters.
    cluster: &'w [u8],
}

/// An option that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'w> {
    /// Its letter.
    pub letter: char,
    /// Its value; empty if it takes none.
    pub value: &'w OsStr,
    /// Whether there was a value.
    pub has_value: bool,
}

/// Why the words are wrong, as getopt(3) says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub String);

impl<'w> Options<'w> {
    /// The options at the beginning of `words`.
    pub fn new(letters: &'static str, words: &'w [OsString]) -> Self {
        Self { letters, long: &[], words, cluster: &[] }
    }

    /// The same with long names (`--restart`, `--title=NAME`).
    pub fn with_long(
        letters: &'static str,
        long: &'static [(&'static str, u8)],
        words: &'w [OsString],
    ) -> Self {
        Self { letters, long, words, cluster: &[] }
    }

    /// The words behind the options.
    pub fn rest(&self) -> &'w [OsString] {
        self.words
    }

    /// The next option; `None` at the end of them.
    pub fn next(&mut self) -> Option<Result<Found<'w>, Wrong>> {
        if self.cluster.is_empty() {
            let (first, rest) = self.words.split_first()?;
            match first.as_bytes() {
                b"--" => {
                    self.words = rest;
                    return None;
                }
                [b'-', b'-', name @ ..] if !self.long.is_empty() => {
                    self.words = rest;
                    return Some(self.long(name));
                }
                [b'-', cluster @ ..] if !cluster.is_empty() => {
                    self.words = rest;
                    self.cluster = cluster;
                }
                _ => return None,
            }
        }
        let (letter, rest) = self.cluster.split_first()?;
        self.cluster = rest;
        Some(self.letter(*letter))
    }

    /// What stands behind a letter in the list of them.
    fn kind(&self, letter: u8) -> Option<Option<u8>> {
        let letters = self.letters.as_bytes();
        if matches!(letter, b':' | b'?') {
            return None;
        }
        let at = letters.iter().position(|known| *known == letter)?;
        Some(letters.get(at.saturating_add(1)).copied().filter(|sign| matches!(sign, b':' | b'?')))
    }

    fn letter(&mut self, letter: u8) -> Result<Found<'w>, Wrong> {
        let shown = char::from(letter);
        let none = Found { letter: shown, value: OsStr::new(""), has_value: false };
        let sign = self.kind(letter).ok_or_else(|| Wrong(format!("illegal option -- {shown}")))?;
        let Some(sign) = sign else { return Ok(none) };
        if !self.cluster.is_empty() {
            let value = OsStr::from_bytes(std::mem::take(&mut self.cluster));
            return Ok(Found { value, has_value: true, ..none });
        }
        match self.words.split_first() {
            Some((value, _)) if sign == b'?' && value.as_bytes().starts_with(b"-") => Ok(none),
            Some((value, rest)) => {
                self.words = rest;
                Ok(Found { value, has_value: true, ..none })
            }
            None if sign == b'?' => Ok(none),
            None => Err(Wrong(format!("option requires an argument -- {shown}"))),
        }
    }

    fn long(&mut self, word: &'w [u8]) -> Result<Found<'w>, Wrong> {
        let (name, value) = match word.iter().position(|byte| *byte == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at.saturating_add(1)..)),
            None => (word, None),
        };
        let shown = String::from_utf8_lossy(name);
        let mut fitting = self.long.iter().filter(|(known, _)| known.as_bytes().starts_with(name));
        let exact = self.long.iter().find(|(known, _)| known.as_bytes() == name);
        let (_, letter) = match (exact, fitting.next(), fitting.next()) {
            (Some(exact), _, _) => *exact,
            (None, Some(only), None) => *only,
            (None, Some(_), Some(_)) => return Err(Wrong(format!("ambiguous option -- {shown}"))),
            (None, None, _) => return Err(Wrong(format!("unrecognized option `--{shown}'"))),
        };
        match (self.kind(letter).flatten(), value) {
            (None, Some(_)) => Err(Wrong(format!("option doesn't take an argument -- {shown}"))),
            (None, None) => Ok(Found { letter: char::from(letter), value: OsStr::new(""), has_value: false }),
            (Some(_), Some(value)) => {
                Ok(Found { letter: char::from(letter), value: OsStr::from_bytes(value), has_value: true })
            }
            (Some(_), None) => self.letter(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &[(&str, u8)] =
        &[("restart", b'r'), ("restart-delay", b'R'), ("title", b't'), ("toggle", b'g')];

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let words: Vec<OsString> =
            line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect();
        let mut options = Options::with_long("ab:c?rR:t:g", LONG, &words);
        let mut found = String::new();
        while let Some(next) = options.next() {
            match next {
                Ok(option) => {
                    found.push_str(&format!("{}={} ", option.letter, option.value.to_string_lossy()));
                }
                Err(Wrong(why)) => {
                    found.push_str(&format!("({why}) "));
                    break;
                }
            }
        }
        let rest: Vec<_> = options.rest().iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(format!("{found}| {}", rest.join(" ")), expected);
    }

    #[test]
    fn letters_and_their_values_are_found() {
        check("", "| ");
        check("-a x -a", "a= | x -a");
        check("-ab value x", "a= b=value | x");
        check("-abvalue x", "a= b=value | x");
        check("-a -- -b", "a= | -b");
        check("- -a", "| - -a");
        check("-c 5 -c -a -c", "c=5 c= a= c= | ");
        check("-c5", "c=5 | ");
        check("-b", "(option requires an argument -- b) | ");
        check("-b -a", "b=-a | ");
        check("-ax", "a= (illegal option -- x) | ");
        check("-:", "(illegal option -- :) | ");
        check("-?", "(illegal option -- ?) | ");
    }

    #[test]
    fn long_names_stand_for_letters() {
        check("--restart x", "r= | x");
        check("--restart-delay 5 x", "R=5 | x");
        check("--restart-delay=5 x", "R=5 | x");
        check("--ti a", "t=a | ");
        check("--t a", "(ambiguous option -- t) | a");
        check("--restart=5", "(option doesn't take an argument -- restart) | ");
        check("--title", "(option requires an argument -- t) | ");
        check("--nope", "(unrecognized option `--nope') | ");
    }
}
