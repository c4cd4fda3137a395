//! The archive that a kernel unpacks as its first root: cpio in the "newc" form.
//!
//! Written by ourselves because it is short, and because device nodes can then be in it without being root.

use std::io::{self, Write};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Folder,
    /// A file, with what is in it.
    File(Vec<u8>),
    /// A symbolic link, with where it leads.
    Link(String),
    /// A character device, with its major and minor number.
    Device(u32, u32),
}

/// Writes entries, one after the other.
#[derive(Debug)]
pub struct Cpio<W> {
    out: W,
    entries: u32,
}

impl<W: Write> Cpio<W> {
    /// An archive that is written to `out`.
    pub const fn new(out: W) -> Self {
        Self { out, entries: 0 }
    }

    /// Adds one entry. `path` is without a leading `/`, and its folder must have been added before.
    pub fn add(&mut self, path: &str, mode: u32, kind: &Kind) -> io::Result<()> {
        match kind {
            Kind::Folder => self.entry(path, 0o040_000 | mode, &[], (0, 0)),
            Kind::File(bytes) => self.entry(path, 0o100_000 | mode, bytes, (0, 0)),
            Kind::Link(target) => self.entry(path, 0o120_777, target.as_bytes(), (0, 0)),
            Kind::Device(major, minor) => self.entry(path, 0o020_000 | mode, &[], (*major, *minor)),
        }
    }

    /// Writes the end, and gives the output back.
    pub fn end(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, &[], (0, 0))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(&mut self, path: &str, mode: u32, bytes: &[u8], device: (u32, u32)) -> io::Result<()> {
        self.entries = self.entries.saturating_add(1);
        let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let name = u32::try_from(path.len().saturating_add(1)).map_err(io::Error::other)?;
        // inode, mode, uid, gid, links, time, size, major and minor of where it is, of what it is, name, sum.
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name, 0]
            .map(|f| format!("{f:08X}"));
        let header = format!("070701{}{path}\0", fields.concat());
        self.padded(header.as_bytes())?;
        self.padded(bytes)
    }

    /// Writes the bytes, and as many zeros as bring them to a multiple of four.
    fn padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        let zeros = bytes.len().wrapping_neg() & 3;
        self.out.write_all([0; 3].get(..zeros).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_reader_that_others_wrote_understands_it() {
        let mut cpio = Cpio::new(Vec::new());
        cpio.add("etc", 0o755, &Kind::Folder).unwrap();
        cpio.add("etc/motd", 0o644, &Kind::File(b"hello".to_vec())).unwrap();
        cpio.add("bin", 0, &Kind::Link("usr/bin".into())).unwrap();
        cpio.add("null", 0o666, &Kind::Device(1, 3)).unwrap();
        let archive = cpio.end().unwrap();
        assert_eq!(archive.len() % 4, 0);

        let mut list = Command::new("busybox")
            .args(["cpio", "-tv"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        list.stdin.take().unwrap().write_all(&archive).unwrap();
        let text = String::from_utf8(list.wait_with_output().unwrap().stdout).unwrap();
        let said: Vec<String> = text
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                format!("{} {}", words[0], words[5..].join(" "))
            })
            .collect();
        assert_eq!(
            said,
            ["drwxr-xr-x etc", "-rw-r--r-- etc/motd", "lrwxrwxrwx bin -> usr/bin", "crw-rw-rw- null"]
        );
    }
}
