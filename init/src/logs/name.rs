//! The names of log files: `web.log`, `getty@tty1.log`, and their older parts `web.log.1`, `web.log.2`.
//!
//! What could lead out of the folder or be taken for something else is written `%XX`.

use jobs::WorkId;

/// The longest name without its ending, in bytes: a name in a folder has at most 255.
const LONGEST: usize = 200;

/// Of which job and instance a log is; its name without ending.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stem(String);

impl Stem {
    /// The stem of an instance of a job; its name is empty if the job has only one.
    #[must_use]
    pub fn new(job: &str, instance: &str) -> Self {
        let mut stem = String::new();
        escape(&mut stem, job);
        if !instance.is_empty() {
            stem.push('@');
            escape(&mut stem, instance);
        }
        if stem.len() > LONGEST {
            // What is cut off is told apart by a number made from all of it. No escape ends with `~`.
            let number = WorkId::of(format!("{job}\0{instance}").as_bytes()).0;
            let end = (0..=LONGEST).rev().find(|at| stem.is_char_boundary(*at)).unwrap_or(0);
            stem.truncate(end);
            stem.push_str(&format!("%~{number:016x}"));
        }
        Self(stem)
    }

    /// A stem that somebody else has made, if it can be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bad =
            text.is_empty() || text.starts_with('.') || text.contains(['/', '\0', '\n']) || text.len() > 240;
        (!bad).then(|| Self(String::from(text)))
    }

    /// The stem as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The job's name.
    #[must_use]
    pub fn job(&self) -> String {
        unescape(self.0.split('@').next().unwrap_or(&self.0))
    }

    /// The instance's name; empty if there is none.
    #[must_use]
    pub fn instance(&self) -> String {
        self.0.split_once('@').map(|(_, instance)| unescape(instance)).unwrap_or_default()
    }

    /// The name of the file that is written to (0), or of an older one: the higher, the older.
    #[must_use]
    pub fn file(&self, age: u32) -> String {
        match age {
            0 => format!("{}.log", self.0),
            age => format!("{}.log.{age}", self.0),
        }
    }

    /// Of which log a file is, and its age.
    #[must_use]
    pub fn of_file(name: &str) -> Option<(Self, u32)> {
        if let Some(stem) = name.strip_suffix(".log") {
            return Some((Self::parse(stem)?, 0));
        }
        let (stem, age) = name.rsplit_once(".log.")?;
        let plain = !age.starts_with('0') && age.len() < 6 && age.bytes().all(|byte| byte.is_ascii_digit());
        Some((Self::parse(stem)?, plain.then(|| age.parse().ok()).flatten()?))
    }
}

fn escape(stem: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        let plain =
            c.is_ascii_alphanumeric() || "_-+=,:".contains(c) || (c == '.' && at > 0) || !c.is_ascii();
        if plain && !c.is_control() && !c.is_whitespace() {
            stem.push(c);
        } else {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer).bytes().for_each(|byte| stem.push_str(&format!("%{byte:02X}")));
        }
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let hex = others.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = others.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_says_whose_log_it_is() {
        for (job, instance, stem) in [
            ("web", "", "web"),
            ("getty", "tty1", "getty@tty1"),
            ("net/eth0", "", "net%2Feth0"),
            ("a@b", "c", "a%40b@c"),
            ("..", "..", "%2E.@%2E."),
            ("50%", "a b\n", "50%25@a%20b%0A"),
            ("größe", "", "größe"),
            ("a.log.1", "", "a.log.1"),
        ] {
            let made = Stem::new(job, instance);
            assert_eq!(made.as_str(), stem);
            assert_eq!((made.job().as_str(), made.instance().as_str()), (job, instance));
            assert_eq!(Stem::parse(stem), Some(made.clone()));
            for age in [0, 1, 12] {
                assert_eq!(Stem::of_file(&made.file(age)), Some((made.clone(), age)), "{stem}");
            }
        }
    }

    #[test]
    fn a_long_name_fits_and_stays_another() {
        let long = "ö".repeat(2_000);
        let stems = [Stem::new(&long, "a"), Stem::new(&long, "b"), Stem::new("a", &long)];
        assert_ne!(stems[0], stems[1]);
        for stem in stems {
            assert!(stem.file(1_000).len() < 255);
            assert_eq!(Stem::of_file(&stem.file(1)), Some((stem, 1)));
        }
    }

    #[test]
    fn what_is_no_log_is_left_alone() {
        for name in
            ["web", ".log", ".web.log", "web.log.", "web.log.x", "web.log.01", "web.log.gz", "web.log.1.gz"]
        {
            assert_eq!(Stem::of_file(name), None, "{name}");
        }
    }
}
