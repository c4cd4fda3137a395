//! Scripts of FreeBSD's and NetBSD's rc.d.
//!
//! The header gives the order, `rcvar` and rc.conf say whether the script is wanted, KEYWORDs whether this
//! machine is one for it. The script itself is never run to find these out. Its verbs are its processes:
//! `start` is main, and what it leaves behind is the daemon.

pub mod at_shutdown;
mod header;
mod lint;
pub mod old;
mod rcvar;

use alloc::{format, vec::Vec};
use core::time::Duration;

use events::{Name, Text};

use self::{
    header::Verb,
    rcvar::{Facts, Gate},
};
pub use self::{
    header::{Header, Word, header},
    lint::lint,
    rcvar::yes_or_no,
};
use super::{
    Reading, Role, Source,
    lsb::ALL,
    rc_conf::{RcConf, Setting, variable_of},
    script::{Script, on_event},
};
use crate::{Console, Format, Job, ProcessKind, Provide, Ready, Require, STOP_VERB_LIMIT};

/// Which scripts run, by their KEYWORDs: rcorder's `-k` and `-s`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeywordFilter {
    /// Words of which a script must have one; none means that all are kept.
    pub keep: Vec<Name>,
    /// Words of which a script may have none.
    pub skip: Vec<Name>,
}

impl KeywordFilter {
    /// Whether a script with these KEYWORDs runs. A word to skip is stronger than one to keep.
    #[must_use]
    pub fn admits(&self, keywords: &[Name]) -> bool {
        self.refusal(keywords).is_none()
    }

    /// Why a script with these KEYWORDs does not run.
    #[must_use]
    pub fn refusal(&self, keywords: &[Name]) -> Option<Text> {
        if let Some(word) = keywords.iter().find(|word| self.skip.contains(word)) {
            return Some(format!("keyword {word}").into());
        }
        let kept = self.keep.is_empty() || keywords.iter().any(|word| self.keep.contains(word));
        (!kept).then(|| "no keyword that is asked for".into())
    }
}

/// The names that a script goes by; they often differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptNames {
    /// Its file's, by which service(8) knows it.
    pub file: Name,
    /// Its `$name`, by which rc.conf knows it, if that is plain text.
    pub name: Option<Name>,
    /// Its PROVIDE words, by which other scripts know it.
    pub provides: Vec<Name>,
}

/// The names that the script in `file` goes by.
#[must_use]
pub fn names(file: &Name, source: &Source) -> ScriptNames {
    let provides = header(&source.text).provides.iter().filter_map(name_of).collect();
    let name = Facts::of(&source.text).name().and_then(|name| Name::new(name).ok());
    ScriptNames { file: file.clone(), name, provides }
}

/// Whether a file of this name is a script: rc(8) passes over what editors and package tools leave behind.
#[must_use]
pub fn is_script_name(name: &str) -> bool {
    const LEFT_BEHIND: [&str; 8] = ["~", "#", ".OLD", ".bak", ".orig", ",v", ".pkgsave", ".sample"];
    // A shell's `*` does not match a dot at the start.
    !name.is_empty() && !name.starts_with('.') && !LEFT_BEHIND.iter().any(|end| name.ends_with(end))
}

/// The job that the script in `source` describes: `name` is its file's.
///
/// A script without header is a job as well, which nothing waits for. One whose rcvar is off, that has a
/// KEYWORD which `filter` refuses, or that is not executable is a disabled job: its place in the order stays.
#[must_use]
pub fn read(name: &Name, source: &Source, conf: &RcConf, filter: &KeywordFilter) -> Reading {
    let mut reading = read_job(name, source, conf, filter);
    reading.reports.splice(..0, lint(&source.path, &source.text, &header(&source.text)));
    reading
}

/// The same, without a look at what may be doubted in the header.
#[must_use]
pub fn read_job(name: &Name, source: &Source, conf: &RcConf, filter: &KeywordFilter) -> Reading {
    let mut script = Script::new(Job::new(name.clone(), Format::Rcd), source);
    let header = header(&source.text);
    script.take_header(&header);
    script.require_executable();
    if let Some(why) = filter.refusal(&script.job.keywords) {
        script.disable(&why);
    }
    script.take_verbs(conf);
    script.job.start_on = Name::new("startup").ok().map(on_event);
    script.job.kill.timeout = STOP_VERB_LIMIT;
    script.job.kill.together = shutdown_limit(conf);
    if script.job.keywords.iter().any(|word| word == "interactive") {
        script.work.console = Console::Owner;
    }
    script.finish()
}

/// A word as a name: without the carriage return of a DOS line end, which `lint` has reported.
fn name_of(word: &Word<'_>) -> Option<Name> {
    Name::new(word.text.trim_end_matches('\r')).ok()
}

impl Script<'_> {
    fn take_header(&mut self, header: &Header<'_>) {
        let (mut provides, mut requires) = (Vec::new(), Vec::new());
        let (mut before, mut keywords) = (Vec::new(), Vec::new());
        for (verb, word) in header.words() {
            let Some(name) = name_of(word) else { continue };
            let role = match verb {
                Verb::Provide => Role::Provides,
                Verb::Require => Role::Requires,
                Verb::Before => Role::Before,
                Verb::Keyword => Role::Keyword,
            };
            self.mention(role, &name, None, word.span.clone());
            match verb {
                Verb::Provide => provides.push(Provide { name, expected: None }),
                Verb::Require => requires.push(Require { name, expected: None, optional: false }),
                Verb::Before => before.push(name),
                Verb::Keyword => keywords.push(name),
            }
        }
        self.job.provides = provides.into();
        self.job.requires = requires.into();
        self.job.before = before.into();
        self.job.keywords = keywords.into();
    }

    /// OPNsense's `NAME_skip` and `NAME_defer`: not at all, and after everything else. `NAME_setup` is rc.subr's.
    fn take_wishes(&mut self, name: &str, conf: &RcConf) {
        if says_yes(conf, name, "skip") {
            self.disable(&format!("{name}_skip is YES"));
        }
        if says_yes(conf, name, "defer") {
            let mut requires = core::mem::take(&mut self.job.requires).into_vec();
            let all = Name::new(ALL).ok().map(|name| Require { name, expected: None, optional: true });
            requires.extend(all);
            self.job.requires = requires.into();
        }
    }

    /// Its processes, and whether rc.conf wants it.
    fn take_verbs(&mut self, conf: &RcConf) {
        let source = self.source;
        let facts = Facts::of(&source.text);
        if !facts.has_code {
            // DAEMON, LOGIN, NETWORKING: nothing to run, and so up at once and free of cost.
            return;
        }
        self.runs(ProcessKind::Main, Some("start"));
        self.job.ready = Ready::Forked;
        if facts.runs_rc_command || takes_verbs(&source.text) {
            self.runs(ProcessKind::Stop, Some("stop"));
            self.runs(ProcessKind::Reload, Some("reload"));
            self.runs(ProcessKind::Status, Some("status"));
        }
        if let Some(name) = facts.name() {
            self.take_wishes(name, conf);
        }
        match facts.gate(source, conf, &mut self.reports) {
            Gate::Open => {}
            Gate::Closed(why) => self.disable(&why),
            Gate::Ask => self.runs(ProcessKind::Check, Some("enabled")),
        }
    }
}

/// How long all scripts may take together when the machine goes down: `rcshutdown_timeout` of rc.conf, in seconds. An
/// empty one sets no limit.
fn shutdown_limit(conf: &RcConf) -> Option<Duration> {
    match conf.get("rcshutdown_timeout") {
        Setting::Plain("") => None,
        Setting::Plain(seconds) => Some(
            seconds
                .trim()
                .parse()
                .map_or(STOP_VERB_LIMIT, |seconds: u32| Duration::from_secs(seconds.into())),
        ),
        Setting::Unknown | Setting::Unset => Some(STOP_VERB_LIMIT),
    }
}

/// Whether rc.conf says YES to a variable of the script with this `$name`, as a plain text.
fn says_yes(conf: &RcConf, name: &str, variable: &str) -> bool {
    match conf.get_for(name, &variable_of(&[name, "_", variable].concat())) {
        Setting::Plain(value) => yes_or_no(value) == Some(true),
        Setting::Unknown | Setting::Unset => false,
    }
}

/// Whether the script looks at its argument. One that does not (`var`, `tmp`) does its work whatever it is
/// told, so it must not be told to stop.
fn takes_verbs(text: &str) -> bool {
    ["run_rc_command", "$1", "${1", "$@", "$*"].iter().any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests;
