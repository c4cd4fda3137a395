//! The steps of a scenario, read from its text.

use super::expected::Expected;

/// What is done in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
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
    /// The same where something in the machine may find them; nothing loads them at boot.
    Modules(String),
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
    /// Plugs a controller in that things of the USB can be plugged into.
    PlugUsb(String),
    /// Plugs a stick into such a controller: its name, and the label of its file system.
    PlugStick(String, String, String),
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

/// A step, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The number of its line.
    pub line: usize,
    /// What is done.
    pub act: Act,
    /// What the command must give, if it is one.
    pub expected: Vec<Expected>,
}

/// The steps of a scenario's text, or the line that is none and why.
pub fn read(text: &str) -> Result<Vec<Step>, (usize, String)> {
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
            step.expected.push(Expected::read(line.trim()).map_err(|why| (number, why))?);
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

fn act(line: &str) -> Result<Act, String> {
    let (word, rest) = line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim()));
    let text = || if rest.is_empty() { Err(format!("`{word}` wants more")) } else { Ok(rest.to_owned()) };
    Ok(match word {
        "remove" => Act::Remove(text()?),
        "program" => Act::Program(text()?),
        "examples" => Act::Examples(text()?),
        "packages" => Act::Packages(text()?),
        "rc-tree" => Act::RcTree,
        "drivers" => Act::Drivers(text()?),
        "modules" => Act::Modules(text()?),
        "boot" => Act::Boot(rest.to_owned()),
        "guest" => Act::Guest(text()?),
        "until" => Act::Until(text()?),
        "wait-serial" => Act::WaitSerial(text()?),
        "type" => Act::Type(rest.to_owned()),
        "plug" => match rest.split_once(' ') {
            Some(("nic", id)) => Act::PlugCard(id.trim().to_owned()),
            Some(("uplink", id)) => Act::PlugUplink(id.trim().to_owned()),
            Some(("keyboard", id)) => Act::PlugKeyboard(id.trim().to_owned()),
            Some(("usb", id)) => Act::PlugUsb(id.trim().to_owned()),
            Some(("stick", rest)) => match rest.split_whitespace().collect::<Vec<&str>>().as_slice() {
                [id, bus, label] => Act::PlugStick((*id).to_owned(), (*bus).to_owned(), (*label).to_owned()),
                _ => return Err("it is `plug stick NAME USB LABEL`".into()),
            },
            Some(("disk", rest)) => match rest.trim().split_once(' ') {
                Some((id, label)) => Act::PlugDisk(id.to_owned(), Some(label.trim().to_owned())),
                None => Act::PlugDisk(rest.trim().to_owned(), None),
            },
            _ => {
                return Err(
                    "it is `plug nic`, `plug uplink`, `plug disk`, `plug usb`, `plug stick` or `plug keyboard`, and a name"
                        .into(),
                );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_can_be_repeated() {
        let steps = read("boot\nrepeat 3\nplug nic a\nunplug a\nend-repeat\nnmi\n").unwrap();
        assert_eq!(steps.len(), 8);
        assert_eq!(steps[5].act, Act::PlugCard("a".into()));
        assert!(read("end-repeat\n").is_err() && read("repeat x\n").is_err());
    }

    #[test]
    fn a_scenario_is_read_step_by_step() {
        let text = "# first\nboot quiet vm.memory=512\n\nguest echo a b\n  = a *\n  ! 0\nplug nic eth1\nexpect-poweroff\n";
        let steps = read(text).unwrap();
        let acts: Vec<&Act> = steps.iter().map(|step| &step.act).collect();
        assert_eq!(
            acts,
            [
                &Act::Boot("quiet vm.memory=512".into()),
                &Act::Guest("echo a b".into()),
                &Act::PlugCard("eth1".into()),
                &Act::ExpectEnd("guest-shutdown"),
            ]
        );
        assert_eq!(steps[1].expected, [Expected::Line("a *".into()), Expected::Status(Some(0))]);
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
                "it is `plug nic`, `plug uplink`, `plug disk`, `plug usb`, `plug stick` or `plug keyboard`, and a name",
            ),
            ("plug stick s1 x0", 1, "it is `plug stick NAME USB LABEL`"),
            ("cable eth0", 1, "it is `cable NAME in` or `cable NAME out`"),
            ("guest", 1, "`guest` wants more"),
        ] {
            assert_eq!(read(text), Err((line, why.to_owned())), "{text}");
        }
    }
}
