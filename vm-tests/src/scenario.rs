//! A scenario: a folder with job files and a list of steps that a machine goes through.
//!
//! docs/vm-tests.md says what steps there are.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use events::glob_matches;

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

/// What is done in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Act {
    /// Takes a file out of the machine before it boots.
    Remove(String),
    /// Puts a program of `vm-tests/guest` into the machine.
    Program(String),
    /// Puts job files of `examples/jobs` into the machine.
    Examples(String),
    /// Puts packages of Debian's into the machine, unpacked.
    Packages(String),
    /// Puts FreeBSD's tree of rc.d scripts into the machine, with faults in it.
    RcTree,
    /// Gives the machine more drivers, with all that they depend on.
    Drivers(String),
    /// Boots, with these words for the kernel.
    Boot(String),
    /// Runs a command in the machine.
    Guest(String),
    /// Runs a command until what it gives is what is expected.
    Until(String),
    /// Waits until the console shows a text.
    WaitSerial(String),
    /// Types a line on the console.
    Type(String),
    /// Plugs a network card in.
    PlugCard(String),
    /// Plugs a network card in that is connected to something that gives out addresses.
    PlugUplink(String),
    /// Pulls the cable out of a card, or puts it back.
    SetLink(String, bool),
    /// Plugs a disk in: an empty one, or one with a file system of this label.
    PlugDisk(String, Option<String>),
    /// Plugs a keyboard in.
    PlugKeyboard(String),
    /// Presses keys together.
    Press(String),
    /// Pulls out what was plugged in.
    Unplug(String),
    /// Pushes the power button.
    PushPower,
    /// Takes the power away: nothing that the machine has not written yet is written.
    CutPower,
    /// Looks whether the disk was left as it should be.
    CheckDisk,
    /// Raises a non-maskable interrupt.
    RaiseNmi,
    /// Waits for the end of the machine, which must be of this kind.
    ExpectEnd(&'static str),
    /// Waits for a panic of the kernel.
    ExpectPanic,
    /// The console must have shown a text, or must not have.
    Console(String, bool),
}

/// What a command must give.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    /// The whole output: the lines of all such expectations, in order. Each is a glob.
    Line(String),
    /// One of the lines.
    SomeLine(String),
    /// None of the lines.
    NoLine(String),
    /// The exit status; without a number, any but 0.
    Status(Option<i64>),
}

/// A step, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    line: usize,
    act: Act,
    expected: Vec<Expected>,
}

/// Plays the scenario in a folder, and says which step went wrong and how.
pub fn play(folder: &Path) -> Result<()> {
    play_on(folder, None)
}

/// The same on the image of a whole root that has Onset in it: `vm.root=kept` boots a copy of it.
pub fn play_on(folder: &Path, image: Option<&Path>) -> Result<()> {
    let path = folder.join("scenario");
    let text = fs::read_to_string(&path).doing(path.display())?;
    let steps = steps(&text).map_err(|(line, why)| Failure(format!("{}:{line}: {why}", path.display())))?;
    let kernel = Kernel::find()?;
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

/// The steps of a scenario's text, or the line that is none and why.
fn steps(text: &str) -> std::result::Result<Vec<Step>, (usize, String)> {
    let mut steps: Vec<Step> = Vec::new();
    // How often, and from which step on.
    let mut repeated: Option<(usize, usize)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(times) = line.strip_prefix("repeat ") {
            let times = times.trim().parse().map_err(|_| (number, format!("`{times}` is no number")))?;
            repeated = Some((times, steps.len()));
            continue;
        }
        if line.trim_end() == "end-repeat" {
            let (times, from) = repeated.take().ok_or((number, "nothing is repeated".to_owned()))?;
            let round: Vec<Step> = steps.split_off(from);
            steps.extend(std::iter::repeat_n(round, times).flatten());
            continue;
        }
        if line.starts_with([' ', '\t']) {
            let step = steps.last_mut().ok_or((number, "nothing stands before it".to_owned()))?;
            if !matches!(step.act, Act::Guest(_) | Act::Until(_)) {
                return Err((number, "only a command can be expected to give something".into()));
            }
            step.expected.push(expectation(line.trim()).map_err(|why| (number, why))?);
        } else {
            let act = act(line.trim()).map_err(|why| (number, why))?;
            steps.push(Step { line: number, act, expected: Vec::new() });
        }
    }
    if repeated.is_some() {
        return Err((text.lines().count(), "what is repeated does not end".into()));
    }
    Ok(steps)
}

fn act(line: &str) -> std::result::Result<Act, String> {
    let (word, rest) = line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim()));
    let text = || if rest.is_empty() { Err(format!("`{word}` wants more")) } else { Ok(rest.to_owned()) };
    Ok(match word {
        "remove" => Act::Remove(text()?),
        "program" => Act::Program(text()?),
        "examples" => Act::Examples(text()?),
        "packages" => Act::Packages(text()?),
        "rc-tree" => Act::RcTree,
        "drivers" => Act::Drivers(text()?),
        "boot" => Act::Boot(rest.to_owned()),
        "guest" => Act::Guest(text()?),
        "until" => Act::Until(text()?),
        "wait-serial" => Act::WaitSerial(text()?),
        "type" => Act::Type(rest.to_owned()),
        "plug" => match rest.split_once(' ') {
            Some(("nic", id)) => Act::PlugCard(id.trim().to_owned()),
            Some(("uplink", id)) => Act::PlugUplink(id.trim().to_owned()),
            Some(("keyboard", id)) => Act::PlugKeyboard(id.trim().to_owned()),
            Some(("disk", rest)) => match rest.trim().split_once(' ') {
                Some((id, label)) => Act::PlugDisk(id.to_owned(), Some(label.trim().to_owned())),
                None => Act::PlugDisk(rest.trim().to_owned(), None),
            },
            _ => {
                return Err("it is `plug nic NAME`, `plug uplink NAME`, `plug disk NAME LABEL` or `plug keyboard NAME`".into());
            }
        },
        "cable" => match rest.split_once(' ') {
            Some((id, "in")) => Act::SetLink(id.to_owned(), true),
            Some((id, "out")) => Act::SetLink(id.to_owned(), false),
            _ => return Err("it is `cable NAME in` or `cable NAME out`".into()),
        },
        "unplug" => Act::Unplug(text()?),
        "press" => Act::Press(text()?),
        "powerdown" => Act::PushPower,
        "cut-power" => Act::CutPower,
        "check-disk" => Act::CheckDisk,
        "nmi" => Act::RaiseNmi,
        "expect-poweroff" => Act::ExpectEnd("guest-shutdown"),
        "expect-reboot" => Act::ExpectEnd("guest-reset"),
        "expect-panic" => Act::ExpectPanic,
        "console-has" => Act::Console(text()?, true),
        "console-lacks" => Act::Console(text()?, false),
        word => return Err(format!("there is no step `{word}`")),
    })
}

fn expectation(line: &str) -> std::result::Result<Expected, String> {
    let (sign, rest) = line.split_at_checked(1).unwrap_or((line, ""));
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    match sign {
        "=" => Ok(Expected::Line(rest.to_owned())),
        "*" => Ok(Expected::SomeLine(rest.to_owned())),
        "-" => Ok(Expected::NoLine(rest.to_owned())),
        "!" if rest.is_empty() => Ok(Expected::Status(None)),
        "!" => rest
            .parse()
            .map(|status| Expected::Status(Some(status)))
            .map_err(|_| format!("`{rest}` is no status")),
        _ => Err(format!("`{line}` begins with none of `=` `*` `-` `!`")),
    }
}

/// What a command gave that was not expected, if anything. Without a word on it, its status must be 0.
fn difference(ran: &Ran, expected: &[Expected]) -> Option<String> {
    let lines: Vec<&str> = ran.output.lines().collect();
    let (mut whole, mut status) = (Vec::new(), None);
    for expectation in expected {
        let found = |glob: &str| lines.iter().any(|line| glob_matches(glob, line));
        match expectation {
            Expected::Line(glob) => whole.push(glob.as_str()),
            Expected::SomeLine(glob) if !found(glob) => return Some(format!("no line is `{glob}`")),
            Expected::NoLine(glob) if found(glob) => return Some(format!("a line is `{glob}`")),
            Expected::SomeLine(_) | Expected::NoLine(_) => {}
            Expected::Status(number) => status = Some(*number),
        }
    }
    let wanted = match status {
        None => ran.status == 0,
        Some(None) => ran.status != 0,
        Some(Some(status)) => ran.status == status,
    };
    if !wanted {
        return Some(format!("its status is {}", ran.status));
    }
    let same =
        lines.len() == whole.len() && whole.iter().zip(&lines).all(|(glob, line)| glob_matches(glob, line));
    (!whole.is_empty() && !same).then(|| "its lines are not those expected".into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_can_be_repeated() {
        let read = steps("boot\nrepeat 3\nplug nic a\nunplug a\nend-repeat\nnmi\n").unwrap();
        assert_eq!(read.len(), 8);
        assert_eq!(read[5].act, Act::PlugCard("a".into()));
        assert!(steps("end-repeat\n").is_err() && steps("repeat x\n").is_err());
    }

    #[test]
    fn a_scenario_is_read_step_by_step() {
        let text = "# first\nboot quiet vm.memory=512\n\nguest echo a b\n  = a *\n  ! 0\nplug nic eth1\nexpect-poweroff\n";
        let read = steps(text).unwrap();
        let acts: Vec<&Act> = read.iter().map(|step| &step.act).collect();
        assert_eq!(
            acts,
            [
                &Act::Boot("quiet vm.memory=512".into()),
                &Act::Guest("echo a b".into()),
                &Act::PlugCard("eth1".into()),
                &Act::ExpectEnd("guest-shutdown"),
            ]
        );
        assert_eq!(read[1].expected, [Expected::Line("a *".into()), Expected::Status(Some(0))]);
    }

    #[test]
    fn what_is_no_step_is_named() {
        for (text, line, why) in [
            ("boot\nfly away", 2, "there is no step `fly`"),
            ("  = a", 1, "nothing stands before it"),
            ("boot\n = a", 2, "only a command can be expected to give something"),
            ("guest true\n ? a", 2, "`? a` begins with none of `=` `*` `-` `!`"),
            (
                "plug lamp",
                1,
                "it is `plug nic NAME`, `plug uplink NAME`, `plug disk NAME LABEL` or `plug keyboard NAME`",
            ),
            ("cable eth0", 1, "it is `cable NAME in` or `cable NAME out`"),
            ("guest", 1, "`guest` wants more"),
        ] {
            assert_eq!(steps(text), Err((line, why.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_a_command_gives_is_compared() {
        let ran = Ran { status: 3, output: "one\ntwo 2\n".into() };
        for (expected, same) in [
            ("! 3", true),
            ("!", true),
            ("! 0", false),
            ("= one", false),
            ("! 3\n= one", false),
            ("! 3\n= one\n= two ?", true),
            ("! 3\n* two*", true),
            ("! 3\n* three", false),
            ("! 3\n- three", true),
            ("! 3\n- one", false),
        ] {
            let parsed: Vec<Expected> = expected.lines().map(|line| expectation(line).unwrap()).collect();
            assert_eq!(difference(&ran, &parsed).is_none(), same, "{expected}");
        }
    }
}
