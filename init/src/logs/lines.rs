//! Where lines end in what a job writes.

/// The longest line that stays whole, in bytes.
pub const LINE: usize = 8_192;

/// How a piece of output ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a newline, or with the output itself.
    Line,
    /// Within a line that goes on in the next piece.
    Split,
}

/// The first line of some output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'b> {
    /// Its text, without the newline.
    pub text: &'b [u8],
    /// How it ends.
    pub end: End,
    /// What comes after it.
    pub rest: &'b [u8],
}

/// The first line of `output`, or the first part of one that is too long; `None` while it is not known where it
/// ends.
#[must_use]
pub fn first(output: &[u8]) -> Option<Piece<'_>> {
    let window = output.get(..=LINE).unwrap_or(output);
    if let Some(at) = window.iter().position(|byte| *byte == b'\n') {
        let (text, rest) = output.split_at_checked(at)?;
        return Some(Piece { text, end: End::Line, rest: rest.get(1..)? });
    }
    if window.len() <= LINE {
        return None;
    }
    let (text, rest) = output.split_at_checked(boundary(output))?;
    Some(Piece { text, end: End::Split, rest })
}

/// Where to split a line that is too long: not within a character, if these are characters.
fn boundary(output: &[u8]) -> usize {
    let is_inner = |at: &usize| output.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let start = LINE.saturating_sub(3);
    (start..=LINE).rev().find(|at| !is_inner(at)).unwrap_or(LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pieces of `output`, and what is left.
    fn pieces(mut output: &[u8]) -> (Vec<(usize, End)>, usize) {
        let mut pieces = Vec::new();
        while let Some(piece) = first(output) {
            pieces.push((piece.text.len(), piece.end));
            output = piece.rest;
        }
        (pieces, output.len())
    }

    #[test]
    fn a_line_ends_with_its_newline() {
        assert_eq!(pieces(b"one\n\nthree\nfo"), (vec![(3, End::Line), (0, End::Line), (5, End::Line)], 2));
        assert_eq!(pieces(b""), (vec![], 0));
    }

    #[test]
    fn a_line_that_is_too_long_is_split() {
        let mut longest = vec![b'x'; LINE];
        assert_eq!(pieces(&longest), (vec![], LINE));
        longest.push(b'\n');
        assert_eq!(pieces(&longest), (vec![(LINE, End::Line)], 0));
        longest.insert(0, b'x');
        assert_eq!(pieces(&longest), (vec![(LINE, End::Split), (1, End::Line)], 0));
        assert_eq!(pieces(&[b'x'; 3 * LINE]), (vec![(LINE, End::Split); 2], LINE));
    }

    #[test]
    fn a_line_is_not_split_within_a_character() {
        for offset in 0..4 {
            let mut output = vec![b'x'; offset];
            output.extend("🦀".repeat(LINE).as_bytes());
            let piece = first(&output).unwrap();
            assert!(std::str::from_utf8(piece.text).is_ok(), "{offset}");
            assert!(piece.text.len() > LINE - 4, "{offset}");
        }
        let bytes = vec![0x80; 2 * LINE];
        assert_eq!(first(&bytes).unwrap().text.len(), LINE);
    }
}
