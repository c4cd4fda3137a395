//! The words that the kernel was started with.

use crate::pid1::options::words as split;

/// Those of this machine.
pub fn words() -> Vec<String> {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    split(&line)
}

/// The last value that is given to one of these options.
pub fn value<'w>(words: &'w [String], options: &[&str]) -> Option<&'w str> {
    let mut values = words.iter().rev().filter_map(|word| word.split_once('='));
    values.find(|(key, _)| options.contains(key)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts() {
        let words = split("quiet a=1 b=\"x y\" a=2\n");
        assert_eq!(words, ["quiet", "a=1", "b=x y", "a=2"]);
        assert_eq!(value(&words, &["a", "c"]), Some("2"));
        assert_eq!(value(&words, &["quiet"]), None);
    }
}
