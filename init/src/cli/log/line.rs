//! A line of a log, as it is shown.

use std::io::{self, Write};

use serde::Serialize;

use crate::logs::{Level, Record, Stamp, Stem};

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// As JSON, one object a line.
    pub json: bool,
    /// With the names of jobs.
    pub names: bool,
    /// With what would do something to a terminal written as `\xNN`.
    pub escapes: bool,
    /// With colours.
    pub colours: bool,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub stem: Stem,
    pub time: Stamp,
    pub unfinished: bool,
    pub level: Option<Level>,
    pub text: Vec<u8>,
}

/// What `--json` prints of a line.
#[derive(Serialize)]
struct Answer<'l> {
    time: String,
    job: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    instance: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<Level>,
    text: &'l str,
    /// The bytes of a text that is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<&'l [u8]>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unfinished: bool,
}

impl Line {
    /// What stands in a file; what no log keeper has written has the time of the line before it.
    pub(super) fn of(stem: &Stem, before: Stamp, bytes: &[u8]) -> Self {
        let foreign = Record { time: before, unfinished: false, level: None, text: bytes };
        let Record { time, unfinished, level, text } = Record::parse(bytes).unwrap_or(foreign);
        Self { stem: stem.clone(), time, unfinished, level, text: text.to_vec() }
    }

    /// Shows it.
    pub(super) fn write(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        if style.json {
            return self.write_json(out);
        }
        let bad = self.level.filter(|level| *level <= Level::Warning);
        let colour = match bad.filter(|_| style.colours) {
            Some(Level::Warning) => "\x1b[33m",
            Some(_) => "\x1b[31m",
            None => "",
        };
        let (dim, plain) = if style.colours { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        write!(out, "{dim}{}{plain} {colour}", self.time)?;
        if style.names {
            write!(out, "{}: ", self.who())?;
        }
        if let Some(level) = bad {
            write!(out, "[{}] ", level.word())?;
        }
        match style.escapes {
            true => out.write_all(escaped(&self.text).as_bytes())?,
            false => out.write_all(&self.text)?,
        }
        let end = if self.unfinished { " \\" } else { "" };
        writeln!(out, "{}{end}", if colour.is_empty() { "" } else { plain })
    }

    fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let text = String::from_utf8_lossy(&self.text);
        let answer = Answer {
            time: self.time.to_string(),
            job: self.stem.job(),
            instance: self.stem.instance(),
            level: self.level,
            text: &text,
            bytes: std::str::from_utf8(&self.text).is_err().then_some(&self.text),
            unfinished: self.unfinished,
        };
        serde_json::to_writer(&mut *out, &answer)?;
        writeln!(out)
    }

    /// The job's instance as people write it.
    fn who(&self) -> String {
        let (job, instance) = (self.stem.job(), self.stem.instance());
        if instance.is_empty() { job } else { format!("{job} ({instance})") }
    }
}

/// A text that does nothing to a terminal.
fn escaped(text: &[u8]) -> String {
    let mut shown = String::new();
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && c != '\t' {
                shown.push_str(&format!("\\x{:02x}", u32::from(c)));
            } else {
                shown.push(c);
            }
        }
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &[u8], style: Style, expected: &str) {
        let line = Line::of(&Stem::new("web", "one"), Stamp(0), line);
        let mut out = Vec::new();
        line.write(&mut out, style).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn lines_are_shown_for_people_and_for_programs() {
        let plain = Style { json: false, names: false, escapes: false, colours: false };
        let names = Style { names: true, escapes: true, ..plain };
        let json = Style { json: true, ..plain };
        let colours = Style { colours: true, ..plain };
        let line = b"2026-11-21T07:48:14.123Z> <3>bad\x1b\xff\t";
        let time = "2026-11-21T07:48:14.123Z";
        check(line, plain, &format!("{time} [error] bad\x1b\u{fffd}\t \\\n"));
        check(line, names, &format!("{time} web (one): [error] bad\\x1b\\xff\t \\\n"));
        check(line, colours, &format!("\x1b[2m{time}\x1b[0m \x1b[31m[error] bad\x1b\u{fffd}\t\x1b[0m \\\n"));
        let bytes = "\"text\":\"bad\\u001b\u{fffd}\\t\",\"bytes\":[98,97,100,27,255,9]";
        let who = "\"job\":\"web\",\"instance\":\"one\"";
        check(
            line,
            json,
            &format!("{{\"time\":\"{time}\",{who},\"level\":\"error\",{bytes},\"unfinished\":true}}\n"),
        );
        check(b"2026-11-21T07:48:14.123Z <6>fine", plain, &format!("{time} fine\n"));
        check(b"somebody else's", plain, "1970-01-01T00:00:00.000Z somebody else's\n");
    }
}
