//! The header of an rc.d script, by rcorder's grammar to the letter.
//!
//! A line counts when it starts with exactly `# PROVIDE:` or one of its six sisters. The block begins at the
//! first such line, wherever it stands, and ends for good at the first line that is none. Lines that end in
//! an odd number of backslashes are joined with the next, in the block and outside of it, so a header line
//! behind a `\` is part of the line before. Nothing is taken for a comment.
//!
//! Tens of thousands of files are read at boot: one pass over the lines, nothing allocated but the words,
//! and nothing read behind the block.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::ops::Range;

/// What the header of an rc.d script says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header<'t> {
    /// What others may require.
    pub provides: Vec<Word<'t>>,
    /// What must have settled before.
    pub requires: Vec<Word<'t>>,
    /// What waits for this script.
    pub before: Vec<Word<'t>>,
    /// Its KEYWORDs.
    pub keywords: Vec<Word<'t>>,
    /// The bytes that the block takes; `None` for a file without header.
    pub block: Option<Range<usize>>,
}

/// A word of a header, exactly as rcorder takes it: it may hold any character but blank, tab and newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word<'t> {
    /// The word; owned only where a joined line runs through it.
    pub text: Cow<'t, str>,
    /// Where it stands.
    pub span: Range<usize>,
}

/// Which list of a header a line adds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Provide,
    Require,
    Before,
    Keyword,
}

/// Every start of a line that counts. The second word of a pair is plural; BEFORE has none.
pub(super) const VERBS: [(&str, Verb); 7] = [
    ("PROVIDE", Verb::Provide),
    ("PROVIDES", Verb::Provide),
    ("REQUIRE", Verb::Require),
    ("REQUIRES", Verb::Require),
    ("BEFORE", Verb::Before),
    ("KEYWORD", Verb::Keyword),
    ("KEYWORDS", Verb::Keyword),
];

/// The header of the script whose text is `text`.
#[must_use]
pub fn header(text: &str) -> Header<'_> {
    let mut header = Header::default();
    for line in LogicalLines::new(text) {
        if let Some((verb, words_at)) = verb_of(&line.text) {
            let start = header.block.as_ref().map_or(line.span.start, |block| block.start);
            header.block = Some(start..line.span.end);
            line.add_words(words_at, header.list(verb));
        } else if header.block.is_some() {
            break;
        }
    }
    header
}

/// The verb that a line starts with, and where its words begin.
pub(super) fn verb_of(line: &str) -> Option<(Verb, usize)> {
    let rest = line.strip_prefix("# ")?;
    // Nearly all comments are done with after one byte.
    if !matches!(rest.as_bytes().first(), Some(b'P' | b'R' | b'B' | b'K')) {
        return None;
    }
    VERBS.iter().find_map(|(word, verb)| {
        rest.strip_prefix(word)?.strip_prefix(':')?;
        Some((*verb, word.len().saturating_add(3)))
    })
}

impl<'t> Header<'t> {
    fn list(&mut self, verb: Verb) -> &mut Vec<Word<'t>> {
        match verb {
            Verb::Provide => &mut self.provides,
            Verb::Require => &mut self.requires,
            Verb::Before => &mut self.before,
            Verb::Keyword => &mut self.keywords,
        }
    }

    /// All words with the list they stand in.
    pub(super) fn words(&self) -> impl Iterator<Item = (Verb, &Word<'t>)> {
        self.provides
            .iter()
            .map(|word| (Verb::Provide, word))
            .chain(self.requires.iter().map(|word| (Verb::Require, word)))
            .chain(self.before.iter().map(|word| (Verb::Before, word)))
            .chain(self.keywords.iter().map(|word| (Verb::Keyword, word)))
    }
}

/// Physical lines joined at odd numbers of backslashes.
pub(super) struct LogicalLines<'t> {
    text: &'t str,
    at: usize,
}

/// One or more physical lines that count as one.
pub(super) struct LogicalLine<'t> {
    /// Their text, without the backslashes and newlines that join them.
    pub(super) text: Cow<'t, str>,
    /// The bytes of the file that they take, with the newline.
    pub(super) span: Range<usize>,
    source: &'t str,
    /// For each physical line: where it begins in `text`, and in the file.
    joints: Vec<(usize, usize)>,
}

impl<'t> LogicalLines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The lines from byte `at` on, which must be the start of one.
    pub(super) fn starting_at(text: &'t str, at: usize) -> Self {
        Self { text, at }
    }

    /// The next physical line, without its newline, and whether the one after it belongs to it.
    fn physical(&mut self) -> Option<(&'t str, bool)> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let (line, step) = match rest.find('\n') {
            Some(end) => (rest.get(..end)?, end.saturating_add(1)),
            None => (rest, rest.len()),
        };
        self.at = self.at.saturating_add(step);
        let slashes = line.bytes().rev().take_while(|&byte| byte == b'\\').count();
        if slashes % 2 == 0 {
            return Some((line, false));
        }
        Some((line.get(..line.len().saturating_sub(1))?, true))
    }
}

impl<'t> Iterator for LogicalLines<'t> {
    type Item = LogicalLine<'t>;

    fn next(&mut self) -> Option<LogicalLine<'t>> {
        let start = self.at;
        let source = self.text;
        let (first, mut goes_on) = self.physical()?;
        if !goes_on {
            let span = start..self.at;
            return Some(LogicalLine { text: Cow::Borrowed(first), span, source, joints: Vec::new() });
        }
        let mut joined = String::from(first);
        let mut joints = Vec::from([(0, start)]);
        while goes_on {
            let begins = self.at;
            let Some((line, more)) = self.physical() else { break };
            joints.push((joined.len(), begins));
            joined.push_str(line);
            goes_on = more;
        }
        Some(LogicalLine { text: Cow::Owned(joined), span: start..self.at, source, joints })
    }
}

impl<'t> LogicalLine<'t> {
    /// Adds its words from byte `at` of its text on.
    fn add_words(&self, mut at: usize, words: &mut Vec<Word<'t>>) {
        const BLANKS: [char; 2] = [' ', '\t'];
        while let Some(rest) = self.text.get(at..)
            && let Some(skip) = rest.find(|c| !BLANKS.contains(&c))
        {
            let start = at.saturating_add(skip);
            let rest = rest.get(skip..).unwrap_or_default();
            at = start.saturating_add(rest.find(BLANKS).unwrap_or(rest.len()));
            words.push(self.word(start, at));
        }
    }

    fn word(&self, start: usize, end: usize) -> Word<'t> {
        let span = self.in_file(start)..self.in_file(end.saturating_sub(1)).saturating_add(1);
        let cited = self.source.get(span.clone());
        match (cited, self.text.get(start..end)) {
            (Some(cited), Some(text)) if cited == text => Word { text: Cow::Borrowed(cited), span },
            (_, text) => Word { text: Cow::Owned(text.unwrap_or_default().into()), span },
        }
    }

    /// Where byte `at` of its text stands in the file.
    pub(super) fn in_file(&self, at: usize) -> usize {
        let after = self.joints.partition_point(|(begins, _)| *begins <= at);
        let (begins, source) =
            self.joints.get(after.saturating_sub(1)).copied().unwrap_or((0, self.span.start));
        source.saturating_add(at.saturating_sub(begins))
    }
}
