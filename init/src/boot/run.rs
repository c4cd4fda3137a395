//! Runs commands in a test machine, and tells the host what became of them. This is not PID 1: it is a
//! process of its own (`onset onset-run`), and an ordinary job starts it.
//!
//! With `onset.run="command"` on the kernel's command line it runs that command and has the machine powered
//! off; with `--agent` it runs whatever the host sends, until the machine goes down. docs/vm-tests.md says
//! what goes over the port.

use std::{
    env, fs,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{
        fd::AsFd as _,
        unix::{net::UnixStream, process::ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::reboot::{RebootMode, reboot},
};
use serde_json::{Value, json};

use crate::pid1::options::Options;

/// The name of the port to the host.
const PORT: &str = "onset.0";

/// What begins a line that is for the host, where there is no port and the console has to do.
const MARK: &str = "\n@onset.0 ";

/// How much output one message carries at most: a marked line on a console is short.
const PIECE: usize = 512;

/// How often a silent command is looked at, in milliseconds: it may have ended and left its output to others.
const LOOK: u8 = 50;

/// What is asked of PID 1 when the command has ended.
const POWEROFF: &[u8] =
    b"{\"method\":\"org.onset.Manager.Shutdown\",\"parameters\":{\"kind\":\"poweroff\"}}\0";

/// The job that PID 1 adds to its own when the kernel's command line has `onset.run=`.
///
/// It starts at the event `settled`, whose `PENDING` names the jobs that were not waited for any longer.
pub const JOB: &str = r#"(
    description: "Runs the command of the kernel's command line, and powers off",
    start_on: "settled",
    task: true,
    exec: ["/proc/1/exe", "onset-run"],
)"#;

/// Runs what the kernel's command line asks for, or, with `--agent`, what the host asks for.
#[must_use]
pub fn main(mut arguments: impl Iterator<Item = String>) -> u8 {
    let done = match (arguments.next().as_deref(), Host::find()) {
        (Some("--agent"), Host::Port(port)) => agent(port),
        (Some("--agent"), Host::Console(_)) => Err(io::Error::other("there is no port to the host")),
        (_, host) => once(host),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            // To our standard error, which the job's log keeps; if that is gone too, nobody is left to tell.
            let _ = writeln!(io::stderr(), "onset-run: {error}");
            1
        }
    }
}

/// The command of the kernel's command line; then the machine's end.
fn once(mut host: Host) -> io::Result<()> {
    let line = fs::read_to_string("/proc/cmdline")?;
    let command = Options::parse(&line, &[]).run.ok_or_else(|| io::Error::other("there is no onset.run="))?;
    let pending: Vec<String> =
        env::var("PENDING").unwrap_or_default().split_whitespace().map(String::from).collect();
    let ended = run(&command, &mut |text| host.say(&json!({ "id": 0, "out": text })));
    let said = match ended {
        Ok(status) => {
            host.say(&json!({ "id": 0, "exit": status, "settled": pending.is_empty(), "pending": pending }))
        }
        Err(error) => host.say(&json!({ "id": 0, "error": error.to_string() })),
    };
    // Whatever the host has heard, it waits for the end.
    let off = power_off();
    said.and(off)
}

/// What the host sends, command by command.
fn agent(port: File) -> io::Result<()> {
    let mut lines = BufReader::new(port.try_clone()?);
    let mut host = Host::Port(port);
    host.say(&json!({ "hello": 1 }))?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let order: Value = serde_json::from_str(&line)?;
        let id = order.get("id").cloned().unwrap_or(Value::Null);
        let command = order.get("run").and_then(Value::as_str).unwrap_or_default();
        let ended = run(command, &mut |text| host.say(&json!({ "id": id, "out": text })));
        match ended {
            Ok(status) => host.say(&json!({ "id": id, "exit": status }))?,
            Err(error) => host.say(&json!({ "id": id, "error": error.to_string() }))?,
        }
        line.clear();
    }
    Ok(())
}

/// Runs a command with `/bin/sh`, hands on what it prints, and gives its exit status: 128 and the signal's
/// number if it was killed. What it leaves in the background is not waited for.
fn run(command: &str, say: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<i32> {
    let (mut output, input) = io::pipe()?;
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env_remove("PENDING")
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input)
        .spawn()?;
    let mut text = Text::default();
    let mut status: Option<ExitStatus> = None;
    loop {
        // Once it has ended, only what it had printed before is of interest.
        let wait = PollTimeout::from(if status.is_some() { 0 } else { LOOK });
        let mut fds = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        let printed = match poll(&mut fds, wait) {
            Ok(count) => count > 0,
            Err(Errno::EINTR) => false,
            Err(error) => return Err(error.into()),
        };
        if printed {
            let mut buffer = [0; PIECE];
            let count = output.read(&mut buffer)?;
            text.add(buffer.get(..count).unwrap_or_default(), say)?;
            if count > 0 {
                continue;
            }
            // All its ends are closed; what is left is to learn its status.
            status = Some(child.wait()?);
        }
        if let Some(status) = status {
            text.end(say)?;
            return Ok(status.code().unwrap_or_else(|| status.signal().unwrap_or(0).saturating_add(128)));
        }
        status = child.try_wait()?;
    }
}

/// Bytes on their way to be text: a character that is cut in two is held back until its rest has come.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn add(&mut self, bytes: &[u8], say: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.0) {
            Ok(_) => self.0.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => self.0.len(),
        };
        let rest = self.0.split_off(whole);
        let text = std::mem::replace(&mut self.0, rest);
        if text.is_empty() { Ok(()) } else { say(&String::from_utf8_lossy(&text)) }
    }

    fn end(self, say: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        if self.0.is_empty() { Ok(()) } else { say(&String::from_utf8_lossy(&self.0)) }
    }
}

/// The way to the host.
enum Host {
    /// A port of the virtual machine.
    Port(File),
    /// The console, where the kernel knows no such ports: each message is a line of its own, with a mark.
    Console(Option<File>),
}

impl Host {
    fn find() -> Self {
        let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
        match port().and_then(|path| open(&path).ok()) {
            Some(port) => Self::Port(port),
            None => Self::Console(OpenOptions::new().write(true).open("/dev/console").ok()),
        }
    }

    fn say(&mut self, message: &Value) -> io::Result<()> {
        match self {
            Self::Port(port) => port.write_all(format!("{message}\n").as_bytes()),
            Self::Console(Some(console)) => console.write_all(format!("{MARK}{message}\n").as_bytes()),
            Self::Console(None) => Err(io::Error::other("there is neither a port nor a console")),
        }
    }
}

/// The device of our port: udev makes a link by its name, and without udev the kernel tells the names.
fn port() -> Option<PathBuf> {
    let link = Path::new("/dev/virtio-ports").join(PORT);
    if link.exists() {
        return Some(link);
    }
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    let ours = ports.filter_map(Result::ok).find(|port| {
        fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim_end() == PORT)
    })?;
    Some(Path::new("/dev").join(ours.file_name()))
}

/// Asks PID 1 to power off; where it cannot be asked, does so itself.
fn power_off() -> io::Result<()> {
    let asked = UnixStream::connect("/run/onset/control").and_then(|mut control| {
        control.write_all(POWEROFF)?;
        let mut answer = Vec::new();
        BufReader::new(control).read_until(0, &mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if answer.is_empty() || answer.contains("\"error\"") { Err(io::Error::other(answer)) } else { Ok(()) }
    });
    asked.or_else(|_| {
        nix::unistd::sync();
        reboot(RebootMode::RB_POWER_OFF).map(|never| match never {}).map_err(io::Error::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gives_its_output_and_its_status() {
        let ran = |command: &str| {
            let mut output = String::new();
            let status = run(command, &mut |text| {
                output.push_str(text);
                Ok(())
            });
            (status.unwrap(), output)
        };
        assert_eq!(ran("echo one; echo two >&2; exit 7"), (7, "one\ntwo\n".into()));
        assert_eq!(ran("kill -9 $$"), (137, String::new()));
        assert_eq!(
            ran("sleep 1000 & kill $!; sleep 1000 >/dev/null 2>&1 & echo $! | grep -q . && kill $!"),
            (0, String::new())
        );
        assert_eq!(ran("yes ä | head -n 1000"), (0, "ä\n".repeat(1000)));
    }

    #[test]
    fn what_is_left_in_the_background_is_not_waited_for() {
        let mut output = String::new();
        // It holds our pipe, and ends when the one who started it is gone.
        let command = "(while kill -0 $$ 2>/dev/null; do :; done) & echo done";
        let status = run(command, &mut |text| {
            output.push_str(text);
            Ok(())
        });
        assert_eq!((status.unwrap(), output.as_str()), (0, "done\n"));
    }
}
