//! `/etc/onset/mode`: the mode that the machine boots into, one word.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use events::Name;
use jobs::Report;

/// Where it stands below the root.
pub const FILE: &str = "etc/onset/mode";
/// No more of it is read.
const MOST: u64 = 4096;

/// The mode that the file says, if it is there and says one. Empty lines and those that begin with `#` say nothing.
pub fn read(root: &Path) -> Result<Option<Name>, Report> {
    let text = match open(&root.join(FILE)).and_then(text) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(report(format!("the mode cannot be read: {error}"))),
    };
    let mut words = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(word) = words.next() else { return Ok(None) };
    if words.next().is_some() {
        return Err(report("there is more than one mode".into()));
    }
    match Name::new(word) {
        Ok(mode) => Ok(Some(mode)),
        Err(fault) => Err(report(format!("`{}` is no mode: it {fault}", word.escape_debug()))),
    }
}

/// Nothing here may wait for somebody at the other end of a pipe.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

fn text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

fn report(message: String) -> Report {
    Report::error("mode-file", message)
        .in_file(&format!("/{FILE}"))
        .help("write one word, such as `production`")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_says_one_word() {
        let root = std::env::temp_dir().join(format!("onset-mode-{}", std::process::id()));
        fs::create_dir_all(root.join("etc/onset")).unwrap();
        assert_eq!(read(&root).unwrap(), None);
        for (text, expected) in [
            ("backup\n", Ok(Some("backup"))),
            ("# which of the two\n\n  backup  \n", Ok(Some("backup"))),
            ("\n# nothing\n", Ok(None)),
            ("", Ok(None)),
            ("a\nb\n", Err("there is more than one mode")),
            ("two words", Err("`two words` is no mode: it has the character ' ', which is not allowed here")),
        ] {
            fs::write(root.join(FILE), text).unwrap();
            let read = read(&root).map_err(|report| report.message);
            let read = read.as_ref().map(Option::as_deref).map_err(String::as_str);
            assert_eq!(read, expected, "{text}");
        }
        fs::remove_dir_all(&root).unwrap();
    }
}
