//! Goes through a text stanza by stanza, and gives the stanzas what they all need: words, choices, warnings.

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::ops::Range;

use events::{Template, Text, Token};

use super::{
    fault::{Checked, Fault},
    lexer::Lexer,
    stanzas::Stanzas,
    table::STANZAS,
};
use crate::{Place, Report, Work, did_you_mean, formats::Source};

/// Reads one text on top of what earlier texts have set.
pub(super) struct Reader<'t> {
    pub lexer: Lexer<'t>,
    pub source: &'t Source,
    pub is_override: bool,
    /// The stanza that is being read: its words so far, and where they stand.
    pub name: &'static str,
    pub span: Range<usize>,
    /// Which single values this text has set, and where.
    given: Vec<(String, Range<usize>)>,
    pub stanzas: Stanzas,
    pub warnings: Vec<Report>,
}

impl<'t> Reader<'t> {
    pub fn new(source: &'t Source, is_override: bool, stanzas: Stanzas) -> Self {
        Self {
            lexer: Lexer::new(&source.text),
            source,
            is_override,
            name: "",
            span: 0..0,
            given: Vec::new(),
            stanzas,
            warnings: Vec::new(),
        }
    }

    /// Reads all stanzas up to the first fault, as Upstart does: what follows a fault cannot be relied on.
    pub fn read(&mut self) -> Checked<()> {
        if let Some(at) = self.source.text.find('\0') {
            let fault = Fault::new("nul-byte", at..at.saturating_add(1), "NUL byte in the text");
            return Err(fault.help("remove it: no program can be given such an argument"));
        }
        self.read_stanzas().map_err(|fault| self.with_cut(fault))
    }

    fn read_stanzas(&mut self) -> Checked<()> {
        while self.lexer.next_stanza() {
            let Some(word) = self.lexer.word()? else { continue };
            // Compared with its quotes: a quoted stanza is none.
            let raw = self.lexer.raw(word.span.clone());
            let Some((name, read)) = STANZAS.iter().find(|(name, _)| *name == raw) else {
                return Err(self.unknown_stanza(raw, word.span));
            };
            self.name = name;
            self.span = word.span;
            read(self)?;
            self.warn_of_cuts();
        }
        Ok(())
    }

    fn unknown_stanza(&self, raw: &str, span: Range<usize>) -> Box<Fault> {
        let known = || STANZAS.iter().map(|(name, _)| *name);
        let bare = raw.trim_matches(['"', '\'']);
        let behind_manual = self.name == "manual"
            && !self.source.text.get(self.span.end..span.start).unwrap_or("").contains('\n');
        let help = if raw.starts_with('\u{feff}') {
            "remove the byte order mark, which cannot be seen: save the file as UTF-8 without it".into()
        } else if known().any(|name| name == bare) {
            "take the quotes away".into()
        } else if behind_manual {
            "`manual` takes no argument: write it alone on its line".into()
        } else if let Some(help) = removed(raw) {
            help.into()
        } else if let Some(name) = did_you_mean(raw, known()) {
            format!("did you mean `{name}`?")
        } else {
            "see the list of stanzas in docs/upstart.md; scripts stand between `script` and `end script`"
                .into()
        };
        Fault::new("unknown-stanza", span, format!("unknown stanza `{raw}`"))
            .label("no such stanza")
            .help(help)
    }

    /// A fault may come from a `#` that was not meant as the start of a comment: then this is shown too.
    fn with_cut(&mut self, fault: Box<Fault>) -> Box<Fault> {
        match (self.lexer.take_cuts().pop(), &fault.also) {
            (Some(at), None) => fault.also(at..at.saturating_add(1), "a comment begins here"),
            (Some(_) | None, _) => fault,
        }
    }

    /// A `#` within a word is seldom meant as the start of a comment.
    fn warn_of_cuts(&mut self) {
        for at in self.lexer.take_cuts() {
            let span = at..at.saturating_add(1);
            let warning =
                self.warning("comment-cuts-word", "`#` begins a comment in the middle of a word", span);
            self.warnings.push(warning.help("quote the word, or put a blank before the comment"));
        }
    }

    pub fn place(&self, span: Range<usize>) -> Place {
        Place { path: self.source.path.clone(), span: Some(span), label: String::new() }
    }

    pub fn warning(&self, code: &'static str, message: impl Into<String>, span: Range<usize>) -> Report {
        Report::warning(code, message).at(&self.source.path, span, "")
    }

    /// The next word, which must be there.
    pub fn word(&mut self, what: &str) -> Checked<Token> {
        if let Some(word) = self.lexer.word()? {
            self.span.end = word.span.end;
            return Ok(word);
        }
        let end = self.lexer.at();
        let fault = Fault::new("expected-token", end..end, format!("`{}` needs {what}", self.name));
        Err(fault.label("expected here").also(self.span.clone(), "this stanza"))
    }

    /// The only word behind a stanza. Of several such stanzas the last counts.
    pub fn single(&mut self, what: &str) -> Checked<Token> {
        let word = self.word(what)?;
        self.lexer.end_line()?;
        self.once(&format!("`{}`", self.name));
        Ok(word)
    }

    /// Warns if this text has set `what` already.
    pub fn once(&mut self, what: &str) {
        let (path, span) = (&self.source.path, self.span.clone());
        match self.given.iter_mut().find(|(earlier, _)| earlier == what) {
            Some((_, earlier)) => {
                let message = format!("{what} is given twice, and the last counts");
                let warning = Report::warning("given-twice", message);
                let warning =
                    warning.at(path, span.clone(), "counts").at(path, earlier.clone(), "has no effect");
                self.warnings.push(warning.help("remove the first"));
                *earlier = span;
            }
            None => self.given.push((what.into(), span)),
        }
    }

    /// One of some words.
    pub fn choice<T: Clone>(&mut self, choices: &[(&str, T)]) -> Checked<T> {
        let known = choices.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let word = self.word(&format!("one of {known}"))?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word.text) {
            return Ok(choice.clone());
        }
        let help = match did_you_mean(&word.text, choices.iter().map(|(name, _)| *name)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("write {known}"),
        };
        let message = format!("`{}` knows no `{}`", self.name, word.text);
        let fault = Fault::new("unknown-stanza", word.span.clone(), message).label("not known here");
        Err(fault.help(self.special_help(&word.text).map_or(help, Into::into)))
    }

    /// Help for words that were once right, or that look right.
    fn special_help(&self, word: &str) -> Option<&'static str> {
        match (self.name, word) {
            ("console", "logged") => Some("Upstart dropped `console logged`: write `console log`"),
            ("respawn", word) if did_you_mean(word, ["limit"]).is_none() => {
                Some("Upstart dropped `respawn COMMAND`: write `respawn` and `exec COMMAND` on two lines")
            }
            ("start" | "stop", word) if word.starts_with("on(") => Some("put a blank between `on` and `(`"),
            ("pre-start" | "post-start" | "pre-stop" | "post-stop", _) => {
                Some("write `exec` before the command, or `script` and its lines")
            }
            ("expect", "notify") => Some("Upstart has no such thing: a native job says `ready: notify`"),
            _ => None,
        }
    }

    pub fn text(&mut self, what: &str, field: fn(&mut Work) -> &mut Option<Text>) -> Checked<()> {
        let word = self.single(what)?;
        *field(&mut self.stanzas.work) = Some(word.text.into());
        Ok(())
    }

    /// A path, user or group: taken as it is, and never empty.
    pub fn filled(&mut self, what: &str, field: fn(&mut Work) -> &mut Option<Text>) -> Checked<()> {
        let word = self.single(what)?;
        if word.text.is_empty() {
            let message = format!("`{}` needs {what}, and this is empty", self.name);
            return Err(Fault::new("expected-token", word.span, message).label("empty"));
        }
        self.warn_of_variable(&word, &word.text);
        *field(&mut self.stanzas.work) = Some(word.text.into());
        Ok(())
    }

    /// Warns of a variable where none is replaced.
    pub fn warn_of_variable(&mut self, word: &Token, value: &str) {
        let has_variable = Template::parse(value).is_ok_and(|template| !template.variables().is_empty());
        if has_variable {
            let message = format!("`{}` replaces no variables: `{value}` is taken as it is", self.name);
            let warning = self.warning("variable-not-replaced", message, word.span.clone());
            self.warnings.push(warning.help("write the value itself, or set it in a script"));
        }
    }

    pub fn texts(&mut self, what: &str, field: fn(&mut Work) -> &mut Vec<Text>) -> Checked<()> {
        for word in self.words(what)? {
            field(&mut self.stanzas.work).push(word.text.into());
        }
        Ok(())
    }

    /// All words of the line, of which there must be one.
    pub fn words(&mut self, what: &str) -> Checked<Vec<Token>> {
        let mut words = Vec::from([self.word(what)?]);
        while !self.lexer.is_line_done() {
            words.push(self.word(what)?);
        }
        self.lexer.end_line()?;
        Ok(words)
    }
}

/// What a stanza that is no longer one is called now, by its first word.
fn removed(first: &str) -> Option<&'static str> {
    Some(match first {
        "service" => "Upstart dropped `service`: remove it, a job is one unless it says `task`",
        "daemon" => "Upstart dropped `daemon`: write `expect daemon`",
        "pid" => "Upstart dropped `pid file` and `pid binary`: write `expect fork` or `expect daemon`",
        "depends" => "Upstart dropped `depends`: write `start on started NAME` and `stop on stopping NAME`",
        "on" => "Upstart dropped `on`: write `start on EVENT`",
        "normalexit" => "Upstart dropped `normalexit`: write `normal exit STATUS`",
        "session" => "Upstart dropped `session leader`: remove it, every process leads a session",
        "end" => "an `end script` has no `script` before it: remove it, or write the `script`",
        _ => return None,
    })
}
