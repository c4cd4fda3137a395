//! The outside of a namespace in which this program is PID 1.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// A namespace with a toy PID 1 in it.
pub struct Machine {
    unshare: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Machine {
    /// One that has begun, from the program at `path`.
    pub fn of(path: &str) -> Self {
        let mut unshare = Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", path])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = unshare.stdin.take().unwrap();
        let from = BufReader::new(unshare.stdout.take().unwrap());
        let mut machine = Self { unshare, to, from };
        assert_eq!(machine.hear(), "begun");
        machine
    }

    /// One from this very program.
    pub fn new() -> Self {
        Self::of(std::env::current_exe().unwrap().to_str().unwrap())
    }

    /// One with five processes, and their pids.
    pub fn with_five() -> (Self, String) {
        let mut machine = Self::new();
        machine.ask("event go");
        let pids = machine.ask("pids");
        assert_eq!(pids.split(' ').count(), 5, "{pids}");
        (machine, pids)
    }

    /// Says a line, and gives the one that comes back.
    pub fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.hear()
    }

    /// Says a line.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    /// The next line.
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "PID 1 is gone");
        line.trim_end().into()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Our own child, whose namespace goes with it.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}
