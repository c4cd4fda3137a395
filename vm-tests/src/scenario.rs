//! A scenario: a folder with job files and a list of steps that a machine goes through.
//!
//! docs/vm-tests.md says what steps there are.

mod expected;
mod step;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    failure::{Doing, Failure, Result},
    fault::MEASURED,
    folder::Folder,
    guest,
    image::{self, Tree},
    kernel::Kernel,
    limit::Limit,
    packages, programs,
    qemu::{Clock, Machine, Plan},
    rc_tree,
    session::{Ran, Session},
};
use expected::{Expected, difference};
use step::{Act, Step};

/// Seconds that a boot may take until the agent answers, on a machine that is very busy.
const BOOT: u64 = 180;

/// Seconds that any other step may take.
const STEP: u64 = 180;

/// The same where the machine's clock is patient: its time does not pass while the host has much else to do.
const PATIENT: u64 = 7200;

/// How long a machine is left alone before it is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// What a machine is asked when it did not do what was expected.
const CONFESS: &str = "onsetctl list; onsetctl log --all --lines 40; dmesg | tail -n 30";

/// Plays the scenario in a folder, and says which step went wrong and how.
pub fn play(folder: &Path) -> Result<()> {
    play_with(folder, Kernel::find()?, None)
}

/// The same with the kernel for real machines.
pub fn play_with_full_kernel(folder: &Path) -> Result<()> {
    play_with(folder, Kernel::full()?, None)
}

/// The same on the image of a whole root that has Onset in it: `vm.root=kept` boots a copy of it.
pub fn play_on(folder: &Path, image: &Path) -> Result<()> {
    play_with(folder, Kernel::find()?, Some(image))
}

fn play_with(folder: &Path, kernel: Kernel, image: Option<&Path>) -> Result<()> {
    let path = folder.join("scenario");
    let text = fs::read_to_string(&path).doing(path.display())?;
    let steps =
        step::read(&text).map_err(|(line, why)| Failure(format!("{}:{line}: {why}", path.display())))?;
    let mut tree = if image.is_some() { guest::agent() } else { guest::machine(&kernel)? };
    guest::add_files(&mut tree, folder)?;
    let image = image.map(Path::to_owned);
    let folder_of_machine = Folder::new("scenario")?;
    let mut player = Player {
        image,
        folder: folder_of_machine,
        kernel,
        tree,
        machine: None,
        session: None,
        clock: Clock::Host,
    };
    for step in steps {
        player
            .step(&step)
            .map_err(|Failure(why)| Failure(format!("{}:{}: {why}", path.display(), step.line)))?;
    }
    Ok(())
}

struct Player {
    image: Option<PathBuf>,
    folder: Folder,
    kernel: Kernel,
    tree: Tree,
    machine: Option<Machine>,
    session: Option<Session>,
    clock: Clock,
}

impl Player {
    fn step(&mut self, step: &Step) -> Result<()> {
        let limit = self.limit(STEP);
        match &step.act {
            Act::Remove(path) => self.tree.remove(path).then_some(()).doing(format!("there is no {path}")),
            Act::Program(name) => {
                let built = programs::from_c(name, &self.folder)?;
                self.tree.copy(&format!("usr/sbin/{name}"), &built)
            }
            Act::Examples(names) => {
                let folder = programs::workspace().join("examples").join("jobs");
                let mut names = names.split(' ').map(|name| format!("{name}.ron"));
                names.try_for_each(|name| {
                    self.tree.copy(&format!("etc/onset/jobs/{name}"), &folder.join(&name))
                })
            }
            Act::Packages(names) => {
                let names: Vec<&str> = names.split(' ').collect();
                packages::add(&mut self.tree, &names)
            }
            Act::RcTree => {
                rc_tree::add_with_faults(&mut self.tree);
                Ok(())
            }
            Act::Drivers(names) => {
                let names: Vec<&str> = names.split(' ').collect();
                guest::drivers(&mut self.tree, &self.kernel, &names)
            }
            Act::Modules(names) => {
                let names: Vec<&str> = names.split(' ').collect();
                guest::modules(&mut self.tree, &self.kernel, &names)
            }
            Act::Boot(words) => self.boot(words),
            Act::Guest(command) => {
                let ran = self.run(command)?;
                for line in ran.output.lines().filter(|line| line.starts_with(MEASURED)) {
                    show(line);
                }
                difference(&ran, &step.expected).map_or(Ok(()), |why| Err(self.told(command, &why, &ran)))
            }
            Act::Until(command) => self.until(command, &step.expected, limit),
            Act::WaitSerial(text) => self.machine()?.until_console(text, limit),
            Act::Type(text) => self.machine()?.type_in(format!("{text}\n").as_bytes()),
            Act::PlugCard(id) => self.machine()?.plug_card(id),
            Act::PlugUplink(id) => self.machine()?.plug_uplink(id),
            Act::SetLink(id, up) => self.machine()?.set_link(id, *up),
            Act::PlugDisk(id, None) => self.machine()?.plug_disk(id, None),
            Act::PlugDisk(id, Some(label)) => {
                let path = self.folder.join(label);
                image::labelled(&path, label)?;
                self.machine()?.plug_disk(id, Some(&path))
            }
            Act::PlugUsb(id) => self.machine()?.plug_usb(id),
            Act::PlugStick(id, bus, label) => {
                let path = self.folder.join(label);
                image::labelled(&path, label)?;
                self.machine()?.plug_stick(id, bus, &path)
            }
            Act::PlugKeyboard(id) => self.machine()?.plug_keyboard(id),
            Act::Press(keys) => self.machine()?.press(keys),
            Act::Unplug(id) => self.machine()?.unplug(id),
            Act::PushPower => self.machine()?.push_power(),
            Act::CutPower => {
                self.session = None;
                self.machine.take().map(drop).doing("nothing has been booted")
            }
            Act::CheckDisk => {
                self.machine = None;
                image::check(&self.folder.join("disk"))
            }
            Act::RaiseNmi => self.machine()?.raise_nmi(),
            Act::ExpectPanic => self.machine()?.until_panic(limit),
            Act::ExpectEnd(kind) => {
                let end = self.machine()?.until_end(limit)?;
                if end == *kind { Ok(()) } else { Err(Failure(format!("it has ended by {end}, not {kind}"))) }
            }
            Act::Console(text, wanted) => {
                let machine = self.machine()?;
                if machine.console().contains(text.as_str()) == *wanted {
                    return Ok(());
                }
                Err(Failure(format!("the console is:\n{}", machine.console().replace('\r', ""))))
            }
        }
    }

    /// Boots. `vm.root=disk`, `vm.memory=MIB`, `vm.processors=N` and `vm.clock=counted` or `patient` are for the
    /// machine, the rest is for the kernel. With `vm.root=kept` it gets the disk of the boot before, and what it writes stays.
    fn boot(&mut self, words: &str) -> Result<()> {
        // One machine at a time: the last one is gone before the next one is there.
        self.machine = None;
        self.session = None;
        let word = |name: &str| words.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let number = |name: &str, default: u32| match word(name) {
            Some(value) => value.parse().map_err(|_| Failure(format!("{name}={value} is no number"))),
            None => Ok(default),
        };
        self.clock = match word("vm.clock") {
            None => Clock::Host,
            Some("counted") => Clock::Counted,
            Some("patient") => Clock::Patient,
            Some(other) => return Err(Failure(format!("vm.clock={other}: it is `counted` or `patient`"))),
        };
        let initrd = self.folder.join("initrd");
        let disk = self.folder.join("disk");
        let is_kept = word("vm.root") == Some("kept");
        let from_disk = is_kept || word("vm.root") == Some("disk");
        if from_disk {
            let mut starter = guest::starter(&self.kernel)?;
            starter.write_cpio(&initrd)?;
            match &self.image {
                Some(image) => {
                    // What another kernel can be started with.
                    let plain = self.folder.join("plain");
                    fs::rename(&initrd, &plain).doing(plain.display())?;
                    self.tree.copy("boot/initrd", &plain)?;
                    self.tree.copy("boot/vmlinuz", &self.kernel.image)?;
                    starter.add_tree("add", &self.tree);
                    starter.write_cpio(&initrd)?;
                    if !disk.exists() {
                        image::copy(image, &disk)?;
                    }
                }
                None if !is_kept || !disk.exists() => self.tree.write_ext4(&disk)?,
                None => {}
            }
        } else {
            self.tree.write_cpio(&initrd)?;
        }
        self.machine = Some(Machine::start(&Plan {
            kernel: self.kernel.image.clone(),
            initrd,
            disk: from_disk.then_some(disk),
            is_kept,
            append: format!("rdinit={} {words}", if from_disk { "/init" } else { "/sbin/init" }),
            port: true,
            memory: number("vm.memory", 256)?,
            processors: number("vm.processors", 1)?,
            clock: self.clock,
        })?);
        Ok(())
    }

    /// How long a step may take that has so many seconds where the machine's time is the host's.
    fn limit(&self, seconds: u64) -> Limit {
        match self.clock {
            Clock::Host | Clock::Counted => Limit::seconds(seconds),
            Clock::Patient => Limit::seconds(PATIENT),
        }
    }

    fn machine(&mut self) -> Result<&mut Machine> {
        self.machine.as_mut().doing("nothing has been booted")
    }

    fn run(&mut self, command: &str) -> Result<Ran> {
        let (boot, step) = (self.limit(BOOT), self.limit(STEP));
        let machine = self.machine.as_mut().doing("nothing has been booted")?;
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(Session::open(machine, boot)?),
        };
        session.run(machine, command, step)
    }

    /// Asks again and again. In the machine nobody could tell us, or a scenario would say `guest`.
    #[allow(
        clippy::disallowed_methods,
        reason = "the machine gets on faster when it is not asked all the time"
    )]
    fn until(&mut self, command: &str, expected: &[Expected], limit: Limit) -> Result<()> {
        loop {
            let ran = self.run(command)?;
            let Some(why) = difference(&ran, expected) else { return Ok(()) };
            if limit.left().is_none() {
                return Err(self.told(command, &why, &ran));
            }
            thread::sleep(PAUSE);
        }
    }

    /// What was wrong, and what the machine says of itself.
    fn told(&mut self, command: &str, why: &str, ran: &Ran) -> Failure {
        let machine = self.run(CONFESS).map(|ran| ran.output).unwrap_or_else(|failure| failure.to_string());
        let Ran { status, output } = ran;
        Failure(format!(
            "`{command}`: {why}; status {status}, output:\n{output}\nThe machine says:\n{machine}"
        ))
    }
}

#[allow(clippy::print_stdout, reason = "a figure is for whoever runs the test")]
fn show(line: &str) {
    println!("{line}");
}
