//! What the kernel says of a mount: a line of `/proc/self/mountinfo`.

use alloc::vec::Vec;

/// A mount, as the kernel tells of it. Paths and names are bytes: whoever may mount may choose them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its number. The kernel gives the number of a mount that is gone to the next one.
    pub id: u32,
    /// What it is mounted on.
    pub point: Vec<u8>,
    /// Its file system.
    pub kind: Vec<u8>,
    /// What is mounted: a device's path, or any word.
    pub source: Vec<u8>,
    /// Which folder of its file system is mounted; not `/` for one that is bound.
    pub root: Vec<u8>,
    /// Options of this mount, and then those of the file system that it does not have itself.
    pub options: Vec<u8>,
}

/// The mount that a line tells of; `None` if it tells of none.
#[must_use]
pub fn mountinfo(line: &[u8]) -> Option<Mount> {
    let mut fields = line.trim_ascii_end().split(|byte| *byte == b' ');
    let id = str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let mut fields = fields.skip(2);
    let (root, point, own) = (fields.next()?, fields.next()?, fields.next()?);
    // Any number of words about propagation stand before the sign.
    fields.by_ref().find(|field| *field == b"-")?;
    let (kind, source) = (fields.next()?, fields.next()?);
    let all = fields.next().unwrap_or_default();
    let mut options = own.to_vec();
    // `rw` or `ro` of the file system says nothing of what may be written here.
    let others = all.split(|byte| *byte == b',').skip(1);
    for option in others.filter(|option| !own.split(|byte| *byte == b',').any(|known| known == *option)) {
        options.push(b',');
        options.extend_from_slice(option);
    }
    let point = unescaped(point);
    (!point.is_empty()).then(|| Mount {
        id,
        point,
        kind: unescaped(kind),
        source: unescaped(source),
        root: unescaped(root),
        options: unescaped(&options),
    })
}

/// The bytes that a field stands for: the kernel writes a blank, a newline and their like as `\ooo`.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, behind) = match behind {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..] if first == b'\\' => {
                ((a & 3) << 6 | (b & 7) << 3 | (c & 7), behind)
            }
            _ => (first, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown = mountinfo(line.as_bytes()).map(|mount| {
            let Mount { id, point, kind, source, root, options } = mount;
            let texts = [point, kind, source, root, options].map(|field| text(&field));
            format!("{id} {}", texts.join("|"))
        });
        assert_eq!(shown.as_deref(), expected, "{line}");
    }

    #[test]
    fn a_line_is_a_mount() {
        check(
            "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n",
            Some("36 /mnt2|ext3|/dev/root|/mnt1|rw,noatime,errors=continue"),
        );
        check("22 1 0:20 / /proc rw,nosuid - proc proc rw", Some("22 /proc|proc|proc|/|rw,nosuid"));
        check(
            "9 1 0:2 / /a ro shared:1 master:2 - tmpfs tmpfs rw,size=4k",
            Some("9 /a|tmpfs|tmpfs|/|ro,size=4k"),
        );
        // Without a source the kernel writes nothing between two blanks.
        check("9 1 0:2 / /a rw - tmpfs  rw", Some("9 /a|tmpfs||/|rw"));
    }

    #[test]
    fn what_is_escaped_is_read() {
        check(
            r"9 1 0:2 / /with\040blank\011\012\134x rw - fuse.a\040b user@host:/\043 rw",
            Some("9 /with blank\t\n\\x|fuse.a b|user@host:/#|/|rw"),
        );
        check(r"9 1 0:2 / /a\04 rw - x \9 rw", Some(r"9 /a\04|x|\9|/|rw"));
    }

    #[test]
    fn what_is_none_is_left_out() {
        for line in
            ["", "x", "9 1 0:2 / /a rw tmpfs tmpfs rw", "9 1 0:2 / /a rw -", "-1 1 0:2 / /a rw - a b c"]
        {
            check(line, None);
        }
    }
}
