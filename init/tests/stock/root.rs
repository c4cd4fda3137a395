//! A folder with files in it, gone with the test.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder of a test's own.
pub struct Root(pub PathBuf);

impl Root {
    /// With these files. One whose text begins with `#!` may be executed, and `-> TARGET` is a link.
    pub fn new(files: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stock-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let root = Self(path);
        files.iter().for_each(|(path, text)| root.write(path, text));
        root
    }

    /// The stock set as it is installed, and these files.
    pub fn with_stock(files: &[(&str, &str)]) -> Self {
        let root = Self::new(&[]);
        for folder in ["jobs", "overrides"] {
            for (name, text) in stock(folder) {
                root.write(&format!("usr/lib/onset/jobs/{name}"), &text);
            }
        }
        files.iter().for_each(|(path, text)| root.write(path, text));
        root
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => {
                fs::write(&path, text).unwrap();
                let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap()
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The files of a folder of the stock set: name and text, by name.
pub fn stock(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stock").join(folder);
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

pub fn onsetctl(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onsetctl")).args(words).env("NO_COLOR", "1").output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
