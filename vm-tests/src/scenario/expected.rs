//! What a command in the machine must give, and whether it does.

use events::glob_matches;

use crate::session::Ran;

/// What a command must give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The whole output: the lines of all such expectations, in order. Each is a glob.
    Line(String),
    /// One of the lines.
    SomeLine(String),
    /// None of the lines.
    NoLine(String),
    /// The exit status; without a number, any but 0.
    Status(Option<i64>),
}

impl Expected {
    /// An expectation, from its line.
    pub fn read(line: &str) -> Result<Self, String> {
        let (sign, rest) = line.split_at_checked(1).unwrap_or((line, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match sign {
            "=" => Ok(Self::Line(rest.to_owned())),
            "*" => Ok(Self::SomeLine(rest.to_owned())),
            "-" => Ok(Self::NoLine(rest.to_owned())),
            "!" if rest.is_empty() => Ok(Self::Status(None)),
            "!" => rest
                .parse()
                .map(|status| Self::Status(Some(status)))
                .map_err(|_| format!("`{rest}` is no status")),
            _ => Err(format!("`{line}` begins with none of `=` `*` `-` `!`")),
        }
    }
}

/// What a command gave that was not expected, if anything. Without a word on it, its status must be 0.
pub fn difference(ran: &Ran, expected: &[Expected]) -> Option<String> {
    let lines: Vec<&str> = ran.output.lines().collect();
    let (mut whole, mut status) = (Vec::new(), None);
    for expectation in expected {
        let found = |glob: &str| lines.iter().any(|line| glob_matches(glob, line));
        match expectation {
            Expected::Line(glob) => whole.push(glob.as_str()),
            Expected::SomeLine(glob) if !found(glob) => return Some(format!("no line is `{glob}`")),
            Expected::NoLine(glob) if found(glob) => return Some(format!("a line is `{glob}`")),
            Expected::SomeLine(_) | Expected::NoLine(_) => {}
            Expected::Status(number) => status = Some(*number),
        }
    }
    let wanted = match status {
        None => ran.status == 0,
        Some(None) => ran.status != 0,
        Some(Some(status)) => ran.status == status,
    };
    if !wanted {
        return Some(format!("its status is {}", ran.status));
    }
    let same =
        lines.len() == whole.len() && whole.iter().zip(&lines).all(|(glob, line)| glob_matches(glob, line));
    (!whole.is_empty() && !same).then(|| "its lines are not those expected".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_gives_is_compared() {
        let ran = Ran { status: 3, output: "one\ntwo 2\n".into() };
        for (expected, same) in [
            ("! 3", true),
            ("!", true),
            ("! 0", false),
            ("= one", false),
            ("! 3\n= one", false),
            ("! 3\n= one\n= two ?", true),
            ("! 3\n* two*", true),
            ("! 3\n* three", false),
            ("! 3\n- three", true),
            ("! 3\n- one", false),
        ] {
            let parsed: Vec<Expected> = expected.lines().map(|line| Expected::read(line).unwrap()).collect();
            assert_eq!(difference(&ran, &parsed).is_none(), same, "{expected}");
        }
    }
}
