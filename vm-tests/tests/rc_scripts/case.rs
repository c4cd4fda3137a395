//! A case: the files of a root, and commands with what each must print and how it must end.
//!
//!     What the case is about.
//!
//!     == etc/rc.d/toy
//!     #!/bin/sh
//!     ...
//!     == play
//!     $ /etc/rc.d/toy start
//!     | a line on standard output
//!     ! a line on standard error
//!     = 1
//!
//! A file that begins with `#!` can be executed. Without a line `=` the status is 0. A process's number is `<pid>`, and the
//! line `Waiting for PIDS: <pid>.` is left out: whether a process that was told to end is still there when it is looked at is
//! its own affair. `UPDATE=1 cargo test` writes what came; the difference is then read as code is.

use std::{fs, path::PathBuf};

use vm_tests::programs;

/// A line that may come or not.
const WAITING: &str = "Waiting for PIDS: <pid>.";

/// One command, and what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub command: String,
    pub expected: Ran,
}

/// What a command gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    pub out: Vec<String>,
    pub err: Vec<String>,
    pub status: i32,
}

/// What is in one file of the folder `cases`.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    head: String,
    pub files: Vec<(String, String)>,
    pub steps: Vec<Step>,
}

impl Case {
    /// Where the cases are.
    pub fn folder() -> PathBuf {
        programs::workspace().join("vm-tests/tests/rc_scripts/cases")
    }

    pub fn read(name: &str) -> Self {
        let text = fs::read_to_string(Self::folder().join(format!("{name}.txt"))).unwrap();
        let mut case =
            Self { name: name.to_owned(), head: String::new(), files: Vec::new(), steps: Vec::new() };
        let (mut playing, mut before_files) = (false, true);
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("== ") {
                before_files = false;
                playing = title == "play";
                if !playing {
                    case.files.push((title.to_owned(), String::new()));
                }
            } else if before_files {
                case.head.push_str(line);
                case.head.push('\n');
            } else if playing {
                case.step(line);
            } else {
                let (_, text) = case.files.last_mut().unwrap();
                text.push_str(line);
                text.push('\n');
            }
        }
        assert!(!case.steps.is_empty() && case.head.trim().len() > 10, "{name}: a case has a head and steps");
        case
    }

    fn step(&mut self, line: &str) {
        let (mark, rest) = line.split_at(line.len().min(1));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match (mark, self.steps.last_mut()) {
            ("$", _) => {
                self.steps.push(Step { command: rest.to_owned(), expected: Ran::default() });
            }
            ("|", Some(step)) => step.expected.out.push(rest.to_owned()),
            ("!", Some(step)) => step.expected.err.push(rest.to_owned()),
            ("=", Some(step)) => step.expected.status = rest.parse().unwrap(),
            ("" | "#", _) => {}
            _ => panic!("{}: no such line in a play: {line}", self.name),
        }
    }

    /// Whether it changes users, which only root can.
    pub fn needs_root(&self) -> bool {
        self.head.contains("Needs root.")
    }

    /// Whether `onset-rc` is there, under its names.
    pub fn has_commands(&self) -> bool {
        self.head.contains("With Onset's own commands.")
    }

    /// How many rc.d scripts it has.
    pub fn scripts(&self) -> usize {
        let scripts =
            self.files.iter().filter(|(path, text)| path.contains("rc.d/") && text.contains("/etc/rc.subr"));
        scripts.count()
    }

    /// Whether it is played under a shell.
    pub fn is_for(&self, shell: &str) -> bool {
        !self.head.contains(&format!("Not under {shell}"))
    }

    /// Writes the case with what came in the place of what was expected. Comments between commands stay.
    pub fn update(&self, came: &[Ran]) {
        let path = Self::folder().join(format!("{}.txt", self.name));
        let text = fs::read_to_string(&path).unwrap();
        let (before, played) = text.split_once("== play\n").unwrap();
        let (mut new, mut came) = (format!("{before}== play\n"), came.iter());
        for line in played.lines() {
            if line.starts_with('$') {
                new.push_str(line);
                new.push('\n');
                new.push_str(&came.next().unwrap().text());
            } else if line.is_empty() || line.starts_with('#') {
                new.push_str(line);
                new.push('\n');
            }
        }
        fs::write(&path, new).unwrap();
    }
}

impl Ran {
    /// Reads what the root has said: for each command the length and text of its output, errors and status.
    pub fn read(said: &[u8], count: usize) -> Option<Vec<Self>> {
        let mut rest = said;
        let mut piece = || {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let length = std::str::from_utf8(&rest[..end]).ok()?.split(' ').next()?.parse::<usize>().ok()?;
            let text = String::from_utf8_lossy(rest.get(end + 1..end + 1 + length)?).into_owned();
            rest = &rest[end + 1 + length..];
            Some(text)
        };
        let mut all = Vec::new();
        for _ in 0..count {
            let (out, err, status) = (lines(&piece()?), lines(&piece()?), piece()?);
            all.push(Self { out, err, status: status.trim().parse().ok()? });
        }
        Some(all)
    }

    pub fn text(&self) -> String {
        let lines = |mark: &'static str, lines: &[String]| {
            lines.iter().map(|line| format!("{mark} {line}").trim_end().to_owned() + "\n").collect::<String>()
        };
        let status = if self.status == 0 { String::new() } else { format!("= {}\n", self.status) };
        lines("|", &self.out) + &lines("!", &self.err) + &status
    }
}

/// The lines of what was printed, with `<pid>` for numbers of processes.
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| nameless(line).trim_end().to_owned());
    lines.filter(|line| line != WAITING).collect()
}

fn nameless(line: &str) -> String {
    let Some(at) =
        ["pid ", "(pid=", "PIDS: "].iter().filter_map(|mark| Some(line.find(mark)? + mark.len())).min()
    else {
        return line.to_owned();
    };
    let (before, after) = line.split_at(at);
    let mut out = before.to_owned();
    let mut in_number = false;
    for character in after.chars() {
        if !character.is_ascii_digit() {
            out.push(character);
        } else if !in_number {
            out.push_str("<pid>");
        }
        in_number = character.is_ascii_digit();
    }
    out
}

#[test]
fn numbers_of_processes_have_no_name() {
    assert_eq!(nameless("a 12 is running as pid 12 345."), "a 12 is running as pid <pid> <pid>.");
    assert_eq!(nameless("Waiting for PIDS: 1 22, 1."), "Waiting for PIDS: <pid> <pid>, <pid>.");
    assert_eq!(nameless("nothing 12"), "nothing 12");
}
