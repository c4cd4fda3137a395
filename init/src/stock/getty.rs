//! A login prompt, and the shell for one person.

use std::path::PathBuf;

use super::{
    program, runlevel,
    task::{Task, reason},
};

/// How fast a serial line may be, the likeliest first; agetty tries them in turn.
const SPEEDS: &str = "115200,57600,38400,9600";

/// A program that gives a login prompt.
enum Getty {
    Agetty(PathBuf),
    /// Busybox's, under its own name or not.
    Plain(PathBuf, Option<&'static str>),
}

fn find() -> Option<Getty> {
    if let Some(path) = program::find("agetty") {
        return Some(Getty::Agetty(path));
    }
    if let Some(path) = program::find("getty") {
        // Debian's is agetty by another name.
        let real = path.canonicalize().unwrap_or_default();
        let is_agetty =
            !real.to_string_lossy().contains("busybox") && !real.to_string_lossy().contains("toybox");
        return Some(if is_agetty { Getty::Agetty(path) } else { Getty::Plain(path, None) });
    }
    program::find("busybox").map(|path| Getty::Plain(path, Some("getty")))
}

/// Becomes the prompt on `$TTY`. With `check`, only says by its status whether it could.
pub fn run(task: &mut Task, words: &[String]) {
    let getty = find();
    if words.first().is_some_and(|word| word == "check") {
        return if getty.is_none() {
            task.end_with(1)
        };
    }
    let tty = std::env::var("TTY").unwrap_or_default();
    let tty = tty.trim_start_matches("/dev/");
    if tty.is_empty() || tty.contains("..") {
        return task.misused("getty: $TTY is missing");
    }
    let terminal = terminal_of(tty);
    let error = match getty {
        None => return task.fault("there is neither agetty nor getty nor busybox"),
        Some(Getty::Agetty(path)) if terminal == "linux" => {
            program::become_program(&path, None, &["--noclear", tty, terminal])
        }
        Some(Getty::Agetty(path)) => {
            program::become_program(&path, None, &["--keep-baud", SPEEDS, tty, terminal])
        }
        // 0 leaves the speed as it is; -L takes the line for local.
        Some(Getty::Plain(path, name)) => {
            let words: Vec<&str> = name.into_iter().chain(["-L", "0", tty, terminal]).collect();
            program::become_program(&path, None, &words)
        }
    };
    task.fault(format!("cannot become a login prompt on {tty}: {}", reason(&error)));
}

/// Becomes a shell for one person on the console: after root's password, if there is a program that asks for it. With
/// `over`, it has ended, and the machine goes on.
pub fn single(task: &mut Task, words: &[String]) {
    let sulogin = program::find("sulogin").filter(|_| !anybody_is_root(task));
    let shell = program::find("sh");
    match words.first().map(String::as_str) {
        None => {}
        Some("check") if sulogin.is_none() && shell.is_none() => return task.end_with(1),
        Some("check") => return,
        Some("over") => return runlevel::go_on(task),
        Some(word) => return task.misused(format!("single: `{word}` is not known")),
    }
    let error = match (sulogin, shell) {
        (Some(sulogin), _) => program::become_program(&sulogin, None, &[] as &[&str]),
        // With a dash in front it takes itself for the first of a session, and reads the profile.
        (None, Some(shell)) => program::become_program(&shell, Some("-sh"), &[] as &[&str]),
        (None, None) => return task.fault("there is neither sulogin nor sh"),
    };
    task.fault(format!("cannot become a shell: {}", reason(&error)));
}

/// Whether root has no password: then nobody is kept out by asking for one, and some programs cannot even ask.
fn anybody_is_root(task: &mut Task) -> bool {
    let passwd = task.read("etc/passwd").unwrap_or_default();
    !task.path("etc/shadow").exists()
        && passwd.lines().all(|line| !line.starts_with("root:") || line.starts_with("root::"))
}

/// What kind of terminal is behind a device.
fn terminal_of(tty: &str) -> &'static str {
    let is_virtual =
        tty.strip_prefix("tty").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if is_virtual { "linux" } else { "vt220" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_line_is_no_virtual_terminal() {
        for (tty, terminal) in
            [("tty1", "linux"), ("ttyS0", "vt220"), ("hvc0", "vt220"), ("ttyAMA0", "vt220")]
        {
            assert_eq!(terminal_of(tty), terminal, "{tty}");
        }
    }
}
