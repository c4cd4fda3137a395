//! The stanzas: one table that says for each first word how the rest of it is read.

use alloc::format;
use core::{ops::Range, time::Duration};

use events::{Key, Template, Token, Value};

use super::{
    condition::{self, On, Setting},
    fault::{Checked, Fault},
    reader::Reader,
    stanzas::RespawnLimit,
    values,
};
use crate::{Command, Console, Limit, ProcessKind, Ready, Resource, formats::Role};

/// The most variables that `env`, and likewise `export`, may name.
const MAX_VARIABLES: usize = 1024;

/// How one stanza is read.
type Read = fn(&mut Reader<'_>) -> Checked<()>;

/// Every stanza: the 35 of Upstart 1.13, and `import` and `tmpfiles` of Chrome OS.
pub(super) const STANZAS: [(&str, Read); 37] = [
    ("apparmor", |reader| reader.apparmor()),
    ("author", |reader| reader.text("a name", |work| &mut work.author)),
    ("cgroup", |reader| reader.cgroup()),
    ("chdir", |reader| reader.filled("a directory", |work| &mut work.chdir)),
    ("chroot", |reader| reader.filled("a directory", |work| &mut work.chroot)),
    ("console", |reader| reader.console()),
    ("debug", |reader| reader.debug()),
    ("description", |reader| reader.text("a text", |work| &mut work.description)),
    ("emits", |reader| reader.texts("an event", |work| &mut work.emits)),
    ("env", |reader| reader.env()),
    ("exec", |reader| reader.exec(ProcessKind::Main)),
    ("expect", |reader| reader.expect()),
    ("export", |reader| reader.export()),
    ("import", |reader| reader.texts("a variable", |work| &mut work.imports)),
    ("instance", |reader| reader.instance()),
    ("kill", |reader| reader.kill()),
    ("limit", |reader| reader.limit()),
    ("manual", |reader| reader.manual()),
    ("nice", |reader| reader.nice()),
    ("normal", |reader| reader.normal()),
    ("oom", |reader| reader.oom()),
    ("post-start", |reader| reader.hook(ProcessKind::PostStart)),
    ("post-stop", |reader| reader.hook(ProcessKind::PostStop)),
    ("pre-start", |reader| reader.hook(ProcessKind::PreStart)),
    ("pre-stop", |reader| reader.hook(ProcessKind::PreStop)),
    ("reload", |reader| reader.reload()),
    ("respawn", |reader| reader.respawn()),
    ("script", |reader| reader.script(ProcessKind::Main)),
    ("setgid", |reader| reader.filled("a group", |work| &mut work.group)),
    ("setuid", |reader| reader.filled("a user", |work| &mut work.user)),
    ("start", |reader| reader.start()),
    ("stop", |reader| reader.stop()),
    ("task", |reader| reader.task()),
    ("tmpfiles", |reader| reader.texts("a file", |work| &mut work.tmpfiles)),
    ("umask", |reader| reader.umask()),
    ("usage", |reader| reader.text("a text", |work| &mut work.usage)),
    ("version", |reader| reader.text("a version", |work| &mut work.version)),
];

impl Reader<'_> {
    fn apparmor(&mut self) -> Checked<()> {
        let is_load = self.choice(&[("load", true), ("switch", false)])?;
        self.name = if is_load { "apparmor load" } else { "apparmor switch" };
        let word = self.single("a profile")?;
        let apparmor = self.stanzas.work.apparmor.get_or_insert_default();
        *(if is_load { &mut apparmor.load } else { &mut apparmor.switch }) = Some(word.text.into());
        Ok(())
    }

    /// `cgroup CONTROLLER [NAME] [KEY VALUE]`: read, so that what follows it counts, and shown as left out.
    fn cgroup(&mut self) -> Checked<()> {
        self.word("a controller")?;
        for _ in 0..3 {
            if !self.lexer.is_line_done() {
                self.word("a value")?;
            }
        }
        self.lexer.end_line()?;
        let place = self.place(self.span.clone());
        self.stanzas.cgroup.get_or_insert(place);
        Ok(())
    }

    fn console(&mut self) -> Checked<()> {
        let console = self.choice(&[
            ("none", Console::None),
            ("log", Console::Log),
            ("output", Console::Output),
            ("owner", Console::Owner),
        ])?;
        self.lexer.end_line()?;
        self.once("`console`");
        self.stanzas.work.console = console;
        Ok(())
    }

    fn debug(&mut self) -> Checked<()> {
        self.lexer.end_line()?;
        let warning = self.warning("debug-ignored", "`debug` has no effect", self.span.clone());
        self.warnings.push(warning.help("remove it; it only counted where Upstart itself ran with --debug"));
        Ok(())
    }

    fn env(&mut self) -> Checked<()> {
        let word = self.word("KEY=VALUE")?;
        self.lexer.end_line()?;
        let (key, value) = match word.text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word.text.as_str(), None),
        };
        let key = self.key(key, &word)?;
        let value = value.map(Value::new).transpose().map_err(|fault| {
            Fault::new("illegal-value", word.span.clone(), format!("value of `{key}`: {fault}"))
                .help("read it from a file in a script, if it must have such characters")
        })?;
        if let Some(value) = &value {
            self.warn_of_variable(&word, value);
        }
        match self.stanzas.env.iter_mut().find(|(earlier, _)| *earlier == key) {
            Some((_, earlier)) => *earlier = value,
            None => self.stanzas.env.push((key, value)),
        }
        self.refuse_too_many(self.stanzas.env.len(), &word)
    }

    /// So that looking for a name among the earlier ones stays cheap.
    fn refuse_too_many(&self, count: usize, word: &Token) -> Checked<()> {
        if count <= MAX_VARIABLES {
            return Ok(());
        }
        let message = format!("more than {MAX_VARIABLES} variables in `{}`", self.name);
        Err(Fault::new("too-many-variables", word.span.clone(), message)
            .help("read them from a file in a script"))
    }

    fn key(&self, text: &str, word: &Token) -> Checked<Key> {
        Key::new(text).map_err(|fault| {
            Fault::new("illegal-key", word.span.clone(), format!("name `{text}` of a variable: {fault}"))
                .help("a name has letters, digits and `_`, and begins with no digit")
        })
    }

    fn export(&mut self) -> Checked<()> {
        for word in self.words("a variable")? {
            let key = self.key(&word.text, &word)?;
            if !self.stanzas.export.contains(&key) {
                self.stanzas.export.push(key);
                self.refuse_too_many(self.stanzas.export.len(), &word)?;
            }
        }
        Ok(())
    }

    fn exec(&mut self, kind: ProcessKind) -> Checked<()> {
        let Some(line) = self.lexer.command()? else {
            let end = self.lexer.at();
            let fault = Fault::new("expected-token", end..end, format!("`{}` needs a command", self.name));
            return Err(fault.label("expected here").also(self.span.clone(), "this stanza"));
        };
        self.lexer.end_line()?;
        self.process(kind, Command::Exec(line));
        Ok(())
    }

    fn script(&mut self, kind: ProcessKind) -> Checked<()> {
        self.lexer.end_line()?;
        let body = self.lexer.block(self.span.clone())?;
        self.process(kind, Command::Script(body));
        Ok(())
    }

    fn process(&mut self, kind: ProcessKind, command: Command) {
        self.once(&format!("the {kind} process"));
        let processes = &mut self.stanzas.work.processes;
        match processes.iter_mut().find(|(earlier, _)| *earlier == kind) {
            Some((_, earlier)) => *earlier = command,
            None => processes.push((kind, command)),
        }
    }

    fn hook(&mut self, kind: ProcessKind) -> Checked<()> {
        if self.choice(&[("exec", true), ("script", false)])? { self.exec(kind) } else { self.script(kind) }
    }

    /// A daemon that forks once or twice is one that left its first process: processes are told by cgroup.
    fn expect(&mut self) -> Checked<()> {
        let ready = self.choice(&[
            ("none", Ready::Spawned),
            ("stop", Ready::Stopped),
            ("fork", Ready::Forked),
            ("daemon", Ready::Forked),
        ])?;
        self.lexer.end_line()?;
        self.once("`expect`");
        self.stanzas.job.ready = ready;
        Ok(())
    }

    fn instance(&mut self) -> Checked<()> {
        let word = self.single("a pattern such as `$NAME`")?;
        let template = Template::parse(&word.text).map_err(|fault| {
            Fault::new("illegal-variable", word.span.clone(), format!("{fault}"))
                .help("`${}` stands for a plain `$`")
        })?;
        self.stanzas.job.instance = Some(template).filter(|template| template.literal() != Some(""));
        Ok(())
    }

    fn kill(&mut self) -> Checked<()> {
        if self.choice(&[("timeout", true), ("signal", false)])? {
            self.name = "kill timeout";
            let word = self.single("a number of seconds")?;
            self.stanzas.job.kill.timeout = Duration::from_secs(values::seconds(&word)?.into());
        } else {
            self.name = "kill signal";
            let word = self.single("a signal")?;
            self.stanzas.job.kill.signal = values::signal(&word)?;
        }
        Ok(())
    }

    fn reload(&mut self) -> Checked<()> {
        self.choice(&[("signal", ())])?;
        self.name = "reload signal";
        let word = self.single("a signal")?;
        self.stanzas.job.reload_signal = values::signal(&word)?;
        Ok(())
    }

    fn limit(&mut self) -> Checked<()> {
        let resource = self.choice(&crate::Resource::NAMES)?;
        let (soft, hard) = (self.word("a soft and a hard limit")?, self.word("a hard limit as well")?);
        self.lexer.end_line()?;
        let limit = values::limits(&soft, &hard)?;
        self.warn_of_limit(limit, soft.span.start..hard.span.end);
        self.set_limit(resource, limit);
        Ok(())
    }

    fn warn_of_limit(&mut self, limit: Limit, span: Range<usize>) {
        let (soft, hard) = (limit.soft.unwrap_or(u64::MAX), limit.hard.unwrap_or(u64::MAX));
        if soft > hard {
            let warning = self.warning("soft-above-hard", "soft limit is above the hard one", span);
            self.warnings.push(warning.help("the kernel refuses it and the job will not start: swap them"));
        }
    }

    fn set_limit(&mut self, resource: Resource, limit: Limit) {
        let limits = &mut self.stanzas.work.limits;
        match limits.iter_mut().find(|(earlier, _)| *earlier == resource) {
            Some((_, earlier)) => *earlier = limit,
            None => limits.push((resource, limit)),
        }
    }

    /// `manual` drops the start condition seen so far. What follows it on its line is a stanza again.
    fn manual(&mut self) -> Checked<()> {
        self.stanzas.start_on = None;
        self.stanzas.manual = true;
        if !self.lexer.is_line_done() {
            let warning = self.warning(
                "stanza-behind-manual",
                "`manual` shares its line with a stanza",
                self.span.clone(),
            );
            self.warnings
                .push(warning.help("begin a new line: `manual` takes no argument, and what follows counts"));
        }
        Ok(())
    }

    fn nice(&mut self) -> Checked<()> {
        let word = self.single("a priority")?;
        self.stanzas.work.nice = Some(values::nice(&word)?);
        Ok(())
    }

    fn umask(&mut self) -> Checked<()> {
        let word = self.single("a file mode mask")?;
        self.stanzas.work.umask = Some(values::umask(&word)?);
        Ok(())
    }

    fn normal(&mut self) -> Checked<()> {
        self.choice(&[("exit", ())])?;
        self.name = "normal exit";
        for word in self.words("an exit status or a signal")? {
            let exit = values::exit(&word)?;
            if !self.stanzas.normal_exit.contains(&exit) {
                self.stanzas.normal_exit.push(exit);
            }
        }
        Ok(())
    }

    fn oom(&mut self) -> Checked<()> {
        let word = self.word("`score` and a number, or `never`")?;
        let score = if word.text == "score" {
            self.name = "oom score";
            values::oom_score(&self.word("a number from -1000 to 1000, or `never`")?)?
        } else {
            values::oom_adjustment(&word)?
        };
        self.lexer.end_line()?;
        self.once("`oom`");
        self.stanzas.work.oom_score = Some(score);
        Ok(())
    }

    fn respawn(&mut self) -> Checked<()> {
        if self.lexer.is_line_done() {
            self.stanzas.respawn = true;
            return self.lexer.end_line();
        }
        self.choice(&[("limit", ())])?;
        self.name = "respawn limit";
        let word = self.word("a number and seconds, or `unlimited`")?;
        let (limit, within) = if word.text == "unlimited" {
            (0, 0)
        } else {
            let limit = values::respawn_count(&word)?;
            (limit, values::seconds(&self.word("a number of seconds as well")?)?)
        };
        self.lexer.end_line()?;
        self.once("`respawn limit`");
        self.stanzas.respawn_limit =
            Some(RespawnLimit { limit, within, place: self.place(self.span.clone()) });
        Ok(())
    }

    fn start(&mut self) -> Checked<()> {
        self.stanzas.start_on = Some(self.on(Role::StartOn)?);
        self.stanzas.manual = false;
        Ok(())
    }

    fn stop(&mut self) -> Checked<()> {
        self.stanzas.stop_on = Some(self.on(Role::StopOn)?);
        Ok(())
    }

    fn on(&mut self, role: Role) -> Checked<On> {
        self.choice(&[("on", ())])?;
        let tokens = self.lexer.condition()?;
        let setting =
            Setting { path: &self.source.path, is_override: self.is_override, role, text: &self.source.text };
        let on = condition::read(&tokens, self.lexer.at(), &setting)?;
        self.lexer.end_line()?;
        self.once(if role == Role::StartOn { "`start on`" } else { "`stop on`" });
        Ok(on)
    }

    fn task(&mut self) -> Checked<()> {
        self.stanzas.job.task = true;
        self.lexer.end_line()
    }
}
