//! What Onset itself says: to the kernel's log, to the console, and into its own log. Nothing here waits.

use std::{
    fs,
    os::fd::{AsFd as _, OwnedFd},
};

use events::Time;
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::write,
};

use super::level::Level;
use crate::pid1::options::Options;

/// The longest message, in bytes: the kernel takes no longer one.
const LONGEST: usize = 900;
/// How many messages go to the kernel's log in [`SPAN`]: it lets only ten of one process pass.
const BURST: u32 = 8;
/// Milliseconds.
const SPAN: u64 = 5_000;
/// After how many milliseconds a console that was gone is tried again.
const PAUSE: u64 = 1_000;

/// What Onset itself says.
#[derive(Debug)]
pub struct Voice {
    /// Writes into the pipe of Onset's own log, and never waits.
    log: Option<OwnedFd>,
    kernel: Kernel,
    console: Console,
    /// The highest level number that is shown on the console.
    shown: u8,
    container: bool,
}

/// The kernel's log.
#[derive(Debug, Default)]
struct Kernel {
    fd: Option<OwnedFd>,
    since: Time,
    said: u32,
    left_out: u32,
    /// Messages with a level number below this are shown on the console by the kernel.
    shows: u8,
}

/// The console, as long as it is there.
#[derive(Debug, Default)]
struct Console {
    /// What may be the console, the best first.
    paths: &'static [&'static str],
    fd: Option<OwnedFd>,
    retry: Time,
    left_out: u32,
    /// The rest of a line that had only room for its beginning.
    rest: Vec<u8>,
}

/// Highest level number that is shown on the console.
#[must_use]
pub const fn shown(options: &Options) -> u8 {
    match (options.debug, options.quiet) {
        (true, true | false) => 7,
        (false, true) => 4,
        (false, false) => 6,
    }
}

impl Voice {
    /// A voice that nothing is written into yet. With a root of its own, as in tests, it is not heard outside.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let is_outside = matches!(options.root.as_str(), "" | "/");
        let kernel = if options.container || !is_outside { Kernel::default() } else { Kernel::open() };
        let paths: &[_] = if is_outside { &["/dev/console", "/proc/self/fd/1"] } else { &[] };
        Self {
            log: None,
            kernel,
            console: Console { paths, ..Console::default() },
            shown: shown(options),
            container: options.container,
        }
    }

    /// What is said is also written into `log`, which does not wait for its reader.
    pub fn write_into(&mut self, log: Option<OwnedFd>) {
        self.log = log;
    }

    /// Says something. `alone`: no log keeper is there that could show it.
    pub fn say(&mut self, now: Time, level: Level, text: &str, alone: bool) {
        for line in text.lines().filter(|line| !line.is_empty()) {
            let line = plain(line);
            if let Some(log) = &self.log {
                // A line fits whole or not at all; while the pipe is full there is nothing that keeps it anyway.
                let _ = write(log, format!("<{}>{line}\n", level.number()).as_bytes());
            }
            let by_kernel = self.kernel.say(now, level, &line);
            // In a container the log keeper shows what we say among what others say.
            if !by_kernel && level.number() <= self.shown && (alone || !self.container) {
                self.console.say(now, &line);
            }
        }
    }
}

/// A line without what would do something to a terminal, and not too long.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    for c in line.chars().take_while({
        let mut length = 0_usize;
        move |c| {
            length = length.saturating_add(c.len_utf8());
            length <= LONGEST
        }
    }) {
        if c.is_control() && c != '\t' {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    plain
}

fn reopen(path: &str) -> Option<OwnedFd> {
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).ok()
}

impl Kernel {
    fn open() -> Self {
        let shows = fs::read_to_string("/proc/sys/kernel/printk");
        let shows = shows.ok().and_then(|text| text.split_whitespace().next()?.parse().ok());
        Self { fd: reopen("/dev/kmsg"), shows: shows.unwrap_or(0), ..Self::default() }
    }

    /// Says something; whether the kernel shows it on the console.
    fn say(&mut self, now: Time, level: Level, line: &str) -> bool {
        let Some(fd) = &self.fd else { return false };
        if now.since(self.since).as_millis() >= u128::from(SPAN) {
            (self.since, self.said) = (now, 0);
        }
        if self.said >= BURST {
            self.left_out = self.left_out.saturating_add(1);
            return false;
        }
        if self.left_out > 0 {
            let said = format!(
                "<5>onset: {} messages are left out here, `onsetctl log onset` has them\n",
                self.left_out
            );
            self.left_out = 0;
            self.said = self.said.saturating_add(1);
            let _ = write(fd, said.as_bytes());
        }
        self.said = self.said.saturating_add(1);
        let said = write(fd, format!("<{}>onset: {line}\n", level.number()).as_bytes());
        said.is_ok() && level.number() < self.shows
    }
}

impl Console {
    fn say(&mut self, now: Time, line: &str) {
        if self.fd.is_none() {
            if now < self.retry {
                self.left_out = self.left_out.saturating_add(1);
                return;
            }
            self.retry = Time(now.0.saturating_add(PAUSE));
            self.fd = self.paths.iter().find_map(|path| reopen(path));
            self.rest.clear();
        }
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.put(&rest);
        }
        if !self.rest.is_empty() || self.fd.is_none() {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let mut said = String::new();
        if self.left_out > 0 {
            said = format!("onset: {} messages are left out here\n", self.left_out);
        }
        said.push_str(&format!("onset: {line}\n"));
        self.left_out = 0;
        self.put(said.as_bytes());
    }

    /// Writes as much as there is room for; the rest of a line that has begun is kept.
    fn put(&mut self, bytes: &[u8]) {
        let Some(fd) = &self.fd else { return };
        match write(fd.as_fd(), bytes) {
            Ok(done) => self.rest.extend_from_slice(bytes.get(done..).unwrap_or_default()),
            Err(Errno::EAGAIN | Errno::EINTR) => self.rest.extend_from_slice(bytes),
            // Hung up, or its device is gone: it is opened again later.
            Err(_) => {
                self.fd = None;
                self.left_out = self.left_out.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read as _, os::fd::AsRawFd as _};

    use nix::{
        fcntl::{FcntlArg, fcntl},
        pty::openpty,
        sys::termios::{FlowArg, tcflow},
    };

    use super::*;

    /// A console, and the end at which a person sits.
    fn console() -> (Console, File) {
        let pty = openpty(None, None).unwrap();
        let path = std::fs::read_link(format!("/proc/self/fd/{}", pty.slave.as_raw_fd())).unwrap();
        let fd = reopen(path.to_str().unwrap());
        assert!(fd.is_some());
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        (Console { fd, ..Console::default() }, File::from(pty.master))
    }

    /// What stands on the screen.
    fn screen(mut person: &File) -> String {
        let mut bytes = vec![0; 1 << 20];
        let count = person.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).replace('\r', "")
    }

    #[test]
    fn a_console_that_takes_nothing_holds_nobody_up() {
        let (mut console, person) = console();
        // What Ctrl-S does.
        tcflow(console.fd.as_ref().unwrap(), FlowArg::TCOOFF).unwrap();
        for number in 0..10_000 {
            console.say(Time(0), &format!("message {number}"));
        }
        assert!(console.left_out > 5_000 && console.rest.len() < 2_000);
        tcflow(console.fd.as_ref().unwrap(), FlowArg::TCOON).unwrap();
        let mut shown = String::new();
        for _ in 0..100 {
            console.say(Time(0), "again");
            shown.push_str(&screen(&person));
        }
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.contains(&"onset: again"), "{lines:?}");
        assert!(lines.iter().all(|line| line.starts_with("onset: ")), "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with(" messages are left out here")), "{lines:?}");
    }

    #[test]
    fn a_console_that_is_gone_is_looked_for_later() {
        let (mut console, person) = console();
        console.say(Time(0), "hello");
        assert_eq!(screen(&person), "onset: hello\n");
        drop(person);
        console.say(Time(0), "anybody?");
        assert!(console.fd.is_none());
        console.say(Time(1), "back");
        let (other, person) = self::console();
        let fd = other.fd.as_ref().unwrap().as_raw_fd();
        let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
        console.paths = vec![&*path.to_string_lossy().into_owned().leak()].leak();
        console.say(Time(2), "soon");
        console.say(Time(1_001), "there");
        assert_eq!(screen(&person), "onset: 3 messages are left out here\nonset: there\n");
    }

    #[test]
    fn a_message_does_nothing_to_a_terminal() {
        assert_eq!(plain("a\x1b[2J\tb\u{9b}"), "a\\u{1b}[2J\tb\\u{9b}");
        assert_eq!(plain(&"ö".repeat(1_000)).len(), LONGEST);
    }
}
