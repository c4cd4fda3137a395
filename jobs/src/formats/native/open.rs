//! What stands open at a place of a file that is no RON: whoever forgot a `"` or `)` is shown where it began,
//! which may be many lines before the place where reading stopped.

use alloc::vec::Vec;
use core::ops::Range;

/// What stands open, or was closed last.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Where the innermost bracket stands, and which it is.
    pub bracket: Option<(usize, u8)>,
    /// The text that began and did not end.
    pub quote: Option<usize>,
    /// The text behind which only blanks and comments stand.
    pub text: Option<Range<usize>>,
}

impl Open {
    /// What stands open behind the first `end` bytes of `source`. Looks at each byte once.
    pub fn before(source: &str, end: usize) -> Self {
        let text = source.get(..end).unwrap_or(source);
        let mut open = Self::default();
        let mut brackets: Vec<(usize, u8)> = Vec::new();
        let mut at = 0_usize;
        while let Some(&byte) = text.as_bytes().get(at) {
            let rest = text.get(at..).unwrap_or("");
            let len = match byte {
                b'/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
                b'/' if rest.starts_with("/*") => comment(rest),
                b'"' | b'r' if hashes(rest).is_some() => match quoted(rest) {
                    Some(len) => {
                        open.text = Some(at..at.saturating_add(len));
                        len
                    }
                    None => {
                        open.quote = Some(at);
                        break;
                    }
                },
                _ if byte.is_ascii_whitespace() => 1,
                _ => {
                    open.text = None;
                    match byte {
                        b'(' | b'[' | b'{' => brackets.push((at, byte)),
                        b')' | b']' | b'}' => drop(brackets.pop()),
                        _ => {}
                    }
                    // A word is one piece: an `r` at its end begins no text.
                    rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len()).max(1)
                }
            };
            at = at.saturating_add(len);
            while at < text.len() && !text.is_char_boundary(at) {
                at = at.saturating_add(1);
            }
        }
        open.bracket = brackets.pop();
        open
    }
}

/// How long a comment is; one may lie in another.
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0_usize;
    while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
        let is_edge = rest.starts_with(b"/*") || rest.starts_with(b"*/");
        depth = if rest.starts_with(b"/*") { depth.saturating_add(1) } else { depth };
        depth = if rest.starts_with(b"*/") { depth.saturating_sub(1) } else { depth };
        at = at.saturating_add(if is_edge { 2 } else { 1 });
        if depth == 0 {
            break;
        }
    }
    at.min(text.len())
}

/// How many `#` stand between `r` and the quote with which a raw text begins; 0 for a plain one.
fn hashes(text: &str) -> Option<usize> {
    let Some(raw) = text.strip_prefix('r') else { return text.starts_with('"').then_some(0) };
    let behind = raw.trim_start_matches('#');
    behind.starts_with('"').then_some(raw.len().saturating_sub(behind.len()))
}

/// How long the text is that begins here, with its quotes.
fn quoted(text: &str) -> Option<usize> {
    let hashes = hashes(text)?;
    let begin = text.find('"')?.saturating_add(1);
    let inner = text.as_bytes().get(begin..)?;
    let mut at = 0_usize;
    while let Some(&byte) = inner.get(at) {
        if byte == b'\\' && !text.starts_with('r') {
            at = at.saturating_add(2);
            continue;
        }
        at = at.saturating_add(1);
        let end = at.saturating_add(hashes);
        if byte == b'"' && inner.get(at..end).is_some_and(|end| end.iter().all(|byte| *byte == b'#')) {
            return Some(begin.saturating_add(end));
        }
    }
    None
}
