//! What `/sys` says of a device, and udevd's database where there is one.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use events::{Args, Identity, Key, Text, UdevRecord, Value, lasting, uevent_file};

/// No file of a device is read any further.
const FILE: u64 = 16 << 10;

/// A device that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which it is: another one in its place has another identity.
    pub identity: Identity,
    /// What lasts of it.
    pub args: Args,
    /// Whether udevd, which would have much to say of it, has not dealt with it yet.
    pub is_raw: bool,
}

/// Where devices are described.
#[derive(Debug, Clone)]
pub struct Folders {
    /// `/sys`.
    pub sys: PathBuf,
    /// `/run/udev/data`.
    pub database: PathBuf,
}

impl Default for Folders {
    fn default() -> Self {
        Self { sys: "/sys".into(), database: "/run/udev/data".into() }
    }
}

impl Folders {
    /// The device at a path, of a subsystem; with what udevd says of it, if it is asked. `None` if none is there.
    pub fn describe(&self, path: &Value, subsystem: &Value, with_udevd: bool) -> Option<Found> {
        let folder = self.of(path);
        // First which it is, and then what it says: what is read of its successor does not count as its own, since a
        // successor is told of by a message of its own.
        let inode = fs::symlink_metadata(&folder).ok().filter(fs::Metadata::is_dir)?.ino();
        let file = read(&folder.join("uevent")).ok()?;
        let properties: Vec<(Key, Value)> = uevent_file(&file).collect();
        let own = lasting(path, subsystem, properties.iter().cloned());
        let identity = identity(&own).unwrap_or_else(|| Identity(Text::from(format!("inode-{inode}"))));
        let (record, is_raw) = match database_name(&own).filter(|_| with_udevd) {
            Some((name, has_node)) => {
                let record = read(&self.database.join(name)).ok().map(|file| UdevRecord::read(&file));
                let is_raw = has_node && record.as_ref().is_none_or(|record| !record.is_initialized);
                (record.unwrap_or_default(), is_raw)
            }
            None => (UdevRecord::default(), false),
        };
        let args = if record.properties.is_empty() {
            own
        } else {
            // What udevd has made of a property counts.
            lasting(path, subsystem, record.properties.into_iter().chain(properties))
        };
        Some(Found { identity, args, is_raw })
    }

    /// Whether this device is at this path now.
    pub fn has(&self, path: &str, is_it: &Identity, args: &Args) -> bool {
        let (Ok(path), Some(subsystem)) = (Value::new(path), args.get("SUBSYSTEM")) else { return false };
        self.describe(&path, subsystem, false).is_some_and(|found| found.identity == *is_it)
    }

    /// Has the kernel say of a device that it has been added: udevd hears it and deals with it.
    pub fn announce(&self, path: &Value) -> io::Result<()> {
        File::options().write(true).open(self.of(path).join("uevent"))?.write_all(b"add")
    }

    /// The folder of the device at a path, in which strange characters may be escaped.
    fn of(&self, path: &Value) -> PathBuf {
        let below = path.trim_start_matches('/');
        let folder = self.sys.join(below);
        if !below.contains(ESCAPE) || folder.exists() {
            return folder;
        }
        self.sys.join(OsStr::from_bytes(&unescaped(below)))
    }
}

/// What stands before the two digits of a byte that no value may have.
const ESCAPE: &str = "\\x";

/// The bytes that were escaped in a value.
fn unescaped(text: &str) -> Vec<u8> {
    let mut pieces = text.split(ESCAPE);
    let mut bytes: Vec<u8> = pieces.next().unwrap_or_default().into();
    for piece in pieces {
        match piece.split_at_checked(2).map(|(digits, rest)| (u8::from_str_radix(digits, 16), rest)) {
            Some((Ok(byte), rest)) => {
                bytes.push(byte);
                bytes.extend_from_slice(rest.as_bytes());
            }
            Some((Err(_), _)) | None => {
                bytes.extend_from_slice(&[ESCAPE.as_bytes(), piece.as_bytes()].concat())
            }
        }
    }
    bytes
}

/// The identity that a device's properties tell: a card has a number that no other gets, and a disk one that also
/// another medium in it does not have.
pub fn identity(args: &Args) -> Option<Identity> {
    let is = |key: &str, value: &str| args.get(key).is_some_and(|it| it.as_str() == value);
    let number = if is("SUBSYSTEM", "net") {
        args.get("IFINDEX").map(|number| format!("ifindex-{number}"))
    } else if is("SUBSYSTEM", "block") && is("DEVTYPE", "disk") {
        args.get("DISKSEQ").map(|number| format!("diskseq-{number}"))
    } else {
        None
    };
    number.map(|number| Identity(Text::from(number)))
}

/// The file of udevd's database about a device, and whether udevd always writes it: of other devices only where it
/// knows more than the kernel.
fn database_name(args: &Args) -> Option<(String, bool)> {
    let get = |key: &str| args.get(key).map(Value::as_str);
    let (subsystem, kernel) = (get("SUBSYSTEM")?, get("KERNEL")?);
    if let (Some(major), Some(minor)) = (get("MAJOR"), get("MINOR")) {
        let kind = if subsystem == "block" { 'b' } else { 'c' };
        return Some((format!("{kind}{major}:{minor}"), true)).filter(is_plain);
    }
    if let Some(number) = get("IFINDEX").filter(|_| subsystem == "net") {
        return Some((format!("n{number}"), true)).filter(is_plain);
    }
    Some((format!("+{subsystem}:{kernel}"), false)).filter(is_plain)
}

/// Whether a name names a file in the folder, and nothing else.
fn is_plain((name, _): &(String, bool)) -> bool {
    !name.contains('/')
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Value::new(text).unwrap()
    }

    #[test]
    fn a_device_is_who_its_number_says() {
        for (args, expected) in [
            ("SUBSYSTEM=net INTERFACE=eth0 IFINDEX=3", Some("ifindex-3")),
            ("SUBSYSTEM=block DEVTYPE=disk DISKSEQ=9", Some("diskseq-9")),
            ("SUBSYSTEM=block DEVTYPE=partition DISKSEQ=9", None),
            ("SUBSYSTEM=usb IFINDEX=3", None),
        ] {
            let args = Args::parse(args.split(' ')).unwrap();
            assert_eq!(identity(&args).map(|it| it.0.to_string()).as_deref(), expected, "{args}");
        }
    }

    #[test]
    fn udevds_file_is_found_by_number_or_name() {
        for (args, expected) in [
            ("SUBSYSTEM=block KERNEL=vda MAJOR=254 MINOR=0", Some("b254:0")),
            ("SUBSYSTEM=tty KERNEL=tty1 MAJOR=4 MINOR=1", Some("c4:1")),
            ("SUBSYSTEM=net KERNEL=eth0 IFINDEX=3", Some("n3")),
            ("SUBSYSTEM=usb KERNEL=1-1:1.0", Some("+usb:1-1:1.0")),
            ("SUBSYSTEM=net KERNEL=eth0 IFINDEX=../../etc/passwd", None),
            ("SUBSYSTEM=.. KERNEL=/x", None),
        ] {
            let args = Args::parse(args.split(' ')).unwrap();
            assert_eq!(database_name(&args).map(|(name, _)| name).as_deref(), expected, "{args}");
        }
    }

    #[test]
    fn what_was_escaped_is_found() {
        for bytes in [&b"net/a\xff\x1b[2J"[..], b"net/eth0", b"net/a\\xzz\n", b"\\x"] {
            assert_eq!(unescaped(&Value::escaped(bytes).0), bytes);
        }
    }

    #[test]
    fn what_is_in_the_folders_is_told() {
        let folder = std::env::temp_dir().join(format!("onset-devices-{}", std::process::id()));
        let folders = Folders { sys: folder.join("sys"), database: folder.join("data") };
        let device = folders.sys.join("devices/pci0/block/vda");
        fs::create_dir_all(&device).unwrap();
        fs::create_dir_all(&folders.database).unwrap();
        let (path, subsystem) = (value("/devices/pci0/block/vda"), value("block"));
        assert_eq!(folders.describe(&path, &subsystem, false), None, "without the file it is no device");
        fs::write(device.join("uevent"), "MAJOR=254\nMINOR=0\nDEVNAME=vda\nDEVTYPE=disk\nDISKSEQ=2\n")
            .unwrap();
        let raw = folders.describe(&path, &subsystem, true).unwrap();
        assert!(raw.is_raw && raw.args.get("ID_FS_LABEL").is_none());
        fs::write(folders.database.join("b254:0"), "I:7\nE:ID_FS_LABEL=backup\nE:DISKSEQ=2\n").unwrap();
        let found = folders.describe(&path, &subsystem, true).unwrap();
        assert_eq!(
            found.args.to_string(),
            "KERNEL=vda DEVPATH=/devices/pci0/block/vda DEVNAME=/dev/vda SUBSYSTEM=block DEVTYPE=disk DISKSEQ=2 \
             ID_FS_LABEL=backup MAJOR=254 MINOR=0 USEC_INITIALIZED=7"
        );
        assert!(!found.is_raw && found.identity.0 == "diskseq-2");
        assert!(folders.has(&path, &found.identity, &found.args));
        let other = Identity("diskseq-3".into());
        assert!(!folders.has(&path, &other, &found.args));
        fs::remove_dir_all(&folder).unwrap();
    }
}
