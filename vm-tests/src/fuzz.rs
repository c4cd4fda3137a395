//! What is done with hostile input, and what must hold whatever it is.
//!
//! Each target takes any bytes. It must come back soon, must not panic, and must find its assertions true.
//! `make fuzz` plays all of them under libFuzzer; `tests/hostile_input.rs` plays the seeds, and what is one
//! small change away from them, with every `make test`.

mod devices;
mod formats;
mod times;

use events::control::{Call, Fault, Json, MAX_MESSAGE, Method};
use events::rtnetlink::{Family, Message, News, messages};
use events::{
    Condition, Dialect, Event, PathPattern, Template, Value, format_delay, glob_matches, parse_delay,
    tokenize,
};

/// Something that any bytes are given to.
#[derive(Debug)]
pub struct Target {
    /// Its name, which is also that of its folder of seeds.
    pub name: &'static str,
    /// What is done with the bytes.
    pub run: fn(&[u8]),
}

/// All targets, by name. A new one also needs seeds in `fuzz/seeds/NAME`.
pub const TARGETS: &[Target] = &[
    Target { name: "calendar", run: times::calendar },
    Target { name: "condition-edges", run: |input| condition(input, Dialect::Edges) },
    Target { name: "condition-levels", run: |input| condition(input, Dialect::Levels) },
    Target { name: "control", run: control },
    Target { name: "delay", run: delay },
    Target { name: "event", run: event },
    Target { name: "glob", run: glob },
    Target { name: "hook", run: formats::hook },
    Target { name: "inetd", run: formats::inetd },
    Target { name: "lsb", run: formats::lsb },
    Target { name: "mountinfo", run: mountinfo },
    Target { name: "native", run: formats::native },
    Target { name: "path", run: path },
    Target { name: "rcd", run: formats::rcd },
    Target { name: "rtnetlink", run: rtnetlink },
    Target { name: "socket", run: formats::socket },
    Target { name: "template", run: template },
    Target { name: "udev-record", run: devices::record },
    Target { name: "uevent", run: devices::uevent },
    Target { name: "upstart", run: formats::upstart },
    Target { name: "value", run: value },
    Target { name: "zone", run: times::zone },
];

/// A message is a request whose every part is right, or refused with a fault that has a name; and what is JSON to
/// us is JSON to everybody, and the same.
fn control(input: &[u8]) {
    let ours = Json::read(input);
    let theirs: Result<serde_json::Value, _> = serde_json::from_slice(input);
    if let Ok(ours) = &ours {
        assert!(input.len() <= MAX_MESSAGE);
        assert_eq!(theirs.ok().as_ref().map(kind), Some(ours.kind()), "{ours:?}");
    }
    let request = Call::read(input).and_then(|call| Method::find(&call.method)?.request(call));
    match request {
        Ok(request) => assert!(ours.is_ok(), "{request:?}"),
        Err(fault) => {
            assert!(fault.name().starts_with("org.varlink.service."));
            assert_eq!(matches!(fault, Fault::NoJson(_)), ours.is_err());
        }
    }
}

/// What a value is, in our words.
const fn kind(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "a truth value",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a text",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
    }
}

/// A condition is refused with a place that can be cited, or evaluates the same by bits and by parts.
fn condition(input: &[u8], dialect: Dialect) {
    let text = String::from_utf8_lossy(input);
    let parsed = match Condition::parse_located(&text, dialect) {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{:?} can be cited", error.span);
            return;
        }
    };
    assert!(tokenize(&text).is_ok_and(|tokens| !tokens.is_empty()), "what has a meaning has words");
    let condition = parsed.condition;
    assert_eq!(condition.leaves().count(), parsed.names.len(), "each leaf has its place");
    for span in parsed.names {
        assert!(text.get(span.clone()).is_some(), "{span:?} can be cited");
    }
    let leaves = u32::try_from(condition.leaves().count()).unwrap_or(u32::MAX);
    let all = u64::MAX.checked_shr(64_u32.saturating_sub(leaves)).unwrap_or(0);
    for seen in [0, all, 1, all & 0x5555_5555_5555_5555, all & 0x9249_2492_4924_9249] {
        assert_eq!(Some(&condition.holds(seen)), condition.truths(seen).last(), "by bits as by parts");
        assert_eq!(condition.contributing(seen) & !seen, 0, "only what was seen contributes");
    }
    let event = Event::from_words(["a", "K=v"]);
    for leaf in condition.leaves() {
        if let Ok(event) = &event {
            let expanded = leaf.pattern.expanded(&value_of);
            let matched = leaf.pattern.matches(event, &value_of);
            assert_eq!(matched, expanded.is_some_and(|pattern| pattern.matches(event, &|_| None)));
        }
    }
}

/// A variable or two that targets know, one of them empty.
fn value_of(name: &str) -> Option<&'static str> {
    match name {
        "A" => Some("v"),
        "B" => Some("*"),
        "E" => Some(""),
        _ => None,
    }
}

/// A length of time, once read, is written so that it is read again as the same.
fn delay(input: &[u8]) {
    if let Ok(delay) = parse_delay(&String::from_utf8_lossy(input)) {
        assert_eq!(parse_delay(&format_delay(delay)), Ok(delay));
    }
}

/// An event is written so that it is read again as the same, but for quotes, which are for people to see.
fn event(input: &[u8]) {
    if let Ok(event) = String::from_utf8_lossy(input).parse::<Event>() {
        let shown = event.to_string();
        assert!(shown.contains('"') || shown.parse().as_ref() == Ok(&event), "{shown} is {event:?}");
    }
}

/// Up to the first newline the pattern, behind it the text.
fn glob(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let (pattern, text) = input.split_once('\n').unwrap_or((&input, ""));
    let quoted: String = text.chars().flat_map(|c| ['\\', c]).collect();
    assert!(glob_matches(&quoted, text), "a text matches itself when every character is quoted");
    assert!(glob_matches("*", text));
    if glob_matches(pattern, text) {
        assert!(glob_matches(&format!("*{pattern}"), text), "a star may stand for nothing");
        assert!(glob_matches(&format!("?{pattern}"), &format!("x{text}")), "and `?` for one character");
    }
}

/// What is read as messages is no more than there are bytes, and whatever stands behind a message does not change it.
fn rtnetlink(input: &[u8]) {
    let read: Vec<Message> = messages(input).collect();
    assert!(read.len() <= input.len() / 16, "a message has a head");
    for message in &read {
        match &message.news {
            News::Link(link) => assert!(!link.name.is_empty() && (!link.is_up() || link.is_on())),
            News::Address(address) | News::AddressGone(address) => {
                assert_eq!(address.local.is_ipv4(), address.family == Family::Inet);
            }
            News::Route(route) | News::RouteGone(route) => assert!(!route.hops.is_empty()),
            News::LinkGone(_) | News::Done | News::Refused(_) | News::Other => {}
        }
    }
    let longer = [input, &[0; 15]].concat();
    assert!(messages(&longer).zip(&read).all(|(one, other)| one == *other));
}

/// A line of the table of mounts is one mount with a place, or none; what it says can be told.
fn mountinfo(input: &[u8]) {
    for line in input.split(|byte| *byte == b'\n') {
        if let Some(mount) = events::mountinfo(line) {
            assert!(!mount.point.is_empty());
            let length = [&mount.point, &mount.kind, &mount.source, &mount.root, &mount.options];
            let length = length.iter().map(|field| field.len()).max().unwrap_or(0);
            assert!(length <= line.len(), "nothing grows by being read");
        }
    }
}

/// Up to the first newline the pattern, behind it a path. What is meant is reached step by step, and never from where
/// nothing goes on.
fn path(input: &[u8]) {
    let (pattern, path) = match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => input.split_at(at),
        None => (input, &b""[..]),
    };
    let Ok(pattern) = PathPattern::parse(&String::from_utf8_lossy(pattern)) else { return };
    let mut reached = pattern.begin();
    assert!(pattern.goes_on(reached) && !pattern.fits(reached), "`/` is never meant, and always on the way");
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        let next = pattern.follow(reached, name);
        let (goes_on, ends) = (pattern.goes_on(reached), pattern.ends_in(reached));
        assert!(next.is_nothing() || goes_on);
        assert!(!pattern.fits(next) || ends);
        if let Some(names) = pattern.names(reached).filter(|_| !next.is_nothing()) {
            assert!(names.iter().any(|known| known.as_bytes() == name));
        }
        reached = next;
    }
}

/// A template without variables is its own text, and only a variable without a value leaves it without one.
fn template(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(template) = Template::parse(&text) else { return };
    assert_eq!(template.as_str(), text);
    let variables = template.variables();
    if let Some(literal) = template.literal() {
        assert!(variables.is_empty());
        assert_eq!(template.expand(&value_of).as_deref(), Some(literal));
    }
    assert!(template.expand(&|_| Some("")).is_some(), "with a value for everything there is a text");
    if variables.iter().all(|(name, _)| value_of(name).is_some()) {
        assert!(template.expand(&value_of).is_some());
    }
}

/// Bytes nobody has looked at become a value, and are marked if they were none.
fn value(input: &[u8]) {
    let (value, changed) = Value::escaped(input);
    assert_eq!(Value::new(&value).as_ref(), Ok(&value));
    assert_eq!(changed, value.as_bytes() != input);
}
