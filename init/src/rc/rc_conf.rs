//! The files of rc.conf: which there are, and what a variable holds after all of them.
//!
//! They are read natively. What only a shell can tell (`$(hostname)`, a value under a condition) is asked of `/bin/sh`, as
//! every script would: they are root's own files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use jobs::{
    Report,
    formats::{
        Source,
        rc_conf::{RcConf, Setting},
    },
};

use super::call::reason;

/// The system's own defaults.
pub const DEFAULTS: &str = "/etc/defaults/rc.conf";
/// What is read after them, unless they say otherwise.
const USUAL: &str = "/etc/rc.conf /etc/rc.conf.local";
/// The folders in which packages keep their scripts.
pub const LOCAL_STARTUP: &str = "/usr/local/etc/rc.d";

/// Prints a variable that the files set, for who asks a shell. Its status says whether it is set at all.
const ASK: &str = r#"
name=$1
shift
for file; do
    if [ -r "$file" ]; then . "$file"; fi
done </dev/null >/dev/null
eval "[ \"\${$name+set}\" ]" || exit 3
eval "printf %s \"\$$name\""
"#;

/// The files that are read, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The system's own defaults; `None` if they are not to be looked at.
    pub defaults: Option<PathBuf>,
    /// The others.
    pub own: Vec<PathBuf>,
}

/// What the files say.
#[derive(Debug, Default)]
pub struct Values {
    conf: RcConf,
    /// What is odd in them.
    pub reports: Vec<Report>,
    files: Files,
}

impl Files {
    /// Those of this machine.
    pub fn of_machine() -> Self {
        let defaults = std::env::var_os("RC_DEFAULTS").map_or_else(|| DEFAULTS.into(), PathBuf::from);
        let files = Self { defaults: Some(defaults), own: Vec::new() };
        let named = Values::read(&files).get("rc_conf_files").ok().flatten();
        let named = named.filter(|named| !named.trim().is_empty()).unwrap_or_else(|| USUAL.into());
        Self { own: named.split_whitespace().map(PathBuf::from).collect(), ..files }
    }

    /// The files that the service with this `$name` reads besides.
    pub fn of_service(name: &str) -> Vec<PathBuf> {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Vec::new();
        }
        let folders = ["/etc/rc.conf.d", "/usr/local/etc/rc.conf.d"];
        let mut files = Vec::new();
        for path in folders.iter().map(|folder| Path::new(folder).join(name)) {
            if path.is_dir() {
                let mut below: Vec<PathBuf> =
                    fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
                below.sort();
                files.extend(below.into_iter().filter(|path| path.is_file()));
            } else {
                files.push(path);
            }
        }
        files
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.defaults.iter().chain(&self.own)
    }
}

impl Values {
    /// What `files` say. One that is not there says nothing.
    pub fn read(files: &Files) -> Self {
        Self::read_but(files, None)
    }

    /// The same with another text in the place of one file's.
    fn read_but(files: &Files, other: Option<(&Path, &str)>) -> Self {
        let source = |path: &PathBuf| {
            let text = match other {
                Some((replaced, text)) if replaced == path => text.into(),
                // Nothing is set in one that is not there, and whoever writes to it is told.
                Some(_) | None => text_of(&fs::read(path).ok()?),
            };
            Some(Source { path: path.display().to_string(), text, executable: false })
        };
        let defaults: Vec<Source> = files.defaults.iter().filter_map(source).collect();
        let own: Vec<Source> = files.own.iter().filter_map(source).collect();
        let (conf, reports) = RcConf::in_order(&defaults, &own);
        Self { conf, reports, files: files.clone() }
    }

    /// The names of all variables that are set, by name.
    pub fn names(&self) -> Vec<String> {
        self.conf.names().map(String::from).collect()
    }

    /// What a variable holds; nothing if it is not set. An error is what the shell could not do.
    pub fn get(&self, variable: &str) -> Result<Option<String>, String> {
        match self.conf.get(variable) {
            Setting::Plain(value) => Ok(Some(value.into())),
            Setting::Unset => Ok(None),
            Setting::Unknown => ask(variable, &self.files),
        }
    }

    /// The file and the bytes that decide what it holds.
    pub fn place(&self, variable: &str) -> Option<(PathBuf, core::ops::Range<usize>)> {
        self.conf.place_for("", variable).map(|(path, span)| (path.into(), span))
    }

    /// The values with another text in the place of one file's.
    pub fn with(&self, path: &Path, text: &str) -> Self {
        Self::read_but(&self.files, Some((path, text)))
    }

    /// What a text alone says, as the only file.
    pub fn of_text(path: &Path, text: &str) -> Self {
        let files = Files { defaults: None, own: vec![path.into()] };
        Self::read_but(&files, Some((path, text)))
    }

    /// Whether the value of a variable can be told without a shell, and is this one.
    pub fn is_plainly(&self, variable: &str, value: &str) -> bool {
        self.conf.get(variable) == Setting::Plain(value)
    }
}

/// The text of a file. Bytes that are no UTF-8 become one character each.
pub fn text_of(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn ask(variable: &str, files: &Files) -> Result<Option<String>, String> {
    // A name without a slash is one that the shell looks for in PATH.
    let paths = files.all().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    let output = Command::new("/bin/sh")
        .args(["-c", ASK, "sh", variable])
        .args(paths)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("/bin/sh: {}", reason(&error)))?;
    match output.status.code() {
        Some(0) => Ok(Some(text_of(&output.stdout))),
        Some(3) => Ok(None),
        _ => Err("a file cannot be read by the shell".into()),
    }
}

/// A path behind all symbolic links of its last part; it need not be there.
pub fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                path = folder.join(target);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(nix::errno::Errno::ELOOP.into())
}
