//! Whether rc.conf lets a script start, told without a shell where that can be done with certainty.
//!
//! Nearly every script says `name=sshd` and `rcvar=sshd_enable` (or `${name}_enable`, or NetBSD's `$name`) at
//! the start of a line, and gives its variable a default by `: ${sshd_enable:="NO"}`. Where that is all there
//! is, rc.conf decides here and no process is needed. Whatever else a script does about it makes the answer
//! [`Gate::Ask`]: never a guess.

use alloc::{
    borrow::Cow,
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::ops::Range;

use events::Text;
use memchr::{memchr2_iter, memmem};

use crate::{
    Report,
    formats::{
        Source,
        rc_conf::{RcConf, Setting, variable_of},
        shell::{Fallback, Piece, assigned_name, word},
    },
};

/// Whether a script may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gate {
    /// Its rcvar is on, or it has none.
    Open,
    /// Its rcvar is off; why.
    Closed(Text),
    /// Only the script itself can tell.
    Ask,
}

/// What a script assigns to a variable at the start of its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Assigned {
    /// Nothing.
    #[default]
    Never,
    /// This text.
    To(String, Range<usize>),
    /// Something that depends on what is run.
    Unclear,
}

/// What a script says of itself outside of its header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    name: Assigned,
    rcvar: Assigned,
    /// Where rc.conf is read.
    loads_at: Option<usize>,
    /// Whether anything but comments stands in it.
    pub(super) has_code: bool,
    /// Whether a line of it begins with `run_rc_command`.
    pub(super) runs_rc_command: bool,
}

/// What the value of an rcvar says, as rc.subr's `checkyesno`: yes, true, on, 1, or no, false, off, 0, in
/// capitals or not; `None` for anything else.
#[must_use]
pub fn yes_or_no(value: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| word.eq_ignore_ascii_case(value));
    match (is(["yes", "true", "on", "1"]), is(["no", "false", "off", "0"])) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        (false, false) => None,
    }
}

impl Facts {
    /// One pass over the lines of `text`.
    pub(super) fn of(text: &str) -> Self {
        let mut facts = Self::default();
        let mut sets_something = false;
        let mut at = 0_usize;
        // Hundreds of scripts are read at boot: each byte is looked at once, and most lines by their first one.
        for sign in memchr2_iter(b'\n', b'=', text.as_bytes()).chain([text.len()]) {
            if text.as_bytes().get(sign) == Some(&b'=') {
                sets_something = true;
                continue;
            }
            let end = sign.saturating_add(1).min(text.len());
            let line = text.get(at..end).unwrap_or_default();
            facts.take(text, at, line, core::mem::take(&mut sets_something));
            at = end;
        }
        facts
    }

    fn take(&mut self, text: &str, at: usize, line: &str, sets_something: bool) {
        let bare = without_indent(line);
        let first = bare.as_bytes().first();
        if matches!(first, None | Some(b'#' | b'\n' | b'\r')) {
            return;
        }
        self.has_code = true;
        if matches!(first, Some(b'n' | b'r' | b'l')) {
            self.line(text, at, line, bare);
        }
        if sets_something {
            self.hidden(bare);
        }
    }

    fn line(&mut self, text: &str, at: usize, line: &str, bare: &str) {
        let indented = bare.len() != line.len();
        if bare.starts_with("load_rc_config ") {
            self.loads_at = self.loads_at.or(Some(at));
            return;
        }
        self.runs_rc_command |= bare.starts_with("run_rc_command");
        let place = match assigned_name(bare, 0) {
            Some(("name", _)) => &self.name,
            Some(("rcvar", _)) => &self.rcvar,
            Some(_) | None => return,
        };
        // What is unclear stays so, and reading on for each further line would not be one pass any more.
        if *place == Assigned::Unclear {
            return;
        }
        let name = match &self.name {
            Assigned::To(name, _) => Some(name.as_str()),
            Assigned::Never | Assigned::Unclear => None,
        };
        let found = if indented { Assigned::Unclear } else { assigned(text, at, name) };
        if bare.starts_with("name") { &mut self.name } else { &mut self.rcvar }.add(found);
    }

    /// Notes that a line sets `name` or `rcvar` behind something else, so that it may or may not.
    fn hidden(&mut self, bare: &str) {
        for (at, _) in bare.bytes().enumerate().filter(|(_, byte)| *byte == b'=') {
            let before = bare.get(..at).unwrap_or_default();
            let before = before.strip_suffix(':').unwrap_or(before);
            if let Some(before) = before.strip_suffix("rcvar") {
                if before.ends_with([' ', '\t', ';', '"', '\'', '{', '(']) {
                    self.rcvar = Assigned::Unclear;
                }
            } else if let Some(before) = before.strip_suffix("name")
                && before.ends_with([' ', '\t', ';'])
                // A variable of a function is another one.
                && !bare.starts_with("local ")
            {
                self.name = Assigned::Unclear;
            }
        }
    }

    /// The script's `$name`.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.name {
            Assigned::To(name, _) if !name.is_empty() => Some(name),
            Assigned::To(..) | Assigned::Never | Assigned::Unclear => None,
        }
    }

    /// Whether rc.conf lets the script start.
    pub(super) fn gate(&self, source: &Source, conf: &RcConf, reports: &mut Vec<Report>) -> Gate {
        let (rcvar, span) = match &self.rcvar {
            Assigned::Never => return Gate::Open,
            Assigned::Unclear => return Gate::Ask,
            Assigned::To(rcvar, _) if rcvar.is_empty() => return Gate::Open,
            Assigned::To(rcvar, span) => (rcvar.as_str(), span.clone()),
        };
        let Some(rcvar) = plain(rcvar, &source.text) else { return Gate::Ask };
        let rcvar = &*rcvar;
        // The file in rc.conf.d goes by `$name`: without it, one that says nothing cannot be told from none.
        let Some(name) = self.name() else { return Gate::Ask };
        let Some(default) = default_of(&source.text, rcvar, self.loads_at) else { return Gate::Ask };
        let value = match (conf.get_for(name, rcvar), default) {
            (Setting::Unknown, _) => return Gate::Ask,
            (setting, Some(default)) if default.counts(setting) => default.text,
            (Setting::Plain(value), _) => value.to_string(),
            (Setting::Unset, _) => {
                reports.push(unset(source, rcvar, span));
                return Gate::Closed(format!("rcvar {rcvar} is not set").into());
            }
        };
        match yes_or_no(&value) {
            Some(true) => return Gate::Open,
            Some(false) => {}
            None => reports.push(neither(source, conf, name, rcvar, &value, span)),
        }
        Gate::Closed(format!("rcvar {rcvar} is {}", value.escape_debug()).into())
    }
}

/// A line from its first character on: what `trim_start_matches` does, for a tenth of its time.
fn without_indent(line: &str) -> &str {
    let blanks = line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    line.get(blanks..).unwrap_or_default()
}

impl Assigned {
    fn add(&mut self, found: Self) {
        let same = match (&*self, &found) {
            (Self::Never, _) => {
                *self = found;
                return;
            }
            (Self::To(old, _), Self::To(new, _)) => old == new,
            (Self::To(..) | Self::Unclear, _) => false,
        };
        if !same {
            *self = Self::Unclear;
        }
    }
}

/// What the assignment at byte `at` gives, with `name` as the value of `$name`.
fn assigned(text: &str, at: usize, name: Option<&str>) -> Assigned {
    let Some((_, value_at)) = assigned_name(text, at) else { return Assigned::Unclear };
    let Ok(value) = word(text, value_at) else { return Assigned::Unclear };
    let behind = text.get(value.span.end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let behind = behind.trim_start_matches([' ', '\t', '\r', ';']);
    if !(behind.is_empty() || behind.starts_with('#')) {
        return Assigned::Unclear;
    }
    let cited = text.get(value.span.clone()).unwrap_or_default();
    let of_variable = |variable: &str| match (variable, name) {
        ("name", Some(name)) => Setting::Plain(name),
        _ => Setting::Unknown,
    };
    let found = set_rcvar(cited, name).or_else(|| value.value(of_variable));
    found.map_or(Assigned::Unclear, |found| Assigned::To(found, value.span))
}

/// The variable that a script means by an rcvar such as `my-svc_enable`; `None` if it also declares that one by the name
/// that no variable can have.
fn plain<'r>(rcvar: &'r str, text: &str) -> Option<Cow<'r, str>> {
    let plain = variable_of(rcvar);
    let declares = |line: &str| line.trim_start().starts_with("set_rcvar") && line.contains(rcvar);
    (plain == rcvar || !text.lines().any(declares)).then_some(plain)
}

/// What the function `set_rcvar` prints: the name of the variable that goes with its argument, or `$name`.
fn set_rcvar(cited: &str, name: Option<&str>) -> Option<String> {
    let cited = cited.trim_matches('"');
    let in_backquotes = cited.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    let call = in_backquotes.or_else(|| cited.strip_prefix("$(")?.strip_suffix(')'))?;
    let mut words = call.split_ascii_whitespace();
    if words.next() != Some("set_rcvar") {
        return None;
    }
    let stem = match (words.next(), words.next()) {
        (None, _) | (Some("$name" | "${name}"), None) => name?,
        (Some(stem), None) if !stem.contains(['$', '"', '`']) => stem,
        (Some(_), _) => return None,
    };
    Some(format!("{stem}_enable"))
}

/// The default that the script gives its rcvar: `None` if that cannot be told, `Some(None)` if it gives none.
fn default_of(text: &str, rcvar: &str, loads_at: Option<usize>) -> Option<Option<Fallback>> {
    let lines = |sign: &'static str| lines_with(text, sign).filter(|(_, line)| may_set(line));
    if lines("eval").any(|(_, line)| line.contains("rcvar") || line.contains("_enable")) {
        return None;
    }
    let mut first: Option<Fallback> = None;
    for (line_at, line) in lines_with(text, rcvar).filter(|(_, line)| may_set(line)) {
        let mut settings = settings_of(line, rcvar);
        let Some(setting) = settings.next() else { continue };
        if settings.next().is_some() {
            return None;
        }
        let before_load = loads_at.is_none_or(|loads_at| line_at < loads_at);
        let found = match setting {
            SetBy::Declaration(behind) => declaration(behind),
            SetBy::Assignment => one_default(text, line_at, rcvar, before_load),
        };
        first = first.or(Some(found?));
    }
    Some(first)
}

/// Whether a line may set a variable other than `rcvar` itself.
fn may_set(line: &str) -> bool {
    let bare = without_indent(line);
    let is_setting = line.contains('=') || bare.starts_with("set_rcvar");
    is_setting && !bare.starts_with('#') && !bare.starts_with("rcvar=")
}

/// The lines in which `sign` stands, each once, and where each begins.
fn lines_with<'t>(text: &'t str, sign: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    let mut behind = 0_usize;
    memmem::find_iter(text.as_bytes(), sign.as_bytes()).filter_map(move |found| {
        if found < behind {
            return None;
        }
        let start = text.get(..found)?.rfind('\n').map_or(0, |end| end.saturating_add(1));
        let length = text.get(start..)?.split_inclusive('\n').next()?.len();
        behind = start.saturating_add(length);
        Some((start, text.get(start..behind)?))
    })
}

/// How a line sets a variable.
enum SetBy<'t> {
    /// `set_rcvar VARIABLE`, with what stands behind it.
    Declaration(&'t str),
    /// `VARIABLE=` or `${VARIABLE:=`.
    Assignment,
}

/// Each place in `line` that sets `rcvar`.
fn settings_of<'t>(line: &'t str, rcvar: &str) -> impl Iterator<Item = SetBy<'t>> {
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(rcvar).filter_map(move |(found_at, found)| {
        let before = line.get(..found_at)?;
        let behind = line.get(found_at.saturating_add(found.len())..)?;
        if behind.starts_with(in_name) || before.ends_with(in_name) {
            return None;
        }
        if behind.starts_with('=') || (behind.starts_with(":=") && before.ends_with("${")) {
            return Some(SetBy::Assignment);
        }
        (before.trim_end_matches([' ', '\t']) == "set_rcvar").then_some(SetBy::Declaration(behind))
    })
}

/// The default in `set_rcvar VARIABLE DEFAULT DESCRIPTION`.
fn declaration(behind: &str) -> Option<Fallback> {
    let at = behind.find(|c| c != ' ' && c != '\t').filter(|at| *at > 0)?;
    let text = word(behind, at).ok()?.value(|_| Setting::Unknown)?;
    Some(Fallback { text, if_empty: false, assigns: true })
}

/// The default that the line at byte `at` gives `rcvar`; `None` if it does something else to it.
fn one_default(text: &str, at: usize, rcvar: &str, before_load: bool) -> Option<Fallback> {
    let line = text.get(at..)?;
    if let Some(rest) = line.strip_prefix(':') {
        // `: ${NAME:=word}`
        let skip = rest.len().saturating_sub(rest.trim_start_matches([' ', '\t']).len());
        let value = word(rest, skip).ok()?;
        return value.pieces.into_iter().find_map(|piece| own_fallback(piece, rcvar, true));
    }
    let (name, value_at) = assigned_name(text, at)?;
    let value = word(text, value_at).ok()?;
    if name != rcvar {
        return None;
    }
    // `NAME=${NAME:-word}`, or a plain value that rc.conf, read after it, may replace.
    let plain = value.value(|_| Setting::Unknown).filter(|_| before_load);
    let plain = plain.map(|text| Fallback { text, if_empty: false, assigns: false });
    plain.or_else(|| {
        let mut pieces = value.pieces.into_iter().filter(|piece| *piece != Piece::Text(String::new()));
        let piece = pieces.next().filter(|_| pieces.next().is_none())?;
        own_fallback(piece, rcvar, false)
    })
}

fn own_fallback(piece: Piece<'_>, rcvar: &str, must_assign: bool) -> Option<Fallback> {
    match piece {
        Piece::Variable { name, fallback: Some(fallback) }
            if name == rcvar && (fallback.assigns || !must_assign) =>
        {
            Some(fallback)
        }
        Piece::Variable { .. } | Piece::Text(_) | Piece::Opaque => None,
    }
}

fn unset(source: &Source, rcvar: &str, span: Range<usize>) -> Report {
    Report::warning("rcvar-unset", format!("`{rcvar}` is not set, which counts as no"))
        .at(&source.path, span, "asked for here")
        .help(format!("say {rcvar}=\"YES\" or {rcvar}=\"NO\" in rc.conf"))
}

fn neither(
    source: &Source,
    conf: &RcConf,
    name: &str,
    rcvar: &str,
    value: &str,
    span: Range<usize>,
) -> Report {
    let message = format!("`{rcvar}` is `{}`, neither yes nor no, which counts as no", value.escape_debug());
    let report = Report::warning("rcvar-value", message);
    let report = match conf.place_for(name, rcvar) {
        Some((path, place)) => report.at(path, place, "set here"),
        None => report,
    };
    report.at(&source.path, span, "asked for here").help(format!("say {rcvar}=\"YES\" or {rcvar}=\"NO\""))
}
