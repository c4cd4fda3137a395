//! `onsetctl events`: everything that happens, as it happens.

use std::{
    io::{self, Write as _, stdout},
    path::Path,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    Outcome, colours,
    connection::Connection,
    exit::{DONE, FAILED, Trouble, clean},
    say::{self, part},
};

/// Which events, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Events {
    /// Only events of this name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// End after so many
    #[arg(short = 'n', long, value_name = "NUMBER")]
    number: Option<u64>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Events {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        let mut connection = Connection::open(socket);
        let mut left = self.number.unwrap_or(u64::MAX);
        loop {
            match connection.and_then(|connection| self.follow(connection, &mut left)) {
                Ok(code) => return Outcome { text: String::new(), remarks: String::new(), code },
                Err(trouble) if trouble.is_restart() => {
                    // Nobody is told if nobody reads.
                    let _ = writeln!(io::stderr(), "onsetctl: Onset has restarted; looking on");
                    connection = Connection::open_again(socket);
                }
                Err(trouble) => return trouble.outcome(),
            }
        }
    }

    /// Prints what happens until nobody reads it any more.
    fn follow(&self, mut connection: Connection, left: &mut u64) -> Result<u8, Trouble> {
        let colours = colours(&stdout());
        connection.send("Events", &json!({}), true)?;
        while *left > 0 {
            let happened = connection.receive(None, &mut |_| {})?.parameters;
            let Some(line) = self.line(&happened, colours) else { continue };
            let mut out = stdout().lock();
            match writeln!(out, "{line}").and_then(|()| out.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(DONE),
                Err(_) => return Ok(FAILED),
            }
            if say::text(&happened, "what") != "watching" {
                *left = left.saturating_sub(1);
            }
        }
        Ok(DONE)
    }

    fn line(&self, happened: &Value, colours: bool) -> Option<String> {
        let what = say::text(happened, "what");
        let wanted = match (&self.name, what) {
            (_, "lost") => true,
            (Some(name), "event") => say::text(happened, "name") == name,
            (Some(_), _) => self.json && what == "watching",
            (None, _) => self.json || what != "watching",
        };
        if !wanted {
            return None;
        }
        if self.json {
            return Some(happened.to_string());
        }
        let time = say::seconds(part(happened, "time"));
        let about = match (what, say::text(happened, "job")) {
            ("note", job) if !job.is_empty() => format!("{}: ", say::who(happened)),
            _ => String::new(),
        };
        let because = match part(happened, "cause").as_str() {
            Some(cause) if colours => format!("  \x1b[2m<- {}\x1b[0m", clean(cause)),
            Some(cause) => format!("  <- {}", clean(cause)),
            None => String::new(),
        };
        let mark = match (what, colours) {
            ("event", true) => "\x1b[36mevent\x1b[0m",
            ("lost", true) => "\x1b[31mlost\x1b[0m ",
            (_, true) => "\x1b[33mnote\x1b[0m ",
            ("event", false) => "event",
            ("lost", false) => "lost ",
            (_, false) => "note ",
        };
        Some(format!("{time:>10} {mark} {about}{}{because}", clean(say::text(happened, "text"))))
    }
}
