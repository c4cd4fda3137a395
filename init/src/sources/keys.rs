//! Keys that are for the machine and not for who sits at it: the power button, the sleep key, and the lid.
//!
//! Only devices that have such a key or switch are opened, and of them the kernel tells us no other key. Nothing is grabbed: who
//! else listens hears it, too. What the kernel tells by signal (control-alt-delete, keyboard-request) is only asked for
//! here.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
};

use events::{Args, Event, Identity, Key, Name, Value};
use jobs::{Input, Origin};
use nix::sys::reboot::set_cad_enabled;

use super::{
    Part, Past,
    known::{Change, Known},
};
use crate::{
    control::Limit,
    pid1::{shell::Shell, token::Token},
    sys::{
        input,
        poll::{Interest, Registration},
    },
};

/// Where the kernel names its input devices.
const DEVICES: &str = "/sys/class/input";
/// How many devices are listened to at most.
const MOST: usize = 64;

/// The kernel's `struct input_event`: a time, and then what happened.
const MESSAGE: usize = size_of::<libc::input_event>();
/// How long what happened is, at its end: type, code and value.
const HAPPENED: usize = 8;
/// How many are read in one turn.
const TURN: usize = 64;

/// The types of what happens: that all is told, a key, a switch.
const SYNCHRONISE: u16 = 0;
const KEY: u16 = 1;
const SWITCH: u16 = 5;
/// Of the first type: the kernel had no room, and something is missing.
const DROPPED: u16 = 3;
/// The keys for the machine, and the events that they are.
const KEYS: [(u16, Name); 3] = [
    (116, Name::constant("power-button")),
    (142, Name::constant("sleep-key")),
    (205, Name::constant("sleep-key")),
];
/// The switch of the lid. It is on while the lid is closed.
const LID: u16 = 0;
/// How many bytes tell of all keys that there are.
const ALL_KEYS: usize = 96;

/// The devices that have keys for the machine, by the number in their names.
#[derive(Debug)]
pub struct Keys {
    devices: BTreeMap<u32, Device>,
    /// How the lids are.
    lids: Known,
}

#[derive(Debug)]
struct Device {
    file: File,
    at: Registration,
    has_lid: bool,
}

impl Keys {
    /// Listens to the devices that are there, and has the kernel tell us of the keys that it tells of by signal.
    pub fn new(shell: &mut Shell<'_>, past: &Past<'_>) -> Self {
        // Without the right to it, control-alt-delete resets the machine as it did before.
        let _ = set_cad_enabled(false);
        if let Ok(terminal) = OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY).open("/dev/tty0") {
            // A terminal without a keyboard has no such keys.
            let _ = input::send_on_request(terminal, libc::SIGWINCH);
        }
        let mut keys = Self { devices: BTreeMap::new(), lids: Known::new(Name::constant("lid"), past) };
        keys.lids.begin_look();
        keys.look(shell);
        keys.lids.end_look(shell);
        keys
    }

    /// Listens to those that have come since.
    pub fn look(&mut self, shell: &mut Shell<'_>) {
        for entry in fs::read_dir(DEVICES).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(number) = name.strip_prefix("event").and_then(|number| number.parse().ok()) else {
                continue;
            };
            if self.devices.contains_key(&number) || self.devices.len() >= MOST {
                continue;
            }
            let has = |kind: &str, code| {
                let codes = fs::read_to_string(entry.path().join("device/capabilities").join(kind));
                has(&codes.unwrap_or_default(), code)
            };
            let has_lid = has("sw", LID);
            if (has_lid || KEYS.iter().any(|(key, _)| has("key", *key)))
                && let Ok(file) = open(&name)
                && let Ok(at) = shell.poll.add(&file, Interest::Read, Token::Source(Part::Keys(number)))
            {
                self.devices.insert(number, Device { file, at, has_lid });
                self.look_at_lid(shell, number);
            }
        }
    }

    /// Asks how a lid is, and tells it if that is not known.
    fn look_at_lid(&mut self, shell: &mut Shell<'_>, number: u32) {
        let Some(device) = self.devices.get(&number).filter(|device| device.has_lid) else { return };
        if let Ok([states, ..]) = input::switches(&device.file) {
            self.lid_is(shell, number, states >> LID & 1 == 1);
        }
    }

    fn lid_is(&mut self, shell: &mut Shell<'_>, number: u32, is_closed: bool) {
        let (state, event) = match is_closed {
            true => ("closed", Name::constant("lid-closed")),
            false => ("open", Name::constant("lid-opened")),
        };
        let mut args = Args::new();
        args.push(Key::constant("STATE"), Value::escaped(state.as_bytes()).0);
        match self.lids.holds(shell, &lid(number), &args) {
            Change::Changed(_) => tell(shell, event),
            // That it was found so is nothing that has happened.
            Change::New | Change::Same => {}
        }
    }

    /// A key was pressed, or the device is gone.
    pub fn ready(&mut self, shell: &mut Shell<'_>, number: u32) {
        let Some(device) = self.devices.get_mut(&number) else { return };
        let mut bytes = [0; MESSAGE * TURN];
        let most = MESSAGE.saturating_mul(TURN.min(shell.room()));
        let Some(bytes) = bytes.get_mut(..most).filter(|bytes| !bytes.is_empty()) else { return };
        match device.file.read(bytes) {
            Ok(length @ 1..) => {
                let (messages, _) = bytes.get(..length).unwrap_or_default().as_chunks::<MESSAGE>();
                for happened in messages.iter().filter_map(happened) {
                    match happened {
                        (KEY, code, 1) => {
                            if let Some((_, name)) = KEYS.into_iter().find(|(key, _)| *key == code) {
                                tell(shell, name);
                            }
                        }
                        (SWITCH, LID, value) => self.lid_is(shell, number, value != 0),
                        (SYNCHRONISE, DROPPED, _) => self.look_at_lid(shell, number),
                        // Released, repeated, or for others.
                        _ => {}
                    }
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Ok(0) | Err(_) => {
                if let Some(device) = self.devices.remove(&number) {
                    shell.poll.remove(&device.file, device.at);
                    self.lids.is_gone(shell, &lid(number));
                }
            }
        }
    }

    /// Their bound.
    pub fn limits(&self) -> Limit {
        Limit {
            name: "key-devices",
            value: u64::try_from(MOST).unwrap_or(u64::MAX),
            used: u64::try_from(self.devices.len()).ok(),
            what: "input devices with keys for the machine; others are not listened to",
        }
    }
}

fn tell(shell: &mut Shell<'_>, name: Name) {
    shell.report(Input::Event { event: Event::new(name), origin: Origin::World, reply: None });
}

/// What tells the lid of one device from others.
fn lid(number: u32) -> Identity {
    Identity(format!("event{number}").into())
}

fn open(name: &str) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    let device = OpenOptions::new().read(true).custom_flags(flags).open(format!("/dev/input/{name}"))?;
    let mut codes = [0_u8; ALL_KEYS];
    for (key, _) in KEYS {
        if let Some(byte) = codes.get_mut(usize::from(key / 8)) {
            *byte |= bit(key % 8);
        }
    }
    // A kernel that cannot leave out the others tells of them, and nobody listens. First of all: which types.
    let _ = input::only(&device, 0, &[bit(KEY) | bit(SWITCH)]);
    let _ = input::only(&device, KEY, &codes);
    let _ = input::only(&device, SWITCH, &[bit(LID)]);
    Ok(device)
}

const fn bit(number: u16) -> u8 {
    1_u8.wrapping_shl(number as u32)
}

/// Whether a device has a key, by what the kernel says of it: words of 64 bits, the highest first.
fn has(words: &str, key: u16) -> bool {
    let word = words.split_whitespace().rev().nth(usize::from(key / 64));
    let word = word.and_then(|word| u64::from_str_radix(word, 16).ok()).unwrap_or(0);
    word >> (key % 64) & 1 == 1
}

/// What a message says: type, code and value.
fn happened(message: &[u8; MESSAGE]) -> Option<(u16, u16, i32)> {
    let [a, b, c, d, value @ ..] = message.last_chunk::<HAPPENED>()?;
    Some((u16::from_ne_bytes([*a, *b]), u16::from_ne_bytes([*c, *d]), i32::from_ne_bytes(*value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_the_keys_that_the_kernel_says() {
        // A power button, a keyboard, a mouse; a lid.
        let power = 116;
        assert!(has("10000000000000 0\n", power));
        assert!(has("fffffffffffffffe 10000000000000 0", power));
        assert!(!has("1f0000 0 0 0 0", power));
        assert!(!has("", power));
        assert!(has("1\n", LID) && !has("20\n", LID));
    }

    #[test]
    fn a_message_says_what_has_happened() {
        let mut message = [0; MESSAGE];
        let bytes = [&SWITCH.to_ne_bytes()[..], &LID.to_ne_bytes(), &1_i32.to_ne_bytes()].concat();
        message[MESSAGE - HAPPENED..].copy_from_slice(&bytes);
        assert_eq!(happened(&message), Some((SWITCH, LID, 1)));
    }

    #[test]
    fn what_the_kernel_is_asked_for_is_what_is_listened_to() {
        assert_eq!((bit(KEY), bit(SWITCH), bit(116 % 8)), (0b10, 0b10_0000, 0b1_0000));
        assert!(KEYS.iter().all(|(key, _)| usize::from(*key) < ALL_KEYS * 8));
    }
}
