//! The README does not lie: its files are written, its commands are run, and what they print is what it says.
//!
//! `UPDATE=1 cargo test -p init --test readme` writes the outputs anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, process::Command};

/// The README with every output as it is today.
fn as_it_is(readme: &str, folder: &Path) -> String {
    let mut result = String::new();
    let mut lines = readme.lines().peekable();
    let mut file = None;
    while let Some(line) = lines.next() {
        result.push_str(line);
        result.push('\n');
        if let Some(name) = line.strip_prefix('`').and_then(|line| line.strip_suffix('`')) {
            file = Some(name.to_string());
        }
        let block = match line {
            "```ron" | "```console" => lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>(),
            _ => continue,
        };
        if line == "```ron" {
            let path = folder.join(file.take().expect("the name of the file above the block"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, block.join("\n") + "\n").unwrap();
            block.iter().for_each(|line| result.push_str(&format!("{line}\n")));
        } else {
            for command in block.iter().filter_map(|line| line.strip_prefix("$ ")) {
                result.push_str(&format!("$ {command}\n{}", run(command, folder)));
            }
        }
        result.push_str("```\n");
    }
    result
}

/// What a command prints in the folder.
fn run(command: &str, folder: &Path) -> String {
    let onsetctl = Path::new(env!("CARGO_BIN_EXE_onsetctl")).parent().unwrap();
    let path = format!("{}:{}", onsetctl.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("{command} 2>&1")])
        .current_dir(folder)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readme_does_not_lie() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    // It is there only if the last run was broken off.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let now = as_it_is(&readme, &folder);
    assert!(now.matches("$ onsetctl").count() >= 4, "the commands of the README were not found");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, now).unwrap();
    } else {
        assert_eq!(readme, now, "UPDATE=1 cargo test -p init --test readme");
    }
}
