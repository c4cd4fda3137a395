//! What conditions want to be told of paths.

use std::time::Duration;

use events::{Args, Event, Key, Name, PathPattern, Pattern, Value, Want, parse_delay};

/// How long a file must have been left alone before it is told that it has changed.
pub const SETTLE: Duration = Duration::from_millis(200);
/// The longest such time that a condition may ask for.
pub const MAX_SETTLE: Duration = Duration::from_secs(3600);

const FILE: Key = Key::constant("FILE");
const PATH: Key = Key::constant("PATH");
const MATCH: Key = Key::constant("MATCH");
const EVENT: Key = Key::constant("EVENT");
const ESCAPED: Key = Key::constant("ESCAPED");

/// What of a path is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// The event `file`, also of what was there before.
    File,
    /// The event `file-changed`, of changes only.
    Changed,
    /// The fact `path`.
    Path,
}

impl Sort {
    /// What an event or fact of this sort is called.
    pub const fn name(self) -> Name {
        match self {
            Self::File => Name::constant("file"),
            Self::Changed => Name::constant("file-changed"),
            Self::Path => Name::constant("path"),
        }
    }

    const fn key(self) -> Key {
        match self {
            Self::File | Self::Changed => FILE,
            Self::Path => PATH,
        }
    }
}

/// What has become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is there, and was not.
    Create,
    /// It was there, and is another or has other contents.
    Modify,
    /// It is there no more.
    Delete,
}

impl Turn {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Modify => "modify",
            Self::Delete => "delete",
        }
    }
}

/// Paths that conditions want to be told of.
#[derive(Debug)]
pub struct Wanted {
    /// What is told.
    pub sort: Sort,
    /// The paths as they were written; `*` where a variable stands.
    pub text: String,
    /// The same, taken apart.
    pub pattern: PathPattern,
    /// How long a file must have been left alone.
    pub settle: Duration,
    /// Who asks: each pattern once.
    pub asks: Vec<Pattern>,
    /// Whether what it means has not been looked at yet.
    pub is_new: bool,
    /// Whether a variable stands in it, so that each path is told as if it had been written.
    has_variables: bool,
}

impl Wanted {
    /// What a pattern asks for, and why that cannot be watched.
    pub fn new(ask: &Pattern) -> Result<Self, String> {
        let sort = match ask.name.as_str() {
            "file" => Sort::File,
            "file-changed" => Sort::Changed,
            "path" => Sort::Path,
            other => return Err(format!("`{other}` is about no path")),
        };
        let key = sort.key();
        let want = ask.want(&key).ok_or_else(|| format!("it does not say which: write `{key}=/path`"))?;
        let (text, has_variables) = match want {
            Want::Literal(text) | Want::Glob(text) | Want::Setting(text) => (text.to_string(), false),
            // Whatever the variables may come to be.
            Want::Template(template) => (template.expand(&|_| Some("*")).unwrap_or_default(), true),
        };
        let pattern = PathPattern::parse(&text).map_err(|fault| format!("`{}`: {fault}", want.as_str()))?;
        let settle = match ask.want("SETTLE") {
            Some(settle) => parse_delay(settle.as_str()).map_err(|fault| format!("SETTLE: {fault}"))?,
            None => SETTLE,
        };
        let (settle, asks) = (settle.min(MAX_SETTLE), vec![ask.clone()]);
        Ok(Self { sort, text, pattern, settle, asks, is_new: true, has_variables })
    }

    /// Whether another is about the same paths, told in the same way.
    pub fn is_like(&self, other: &Self) -> bool {
        self.sort == other.sort && self.text == other.text && self.has_variables == other.has_variables
    }

    /// Who tells this wanted from others, for the image after us.
    pub fn mark(&self) -> String {
        format!("{}{} {}", self.sort.name(), if self.has_variables { "$" } else { "" }, self.text)
    }

    /// How long a file must have been left alone: as long as those want who want it longest.
    pub fn ask_settle(&mut self) {
        let asked = self.asks.iter().filter_map(|ask| ask.want("SETTLE"));
        let asked = asked.filter_map(|settle| parse_delay(settle.as_str()).ok()).max();
        self.settle = asked.unwrap_or(SETTLE).min(MAX_SETTLE);
    }

    /// How far a path has come in it.
    pub fn reached(&self, path: &[u8]) -> events::Reached {
        names(path).fold(self.pattern.begin(), |reached, name| self.pattern.follow(reached, name))
    }

    /// The event that tells of a path.
    pub fn event(&self, path: &[u8], turn: Turn) -> Event {
        let (written, matched, is_escaped) = self.told(path);
        let mut args = Args::with_room(4);
        args.push(self.sort.key(), written);
        args.push_some(EVENT, Value::new(turn.name()).ok());
        args.push_some(MATCH, matched);
        args.push_some(ESCAPED, is_escaped.then(|| Value::escaped(b"yes").0));
        Event { name: self.sort.name(), args }
    }

    /// What is known of a path that is there.
    pub fn args(&self, path: &[u8]) -> Args {
        let (written, _, is_escaped) = self.told(path);
        let mut args = Args::with_room(3);
        args.push(self.sort.key(), written);
        args.push(MATCH, Value::escaped(path).0);
        args.push_some(ESCAPED, is_escaped.then(|| Value::escaped(b"yes").0));
        args
    }

    /// What was written, which path it is if that was a glob, and whether the path could not be told as it is.
    fn told(&self, path: &[u8]) -> (Value, Option<Value>, bool) {
        let (real, is_escaped) = Value::escaped(path);
        if self.has_variables {
            return (real, None, is_escaped);
        }
        let written = Value::escaped(self.text.as_bytes()).0;
        (written, (!self.pattern.is_plain()).then_some(real), is_escaped)
    }
}

/// What is told only sometimes.
trait PushSome {
    fn push_some(&mut self, key: Key, value: Option<Value>);
}

impl PushSome for Args {
    fn push_some(&mut self, key: Key, value: Option<Value>) {
        if let Some(value) = value {
            self.push(key, value);
        }
    }
}

/// The names that a path consists of.
pub fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use events::{Condition, Dialect};

    use super::*;

    fn ask(text: &str) -> Pattern {
        let condition = Condition::parse(text, Dialect::Edges).unwrap();
        condition.leaves().next().unwrap().pattern.clone()
    }

    #[test]
    fn an_event_has_what_was_written_and_what_it_came_to() {
        let check = |text: &str, path: &[u8], expected: &str| {
            let wanted = Wanted::new(&ask(text)).unwrap();
            let event = wanted.event(path, Turn::Modify);
            assert_eq!(event.to_string(), expected);
            assert!(ask(text).matches(&event, &|_| Some("x")), "{text}");
        };
        check("file FILE=/etc/a", b"/etc/a", "file FILE=/etc/a EVENT=modify");
        check("file FILE=/etc/[a] EVENT=modify", b"/etc/a", "file FILE=/etc/[a] EVENT=modify MATCH=/etc/a");
        check("file FILE=/etc/** SETTLE=1s", b"/etc/a/b", "file FILE=/etc/** EVENT=modify MATCH=/etc/a/b");
        check("file /etc/a", b"/etc/a", "file FILE=/etc/a EVENT=modify");
        check("file FILE=/etc/$A", b"/etc/x", "file FILE=/etc/x EVENT=modify");
        check("file FILE=/e/*", b"/e/a\n", "file FILE=/e/* EVENT=modify MATCH=\"/e/a\\\\x0a\" ESCAPED=yes");
    }

    #[test]
    fn what_cannot_be_watched_is_said() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Wanted::new(&ask(text)).unwrap_err(), expected);
        };
        check("file", "it does not say which: write `FILE=/path`");
        check("file FILE!=/x", "it does not say which: write `FILE=/path`");
        check("file FILE=etc/x", "`etc/x`: it does not begin with `/`");
        check("file FILE=$X", "`$X`: it does not begin with `/`");
        check("path PATH=/x/../y", "`/x/../y`: it has `..` in it");
        check("file FILE=/x SETTLE=soon", "SETTLE: `soon` is not a length of time");
    }

    #[test]
    fn the_longest_settle_time_counts() {
        let mut wanted = Wanted::new(&ask("file FILE=/x SETTLE=1s")).unwrap();
        wanted.asks.push(ask("file FILE=/x SETTLE=3s"));
        wanted.ask_settle();
        assert_eq!(wanted.settle, Duration::from_secs(3));
        wanted.asks.clear();
        wanted.ask_settle();
        assert_eq!(wanted.settle, SETTLE);
    }
}
