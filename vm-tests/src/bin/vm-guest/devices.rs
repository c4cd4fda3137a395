//! What Onset says of devices, beside what `/sys` says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::say;

/// A device's properties.
type Properties = BTreeMap<String, String>;

/// Says what differs, and fails if anything does.
pub(super) fn compare() -> io::Result<()> {
    let (told, there) = (told()?, there()?);
    let mut differences = 0_u32;
    let mut differs = |line: String| {
        differences = differences.saturating_add(1);
        say(&line)
    };
    for path in told.keys().filter(|path| !there.contains_key(*path)) {
        differs(format!("{path} is not there"))?;
    }
    for (path, properties) in &there {
        let Some(facts) = told.get(path) else {
            differs(format!("{path} was not told"))?;
            continue;
        };
        for (key, value) in properties.iter().filter(|(key, value)| facts.get(*key) != Some(value)) {
            differs(format!("{path} has {key}={value}, and was told with {:?}", facts.get(key)))?;
        }
    }
    if differences > 0 {
        return Err(io::Error::other(format!("{differences} differences")));
    }
    say(&format!("{} devices, all of them told", there.len()))
}

/// The facts, by path.
fn told() -> io::Result<BTreeMap<String, Properties>> {
    let output = Command::new("onsetctl").args(["call", "Facts", r#"{"name":"device"}"#]).output()?;
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let facts = answer.get("facts").and_then(Value::as_array).ok_or(io::ErrorKind::InvalidData)?;
    let mut told = BTreeMap::new();
    for fact in facts {
        let words = fact.get("args").and_then(Value::as_array).into_iter().flatten();
        let pairs = words.filter_map(Value::as_str).filter_map(|word| word.split_once('='));
        let mut properties: Properties = pairs.map(|(key, value)| (key.into(), value.into())).collect();
        let path = properties.remove("DEVPATH").ok_or(io::ErrorKind::InvalidData)?;
        if told.insert(path.clone(), properties).is_some() {
            return Err(io::Error::other(format!("{path} was told twice")));
        }
    }
    Ok(told)
}

/// What is there, by path.
fn there() -> io::Result<BTreeMap<String, Properties>> {
    let mut folders: BTreeSet<_> = names("/sys/class").into_iter().collect();
    folders.extend(names("/sys/bus").into_iter().map(|bus| bus.join("devices")));
    let mut there = BTreeMap::new();
    for link in folders.iter().flat_map(names) {
        let Ok(folder) = fs::canonicalize(&link) else { continue };
        let Ok(bytes) = fs::read(folder.join("uevent")) else { continue };
        let lines = bytes.split(|byte| *byte == b'\n');
        let text: Vec<String> = lines.map(|line| ::events::Value::escaped(line).0.to_string()).collect();
        let Ok(path) = folder.strip_prefix("/sys") else { continue };
        // As it is told, if there are strange characters in it.
        let path = format!("/{}", ::events::Value::escaped(path.as_os_str().as_bytes()).0);
        let pairs = text.iter().filter_map(|line| line.split_once('='));
        let mut properties: Properties = pairs.map(|(key, value)| (key.into(), value.into())).collect();
        if let Some(name) = properties.get_mut("DEVNAME") {
            *name = Path::new("/dev").join(&*name).display().to_string();
        }
        there.insert(path, properties);
    }
    Ok(there)
}

/// The paths of what is in a folder.
fn names(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).collect()
}
