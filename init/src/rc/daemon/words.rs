//! The words of `daemon`.

use core::time::Duration;
use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use crate::rc::{
    options::{Found, Options},
    syslog::{Log, facility, level},
};

/// How it is called.
pub const USAGE: &str = "\
usage: daemon [-cfHrS] [-C restart_count] [-R restart_delay_secs]
              [-p child_pidfile] [-P supervisor_pidfile] [-u user]
              [-o output_file] [-m output_mask] [-t title]
              [-l syslog_facility] [-s syslog_priority] [-T syslog_tag]
              command arguments ...

  -c, --change-dir             change to the root folder
  -f, --close-fds              /dev/null is input, output and error
  -p, --child-pidfile FILE     write the command's pid, and lock the file
  -P, --supervisor-pidfile FILE  write the pid of who watches over it, and lock the file
  -r, --restart                start the command again when it ends
  -R, --restart-delay SECONDS  the same, so many seconds later
  -C, --restart-count N        the same, N times at most
  -u, --user USER              run the command as this user, with its groups
  -o, --output-file FILE       append output to a file
  -H, --sighup                 open it anew on SIGHUP
  -m, --output-mask MASK       which output: 1 output, 2 errors, 3 both
  -S, --syslog                 write output to the system's log
  -l, --syslog-facility NAME   its facility [daemon]
  -s, --syslog-priority NAME   its level [notice]
  -T, --syslog-tag NAME        its tag [daemon]
  -t, --title NAME             how the watching process is shown
";

const LONG: &[(&str, u8)] = &[
    ("change-dir", b'c'),
    ("child-pidfile", b'p'),
    ("close-fds", b'f'),
    ("help", b'h'),
    ("output-file", b'o'),
    ("output-mask", b'm'),
    ("restart", b'r'),
    ("restart-count", b'C'),
    ("restart-delay", b'R'),
    ("sighup", b'H'),
    ("supervisor-pidfile", b'P'),
    ("syslog", b'S'),
    ("syslog-facility", b'l'),
    ("syslog-priority", b's'),
    ("syslog-tag", b'T'),
    ("title", b't'),
    ("user", b'u'),
];

/// The longest delay: a year.
const LONGEST_DELAY: u64 = 31_536_000;
/// The most restarts that can be asked for.
const MOST_RESTARTS: u32 = 128;

/// What the words ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// `-c`
    pub changes_folder: bool,
    /// `-f`
    pub closes_files: bool,
    /// `-p`
    pub child_pidfile: Option<PathBuf>,
    /// `-P`
    pub own_pidfile: Option<PathBuf>,
    /// `-r`, `-R`: how long after its end the command is started again.
    pub restart: Option<Duration>,
    /// `-C`
    pub most_restarts: Option<u32>,
    /// `-u`
    pub user: Option<String>,
    /// `-o`
    pub output: Option<PathBuf>,
    /// `-H`
    pub opens_anew: bool,
    /// `-m`: whether output, and whether errors are taken.
    pub mask: (bool, bool),
    /// `-S` and what goes with it.
    pub log: Option<Log>,
    /// Whether an option was given that makes it watch over the command.
    watches: bool,
    /// `-t`
    pub title: Option<String>,
    /// The command.
    pub command: Vec<OsString>,
}

/// What is wrong with words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// They are not understood.
    Usage(String),
    /// A value is not one; with the exit status.
    Value(u8, String),
}

impl Wish {
    /// Whether somebody stays to watch over the command.
    pub const fn is_watched(&self) -> bool {
        self.watches
    }
}

/// Reads the words.
pub fn read(words: &[OsString]) -> Result<Wish, Wrong> {
    let mut wish = Wish {
        changes_folder: false,
        closes_files: false,
        child_pidfile: None,
        own_pidfile: None,
        restart: None,
        most_restarts: None,
        user: None,
        output: None,
        opens_anew: false,
        mask: (true, true),
        log: None,
        watches: false,
        title: None,
        command: Vec::new(),
    };
    let mut options = Options::with_long("C:cfHhl:m:o:p:P:rR:Ss:t:T:u:", LONG, words);
    while let Some(option) = options.next() {
        let option = option.map_err(|wrong| Wrong::Usage(wrong.0))?;
        wish.watches |= !matches!(option.letter, 'c' | 'f' | 'u' | 't' | 'H');
        take(&mut wish, option)?;
    }
    if options.rest().is_empty() {
        return Err(Wrong::Usage(String::new()));
    }
    wish.command = options.rest().to_vec();
    Ok(wish)
}

fn take(wish: &mut Wish, option: Found<'_>) -> Result<(), Wrong> {
    let (value, text) = (option.value, option.value.to_string_lossy());
    match option.letter {
        'c' => wish.changes_folder = true,
        'f' => wish.closes_files = true,
        'H' => wish.opens_anew = true,
        'p' => wish.child_pidfile = Some(path(value)?),
        'P' => wish.own_pidfile = Some(path(value)?),
        'o' => wish.output = Some(path(value)?),
        'r' => wish.restart = wish.restart.or(Some(Duration::from_secs(1))),
        'R' => match text.parse() {
            Ok(seconds @ 1..=LONGEST_DELAY) => wish.restart = Some(Duration::from_secs(seconds)),
            Ok(_) | Err(_) => return Err(Wrong::Value(6, format!("invalid restart delay: {text}"))),
        },
        'C' => match text.parse() {
            Ok(count @ 0..=MOST_RESTARTS) => {
                wish.most_restarts = Some(count);
                wish.restart = wish.restart.or(Some(Duration::from_secs(1)));
            }
            Ok(_) | Err(_) => return Err(Wrong::Value(6, format!("invalid restart count: {text}"))),
        },
        'u' => wish.user = Some(text.into_owned()),
        't' => wish.title = Some(text.into_owned()),
        'm' => match &*text {
            "0" => wish.mask = (false, false),
            "1" => wish.mask = (true, false),
            "2" => wish.mask = (false, true),
            "3" => wish.mask = (true, true),
            _ => return Err(Wrong::Value(6, format!("invalid listening mask: {text}"))),
        },
        'S' => drop(log(wish)),
        'T' => log(wish).tag = text.into_owned(),
        's' => match level(&text) {
            Some(level) => log(wish).level = level,
            None => return Err(Wrong::Value(4, format!("unrecognized syslog priority: {text}"))),
        },
        'l' => match facility(&text) {
            Some(facility) => log(wish).facility = facility,
            None => return Err(Wrong::Value(5, format!("unrecognized syslog facility: {text}"))),
        },
        _ => return Err(Wrong::Usage(String::new())),
    }
    Ok(())
}

fn log(wish: &mut Wish) -> &mut Log {
    wish.log.get_or_insert_with(|| Log { tag: "daemon".into(), facility: 3, level: 5 })
}

/// A path that stays the same when the folder changes.
fn path(value: &OsStr) -> Result<PathBuf, Wrong> {
    std::path::absolute(value).map_err(|error| Wrong::Value(2, format!("{}: {error}", value.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(line: &str) -> Result<Wish, Wrong> {
        read(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[track_caller]
    fn wrong(line: &str, code: u8, text: &str) {
        let expected = if code == 1 { Wrong::Usage(text.into()) } else { Wrong::Value(code, text.into()) };
        assert_eq!(wish(line), Err(expected));
    }

    #[test]
    fn options_of_real_scripts_are_read() {
        let found = wish("-cf -u www -p /run/a.pid -t a -o /var/log/a.log -R 5 /bin/a -x").unwrap();
        assert!(found.changes_folder && found.closes_files && found.is_watched());
        assert_eq!(found.user.as_deref(), Some("www"));
        assert_eq!(found.child_pidfile, Some("/run/a.pid".into()));
        assert_eq!(found.restart, Some(Duration::from_secs(5)));
        assert_eq!(found.command, ["/bin/a", "-x"].map(OsString::from));
        let found = wish("-rP /run/a.pid -S -T a -s info -l local3 -m 2 a").unwrap();
        assert_eq!(found.log, Some(Log { tag: "a".into(), facility: 19, level: 6 }));
        assert_eq!((found.mask, found.restart), ((false, true), Some(Duration::from_secs(1))));
        assert!(!wish("-c -f -u x -t y a").unwrap().is_watched());
        assert_eq!(wish("--restart-delay=3 --user=a x").unwrap().restart, Some(Duration::from_secs(3)));
        assert!(wish("-p a.pid x").unwrap().child_pidfile.unwrap().is_absolute());
    }

    #[test]
    fn each_wrong_value_has_its_status() {
        wrong("-c", 1, "");
        wrong("-Z a", 1, "illegal option -- Z");
        wrong("-p", 1, "option requires an argument -- p");
        wrong("-h", 1, "");
        wrong("-s loud a", 4, "unrecognized syslog priority: loud");
        wrong("-l nope a", 5, "unrecognized syslog facility: nope");
        wrong("-m 4 a", 6, "invalid listening mask: 4");
        wrong("-R 0 a", 6, "invalid restart delay: 0");
        wrong("-R x a", 6, "invalid restart delay: x");
        wrong("-R 31536001 a", 6, "invalid restart delay: 31536001");
        wrong("-C 129 a", 6, "invalid restart count: 129");
    }
}
