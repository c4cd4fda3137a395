//! Shell patterns as `fnmatch(3)` without flags takes them: `*` and `?` match `/` too, `[...]` with ranges,
//! `!` or `^` and classes, `\` takes the next character as it is, and an unclosed `[` is a plain character.
//!
//! Iterative with one point to go back to, so a hostile pattern costs at most pattern × text steps.

/// Whether `text` as a whole fits `pattern`.
#[must_use]
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    // How many bytes from its end on the pattern has no `]` any more: there, `[` is a plain character, and
    // nobody has to look for its end again and again.
    let unclosed = pattern.rfind(']').map_or(usize::MAX, |at| pattern.len().saturating_sub(at));
    let (mut pattern, mut text) = (pattern, text);
    let mut back: Option<(&str, &str)> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix('*') {
            pattern = rest;
            back = Some((rest, text));
            continue;
        }
        let mut chars = text.chars();
        let step = match chars.next() {
            None if pattern.is_empty() => return true,
            None => return false,
            Some(c) => one(pattern, c, unclosed),
        };
        match step {
            Some(rest) => (pattern, text) = (rest, chars.as_str()),
            None => {
                let Some((after_star, from)) = back else { return false };
                let mut chars = from.chars();
                if chars.next().is_none() {
                    return false;
                }
                (pattern, text) = (after_star, chars.as_str());
                back = Some((after_star, text));
            }
        }
    }
}

/// Whether `text` has a character that means more than itself in a pattern.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// The pattern behind its first element, if that element matches `c`.
fn one(pattern: &str, c: char, unclosed: usize) -> Option<&str> {
    let mut chars = pattern.chars();
    match chars.next()? {
        '?' => Some(chars.as_str()),
        '\\' => {
            let rest = chars.as_str();
            match chars.next() {
                Some(escaped) => (escaped == c).then_some(chars.as_str()),
                None => (c == '\\').then_some(rest),
            }
        }
        '[' if chars.as_str().len() < unclosed => (c == '[').then_some(chars.as_str()),
        '[' => match bracket(chars.as_str(), c) {
            Some((inside, rest)) => inside.then_some(rest),
            None => (c == '[').then_some(chars.as_str()),
        },
        plain => (plain == c).then_some(chars.as_str()),
    }
}

/// Whether `c` is in the set that `pattern` (behind its `[`) begins with, and what follows the `]`.
fn bracket(pattern: &str, c: char) -> Option<(bool, &str)> {
    let (negated, mut rest) = match pattern.strip_prefix(['!', '^']) {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut found = false;
    let mut first = true;
    loop {
        if !first && let Some(end) = rest.strip_prefix(']') {
            return Some((found != negated, end));
        }
        first = false;
        if let Some(class) = rest.strip_prefix("[:")
            && let Some((name, after)) = class.split_once(":]")
        {
            found |= in_class(name, c);
            rest = after;
            continue;
        }
        let (low, after) = bracket_char(rest)?;
        rest = after;
        let high = match rest.strip_prefix('-') {
            Some(after) if !after.starts_with(']') => {
                let (high, after) = bracket_char(after)?;
                rest = after;
                high
            }
            _ => low,
        };
        found |= low <= c && c <= high;
    }
}

fn bracket_char(rest: &str) -> Option<(char, &str)> {
    let mut chars = rest.chars();
    let c = match chars.next()? {
        '\\' => chars.next()?,
        c => c,
    };
    Some((c, chars.as_str()))
}

fn in_class(name: &str, c: char) -> bool {
    match name {
        "alpha" => c.is_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_alphanumeric(),
        "upper" => c.is_uppercase(),
        "lower" => c.is_lowercase(),
        "space" => c.is_whitespace(),
        "blank" => c == ' ' || c == '\t',
        "punct" => c.is_ascii_punctuation(),
        "xdigit" => c.is_ascii_hexdigit(),
        "cntrl" => c.is_control(),
        "print" => !c.is_control(),
        "graph" => !c.is_control() && !c.is_whitespace(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for text in yes {
            assert!(glob_matches(pattern, text), "{pattern} should match {text}");
        }
        for text in no {
            assert!(!glob_matches(pattern, text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn patterns_match_as_fnmatch_does() {
        check("", &[""], &["x"]);
        check("eth*", &["eth", "eth0", "eth/0"], &["et", "xeth0"]);
        check("*a*b", &["ab", "xaxbxb"], &["ba", "abx"]);
        check("?", &["x", "ü"], &["", "xy"]);
        check("tty[1-3]", &["tty2"], &["tty4", "tty12"]);
        check("[!2345]", &["0", "S"], &["2", ""]);
        check("[^a]", &["b"], &["a"]);
        check("[]x]", &["]", "x"], &["y"]);
        check("[a-]", &["a", "-"], &["b"]);
        check("[[:digit:]x]", &["5", "x"], &["y"]);
        check("[x", &["[x"], &["x"]);
        check("\\*", &["*"], &["x"]);
        check("x\\", &["x\\"], &["x"]);
        check("/d/*", &["/d/e/f"], &["/d"]);
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let text = "a".repeat(4096);
        assert!(!glob_matches(&("*a".repeat(200) + "b"), &text));
        let brackets = "[".repeat(4096);
        assert!(!glob_matches(&("*".to_string() + &brackets + "x"), &brackets));
        assert!(glob_matches(&brackets, &brackets));
    }
}
