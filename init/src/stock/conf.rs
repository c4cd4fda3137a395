//! Folders such as sysctl.d: who is read, in which order.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::task::{Task, reason};

/// Where such a folder lies; of two files of one name the first counts, and a link to `/dev/null` takes the name away.
const FOLDERS: [&str; 5] = ["etc", "run", "usr/local/lib", "usr/lib", "lib"];
/// The most a file may have.
const LONGEST: u64 = 1 << 20;

/// A line with something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it stands, as it is shown.
    pub place: String,
    /// What it says, without the blanks around it.
    pub text: String,
}

/// The lines of all files of a folder `name`, by the files' names, without comments.
pub fn lines(task: &mut Task, name: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for path in files(task, name) {
        lines.extend(lines_of(task, &path));
    }
    lines
}

/// The files of a folder `name`, in the order in which they count.
pub fn files(task: &mut Task, name: &str) -> Vec<PathBuf> {
    let mut files: BTreeMap<_, PathBuf> = BTreeMap::new();
    for folder in FOLDERS {
        let entries = fs::read_dir(task.path(folder).join(name)).into_iter().flatten().flatten();
        for entry in entries {
            let file = entry.file_name();
            let text = file.to_string_lossy();
            if text.ends_with(".conf") && !text.starts_with('.') {
                files.entry(file).or_insert_with(|| entry.path());
            }
        }
    }
    files.into_values().collect()
}

/// The lines of one file, without comments; none if it is not there.
pub fn lines_of(task: &mut Task, path: &std::path::Path) -> Vec<Line> {
    let shown = path.display().to_string();
    let text = match fs::metadata(path) {
        // A link to /dev/null.
        Ok(metadata) if !metadata.is_file() => return Vec::new(),
        Ok(metadata) if metadata.len() > LONGEST => {
            task.fault(format!("{shown}: more than {LONGEST} bytes"));
            return Vec::new();
        }
        Ok(_) => fs::read(path),
        Err(error) => Err(error),
    };
    match text {
        Ok(text) => split(&shown, &String::from_utf8_lossy(&text)),
        Err(error) => {
            task.fault(format!("{shown}: {}", reason(&error)));
            Vec::new()
        }
    }
}

/// The lines of a text, with their places.
pub fn split(shown: &str, text: &str) -> Vec<Line> {
    let lines = (1_u32..).zip(text.lines().map(str::trim));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']))
        .map(|(number, line)| Line { place: format!("{shown}:{number}"), text: line.into() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_knows_where_it_stands() {
        let lines = split("x", "# a\n\n  b c \n;d\r\n e");
        let shown: Vec<_> = lines.iter().map(|line| format!("{} {}", line.place, line.text)).collect();
        assert_eq!(shown, ["x:3 b c", "x:5 e"]);
    }
}
