//! A line of fstab.

use std::path::PathBuf;

use super::super::device;

/// Kinds of file systems that come over the network.
const OF_NETWORK: [&str; 10] =
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "afs", "ncpfs", "fuse.sshfs"];

/// Kinds that have no device behind them.
const VIRTUAL: [&str; 19] = [
    "tmpfs",
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "cgroup2",
    "cgroup",
    "mqueue",
    "hugetlbfs",
    "debugfs",
    "tracefs",
    "securityfs",
    "configfs",
    "fusectl",
    "pstore",
    "bpf",
    "efivarfs",
    "ramfs",
    "binfmt_misc",
];

/// A line of fstab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number of its line.
    pub line: u32,
    /// What is mounted, as it is written.
    pub spec: String,
    /// Where: no slash at the end, but for the root.
    pub target: String,
    /// The kind of file system.
    pub kind: String,
    /// The options, in order.
    pub options: Vec<String>,
    /// In which pass it is checked; 0 for never.
    pub pass: u32,
}

impl Entry {
    /// Whether it has an option, also as `OPTION=...`.
    pub fn has(&self, option: &str) -> bool {
        self.options
            .iter()
            .any(|it| it == option || it.strip_prefix(option).is_some_and(|it| it.starts_with('=')))
    }

    /// The value of an option.
    pub fn value(&self, option: &str) -> Option<&str> {
        self.options.iter().rev().find_map(|it| it.strip_prefix(option)?.strip_prefix('='))
    }

    /// Whether it is mounted without anybody asking.
    pub fn is_wanted(&self) -> bool {
        !self.has("noauto") && self.kind != "ignore" && (self.is_swap() || self.target.starts_with('/'))
    }

    /// Whether it is swap.
    pub fn is_swap(&self) -> bool {
        self.kind == "swap"
    }

    /// Whether it needs the network.
    pub fn is_network(&self) -> bool {
        self.has("_netdev") || OF_NETWORK.contains(&self.kind.as_str())
    }

    /// Whether it makes one place appear at another.
    pub fn is_bind(&self) -> bool {
        self.has("bind") || self.has("rbind")
    }

    /// Whether there is no device behind it.
    pub fn is_virtual(&self) -> bool {
        VIRTUAL.contains(&self.kind.as_str())
    }

    /// Whether a boot goes on without it and without a word.
    pub fn may_fail(&self) -> bool {
        self.has("nofail")
    }

    /// What to hand to mount(2); `None` if it is a device that is not there.
    pub fn source(&self) -> Option<PathBuf> {
        let is_found = device::is_device(&self.spec) && !self.is_bind() && !self.is_virtual();
        if is_found || (self.is_swap() && self.spec.starts_with('/')) {
            return device::find(&self.spec);
        }
        Some(self.spec.clone().into())
    }
}

/// The entries of a fstab, and what is wrong with lines that are none: `LINE: why`.
pub fn parse(text: &str) -> (Vec<Entry>, Vec<String>) {
    let (mut entries, mut faults) = (Vec::new(), Vec::new());
    for (number, line) in (1_u32..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match entry(number, line) {
            Ok(entry) => entries.push(entry),
            Err(fault) => faults.push(format!("{number}: {fault}")),
        }
    }
    (entries, faults)
}

fn entry(line: u32, text: &str) -> Result<Entry, String> {
    // What stands behind the sixth field is a comment.
    let fields: Vec<String> =
        text.split_whitespace().take_while(|word| !word.starts_with('#')).map(unescaped).collect();
    let [spec, target, kind, rest @ ..] = fields.as_slice() else {
        return Err("a line has at least what, where and which kind".into());
    };
    let options = rest.first().map(String::as_str).unwrap_or("defaults");
    let pass = rest
        .get(2)
        .map_or(Ok(0), |pass| pass.parse().map_err(|_| format!("`{pass}` is no number of a pass")))?;
    Ok(Entry {
        line,
        spec: spec.clone(),
        target: plain(target),
        kind: kind.clone(),
        options: split(options),
        pass,
    })
}

/// Options are separated by commas that are not between quotes, as in `context="a:b,c"`.
fn split(options: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in options.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => words.push(String::new()),
            letter => words.last_mut().into_iter().for_each(|word| word.push(letter)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A path without needless slashes.
fn plain(path: &str) -> String {
    if !path.starts_with('/') {
        return path.into();
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

/// `\040` is a blank, and so on: what mountinfo and fstab write for bytes that would end a field.
pub fn unescaped(word: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code =
            behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Entry {
        let (entries, faults) = parse(line);
        assert_eq!(faults, [""; 0]);
        entries.into_iter().next().unwrap()
    }

    #[test]
    fn a_line_has_up_to_six_fields() {
        let text = "# comment\n\nUUID=1-2\t/boot//efi/ vfat umask=0077,noauto 0 2 # efi\nbad /x\ntmpfs /tmp tmpfs\nx /y z a 0 no\n";
        let (entries, faults) = parse(text);
        let expected = Entry {
            line: 3,
            spec: "UUID=1-2".into(),
            target: "/boot/efi".into(),
            kind: "vfat".into(),
            options: vec!["umask=0077".into(), "noauto".into()],
            pass: 2,
        };
        assert_eq!(entries[0], expected);
        assert_eq!(
            (entries[1].line, entries[1].pass, entries[1].options.as_slice()),
            (5, 0, &["defaults".into()][..])
        );
        assert_eq!(
            faults,
            ["4: a line has at least what, where and which kind", "6: `no` is no number of a pass"]
        );
    }

    #[test]
    fn bytes_may_be_written_as_numbers() {
        assert_eq!(one("LABEL=my\\040disk /mnt/a\\011b auto").target, "/mnt/a\tb");
        assert_eq!(unescaped("a\\b\\04"), "a\\b\\04");
        assert_eq!(unescaped("\\303\\244"), "ä");
    }

    #[test]
    fn options_say_what_is_wanted() {
        let entry = one("h:/x /x nfs ro,_netdev,nofail,x-systemd.requires=/y,context=\"a,b\" 0 0");
        assert!(entry.is_network() && entry.may_fail() && entry.is_wanted());
        assert_eq!(entry.value("context"), Some("a,b"));
        assert!(!one("/dev/sr0 /cd iso9660 noauto,user").is_wanted());
        assert!(!one("none none ext4").is_wanted());
        assert!(one("/swapfile none swap sw").is_wanted());
        assert!(one("/a /b none bind").is_bind() && one("h:/x /x nfs").is_network());
        assert!(one("tmpfs /tmp tmpfs").is_virtual());
    }

    #[test]
    fn what_is_no_device_needs_none() {
        assert_eq!(one("tmpfs /tmp tmpfs").source(), Some("tmpfs".into()));
        assert_eq!(one("/a /b none bind").source(), Some("/a".into()));
        assert_eq!(one("/dev/nothing-here /b ext4").source(), None);
        assert_eq!(one("/no/swapfile none swap").source(), None);
        assert_eq!(one("h:/x /x nfs").source(), Some("h:/x".into()));
    }
}
