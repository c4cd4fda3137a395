//! The words of `sysrc`.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, path::PathBuf};

use super::is_name;
use crate::rc::options::Options;

/// How it is called.
pub const USAGE: &str = "\
Usage: sysrc [OPTIONS] {name[[+|-]=value] ... | -a | -A | -l | -L [name ...]}
Try `sysrc --help' for more information.
";

/// How it is called, at length.
pub fn help() -> String {
    format!(
        "{}OPTIONS:\n{}\nENVIRONMENT:\n{}",
        USAGE.lines().next().map(|line| format!("{line}\n")).unwrap_or_default(),
        "\
  -a         Dump a list of all non-default configuration variables.
  -A         Dump a list of all configuration variables (incl. defaults).
  -c         Check. Return success if set or no changes, else error.
  -d         Print a description of the given variable.
  -D         Show default value(s) only.
  -e         Print query results as `var=value'. Ignored if `-n' is given.
  -E         Existing files only with `-[lL]' or when changing a setting.
  -f file    Operate on the specified file(s) instead of rc_conf_files.
  -F         Show only the last rc.conf(5) file each directive is in.
  -h         Print a short usage statement to stderr and exit.
  --help     Print this message to stderr and exit.
  -i         Ignore unknown variables.
  -l         List configuration files used at startup on stdout and exit.
  -L         List all configuration files including rc.conf.d entries.
  -n         Show only variable values, not their names.
  -N         Show only variable names, not their values.
  -q         Quiet. Disable verbose and hide certain errors.
  -R dir     Operate within the root directory `dir' rather than `/'.
  -s name    Process additional `rc.conf.d' entries for service name.
  -v         Verbose. Print the pathname of the specific rc.conf(5) file.
  --version  Print version information to stdout and exit.
  -x         Remove variable(s) from specified file(s).
",
        "\
  RC_CONFS      Override default rc_conf_files (even if set to NULL).
  RC_DEFAULTS   Location of `/etc/defaults/rc.conf' file.
"
    )
}

/// What the options ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `-a` (`false`), `-A` (`true`).
    pub all: Option<bool>,
    /// `-c`
    pub checks: bool,
    /// `-d`
    pub describes: bool,
    /// `-D`
    pub defaults_only: bool,
    /// `-e`
    pub equals: bool,
    /// `-E`
    pub existing_only: bool,
    /// `-f`
    pub files: Vec<PathBuf>,
    /// `-F`
    pub shows_file: bool,
    /// `-i`
    pub ignores_unknown: bool,
    /// `-l` (`false`), `-L` (`true`).
    pub lists: Option<bool>,
    /// `-n`
    pub only_values: bool,
    /// `-N`
    pub only_names: bool,
    /// `-q`
    pub is_quiet: bool,
    /// `-R`
    pub root: Option<PathBuf>,
    /// `-s`
    pub service: Option<String>,
    /// `-v`
    pub verbose: bool,
    /// `-x`, `-X`
    pub deletes: bool,
    /// The names of services behind `-L`.
    pub services: Vec<String>,
    /// The variables, and what is to be done with each.
    pub arguments: Vec<(String, Change)>,
}

/// What is to be done with a variable.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// It is shown.
    Show,
    /// It gets this value.
    Set(String),
    /// These items are added to it, if they are not in it.
    Add(String),
    /// These items are taken out of it.
    Remove(String),
}

/// What else words may be.
#[derive(Debug, PartialEq, Eq)]
pub enum Other {
    /// The long help.
    Help,
    /// The version.
    Version,
    /// The short help, with what is wrong before it.
    Usage(String),
    /// What is wrong.
    Wrong(String),
}

/// Reads the words.
pub fn read(words: &[OsString]) -> Result<Wish, Other> {
    if words.is_empty() {
        return Err(Other::Usage(String::new()));
    }
    for word in words.iter().take_while(|word| word.as_bytes() != b"--") {
        match word.as_bytes() {
            b"--help" => return Err(Other::Help),
            b"--version" => return Err(Other::Version),
            _ => {}
        }
    }
    let mut wish = Wish::default();
    let mut deletes_all = false;
    let mut options = Options::new("aAcdDeEf:Fhij:lLnNqR:s:vxX", words);
    while let Some(option) = options.next() {
        let option = option.map_err(|wrong| Other::Usage(wrong.0))?;
        let text = || match option.value.to_str() {
            Some("") | None => {
                Err(Other::Wrong(format!("Missing or null argument to `-{}' flag", option.letter)))
            }
            Some(text) => Ok(text.to_string()),
        };
        match option.letter {
            'a' => wish.all = wish.all.or(Some(false)),
            'A' => wish.all = Some(true),
            'c' => wish.checks = true,
            'd' => wish.describes = true,
            'D' => wish.defaults_only = true,
            'e' => wish.equals = true,
            'E' => wish.existing_only = true,
            'f' => (wish.defaults_only, _) = (false, wish.files.push(option.value.into())),
            'F' => wish.shows_file = true,
            'h' => return Err(Other::Usage(String::new())),
            'i' => wish.ignores_unknown = true,
            'j' => {
                return Err(Other::Wrong(
                    "there are no jails on Linux; `-R dir' works in another root".into(),
                ));
            }
            'l' => wish.lists = wish.lists.or(Some(false)),
            'L' => wish.lists = Some(true),
            'n' => wish.only_values = true,
            'N' => wish.only_names = true,
            'q' => (wish.is_quiet, wish.verbose) = (true, false),
            'R' => wish.root = Some(text()?.into()),
            's' => wish.service = Some(text()?),
            'v' => (wish.verbose, wish.is_quiet) = (true, false),
            'x' => wish.deletes = true,
            _ => (wish.deletes, deletes_all) = (true, true),
        }
    }
    wish.equals &= !wish.only_values && !wish.only_names && !wish.shows_file;
    wish.only_values &= !wish.only_names;
    if wish.lists == Some(true) {
        wish.services = options.rest().iter().map(|word| word.to_string_lossy().into_owned()).collect();
        return Ok(wish);
    }
    for word in options.rest() {
        let text = word.to_str().ok_or_else(|| Other::Wrong(format!("{}: not UTF-8", word.display())))?;
        wish.arguments.push(argument(text)?);
    }
    match (&wish.all, wish.arguments.is_empty(), wish.lists) {
        (_, false, Some(_)) | (None, true, None) => return Err(Other::Usage(String::new())),
        (Some(_), _, _) | (None, _, _) => {}
    }
    if wish.all.is_some() && wish.deletes && !deletes_all {
        return Err(Other::Wrong(
            "`-x' option incompatible with `-a'/`-A' options (use `-X' to override)".into(),
        ));
    }
    if wish.all.is_some() && wish.checks {
        return Err(Other::Wrong("`-c' option incompatible with `-a'/`-A' options".into()));
    }
    Ok(wish)
}

fn argument(text: &str) -> Result<(String, Change), Other> {
    let (name, change) = match text.split_once('=') {
        None => (text, Change::Show),
        Some((name, value)) => {
            let value = value.to_string();
            match (name.strip_suffix('+'), name.strip_suffix('-')) {
                (Some(name), _) => (name, Change::Add(value)),
                (None, Some(name)) => (name, Change::Remove(value)),
                (None, None) => (name, Change::Set(value)),
            }
        }
    };
    if is_name(name) {
        return Ok((name.into(), change));
    }
    Err(Other::Wrong(format!("{name}: name contains characters not allowed in shell")))
}

impl Change {
    /// The value that a variable then has, which has `before` now.
    pub fn apply(&self, before: &str) -> String {
        match self {
            Self::Show => before.into(),
            Self::Set(value) => value.clone(),
            Self::Add(items) => {
                let (separator, items) = split(items);
                let held = items_of(before, separator);
                let mut new = before.to_string();
                for item in items.iter().filter(|item| !held.contains(item)) {
                    if !new.is_empty() {
                        new.push(separator);
                    }
                    new.push_str(item);
                }
                new
            }
            Self::Remove(items) => {
                let (separator, items) = split(items);
                let kept: Vec<&str> =
                    items_of(before, separator).into_iter().filter(|item| !items.contains(item)).collect();
                kept.join(&separator.to_string())
            }
        }
    }
}

/// The separator and the items of what stands behind `+=`: its first character separates them, unless that is one that
/// items begin with.
fn split(text: &str) -> (char, Vec<&str>) {
    let separator = match text.chars().next() {
        Some(first) if !first.is_whitespace() && !first.is_ascii_alphanumeric() && !"./".contains(first) => {
            first
        }
        Some(_) | None => ' ',
    };
    (separator, items_of(text, separator))
}

fn items_of(text: &str, separator: char) -> Vec<&str> {
    let items: Box<dyn Iterator<Item = &str>> = match separator {
        ' ' => Box::new(text.split_whitespace()),
        separator => Box::new(text.split(separator)),
    };
    items.filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, word: &str, expected: &str) {
        let (_, change) = argument(word).unwrap();
        assert_eq!(change.apply(before), expected, "{word}");
    }

    #[test]
    fn items_are_added_once_and_taken_out() {
        check("a b", "x+=c", "a b c");
        check("a b", "x+=b", "a b");
        check("", "x+=a b", "a b");
        check("a,b", "x+=,c", "a,b,c");
        check("a b", "x+= c d", "a b c d");
        check("a b c", "x-=b", "a c");
        check("a,b,c", "x-=,b,c", "a");
        check("a", "x-=a", "");
        check("a", "x=", "");
        check("a", "x=a=b", "a=b");
        check("tun0", "x+=/dev/x", "tun0 /dev/x");
    }

    #[track_caller]
    fn wrong(line: &str, expected: &str) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let shown = format!("{:?}", read(&words).unwrap_err());
        assert!(shown.contains(expected), "{line}: {shown}");
    }

    #[test]
    fn what_is_wrong_is_told() {
        wrong("-n", "Usage");
        wrong("-l x", "Usage");
        wrong("-Z", "illegal option -- Z");
        wrong("-f", "requires an argument");
        wrong("-aRx -j1 a", "jails");
        wrong("a-b=c", "a-b: name contains");
        wrong("$(reboot)=1", "name contains");
        wrong("1a", "name contains");
        wrong("-ax", "-X");
        wrong("-ac", "incompatible");
        wrong("x --help", "Help");
        wrong("x --version", "Version");
    }

    #[test]
    fn options_are_read() {
        let wish = read(&["-nqf", "/a", "-f", "/b", "x", "y=1"].map(OsString::from)).unwrap();
        assert!(wish.only_values && wish.is_quiet);
        assert_eq!(wish.files, ["/a", "/b"].map(PathBuf::from));
        assert_eq!(wish.arguments, [("x".into(), Change::Show), ("y".into(), Change::Set("1".into()))]);
    }
}
