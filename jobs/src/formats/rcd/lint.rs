//! What rcorder takes without a word and its writer did not mean.

use alloc::{format, string::String, vec::Vec};
use core::{mem, ops::Range};

use events::Name;

use super::header::{Header, LogicalLine, LogicalLines, VERBS, Verb, Word, verb_of};
use crate::{Report, did_you_mean, formats::script::lint_text};

/// KEYWORDs that some rc(8) acts on, or that old scripts carry by custom.
const KEYWORDS: [&str; 10] = [
    "nostart",
    "nojail",
    "nojailvnet",
    "firstboot",
    "shutdown",
    "resume",
    "interactive",
    "chrootdir",
    "FreeBSD",
    "NetBSD",
];

/// Words that look as if they were verbs, and the verb that does what they say.
const NO_VERBS: [(&str, &str); 7] = [
    ("AFTER", "REQUIRE"),
    ("AFTERS", "REQUIRE"),
    ("BEFORES", "BEFORE"),
    ("REQUIRED", "REQUIRE"),
    ("PROVIDED", "PROVIDE"),
    ("DEPEND", "REQUIRE"),
    ("DEPENDS", "REQUIRE"),
];

/// Everything in a script's header that rcorder takes otherwise than it was probably meant.
#[must_use]
pub fn lint(path: &str, text: &str, header: &Header<'_>) -> Vec<Report> {
    let mut reports = Vec::new();
    lint_text(path, text, &mut reports);
    for (verb, word) in header.words() {
        reports.extend(odd_word(path, verb, word));
    }
    odd_lines(path, text, header, &mut reports);
    reports
}

fn odd_word(path: &str, verb: Verb, word: &Word<'_>) -> Option<Report> {
    let text = &*word.text;
    let report = |code, message: String, label: &str| {
        Report::warning(code, message).at(path, word.span.clone(), label)
    };
    if text.starts_with('#') {
        let all_names =
            "every word up to the end of the line is a name: comments belong on a line behind the block";
        return Some(
            report("comment-in-header", format!("`{text}` is taken for a name"), "not a comment")
                .help(all_names),
        );
    }
    if is_swallowed_verb(text) {
        return Some(
            report("swallowed-line", format!("`{text}` is taken for a name"), "part of the line above")
                .help("remove the `\\` at the end of the line above"),
        );
    }
    if text.contains(',') {
        let message = format!("`{text}` is one name, comma and all");
        return Some(report("comma-in-header", message, "one word").help("separate names with blanks"));
    }
    let text = text.trim_end_matches('\r');
    if text.is_empty() {
        return None;
    }
    if let Err(fault) = Name::new(text) {
        let message = format!("`{}` is no name: {fault}", text.escape_debug());
        return Some(report("bad-name", message, "left out").help("use letters, digits, `_` and `-`"));
    }
    (verb == Verb::Keyword && !KEYWORDS.contains(&text)).then(|| {
        let report = report("unknown-keyword", format!("nothing acts on the keyword `{text}`"), "unknown");
        match similar(text, &KEYWORDS) {
            Some(known) => report.help(format!("did you mean `{known}`?")),
            None => report.help("it still counts for `-k` and `-s`"),
        }
    })
}

fn is_swallowed_verb(word: &str) -> bool {
    word.strip_suffix(':').is_some_and(|word| VERBS.iter().any(|(verb, _)| *verb == word))
}

/// The one of `known` that differs in case only, or else by a slip.
fn similar<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let same = known.iter().copied().find(|known| known.eq_ignore_ascii_case(word));
    same.or_else(|| did_you_mean(&word.to_ascii_lowercase(), known.iter().copied()))
}

/// Lines outside the block that were meant to be in it.
///
/// A line that is a header line to the letter is reported wherever it stands. One that only looks like it is
/// reported among the comments at the head of the file and those right behind the block; further down it is
/// more likely a sentence.
fn odd_lines(path: &str, text: &str, header: &Header<'_>, reports: &mut Vec<Report>) {
    let block = header.block.clone().unwrap_or(0..0);
    let mut among_comments = true;
    for line in LogicalLines::new(text.get(..block.start).unwrap_or_default()) {
        among_comments &= is_comment(&line.text);
        if among_comments {
            reports.extend(near_miss(path, &line));
        }
    }
    among_comments |= header.block.is_some();
    let ended_by = text.get(block.end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let ended = block.end..block.end.saturating_add(ended_by.len());
    let is_blank = ended_by.trim().is_empty();
    let ended_label = if is_blank { "the blank line here ended it" } else { "this line ended it" };
    // A script may have a header for LSB besides, whose `# Provides:` is none of rcorder's business.
    let mut in_lsb = false;
    let mut is_looked_for = false;
    for line in LogicalLines::starting_at(text, block.end) {
        if header.block.is_some() && verb_of(&line.text).is_some() {
            reports.push(lost_line(path, &line, ended.clone(), ended_label));
            continue;
        }
        among_comments &= is_comment(&line.text);
        // From here on only a header line would be odd, and most files have none.
        if !among_comments && !mem::replace(&mut is_looked_for, true) && !has_header_line(text, line.span.end)
        {
            return;
        }
        in_lsb = (in_lsb || line.text.starts_with("### BEGIN INIT INFO"))
            && !line.text.starts_with("### END INIT INFO");
        if among_comments && !(in_lsb && header.block.is_some()) {
            reports.extend(near_miss(path, &line));
        }
    }
}

/// Whether there may be a line of a header from byte `at` on.
fn has_header_line(text: &str, at: usize) -> bool {
    text.get(at..).unwrap_or_default().split('\n').any(|line| verb_of(line).is_some())
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}').trim_start();
    line.is_empty() || line.starts_with('#')
}

fn lost_line(path: &str, line: &LogicalLine<'_>, ended: Range<usize>, ended_label: &str) -> Report {
    Report::warning("header-after-end", "header line stands behind the end of the block and is not read")
        .at(path, line.cited(), "lost")
        .at(path, ended, ended_label)
        .help("move it up to the other header lines: any other line between two of them ends the block")
}

/// A comment that only just is no header line.
fn near_miss(path: &str, line: &LogicalLine<'_>) -> Option<Report> {
    let text = line.text.trim_start_matches('\u{feff}');
    let body = text.trim_start().strip_prefix('#')?;
    let (word, _) = body.split_once(':')?;
    let word = word.trim();
    let is_word = |known: &&str| known.eq_ignore_ascii_case(word);
    let cited = line.cited();
    if let Some((verb, _)) = VERBS.iter().find(|(verb, _)| is_word(verb)) {
        let message = format!("`{}` is not read as a header line", shown(text));
        return Some(
            Report::warning("not-a-header-line", message).at(path, cited, "a comment to rcorder").help(
                format!("write `# {verb}:` at the start of the line: one `#`, one blank, capitals, colon"),
            ),
        );
    }
    let (no_verb, instead) = NO_VERBS.iter().find(|(no_verb, _)| *no_verb == word)?;
    let report = Report::warning("unknown-verb", format!("there is no `{no_verb}` in an rc.d header"));
    Some(report.at(path, cited, "not read, and ends the block").help(format!("did you mean `# {instead}:`?")))
}

/// The part of a line that a message can hold.
fn shown(text: &str) -> String {
    let head: String = text.chars().take(40).collect();
    let dots = if head.len() < text.len() { "..." } else { "" };
    format!("{}{dots}", head.trim_end().escape_debug())
}

impl LogicalLine<'_> {
    /// Its bytes without the newline at its end.
    fn cited(&self) -> Range<usize> {
        let end = self.in_file(self.text.len());
        self.span.start..end.clamp(self.span.start, self.span.end)
    }
}
