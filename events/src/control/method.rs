//! The table of methods: what each is called, who may call it, and how its parameters are read.

use alloc::{format, string::String};

use super::{Call, Fault, Fields, Going, INTERFACE, LogLevel, Request, SERVICE, Target, Wish};
use crate::{
    Event, Fact, Identity, Name,
    vocabulary::{self, is_own_fact},
};

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Anybody: it only reads what is no secret.
    Anybody,
    /// Root, and whoever Onset itself runs as.
    Root,
}

/// How often a method answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Once.
    Once,
    /// Once, or in parts if the caller says `more`.
    Parts,
    /// Again and again: the caller must say `more`.
    Stream,
}

/// A method.
#[derive(Debug)]
pub struct Method {
    /// Its interface.
    pub interface: &'static str,
    /// Its name within the interface.
    pub name: &'static str,
    /// Who may call it.
    pub rights: Rights,
    /// How often it answers.
    pub answers: Answers,
    read: fn(&mut Fields) -> Result<Request, Fault>,
}

impl Method {
    /// The method of this full name.
    pub fn find(full_name: &str) -> Result<&'static Self, Fault> {
        let (interface, name) = full_name.rsplit_once('.').unwrap_or(("", full_name));
        if interface != INTERFACE && interface != SERVICE {
            return Err(Fault::Interface(interface.into()));
        }
        let found = METHODS.iter().find(|method| method.interface == interface && method.name == name);
        found.ok_or_else(|| Fault::Method(full_name.into()))
    }

    /// What a call of this method wants.
    pub fn request(&self, call: Call) -> Result<Request, Fault> {
        if self.answers == Answers::Stream && !call.more {
            return Err(Fault::ExpectedMore);
        }
        let mut fields = Fields::new(call.parameters);
        let request = (self.read)(&mut fields)?;
        fields.end()?;
        Ok(request)
    }
}

/// All methods.
pub const METHODS: &[Method] = &[
    root("Start", |fields| act(Wish::Start, fields)),
    root("Stop", |fields| act(Wish::Stop, fields)),
    root("Restart", |fields| act(Wish::Restart, fields)),
    root("Reload", |fields| act(Wish::Reload, fields)),
    anybody("Status", |fields| target(fields).map(Request::Status)),
    Method { answers: Answers::Parts, ..anybody("List", |_| Ok(Request::List)) },
    Method { answers: Answers::Parts, ..anybody("Tree", |_| Ok(Request::Tree)) },
    root("Emit", |fields| {
        let event = Event { name: fields.name("event")?, args: fields.args("args")? };
        Ok(Request::Emit { event, wait: fields.truth_or("wait", true)? })
    }),
    anybody("Await", |fields| {
        let question = fields.word("question", str::parse::<u64>)?;
        question.map(Request::Await).ok_or_else(|| Fault::parameter("question", "is missing"))
    }),
    root("SetFact", |fields| Ok(Request::SetFact { fact: fact(fields)?, keep: fields.truth("keep")? })),
    root("UnsetFact", |fields| fact(fields).map(Request::UnsetFact)),
    root("EnumerateDevices", |fields| fields.lists_of_args("devices").map(Request::EnumerateDevices)),
    Method {
        answers: Answers::Parts,
        ..anybody("Facts", |fields| fields.word("name", Name::new).map(Request::Facts))
    },
    Method { answers: Answers::Parts, ..anybody("Timers", |_| Ok(Request::Timers)) },
    Method {
        answers: Answers::Parts,
        ..anybody("Hooks", |fields| fields.word("event", Name::new).map(Request::Hooks))
    },
    Method { answers: Answers::Stream, ..anybody("Events", |_| Ok(Request::Events)) },
    anybody("Why", |fields| target(fields).map(Request::Why)),
    anybody("Show", |fields| target(fields).map(Request::Show)),
    anybody("Limits", |_| Ok(Request::Limits)),
    root("ReloadConfiguration", |_| Ok(Request::ReloadConfiguration)),
    root("Reexec", |_| Ok(Request::Reexec)),
    root("Shutdown", |fields| {
        let kind = fields.word("kind", str::parse::<Going>)?;
        let kind = kind.ok_or_else(|| Fault::parameter("kind", "is missing"))?;
        Ok(Request::Shutdown { kind, fast: fields.truth("fast")? })
    }),
    root("SwitchRoot", |fields| {
        Ok(Request::SwitchRoot { root: fields.needed_path("root")?, init: fields.path("init")? })
    }),
    anybody("Version", |_| Ok(Request::Version)),
    anybody("GetLogLevel", |_| Ok(Request::GetLogLevel)),
    root("SetLogLevel", |fields| {
        let level = fields.word("level", str::parse::<LogLevel>)?;
        level.map(Request::SetLogLevel).ok_or_else(|| Fault::parameter("level", "is missing"))
    }),
    anybody("GetMode", |_| Ok(Request::GetMode)),
    root("SetMode", |fields| fields.name("mode").map(Request::SetMode)),
    anybody("GetRunLevel", |_| Ok(Request::GetRunLevel)),
    anybody("Settled", |fields| Ok(Request::Settled { wait: fields.truth_or("wait", false)? })),
    root("SetEnv", |fields| {
        let (key, value) = (fields.key("key")?, fields.value("value")?);
        Ok(Request::SetEnv { key, value, retain: fields.truth("retain")? })
    }),
    root("UnsetEnv", |fields| fields.key("key").map(Request::UnsetEnv)),
    root("GetEnv", |fields| fields.key("key").map(Request::GetEnv)),
    root("ListEnv", |_| Ok(Request::ListEnv)),
    root("ResetEnv", |_| Ok(Request::ResetEnv)),
    Method { interface: SERVICE, ..anybody("GetInfo", |_| Ok(Request::GetInfo)) },
    Method {
        interface: SERVICE,
        ..anybody("GetInterfaceDescription", |fields| {
            fields.needed_text("interface").map(Request::GetInterfaceDescription)
        })
    },
];

const fn anybody(name: &'static str, read: fn(&mut Fields) -> Result<Request, Fault>) -> Method {
    Method { interface: INTERFACE, name, rights: Rights::Anybody, answers: Answers::Once, read }
}

const fn root(name: &'static str, read: fn(&mut Fields) -> Result<Request, Fault>) -> Method {
    Method { interface: INTERFACE, name, rights: Rights::Root, answers: Answers::Once, read }
}

fn target(fields: &mut Fields) -> Result<Target, Fault> {
    let target = Target {
        job: fields.word("job", Name::new)?,
        args: fields.args("args")?,
        instance: fields.instance("instance")?,
    };
    if target.instance.is_some() && !target.args.is_empty() {
        return Err(Fault::parameter("instance", "cannot stand beside `args`: they name the instance, too"));
    }
    Ok(target)
}

fn act(wish: Wish, fields: &mut Fields) -> Result<Request, Fault> {
    let (force, wait) = (fields.truth("force")?, fields.truth_or("wait", true)?);
    Ok(Request::Act { wish, target: target(fields)?, force, wait })
}

fn fact(fields: &mut Fields) -> Result<Fact, Fault> {
    let name = fields.name("name")?;
    if is_own_fact(&name) {
        return Err(Fault::parameter("name", own_fact(&name)));
    }
    let fact = Fact::named(name, fields.args("args")?);
    let object = vocabulary::fact(&fact.name).and_then(|word| fact.args.get(word.object?));
    let object = object.map(|object| Identity(object.as_str().into()));
    Ok(match (fields.instance("id")?, object) {
        (Some(id), _) => Fact { identity: Identity(id), ..fact },
        (None, Some(identity)) => Fact { identity, ..fact },
        (None, None) => fact,
    })
}

/// Why a fact is not anybody's to set.
fn own_fact(name: &str) -> String {
    let instead = match name {
        "mode" => "change it with SetMode (`onsetctl mode NAME`)",
        "running" | "provided" => "it follows from how jobs are",
        _ => "it follows from how the world is",
    };
    format!("`{name}` is a fact that only Onset tells of: {instead}")
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, string::ToString as _, vec::Vec};

    use super::{super::*, *};

    fn request(method: &str, parameters: &str) -> Result<Request, Fault> {
        let text = format!("{{\"method\":\"{method}\",\"parameters\":{parameters},\"more\":true}}");
        let call = Call::read(text.as_bytes())?;
        Method::find(&call.method)?.request(call)
    }

    #[track_caller]
    fn refused(method: &str, parameters: &str, message: &str) {
        let full = format!("org.onset.Manager.{method}");
        assert_eq!(request(&full, parameters).unwrap_err().to_string(), message);
    }

    #[test]
    fn every_part_of_a_request_is_right_by_type() {
        let wanted = Request::Act {
            wish: Wish::Start,
            target: Target {
                job: Some(Name::new("db").unwrap()),
                args: crate::Args::parse(["A=1"]).unwrap(),
                instance: None,
            },
            force: false,
            wait: true,
        };
        let got = request("org.onset.Manager.Start", r#"{"job":"db","args":["A=1"],"instance":null}"#);
        assert_eq!(got, Ok(wanted));
        refused(
            "Start",
            r#"{"job":"a b"}"#,
            "parameter `job`: has the character ' ', which is not allowed here",
        );
        refused("Start", r#"{"job":5}"#, "parameter `job`: is a number, and must be a text");
        refused("Start", r#"{"job":"a","arg":[]}"#, "parameter `arg`: is not known");
        refused(
            "Start",
            r#"{"job":"a","args":["A"]}"#,
            "parameter `args`: argument `A` is not of the form KEY=VALUE",
        );
        refused(
            "Start",
            r#"{"job":"a","args":[1]}"#,
            "parameter `args`: has something in it that is no text",
        );
        refused("Emit", "{}", "parameter `event`: is missing");
        refused(
            "Shutdown",
            r#"{"kind":"off"}"#,
            "parameter `kind`: `off` is none of poweroff, reboot, halt, kexec",
        );
        refused("SwitchRoot", r#"{"root":"/a/../b"}"#, "parameter `root`: has an empty part, `.` or `..`");
        for (name, why) in [
            ("running", "it follows from how jobs are"),
            ("device", "it follows from how the world is"),
            ("mode", "change it with SetMode (`onsetctl mode NAME`)"),
        ] {
            let parameters = format!(r#"{{"name":"{name}"}}"#);
            let message = format!("parameter `name`: `{name}` is a fact that only Onset tells of: {why}");
            refused("SetFact", &parameters, &message);
            refused("UnsetFact", &parameters, &message);
        }
        refused("Fly", "{}", "there is no method `org.onset.Manager.Fly`");
        for (devices, why) in [
            ("[[1]]", "has something in it that is no text"),
            ("[\"A=1\"]", "is a text, and must be a list of lists of texts"),
            ("[[\"A\"]]", "argument `A` is not of the form KEY=VALUE"),
        ] {
            let message = format!("parameter `devices`: {why}");
            refused("EnumerateDevices", &format!("{{\"devices\":{devices}}}"), &message);
        }
        assert_eq!(request("org.other.X", "{}"), Err(Fault::Interface("org.other".into())));
        assert_eq!(request("", "{}"), Err(Fault::Interface(String::new())));
    }

    #[test]
    fn what_is_known_to_be_one_object_is_one_whatever_else_is_known_of_it() {
        let id = |parameters: &str| {
            let request = request("org.onset.Manager.SetFact", parameters).unwrap();
            let Request::SetFact { fact, .. } = request else { panic!("{request:?}") };
            fact.identity.0
        };
        assert_eq!(id(r#"{"name":"carp","args":["VHID=1@eth0","ROLE=master"]}"#), "1@eth0");
        assert_eq!(id(r#"{"name":"carp","args":["VHID=1@eth0","ROLE=backup"],"id":"x"}"#), "x");
        assert_eq!(id(r#"{"name":"carp","args":["ROLE=backup"]}"#), "ROLE=backup");
        assert_eq!(id(r#"{"name":"tape","args":["DRIVE=st0","N=1"]}"#), "DRIVE=st0 N=1");
    }

    #[test]
    fn a_stream_wants_a_caller_who_expects_it() {
        let call = Call::read(br#"{"method":"org.onset.Manager.Events"}"#).unwrap();
        assert_eq!(Method::find(&call.method).unwrap().request(call), Err(Fault::ExpectedMore));
    }

    /// The methods of a description, each with the names of its parameters.
    fn described(text: &str) -> Vec<(String, BTreeSet<String>)> {
        let lines = text.split("\nmethod ").skip(1);
        lines
            .map(|method| {
                let (name, rest) = method.split_once('(').unwrap();
                let parameters = rest.split_once(") ->").unwrap().0;
                let names = parameters.split(',').filter_map(|field| Some(field.split_once(':')?.0.trim()));
                (name.to_string(), names.map(String::from).collect())
            })
            .collect()
    }

    #[test]
    fn the_description_has_every_method_and_no_other() {
        for (interface, text) in [(INTERFACE, DESCRIPTION), (SERVICE, SERVICE_DESCRIPTION)] {
            assert!(text.contains(&format!("\ninterface {interface}\n")));
            let described: BTreeSet<String> = described(text).into_iter().map(|(name, _)| name).collect();
            let known = METHODS.iter().filter(|method| method.interface == interface);
            let known: BTreeSet<String> = known.map(|method| method.name.to_string()).collect();
            assert_eq!(described, known);
        }
    }

    #[test]
    fn every_member_of_the_description_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for kind in ["type", "method", "error"] {
            for member in DESCRIPTION.split(&format!("\n{kind} ")).skip(1) {
                let name = member.split([' ', '(']).next().unwrap();
                assert!(names.insert(name), "{name} twice");
            }
        }
    }

    #[test]
    fn the_description_has_the_parameters_that_are_read() {
        for (name, parameters) in described(DESCRIPTION) {
            let method = METHODS.iter().find(|method| method.name == name).unwrap();
            for parameter in parameters {
                // A parameter that is known is read, and a list is no value that any of them accepts but `args`.
                let wrong = Json::List([Json::Null].into());
                let mut others = Vec::new();
                for known in ["job", "event", "name", "kind", "root", "level", "mode", "key", "value"] {
                    let text = match known {
                        "kind" => "halt",
                        "root" => "/new",
                        "level" => "info",
                        "key" => "K",
                        _ => "x",
                    };
                    others.push((String::from(known), Json::Text(text.into())));
                }
                others.retain(|(known, _)| *known != parameter);
                others.push((parameter.clone(), wrong));
                let mut fields = Fields::new(others);
                let fault = (method.read)(&mut fields).unwrap_err();
                assert_eq!(fault.about(), Some(("parameter", parameter.as_str())), "{name}: {fault}");
            }
        }
    }
}
