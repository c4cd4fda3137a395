//! The host's name, and the interface through which it talks to itself.

use nix::unistd::{gethostname, sethostname};

use super::{
    kernel_line,
    task::{Task, reason},
};
use crate::sys::interface;

/// What a host is called that nobody has named.
const NOBODY: &str = "localhost";
/// The most letters the kernel takes.
const LONGEST: usize = 64;

/// Sets the name: what `/etc/hostname` says, else what the kernel was told, else `localhost` if there is none yet.
pub fn run(task: &mut Task, _: &[String]) {
    let text = task.read("etc/hostname").unwrap_or_default();
    let words = kernel_line::words();
    let told = kernel_line::value(&words, &["systemd.hostname", "hostname"]);
    let name = match (name_of(&text), told) {
        (Some(name), _) => name,
        (None, Some(told)) => told,
        (None, None) if has_name() => return,
        (None, None) => NOBODY,
    };
    if !is_name(name) {
        return task.fault(format!("etc/hostname: `{name}` cannot be the name of a host"));
    }
    if let Err(error) = sethostname(name) {
        task.fault(format!("cannot set the host's name to `{name}`: {}", error.desc()));
    }
}

/// Brings `lo` up.
pub fn lo(task: &mut Task, _: &[String]) {
    if let Err(error) = interface::bring_up("lo") {
        task.fault(format!("cannot bring `lo` up: {}", reason(&error)));
    }
}

fn has_name() -> bool {
    gethostname().is_ok_and(|name| name != "(none)" && !name.is_empty())
}

/// The first line that is no comment.
fn name_of(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}

fn is_name(name: &str) -> bool {
    let good = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'.' | b'_');
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(good) && !name.starts_with(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_is_no_comment_is_the_name() {
        assert_eq!(name_of("# the box\n\n  fw1.example.org \nother\n"), Some("fw1.example.org"));
        assert_eq!(name_of("#\n"), None);
        assert!(is_name("fw1.example.org") && !is_name("a b") && !is_name(&"x".repeat(65)) && !is_name(""));
    }
}
