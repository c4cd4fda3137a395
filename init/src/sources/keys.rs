//! Keys that are for the machine and not for who sits at it: the power button, as an event.
//!
//! Only devices that have such a key are opened, and of them the kernel tells us no other key. Nothing is grabbed: who
//! else listens hears it, too. What the kernel tells by signal (control-alt-delete, keyboard-request) is only asked for
//! here.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
};

use events::{Event, Name};
use jobs::{Input, Origin};
use nix::sys::reboot::set_cad_enabled;

use super::Part;
use crate::{
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

/// The type of a key.
const KEY: u16 = 1;
/// The power button.
const POWER: u16 = 116;
/// How many bytes tell of all keys that there are.
const ALL_KEYS: usize = 96;

/// The devices that have keys for the machine, by the number in their names.
#[derive(Debug, Default)]
pub struct Keys(BTreeMap<u32, (File, Registration)>);

impl Keys {
    /// Listens to the devices that are there, and has the kernel tell us of the keys that it tells of by signal.
    pub fn new(shell: &mut Shell<'_>) -> Self {
        // Without the right to it, control-alt-delete resets the machine as it did before.
        let _ = set_cad_enabled(false);
        if let Ok(terminal) = OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY).open("/dev/tty0") {
            // A terminal without a keyboard has no such keys.
            let _ = input::send_on_request(terminal, libc::SIGWINCH);
        }
        let mut keys = Self::default();
        keys.look(shell);
        keys
    }

    /// Listens to those that have come since.
    pub fn look(&mut self, shell: &mut Shell<'_>) {
        for entry in fs::read_dir(DEVICES).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(number) = name.strip_prefix("event").and_then(|number| number.parse().ok()) else {
                continue;
            };
            if self.0.contains_key(&number) || self.0.len() >= MOST {
                continue;
            }
            let keys = fs::read_to_string(entry.path().join("device/capabilities/key"));
            if has(&keys.unwrap_or_default(), POWER)
                && let Ok(device) = open(&name)
                && let Ok(at) = shell.poll.add(&device, Interest::Read, Token::Source(Part::Keys(number)))
            {
                self.0.insert(number, (device, at));
            }
        }
    }

    /// A key was pressed, or the device is gone.
    pub fn ready(&mut self, shell: &mut Shell<'_>, number: u32) {
        let Some((device, _)) = self.0.get_mut(&number) else { return };
        let mut bytes = [0; MESSAGE * TURN];
        match device.read(&mut bytes) {
            Ok(length @ 1..) => {
                let (messages, _) = bytes.get(..length).unwrap_or_default().as_chunks::<MESSAGE>();
                for _ in messages.iter().filter(|message| is_pressed(message, POWER)) {
                    let event = Event::new(Name::constant("power-button"));
                    shell.report(Input::Event { event, origin: Origin::World, reply: None });
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Ok(0) | Err(_) => {
                if let Some((device, at)) = self.0.remove(&number) {
                    shell.poll.remove(&device, at);
                }
            }
        }
    }
}

fn open(name: &str) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    let device = OpenOptions::new().read(true).custom_flags(flags).open(format!("/dev/input/{name}"))?;
    let mut codes = [0_u8; ALL_KEYS];
    if let Some(byte) = codes.get_mut(usize::from(POWER / 8)) {
        *byte = 1_u8.wrapping_shl((POWER % 8).into());
    }
    // A kernel that cannot leave out the other keys tells of them, and nobody listens. The types: only keys.
    let _ = input::only(&device, 0, &[1_u8.wrapping_shl(KEY.into())]);
    let _ = input::only(&device, KEY, &codes);
    Ok(device)
}

/// Whether a device has a key, by what the kernel says of it: words of 64 bits, the highest first.
fn has(words: &str, key: u16) -> bool {
    let word = words.split_whitespace().rev().nth(usize::from(key / 64));
    let word = word.and_then(|word| u64::from_str_radix(word, 16).ok()).unwrap_or(0);
    word >> (key % 64) & 1 == 1
}

/// Whether a message says that this key went down.
fn is_pressed(message: &[u8; MESSAGE], key: u16) -> bool {
    let Some([a, b, c, d, value @ ..]) = message.last_chunk::<HAPPENED>() else { return false };
    let (kind, code) = (u16::from_ne_bytes([*a, *b]), u16::from_ne_bytes([*c, *d]));
    kind == KEY && code == key && i32::from_ne_bytes(*value) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_the_keys_that_the_kernel_says() {
        // A power button, a keyboard, a mouse.
        assert!(has("10000000000000 0\n", POWER));
        assert!(has("fffffffffffffffe 10000000000000 0", POWER));
        assert!(!has("1f0000 0 0 0 0", POWER));
        assert!(!has("", POWER));
    }

    #[test]
    fn only_a_key_that_goes_down_counts() {
        let message = |kind: u16, code: u16, value: i32| {
            let mut message = [0; MESSAGE];
            let happened = [&kind.to_ne_bytes()[..], &code.to_ne_bytes(), &value.to_ne_bytes()].concat();
            message[MESSAGE - HAPPENED..].copy_from_slice(&happened);
            message
        };
        assert!(is_pressed(&message(KEY, POWER, 1), POWER));
        for other in [(KEY, POWER, 0), (KEY, POWER, 2), (KEY, 30, 1), (4, POWER, 1)] {
            assert!(!is_pressed(&message(other.0, other.1, other.2), POWER), "{other:?}");
        }
    }
}
