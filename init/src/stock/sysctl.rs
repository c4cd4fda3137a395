//! The kernel's variables: sysctl.d.
//!
//! All files are read first: of two lines for one variable the last counts, and a variable with a line of its own is
//! not touched by one with a pattern.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use events::glob_matches;

use super::{
    conf::{self, Line},
    task::{Task, reason},
};

/// Where the kernel shows its variables.
const VARIABLES: &str = "/proc/sys";
/// The most variables that one pattern may mean.
const MAX_MATCHES: usize = 4_096;

/// What a line sets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    place: String,
    /// The path below `/proc/sys`.
    path: String,
    /// `None`: patterns leave this variable alone.
    value: Option<String>,
    /// Whether it is no fault if it cannot be set.
    lenient: bool,
}

/// Sets all of them.
pub fn run(task: &mut Task, _: &[String]) {
    let mut files = conf::files(task, "sysctl.d");
    // It was there before the folder, and has the last word.
    let old = task.path("etc/sysctl.conf");
    let is_linked = files.iter().any(|path| path.canonicalize().ok() == old.canonicalize().ok());
    if old.exists() && !is_linked {
        files.push(old);
    }
    let mut settings = Vec::new();
    for file in files {
        for line in conf::lines_of(task, &file) {
            match parse(&line) {
                Ok(setting) => settings.push(setting),
                Err(fault) => task.fault(format!("{}: {fault}", line.place)),
            }
        }
    }
    for setting in last_words(settings.clone()) {
        if is_pattern(&setting.path) {
            for path in expand(&setting.path) {
                if !settings.iter().any(|other| other.path == path) {
                    set(task, &setting, &path);
                }
            }
        } else {
            set(task, &setting, &setting.path);
        }
    }
}

fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Of those for one path only the last, in the order of the files.
fn last_words(settings: Vec<Setting>) -> Vec<Setting> {
    let paths: Vec<String> = settings.iter().map(|setting| setting.path.clone()).collect();
    let is_last =
        |at: usize, path: &String| paths.iter().skip(at.saturating_add(1)).all(|later| later != path);
    let numbered = settings.into_iter().enumerate();
    numbered.filter(|(at, setting)| is_last(*at, &setting.path)).map(|(_, setting)| setting).collect()
}

fn parse(line: &Line) -> Result<Setting, String> {
    let (lenient, text) = match line.text.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, line.text.as_str()),
    };
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key.trim_end(), Some(value.trim().to_owned())),
        None if lenient => (text, None),
        None => return Err(format!("`{text}` is no `KEY = VALUE`")),
    };
    let path = path_of(key);
    if path.split('/').any(|part| part.is_empty() || part == "..") {
        return Err(format!("`{key}` is no name of a variable"));
    }
    Ok(Setting { place: line.place.clone(), path, value, lenient })
}

/// The path of a variable. Which of `.` and `/` stands first separates the parts; the other one then stands for it within
/// a part, as in `net.ipv4.conf.eth0/100.forwarding`.
fn path_of(key: &str) -> String {
    match key.find(['.', '/']).and_then(|at| key.as_bytes().get(at)) {
        Some(b'.') => {
            let swap = |letter| match letter {
                '.' => '/',
                '/' => '.',
                letter => letter,
            };
            key.chars().map(swap).collect()
        }
        Some(_) | None => key.trim_start_matches('/').into(),
    }
}

fn set(task: &mut Task, setting: &Setting, path: &str) {
    let Some(value) = &setting.value else { return };
    if let Err(error) = write(&Path::new(VARIABLES).join(path), value)
        && !setting.lenient
    {
        let is_unknown = error.kind() == io::ErrorKind::NotFound;
        let why = if is_unknown { "the kernel has no such variable".into() } else { reason(&error) };
        task.fault(format!("{}: cannot set {} to `{value}`: {why}", setting.place, path.replace('/', ".")));
    }
}

fn write(path: &Path, value: &str) -> io::Result<()> {
    // One write: the kernel takes each for a value of its own.
    fs::OpenOptions::new().write(true).open(path)?.write_all(format!("{value}\n").as_bytes())
}

/// The variables that a pattern means, which is compared part by part.
fn expand(pattern: &str) -> Vec<String> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.split('/') {
        let mut next = Vec::new();
        for folder in &found {
            if is_pattern(part) {
                let entries = fs::read_dir(Path::new(VARIABLES).join(folder)).into_iter().flatten().flatten();
                let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
                next.extend(names.filter(|name| glob_matches(part, name)).map(|name| folder.join(name)));
            } else {
                next.push(folder.join(part));
            }
        }
        next.truncate(MAX_MATCHES);
        next.sort_unstable();
        found = next;
    }
    let there = found.into_iter().filter(|path| Path::new(VARIABLES).join(path).is_file());
    there.map(|path| path.to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let shown = |line: &Line| match parse(line) {
            Ok(it) => format!("{}{}={:?}", if it.lenient { "-" } else { "" }, it.path, it.value),
            Err(fault) => fault,
        };
        conf::split("x", text).iter().map(shown).collect()
    }

    #[test]
    fn a_line_is_a_key_and_a_value() {
        assert_eq!(
            read(
                "kernel.sysrq=1\n net/ipv4/conf/eth0.5/x =  a b \n-a.b = 2\n-net.ipv4.conf.all.rp_filter\nvm.x\n"
            ),
            [
                "kernel/sysrq=Some(\"1\")",
                "net/ipv4/conf/eth0.5/x=Some(\"a b\")",
                "-a/b=Some(\"2\")",
                "-net/ipv4/conf/all/rp_filter=None",
                "`vm.x` is no `KEY = VALUE`",
            ]
        );
        assert_eq!(read("net.ipv4.conf.eth0/100.x = 1"), ["net/ipv4/conf/eth0.100/x=Some(\"1\")"]);
    }

    #[test]
    fn a_key_does_not_lead_out_of_proc_sys() {
        for key in ["../etc/passwd", "a/../../b", "..", "= 1", "a..b"] {
            assert!(parse(&Line { place: String::new(), text: format!("{key}=1") }).is_err(), "{key}");
        }
    }

    #[test]
    fn the_last_line_for_a_variable_counts() {
        let lines = conf::split("x", "a=1\nb=2\na=3\n");
        let settings: Vec<_> = lines.iter().map(|line| parse(line).unwrap()).collect();
        let last = last_words(settings);
        let shown: Vec<_> = last.iter().map(|it| format!("{}={:?}", it.path, it.value)).collect();
        assert_eq!(shown, ["b=Some(\"2\")", "a=Some(\"3\")"]);
    }

    #[test]
    fn a_pattern_means_what_is_there() {
        let found = expand("kernel/os*");
        assert!(
            found.contains(&"kernel/ostype".into()) && found.contains(&"kernel/osrelease".into()),
            "{found:?}"
        );
        assert_eq!(expand("kernel/nothing-*"), [""; 0]);
    }
}
