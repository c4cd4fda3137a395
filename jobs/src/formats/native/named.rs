//! Fields of a name with arguments behind it: what a job needs, and what it announces.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use events::{Key, Name, Template, tokenize};

use super::{
    draft::Draft,
    fields::{named, not_a_file, not_itself},
    raw::Node,
};
use crate::{Announcement, Need, formats::Role};

/// `"EVENT K=V"`, with variables of the job in it.
pub(super) fn announces(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.job.announces = None;
    if node.is_nothing() {
        return;
    }
    let Some((name, args)) = name_and_args(draft, node, &EVENT) else { return };
    draft.job.announces = Some(Box::new(Announcement { name, args }));
}

/// `"X"`, `"X K=V"` or `(name: "X K=V", bounce: true)`.
pub(super) fn needs(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.forget(Role::Needs);
    let mut found = Vec::new();
    for item in node.items() {
        let Some((node, record)) = named(draft, item, &["name", "bounce"]) else { continue };
        let bounce = record.and_then(|record| record.get("bounce"));
        let bounce = bounce.is_some_and(|bounce| draft.truth(bounce));
        if let Some((name, args)) = need(draft, node) {
            found.push(Need { name, args, bounce });
        }
    }
    draft.job.needs = found.into();
}

/// Which instance of a job is meant.
type Args = Box<[(Key, Template)]>;

/// How a name with arguments is spoken of.
struct Spoken {
    code: &'static str,
    empty: &'static str,
    help: &'static str,
}

const NEED: Spoken = Spoken {
    code: "bad-need",
    empty: "the name of what is needed is empty",
    help: "write the job, then which instance: `\"dhcp IFACE=eth0\"`",
};
const EVENT: Spoken = Spoken {
    code: "bad-announcement",
    empty: "the name of the event is empty",
    help: "write the event, then its arguments: `\"newwanip IFACE=$IFACE\"`",
};

/// A job and which of its instances.
fn need(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<(Name, Args)> {
    let (name, args) = name_and_args(draft, node, &NEED)?;
    not_itself_but_another(draft, &name, args.len(), node);
    not_a_file(draft, &name, node);
    draft.mention(Role::Needs, &name, node.within(&(0..name.len())));
    Some((name, args))
}

/// A name, and `KEY=TEMPLATE` behind it.
fn name_and_args(draft: &mut Draft<'_>, node: &Node<'_>, spoken: &Spoken) -> Option<(Name, Args)> {
    let text = draft.text(node)?;
    let refuse = |draft: &mut Draft<'_>, message: String, part| {
        let report = draft.error(spoken.code, message, node.within(part));
        draft.push(report.help(spoken.help));
    };
    let words = match tokenize(text) {
        Ok(words) => words,
        Err(fault) => {
            refuse(draft, format!("{fault}"), &fault.span);
            return None;
        }
    };
    let mut words = words.iter();
    let Some(first) = words.next() else {
        refuse(draft, spoken.empty.into(), &(0..text.len()));
        return None;
    };
    let name = match Name::new(&first.text) {
        Ok(name) => name,
        Err(fault) => {
            refuse(draft, format!("the name `{}`: {fault}", first.text), &first.span);
            return None;
        }
    };
    let mut args = Vec::new();
    for word in words {
        match key_and_template(&word.text) {
            Ok(arg) => args.push(arg),
            Err(message) => refuse(draft, message, &word.span),
        }
    }
    Some((name, args.into()))
}

/// An instance may need another instance of its own job, but no job needs itself as it is.
fn not_itself_but_another(draft: &mut Draft<'_>, name: &Name, args: usize, node: &Node<'_>) {
    if args == 0 {
        not_itself(draft, name, node);
    }
}

fn key_and_template(word: &str) -> Result<(Key, Template), String> {
    let (key, value) =
        word.split_once('=').ok_or_else(|| format!("`{word}` is not of the form KEY=VALUE"))?;
    if key.ends_with('!') {
        return Err(format!("`{word}` says which instance it is not, and one must be named"));
    }
    let key = Key::new(key).map_err(|fault| format!("the variable name `{key}`: {fault}"))?;
    let value = Template::parse(value).map_err(|fault| format!("{fault}"))?;
    Ok((key, value))
}
