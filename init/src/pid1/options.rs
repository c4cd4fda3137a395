//! What this run of PID 1 was asked to be: by the kernel's command line, its own arguments, and where it is.

use std::time::Duration;

use events::{Args, Event, Name, parse_delay};
use serde::{Deserialize, Serialize};

/// What of the kernel is not used, so that the ways without it can be tested (`onset.without=`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Without {
    /// `clone3`: `fork` instead.
    pub clone3: bool,
    /// cgroup v2: sessions, process groups and a marker in the environment instead.
    pub cgroup2: bool,
    /// pidfds: process ids instead.
    pub pidfd: bool,
}

/// What the boot leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// What the jobs say: `startup`, and run level 2.
    #[default]
    Default,
    /// `startup`, and this run level.
    RunLevel(char),
    /// `startup` and what belongs to it, then a shell for one person.
    Single,
    /// A shell at once, before any job.
    Emergency,
    /// This job, with what it needs, in the place of `startup`.
    Job(Name),
}

/// What this run of PID 1 was asked to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// What of the kernel is not used.
    pub without: Without,
    /// Whether we are in a container: then job output also goes to our own, and there is no `reboot(2)`.
    pub container: bool,
    /// Whether signals mean what they mean to busybox's init.
    pub busybox: bool,
    /// Where job files are found: `/`, but for tests.
    pub root: String,
    /// `quiet`: nothing on the console but what is wrong.
    pub quiet: bool,
    /// `debug`: everything on the console.
    pub debug: bool,
    /// What the boot leads to.
    pub goal: Goal,
    /// `onset.event=NAME,KEY=VALUE`: events that are emitted behind `startup`.
    pub events: Vec<Event>,
    /// `onset.mode=`: the mode that the machine is in from the beginning.
    pub mode: Option<Name>,
    /// `onset.run=`: the command to run when the boot has settled.
    pub run: Option<String>,
    /// `onset.settle=`: how long a boot may take to settle before it is said who holds it up.
    pub settle: Option<Duration>,
    /// `onset.watchdog=`: how often the hardware's watchdog must hear of us.
    pub watchdog: Option<Duration>,
    /// `onset.log=SIZE,FILES`: how long a file of a log becomes in bytes, and how many there are of each log.
    pub log: Option<(u64, u32)>,
    /// `onset.buffer=SIZE`: how many bytes of messages about devices wait in the kernel at most.
    pub buffer: Option<u64>,
    /// `onset.fault=`: at which point to fail on purpose (builds with the feature `faults`).
    pub fault: Option<String>,
    /// The command whose container this is (`onset -- CMD ARGS`).
    pub command: Vec<String>,
    /// What was asked for and not understood, in words.
    pub remarks: Vec<String>,
}

impl Options {
    /// What the kernel's command line and our own arguments ask for; the latter count where they differ.
    #[must_use]
    pub fn parse(command_line: &str, arguments: &[String]) -> Self {
        let mut options = Self { root: "/".into(), ..Self::default() };
        for word in words(command_line) {
            options.kernel_word(&word);
        }
        let mut arguments = arguments.iter();
        while let Some(word) = arguments.next() {
            match word.as_str() {
                "--" => {
                    options.command = arguments.by_ref().cloned().collect();
                }
                // sysvinit's way to make room for a process's title.
                "-z" => {
                    arguments.next();
                }
                "--container" => options.container = true,
                word => options.own_word(word),
            }
        }
        options
    }

    /// A word of the kernel's command line: most are not for us.
    fn kernel_word(&mut self, word: &str) {
        match word {
            "single" | "s" | "S" | "1" | "2" | "3" | "4" | "5" | "emergency" | "rescue" | "quiet"
            | "debug" => self.own_word(word),
            word if word.starts_with("onset.") || word.starts_with("systemd.unit=") => self.own_word(word),
            _ => {}
        }
    }

    fn own_word(&mut self, word: &str) {
        match word {
            "single" | "s" | "S" | "-s" | "1" | "rescue" | "systemd.unit=rescue.target" => {
                self.goal = Goal::Single;
            }
            "2" | "3" | "4" | "5" => {
                self.goal = word.chars().next().map_or(Goal::Default, Goal::RunLevel);
            }
            "emergency" | "-b" | "systemd.unit=emergency.target" => self.goal = Goal::Emergency,
            "quiet" => self.quiet = true,
            "debug" => self.debug = true,
            "auto" | "-a" | "splash" => {}
            word => match word.strip_prefix("onset.").and_then(|setting| setting.split_once('=')) {
                Some((key, value)) => self.setting(key, value),
                None => self.remarks.push(format!("`{word}` means nothing to onset")),
            },
        }
    }

    /// `onset.KEY=VALUE`.
    fn setting(&mut self, key: &str, value: &str) {
        let known = match key {
            "goal" => Name::new(value).map(|name| self.goal = Goal::Job(name)).is_ok(),
            "event" => event(value).map(|event| self.events.push(event)).is_some(),
            "mode" => Name::new(value).map(|mode| self.mode = Some(mode)).is_ok(),
            "run" => {
                self.run = Some(value.into());
                true
            }
            "settle" => parse_delay(value).map(|delay| self.settle = Some(delay)).is_ok(),
            "watchdog" => {
                let seconds = value.parse().map(Duration::from_secs);
                self.watchdog = seconds.ok().or_else(|| parse_delay(value).ok());
                self.watchdog.is_some()
            }
            "log" => {
                self.log = logs(value);
                self.log.is_some()
            }
            "buffer" => {
                self.buffer = bytes(value);
                self.buffer.is_some()
            }
            "fault" => {
                self.fault = Some(value.into());
                true
            }
            "compat" => {
                self.busybox = value == "busybox";
                self.busybox
            }
            "without" => value.split(',').all(|what| self.without(what)),
            _ => {
                self.remarks.push(format!("`onset.{key}` is not known: {KNOWN}"));
                return;
            }
        };
        if !known {
            self.remarks.push(format!("`{value}` is no value for `onset.{key}`"));
        }
    }

    fn without(&mut self, what: &str) -> bool {
        let switch = match what {
            "clone3" => &mut self.without.clone3,
            "cgroup2" => &mut self.without.cgroup2,
            "pidfd" => &mut self.without.pidfd,
            _ => return false,
        };
        *switch = true;
        true
    }
}

/// A file of a log that is shorter would hold hardly more than one line.
const SMALLEST_LOG: u64 = 16 << 10;
/// Each is renamed when one is put away.
const MOST_LOGS: u32 = 100;

const KNOWN: &str = "goal, event, mode, run, settle, watchdog, log, buffer, fault, compat and without are";

/// `SIZE` or `SIZE,FILES`, with K, M or G for the size.
fn logs(text: &str) -> Option<(u64, u32)> {
    let (size, files) = text.split_once(',').unwrap_or((text, "4"));
    let size = bytes(size).filter(|size| *size >= SMALLEST_LOG)?;
    Some((size, files.parse().ok().filter(|files| (1..=MOST_LOGS).contains(files))?))
}

/// `SIZE`, with K, M or G.
fn bytes(size: &str) -> Option<u64> {
    let (number, unit) = match size.char_indices().last()? {
        (at, 'K') => (size.get(..at)?, 1_u64 << 10),
        (at, 'M') => (size.get(..at)?, 1 << 20),
        (at, 'G') => (size.get(..at)?, 1 << 30),
        _ => (size, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// `NAME,KEY=VALUE,...`; a comma or backslash that is part of a value has a backslash before it.
fn event(text: &str) -> Option<Event> {
    let mut words = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            ',' => {
                words.push(String::new());
                continue;
            }
            '\\' => letters.next()?,
            letter => letter,
        };
        words.last_mut()?.push(letter);
    }
    let (name, args) = words.split_first()?;
    let args = Args::parse(args.iter().map(String::as_str)).ok()?;
    Some(Event { name: Name::new(name).ok()?, args })
}

/// The words of a command line as the kernel splits it: at blanks that are not between double quotes.
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.trim_end_matches(['\n', '\0']).chars() {
        match letter {
            '"' => quoted = !quoted,
            letter if letter.is_whitespace() && !quoted => words.push(String::new()),
            letter => {
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str, arguments: &[&str]) -> Options {
        Options::parse(line, &arguments.iter().map(|&word| word.into()).collect::<Vec<_>>())
    }

    #[test]
    fn the_kernels_words_are_not_for_us() {
        let read = options("BOOT_IMAGE=/vmlinuz root=/dev/vda ro console=ttyS0 quiet panic=-1\n", &[]);
        assert_eq!(read, Options { root: "/".into(), quiet: true, ..Options::default() });
    }

    #[test]
    fn a_goal_comes_from_either_side_and_our_own_arguments_count() {
        for (line, arguments, goal) in [
            ("single", &[][..], Goal::Single),
            ("", &["-s"], Goal::Single),
            ("3", &[], Goal::RunLevel('3')),
            ("3", &["emergency"], Goal::Emergency),
            ("systemd.unit=rescue.target", &[], Goal::Single),
            ("onset.goal=shell", &[], Goal::Job(Name::new("shell").unwrap())),
        ] {
            assert_eq!(options(line, arguments).goal, goal, "{line} {arguments:?}");
        }
    }

    #[test]
    fn settings_are_read_with_their_quotes() {
        let read = options("onset.run=\"echo a b\" onset.event=net-up,IFACE=eth0 onset.settle=60s", &[]);
        assert_eq!(read.run.as_deref(), Some("echo a b"));
        assert_eq!(read.events[0].to_string(), "net-up IFACE=eth0");
        assert_eq!(read.settle, Some(Duration::from_secs(60)));
        let read = options("onset.without=clone3,pidfd", &["--", "sh", "-c", "exit 3"]);
        assert!(read.without.clone3 && read.without.pidfd && !read.without.cgroup2);
        assert_eq!(read.command, ["sh", "-c", "exit 3"]);
    }

    #[test]
    fn the_arguments_of_an_event_may_have_blanks_commas_and_quotes() {
        for (line, expected) in [
            (r#""onset.event=say,TEXT=two words,N=1""#, Some([("TEXT", "two words"), ("N", "1")])),
            (r#"onset.event=say,TEXT="two words",N=1"#, Some([("TEXT", "two words"), ("N", "1")])),
            (r"onset.event=say,TEXT=a\,b\\c,N=", Some([("TEXT", r"a,b\c"), ("N", "")])),
            ("onset.event=say,TEXT=it's=so,N=$(reboot)", Some([("TEXT", "it's=so"), ("N", "$(reboot)")])),
            ("onset.event=say,", None),
            ("onset.event=say,TEXT", None),
            ("onset.event=say,TEXT=a\\", None),
            (r#""onset.event=two words""#, None),
        ] {
            let read = options(line, &[]);
            let args = read.events.first().map(|event| {
                event.args.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>()
            });
            assert_eq!(args.as_deref(), expected.as_ref().map(<[_; 2]>::as_slice), "{line}");
            assert_eq!(read.remarks.len(), usize::from(expected.is_none()), "{line}");
        }
    }

    #[test]
    fn a_mode_is_one_word() {
        assert_eq!(options("onset.mode=backup", &[]).mode.as_deref(), Some("backup"));
        let read = options("\"onset.mode=two words\"", &[]);
        assert_eq!((read.mode, read.remarks.len()), (None, 1));
    }

    #[test]
    fn how_much_is_kept_of_a_log_can_be_said() {
        for (value, log) in [
            ("4M", Some((4 << 20, 4))),
            ("65536,1", Some((65_536, 1))),
            ("1G,100", Some((1 << 30, 100))),
            ("16K,0", None),
            ("16K,101", None),
            ("1K", None),
            ("", None),
            ("M", None),
            ("99999999999G", None),
        ] {
            assert_eq!(options(&format!("onset.log={value}"), &[]).log, log, "{value}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for word in ["onset.gaol=x", "onset.settle=soon", "onset.without=wings", "onset.event="] {
            assert_eq!(options(word, &[]).remarks.len(), 1, "{word}");
        }
        assert_eq!(options("", &["-z", "xxxx", "auto", "wibble"]).remarks.len(), 1);
    }
}
