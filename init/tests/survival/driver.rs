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
        let mut machine = Self::made(path, &[]);
        assert_eq!(machine.hear(), "begun");
        machine
    }

    /// One with a fault in its beginning.
    pub fn bare(fault: &str) -> Self {
        Self::made(std::env::current_exe().unwrap().to_str().unwrap(), &[fault])
    }

    fn made(path: &str, arguments: &[&str]) -> Self {
        let mut unshare = Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", path])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = unshare.stdin.take().unwrap();
        let from = BufReader::new(unshare.stdout.take().unwrap());
        Self { unshare, to, from }
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

impl Machine {
    /// PID 1 as the outside sees it.
    pub fn pid(&self) -> i32 {
        let parent = format!("PPid:\t{}\n", self.unshare.id());
        let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let pid: i32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            status.contains(&parent).then_some(pid)
        });
        pids.into_iter().next().unwrap()
    }
}

/// A file that is gone when this value is.
pub struct Scratch(pub String);

impl Scratch {
    /// One with these bytes that can be executed.
    pub fn program(name: &str, bytes: &[u8]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let path = std::env::temp_dir().join(format!("onset-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(path.to_str().unwrap().into())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may be gone already, which is what is wished for.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Our own child, whose namespace goes with it.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}
