//! What the kernel says of devices: its messages, and the `uevent` files below `/sys`.
//!
//! Of a device there are two views. A message tells what happened, and becomes an event; what lasts of a device is a
//! fact, and the same whether a message, a file or udev's database told it: that is what [`lasting`] is for.

use alloc::{format, string::String, vec::Vec};

use crate::{Args, Event, Key, MAX_ARGS, Name, Value};

/// A message about a device, the kernel's or udevd's. Nothing hostile is left in it: what is no key is left out, what
/// is no value is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `remove`, `change` or whatever else the kernel says.
    pub action: Value,
    /// Where the device is below `/sys`, with a slash at the beginning.
    pub path: Value,
    /// Of which subsystem it is.
    pub subsystem: Value,
    /// Everything else, in order.
    properties: Vec<(Key, Value)>,
}

impl Uevent {
    /// What the kernel says; `None` if that is no message of its, or one about something without a subsystem.
    ///
    /// A message is `ACTION@DEVPATH` and then `KEY=VALUE`s, each ended by a zero byte.
    #[must_use]
    pub fn of_kernel(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        let head = parts.next()?;
        let at = head.iter().position(|byte| *byte == b'@')?;
        let (action, path) = (head.get(..at)?, head.get(at.checked_add(1)?..)?);
        Self::new(Some(action), Some(path), parts)
    }

    /// A message of these properties, if they tell of a device.
    pub(crate) fn new<'b>(
        action: Option<&[u8]>,
        path: Option<&[u8]>,
        parts: impl Iterator<Item = &'b [u8]>,
    ) -> Option<Self> {
        let mut head = [action, path, None].map(|bytes| bytes.map(|bytes| Value::escaped(bytes).0));
        let mut properties: Vec<(Key, Value)> = Vec::new();
        for (key, value) in parts.take(MAX_ARGS).filter_map(property) {
            let place = match key.as_str() {
                "ACTION" => 0,
                "DEVPATH" => 1,
                "SUBSYSTEM" => 2,
                _ => {
                    properties.push((key, value));
                    continue;
                }
            };
            if let Some(none @ None) = head.get_mut(place) {
                *none = Some(value);
            }
        }
        let [action, path, subsystem] = head;
        let is_path = |path: &Value| path.starts_with('/');
        Some(Self { action: action?, path: path.filter(is_path)?, subsystem: subsystem?, properties })
    }

    /// What a property says.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.properties.iter().find(|(other, _)| other.as_str() == key).map(|(_, value)| value)
    }

    /// The number of what happened, if it has one.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.get("SEQNUM")?.parse().ok()
    }

    /// What it says of the device that lasts.
    #[must_use]
    pub fn lasting(&self) -> Args {
        lasting(&self.path, &self.subsystem, self.properties.iter().cloned())
    }

    /// The event that it is: `SUBSYSTEM-device-added`, `-removed`, `-changed`, or with the action that it names.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        let mut args = named(&self.path, &self.subsystem, self.get(DEVNAME), Some(&self.action));
        for (key, value) in &self.properties {
            if args.get(key).is_none() {
                args.push(key.clone(), value.clone());
            }
        }
        Some(Event { name: event_name(&self.subsystem, &self.action)?, args })
    }
}

/// The event that this happened to a device of which this lasts.
#[must_use]
pub fn device_event(lasting: &Args, action: &'static str) -> Option<Event> {
    let (path, subsystem) = (lasting.get("DEVPATH")?, lasting.get("SUBSYSTEM")?);
    let name = event_name(subsystem, action)?;
    let mut args = named(path, subsystem, lasting.get(DEVNAME), Value::new(action).ok().as_ref());
    for (key, value) in lasting.iter() {
        if args.get(key).is_none() {
            args.push(key.clone(), value.clone());
        }
    }
    Some(Event { name, args })
}

/// The properties in a `uevent` file: a line each.
pub fn uevent_file(bytes: &[u8]) -> impl Iterator<Item = (Key, Value)> {
    bytes.split(|byte| *byte == b'\n').take(MAX_ARGS).filter_map(property)
}

/// What lasts of a device: where and what it is, and its properties by name. What only tells what has happened to it is
/// left out.
#[must_use]
pub fn lasting(path: &Value, subsystem: &Value, properties: impl Iterator<Item = (Key, Value)>) -> Args {
    let mut rest: Vec<(Key, Value)> = properties.filter(|(key, _)| !passes(key)).collect();
    // Of two with one key the first counts, and the order of the others stays as it is.
    rest.sort_by(|(a, _), (b, _)| a.cmp(b));
    rest.dedup_by(|(later, _), (first, _)| later == first);
    let devname = rest.iter().find(|(key, _)| key.as_str() == DEVNAME).map(|(_, value)| value.clone());
    let mut args = named(path, subsystem, devname.as_ref(), None);
    for (key, value) in rest {
        if args.get(&key).is_none() {
            let is_list = matches!(key.as_str(), "DEVLINKS" | "TAGS");
            args.push(key, if is_list { sorted(&value) } else { value });
        }
    }
    args
}

/// Where the kernel names a device's node, below `/dev`.
const DEVNAME: &str = "DEVNAME";

/// Whether a property tells what has happened, and nothing of the device.
fn passes(key: &Key) -> bool {
    const PASSING: [&str; 9] = [
        "ACTION",
        "DEVPATH",
        "SUBSYSTEM",
        "SEQNUM",
        "DEVPATH_OLD",
        "INTERFACE_OLD",
        "CURRENT_TAGS",
        "ID_RENAMING",
        "UDEV_DATABASE_VERSION",
    ];
    key.starts_with("SYNTH_") || PASSING.contains(&key.as_str())
}

/// What everybody looks for first, in Upstart's order.
fn named(path: &Value, subsystem: &Value, devname: Option<&Value>, action: Option<&Value>) -> Args {
    let kernel = path.rsplit('/').next().and_then(|name| Value::new(name).ok()).unwrap_or_else(Value::empty);
    let node = devname.map(node);
    let pairs = [
        (Key::constant("KERNEL"), Some(kernel)),
        (Key::constant("DEVPATH"), Some(path.clone())),
        (Key::constant(DEVNAME), node),
        (Key::constant("SUBSYSTEM"), Some(subsystem.clone())),
        (Key::constant("ACTION"), action.cloned()),
    ];
    pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// A node's whole path: the kernel leaves `/dev/` out.
fn node(name: &Value) -> Value {
    if name.starts_with('/') {
        return name.clone();
    }
    Value::escaped(format!("/dev/{name}").as_bytes()).0
}

fn event_name(subsystem: &str, action: &str) -> Option<Name> {
    let done = match action {
        "add" => "added",
        "remove" => "removed",
        "change" => "changed",
        other => other,
    };
    Name::new(&format!("{subsystem}-device-{done}")).ok()
}

/// `KEY=VALUE`, unless the key is none, or one that no event may bring.
pub(crate) fn property(part: &[u8]) -> Option<(Key, Value)> {
    let at = part.iter().position(|byte| *byte == b'=')?;
    let key = Key::new(core::str::from_utf8(part.get(..at)?).ok()?).ok()?;
    if key.is_reserved() {
        return None;
    }
    Some((key, Value::escaped(part.get(at.checked_add(1)?..)?).0))
}

/// A list in the order of its words, which are between blanks or colons: udevd tells them as they come.
fn sorted(value: &Value) -> Value {
    let colons = value.starts_with(':');
    let words = value.split(if colons { ':' } else { ' ' }).filter(|word| !word.is_empty());
    list(words.map(String::from).collect(), colons)
}

/// Writes words as such a list.
pub(crate) fn list(mut words: Vec<String>, colons: bool) -> Value {
    words.sort_unstable();
    let text = if colons { format!(":{}:", words.join(":")) } else { words.join(" ") };
    Value::escaped(text.as_bytes()).0
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn a_message_becomes_an_event() {
        for (bytes, event) in [
            (
                &b"add@/devices/virtual/net/eth0\0ACTION=add\0DEVPATH=/x\0SUBSYSTEM=net\0INTERFACE=eth0\0SEQNUM=5\0"[..],
                Some("net-device-added KERNEL=eth0 DEVPATH=/devices/virtual/net/eth0 SUBSYSTEM=net ACTION=add INTERFACE=eth0 SEQNUM=5"),
            ),
            (b"remove@/d/sda\0SUBSYSTEM=block\0DEVNAME=sda\0PATH=/evil\0LD_PRELOAD=x\0", Some("block-device-removed KERNEL=sda DEVPATH=/d/sda DEVNAME=/dev/sda SUBSYSTEM=block ACTION=remove")),
            (b"bind@/d/x\0SUBSYSTEM=usb\0", Some("usb-device-bind KERNEL=x DEVPATH=/d/x SUBSYSTEM=usb ACTION=bind")),
            (b"add@/d/a\nb\0SUBSYSTEM=usb\0ID=$(reboot)\n\xff'\"\0=x\0A B=y\0C", Some("usb-device-added KERNEL=\"a\\\\x0ab\" DEVPATH=\"/d/a\\\\x0ab\" SUBSYSTEM=usb ACTION=add ID=\"$(reboot)\\\\x0a\\\\xff'\\\"\"")),
            (b"add@/d/x\0", None),
            (b"add@d/x\0SUBSYSTEM=usb\0", None),
            (b"add@/d/x\0SUBSYSTEM=a b\0", None),
            (b"libudev\0\0", None),
            (b"", None),
        ] {
            let read = Uevent::of_kernel(bytes).and_then(|message| message.event());
            assert_eq!(read.map(|event| event.to_string()).as_deref(), event);
        }
    }

    #[test]
    fn what_lasts_is_the_same_whoever_tells_it() {
        let message = b"change@/devices/pci0/block/vda\0SUBSYSTEM=block\0MAJOR=254\0MINOR=0\0DEVNAME=vda\0DEVTYPE=disk\0DISKSEQ=9\0SYNTH_UUID=0\0SEQNUM=7\0";
        let file = b"MAJOR=254\nMINOR=0\nDEVNAME=vda\nDEVTYPE=disk\nDISKSEQ=9\n";
        let expected = "KERNEL=vda DEVPATH=/devices/pci0/block/vda DEVNAME=/dev/vda SUBSYSTEM=block DEVTYPE=disk DISKSEQ=9 MAJOR=254 MINOR=0";
        let message = Uevent::of_kernel(message).unwrap();
        assert_eq!(message.lasting().to_string(), expected);
        let (path, subsystem) =
            (Value::new("/devices/pci0/block/vda").unwrap(), Value::new("block").unwrap());
        let read = lasting(&path, &subsystem, uevent_file(file));
        assert_eq!(read.to_string(), expected);
        let event = device_event(&read, "add").unwrap().to_string();
        assert_eq!(
            event,
            "block-device-added KERNEL=vda DEVPATH=/devices/pci0/block/vda DEVNAME=/dev/vda SUBSYSTEM=block ACTION=add DEVTYPE=disk DISKSEQ=9 MAJOR=254 MINOR=0"
        );
    }

    #[test]
    fn a_device_has_no_more_properties_than_an_event_arguments() {
        let mut bytes = b"add@/devices/x\0SUBSYSTEM=usb\0".to_vec();
        for number in 0..5000 {
            bytes.extend_from_slice(format!("K{number}={}\0", "x".repeat(20)).as_bytes());
        }
        let message = Uevent::of_kernel(&bytes).unwrap();
        assert!(message.event().unwrap().args.len() <= MAX_ARGS);
        assert!(message.lasting().len() <= MAX_ARGS);
    }

    #[test]
    fn lists_are_told_in_one_order() {
        for (told, sorted_list) in [("/dev/b /dev/a", "/dev/a /dev/b"), (":seat:a:", ":a:seat:"), ("", "")] {
            assert_eq!(sorted(&Value::new(told).unwrap()), sorted_list, "{told}");
        }
    }
}
