//! `setfib`: runs a command. Linux chooses a routing table by rules and by network namespaces, not by process, so only
//! table 0, the one that every process has, can be asked for without a word.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use super::{USAGE, call::Call, launch::become_command};

const USAGE_TEXT: &str = "usage: setfib [-F] value command\n";

/// `setfib` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE_TEXT) {
        return 0;
    }
    let mut words = call.words.as_slice();
    let mut value: &[u8] = b"";
    if let Some((first, rest)) = words.split_first() {
        words = rest;
        value = first.as_bytes();
        if value == b"-F" {
            match words.split_first() {
                Some((next, rest)) => (value, words) = (next.as_bytes(), rest),
                None => return call.misuse(USAGE, USAGE_TEXT),
            }
        }
        value = [&b"-F"[..], b"-"].iter().find_map(|sign| value.strip_prefix(*sign)).unwrap_or(value);
    }
    if words.is_empty() {
        return call.misuse(USAGE, USAGE_TEXT);
    }
    let table: Option<u16> = str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    match table {
        Some(0) => {}
        Some(table) => call.warn(&format!(
            "routing table {table}: not on Linux, where rules (ip-rule(8)) or a network namespace choose it; the command runs with the usual one"
        )),
        None => {
            let shown = OsStr::from_bytes(value).to_string_lossy().into_owned();
            return call.fail(USAGE, &format!("{shown}: not a number of a routing table\n{}", USAGE_TEXT.trim_end()));
        }
    }
    become_command(call, words)
}
