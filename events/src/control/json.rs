//! JSON as a stranger sends it: read without recursion, and bounded in every direction.
//!
//! PID 1 reads this itself, so the reader has no stack of calls that input could fill, no number that it could
//! overflow and no list without an end. What is built is a value that can be looked at; nothing is believed yet.

use alloc::{string::String, vec::Vec};
use core::mem;

/// The longest text that is read, in bytes.
pub const MAX_MESSAGE: usize = 65_536;
/// How deep lists and objects may lie in each other.
pub const MAX_DEPTH: usize = 8;
/// The most values in one text: so much that all arguments of an event fit, and no more memory than that.
pub const MAX_VALUES: usize = 4_096;
/// The most members of one object.
pub const MAX_MEMBERS: usize = 256;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction.
    Integer(i64),
    /// Any other number.
    Fraction(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object: its members in the order in which they stood, no name twice.
    Object(Vec<(String, Json)>),
}

/// Why a text is not JSON that is read, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {at}")]
pub struct JsonError {
    /// What is wrong.
    pub fault: JsonFault,
    /// Where.
    pub at: usize,
}

/// What is wrong in a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Longer than [`MAX_MESSAGE`].
    #[error("longer than {MAX_MESSAGE} bytes")]
    TooLong,
    /// Deeper than [`MAX_DEPTH`].
    #[error("deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More than [`MAX_VALUES`], or than [`MAX_MEMBERS`] in one object.
    #[error("too many values")]
    TooMany,
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// It ends too early.
    #[error("an end too early")]
    End,
    /// Something stands where something else must stand.
    #[error("{0} expected")]
    Expected(&'static str),
    /// A name that the object has already.
    #[error("`{0}` a second time")]
    Duplicate(String),
    /// A number that is none, or cannot be said.
    #[error("no number")]
    Number,
    /// A backslash with something behind it that has no meaning.
    #[error("no escape")]
    Escape,
}

/// A list or an object whose end has not come yet.
enum Open {
    List(Vec<Json>),
    /// Its members, and the name whose value comes next.
    Object(Vec<(String, Json)>, String),
}

impl Json {
    /// Reads one value, and nothing but blanks around it.
    pub fn read(bytes: &[u8]) -> Result<Self, JsonError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(JsonError { fault: JsonFault::TooLong, at: MAX_MESSAGE });
        }
        let text = core::str::from_utf8(bytes)
            .map_err(|error| JsonError { fault: JsonFault::NotUtf8, at: error.valid_up_to() })?;
        let mut reader = Reader { rest: text, values: 0 };
        reader.whole().map_err(|fault| JsonError { fault, at: text.len().saturating_sub(reader.rest.len()) })
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::Fraction(_)
            | Self::List(_)
            | Self::Object(_) => None,
        }
    }

    /// What it is, for people.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) | Self::Fraction(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

struct Reader<'t> {
    rest: &'t str,
    values: usize,
}

impl<'t> Reader<'t> {
    fn whole(&mut self) -> Result<Json, JsonFault> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let Some(mut done) = self.begin(&mut open)? else { continue };
            // The value goes where it belongs, and what ends behind it is a value of its own.
            loop {
                let closes = match open.last_mut() {
                    None => return self.end(done),
                    Some(Open::List(items)) => {
                        items.push(done);
                        self.comma_or(']')?
                    }
                    Some(Open::Object(members, name)) => {
                        members.push((mem::take(name), done));
                        self.comma_or('}')?
                    }
                };
                if !closes {
                    self.name_if_object(&mut open)?;
                    break;
                }
                done = match open.pop() {
                    Some(Open::List(items)) => Json::List(items),
                    Some(Open::Object(members, _)) => Json::Object(members),
                    None => return Err(JsonFault::End),
                };
            }
        }
    }

    /// A value; or nothing, if a list or object has begun that is not empty.
    fn begin(&mut self, open: &mut Vec<Open>) -> Result<Option<Json>, JsonFault> {
        self.blanks();
        self.values = self.values.saturating_add(1);
        if self.values > MAX_VALUES {
            return Err(JsonFault::TooMany);
        }
        let container = match self.rest.as_bytes().first() {
            None => return Err(JsonFault::End),
            Some(b'[') => Open::List(Vec::new()),
            Some(b'{') => Open::Object(Vec::new(), String::new()),
            Some(_) => return self.scalar().map(Some),
        };
        if open.len() >= MAX_DEPTH {
            return Err(JsonFault::TooDeep);
        }
        self.skip(1);
        self.blanks();
        match container {
            Open::List(items) if self.takes(']') => return Ok(Some(Json::List(items))),
            Open::Object(members, _) if self.takes('}') => return Ok(Some(Json::Object(members))),
            container @ (Open::List(_) | Open::Object(..)) => open.push(container),
        }
        self.name_if_object(open)?;
        Ok(None)
    }

    /// Behind `{` or a comma in an object stands the name of the next member.
    fn name_if_object(&mut self, open: &mut [Open]) -> Result<(), JsonFault> {
        let Some(Open::Object(members, next)) = open.last_mut() else { return Ok(()) };
        if members.len() >= MAX_MEMBERS {
            return Err(JsonFault::TooMany);
        }
        self.blanks();
        if !self.takes('"') {
            return Err(self.missing("a name"));
        }
        let name = self.text()?;
        if members.iter().any(|(known, _)| *known == name) {
            return Err(JsonFault::Duplicate(name));
        }
        self.blanks();
        if !self.takes(':') {
            return Err(self.missing("`:`"));
        }
        *next = name;
        Ok(())
    }

    /// Whether what is open closes here; else a comma stands.
    fn comma_or(&mut self, close: char) -> Result<bool, JsonFault> {
        self.blanks();
        if self.takes(close) {
            return Ok(true);
        }
        if self.takes(',') { Ok(false) } else { Err(self.missing("`,` or an end")) }
    }

    fn end(&mut self, value: Json) -> Result<Json, JsonFault> {
        self.blanks();
        if self.rest.is_empty() { Ok(value) } else { Err(JsonFault::Expected("the end")) }
    }

    fn scalar(&mut self) -> Result<Json, JsonFault> {
        for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
        {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        if self.takes('"') {
            return self.text().map(Json::Text);
        }
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let length = self.rest.find(|c| !is_number(c)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(length);
        if number.is_empty() {
            return Err(JsonFault::Expected("a value"));
        }
        let value = read_number(number).ok_or(JsonFault::Number)?;
        self.rest = rest;
        Ok(value)
    }

    /// A text whose opening quote is behind us.
    fn text(&mut self) -> Result<String, JsonFault> {
        let mut text = String::new();
        loop {
            let special = |c: char| matches!(c, '"' | '\\') || u32::from(c) < 0x20;
            let length = self.rest.find(special).ok_or(JsonFault::End)?;
            let (plain, rest) = self.rest.split_at(length);
            text.push_str(plain);
            self.rest = rest;
            if self.takes('"') {
                return Ok(text);
            }
            if !self.takes('\\') {
                return Err(JsonFault::Expected("a character that is no control character"));
            }
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, JsonFault> {
        let letter = self.rest.chars().next().ok_or(JsonFault::End)?;
        self.skip(letter.len_utf8());
        Ok(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.four_digits()?;
                if let Some(c) = char::from_u32(first) {
                    return Ok(c);
                }
                self.rest = self.rest.strip_prefix("\\u").ok_or(JsonFault::Escape)?;
                let second = self.four_digits()?;
                let mut decoded = char::decode_utf16([first, second].map(|unit| unit as u16));
                decoded.next().and_then(Result::ok).ok_or(JsonFault::Escape)?
            }
            _ => return Err(JsonFault::Escape),
        })
    }

    fn four_digits(&mut self) -> Result<u32, JsonFault> {
        let (digits, rest) = self.rest.split_at_checked(4).ok_or(JsonFault::Escape)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(JsonFault::Escape);
        }
        self.rest = rest;
        u32::from_str_radix(digits, 16).map_err(|_| JsonFault::Escape)
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn takes(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    const fn missing(&self, what: &'static str) -> JsonFault {
        if self.rest.is_empty() { JsonFault::End } else { JsonFault::Expected(what) }
    }
}

/// A number as JSON writes it: no `+` before it, no zero before other digits, digits on both sides of a dot.
fn read_number(text: &str) -> Option<Json> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = digits.split_at(digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()));
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    if rest.is_empty() {
        return text.parse().ok().map(Json::Integer);
    }
    let fraction = rest.strip_prefix('.');
    if fraction.is_some_and(|fraction| !fraction.starts_with(|c: char| c.is_ascii_digit())) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(Json::Fraction)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    fn text(text: &str) -> Json {
        Json::Text(text.into())
    }

    #[test]
    fn values_are_read() {
        for (input, expected) in [
            ("null", Json::Null),
            (" true ", Json::Bool(true)),
            ("-12", Json::Integer(-12)),
            ("0", Json::Integer(0)),
            ("1.5e1", Json::Fraction(15.0)),
            ("\"a\\n\\u00e9\\ud83d\\ude00\\/\"", text("a\né😀/")),
            ("[]", Json::List(Vec::new())),
            ("{ }", Json::Object(Vec::new())),
            (
                "[1,[ ],{}]",
                Json::List([Json::Integer(1), Json::List([].into()), Json::Object([].into())].into()),
            ),
            (
                "{\"a\" : [true, \"b\"] , \"c\":{\"d\":null}}",
                Json::Object(
                    [
                        ("a".into(), Json::List([Json::Bool(true), text("b")].into())),
                        ("c".into(), Json::Object([("d".into(), Json::Null)].into())),
                    ]
                    .into(),
                ),
            ),
        ] {
            assert_eq!(Json::read(input.as_bytes()), Ok(expected), "{input}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (input, message) in [
            ("", "an end too early at byte 0"),
            ("[1", "an end too early at byte 2"),
            ("[1 2]", "`,` or an end expected at byte 3"),
            ("[1,]", "a value expected at byte 3"),
            ("{a:1}", "a name expected at byte 1"),
            ("{\"a\" 1}", "`:` expected at byte 5"),
            ("{\"a\":1,\"a\":2}", "`a` a second time at byte 10"),
            ("01", "no number at byte 0"),
            ("+1", "no number at byte 0"),
            ("1.", "no number at byte 0"),
            ("9223372036854775808", "no number at byte 0"),
            ("1e999", "no number at byte 0"),
            ("\"a\nb\"", "a character that is no control character expected at byte 2"),
            ("\"\\x\"", "no escape at byte 3"),
            ("\"\\ud800\"", "no escape at byte 7"),
            ("\"\\ud800\\u0041\"", "no escape at byte 13"),
            ("\"\\u+041\"", "no escape at byte 3"),
            ("nul", "a value expected at byte 0"),
            ("1 1", "the end expected at byte 2"),
        ] {
            assert_eq!(Json::read(input.as_bytes()).unwrap_err().to_string(), message, "{input}");
        }
        assert_eq!(Json::read(b"\"a\xff\"").unwrap_err().fault, JsonFault::NotUtf8);
    }

    #[test]
    fn every_size_has_its_bound() {
        let fault = |input: String| Json::read(input.as_bytes()).unwrap_err().fault;
        let nested = |depth: usize| alloc::format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::read(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(fault(nested(MAX_DEPTH + 1)), JsonFault::TooDeep);
        assert_eq!(fault("[".repeat(MAX_MESSAGE)), JsonFault::TooDeep);
        assert_eq!(fault(" ".repeat(MAX_MESSAGE + 1)), JsonFault::TooLong);
        assert_eq!(fault(alloc::format!("[{}0]", "0,".repeat(MAX_VALUES))), JsonFault::TooMany);
        let members: Vec<String> = (0..=MAX_MEMBERS).map(|n| alloc::format!("\"{n}\":0")).collect();
        assert_eq!(fault(alloc::format!("{{{}}}", members.join(","))), JsonFault::TooMany);
    }
}
