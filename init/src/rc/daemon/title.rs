//! How a process is shown by ps(1).

use std::{fs, os::unix::fs::FileExt as _};

/// Shows this process as `title`, as far as there is room where its words were. It is for people only, so it is no failure
/// if that cannot be done.
///
/// The kernel shows what it finds at the place where it put our words; it is written there through /proc, since nobody
/// here reads them again.
pub fn set(title: &str) {
    let Some((start, length)) = fs::read_to_string("/proc/self/stat").ok().and_then(|line| words_at(&line))
    else {
        return;
    };
    let mut bytes: Vec<u8> = title.bytes().take(length.saturating_sub(1)).collect();
    bytes.resize(length, 0);
    if let Ok(memory) = fs::OpenOptions::new().write(true).open("/proc/self/mem") {
        let _ = memory.write_all_at(&bytes, start);
    }
}

/// Where the words of a process lie, by its line in /proc, and how long they are.
fn words_at(line: &str) -> Option<(u64, usize)> {
    // Fields 48 and 49; the name, which may hold anything, is the second.
    let mut fields = line.rsplit_once(')')?.1.split_whitespace().skip(45);
    let start: u64 = fields.next()?.parse().ok()?;
    let end: u64 = fields.next()?.parse().ok()?;
    let length = usize::try_from(end.checked_sub(start)?).ok()?;
    (start > 0 && length > 0).then_some((start, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_the_words_is_found() {
        let line = fs::read_to_string("/proc/self/stat").unwrap();
        let (start, length) = words_at(&line).unwrap();
        let mut bytes = vec![0; length];
        fs::File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, start).unwrap();
        assert_eq!(bytes, fs::read("/proc/self/cmdline").unwrap());
        assert_eq!(words_at("1 (a) b) S 1"), None);
    }
}
