//! `onset-setup`: what the jobs of the stock set run, so that a bare root comes up without any other tool.
//!
//! Each verb is one step of a boot and a process of its own: it may wait, it may fail, and PID 1 has nothing to do with
//! it. Verbs read the files that Linux has for their purpose (fstab, sysctl.d, tmpfiles.d and the like), say each fault in
//! one line with its place, and go on behind it; the exit status is then 1.

mod accounts;
mod calendars;
mod conf;
mod device;
mod devices;
mod fsck;
mod fstab;
mod getty;
mod hostname;
mod kernel_line;
mod machine_id;
mod modules;
pub(crate) mod place;
pub(crate) mod program;
mod runlevel;
mod seed;
mod superblock;
mod sysctl;
mod task;
mod tell;
mod tmpfiles;
mod udev;

use std::io::{self, Write as _};

use task::Task;

/// What a verb does with the words behind it.
type Run = fn(&mut Task, &[String]);

/// The verbs: name, what may stand behind it, what it does in words, and what does it.
const VERBS: &[(&str, &str, &str, Run)] = &[
    ("remount", "", "remounts what is mounted already as /etc/fstab says, the root first", fstab::remount),
    ("fstab", "[network]", "mounts what /etc/fstab names, and switches swap on", fstab::run),
    (
        "fsck",
        "MOUNTPOINT|root",
        "checks a file system of /etc/fstab, if there is a program for it",
        fsck::run,
    ),
    ("lo", "", "brings the loopback interface up", hostname::lo),
    ("hostname", "", "sets the host's name from /etc/hostname", hostname::run),
    ("sysctl", "", "sets the kernel's variables from sysctl.d", sysctl::run),
    ("modules", "", "loads the kernel modules of modules-load.d", modules::run),
    ("tmpfiles", "", "makes and removes files as tmpfiles.d says", tmpfiles::run),
    ("seed", "load|save", "hands randomness over from one boot to the next", seed::run),
    ("calendars", "", "keeps when times that catch up came last", calendars::run),
    ("machine-id", "", "makes /etc/machine-id if there is none", machine_id::run),
    (
        "udev",
        "[check|coldplug|database]",
        "becomes udev's daemon; tells it of what is there already; tells Onset what it knows",
        udev::run,
    ),
    (
        "devices",
        "[check|once]",
        "loads drivers and gives nodes their owners, where no udevd runs",
        devices::run,
    ),
    ("runlevel", "[LEVEL]", "asks for a run level: that of the kernel's command line, or 2", runlevel::run),
    ("getty", "[check]", "becomes a login prompt on $TTY", getty::run),
    ("single", "[check|over]", "becomes a shell for one person", getty::single),
    ("set", "FACT [KEY=VALUE...]", "begins a fact that ends with the job", tell::set),
    ("power", "poweroff|reboot", "asks Onset to end the machine", runlevel::power),
];

/// How it is called.
const NAME: &str = "onset-setup";

/// Does what `words` say: `[--root FOLDER] VERB ...`, without the program's own name. Gives the exit status.
#[must_use]
pub fn run(words: &[String]) -> u8 {
    let (root, words) = match words {
        [option, root, rest @ ..] if option == "--root" => (root.as_str(), rest),
        words => ("/", words),
    };
    let Some((verb, rest)) = words.split_first() else { return usage() };
    match VERBS.iter().find(|(name, ..)| name == verb) {
        Some((.., run)) => {
            let mut task = Task::new(root);
            run(&mut task, rest);
            task.code()
        }
        None => usage(),
    }
}

fn usage() -> u8 {
    let mut text = format!("usage: {NAME} [--root FOLDER] VERB\n\n");
    for (name, words, about, _) in VERBS {
        text.push_str(&format!("  {:<26} {about}\n", format!("{name} {words}")));
    }
    // Whether the help reaches anybody is not our fault.
    let _ = io::stderr().write_all(text.as_bytes());
    task::USAGE
}
