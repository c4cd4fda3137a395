//! How many children PID 1 has at a time while a command makes orphans for it.

use std::{
    fs, io,
    process::{Command, Stdio},
    time::Duration,
};

/// What the kernel tells of PID 1's children, those that wait to be reaped among them.
const CHILDREN: &str = "/proc/1/task/1/children";

/// How often it is looked: what makes orphans shall come to do so.
const LOOK: Duration = Duration::from_millis(1);

/// Runs a command, says how many children PID 1 had at most besides those that it has anyway, and fails if these are as
/// many as the first word says. One that has just been orphaned and still lives counts, too.
pub fn count(words: &[String]) -> io::Result<()> {
    let [most, program, rest @ ..] = words else { return Err(io::Error::other("a number and a command")) };
    let limit: usize = most.parse().map_err(io::Error::other)?;
    let usual = children()?;
    let mut command = Command::new(program).args(rest).stdin(Stdio::null()).spawn()?;
    let (mut most, mut looks) = (0, 0_u32);
    let status = loop {
        most = most.max(children()?.saturating_sub(usual));
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
    super::say(&format!("at most {most} at a time, in {looks} looks"))
}

fn children() -> io::Result<usize> {
    Ok(fs::read_to_string(CHILDREN)?.split_whitespace().count())
}
