//! Makes one test of each folder in `scenarios`, so that each can be run alone.

use std::{env, fs, io, path::Path};

fn main() -> io::Result<()> {
    let scenarios = Path::new("scenarios");
    println!("cargo::rerun-if-changed={}", scenarios.display());
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(scenarios)? {
        let entry = entry?;
        if entry.path().join("scenario").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let tests: String = names
        .iter()
        .map(|name| {
            let function = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            format!("#[test]\nfn {function}() {{ play({name:?}); }}\n")
        })
        .collect();
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("there is no OUT_DIR"))?;
    fs::write(Path::new(&out).join("scenarios.rs"), tests)
}
