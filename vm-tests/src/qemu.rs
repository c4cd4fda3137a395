//! A virtual machine: QEMU with a serial console, one port to the guest, and room to plug things in.
//!
//! Whatever is waited for is an event: a line on the console, a message from the guest, something QEMU says,
//! or its end. A guest whose kernel panics ends every wait at once, so no test needs its limit to see that.

mod plug;

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::{
    failure::{Doing, Failure, Result},
    folder::Folder,
    limit::Limit,
    qmp::Qmp,
    stream::{Stream, wait},
    terminal,
};

/// What makes a cloud kernel boot fast where nothing real is behind it.
const FAST: &str = "no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=on rcupdate.rcu_expedited=1 \
                    mitigations=off nokaslr i8042.noaux i8042.nokbd 8250.nr_uarts=1";

/// What begins a message of the guest on the console, where there is no port.
const MARK: &str = "@onset.0 ";

/// How many empty slots there are to plug into.
const SLOTS: u8 = 4;

/// How long QEMU may take to answer, on a machine that is very busy.
const PATIENCE: u64 = 180;

/// How many of the console's last bytes a failure shows.
const TAIL: usize = 3000;

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The kernel.
    pub kernel: PathBuf,
    /// The archive of its first root.
    pub initrd: PathBuf,
    /// A disk, as `/dev/vda`. What the machine writes to it is gone with the machine, unless it is kept.
    pub disk: Option<PathBuf>,
    /// Whether what is written to the disk stays.
    pub is_kept: bool,
    /// Whether there is a port to the guest; without one it speaks over the console.
    pub port: bool,
    /// More words on the kernel's command line.
    pub append: String,
    /// Memory in MiB.
    pub memory: u32,
    /// Processors.
    pub processors: u32,
    /// What time is in the guest.
    pub clock: Clock,
}

/// What time is in a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The host's.
    Host,
    /// Instructions executed, whatever else the host is doing. Where there is nothing to do, none passes.
    Counted,
    /// Instructions executed, and the host's where there is nothing to do: nobody in the machine gives up because the
    /// host has much else to do.
    Patient,
}

/// A running machine; killed when it is dropped.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    serial: Stream<ChildStdout>,
    keyboard: ChildStdin,
    port: Option<Stream<UnixStream>>,
    qmp: Qmp,
    /// Messages from the guest that nobody has taken.
    messages: Vec<Value>,
    /// The line of the console that has not ended yet.
    half_line: String,
    /// All that the console has shown.
    console: String,
    /// How much of the console has been looked at.
    seen: usize,
    /// Whether all that the console shows is shown to a person at once.
    is_shown: bool,
    /// Whether a panic is what is waited for.
    panic_wanted: bool,
    slots: Vec<Option<String>>,
    folder: Folder,
}

impl Machine {
    /// Starts QEMU; the kernel boots while we go on.
    pub fn start(plan: &Plan) -> Result<Self> {
        let folder = Folder::new("vm")?;
        // QEMU connects to us, so nobody has to wait for a socket to appear.
        let qmp = UnixListener::bind(folder.join("qmp")).doing("QEMU's socket")?;
        let port = UnixListener::bind(folder.join("port")).doing("the port's socket")?;
        let errors = File::create(folder.join("qemu.log")).doing("qemu.log")?;
        let mut qemu = Command::new("qemu-system-x86_64")
            .args(arguments(plan, &folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .doing("qemu-system-x86_64 (package qemu-system-x86)")?;
        let (keyboard, serial) = (qemu.stdin.take(), qemu.stdout.take());
        let serial = Stream::new(serial.doing("QEMU has no output")?)?;
        let connected = accept(&qmp, &serial).and_then(|qmp| {
            let port = if plan.port { Some(Stream::new(accept(&port, &serial)?)?) } else { None };
            Ok((qmp, port))
        });
        let (qmp, port) = match connected {
            Ok(connected) => connected,
            Err(failure) => {
                end(&mut qemu);
                let said = fs::read_to_string(folder.join("qemu.log")).unwrap_or_default();
                return Err(Failure(format!("QEMU does not start: {failure}\n{said}")));
            }
        };
        Ok(Self {
            qemu,
            serial,
            keyboard: keyboard.doing("QEMU has no input")?,
            port,
            qmp: Qmp::new(qmp)?,
            messages: Vec::new(),
            half_line: String::new(),
            console: String::new(),
            seen: 0,
            is_shown: false,
            panic_wanted: false,
            slots: vec![None; usize::from(SLOTS)],
            folder,
        })
    }

    /// All that the console has shown so far.
    #[must_use]
    pub fn console(&self) -> &str {
        &self.console
    }

    /// From now on, what the console shows goes to our standard output at once.
    pub const fn show(&mut self) {
        self.is_shown = true;
    }

    /// What of the console nobody has been shown yet, for those who show it to people.
    pub fn new_output(&mut self) -> String {
        let new = self.console.get(self.seen..).unwrap_or_default().to_owned();
        self.seen = self.console.len();
        new
    }

    /// Waits until something has happened, and takes it in. Fails when the limit has passed.
    pub fn pump(&mut self, limit: Limit) -> Result<()> {
        let left = limit.left().ok_or_else(|| Failure::new("in time"))?;
        wait(&self.sources(), left)?;
        self.take_in();
        Ok(())
    }

    /// Takes in what has come.
    pub fn take_in(&mut self) {
        self.qmp.fill();
        self.serial.fill();
        let new = String::from_utf8_lossy(&self.serial.take()).into_owned();
        self.console.push_str(&new);
        if self.is_shown {
            terminal::show(self);
        }
        self.half_line.push_str(&new);
        while let Some((line, rest)) = self.half_line.split_once('\n') {
            let message =
                line.split_once(MARK).and_then(|(_, message)| serde_json::from_str::<Value>(message).ok());
            self.messages.extend(message);
            self.half_line = rest.to_owned();
        }
        if let Some(port) = &mut self.port {
            port.fill();
            while let Some(line) = port.line() {
                // Half a line is what a guest leaves that ends in the middle of one.
                self.messages.extend(serde_json::from_str::<Value>(&line));
            }
        }
    }

    /// Waits until `look` finds what it looks for. Fails when the limit has passed, when the guest's kernel
    /// panics, and when the machine ends.
    pub fn until<T>(
        &mut self,
        what: &str,
        limit: Limit,
        mut look: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<T> {
        loop {
            if let Some(found) = look(self) {
                return Ok(found);
            }
            if self.qmp.has_seen("GUEST_PANICKED") && !self.panic_wanted {
                return Err(self.told(&format!("waiting for {what}: the kernel has panicked")));
            }
            if self.serial.has_ended() {
                return Err(self.told(&format!("waiting for {what}: the machine has ended")));
            }
            if let Err(Failure(why)) = self.pump(limit) {
                return Err(self.told(&format!("{what} did not come: {why}")));
            }
        }
    }

    /// The failure, with the end of the console.
    fn told(&self, what: &str) -> Failure {
        let mut from = self.console.len().saturating_sub(TAIL);
        while !self.console.is_char_boundary(from) {
            from = from.saturating_add(1);
        }
        let log = fs::read_to_string(self.folder.join("qemu.log")).unwrap_or_default();
        let tail = self.console.get(from..).unwrap_or_default().replace('\r', "");
        Failure(format!("{what}\n--- the end of the console:\n{tail}\n--- {log}"))
    }

    /// Waits until the console shows this text, behind what was waited for before.
    pub fn until_console(&mut self, text: &str, limit: Limit) -> Result<()> {
        self.until(&format!("`{text}` on the console"), limit, |machine| {
            let at = machine.console.get(machine.seen..)?.find(text)?;
            machine.seen = machine.seen.saturating_add(at).saturating_add(text.len());
            Some(())
        })
    }

    /// Waits for a message from the guest that `pick` takes.
    pub fn until_message<T>(
        &mut self,
        what: &str,
        limit: Limit,
        pick: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        self.until(what, limit, |machine| {
            let (at, found) = machine.messages.iter().enumerate().find_map(|(at, m)| Some((at, pick(m)?)))?;
            machine.messages.remove(at);
            Some(found)
        })
    }

    /// All messages from the guest that nobody has taken yet.
    pub fn messages(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.messages)
    }

    /// Sends a message to the guest.
    pub fn send(&mut self, message: &Value) -> Result<()> {
        let port = self.port.as_mut().doing("the machine has no port")?;
        port.source().write_all(format!("{message}\n").as_bytes()).doing("the port")
    }

    /// Types on the console.
    pub fn type_in(&mut self, bytes: &[u8]) -> Result<()> {
        self.keyboard.write_all(bytes).and_then(|()| self.keyboard.flush()).doing("the console")
    }

    /// Tells QEMU something, and waits for its answer.
    pub fn tell(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let number = self.qmp.send(command, arguments)?;
        let answer = self.until(command, Limit::seconds(PATIENCE), |machine| machine.qmp.answer(number))?;
        answer.map_err(|why| Failure(format!("{command}: {why}")))
    }

    /// Pushes the power button.
    pub fn push_power(&mut self) -> Result<()> {
        self.tell("system_powerdown", Value::Null).map(drop)
    }

    /// Raises a non-maskable interrupt; a kernel with `unknown_nmi_panic` panics.
    pub fn raise_nmi(&mut self) -> Result<()> {
        self.panic_wanted = true;
        self.tell("inject-nmi", Value::Null).map(drop)
    }

    /// Waits for the guest's kernel to panic, without taking it for a failure.
    pub fn until_panic(&mut self, limit: Limit) -> Result<()> {
        self.panic_wanted = true;
        self.until("a panic", limit, |machine| machine.qmp.event("GUEST_PANICKED", |_| true)).map(drop)
    }

    /// Waits until the machine has been powered off (or, with `-no-reboot`, reset) by its guest, and QEMU has
    /// ended. Says which of them it was.
    pub fn until_end(&mut self, limit: Limit) -> Result<String> {
        let gone = |machine: &mut Self| machine.serial.has_ended().then_some(());
        self.until("the machine's end", limit, gone)?;
        self.qemu.wait().doing("QEMU")?;
        self.qmp.fill();
        let event = self.qmp.event("SHUTDOWN", |_| true);
        let reason = event.as_ref().and_then(|event| event.pointer("/data/reason")).and_then(Value::as_str);
        reason.map(String::from).ok_or_else(|| self.told("QEMU ended by itself"))
    }

    /// What `pump` waits for, for those who wait for more.
    #[must_use]
    pub fn sources(&self) -> Vec<BorrowedFd<'_>> {
        let port = self.port.as_ref().filter(|port| !port.has_ended()).map(AsFd::as_fd);
        let qmp = Some(self.qmp.stream.as_fd()).filter(|_| !self.qmp.stream.has_ended());
        [Some(self.serial.as_fd()), port, qmp].into_iter().flatten().collect()
    }

    /// Whether QEMU has ended.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.serial.has_ended()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Whoever looks for what happens once in a hundred times keeps all consoles.
        if let Some(folder) = env::var_os("ONSET_CONSOLES") {
            let path = Path::new(&folder).join(format!("{}-{}", std::process::id(), self.qemu.id()));
            // It is an extra: without it the test says what it says.
            let _ = fs::write(path, self.console());
        }
        end(&mut self.qemu);
    }
}

/// Ends a QEMU that may have ended already.
fn end(qemu: &mut Child) {
    // It fails only if it has ended and was waited for, which is what is wanted.
    let _ = qemu.kill();
    let _ = qemu.wait();
}

/// Waits until QEMU has connected. It closes its output if it ends before.
fn accept(listener: &UnixListener, output: &Stream<ChildStdout>) -> Result<UnixStream> {
    let limit = Limit::seconds(PATIENCE);
    loop {
        let left = limit.left().doing("it has not connected in time")?;
        match wait(&[listener.as_fd(), output.as_fd()], left)?.as_slice() {
            [true, ..] => return listener.accept().map(|(socket, _)| socket).doing("a socket"),
            [_, true] => return Err(Failure::new("it has ended")),
            _ => {}
        }
    }
}

/// A path as a part of an option of QEMU, in which a comma ends it.
fn value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

fn arguments(plan: &Plan, folder: &Folder) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |words: &str| arguments.extend(words.split(' ').map(String::from));
    let accelerator = match plan.clock {
        Clock::Counted => "tcg,thread=single",
        Clock::Host | Clock::Patient
            if env::var("ONSET_ACCEL").is_ok_and(|accelerator| accelerator == "kvm") =>
        {
            "kvm"
        }
        Clock::Patient => "tcg,thread=single,tb-size=128",
        Clock::Host => "tcg,tb-size=128",
    };
    add(&format!("-accel {accelerator} -M q35 -cpu max -m {} -smp {}", plan.memory, plan.processors));
    match plan.clock {
        Clock::Counted => add("-icount shift=1,sleep=off"),
        Clock::Patient if accelerator != "kvm" => add("-icount shift=1,sleep=on"),
        Clock::Host | Clock::Patient => {}
    }
    add("-nodefaults -no-user-config -display none -no-reboot");
    add("-chardev stdio,id=serial,signal=off -serial chardev:serial");
    let mut more = vec![("-qmp", format!("unix:{}", value(&folder.join("qmp"))))];
    if plan.port {
        more.push(("-chardev", format!("socket,id=port,path={}", value(&folder.join("port")))));
        add("-device virtio-serial-pci -device virtserialport,chardev=port,name=onset.0");
    }
    add("-device pvpanic-pci -action panic=pause");
    for slot in 0..SLOTS {
        let chassis = u16::from(slot).saturating_add(1);
        add(&format!("-device pcie-root-port,id=slot{slot},chassis={chassis},slot={chassis}"));
    }
    if let Some(disk) = &plan.disk {
        let snapshot = if plan.is_kept { "off" } else { "on" };
        more.push(("-drive", format!("file={},format=raw,if=none,id=disk,snapshot={snapshot}", value(disk))));
        add("-device virtio-blk-pci,drive=disk");
    }
    arguments.extend(more.into_iter().flat_map(|(option, socket)| [option.to_owned(), socket]));
    let append = format!("console=ttyS0 panic=-1 {FAST} {}", plan.append);
    let paths = [("-kernel", &plan.kernel), ("-initrd", &plan.initrd)];
    arguments
        .extend(paths.into_iter().flat_map(|(option, path)| [option.to_owned(), path.display().to_string()]));
    arguments.extend(["-append".to_owned(), append]);
    arguments
}
