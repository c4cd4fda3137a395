//! The parameters of a call, taken out one by one as what they must be.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{Fault, Json};
use crate::{Args, Key, Name, Text, Value};

/// The longest path, in bytes.
const MAX_PATH: usize = 4_095;

/// Parameters that nobody has taken yet.
#[derive(Debug)]
pub struct Fields(Vec<(String, Json)>);

impl Fields {
    /// All parameters of a call. One that is null counts as not given.
    pub fn new(mut parameters: Vec<(String, Json)>) -> Self {
        parameters.retain(|(_, value)| *value != Json::Null);
        Self(parameters)
    }

    /// Nothing may be left: a parameter that nobody knows is more likely a slip than nothing.
    pub fn end(self) -> Result<(), Fault> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(Fault::parameter(&name, "is not known")),
        }
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(place).1)
    }

    /// A truth value; false if it is not given.
    pub fn truth(&mut self, name: &str) -> Result<bool, Fault> {
        self.truth_or(name, false)
    }

    /// A truth value, and what it is if it is not given.
    pub fn truth_or(&mut self, name: &str, otherwise: bool) -> Result<bool, Fault> {
        match self.take(name) {
            None => Ok(otherwise),
            Some(Json::Bool(truth)) => Ok(truth),
            Some(other) => Err(is_not(name, "a truth value", &other)),
        }
    }

    /// A text, if it is given.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(other) => Err(is_not(name, "a text", &other)),
        }
    }

    /// A text of whatever type `read` makes of it, if it is given.
    pub fn word<T, E: ToString>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Fault> {
        let text = self.text(name)?;
        text.map(|text| read(&text).map_err(|error| Fault::parameter(name, error.to_string()))).transpose()
    }

    /// A name, which must be given.
    pub fn name(&mut self, name: &str) -> Result<Name, Fault> {
        self.word(name, Name::new)?.ok_or_else(|| missing(name))
    }

    /// A key, which must be given.
    pub fn key(&mut self, name: &str) -> Result<Key, Fault> {
        self.word(name, Key::new)?.ok_or_else(|| missing(name))
    }

    /// A value, which must be given.
    pub fn value(&mut self, name: &str) -> Result<Value, Fault> {
        self.word(name, Value::new)?.ok_or_else(|| missing(name))
    }

    /// The name of an instance, if it is given.
    pub fn instance(&mut self, name: &str) -> Result<Option<Text>, Fault> {
        Ok(self.word(name, Value::new)?.map(|value| value.as_str().into()))
    }

    /// A text that must be given.
    pub fn needed_text(&mut self, name: &str) -> Result<String, Fault> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// A list of `KEY=VALUE`; none if it is not given.
    pub fn args(&mut self, name: &str) -> Result<Args, Fault> {
        let items = match self.take(name) {
            None => return Ok(Args::new()),
            Some(Json::List(items)) => items,
            Some(other) => return Err(is_not(name, "a list of texts", &other)),
        };
        let words: Option<Vec<&str>> = items.iter().map(Json::as_text).collect();
        let words = words.ok_or_else(|| Fault::parameter(name, "has something in it that is no text"))?;
        Args::parse(words).map_err(|error| Fault::parameter(name, error.to_string()))
    }

    /// A list of lists of `KEY=VALUE`; none if it is not given.
    pub fn lists_of_args(&mut self, name: &str) -> Result<Vec<Args>, Fault> {
        let lists = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Json::List(lists)) => lists,
            Some(other) => return Err(is_not(name, "a list of lists of texts", &other)),
        };
        let one = |list: &Json| {
            let Json::List(items) = list else { return Err(is_not(name, "a list of lists of texts", list)) };
            let words: Option<Vec<&str>> = items.iter().map(Json::as_text).collect();
            let words = words.ok_or_else(|| Fault::parameter(name, "has something in it that is no text"))?;
            Args::parse(words).map_err(|error| Fault::parameter(name, error.to_string()))
        };
        lists.iter().map(one).collect()
    }

    /// A path from the root on, without detours, if it is given.
    pub fn path(&mut self, name: &str) -> Result<Option<String>, Fault> {
        self.word(name, |text| check_path(text).map(|()| String::from(text)))
    }

    /// The same, which must be given.
    pub fn needed_path(&mut self, name: &str) -> Result<String, Fault> {
        self.path(name)?.ok_or_else(|| missing(name))
    }
}

fn missing(name: &str) -> Fault {
    Fault::parameter(name, "is missing")
}

fn is_not(name: &str, wanted: &str, got: &Json) -> Fault {
    Fault::parameter(name, format!("is {}, and must be {wanted}", got.kind()))
}

fn check_path(text: &str) -> Result<(), &'static str> {
    let Some(below) = text.strip_prefix('/') else { return Err("does not begin with `/`") };
    if text.len() > MAX_PATH {
        return Err("is too long");
    }
    if text.chars().any(char::is_control) {
        return Err("has a control character");
    }
    let detour = |part: &str| part.is_empty() || part == "." || part == "..";
    if !below.is_empty() && below.split('/').any(detour) {
        return Err("has an empty part, `.` or `..`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_straight_from_the_root() {
        for good in ["/", "/a", "/a/b.c", "/new root"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        for bad in ["", "a", "/a/", "//", "/a/../b", "/.", "/a\nb"] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }
}
