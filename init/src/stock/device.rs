//! Which device is meant: `LABEL=`, `UUID=`, `PARTLABEL=`, `PARTUUID=`, or a path.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::superblock;

/// The device that the first field of a line of fstab means. `Ok(None)`: there is none yet.
pub fn find(source: &str) -> Option<PathBuf> {
    let Some((tag, value)) = source.split_once('=').filter(|_| !source.starts_with('/')) else {
        return Some(PathBuf::from(source)).filter(|path| path.exists());
    };
    let value = value.trim_matches('"');
    let folder = match tag {
        "LABEL" => "by-label",
        "UUID" => "by-uuid",
        "PARTLABEL" => "by-partlabel",
        "PARTUUID" => "by-partuuid",
        _ => return Some(PathBuf::from(source)).filter(|path| path.exists()),
    };
    let link = Path::new("/dev/disk").join(folder).join(escaped(value));
    if let Ok(path) = link.canonicalize() {
        return Some(path);
    }
    devices().into_iter().find(|device| match tag {
        "LABEL" | "UUID" => has(device, tag, value),
        _ => says(device, tag, value),
    })
}

/// Whether a first field names a device that may appear later.
pub fn is_device(source: &str) -> bool {
    let tags = ["LABEL=", "UUID=", "PARTLABEL=", "PARTUUID="];
    source.starts_with("/dev/") || tags.iter().any(|tag| source.starts_with(tag))
}

/// The block devices that the kernel knows, those with partitions among them.
fn devices() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/partitions").unwrap_or_default();
    names(&text).map(|name| Path::new("/dev").join(name)).collect()
}

/// The names in `/proc/partitions`. A `!` stands for a slash.
fn names(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(3));
    lines.map(|name| name.replace('!', "/"))
}

fn has(device: &Path, tag: &str, value: &str) -> bool {
    let Ok(Some(contents)) = superblock::read(device) else { return false };
    match tag {
        "LABEL" => contents.label.as_deref() == Some(value),
        _ => contents.uuid.is_some_and(|uuid| uuid.eq_ignore_ascii_case(value)),
    }
}

/// Whether the kernel itself says that a partition has this name or number in its table.
fn says(device: &Path, tag: &str, value: &str) -> bool {
    let Some(name) = device.file_name() else { return false };
    let said =
        fs::read_to_string(Path::new("/sys/class/block").join(name).join("uevent")).unwrap_or_default();
    let key = if tag == "PARTLABEL" { "PARTNAME" } else { tag };
    let lines = said.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(said, _)| *said == key).any(|(_, said)| said.eq_ignore_ascii_case(value))
}

/// A label as udev makes a file's name of it.
fn escaped(label: &str) -> String {
    let mut name = String::new();
    for letter in label.chars() {
        if letter.is_alphanumeric() || "#+-.:=@_".contains(letter) || !letter.is_ascii() {
            name.push(letter);
        } else {
            let mut bytes = [0; 4];
            letter.encode_utf8(&mut bytes).bytes().for_each(|byte| name.push_str(&format!("\\x{byte:02x}")));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_by_path_or_mark() {
        for source in ["/dev/sda1", "LABEL=x", "UUID=1-2", "PARTUUID=a"] {
            assert!(is_device(source), "{source}");
        }
        for source in ["tmpfs", "/srv/data", "host:/export", "//host/share"] {
            assert!(!is_device(source), "{source}");
        }
        assert_eq!(find("/dev/null"), Some("/dev/null".into()));
        assert_eq!(find("/dev/there-is-none"), None);
        assert_eq!(find("LABEL=there is none"), None);
    }

    #[test]
    fn labels_are_escaped_as_udev_does_it() {
        assert_eq!(escaped("my disk/1"), "my\\x20disk\\x2f1");
        assert_eq!(escaped("a-b_c.d"), "a-b_c.d");
    }

    #[test]
    fn partitions_are_in_the_fourth_column() {
        let text =
            "major minor  #blocks  name\n\n 254        0    1 vda\n 254 1 1 vda1\n 104 0 1 cciss!c0d0\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["vda", "vda1", "cciss/c0d0"]);
    }
}
