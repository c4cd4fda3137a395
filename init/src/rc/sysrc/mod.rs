//! `sysrc`: shows and edits rc.conf.
//!
//! A value that is set is quoted so that it is that value and nothing else: `$(reboot)` in it is text. A file is
//! changed by a new one that takes its place, with its mode, owner and comments; what was given is there as a whole, or
//! nothing has changed.

mod edit;
mod list;
mod words;

use std::path::{Path, PathBuf};

use self::words::{Change, USAGE, Wish, help};
use super::{
    call::Call,
    rc_conf::{Files, Values},
};

/// `sysrc` with these words.
pub fn run(call: &Call) -> u8 {
    let wish = match words::read(&call.words) {
        Ok(wish) => wish,
        Err(words::Other::Help) => return call.misuse(1, &help()),
        Err(words::Other::Version) => {
            return call.show(concat!(env!("CARGO_PKG_VERSION"), "\n").as_bytes());
        }
        Err(words::Other::Usage(why)) => {
            if !why.is_empty() {
                call.warn(&why);
            }
            return call.misuse(1, USAGE);
        }
        Err(words::Other::Wrong(why)) => return call.fail(1, &why),
    };
    if let Some(root) = &wish.root {
        let entered = nix::unistd::chroot(root.as_path()).and_then(|()| nix::unistd::chdir("/"));
        if let Err(error) = entered {
            return call.fail(1, &format!("chroot: {}: {}", root.display(), error.desc()));
        }
    }
    let files = files(&wish);
    if wish.lists.is_some() {
        return list::confs(call, &wish, &files);
    }
    Session { call, wish: &wish, values: Values::read(&files), files }.run()
}

/// Whether a text is the name of a variable.
pub fn is_name(text: &str) -> bool {
    let mut letters = text.bytes();
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    letters.next().is_some_and(is_first) && letters.all(|byte| is_first(byte) || byte.is_ascii_digit())
}

/// The files that are meant.
fn files(wish: &Wish) -> Files {
    let mut files = Files::of_machine();
    if wish.defaults_only {
        files.own.clear();
    } else if !wish.files.is_empty() {
        files.own.clone_from(&wish.files);
    } else if let Ok(named) = std::env::var("RC_CONFS") {
        files.own = named.split_whitespace().map(PathBuf::from).collect();
    } else if let Some(service) = &wish.service {
        files.own.extend(Files::of_service(service));
    }
    if wish.existing_only {
        files.own.retain(|path| path.is_file());
    }
    files
}

/// A call of it.
struct Session<'c> {
    call: &'c Call,
    wish: &'c Wish,
    values: Values,
    files: Files,
}

impl Session<'_> {
    fn run(mut self) -> u8 {
        if let Some(report) = self.values.reports.iter().find(|report| report.code == "rc-conf-quote") {
            let place = report.places.first();
            let path = place.map(|place| PathBuf::from(&place.path)).unwrap_or_default();
            let what = format!(
                "{}: {}\nsysrc: Exiting due to previous syntax errors",
                path.display(),
                report.message
            );
            return self.call.fail(1, &what);
        }
        if let Some(all) = self.wish.all {
            return list::all(self.call, self.wish, &self.values, &self.files, all);
        }
        let wish = self.wish;
        wish.arguments.iter().fold(0, |code, (name, change)| {
            let done = match change {
                Change::Show => self.show(name),
                Change::Set(_) | Change::Add(_) | Change::Remove(_) => self.change(name, change),
            };
            done.unwrap_or_else(|why| if why.is_empty() { 1 } else { self.call.fail(1, &why) }).max(code)
        })
    }

    /// Where a variable is set; nothing for one that is not.
    fn path(&self, name: &str) -> String {
        self.values.place(name).map(|(path, _)| path.display().to_string()).unwrap_or_default()
    }

    fn print(&self, text: &str) -> u8 {
        self.call.show(format!("{text}\n").as_bytes())
    }

    fn show(&mut self, name: &str) -> Result<u8, String> {
        let wish = self.wish;
        if wish.describes {
            self.print(&format!("{name}: {}", list::description(&self.files, name)));
        }
        let Some(value) = self.values.get(name)? else {
            let says = !wish.ignores_unknown && !wish.is_quiet && !wish.checks;
            return Err(if says { format!("unknown variable '{name}'") } else { String::new() });
        };
        if wish.checks || wish.describes {
            return Ok(0);
        }
        if wish.deletes {
            return self.delete(name);
        }
        let path = self.path(name);
        if wish.shows_file {
            return Ok(self.print(&if wish.only_values { path } else { format!("{name}: {path}") }));
        }
        let head = match (wish.verbose, wish.equals) {
            (true, true) => format!(": {path}; "),
            (true, false) => format!("{path}: "),
            (false, _) => String::new(),
        };
        Ok(self.print(&format!("{head}{}", list::line(wish, name, &value))))
    }

    fn change(&mut self, name: &str, change: &Change) -> Result<u8, String> {
        let wish = self.wish;
        if wish.describes {
            self.print(&format!("{name}: {}", list::description(&self.files, name)));
        }
        if wish.deletes {
            return self.delete(name);
        }
        let held = self.values.get(name)?;
        let before = held.clone().unwrap_or_default();
        let new = change.apply(&before);
        if wish.checks {
            return Ok(self.check(name, held.as_deref(), &new));
        }
        let shown = if wish.shows_file { self.path(name) } else { before };
        let path = match self.target(name) {
            Some(path) => path,
            None => return Err(format!("{name}: no file is given in which it could be set")),
        };
        edit::set(&path, name, &new, &self.values)?;
        self.values = Values::read(&self.files);
        let after = match wish.shows_file {
            true => self.path(name),
            false => self.values.get(name)?.unwrap_or_default(),
        };
        if wish.only_names {
            return Ok(self.print(name));
        }
        let head = match (wish.verbose, wish.equals) {
            (true, true) => format!(": {}; ", path.display()),
            (true, false) => format!("{}: ", path.display()),
            (false, _) => String::new(),
        };
        Ok(self.print(&format!("{head}{}", list::change_line(wish, name, &shown, &after))))
    }

    fn check(&self, name: &str, held: Option<&str>, new: &str) -> u8 {
        let (code, what) = match held {
            None => (1, format!("{name}: not currently set")),
            Some(held) if held == new => (0, format!("{}: {name}: already set to `{held}'", self.path(name))),
            Some(held) => (1, format!("{}: {name}: would change from `{held}' to `{new}'", self.path(name))),
        };
        if self.wish.verbose {
            self.print(&what);
        }
        code
    }

    /// The file in which a variable is to be set: where it is set last, else the first.
    fn target(&self, name: &str) -> Option<PathBuf> {
        let place = self.values.place(name).map(|(path, _)| path);
        place.filter(|path| self.files.own.contains(path)).or_else(|| self.files.own.first().cloned())
    }

    fn delete(&mut self, name: &str) -> Result<u8, String> {
        let mut found = false;
        for path in self.files.own.clone() {
            found |= edit::delete(Path::new(&path), name)?;
        }
        self.values = Values::read(&self.files);
        match (found, self.wish.is_quiet || self.wish.ignores_unknown) {
            (true, _) => Ok(0),
            (false, true) => Ok(1),
            (false, false) => Err(format!("unknown variable '{name}'")),
        }
    }
}
