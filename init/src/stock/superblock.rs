//! What a block device says about itself: the kind of its file system, its label, its UUID.
//!
//! udev's links under `/dev/disk` say the same; this is for machines without udev.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// How much is looked at: btrfs keeps its superblock behind the first 64 KiB.
const LENGTH: usize = 68 << 10;

/// What a device has on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// What mount(2) calls the kind of file system; `swap` for swap.
    pub kind: &'static str,
    /// Its label, if it has one.
    pub label: Option<String>,
    /// Its UUID as udev writes it, if it has one.
    pub uuid: Option<String>,
}

/// What is on a device; `None` if it is nothing known.
pub fn read(path: &Path) -> io::Result<Option<Contents>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::with_capacity(LENGTH);
    file.take(u64::try_from(LENGTH).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(Block(&bytes).contents())
}

/// The beginning of a device.
struct Block<'b>(&'b [u8]);

impl Block<'_> {
    fn contents(&self) -> Option<Contents> {
        self.swap()
            .or_else(|| self.ext())
            .or_else(|| self.xfs())
            .or_else(|| self.btrfs())
            .or_else(|| self.fat())
            .or_else(|| self.of_kind_only())
    }

    fn at(&self, offset: usize, length: usize) -> &[u8] {
        self.0.get(offset..offset.saturating_add(length)).unwrap_or_default()
    }

    fn has(&self, offset: usize, magic: &[u8]) -> bool {
        self.at(offset, magic.len()) == magic
    }

    /// A little-endian number of four bytes.
    fn number(&self, offset: usize) -> u32 {
        self.at(offset, 4).try_into().map_or(0, u32::from_le_bytes)
    }

    fn swap(&self) -> Option<Contents> {
        // The mark stands at the end of a page, and pages may be larger than usual.
        let pages = [4096_usize, 8192, 16_384, 65_536];
        let is_swap = pages.into_iter().any(|page| self.has(page.saturating_sub(10), b"SWAPSPACE2"));
        is_swap.then(|| self.named("swap", 1052, 16, 1036))
    }

    fn ext(&self) -> Option<Contents> {
        const JOURNAL: u32 = 0x4;
        // Extents, 64 bits, flexible groups: what ext3 does not know.
        const OF_EXT4: u32 = 0x40 | 0x80 | 0x200;
        if !self.has(1080, &[0x53, 0xef]) {
            return None;
        }
        let kind = match (self.number(1116) & JOURNAL, self.number(1120) & OF_EXT4) {
            (0, 0) => "ext2",
            (_, 0) => "ext3",
            _ => "ext4",
        };
        Some(self.named(kind, 1144, 16, 1128))
    }

    fn xfs(&self) -> Option<Contents> {
        self.has(0, b"XFSB").then(|| self.named("xfs", 108, 12, 32))
    }

    fn btrfs(&self) -> Option<Contents> {
        self.has(65_600, b"_BHRfS_M").then(|| self.named("btrfs", 65_835, 256, 65_568))
    }

    fn fat(&self) -> Option<Contents> {
        if !self.has(510, &[0x55, 0xaa]) {
            return None;
        }
        let (label, serial) = match (self.has(82, b"FAT32   "), self.has(54, b"FAT1")) {
            (true, _) => (71, 67),
            (false, true) => (43, 39),
            (false, false) => return None,
        };
        let label = text(self.at(label, 11)).filter(|label| label != "NO NAME");
        let number = self.number(serial);
        let uuid = (number != 0).then(|| format!("{:04X}-{:04X}", number >> 16, number & 0xffff));
        Some(Contents { kind: "vfat", label, uuid })
    }

    /// Kinds of which only that much is looked at.
    fn of_kind_only(&self) -> Option<Contents> {
        let kinds: [(&'static str, usize, &[u8]); 4] = [
            ("squashfs", 0, b"hsqs"),
            ("erofs", 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
            ("f2fs", 1024, &[0x10, 0x20, 0xf5, 0xf2]),
            ("iso9660", 32_769, b"CD001"),
        ];
        let found = kinds.into_iter().find(|(_, offset, magic)| self.has(*offset, magic));
        found.map(|(kind, ..)| Contents { kind, label: None, uuid: None })
    }

    fn named(&self, kind: &'static str, label: usize, length: usize, uuid: usize) -> Contents {
        Contents { kind, label: text(self.at(label, length)), uuid: uuid_of(self.at(uuid, 16)) }
    }
}

/// A text that ends at a zero byte or in blanks; `None` if there is nothing.
fn text(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next()?;
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.into())
}

fn uuid_of(bytes: &[u8]) -> Option<String> {
    if bytes.len() != 16 || bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut uuid = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            uuid.push('-');
        }
        uuid.push_str(&format!("{byte:02x}"));
    }
    Some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parts: &[(usize, &[u8])], expected: Option<(&'static str, Option<&str>, Option<&str>)>) {
        let mut bytes = vec![0; LENGTH];
        for (offset, part) in parts {
            bytes[*offset..][..part.len()].copy_from_slice(part);
        }
        let expected = expected.map(|(kind, label, uuid)| Contents {
            kind,
            label: label.map(String::from),
            uuid: uuid.map(String::from),
        });
        assert_eq!(Block(&bytes).contents(), expected);
    }

    const ID: &[u8] = &[0x10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff];
    const UUID: &str = "10010203-0405-0607-0809-0a0b0c0d0eff";

    #[test]
    fn a_file_system_is_known_by_its_superblock() {
        let ext: [(usize, &[u8]); 3] = [(1080, &[0x53, 0xef]), (1128, ID), (1144, b"root")];
        check(&ext, Some(("ext2", Some("root"), Some(UUID))));
        check(&[&ext[..], &[(1116, &[4])]].concat(), Some(("ext3", Some("root"), Some(UUID))));
        check(
            &[&ext[..], &[(1116, &[4]), (1120, &[0xc2, 2])]].concat(),
            Some(("ext4", Some("root"), Some(UUID))),
        );
        check(&[(0, b"XFSB"), (32, ID), (108, b"data")], Some(("xfs", Some("data"), Some(UUID))));
        check(&[(65_600, b"_BHRfS_M"), (65_568, ID)], Some(("btrfs", None, Some(UUID))));
        check(&[(4086, b"SWAPSPACE2"), (1036, ID), (1052, b"sw")], Some(("swap", Some("sw"), Some(UUID))));
        let fat: [(usize, &[u8]); 3] =
            [(510, &[0x55, 0xaa]), (82, b"FAT32   "), (67, &[0x78, 0x56, 0x34, 0xab])];
        check(&[&fat[..], &[(71, b"EFI        ")]].concat(), Some(("vfat", Some("EFI"), Some("AB34-5678"))));
        check(&[&fat[..], &[(71, b"NO NAME    ")]].concat(), Some(("vfat", None, Some("AB34-5678"))));
        check(&[(32_769, b"CD001")], Some(("iso9660", None, None)));
    }

    #[test]
    fn what_is_not_known_is_nothing() {
        check(&[], None);
        check(&[(510, &[0x55, 0xaa])], None);
        assert_eq!(Block(&[]).contents(), None);
    }

    #[test]
    fn what_the_usual_programs_write_is_what_is_read() {
        let uuid = "10010203-0405-4607-8809-0a0b0c0d0eff";
        let programs: [(&str, &[&str], &str); 4] = [
            ("mke2fs", &["-q", "-F", "-t", "ext4", "-L", "lbl", "-U", uuid], "ext4"),
            ("mke2fs", &["-q", "-F", "-t", "ext3", "-L", "lbl", "-U", uuid], "ext3"),
            ("mke2fs", &["-q", "-F", "-t", "ext2", "-L", "lbl", "-U", uuid], "ext2"),
            ("mkswap", &["-L", "lbl", "-U", uuid], "swap"),
        ];
        let path = std::env::temp_dir().join(format!("onset-superblock-{}", std::process::id()));
        for (program, words, kind) in programs {
            let Some(program) = super::super::program::find(program) else { continue };
            File::create(&path).unwrap().set_len(8 << 20).unwrap();
            let made = std::process::Command::new(program).args(words).arg(&path).output().unwrap();
            assert!(made.status.success(), "{kind}: {made:?}");
            let expected = Contents { kind, label: Some("lbl".into()), uuid: Some(uuid.into()) };
            assert_eq!(read(&path).unwrap(), Some(expected));
        }
        let _ = std::fs::remove_file(path);
    }
}
