//! What udevd says of devices: its messages to those who listen, and its database in `/run/udev/data`.

use alloc::{string::String, vec::Vec};

use crate::{
    Key, MAX_ARGS, Value,
    uevent::{Uevent, list, property},
};

/// What begins a message.
const PREFIX: &[u8; 8] = b"libudev\0";
/// What follows it, the highest byte first.
const MAGIC: u32 = 0xfeed_cafe;
/// Where, from the beginning, the place and the length of the properties stand, in this machine's order of bytes.
const PLACE: usize = 16;
const LENGTH: usize = 20;

impl Uevent {
    /// What udevd says; `None` if that is no message of its.
    ///
    /// A message is a head with sums for filters, which are not looked at, and `KEY=VALUE`s, each ended by a zero byte.
    #[must_use]
    pub fn of_udevd(bytes: &[u8]) -> Option<Self> {
        let is_magic = number(bytes, PREFIX.len()).is_some_and(|magic| u32::from_be(magic) == MAGIC);
        if !bytes.starts_with(PREFIX) || !is_magic {
            return None;
        }
        let from = usize::try_from(number(bytes, PLACE)?).ok()?;
        let length = usize::try_from(number(bytes, LENGTH)?).ok()?;
        let properties = bytes.get(from..from.checked_add(length)?)?;
        let parts = properties.split(|byte| *byte == 0).filter(|part| !part.is_empty());
        Self::new(None, None, parts)
    }
}

/// A number of four bytes.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(size_of::<u32>())?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// What udevd's database says of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UdevRecord {
    /// Whether udevd has dealt with the device.
    pub is_initialized: bool,
    /// What it has found out, as in its messages.
    pub properties: Vec<(Key, Value)>,
}

impl UdevRecord {
    /// What a file of the database says: lines with a letter, a colon, and the rest. What is not known is left out.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut record = Self::default();
        let (mut links, mut tags): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for line in bytes.split(|byte| *byte == b'\n').take(MAX_ARGS) {
            let Some((kind, rest)) = line.split_at_checked(2) else { continue };
            let word = || String::from(Value::escaped(rest).0.as_str());
            match kind {
                b"E:" => record.properties.extend(property(rest)),
                b"S:" => links.push(alloc::format!("/dev/{}", word())),
                b"G:" => tags.push(word()),
                b"I:" => {
                    record.is_initialized = true;
                    let since = (Key::constant("USEC_INITIALIZED"), Value::escaped(rest).0);
                    record.properties.push(since);
                }
                _ => {}
            }
        }
        if !links.is_empty() {
            record.properties.push((Key::constant("DEVLINKS"), list(links, false)));
        }
        if !tags.is_empty() {
            record.properties.push((Key::constant("TAGS"), list(tags, true)));
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::uevent::{lasting, uevent_file};

    fn message(properties: &[u8]) -> Vec<u8> {
        let mut bytes = PREFIX.to_vec();
        bytes.extend_from_slice(&MAGIC.to_be_bytes());
        for number in [40, 40, u32::try_from(properties.len()).unwrap(), 0, 0, 0, 0] {
            bytes.extend_from_slice(&u32::to_ne_bytes(number));
        }
        bytes.extend_from_slice(properties);
        bytes
    }

    const PROPERTIES: &[u8] =
        b"ACTION=add\0DEVPATH=/devices/pci0/block/sdb1\0SUBSYSTEM=block\0DEVNAME=/dev/sdb1\0\
        ID_FS_LABEL=backup-1\0DEVLINKS=/dev/disk/by-uuid/2 /dev/disk/by-label/backup-1\0TAGS=:systemd:a:\0\
        USEC_INITIALIZED=5\0SEQNUM=9\0";

    #[test]
    fn a_message_of_udevd_becomes_an_event() {
        let read = Uevent::of_udevd(&message(PROPERTIES)).unwrap();
        assert_eq!(
            read.event().unwrap().to_string(),
            "block-device-added KERNEL=sdb1 DEVPATH=/devices/pci0/block/sdb1 DEVNAME=/dev/sdb1 SUBSYSTEM=block ACTION=add \
             ID_FS_LABEL=backup-1 DEVLINKS=\"/dev/disk/by-uuid/2 /dev/disk/by-label/backup-1\" TAGS=:systemd:a: \
             USEC_INITIALIZED=5 SEQNUM=9"
        );
    }

    #[test]
    fn what_is_no_message_of_udevds_is_none() {
        let good = message(PROPERTIES);
        assert_eq!(Uevent::of_udevd(&good[..good.len() - 1]), None, "cut");
        for at in [0, 9, 17, 19, 23] {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            assert_eq!(Uevent::of_udevd(&bad), None, "byte {at}");
        }
        assert_eq!(Uevent::of_udevd(b""), None);
        assert_eq!(Uevent::of_udevd(b"add@/devices/x\0SUBSYSTEM=net\0"), None);
        assert_eq!(Uevent::of_kernel(&good), None);
    }

    #[test]
    fn the_database_says_what_the_message_said() {
        let record = UdevRecord::read(
            b"S:disk/by-label/backup-1\nS:disk/by-uuid/2\nI:5\nE:ID_FS_LABEL=backup-1\nE:LD_PRELOAD=x\nG:systemd\nG:a\nQ:a\nV:1\nE\n",
        );
        assert!(record.is_initialized);
        let said = Uevent::of_udevd(&message(PROPERTIES)).unwrap();
        let file = uevent_file(b"DEVNAME=sdb1\n").chain(record.properties);
        assert_eq!(lasting(&said.path, &said.subsystem, file), said.lasting());
        assert!(!UdevRecord::read(b"E:A=b\n\xff\n").is_initialized);
    }
}
