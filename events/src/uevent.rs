//! The kernel's messages about devices, as events.

use alloc::format;

use crate::{Event, Key, Name, Value};

/// The event that a message of the kernel's stands for; `None` if it is not one.
///
/// A message is `ACTION@DEVPATH` and then `KEY=VALUE`s, each ended by a zero byte. The event is named after the
/// subsystem and what happened (`net-device-added`) and carries first what everybody looks for: KERNEL, DEVPATH,
/// SUBSYSTEM, ACTION. The bytes are hostile: what is no key is left out, what is no value is escaped.
#[must_use]
pub fn uevent(bytes: &[u8]) -> Option<Event> {
    let mut parts = bytes.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    let head = parts.next()?;
    let at = head.iter().position(|byte| *byte == b'@')?;
    let (action, path) = (head.get(..at)?, head.get(at.checked_add(1)?..)?);
    let pairs = || {
        parts.clone().filter_map(|part| {
            let at = part.iter().position(|byte| *byte == b'=')?;
            let key = core::str::from_utf8(part.get(..at)?).ok()?;
            Some((
                Key::new(key).ok().filter(|key| !key.is_reserved())?,
                Value::escaped(part.get(at.checked_add(1)?..)?).0,
            ))
        })
    };
    let subsystem = pairs().find(|(key, _)| key.as_str() == "SUBSYSTEM")?.1;
    let done = match action {
        b"add" => "added",
        b"remove" => "removed",
        b"change" => "changed",
        other => core::str::from_utf8(other).ok()?,
    };
    let mut event = Event::new(Name::new(&format!("{}-device-{done}", subsystem.as_str())).ok()?);
    let kernel = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    for (key, value) in [("KERNEL", kernel), ("DEVPATH", path), ("ACTION", action)] {
        event.args.push(Key::new(key).ok()?, Value::escaped(value).0);
    }
    for (key, value) in pairs() {
        if event.args.get(key.as_str()).is_none() {
            event.args.push(key, value);
        }
    }
    Some(event)
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
                Some("net-device-added KERNEL=eth0 DEVPATH=/devices/virtual/net/eth0 ACTION=add SUBSYSTEM=net INTERFACE=eth0 SEQNUM=5"),
            ),
            (b"remove@/d/sda\0SUBSYSTEM=block\0PATH=/evil\0", Some("block-device-removed KERNEL=sda DEVPATH=/d/sda ACTION=remove SUBSYSTEM=block")),
            (b"bind@/d/x\0SUBSYSTEM=usb\0", Some("usb-device-bind KERNEL=x DEVPATH=/d/x ACTION=bind SUBSYSTEM=usb")),
            (b"add@/d/x\0", None),
            (b"libudev\0\0", None),
            (b"", None),
        ] {
            assert_eq!(uevent(bytes).map(|event| event.to_string()).as_deref(), event);
        }
    }
}
