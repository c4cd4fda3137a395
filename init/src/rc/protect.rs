//! `protect`: keeps a command, or processes, from being killed when memory is short. On Linux children always inherit
//! it, so `-i` changes nothing.

use std::{fs, io, path::PathBuf};

use super::{
    call::{Call, reason},
    launch::become_command,
};

const USAGE: &str = "usage: protect [-i] command\n       protect [-cdi] -g pgrp | -p pid\n";
/// The kernel never chooses a process with this score.
const NEVER: &str = "-1000";

/// `protect` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let (mut clear, mut descend) = (false, false);
    let (mut process, mut group): (Option<i32>, Option<i32>) = (None, None);
    let (options, rest) = match call.options("cdig:p:", 1, USAGE) {
        Ok(read) => read,
        Err(status) => return status,
    };
    for option in options {
        let number = || option.value.to_str().and_then(|text| text.parse().ok()).filter(|pid| *pid > 0);
        match option.letter {
            'c' => clear = true,
            'd' => descend = true,
            'g' => match number() {
                Some(pid) => group = Some(pid),
                None => return call.fail(1, &format!("invalid process group: {}", option.value.display())),
            },
            'p' => match number() {
                Some(pid) => process = Some(pid),
                None => return call.fail(1, &format!("invalid process id: {}", option.value.display())),
            },
            _ => {}
        }
    }
    let pids = match (process, group) {
        (Some(_), Some(_)) => return call.misuse(1, USAGE),
        (None, None) if rest.is_empty() || clear || descend => return call.misuse(1, USAGE),
        (None, None) => {
            if let Err(error) = score("self", NEVER) {
                return call.fail(1, &format!("cannot protect {}: {}", rest_name(rest), reason(&error)));
            }
            return become_command(call, rest);
        }
        _ if !rest.is_empty() => return call.misuse(1, USAGE),
        (Some(pid), None) => vec![pid],
        (None, Some(group)) => members(|of| of.group == group),
    };
    let pids = if descend { with_children(pids) } else { pids };
    if pids.is_empty() {
        return call.fail(1, &"no such process");
    }
    let mut code = 0;
    for pid in pids {
        if let Err(error) = score(&pid.to_string(), if clear { "0" } else { NEVER }) {
            code = call.fail(1, &format!("process {pid}: {}", reason(&error)));
        }
    }
    code
}

fn rest_name(words: &[std::ffi::OsString]) -> String {
    words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
}

fn score(process: &str, score: &str) -> io::Result<()> {
    fs::write(PathBuf::from("/proc").join(process).join("oom_score_adj"), score)
}

/// What /proc says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect()
}

/// A line of `/proc/PID/stat`. The name in it may hold anything, also brackets and blanks.
fn parse(pid: i32, line: &str) -> Option<Process> {
    let mut fields = line.rsplit_once(')')?.1.split_whitespace().skip(1);
    Some(Process { pid, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

fn members(is_meant: impl Fn(Process) -> bool) -> Vec<i32> {
    processes().into_iter().filter(|process| is_meant(*process)).map(|process| process.pid).collect()
}

/// These and all their children, and the children of those.
fn with_children(mut pids: Vec<i32>) -> Vec<i32> {
    let all = processes();
    let mut at = 0_usize;
    while let Some(parent) = pids.get(at).copied() {
        at = at.saturating_add(1);
        let children: Vec<i32> =
            all.iter().filter(|child| child.parent == parent).map(|child| child.pid).collect();
        for child in children {
            if !pids.contains(&child) {
                pids.push(child);
            }
        }
    }
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_any_name() {
        let expected = Some(Process { pid: 7, parent: 3, group: 5 });
        assert_eq!(parse(7, "7 (a) S 1 2 (b) S 3 5 5 0 -1"), expected);
        assert_eq!(parse(7, "nonsense"), None);
    }

    #[test]
    fn children_are_found_through_their_parents() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(with_children(vec![1]).contains(&own) || with_children(vec![own]).contains(&own));
    }
}
