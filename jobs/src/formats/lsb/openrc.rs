//! Scripts of OpenRC's in init.d: `#!/sbin/openrc-run`, and a function `depend` in the place of a header.
//!
//! Their order is read from that function, as far as it is a list of words; OpenRC's own program runs them, if it is
//! installed, and does not look at what they depend on.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::ops::Range;

use events::Name;

use super::{Links, Names, Reader, Role, VERBS, first_line, lint_text};
use crate::{Command, Provide, Ready, STOP_VERB_LIMIT};

/// Names that OpenRC has for what LSB has a facility for.
const FACILITIES: [(&str, &str); 6] = [
    ("clock", "$time"),
    ("dns", "$named"),
    ("localmount", "$local_fs"),
    ("logger", "$syslog"),
    ("net", "$network"),
    ("netmount", "$remote_fs"),
];

/// Has OpenRC's program run the script `$0` with the verb `$1`. It refuses on a machine that OpenRC has not booted, unless
/// it finds a file.
pub(super) const RUN: &str = r#"
[ -x /sbin/openrc-run ] || {
    echo "$0: OpenRC is not installed: there is no /sbin/openrc-run" >&2
    exit 5
}
[ -e /run/openrc/softlevel ] || { mkdir -p /run/openrc && echo default >/run/openrc/softlevel; }
exec /sbin/openrc-run --nodeps "$0" "$1"
"#;

/// What one line of `depend` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    /// These must come first.
    Need,
    /// These come first, if they are there.
    After,
    /// These come later.
    Before,
    /// Other names for this one.
    Provide,
}

/// A word of `depend`, without what marks it as taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word<'t> {
    verb: Verb,
    text: &'t str,
    /// Where it stands.
    span: Range<usize>,
}

impl Reader<'_> {
    /// Takes what `depend` says in the place of a header, and has OpenRC run the script.
    pub(super) fn take_openrc(&mut self, links: &Links) {
        let source = self.script.source;
        lint_text(&source.path, first_line(&source.text), &mut self.script.reports);
        let words = depend(&source.text);
        let of = |wanted: Verb| words.iter().filter(move |word| word.verb == wanted);
        let own = self.script.job.name.clone();
        let also = of(Verb::Provide).filter_map(|word| Name::new(word.text).ok()).filter(|name| *name != own);
        let provide = |name| Provide { name, expected: None };
        self.script.job.provides = core::iter::once(own.clone()).chain(also).map(provide).collect();
        let mut requires = Names::default();
        of(Verb::Need).for_each(|word| self.add_openrc(word, Role::Requires, &mut requires));
        of(Verb::After).for_each(|word| self.add_openrc(word, Role::Requires, &mut requires));
        self.script.job.requires = requires.requires();
        let mut before = Names::default();
        of(Verb::Before).for_each(|word| self.add_openrc(word, Role::Before, &mut before));
        self.script.job.before = Box::from(before.order);
        self.take_levels(links);
        for (kind, verb) in VERBS {
            let argv = ["/bin/sh", "-c", RUN, &source.path, verb].map(String::from);
            self.script.job.processes = self.script.job.processes.with(kind);
            self.script.work.processes.push((kind, Command::Argv(argv.into())));
        }
        self.script.job.ready = Ready::Forked;
        self.script.job.kill.timeout = STOP_VERB_LIMIT;
        self.script.work.description = description(&source.text).map(Into::into);
        self.script.require_executable();
    }

    fn add_openrc(&mut self, word: &Word<'_>, role: Role, names: &mut Names) {
        let Ok(name) = Name::new(word.text) else { return };
        self.script.mention(role, &name, None, word.span.clone());
        if let Some((_, facility)) = FACILITIES.iter().find(|(own, _)| *own == word.text) {
            self.add_facility(Name::constant(facility), names);
            return names.add(&name, true);
        }
        names.add(&name, word.verb != Verb::Need);
    }
}

/// Whether the first line says that OpenRC runs the script.
#[must_use]
pub(super) fn is_openrc(text: &str) -> bool {
    let first = text.lines().next().and_then(|line| line.strip_prefix("#!")).unwrap_or_default();
    first.split([' ', '\t', '/']).any(|part| matches!(part, "openrc-run" | "runscript"))
}

/// The words of the function `depend`, in order. What a shell would have to work out is left out, and so is what `!` takes
/// back.
fn depend(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut is_inside = false;
    let mut at = 0_usize;
    for line in text.split_inclusive('\n') {
        let line_at = at;
        at = at.saturating_add(line.len());
        let code = line.split('#').next().unwrap_or_default();
        let plain = code.trim();
        if !is_inside {
            let rest =
                plain.strip_prefix("depend").map(str::trim_start).and_then(|rest| rest.strip_prefix("()"));
            is_inside = rest.is_some();
        } else if plain.starts_with('}') {
            break;
        } else if let Some(verb) = plain.split([' ', '\t']).next().and_then(verb) {
            words.extend(rest_of(code, line_at).map(|(text, span)| Word { verb, text, span }));
        }
    }
    let taken_back: Vec<&str> = words.iter().filter_map(|word| word.text.strip_prefix('!')).collect();
    let counts = |word: &Word<'_>| !word.text.starts_with('!') && !taken_back.contains(&word.text);
    words.iter().filter(|word| counts(word)).cloned().collect()
}

/// The value of `description="..."`.
fn description(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("description="))?;
    let value = line.trim().trim_matches(['"', '\'']);
    (!value.is_empty() && !value.contains(['$', '`'])).then(|| value.into())
}

fn verb(word: &str) -> Option<Verb> {
    Some(match word {
        "need" => Verb::Need,
        "use" | "want" | "after" => Verb::After,
        "before" => Verb::Before,
        "provide" => Verb::Provide,
        _ => return None,
    })
}

/// The words behind the first of a line, and where they stand.
fn rest_of(code: &str, line_at: usize) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut at = line_at;
    let words = code.split([' ', '\t', '\n', '\r']).filter_map(move |word| {
        let start = at;
        at = at.saturating_add(word.len()).saturating_add(1);
        (!word.is_empty()).then(|| (word, start..start.saturating_add(word.len())))
    });
    words.skip(1).filter(|(word, _)| !word.contains(['$', '`', '(', ')', '"', '\'', ';', '\\', '*']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let words = depend(text);
        let said: Vec<String> =
            words.iter().map(|word| alloc::format!("{:?} {}", word.verb, word.text)).collect();
        assert_eq!(said.join(", "), expected, "{text}");
        assert!(words.iter().all(|word| text.get(word.span.clone()) == Some(word.text)));
    }

    #[test]
    fn the_words_of_depend_are_read() {
        check(
            "depend() {\n\tneed net localmount\n\tuse dns logger # and\n}\n",
            "Need net, Need localmount, After dns, After logger",
        );
        check(
            "depend ()\n{\n  before a\n  after b\n  provide c\n  keyword -jail\n}\nneed x\n",
            "Before a, After b, Provide c",
        );
        check("need x\ndepend() {\n}\n", "");
        check("depend() {\n need a $(x) \"b\" ${c}\n after *\n config /etc/x\n}\n", "Need a");
        check("depend() {\n need a b\n need !a\n}\n", "Need b");
    }

    #[test]
    fn who_runs_a_script_stands_in_its_first_line() {
        for (text, is) in [
            ("#!/sbin/openrc-run\n", true),
            ("#!/usr/sbin/openrc-run -D\n", true),
            ("#! /sbin/runscript\n", true),
            ("#!/bin/sh\n# openrc-run\n", false),
            ("", false),
        ] {
            assert_eq!(is_openrc(text), is, "{text}");
        }
    }

    #[test]
    fn a_description_is_taken_as_it_stands() {
        assert_eq!(description("name=x\ndescription=\"a toy\"\n").as_deref(), Some("a toy"));
        assert_eq!(description("description=\"a ${x}\"\n"), None);
    }
}
