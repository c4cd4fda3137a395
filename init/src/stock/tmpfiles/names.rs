//! Specifiers: `%b` and its like in paths and texts.

use super::super::task::Task;

/// What specifiers stand for on this machine.
#[derive(Debug, Default)]
pub struct Names {
    boot: String,
    machine: String,
    host: String,
    release: String,
    architecture: String,
}

impl Names {
    /// Those of the machine that we run on.
    pub fn of(task: &mut Task) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let name = nix::sys::utsname::uname().ok();
        let word = |word: Option<&std::ffi::OsStr>| {
            word.map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
        };
        Self {
            boot: boot.trim().replace('-', ""),
            machine: task.read("etc/machine-id").unwrap_or_default().trim().into(),
            host: word(name.as_ref().map(|it| it.nodename())),
            release: word(name.as_ref().map(|it| it.release())),
            architecture: word(name.as_ref().map(|it| it.machine())),
        }
    }

    /// The text with what its specifiers stand for.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                filled.push(letter);
                continue;
            }
            let value = match letters.next() {
                Some('%') => "%",
                Some('b') => &self.boot,
                Some('m') => &self.machine,
                Some('H') => &self.host,
                Some('l') => self.host.split('.').next().unwrap_or_default(),
                Some('v') => &self.release,
                Some('a') => &self.architecture,
                Some('t') => "/run",
                Some('S') => "/var/lib",
                Some('C') => "/var/cache",
                Some('L') => "/var/log",
                Some('T') => "/tmp",
                Some('V') => "/var/tmp",
                Some('h') => "/root",
                Some('u' | 'g') => "root",
                Some('U' | 'G') => "0",
                Some(other) => return Err(format!("`%{other}` stands for nothing here")),
                None => return Err("a single `%` is written `%%`".into()),
            };
            if value.is_empty() {
                return Err(format!("`{text}`: what a specifier in it stands for is not known"));
            }
            filled.push_str(value);
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specifier_stands_for_something_or_it_is_a_fault() {
        let names = Names { machine: "0123".into(), host: "fw.example".into(), ..Names::default() };
        assert_eq!(names.fill("%L/journal/%m-%l%%").unwrap(), "/var/log/journal/0123-fw%");
        for text in ["%b", "%x", "a%"] {
            assert!(names.fill(text).is_err(), "{text}");
        }
    }
}
