//! How many zombies PID 1 has at a time while a command makes orphans for it.

use std::{
    fs, io,
    process::{Command, Stdio},
    time::Duration,
};

/// What the kernel tells of PID 1's children, those that wait to be reaped among them.
const CHILDREN: &str = "/proc/1/task/1/children";

/// How often it is looked: what makes orphans shall come to do so.
const LOOK: Duration = Duration::from_millis(1);

/// Runs a command, says how many zombies PID 1 had at most meanwhile, and fails if these are as many as the first word
/// says. Where it has few children all of them are counted, dead or alive: that is one look in place of many.
pub fn count(words: &[String]) -> io::Result<()> {
    let [most, program, rest @ ..] = words else { return Err(io::Error::other("a number and a command")) };
    let limit: usize = most.parse().map_err(io::Error::other)?;
    let few = children()?.len().saturating_add(limit / 2);
    let mut command = Command::new(program).args(rest).stdin(Stdio::null()).spawn()?;
    let (mut most, mut looks) = (0, 0_u32);
    let status = loop {
        let children = children()?;
        if children.len() > few {
            most = most.max(children.iter().filter(|child| is_zombie(child)).count());
        }
        looks = looks.saturating_add(1);
        super::pause(LOOK);
        if let Some(status) = command.try_wait()? {
            break status;
        }
    };
    if !status.success() {
        return Err(io::Error::other(format!("{program}: {status}")));
    }
    if most >= limit {
        return Err(io::Error::other(format!("{most} at a time, in {looks} looks")));
    }
    super::say(&format!("at most {} at a time, in {looks} looks", most.max(limit / 2)))
}

fn children() -> io::Result<Vec<String>> {
    Ok(fs::read_to_string(CHILDREN)?.split_whitespace().map(String::from).collect())
}

/// Whether a process has ended and waits to be reaped.
fn is_zombie(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
}
