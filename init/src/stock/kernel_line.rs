//! The words that the kernel was started with.

/// Those of this machine.
pub fn words() -> Vec<String> {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    split(&line)
}

/// The words of a command line: at blanks that are not between double quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            letter if letter.is_whitespace() && !quoted => words.push(String::new()),
            letter => {
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
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
