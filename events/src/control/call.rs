//! A call as Varlink frames it: a method, its parameters, and how it is to be answered.

use alloc::{string::String, vec::Vec};

use super::{Fault, Json};

/// What one message asks for, before anybody has looked whether it makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The method with its interface: `org.onset.Manager.Start`.
    pub method: String,
    /// Its parameters, unread.
    pub parameters: Vec<(String, Json)>,
    /// Whether more than one answer is welcome.
    pub more: bool,
    /// Whether no answer is wanted.
    pub oneway: bool,
}

impl Call {
    /// The call in a message, which stands here without the NUL that ends it.
    pub fn read(message: &[u8]) -> Result<Self, Fault> {
        let message = Json::read(message).map_err(Fault::NoJson)?;
        let Json::Object(members) = message else { return Err(Fault::NoCall("an object")) };
        let (mut method, mut parameters, mut more, mut oneway) = (None, Vec::new(), false, false);
        for (name, value) in members {
            match (name.as_str(), value) {
                ("method", Json::Text(text)) => method = Some(text),
                ("parameters", Json::Object(members)) => parameters = members,
                ("parameters", Json::Null) => {}
                ("more", Json::Bool(wished)) => more = wished,
                ("oneway", Json::Bool(wished)) => oneway = wished,
                ("upgrade", Json::Bool(false)) => {}
                ("method", _) => return Err(Fault::NoCall("a text as `method`")),
                ("parameters", _) => return Err(Fault::NoCall("an object as `parameters`")),
                ("more" | "oneway", _) => {
                    return Err(Fault::NoCall("a truth value as `more` and `oneway`"));
                }
                ("upgrade", _) => return Err(Fault::NoCall("no `upgrade`")),
                // What a later Varlink may say besides is not ours to refuse.
                _ => {}
            }
        }
        let method = method.ok_or(Fault::NoCall("a `method`"))?;
        Ok(Self { method, parameters, more, oneway })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read() {
        let call = Call::read(br#"{"method":"a.B","parameters":{"x":1},"more":true,"later":0}"#).unwrap();
        assert_eq!((call.method.as_str(), call.parameters.len()), ("a.B", 1));
        assert!(call.more && !call.oneway);
        assert!(Call::read(br#"{"method":"a.B","parameters":null}"#).unwrap().parameters.is_empty());
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for bad in [
            "",
            "[]",
            "1",
            "{}",
            r#"{"method":1}"#,
            r#"{"method":"a","parameters":[]}"#,
            r#"{"method":"a","more":1}"#,
            r#"{"method":"a","upgrade":true}"#,
            "{\"method\":\"a\"}\0",
        ] {
            assert!(Call::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
