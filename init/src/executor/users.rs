//! Users and groups by name, from `/etc/passwd` and `/etc/group` of the root that the child lives in.
//!
//! There is no other place to ask: what answers for the network may itself be a job. A line that is malformed or
//! longer than 64 KiB is skipped, never taken for something. Nothing here allocates: it runs in the child.

use std::{fs::File, io::Read as _};

/// The longest line that counts.
const LONGEST: usize = 65_536;
/// The most supplementary groups that a process gets.
pub const MOST_GROUPS: usize = 1_024;

/// A user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// The number of its group.
    pub gid: Option<u32>,
}

/// Memory for lookups, set aside before the fork.
#[derive(Debug)]
pub struct Room {
    buffer: Vec<u8>,
    /// The user's name, as far as a file has one for its number.
    name: [u8; 256],
    name_length: usize,
    /// Supplementary groups found so far.
    pub groups: Vec<u32>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            buffer: vec![0; LONGEST],
            name: [0; 256],
            name_length: 0,
            groups: Vec::with_capacity(MOST_GROUPS),
        }
    }
}

/// An id that was given as a number (`uid:1000`).
#[must_use]
pub fn number(text: &str, prefix: &str) -> Option<u32> {
    text.strip_prefix(prefix).and_then(|number| id(number.as_bytes()))
}

/// An id as files have it: digits only, and not the one that means "none".
fn id(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number != u32::MAX).then_some(number)
}

impl Room {
    /// The user of this name, or of this number if it is given as one. A number needs no line in a file.
    pub fn user(&mut self, wanted: &str) -> Option<User> {
        let number = number(wanted, "uid:");
        let mut found = None;
        let (mut name, mut name_length) = ([0; 256], 0);
        lines(&mut self.buffer, "/etc/passwd", |line| {
            let [user, _, uid, gid, _, _, _] = fields(line)?;
            let (uid, gid) = (id(uid)?, id(gid)?);
            if if number.is_some() {
                number != Some(uid)
            } else {
                user != wanted.as_bytes() || user.is_empty()
            } {
                return None;
            }
            name.get_mut(..user.len())?.copy_from_slice(user);
            name_length = user.len();
            found = Some(User { uid, gid: Some(gid) });
            Some(())
        });
        (self.name, self.name_length) = (name, name_length);
        found.or(number.map(|uid| User { uid, gid: None }))
    }

    /// The number of the group of this name, or the one that is given as a number.
    pub fn group(&mut self, wanted: &str) -> Option<u32> {
        if let Some(gid) = number(wanted, "gid:") {
            return Some(gid);
        }
        let mut found = None;
        lines(&mut self.buffer, "/etc/group", |line| {
            let [group, _, gid, _] = fields(line)?;
            let gid = id(gid)?;
            (group == wanted.as_bytes() && !group.is_empty()).then(|| found = Some(gid))
        });
        found
    }

    /// Adds the groups that have the user found last as a member.
    pub fn add_memberships(&mut self) {
        let Some(name) = self.name.get(..self.name_length).filter(|name| !name.is_empty()) else { return };
        let groups = &mut self.groups;
        lines(&mut self.buffer, "/etc/group", |line| {
            let [_, _, gid, members] = fields(line)?;
            let gid = id(gid)?;
            if members.split(|byte| *byte == b',').any(|member| member == name) {
                add(groups, gid);
            }
            None
        });
    }

    /// Adds a group.
    pub fn add_group(&mut self, gid: u32) {
        add(&mut self.groups, gid);
    }
}

fn add(groups: &mut Vec<u32>, gid: u32) {
    if groups.len() < groups.capacity() && !groups.contains(&gid) {
        groups.push(gid);
    }
}

/// A line's fields, if it has just so many.
fn fields<const N: usize>(line: &[u8]) -> Option<[&[u8]; N]> {
    let mut fields = [b"".as_slice(); N];
    let mut rest = line.split(|byte| *byte == b':');
    for field in &mut fields {
        *field = rest.next()?;
    }
    rest.next().is_none().then_some(fields)
}

/// Calls `each` with every line of a file that is not too long, until it says that it has what it wants. A file
/// that cannot be read has no lines.
fn lines(buffer: &mut [u8], path: &str, mut each: impl FnMut(&[u8]) -> Option<()>) {
    let Ok(mut file) = File::open(path) else { return };
    let (mut filled, mut skipping) = (0_usize, false);
    loop {
        let Some(room) = buffer.get_mut(filled..) else { return };
        let read = match file.read(room) {
            Ok(read) => read,
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
            Err(_) => return,
        };
        filled = filled.saturating_add(read);
        let mut done = 0_usize;
        while let Some(rest) = buffer.get(done..filled)
            && let Some(length) = rest.iter().position(|byte| *byte == b'\n')
        {
            let line = rest.get(..length).unwrap_or_default();
            if !std::mem::take(&mut skipping) && each(line).is_some() {
                return;
            }
            done = done.saturating_add(length).saturating_add(1);
        }
        if read == 0 {
            // The last line may lack its end.
            if let Some(line) = buffer.get(done..filled).filter(|line| !line.is_empty() && !skipping) {
                let _ = each(line);
            }
            return;
        }
        if done == 0 && filled == buffer.len() {
            (skipping, filled) = (true, 0);
        } else {
            buffer.copy_within(done..filled, 0);
            filled = filled.saturating_sub(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// All lines of a file with this content.
    fn lines_of(content: &[u8]) -> Vec<Vec<u8>> {
        let path = format!("/proc/self/fd/{}", {
            let file = nix::sys::memfd::memfd_create(c"x", nix::sys::memfd::MFdFlags::empty()).unwrap();
            let mut file = File::from(file);
            file.write_all(content).unwrap();
            std::os::fd::IntoRawFd::into_raw_fd(file)
        });
        let mut found = Vec::new();
        lines(&mut vec![0; LONGEST], &path, |line| {
            found.push(line.to_vec());
            None
        });
        found
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped() {
        let mut content = b"first\n".to_vec();
        content.extend(vec![b'x'; 200_000]);
        content.extend(b":0:0\nlast");
        assert_eq!(lines_of(&content), [b"first".to_vec(), b"last".to_vec()]);
    }

    #[test]
    fn lines_are_whole_also_over_many_reads() {
        let content: Vec<u8> = (0..30_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let found = lines_of(&content);
        assert_eq!((found.len(), found.last().unwrap().as_slice()), (30_000, b"line 29999".as_slice()));
    }

    #[test]
    fn root_is_found_and_nobody_else_is_taken_for_it() {
        let mut room = Room::default();
        assert_eq!(room.user("root"), Some(User { uid: 0, gid: Some(0) }));
        for nobody in ["", "0", "0x0", "no such user", "+", "uid:", "uid:-1", "uid:4294967295", "uid:0x0"] {
            assert_eq!(room.user(nobody), None, "{nobody}");
        }
        assert_eq!(room.user("uid:54321"), Some(User { uid: 54321, gid: None }));
        assert_eq!(room.group("gid:7"), Some(7));
        assert_eq!(room.group("root"), Some(0));
        assert_eq!(room.group("no such group"), None);
    }

    #[test]
    fn malformed_lines_have_no_fields() {
        assert_eq!(fields::<4>(b"a:b:c"), None);
        assert_eq!(fields::<4>(b"a:b:c:d:e"), None);
        assert_eq!(fields::<2>(b"a:b"), Some([b"a".as_slice(), b"b".as_slice()]));
        assert_eq!((id(b"12"), id(b"+12"), id(b""), id(b"99999999999")), (Some(12), None, None, None));
    }
}
