//! Onset as PID 1 of name spaces of its own: a machine that is there in milliseconds.
//!
//! Its root is a tmpfs with copies in it, never a part of this machine's file systems: whatever PID 1 does to
//! its mounts at shutdown, it does to its own. What it must not find is covered: `/proc/cmdline` is what the
//! test says, and `/proc/swaps` is empty. Limits of memory and processes need a virtual machine.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use nix::{
    pty::openpty,
    unistd::{geteuid, ttyname},
};

use crate::{
    failure::{Doing, Failure, Result},
    folder::Folder,
    guest,
    image::Tree,
    limit::Limit,
    programs,
    stream::{Stream, wait},
};

/// Seconds that anything here may take before it is given up.
const PATIENCE: u64 = 180;

/// Makes the root, waits for a word, and becomes PID 1. `$1` is the folder with the files, `$2` the console,
/// `$3` an empty folder, `$4` `cgroup` or nothing; what follows is PID 1's command.
const SETUP: &str = r#"
set -e
files=$1 console=$2 root=$3 cgroup=$4
shift 4
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$root"
cp -a "$files/." "$root/"
cd "$root"
mkdir -p dev proc sys run tmp old
mount -t tmpfs -o mode=0755 tmpfs dev
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    name=${node%%:*} rest=${node#*:}
    mknod -m 666 dev/$name c ${rest%:*} ${rest#*:} 2>/dev/null ||
        { touch dev/$name; mount -o bind /dev/$name dev/$name; }
done
touch dev/console
mount -o bind "$console" dev/console
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t proc proc proc
mount -o bind cmdline proc/cmdline
mount -o bind dev/null proc/swaps
mount -o bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
[ -z "$cgroup" ] || mount -t cgroup2 cgroup2 sys/fs/cgroup
pivot_root . old
cd /
umount -l /old
rmdir /old
echo ready
read -r go
exec "$@" </dev/console >/dev/console 2>&1
"#;

/// What a machine has beside its jobs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Arguments of PID 1.
    pub arguments: Vec<String>,
    /// What it finds in `/proc/cmdline`.
    pub command_line: String,
    /// Variables in PID 1's environment. `container=test` is always there.
    pub environment: Vec<(String, String)>,
    /// Files beside the jobs: path and text. One that begins with `#!` can be executed.
    pub files: Vec<(String, String)>,
    /// Files that are taken away.
    pub removed: Vec<String>,
    /// Whether there is a cgroup v2 of its own. Without root there is none.
    pub cgroup: bool,
    /// Whether to wait until PID 1 can be talked to.
    pub wait: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            arguments: Vec::new(),
            command_line: String::new(),
            environment: Vec::new(),
            files: Vec::new(),
            removed: Vec::new(),
            cgroup: true,
            wait: true,
        }
    }
}

/// What a command gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; 128 and the signal's number if it was killed.
    pub status: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// A machine; all its processes are killed when it is dropped.
#[derive(Debug)]
pub struct Machine {
    unshare: Child,
    /// PID 1 as this machine counts it.
    pid: i32,
    console: Arc<Mutex<Vec<u8>>>,
    cgroup: Option<PathBuf>,
    /// Kept, so that the console does not end between two who write to it.
    _terminal: OwnedFd,
    _go: ChildStdin,
    _folder: Folder,
}

impl Machine {
    /// Starts Onset with these job files (name and text), in `/etc/onset/jobs`.
    pub fn start(jobs: &[(&str, &str)], options: &Options) -> Result<Self> {
        Self::start_init(&["/sbin/init"], jobs, options)
    }

    /// The same with another PID 1, to test what is around it.
    pub fn start_init(init: &[&str], jobs: &[(&str, &str)], options: &Options) -> Result<Self> {
        let folder = Folder::new("namespace")?;
        tree(jobs, options)?.write_folder(&folder.join("files"))?;
        fs::create_dir(folder.join("root")).doing("a root")?;
        let (console, terminal) = console()?;
        let name = text(&ttyname(&terminal).doing("ttyname")?);
        let cgroup = if options.cgroup { own_cgroup(&folder) } else { None };
        let mut command = Command::new("/bin/sh");
        let enter = "[ -z \"$1\" ] || echo $$ >\"$1/cgroup.procs\"; shift; exec unshare \"$@\"";
        command.args(["-c", enter, "enter", &cgroup.as_ref().map(|path| text(path)).unwrap_or_default()]);
        command.args(["--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc", "--net", "--cgroup"]);
        if !geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["/bin/sh", "-c", SETUP, "setup", &text(&folder.join("files")), &name]);
        command.args([text(&folder.join("root")).as_str(), if cgroup.is_some() { "cgroup" } else { "" }]);
        command.args(init).args(&options.arguments);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("container", "test");
        command.envs(options.environment.iter().map(|(key, value)| (key, value)));
        let log = File::create(folder.join("setup.log")).doing("setup.log")?;
        let mut unshare =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().doing("unshare")?;
        let (go, said) = (unshare.stdin.take(), unshare.stdout.take());
        let go = go.doing("unshare has no input")?;
        let mut machine =
            Self { unshare, pid: 0, console, cgroup, _terminal: terminal, _go: go, _folder: folder };
        if let Err(Failure(why)) = machine.set_up(said.doing("unshare has no output")?) {
            let log = fs::read_to_string(machine._folder.join("setup.log")).unwrap_or_default();
            return Err(Failure(format!("no name spaces: {why}: {log}")));
        }
        if options.wait {
            machine.until("PID 1 answers", |machine| {
                let ran = machine.ctl(&["version"])?;
                Ok((ran.status == 0).then_some(()))
            })?;
        }
        Ok(machine)
    }

    /// Waits until the root is there, and lets PID 1 begin.
    fn set_up(&mut self, said: ChildStdout) -> Result<()> {
        let mut said = Stream::new(said)?;
        let limit = Limit::seconds(PATIENCE);
        while said.line().is_none() {
            let left = limit.left().doing("the root was not there in time")?;
            wait(&[std::os::fd::AsFd::as_fd(&said)], left)?;
            said.fill();
            if said.has_ended() {
                return Err(Failure::new("the root could not be made"));
            }
        }
        let parent = self.unshare.id();
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = fs::read_to_string(&children).doing(children)?;
        self.pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).doing("no PID 1")?;
        if let Some(above) = self.cgroup.as_ref().and_then(|cgroup| cgroup.parent()) {
            // A process of somebody else in its root cgroup is not what PID 1 finds on a machine.
            fs::write(above.join("cgroup.procs"), parent.to_string()).doing("cgroup.procs")?;
        }
        self._go.write_all(b"go\n").doing("go")
    }

    /// Runs `onsetctl` with these arguments.
    pub fn ctl(&self, arguments: &[&str]) -> Result<Ran> {
        self.run(&[&["/sbin/onsetctl"], arguments].concat())
    }

    /// Runs a command with the machine's `/bin/sh`.
    pub fn sh(&self, command: &str) -> Result<Ran> {
        self.run(&["/bin/sh", "-c", command])
    }

    /// Runs a program of the machine in it, and waits for its end.
    pub fn run(&self, words: &[&str]) -> Result<Ran> {
        let output = self.command(words).stdin(Stdio::null()).output().doing("nsenter")?;
        Ok(Ran {
            status: code(output.status),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// A command that will run in the machine: for those who talk with it, or do not wait for its end.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        if !geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--target", &self.pid.to_string()]);
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--"]);
        command.args(words).env_clear().env("PATH", "/sbin:/bin");
        command
    }

    /// Sends PID 1 a signal, named as kill(1) names them (`PWR`, `RTMIN+4`).
    pub fn signal_init(&self, signal: &str) -> Result<()> {
        // The shell's own: kill(1) is not everywhere.
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.pid)]).status();
        if status.doing("kill")?.success() { Ok(()) } else { Err(Failure(format!("kill -{signal} failed"))) }
    }

    /// Asks again and again, until there is an answer.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Result<Option<T>>) -> Result<T> {
        let limit = Limit::seconds(PATIENCE);
        loop {
            let found = look(self);
            if let Ok(Some(found)) = found {
                return Ok(found);
            }
            if let Ok(Some(status)) = self.unshare.try_wait() {
                return Err(self.told(&format!("waiting until {what}: PID 1 has ended ({status})")));
            }
            if limit.left().is_none() {
                let why = found.err().map(|Failure(why)| why).unwrap_or_default();
                return Err(self.told(&format!("it did not come to this in time: {what} {why}")));
            }
        }
    }

    /// Waits until a command in the machine gives a status of 0, and gives its output.
    pub fn until_sh(&mut self, command: &str) -> Result<String> {
        self.until(command, |machine| {
            Ok(machine.sh(command).ok().filter(|ran| ran.status == 0).map(|ran| ran.out))
        })
    }

    /// Waits until PID 1 has ended. Its status, or 128 and the number of the signal that ended it: HUP says
    /// reboot, INT halt or power off.
    pub fn until_end(&mut self) -> Result<i32> {
        let limit = Limit::seconds(PATIENCE);
        loop {
            if let Some(status) = self.unshare.try_wait().doing("unshare")? {
                return Ok(code(status));
            }
            if limit.left().is_none() {
                return Err(self.told("PID 1 has not ended in time"));
            }
            thread::yield_now();
        }
    }

    /// PID 1, as this machine counts it.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// A path in the machine as this machine names it, as long as PID 1 is there.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        Path::new(&format!("/proc/{}/root", self.pid)).join(path.trim_start_matches('/'))
    }

    /// What the console has shown so far.
    #[must_use]
    pub fn console(&self) -> String {
        let bytes = self.console.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    fn told(&self, what: &str) -> Failure {
        Failure(format!("{what}\n--- the console:\n{}", self.console()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // PID 1's end is the end of all its processes; unshare and it are killed together.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        if let Some(cgroup) = &self.cgroup {
            remove_cgroup(cgroup);
        }
    }
}

/// What is in the machine.
fn tree(jobs: &[(&str, &str)], options: &Options) -> Result<Tree> {
    let mut tree = guest::bare()?;
    tree.copy("sbin/vm-guest", &programs::program("vm-guest")?)?;
    tree.text("cmdline", &format!("{}\n", options.command_line));
    for (name, text) in jobs {
        tree.text(&format!("etc/onset/jobs/{name}.ron"), text);
    }
    for (path, text) in &options.files {
        if text.starts_with("#!") { tree.script(path, text) } else { tree.text(path, text) }
    }
    for path in &options.removed {
        if !tree.remove(path) {
            return Err(Failure(format!("there is no {path}")));
        }
    }
    Ok(tree)
}

/// A terminal that is the machine's console: what it shows, and its other end. It ends when nobody has that open.
fn console() -> Result<(Arc<Mutex<Vec<u8>>>, OwnedFd)> {
    let pty = openpty(None, None).doing("openpty")?;
    let shown = Arc::new(Mutex::new(Vec::new()));
    let (mut master, copy) = (File::from(pty.master), Arc::clone(&shown));
    #[allow(
        clippy::disallowed_methods,
        reason = "a console that nobody reads would hold up who writes to it"
    )]
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            let mut shown = copy.lock().unwrap_or_else(PoisonError::into_inner);
            shown.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
    });
    Ok((shown, pty.slave))
}

/// A new cgroup below the one that we are in, if there is cgroup v2 and we may.
fn own_cgroup(folder: &Folder) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?.split(' ').nth(4)?.to_owned();
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
    let path = Path::new(&mount).join(own).join(folder.path().file_name()?);
    fs::create_dir(&path).ok()?;
    Some(path)
}

/// Removes a cgroup and those in it, the innermost first.
fn remove_cgroup(path: &Path) {
    // Whoever is left in it is ours.
    let _ = fs::write(path.join("cgroup.kill"), "1");
    let limit = Limit::seconds(PATIENCE);
    let mut stack = vec![(path.to_owned(), false)];
    while let Some((path, opened)) = stack.pop() {
        if opened {
            // Its processes have been killed and may take a moment to be gone.
            while fs::remove_dir(&path).is_err() && path.exists() && limit.left().is_some() {
                thread::yield_now();
            }
            continue;
        }
        let below = fs::read_dir(&path).into_iter().flatten().filter_map(std::result::Result::ok);
        let below: Vec<PathBuf> = below
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        stack.push((path, true));
        stack.extend(below.into_iter().map(|path| (path, false)));
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| status.signal().unwrap_or(0).saturating_add(128))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
