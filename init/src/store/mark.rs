//! What every file that can be PID 1 carries, so that it is known for one before it is executed.

use std::io::{self, Read};

use super::snapshot::FORMAT;

const PREFIX: usize = 20;
const LENGTH: usize = PREFIX + 4;
const PIECE: usize = 64 << 10;

/// Kept in the program's data, although nobody needs it when it runs. The only place where these bytes are.
#[used]
static MARK: [u8; LENGTH] = mark();

const fn mark() -> [u8; LENGTH] {
    let [a, b, c, d] = FORMAT.to_le_bytes();
    [
        0x7F, b'O', b'n', b's', b'e', b't', b' ', b's', b't', b'a', b't', b'e', b' ', b'f', b'o', b'r', b'm',
        b'a', b't', 0x7F, a, b, c, d,
    ]
}

/// The format of the states that this program reads and writes: [`FORMAT`], read from its mark, so that a copy of
/// the program with another mark is, for a test, another version of it.
#[must_use]
pub fn own_format() -> u32 {
    let (_, format) = std::hint::black_box(&MARK).split_last_chunk::<4>().unwrap_or((&[], &[0; 4]));
    u32::from_le_bytes(*format)
}

/// The format of the states that the program in `file` reads; none if it is not Onset.
pub fn format_of(mut file: impl Read) -> io::Result<Option<u32>> {
    let mut bytes = Vec::with_capacity(PIECE.saturating_add(LENGTH));
    loop {
        let count = file.by_ref().take(PIECE as u64).read_to_end(&mut bytes)?;
        if let Some(format) = find(&bytes) {
            return Ok(Some(format));
        }
        if count == 0 {
            return Ok(None);
        }
        // A mark may stand across the border of two pieces.
        let kept = bytes.len().saturating_sub(LENGTH.saturating_sub(1));
        bytes.drain(..kept);
    }
}

fn find(bytes: &[u8]) -> Option<u32> {
    let (prefix, _) = MARK.split_first_chunk::<PREFIX>()?;
    let place = bytes.windows(LENGTH).position(|window| window.starts_with(prefix))?;
    let format = bytes.get(place..)?.get(PREFIX..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*format))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn our_own_file_has_it_and_others_have_not() {
        assert_eq!(format_of(File::open("/proc/self/exe").unwrap()).unwrap(), Some(FORMAT));
        assert_eq!(format_of(File::open("/bin/sh").unwrap()).unwrap(), None);
        assert_eq!(format_of(&b""[..]).unwrap(), None);
    }

    #[test]
    fn it_is_found_wherever_it_stands() {
        for before in [0, 1, PIECE - LENGTH, PIECE - 7, PIECE, PIECE + 3] {
            let mut file = vec![b'O'; before];
            file.extend(MARK);
            assert_eq!(format_of(&file[..]).unwrap(), Some(FORMAT), "{before}");
            file.pop();
            assert_eq!(format_of(&file[..]).unwrap(), None, "{before}");
        }
    }
}
