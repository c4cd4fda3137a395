//! Words as `execve` wants them: laid out before the fork, so that the child allocates nothing.

use std::ffi::{CStr, CString, c_char};

/// A list of words, each ended by a zero byte, with pointers to them and a null pointer at the end.
///
/// One place before the first word is kept free: a script without `#!` is given to a shell with it.
#[derive(Debug, Default)]
pub struct Words {
    bytes: Vec<u8>,
    pointers: Vec<*const c_char>,
}

impl Words {
    /// These words. A zero byte within one ends it there.
    #[must_use]
    pub fn new<'w>(words: impl IntoIterator<Item = &'w [u8]>) -> Self {
        let (mut bytes, mut ends) = (Vec::with_capacity(256), Vec::with_capacity(16));
        for word in words {
            let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
            ends.push(bytes.len());
            bytes.extend_from_slice(word);
            bytes.push(0);
        }
        let mut words = Self { bytes, pointers: Vec::with_capacity(ends.len().saturating_add(2)) };
        words.pointers.push(std::ptr::null());
        for start in ends {
            words.pointers.extend(words.bytes.get(start..).map(|word| word.as_ptr().cast::<c_char>()));
        }
        words.pointers.push(std::ptr::null());
        words
    }

    /// What `execve` is given.
    pub(super) fn pointers(&self) -> *const *const c_char {
        self.pointers.get(1..).map_or(std::ptr::null(), <[_]>::as_ptr)
    }

    /// Writes a number over the digits at the end of the word that begins with `start`: what only the child
    /// knows, its own id.
    pub fn set_number(&mut self, start: &[u8], number: u32) {
        let Some(at) = self.bytes.windows(start.len().max(1)).position(|window| window == start) else {
            return;
        };
        let digits = self.bytes.get_mut(at.saturating_add(start.len())..).unwrap_or_default();
        let room = digits.iter().position(|byte| *byte == 0).unwrap_or(0);
        // Written as if there were no other digits: zeros in front would make it octal for some readers.
        let mut buffer = [0_u8; 10];
        let (mut rest, mut count) = (number, 0);
        for digit in buffer.iter_mut().rev() {
            *digit = b'0'.saturating_add(u8::try_from(rest.wrapping_rem(10)).unwrap_or(0));
            count = usize::saturating_add(count, 1);
            rest = rest.wrapping_div(10);
            if rest == 0 {
                break;
            }
        }
        let text = buffer.get(buffer.len().saturating_sub(count)..).unwrap_or_default();
        if let (true, Some(place)) = (text.len() <= room, digits.get_mut(..text.len())) {
            place.copy_from_slice(text);
            if let Some(end) = digits.get_mut(text.len()) {
                *end = 0;
            }
        }
    }

    /// The same words with `program` in place of the first, and `shell` before that.
    pub(super) fn for_shell(&mut self, shell: &CStr, program: &CString) -> *const *const c_char {
        if let [first, second, ..] = self.pointers.as_mut_slice() {
            *first = shell.as_ptr();
            *second = program.as_ptr();
        }
        self.pointers.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_the_place_of_the_digits() {
        let mut words = Words::new([b"A=1".as_slice(), b"LISTEN_PID=0000000000", b"B=2"]);
        words.set_number(b"LISTEN_PID=", 412);
        assert_eq!(&words.bytes, b"A=1\0LISTEN_PID=412\x00000000\0B=2\0".get(..).unwrap());
        words.set_number(b"NONE=", 4);
        assert_eq!(words.pointers.len(), 5);
    }

    #[test]
    fn a_zero_byte_ends_a_word() {
        let words = Words::new([b"a\0b".as_slice(), b""]);
        assert_eq!(words.bytes, b"a\0\0");
        assert!(words.pointers.first().unwrap().is_null() && words.pointers.last().unwrap().is_null());
    }
}
