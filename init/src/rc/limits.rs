//! `limits`: shows resource limits, or runs a command with others.
//!
//! rc.subr starts every daemon with it. Login classes are FreeBSD's: there is no login.conf here, so a class changes
//! nothing, and only one that somebody chose (not `daemon`, which is everybody's) is told so.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};

use super::{
    call::Call,
    launch::{self, Environment},
    options::{Found, Options},
};

const USAGE: &str = "\
usage: limits [-C class|-P pid|-U user] [-eaSHBE] [-bcdfklmnopstuvwy [val]] [[name=val ...] cmd]
";

/// How a limit is counted, for people and for options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Kilobytes,
    Bytes,
    Count,
}

/// A limit.
struct Kind {
    letter: char,
    name: &'static str,
    unit: Unit,
    /// What it is on Linux.
    resource: Option<Resource>,
    /// What it is called in `/proc/PID/limits`.
    title: &'static str,
}

const fn kind(
    letter: char,
    name: &'static str,
    unit: Unit,
    resource: Option<Resource>,
    title: &'static str,
) -> Kind {
    Kind { letter, name, unit, resource, title }
}

/// All of FreeBSD's, in the order in which they are shown.
const KINDS: &[Kind] = &[
    kind('t', "cputime", Unit::Seconds, Some(Resource::RLIMIT_CPU), "Max cpu time"),
    kind('f', "filesize", Unit::Kilobytes, Some(Resource::RLIMIT_FSIZE), "Max file size"),
    kind('d', "datasize", Unit::Kilobytes, Some(Resource::RLIMIT_DATA), "Max data size"),
    kind('s', "stacksize", Unit::Kilobytes, Some(Resource::RLIMIT_STACK), "Max stack size"),
    kind('c', "coredumpsize", Unit::Kilobytes, Some(Resource::RLIMIT_CORE), "Max core file size"),
    kind('m', "memoryuse", Unit::Kilobytes, Some(Resource::RLIMIT_RSS), "Max resident set"),
    kind('l', "memorylocked", Unit::Kilobytes, Some(Resource::RLIMIT_MEMLOCK), "Max locked memory"),
    kind('u', "maxprocesses", Unit::Count, Some(Resource::RLIMIT_NPROC), "Max processes"),
    kind('n', "openfiles", Unit::Count, Some(Resource::RLIMIT_NOFILE), "Max open files"),
    kind('b', "sbsize", Unit::Bytes, None, ""),
    kind('v', "vmemoryuse", Unit::Kilobytes, Some(Resource::RLIMIT_AS), "Max address space"),
    kind('p', "pseudo-terminals", Unit::Count, None, ""),
    kind('w', "swapuse", Unit::Kilobytes, None, ""),
    kind('k', "kqueues", Unit::Count, None, ""),
    kind('o', "umtxp", Unit::Count, None, ""),
    kind('y', "pipebuf", Unit::Kilobytes, None, ""),
];

/// Which of the two limits is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Side {
    #[default]
    Both,
    Soft,
    Hard,
}

/// What the words ask for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    class: Option<String>,
    /// Limits that are set: their letter, which side, and the value.
    set: Vec<(char, Side, rlim_t)>,
    /// Limits that are only asked for.
    asked: Vec<char>,
    all: bool,
    eval: bool,
    side: Side,
    pid: Option<i32>,
    /// Whether the command begins without any variables.
    empty_environment: bool,
}

/// `limits` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let mut options = Options::new("EeC:U:BSHP:ab?c?d?f?k?l?m?n?o?p?s?t?u?v?w?y?", &call.words);
    let mut wish = Wish::default();
    while let Some(option) = options.next() {
        let taken = option.map_err(|wrong| (wrong.0, true)).and_then(|option| take(&mut wish, option));
        if let Err((why, shows_usage)) = taken {
            call.warn(&why);
            return if shows_usage { call.misuse(1, USAGE) } else { 1 };
        }
    }
    if let Some(class) = wish.class.as_deref().filter(|class| !matches!(*class, "daemon" | "default" | "")) {
        call.warn(&format!("class `{class}`: there are no login classes on Linux, so it changes nothing"));
    }
    let (variables, command) = split(options.rest());
    if command.is_empty() {
        if !variables.is_empty() {
            return call.misuse(1, USAGE);
        }
        return show(call, &wish);
    }
    if wish.eval || wish.pid.is_some() {
        return call.misuse(1, USAGE);
    }
    for (letter, side, value) in &wish.set {
        if let Err(why) = set(*letter, *side, *value) {
            return call.fail(1, &why);
        }
    }
    let mut environment = if wish.empty_environment { Environment::default() } else { Environment::own() };
    for (key, value) in variables {
        environment.set(key, value);
    }
    let error = launch::execute(command, Some(&environment));
    launch::failed(call, command, &error)
}

/// `NAME=VALUE` words, and the command behind them.
fn split(words: &[OsString]) -> (Vec<(OsString, OsString)>, &[OsString]) {
    let mut variables = Vec::new();
    let mut rest = words;
    while let Some((word, others)) = rest.split_first() {
        let bytes = word.as_bytes();
        let Some(at) = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0) else { break };
        let text =
            |bytes: Option<&[u8]>| std::ffi::OsStr::from_bytes(bytes.unwrap_or_default()).to_os_string();
        variables.push((text(bytes.get(..at)), text(bytes.get(at.saturating_add(1)..))));
        rest = others;
    }
    (variables, rest)
}

/// Takes an option. An error has what is wrong, and whether the usage goes with it.
fn take(wish: &mut Wish, option: Found<'_>) -> Result<(), (String, bool)> {
    let text = option.value.to_string_lossy();
    match option.letter {
        'E' => wish.empty_environment = true,
        'e' => wish.eval = true,
        'a' => wish.all = true,
        'B' => wish.side = Side::Both,
        'S' => wish.side = Side::Soft,
        'H' => wish.side = Side::Hard,
        'C' => wish.class = Some(text.into_owned()),
        // Everybody is of the class `default` here.
        'U' => {}
        'P' => match text.parse() {
            Ok(pid) => wish.pid = Some(pid),
            Err(_) => return Err((format!("invalid pid `{text}'"), false)),
        },
        letter => {
            if !option.has_value {
                wish.asked.push(letter);
                return Ok(());
            }
            let unit = KINDS.iter().find(|kind| kind.letter == letter).map_or(Unit::Count, |kind| kind.unit);
            match parse(&text, unit) {
                Some(value) => wish.set.push((letter, wish.side, value)),
                None => return Err((format!("invalid value `{text}' for -{letter}"), false)),
            }
        }
    }
    Ok(())
}

/// A value of a limit: `inf` and its kin, or numbers with units that are added up.
fn parse(text: &str, unit: Unit) -> Option<rlim_t> {
    if ["inf", "infinity", "unlimit", "unlimited", "-1"].contains(&text.to_ascii_lowercase().as_str()) {
        return Some(RLIM_INFINITY);
    }
    let mut sum: rlim_t = 0;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: rlim_t = rest.get(..end)?.parse().ok()?;
        rest = rest.get(end..)?;
        let factor = match (rest.chars().next(), unit) {
            (None, _) => 1,
            (Some(sign), Unit::Seconds) => match sign.to_ascii_lowercase() {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                'w' => 604_800,
                'y' => 31_536_000,
                _ => return None,
            },
            (Some(sign), Unit::Bytes | Unit::Kilobytes) => match sign.to_ascii_lowercase() {
                'b' => 512,
                'k' => 1 << 10,
                'm' => 1 << 20,
                'g' => 1 << 30,
                't' => 1 << 40,
                _ => return None,
            },
            (Some(_), Unit::Count) => return None,
        };
        rest = rest.get(usize::from(!rest.is_empty())..)?;
        sum = sum.checked_add(number.checked_mul(factor)?)?;
    }
    Some(sum)
}

fn set(letter: char, side: Side, value: rlim_t) -> Result<(), String> {
    let Some(kind) = KINDS.iter().find(|kind| kind.letter == letter) else { return Ok(()) };
    let Some(resource) = kind.resource else {
        // The command is to run: what the kernel cannot limit is no reason against it.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "limits: {}: not on Linux", kind.name);
        return Ok(());
    };
    let fault = |error: nix::errno::Errno| format!("setrlimit {}: {}", kind.name, error.desc());
    let (soft, hard) = getrlimit(resource).map_err(fault)?;
    let (soft, hard) = match side {
        // Who may not raise the hard limit gets as much as there is.
        Side::Both => (value, value),
        Side::Soft => (value, hard),
        Side::Hard => (soft.min(value), value),
    };
    setrlimit(resource, soft, hard).map_err(fault)
}

/// Shows limits: for people, or as commands of the shell that has called.
fn show(call: &Call, wish: &Wish) -> u8 {
    let mut text = String::new();
    let side = if wish.side == Side::Both { Side::Soft } else { wish.side };
    let chosen = |kind: &&Kind| {
        let is_set = wish.set.iter().any(|(letter, _, _)| *letter == kind.letter);
        let nothing_chosen = wish.asked.is_empty() && wish.set.is_empty();
        wish.all || nothing_chosen || is_set || wish.asked.contains(&kind.letter)
    };
    if !wish.eval {
        let of = match (&wish.pid, &wish.class) {
            (Some(pid), _) => format!(" for process {pid}"),
            (None, Some(class)) => format!(" for class {class}"),
            (None, None) => String::new(),
        };
        let which = if side == Side::Hard { "maximum" } else { "current" };
        text.push_str(&format!("Resource limits{of} ({which}):\n"));
    }
    for kind in KINDS.iter().filter(chosen) {
        let Some(resource) = kind.resource else { continue };
        let set = wish.set.iter().rev().find(|(letter, _, _)| *letter == kind.letter);
        let value = match set {
            Some((_, _, value)) => *value,
            None => match now(resource, kind, wish.pid) {
                Ok((soft, hard)) => {
                    if side == Side::Hard {
                        hard
                    } else {
                        soft
                    }
                }
                Err(why) => return call.fail(1, &why),
            },
        };
        if wish.eval {
            text.push_str(&eval_line(kind, side, value));
        } else {
            text.push_str(&line(kind, value));
        }
    }
    call.show(text.as_bytes())
}

/// A limit of this process, or of another one.
fn now(resource: Resource, kind: &Kind, pid: Option<i32>) -> Result<(rlim_t, rlim_t), String> {
    let Some(pid) = pid else {
        return getrlimit(resource).map_err(|error| format!("getrlimit {}: {}", kind.name, error.desc()));
    };
    let path = format!("/proc/{pid}/limits");
    let text = std::fs::read_to_string(&path).map_err(|_| format!("process {pid} does not exist"))?;
    let number = |word: Option<&str>| match word {
        Some("unlimited") => Some(RLIM_INFINITY),
        word => word?.parse().ok(),
    };
    let found = text.lines().find_map(|line| {
        let mut words = line.strip_prefix(kind.title)?.split_whitespace();
        Some((number(words.next())?, number(words.next())?))
    });
    found.ok_or_else(|| format!("{path}: no {}", kind.name))
}

/// A value as both forms count it: in 1,024 bytes where it is a size.
fn counted(unit: Unit, value: rlim_t) -> rlim_t {
    if unit == Unit::Kilobytes { value.div_ceil(1024) } else { value }
}

fn line(kind: &Kind, value: rlim_t) -> String {
    let unit = match kind.unit {
        Unit::Seconds => " secs",
        Unit::Kilobytes => " kB",
        Unit::Bytes => " bytes",
        Unit::Count => "",
    };
    if value == RLIM_INFINITY {
        return format!("  {:<16} {:>12}{unit}\n", kind.name, "infinity");
    }
    format!("  {:<16} {:>12}{unit}\n", kind.name, counted(kind.unit, value))
}

/// A line for the shell that has called: they differ in a letter.
fn eval_line(kind: &Kind, side: Side, value: rlim_t) -> String {
    let shell = std::fs::read_link(format!("/proc/{}/exe", nix::unistd::getppid()));
    let is_bash = shell.is_ok_and(|path| path.file_name().is_some_and(|name| name == "bash"));
    let letter = if kind.letter == 'u' && !is_bash { 'p' } else { kind.letter };
    let side = if side == Side::Hard { "-H" } else { "-S" };
    // Shells count files and dumps in blocks of 512 bytes.
    let value = match (value, kind.letter) {
        (RLIM_INFINITY, _) => "unlimited".into(),
        (value, 'f' | 'c') if !is_bash => value.div_ceil(512).to_string(),
        (value, _) => counted(kind.unit, value).to_string(),
    };
    format!("ulimit {side} -{letter} {value};\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, unit: Unit, expected: Option<rlim_t>) {
        assert_eq!(parse(text, unit), expected, "{text}");
    }

    #[test]
    fn values_have_units_that_add_up() {
        check("infinity", Unit::Count, Some(RLIM_INFINITY));
        check("INF", Unit::Bytes, Some(RLIM_INFINITY));
        check("10", Unit::Count, Some(10));
        check("10k", Unit::Kilobytes, Some(10_240));
        check("1m512b", Unit::Bytes, Some((1 << 20) + 512 * 512));
        check("1h30m", Unit::Seconds, Some(5_400));
        check("2b", Unit::Kilobytes, Some(1_024));
        for text in ["", "x", "10x", "-5", "10k ", "k", "99999999999999999999", "18446744073709551615t"] {
            check(text, Unit::Kilobytes, None);
        }
        check("10k", Unit::Count, None);
    }

    #[test]
    fn words_before_the_command_are_variables() {
        let words: Vec<OsString> = ["A=1", "B=", "cmd", "C=3"].map(OsString::from).into();
        let (variables, command) = split(&words);
        assert_eq!(variables.len(), 2);
        assert_eq!(command, ["cmd", "C=3"].map(OsString::from));
        assert!(split(&["=x".into()]).0.is_empty());
    }

    #[test]
    fn every_limit_has_a_letter_of_its_own() {
        for (at, kind) in KINDS.iter().enumerate() {
            assert!(KINDS.iter().skip(at + 1).all(|other| other.letter != kind.letter), "{}", kind.name);
            assert_eq!(kind.resource.is_some(), !kind.title.is_empty(), "{}", kind.name);
        }
    }
}
