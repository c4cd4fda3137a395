//! `onset-udev`: tells Onset what udev's database says of all devices that udevd has dealt with.
//!
//! PID 1 hears udevd's messages itself, and is not linked with any library. This program asks libudev, which came with the
//! udevd that runs and knows how that keeps its database: properties, tags, links. It runs once udevd has settled, hands
//! over one batch after the other, each when the one before it has been taken, and ends. PID 1 tells only what is new.
#![forbid(unsafe_code)]

use std::{
    env,
    ffi::OsStr,
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::{ffi::OsStrExt as _, net::UnixStream},
    process::ExitCode,
};

use events::{Key, Value, control};
use serde_json::json;
use udev::{Device, Enumerator};

/// How many bytes of properties are handed over at once; a message has room for twice as many, if all are escaped.
const BATCH: usize = 16 << 10;
/// How many properties of a device are handed over.
const PROPERTIES: usize = 240;
/// How many texts are handed over at once.
const TEXTS: usize = 2048;

fn main() -> ExitCode {
    let is_print = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [word] if word == "--print" => true,
        _ => {
            say("usage: onset-udev [--print]\n\n  --print  print what is told, and tell it nobody");
            return ExitCode::from(2);
        }
    };
    match run(is_print) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("onset-udev: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    // There is nowhere else to say it.
    let _ = writeln!(io::stderr(), "{line}");
}

fn run(is_print: bool) -> io::Result<()> {
    let mut enumerator = Enumerator::new()?;
    enumerator.match_is_initialized()?;
    let mut onset = if is_print { None } else { Some(Onset::connect()?) };
    let (mut batch, mut size, mut texts) = (Vec::new(), 0_usize, 0_usize);
    for device in enumerator.scan_devices()? {
        let Some(properties) = properties(&device) else { continue };
        let Some(onset) = &mut onset else {
            writeln!(io::stdout(), "{}", properties.join(" "))?;
            continue;
        };
        let length: usize = properties.iter().map(String::len).sum();
        let is_full = size.saturating_add(length) > BATCH || texts.saturating_add(properties.len()) > TEXTS;
        if is_full && !batch.is_empty() {
            onset.tell(&std::mem::take(&mut batch))?;
            (size, texts) = (0, 0);
        }
        size = size.saturating_add(length);
        texts = texts.saturating_add(properties.len());
        batch.push(properties);
    }
    match onset {
        Some(mut onset) if !batch.is_empty() => onset.tell(&batch),
        Some(_) | None => Ok(()),
    }
}

/// What is known of a device, as `KEY=VALUE`; `None` if it is none that Onset knows.
fn properties(device: &Device) -> Option<Vec<String>> {
    let mut properties: Vec<String> = ["DEVPATH", "SUBSYSTEM"]
        .into_iter()
        .zip([device.devpath(), device.subsystem()?])
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    let others = device.properties().filter_map(|property| {
        let key = Key::new(property.name().to_str()?).ok().filter(|key| !key.is_reserved())?;
        let is_told = matches!(key.as_str(), "DEVPATH" | "SUBSYSTEM");
        (!is_told).then(|| format!("{key}={}", text(property.value())))
    });
    let mut size = 0_usize;
    let others = others.take_while(|property| {
        size = size.saturating_add(property.len());
        size < BATCH
    });
    properties.extend(others.take(PROPERTIES));
    Some(properties)
}

/// What is no value is escaped.
fn text(value: &OsStr) -> String {
    Value::escaped(value.as_bytes()).0.as_str().to_owned()
}

/// The connection to Onset.
struct Onset(BufReader<UnixStream>);

impl Onset {
    fn connect() -> io::Result<Self> {
        let path = env::var_os("ONSET_CONTROL").unwrap_or_else(|| control::PATH.into());
        let stream = UnixStream::connect(&path).map_err(|error| {
            io::Error::other(format!("cannot reach Onset at {}: {error}", path.display()))
        })?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Hands over a batch, and waits until it has been taken.
    fn tell(&mut self, devices: &[Vec<String>]) -> io::Result<()> {
        let method = format!("{}.EnumerateDevices", control::INTERFACE);
        let mut message =
            serde_json::to_vec(&json!({ "method": method, "parameters": { "devices": devices } }))?;
        message.push(0);
        self.0.get_mut().write_all(&message)?;
        let mut answer = Vec::new();
        self.0.read_until(0, &mut answer)?;
        if answer.pop() != Some(0) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let answer: serde_json::Value = serde_json::from_slice(&answer)?;
        match answer.get("error") {
            None => Ok(()),
            Some(_) => Err(io::Error::other(format!("Onset refuses it: {answer}"))),
        }
    }
}
