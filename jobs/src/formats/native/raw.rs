//! From text to fields and nodes, each with its place in the text.
//!
//! The `ron` crate decides what is RON. It gives exact places for errors only, so here each value is first
//! taken as the slice of the text that it is, then looked at by itself. So every part of a file knows where
//! it stands, and a field of the wrong kind does not hide what is wrong in the next one.

use alloc::{borrow::Cow, format, vec::Vec};
use core::{fmt, ops::Range};

use ron::{Deserializer, Options, error::Error, extensions::Extensions, value::RawValue};
use serde::de::{Deserialize, Deserializer as _, IgnoredAny, MapAccess, Visitor};

use super::{
    fault::{Fault, described, fault, too_deep},
    plain,
};

/// How long a file may be, in bytes.
pub(super) const MAX_LENGTH: usize = 256 * 1024;
/// How deep lists and structs may lie in each other. No field needs more than four.
const MAX_DEPTH: usize = 8;
/// The same for ron, which counts a list and its element each.
const RON_DEPTH: usize = 64;

/// A field of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field<'s> {
    /// Its name.
    pub name: &'s str,
    /// Where the name stands.
    pub name_span: Range<usize>,
    /// Its value.
    pub node: Node<'s>,
}

/// A value, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node<'s> {
    /// What it is.
    pub shape: Shape<'s>,
    /// Which bytes of the file.
    pub span: Range<usize>,
}

/// What a value is, before anybody asks what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape<'s> {
    /// `None`: as if the field were not there.
    Nothing,
    /// `"text"`.
    Text(Quoted<'s>),
    /// `5`, as it was written.
    Number(&'s str),
    /// `true` or `false`.
    Truth(bool),
    /// `notify`.
    Word(&'s str),
    /// `fd(3)`.
    Call(&'s str, Vec<Node<'s>>),
    /// `["a", "b"]`.
    List(Vec<Node<'s>>),
    /// `(1, 2)`.
    Tuple(Vec<Node<'s>>),
    /// `(name: "x")` or `{"name": "x"}`.
    Pairs(Vec<(Node<'s>, Node<'s>)>),
    /// What RON knows and no job needs: bytes, characters, ranges.
    Other,
}

/// A text, and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quoted<'s> {
    /// What it says.
    pub text: Cow<'s, str>,
    /// Where its first byte stands; `None` if it has escapes, so that places in it are not places in the file.
    pub start: Option<usize>,
}

impl Node<'_> {
    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match &self.shape {
            Shape::Nothing => "nothing",
            Shape::Text(_) => "a text",
            Shape::Number(_) => "a number",
            Shape::Truth(_) => "true or false",
            Shape::Word(_) => "a word",
            Shape::Call(..) => "a word with a value",
            Shape::List(_) => "a list",
            Shape::Tuple(_) => "values in parentheses",
            Shape::Pairs(_) => "names with values",
            Shape::Other => "something no field takes",
        }
    }

    /// Whether it is `None`.
    pub fn is_nothing(&self) -> bool {
        matches!(self.shape, Shape::Nothing)
    }

    /// The place in the file of a part of this text; the whole text if it has escapes or is none.
    pub fn within(&self, part: &Range<usize>) -> Range<usize> {
        match &self.shape {
            Shape::Text(Quoted { start: Some(start), .. }) => {
                start.saturating_add(part.start)..start.saturating_add(part.end)
            }
            Shape::Text(Quoted { start: None, .. })
            | Shape::Nothing
            | Shape::Number(_)
            | Shape::Truth(_)
            | Shape::Word(_)
            | Shape::Call(..)
            | Shape::List(_)
            | Shape::Tuple(_)
            | Shape::Pairs(_)
            | Shape::Other => self.span.clone(),
        }
    }
}

/// The fields that `source` says, in its order.
pub(super) fn read(source: &str) -> Result<Vec<Field<'_>>, Fault> {
    if source.len() > MAX_LENGTH {
        return Err(Fault {
            code: "file-too-large",
            message: format!("the file is {} bytes long, and {MAX_LENGTH} are allowed", source.len()),
            span: 0..0,
            label: "",
            opened: None,
            help: Some("move long scripts into files of their own and `exec` them".into()),
        });
    }
    let Some(fields) = plain::read(source) else { return read_any(source) };
    debug_assert_eq!(read_any(source).ok().as_ref(), Some(&fields), "both readers read the same");
    Ok(fields)
}

/// The same, whatever forms of RON it is written in.
fn read_any(source: &str) -> Result<Vec<Field<'_>>, Fault> {
    let extensions = Extensions::IMPLICIT_SOME;
    let options = Options::default().with_default_extension(extensions).with_recursion_limit(RON_DEPTH);
    let root: Root = options.from_str(source).map_err(|error| fault(source, &error))?;
    let fields = root.0.into_iter().map(|(name, value)| {
        let start = offset(source, name);
        let node = node(source, value, 0)?;
        Ok(Field { name, name_span: start..start.saturating_add(name.len()), node })
    });
    fields.collect()
}

/// Names and the text of their values.
struct Root<'s>(Vec<(&'s str, &'s str)>);

impl<'s> Deserialize<'s> for Root<'s> {
    fn deserialize<D: serde::Deserializer<'s>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'s> Visitor<'s> for Fields {
            type Value = Root<'s>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the fields of a job")
            }
            fn visit_map<A: MapAccess<'s>>(self, mut map: A) -> Result<Root<'s>, A::Error> {
                let mut fields = Vec::new();
                while let Some(name) = map.next_key()? {
                    fields.push((name, map.next_value::<&RawValue>()?.get_ron()));
                }
                Ok(Root(fields))
            }
        }
        deserializer.deserialize_struct("Job", &[], Fields)
    }
}

/// The entries of a map, in order.
struct Entries<'s>(Vec<(&'s str, &'s str)>);

impl<'s> Deserialize<'s> for Entries<'s> {
    fn deserialize<D: serde::Deserializer<'s>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'s> Visitor<'s> for InOrder {
            type Value = Entries<'s>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'s>>(self, mut map: A) -> Result<Entries<'s>, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    entries.push((key.get_ron(), value.get_ron()));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The elements of a list or tuple, in order.
struct Elements;

impl<'s> Visitor<'s> for Elements {
    type Value = Vec<&'s str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values")
    }
    fn visit_seq<A: serde::de::SeqAccess<'s>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element::<&RawValue>()? {
            elements.push(element.get_ron());
        }
        Ok(elements)
    }
}

struct TextVisitor;

impl<'s> Visitor<'s> for TextVisitor {
    type Value = Cow<'s, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_borrowed_str<E>(self, text: &'s str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.into()))
    }
}

/// Where `part`, a slice of `source`, begins in it.
fn offset(source: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(source.as_ptr().addr())
}

/// `text` without the blanks and comments before it.
fn without_blanks(text: &str) -> &str {
    Deserializer::from_str(text).map_or(text, |ron| ron.remainder())
}

/// The value that `text` is: ron has said already that it is one. At most [`MAX_DEPTH`] calls deep.
fn node<'s>(source: &'s str, text: &'s str, depth: usize) -> Result<Node<'s>, Fault> {
    let text = without_blanks(text);
    let start = offset(source, text);
    if depth >= MAX_DEPTH {
        return Err(too_deep(start..start.saturating_add(1)));
    }
    let broken = |error: Error| {
        let end = start.saturating_add(text.len());
        described(&error, start..end, "")
    };
    let mut ron = Deserializer::from_str(text).map_err(|error| broken(error.code))?;
    IgnoredAny::deserialize(&mut ron).map_err(broken)?;
    let length = text.len().saturating_sub(ron.remainder().len());
    let text = text.get(..length).unwrap_or(text);

    let mut ron = Deserializer::from_str(text).map_err(|error| broken(error.code))?;
    let deeper = depth.saturating_add(1);
    let all = |texts: Vec<&'s str>| {
        texts.into_iter().map(|text| node(source, text, deeper)).collect::<Result<Vec<_>, _>>()
    };
    let mut end = start.saturating_add(length);
    let shape = match kind(text) {
        Kind::Text => {
            let text = ron.deserialize_str(TextVisitor).map_err(broken)?;
            let start = match &text {
                Cow::Borrowed(text) => Some(offset(source, text)),
                Cow::Owned(_) => None,
            };
            Shape::Text(Quoted { text, start })
        }
        Kind::List => Shape::List(all(ron.deserialize_seq(Elements).map_err(broken)?)?),
        Kind::Tuple => Shape::Tuple(all(ron.deserialize_tuple(0, Elements).map_err(broken)?)?),
        Kind::Map => {
            let entries = Entries::deserialize(&mut ron).map_err(broken)?;
            let pair = |(key, value)| Ok((node(source, key, deeper)?, node(source, value, deeper)?));
            Shape::Pairs(entries.0.into_iter().map(pair).collect::<Result<_, _>>()?)
        }
        Kind::Struct => {
            let fields = Root::deserialize(&mut ron).map_err(broken)?;
            let pair = |(key, value)| Ok((word(source, key), node(source, value, deeper)?));
            Shape::Pairs(fields.0.into_iter().map(pair).collect::<Result<_, _>>()?)
        }
        Kind::Word => {
            let (shape, length) = word_or_call(source, text, deeper)?;
            end = start.saturating_add(length);
            shape
        }
        Kind::Number => Shape::Number(text),
        Kind::Other => Shape::Other,
    };
    Ok(Node { shape, span: start..end })
}

/// The name of a struct's field, as a node.
fn word<'s>(source: &'s str, text: &'s str) -> Node<'s> {
    let start = offset(source, text);
    Node { shape: Shape::Word(text), span: start..start.saturating_add(text.len()) }
}

/// `word`, `word(...)`, or one of the words with a meaning in RON; and how long it is.
fn word_or_call<'s>(source: &'s str, text: &'s str, depth: usize) -> Result<(Shape<'s>, usize), Fault> {
    let word_end = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    let (word, rest) = text.split_at(word_end);
    let rest = without_blanks(rest);
    if !rest.starts_with('(') {
        let shape = match word {
            "None" => Shape::Nothing,
            "true" => Shape::Truth(true),
            "false" => Shape::Truth(false),
            _ => Shape::Word(word),
        };
        return Ok((shape, word.len()));
    }
    let mut args = match node(source, rest, depth)? {
        Node { shape: Shape::Tuple(args), .. } => args,
        fields => Vec::from([fields]),
    };
    let some = if word == "Some" && args.len() == 1 { args.pop() } else { None };
    Ok((some.map_or(Shape::Call(word, args), |some| some.shape), text.len()))
}

/// What kind of value begins here.
enum Kind {
    Text,
    List,
    Tuple,
    Map,
    Struct,
    Word,
    Number,
    Other,
}

fn kind(text: &str) -> Kind {
    let mut chars = text.chars();
    match chars.next() {
        Some('"') => Kind::Text,
        Some('r') if chars.as_str().trim_start_matches('#').starts_with('"') => Kind::Text,
        Some('[') => Kind::List,
        Some('{') => Kind::Map,
        Some('(') if begins_with_field(chars.as_str()) => Kind::Struct,
        Some('(') => Kind::Tuple,
        Some('0'..='9' | '+' | '-') => Kind::Number,
        Some('b') if chars.as_str().trim_start_matches(['r', '#']).starts_with(['"', '\'']) => Kind::Other,
        Some(c) if c == '_' || c.is_alphabetic() => Kind::Word,
        _ => Kind::Other,
    }
}

/// Whether `name:` or `)` comes first behind an opening parenthesis.
fn begins_with_field(text: &str) -> bool {
    let text = without_blanks(text);
    let rest = text.trim_start_matches(|c: char| c == '_' || c.is_alphanumeric());
    text.starts_with(')') || (rest.len() < text.len() && without_blanks(rest).starts_with(':'))
}
